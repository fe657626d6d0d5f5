"""Zipped bundles and folders from elsewhere: only what the manifest lists is read, and no byte more than it says."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgeemb
from edgeemb.bundle.reading import unpack
from edgeemb.errors import BundleError


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def zipped(folder: Path, path: Path, change: Callable[[dict[str, bytes]], object] | None = None) -> Path:
    """A zip of a bundle, whose files may be changed before they go in."""
    files = {
        item.relative_to(folder).as_posix(): item.read_bytes() for item in folder.rglob("*") if item.is_file()
    }
    if change is not None:
        change(files)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def listed(files: dict[str, bytes], name: str, size: int) -> None:
    """Let a manifest list one more file."""
    values: dict[str, Any] = json.loads(files["manifest.json"])
    values["files"][name] = {"bytes": size, "sha256": 64 * "0"}
    files["manifest.json"] = json.dumps(values).encode()


def test_only_what_the_manifest_lists_is_unpacked(folder: Path, tmp_path: Path) -> None:
    archive = zipped(
        folder, tmp_path / "b.zip", lambda files: files.update({"../evil.txt": b"x", "more.bin": b"y"})
    )
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out")
    assert not (tmp_path / "evil.txt").exists()
    assert not (tmp_path / "out" / "more.bin").exists()
    with edgeemb.open(archive) as session:
        assert session.encode(["a cat"]).shape[0] == 1


def test_a_file_longer_than_the_manifest_says_is_not_read_to_its_end(folder: Path, tmp_path: Path) -> None:
    def bomb(files: dict[str, bytes]) -> None:
        listed(files, "bomb.bin", 10)
        files["bomb.bin"] = bytes(1 << 22)

    archive = zipped(folder, tmp_path / "b.zip", bomb)
    (tmp_path / "out").mkdir()
    with pytest.raises(BundleError, match=r"'bomb\.bin' in .* is larger than 10 bytes"):
        unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "bomb.bin").stat().st_size <= 10


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda files: files.pop("manifest.json"), r"holds no manifest\.json"),
        (lambda files: files.pop("model.onnx"), "lacks a file that its manifest lists"),
        (lambda files: listed(files, "../evil.txt", 1), "lies outside"),
        (lambda files: listed(files, "big.bin", 1 << 40), "unpacks to more than"),
        (lambda files: files.update({"manifest.json": b"[]"}), "is not a manifest"),
        (lambda files: files.update({"manifest.json": b"{" * 100000}), "is not valid JSON"),
    ],
)
def test_an_archive_that_does_not_fit_its_manifest_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], object], says: str
) -> None:
    with pytest.raises(BundleError, match=says):
        edgeemb.open(zipped(folder, tmp_path / "b.zip", change))


@pytest.mark.parametrize("place", range(0, 4000, 97))
def test_a_damaged_archive_is_refused_in_one_line(folder: Path, tmp_path: Path, place: int) -> None:
    archive = zipped(folder, tmp_path / "b.zip")
    content = bytearray(archive.read_bytes())
    place = place * len(content) // 4000
    content[place : place + 3] = b"\xff\x00\x63"
    archive.write_bytes(bytes(content))
    try:
        edgeemb.open(archive).close()
    except BundleError as error:
        assert "\n" not in str(error)


def test_a_link_out_of_the_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "golden.json", tmp_path / "golden.json")
    (folder / "golden.json").symlink_to(tmp_path / "golden.json")
    with pytest.raises(BundleError, match="leads out of the bundle"):
        edgeemb.open(folder)


def test_a_manifest_that_does_not_list_its_model_is_refused(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    del values["files"]["model.onnx"]
    (folder / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(BundleError, match=r"does not list model\.onnx"):
        edgeemb.open(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": [{"name": "ids", "dtype": "object", "axes": ["batch"]}]},
        {"inputs": [{"name": "ids", "dtype": "int64", "axes": 5}]},
        {"files": {"x": {"bytes": -1, "sha256": ""}}},
        {"bounds": {"length": "long"}},
        {"pad_id": -3},
        {"max_length": 1e300},
        {"sizes": {}},
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused_in_one_line(folder: Path, change: dict[str, Any]) -> None:
    values = json.loads((folder / "manifest.json").read_text()) | change
    (folder / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(BundleError, match="is damaged") as error:
        edgeemb.open(folder)
    assert "\n" not in str(error.value)
