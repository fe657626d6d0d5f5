"""A version is released only when its files say that it is one; the long checks are targets of the Makefile of their own."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.places import ROOT

PROGRAM = ROOT / ".ci" / "release.py"


@pytest.fixture(scope="module")
def release() -> Any:
    spec = importlib.util.spec_from_file_location("release", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def git(root: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
    subprocess.run(["git", "-C", root, *names, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose version 1.2.3 can be released."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    text = "# Changelog\n\n## 1.2.3 (2026-01-02)\n\n- New.\n\n## 1.2.2 (2026-01-01)\n\n"
    (tmp_path / "CHANGELOG.md").write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "all")
    return tmp_path


def test_a_version_whose_files_agree_can_be_released(release: Any, checkout: Path) -> None:
    assert release.faults(checkout, "1.2.3") == []


def test_every_fault_is_named(release: Any, checkout: Path) -> None:
    git(checkout, "tag", "v1.2.2")
    (checkout / "new").touch()
    wrong, empty, changed, tagged = release.faults(checkout, "1.2.2")
    assert wrong == "pyproject.toml has the version 1.2.3: set it to 1.2.2"
    assert "1.2.2 in CHANGELOG.md is empty" in empty
    assert "working tree has changes" in changed and "the tag v1.2.2 exists" in tagged
    assert "no section '## 1.2.1'" in release.faults(checkout, "1.2.1")[1]
    text = (checkout / "CHANGELOG.md").read_text()
    (checkout / "CHANGELOG.md").write_text(text.replace("(2026-01-02)", "(unreleased)"))
    assert "1.2.3 in CHANGELOG.md has no date" in release.faults(checkout, "1.2.3")[0]


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.02.3", "1.2.3 "])
def test_what_is_no_version_is_refused(version: str, release: Any, checkout: Path) -> None:
    (fault,) = release.faults(checkout, version)
    assert "is no version" in fault


def test_the_command_wants_a_version() -> None:
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "name the version: make release VERSION=0.2.0\n")


def test_the_long_checks_are_targets(release: Any) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    assert {*release.LONG, "release"} <= targets


def test_git_is_only_asked(release: Any, checkout: Path) -> None:
    before = sorted((path, path.stat().st_size) for path in (checkout / ".git" / "refs").rglob("*"))
    release.faults(checkout, "1.2.3")
    assert sorted((path, path.stat().st_size) for path in (checkout / ".git" / "refs").rglob("*")) == before
    asked = re.findall(r"git\(\"(\w+)\", \"([\w-]+)\"", PROGRAM.read_text("utf-8"))
    assert asked == [("status", "--porcelain"), ("tag", "--list")]
