"""Building the firmware that measures a C export, and reading where its linker placed everything."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeemb.devices.cortex_m.board import Board, Region
from edgeemb.errors import DeviceError, NativeError
from edgeemb.native.compilers import run_compiler
from edgeemb.native.libraries import find_sources
from edgeemb.runtimes.c.sources import read_sizes, result_rows, sources, symbol_prefix

#: What is set aside for code when a bundle is held against a board before it is built, in bytes.
CODE_BYTES = 16 * 1024

_FLAGS = (
    "-std=gnu99",
    "-O2",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fomit-frame-pointer",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-nostdlib",
    "-DEEM_MARKS",
)
# Helium flushes subnormals, and the loops over floats must agree with every other board.
_GCC_FLAGS = ("-fno-tree-vectorize", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
_CLANG_FLAGS = ("-fno-sanitize=all", "-fno-vectorize", "-fno-slp-vectorize", "-fno-unwind-tables")


@dataclass(frozen=True)
class Firmware:
    """A linked firmware.

    :param path: the ELF file.
    :param segments: what is loaded where: address and bytes.
    :param symbols: addresses of functions and objects by name.
    :param sizes: bytes of functions and objects by name.
    :param flash: bytes in flash (and external memory) by part: ``tables``, ``weights``, ``tokenizer``, ``code``.
    :param static: bytes of RAM that are taken from the beginning, without the stack.
    """

    path: Path
    segments: tuple[tuple[int, bytes], ...]
    symbols: dict[str, int]
    sizes: dict[str, int]
    flash: dict[str, int]
    static: int

    def symbol_at(self, address: int) -> str:
        """Name of the function that holds an address, or the address itself."""
        for name, start in self.symbols.items():
            if start <= address < start + self.sizes.get(name, 0):
                return f"{name}+{address - start}"
        return f"{address:#x}"


def build(
    folder: Path,
    name: str,
    board: Board,
    out: Path,
    *,
    extra: tuple[str, ...] = (),
    main: Path | None = None,
    toolchain: str = "",
    text: bool | None = None,
) -> Firmware:
    """Compile and link the measuring firmware of a C export.

    :param folder: the bundle.
    :param name: name of the model, as in the manifest.
    :param board: what to build for.
    :param out: folder for the ELF file and what leads to it.
    :param extra: further flags for the compiler.
    :param main: another main program; by default the one that runs inputs of the host.
    :param toolchain: a key of `TOOLCHAINS`; empty for the first that is installed.
    :param text: whether its inputs are texts; None for texts where the model has no vocabulary.
    :raises NativeError: if there is no compiler, or it fails.
    :raises DeviceError: if the board's memory is too small.
    """
    place = find_sources() / "devices" / "firmware"
    prefix, sizes = symbol_prefix(name), read_sizes(folder, name)
    script = out / "board.ld"
    script.write_text(linker_script(place / "cortex-m.ld", board), "utf-8")
    elf = out / "firmware.elf"
    cross, libraries = compiler(board, toolchain)
    command = [
        *cross,
        *_FLAGS,
        *extra,
        f"-DFIRMWARE_PREFIX={prefix}",
        f"-DFIRMWARE_UPPER={prefix.upper()}",
        *(["-DFIRMWARE_TEXT"] if (sizes["width"] > 0 if text is None else text) else []),
        *([f"-DFIRMWARE_ROWS={result_rows(sizes, sizes['tokens'])}"] if sizes["per_token"] else []),
        f"-I{folder}",
        f"-I{place}",
        str(place / "startup.c"),
        str(main or place / "main.c"),
        *map(str, sources(folder)),
        *libraries,
        f"-Wl,-T,{script}",
        "-Wl,--gc-sections",
        "-Wl,-u,eem_mark",
        "-Wl,-z,norelro",
        "-o",
        str(elf),
    ]
    try:
        run_compiler(command)
    except NativeError as error:
        if "overflow" in str(error) or "will not fit" in str(error):
            raise DeviceError(
                f"the firmware does not fit {board.name}: {str(error).split(':', 1)[1].strip()}"
            ) from None
        raise
    return read_elf(elf, prefix, board)


def compiler(board: Board, toolchain: str = "") -> tuple[list[str], list[str]]:
    """Command of a cross compiler and what it links at the end.

    :param board: what it compiles for.
    :param toolchain: a key of `TOOLCHAINS`; empty for the first that is installed.
    :raises NativeError: if there is none.
    """
    for name in [toolchain] if toolchain else TOOLCHAINS:
        if found := TOOLCHAINS[name](board):
            return found
    raise NativeError(
        f"no compiler for {board.core}: pip install 'edgeemb[micro]', or apt-get install gcc-arm-none-eabi"
    )


def _zig(board: Board) -> tuple[list[str], list[str]] | None:
    if not importlib.util.find_spec("ziglang"):
        return None
    target = ["-target", board.target, f"-mcpu={board.cpu}"]
    return [sys.executable, "-m", "ziglang", "cc", *target, *_CLANG_FLAGS], ["-lcompiler_rt"]


def _gcc(board: Board) -> tuple[list[str], list[str]] | None:
    found = shutil.which("arm-none-eabi-gcc")
    return ([found, "-mthumb", *board.gcc, *_GCC_FLAGS], ["-lgcc"]) if found else None


#: Toolchains in the order in which they are looked for: what gives a compiler for a board, or None where it is not installed.
TOOLCHAINS: dict[str, Callable[[Board], tuple[list[str], list[str]] | None]] = {"zig": _zig, "gcc": _gcc}


def linker_script(template: Path, board: Board) -> str:
    """The text of the linker's script for a board.

    :param template: ``cortex-m.ld``.
    :param board: whose memory it names.
    """
    external = board.external
    values = {
        "FLASH_ORIGIN": hex(board.flash.origin),
        "FLASH_BYTES": str(board.flash.bytes),
        "RAM_ORIGIN": hex(board.ram.origin),
        "RAM_BYTES": str(board.ram.bytes),
        "STACK_BYTES": str(board.stack_bytes),
        "WEIGHTS": "FLASH" if external is None else "EXTERNAL",
        "EXTERNAL": ""
        if external is None
        else f"    EXTERNAL (r) : ORIGIN = {external.origin:#x}, LENGTH = {external.bytes}",
    }
    text = template.read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def read_elf(path: Path, prefix: str, board: Board) -> Firmware:
    """What is in a linked firmware.

    :param path: the ELF file.
    :param prefix: prefix of the model's symbols.
    :param board: the board that it was linked for.
    :raises NativeError: if the package pyelftools is missing.
    """
    try:
        from elftools.elf.elffile import ELFFile
    except ModuleNotFoundError:
        raise NativeError(
            "reading a firmware needs the package pyelftools: pip install 'edgeemb[micro]'"
        ) from None
    with path.open("rb") as file:
        elf = ELFFile(file)
        segments = tuple(
            (int(segment["p_paddr"]), bytes(segment.data()))
            for segment in elf.iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
        )
        symbols, sizes = {}, {}
        for symbol in elf.get_section_by_name(".symtab").iter_symbols():
            kind = symbol["st_info"]["type"]
            if (
                symbol.name
                and kind in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE")
                and not symbol.name.startswith("$")
            ):
                symbols[symbol.name] = int(symbol["st_value"]) & ~(kind == "STT_FUNC")
                sizes[symbol.name] = int(symbol["st_size"])
    parts = {
        "tables": sizes.get(f"{prefix}_tables", 0),
        "weights": sum(sizes.get(f"{prefix}_{name}", 0) for name in ("weights", "floats", "sums")),
        "tokenizer": sizes.get(f"{prefix}_tokenizer", 0),
    }
    stored = sum(len(data) for _, data in segments)
    static = symbols["bss_end"] - symbols["data_start"]
    return Firmware(path, segments, symbols, sizes, {**parts, "code": stored - sum(parts.values())}, static)


def check_budget(board: Board, flash: int, arena: int) -> None:
    """Refuse a bundle that a board cannot hold, before anything is built.

    :param board: the board.
    :param flash: bytes of weights, tables and tokenizer.
    :param arena: bytes of the arena.
    :raises DeviceError: with what is over, and by how much.
    """
    external: Region | None = board.external
    if external is None:
        _check(
            board, "flash", flash + CODE_BYTES, f"model {flash}, code about {CODE_BYTES}", board.flash.bytes
        )
    else:
        _check(board, "external memory", flash, f"model {flash}", external.bytes)
    _check(
        board, "RAM", arena + board.stack_bytes, f"arena {arena}, stack {board.stack_bytes}", board.ram.bytes
    )


def _check(board: Board, what: str, need: int, parts: str, limit: int) -> None:
    if need > limit:
        raise DeviceError(
            f"{board.name} has {limit} bytes of {what}, the bundle needs {need} ({parts}): {need - limit} too many; "
            "export it with a smaller table, vocabulary or `lengths`, or take a larger board"
        )
