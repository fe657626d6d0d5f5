"""A model's tokenizer as the text of a ``tokenizer.json``, and where it cuts long texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgeemb.errors import EdgeembError, ModelError, first_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# The largest tokenizer.json in use (250 000 pieces) has about 17 MB.
MAX_BYTES = 256 * 2**20
#: Stands for "any" where a file notes a truncation only to say at which end.
MARK_LENGTH = 2**31 - 1


def parse_tokenizer(text: str, where: str, error: type[EdgeembError] = ModelError) -> Tokenizer:
    """Parse the text of a ``tokenizer.json``.

    :param text: the JSON.
    :param where: what to call it in an error, usually its path.
    :param error: class of what is raised.
    :raises EdgeembError: of class ``error`` if it is not a tokenizer.
    """
    # Sessions with a compiled tokenizer do not need the library, which takes 4 MB.
    from tokenizers import Tokenizer

    with library_errors(where, error):
        tokenizer = Tokenizer.from_str(text)
    check_ends(tokenizer, where, error)
    return tokenizer


def check_ends(tokenizer: Tokenizer, where: str, error: type[EdgeembError] = ModelError) -> None:
    """Refuse a tokenizer that puts a token around texts which it does not define: the library panics over that with every text.

    :param tokenizer: the tokenizer.
    :param where: what to call it in an error, usually its path.
    :param error: class of what is raised.
    :raises EdgeembError: of class ``error``, naming the token.
    """
    with library_errors(where, error):
        around = tokenizer.post_processor
        missing = [] if around is None else _undefined(json.loads(around.__getstate__()))
    if missing:
        raise error(
            f"{where} puts the token {missing[0][:40]!r} around texts but does not define it: copy its folder again"
        )


def _undefined(section: Any) -> list[str]:
    """Tokens of a post-processor's templates that it does not define."""
    if section.get("type") == "Sequence":
        return [name for part in section["processors"] for name in _undefined(part)]
    if section.get("type") != "TemplateProcessing":
        return []
    named = [
        item["SpecialToken"]["id"]
        for key in ("single", "pair")
        for item in section[key]
        if "SpecialToken" in item
    ]
    return [name for name in named if name not in section["special_tokens"]]


@contextmanager
def library_errors(where: str, error: type[EdgeembError] = ModelError) -> Iterator[None]:
    """Turns what the tokenizers library raises over a damaged file into an error of one line.

    :param where: what to call the file, usually its path.
    :param error: class of what is raised.
    """
    try:
        yield
    except BaseException as problem:
        # The library raises the bare class Exception for what it refuses.
        if type(problem) is not Exception and not is_panic(problem):
            raise
        raise error(f"{where} is not a tokenizer ({first_line(problem)}): copy its folder again") from None


def is_panic(problem: BaseException) -> bool:
    """Whether the tokenizers library panicked over what it did not expect, which is no Exception.

    :param problem: what was raised.
    """
    return type(problem).__name__ == "PanicException"


def cut_from(tokenizer: Tokenizer, side: str) -> None:
    """Record in a tokenizer which end of a long text is cut off; the session sets the length.

    :param tokenizer: changed in place; ``right`` is the default and noted by no truncation at all.
    :param side: ``left`` or ``right``.
    """
    if side == "left":
        tokenizer.enable_truncation(MARK_LENGTH, direction="left")
    else:
        tokenizer.no_truncation()


def truncate(tokenizer: Tokenizer, length: int) -> None:
    """Cut texts at a length, at the end that the tokenizer notes; of a pair the longer text first.

    :param tokenizer: changed in place.
    :param length: tokens of the longest text, special tokens included.
    """
    noted = tokenizer.truncation
    tokenizer.enable_truncation(length, direction=noted["direction"] if noted else "right")
