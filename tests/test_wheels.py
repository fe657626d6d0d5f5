"""Wheels for other platforms are built here, and need nothing that their platform's oldest systems lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

WHEELS = ROOT / ".ci" / "wheels"


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["manylinux2014_aarch64", "macosx_11_0_arm64", "win_amd64"])
def test_a_wheel_for_another_platform_is_built_and_audited(tag: str, tmp_path: Path) -> None:
    build = [sys.executable, WHEELS, tmp_path, tag]
    done = subprocess.run(build, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("MB, audited")
    (wheel,) = tmp_path.glob(f"edgeemb-*-py3-none-{tag}.whl")
    program = (
        f"import sys; sys.path.insert(0, {str(WHEELS)!r}); from audit import audit; from platforms import PLATFORMS; from pathlib import Path; "
        "print(audit(Path(sys.argv[1]), next(p for p in PLATFORMS if p.tag == 'manylinux2014_x86_64')))"
    )
    other = subprocess.run([sys.executable, "-c", program, wheel], capture_output=True, text=True, check=True)
    assert "is for the processor" in other.stdout


def test_an_unknown_platform_lists_those_there_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, WHEELS, tmp_path, "beos"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "no platform beos: use manylinux2014_x86_64" in done.stderr
