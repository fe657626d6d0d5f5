"""Calls of a C export of a masked language model: the best tokens of some places of a text."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError
from edgeemb.runtimes.c.sources import STATUS


class BestTokens:
    """The function ``..._best`` of a compiled export.

    :param function: the function.
    :param top: tokens that it gives for a place.
    """

    def __init__(self, function: Any, top: int) -> None:
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        function.argtypes = [pointer, size, pointer, size, pointer, size, pointer, pointer]
        self._function = function
        self._top = top

    def of_all(self, arena: tuple[int, int], ids: NDArray[Any], mask: NDArray[Any]) -> list[NDArray[Any]]:
        """The best tokens of every place.

        :param arena: address and bytes of the working memory.
        :param ids: integers[B, S].
        :param mask: int64[B, S], whose ones come before its zeros.
        :return: logits float32[B, S, top] and tokens int64[B, S, top]; zeros for padding.
        :raises InputError: with the status in words if the model refuses a sequence.
        """
        values = np.zeros((*mask.shape, self._top), np.float32)
        tokens = np.zeros((*mask.shape, self._top), np.int64)
        for number, count in enumerate(mask.sum(axis=1).tolist()):
            values[number, :count], tokens[number, :count] = self.at(
                arena, ids[number, :count], np.arange(count)
            )
        return [values, tokens]

    def at(
        self, arena: tuple[int, int], ids: NDArray[Any], places: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The best tokens of some places of a sequence; the others do not go through the output layer.

        :param arena: address and bytes of the working memory.
        :param ids: integers[S].
        :param places: integers[P] below S.
        :return: logits float32[P, top] and tokens int32[P, top].
        :raises InputError: with the status in words if the model refuses the sequence.
        """
        given, at = np.ascontiguousarray(ids, np.int32), np.ascontiguousarray(places, np.uint32)
        values = np.empty((len(at), self._top), np.float32)
        tokens = np.empty((len(at), self._top), np.int32)
        status = self._function(
            *(*arena, given.ctypes.data, len(given), at.ctypes.data, len(at)),
            *(values.ctypes.data, tokens.ctypes.data),
        )
        if status:
            raise InputError(
                f"the model refused {len(given)} tokens: {STATUS.get(status, f'status {status}')}"
            )
        return values, tokens
