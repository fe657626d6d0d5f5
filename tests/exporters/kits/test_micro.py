"""The first hour with a C export: its header in C and C++, the arena that it declares, and the example."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeemb.devices.cortex_m.board import find_board
from edgeemb.devices.cortex_m.firmware import compiler, linker_script
from edgeemb.native.libraries import find_sources
from edgeemb.runtimes.c.sources import sources
from tests.fixtures.requirements import requires_program
from tests.places import TESTS

STRICT = ("-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-pedantic")

_CPP = """
#include <stdio.h>
#include "model.h"

static char before;
static TINY_ARENA(arena);

int main()
{
    float output[TINY_OUTPUTS];
    const int32_t ids[] = {2, 3};
    const int32_t status = tiny_run(arena, sizeof arena, ids, 2, output);
    printf("%d %d %u\\n", (int)status, (int)before, (unsigned)tiny_sizes.outputs);
    return status;
}
"""

CONSOLE = TESTS / "programs" / "micro" / "console"
CLANG = requires_program("clang", "clang")
GCC = requires_program("arm-none-eabi-gcc", "gcc-arm-none-eabi")


def on_board(machine: str, firmware: Path) -> str:
    """What a firmware says to the debugger's host until it ends, in the simulator."""
    command = ["qemu-system-arm", "-M", machine, "-nographic", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(firmware)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def build(compiler: tuple[str, ...], *arguments: object) -> None:
    done = subprocess.run([*compiler, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def objects(phone_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The export compiled as C."""
    folder = tmp_path_factory.mktemp("objects")
    made = [folder / f"{path.stem}.o" for path in sources(phone_bundle)]
    for source, to in zip(sources(phone_bundle), made, strict=True):
        build(("cc", "-c", "-std=c99", "-O2", "-ffp-contract=off"), f"-I{phone_bundle}", source, "-o", to)
    return made


@pytest.mark.parametrize("standard", ["c++98", "c++11", "c++17"])
def test_cpp_links_with_it(standard: str, phone_bundle: Path, objects: list[Path], tmp_path: Path) -> None:
    (tmp_path / "main.cpp").write_text(_CPP)
    for one in [("c++",), *([("clang++",)] if standard == "c++17" and shutil.which("clang++") else [])]:
        flags = [f"-std={standard}", *STRICT, *(["-Wno-long-long"] if standard == "c++98" else [])]
        build(one, *flags, f"-I{phone_bundle}", tmp_path / "main.cpp", *objects, "-o", tmp_path / "main")
        done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout.startswith("0 0 ")


@pytest.mark.parametrize("compiler", [("cc",), pytest.param(("clang",), marks=CLANG)], ids=["gcc", "clang"])
@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_the_example_gives_the_golden_vectors(
    standard: str, compiler: tuple[str, ...], phone_bundle: Path, objects: list[Path], tmp_path: Path
) -> None:
    example = phone_bundle / "kit" / "example.c"
    build(
        compiler,
        f"-std={standard}",
        *STRICT,
        f"-I{phone_bundle}",
        example,
        *objects,
        "-o",
        tmp_path / "example",
    )
    done = subprocess.run([tmp_path / "example"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "texts as expected" in done.stdout


@pytest.mark.parametrize("standard", ["c99", "c11"])
@GCC
def test_the_arena_is_aligned_on_arm_whatever_lies_before_it(
    standard: str, phone_bundle: Path, tmp_path: Path
) -> None:
    from elftools.elf.elffile import ELFFile

    arm = (
        "arm-none-eabi-gcc",
        "-mcpu=cortex-m4",
        "-mthumb",
        "-ffreestanding",
        "-nostdlib",
        f"-std={standard}",
    )
    (tmp_path / "odd.c").write_text("char odd[13];\nvoid *use = odd;\n")
    (tmp_path / "main.c").write_text(
        '#include "model.h"\nstatic TINY_ARENA(arena);\nvoid *mine(void) { return arena; }\n'
    )
    for order in (("odd", "main"), ("main", "odd")):
        files = [tmp_path / f"{name}.c" for name in order]
        build(arm, f"-I{phone_bundle}", *files, "-Wl,-e,mine", "-o", tmp_path / "linked")
        with (tmp_path / "linked").open("rb") as file:
            symbols = {
                symbol.name: symbol["st_value"]
                for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols()
            }
        assert symbols["arena"] % 16 == 0 and symbols["arena"] > 0


@pytest.mark.parametrize("toolchain", ["zig", pytest.param("gcc", marks=GCC)])
@requires_program("qemu-system-arm", "qemu-system-arm")
def test_the_example_gives_the_golden_vectors_on_a_board_in_every_link_order(
    toolchain: str, phone_bundle: Path, tmp_path: Path
) -> None:
    board, firmware = find_board("mps2-an386"), find_sources() / "devices" / "firmware"
    cross, libraries = compiler(board, toolchain)
    (tmp_path / "odd.c").write_text("char odd[13] = {1};\nchar more[3];\nvoid *uses[] = {odd, more};\n")
    (tmp_path / "board.ld").write_text(linker_script(firmware / "cortex-m.ld", board))
    flags = ("-std=gnu99", "-O2", "-ffp-contract=off", "-ffreestanding", "-nostdlib")
    include = [f"-I{place}" for place in (CONSOLE, phone_bundle, firmware)]
    parts = {
        "startup": firmware / "startup.c",
        "console": CONSOLE / "console.c",
        "odd": tmp_path / "odd.c",
        "example": phone_bundle / "kit" / "example.c",
        **{path.stem: path for path in sources(phone_bundle)},
    }
    for name, source in parts.items():
        build((*cross, *flags), *include, "-c", source, "-o", tmp_path / f"{name}.o")
    names = list(parts)
    for order in (names, names[::-1], names[2:] + names[:2], names[3:] + names[:3]):
        objects = [tmp_path / f"{name}.o" for name in order]
        script = (f"-Wl,-T,{tmp_path / 'board.ld'}", "-Wl,-z,norelro")
        build((*cross, *flags), *objects, *libraries, *script, "-o", tmp_path / "firmware.elf")
        assert re.fullmatch(
            r"([1-9]\d*) of \1 texts as expected\n", on_board(board.qemu, tmp_path / "firmware.elf")
        ), order
