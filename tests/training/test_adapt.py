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

import edgeemb
from edgeemb.cli.app import main
from edgeemb.errors import EdgeembError, ExportError, InputError, SpecError, TrainingError
from edgeemb.models.lines import ids_of, line_feeds
from edgeemb.models.shrinking.tables import choose_specs, fit_tables
from edgeemb.models.torch.model import Model
from edgeemb.tables.request import read_tables
from edgeemb.training.distillation import Distillation, encoder_of, read_as
from edgeemb.training.encode import States
from edgeemb.training.loop.task import Report
from edgeemb.training.losses import firsts, relation_loss, signs
from edgeemb.training.settings import Losses, parse_losses
from edgeemb.training.student import copied
from tests.fixtures.models import save_plain, save_sentence
from tests.fixtures.training import QUICK, adapt
from tests.places import ROOT


def test_it_improves_the_held_out_score_of_a_rough_table(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    result = adapt(tiny, tmp_path / "out", corpus=[corpus], table="pq:m=2,k=8", **QUICK | {"steps": 60})
    assert result.best > result.start + 1
    history = json.loads((tmp_path / "out" / "edgeemb.json").read_text())["training"]["history"]
    assert [entry["step"] for entry in history] == list(range(0, 61, 4))
    assert history[-1]["loss"] < history[1]["loss"]


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
    tensors = load_file(tmp_path / "out.checkpoint" / held["tensors"])
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


def test_the_first_elements_learn_to_serve_alone(tiny: Model, corpus: Path, tmp_path: Path) -> None:
    losses = Losses(cosine=0, tokens=0, ranking=1, matryoshka=1)
    options = {"corpus": [corpus], "losses": losses, **QUICK | {"steps": 30}}
    result = adapt(tiny, tmp_path / "out", matryoshka_dims=(4, 2), **options)
    assert result.best > result.start + 1
    texts = corpus.read_text("utf-8").splitlines()[:40]
    feeds = [line_feeds(tiny, [ids])[0] for ids in ids_of(tiny, texts)]
    learnt = edgeemb.load(result.path).torch_model()
    wanted, before, after = (
        np.concatenate([model.reference(given)[0] for given in feeds]) for model in (tiny, tiny, learnt)
    )
    errors = [
        float(relation_loss(firsts(torch.from_numpy(vectors), (4, 2)), torch.from_numpy(wanted)))
        for vectors in (before, after)
    ]
    assert errors[1] < 0.9 * errors[0]


def test_signs_are_those_that_binary_vectors_store() -> None:
    whole, first = signs(torch.tensor([[0.5, -0.2, 0.0, 8.0]]), (2,))
    assert whole.tolist() == [[1, -1, -1, 1]]
    assert first.tolist() == [[1, -1]]


def test_signs_learn_the_similarities_of_a_teacher() -> None:
    random = torch.Generator().manual_seed(0)
    teacher = torch.randn(24, 6, generator=random)
    student = torch.randn(24, 64, generator=random).requires_grad_()
    optimiser = torch.optim.Adam([student], 0.05)
    losses = []
    for _ in range(60):
        loss = relation_loss(signs(student, (32,)), teacher)
        losses.append(float(loss))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.3 * losses[0]


def test_the_loss_of_signs_counts_by_its_weight(tiny: Model, corpus: Path) -> None:
    texts = corpus.read_text("utf-8").splitlines()
    student, teacher = copied(tiny), copied(tiny)
    others = {"cosine": 0, "similarity": 0, "ranking": 0, "tokens": 0}
    task = Distillation(
        States(encoder_of(student)),
        States(encoder_of(teacher)),
        read_as(student, teacher, texts, 32),
        read_as(student, teacher, texts[:9], 32),
        Losses(**others, binary=2),
        torch.device("cpu"),
        False,
        draws=8,
        dims=(8,),
    )
    wanted = torch.from_numpy(
        np.concatenate([tiny.reference(line_feeds(tiny, [ids])[0])[0] for ids in ids_of(tiny, texts[:8])])
    )
    expected = 2 * relation_loss(signs(wanted, (8,)), wanted)
    assert float(task.loss(task.module, np.arange(8))) == pytest.approx(float(expected), rel=1e-3)
    assert 50 < task.score() < 100


@pytest.mark.parametrize(("draws", "read"), [(8, 8), (80, 32)])
def test_the_teacher_reads_whole_blocks_only_where_all_texts_are_drawn(
    draws: int, read: int, tiny: Model, corpus: Path
) -> None:
    texts = corpus.read_text("utf-8").splitlines()
    student, teacher = copied(tiny), copied(tiny)
    task = Distillation(
        States(encoder_of(student)),
        asked := States(encoder_of(teacher)),
        read_as(student, teacher, texts, 32),
        read_as(student, teacher, texts[:4], 32),
        Losses(tokens=0),
        torch.device("cpu"),
        False,
        draws=draws,
    )
    counts: list[int] = []
    asked.register_forward_hook(lambda _, given, __: counts.append(len(given[0])))
    order = np.argsort(task.lengths, kind="stable")
    for _ in range(2):
        task.loss(task.module, order[12:20])
    assert sum(counts) == (2 * read if draws == 8 else read)


@pytest.mark.parametrize(
    ("losses", "dims", "message"),
    [
        (Losses(matryoshka=1), (16,), "matryoshka_dims 16: an embedding has 16 elements, use fewer"),
        (Losses(), (4,), "matryoshka_dims are for the losses matryoshka and binary: give one a weight"),
    ],
)
def test_first_elements_that_cannot_serve_alone_are_refused(
    losses: Losses, dims: tuple[int, ...], message: str, tiny: Model, corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        adapt(tiny, tmp_path / "out", corpus=[corpus], losses=losses, matryoshka_dims=dims, **QUICK)
    with pytest.raises(SpecError, match=r"matryoshka_dims=.* use 1 or more elements"):
        adapt(tiny, tmp_path / "out", corpus=[corpus], losses=losses, matryoshka_dims=(0,), **QUICK)


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
        ({"torch_device": "cuda:99"}, "is not available"),
        ({"table": "int5"}, "codec 'int5' is not known"),
        ({"table": "auto:cosine=.9"}, "auto is for an export"),
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
        (["cosine=x"], "not a number"),
        (["cosine=0,similarity=0", "ranking=0,tokens=0"], "larger than 0"),
        (["cosine=-1"], "0 or more"),
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
        load_file(next((tmp_path / f"{name}.checkpoint").glob("state-00000004-*"))) for name in ("one", "two")
    )
    weights = [name for name in one if name.startswith("now/")]
    for name in weights:
        np.testing.assert_allclose(two[name], one[name], atol=2e-4, err_msg=name)
    start = load_file(model / "model.safetensors")["encoder.layer.0.intermediate.dense.weight"]
    moved = one["now/encoder.body.encoder.layer.0.intermediate.dense.weight"]
    assert np.abs(moved - start).max() > 1e-3


def test_every_error_of_training_is_one_of_the_family() -> None:
    assert issubclass(TrainingError, EdgeembError)
