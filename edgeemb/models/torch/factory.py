"""Torch modules named on the command line: a function of the user's own package that makes one, as ``package.module:function``."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeemb.errors import ModelError, first_line
from edgeemb.models.base import LoadedModel

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def load_factory(source: str, name: str | None) -> LoadedModel:
    """Call a function and load the module that it gives.

    The function takes nothing and gives ``(module, example_inputs)`` or ``(module, example_inputs, axes)``, as `edgeemb.load` takes them. It is
    found as Python finds modules, the current folder first.

    :param source: ``package.module:function``.
    :param name: name of the model; by default that of the module's class.
    :raises ModelError: if there is no such function, it fails, or it gives something else.
    """
    if not _NAME.fullmatch(source):
        raise ModelError(f"{source!r} does not name a function: write package.module:function")
    place, function = source.split(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        made = getattr(importlib.import_module(place), function)()
    # It is the user's own code, which may raise anything.
    except Exception as error:
        raise ModelError(f"{source} gives no model ({type(error).__name__}: {first_line(error)})") from error
    if not isinstance(made, tuple) or len(made) not in (2, 3):
        raise ModelError(
            f"{source} gives a {type(made).__name__}: let it return (module, example_inputs) or (module, example_inputs, axes)"
        )
    module, examples = made[:2]
    axes: Mapping[str, Sequence[str | int]] = made[2] if len(made) == 3 else {}
    return _load(source, module, examples, axes, name)


def _load(source: str, module: Any, examples: Any, axes: Any, name: str | None) -> LoadedModel:
    from torch import nn

    from edgeemb.models.torch.module import load_module

    if not isinstance(module, nn.Module) or not isinstance(axes, Mapping):
        wrong = module if not isinstance(module, nn.Module) else axes
        raise ModelError(
            f"{source} gives a {type(wrong).__name__} where a torch module, inputs and axes are expected"
        )
    return load_module(module, examples, axes, name or type(module).__name__)
