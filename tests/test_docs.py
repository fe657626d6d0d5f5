"""The documentation tells the truth: its commands exist, its links lead somewhere."""

from __future__ import annotations

import re

import click

from edgeemb.cli.app import main
from tests.places import ROOT

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


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
