"""A compiled tokenizer (`edgeemb.text.compiled`) on this machine: the blob is mapped, the C code of runtimes/text reads it in place."""

from __future__ import annotations

import ctypes
import mmap
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import BundleError, InputError
from edgeemb.native.libraries import open_library

#: Name of the native library.
LIBRARY = "edgeemb_text"

_ABI_VERSION = 3
_ARENA, _TOO_LONG, _ROOM, _UNKNOWN, _NEWER = 3, 4, 5, 6, 8
_SIDES = (None, "right", "left")
_STRATEGIES = ("longest_first", "only_first", "only_second")
#: Bytes of text for which there is memory from the start, and the most memory that a text gets: 4 GB.
_FIRST_BYTES = 512
_MOST_MEMORY = 1 << 32
#: Words that are remembered, and the bytes of each: 256 KB, of which the system gives what is used.
_SLOTS = 4096
_SLOT_BYTES = 64


@dataclass(frozen=True)
class Encoding:
    """Tokens of a text or of a pair.

    :param ids: their ids, uint32[N].
    :param types: 0, or 1 for the second of a pair, as the tokenizer says: uint32[N].
    :param texts: 1 for tokens of the text, 2 for those of the pair's second, 0 for those around them: uint32[N].
    :param offsets: the characters [from, to) of its text that each stands for, 0 and 0 for tokens around a text: int64[N, 2]; None unless
        they were asked for.
    :param cut: whether tokens were left out.
    """

    ids: NDArray[np.uint32]
    types: NDArray[np.uint32]
    texts: NDArray[np.uint32]
    offsets: NDArray[np.int64] | None
    cut: bool

    def at(self, places: NDArray[np.int64]) -> Encoding:
        """Some of the tokens.

        :param places: which, int64[M].
        """
        offsets = None if self.offsets is None else self.offsets[places]
        return Encoding(
            self.ids[places], self.types[places], self.texts[places], offsets, len(places) < len(self.ids)
        )


class _Call(ctypes.Structure):
    """``edgeemb_text_call`` of runtimes/text/edgeemb_text.c."""

    _fields_ = [
        ("blob", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("text", ctypes.c_char_p),
        ("text_size", ctypes.c_size_t),
        ("pair", ctypes.c_char_p),
        ("pair_size", ctypes.c_size_t),
        ("slots", ctypes.c_void_p),
        ("arena", ctypes.c_void_p),
        ("arena_size", ctypes.c_size_t),
        *((name, ctypes.c_void_p) for name in ("ids", "types", "texts", "offsets")),
        *(
            (name, ctypes.c_uint32)
            for name in ("room", "slot_count", "limit", "strategy", "side", "plain", "count", "cut")
        ),
    ]


class CompiledTokenizer:
    """A compiled tokenizer, open. It may be shared by threads.

    :param source: the path of a blob, which is mapped, or the blob itself.
    :raises BundleError: if it is missing, damaged, or of another version.
    :raises NativeError: if the native library is missing.
    """

    def __init__(self, source: Path | bytes) -> None:
        self._where = "the compiled tokenizer" if isinstance(source, bytes) else str(source)
        self._blob = np.frombuffer(source if isinstance(source, bytes) else _mapped(source), np.uint8)
        self._mapped = (self._blob.ctypes.data, len(self._blob))
        self._library = _library()
        self._lock = threading.Lock()
        count = ctypes.c_uint32()
        self._raise_for(self._library.edgeemb_text_open(*self._mapped, ctypes.byref(count)))
        #: The highest id that it gives, plus 1.
        self.size = count.value
        # Words that come again have their tokens here: runtimes/text/models/cache.h.
        self._slots = np.zeros(_SLOTS * _SLOT_BYTES, np.uint8)
        self._call = _Call(*self._mapped, slots=self._slots.ctypes.data, slot_count=_SLOTS)
        self._call_at = ctypes.byref(self._call)
        self._encode = self._library.edgeemb_text_encode
        self._grow(_FIRST_BYTES)

    def encode(
        self,
        text: str,
        pair: str | None = None,
        *,
        max_length: int = 0,
        strategy: str = "longest_first",
        side: str | None = None,
        special_tokens: bool = True,
        offsets: bool = False,
    ) -> Encoding:
        """Tokens of a text or of a pair.

        :param text: the text.
        :param pair: the second text of a pair, or None.
        :param max_length: tokens that there may be, special ones included; 0 for any number.
        :param strategy: which text of a pair is cut: ``longest_first``, ``only_first`` or ``only_second``.
        :param side: the end that is cut off, ``right`` or ``left``; None for the one that the tokenizer names.
        :param special_tokens: whether the tokens around a text are there.
        :param offsets: whether `Encoding.offsets` is wanted.
        :raises InputError: if a text cannot be tokenized, or cannot be cut to the length.
        :raises BundleError: if the blob turns out to be damaged.
        """
        if strategy not in _STRATEGIES or side not in _SIDES or max_length < 0:
            raise InputError(
                f"max_length={max_length}, strategy='{strategy}', side={side!r} is not a truncation: use a length, "
                f"{', '.join(_STRATEGIES)}, and right or left"
            )
        first, second = _utf8(text), None if pair is None else _utf8(pair)
        call = self._call
        with self._lock:
            call.text, call.text_size = first, len(first)
            call.pair, call.pair_size = second, 0 if second is None else len(second)
            call.limit, call.plain = max_length, not special_tokens
            call.strategy, call.side = _STRATEGIES.index(strategy), _SIDES.index(side)
            while True:
                call.offsets = self._offsets_at if offsets else None
                status = self._encode(self._call_at)
                if status not in (_ARENA, _ROOM) or call.arena_size > _MOST_MEMORY:
                    break
                self._grow(max(2 * self._bytes, len(first) + len(second or b"")))
            call.text = call.pair = None
            self._raise_for(status)
            found, cut = call.count, bool(call.cut)
            ids, types, texts = self._words[:, :found].copy()
            parts = self._offsets[:found].astype(np.int64) if offsets else None
            # Memory for one long text is not kept.
            if self._bytes > 64 * _FIRST_BYTES:
                self._grow(_FIRST_BYTES)
        for number, encoded in enumerate((first, second), 1):
            if parts is not None and encoded is not None:
                parts[texts == number] = _characters_before(encoded)[parts[texts == number]]
        return Encoding(ids, types, texts, parts, cut)

    def check(self) -> None:
        """Compare the blob with its checksum, which opening does not.

        :raises BundleError: if it was altered.
        """
        self._raise_for(self._library.edgeemb_text_check(*self._mapped))

    def _grow(self, size: int) -> None:
        self._bytes = size
        self._arena = np.empty(self._library.edgeemb_text_arena(size), np.uint8)
        self._words = np.empty((3, size), np.uint32)
        self._offsets = np.empty((size, 2), np.uint32)
        call = self._call
        call.arena, call.arena_size = self._arena.ctypes.data, len(self._arena)
        call.ids, call.types, call.texts = (row.ctypes.data for row in self._words)
        call.room = size
        # Asking an array for its address takes longer than a short text.
        self._offsets_at = self._offsets.ctypes.data

    def _raise_for(self, status: int) -> None:
        if status == _TOO_LONG:
            raise InputError(
                "the text cannot be cut to that few tokens: allow more, or cut the other text of the pair"
            )
        if status == _UNKNOWN:
            raise InputError(
                "the text has characters for which the vocabulary has no token, nor one for unknown text"
            )
        if status == _NEWER:
            raise BundleError(
                f"{self._where} is of another version: export the bundle again, or update edgeemb"
            )
        if status in (_ARENA, _ROOM):
            raise InputError(f"the text needs more than {_MOST_MEMORY} bytes of memory: split it")
        if status:
            raise BundleError(f"{self._where} is damaged (status {status}): export the bundle again")


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be mapped ({error}): copy the bundle again") from error


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text has half of a surrogate pair at character {error.start + 1}: decode it properly first"
        ) from error


def _characters_before(text: bytes) -> NDArray[np.int64]:
    """How many characters begin before each byte of a text, and before its end."""
    begins = (np.frombuffer(text, np.uint8) & 0xC0) != 0x80
    return np.concatenate([[0], np.cumsum(begins)])


@cache
def _library() -> ctypes.CDLL:
    library = open_library(LIBRARY, "edgeemb_text_abi_version", _ABI_VERSION)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.edgeemb_text_open.argtypes = [pointer, size, pointer]
    library.edgeemb_text_check.argtypes = [pointer, size]
    library.edgeemb_text_arena.argtypes = [size]
    library.edgeemb_text_arena.restype = size
    library.edgeemb_text_encode.argtypes = [ctypes.POINTER(_Call)]
    return library
