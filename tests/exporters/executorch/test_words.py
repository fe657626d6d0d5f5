"""Rows of words in ExecuTorch, by plain ops and by our op, and a model without a vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import edgeemb
from edgeemb.exporters.executorch.tables import PlainWords
from edgeemb.exporters.executorch.writer import _lower, _trace
from edgeemb.models.words import WordRows
from edgeemb.runtimes.executorch.runner import Program
from edgeemb.tables.ngrams import ngram_rows
from tests.fixtures.models.words import FORM, save_words

#: Tokens of every length; what lies behind the first zero does not count.
LENGTHS = np.arange(FORM.width + 1)
TOKENS = np.where(
    np.arange(FORM.width) == LENGTHS[:, None],
    0,
    np.random.default_rng(2).integers(1, 256, (len(LENGTHS), FORM.width)),
).astype(np.uint8)


class BothForms(torch.nn.Module):
    """The same rows in both lowerings."""

    def __init__(self) -> None:
        super().__init__()
        self.fused = WordRows(FORM)
        self.plain = PlainWords(self.fused)

    def forward(self, token_bytes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """:param token_bytes: uint8[1, length, width]. :return: float32[1, length, dim] twice."""
        return self.plain(token_bytes), self.fused(token_bytes)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[NDArray[np.float32]]:
    """What the runtime computes for the tokens, by plain ops and by our op."""
    example = torch.ones((1, 3, FORM.width), dtype=torch.uint8)
    traced = _trace("words", BothForms(), (example,), ({1: torch.export.Dim("length", min=1, max=32)},))
    path = tmp_path_factory.mktemp("words") / "words.pte"
    path.write_bytes(_lower("words", traced, quantized=False).to_executorch().buffer)
    program = Program(path, threads=1)
    found = program.run([TOKENS[None]])
    program.close()
    return found


@pytest.mark.parametrize("form", [0, 1])
def test_computes_rows_of_words_to_the_bit(form: int, rows: list[NDArray[np.float32]]) -> None:
    arrays = FORM.arrays()
    wanted = ngram_rows(TOKENS, LENGTHS, arrays["seeds"], arrays["bases"], FORM.n)
    np.testing.assert_array_equal(rows[form][0].view(np.uint32), wanted.view(np.uint32))


def test_runs_a_model_without_a_vocabulary(tmp_path: Path) -> None:
    model = save_words(tmp_path / "model", pooling=["mean"])
    bundle = edgeemb.export(str(model), tmp_path / "bundle", runtime="executorch", ops="custom", body="fp32")
    with edgeemb.open(bundle) as session:
        assert session.manifest.parity["cosine_min"] > 0.99999
        together = session.encode(["the cat", "a dog barked"])
        np.testing.assert_array_equal(together[:1], session.encode(["the cat"]))
