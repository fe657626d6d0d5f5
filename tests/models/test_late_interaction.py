"""ColBERT models of sentence-transformers, PyLate and Stanford: queries and documents as sentence-transformers reads the same folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder

import edgeemb
from edgeemb.errors import InputError, ModelError
from edgeemb.models.loading import load_torch
from edgeemb.models.shrinking.vocabulary import prune_model
from edgeemb.models.torch.model import Model
from edgeemb.vocabulary import parse_vocab
from tests.fixtures.models import HIDDEN, change_config, tiny_config, tiny_tokenizer
from tests.fixtures.models.torch_session import torch_session

QUERIES = ["the cat sat", "a mat: the cat, the mat and a cat ran away. the catted mats"]
DOCUMENTS = ["a cat, the mat.", "mats ran away from the cat: the catted mat sat on a mat, and the cat ran"]
#: What PyLate writes into config_sentence_transformers.json.
PYLATE: dict[str, Any] = {
    "model_type": "ColBERT",
    "query_prefix": "[Q] ",
    "document_prefix": "[D] ",
    "query_length": 12,
    "document_length": 14,
    "attend_to_expansion_tokens": False,
    "skiplist_words": ["and", "on", "##s", "no such word"],
    "do_query_expansion": True,
}
CORPUS = "the cat on a mat sat and the cat\n"
_SEED = torch.Generator().manual_seed(5)
MATRIX = torch.randn(6, HIDDEN, generator=_SEED)


def save_body(folder: Path, *added: str) -> Path:
    """A tiny BERT whose tokenizer has further tokens."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer("bert"), pad_token="[PAD]", mask_token="[MASK]", unk_token="[UNK]"
    )
    tokenizer.add_tokens(list(added))
    torch.manual_seed(0)
    transformers.BertModel(tiny_config("bert", vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_pylate(folder: Path, **settings: Any) -> Path:
    """A folder as PyLate saves it: a dense layer without bias, and no stage for what it does to vectors afterwards."""
    save_body(folder, "[Q] ", "[D] ")
    (folder / "1_Dense").mkdir()
    dense = {"in_features": HIDDEN, "out_features": len(MATRIX), "bias": False}
    activation = "torch.nn.modules.linear.Identity"
    write(folder / "1_Dense" / "config.json", {**dense, "activation_function": activation})
    save_file({"linear.weight": MATRIX}, folder / "1_Dense" / "model.safetensors")
    types = ("sentence_transformers.models.Transformer", "pylate.models.Dense.Dense")
    stages = zip(("", "1_Dense"), types, strict=True)
    write(
        folder / "modules.json",
        [{"idx": n, "name": str(n), "path": path, "type": kind} for n, (path, kind) in enumerate(stages)],
    )
    # PyLate leaves here what it cut the last text at.
    write(folder / "sentence_bert_config.json", {"max_seq_length": 11, "do_lower_case": False})
    write(folder / "config_sentence_transformers.json", {**PYLATE, **settings})
    return folder


def save_stanford(folder: Path) -> Path:
    """A folder as Stanford's ColBERT is on the hub: the matrix beside the body's weights, settings in artifact.metadata."""
    save_body(folder, "[unused0]", "[unused1]")
    change_config(folder, architectures=["HF_ColBERT"])
    weights = {f"bert.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file({**weights, "linear.weight": MATRIX}, folder / "model.safetensors", {"format": "pt"})
    said = {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "attend_to_mask_tokens": False}
    write(
        folder / "artifact.metadata", {**said, "query_maxlen": 10, "doc_maxlen": 14, "mask_punctuation": True}
    )
    return folder


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def check(folder: Path, theirs: MultiVectorEncoder) -> Model:
    """Compare what a folder gives with what sentence-transformers computes."""
    model = load_torch(folder)
    with torch_session(model, folder) as session:
        queries = session.encode_tokens(QUERIES, query=True)
        documents = session.encode_tokens(DOCUMENTS)
        wanted = [theirs.encode_query(QUERIES), theirs.encode_document(DOCUMENTS)]
        for found, reference in zip((queries, documents), wanted, strict=True):
            assert [each.shape for each in found] == [tuple(each.shape) for each in reference]
            for one, other in zip(found, reference, strict=True):
                np.testing.assert_allclose(one, other, atol=2e-4)
        scores = session.similarity(queries, documents)
        np.testing.assert_allclose(scores, theirs.similarity(*wanted).numpy(), atol=2e-3)
        ranked = session.rank(QUERIES[0], DOCUMENTS)
        assert [one.score for one in ranked] == pytest.approx(sorted(scores[0], reverse=True), abs=1e-4)
    return model


@pytest.mark.parametrize(
    "settings", [{}, {"attend_to_expansion_tokens": True}, {"do_query_expansion": False}]
)
def test_reads_queries_and_documents_as_pylate_says(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = save_pylate(tmp_path / "m", **settings)
    model = check(folder, MultiVectorEncoder(str(folder), device="cpu"))
    assert model.max_length == 14
    assert model.prompts == {"query": "[Q] ", "document": "[D] "}
    if settings:
        return
    assert model.interaction is not None
    assert len(model.interaction.skipped) == 3
    # What sentence-transformers writes of the same model is read the same.
    MultiVectorEncoder(str(folder), device="cpu").save(str(tmp_path / "native"))
    again = check(tmp_path / "native", MultiVectorEncoder(str(tmp_path / "native"), device="cpu"))
    assert again.interaction == model.interaction


def test_reads_stanfords_checkpoints(tmp_path: Path) -> None:
    folder = save_stanford(tmp_path / "m")
    model = check(folder, MultiVectorEncoder(str(folder), device="cpu"))
    assert (model.kind, model.outputs[0].axes[-1]) == ("multi-vector", len(MATRIX))


def test_a_smaller_vocabulary_keeps_what_queries_are_filled_up_with(tmp_path: Path) -> None:
    folder = save_pylate(tmp_path / "m")
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(CORPUS, "utf-8")
    whole = load_torch(folder)
    smaller, _ = prune_model(whole, [parse_vocab(f"keep:{corpus}")])
    assert smaller.word_table.rows < whole.word_table.rows
    (tmp_path / "smaller").mkdir()
    with (
        torch_session(smaller.torch_model(), tmp_path / "smaller") as session,
        torch_session(whole, folder) as reference,
    ):
        for query in (True, False):
            (found,), (wanted,) = (one.encode_tokens([CORPUS], query=query) for one in (session, reference))
            np.testing.assert_allclose(found, wanted, atol=1e-5)
        assert session.manifest.interaction != reference.manifest.interaction


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "tflite", "executorch", "c"])
def test_an_export_gives_vectors_of_tokens_that_the_mask_leaves_out(runtime: str, tmp_path: Path) -> None:
    folder = save_pylate(tmp_path / "m")
    bundle = edgeemb.export(
        folder, tmp_path / "b", runtime=runtime, table="fp32", body="int8" if runtime == "c" else "fp32"
    )
    with edgeemb.open(bundle, allow_code=True) as session, torch_session(load_torch(folder), folder) as whole:
        for query in (True, False):
            found, wanted = (one.encode_tokens(QUERIES, query=query) for one in (session, whole))
            assert [len(each) for each in found] == [len(each) for each in wanted]
            for one, other in zip(found, wanted, strict=True):
                # Positions are stored in 8 bits, and in C the layers too.
                np.testing.assert_allclose(one, other, atol=0.05 if runtime == "c" else 0.02)


def test_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    folder = save_pylate(tmp_path / "m")
    with pytest.raises(
        ModelError, match="queries have 12 tokens, but texts at most 8: use a larger max_length"
    ):
        load_torch(folder, max_length=8)
    with (
        torch_session(load_torch(folder), folder) as session,
        pytest.raises(InputError, match=r"query 1 has the shape \[6\]"),
    ):
        session.similarity(session.encode_tokens(QUERIES, query=True)[0], [])
    write(folder / "config_sentence_transformers.json", {**PYLATE, "query_length": -1})
    with pytest.raises(ModelError, match="has a length of -1, which is no number of tokens"):
        load_torch(folder)
