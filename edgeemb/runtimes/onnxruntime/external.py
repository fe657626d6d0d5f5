"""Which other files an ``.onnx`` model reads: checked here, whatever the version of ONNX Runtime, and without the package onnx.

A tensor may lie outside the model, in a file that the model names (``TensorProto.external_data``). The model is walked in the wire format of
protocol buffers (https://protobuf.dev/programming-guides/encoding), along the fields that can hold a tensor; all others are skipped.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from edgeemb.bundle.manifest import Manifest, stays_inside
from edgeemb.errors import BundleError

#: Per message of onnx.proto, its fields that lead to a tensor: their numbers, and the message that each holds.
_FIELDS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
    "Entry": {},
}
#: Graphs may hold graphs; deeper than any real model.
_MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_KEY, _VALUE = 1, 2


def check_external_data(folder: Path, manifest: Manifest) -> None:
    """Refuse a model that would read files outside its bundle.

    :param folder: the bundle.
    :param manifest: its manifest.
    :raises BundleError: if the model names a file that the manifest does not list, or is damaged.
    """
    path = folder / "model.onnx"
    for name in external_files(path):
        if not stays_inside(name) or name not in manifest.files:
            raise BundleError(
                f"{path} reads the file {name[:200]!r}, which is not of the bundle: do not use this bundle"
            )


def external_files(path: Path) -> list[str]:
    """The names of the other files that a model reads, as they stand in it.

    :param path: the model.
    :raises BundleError: if it is damaged.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return list(_locations(data, 0, len(data), "Model", 0))
    except (ValueError, IndexError, OSError) as error:
        raise BundleError(f"{path} is not a whole ONNX model ({error}): copy the bundle again") from None


def _locations(data: mmap.mmap, begin: int, end: int, message: str, depth: int) -> Iterator[str]:
    """The file names in a message that lies between two places."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"it is nested more than {_MAX_DEPTH} times")
    if message == "Entry":
        pair = {number: data[low:high] for number, low, high in _fields(data, begin, end)}
        if pair.get(_KEY) == b"location":
            yield pair.get(_VALUE, b"").decode("utf-8", "replace")
        return
    inner = _FIELDS[message]
    for number, low, high in _fields(data, begin, end):
        if number in inner:
            yield from _locations(data, low, high, inner[number], depth + 1)


def _fields(data: mmap.mmap, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message that hold bytes: number, begin and end of each."""
    while place < end:
        key, place = _varint(data, place, end)
        kind = key & 7
        if kind == _BYTES:
            size, place = _varint(data, place, end)
            if size > end - place:
                raise ValueError("a field is longer than its message")
            yield key >> 3, place, place + size
            place += size
        elif kind == _VARINT:
            _, place = _varint(data, place, end)
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"a field has the wire type {kind}")
    if place != end:
        raise ValueError("a message ends in the middle of a field")


def _varint(data: mmap.mmap, place: int, end: int) -> tuple[int, int]:
    """A number of variable length, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= end:
            raise ValueError("a message ends in the middle of a number")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number has more than 10 bytes")
