"""The steps of an export: choose, fit, write, check, describe."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeemb.bundle.manifest import (
    GOLDEN,
    MANIFEST,
    TOKENIZER,
    Manifest,
    TableEntry,
    TensorEntry,
)
from edgeemb.bundle.writing import atomic_folder, file_entries
from edgeemb.errors import SpecError
from edgeemb.exporters.kits import Kit, android_library, write_kit
from edgeemb.exporters.parity import compare, golden_text
from edgeemb.exporters.targets import Target, find_target, host_abi
from edgeemb.exporters.writers import BODIES, KEEP, Request, Written, writer_for
from edgeemb.models.base import LoadedModel
from edgeemb.models.fitting import choose_specs, fit_tables
from edgeemb.models.loading import load
from edgeemb.models.vocabulary import prune_model
from edgeemb.native.libraries import find_library
from edgeemb.planner.planning import plan, take_goal
from edgeemb.progress import Steps
from edgeemb.runtimes import open_folder
from edgeemb.tables import Table
from edgeemb.tables.request import check_specs
from edgeemb.tables.spec import parse_spec
from edgeemb.text import words
from edgeemb.vocabulary import parse_vocab

_VERSIONED = (
    "edgeemb",
    "torch",
    "onnx",
    "onnxruntime",
    "transformers",
    "numpy",
    "litert-torch",
    "ai-edge-litert",
)

#: End of the name of a runtime's library of lookups on this machine, where it is not the runtime's own name.
_LIBRARIES = {"onnx": "onnxruntime", "tflite-runtime": "tflite"}

#: Runtimes whose ops an app compiles in: the writer puts their sources into the kit.
_COMPILED_IN = ("executorch",)


@dataclass(frozen=True)
class Options:
    """What the user asked for; see `edgeemb.exporters.export`."""

    target: str | None
    table: str | Sequence[str] | Mapping[str, str]
    runtime: str | None
    ops: str | None
    body: str | None
    vocab: tuple[str, ...]
    corpus: Path | None
    lengths: tuple[int, ...]
    tables_apart: bool
    force: bool
    as_zip: bool
    seed: int
    command: str
    load: Mapping[str, Any]


def run(source: LoadedModel | Any, out: Path | None, options: Options, progress: Steps) -> Path:
    """Export a model; the arguments are those of `edgeemb.exporters.export`.

    :return: the path of the bundle.
    """
    target = find_target(options.target)
    runtime = options.runtime or target.runtime
    body = options.body or target.body
    ops = options.ops or target.ops
    _check(target, runtime, body, ops)
    writer_for(runtime)
    goal, wanted = take_goal(options.table)
    check_specs(wanted)
    selections = [parse_vocab(text) for text in options.vocab]
    progress("load", 0, 0)
    original = source if isinstance(source, LoadedModel) else load(source, **options.load)
    runtime, body = _suited(original, options, target, runtime)
    if options.tables_apart and runtime != "executorch":
        raise SpecError(
            f'{runtime} models keep their tables as they are: `tables_apart` is for runtime="executorch"'
        )
    write = writer_for(runtime)
    model, vocabulary = original, None
    if selections:
        model, vocabulary = prune_model(
            original, selections, lambda done, total: progress("prune", done, total)
        )
    place = out or Path(f"{model.name}-{target.name}{'.zip' if options.as_zip else ''}")
    specs = choose_specs(model, wanted, target.table)
    with atomic_folder(place, force=options.force, as_zip=options.as_zip) as folder:
        planned = None
        if goal is not None:
            planned = plan(
                model,
                goal,
                corpus=options.corpus,
                seed=options.seed,
                progress=lambda done, total: progress("plan", done, total),
            )
            specs[planned.table] = parse_spec(planned.choice.spec)
        tables = fit_tables(
            model,
            specs,
            corpus=options.corpus,
            seed=options.seed,
            progress=lambda done, total: progress("fit", done, total),
        )
        progress("write", 0, 0)
        written = write(
            Request(model, tables, body, ops, options.lengths, target, options.tables_apart), folder
        )
        if model.tokenizer_json is not None:
            (folder / TOKENIZER).write_text(model.tokenizer_json, "utf-8")
        if ops == "custom" and runtime not in _COMPILED_IN:
            _add_libraries(target, runtime, folder)
        progress("check", 0, 0)
        manifest = _manifest(model, original, tables, written, folder, options, (target, runtime, body, ops))
        if vocabulary is not None:
            manifest = replace(manifest, vocabulary=vocabulary.to_json())
        if planned is not None:
            manifest = replace(manifest, plan=planned.to_json())
        (folder / MANIFEST).write_text(manifest.to_json(), "utf-8")
    return place


def _check(target: Target, runtime: str, body: str, ops: str) -> None:
    allowed = target.runtimes or (target.runtime,)
    if runtime not in allowed:
        raise SpecError(
            f"target {target.name} does not take the runtime '{runtime}': use {', '.join(allowed)}"
        )
    if body not in (*BODIES, KEEP):
        raise SpecError(
            f"body '{body}' is not known: use {', '.join(BODIES)}; or {KEEP} for a finished model"
        )
    if ops not in ("builtin", "custom"):
        raise SpecError(f"ops '{ops}' is not known: use builtin or custom")
    if ops == "custom" and runtime in target.builtin_only:
        raise SpecError(
            f"target {target.name}: the package of {runtime} for it takes no further ops; use --ops builtin"
        )


def _suited(model: LoadedModel, options: Options, target: Target, runtime: str) -> tuple[str, str]:
    """Runtime and body for a model, where the user leaves them open or the model allows only some."""
    body = options.body or model.default_body or target.body
    if body == KEEP and model.default_body != KEEP:
        raise SpecError(f"body '{KEEP}' is for finished models: use {', '.join(BODIES)}")
    if not model.runtimes or runtime in model.runtimes:
        return runtime, body
    fitting = [name for name in model.runtimes if name in (target.runtimes or (target.runtime,))]
    if options.runtime is not None or not fitting:
        raise SpecError(
            f"{model.source} is a finished model for the runtime {' or '.join(model.runtimes)}, not for {runtime}: "
            f"use --runtime {model.runtimes[0]} and a target that takes it"
        )
    return fitting[0], body


def _add_libraries(target: Target, runtime: str, folder: Path) -> None:
    """Put the native lookups for each ABI of the target into ``lib/``: this machine's own, or built for the phone."""
    for abi in target.abis:
        place = folder / "lib" / abi
        if abi == host_abi():
            place.mkdir(parents=True)
            library = find_library(f"edgeemb_{_LIBRARIES.get(runtime, runtime)}")
            shutil.copy2(library, place / library.name)
        elif abi in android_library.ABIS:
            place.mkdir(parents=True)
            android_library.build_library(runtime, abi, place)
        else:
            raise SpecError(
                f"target {target.name}: no native library for {abi} can be made here; use --ops builtin"
            )


def _manifest(
    model: LoadedModel,
    original: LoadedModel,
    tables: Mapping[str, Table],
    written: Written,
    folder: Path,
    options: Options,
    chosen: tuple[Target, str, str, str],
) -> Manifest:
    """Describe the folder; parity is measured with a session over the very files that are shipped."""
    target, runtime, body, ops = chosen
    manifest = Manifest(
        name=model.name,
        source=model.source,
        kind=model.kind,
        runtime=runtime,
        ops=ops,
        target=target.name,
        opset=written.opset,
        body=body,
        tables=_computed_rows(model)
        | {alias: _table_entry(table, written.stored.get(alias)) for alias, table in tables.items()},
        inputs=[TensorEntry(info.name, info.dtype, list(info.axes), info.rows) for info in model.inputs],
        outputs=[TensorEntry(info.name, info.dtype, list(info.axes)) for info in model.outputs],
        max_length=written.max_length or model.max_length,
        pooling=model.pooling,
        normalize=model.normalize,
        sizes={},
        parity={},
        files={},
        command=options.command,
        versions=_versions(),
        lengths=list(written.lengths),
        labels=list(model.labels),
        prompt=model.prompt,
        tokenizer=words.NAME if model.words is not None else "",
        notes=list(written.notes),
    )
    with open_folder(folder, manifest) as session:
        parity, golden = compare(original, session)
    (folder / GOLDEN).write_text(golden_text(golden), "utf-8")
    remarks = (
        ()
        if target.kit is None
        else write_kit(target.kit, Kit(model.tokenizer_json, manifest, golden, folder))
    )
    files = file_entries(folder)
    values = {
        **vars(manifest),
        "parity": parity,
        "files": files,
        "notes": [*manifest.notes, *remarks],
        "sizes": {**_sizes(manifest, {name: entry.bytes for name, entry in files.items()}), **written.sizes},
    }
    return Manifest(**values)


def _sizes(manifest: Manifest, files: Mapping[str, int]) -> dict[str, int]:
    """Bytes by part; the golden vectors are for checking and count in the total alone."""
    tables = sum(entry.bytes for entry in manifest.tables.values())
    libraries = sum(size for name, size in files.items() if name.startswith("lib/"))
    kit = sum(size for name, size in files.items() if name.startswith("kit/"))
    tokenizer = files.get(TOKENIZER, 0)
    total = sum(files.values())
    body = total - tables - libraries - kit - tokenizer - files.get(GOLDEN, 0)
    return {
        "tables": tables,
        "body": body,
        "tokenizer": tokenizer,
        "libraries": libraries,
        "kit": kit,
        "total": total,
    }


def _table_entry(table: Table, stored: int | None) -> TableEntry:
    """A table of the manifest; one of which nothing is stored has no arrays."""
    size = table.nbytes if stored is None else stored
    arrays = {} if stored == 0 else _array_entries(table.arrays)
    return TableEntry(str(table.spec), table.shape[0], table.shape[1], size, arrays)


def _computed_rows(model: LoadedModel) -> dict[str, TableEntry]:
    """The entry of rows that are computed from words: no row is stored, only the constants of the hash."""
    if model.words is None:
        return {}
    arrays = model.words.arrays()
    stored = sum(array.nbytes for array in arrays.values())
    return {"word": TableEntry(model.words.spec, 0, model.words.dim, stored, _array_entries(arrays))}


def _array_entries(arrays: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, Any]]:
    return {name: {"dtype": str(array.dtype), "shape": list(array.shape)} for name, array in arrays.items()}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
