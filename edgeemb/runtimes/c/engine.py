"""Engine for C exports: compiles the same sources that go to the microcontroller for this machine, and calls them through ctypes."""

from __future__ import annotations

import ctypes
import platform
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.cache import cache_folder, digest_of, keep_newest, made_once
from edgeemb.errors import InputError, NativeError
from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from edgeemb.native.threads import Pool
from edgeemb.runtimes.c.masked import BestTokens
from edgeemb.runtimes.c.sources import SIZES, STATUS, read_sizes, sources, symbol_prefix
from edgeemb.runtimes.engine import Feeds, OpenOptions

#: Of the arena, in bytes: a cache line, though a C export asks for less.
_ALIGNMENT = 64
#: What a library is compiled from; changes of how it is compiled change the version.
_SUFFIXES = {".c", ".h", ".S", ".bin"}
_CACHE_VERSION = "2"
#: -O3 takes gcc a third longer for code that is no faster: what matters is written with intrinsics.
_FASTER = ("-O2",)
_LIBRARY = "model.so"
#: Compiled exports that are kept for the user: one with weights of 10 MB takes 18 MB.
_KEPT = 16
#: Exports whose digest is kept, in a file of this name, beside the state of their files.
_NOTED, _NOTE = 64, "digest"
#: Files that changed less than so many seconds ago may change again within one tick of the file system's clock.
_SETTLED_S = 2.0


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
        *_FASTER,
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
    found = (path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    files = sorted(path for path in found if path.relative_to(folder).parts[0] != "kit")
    how = (_CACHE_VERSION, platform.machine(), *FLAGS, *flags)
    # The sources hold the weights, so that reading them takes longer than all else: files that did not change since are known.
    states = [path.stat() for path in files]
    seen = [f"{state.st_ino} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}" for state in states]
    name = f"opened/{digest_of(*how, *map(str, files), *seen)}"
    digest = _noted(cache_folder() / name)
    if not digest:
        digest = digest_of(*how, *_contents(folder, files))
        if time.time() - max(state.st_ctime for state in states) > _SETTLED_S:
            made_once(name, lambda place: (place / _NOTE).write_text(digest, "utf-8"), NativeError)
            keep_newest("opened", _NOTED)
    made = made_once(
        f"engines/{digest}", lambda place: build_library(folder, place / _LIBRARY, flags), NativeError
    )
    keep_newest("engines", _KEPT)
    return made / _LIBRARY


def _contents(folder: Path, files: list[Path]) -> Iterator[str | bytes]:
    for path in files:
        yield path.relative_to(folder).as_posix()
        yield path.read_bytes()


def _noted(place: Path) -> str:
    """The digest that was noted of the files; empty if none was."""
    try:
        text = (place / _NOTE).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return text if re.fullmatch(r"[0-9a-f]{16}", text) else ""


def joined(outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The outputs as the compiled function gives them: a row for each token, in which several outputs of a number each are columns.

    :param outputs: those of `MicroEngine.run`.
    """
    return np.stack(outputs, axis=2) if len(outputs) > 1 and outputs[0].ndim == 2 else outputs[0]


def _called(function: Callable[..., int], arguments: tuple[object, ...], kept: object) -> object:
    function(*arguments)
    return kept


class MicroEngine:
    """A C export, compiled for this machine.

    :param folder: the bundle.
    :param manifest: its manifest.
    :param options: the threads to use; 0 is one.
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
            best: Any = getattr(library, f"{prefix}_best", None)
            self._run_batch: Any = getattr(library, f"{prefix}_{'run_batch' if best is None else 'best'}")
            divided: Any = getattr(library, f"{prefix}_run_parallel") if options.threads > 1 else None
            self._run_types: Any = getattr(library, f"{prefix}_run_types", None)
            self._run_attended: Any = getattr(library, f"{prefix}_run_attended", None)
        except (OSError, ValueError, AttributeError) as error:
            raise NativeError(
                f"{folder}: its compiled sources cannot be loaded ({error}): export the bundle again"
            ) from None
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        self._run.argtypes = [pointer, size, pointer, size, pointer]
        batch = [pointer, size, pointer, pointer, pointer, size, pointer]
        self._run_batch.argtypes = batch
        if self._run_attended is not None:
            self._run_attended.argtypes = [*batch[:5], pointer, *batch[5:]]
        self._best = None if best is None else BestTokens(best, int(sizes.outputs))
        if self._run_types is not None:
            self._run_types.argtypes = [pointer, size, pointer, pointer, size, pointer]
        self._pool = None
        if divided is not None:
            self._pool = Pool(options.threads)
            divided.argtypes = [pointer, *batch]
            self._run_batch = partial(divided, ctypes.byref(self._pool.parallel))
        self.lengths: tuple[int, ...] = ()
        self.tokens = int(sizes.tokens)
        # Of several outputs, each is a column of the rows.
        self._single = len(manifest.outputs) == 1
        self.outputs = int(sizes.outputs)
        self.per_token = bool(read_sizes(folder, manifest.name)["per_token"])
        self.arena_bytes = int(sizes.arena_bytes)
        self.flash_bytes = int(sizes.flash_bytes)
        self._memory = np.zeros(self.arena_bytes + _ALIGNMENT, np.uint8)

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """The outputs of every sequence; padding on the right is skipped, and costs nothing. Where outputs have a row for each token, those of
        padding are zeros; those of a multi-vector model that fills queries up with tokens to which no other attends are these tokens'.

        :param feeds: ids int64[B, S], or token bytes uint8[B, S, width]; mask int64[B, S], whose ones come before its zeros; and types int64[B, S]
            where the model takes them.
        :raises InputError: if a row of the mask has a zero before a one, or with the status in words if the model refuses a sequence.
        """
        given, mask, *types = feeds.values()
        holes = (np.diff(mask, axis=1) > 0).any(axis=1)
        if holes.any():
            raise InputError(
                f"row {int(holes.argmax())} of the mask has a 0 before a 1: C exports take tokens first and padding after them"
            )
        if self._best is not None:
            return self._best.of_all((self._arena(), self.arena_bytes), given, mask)
        if self._run_attended is not None and not mask.all():
            status, kept = self._attend(given, mask, types)
            mask = np.ones_like(mask)
        else:
            arguments, kept = self._batch(given, mask, types)
            status = self._run_batch(*arguments)
        if status:
            self._name_refused(given, mask.sum(axis=1), types)
            raise InputError(f"the model refused the texts: {STATUS.get(status, f'status {status}')}")
        if not self.per_token:
            return [kept[0]]
        out = np.zeros((*mask.shape, self.outputs), np.float32)
        out[mask.astype(np.bool_)] = kept[0]
        return [out] if self._single else list(np.moveaxis(out, 2, 0))

    def _attend(
        self, given: NDArray[Any], mask: NDArray[Any], types: list[NDArray[Any]]
    ) -> tuple[int, tuple[NDArray[Any], ...]]:
        """The status of a run in which no token attends to those that the mask leaves out, which have outputs; and what `_batch` gives."""
        attended = np.ascontiguousarray(mask.sum(axis=1), np.uintp)
        arguments, kept = self._batch(given, np.ones_like(mask), types)
        return self._run_attended(*arguments[:5], attended.ctypes.data, *arguments[5:]), kept

    def _batch(
        self, given: NDArray[Any], mask: NDArray[Any], types: list[NDArray[Any]]
    ) -> tuple[tuple[object, ...], tuple[NDArray[Any], ...]]:
        """The arguments of the function for many sequences; the output, float32[B, outputs], or float32[tokens of all, outputs]; and
        what else must stay."""
        there = mask.astype(np.bool_)
        out = self._room(int(there.sum()) if self.per_token else len(given))
        lengths = np.ascontiguousarray(there.sum(axis=1), np.uintp)
        tokens = np.ascontiguousarray(given[there], np.uint8 if given.ndim == 3 else np.int32)
        kinds = np.ascontiguousarray(types[0][there], np.int32) if types else None
        arguments = (
            *(self._arena(), self.arena_bytes, tokens.ctypes.data),
            None if kinds is None else kinds.ctypes.data,
            *(lengths.ctypes.data, len(lengths), out.ctypes.data),
        )
        return arguments, (out, tokens, lengths, *([] if kinds is None else [kinds]))

    def _name_refused(self, given: NDArray[Any], lengths: NDArray[Any], types: list[NDArray[Any]]) -> None:
        """Run one sequence at a time, for the error that names the one that the model refuses."""
        for number, (row, count) in enumerate(zip(given, lengths.tolist(), strict=True)):
            out = self._room(count if self.per_token else 1)
            self.run_tokens(row[:count], out, *(of_type[number, :count] for of_type in types))

    def _room(self, rows: int) -> NDArray[np.float32]:
        return np.empty((rows, self.outputs), np.float32)

    def run_at(self, feeds: Feeds, places: NDArray[np.int64]) -> list[NDArray[Any]]:
        """The outputs of one sequence at some places; of a masked language model the others do not go through the output layer.

        :param feeds: as in `run`, of one sequence.
        :param places: int64[P], of tokens.
        :return: for each output an array [1, P, ...].
        :raises InputError: as `run`.
        """
        if self._best is None:
            return [output[:, places] for output in self.run(feeds)]
        given, mask, *_ = feeds.values()
        arena = (self._arena(), self.arena_bytes)
        found = self._best.at(arena, given[0, : int(mask[0].sum())], places)
        return [output[None] for output in found]

    def bare(self, feeds: Feeds) -> Callable[[], object]:
        """A call of the compiled function for one sequence, or of `run` for several.

        :param feeds: an array per input.
        """
        given, mask, *types = feeds.values()
        if self._pool is not None:
            arguments, arrays = self._batch(given, mask, types)
            return partial(_called, self._run_batch, arguments, arrays)
        if len(given) != 1:
            return partial(self.run, feeds)
        count = int(mask[0].sum())
        out = self._room(count if self.per_token else 1)
        function, arguments, kept = self._call(
            given[0][:count], out, *(of_type[0, :count] for of_type in types)
        )

        return partial(_called, function, arguments, kept)

    @property
    def profile_note(self) -> str:
        """Nothing: no profile is recorded."""
        return ""

    def end_profile(self) -> None:
        """No profile is recorded."""

    def run_tokens(
        self, given: NDArray[Any], out: NDArray[np.float32], types: NDArray[Any] | None = None
    ) -> None:
        """One sequence.

        :param given: ids integers[S], or token bytes uint8[S, width].
        :param out: float32[outputs] that is written; float32[S, outputs] where outputs have a row for each token.
        :param types: integers[S], the type of each token; None for the first.
        :raises InputError: with the status in words if the model refuses it.
        """
        function, arguments, _ = self._call(given, out, types)
        status = function(*arguments)
        if status:
            raise InputError(
                f"the model refused {len(given)} tokens: {STATUS.get(status, f'status {status}')}"
            )

    def _call(
        self, given: NDArray[Any], out: NDArray[np.float32], types: NDArray[Any] | None = None
    ) -> tuple[Any, tuple[int, ...], object]:
        """The function for one sequence, its arguments, and what must stay as long as they are used."""
        tokens = np.ascontiguousarray(given, np.uint8 if given.ndim == 2 else np.int32)
        first, last = (self._arena(), self.arena_bytes), (len(tokens), out.ctypes.data)
        if types is None:
            return self._run, (*first, tokens.ctypes.data, *last), (tokens, out, self._memory)
        kinds = np.ascontiguousarray(types, np.int32)
        arguments = (*first, tokens.ctypes.data, kinds.ctypes.data, *last)
        return self._run_types, arguments, (tokens, kinds, out, self._memory)

    def _arena(self) -> int:
        """Address of the working memory."""
        address = int(self._memory.ctypes.data)
        return address + -address % _ALIGNMENT

    def close(self) -> None:
        """End the threads; the code stays mapped until the process ends."""
        if self._pool is not None:
            self._pool.close()
