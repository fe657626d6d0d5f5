"""A lookup program as JSON and back, for tables that are kept in files.

A node is an object with its class under ``node`` and its fields under their names. What is read is not trusted: nodes come from the closed
set of `edgeemb.tables.program`, every field has the type that the class says, and the size of a tree is bounded.
"""

from __future__ import annotations

import typing
from dataclasses import fields
from typing import Any

from edgeemb.errors import InputError
from edgeemb.tables.program import Index, Node, Rows

_INDEX: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(Index)}
_ROWS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(Rows)}
_MAX_NODES = 1000
_MAX_DEPTH = 60
#: No divisor, bound or width of a table is larger.
_MAX_NUMBER = 1 << 40


def program_to_json(node: Node) -> dict[str, Any]:
    """A program as JSON values.

    :param node: root of the tree.
    """
    values: dict[str, Any] = {"node": type(node).__name__}
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tuple):
            values[field.name] = [program_to_json(child) for child in value]
        elif isinstance(value, (str, int)):
            values[field.name] = value
        else:
            values[field.name] = program_to_json(value)
    return values


def program_from_json(value: object) -> Rows:
    """The program that JSON values describe.

    :param value: what `program_to_json` gave.
    :raises InputError: if it is not a tree of known nodes, or an unreasonably large one.
    """
    left = [_MAX_NODES]
    program: Rows = _node(value, _ROWS, _MAX_DEPTH, left)
    return program


def _node(value: object, kinds: dict[str, type], depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        raise InputError(f"the program has more than {_MAX_NODES} nodes or {_MAX_DEPTH} levels")
    if not isinstance(value, dict) or value.get("node") not in kinds:
        name = value.get("node") if isinstance(value, dict) else type(value).__name__
        raise InputError(f"the program has {str(name)[:40]!r} where one of {', '.join(kinds)} belongs")
    kind = kinds[value["node"]]
    known = {field.name: str(field.type) for field in fields(kind)}
    unknown = sorted(set(value) - set(known) - {"node"})
    if unknown:
        raise InputError(f"the program's {kind.__name__} has an unknown field {unknown[0][:40]!r}")
    given = {
        name: _field(kind, name, types, value[name], depth, left)
        for name, types in known.items()
        if name in value
    }
    try:
        return kind(**given)
    except TypeError:
        missing = sorted(set(known) - set(given))
        raise InputError(f"the program's {kind.__name__} lacks {missing[0]}") from None


def _field(kind: type, name: str, types: str, value: object, depth: int, left: list[int]) -> Any:
    match types:
        case "Index":
            return _node(value, _INDEX, depth - 1, left)
        case "Rows":
            return _node(value, _ROWS, depth - 1, left)
        case "tuple[Rows, ...]" if isinstance(value, list) and value:
            return tuple(_node(part, _ROWS, depth - 1, left) for part in value)
        case "str" if isinstance(value, str):
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "int" if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER:
            return value
    raise InputError(f"the program's {kind.__name__}.{name} is {str(value)[:40]!r}, not of type {types}")
