"""No library that a command uses sends anything."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from edgeemb.cli.app import main


def test_a_command_switches_telemetry_off_and_leaves_what_the_user_has_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # All are set first, so that all are restored afterwards.
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    del os.environ["ORT_DISABLE_TELEMETRY"]
    assert CliRunner().invoke(main, ["targets"]).exit_code == 0
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    assert os.environ["DO_NOT_TRACK"] == "0"
