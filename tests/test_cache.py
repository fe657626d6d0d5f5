"""What is built once for a user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeemb.cache import keep_newest, made_once
from edgeemb.errors import NativeError


def test_only_what_was_used_last_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEEMB_CACHE", str(tmp_path))
    made = []
    for number in range(5):
        place = made_once(f"things/{number}", lambda folder: (folder / "file").touch(), NativeError)
        os.utime(place, (number, number))
        made.append(place)
    assert made_once("things/0", lambda folder: pytest.fail("it is there"), NativeError) == made[0]
    keep_newest("things", 2)
    assert [place.is_dir() for place in made] == [True, False, False, False, True]
    keep_newest("nothing", 2)


def test_what_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEEMB_CACHE", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise NativeError("no compiler")

    with pytest.raises(NativeError, match="no compiler"):
        made_once("things/one", fail, NativeError)
    assert [item.name for item in (tmp_path / "things").iterdir() if item.name[0] != "."] == []
    assert made_once("things/one", lambda folder: (folder / "whole").touch(), NativeError).is_dir()
