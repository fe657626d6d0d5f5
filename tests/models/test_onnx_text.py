"""Which output of a finished model is the vector of a text, where its tokenizer lies, and what pooling adds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import InputError, ModelError
from edgeemb.exporters.options import ExportOptions
from edgeemb.models.base import POOLING_MODES
from edgeemb.models.huggingface.modules import Pooling
from tests.fixtures.models import TEXTS, save_plain, tiny_tokenizer
from tests.fixtures.models.onnx_files import save
from tests.fixtures.models.onnx_forms import DIM, WEIGHT, Builder
from tests.fixtures.weights import structured

LAYOUT = {
    "token_embeddings": ["batch", "length", DIM],
    "last_hidden_state": ["batch", "length", DIM],
    "sentence_embedding": ["batch", DIM],
    "pooler_output": ["batch", DIM],
    "logits": ["batch", 3],
    "echo": ["batch", "length"],
}


def encoder(
    outputs: Sequence[str], *, opset: int = 18, positions: int = 0, shapes: dict[str, list[Any]] | None = None
) -> onnx.ModelProto:
    """A model with outputs of some names, each computed from the rows of its table.

    :param positions: rows of a position table, of which the first token takes row 2; none for 0.
    :param shapes: declared axes that differ from `LAYOUT`.
    """
    b = Builder()
    rows = b.op("Gather", b.hold("word_embeddings.weight", WEIGHT), "input_ids")
    if positions:
        counted = b.op("CumSum", "attention_mask", b.hold("axis", np.array(1, np.int64)))
        place = b.op("Mul", b.op("Add", counted, b.hold("first", np.array(1, np.int64))), "attention_mask")
        table = b.hold("position_embeddings.weight", structured(positions, DIM, seed=4))
        rows = b.op("Add", rows, b.op("Gather", table, place))
    tokens = b.op("MatMul", rows, b.hold("dense", np.eye(DIM, dtype=np.float32) + 0.01))
    mask = b.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    summed = b.op("MatMul", b.op("Unsqueeze", mask, b.hold("one", np.array([1], np.int64))), tokens)
    total = b.op("Squeeze", summed, "one")
    for name in outputs:
        if LAYOUT[name][1:] == ["length", DIM]:
            b.op("Identity", tokens, output=name)
        elif name == "logits":
            b.op("MatMul", total, b.hold("head", structured(DIM, 3, seed=9)), output=name)
        elif name == "echo":
            b.op("Identity", "input_ids", output=name)
        else:
            b.op("Tanh" if name == "pooler_output" else "Identity", total, output=name)
    declared = {**LAYOUT, **(shapes or {})}
    graph = helper.make_graph(
        b.nodes,
        "encoder",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("attention_mask", "input_ids")
        ],
        [
            helper.make_tensor_value_info(
                name, TensorProto.INT64 if name == "echo" else TensorProto.FLOAT, declared[name]
            )
            for name in outputs
        ],
        b.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def original(path: Path, output: str, ids: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    feeds = {"input_ids": ids, "attention_mask": mask}
    return np.asarray(onnxruntime.InferenceSession(path).run([output], feeds)[0])


@pytest.mark.parametrize(
    ("outputs", "first", "kind"),
    [
        (["token_embeddings", "sentence_embedding"], "sentence_embedding", "embedding"),
        (["last_hidden_state", "pooler_output", "sentence_embedding"], "sentence_embedding", "embedding"),
        (["echo", "logits"], "logits", "classification"),
        (["last_hidden_state", "logits"], "logits", "classification"),
        (["pooler_output"], "pooler_output", "embedding"),
    ],
)
def test_the_vector_of_a_text_is_the_output_that_names_and_shapes_say(
    outputs: list[str], first: str, kind: str, tmp_path: Path
) -> None:
    path = save(encoder(outputs), tmp_path / "m.onnx", tokenizer=True)
    bundle = edgeemb.export(path, tmp_path / "b", table="fp32", ops="builtin")
    manifest = read_manifest(bundle)
    assert (manifest.kind, manifest.outputs[0].name) == (kind, first)
    assert {info.name for info in manifest.outputs} == set(outputs)
    with edgeemb.open(bundle) as session:
        ids, mask = session.tokenize(TEXTS)
        np.testing.assert_allclose(session.encode(TEXTS), original(path, first, ids, mask), atol=1e-5)


def test_a_width_that_only_has_a_name_is_found_out(tmp_path: Path) -> None:
    named = {
        "sentence_embedding": ["batch", "Divsentence_embedding_dim_1"],
        "token_embeddings": ["batch", "length", "width"],
    }
    path = save(
        encoder(["token_embeddings", "sentence_embedding"], shapes=named), tmp_path / "m.onnx", tokenizer=True
    )
    model = edgeemb.load(path)
    assert model.kind == "embedding"
    assert [info.axes for info in model.outputs] == [("batch", DIM), ("batch", "length", DIM)]


@pytest.mark.parametrize("mode", [*POOLING_MODES, "mean+cls"])
def test_pooling_adds_what_sentence_transformers_computes(mode: str, tmp_path: Path) -> None:
    path = save(encoder(["last_hidden_state"]), tmp_path / "m.onnx", tokenizer=True)
    bundle = edgeemb.export(
        path,
        tmp_path / "b",
        table="fp32",
        ops="builtin",
        options=ExportOptions(pooling=mode, normalize=mode == "mean"),
    )
    manifest = read_manifest(bundle)
    assert (manifest.kind, manifest.pooling, manifest.normalize) == ("embedding", mode, mode == "mean")
    with edgeemb.open(bundle) as session:
        ids, mask = session.tokenize(TEXTS)
        tokens = torch.from_numpy(original(path, "last_hidden_state", ids, mask))
        wanted = Pooling(mode.split("+"))(tokens, torch.from_numpy(mask).float())
        if mode == "mean":
            wanted = torch.nn.functional.normalize(wanted)
        np.testing.assert_allclose(session.encode(TEXTS), wanted, atol=1e-5)


def test_pooling_raises_an_old_op_set(tmp_path: Path) -> None:
    b = Builder()
    b.op("Gather", b.hold("word_embeddings.weight", WEIGHT), "input_ids", output="last_hidden_state")
    graph = helper.make_graph(
        b.nodes,
        "encoder",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "length", DIM])],
        b.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)
    bundle = edgeemb.export(
        save(model, tmp_path / "m.onnx", tokenizer=True),
        tmp_path / "b",
        table="int8",
        ops="builtin",
        options=ExportOptions(pooling="mean"),
    )
    assert "the model was raised from op set 12 to 18, which the pooling needs" in read_manifest(bundle).notes
    with edgeemb.open(bundle) as session:
        assert session.encode(TEXTS).shape == (3, DIM)


def test_token_vectors_alone_take_no_text_and_say_how_they_would(tmp_path: Path) -> None:
    path = save(encoder(["last_hidden_state"]), tmp_path / "m.onnx", tokenizer=True)
    bundle = edgeemb.export(path, tmp_path / "b", table="int8", ops="builtin")
    assert any("export it with pooling, such as mean" in note for note in read_manifest(bundle).notes)
    with edgeemb.open(bundle) as session, pytest.raises(InputError, match="takes no text"):
        session.encode(TEXTS)


def optimum_folder(folder: Path, name: str, outputs: list[str]) -> Path:
    """A folder as optimum and transformers.js lay it out: the model in ``onnx/``, all else above it, no safetensors."""
    save_plain(folder, vocab_size=len(WEIGHT))
    (folder / "model.safetensors").unlink()
    save(encoder(outputs), folder / "onnx" / name)
    return folder


@pytest.mark.parametrize("name", ["model_quantized.onnx", "model.onnx", "of_mine.onnx"])
def test_a_folder_of_optimum_is_its_finished_model(name: str, tmp_path: Path) -> None:
    folder = optimum_folder(tmp_path / "m", name, ["token_embeddings", "sentence_embedding"])
    bundle = edgeemb.export(folder, tmp_path / "b", table="fp32", ops="builtin")
    manifest = read_manifest(bundle)
    assert (manifest.name, manifest.kind, manifest.body) == ("m", "embedding", "keep")
    with edgeemb.open(bundle) as session:
        ids, mask = session.tokenize(TEXTS)
        wanted = original(folder / "onnx" / name, "sentence_embedding", ids, mask)
        np.testing.assert_allclose(session.encode(TEXTS), wanted, atol=1e-5)


def test_pooling_of_a_folder_is_what_its_modules_say(tmp_path: Path) -> None:
    folder = optimum_folder(tmp_path / "m", "model.onnx", ["last_hidden_state"])
    stages = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    (folder / "modules.json").write_text(
        json.dumps([{"path": path, "type": f"st.{kind}"} for path, kind in stages])
    )
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    model = edgeemb.load(folder)
    assert (model.kind, model.pooling, model.normalize, model.max_length) == ("embedding", "cls", True, 9)
    np.testing.assert_allclose(np.linalg.norm(model.reference(model._text_feeds([1, 2, 3]))[0]), 1, atol=1e-5)


def test_several_models_of_unknown_names_in_a_folder_are_told_apart_by_the_user(tmp_path: Path) -> None:
    folder = optimum_folder(tmp_path / "m", "one.onnx", ["sentence_embedding"])
    save(encoder(["sentence_embedding"]), folder / "onnx" / "two.onnx")
    with pytest.raises(
        ModelError, match=r"holds 2 finished models \(onnx/one\.onnx, onnx/two\.onnx\): give the file"
    ):
        edgeemb.load(folder)


def test_a_tokenizer_beside_the_file_is_built_as_transformers_does(tmp_path: Path) -> None:
    path = save(encoder(["sentence_embedding"]), tmp_path / "m.onnx", tokenizer=True)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 7})
    )
    model = edgeemb.load(path)
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(tmp_path)
    with edgeemb.open(edgeemb.export(model, tmp_path / "b", table="int8", ops="builtin")) as session:
        assert session.tokens(["The cat"]) == theirs(["The cat"])["input_ids"]
        assert session.manifest.max_length == 7
    assert tiny_tokenizer("bert").encode("The cat").ids != theirs("The cat")["input_ids"]


def test_texts_are_no_longer_than_the_positions_that_are_left(tmp_path: Path) -> None:
    path = save(encoder(["sentence_embedding"], positions=20), tmp_path / "m.onnx", tokenizer=True)
    assert edgeemb.load(path).max_length == 18


@pytest.mark.parametrize(
    ("outputs", "options", "says"),
    [
        (
            ["sentence_embedding"],
            {"pooling": "mean"},
            "no output to which it could be applied, so pooling mean",
        ),
        (["last_hidden_state"], {"pooling": "middle"}, "pooling 'middle' is not known: use cls, max, mean"),
        (["logits"], {"normalize": True}, "no output to which it could be applied, so normalising"),
    ],
)
def test_refuses_pooling_that_is_not_possible(
    outputs: list[str], options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    path = save(encoder(outputs), tmp_path / "m.onnx", tokenizer=True)
    with pytest.raises(ModelError, match=says):
        edgeemb.load(path, **options)


def test_refuses_options_of_finished_files_for_other_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"`pooling` is for finished \.onnx files only"):
        edgeemb.load(save_plain(tmp_path / "m"), pooling="mean")
