"""A model's tokenizer as the text of a ``tokenizer.json``, and where it cuts long texts."""

from __future__ import annotations

from tokenizers import Tokenizer

from edgeemb.errors import EdgeembError, ModelError

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
    try:
        return Tokenizer.from_str(text)
    except BaseException as problem:
        # tokenizers raises the bare Exception class for whatever it cannot parse, and nothing else is ours.
        if type(problem) is not Exception:
            raise
        raise error(f"{where} is not a tokenizer ({problem}): copy its folder again") from problem


def cut_from(tokenizer: Tokenizer, side: str) -> None:
    """Record in a tokenizer which end of a long text is cut off; the session sets the length.

    :param tokenizer: changed in place; ``right`` is the default and noted by no truncation at all.
    :param side: ``left`` or ``right``.
    """
    if side == "left":
        tokenizer.enable_truncation(MARK_LENGTH, direction="left")
    else:
        tokenizer.no_truncation()


def truncate(tokenizer: Tokenizer, length: int, strategy: str = "longest_first") -> None:
    """Cut texts at a length, at the end that the tokenizer notes.

    :param tokenizer: changed in place.
    :param length: tokens of the longest text, special tokens included.
    :param strategy: which text of a pair is cut: ``longest_first``, ``only_first`` or ``only_second``.
    """
    noted = tokenizer.truncation
    tokenizer.enable_truncation(length, strategy=strategy, direction=noted["direction"] if noted else "right")
