"""Training: put a compressed table into a model and train it to match the original, or make a smaller model. Light to import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgeemb.errors import EdgeembError
from edgeemb.progress import Steps, no_steps
from edgeemb.tables.request import Tables, read_tables
from edgeemb.training.settings import (
    Classifier,
    Grid,
    Losses,
    RunSettings,
    StudentShape,
    TrainingSettings,
    usual_losses,
)
from edgeemb.vectors.registry import parse_vectors

if TYPE_CHECKING:
    from edgeemb.models.base import LoadedModel
    from edgeemb.training.loop.task import Watch
    from edgeemb.training.result import Trained


def adapt(
    model: LoadedModel | str | Path,
    out: str | Path,
    *,
    corpus: Sequence[str | Path],
    table: Tables = (),
    vocab: Sequence[str] = (),
    vectors: str | None = None,
    body: Grid = "fp32",
    learn: str = "all",
    steps: int = 1000,
    lr: float = 1e-4,
    losses: Losses | None = None,
    settings: TrainingSettings | None = None,
    resume: bool = False,
    force: bool = False,
    command: str = "edgeemb.adapt",
    progress: Steps = no_steps,
    watch: Watch | None = None,
) -> Trained:
    """Put compressed tables into a sentence encoder and train it on plain text to match the original.

    The result is a folder that sentence-transformers, transformers and `edgeemb.load` read, with the trained tables in it; exporting it
    stores what was trained, to the bit. A checkpoint is next to it in ``<out>.checkpoint``.

    :param model: what `edgeemb.load` gives, or a folder or a hub name.
    :param out: the folder to write.
    :param corpus: plain text to learn from: UTF-8 files, or folders of ``*.txt`` files.
    :param table: table to put in: a spec such as ``pq:m=32`` for the word table, ``name=spec`` for another. A sequence for several, or a
        mapping from table to spec. By default the tables stay as they are.
    :param vocab: keep only some tokens, for example ``top:8000:corpus.txt``; a sequence of selections.
    :param vectors: make the vectors of this spec and train their projection with the rest, for example ``pca=128`` or ``pca=128+binary``; it begins as an
        export fits it.
    :param body: precision that the body is trained to be exported in.
    :param learn: which weights of the body learn: ``all``, ``none`` or ``last:LAYERS``.
    :param steps: updates of the weights.
    :param lr: peak learning rate of the body.
    :param losses: weights of the losses, for example ``Losses(tokens=0.5)``; by default those of `Losses`, and with `vectors` the teacher's ranks alone.
    :param settings: everything else about the training: see `TrainingSettings`.
    :param resume: continue from the checkpoint beside the output.
    :param force: replace an existing output.
    :param command: what the folder gives as the command that wrote it.
    :param progress: told what is being done.
    :param watch: told after every step of the training.
    :return: where the model is and how the training went.
    :raises SpecError: if a spec or a setting is not possible.
    :raises InputError: if the corpus cannot be used.
    :raises ModelError: if the model cannot be loaded.
    :raises TrainingError: if training diverges or is interrupted, or the checkpoint is of another training.
    :raises ExportError: if `out` exists.
    """
    run = RunSettings.of(settings or TrainingSettings(), steps, lr)
    with needs_extra():
        from edgeemb.training.adapting import Adaptation, run_adapt
        from edgeemb.training.loop.task import unwatched
    spec = None if vectors is None else parse_vectors(vectors)
    plan = Adaptation(
        table=read_tables(table),
        corpus=tuple(Path(path) for path in corpus),
        out=Path(out),
        vocab=tuple(vocab),
        vectors=spec,
        body=body,
        learn=learn,
        losses=losses or usual_losses(spec),
        settings=run,
        resume=resume,
        force=force,
        command=command,
    )
    return run_adapt(model, plan, progress, watch or unwatched)


def distill(
    teacher: LoadedModel | str | Path,
    out: str | Path,
    *,
    corpus: Sequence[str | Path] = (),
    table: str | None = None,
    body: Grid = "fp32",
    steps: int = 1000,
    lr: float = 5e-4,
    student: StudentShape | None = None,
    classifier: Classifier | None = None,
    losses: Losses | None = None,
    settings: TrainingSettings | None = None,
    resume: bool = False,
    force: bool = False,
    command: str = "edgeemb.distill",
    progress: Steps = no_steps,
    watch: Watch | None = None,
) -> Trained:
    """Make a small student of a sentence encoder, and a classifier of the student if labelled texts are given.

    :param teacher: what `edgeemb.load` gives, or a folder or a hub name.
    :param out: the folder to write.
    :param corpus: plain text to learn from: UTF-8 files, or folders of ``*.txt`` files. May be left out where labelled texts are
        given, which are learnt from too.
    :param table: spec of the word table, for example ``int4``, or an ``ngram`` spec for a student that reads words.
    :param body: precision that the body is trained to be exported in.
    :param steps: updates of the weights.
    :param lr: peak learning rate of the body.
    :param student: what the student looks like: see `StudentShape`.
    :param classifier: a classifier head to train on labelled texts: see `Classifier`.
    :param losses: weights of the losses; by default those that compare what has the same size.
    :param settings: everything else about the training: see `TrainingSettings`.
    :param resume: continue from the checkpoint beside the output.
    :param force: replace an existing output.
    :param command: what the folder gives as the command that wrote it.
    :param progress: told what is being done.
    :param watch: told after every step of the training.
    :return: where the model is and how the training went.
    :raises SpecError: if a spec, a size or a setting is not possible.
    :raises InputError: if a file cannot be used, or the test has labels that the training lacks.
    :raises ModelError: if the teacher cannot be loaded.
    :raises TrainingError: if training diverges or is interrupted, or the checkpoint is of another training.
    :raises ExportError: if `out` exists.
    """
    shared = settings or TrainingSettings()
    run = RunSettings.of(shared, steps, lr)
    with needs_extra():
        from edgeemb.training.distilling import Head, StudentPlan, run_distill
        from edgeemb.training.loop.task import unwatched
    head = None
    if classifier is not None:
        test = None if classifier.test is None else Path(classifier.test)
        head_settings = RunSettings.of(shared, classifier.class_steps, classifier.class_lr)
        head = Head(Path(classifier.train), test, head_settings)
    plan = StudentPlan(
        shape=student or StudentShape(),
        table=read_tables(() if table is None else table),
        corpus=tuple(Path(path) for path in corpus),
        head=head,
        out=Path(out),
        body=body,
        losses=losses,
        settings=run,
        resume=resume,
        force=force,
        command=command,
    )
    return run_distill(teacher, plan, progress, watch or unwatched)


@contextmanager
def needs_extra() -> Iterator[None]:
    """Say which extra to install where a package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EdgeembError(
            f"training needs the package '{error.name}': pip install 'edgeemb[adapt]'"
        ) from None
