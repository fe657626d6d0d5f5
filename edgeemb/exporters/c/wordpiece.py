"""The tables of the C tokenizer, found by querying the model's own tokenizer for every code point."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from edgeemb.text.tokenizer import parse_tokenizer

KEEP, DROP, SPACE, ISOLATE = range(4)
#: Ids on one side of a text, as in `runtimes/micro/wordpiece.h`.
MOST_AROUND = 8
#: A letter that no normaliser touches: it separates the code points that are asked about.
_FENCE = "\u02ac"
#: Stands for what is in no vocabulary.
_NOWHERE = 0x10FFFE
_HANGUL = range(0xAC00, 0xD7A4)
#: Code points that Unicode has not assigned, or leaves to private use: what is done with the first is done with all.
_EMPTY = (
    range(0x40000, 0xE0000),
    range(0xE0200, 0xF0000),
    range(0xF0000, 0xFFFFE),
    range(0x100000, 0x10FFFE),
)
_ASKED = [
    code
    for code in range(0x110000)
    if not 0xD800 <= code < 0xE000 and chr(code) != _FENCE and not any(code in empty[1:] for empty in _EMPTY)
]
_BARE: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {}, "unk_token": ""},
}
_NORMALIZERS = ("BertNormalizer", "Lowercase", "StripAccents", "NFD")


@dataclass(frozen=True)
class Pieces:
    """A sorted list of pieces in the blob.

    :param starts: offset of uint32[count + 1], where a piece begins in the letters.
    :param ids: offset of uint32[count].
    :param count: pieces.
    """

    starts: int
    ids: int
    count: int


@dataclass(frozen=True)
class WordPiece:
    """Tables of `runtimes/micro/wordpiece.h`, which describes them.

    :param blob: all arrays, uint32 little-endian, then the bytes of the pieces.
    :param first: pieces that begin a word.
    :param later: pieces that continue one.
    :param letters: offset of the bytes of the pieces.
    :param ranges: offset and count of the ranges of actions.
    :param maps: offset and count of the replacements.
    :param more: offset of the code points of longer replacements.
    :param longest: characters of the longest word that is looked up.
    :param unknown: id of a word that is not known.
    :param hangul: whether Hangul syllables are decomposed.
    :param around: ids before and after every text.
    """

    blob: bytes
    first: Pieces
    later: Pieces
    letters: int
    ranges: tuple[int, int]
    maps: tuple[int, int]
    more: int
    longest: int
    unknown: int
    hangul: bool
    around: tuple[list[int], list[int]]

    @property
    def initializer(self) -> str:
        """C initialiser of an `eem_wordpiece`, with ``@blob@`` for the address of the blob."""
        sets = ", ".join(
            f"{{@blob@ + {part.starts}, @blob@ + {part.ids}, @blob@ + {self.letters}, {part.count}}}"
            for part in (self.first, self.later)
        )
        before, after = (", ".join(map(str, ids)) or "0" for ids in self.around)
        return (
            f"{{{sets}, @blob@ + {self.ranges[0]}, @blob@ + {self.maps[0]}, @blob@ + {self.more}, {self.ranges[1]}, {self.maps[1]}, "
            f"{self.longest}, {self.unknown}, {int(self.hangul)}, "
            f"{{{before}}}, {{{after}}}, {len(self.around[0])}, {len(self.around[1])}}}"
        )


def refusal(tokenizer_json: str | None, reader: str = "the C tokenizer") -> str:
    """Why a tokenizer cannot be written as these tables; empty if it can.

    :param tokenizer_json: text of the ``tokenizer.json``, or None.
    :param reader: what would read the tables, for the message.
    """
    if tokenizer_json is None:
        return "the model takes no text"
    values = json.loads(tokenizer_json)
    kind = values["model"].get("type")
    if kind != "WordPiece" or values["model"].get("continuing_subword_prefix") != "##":
        return f"{reader} reads WordPiece, this one is {kind}"
    normalizer = values.get("normalizer") or {"type": "Lowercase"}
    parts = normalizer.get("normalizers", [normalizer])
    strange = [part["type"] for part in parts if part["type"] not in _NORMALIZERS]
    if strange or (values.get("pre_tokenizer") or {}).get("type") != "BertPreTokenizer":
        return f"{reader} splits as BERT does, this one uses {', '.join(strange) or 'another splitting'}"
    around = _around(parse_tokenizer(tokenizer_json, "the model's tokenizer"))
    if max(map(len, around)) > MOST_AROUND:
        return f"{reader} puts at most {MOST_AROUND} tokens before and after a text, this one {' and '.join(str(len(ids)) for ids in around)}"
    return ""


def read_wordpiece(tokenizer_json: str) -> WordPiece:
    """The tables of a tokenizer.

    :param tokenizer_json: text of a ``tokenizer.json`` that `refusal` accepts.
    """
    values = json.loads(tokenizer_json)
    tokenizer = parse_tokenizer(tokenizer_json, "the model's tokenizer")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = values["model"]
    vocab: dict[str, int] = model["vocab"]
    first = {piece: number for piece, number in vocab.items() if not piece.startswith("##")}
    later = {piece[2:]: number for piece, number in vocab.items() if piece.startswith("##") and piece != "##"}
    alphabet = {ord(char) for piece in (*first, *later) for char in piece}
    normal, kinds = _behaviour(json.dumps([values.get("normalizer"), values["pre_tokenizer"]]))
    ranges, maps, more = _tables(normal, kinds, alphabet)
    before, after = _around(tokenizer)
    return _packed(first, later, ranges, maps, more, (before, after), _HANGUL[0] in normal, model)


@cache
def _behaviour(settings: str) -> tuple[dict[int, str], dict[int, int]]:
    """What a normaliser and a splitter, given as JSON, do with code points: `_normalised` and `_kinds`."""
    normalizer, splitter = json.loads(settings)
    text = json.dumps({**_BARE, "normalizer": normalizer, "pre_tokenizer": splitter})
    tokenizer = parse_tokenizer(text, "the model's tokenizer")
    normal = _normalised(tokenizer)
    return normal, _kinds(tokenizer, normal)


def _normalised(tokenizer: Tokenizer) -> dict[int, str]:
    """What the normaliser turns every code point into that it changes."""
    if tokenizer.normalizer is None:
        return {}
    text = _FENCE + _FENCE.join(map(chr, _ASKED)) + _FENCE
    pieces = tokenizer.normalizer.normalize_str(text).split(_FENCE)[1:-1]
    return {code: piece for code, piece in zip(_ASKED, pieces, strict=True) if piece != chr(code)}


def _kinds(tokenizer: Tokenizer, normal: dict[int, str]) -> dict[int, int]:
    """What is done with code points that the normaliser does not change, if they are not to be kept."""
    splitter: Any = tokenizer.pre_tokenizer
    kinds: dict[int, int] = {}
    codes = [code for code in _ASKED if code not in normal]
    text = _FENCE + _FENCE.join(map(chr, codes)) + _FENCE
    found = {
        ord(piece) for piece, _ in splitter.pre_tokenize_str(text) if len(piece) == 1 and piece != _FENCE
    }
    kinds.update(dict.fromkeys(found, ISOLATE))
    kinds.update({code: SPACE for code in codes if chr(code).isspace() and code not in found})
    return kinds


def _tables(
    normal: dict[int, str], kinds: dict[int, int], alphabet: set[int]
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]], list[int]]:
    """Ranges of actions, replacements, and the code points of longer replacements."""
    actions = dict(kinds)
    maps: list[tuple[int, int]] = []
    more: list[int] = []
    for code, piece in normal.items():
        inner = piece.strip(" ")
        if not inner:
            actions[code] = SPACE if piece else DROP
        elif piece == f" {chr(code)} ":
            actions[code] = ISOLATE
        elif code not in _HANGUL:
            wanted = [ord(char) for char in inner]
            if not all(char in alphabet or char in kinds for char in wanted):
                if piece.startswith(" "):
                    actions[code] = ISOLATE
                if code not in alphabet:
                    continue
                wanted = [_NOWHERE]
            maps.append((code, wanted[0] if len(wanted) == 1 else 1 << 31 | len(wanted) << 24 | len(more)))
            more += wanted if len(wanted) > 1 else []
    ranges: list[tuple[int, int, int]] = []
    for code in sorted(actions):
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == actions[code]:
            ranges[-1] = (ranges[-1][0], code, actions[code])
        else:
            ranges.append((code, code, actions[code]))
    for empty in _EMPTY:
        at = next((at for at, entry in enumerate(ranges) if entry[0] <= empty[0] <= entry[1]), None)
        if at is not None:
            ranges[at] = (ranges[at][0], empty[-1], ranges[at][2])
    return ranges, sorted(maps), more


def _around(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer puts before and after every text."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    whole, inner = tokenizer.encode("a").ids, tokenizer.encode("a", add_special_tokens=False).ids
    at = next(at for at in range(len(whole)) if whole[at : at + len(inner)] == inner)
    return whole[:at], whole[at + len(inner) :]


def _packed(
    first: dict[str, int],
    later: dict[str, int],
    ranges: list[tuple[int, int, int]],
    maps: list[tuple[int, int]],
    more: list[int],
    around: tuple[list[int], list[int]],
    hangul: bool,
    model: dict[str, Any],
) -> WordPiece:
    words: list[int] = []
    letters = b""
    places = []
    for pieces in (first, later):
        ordered = sorted((piece.encode("utf-8"), number) for piece, number in pieces.items())
        starts = [len(letters)]
        for piece, _ in ordered:
            starts.append(starts[-1] + len(piece))
        letters += b"".join(piece for piece, _ in ordered)
        places.append(Pieces(4 * len(words), 4 * (len(words) + len(starts)), len(ordered)))
        words += starts + [number for _, number in ordered]
    at_ranges = 4 * len(words)
    words += [value for entry in ranges for value in entry]
    at_maps = 4 * len(words)
    words += [value for entry in maps for value in entry]
    at_more = 4 * len(words)
    words += more
    return WordPiece(
        blob=np.array(words, "<u4").tobytes() + letters,
        first=places[0],
        later=places[1],
        letters=4 * len(words),
        ranges=(at_ranges, len(ranges)),
        maps=(at_maps, len(maps)),
        more=at_more,
        longest=min(int(model["max_input_chars_per_word"]), 100),
        unknown=first.get(model["unk_token"], 0),
        hangul=hangul,
        around=around,
    )
