"""The input of an exported C model, ids of a vocabulary or the bytes of words, and the pieces of C that differ between the two."""

from __future__ import annotations

from dataclasses import dataclass

_ROWS = " * @UPPER@_ROWS         ids lie in [0, rows)"

_TEXT_API = """
/* UTF-8 text of `bytes` bytes to ids [@UPPER@_TOKENS], as the model's tokenizer makes them: special tokens added, the end cut off where the
 * text is too long. */
int32_t @lower@_tokenize(const char *text, size_t bytes, int32_t *ids, size_t *count);

/* Text in, vector or logits out; a text without a token of its own is EEM_EMPTY. */
int32_t @lower@_run_text(void *arena, size_t arena_bytes, const char *text, size_t bytes, float *output);
"""

_VOCABULARY = """\
extern const uint8_t @prefix@_vocabulary[];
static const eem_wordpiece wordpiece = @tables@;
"""

_TOKENIZE = "eem_tokenize(&wordpiece, (const char *)prompt, sizeof prompt - 1, text, bytes, tokens, @UPPER@_TOKENS, count)"

_BLANK = "eem_is_blank(&wordpiece, text, bytes)"

_CHECKS = """\
    for (at = 0; at < count; ++at) {
        if ((uint32_t)input[at] >= @UPPER@_ROWS) {
            return EEM_ID_OUT_OF_RANGE;
        }
    }
"""


@dataclass(frozen=True)
class Input:
    """Pieces of `model.h` and `model.c`; placeholders such as @UPPER@ are filled in with the rest of them.

    :param type: type of the elements of the input.
    :param name: what `model.h` calls the input.
    :param what: the same in words.
    :param macros: lines of `model.h` on what bounds the input.
    :param row: arguments that `word_row` is called with for a token.
    :param declare: declarations of what the checks use.
    :param checks: statements that refuse an input.
    :param include: lines that include the tokenizer.
    :param vocabulary: definition of the tokenizer's tables.
    :param tokenize: call that turns text into tokens; empty where no text is taken.
    :param blank: C expression that is true where the text holds no token of its own.
    :param mark: statements before a text becomes tokens.
    :param text_api: declarations of what takes text.
    """

    type: str
    name: str
    what: str
    macros: str
    row: str
    declare: str = ""
    checks: str = ""
    include: str = ""
    vocabulary: str = ""
    tokenize: str = ""
    blank: str = ""
    mark: str = ""
    text_api: str = ""


def ids_input(tables: str = "") -> Input:
    """The input of a model with a vocabulary.

    :param tables: initialiser of the tokenizer's tables, with ``@blob@`` for their address; empty for a model that takes only ids.
    """
    vocabulary = _VOCABULARY.replace("@tables@", tables).replace("@blob@", "@prefix@_vocabulary")
    return Input(
        type="int32_t",
        name="ids",
        what="Ids",
        macros=_ROWS,
        row="input[token], memory->rows + token * STRIDE, scratch",
        declare="    size_t at;\n\n",
        checks=_CHECKS,
        include='#include "micro/wordpiece.h"\n' if tables else "",
        vocabulary=vocabulary if tables else "",
        tokenize=_TOKENIZE if tables else "",
        blank=_BLANK if tables else "",
        text_api=_TEXT_API if tables else "",
    )
