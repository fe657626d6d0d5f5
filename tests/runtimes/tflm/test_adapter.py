"""The adapter for firmware that builds TFLM from its sources, over a stand-in for TFLM's headers: the same check as that of the wheel."""

from __future__ import annotations

import subprocess
from pathlib import Path

from edgeemb.native.libraries import find_sources
from tests.fixtures.hostile.isolated import SANITIZE
from tests.places import TESTS


def test_a_hostile_node_is_refused_and_nothing_is_read_beyond_its_bytes(tmp_path: Path) -> None:
    runtimes, here = find_sources() / "runtimes", TESTS / "programs" / "tflm"
    program = tmp_path / "adapter"
    sources = [str(runtimes / "tflm" / "edgeemb_tflm.cc"), str(here / "adapter.cc")]
    # GCC's own header of AVX-512 is not free of warnings.
    flags = ("-std=c++17", *SANITIZE, "-Wall", "-Wextra", "-Wno-unused-value", "-Wno-maybe-uninitialized")
    command = ["c++", *flags, f"-I{runtimes}", f"-I{here}", *sources, "-o", str(program)]
    subprocess.run(command, check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # What ran: the node as it should be, once more with a block of 0 written out, and with scales in float32.
    assert done.stdout == "3 ran, 177 refused\n"
