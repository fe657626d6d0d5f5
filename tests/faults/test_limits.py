"""A full disk, a folder that cannot be written, and too little memory: one line, nothing harmed, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeemb.runtimes.opening import checked
from tests.fixtures.faults import left_in
from tests.fixtures.models.onnx_files import encoder, save
from tests.fixtures.requirements import requires_program
from tests.places import TESTS

EXPORT = ("export", "--table", "int4", "--ops", "builtin", "--force")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(encoder(), tmp_path_factory.mktemp("file") / "tiny.onnx", tokenizer=True)


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("library") / "full_disk.so"
    source = TESTS / "programs" / "faults" / "full_disk.c"
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(library), "-ldl"], check=True)
    return library


def edgeemb(*arguments: object, **environment: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgeemb.cli.app", *map(str, arguments)],
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
    )


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


@requires_program("cc", "gcc")
@pytest.mark.skipif(sys.platform != "linux", reason="a library is put in front of the system's")
def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    file: Path, tiny_bundle: Path, full_disk: Path, tmp_path: Path
) -> None:
    outputs, temporary = tmp_path / "outputs", tmp_path / "temporary"
    temporary.mkdir()
    assert edgeemb(*EXPORT, file, "-o", outputs / "b").returncode == 0
    zipped = ("--zip", "-o", outputs / "b.zip")
    assert edgeemb(*EXPORT, file, *zipped).returncode == 0
    before = {path: path.read_bytes() for path in outputs.rglob("*") if path.is_file()}
    for room in (0, 9000):
        done = edgeemb(
            *EXPORT, file, "-o", outputs / "b", LD_PRELOAD=full_disk, FULL_FOLDER=outputs, FULL_BYTES=room
        )
        assert "no space left on the disk" in only_line(done)
        assert left_in(outputs) == {"b", "b.zip"}
    done = edgeemb(
        "run",
        outputs / "b.zip",
        "a cat",
        TMPDIR=temporary,
        LD_PRELOAD=full_disk,
        FULL_FOLDER=temporary,
        FULL_BYTES=8000,
    )
    assert "free some space, or set TMPDIR" in only_line(done)
    assert left_in(temporary) == set()
    assert before == {path: path.read_bytes() for path in outputs.rglob("*") if path.is_file()}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(file: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o500)
    assert "cannot write" in only_line(edgeemb(*EXPORT, file, "-o", closed / "b"))
    assert left_in(closed) == set()


_LIMITED = """
import resource, sys
import edgeemb.cli.app, edgeemb.cli.exporting, edgeemb.exporters.pipeline
import onnx, onnxruntime
with open("/proc/self/statm") as held:
    now = int(held.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + int(sys.argv.pop(1)) * 2**20,) * 2)
edgeemb.cli.app.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does")
def test_too_little_memory_is_one_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "outputs" / "b"
    large = save(encoder(size=200_000), tmp_path / "large.onnx")
    small = save(encoder(size=64), tmp_path / "small.onnx")
    assert edgeemb(*EXPORT, small, "-o", out).returncode == 0
    command = [sys.executable, "-c", _LIMITED, "1", *EXPORT, str(large), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "out of memory" in only_line(done)
    with checked(out) as (_, manifest):
        assert next(iter(manifest.tables.values())).rows == 64
    assert left_in(out.parent) == {"b"}
