"""A short fixed slice of the fuzzing that ``make fuzz`` does for as long as one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.requirements import requires_program
from tests.fuzz import COMPILER, PROGRAMS, fuzz
from tests.places import ROOT

#: For all programs together.
SECONDS = 20
#: Changed files for each reader.
FILES = 150


@pytest.mark.parametrize("target", PROGRAMS)
@requires_program(COMPILER, "clang libclang-rt-14-dev")
def test_hostile_bytes_break_nothing(target: str, tmp_path: Path) -> None:
    run = fuzz(target, tmp_path, SECONDS / len(PROGRAMS), seed=1)
    assert not run.found
    assert run.inputs > 500


def test_damaged_files_of_every_kind_end_in_one_line() -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "slice", str(FILES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, f"{done.stdout.split()[-1:]}: {done.stderr[-2000:]}"
