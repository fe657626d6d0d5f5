"""The steps of `edgeemb adapt`: load, fit, train, save."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from edgeemb.bundle.writing import atomic_folder
from edgeemb.errors import ExportError, SpecError
from edgeemb.models.shrinking.vocabulary import prune_model
from edgeemb.models.torch.model import Model
from edgeemb.models.trained import INDEX, write_fitted
from edgeemb.progress import Steps
from edgeemb.tables.request import TableRequest
from edgeemb.tables.spec import KEEP
from edgeemb.training.body import free_body, quantize_body, settle_body
from edgeemb.training.depths import elastic_layers, with_depths
from edgeemb.training.distillation import (
    Distillation,
    check_losses,
    encoder_of,
    first_dims,
    read_as,
    read_teacher,
)
from edgeemb.training.encode import States, find_device, in_half
from edgeemb.training.loop.group import Group, joined
from edgeemb.training.loop.steps import Outcome, train
from edgeemb.training.loop.task import Watch, unwatched
from edgeemb.training.projecting import project
from edgeemb.training.result import Trained
from edgeemb.training.saving import save_model
from edgeemb.training.settings import Losses, RunSettings
from edgeemb.training.student import copied, fit_start, put_tables, take_tables
from edgeemb.training.texts import read_texts, split_held_out
from edgeemb.vectors.spec import VectorSpec
from edgeemb.vocabulary import parse_vocab


@dataclass(frozen=True)
class Adaptation:
    """What is to be trained; see `edgeemb.training.adapt`."""

    table: TableRequest
    corpus: tuple[Path, ...]
    out: Path
    vocab: tuple[str, ...]
    vectors: VectorSpec | None
    body: str
    learn: str
    losses: Losses
    settings: RunSettings
    resume: bool
    force: bool
    command: str


def run_adapt(source: Model | Any, plan: Adaptation, steps: Steps, watch: Watch = unwatched) -> Trained:
    """Put compressed tables into a model and train it to match the original; see `edgeemb.training.adapt`.

    :param source: the model, or what `edgeemb.load` takes.
    :param plan: what is to be done.
    :param steps: told what is being done.
    :param watch: told after every step of the training.
    """
    check_output(plan.out, plan.force)
    if plan.table.goal is not None:
        raise SpecError("auto is for an export: name the table spec to train")
    selections = [parse_vocab(text) for text in plan.vocab]
    texts = read_texts(plan.corpus)
    steps("load", 0, 0)
    teacher = read_teacher(source)
    encoder_of(teacher)
    student = copied(teacher)
    if selections:
        pruned, _ = prune_model(student, selections, lambda done, total: steps("prune", done, total))
        student = pruned.torch_model()
    learnt, held_out = split_held_out(texts, plan.settings.seed)
    if plan.vectors is not None:
        steps("fit", 0, 0)
        student = project(student, plan.vectors, learnt, plan.losses, plan.settings.seed)
    specs = dict(plan.table.named)
    if plan.table.bare is not None:
        specs[student.word_table.alias] = plan.table.bare
    # What is kept is trained as it is, with the body.
    specs = {alias: spec for alias, spec in specs.items() if spec != KEEP}
    check_losses(plan.losses, encoder_of(student), encoder_of(teacher))
    dims = first_dims(plan.losses, plan.settings.matryoshka_dims, encoder_of(student))
    depths = elastic_layers(plan.losses, plan.settings.elastic_layers, encoder_of(student))
    free_body(student.module, plan.learn)
    if plan.vectors is not None:
        encoder_of(student).head.requires_grad_(True)
    quantize_body(student.module, plan.body)
    start = fit_start(
        student, specs, learnt, plan.settings.seed, lambda done, total: steps("fit", done, total)
    )
    placed = put_tables(student, start)
    with joined() as group:
        task, settings = _task(student, teacher, learnt, held_out, plan, group, dims, depths)
        outcome = train(
            task,
            settings,
            checkpoint=checkpoint_folder(plan.out),
            identity=_identity(teacher, texts, plan),
            resume=plan.resume,
            group=group,
            watch=watch,
        )
        leads = group.leads
    settle_body(student.module)
    student.module.to("cpu")
    student = take_tables(student, placed)
    if leads:
        save_trained(student, plan.out, force=plan.force, training=_training(outcome, plan, len(learnt)))
    return trained(plan.out, student, outcome, len(learnt))


def _task(
    student: Model,
    teacher: Model,
    learnt: Sequence[str],
    held_out: Sequence[str],
    plan: Adaptation,
    group: Group,
    dims: Sequence[int],
    depths: Sequence[int],
) -> tuple[Distillation, RunSettings]:
    device = group.device(find_device(plan.settings.torch_device))
    half = in_half(plan.settings.precision, device)
    torch.manual_seed(plan.settings.seed)
    teacher = copied(teacher)
    length = plan.settings.train_length
    held = read_as(student, teacher, held_out, length)
    task = Distillation(
        with_depths(States(encoder_of(student)), depths, held.student),
        States(encoder_of(teacher)),
        read_as(student, teacher, learnt, length),
        held,
        plan.losses,
        device,
        half,
        draws=plan.settings.steps * plan.settings.batch,
        dims=dims,
    )
    return task, replace(plan.settings, torch_device=str(device))


def checkpoint_folder(out: Path) -> Path:
    """Where the checkpoint of a training is.

    :param out: the folder that the model is going to.
    """
    return out.with_name(f"{out.name}.checkpoint")


def check_output(out: Path, force: bool) -> None:
    """Refuse an existing output before hours of training are spent.

    :raises ExportError: if there is something, and it is not to be replaced.
    """
    if out.exists() and not force:
        raise ExportError(f"{out} exists: choose another output, or replace it with force=True")


def save_trained(model: Model, out: Path, *, force: bool, training: Mapping[str, Any]) -> None:
    """Write a trained model as a folder, all or nothing.

    :param model: the model, with plain tables and the trained ones beside them.
    :param out: its folder.
    :param force: replace what is there, if it is such a folder too.
    :param training: how it was trained.
    """
    with atomic_folder(out, force=force, mark=INDEX) as folder:
        save_model(model, folder)
        write_fitted(folder, model.fitted, training)


def trained(out: Path, model: Model, outcome: Outcome, texts: int) -> Trained:
    """The summary of a training.

    :param out: the model's folder.
    :param model: the model.
    :param outcome: how it ended.
    :param texts: texts that were learnt from.
    """
    sizes = {alias: table.nbytes for alias, table in model.fitted.items()}
    return Trained(out, texts, start_of(outcome), outcome.best, outcome.best_step, outcome.steps, sizes)


def start_of(outcome: Outcome) -> float:
    """The held-out score before training; NaN in processes that do not evaluate.

    :param outcome: how a training ended.
    """
    return float(outcome.history[0]["score"]) if outcome.history else float("nan")


def _identity(teacher: Model, texts: Iterable[str], plan: Adaptation) -> dict[str, str]:
    """What must be the same to continue from a checkpoint; rates, steps, device and precision may change."""
    return {
        "model": digest_of_model(teacher),
        "corpus": digest_of_texts(texts),
        "table": str(plan.table),
        "vocab": ", ".join(plan.vocab),
        "vectors": str(plan.vectors),
        "body": plan.body,
        "learn": plan.learn,
        "loss": str(asdict(plan.losses)),
        "batch": str(plan.settings.batch),
        "train_length": str(plan.settings.train_length),
        "matryoshka_dims": str(plan.settings.matryoshka_dims),
        "elastic_layers": str(plan.settings.elastic_layers),
        "seed": str(plan.settings.seed),
    }


def digest_of_model(model: Model) -> str:
    """A short checksum of a model's weights and tokenizer.

    :param model: the model.
    """
    digest = hashlib.sha256((model.tokenizer_json or "").encode())
    for name, parameter in model.module.named_parameters():
        digest.update(name.encode())
        digest.update(parameter.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def digest_of_texts(texts: Iterable[str]) -> str:
    """A short checksum of texts.

    :param texts: the texts.
    """
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:16]


def _training(outcome: Outcome, plan: Adaptation, texts: int) -> dict[str, Any]:
    return {
        "command": plan.command,
        "texts": texts,
        "settings": asdict(plan.settings),
        "losses": asdict(plan.losses),
        "vectors": None if plan.vectors is None else str(plan.vectors),
        "body": plan.body,
        "learn": plan.learn,
        "best_score": outcome.best,
        "best_step": outcome.best_step,
        "history": outcome.history,
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "numpy")},
    }
