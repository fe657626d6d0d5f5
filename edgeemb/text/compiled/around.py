"""Post-processors of a tokenizer.json: what is put around a text and a pair (layout: runtimes/text/around.h)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgeemb.text.compiled.blob import Blob, words
from edgeemb.text.compiled.refusal import check_keys, refuse

_AROUND = 400
_FIRST, _SECOND = 0xFFFFFFFF, 0xFFFFFFFE
_TRIM, _TRIM_PREFIX, _TRIM_LATER = 1, 2, 4

Section = dict[str, Any]
#: An element of the template: an id, or one of the texts; and its type.
Items = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Around:
    single: Items = ((_FIRST, 0),)
    pair: Items = ((_FIRST, 0), (_SECOND, 1))
    trim: int = 0
    #: Whether a post-processor has put something there, and whether it put tokens before the first of a text into one encoding with it.
    placed: bool = False
    inside: bool = False


def add_around(blob: Blob, section: Section | None, byte_level: bool, left: bool) -> None:
    """Write the operation of a post-processor.

    :param section: the part of the tokenizer.json, or None.
    :param byte_level: whether the model's characters stand for bytes.
    :param left: whether the beginning of a long text is cut off instead of its end.
    :raises NotCompiled: if it is of an unknown type.
    """
    around = _apply(_Around(), section) if section is not None else _Around()
    if around.trim and not byte_level:
        raise refuse("a post-processor trims offsets (trim_offsets) of characters that are not bytes")
    single, pair = (
        blob.add(words([number for item in items for number in item]))
        for items in (around.single, around.pair)
    )
    blob.record(_AROUND, single, pair, around.trim, int(left))


def _apply(around: _Around, section: Section) -> _Around:
    kind = section.get("type")
    if kind not in _READERS:
        raise refuse(f"the post-processor {kind}")
    known, read = _READERS[kind]
    check_keys(section, {"type", *known}, f"the post-processor {kind}")
    return read(around, section)


def _sequence(around: _Around, section: Section) -> _Around:
    for part in section["processors"]:
        around = _apply(around, part)
    return around


def _trimmed(around: _Around, section: Section) -> _Around:
    if not section.get("trim_offsets", True):
        return around
    if around.trim:
        raise refuse("two post-processors trim offsets")
    prefix = _TRIM_PREFIX if section.get("add_prefix_space", True) else 0
    return replace(around, trim=_TRIM | prefix | (_TRIM_LATER if around.inside else 0))


def _placed(around: _Around, single: Items, pair: Items, inside: bool) -> _Around:
    if around.placed:
        raise refuse("two post-processors add tokens")
    return replace(around, single=single, pair=pair, placed=True, inside=inside)


def _bert(around: _Around, section: Section) -> _Around:
    first, last = section["cls"][1], section["sep"][1]
    single = ((first, 0), (_FIRST, 0), (last, 0))
    return _placed(around, single, (*single, (_SECOND, 1), (last, 1)), True)


def _roberta(around: _Around, section: Section) -> _Around:
    around = _trimmed(around, section)
    first, last = section["cls"][1], section["sep"][1]
    single = ((first, 0), (_FIRST, 0), (last, 0))
    return _placed(around, single, (*single, (last, 0), (_SECOND, 0), (last, 0)), True)


def _template(around: _Around, section: Section) -> _Around:
    tokens = section["special_tokens"]

    def items(template: Sequence[Section], texts: set[str]) -> Items:
        found: list[tuple[int, int]] = []
        seen: list[str] = []
        for item in template:
            if "Sequence" in item:
                seen.append(item["Sequence"]["id"])
                found.append((_FIRST if seen[-1] == "A" else _SECOND, item["Sequence"]["type_id"]))
            else:
                found.extend(
                    (number, item["SpecialToken"]["type_id"])
                    for number in tokens[item["SpecialToken"]["id"]]["ids"]
                )
        if len(seen) != len(texts) or set(seen) != texts:
            raise refuse(f"the template of a post-processor has the texts {', '.join(seen)}")
        return tuple(found)

    return _placed(around, items(section["single"], {"A"}), items(section["pair"], {"A", "B"}), False)


_READERS: dict[str, tuple[set[str], Callable[[_Around, Section], _Around]]] = {
    "Sequence": ({"processors"}, _sequence),
    "ByteLevel": ({"add_prefix_space", "trim_offsets", "use_regex"}, _trimmed),
    "BertProcessing": ({"sep", "cls"}, _bert),
    "RobertaProcessing": ({"sep", "cls", "trim_offsets", "add_prefix_space"}, _roberta),
    "TemplateProcessing": ({"single", "pair", "special_tokens"}, _template),
}
