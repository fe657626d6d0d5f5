"""From a loaded model to a bundle. Light to import: torch and the exporters come in when an export begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from edgeemb.progress import Steps, no_steps

if TYPE_CHECKING:
    from edgeemb.models.base import LoadedModel


def export(
    model: LoadedModel | Any,
    out: str | Path | None = None,
    *,
    target: str | None = None,
    table: str | Sequence[str] | Mapping[str, str] = (),
    runtime: str | None = None,
    ops: str | None = None,
    body: str | None = None,
    vocab: Sequence[str] = (),
    frequency: str | Path | None = None,
    lengths: Sequence[int] = (),
    tables_apart: bool = False,
    force: bool = False,
    as_zip: bool = False,
    seed: int = 0,
    command: str | None = None,
    load: Mapping[str, Any] = MappingProxyType({}),
    progress: Steps = no_steps,
) -> Path:
    """Compress a model's tables, write it for a target, and check the result against the original.

    The bundle is written to a temporary folder and renamed when complete: an export that fails leaves nothing behind.

    :param model: what `edgeemb.load` gives, or anything that it takes.
    :param out: the bundle's folder (or zip file); by default ``<model>-<target>`` in the current folder.
    :param target: name of a target; None for this machine.
    :param table: a table spec, a list of ``spec`` and ``name=spec``, or a mapping from table to spec.
    :param runtime: ``onnx`` and so on; by default the target's.
    :param ops: ``builtin`` or ``custom``; by default the target's.
    :param body: ``fp32``, ``fp16``, ``int8`` or ``int4``; by default the target's.
    :param vocab: vocabulary selections, such as ``keep:corpus.txt,min=2``; empty keeps every token.
    :param frequency: a corpus whose token frequencies weight the fit of the word table, or None.
    :param lengths: sequence lengths for runtimes with fixed shapes; empty for their default.
    :param tables_apart: put the tables into a file of their own (ExecuTorch: ``tables.ptd``).
    :param force: replace what stands at `out`.
    :param as_zip: write one zip file instead of a folder.
    :param seed: equal seeds give equal bundles.
    :param command: what the manifest gives as the command that wrote it.
    :param load: options of `edgeemb.load`, for a model that is given by name.
    :param progress: told what is being done.
    :return: the path of the bundle.
    :raises SpecError: if a spec, target, runtime or option is not known.
    :raises ModelError: if the model cannot be loaded.
    :raises ExportError: if `out` exists, the model cannot be converted, or the disk is full.
    """
    from edgeemb.exporters.pipeline import Options, run

    options = Options(
        target=target,
        table=table,
        runtime=runtime,
        ops=ops,
        body=body,
        vocab=tuple(vocab),
        frequency=None if frequency is None else Path(frequency),
        lengths=tuple(lengths),
        tables_apart=tables_apart,
        force=force,
        as_zip=as_zip,
        seed=seed,
        command=command or "edgeemb.export",
        load=load,
    )
    return run(model, None if out is None else Path(out), options, progress)
