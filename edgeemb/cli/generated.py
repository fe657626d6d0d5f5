"""Command-line options generated from Python: types, defaults and help come from a function's parameters or a dataclass's fields."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click
from click.shell_completion import CompletionItem

from edgeemb.errors import unknown

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PARAMETER = re.compile(r"^\s*:(?:param (\w+)|\w+(?: \w+)?):", re.MULTILINE)

PATH = click.Path(path_type=Path)


if TYPE_CHECKING:
    _NameType = click.ParamType[str]
else:
    _NameType = click.ParamType


class Known(_NameType):
    """A name in a registry as it is when a command line is parsed: what was registered after the import counts.

    :param what: what the names name, for example ``runtime``.
    :param registry: values by name.
    """

    def __init__(self, what: str, registry: Mapping[str, object]) -> None:
        self.name = what
        self._registry = registry

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The names, as the help page shows them."""
        return f"[{'|'.join(self._registry)}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself.

        :raises BadParameter: if it is unknown, with all names and the nearest.
        """
        return value if value in self._registry else self.fail(unknown(self.name, value, self._registry))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so."""
        return [CompletionItem(name) for name in self._registry if name.startswith(incomplete)]


def numbers(value: str | tuple[int, ...]) -> tuple[int, ...]:
    """Whole numbers with commas between, as a tuple.

    :param value: as written.
    :raises BadParameter: if it is anything else.
    """
    if isinstance(value, tuple):
        return value
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value}: write whole numbers with commas between, such as 16,128"
        ) from None


def option(owner: Callable[..., Any], name: str, *flags: str, **how: Any) -> Callable[[_Function], _Function]:
    """A `click.option` for a parameter.

    :param owner: a function or a dataclass, whose docstring says ``:param name: what it is.``
    :param name: the parameter.
    :param flags: how it is written; by default ``--name``.
    :param how: arguments of `click.option` that replace what the parameter says.
    """
    kind, default = _parameters(owner)[name]
    given = {"help": help_of(owner, name), **_type(kind), **how}
    if default is not inspect.Parameter.empty and not how.get("required"):
        listed = isinstance(default, tuple) and bool(default)
        given.setdefault("default", ",".join(map(str, default)) if listed else default)
        given.setdefault(
            "show_default", default is not None and default is not False and default not in ((), "")
        )
    return click.option(*(flags or (f"--{name.replace('_', '-')}",)), name, **given)


def options(owner: Callable[..., Any], *names: str) -> Callable[[_Function], _Function]:
    """The options of several parameters, in their order, named and described as in Python.

    :param owner: a function or a dataclass.
    :param names: the parameters.
    """

    def add(function: _Function) -> _Function:
        for name in reversed(names):
            function = option(owner, name)(function)
        return function

    return add


def taken(kind: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Take the parameters of a dataclass from those of a command; those that are missing keep the dataclass's default.

    :param kind: the dataclass.
    :param given: what the command was given; what is taken leaves it.
    """
    names = [name for name in _parameters(kind) if name in given]
    return {name: given.pop(name) for name in names}


@cache
def _parameters(owner: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """Type and default of each parameter."""
    if dataclasses.is_dataclass(owner) and isinstance(owner, type):
        hints = get_type_hints(owner)
        return {field.name: (hints[field.name], _default(field)) for field in dataclasses.fields(owner)}
    found = inspect.signature(owner).parameters
    names = vars(inspect.getmodule(owner))
    return {name: (_hint(item.annotation, names), item.default) for name, item in found.items()}


def _default(field: dataclasses.Field[Any]) -> Any:
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default


def _hint(annotation: Any, names: dict[str, Any]) -> Any:
    """A parameter's type, without types that serve only type checkers."""
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(holder, names)["it"]
    except NameError:
        return Any


def _type(kind: Any) -> dict[str, Any]:
    """What `click.option` is told for a type."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [item for item in get_args(kind) if item is not type(None)]
        return {"type": PATH} if Path in inner else _type(inner[0])
    if origin is Literal:
        return {"type": click.Choice(list(get_args(kind)))}
    if origin is tuple or (origin is Sequence and get_args(kind) == (int,)):
        return {"type": numbers, "metavar": "N,N,..."}
    if origin is Sequence:
        return {"multiple": True, **_type(get_args(kind)[0])}
    if kind is bool:
        return {"is_flag": True}
    return {"type": kind if kind in (int, float) else PATH if kind is Path else str}


def help_of(owner: Callable[..., Any], name: str) -> str:
    """What a docstring says of a parameter, as a sentence for the command line.

    :param owner: a function or a dataclass.
    :param name: the parameter.
    :raises KeyError: if the docstring does not mention it.
    """
    text = inspect.getdoc(owner) or ""
    fields = list(_PARAMETER.finditer(text))
    for field, following in zip(fields, [*fields[1:], None], strict=True):
        if field[1] == name:
            said = text[field.end() : following.start() if following else None]
            said = " ".join(said.split()).replace("``", "")
            # Several values are a sequence in Python, and an option that is repeated here.
            said = re.sub(r"[;.] [aA] sequence .*", ".", said)
            return said[0].upper() + said[1:]
    raise KeyError(f"{owner.__name__} does not say what {name} is")
