"""The Android kit as one archive: what is in it, that its classes run, and that its bytes are the same every time."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

import edgeemb
from edgeemb.errors import ExportError, NativeError, SpecError
from edgeemb.exporters.kits import FOLDER, Kit
from edgeemb.exporters.kits.android import kit as android_kit
from edgeemb.exporters.kits.android.archive import ARCHIVE
from edgeemb.exporters.kits.android.library import TEXT_ABIS
from edgeemb.models.torch.model import Model
from edgeemb.runtimes import describe
from tests.exporters.kits.test_android import Remote
from tests.exporters.kits.test_android_library import facts
from tests.fixtures.java import PROGRAMS, compile_java, driver
from tests.fixtures.requirements import requires_program

JAVAC = requires_program("javac", "default-jdk-headless")


@JAVAC
def test_holds_what_an_app_needs_of_a_model(android_bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(android_bundle / FOLDER / ARCHIVE) as packed:
        assert packed.testzip() is None
        names = packed.namelist()
        packed.extractall(tmp_path)
    name = describe(android_bundle).name
    assert names == sorted(names)
    assert {path for path in names if path.startswith("jni/")} == {
        f"jni/{abi}/libedgeemb_text.so" for abi in TEXT_ABIS
    }
    for path in tmp_path.glob("jni/*/*.so"):
        assert all(alignment % 16384 == 0 for alignment in facts(path)["alignments"]), path
    assets = tmp_path / "assets" / "edgeemb" / name
    assert (assets / "model.onnx").read_bytes() == (android_bundle / "model.onnx").read_bytes()
    assert (assets / "tokenizer.bin").read_bytes() == (android_bundle / "tokenizer.bin").read_bytes()
    assert {"golden.bin", "model.properties"} <= {path.name for path in assets.iterdir()}
    manifest = (tmp_path / "AndroidManifest.xml").read_text("utf-8")
    assert 'package="edgeemb.' in manifest and 'android:minSdkVersion="24"' in manifest
    assert "permission" not in manifest
    assert (tmp_path / "R.txt").read_bytes() == b""
    assert "-keep class edgeemb.** { *; }" in (tmp_path / "proguard.txt").read_text("utf-8")
    classes = zipfile.ZipFile(tmp_path / "classes.jar").namelist()
    assert "edgeemb/RuntimeEngine.class" in classes and "edgeemb/Edgeemb.class" in classes
    # Nothing of Android or of the runtime travels along.
    assert all(path.startswith(("edgeemb/", "META-INF/")) for path in classes)
    listed = json.loads((android_bundle / "manifest.json").read_text("utf-8"))["files"]
    assert f"{FOLDER}/{ARCHIVE}" in listed


@JAVAC
def test_its_classes_give_the_golden_vectors(android_bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(android_bundle / FOLDER / ARCHIVE) as packed:
        packed.extractall(tmp_path / "aar")
    jar = tmp_path / "aar" / "classes.jar"
    with zipfile.ZipFile(jar) as classes:
        classes.extractall(tmp_path / "classes")
    # The driver is compiled over the classes of the archive, and not over their sources.
    compile_java(tmp_path / "classes", PROGRAMS / "driver" / "edgeemb")
    with edgeemb.open(android_bundle) as session:
        assets = tmp_path / "aar" / "assets" / "edgeemb" / session.manifest.name
        # In an app, the tokenizer lies beside the other assets; the driver looks for it where the kit has it.
        shutil.copy(assets / "tokenizer.bin", assets.parent.parent)
        rest, errors, status = Remote(session).serve([*driver(tmp_path / "classes"), "check", str(assets)])
    assert status == 0, errors
    assert len(rest) == 4


@JAVAC
def test_is_the_same_every_time_and_brings_native_lookups(android_bundle: Path, tmp_path: Path) -> None:
    manifest = describe(android_bundle)
    golden = json.loads((android_bundle / "golden.json").read_text("utf-8"))
    text = (android_bundle / "tokenizer.json").read_text("utf-8")
    for path in android_bundle.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    kit = Kit(text, manifest, golden, tmp_path, aar=True)
    android_kit.write(kit)
    made = kit.folder / ARCHIVE
    assert made.read_bytes() == (android_bundle / FOLDER / ARCHIVE).read_bytes()
    (tmp_path / "lib" / "x86_64").mkdir(parents=True)
    (tmp_path / "lib" / "x86_64" / "libedgeemb_onnxruntime.so").write_bytes(b"library")
    shutil.rmtree(kit.folder)
    android_kit.write(kit)
    with zipfile.ZipFile(made) as packed:
        assert packed.read("jni/x86_64/libedgeemb_onnxruntime.so") == b"library"


def test_says_what_it_needs_before_anything_is_exported(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = edgeemb.ExportOptions(aar=True)
    with pytest.raises(SpecError, match='not for linux-x64: use target="android"'):
        edgeemb.export(tiny, tmp_path / "a", target="linux-x64", options=options)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(NativeError, match="javac is not on the PATH: apt-get install default-jdk-headless"):
        edgeemb.export(tiny, tmp_path / "b", target="android", options=options)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(NativeError, match="JAVA_HOME has no bin/javac"):
        edgeemb.export(tiny, tmp_path / "b", target="android", options=options)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_a_kit_has_no_archive(android_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"there is no kit: .* takes none: leave it out"):
        android_kit.write(Kit(None, describe(android_bundle), {}, tmp_path, aar=True))
