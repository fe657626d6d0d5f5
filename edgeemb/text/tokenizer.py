"""Reading a model folder's tokenizer as the text of a ``tokenizer.json``."""

from __future__ import annotations

from tokenizers import Tokenizer

from edgeemb.errors import EdgeembError, ModelError

# The largest tokenizer.json in use (250 000 pieces) has about 17 MB.
MAX_BYTES = 256 * 2**20


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
