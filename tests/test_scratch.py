"""Folders for work in progress: gone when the work ends, and swept where it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeemb.errors import EdgeembError
from edgeemb.scratch import Scratch, sweep

_HOLD = """
import sys, time
from pathlib import Path
from edgeemb.scratch import Scratch
held = Scratch(Path(sys.argv[1]), "work-")
(held.path / "half").write_text("half")
print("there", flush=True)
time.sleep(60)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder in which a process was killed at its work."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"there\n"
    sweep(tmp_path, "work-")
    assert len(list(tmp_path.glob("work-*/work/half"))) == 1, "what a living process holds stays"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return tmp_path


def test_it_is_gone_with_the_block_the_object_or_the_process(tmp_path: Path) -> None:
    with Scratch(tmp_path) as folder:
        (folder / "file").touch()
    held = Scratch(tmp_path)
    assert held.path.is_dir()
    del held
    script = f"from edgeemb.scratch import Scratch; from pathlib import Path; held = Scratch(Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_offered_and_then_removed(killed: Path) -> None:
    seen = []
    sweep(killed, "work-", lambda work: seen.append((work / "half").read_text()))
    assert seen == ["half"] and list(killed.iterdir()) == []


def test_nothing_but_scratch_folders_is_swept(killed: Path) -> None:
    (killed / "work-aaaaaaaa").mkdir()
    (killed / "work-aaaaaaaa" / "mine").touch()
    (killed / "work-12345678").symlink_to(killed / "work-aaaaaaaa")
    (killed / "work-bbbbbbbb").touch()
    (killed / "work-longer-name").mkdir()
    sweep(killed, "work-")
    assert len(list(killed.iterdir())) == 4 and (killed / "work-aaaaaaaa" / "mine").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(EdgeembError, match=r"cannot write to .*nowhere \(No such file or directory\)"):
        Scratch()
    with pytest.raises(OSError):
        Scratch(tmp_path / "nowhere")
    assert os.listdir(tmp_path) == []
