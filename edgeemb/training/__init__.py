"""Training: put a compressed table into a model and bring the model back to itself, or make a smaller one. Light to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeemb.errors import EdgeembError
from edgeemb.progress import Steps, no_steps

if TYPE_CHECKING:
    from edgeemb.training.adapting import Trained
    from edgeemb.training.loop.task import Watch


def adapt(
    model: Any,
    out: str | Path,
    *,
    corpus: Sequence[str | Path],
    table: str | Sequence[str] | Mapping[str, str] = (),
    vocab: Sequence[str] = (),
    body: str = "fp32",
    train: str = "all",
    losses: Sequence[str] | Mapping[str, float] = (),
    resume: bool = False,
    force: bool = False,
    command: str | None = None,
    progress: Steps = no_steps,
    watch: Watch | None = None,
    **settings: Any,
) -> Trained:
    """Put compressed tables into a sentence encoder and train it back to the original on plain text.

    The result is a folder that sentence-transformers, transformers and `edgeemb.load` read, with the trained tables in it; exporting it
    stores what was trained, to the bit. A checkpoint lies beside it in ``<out>.checkpoint``.

    :param model: what `edgeemb.load` gives, or anything that it takes.
    :param out: the folder to write.
    :param corpus: UTF-8 text files, or folders of ``*.txt`` files.
    :param table: a spec for the word table, ``name=spec`` for others, or a mapping; nothing leaves the tables as they are.
    :param vocab: vocabulary selections, such as ``top:8000:corpus.txt``; empty keeps every token.
    :param body: ``int8`` or ``int4`` to train the body for being exported in that precision, else ``fp32``.
    :param train: which weights of the body learn: ``all``, ``none`` or ``last:<layers>``.
    :param losses: weights of the losses, as ``name=weight`` or a mapping; see `edgeemb.training.settings.Losses`.
    :param resume: go on from the checkpoint.
    :param force: replace what stands at `out`.
    :param command: what the folder gives as the command that wrote it.
    :param progress: told what is being done.
    :param watch: told after every step of the training.
    :param settings: fields of `edgeemb.training.settings.Settings`, such as ``steps`` and ``lr``.
    :return: where the model is and how the training went.
    :raises SpecError: if a spec or a setting is not possible.
    :raises InputError: if the corpus cannot be used.
    :raises ModelError: if the model cannot be loaded.
    :raises TrainingError: if training diverges or is interrupted, or the checkpoint is of another training.
    :raises ExportError: if `out` exists.
    """
    with needs_extra():
        from edgeemb.training.adapting import Plan, run_adapt
        from edgeemb.training.loop.task import unwatched
        from edgeemb.training.settings import Losses, Settings, parse_losses
    plan = Plan(
        table=table,
        corpus=tuple(Path(path) for path in corpus),
        out=Path(out),
        vocab=tuple(vocab),
        body=body,
        learn=train,
        losses=parse_losses(losses, Losses()),
        settings=Settings(**settings),
        resume=resume,
        force=force,
        command=command or "edgeemb.adapt",
    )
    return run_adapt(model, plan, progress, watch or unwatched)


def distill(
    teacher: Any,
    out: str | Path,
    *,
    corpus: Sequence[str | Path] = (),
    layers: int = 2,
    hidden: int = 0,
    heads: int = 0,
    init: str = "fresh",
    tokenizer: str = "teacher",
    width: int = 16,
    max_length: int = 128,
    table: str | None = None,
    classes: str | Path | None = None,
    test: str | Path | None = None,
    class_steps: int = 1000,
    class_lr: float = 5e-4,
    body: str = "fp32",
    losses: Sequence[str] | Mapping[str, float] = (),
    resume: bool = False,
    force: bool = False,
    command: str | None = None,
    progress: Steps = no_steps,
    watch: Watch | None = None,
    **settings: Any,
) -> Trained:
    """Make a small student of a sentence encoder, and a classifier of the student if labelled texts are given.

    :param teacher: what `edgeemb.load` gives, or anything that it takes.
    :param out: the folder to write.
    :param corpus: UTF-8 text files, or folders of ``*.txt`` files; may be left out with `classes`, whose texts are learnt from too.
    :param layers: transformer layers.
    :param hidden: elements of a token state; 0 for the teacher's.
    :param heads: attention heads; 0 for one per 32 elements.
    :param init: ``first`` for the teacher's first layers, ``fresh`` for random weights.
    :param tokenizer: ``teacher``, or ``words`` for no vocabulary: rows are then computed from the bytes of words.
    :param width: bytes of a word at most, with ``words``.
    :param max_length: tokens of the longest text; 0 for the teacher's.
    :param table: spec of the word table; with ``words`` an ``ngram`` spec.
    :param classes: ``text<TAB>label`` lines to train a classifier head on, end to end.
    :param test: such lines to test it on.
    :param class_steps: updates of the classifier.
    :param class_lr: its peak learning rate.
    :param body: ``int8`` or ``int4`` to train for being exported in that precision, else ``fp32``.
    :param losses: weights of the losses; by default those that compare what has the same size.
    :param resume: go on from the checkpoint.
    :param force: replace what stands at `out`.
    :param command: what the folder gives as the command that wrote it.
    :param progress: told what is being done.
    :param watch: told after every step of the training.
    :param settings: fields of `edgeemb.training.settings.Settings`, such as ``steps`` and ``lr``.
    :return: where the model is and how the training went.
    :raises SpecError: if a spec, a size or a setting is not possible.
    :raises InputError: if a file cannot be used, or the test has labels that the training lacks.
    :raises ModelError: if the teacher cannot be loaded.
    :raises TrainingError: if training diverges or is interrupted, or the checkpoint is of another training.
    :raises ExportError: if `out` exists.
    """
    with needs_extra():
        from edgeemb.training.distilling import StudentPlan, run_distill
        from edgeemb.training.loop.task import unwatched
        from edgeemb.training.settings import Losses, Settings, parse_losses
        from edgeemb.training.small import Shape
    common = Settings(**{"lr": 5e-4, **settings})
    plan = StudentPlan(
        shape=Shape(layers, hidden, heads, init, tokenizer, width, max_length),
        table=table,
        corpus=tuple(Path(path) for path in corpus),
        classes=None if classes is None else Path(classes),
        test=None if test is None else Path(test),
        out=Path(out),
        body=body,
        losses=parse_losses(losses, Losses()) if losses else None,
        settings=common,
        class_settings=replace(common, steps=class_steps, lr=class_lr),
        resume=resume,
        force=force,
        command=command or "edgeemb.distill",
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
