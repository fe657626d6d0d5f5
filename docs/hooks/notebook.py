"""Makes a page of the notebook of first steps, with the outputs that it holds: what nbconvert makes loads scripts from elsewhere."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOK = "examples/first_steps.ipynb"
PAGE = "tutorials/first_steps"
_NOTE = f"This page is a notebook: `{NOTEBOOK}`.\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs once it knows the files of the site."""
    path = Path(config.config_file_path).parent / NOTEBOOK
    text, images = page(json.loads(path.read_text("utf-8")))
    for number, image in enumerate(images):
        files.append(File.generated(config, f"{PAGE}.{number}.png", content=image))
    files.append(File.generated(config, f"{PAGE}.md", content=text))
    return files


def page(notebook: dict[str, Any]) -> tuple[str, list[bytes]]:
    """A notebook as Markdown, and its images.

    :param notebook: the content of an .ipynb file.
    """
    parts, images = list[str](), list[bytes]()
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source + "\n")
            continue
        parts.append(f"```python\n{source}\n```\n")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                parts.append(f"![What the code above draws]({Path(PAGE).name}.{len(images)}.png)\n")
                images.append(base64.b64decode(data["image/png"]))
            else:
                shown = output.get("text") or data.get("text/plain", "")
                parts.append(f"```text\n{''.join(shown)}```\n")
    parts.insert(1, _NOTE)
    return "\n".join(parts), images
