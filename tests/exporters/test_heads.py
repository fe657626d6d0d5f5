"""Models whose output layer is their table: what is exported has the table once, and computes the logits from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import transformers
from torch import Tensor, nn

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import ExportError
from edgeemb.models.shrinking.tables import fit_tables
from edgeemb.models.torch.model import Model
from edgeemb.tables.spec import parse_spec
from tests.fixtures.models.families import save_family, save_task

TEXT = "the [MASK] sat on the [MASK]"
WORDS, WIDTH = 96, 32


class Decoder(nn.Module):
    """A decoder as one forward pass, without a cache."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    def forward(self, input_ids: Tensor) -> Tensor:
        """:param input_ids: int64[batch, length]. :return: float32[batch, length, V]."""
        logits: Tensor = self.body(input_ids=input_ids, use_cache=False).logits
        return logits


class Translator(nn.Module):
    """An encoder and a decoder that share their table, and its rows as output layer."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    def forward(self, input_ids: Tensor, so_far: Tensor) -> Tensor:
        """:param input_ids: int64[batch, length]. :param so_far: int64[batch, steps]. :return: float32[batch, steps, V]."""
        logits: Tensor = self.body(input_ids=input_ids, decoder_input_ids=so_far, use_cache=False).logits
        return logits


def decoder(name: str, *, tied: bool = True) -> Model:
    torch.manual_seed(0)
    common: dict[str, Any] = {
        "vocab_size": WORDS,
        "attn_implementation": "eager",
        "tie_word_embeddings": tied,
    }
    small = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = torch.arange(12).reshape(2, 6)
    if name == "T5":
        config = transformers.T5Config(
            d_model=WIDTH, d_kv=16, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0, **common
        )
        body = transformers.T5ForConditionalGeneration(config).eval()
        return edgeemb.load(Translator(body), example_inputs=(ids, ids[:, :3]), name=name)
    if name == "GPT2":
        body = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(n_embd=WIDTH, n_layer=1, n_head=2, n_positions=32, **common)
        ).eval()
    else:
        config = getattr(transformers, f"{name}Config")(
            **small, num_key_value_heads=1, head_dim=16, max_position_embeddings=32, **common
        )
        body = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    return edgeemb.load(Decoder(body), example_inputs=(ids,), name=name)


def largest(model: Model) -> str:
    return max(model.tables, key=lambda table: table.rows * table.dim).alias


def floats_of_the_size(bundle: Path, rows: int, dim: int) -> list[str]:
    """Names of float constants as large as the table."""
    graph = onnx.load(bundle / "model.onnx").graph
    return [
        item.name
        for item in graph.initializer
        if sorted(item.dims) == sorted((rows, dim)) and item.data_type == onnx.TensorProto.FLOAT
    ]


@pytest.fixture(scope="module")
def masked(cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A tiny masked language model."""
    return cached("tied-masked-lm", lambda path: save_family(path, "BERT", "ForMaskedLM"))


def rows_of(model: Model, alias: str, spec: str) -> Any:
    """The rows that an export gives a table."""
    return fit_tables(model, {alias: parse_spec(spec)}, corpus=None, seed=0)[alias].reconstruct()


@pytest.mark.parametrize(
    "body", ["fp32", *(pytest.param(body, marks=pytest.mark.slow) for body in ("fp16", "int8"))]
)
def test_a_masked_model_stores_its_table_once_and_fills_places(
    masked: Path, body: str, tmp_path: Path
) -> None:
    model = edgeemb.load(masked).torch_model()
    word = model.word_table
    bundle = edgeemb.export(masked, tmp_path / "b", runtime="onnx", table="int8", body=body)
    manifest = read_manifest(bundle)
    assert not any("word" in note for note in manifest.notes)
    assert floats_of_the_size(bundle, word.rows, word.dim) == []
    assert manifest.parity["cosine_mean"] > 0.98
    with edgeemb.open(bundle, ops="custom") as fused, edgeemb.open(bundle, ops="builtin") as portable:
        found, other = (session.fill([TEXT], top=3)[0] for session in (fused, portable))
    for place, same in zip(found, other, strict=True):
        assert [one.token for one in place] == [one.token for one in same]
        assert [one.score for one in place] == pytest.approx([one.score for one in same], abs=1e-3)


@pytest.mark.parametrize(
    "spec",
    [
        "mixed:20=lowrank:rank=8+int8,*=int2:block=16",
        *(pytest.param(spec, marks=pytest.mark.slow) for spec in ("int4:block=16", "pq:m=4", "rvq:m=2,k=16")),
    ],
)
def test_logits_are_those_of_the_model_with_the_compressed_rows(
    masked: Path, spec: str, tmp_path: Path
) -> None:
    model = edgeemb.load(masked).torch_model()
    same = model.with_rows("word", rows_of(model, "word", spec), shared=True)
    bundle = edgeemb.export(
        masked,
        tmp_path / "b",
        runtime="onnx",
        body="fp32",
        table=[f"word={spec}", "position=keep", "type=keep"],
    )
    feeds = same.examples()[0]
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.run(feeds)[0], same.reference(feeds)[0][0], atol=1e-3)


@pytest.mark.slow
def test_a_sparse_encoder_stores_its_table_once(tmp_path: Path) -> None:
    folder = save_task(tmp_path / "m", "sparse-embedding")
    model = edgeemb.load(folder).torch_model()
    bundle = edgeemb.export(folder, tmp_path / "b", runtime="onnx", table="int8")
    assert floats_of_the_size(bundle, model.word_table.rows, model.word_table.dim) == []
    assert read_manifest(bundle).parity["cosine_mean"] > 0.98


@pytest.mark.parametrize(
    "name",
    ["Llama", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Gemma", "Qwen2", "GPT2", "T5"))],
)
def test_a_model_that_generates_stores_its_table_once(name: str, tmp_path: Path) -> None:
    model = decoder(name)
    alias = largest(model)
    kept = edgeemb.export(model, tmp_path / "kept", runtime="onnx", table="keep", body="fp32")
    bundle = edgeemb.export(model, tmp_path / "b", runtime="onnx", table=f"{alias}=int8", body="fp32")
    info = model.table(alias)
    assert info.tied
    assert len(floats_of_the_size(kept, info.rows, info.dim)) == 1
    assert floats_of_the_size(bundle, info.rows, info.dim) == []
    manifest = read_manifest(bundle)
    float_bytes = 4 * info.rows * info.dim
    body = read_manifest(kept).sizes["body"] - float_bytes
    # The difference is the nodes and functions that compute the logits.
    assert manifest.sizes["body"] < body + 8000
    assert manifest.parity["cosine_mean"] > 0.99


def test_a_head_of_its_own_stays_although_the_configuration_may_say_otherwise(tmp_path: Path) -> None:
    model = decoder("Llama", tied=False)
    model.module.body.config.tie_word_embeddings = True
    alias = largest(model)
    bundle = edgeemb.export(
        model, tmp_path / "b", runtime="onnx", table=f"{alias}=int4:block=16", body="fp32"
    )
    info = model.table(alias)
    assert len(floats_of_the_size(bundle, info.rows, info.dim)) == 1
    same = model.with_rows(alias, rows_of(model, alias, "int4:block=16"))
    feeds = same.examples()[0]
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.run(feeds), same.reference(feeds)[0], atol=1e-4)


def test_equal_weights_are_one_table_although_the_configuration_says_otherwise(tmp_path: Path) -> None:
    model = decoder("Llama", tied=False)
    body = model.module.body
    body.lm_head.weight = nn.Parameter(body.model.embed_tokens.weight.detach().clone(), requires_grad=False)
    alias = largest(model)
    bundle = edgeemb.export(model, tmp_path / "b", runtime="onnx", table=f"{alias}=int8")
    assert floats_of_the_size(bundle, model.table(alias).rows, model.table(alias).dim) == []


def test_a_table_without_rows_cannot_be_the_head_and_says_why(masked: Path, tmp_path: Path) -> None:
    for spec in ("qr:rows=16", "word=qr:rows=16"):
        with pytest.raises(
            ExportError, match="table word cannot be compressed here: it is also the output layer"
        ):
            edgeemb.export(masked, tmp_path / "b", runtime="onnx", table=spec)


@pytest.mark.parametrize(
    ("runtime", "ops", "spec"),
    [
        ("tflite", "builtin", "int4:block=16"),
        pytest.param("tflite", "custom", "mixed:20=lowrank:rank=8+int8,*=pq:m=4", marks=pytest.mark.slow),
        pytest.param("executorch", "custom", "mixed:20=int4:block=16,*=pq:m=4", marks=pytest.mark.slow),
        pytest.param("executorch", "builtin", "int4:block=16", marks=pytest.mark.slow),
    ],
)
def test_other_runtimes_compute_the_logits_from_the_table_too(
    masked: Path, runtime: str, ops: str, spec: str, tmp_path: Path
) -> None:
    model = edgeemb.load(masked).torch_model()
    weight = model.table_weight("word")
    same = model.with_rows("word", rows_of(model, "word", spec), shared=True)
    tables = [f"word={spec}", "position=keep", "type=keep"]
    bundle = edgeemb.export(masked, tmp_path / "b", runtime=runtime, ops=ops, body="fp32", table=tables)
    (file,) = [path for path in bundle.iterdir() if path.name.startswith("model.")]
    assert weight[40].tobytes() not in file.read_bytes()
    feeds = {name: value[:1] for name, value in same.examples()[0].items()}
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.run(feeds)[0], same.reference(feeds)[0][0], atol=1e-3)
        assert len(session.fill([TEXT], top=3)[0]) == 2
