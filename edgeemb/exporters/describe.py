"""The manifest of an export: what it says of the model, the tables, the files and the versions."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeemb.body.precision import PRECISIONS
from edgeemb.bundle.manifest import (
    COMPILED_TOKENIZER,
    GOLDEN,
    TOKENIZER,
    ArrayEntry,
    Manifest,
    TableEntry,
    TensorEntry,
)
from edgeemb.bundle.writing import file_entries
from edgeemb.exporters.choice import Choice
from edgeemb.exporters.writers import Written
from edgeemb.models.base import LoadedModel
from edgeemb.runtimes.registry import RUNTIMES
from edgeemb.tables import Table
from edgeemb.text import words

#: Packages used in an export, in addition to those of the runtimes.
_PACKAGES = ("edgeemb", "torch", "onnx", "transformers", "numpy", "litert-torch")


def describe(
    model: LoadedModel, tables: Mapping[str, Table], written: Written, choice: Choice, command: str
) -> Manifest:
    """The manifest as far as it is known before the export is compared with the original: without parity, files and sizes.

    :param model: what was written.
    :param tables: its compressed tables by alias.
    :param written: what the writer says.
    :param choice: what it was made for.
    :param command: the command that made it.
    """
    return Manifest(
        name=model.name,
        source=model.source,
        kind=model.kind,
        runtime=choice.runtime.name,
        ops=choice.ops,
        target=choice.target.name,
        opset=written.opset,
        body=choice.body,
        tables=_computed_rows(model)
        | {alias: _table_entry(table, written.stored.get(alias)) for alias, table in tables.items()},
        inputs=[
            TensorEntry(info.name, info.dtype, list(info.axes), info.rows)
            for info in model.inputs
            if not written.inputs or info.name in written.inputs
        ],
        outputs=[TensorEntry(info.name, info.dtype, list(info.axes)) for info in model.outputs],
        max_length=written.max_length or model.max_length,
        pooling=model.pooling,
        normalize=model.normalize,
        sizes={},
        parity={},
        files={},
        command=command,
        versions=_versions(),
        lengths=list(written.lengths),
        bounds=_bounds(model, written),
        pad_id=model.pad_id,
        labels=list(model.labels),
        activation=model.activation,
        prompt=model.prompt,
        prompts=dict(model.prompts),
        mask_id=model.mask_id,
        interaction=model.interaction,
        tokenizer=words.NAME if model.words is not None else "",
        notes=[*filter(None, [PRECISIONS[choice.body].warning]), *written.notes],
    )


def complete(
    manifest: Manifest, folder: Path, parity: Mapping[str, Any], written: Written, remarks: tuple[str, ...]
) -> Manifest:
    """The manifest with parity, and with the files of a folder that holds everything but the manifest itself.

    :param manifest: what `describe` gave.
    :param folder: the folder.
    :param parity: how near the export comes to the original.
    :param written: what the writer says.
    :param remarks: further notes for the user.
    """
    files = file_entries(folder)
    sizes = _sizes(manifest, {name: entry.bytes for name, entry in files.items()})
    return replace(
        manifest,
        parity=dict(parity),
        files=files,
        notes=[*manifest.notes, *remarks],
        sizes={**sizes, **written.sizes},
    )


def _bounds(model: LoadedModel, written: Written) -> dict[str, int]:
    """The longest sequence: what the model has positions for, and what was written."""
    known = [size for size in (model.positions, written.max_length, *written.lengths[-1:]) if size]
    return {"length": min(known)} if known else {}


def _sizes(manifest: Manifest, files: Mapping[str, int]) -> dict[str, int]:
    """Bytes by part; the golden vectors are for checking and count only in the total."""
    tables = sum(entry.bytes for entry in manifest.tables.values())
    libraries = sum(size for name, size in files.items() if name.startswith("lib/"))
    kit = sum(size for name, size in files.items() if name.startswith("kit/"))
    tokenizer = files.get(TOKENIZER, 0) + files.get(COMPILED_TOKENIZER, 0)
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
    """A table of the manifest; a table that stores nothing has no arrays."""
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


def _array_entries(arrays: Mapping[str, NDArray[Any]]) -> dict[str, ArrayEntry]:
    return {name: ArrayEntry(str(array.dtype), list(array.shape)) for name, array in arrays.items()}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    runtimes = [runtime.package for runtime in RUNTIMES.values() if runtime.package]
    for package in dict.fromkeys((*_PACKAGES, *runtimes)):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
