"""docs/extending.md, the runtime, the target and the device: done step by step as the page says, in a project of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.models import save_sentence
from tests.places import ROOT

_PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8").partition("## A runtime")[2]
RUNTIME, USE_RUNTIME, DEVICE, USE_DEVICE = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
(TARGET,) = re.findall(r"```toml\n(.*?)```", _PAGE, re.DOTALL)
_LOOK = """
import json
from edgeemb.devices import devices as known
from edgeemb.exporters.support import support_page
from edgeemb.runtimes import describe
print(json.dumps({
    "runtime": describe(bundle).runtime, "parity": describe(bundle).parity["cosine_min"],
    "page": "onnx-plain builtin" in support_page(), "devices": [device.name for device in known()],
    "report": report.to_json(),
}))
"""


def python(project: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own in a folder."""
    return subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the page asks for, and a model."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in (("myruntime.py", RUNTIME), ("desk.toml", TARGET), ("mydevice.py", DEVICE)):
        (folder / name).write_text(text, "utf-8")
    save_sentence(folder / "my-model")
    return folder


@pytest.fixture(scope="module")
def seen(project: Path) -> dict[str, Any]:
    """What both scripts of the page print, and what they then see."""
    done = python(project, USE_RUNTIME + USE_DEVICE + _LOOK)
    assert done.returncode == 0, done.stderr
    size, result = done.stdout.splitlines()[-2:]
    return {**json.loads(result), "printed": int(size)}


def test_the_new_runtime_exports_checks_and_runs(seen: dict[str, Any]) -> None:
    assert seen["runtime"] == "onnx-plain"
    assert seen["parity"] > 0.9
    assert seen["page"]


def test_the_new_device_is_listed_and_measures(seen: dict[str, Any]) -> None:
    assert "archive" in seen["devices"]
    values = {item["name"]: item["value"] for item in seen["report"]["measurements"]}
    assert values == {"archive_bytes": seen["printed"], "p50_ms": None}
    assert seen["printed"] > 1000


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (RUNTIME.replace("def bare(", "def other("), "has an engine that lacks PlainEngine.bare"),
        (RUNTIME.replace("myruntime:PlainEngine", "myruntime:Engine"), "which cannot be imported"),
        (RUNTIME.replace('name="onnx-plain"', 'name="onnx"'), "has a name that is taken"),
        (RUNTIME.replace('bodies=("fp32", "int8")', "bodies=()"), "has no bodies"),
    ],
)
def test_a_record_that_lacks_something_is_refused_with_what_it_lacks(
    tmp_path: Path, code: str, says: str
) -> None:
    (tmp_path / "myruntime.py").write_text(code, "utf-8")
    use = "from edgeemb.runtimes.registry import register; from myruntime import RUNTIME; register(RUNTIME)"
    done = python(tmp_path, use)
    assert done.returncode == 1
    assert says in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("summary = ", "is not TOML"),
        (TARGET.replace("abis = []", ""), "target desk lacks 'abis'"),
        (TARGET + 'colour = "red"', "'colour' is not a property of a target"),
        (TARGET.replace("onnx-plain", "onnx-plane"), "runtime 'onnx-plane' is not known"),
    ],
)
def test_a_target_file_that_is_wrong_is_refused(project: Path, tmp_path: Path, text: str, says: str) -> None:
    import edgeemb
    from edgeemb.errors import SpecError

    path = tmp_path / "desk.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SpecError, match=says):
        edgeemb.export(str(project / "my-model"), tmp_path / "out", target=str(path))
