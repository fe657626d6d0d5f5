"""Checks everything that must hold before a version is tagged. It changes nothing, tags nothing and pushes nothing.

    make release VERSION=0.2.0

What is cheap is checked first, and all of it is reported at once; then come ``make lint``, ``make test`` and ``make wheels``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Semantic versioning: three numbers, and perhaps a pre-release such as -rc.1.
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
#: The long checks, as targets of the Makefile. A bundle of each schema version is opened by the tests.
LONG = ("lint", "test", "wheels")


def faults(root: Path, version: str) -> list[str]:
    """What keeps a version from being released, as far as it can be told at once; a line each.

    :param root: the checkout.
    :param version: the version.
    """
    if not VERSION.fullmatch(version):
        return [f"'{version}' is no version: give three numbers, such as VERSION=0.2.0"]
    return [*_of_version(root, version), *_of_changelog(root, version), *_of_git(root, version)]


def _of_version(root: Path, version: str) -> list[str]:
    found = re.search(r'^version = "([^"]*)"$', (root / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    own = found.group(1) if found else "none"
    return [] if own == version else [f"pyproject.toml has the version {own}: set it to {version}"]


def _of_changelog(root: Path, version: str) -> list[str]:
    text = (root / "CHANGELOG.md").read_text("utf-8")
    section = re.search(rf"^## {re.escape(version)}\b(.*)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    if section is None:
        return [f"CHANGELOG.md has no section '## {version}': add one"]
    found = []
    if not re.fullmatch(r" \(\d{4}-\d\d-\d\d\)", section.group(1)):
        found.append(
            f"the section of {version} in CHANGELOG.md has no date: write '## {version} (YYYY-MM-DD)'"
        )
    if not re.search(r"^- ", section.group(2), re.MULTILINE):
        found.append(f"the section of {version} in CHANGELOG.md is empty: say what users will notice")
    return found


def _of_git(root: Path, version: str) -> list[str]:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", root, *arguments], capture_output=True, text=True, check=True
        ).stdout

    found = []
    if git("status", "--porcelain"):
        found.append("the working tree has changes: commit or remove them")
    if git("tag", "--list", f"v{version}"):
        found.append(f"the tag v{version} exists: a version is released once")
    return found


def main(version: str) -> int:
    """Check a version.

    :param version: the version.
    :return: the exit status.
    """
    found = faults(ROOT, version)
    if found:
        print(
            f"edgeemb {version} cannot be released:",
            *(f"  {fault}" for fault in found),
            sep="\n",
            file=sys.stderr,
        )
        return 1
    for target in LONG:
        print(f"make {target}", flush=True)
        if subprocess.run(["make", "--no-print-directory", target], cwd=ROOT, check=False).returncode:
            print(f"edgeemb {version} cannot be released: make {target} failed", file=sys.stderr)
            return 1
    # The tests may have written something that git sees.
    found = faults(ROOT, version)
    if found:
        print(*found, sep="\n", file=sys.stderr)
        return 1
    print(f"edgeemb {version} can be released: git tag --annotate v{version}, wheels in build/wheels")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1]:
        print("name the version: make release VERSION=0.2.0", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
