"""The input of an exported C model, ids of a vocabulary or the bytes of words, and the pieces of C that differ between the two."""

from __future__ import annotations

from dataclasses import dataclass

from edgeemb.text.compiled.reading import operations

_ROWS = " * @UPPER@_ROWS         ids lie in [0, rows)"

_TEXT_API = """
/* UTF-8 text of `bytes` bytes to ids [@UPPER@_TOKENS], as the model's tokenizer makes them: special tokens added, the end cut off where the
 * text is too long. A text without a token of its own is EEM_EMPTY; EEM_TEXT_NEEDS_MORE asks for a larger arena. See micro/text.h. */
int32_t @lower@_tokenize(void *arena, size_t arena_bytes, const char *text, size_t bytes, int32_t *ids, size_t *count);
"""

_TYPED_MACRO = "\n * @UPPER@_TYPES        types of tokens lie in [0, types)"

_TYPED_API = """
/* Ids and the type of each token in, for pairs of texts: 0 for the tokens of the first text, 1 for those of the second. */
int32_t @lower@_run_types(void *arena, size_t arena_bytes, const int32_t *ids, const int32_t *types, size_t count, float *output);
"""

_INCLUDE = """\
/* The operations of the model's tokenizer; the code of others is left out. */
#define EET_HAS(operation) (@operations@)
#include "micro/text.h"
"""

_VOCABULARY = """\
extern const uint8_t @prefix@_tokenizer[];

/* What the model expects in front of each text. */
static const uint8_t prompt[] = {@prompt@};
static const eem_tokenizer tokenizer = {@prefix@_tokenizer, @bytes@u, prompt, sizeof prompt - 1};
"""

_TOKENIZE = "eem_text_ids(&tokenizer, text, bytes, arena, arena_bytes, tokens, NULL, @UPPER@_TOKENS, count)"

_IN_ARENA = "eem_text_in_arena(&tokenizer, text, bytes, base, arena_bytes, @at_ids@, tokens, @spans@, @UPPER@_TOKENS, @count_at@)"

_NO_TYPES = "    (void)types;\n"
_TYPES_CHECKS = """\
    for (at = 0; types != NULL && at < count; ++at) {
        if ((uint32_t)types[at] >= @UPPER@_TYPES) {
            return EEM_ID_OUT_OF_RANGE;
        }
    }
"""

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
    :param step: elements of the input for a token.
    :param row: arguments that `word_row` is called with for a token.
    :param declare: declarations of what the checks use.
    :param checks: statements that refuse an input.
    :param include: lines that include the tokenizer.
    :param vocabulary: definition of the tokenizer's tables.
    :param tokenize: call that turns text into tokens; empty where no text is taken.
    :param in_arena: the same where the tokens lie in the arena and their number goes where the result says.
    :param text_api: declaration of what gives the tokens of a text.
    :param types: types that a token may have; 0 where every token has the first.
    :param typed_api: declarations of what takes the types of tokens; empty where there are none to give.
    """

    type: str
    name: str
    what: str
    macros: str
    row: str
    step: str = "1u"
    declare: str = ""
    checks: str = ""
    include: str = ""
    vocabulary: str = ""
    tokenize: str = ""
    in_arena: str = ""
    text_api: str = ""
    types: int = 0
    typed_api: str = ""

    @property
    def typed(self) -> bool:
        """Whether the types of tokens may go in."""
        return self.types > 0


def ids_input(tokenizer: bytes | None = None, types: int = 0) -> Input:
    """The input of a model with a vocabulary.

    :param tokenizer: the compiled tokenizer; None for a model that takes only ids.
    :param types: types that a token may have, where they may go in; else 0.
    """
    include = vocabulary = ""
    if tokenizer is not None:
        used = " || ".join(f"(operation) == {number}" for number in operations(tokenizer))
        include = _INCLUDE.replace("@operations@", used)
        vocabulary = _VOCABULARY.replace("@bytes@", str(len(tokenizer)))
    return Input(
        type="int32_t",
        name="ids",
        what="Ids",
        macros=_ROWS + (_TYPED_MACRO if types else ""),
        row="input[token], memory->rows + token * STRIDE, scratch",
        declare="    size_t at;\n",
        checks=_CHECKS + (_TYPES_CHECKS if types else _NO_TYPES),
        include=include,
        vocabulary=vocabulary,
        tokenize=_TOKENIZE if include else "",
        in_arena=_IN_ARENA if include else "",
        text_api=_TEXT_API if include else "",
        types=types,
        typed_api=_TYPED_API if types else "",
    )
