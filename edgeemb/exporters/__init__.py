"""From a loaded model to a bundle. Light to import: torch and the exporters come in when an export begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeemb.body.spec import Bodies
from edgeemb.exporters.options import ExportOptions, Ops
from edgeemb.progress import Steps, no_steps
from edgeemb.tables.request import Tables, read_tables

if TYPE_CHECKING:
    from edgeemb.models.base import LoadedModel


def export(
    model: LoadedModel | str | Path,
    out: str | Path | None = None,
    *,
    target: str | None = None,
    table: Tables = (),
    body: Bodies = (),
    goal: str | None = None,
    runtime: str | None = None,
    ops: Ops | None = None,
    layers: int | None = None,
    vectors: str | None = None,
    head: str | None = None,
    vocab: Sequence[str] = (),
    corpus: str | Path | None = None,
    lengths: Sequence[int] = (),
    force: bool = False,
    options: ExportOptions | None = None,
    command: str = "edgeemb.export",
    progress: Steps = no_steps,
) -> Path:
    """Compress a model's tables, write it for a target, and check the result against the original.

    The bundle is written to a temporary folder and renamed when complete: an export that fails leaves nothing behind.

    :param model: what `edgeemb.load` gives, or a folder, a hub name or a finished file.
    :param out: the bundle's folder (or zip file); by default ``<model>-<target>`` in the current folder.
    :param target: what to export for, a name that 'edgeemb targets' lists or a .toml file of your own; by default this machine.
    :param table: how to store a table: a spec such as ``int4:block=32`` for the word table, ``name=spec`` for another, ``auto:budget=2MB`` or
        ``auto:cosine=.99`` to let the planner choose, ``keep`` to leave it as it is. A sequence for several, or a mapping from table to spec.
    :param body: precision of everything else: ``fp32``, ``fp16``, ``int8``, ``int8-tensor`` or ``int4``, with options such as
        ``int4:block=64``, or ``auto:budget=8MB`` or ``auto:cosine=.99`` to choose between 8 and 4 bits for each layer; by default the target's.
        ``name=spec`` is for single layers, ``keep`` leaves a finished model as it is. A sequence for several, or a mapping from layer to spec.
    :param goal: ``budget=14MB`` or ``cosine=.99``: choose how the word table and each layer of the body are stored, so that the model's file has at
        most that size, or the smallest file whose vectors come that near to the original's. A spec for the word table, or for the body, leaves
        the other to be chosen.
    :param runtime: format of the model; by default the target's.
    :param ops: standard ops alone, or native kernels too; by default the target's.
    :param layers: keep only the first transformer layers, as many as this: the body's size and time shrink with them. Train the model for it with
        ``edgeemb adapt --loss elastic=1`` first (docs/training.md).
    :param vectors: make the vectors of an embedding model smaller: ``dim=128``, ``pca=128`` or ``learned=128`` keeps fewer dimensions, ``int8``, ``int4`` or
        ``binary`` says how an index stores each, and ``pca=128+int8`` both (docs/vectors.md); by default floats as the model gives them.
    :param head: let a model of logits over a vocabulary give the best tokens alone: ``top=40``, or with ``shortlist=512`` the best of as many
        that a coarse scan of the table chooses (docs/heads.md); by default all logits.
    :param vocab: keep only some tokens, for example ``keep:corpus.txt,min=2`` or ``top:16000:corpus.txt``; a sequence of selections.
    :param corpus: text whose token frequencies weight the fit of the word table.
    :param lengths: sequence lengths in tokens, for runtimes with fixed shapes; by default the runtime's.
    :param force: replace an existing output.
    :param options: what is seldom said: see `ExportOptions`. Those about loading are for a model that is not loaded yet.
    :param command: what the manifest gives as the command that wrote it.
    :param progress: told what is being done.
    :return: the path of the bundle.
    :raises SpecError: if a spec, target, runtime or option is not known.
    :raises ModelError: if the model cannot be loaded.
    :raises ExportError: if `out` exists, the model cannot be converted, or the disk is full.
    """
    from edgeemb.exporters.pipeline import Options, run

    more = options or ExportOptions()
    wanted = Options(
        target=target,
        table=read_tables(table),
        runtime=runtime,
        ops=ops,
        body=body,
        goal=goal,
        layers=layers,
        vectors=vectors,
        head=head,
        vocab=tuple(vocab),
        corpus=None if corpus is None else Path(corpus),
        calibrate=None if more.calibrate is None else Path(more.calibrate),
        lengths=tuple(lengths),
        tables_apart=more.tables_apart,
        aar=more.aar,
        force=force,
        as_zip=more.as_zip,
        unchecked=more.unchecked,
        seed=more.seed,
        command=command,
        load={
            "max_length": more.max_length,
            "tokenizer": more.tokenizer,
            "pooling": more.pooling,
            "normalize": more.normalize,
            "task": more.task,
            "route": more.route,
            "adapter": more.adapter,
            "module": more.module,
            "example_inputs": more.example_inputs,
            "allow_pickle": more.allow_pickle,
        },
    )
    return run(model, None if out is None else Path(out), wanted, progress)
