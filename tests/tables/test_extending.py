"""docs/extending.md, the codec: done step by step as the page says, in a project of its own and in a copy of the package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import edgeemb
from tests.fixtures.models import save_sentence
from tests.places import ROOT

_PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8").partition("## A runtime")[0]
MODULE, USE = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)

_LOOK = """
import json
from pathlib import Path
from click.testing import CliRunner
from edgeemb.cli.app import main
from edgeemb.planner.space import families
from edgeemb.runtimes import describe

listed = json.loads(CliRunner().invoke(main, ["codecs", "--shape", "100x8", "--json"]).output)
entry = describe(Path("bundle")).tables["word"]
print(json.dumps({
    "codecs": listed["codecs"],
    "searched": [name for family in families(100, 8) for name in family.codecs],
    "spec": entry.spec, "bytes": entry.bytes, "shape": [entry.rows, entry.dim],
}))
"""


def python(
    *arguments: str, cwd: Path, path: list[str], site: bool = True
) -> subprocess.CompletedProcess[str]:
    """A Python of its own, in a folder.

    :param arguments: of the interpreter.
    :param cwd: the folder.
    :param path: put before what is installed.
    :param site: whether installed packages hook into it, as an editable install does.
    """
    found = [*path, *([] if site else [entry for entry in sys.path if entry and entry != str(ROOT)])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(found)}
    return subprocess.run(
        [sys.executable, *([] if site else ["-S"]), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script of the page made in a project of its own, and what it then sees."""
    project = tmp_path_factory.mktemp("project")
    (project / "mycodecs").mkdir()
    (project / "mycodecs" / "__init__.py").touch()
    (project / "mycodecs" / "centred.py").write_text(MODULE, "utf-8")
    (project / "use.py").write_text(USE + _LOOK, "utf-8")
    save_sentence(project / "my-model")
    done = python("use.py", cwd=project, path=[])
    assert done.returncode == 0, done.stderr
    with edgeemb.open(project / "bundle") as session:
        assert session.encode(["the cat"]).shape[0] == 1
        assert session.manifest.parity["cosine_min"] > 0.9
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_an_export_stores_the_new_codec(used: dict[str, Any]) -> None:
    rows, dim = used["shape"]
    assert used["spec"] == "centred:groups=2"
    assert used["bytes"] == dim * (2 * 4 + rows * 2)


def test_the_list_and_the_planner_see_the_new_codec(used: dict[str, Any]) -> None:
    (entry,) = (item for item in used["codecs"] if item["codec"] == "centred")
    assert entry["spec"] == "centred:groups=4"
    assert entry["bytes"] == 8 * (4 * 4 + 100 * 2)
    assert entry["options"] == {"groups": [], "rest": ["fp16", "fp32"]}
    assert "centred" in used["searched"]


def test_the_command_line_sees_a_module_and_a_line_in_the_package(tmp_path: Path) -> None:
    package = Path(edgeemb.__file__).parent
    shutil.copytree(package, tmp_path / "edgeemb", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "edgeemb" / "tables" / "codecs"
    (folder / "centred.py").write_text(MODULE, "utf-8")
    listing = folder / "__init__.py"
    text = listing.read_text("utf-8")
    text = text.replace("    cluster,\n", "    centred,\n    cluster,\n")
    listing.write_text(text.replace("    mixed.CODEC,\n", "    mixed.CODEC,\n    centred.CODEC,\n"), "utf-8")
    done = python("-m", "edgeemb.cli.app", "codecs", "--json", cwd=tmp_path, path=[str(tmp_path)], site=False)
    assert done.returncode == 0, done.stderr
    assert "centred" in [item["codec"] for item in json.loads(done.stdout)["codecs"]]


def test_a_codec_that_lacks_a_method_is_refused_where_it_is_registered(tmp_path: Path) -> None:
    (tmp_path / "centred.py").write_text(MODULE.replace("def nbytes(", "def size("), "utf-8")
    use = "from edgeemb.tables import register; from centred import CODEC; register(CODEC)"
    done = python("-c", use, cwd=tmp_path, path=[])
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "codec 'centred' lacks Centred.nbytes(shape) -> int; docs/extending.md shows" in last
