"""The documentation tells the truth: its commands exist, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgeemb.cli.app import main
from tests.places import ROOT

PAGES = [ROOT / "README.md", *sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])]


def test_commands_and_options_in_the_pages_exist() -> None:
    for page in PAGES:
        for line in page.read_text("utf-8").splitlines():
            for command, rest in re.findall(r"(?:^|[`(]| )edgeemb (\w+)((?: [^`|#]*)?)", line):
                if command not in main.commands:
                    continue
                known = {name for item in main.commands[command].params for name in item.opts}
                used = set(re.findall(r"(?<=\s)--[a-z-]+", rest))
                assert used <= known | {"--help"}, f"{page.name}: {command} has no {sorted(used - known)}"


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_benchmarks_that_are_named_exist() -> None:
    sources = [path for path in ROOT.glob("bench/**/*") if path.suffix in (".py", ".c")]
    pages = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "Makefile", *sources]
    named = {
        name
        for page in pages
        for name in re.findall(r"python -m (bench\.[a-z0-9.]*[a-z0-9])", page.read_text("utf-8"))
    }
    assert named >= {f"bench.{place.stem}" for place in ROOT.glob("bench/[a-z]*") if place.suffix != ".md"}
    for name in named:
        spec = importlib.util.find_spec(name)
        assert spec is not None and (spec.origin or importlib.util.find_spec(f"{name}.__main__")), name


def test_every_command_says_what_it_does() -> None:
    for name, command in main.commands.items():
        assert command.help, name
        for item in command.params:
            assert isinstance(item, click.Argument) or getattr(item, "help", None), f"{name} {item.name}"


#: What a script of a page takes for granted.
BEFORE = {
    "vocabulary.md": """
import numpy as np
from tests.fixtures.models import tiny_tokenizer
from pathlib import Path

tokenizer_json = tiny_tokenizer("bert").to_str()
rows = tiny_tokenizer("bert").get_vocab_size()
arrays = {"word": np.zeros((rows, 4), np.float32)}
old = 3
Path("corpus.txt").write_text("the cat sat\\n" * 5)
"""
}
SCRIPTS = [
    (page, script)
    for page in PAGES
    for script in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    if ">>>" not in script and page.name != "extending.md"  # which tests of their own run
]


@pytest.mark.parametrize(("page", "script"), SCRIPTS, ids=[page.stem for page, _ in SCRIPTS])
def test_scripts_in_the_pages_run(page: Path, script: str, minilm_bundle: Path, tmp_path: Path) -> None:
    # What `edgeemb export all-MiniLM-L6-v2 -o minilm` writes, in the pages that begin with it.
    (tmp_path / "minilm").symlink_to(minilm_bundle)
    code = f"import sys; sys.path.append({str(ROOT)!r})\n" + BEFORE.get(page.name, "") + script
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
