"""What the tests of training share, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeemb.models.torch.model import Model
from edgeemb.training.result import Trained
from tests.fixtures.training import QUICK, adapt, write_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.txt")


@pytest.fixture(scope="session")
def healed(tiny: Model, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The tiny encoder with a trained int4 table and a body trained for int8."""
    out = tmp_path_factory.mktemp("healed") / "healed"
    return adapt(tiny, out, corpus=[corpus], table="int4:block=8", body="int8", **QUICK)
