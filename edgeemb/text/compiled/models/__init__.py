"""Models of a tokenizer.json as the operation that turns a word into tokens; one record per type."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeemb.text.compiled.blob import NONE, Blob, words
from edgeemb.text.compiled.models.bpe import add_bpe
from edgeemb.text.compiled.models.pieces import Alphabet, piece_ids, width_of
from edgeemb.text.compiled.refusal import check_keys, refuse
from edgeemb.text.compiled.trie import add_trie, build

_WORDPIECE, _WORDLEVEL, _UNIGRAM = 200, 201, 202
#: What an unknown character costs in addition to the lowest score (kUnkPenalty of SentencePiece).
_PENALTY = 10.0

Section = dict[str, Any]


def add_model(blob: Blob, section: Section, kind: str, alphabet: Alphabet) -> None:
    """Write the operation of a model.

    :param section: the part of the tokenizer.json.
    :param kind: its type.
    :param alphabet: whether the model's characters stand for bytes.
    :raises NotCompiled: if the type is unknown, or a setting.
    """
    if kind not in _WRITERS:
        raise refuse(f"the model {kind}")
    known, write = _WRITERS[kind]
    check_keys(section, {"type", "vocab", *known}, f"the model {kind}")
    write(blob, section, alphabet)


def _unknown(vocab: Mapping[str, int], token: str | None) -> int:
    return vocab.get(token, NONE) if token is not None else NONE


def _wordpiece(blob: Blob, section: Section, alphabet: Alphabet) -> None:
    vocab = section["vocab"]
    ids = piece_ids(vocab, alphabet)
    prefix = alphabet.encode(section.get("continuing_subword_prefix", "##"))
    if prefix is None:
        raise refuse("the prefix of pieces within a word has a character that is not a byte")
    trie = build(list(ids))
    width = width_of(ids.values())
    blob.record(
        _WORDPIECE,
        trie.add(blob, np.array(list(ids.values()), np.int64), width),
        width,
        trie.node(prefix),
        _unknown(vocab, section.get("unk_token", "[UNK]")),
        section.get("max_input_chars_per_word", 100),
    )


def _wordlevel(blob: Blob, section: Section, alphabet: Alphabet) -> None:
    vocab = section["vocab"]
    ids = piece_ids(vocab, alphabet)
    width = width_of(ids.values())
    blob.record(_WORDLEVEL, add_trie(blob, ids, width), width, _unknown(vocab, section.get("unk_token")))


def _unigram(blob: Blob, section: Section, alphabet: Alphabet) -> None:
    vocab = section["vocab"]
    for option in ("alpha", "nbest_size"):
        if section.get(option):
            raise refuse(f"the model Unigram samples ({option})")
    # If a piece occurs twice, the last one counts.
    ids = piece_ids({piece: place for place, (piece, _) in enumerate(vocab)}, alphabet)
    scores = np.array([score for _, score in vocab], np.float64)
    if not np.isfinite(scores).all():
        raise refuse("the model Unigram has a score that is not a number")
    trie = build(list(ids))
    places = np.array(list(ids.values()), np.int64)
    ordered = scores[places[trie.order]]
    narrow = bool((ordered.astype(np.float32) == ordered).all())
    width = width_of(ids.values())
    unknown = section.get("unk_id")
    lowest = float(scores.min()) if len(scores) else 0.0
    fallback = (
        _byte_ids({piece: place for place, (piece, _) in enumerate(vocab)})
        if section.get("byte_fallback")
        else None
    )
    blob.record(
        _UNIGRAM,
        trie.add(blob, places, width),
        width,
        blob.add(ordered.astype("<f4" if narrow else "<f8").tobytes()),
        4 if narrow else 8,
        blob.add(struct.pack("<d", lowest - _PENALTY)),
        NONE if unknown is None else unknown,
        NONE if fallback is None else blob.add(words(fallback)),
    )


def _byte_ids(vocab: Mapping[str, int]) -> list[int]:
    return [vocab.get(f"<0x{byte:02X}>", NONE) for byte in range(256)]


def _bpe(blob: Blob, section: Section, alphabet: Alphabet) -> None:
    fallback = _byte_ids(section["vocab"]) if section.get("byte_fallback") else None
    add_bpe(blob, section, alphabet, fallback)


_WRITERS: dict[str, tuple[set[str], Callable[[Blob, Section, Alphabet], None]]] = {
    "WordPiece": ({"unk_token", "continuing_subword_prefix", "max_input_chars_per_word"}, _wordpiece),
    "WordLevel": ({"unk_token"}, _wordlevel),
    "Unigram": ({"unk_id", "byte_fallback", "alpha", "nbest_size"}, _unigram),
    "BPE": (
        {
            *("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk"),
            *("byte_fallback", "ignore_merges", "merges"),
        },
        _bpe,
    ),
}
