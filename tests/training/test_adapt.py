"""`edgeemb adapt`: what is trained is what is saved and exported, and a training comes to a good end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file
from transformers import AutoModel

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.cli.app import main
from edgeemb.errors import EdgeembError, ExportError, InputError, ModelError, SpecError, TrainingError
from edgeemb.models.fitting import choose_specs, fit_tables
from edgeemb.models.torch_model import Model
from edgeemb.tables.request import read_tables
from edgeemb.training.loop.task import Report
from edgeemb.training.result import Trained
from edgeemb.training.settings import parse_losses
from tests.fixtures.models import save_plain, save_sentence
from tests.fixtures.training import QUICK, adapt, write_corpus
from tests.places import ROOT


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.txt")


@pytest.fixture(scope="module")
def healed(tiny: Model, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The tiny encoder with a trained int4 table and a body trained for int8."""
    out = tmp_path_factory.mktemp("healed") / "healed"
    return adapt(tiny, out, corpus=[corpus], table="int4:block=8", body="int8", **QUICK)


def test_it_improves_the_held_out_score_of_a_rough_table(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    result = adapt(tiny, tmp_path / "out", corpus=[corpus], table="pq:m=2,k=8", **QUICK | {"steps": 60})
    assert result.best > result.start + 1
    history = json.loads((tmp_path / "out" / "edgeemb.json").read_text())["training"]["history"]
    assert [entry["step"] for entry in history] == list(range(0, 61, 4))
    assert history[-1]["loss"] < history[1]["loss"]


@pytest.mark.parametrize(
    "spec",
    [
        "fp32",
        "fp16",
        "int8",
        "int4:block=8",
        "int2:block=4",
        "binary:block=4,planes=2",
        "lowrank:rank=4",
        "lowrank:rank=4+int8",
        "pq:m=4,k=8",
        "pq:m=4,k=8,norm=1",
        "rvq:m=2,k=8",
        "qr:rows=16",
        "hash:rows=16,k=2+int8",
        "memcom:rows=16",
        "tt:rank=4",
        "cluster:k=4,rank=2+int4",
        "ngram:n=3,lanes=4,dim=48",
        "ngram:n=2,lanes=4",
        "mixed:20=int4,*=ngram:n=3,lanes=4,dim=48",
    ],
)
def test_it_stores_the_rows_of_the_last_forward_pass(tiny: Model, spec: str) -> None:
    from edgeemb.tables.spec import parse_spec
    from edgeemb.training.student import copied, fit_start, put_tables

    model = copied(tiny)
    specs = {"word": parse_spec(spec)}
    start = fit_start(model, specs, ["the cat sat on the mat"], 0)
    module = put_tables(model, start)["word"]
    ids = torch.arange(tiny.word_table.rows)
    begun = module(ids)
    np.testing.assert_allclose(begun.detach().numpy(), start["word"].reconstruct(), rtol=0, atol=2e-6)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02) if list(module.parameters()) else None
    if optimizer is not None:
        for _ in range(5):
            optimizer.zero_grad()
            (module(ids) - torch.ones(16)).square().mean().backward()
            optimizer.step()
        assert (module(ids) - 1).square().mean() < (begun - 1).square().mean()
    rows, stored = module(ids).detach().numpy(), module.fitted()
    assert {name: array.dtype for name, array in stored.arrays.items()} == {
        name: array.dtype for name, array in start["word"].arrays.items()
    }
    np.testing.assert_allclose(stored.reconstruct(), rows, rtol=0, atol=2e-6)
    if spec.startswith(("int", "binary", "fp", "pq:m=4,k=8", "rvq")):
        np.testing.assert_array_equal(stored.reconstruct(), rows)


def test_it_exports_the_trained_table_to_the_bit(healed: Trained) -> None:
    model = edgeemb.load(healed.path)
    tables = fit_tables(model, choose_specs(model, read_tables(()), "int2").specs)
    for name, array in model.fitted["word"].arrays.items():
        np.testing.assert_array_equal(tables["word"].arrays[name], array)
    np.testing.assert_array_equal(model.table_weight("word"), tables["word"].reconstruct())


def test_it_refits_the_table_when_another_is_asked_for(healed: Trained) -> None:
    model = edgeemb.load(healed.path)
    assert str(choose_specs(model, read_tables("int2"), "int8").specs["word"]) == "int2"
    assert str(choose_specs(model, read_tables(["position=fp16"]), "int8").specs["word"]) == "int4:block=8"


@pytest.mark.parametrize("body", ["int8", "int4"])
def test_it_exports_the_very_weights_that_were_trained(
    body: str, tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    adapt(tiny, tmp_path / "out", corpus=[corpus], table="int8", body=body, **QUICK)
    bundle = edgeemb.export(tmp_path / "out", tmp_path / "bundle", body=body, ops="builtin")
    _, wanted = _weights(edgeemb.load(tmp_path / "out"))
    found = _dequantised(bundle, body)
    assert len(found) == len(wanted) == 12
    for matrix in found:
        same = [other for other in wanted if other.shape == matrix.shape and np.array_equal(other, matrix)]
        assert same, "a weight of the bundle is none of those that were trained"


def _weights(model: Model) -> tuple[list[str], list[np.ndarray[Any, Any]]]:
    layers = [
        (name, layer)
        for name, layer in model.module.named_modules()
        if isinstance(layer, torch.nn.Linear) and ".layer." in name
    ]
    return [name for name, _ in layers], [layer.weight.detach().numpy() for _, layer in layers]


def _dequantised(bundle: Path, body: str) -> list[np.ndarray[Any, Any]]:
    """The matrices of a bundle's products as float32[outputs, inputs]."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(bundle / "model.onnx").graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    found = []
    for node in graph.node:
        if body == "int8" and node.op_type == "MatMulIntegerToFloat":
            matrix = (arrays[node.input[1]].astype(np.float32) * arrays[node.input[3]]).T
            # Query, key and value are one product of three times as many outputs as inputs.
            found += np.split(matrix, 3) if len(matrix) == 3 * matrix.shape[1] else [matrix]
        elif body == "int4" and node.op_type == "MatMulNBits":
            options = {item.name: item.i for item in node.attribute}
            packed = arrays[node.input[1]]
            codes = np.stack([packed & 15, packed >> 4], axis=-1).reshape(options["N"], -1, 32)
            values = (codes.astype(np.float32) - 8) * arrays[node.input[2]].reshape(options["N"], -1, 1)
            found.append(values.reshape(options["N"], -1)[:, : options["K"]])
    return found


def test_its_folder_is_read_by_transformers_and_sentence_transformers(healed: Trained) -> None:
    from sentence_transformers import SentenceTransformer

    model = edgeemb.load(healed.path)
    text = "the cat ran away"
    theirs = SentenceTransformer(str(healed.path), device="cpu").encode([text])
    bundle_rows = AutoModel.from_pretrained(healed.path).embeddings.word_embeddings.weight
    np.testing.assert_array_equal(bundle_rows.detach().numpy(), model.fitted["word"].reconstruct())
    from tests.fixtures.models import run

    np.testing.assert_allclose(theirs, run(model, [text]).numpy(), atol=1e-5)


def test_it_goes_on_from_an_interruption_as_if_there_had_been_none(
    tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    options = {"corpus": [corpus], "table": "int4:block=8", **QUICK}
    whole = adapt(tiny, tmp_path / "whole", **options)

    def interrupt(report: Report) -> None:
        if report.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingError, match=r"interrupted at step 6 of 12.*resume=True"):
        adapt(tiny, tmp_path / "parts", watch=interrupt, **options)
    assert not (tmp_path / "parts").exists()
    parts = adapt(tiny, tmp_path / "parts", resume=True, **options)
    assert (parts.best, parts.best_step) == (whole.best, whole.best_step)
    for name in ("model.safetensors", "tables.safetensors"):
        mine, theirs = (load_file(tmp_path / part / name) for part in ("parts", "whole"))
        for key, array in theirs.items():
            np.testing.assert_array_equal(mine[key], array)


def test_it_refuses_a_checkpoint_of_another_training(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    options = {"corpus": [corpus], "table": "int4", **QUICK}
    adapt(tiny, tmp_path / "out", **options)
    other = edgeemb.load(save_sentence(tmp_path / "other", seed=9))
    for changed, name in (({"table": "int8"}, "table"), ({"seed": 1}, "seed"), ({"batch": 4}, "batch")):
        with pytest.raises(TrainingError, match=f"is of another training: its {name} is"):
            adapt(tiny, tmp_path / "out", resume=True, force=True, **options | changed)
    with pytest.raises(TrainingError, match="its model is"):
        adapt(other, tmp_path / "out", resume=True, force=True, **options)
    with pytest.raises(TrainingError, match="no checkpoint"):
        adapt(tiny, tmp_path / "new", resume=True, **options)


def test_it_refuses_a_damaged_checkpoint(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    options = {"corpus": [corpus], "table": "int4", "resume": True, "force": True, **QUICK}
    adapt(tiny, tmp_path / "out", **options | {"resume": False})
    state = next((tmp_path / "out.checkpoint").glob("*.safetensors"))
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match="missing or damaged"):
        adapt(tiny, tmp_path / "out", **options)
    save_file({"now/x": np.zeros(1, np.float32)}, state)
    with pytest.raises(TrainingError, match="lacks best/"):
        adapt(tiny, tmp_path / "out", **options)


def test_it_stops_where_the_loss_is_no_number_and_keeps_the_last_good_checkpoint(
    tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    options = {"corpus": [corpus], "table": "fp32", **QUICK | {"checkpoint_every": 1}}
    with pytest.raises(TrainingError, match=r"the loss is \w+ at step .*last good checkpoint.*smaller `lr`"):
        adapt(tiny, tmp_path / "out", **options | {"lr": 1e30, "table_lr": 1e38, "warmup": 0.0, "clip": 1e9})
    assert not (tmp_path / "out").exists()
    held = json.loads((tmp_path / "out.checkpoint" / "checkpoint.json").read_text())
    tensors = load_file(tmp_path / "out.checkpoint" / f"state-{held['step']:08d}.safetensors")
    assert all(np.isfinite(array).all() for name, array in tensors.items() if name.startswith("best/"))


def test_it_keeps_the_start_where_training_only_harms(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    harmful = QUICK | {"lr": 1.0, "table_lr": 1.0, "warmup": 0.0}
    result = adapt(tiny, tmp_path / "out", corpus=[corpus], table="int8", **harmful)
    assert result.best_step == 0 and result.best == result.start > 99
    plain = fit_tables(tiny, choose_specs(tiny, read_tables("int8"), "int8").specs)["word"]
    np.testing.assert_array_equal(edgeemb.load(tmp_path / "out").table_weight("word"), plain.reconstruct())


def test_it_trains_only_what_it_is_told_to(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    before = dict(tiny.module.named_parameters())
    for part, free in (("none", ()), ("last:1", ("layer.1.",)), ("all", ("layer.0.", "layer.1."))):
        adapt(tiny, tmp_path / part, corpus=[corpus], table="pq:m=2,k=8", learn=part, **QUICK)
        after = dict(edgeemb.load(tmp_path / part).module.named_parameters())
        moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
        assert "body.embeddings.word_embeddings.weight" in moved
        for layer in ("layer.0.", "layer.1."):
            assert any(layer in name for name in moved) == (layer in free)


def test_it_trains_a_pruned_vocabulary_back_to_the_whole_one(
    tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    result = adapt(
        tiny, tmp_path / "out", corpus=[corpus], table="pq:m=4,k=8", vocab=[f"top:60:{corpus}"], **QUICK
    )
    model = edgeemb.load(result.path)
    assert model.word_table.rows < tiny.word_table.rows
    assert result.best >= result.start
    with pytest.raises(SpecError, match=r"trained table.*`vocab`"):
        edgeemb.export(model, tmp_path / "bundle", vocab=[f"top:60:{corpus}"])


def test_a_trained_model_is_exported_and_run(healed: Trained, tmp_path: Path) -> None:
    bundle = edgeemb.export(healed.path, tmp_path / "bundle", body="int8", ops="builtin")
    manifest = read_manifest(bundle)
    assert manifest.tables["word"].spec == "int4:block=8"
    assert manifest.parity["cosine_mean"] > 0.99
    with edgeemb.open(bundle) as session:
        assert session.encode(["the cat"]).shape == (1, 16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b"the same line again and again\n" * 500, "1 different sentences"),
        (b"a line\nanother \xff\xfe line\n", "line 2: not UTF-8"),
    ],
)
def test_it_refuses_a_corpus_that_teaches_nothing(
    text: bytes, message: str, tiny: Model, tmp_path: Path
) -> None:
    (tmp_path / "corpus.txt").write_bytes(text)
    with pytest.raises(InputError, match=message):
        adapt(tiny, tmp_path / "out", corpus=[tmp_path / "corpus.txt"], table="int8", **QUICK)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps=0 is not possible"),
        ({"batch": 1}, "batch=1"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"schedule": "square"}, 'schedule="square"'),
        ({"precision": "int8"}, 'precision="int8"'),
        ({"torch_device": "tpu9"}, "torch_device 'tpu9'"),
        ({"torch_device": "cuda:99"}, "is not here"),
        ({"table": "int5"}, "codec 'int5' is not known"),
        ({"body": "int3"}, "body 'int3'"),
        ({"learn": "last:9"}, "learn 'last:9'"),
    ],
)
def test_it_refuses_settings_that_cannot_be(
    options: dict[str, Any], message: str, tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        adapt(tiny, tmp_path / "out", corpus=[corpus], **{"table": "int8", **QUICK, **options})


def test_it_refuses_losses_that_cannot_be() -> None:
    for texts, message in (
        (["cosinus=1"], "loss 'cosinus'"),
        (["cosine=x"], "no number"),
        (["cosine=0,similarity=0", "ranking=0,tokens=0"], "larger than 0"),
        (["cosine=-1"], "from 0 on"),
    ):
        with pytest.raises(SpecError, match=message):
            parse_losses(texts)


def test_it_refuses_a_classifier(corpus: Path, tmp_path: Path) -> None:
    model = save_plain(tmp_path / "model", head="ForSequenceClassification")
    with pytest.raises(SpecError, match="sentence encoders"):
        adapt(model, tmp_path / "out", corpus=[corpus], table="int8", **QUICK)


def test_it_does_not_replace_what_stands_there(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", "utf-8")
    for force, message in ((False, "exists"), (True, "did not write")):
        with pytest.raises(ExportError, match=message):
            adapt(tiny, tmp_path / "mine", corpus=[corpus], table="int8", force=force, **QUICK)
    assert (tmp_path / "mine" / "letter.txt").read_text("utf-8") == "dear"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held.update(schema=99), "schema 99"),
        (lambda held: held["tables"]["word"].update(shape=[3, 3]), "another model"),
        (lambda held: held["tables"]["word"]["program"].update(node="Ids"), "'Ids'"),
        (lambda held: held["tables"]["word"]["program"].update(node="__import__"), "__import__"),
        (lambda held: held["tables"]["word"]["program"].update(codes="elsewhere"), "not in tables"),
        (lambda held: held["tables"]["word"]["program"].update(bits="4"), "not of type int"),
        (lambda held: held["tables"]["word"]["program"].update(block=0), "cannot be read"),
        (lambda held: held["tables"]["word"]["program"].update(extra=1), "unknown field"),
        (lambda held: held["tables"]["word"]["program"].pop("scales"), "lacks scales"),
        (lambda held: held["tables"].update(nosuch=held["tables"]["word"]), "no table 'nosuch'"),
    ],
)
def test_it_refuses_damaged_tables_in_a_folder(
    change: Any, message: str, healed: Trained, tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(healed.path, tmp_path / "model")
    held = json.loads((folder / "edgeemb.json").read_text("utf-8"))
    change(held)
    (folder / "edgeemb.json").write_text(json.dumps(held), "utf-8")
    with pytest.raises(ModelError, match=message):
        edgeemb.load(folder)


def test_it_refuses_tables_that_are_not_those_of_the_weights(healed: Trained, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(healed.path, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="does not decode to the model's own rows"):
        edgeemb.load(folder)
    (folder / "tables.safetensors").write_bytes(b"\x08")
    with pytest.raises(ModelError, match="missing or damaged"):
        edgeemb.load(folder)


def test_the_command_trains_and_prints_json(corpus: Path, tmp_path: Path) -> None:
    model = save_sentence(tmp_path / "model")
    words = ["adapt", str(model), "-o", str(tmp_path / "out"), "--corpus", str(corpus), "--table", "int4"]
    words += ["--steps", "4", "--batch", "8", "--evaluate-every", "2", "--loss", "cosine=1,tokens=0.5"]
    result = CliRunner().invoke(main, [*words, "--json"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["steps"] == 4 and printed["path"] == str(tmp_path / "out")
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 1 and "exists" in again.stderr and "Traceback" not in again.stderr


def test_two_processes_train_as_one_does(corpus: Path, tmp_path: Path) -> None:
    model = save_sentence(tmp_path / "model")
    options = ["--corpus", str(corpus), "--table", "int4:block=8", "--steps", "4", "--batch", "8"]
    options += ["--lr", "1e-3", "--precision", "fp32", "--checkpoint-every", "4"]
    # The other losses compare the texts of a process with each other; this one is a mean over all texts.
    options += ["--loss", "similarity=0,ranking=0,tokens=0"]
    alone = CliRunner().invoke(main, ["adapt", str(model), "-o", str(tmp_path / "one"), *options])
    assert alone.exit_code == 0, alone.output
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m"]
    command = [*torchrun, "edgeemb.cli.app", "adapt", str(model), "-o", str(tmp_path / "two"), *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "two" / "tables.safetensors").is_file()
    one, two = (
        load_file(tmp_path / f"{name}.checkpoint" / "state-00000004.safetensors") for name in ("one", "two")
    )
    weights = [name for name in one if name.startswith("now/")]
    for name in weights:
        np.testing.assert_allclose(two[name], one[name], atol=2e-4, err_msg=name)
    start = load_file(model / "model.safetensors")["encoder.layer.0.intermediate.dense.weight"]
    moved = one["now/encoder.body.encoder.layer.0.intermediate.dense.weight"]
    assert np.abs(moved - start).max() > 1e-3


def test_every_error_of_training_is_one_of_the_family() -> None:
    assert issubclass(TrainingError, EdgeembError)
