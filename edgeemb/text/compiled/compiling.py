"""Compiling a tokenizer.json: each of its parts becomes records and sections of a blob."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tokenizers import AddedToken
from tokenizers.normalizers import Normalizer

from edgeemb.errors import EdgeembError, ModelError, first_line
from edgeemb.text.compiled.added import ADDED, added_arguments
from edgeemb.text.compiled.around import add_around
from edgeemb.text.compiled.blob import Blob
from edgeemb.text.compiled.models import add_model
from edgeemb.text.compiled.models.pieces import Alphabet
from edgeemb.text.compiled.normalizers import add_normalizer
from edgeemb.text.compiled.pre_tokenizers import add_pre_tokenizer
from edgeemb.text.compiled.refusal import check_keys, refuse
from edgeemb.text.tokenizer import parse_tokenizer

#: EET_VOCABULARY_FREE of runtimes/text/text.h.
_VOCABULARY_FREE = 500
_KEYS = {
    *(
        "version",
        "truncation",
        "padding",
        "added_tokens",
        "normalizer",
        "pre_tokenizer",
        "post_processor",
        "decoder",
        "model",
    ),
}


@lru_cache(maxsize=4)
def compile_tokenizer(
    text: str, where: str = "the tokenizer", error: type[EdgeembError] = ModelError
) -> bytes:
    """A blob that gives the tokens of a tokenizer: its layout is that of runtimes/text/blob.h.

    Of truncation only the side is kept, and padding is left out: the caller that opens the blob sets the longest text.

    :param text: of the tokenizer.json.
    :param where: what to call it in an error.
    :param error: class of the error if it is not a tokenizer.
    :return: the blob.
    :raises EdgeembError: of class ``error`` if the tokenizers library cannot read it.
    :raises NotCompiled: naming the part that cannot be compiled exactly.
    """
    read = _read(text, where, error)
    try:
        return _compiled(text, read)
    except _OTHER_FORMS as problem:
        raise refuse(
            f"a part is not of the form in which the library writes it ({type(problem).__name__}: {first_line(problem)})"
        ) from None


#: What reading a part raises that the tokenizers library takes in a form other than its own.
_OTHER_FORMS = (
    AttributeError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
    struct.error,
)


@dataclass(frozen=True)
class _Read:
    """What the tokenizers library makes of a file, as far as the blob needs it: the library's own object takes 300 MB for 250,000 pieces.

    :param kind: the class of its model.
    :param scores: the pieces of Unigram with their scores; None for another model.
    :param added: tokens that are found before all else.
    :param normalizer: what a text goes through first, if anything.
    :param ids: one more than the largest id.
    """

    kind: str
    scores: list[Any] | None
    added: dict[int, AddedToken]
    normalizer: Normalizer | None
    ids: int


def _read(text: str, where: str, error: type[EdgeembError]) -> _Read:
    tokenizer = parse_tokenizer(text, where, error)
    # What the library makes of a file of an old version has every setting in its place.
    kind = type(tokenizer.model).__name__
    # It reads numbers to within a few units of the last place: which of two equal sums is larger depends on that.
    scores = json.loads(tokenizer.to_str())["model"]["vocab"] if kind == "Unigram" else None
    ids = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    return _Read(kind, scores, tokenizer.get_added_tokens_decoder(), tokenizer.normalizer, ids)


def _compiled(text: str, read: _Read) -> bytes:
    values: dict[str, Any] = json.loads(text)
    check_keys(values, _KEYS, "it")
    model = values.pop("model")
    if read.scores is not None:
        model["vocab"] = read.scores
    blob = Blob()
    blob.record(ADDED)
    add_normalizer(blob, values.get("normalizer"))
    normal_bytes = _makes_bytes(values.get("normalizer"), "normalizers")
    words = blob.records
    added = added_arguments(blob, read.added, read.normalizer, bool(normal_bytes))
    add_pre_tokenizer(blob, values.get("pre_tokenizer"))
    word_bytes = _makes_bytes(values.get("pre_tokenizer"), "pretokenizers")
    if normal_bytes + word_bytes > 1 or not _last(values.get("pre_tokenizer"), word_bytes):
        raise refuse("something follows after ByteLevel has turned characters into bytes")
    add_model(blob, model, read.kind, Alphabet(bool(normal_bytes or word_bytes)))
    left = (values.get("truncation") or {}).get("direction") == "Left"
    add_around(blob, values.get("post_processor"), bool(normal_bytes or word_bytes), left)
    blob.replace(0, ADDED, *added, words, int(blob.breaks.allowed and blob.breaks.begins))
    return blob.to_bytes(read.ids)


def compile_words(width: int) -> bytes:
    """A blob for the tokenizer without a vocabulary.

    :param width: bytes of a token, its marker included.
    """
    blob = Blob()
    blob.record(_VOCABULARY_FREE, width)
    return blob.to_bytes(0)


def _parts(section: Any, inner: str) -> list[Any]:
    if not isinstance(section, dict):
        return []
    if section.get("type") == "Sequence":
        return [part for item in section[inner] for part in _parts(item, inner)]
    return [section]


def _makes_bytes(section: Any, inner: str) -> int:
    """How many ByteLevel parts a normalizer or a pre-tokenizer has."""
    return sum(part.get("type") == "ByteLevel" for part in _parts(section, inner))


def _last(section: Any, count: int) -> bool:
    """Whether ByteLevel is the last part of a pre-tokenizer that has it."""
    parts = _parts(section, "pretokenizers")
    return count == 0 or parts[-1].get("type") == "ByteLevel"
