"""The op QuantizedLinear as every adapter calls it: the same bits for every instruction set, and nothing beyond its buffers."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from tests.fixtures.requirements import requires_program
from tests.places import TESTS
from tests.runtimes.c.test_panels import (
    ARM_PROCESSORS,
    HERE,
    NODE,
    WARNINGS,
    WASM,
    ZIG,
    can_run,
    flags_of,
    needs_zig,
)

SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
GCC = ["aarch64-linux-gnu-gcc"]
needs_gcc = requires_program(GCC[0], "gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
ARM_COMPILERS = [
    pytest.param(ZIG, marks=needs_zig, id="clang"),
    pytest.param(GCC, marks=needs_gcc, id="gcc"),
]


def built(program: Path, compiler: list[str], *flags: str) -> Path:
    """The program; even the smallest layers are divided among threads."""
    source = str(TESTS / "programs/panels/linear.c")
    run_compiler(
        [*compiler, *FLAGS, *WARNINGS, "-DEEP_TASK=1u", "-pthread", *flags, source, "-o", str(program)]
    )
    return program


def printed(program: Path, *run: str) -> str:
    """The bits of all outputs."""
    return subprocess.run([*run, program], capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    program = tmp_path_factory.mktemp("linear") / "serial"
    found = printed(built(program, host_compiler(), *flags_of("serial"), *SANITIZED))
    assert len(found.split()) == 20 + 70 * 33 + 9 * 64 + 33 + 40 * 20 + 3 * 65 + 14 * 20
    return found


@pytest.mark.parametrize("variant", HERE)
def test_every_instruction_set_gives_the_bits_of_plain_c(variant: str, expected: str, tmp_path: Path) -> None:
    if not can_run(variant):
        pytest.skip(f"this processor has no {variant}")
    program = built(tmp_path / "program", host_compiler(), *flags_of(variant), *SANITIZED)
    assert printed(program) == expected


@requires_program("qemu-aarch64", "qemu-user")
@pytest.mark.parametrize("compiler", ARM_COMPILERS)
def test_gives_the_same_bits_on_every_arm_processor(
    compiler: list[str], expected: str, tmp_path: Path
) -> None:
    program = built(tmp_path / "program", [*compiler, "-static"])
    for cpu in ARM_PROCESSORS:
        assert printed(program, "qemu-aarch64", "-cpu", cpu) == expected, cpu


@requires_program("node", "nodejs")
@needs_zig
def test_gives_the_same_bits_in_webassembly(expected: str, tmp_path: Path) -> None:
    assert printed(built(tmp_path / "program.wasm", WASM, "-msimd128"), *NODE) == expected


@requires_program("qemu-aarch64", "qemu-user")
@needs_gcc
def test_multiplies_pairs_of_rows_where_the_processor_has_an_instruction_for_it(
    expected: str, tmp_path: Path
) -> None:
    program = built(tmp_path / "program", [*GCC, "-static", "-march=armv8.2-a+dotprod+i8mm"])
    assert printed(program, "qemu-aarch64", "-cpu", "max") == expected
    without = subprocess.run(["qemu-aarch64", "-cpu", "cortex-a76", program], capture_output=True)
    assert without.returncode == -signal.SIGILL
