"""Engine for C exports: compiles the same sources that go to the microcontroller for this machine, and calls them through ctypes."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.cache import digest_of, keep_newest, made_once
from edgeemb.errors import InputError, NativeError
from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from edgeemb.runtimes.c.sources import SIZES, STATUS, sources, symbol_prefix
from edgeemb.runtimes.engine import Feeds, OpenOptions

#: Of the arena, in bytes: a cache line, though a C export asks for less.
_ALIGNMENT = 64
#: What a library is compiled from; changes of how it is compiled change the version.
_SUFFIXES = {".c", ".h", ".S", ".bin"}
_CACHE_VERSION = "1"
_LIBRARY = "model.so"
#: Compiled exports that are kept for the user: one with weights of 10 MB takes 18 MB.
_KEPT = 16


class _Sizes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in SIZES]


def build_library(folder: Path, out: Path, flags: tuple[str, ...] = ()) -> Path:
    """Compile an export as a shared library for this machine.

    :param folder: the bundle.
    :param out: the library to write.
    :param flags: further flags for the compiler.
    :raises NativeError: if the compiler fails; the message has its first line.
    """
    command = [
        *host_compiler(),
        *FLAGS,
        *flags,
        "-shared",
        "-fPIC",
        f"-I{folder}",
        *map(str, sources(folder)),
        "-o",
        str(out),
    ]
    run_compiler(command)
    return out


def cached_library(folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """The shared library of an export, compiled once for this user: an export with the same sources has the same.

    :param folder: the bundle.
    :param flags: further flags for the compiler.
    :raises NativeError: if the compiler fails, or the cache cannot be written.
    """
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in _SUFFIXES}
    used = sorted(name for name in names if not name.startswith("kit/"))
    contents = (part for name in used for part in (name, (folder / name).read_bytes()))
    name = f"engines/{digest_of(_CACHE_VERSION, platform.machine(), *FLAGS, *flags, *contents)}"
    made = made_once(name, lambda place: build_library(folder, place / _LIBRARY, flags), NativeError)
    keep_newest("engines", _KEPT)
    return made / _LIBRARY


class MicroEngine:
    """A C export, compiled for this machine.

    :param folder: the bundle.
    :param manifest: its manifest.
    :param options: nothing to choose.
    :param flags: further flags for the compiler; no choice of them changes a result.
    :raises NativeError: if it cannot be compiled or loaded.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, options: OpenOptions, flags: tuple[str, ...] = ()
    ) -> None:
        self.package = ""
        self.ops = "builtin"
        prefix = symbol_prefix(manifest.name)
        path = cached_library(folder, flags)
        try:
            library = ctypes.CDLL(str(path))
            sizes = _Sizes.in_dll(library, f"{prefix}_sizes")
            self._run: Any = getattr(library, f"{prefix}_run")
        except (OSError, ValueError, AttributeError) as error:
            raise NativeError(
                f"{folder}: its compiled sources cannot be loaded ({error}): export the bundle again"
            ) from None
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        self._run.argtypes = [pointer, size, pointer, size, pointer]
        self.lengths: tuple[int, ...] = ()
        self.tokens = int(sizes.tokens)
        self.outputs = int(sizes.outputs)
        self.arena_bytes = int(sizes.arena_bytes)
        self.flash_bytes = int(sizes.flash_bytes)
        self._memory = np.zeros(self.arena_bytes + _ALIGNMENT, np.uint8)

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """The output, one sequence at a time; padding on the right is skipped.

        :param feeds: ids int64[B, S], or token bytes uint8[B, S, width]; and mask int64[B, S], whose ones come before its zeros.
        :raises InputError: if a row of the mask has a zero before a one, or with the status in words if the model refuses a sequence.
        """
        given, mask = list(feeds.values())[:2]
        holes = (np.diff(mask, axis=1) > 0).any(axis=1)
        if holes.any():
            raise InputError(
                f"row {int(holes.argmax())} of the mask has a 0 before a 1: C exports take tokens first and padding after them"
            )
        out = np.empty((len(given), self.outputs), np.float32)
        for number, (row, kept) in enumerate(zip(given, mask, strict=True)):
            self.run_tokens(row[: int(kept.sum())], out[number])
        return [out]

    def bare(self, feeds: Feeds) -> Callable[[], object]:
        """A call of the compiled function for one sequence, or of `run` for several.

        :param feeds: an array per input.
        """
        given, mask = list(feeds.values())[:2]
        if len(given) != 1:
            return partial(self.run, feeds)
        tokens = self._tokens(given[0][: int(mask[0].sum())])
        out = np.empty(self.outputs, np.float32)
        arguments = (self._arena(), self.arena_bytes, tokens.ctypes.data, len(tokens), out.ctypes.data)
        kept = (tokens, out, self._memory)

        def call() -> object:
            self._run(*arguments)
            return kept

        return call

    @property
    def profile_note(self) -> str:
        """Nothing: no profile is recorded."""
        return ""

    def end_profile(self) -> None:
        """No profile is recorded."""

    def run_tokens(self, given: NDArray[Any], out: NDArray[np.float32]) -> None:
        """One sequence.

        :param given: ids integers[S], or token bytes uint8[S, width].
        :param out: float32[outputs] that is written.
        :raises InputError: with the status in words if the model refuses it.
        """
        tokens = self._tokens(given)
        status = self._run(self._arena(), self.arena_bytes, tokens.ctypes.data, len(tokens), out.ctypes.data)
        if status:
            raise InputError(
                f"the model refused {len(tokens)} tokens: {STATUS.get(status, f'status {status}')}"
            )

    def _tokens(self, given: NDArray[Any]) -> NDArray[Any]:
        """Tokens as the model takes them."""
        return np.ascontiguousarray(given, np.uint8 if given.ndim == 2 else np.int32)

    def _arena(self) -> int:
        """Address of the working memory."""
        address = int(self._memory.ctypes.data)
        return address + -address % _ALIGNMENT

    def close(self) -> None:
        """Nothing to release: the code stays mapped until the process ends."""
