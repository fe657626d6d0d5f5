"""Static embedding models: what a text's vector is, and that it stays so in every form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import model2vec
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import ModelError
from edgeemb.models.static.model import StaticModel
from tests.fixtures.models import TEXTS, tiny_tokenizer
from tests.fixtures.weights import structured

DIM = 16
#: A text with a word that the tiny tokenizer has no piece for.
UNKNOWN = "the cat ☃ sat"
ALL_UNKNOWN = "☃"


def save_model2vec(
    folder: Path,
    *,
    normalize: bool = True,
    mapped: bool = False,
    weighted: bool = False,
    dtype: Any = np.float32,
) -> Path:
    """A model2vec folder over the tiny BERT tokenizer."""
    folder.mkdir()
    tokenizer = tiny_tokenizer("bert")
    ids = tokenizer.get_vocab_size()
    rows = 20 if mapped else ids
    arrays: dict[str, NDArray[Any]] = {"embeddings": structured(rows, DIM).astype(dtype)}
    if mapped:
        arrays["mapping"] = (np.arange(ids, dtype=np.int64) * 7) % rows
    if weighted:
        arrays["weights"] = np.linspace(0.1, 2, ids)
    save_file(arrays, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": normalize}))
    return folder


def expected(folder: Path, texts: list[str]) -> NDArray[np.float64]:
    """What model2vec computes, written out."""
    from safetensors.numpy import load_file

    arrays = load_file(folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    unknown = tokenizer.token_to_id("[UNK]")
    vectors = []
    for text in texts:
        ids = [i for i in tokenizer.encode(text, add_special_tokens=False).ids if i != unknown]
        rows = arrays["embeddings"].astype(np.float64)[arrays["mapping"][ids] if "mapping" in arrays else ids]
        if "weights" in arrays:
            rows = rows * arrays["weights"][ids][:, None]
        mean = rows.sum(axis=0) / max(len(ids), 1)
        if json.loads((folder / "config.json").read_text())["normalize"]:
            mean = mean / (np.linalg.norm(mean) + 1e-32)
        vectors.append(mean)
    return np.array(vectors)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_bundle_computes_what_model2vec_computes(
    tmp_path: Path, normalize: bool, mapped: bool, weighted: bool
) -> None:
    folder = save_model2vec(tmp_path / "m", normalize=normalize, mapped=mapped, weighted=weighted)
    bundle = edgeemb.export(folder, tmp_path / "b", table="fp32", ops="builtin")
    manifest = read_manifest(bundle)
    assert (manifest.kind, manifest.pooling, manifest.normalize) == ("embedding", "mean", normalize)
    texts = [*TEXTS, UNKNOWN, ALL_UNKNOWN]
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.encode(texts), expected(folder, texts), atol=1e-6)


def test_compressed_tables_stay_close(tmp_path: Path) -> None:
    folder = save_model2vec(tmp_path / "m")
    manifest = read_manifest(edgeemb.export(folder, tmp_path / "b", table="int4:block=8", ops="custom"))
    assert manifest.parity["cosine_min"] > 0.97
    assert manifest.tables["word"].spec == "int4:block=8"


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8])
def test_reads_tables_of_any_number_type(tmp_path: Path, dtype: Any) -> None:
    folder = save_model2vec(tmp_path / "m", dtype=np.float32 if dtype is np.int8 else dtype)
    if dtype is np.int8:
        rows = np.clip(structured(67, DIM) * 500, -127, 127).astype(np.int8)
        save_file({"embeddings": rows}, folder / "model.safetensors")
    model = edgeemb.load(folder)
    assert model.table_weight("word").dtype == np.float32
    np.testing.assert_allclose(
        model.reference(model_feeds(model, TEXTS[0]))[0], expected(folder, TEXTS[:1]), atol=1e-6
    )


def model_feeds(model: StaticModel, text: str) -> dict[str, NDArray[np.int64]]:
    """Inputs for one text."""
    assert model.tokenizer_json is not None
    ids = np.array([Tokenizer.from_str(model.tokenizer_json).encode(text).ids])
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def test_a_static_embedding_of_sentence_transformers_counts_unknown_tokens(tmp_path: Path) -> None:
    inner = tmp_path / "m" / "0_StaticEmbedding"
    inner.mkdir(parents=True)
    table = structured(67, DIM)
    save_file({"embedding.weight": table}, inner / "model.safetensors")
    tiny_tokenizer("bert").save(str(inner / "tokenizer.json"))
    stage = {"path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}
    (tmp_path / "m" / "modules.json").write_text(json.dumps([stage]))
    model = edgeemb.load(tmp_path / "m")
    feeds = model_feeds(model, UNKNOWN)
    assert model.normalize is False
    np.testing.assert_allclose(
        model.reference(feeds)[0], table[feeds["input_ids"][0]].mean(axis=0)[None], atol=1e-6
    )


@pytest.mark.parametrize("mapped", [True, False])
def test_the_torch_module_computes_the_same(tmp_path: Path, mapped: bool) -> None:
    model = edgeemb.load(save_model2vec(tmp_path / "m", mapped=mapped, weighted=True))
    module = model.torch_model()
    for text in (*TEXTS, UNKNOWN, ALL_UNKNOWN):
        feeds = model_feeds(model, text)
        np.testing.assert_allclose(module.reference(feeds)[0], model.reference(feeds)[0], atol=1e-6)
    np.testing.assert_array_equal(module.table_weight("word"), model.table_weight("word"))


@pytest.mark.parametrize("mapped", [True, False])
def test_a_pruned_model_gives_kept_texts_the_same_vectors(tmp_path: Path, mapped: bool) -> None:
    folder = save_model2vec(tmp_path / "m", mapped=mapped, weighted=True)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the cat sat on the mat\n", "utf-8")
    bundle = edgeemb.export(folder, tmp_path / "b", table="fp32", ops="builtin", vocab=[f"keep:{corpus}"])
    with edgeemb.open(bundle) as session:
        assert session.manifest.tables["word"].rows < (21 if mapped else 67)
        texts = [TEXTS[0], "the ☃ cat"]
        np.testing.assert_allclose(session.encode(texts), expected(folder, texts), atol=1e-6)


def test_frequencies_of_tokens_become_those_of_their_rows(tmp_path: Path) -> None:
    model = edgeemb.load(save_model2vec(tmp_path / "m", mapped=True))
    tokens = np.linspace(1, 2, 67)
    rows = model.row_frequency(tokens)
    assert rows.shape == (20,)
    assert rows.sum() == pytest.approx(tokens.sum())
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the cat sat on the mat\n", "utf-8")
    bundle = edgeemb.export(model, tmp_path / "b", table="lowrank:rank=4", ops="builtin", corpus=corpus)
    assert read_manifest(bundle).tables["word"].rows == 20


def test_no_torch_is_imported(tmp_path: Path) -> None:
    folder = save_model2vec(tmp_path / "m")
    code = f"""
import sys
import edgeemb
edgeemb.open(edgeemb.export({str(folder)!r}, {str(tmp_path / "b")!r}, table="int4", ops="builtin")).encode(["cat"])
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Bad folders.


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"other": np.ones((67, 4), np.float32)}, "holds no matrix embeddings or embedding.weight"),
        ({"embeddings": np.ones(67, np.float32)}, "holds no matrix"),
        (
            {"embeddings": np.ones((9, 4), np.float32)},
            "the tokenizer gives ids up to 66, but the model has 9",
        ),
        ({"embeddings": np.full((67, 4), np.nan, np.float32)}, "embeddings holds NaN or infinite values"),
        (
            {"embeddings": np.ones((9, 4), np.float32), "mapping": np.arange(67)},
            r"mapping does not give a row of the table \(9 rows\)",
        ),
        (
            {"embeddings": np.ones((67, 4), np.float32), "weights": np.ones(5)},
            r"weights has shape \(5,\), there are 67 tokens",
        ),
    ],
)
def test_refuses_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, NDArray[Any]], says: str) -> None:
    folder = save_model2vec(tmp_path / "m")
    save_file(arrays, folder / "model.safetensors")
    with pytest.raises(ModelError, match=says) as error:
        edgeemb.load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100])
def test_refuses_a_damaged_checkpoint(tmp_path: Path, content: bytes) -> None:
    folder = save_model2vec(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="is truncated or not a safetensors file"):
        edgeemb.load(folder)


def test_refuses_a_missing_checkpoint(tmp_path: Path) -> None:
    folder = save_model2vec(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors is missing"):
        edgeemb.load(folder)


# Against model2vec itself.


def unigram() -> Tokenizer:
    """A Unigram tokenizer, which names its unknown token by its place."""
    pieces = [("<pad>", 0.0), ("<unk>", -10.0), ("▁red", -2.0), ("▁blue", -2.0), ("▁", -5.0), ("e", -6.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
@pytest.mark.parametrize("form", ["plain", "weighted", "mapped and weighted"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_bundle_agrees_with_model2vec_itself(tmp_path: Path, kind: str, form: str, normalize: bool) -> None:
    tokenizer = tiny_tokenizer("bert") if kind == "wordpiece" else unigram()
    ids = tokenizer.get_vocab_size()
    mapped = form.startswith("mapped")
    theirs = model2vec.StaticModel(
        structured(4 if mapped else ids, DIM),
        tokenizer,
        normalize=normalize,
        weights=None if form == "plain" else np.linspace(0.1, 2, ids),
        token_mapping=np.arange(ids) % 4 if mapped else None,
    )
    # As it saves itself: its config names no model_type, and modules.json speaks of a StaticEmbedding.
    theirs.save_pretrained(tmp_path / "m")
    assert "model_type" not in json.loads((tmp_path / "m" / "config.json").read_text())
    texts = ["the cat sat ☃ on", "red blue!", "blue", "☃ red", *TEXTS]
    with edgeemb.open(edgeemb.export(tmp_path / "m", tmp_path / "b", table="fp32", ops="builtin")) as session:
        np.testing.assert_allclose(session.encode(texts), theirs.encode(texts), atol=1e-6)


def test_the_length_limit_of_model2vec_is_taken(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer("bert")
    theirs = model2vec.StaticModel(structured(67, DIM), tokenizer, max_length=3)
    theirs.save_pretrained(tmp_path / "m")
    assert edgeemb.load(tmp_path / "m").max_length == 3


def test_a_folder_without_config_and_modules_is_known_by_its_table(tmp_path: Path) -> None:
    folder = save_model2vec(tmp_path / "m", normalize=False)
    (folder / "config.json").unlink()
    model = edgeemb.load(folder)
    assert isinstance(model, StaticModel)
    assert model.held.unknown == 1


def test_a_quantised_vocabulary_stays_small(tmp_path: Path) -> None:
    folder = save_model2vec(tmp_path / "m", mapped=True, weighted=True, dtype=np.float16)
    bundle = edgeemb.export(folder, tmp_path / "b", table="fp16", ops="builtin")
    held = {item.name: item for item in onnx.load(bundle / "model.onnx").graph.initializer}
    assert held["mapping"].data_type == onnx.TensorProto.INT16
    source = (folder / "model.safetensors").stat().st_size
    written = sum(len(item.raw_data) for item in onnx.load(bundle / "model.onnx").graph.initializer)
    assert written < source


@pytest.mark.parametrize("form", ["plain", "mapped"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_half_precision_body_computes_the_same(tmp_path: Path, form: str, normalize: bool) -> None:
    folder = save_model2vec(tmp_path / "m", mapped=form == "mapped", weighted=True, normalize=normalize)
    bundle = edgeemb.export(folder, tmp_path / "b", table="fp32", body="fp16", ops="builtin")
    with edgeemb.open(bundle) as session:
        np.testing.assert_allclose(session.encode(TEXTS), expected(folder, TEXTS), atol=2e-3)
