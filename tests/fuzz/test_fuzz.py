"""A short fixed slice of the fuzzing that ``make fuzz`` does for as long as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.requirements import requires_program
from tests.fuzz import COMPILER, TARGETS, fuzz

#: For all targets together.
SECONDS = 32


@pytest.mark.parametrize("target", TARGETS)
@requires_program(COMPILER, "clang libclang-rt-14-dev")
def test_hostile_bytes_break_nothing(target: str, tmp_path: Path) -> None:
    run = fuzz(target, tmp_path, SECONDS / len(TARGETS), seed=1)
    assert not run.found
    assert run.inputs > 500
