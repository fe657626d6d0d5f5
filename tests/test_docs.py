"""The documentation tells the truth: its code runs, its commands exist."""

from __future__ import annotations

import re

import click
import numpy as np

from edgeemb import tables
from edgeemb.cli.app import main
from tests.exporters.onnx.test_lowering import ROWS, lookup_model, session_of
from tests.places import ROOT

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


def test_the_codec_of_the_guide_works_with_one_file_and_one_line() -> None:
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text("utf-8"), re.DOTALL
    )
    assert len(blocks) == 2
    names: dict[str, object] = {"__name__": "guide"}
    try:
        for block in blocks:
            exec(compile(block, "docs/extending.md", "exec"), names)  # our own page
        weight = np.random.default_rng(0).standard_normal((ROWS, 12)).astype(np.float32)
        table = tables.encode(weight, "centred")
        np.testing.assert_allclose(table.reconstruct(), weight, atol=2e-3)
        rows = session_of(lookup_model(table), custom=False).run(None, {"ids": np.arange(5)})[0]
        np.testing.assert_array_equal(rows, table.rows(np.arange(5)))
    finally:
        tables.CODECS.pop("centred", None)


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


def test_every_command_says_what_it_does() -> None:
    for name, command in main.commands.items():
        assert command.help, name
        for item in command.params:
            assert isinstance(item, click.Argument) or getattr(item, "help", None), f"{name} {item.name}"
