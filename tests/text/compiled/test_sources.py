"""The headers of runtimes/text in other places than this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgeemb.native.libraries import find_sources
from tests.fixtures.requirements import requires_program

SOURCE = find_sources() / "runtimes" / "text" / "edgeemb_text.c"
#: What the compiler's own library adds for float64, which these processors have not.
DOUBLES = {"__aeabi_dadd", "__aeabi_dcmpgt", "__aeabi_dcmplt", "__aeabi_f2d"}


@requires_program("arm-none-eabi-gcc", "gcc-arm-none-eabi")
@pytest.mark.parametrize("processor", ["cortex-m3", "cortex-m4", "cortex-m7"])
def test_a_firmware_needs_nothing_but_memcpy_and_memset(processor: str, tmp_path: Path) -> None:
    built = tmp_path / "text.o"
    flags = [
        "-std=c99",
        f"-mcpu={processor}",
        "-mthumb",
        "-Os",
        "-ffreestanding",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
    ]
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", str(SOURCE), "-o", str(built)], check=True)
    listed = subprocess.run(["arm-none-eabi-nm", "-u", built], capture_output=True, text=True, check=True)
    missing = set(listed.stdout.split()) - {"U"}
    assert {"memcpy", "memset"} <= missing <= {"memcpy", "memset"} | DOUBLES
