"""C exports of ModernBERT: rotary positions, gated MLPs, layers that attend within a window, normalisations in front of blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import edgeemb
from edgeemb.body.prepare import prepare
from edgeemb.body.spec import read_bodies
from edgeemb.errors import ExportError
from edgeemb.exporters.c.packing import on_grids
from edgeemb.exporters.c.reading import read_encoder
from edgeemb.exporters.c.scaling import settle_factors
from tests.fixtures.models.families import WINDOWED, reference_model, save_family

#: Tokens of texts that are run together: windows begin and end within and between the panels of keys.
LENGTHS = (1, 100, 2, 17, 64, 33, 3, 71, 5, 40)


def batch() -> dict[str, NDArray[np.int64]]:
    """Texts of these lengths, padded."""
    mask = (np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]).astype(np.int64)
    ids = np.random.default_rng(0).integers(5, 38, mask.shape) * mask
    return {"input_ids": ids, "attention_mask": mask}


def logits(**options: Any) -> NDArray[np.float32]:
    """What transformers computes for the batch, for tokens that are there."""
    model = reference_model("ModernBERT", "ForTokenClassification", **{**WINDOWED, **options})
    feeds = batch()
    with torch.no_grad():
        found = model(**{name: torch.from_numpy(value) for name, value in feeds.items()}).logits.numpy()
    return np.asarray(found[feeds["attention_mask"] == 1])


@pytest.mark.parametrize("target", ["cortex-m7", "ios"])
def test_gives_the_logits_of_the_original_for_texts_longer_than_its_windows(
    target: str, windowed: dict[str, Path]
) -> None:
    feeds = batch()
    there = feeds["attention_mask"] == 1
    with edgeemb.open(windowed[target], allow_code=True) as session:
        found = session.run(feeds)
    wanted = logits()
    np.testing.assert_allclose(found[there], wanted, atol=0.03 * np.abs(wanted).max())
    error = np.abs(found[there] - wanted).mean()
    for width in (6, 10, 1000):
        assert np.abs(found[there] - logits(local_attention=width)).mean() > 2 * error, width
    assert not found[~there].any()


def test_a_text_has_the_same_bits_on_boards_in_a_batch_alone_and_on_threads(
    windowed: dict[str, Path],
) -> None:
    feeds = batch()
    with edgeemb.open(windowed["cortex-m7"], allow_code=True) as session:
        wanted = session.run(feeds).tobytes()
    for threads in (0, 3):
        with edgeemb.open(windowed["ios"], threads=threads, allow_code=True) as session:
            together = session.run(feeds)
            assert together.tobytes() == wanted
            for row, count in enumerate(LENGTHS):
                one = {name: value[row : row + 1, :count] for name, value in feeds.items()}
                assert session.run(one).tobytes() == together[row, :count].tobytes()


def test_refuses_rotary_positions_that_depend_on_the_length(tmp_path: Path) -> None:
    scaled = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    save_family(tmp_path / "model", "NomicBERT", rope_parameters=scaled)
    with pytest.raises(ExportError, match=r"'body.rotary_emb' \(NomicBertRotaryEmbedding, .*line \d+\)"):
        edgeemb.export(str(tmp_path / "model"), tmp_path / "bundle", target="cortex-m4", table="int8")


def test_rows_of_a_matrix_that_layers_share_keep_its_grid_of_4_bits(tmp_path: Path) -> None:
    save_family(tmp_path / "model", "ModernBERT", hidden_size=64, intermediate_size=96)
    prepared = prepare(edgeemb.load(str(tmp_path / "model")), read_bodies("int4:nearest"), "int4")
    encoder, remarks = on_grids(settle_factors(read_encoder(prepared.model)), prepared.grids)
    assert not remarks
    first = encoder.layers[0]
    assert first.attention_norm.plain and first.attention_norm.scale is not None, "it was not smoothed"
    for layer in encoder.layers:
        for name, linear in layer.linears().items():
            assert linear.grid is not None and linear.block == 32, name
            np.testing.assert_array_equal(linear.grid.values(), linear.weight, err_msg=name)
