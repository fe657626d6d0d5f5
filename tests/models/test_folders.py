"""Each way in which a model folder can be wrong is one line that names the file."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

import edgeemb
from edgeemb.errors import ModelError
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model
from tests.fixtures.models import (
    TEXTS,
    change_config,
    run,
    save_plain,
    save_sentence,
    tiny_model,
    tiny_tokenizer,
)
from tests.fixtures.models.onnx_files import encoder, save


def one_line(error: pytest.ExceptionInfo[ModelError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_refuses_a_folder_that_lacks_a_file(name: str, tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"has no {name}") as error:
        load_torch(folder)
    assert str(folder) in one_line(error)


@pytest.mark.parametrize("kept", [0, 4, 100, 5000, -1])
def test_refuses_a_truncated_checkpoint(kept: int, tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match="truncated or not a safetensors file") as error:
        load_torch(folder)
    assert str(path) in one_line(error)


def test_refuses_a_missing_or_truncated_shard(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    tiny_model("bert").save_pretrained(folder, max_shard_size="4KB")
    tiny_tokenizer("bert").save(str(folder / "tokenizer.json"))
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-8])
    with pytest.raises(ModelError, match=shard.name):
        load_torch(folder)
    shard.unlink()
    with pytest.raises(ModelError, match=f"names {shard.name}, which is missing"):
        load_torch(folder)


def test_refuses_a_shard_outside_of_the_folder(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    (folder / "model.safetensors").rename(tmp_path / "other.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "../other.safetensors"}}))
    with pytest.raises(ModelError, match="not a path inside its folder"):
        load_torch(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_weights_that_are_not_numbers(value: float, tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][7, 3] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"tensor body\.embeddings\.word_embeddings\.weight holds 1 NaN"):
        load_torch(folder)


def test_refuses_a_checkpoint_that_lacks_a_weight(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["embeddings.word_embeddings.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights, the first is embeddings\.word_embeddings"):
        load_torch(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "none-such"}, "model_type 'none-such' is not one that transformers .* knows"),
        (
            {"model_type": "none-such", "auto_map": {"AutoModel": "modeling.Own"}},
            r"Python code of its own \(auto_map\).*edgeemb.load\(module, example_inputs=...\)",
        ),
        ({"architectures": ["BertLMHeadModel2"]}, "'BertLMHeadModel2' is not supported"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"hidden_size": "wide"}, "config.json"),
        ({"hidden_act": "unknown"}, "config.json"),
        (
            {"vocab_size": 60},
            r"1 tensors .* \(embeddings.word_embeddings.weight \[67, 16\] instead of \[60, 16\]\)",
        ),
        ({"vocab_size": 10**12}, "far larger model"),
        ({"num_hidden_layers": 10**9}, "far larger model"),
    ],
)
def test_refuses_a_config_that_it_cannot_follow(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    change_config(folder, **fields)
    with pytest.raises(ModelError, match=message) as error:
        load_torch(folder)
    one_line(error)


@pytest.mark.parametrize("text", ["", "[1]", "{", "\xff"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "modules.json"])
def test_refuses_files_that_are_not_what_they_should_be(name: str, text: str, tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m")
    (folder / name).write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=name) as error:
        load_torch(folder)
    one_line(error)


@pytest.mark.parametrize("chain", [["Transformer", "CNN"], ["WordEmbeddings", "Pooling"], []])
def test_refuses_stages_that_it_does_not_know(chain: list[str], tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m")
    (folder / "modules.json").write_text(json.dumps([{"path": "", "type": f"x.{kind}"} for kind in chain]))
    with pytest.raises(ModelError, match=r"supported is Transformer \+ Pooling"):
        load_torch(folder)


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        ({"pooling_mode": "attention"}, "supported are cls, max, mean"),
        ({"pooling_mode_mean_tokens": False}, "is not supported"),
        ({"pooling_mode": "mean", "embedding_dimension": 99}, "says 99 elements per token"),
    ],
)
def test_refuses_a_pooling_that_it_does_not_know(
    pooling: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = save_sentence(tmp_path / "m", pooling=pooling)
    with pytest.raises(ModelError, match=message):
        load_torch(folder)


def test_refuses_a_tokenizer_with_more_ids_than_the_table_has_rows(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m")
    tokenizer = tiny_tokenizer("bert")
    tokenizer.add_tokens(["zzz"])
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = tiny_tokenizer("bert").get_vocab_size()
    with pytest.raises(ModelError, match=f"gives ids up to {rows}, the table has {rows} rows"):
        load_torch(folder)


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def pickled(path: Path) -> Path:
    """A plain folder whose checkpoint is a pickle."""
    folder = save_plain(path)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_refuses_a_pickle_unless_it_is_asked_for(tmp_path: Path) -> None:
    folder = pickled(tmp_path / "m")
    with pytest.raises(ModelError, match=r"is a pickle, which can run code.*allow_pickle=True"):
        load_torch(folder)
    expected = run(load_torch(save_plain(tmp_path / "safe")), TEXTS)
    torch.testing.assert_close(run(load_torch(folder, allow_pickle=True), TEXTS), expected)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_does_not_run_the_code_in_a_pickle(save: Any, tmp_path: Path) -> None:
    folder = pickled(tmp_path / "m")
    save({"x": Hostile(tmp_path / "owned")}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="holds more than tensors"):
        load_torch(folder, allow_pickle=True)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("kept", [0, 10, 3000])
def test_refuses_a_truncated_pickle(kept: int, tmp_path: Path) -> None:
    folder = pickled(tmp_path / "m")
    path = folder / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match="damaged") as error:
        load_torch(folder, allow_pickle=True)
    one_line(error)


@pytest.mark.parametrize("source", ["no/such/folder", "/no/such", "", "a b", "."])
def test_says_that_a_path_is_no_model_folder(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"is not a folder here|is not a model folder") as error:
        load_torch(source)
    one_line(error)


def test_says_that_a_file_is_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(ModelError, match="is a file; expected a model folder"):
        load_torch(tmp_path / "model.pt")


def test_says_that_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelError, match="org/model is not a folder here, and the Hugging Face hub is out of reach"
    ) as error:
        load_torch("org/model")
    one_line(error)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the hub, which tests cannot reach: a folder of repositories, from which a download takes the files of its patterns."""
    repositories, fetched = tmp_path / "repositories", tmp_path / "fetched"

    def names(repository: str, revision: str | None = None) -> list[str]:
        root = repositories / repository
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    def download(repository: str, revision: str | None, **patterns: Any) -> str:
        for name in huggingface_hub.utils.filter_repo_objects(names(repository), **patterns):
            place = fetched / repository / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repositories / repository / name, place)
        return str(fetched / repository)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub, "list_repo_files", names)
    return repositories


def test_a_repository_with_finished_models_only_gives_the_most_exact_one(hub: Path, tmp_path: Path) -> None:
    folder = hub / "org" / "model"
    (folder / "onnx").mkdir(parents=True)
    for name in ("model_quantized", "model_q4", "decoder"):
        save(encoder(), folder / "onnx" / f"{name}.onnx", tokenizer=name == "decoder")
    (folder / "onnx" / "tokenizer.json").rename(folder / "tokenizer.json")
    model = edgeemb.load("org/model")
    assert (model.name, model.takes_text) == ("model", True)
    fetched = {path.name for path in (tmp_path / "fetched").rglob("*.onnx")}
    assert fetched == {"model_quantized.onnx"}


def test_a_repository_with_weights_gives_these_and_no_finished_model(hub: Path, tmp_path: Path) -> None:
    folder = save_plain(hub / "org" / "model")
    (folder / "onnx").mkdir()
    save(encoder(), folder / "onnx" / "model.onnx")
    assert isinstance(edgeemb.load("org/model"), Model)
    assert not list((tmp_path / "fetched").rglob("*.onnx"))


def test_a_repository_whose_finished_models_have_unusual_names_lists_them(hub: Path) -> None:
    for name in ("encoder", "decoder"):
        (hub / "org" / "model" / "onnx").mkdir(parents=True, exist_ok=True)
        save(encoder(), hub / "org" / "model" / "onnx" / f"{name}.onnx")
    with pytest.raises(
        ModelError, match=r"org/model holds 2 finished models \(onnx/decoder\.onnx, onnx/encoder"
    ) as error:
        edgeemb.load("org/model")
    one_line(error)


@pytest.mark.parametrize("name", ["missing.onnx", "missing.tflite"])
def test_a_file_that_is_not_there_is_no_name_on_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match=f"{name} does not exist: check the path"):
        edgeemb.load(name)


def _routed(folder: Path, default: str | None) -> Path:
    """A folder with a route for queries (mean) and one for documents (cls)."""
    for route, mode in (("query", "mean"), ("document", "cls")):
        save_plain(folder / "0_Router" / f"{route}_0_Transformer", seed=1 if route == "query" else 2)
        pooling = folder / "0_Router" / f"{route}_1_Pooling"
        pooling.mkdir()
        (pooling / "config.json").write_text(json.dumps({"pooling_mode": mode, "embedding_dimension": 16}))
    names = {route: [f"{route}_0_Transformer", f"{route}_1_Pooling"] for route in ("query", "document")}
    types = {name: f"x.{name.rpartition('_')[2]}" for each in names.values() for name in each}
    router = {"types": types, "structure": names, "parameters": {"default_route": default}}
    (folder / "0_Router" / "router_config.json").write_text(json.dumps(router))
    stages = [{"path": "0_Router", "type": "x.Router"}, {"path": "1_Normalize", "type": "x.Normalize"}]
    (folder / "modules.json").write_text(json.dumps(stages))
    return folder


def test_takes_the_route_that_was_asked_for_or_the_default(tmp_path: Path) -> None:
    folder = _routed(tmp_path / "m", "query")
    assert load_torch(folder).pooling == "mean"
    chosen = load_torch(folder, route="document")
    assert (chosen.pooling, chosen.normalize) == ("cls", True)
    assert not torch.equal(run(load_torch(folder), TEXTS), run(chosen, TEXTS))


def test_asks_for_a_route_where_there_is_no_default(tmp_path: Path) -> None:
    folder = _routed(tmp_path / "m", None)
    with pytest.raises(ModelError, match="names no default: choose one with `route`, of query, document"):
        load_torch(folder)
    with pytest.raises(ModelError, match="has no route 'page'"):
        load_torch(folder, route="page")
    with pytest.raises(ModelError, match="one route only"):
        load_torch(save_sentence(tmp_path / "one"), route="query")


def test_applies_a_normalisation_of_layers_after_the_pooling(tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m", normalize=False)
    plain = run(load_torch(folder), TEXTS)
    place = folder / "2_LayerNorm"
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"dimension": 16}))
    gain, bias = torch.linspace(0.5, 2, 16), torch.linspace(-1, 1, 16)
    save_file({"norm.weight": gain, "norm.bias": bias}, place / "model.safetensors")
    stages = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(
        json.dumps([*stages, {"path": "2_LayerNorm", "type": "x.LayerNorm"}])
    )
    wanted = torch.nn.functional.layer_norm(plain, (16,), gain, bias)
    torch.testing.assert_close(run(load_torch(folder), TEXTS), wanted, atol=1e-5, rtol=1e-5)
    save_file({"norm.weight": gain}, place / "model.safetensors")
    with pytest.raises(ModelError, match="not that of a normalisation of 16 elements"):
        load_torch(folder)


def test_takes_the_task_that_was_asked_for(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "m", head="ForSequenceClassification")
    assert load_torch(folder, task="embedding").kind == "embedding"
    with pytest.raises(ModelError, match="task 'none' is not known: use embedding"):
        load_torch(folder, task="none")
