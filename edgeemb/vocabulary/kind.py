"""What pruning needs from a tokenizer's model, and the registry of supported kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any, Protocol

from edgeemb.errors import InputError
from edgeemb.text.byte_level import is_byte_level
from edgeemb.vocabulary import bpe, unigram, wordpiece


class Kind(Protocol):
    """The model section of a tokenizer.json, read."""

    @property
    def ids(self) -> dict[str, int]:
        """The id of each token of the model; added tokens that the model lacks are not among them."""
        ...

    @property
    def unknown(self) -> str | None:
        """The token that stands for text that cannot be spelled, or None."""
        ...

    def needed(self) -> set[str]:
        """Tokens without which the model breaks or treats unknown text differently; they are always kept."""
        ...

    def alphabet(self) -> set[str]:
        """Tokens that spell what removed tokens no longer do; only a choice of scripts drops them."""
        ...

    def parts(self, token: str) -> set[str]:
        """Tokens that must be kept with a token, so that the tokenizer still finds it in text."""
        ...

    def spell(self, token: str, kept: Set[str]) -> list[str]:
        """What the tokenizer finds in place of a removed token; empty if it cannot be spelled."""
        ...

    def surface(self, token: str) -> str | None:
        """The text of a token, without markers; None if that is a fragment of a character."""
        ...

    def shrink(self, kept: Sequence[str]) -> dict[str, Any]:
        """The model section with these tokens only, whose ids are their places in the sequence."""
        ...


_KINDS: dict[str, Callable[[dict[str, Any], bool], Kind]] = {
    "WordPiece": wordpiece.read,
    "BPE": bpe.read,
    "Unigram": unigram.read,
}


def read_kind(tokenizer: dict[str, Any], where: str) -> Kind:
    """Read the model section.

    :param tokenizer: a parsed tokenizer.json.
    :param where: what to call it in an error.
    :raises InputError: if its model is of a kind that pruning does not know.
    """
    model = tokenizer["model"]
    name = model.get("type") or _guess(model)
    if name not in _KINDS:
        raise InputError(f"{where}: cannot prune a {name} tokenizer; supported kinds are {', '.join(_KINDS)}")
    return _KINDS[name](model, is_byte_level(tokenizer))


def with_parts(kind: Kind, tokens: Iterable[str]) -> set[str]:
    """Tokens together with all that must stay with them.

    :param kind: the tokenizer's model.
    :param tokens: tokens to keep; ones that the model lacks are passed over.
    """
    closed: set[str] = set()
    todo = list(tokens)
    while todo:
        token = todo.pop()
        if token not in closed:
            closed.add(token)
            todo.extend(kind.parts(token) - closed)
    return closed


def _guess(model: dict[str, Any]) -> str:
    # Files of old versions of the tokenizers library do not name the type.
    if "merges" in model:
        return "BPE"
    if isinstance(model.get("vocab"), list):
        return "Unigram"
    return "WordPiece" if "max_input_chars_per_word" in model else "WordLevel"
