"""The op QuantizedLinear as every adapter calls it: the same bits for every instruction set, and nothing beyond its buffers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from tests.fixtures.requirements import requires_program
from tests.places import TESTS
from tests.runtimes.c.test_panels import HERE, WARNINGS, can_run, flags_of

SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def printed(program: Path, compiler: list[str], *flags: str, run: tuple[str, ...] = ()) -> str:
    """The bits of all outputs; even the smallest layers are divided among threads."""
    source = str(TESTS / "programs/panels/linear.c")
    run_compiler(
        [*compiler, *FLAGS, *WARNINGS, "-DEEP_TASK=1u", "-pthread", *flags, source, "-o", str(program)]
    )
    return subprocess.run([*run, program], capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    program = tmp_path_factory.mktemp("linear") / "serial"
    found = printed(program, host_compiler(), *flags_of("serial"), *SANITIZED)
    assert len(found.split()) == 20 + 70 * 33 + 9 * 64 + 33 + 40 * 20 + 3 * 65
    return found


@pytest.mark.parametrize("variant", HERE)
def test_every_instruction_set_gives_the_bits_of_plain_c(variant: str, expected: str, tmp_path: Path) -> None:
    if not can_run(variant):
        pytest.skip(f"this processor has no {variant}")
    assert printed(tmp_path / "program", host_compiler(), *flags_of(variant), *SANITIZED) == expected


@requires_program("qemu-aarch64", "qemu-user")
@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="needs the package ziglang")
def test_gives_the_same_bits_on_arm_with_and_without_the_dot_product(expected: str, tmp_path: Path) -> None:
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static"]
    for cpu in ("cortex-a53", "cortex-a76"):
        run = ("qemu-aarch64", "-cpu", cpu)
        assert printed(tmp_path / "program", compiler, run=run) == expected, cpu
