"""Training: put a compressed table into a model and bring the model back to itself, or make a smaller one. Light to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeemb.errors import EdgeembError
from edgeemb.export import Steps, no_steps

if TYPE_CHECKING:
    from edgeemb.adapt.adapting import Trained
    from edgeemb.adapt.task import Watch


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
    :param losses: weights of the losses, as ``name=weight`` or a mapping; see `edgeemb.adapt.settings.Losses`.
    :param resume: go on from the checkpoint.
    :param force: replace what stands at `out`.
    :param command: what the folder gives as the command that wrote it.
    :param progress: told what is being done.
    :param watch: told after every step of the training.
    :param settings: fields of `edgeemb.adapt.settings.Settings`, such as ``steps`` and ``lr``.
    :return: where the model is and how the training went.
    :raises SpecError: if a spec or a setting is not possible.
    :raises InputError: if the corpus cannot be used.
    :raises ModelError: if the model cannot be loaded.
    :raises TrainingError: if training diverges or is interrupted, or the checkpoint is of another training.
    :raises ExportError: if `out` exists.
    """
    with needs_extra():
        from edgeemb.adapt.adapting import Plan, run_adapt
        from edgeemb.adapt.settings import Losses, Settings, parse_losses
        from edgeemb.adapt.task import unwatched
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


@contextmanager
def needs_extra() -> Iterator[None]:
    """Say which extra to install where a package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EdgeembError(
            f"training needs the package '{error.name}': pip install 'edgeemb[adapt]'"
        ) from None
