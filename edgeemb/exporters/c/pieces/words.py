"""What is specific to a C export of a model without a vocabulary: rows from the bytes of words, and text as its input."""

from __future__ import annotations

from edgeemb.exporters.c.encoder import Words
from edgeemb.exporters.c.input import Input
from edgeemb.exporters.c.source.files import Arrays, linear_text

_ROW = """\
static const eeb_ngram_table word_table = {{NULL, NULL, {seeds}, {bases}, 0, 0, {n}, {lanes}, {dim}}};
{projection}
static void word_row(const uint8_t *token, float *row, float *scratch, const {memory} *memory)
{{
    size_t length = 0;

    while (length < {width} && token[length] != 0) {{
        ++length;
    }}
{compute}
}}
"""
_ALONE = """\
    eeb_ngram_row_serial(&word_table, token, length, row);
    (void)scratch;
    (void)memory;"""
_PROJECTED = """\
    eeb_ngram_row_serial(&word_table, token, length, scratch);
    {call}"""

_MACROS = """\
 * @UPPER@_ROWS         0: no table of words is stored, rows are computed
 * @UPPER@_WIDTH        bytes of a token: 0x02 and a word, or a special token; zeros behind it"""

_TEXT_API = """
/* Text, any bytes of which the well-formed UTF-8 counts, to token_bytes [@UPPER@_TOKENS][@UPPER@_WIDTH]: special tokens added, the end cut off
 * where the text is too long. A text without a word is EEM_EMPTY. Nothing is kept in the arena. See text/vocabulary_free/words.h. */
int32_t @lower@_tokenize(void *arena, size_t arena_bytes, const char *text, size_t bytes, uint8_t *token_bytes, size_t *count);
"""

_VOCABULARY = """\
/* What the model expects in front of each text. */
static const uint8_t prompt[] = {@prompt@};
"""

_TOKENIZE = (
    "eev_words_are_none(text, bytes) ? (eem_status)EEM_EMPTY : "
    "eem_text_status(eev_words((const char *)prompt, sizeof prompt - 1, text, bytes, tokens, @UPPER@_WIDTH, @UPPER@_TOKENS, @count@))"
)


def words_input() -> Input:
    """The input of a model without a vocabulary: token bytes uint8[count][width]."""
    return Input(
        type="uint8_t",
        name="token_bytes",
        what="Token bytes [count][width]",
        macros=_MACROS,
        row="input + (size_t)token * @UPPER@_WIDTH, memory->rows + token * STRIDE, scratch, memory",
        step="@UPPER@_WIDTH",
        checks="    (void)types;\n",
        include='#include "kernels/ngram/serial.h"\n#include "micro/text.h"\n#include "text/vocabulary_free/words.h"\n',
        vocabulary=_VOCABULARY,
        tokenize=_TOKENIZE.replace("@count@", "count"),
        in_arena=_TOKENIZE.replace("@count@", "&count"),
        text_api=_TEXT_API,
    )


def word_function(words: Words, arrays: Arrays) -> str:
    """The function that writes the row of a token.

    :param words: how rows are computed.
    :param arrays: where the constants go.
    """
    form = words.form
    places = {name: arrays.add_table(array.astype("<i2").tobytes()) for name, array in form.arrays().items()}
    projection = ""
    if words.projection is not None:
        projection = f"static const eem_linear projection = {linear_text(words.projection, arrays)};\n"
    return _ROW.format(
        seeds=places["seeds"],
        bases=places["bases"],
        n=form.n,
        lanes=form.lanes,
        dim=form.dim,
        width=form.width,
        projection=projection,
        memory=arrays.packing.memory,
        compute=_ALONE if words.projection is None else _PROJECTED.format(call=arrays.packing.project),
    )


def scratch_floats(words: Words) -> int:
    """Floats of scratch memory that the function takes.

    :param words: how rows are computed.
    """
    return 0 if words.projection is None else words.form.dim
