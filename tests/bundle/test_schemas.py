"""Bundles of every schema that there was open in this version, and give the vectors that they gave."""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

import edgeemb
from edgeemb.bundle.manifest import SCHEMA
from tests.golden.make_bundle import PLACE

KEPT = sorted(PLACE.glob("schema-*.zip"))


def test_a_bundle_of_every_schema_is_kept() -> None:
    assert [path.name for path in KEPT] == [f"schema-{number}.zip" for number in range(1, SCHEMA + 1)]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: str(path.stem))
def test_it_opens_and_gives_its_golden_vectors(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        golden = msgspec.json.decode(archive.read("golden.json"))
    with edgeemb.open(path) as session:
        assert session.tokens(golden["sentences"]) == golden["ids"]
        vectors = session.encode(golden["sentences"])
    np.testing.assert_allclose(vectors, golden["output"], atol=1e-3)
