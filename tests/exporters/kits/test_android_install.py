"""How the Android kit copies a model's files, and what it leaves behind when that goes wrong."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.java import KIT, PROGRAMS, compile_java, java
from tests.fixtures.requirements import requires_program
from tests.places import ROOT

pytestmark = requires_program("javac", "default-jdk-headless")

FILES = {"model.onnx": 1 << 16, "model.data": 1 << 23}
#: Processes that are killed while they copy.
KILLS = int(os.environ.get("EDGEEMB_KILLS", "6"))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("classes")
    kit = KIT / "src" / "main" / "java" / "edgeemb"
    compile_java(out, kit, KIT / "tflite", PROGRAMS / "driver" / "edgeemb", PROGRAMS / "tflite" / "edgeemb")
    return out


def assets_of(folder: Path, name: str, version: str) -> Path:
    """What an app carries of a model."""
    folder.mkdir()
    values = {
        "name": name,
        "version": version,
        "dim": 1,
        "max_length": 1,
        "pad_id": 0,
        "prompt": "",
        "kind": "embedding",
        "activation": "",
        "per_token": "false",
        "singles": "false",
        "mask_id": -1,
        "mask": "",
        "takes_pairs": "false",
        "spelled": "false",
        "method": "encode",
        "vectors": "",
        "vector_codes": "",
    }
    lines = [f"{key}={value}" for key, value in {**values, "no_tokenizer": "none"}.items()]
    lines += [f"file.{number}={file}" for number, file in enumerate(FILES)]
    (folder / "model.properties").write_text("\n".join(lines))
    rng = np.random.default_rng(len(version))
    for file, size in FILES.items():
        (folder / file).write_bytes(rng.bytes(size))
    return folder


def install(classes: Path, assets: Path, home: Path, name: str) -> Path:
    done = java(classes, "install", assets, home, name)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.decode().strip())


def same_files(left: Path, right: Path) -> bool:
    return all((left / file).read_bytes() == (right / file).read_bytes() for file in FILES)


def test_files_are_copied_once_for_each_version_and_older_ones_go(classes: Path, tmp_path: Path) -> None:
    old = assets_of(tmp_path / "old", "mini", "aaaa")
    new = assets_of(tmp_path / "new", "mini", "bbbbb")
    first = install(classes, old, tmp_path / "home", "mini")
    assert same_files(first, old)
    written = (first / "model.data").stat().st_mtime_ns
    assert install(classes, old, tmp_path / "home", "mini") == first
    assert (first / "model.data").stat().st_mtime_ns == written
    second = install(classes, new, tmp_path / "home", "mini")
    assert same_files(second, new) and not first.exists()


@pytest.mark.parametrize("other", ["mini-large", "mini-", "MINI", "m/i", "..", "mini%2d"])
def test_another_models_files_stay(other: str, classes: Path, tmp_path: Path) -> None:
    assets = assets_of(tmp_path / "assets", "mini", "aaaa")
    theirs = install(classes, assets_of(tmp_path / "theirs", other, "aaaa-1"), tmp_path / "home", other)
    ours = install(classes, assets, tmp_path / "home", "mini")
    assert same_files(theirs, tmp_path / "theirs") and same_files(ours, assets)
    assert (tmp_path / "home" / "edgeemb") in theirs.parents and theirs.parent != ours.parent


def test_what_a_crash_left_is_not_taken_for_whole(classes: Path, tmp_path: Path) -> None:
    assets = assets_of(tmp_path / "assets", "mini", "aaaa")
    place = install(classes, assets, tmp_path / "home", "mini")
    half = place.with_name("aaaa.fresh")
    half.mkdir()
    (half / "model.onnx").write_bytes(b"half")
    for harm in ("truncate", "marker", "file"):
        if harm == "truncate":
            os.truncate(place / "model.data", 100)
        else:
            (place / ("complete" if harm == "marker" else "model.onnx")).unlink()
        assert install(classes, assets, tmp_path / "home", "mini") == place
        assert same_files(place, assets) and not half.exists()


def test_a_full_disk_leaves_the_older_version(classes: Path, tmp_path: Path) -> None:
    old = assets_of(tmp_path / "old", "mini", "aaaa")
    first = install(classes, old, tmp_path / "home", "mini")
    new = assets_of(tmp_path / "new", "mini", "bbbbb")
    (new / "model.data").unlink()
    assert java(classes, "install", new, tmp_path / "home", "mini").returncode != 0
    assert same_files(first, old)


def test_a_kill_at_any_time_leaves_whole_files_or_none(classes: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    assets = assets_of(tmp_path / "assets", "mini", "aaaa")
    place = tmp_path / "home" / "edgeemb" / "mini" / "aaaa"
    command = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", str(classes), "edgeemb.Driver"]
    began = time.monotonic()
    install(classes, assets, tmp_path / "warm", "mini")
    usual = time.monotonic() - began
    for _ in range(KILLS):
        process = subprocess.Popen(
            [*command, "install", str(assets), str(tmp_path / "home"), "mini"], stdout=subprocess.DEVNULL
        )
        time.sleep(float(rng.uniform(0.3, 1.1)) * usual)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not place.exists() or same_files(place, assets)
        shutil.rmtree(place, ignore_errors=True)
    assert same_files(install(classes, assets, tmp_path / "home", "mini"), assets)
    assert {path.name for path in place.parent.iterdir()} == {"aaaa", "lock"}


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the delegate is built for this machine"
)
def test_the_delegate_is_given_back_where_the_interpreter_refuses_the_model(
    classes: Path, tmp_path: Path
) -> None:
    source = ROOT / "runtimes" / "tflite" / "edgeemb_tflite_android.c"
    library = tmp_path / "libedgeemb_tflite.so"
    subprocess.run(["cc", "-std=c99", "-fPIC", "-shared", str(source), "-o", str(library)], check=True)
    command = ["java", f"-Djava.library.path={tmp_path}", "-cp", str(classes), "edgeemb.DelegateDriver"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0", done.stderr
