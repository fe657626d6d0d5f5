"""Engine for C exports: compiles the very sources that go to the microcontroller for this machine, and calls them through ctypes."""

from __future__ import annotations

import ctypes
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import BundleError, InputError, NativeError
from edgeemb.files import read_text
from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from edgeemb.runtimes.session import Feeds

#: Status codes of `runtimes/micro/platform.h` in words.
STATUS = {
    1: "an id lies outside its table",
    2: "the text has more tokens than the model was exported for",
    3: "there is no token",
    4: "the arena is too small",
    5: "the arena is misaligned",
    6: "a pointer is NULL",
    7: "the text is not UTF-8",
}

#: What ``model.h`` defines with the model's prefix, in the order of its structure.
SIZES = ("tokens", "rows", "outputs", "layers", "arena_bytes", "flash_bytes")

_MAX_HEADER_BYTES = 1 << 20


class _Sizes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in SIZES]


def symbol_prefix(name: str) -> str:
    """Prefix of the C symbols of a model.

    :param name: the model's name, such as ``all-MiniLM-L6-v2``.
    :return: a lower-case C identifier, such as ``all_minilm_l6_v2``.
    """
    identifier = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "model"
    return f"model_{identifier}" if identifier[0].isdigit() else identifier


def sources(folder: Path) -> list[Path]:
    """The translation units of an export.

    :param folder: the bundle.
    """
    weights = folder / "weights.c"
    return [folder / "model.c", weights if weights.is_file() else folder / "weights.S"]


def read_sizes(folder: Path, name: str) -> dict[str, int]:
    """What ``model.h`` says of a model.

    :param folder: the bundle.
    :param name: name of the model, as in the manifest.
    :return: ``tokens``, ``rows``, ``outputs``, ``layers``, ``arena_bytes`` and ``flash_bytes``; and ``width``, the bytes of a token, 0 where ids
        go in.
    :raises BundleError: if the header is missing or lacks one of them.
    """
    text = read_text(folder / "model.h", _MAX_HEADER_BYTES, BundleError)
    found = dict(re.findall(rf"^#define {symbol_prefix(name).upper()}_(\w+) (\d+)u$", text, re.MULTILINE))
    try:
        return {**{key: int(found[key.upper()]) for key in SIZES}, "width": int(found.get("WIDTH", 0))}
    except KeyError as error:
        raise BundleError(
            f"{folder / 'model.h'} does not define {error.args[0]}: export the bundle again"
        ) from None


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


class MicroEngine:
    """A C export, compiled for this machine.

    :param folder: the bundle.
    :param name: name of the model, as in the manifest.
    :param flags: further flags for the compiler; no choice of them changes a result.
    :raises NativeError: if it cannot be compiled or loaded.
    """

    def __init__(self, folder: Path, name: str, flags: tuple[str, ...] = ()) -> None:
        self.ops = "builtin"
        prefix = symbol_prefix(name)
        self._scratch = tempfile.TemporaryDirectory(prefix="edgeemb-")
        try:
            path = build_library(folder, Path(self._scratch.name, "model.so"), flags)
            library = ctypes.CDLL(str(path))
            sizes = _Sizes.in_dll(library, f"{prefix}_sizes")
            self._run: Any = getattr(library, f"{prefix}_run")
        except (OSError, ValueError, AttributeError) as error:
            self._scratch.cleanup()
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
        self._memory = np.zeros(self.arena_bytes + 16, np.uint8)

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """The output, a sequence at a time; padding on the right is left out.

        :param feeds: ids int64[B, S], or token bytes uint8[B, S, width]; and mask int64[B, S].
        :raises InputError: with the status in words if the model refuses a sequence.
        """
        given, mask = list(feeds.values())[:2]
        out = np.empty((len(given), self.outputs), np.float32)
        for number, (row, kept) in enumerate(zip(given, mask, strict=True)):
            self.run_tokens(row[: int(kept.sum())], out[number])
        return [out]

    def run_tokens(self, given: NDArray[Any], out: NDArray[np.float32]) -> None:
        """One sequence.

        :param given: ids integers[S], or token bytes uint8[S, width].
        :param out: float32[outputs] that is written.
        :raises InputError: with the status in words if the model refuses it.
        """
        tokens = np.ascontiguousarray(given, np.uint8 if given.ndim == 2 else np.int32)
        arena = self._memory.ctypes.data + -self._memory.ctypes.data % 16
        status = self._run(arena, self.arena_bytes, tokens.ctypes.data, len(tokens), out.ctypes.data)
        if status:
            raise InputError(
                f"the model refused {len(tokens)} tokens: {STATUS.get(status, f'status {status}')}"
            )

    def close(self) -> None:
        """Remove the compiled library; the code stays mapped until the process ends."""
        self._scratch.cleanup()
