"""Pre-tokenizers of a tokenizer.json as operations; one record per type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.text.compiled import breaks, probing
from edgeemb.text.compiled.blob import Blob
from edgeemb.text.compiled.expression import Choice, Node, Repeat, class_of, parse
from edgeemb.text.compiled.normalizers import Section, add_byte_level, add_outputs, pattern_of
from edgeemb.text.compiled.pattern import add_pattern
from edgeemb.text.compiled.refusal import check_keys, refuse

_SPLIT, _PREFIX, _FIXED = 100, 101, 102
_BEHAVIORS = {
    "Removed": breaks.REMOVED,
    "Isolated": breaks.ISOLATED,
    "MergedWithPrevious": breaks.PREVIOUS,
    "MergedWithNext": breaks.NEXT,
    "Contiguous": breaks.CONTIGUOUS,
}

#: GPT-2's pattern, which the pre-tokenizer ByteLevel has built in.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def add_pre_tokenizer(blob: Blob, section: Section | None) -> None:
    """Write the operations of a pre-tokenizer.

    :param section: the part of the tokenizer.json, or None.
    :raises NotCompiled: if one is of an unknown type.
    """
    if section is None:
        return
    kind = section.get("type")
    if kind not in _WRITERS:
        raise refuse(f"the pre-tokenizer {kind}")
    known, write = _WRITERS[kind]
    check_keys(section, {"type", *known}, f"the pre-tokenizer {kind}")
    write(blob, section)


def _split(blob: Blob, tree: Node, behavior: int, invert: bool = False) -> None:
    arguments, states = add_pattern(blob, tree)
    blob.record(_SPLIT, *arguments, behavior, int(invert))
    blob.breaks.split(states, behavior, invert)


def _at(members: NDArray[np.bool_], behavior: int) -> Callable[[Blob], None]:
    return lambda blob: _split(blob, class_of(members), behavior)


def _sequence(blob: Blob, section: Section) -> None:
    for part in section["pretokenizers"]:
        add_pre_tokenizer(blob, part)


def _bert(blob: Blob, section: Section) -> None:
    _split(blob, class_of(probing.white_space()), breaks.REMOVED)
    _split(blob, class_of(probing.punctuation()), breaks.ISOLATED)


def _whitespace(blob: Blob, section: Section) -> None:
    word = probing.word_characters()
    # Neither a part of a word nor white space, as the regular expressions of the Rust library have it: that of its own code is the same.
    other = ~word & ~probing.white_space()
    runs = Choice((Repeat(class_of(word), 1, None, True), Repeat(class_of(other), 1, None, True)))
    _split(blob, runs, breaks.REMOVED, invert=True)


def _punctuation(blob: Blob, section: Section) -> None:
    _split(blob, class_of(probing.punctuation()), _behavior(section.get("behavior", "Isolated")))


def _digits(blob: Blob, section: Section) -> None:
    each = bool(section.get("individual_digits"))
    _split(blob, class_of(probing.numerals()), breaks.ISOLATED if each else breaks.CONTIGUOUS)


def _char(blob: Blob, section: Section) -> None:
    _split(blob, class_of(_only(section["delimiter"])), breaks.REMOVED)


def _metaspace(blob: Blob, section: Section) -> None:
    mark = section["replacement"]
    scheme = section.get("prepend_scheme", "always")
    if section.get("add_prefix_space") is False:
        scheme = "never"
    if scheme not in ("always", "first", "never"):
        raise refuse(f"the pre-tokenizer Metaspace has the prepend_scheme '{scheme}'")
    if mark != " ":
        add_outputs(blob, {ord(" "): mark})
    if scheme != "never":
        blob.record(_PREFIX, ord(mark), int(scheme == "first"))
        blob.breaks.prefix(mark)
    if section.get("split") is not False:
        _split(blob, class_of(_only(mark)), breaks.NEXT)


def _byte_level(blob: Blob, section: Section) -> None:
    if section["add_prefix_space"]:
        blob.record(_PREFIX, ord(" "), 0)
        blob.breaks.prefix(" ")
    if section.get("use_regex", True):
        _split(blob, parse(GPT2), breaks.ISOLATED)
    add_byte_level(blob)


def _by_pattern(blob: Blob, section: Section) -> None:
    tree = pattern_of(section, "the pre-tokenizer Split")
    _split(blob, tree, _behavior(section["behavior"]), bool(section.get("invert")))


def _fixed(blob: Blob, section: Section) -> None:
    length = section.get("length", 5)
    if not isinstance(length, int) or length < 1:
        raise refuse(f"the pre-tokenizer FixedLength has the length {length}")
    blob.record(_FIXED, length)
    blob.breaks.deny()


def _behavior(name: Any) -> int:
    if name not in _BEHAVIORS:
        raise refuse(f"the split behavior {name}")
    return _BEHAVIORS[name]


def _only(char: str) -> NDArray[np.bool_]:
    members = np.zeros(0x110000, bool)
    members[ord(char)] = True
    return members


_WRITERS: dict[str, tuple[set[str], Callable[[Blob, Section], None]]] = {
    "Sequence": ({"pretokenizers"}, _sequence),
    "BertPreTokenizer": (set(), _bert),
    "Whitespace": (set(), _whitespace),
    "WhitespaceSplit": (set(), lambda blob, section: _at(probing.white_space(), breaks.REMOVED)(blob)),
    "Punctuation": ({"behavior"}, _punctuation),
    "Digits": ({"individual_digits"}, _digits),
    "CharDelimiterSplit": ({"delimiter"}, _char),
    "Metaspace": ({"replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"}, _metaspace),
    "ByteLevel": ({"add_prefix_space", "trim_offsets", "use_regex"}, _byte_level),
    "Split": ({"pattern", "behavior", "invert"}, _by_pattern),
    "FixedLength": ({"length"}, _fixed),
}
