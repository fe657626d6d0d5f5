"""Installing: the wheel is complete, and whoever only runs a bundle needs the base install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.fixtures.models import save_sentence
from tests.places import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    build += ["--config-settings", f"build-dir={folder / 'build'}", ROOT]
    subprocess.run([sys.executable, "-m", *build], check=True, cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_has_libraries_sources_and_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "edgeemb/native/lib/libedgeemb_onnxruntime.so" in names
    assert "edgeemb/sources/runtimes/kernels/quantized.h" in names
    assert "edgeemb/text/sentences.txt" in names
    assert "edgeemb/exporters/targets/linux-x64.toml" in names
    assert "edgeemb/py.typed" in names
    licences = {name.rpartition("/")[2] for name in names if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]


def test_a_bundle_runs_on_the_base_install_outside_the_checkout(
    wheel: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    install = ["pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel]
    subprocess.run([python, "-m", *install], check=True, cwd=tmp_path)
    probe = (
        "import importlib.util as u; print([n for n in ('torch', 'onnx', 'transformers') if u.find_spec(n)])"
    )
    assert subprocess.run([python, "-c", probe], check=True, capture_output=True, text=True).stdout == "[]\n"
    command = [
        environment / "bin" / "edgeemb",
        "run",
        tiny_bundle,
        "the cat sat",
        "--ops",
        "custom",
        "--json",
    ]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert len(json.loads(result.stdout)[0]["output"]) == 16
    export = [environment / "bin" / "edgeemb", "export", "all-MiniLM-L6-v2"]
    refused = subprocess.run(export, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert "pip install 'edgeemb[export]'" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_without_a_c_compiler_models_run_their_portable_lookups(tmp_path: Path) -> None:
    model = save_sentence(tmp_path / "tiny")
    build = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    build += ["--config-settings", f"build-dir={tmp_path / 'build'}", "--target", tmp_path / "site", ROOT]
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in ("cmake", "ninja"):
        (programs / tool).symlink_to(Path(sys.executable).parent / tool)
    alone = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX")}
    subprocess.run(build, check=True, cwd=tmp_path, env={**alone, "PATH": str(programs)})
    assert not list((tmp_path / "site").glob("edgeemb/native/lib/*"))
    # Without the checkout's own finder, which site-packages would start.
    places = [str(tmp_path / "site"), *(place for place in sys.path if place.endswith("-packages"))]
    program = f"""
import sys
sys.path[:0] = {places!r}
import edgeemb
bundle = edgeemb.export(sys.argv[1], sys.argv[2])
with edgeemb.open(bundle) as session:
    print(session.manifest.ops, session.encode(["the cat sat"]).shape, session.manifest.notes[0])
"""
    command = [sys.executable, "-S", "-c", program, model, tmp_path / "out"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.startswith("builtin (1, 16) edgeemb was installed without a C compiler")
