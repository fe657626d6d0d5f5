"""The steps of `edgeemb distill`: a student, its training, and the classifier head if labels are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import nn

from edgeemb.bundle.writing import atomic_folder
from edgeemb.errors import SpecError
from edgeemb.models.huggingface.modules import SentenceEncoder
from edgeemb.models.torch.model import Model, find_tables
from edgeemb.models.trained import INDEX, write_fitted
from edgeemb.models.words import WordsModel, save_words_model
from edgeemb.progress import Steps
from edgeemb.tables.request import TableRequest
from edgeemb.tables.spec import KEEP, Spec
from edgeemb.text import words
from edgeemb.text.pairs import LabelledTexts, read_labelled
from edgeemb.torch_tables.trainable import TrainableTable
from edgeemb.training.adapting import (
    check_output,
    checkpoint_folder,
    digest_of_model,
    digest_of_texts,
    start_of,
)
from edgeemb.training.body import quantize_body, settle_body
from edgeemb.training.classes import Classification, Labels, Logits, check_known, number_labels
from edgeemb.training.depths import elastic_layers, with_depths
from edgeemb.training.distillation import (
    Distillation,
    Reading,
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
from edgeemb.training.result import Trained
from edgeemb.training.saving import save_model
from edgeemb.training.settings import Losses, RunSettings, StudentShape
from edgeemb.training.small import (
    WordReader,
    fit_shape,
    form_of,
    make_classifier,
    make_student,
    make_words_student,
)
from edgeemb.training.student import fit_start, put_tables, take_tables
from edgeemb.training.texts import Ids, read_texts, split_held_out, tokenize


@dataclass(frozen=True)
class Head:
    """The training of a classifier head: its texts, its test texts, and its settings."""

    train: Path
    test: Path | None
    settings: RunSettings


@dataclass(frozen=True)
class StudentPlan:
    """What is to be made; see `edgeemb.training.distill`."""

    shape: StudentShape
    table: TableRequest
    corpus: tuple[Path, ...]
    head: Head | None
    out: Path
    body: str
    losses: Losses | None
    settings: RunSettings
    resume: bool
    force: bool
    command: str


def run_distill(source: Any, plan: StudentPlan, steps: Steps, watch: Watch = unwatched) -> Trained:
    """Make a small student of a teacher; see `edgeemb.training.distill`.

    :param source: the teacher, or what `edgeemb.load` takes.
    :param plan: what is to be made.
    :param steps: told what is being done.
    :param watch: told after every step of the training.
    """
    check_output(plan.out, plan.force)
    spec = _table_spec(plan)
    head = plan.head
    labelled = read_labelled(head.train) if head else None
    labels = number_labels(labelled, head.train) if head and labelled else None
    test = read_labelled(head.test) if head and head.test else None
    if head and test and labels:
        check_known(test, labels.names, head.test)
    texts = _texts(plan, labelled)
    steps("load", 0, 0)
    teacher = read_teacher(source)
    shape = fit_shape(plan.shape, teacher)
    learnt, held_out = split_held_out(texts, plan.settings.seed)
    maker: _Words | _Tokens
    if shape.tokens == words.NAME:
        maker = _Words(teacher, shape, spec, plan)
    else:
        maker = _Tokens(teacher, shape, spec, plan, learnt, steps)
    identity = _identity(teacher, texts, labelled, plan)
    with joined() as group:
        outcomes = [_distil(maker, teacher, learnt, held_out, plan, group, identity, watch)]
        accuracy = None
        if head and labelled and labels:
            outcome, accuracy = _classify(maker, head, labelled, labels, test, plan, group, identity, watch)
            outcomes.append(outcome)
        leads = group.leads
    training = _training(plan, shape, len(learnt), outcomes, accuracy)
    tables = maker.save(plan, training) if leads else {}
    last = outcomes[-1]
    return Trained(
        plan.out, len(learnt), start_of(last), last.best, last.best_step, last.steps, tables, accuracy
    )


def _table_spec(plan: StudentPlan) -> Spec | None:
    if plan.table.named or plan.table.goal is not None:
        raise SpecError("a student's other tables stay as they are: give one spec without a name")
    return None if plan.table.bare == KEEP else plan.table.bare


def _texts(plan: StudentPlan, labelled: LabelledTexts | None) -> list[str]:
    """The texts on which the student learns from the teacher: the corpus, and those it will classify."""
    texts = dict.fromkeys(labelled.texts if labelled else ())
    if plan.corpus or not texts:
        texts |= dict.fromkeys(read_texts(plan.corpus))
    return list(texts)


class _Words:
    """A student without a vocabulary."""

    def __init__(self, teacher: Model, shape: StudentShape, spec: Spec | None, plan: StudentPlan) -> None:
        self.teacher, self.shape, self.plan = teacher, shape, plan
        self.form = form_of(spec, shape, plan.settings.seed)
        self.model: WordsModel = make_words_student(shape, self.form, plan.settings.seed)
        self.reader = WordReader(self.form, min(shape.max_length, plan.settings.train_length))
        quantize_body(self.model, plan.body)

    @property
    def encoder(self) -> SentenceEncoder:
        """What gives sentence vectors."""
        assert isinstance(self.model.inner, SentenceEncoder)
        return self.model.inner

    def read(self, texts: Sequence[str]) -> Reading:
        """Texts as student and teacher read them."""
        tokenizer = Tokenizer.from_str(self.teacher.tokenizer_json or "")
        prompted = [self.teacher.prompt + text for text in texts]
        theirs = tokenize(tokenizer, prompted, self.plan.settings.train_length)
        return Reading(self.reader.read(texts), theirs, same=False)

    def read_own(self, texts: Sequence[str]) -> list[Ids]:
        """Texts as the student reads them."""
        return self.reader.read(texts)

    def rows(self) -> nn.Module:
        """What makes rows of ids; everything must have been read before."""
        return nn.Sequential(self.reader.rows(), self.model.projection)

    def become_classifier(self, labels: Sequence[str]) -> None:
        """Put the trained body and projection into a classifier."""
        settle_body(self.model)
        encoder, projection = self.encoder, self.model.projection
        model = make_words_student(self.shape, self.form, self.plan.settings.seed, labels)
        inner: Any = model.inner
        inner.body.bert.load_state_dict(encoder.body.state_dict(), strict=False)
        model.projection.load_state_dict(projection.state_dict())
        self.model = model
        quantize_body(self.model, self.plan.body)

    def save(self, plan: StudentPlan, training: dict[str, Any]) -> dict[str, int]:
        """Write the folder. Returns the bytes of the tables."""
        settle_body(self.model)
        self.model.to("cpu").eval()
        with atomic_folder(plan.out, force=plan.force, mark=INDEX) as folder:
            save_words_model(folder, self.model, max_length=self.shape.max_length, training=training)
        return {"word": sum(array.nbytes for array in self.form.arrays().values())}


class _Tokens:
    """A student with the teacher's tokenizer."""

    def __init__(
        self,
        teacher: Model,
        shape: StudentShape,
        spec: Spec | None,
        plan: StudentPlan,
        learnt: Sequence[str],
        steps: Steps,
    ) -> None:
        self.teacher, self.plan = teacher, plan
        self.model = make_student(teacher, shape, plan.settings.seed)
        self.model.module.requires_grad_(True)
        quantize_body(self.model.module, plan.body)
        specs = {} if spec is None else {self.model.word_table.alias: spec}
        start = fit_start(
            self.model, specs, learnt, plan.settings.seed, lambda done, total: steps("fit", done, total)
        )
        self.placed: dict[str, TrainableTable] = put_tables(self.model, start)

    @property
    def encoder(self) -> SentenceEncoder:
        """What gives sentence vectors."""
        return encoder_of(self.model)

    def read(self, texts: Sequence[str]) -> Reading:
        """Texts as student and teacher read them."""
        return read_as(self.model, self.teacher, texts, self.plan.settings.train_length)

    def read_own(self, texts: Sequence[str]) -> list[Ids]:
        """Texts as the student reads them."""
        tokenizer = Tokenizer.from_str(self.model.tokenizer_json or "")
        return tokenize(tokenizer, texts, min(self.model.max_length, self.plan.settings.train_length))

    def rows(self) -> nn.Module | None:
        """What makes rows of ids: the student's own table."""
        return None

    def become_classifier(self, labels: Sequence[str]) -> None:
        """Give the trained body a head of classes."""
        settle_body(self.model.module)
        self.model = make_classifier(self.model, labels, self.plan.settings.seed)
        self.model.module.requires_grad_(True)
        quantize_body(self.model.module, self.plan.body)

    def save(self, plan: StudentPlan, training: dict[str, Any]) -> dict[str, int]:
        """Write the folder. Returns the bytes of the tables."""
        settle_body(self.model.module)
        self.model.module.to("cpu").eval()
        model = take_tables(self.model, self.placed)
        model = replace(model, tables=find_tables(model.module, known=True))
        with atomic_folder(plan.out, force=plan.force, mark=INDEX) as folder:
            save_model(model, folder)
            write_fitted(folder, model.fitted, training)
        return {alias: table.nbytes for alias, table in model.fitted.items()}


def _distil(
    maker: _Words | _Tokens,
    teacher: Model,
    learnt: Sequence[str],
    held_out: Sequence[str],
    plan: StudentPlan,
    group: Group,
    identity: dict[str, str],
    watch: Watch,
) -> Outcome:
    device = group.device(find_device(plan.settings.torch_device))
    losses = plan.losses or _losses_for(maker.encoder, encoder_of(teacher), maker)
    check_losses(losses, maker.encoder, encoder_of(teacher))
    dims = first_dims(losses, plan.settings.matryoshka_dims, maker.encoder)
    depths = elastic_layers(losses, plan.settings.elastic_layers, maker.encoder)
    texts, held = maker.read(learnt), maker.read(held_out)
    task = Distillation(
        with_depths(States(maker.encoder, maker.rows()), depths, held.student),
        States(encoder_of(teacher)),
        texts,
        held,
        losses,
        device,
        in_half(plan.settings.precision, device),
        draws=plan.settings.steps * plan.settings.batch,
        dims=dims,
    )
    place = checkpoint_folder(plan.out)
    return train(
        task,
        plan.settings,
        checkpoint=place,
        identity=identity,
        resume=plan.resume and place.exists(),
        group=group,
        watch=watch,
    )


def _classify(
    maker: _Words | _Tokens,
    head: Head,
    labelled: LabelledTexts,
    labels: Labels,
    test: LabelledTexts | None,
    plan: StudentPlan,
    group: Group,
    identity: dict[str, str],
    watch: Watch,
) -> tuple[Outcome, float | None]:
    """Train the head and everything below it. Returns how it went, and the accuracy on the test texts in percent."""
    device = group.device(find_device(plan.settings.torch_device))
    maker.become_classifier(labels.names)
    texts, test_texts = maker.read_own(labelled.texts), maker.read_own(test.texts if test else ())
    module: Any = maker.model.inner if isinstance(maker, _Words) else maker.model.module
    task = Classification(
        Logits(module, maker.rows()),
        texts,
        labels.numbers,
        plan.settings.seed,
        device,
        in_half(plan.settings.precision, device),
    )
    place = checkpoint_folder(plan.out).with_suffix(".classes")
    outcome = train(
        task,
        head.settings,
        checkpoint=place,
        identity={**identity, "part": "classes"},
        resume=plan.resume and place.exists(),
        group=group,
        watch=watch,
    )
    if test is None or not group.leads:
        return outcome, None
    return outcome, task.accuracy(test_texts, check_known(test, labels.names, head.test))


def _losses_for(student: SentenceEncoder, teacher: SentenceEncoder, maker: _Words | _Tokens) -> Losses:
    """The default losses, without those that would compare tensors of different sizes."""
    losses = Losses()
    mine, theirs = (int(encoder.body.config.hidden_size) for encoder in (student, teacher))  # type: ignore[union-attr, arg-type]
    if mine != theirs:
        return replace(losses, cosine=0.0, tokens=0.0, ranking=1.0)
    return replace(losses, tokens=0.0) if isinstance(maker, _Words) else losses


def _identity(
    teacher: Model, texts: Sequence[str], labelled: LabelledTexts | None, plan: StudentPlan
) -> dict[str, str]:
    labels = (
        [f"{text}\t{label}" for text, label in zip(labelled.texts, labelled.labels, strict=True)]
        if labelled
        else []
    )
    return {
        "model": digest_of_model(teacher),
        "corpus": digest_of_texts(texts),
        "classes": digest_of_texts(labels),
        "shape": str(asdict(plan.shape)),
        "table": str(plan.table),
        "body": plan.body,
        "loss": str(plan.losses),
        "batch": str(plan.settings.batch),
        "train_length": str(plan.settings.train_length),
        "matryoshka_dims": str(plan.settings.matryoshka_dims),
        "elastic_layers": str(plan.settings.elastic_layers),
        "seed": str(plan.settings.seed),
    }


def _training(
    plan: StudentPlan, shape: StudentShape, texts: int, outcomes: Sequence[Outcome], accuracy: float | None
) -> dict[str, Any]:
    return {
        "command": plan.command,
        "texts": texts,
        "shape": asdict(shape),
        "body": plan.body,
        "settings": [
            asdict(settings) for settings in (plan.settings, *([plan.head.settings] if plan.head else []))
        ],
        "history": [outcome.history for outcome in outcomes],
        "best_score": [outcome.best for outcome in outcomes],
        "test_accuracy": accuracy,
    }
