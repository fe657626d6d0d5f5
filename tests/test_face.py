"""The public face: light to import, every name and parameter typed and described."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgeemb

FUNCTIONS = ("adapt", "compare", "distill", "evaluate", "export", "load", "open", "profile")


def test_importing_it_imports_nothing_else() -> None:
    code = "import sys, importlib.machinery, importlib.util; old = set(sys.modules); import edgeemb; print(*sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    # An editable install finds modules with more of the standard library than an ordinary one.
    assert set(done.stdout.split()) <= {"__future__", "edgeemb"}


def test_importing_every_name_needs_no_torch() -> None:
    code = "import sys; from edgeemb import *; print('torch' in sys.modules, 'onnx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False False\n"


def test_every_name_is_there() -> None:
    assert set(FUNCTIONS) < set(edgeemb.__all__) <= set(dir(edgeemb))
    for name in edgeemb.__all__:
        assert getattr(edgeemb, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'exprot'"):
        _ = edgeemb.exprot  # type: ignore[attr-defined]


def test_no_function_has_the_name_of_a_module() -> None:
    for name in edgeemb.__all__:
        assert name == "__version__" or importlib.util.find_spec(f"edgeemb.{name}") is None, name


@pytest.mark.parametrize(
    "name", [*FUNCTIONS, *(n for n in edgeemb.__all__ if n.istitle() or n[1:] != n[1:].lower())]
)
def test_every_parameter_is_typed_and_described(name: str) -> None:
    value = getattr(edgeemb, name)
    documented = set(re.findall(r":param (\w+):", inspect.getdoc(value) or ""))
    if inspect.isclass(value) and not hasattr(value, "__dataclass_fields__"):
        assert inspect.getdoc(value)
        return
    parameters = inspect.signature(value).parameters
    assert set(parameters) == documented
    for parameter in parameters.values():
        assert parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        assert parameter.annotation is not parameter.empty, parameter.name


def test_the_program_that_lint_checks_has_the_whole_face() -> None:
    program = Path(__file__).parent / "programs" / "python" / "whole_face.py"
    called = set(re.findall(r"edgeemb\.(\w+)", program.read_text("utf-8")))
    assert called >= set(edgeemb.__all__)
