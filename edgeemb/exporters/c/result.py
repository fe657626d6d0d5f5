"""The result of an exported C model, a row for a text or a row for each of its tokens, and the pieces of C that differ between the two."""

from __future__ import annotations

from dataclasses import dataclass

from edgeemb.tasks.registry import QUESTION_ANSWERING, TOKEN_CLASSIFICATION
from edgeemb.tasks.task import Task

_CLASSIFY_API = """
/* @WHAT@ in, number of the largest output out. output is written too. */
int32_t @lower@_classify(void *arena, size_t arena_bytes, const @TYPE@ *@TOKENS@, size_t count, float *output, int32_t *label);
"""

_CLASSIFY = """
int32_t @prefix@_classify(void *arena, size_t arena_bytes, const @type@ *input, size_t count, float *output, int32_t *label)
{
    eem_status status;

    if (label == NULL) {
        return EEM_NULL;
    }
    status = @prefix@_run(arena, arena_bytes, input, count, output);
    if (status == EEM_OK) {
        *label = largest(output);
    }
    return status;
}
"""

_LABEL_API = """
/* @WHAT@ in, the number of the largest output of each token out: labels [count]. output is written too. */
int32_t @lower@_label(void *arena, size_t arena_bytes, const @TYPE@ *@TOKENS@, size_t count, float *output, int32_t *labels);
"""

_LABEL = """
int32_t @prefix@_label(void *arena, size_t arena_bytes, const @type@ *input, size_t count, float *output, int32_t *labels)
{
    eem_status status;
    size_t token;

    if (labels == NULL) {
        return EEM_NULL;
    }
    status = @prefix@_run(arena, arena_bytes, input, count, output);
    for (token = 0; status == EEM_OK && token < count; ++token) {
        labels[token] = largest(output + token * @UPPER@_OUTPUTS);
    }
    return status;
}
"""

_LARGEST = """
/* The number of the largest output of a row; of equal ones the first. */
static int32_t largest(const float *row)
{
    int32_t at, best = 0;

    for (at = 1; at < (int32_t)@UPPER@_OUTPUTS; ++at) {
        best = row[at] > row[best] ? at : best;
    }
    return best;
}
"""

_RUN_TEXT_API = """
/* Text in, vector or logits out. */
int32_t @lower@_run_text(void *arena, size_t arena_bytes, const char *text, size_t bytes, float *output);
"""

_RUN_TEXT = """
int32_t @prefix@_run_text(void *arena, size_t arena_bytes, const char *text, size_t bytes, float *output)
{
    uint8_t *base = (uint8_t *)arena;
    @type@ *tokens = (@type@ *)(void *)(base + @at_ids@);
    size_t count;
    eem_status status = check_arena(arena, arena_bytes);

    if (status != EEM_OK || text == NULL) {
        return status != EEM_OK ? status : (eem_status)EEM_NULL;
    }
    EEM_MARK();
    status = @in_arena@;
    return status != EEM_OK ? status : @prefix@_run(arena, arena_bytes, tokens, count, output);
}
"""

_RUN_TEXT_SPANS_API = """
/* Text in, a row for each of its *count tokens out: output and spans have room for @UPPER@_TOKENS of them. spans [count][2]: the bytes
 * [from, to) of the text that a token stands for, 0 and 0 for those that the tokenizer puts around it; spans may be NULL. */
int32_t @lower@_run_text(
    void *arena, size_t arena_bytes, const char *text, size_t bytes, float *output, uint32_t *spans, size_t *count);
"""

_RUN_TEXT_SPANS = """
int32_t @prefix@_run_text(
    void *arena, size_t arena_bytes, const char *text, size_t bytes, float *output, uint32_t *spans, size_t *count)
{
    uint8_t *base = (uint8_t *)arena;
    @type@ *tokens = (@type@ *)(void *)(base + @at_ids@);
    eem_status status = check_arena(arena, arena_bytes);

    if (status != EEM_OK || text == NULL || count == NULL) {
        return status != EEM_OK ? status : (eem_status)EEM_NULL;
    }
    EEM_MARK();
    status = @in_arena@;
    return status != EEM_OK ? status : @prefix@_run(arena, arena_bytes, tokens, *count, output);
}
"""


@dataclass(frozen=True)
class Result:
    """Pieces of `model.h` and `model.c`; placeholders such as @UPPER@ are filled in with the rest of them.

    :param macros: lines of `model.h` on the size of a result.
    :param run: what `model.h` says of the output for a text.
    :param batch: the same for many texts; empty where there is no function for them.
    :param advance: rows of the output that a number of texts takes, in terms of ``done`` texts with ``offset`` tokens.
    :param numbers_api: declarations of what gives the number of the largest output.
    :param numbers: their definitions.
    :param text_api: declaration of what takes text.
    :param text: its definition.
    :param spans: what the call that reads a text gives for the places of tokens; ``count`` is that call's argument for their number.
    :param count: see `spans`.
    :param calls: definitions of the functions of `model.h` that run a model, in place of those that give its rows; empty for these.
    """

    macros: str
    run: str
    batch: str
    advance: str
    numbers_api: str
    numbers: str
    text_api: str
    text: str
    spans: str
    count: str
    calls: str = ""


#: One row for a text: a vector, or logits.
FOR_TEXT = Result(
    macros=" * @UPPER@_OUTPUTS      floats of the result",
    run="vector or logits out: output [@UPPER@_OUTPUTS].",
    batch="output [texts][@UPPER@_OUTPUTS].",
    advance="done",
    numbers_api=_CLASSIFY_API,
    numbers=_LARGEST + _CLASSIFY,
    text_api=_RUN_TEXT_API,
    text=_RUN_TEXT,
    spans="NULL",
    count="&count",
)


@dataclass(frozen=True)
class _Rows:
    """The rows of tokens.

    :param what: what one is.
    :param numbers_api: declarations of what gives the numbers of their largest outputs.
    :param numbers: their definitions.
    :param texts: whether a text alone makes sense of it.
    """

    what: str
    numbers_api: str = ""
    numbers: str = ""
    texts: bool = True


_VECTORS = _Rows("a vector")
#: What the rows of tokens are by the name of the task, where they are no vectors.
_ROWS = {
    TOKEN_CLASSIFICATION.name: _Rows("the logits of its labels", _LABEL_API, _LARGEST + _LABEL),
    QUESTION_ANSWERING.name: _Rows(
        "the logits of its being the first and the last token of the answer", texts=False
    ),
}


def for_tokens(task: Task | None) -> Result:
    """A row for each token.

    :param task: what it is for.
    """
    rows = _VECTORS if task is None else _ROWS.get(task.name, _VECTORS)
    return Result(
        macros=f" * @UPPER@_OUTPUTS      floats of a row of the result, which is {rows.what}\n"
        " * @UPPER@_PER_TOKEN    1: a result has a row for each token",
        run=f"{rows.what} for each token out: output [count][@UPPER@_OUTPUTS], row t that of token t.",
        batch="output [tokens of all texts][@UPPER@_OUTPUTS], the rows of one\n"
        " * text behind those of another: with lengths {3, 5}, rows 0 to 2 are those of the first text, rows 3 to 7 those of the second.",
        advance="offset",
        numbers_api=rows.numbers_api,
        numbers=rows.numbers,
        text_api=_RUN_TEXT_SPANS_API if rows.texts else "",
        text=_RUN_TEXT_SPANS if rows.texts else "",
        spans="spans",
        count="count",
    )
