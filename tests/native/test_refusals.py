"""What the kernels refuse: compilers that would change their results, and sizes that no table has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeemb.native.libraries import find_sources
from tests.fixtures.hostile.isolated import SANITIZE
from tests.places import TESTS

RUNTIMES = find_sources() / "runtimes"
HEADERS = (
    "kernels/quantized.h",
    "kernels/codebook.h",
    "kernels/ngram.h",
    "kernels/vectors.h",
    "micro/vectors.h",
    "micro/encoder.h",
    "text/vocabulary_free/words.h",
)
ZIG = (sys.executable, "-m", "ziglang", "cc", "-c")


def _compile(compiler: tuple[str, ...], header: str, folder: Path) -> subprocess.CompletedProcess[str]:
    source = folder / "all.c"
    source.write_text(f'#include "{header}"\nint used;\n')
    command = [*compiler, "-std=c99", f"-I{RUNTIMES}", str(source), "-o", str(folder / "all.o")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        (("cc", "-c", "-ffast-math"), "fast-math"),
        (("cc", "-c", "-Ofast"), "fast-math"),
        (("cc", "-c", "-funsafe-math-optimizations"), "fast-math"),
        (("cc", "-c", "-ffinite-math-only"), "fast-math"),
        ((*ZIG, "-ffast-math"), "fast-math"),
        (("cc", "-c", "-mfpmath=387"), "another precision"),
        ((*ZIG, "-target", "x86-freestanding", "-mcpu=i386"), "another precision"),
        ((*ZIG, "-target", "aarch64_be-freestanding"), "big-endian"),
        ((*ZIG, "-target", "thumbeb-freestanding-eabi", "-mcpu=cortex_m3"), "big-endian"),
        ((*ZIG, "-target", "powerpc-freestanding"), "big-endian"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[1:])[-40:],
)
def test_a_compiler_that_would_change_results_is_refused(
    compiler: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    done = _compile(compiler, "kernels/quantized.h", tmp_path)
    assert done.returncode != 0
    assert reason in done.stderr and "edgeemb: " in done.stderr


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_can_be_had_without_that_check(header: str, tmp_path: Path) -> None:
    assert _compile(("cc", "-c"), header, tmp_path).returncode == 0
    assert "fast-math" in _compile(("cc", "-c", "-ffast-math"), header, tmp_path).stderr


def test_sizes_that_no_table_has_are_refused_before_anything_is_divided_or_read(tmp_path: Path) -> None:
    program = tmp_path / "refused"
    source = TESTS / "programs" / "kernels" / "refused.c"
    flags = [flag for flag in SANITIZE if flag != "-O1"]
    command = ["cc", "-std=c99", "-O0", *flags, f"-I{RUNTIMES / 'kernels'}", str(source), "-o", str(program)]
    subprocess.run(command, check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
