"""The demo: commands that the command line takes, in the order in which each finds what the ones before it wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeemb.cli.app import main
from edgeemb.cli.demo import steps
from tests.fixtures.models import save_sentence


def test_its_commands_are_ones_that_the_command_line_takes(tmp_path: Path) -> None:
    for step in steps(tmp_path, "all-MiniLM-L6-v2"):
        name, *arguments = step.arguments
        main.commands[name].make_context(name, list(arguments))


@pytest.mark.slow
def test_it_measures_a_model_on_a_computer_a_phones_cpu_and_a_board(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "edgeemb",
            "demo",
            "--model",
            str(save_sentence(tmp_path / "tiny")),
            "-o",
            str(out),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("$ edgeemb ") == 8
    assert (out / "report.html").is_file()
