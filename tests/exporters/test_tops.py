"""Exports that give the best tokens alone: of all logits, or of a shortlist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import ExportError, InputError, SpecError
from edgeemb.models.torch.model import Model
from edgeemb.tables.top import best_of
from tests.exporters.test_heads import TEXT, decoder, largest, rows_of
from tests.fixtures.models.families import save_family


@pytest.fixture(scope="module")
def masked(cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A tiny masked language model."""
    return cached("tied-masked-lm", lambda path: save_family(path, "BERT", "ForMaskedLM"))


def ops_of(bundle: Path) -> set[str]:
    return {node.op_type for node in onnx.load(bundle / "model.onnx").graph.node}


@pytest.mark.parametrize(
    ("spec", "head", "op"),
    [
        ("int4:block=16", "shortlist=60,top=5", "ShortlistTop4"),
        pytest.param("int8", "top=5", "QuantizedTop8", marks=pytest.mark.slow),
        pytest.param("pq:m=4", "top=5", "TopK", marks=pytest.mark.slow),
    ],
)
def test_a_masked_model_gives_the_best_tokens_of_its_compressed_table(
    masked: Path, spec: str, head: str, op: str, tmp_path: Path
) -> None:
    model = edgeemb.load(masked).torch_model()
    same = model.with_rows("word", rows_of(model, "word", spec), shared=True)
    tables = [f"word={spec}", "position=keep", "type=keep"]
    bundle = edgeemb.export(masked, tmp_path / "b", runtime="onnx", body="fp32", table=tables, head=head)
    manifest = read_manifest(bundle)
    assert [(info.name, info.axes[-1]) for info in manifest.outputs] == [("logits", 5), ("tokens", 5)]
    assert manifest.parity["tokens.overlap_mean"] > 0.7
    assert ops_of(bundle) & {"ShortlistTop4", "QuantizedTop8", "TopK"} == {op}
    feeds = same.examples()[0]
    wanted = best_of(same.reference(feeds)[0], 5)
    for ops in ("custom", "builtin"):
        with edgeemb.open(bundle, ops=ops) as session:  # type: ignore[arg-type]
            logits, tokens = session.run_all(feeds)
            places = session.fill([TEXT], top=3)[0]
            np.testing.assert_allclose(logits, wanted[0], atol=1e-3)
            assert (tokens == wanted[1]).mean() > 0.98
            assert [len(place) for place in places] == [3, 3]
            with pytest.raises(
                InputError, match=r"gives the 5 best tokens of a place: ask for top=5 or fewer"
            ):
                session.fill([TEXT], top=6)


@pytest.mark.slow
@pytest.mark.parametrize("ops", ["custom", "builtin"])
@pytest.mark.parametrize("runtime", ["executorch", "tflite"])
def test_other_runtimes_give_the_best_tokens_too(
    runtime: str, ops: Literal["builtin", "custom"], masked: Path, tmp_path: Path
) -> None:
    model = edgeemb.load(masked).torch_model()
    same = model.with_rows("word", rows_of(model, "word", "int4:block=16"), shared=True)
    bundle = edgeemb.export(
        masked,
        tmp_path / "b",
        runtime=runtime,
        body="fp32",
        table=["word=int4:block=16", "position=keep", "type=keep"],
        head="top=5",
        ops=ops,
    )
    feeds = same.examples()[0]
    wanted = best_of(same.reference(feeds)[0], 5)
    with edgeemb.open(bundle) as session:
        logits, tokens = session.run_all(feeds)
        assert [len(place) for place in session.fill([TEXT], top=3)[0]] == [3, 3]
    np.testing.assert_allclose(logits, wanted[0], atol=1e-3)
    assert (tokens == wanted[1]).mean() > 0.98


def test_executorch_scans_a_shortlist_too(masked: Path, tmp_path: Path) -> None:
    model = edgeemb.load(masked).torch_model()
    same = model.with_rows("word", rows_of(model, "word", "int4:block=16"), shared=True)
    options: dict[str, Any] = {"runtime": "executorch", "body": "fp32", "head": "shortlist=60,top=5"}
    tables = ["word=int4:block=16", "position=keep", "type=keep"]
    bundle = edgeemb.export(masked, tmp_path / "b", table=tables, **options)
    assert any(note.startswith("the shortlist adds 2,") for note in read_manifest(bundle).notes)
    feeds = same.examples()[0]
    wanted = best_of(same.reference(feeds)[0], 5)
    with edgeemb.open(bundle) as session:
        logits, tokens = session.run_all(feeds)
    np.testing.assert_allclose(logits, wanted[0], atol=1e-3)
    assert (tokens == wanted[1]).mean() > 0.98
    with pytest.raises(ExportError, match="nothing to choose a shortlist from"):
        edgeemb.export(masked, tmp_path / "none", table="pq:m=4", **options)


@pytest.mark.slow
def test_a_model_that_generates_gives_its_best_tokens_without_a_bias(tmp_path: Path) -> None:
    model = decoder("Llama")
    alias = largest(model)
    same = model.with_rows(alias, rows_of(model, alias, "int8"), shared=True)
    bundle = edgeemb.export(
        model, tmp_path / "b", runtime="onnx", table=f"{alias}=int8", body="fp32", head="shortlist=90,top=4"
    )
    assert "ShortlistTop8" in ops_of(bundle)
    (note,) = (note for note in read_manifest(bundle).notes if "shortlist" in note)
    assert note.startswith("the shortlist adds 2,") and "bytes to the table" in note
    feeds = same.examples()[0]
    with edgeemb.open(bundle) as session:
        found = session.run_all(feeds)
    wanted = best_of(same.reference(feeds)[0], 4)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-3)
    assert (found[1] == wanted[1]).all()


def test_a_head_that_a_model_or_a_runtime_cannot_have_is_refused(
    masked: Path, tiny: Model, tmp_path: Path
) -> None:
    for message, model, options in (
        ("head 'top=68' asks for more than the 67 tokens", masked, {"head": "top=68"}),
        ("head 'shortlist=68,top=40' asks for more than the 67 tokens", masked, {"head": "shortlist=68"}),
        ("does not give logits over a vocabulary", tiny, {"head": "top=5"}),
        (
            "gives all logits: leave `head` out, or use runtime=onnx",
            masked,
            {"runtime": "tflm", "body": "fp32"},
        ),
        ("LiteRT scans no shortlist", masked, {"runtime": "tflite", "head": "shortlist=9"}),
        ('use ops="custom", or top alone', masked, {"head": "shortlist=9", "ops": "builtin"}),
    ):
        with pytest.raises(SpecError, match=message):
            edgeemb.export(model, tmp_path / "b", **({"runtime": "onnx", "head": "top=5"} | options))  # type: ignore[arg-type]
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_a_shortlist_of_a_table_that_no_op_serves_is_refused(masked: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nothing to choose a shortlist from"):
        edgeemb.export(masked, tmp_path / "b", runtime="onnx", head="shortlist=40", table="pq:m=4")
    assert not (tmp_path / "b").exists()
