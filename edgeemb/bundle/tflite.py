"""What a ``.tflite`` file must not say, looked up without the package of its schema: LiteRT ends the process over it.

LiteRT verifies offsets, buffers and operators itself. It does not verify that a graph's inputs may be written to, and that a signature is one of a
graph that there is. Only those fields are read here, in the layout of FlatBuffers (https://flatbuffers.dev/internals).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import BundleError

MODEL = "model.tflite"
IDENTIFIER = b"TFL3"
#: Fields by their numbers in the schema.
_SUBGRAPHS, _BUFFERS, _SIGNATURES = 2, 4, 7
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3
_BUFFER, _DATA, _OFFSET, _INDEX, _SIGNATURE_GRAPH = 2, 0, 1, 1, 4
#: Entries of a list, and tensors and operators of all graphs together, that no real model exceeds.
_MOST = 2**20


def check_model(folder: Path, manifest: Manifest) -> None:
    """Refuse a model over which LiteRT would crash.

    :param folder: the bundle.
    :param manifest: its manifest.
    :raises BundleError: saying what is wrong with it.
    """
    path = folder / MODEL
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            check_graphs(data)
    except ValueError as error:
        raise BundleError(f"{path} is not a model that can be run ({error}): copy the bundle again") from None


def check_graphs(data: bytes | mmap.mmap) -> None:
    """Check the inputs of a model's graphs, and its signatures.

    :param data: the file.
    :raises ValueError: if an input is a constant, or a graph or tensor is named that does not exist.
    """
    if data[4:8] != IDENTIFIER:
        raise ValueError(f"it lacks the mark {IDENTIFIER.decode()}")
    try:
        model = _Table(data, _u32(data, 0))
        graphs = list(model.tables(_SUBGRAPHS))
        # Graphs may share their lists, so that a small file could name any number.
        if sum(len(graph.vector(field)) for graph in graphs for field in (_TENSORS, _OPERATORS)) > _MOST:
            raise ValueError(f"its graphs have more than {_MOST} tensors and operators")
        buffers = list(model.tables(_BUFFERS))
        counts = [_check_inputs(graph, buffers) for graph in graphs]
        for signature in model.tables(_SIGNATURES):
            number = signature.word(_SIGNATURE_GRAPH)
            if number >= len(graphs):
                raise ValueError(f"a signature is of graph {number} of {len(graphs)}")
            for entry in (*signature.tables(0), *signature.tables(1)):
                if entry.word(_INDEX) >= counts[number]:
                    raise ValueError("a signature names a tensor that does not exist")
    except struct.error:
        raise ValueError("an offset points outside of it") from None


def _check_inputs(graph: _Table, buffers: list[_Table]) -> int:
    """Check the inputs and outputs of a graph; gives its number of tensors."""
    tensors = list(graph.tables(_TENSORS))
    for field in (_INPUTS, _OUTPUTS):
        for index in graph.words(field):
            if index >= len(tensors):
                raise ValueError("a graph names a tensor that does not exist")
    for index in graph.words(_INPUTS):
        number = tensors[index].word(_BUFFER)
        if number >= len(buffers):
            raise ValueError("a tensor names a buffer that does not exist")
        if len(buffers[number].vector(_DATA)) or buffers[number].wide(_OFFSET) > 1:
            raise ValueError("an input of the graph is a constant")
    return len(tensors)


class _Table:
    """A table of a FlatBuffer: its fields are found through a list of offsets."""

    def __init__(self, data: bytes | mmap.mmap, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack("<i", _bytes(data, at, 4))[0]
        self._size = struct.unpack("<H", _bytes(data, self._fields, 2))[0]

    def _field(self, number: int) -> int:
        """Where a field is; 0 if it is left out."""
        place = 4 + 2 * number
        if place + 2 > self._size:
            return 0
        offset = struct.unpack("<H", _bytes(self._data, self._fields + place, 2))[0]
        return self._at + offset if offset else 0

    def word(self, number: int) -> int:
        """A number of 32 bits, as unsigned; 0 if it is left out."""
        place = self._field(number)
        return _u32(self._data, place) if place else 0

    def wide(self, number: int) -> int:
        """A number of 64 bits; 0 if it is left out."""
        place = self._field(number)
        return int(struct.unpack("<Q", _bytes(self._data, place, 8))[0]) if place else 0

    def vector(self, number: int) -> range:
        """The places of the bytes of a vector's first elements, one for each element; empty if it is left out."""
        place = self._field(number)
        if not place:
            return range(0)
        begin = place + _u32(self._data, place)
        count = _u32(self._data, begin)
        if count > len(self._data):
            raise struct.error
        return range(begin + 4, begin + 4 + count)

    def words(self, number: int) -> Iterator[int]:
        """The numbers of 32 bits in a vector, as unsigned."""
        places = self.vector(number)
        if len(places) > _MOST:
            raise ValueError(f"a list has {len(places)} entries")
        for at in range(len(places)):
            yield _u32(self._data, places.start + 4 * at)

    def tables(self, number: int) -> Iterator[_Table]:
        """The tables in a vector."""
        begin = self.vector(number).start
        for at, offset in enumerate(self.words(number)):
            yield _Table(self._data, begin + 4 * at + offset)


def _u32(data: bytes | mmap.mmap, at: int) -> int:
    return int(struct.unpack("<I", _bytes(data, at, 4))[0])


def _bytes(data: bytes | mmap.mmap, at: int, size: int) -> bytes:
    if at < 0 or at + size > len(data):
        raise struct.error
    return data[at : at + size]
