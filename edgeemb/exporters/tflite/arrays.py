"""A table's arrays in the layouts that TFLite's ops can read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.tables import Table
from edgeemb.tables.program import unpack_codes


class Arrays:
    """A table's arrays in the layouts that the operators need, each made once and shared by all subgraphs.

    :param table: the table.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._made: dict[tuple[str, str], NDArray[Any]] = {}

    def get(self, name: str, layout: str, extra: tuple[int, ...] = ()) -> NDArray[Any]:
        """An array in a layout.

        :param name: name of the stored array.
        :param layout: ``stored``; ``float32``; ``transposed`` (float32 and float16 matrices, as FULLY_CONNECTED wants them); ``int8``
            (bytes with 128 taken off); ``int16`` (the same bits); ``bytes`` (int8 planes of the bytes, the lowest first, side by side);
            ``consecutive`` (1-bit codes with a byte holding 8 successive elements, as int8).
        :param extra: for ``consecutive``: planes and dim.
        """
        key = (name, layout)
        if key not in self._made:
            self._made[key] = np.ascontiguousarray(_arranged(self.table.arrays[name], layout, extra))
        return self._made[key]


def _arranged(array: NDArray[Any], layout: str, extra: tuple[int, ...]) -> NDArray[Any]:
    match layout:
        case "stored":
            return array
        case "float32":
            return array.astype(np.float32)
        case "transposed":
            return array.T
        case "int8":
            return (array ^ np.uint8(128)).view(np.int8)
        case "int16":
            return array.view(np.int16)
        case "bytes":
            flat = np.ascontiguousarray(array.reshape(len(array), -1))
            by_byte = flat.view(np.uint8).reshape(*flat.shape, array.itemsize)
            return (by_byte.transpose(0, 2, 1).reshape(len(flat), -1) ^ np.uint8(128)).view(np.int8)
        case "consecutive":
            planes, dim = extra
            codes = unpack_codes(array.reshape(len(array), planes, -1), 1, dim)
            return (
                np.packbits(codes, axis=-1, bitorder="little").reshape(len(array), -1) ^ np.uint8(128)
            ).view(np.int8)
    raise ValueError(f"no layout {layout}")
