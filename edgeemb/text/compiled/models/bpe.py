"""Byte pair encoding: merges as a hash table of pairs of ids (layout: runtimes/text/models/bpe.h)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.text.byte_level import BYTE_OF
from edgeemb.text.compiled.blob import NONE, Blob, triples, words
from edgeemb.text.compiled.models.pieces import Alphabet, piece_ids
from edgeemb.text.compiled.refusal import refuse
from edgeemb.text.compiled.trie import add_trie

_BPE = 203
_FUSE, _PREFIX, _SUFFIX = 1, 2, 4
#: Slots of the hash table for every merge.
_LOAD = 1.3
_PROBES = 1024


def add_bpe(blob: Blob, section: dict[str, Any], alphabet: Alphabet, fallback: Sequence[int] | None) -> None:
    """Write the operation of a BPE model.

    :param section: the model of the tokenizer.json.
    :param alphabet: whether its characters stand for bytes.
    :param fallback: the ids of the 256 bytes that spell unknown characters, or None.
    :raises NotCompiled: if it samples, or its merges contradict its vocabulary.
    """
    vocab: dict[str, int] = section["vocab"]
    prefix = section.get("continuing_subword_prefix") or ""
    suffix = section.get("end_of_word_suffix") or ""
    if section.get("dropout"):
        raise refuse("the model BPE drops merges at random (dropout)")
    if fallback is not None and (prefix or suffix or alphabet.byte_level):
        raise refuse(
            "the model BPE combines byte_fallback with prefixes or suffixes of pieces, or with characters for bytes"
        )
    unknown = section.get("unk_token")
    if unknown is not None and unknown not in vocab:
        raise refuse(f"its vocabulary lacks the unk_token {unknown!r}")
    merges = _merges(section["merges"], vocab, prefix)
    results = merges[:, 2]
    base = int(results[0]) if len(results) else 0
    rising = bool((results == base + np.arange(len(results))).all())
    symbols, of_bytes = NONE, fallback
    if alphabet.byte_level and not prefix and not suffix:
        of_bytes = [NONE] * 256
        for char, byte in BYTE_OF.items():
            of_bytes[byte] = vocab.get(char, NONE)
    else:
        symbols = add_trie(blob, _symbols(vocab, alphabet, prefix, suffix), 3)
    flags = (
        (_FUSE if section.get("fuse_unk") else 0) | (_PREFIX if prefix else 0) | (_SUFFIX if suffix else 0)
    )
    blob.record(
        _BPE,
        symbols,
        blob.add(words(_slots(merges[:, :2]))),
        blob.add(triples(merges[:, 0])),
        blob.add(triples(merges[:, 1])),
        NONE if rising else blob.add(triples(results)),
        base,
        flags,
        NONE if unknown is None else vocab[unknown],
        NONE if of_bytes is None else blob.add(words(of_bytes)),
        add_trie(blob, piece_ids(vocab, alphabet), 3) if section.get("ignore_merges") else NONE,
    )


def _merges(merges: Sequence[Any], vocab: Mapping[str, int], prefix: str) -> NDArray[np.int64]:
    """Left, right and result of each merge by its rank: int64[merges, 3]; if a pair occurs twice, the last rank counts."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, pair in enumerate(merges):
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        joined = left + right[len(prefix) :]
        for piece in (left, right, joined):
            if piece not in vocab:
                raise refuse(f"its vocabulary lacks {piece!r} of merge {rank + 1}")
        found[vocab[left], vocab[right]] = (rank, vocab[joined])
    ordered = sorted((rank, *pair, result) for pair, (rank, result) in found.items())
    table = np.array(ordered, np.int64).reshape(-1, 4)[:, 1:]
    if len(table) >= 1 << 24 or (len(table) and int(table.max()) >= 1 << 24):
        raise refuse("it has more than 2^24 pieces or merges")
    return table


def _symbols(vocab: Mapping[str, int], alphabet: Alphabet, prefix: str, suffix: str) -> dict[bytes, int]:
    """Pieces of one character, each preceded by a byte that says where it occurs."""
    found: dict[bytes, int] = {}
    for piece, number in vocab.items():
        for place in (0, 2, 4, 6):
            before = prefix if place & 2 else ""
            behind = suffix if place & 4 else ""
            if (place & 2 and not prefix) or (place & 4 and not suffix):
                continue
            middle = piece[len(before) : len(piece) - len(behind)]
            if len(middle) == 1 and piece == before + middle + behind:
                encoded = alphabet.encode(middle)
                if encoded is not None:
                    found[bytes([1 + place]) + encoded] = number
    return found


def _hashes(pairs: NDArray[np.int64]) -> NDArray[np.uint32]:
    """eet_pair_hash of runtimes/text/models/bpe.h."""
    with np.errstate(over="ignore"):
        left, right = (pairs[:, side].astype(np.uint32) for side in (0, 1))
        value = left * np.uint32(0x9E3779B1) ^ right * np.uint32(0x85EBCA6B)
        value ^= value >> np.uint32(15)
        value *= np.uint32(0x2C1B3C6D)
        hashes: NDArray[np.uint32] = value ^ value >> np.uint32(13)
        return hashes


def _slots(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    count = int(len(pairs) * _LOAD) + 1
    hashes = _hashes(pairs)
    wanted = (hashes.astype(np.uint64) * np.uint64(count) >> np.uint64(32)).astype(np.int64).tolist()
    slots = [NONE] * count
    for rank, (slot, low) in enumerate(zip(wanted, (hashes & np.uint32(255)).tolist(), strict=True)):
        for _ in range(_PROBES):
            if slots[slot] == NONE:
                slots[slot] = rank << 8 | low
                break
            slot = slot + 1 if slot + 1 < count else 0
        else:
            raise refuse("its merges collide in a hash table")
    return np.array(slots, np.int64)
