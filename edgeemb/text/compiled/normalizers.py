"""Normalizers of a tokenizer.json as operations; one record per type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tokenizers import normalizers

from edgeemb.text.compiled import probing
from edgeemb.text.compiled.blob import NONE, Blob, words
from edgeemb.text.compiled.charsmap import add_charsmap
from edgeemb.text.compiled.expression import Node, literal, parse
from edgeemb.text.compiled.pattern import add_pattern
from edgeemb.text.compiled.refusal import check_keys, refuse
from edgeemb.text.compiled.tables import add_map, add_strings, add_table

_MAP, _REPLACE, _PREPEND, _STRIP, _BYTES, _FORM, _CHARSMAP = range(1, 8)

Section = dict[str, Any]


def add_normalizer(blob: Blob, section: Section | None) -> None:
    """Write the operations of a normalizer.

    :param section: the part of the tokenizer.json, or None.
    :raises NotCompiled: if one is of an unknown type.
    """
    if section is None:
        return
    kind = section.get("type")
    if kind not in _WRITERS:
        raise refuse(f"the normalizer {kind}")
    known, write = _WRITERS[kind]
    check_keys(section, {"type", *known}, f"the normalizer {kind}")
    write(blob, section)


def pattern_of(section: Section, where: str) -> Node:
    """The tree of the pattern of a Replace or Split.

    :param section: with ``pattern``.
    :param where: what to call it in an error.
    """
    pattern = section["pattern"]
    if set(pattern) == {"String"}:
        if not pattern["String"]:
            raise refuse(f"{where} has an empty pattern")
        return literal(pattern["String"])
    if set(pattern) == {"Regex"}:
        return parse(pattern["Regex"])
    raise refuse(f"{where} has a pattern that is neither String nor Regex")


def add_outputs(blob: Blob, outputs: dict[int, str]) -> None:
    """Write an operation that replaces characters one by one; none where no character changes."""
    if outputs:
        table, width, strings, least = add_map(blob, outputs)
        blob.record(_MAP, table, width, strings, least)
        blob.breaks.map(outputs)


def add_byte_level(blob: Blob) -> None:
    """Write the operation that makes bytes of characters."""
    blob.record(_BYTES)
    blob.breaks.deny()


def _sequence(blob: Blob, section: Section) -> None:
    for part in section["normalizers"]:
        add_normalizer(blob, part)


def _form(compatible: bool, composed: bool) -> Callable[[Blob, Section], None]:
    def write(blob: Blob, section: Section) -> None:
        table, width, strings, least = add_map(blob, probing.decompositions(compatible))
        found = probing.pairs()
        properties = probing.combining_classes().copy()
        properties[sorted({second for _, second, _ in found})] |= 0x100
        kept, _ = add_table(blob, properties)
        pairs = blob.add(words(np.array(found).reshape(-1))) if composed else NONE
        # Below the first mark, what canonical decomposition takes apart is put together again.
        first_mark = int(np.flatnonzero(properties)[0])
        blob.breaks.form()
        blob.record(
            _FORM,
            table,
            width,
            strings,
            kept,
            pairs,
            first_mark if composed and not compatible else min(least, first_mark),
        )

    return write


def _replace(blob: Blob, section: Section) -> None:
    arguments, states = add_pattern(blob, pattern_of(section, "the normalizer Replace"))
    blob.breaks.replace(states, section["content"])
    blob.record(_REPLACE, *arguments, add_strings(blob, [section["content"]]))


def _prepend(blob: Blob, section: Section) -> None:
    if section["prepend"]:
        blob.breaks.deny()
        blob.record(_PREPEND, add_strings(blob, [section["prepend"]]))


def _strip(blob: Blob, section: Section) -> None:
    table, _ = add_table(blob, probing.white_space().astype(np.int64))
    blob.breaks.deny()
    blob.record(_STRIP, table, int(section["strip_left"]), int(section["strip_right"]))


def _bert(blob: Blob, section: Section) -> None:
    for step in ("clean_text", "handle_chinese_chars"):
        if section[step]:
            add_outputs(blob, probing.bert_step(step))
    strip = section.get("strip_accents")
    if section["lowercase"] if strip is None else strip:
        _form(False, False)(blob, {})
        whole = probing.decompositions(False)
        stripped = probing.bert_step("strip_accents").items()
        add_outputs(blob, {code: "" for code, text in stripped if not text and code not in whole})
    if section["lowercase"]:
        add_outputs(blob, probing.lower_case())


def _by_probing(normalizer: Any, fence: str) -> Callable[[Blob, Section], None]:
    return lambda blob, section: add_outputs(blob, probing.outputs(normalizer(), fence))


_WRITERS: dict[str, tuple[set[str], Callable[[Blob, Section], None]]] = {
    "Sequence": ({"normalizers"}, _sequence),
    "NFC": (set(), _form(False, True)),
    "NFD": (set(), _form(False, False)),
    "NFKC": (set(), _form(True, True)),
    "NFKD": (set(), _form(True, False)),
    "Lowercase": (set(), lambda blob, section: add_outputs(blob, probing.lower_case())),
    "StripAccents": (set(), _by_probing(normalizers.StripAccents, "|")),
    "Nmt": (set(), _by_probing(normalizers.Nmt, "|")),
    "Replace": ({"pattern", "content"}, _replace),
    "Prepend": ({"prepend"}, _prepend),
    "Strip": ({"strip_left", "strip_right"}, _strip),
    "BertNormalizer": ({"clean_text", "handle_chinese_chars", "strip_accents", "lowercase"}, _bert),
    "Precompiled": (
        {"precompiled_charsmap"},
        lambda blob, section: blob.record(_CHARSMAP, *add_charsmap(blob, section["precompiled_charsmap"])),
    ),
    "ByteLevel": (set(), lambda blob, section: add_byte_level(blob)),
}
