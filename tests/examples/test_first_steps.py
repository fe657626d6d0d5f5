"""The notebook of first steps runs as it stands, and the outputs that it holds are those that it gives."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.places import ROOT

NOTEBOOK = ROOT / "examples" / "first_steps.ipynb"
#: In bytes: it is read in a browser, and kept in a repository.
LARGEST = 200_000


def outputs(notebook: Any) -> list[str]:
    """What each cell of code prints, without the numbers, whose last digits depend on the processor."""
    return [
        re.sub(r"[\s\d.\-\[\]]+", " ", "".join("".join(output.get("text", "")) for output in cell["outputs"]))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_its_outputs_are_stored_and_small_and_name_no_machine() -> None:
    text = NOTEBOOK.read_text("utf-8")
    notebook = json.loads(text)
    assert len(text.encode()) < LARGEST
    shown = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert all(output.get("name") != "stderr" and output["output_type"] != "error" for output in shown)
    assert sum("image/png" in output.get("data", {}) for output in shown) == 1
    assert sum(map(bool, outputs(notebook))) >= 6
    assert not re.search(r"/(home|tmp|root|work|Users)/", text)


def test_the_site_has_it_as_a_page() -> None:
    spec = importlib.util.spec_from_file_location("notebook_hook", ROOT / "docs" / "hooks" / "notebook.py")
    assert spec is not None and spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    page, images = hook.page(notebook)
    assert page.startswith("# First steps") and [image[:4] for image in images] == [b"\x89PNG"]
    for cell in notebook["cells"]:
        assert "".join(cell["source"]) in page
        for output in cell.get("outputs", []):
            assert "".join(output.get("text", "")) in page


@pytest.mark.slow
def test_it_runs_and_prints_what_it_holds(tmp_path: Path) -> None:
    stored = nbformat.read(NOTEBOOK, 4)
    ran = nbformat.read(NOTEBOOK, 4)
    NotebookClient(ran, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert outputs(ran) == outputs(stored)
    assert (tmp_path / "first-steps" / "phone" / "kit" / "build.gradle.kts").is_file()
