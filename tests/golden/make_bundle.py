"""Writes ``bundles/schema-N.zip``, once for each schema: a bundle of the tiny encoder, which every later version must open.

python -m tests.golden.make_bundle
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import edgeemb
from edgeemb.bundle.manifest import SCHEMA
from tests.fixtures.models import save_sentence
from tests.places import TESTS

PLACE = TESTS / "golden" / "bundles"


def main() -> None:
    """Write the bundle of the current schema, unless it is there: one that was given to users never changes."""
    path = PLACE / f"schema-{SCHEMA}.zip"
    if path.exists():
        sys.exit(f"{path} is there: a bundle of this schema was kept already")
    # Loaded by a relative path, which the manifest keeps.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        save_sentence(Path("tiny"))
        model = edgeemb.load("./tiny")
        options = edgeemb.ExportOptions(as_zip=True)
        edgeemb.export(model, path, table="int4:block=8", body="int8", ops="builtin", options=options)


if __name__ == "__main__":
    main()
