"""Tables that were trained inside a model: two files in its folder, next to the weights.

``edgeemb.json`` names the tables with their specs and lookup programs, ``tables.safetensors`` holds the arrays as ``<table>.<array>``. The
folder's own weights hold the decoded rows, so that other libraries read the same model; an export takes the stored tables as they are.

The files are not trusted: programs come from a closed set of nodes, and a table counts only if its decoded rows are the model's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import EdgeembError, InputError, ModelError, first_line
from edgeemb.files import read_config
from edgeemb.tables import Table
from edgeemb.tables.program import array_names
from edgeemb.tables.spec import parse_spec
from edgeemb.tables.stored import program_from_json, program_to_json

if TYPE_CHECKING:
    from edgeemb.models.base import LoadedModel

INDEX = "edgeemb.json"
ARRAYS = "tables.safetensors"
_SCHEMA = 1
_TYPES = frozenset({"uint8", "int16", "int32", "float16", "float32"})
#: Decoded rows may differ by this part of the table's largest value: sums come out differently on other processors.
_TOLERANCE = 1e-5


def write_fitted(folder: Path, tables: Mapping[str, Table], training: Mapping[str, Any]) -> None:
    """Write the trained tables of a model into its folder.

    :param folder: an existing folder.
    :param tables: tables by alias.
    :param training: JSON values that say how they were trained; kept for the reader.
    """
    from safetensors.numpy import save_file

    entries = {
        alias: {
            "spec": str(table.spec),
            "shape": list(table.shape),
            "program": program_to_json(table.program),
        }
        for alias, table in tables.items()
    }
    arrays = {
        f"{alias}.{name}": np.ascontiguousarray(array)
        for alias, table in tables.items()
        for name, array in table.arrays.items()
    }
    save_file(arrays, folder / ARRAYS)
    text = json.dumps({"schema": _SCHEMA, "tables": entries, "training": dict(training)}, indent=1)
    (folder / INDEX).write_text(text + "\n", "utf-8")


def read_fitted(folder: Path, model: LoadedModel) -> dict[str, Table]:
    """The trained tables of a model's folder; none if there are no such files.

    :param folder: the folder.
    :param model: the model that was loaded from it.
    :raises ModelError: if the files are damaged, or do not belong to the model.
    """
    index = folder / INDEX
    if not index.is_file():
        return {}
    held = read_config(index)
    entries = held.get("tables")
    if held.get("schema") != _SCHEMA or not isinstance(entries, dict):
        raise ModelError(
            f"{index} has schema {held.get('schema')!r}, this edgeemb reads {_SCHEMA}: use the edgeemb that wrote it"
        )
    if not entries:
        return {}
    arrays = read_arrays(folder / ARRAYS)
    return {str(alias): _table(index, str(alias), entry, arrays, model) for alias, entry in entries.items()}


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file.

    :param path: the file.
    :raises ModelError: if it is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        # It compares the header's offsets with each other and with the file's size before it makes an array.
        return load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise ModelError(f"{path} is missing or damaged ({error}): copy the model's folder again") from error


def _table(
    index: Path, alias: str, entry: object, arrays: Mapping[str, NDArray[Any]], model: LoadedModel
) -> Table:
    where = f"{index}: table {alias[:40]!r}"
    if not isinstance(entry, dict):
        raise ModelError(f"{where} is not an object: copy the folder again")
    info = model.table(alias)
    if entry.get("shape") != [info.rows, info.dim]:
        raise ModelError(f"{where} is for another model of shape {entry.get('shape')!r}: delete {index.name}")
    mine = {
        name.removeprefix(f"{alias}."): array
        for name, array in arrays.items()
        if name.startswith(f"{alias}.")
    }
    for name, array in mine.items():
        bad = str(array.dtype) not in _TYPES or not array.size
        if bad or (array.dtype.kind == "i" and int(array.min()) < 0):
            raise ModelError(
                f"{where}: array {name[:40]!r} has a dtype that no table has: copy the folder again"
            )
    try:
        program = program_from_json(entry.get("program"))
        missing = sorted(set(array_names(program)) - set(mine))
        if missing:
            raise InputError(f"its array {missing[0][:40]!r} is not in {ARRAYS}")
        used = {name: mine[name] for name in array_names(program)}
        table = Table(parse_spec(str(entry.get("spec"))), (info.rows, info.dim), used, program)
        rows = table.reconstruct()
    except (EdgeembError, IndexError, ValueError, TypeError, ZeroDivisionError, KeyError) as error:
        raise ModelError(f"{where} cannot be read ({first_line(error)}): copy the folder again") from error
    weight = model.table_weight(alias)
    if rows.shape != weight.shape or not np.allclose(
        rows, weight, rtol=0, atol=_TOLERANCE * float(np.abs(weight).max(initial=0))
    ):
        raise ModelError(
            f"{where} does not decode to the model's own rows, so the weights were changed after it: delete {index.name}"
        )
    return table
