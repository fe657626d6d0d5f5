"""The first hour with a C export: its header in C and C++, the arena that it declares, and the example."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeemb.runtimes.c.sources import sources
from tests.fixtures.requirements import requires_program

ZIG = (sys.executable, "-m", "ziglang")
STRICT = ("-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-pedantic")

_CPP = """
#include <cstdio>
#include "model.h"

static char before;
static TINY_ARENA(arena);

int main()
{
    float output[TINY_OUTPUTS];
    const int32_t ids[] = {2, 3};
    const int32_t status = tiny_run(arena, sizeof arena, ids, 2, output);
    std::printf("%d %d %u\\n", (int)status, (int)before, (unsigned)tiny_sizes.outputs);
    return status;
}
"""


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
    for compiler in (("c++",), (*ZIG, "c++")) if standard == "c++17" else (("c++",),):
        flags = [f"-std={standard}", *STRICT, *(["-Wno-long-long"] if standard == "c++98" else [])]
        build(compiler, *flags, f"-I{phone_bundle}", tmp_path / "main.cpp", *objects, "-o", tmp_path / "main")
        done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout.startswith("0 0 ")


@pytest.mark.parametrize("compiler", [("cc",), (*ZIG, "cc")], ids=["gcc", "clang"])
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
@requires_program("arm-none-eabi-gcc", "gcc-arm-none-eabi")
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
