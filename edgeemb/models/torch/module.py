"""A model from any torch module: it is run once to find its inputs and outputs."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.errors import ModelError, first_line
from edgeemb.models.base import TensorInfo
from edgeemb.models.bounds import Fed, bound_inputs
from edgeemb.models.torch.bags import replace_bags
from edgeemb.models.torch.model import Model, check_finite, find_tables


def load_module(
    source: nn.Module,
    example_inputs: Sequence[Any] | Mapping[str, Any],
    axes: Mapping[str, Sequence[str | int]],
    name: str,
) -> Model:
    """A model from any torch module that holds ``nn.Embedding`` or ``nn.EmbeddingBag`` layers.

    :param source: the module; it is copied to the CPU in float32, and itself left as it is.
    :param example_inputs: what its ``forward`` takes, by position or by name.
    :param axes: per input a name for each axis that may vary and a number for each that may not; by default
        the first is ``batch`` and the others keep the size of the example.
    :param name: name of the model.
    :raises ModelError: if it has no tables, does not run on its examples or returns something else than
        tensors.
    """
    try:
        module = copy.deepcopy(source).to(device="cpu").float().eval()
    except (RuntimeError, TypeError) as error:
        raise ModelError(
            f"{name} cannot be copied ({error}): pass a module that copy.deepcopy takes"
        ) from error
    module = replace_bags(module)
    tables = find_tables(module, known=False)
    check_finite(module, name)
    examples = _named_examples(module, example_inputs, name)
    unknown = sorted(set(axes) - set(examples))
    if unknown:
        raise ModelError(f"axes names {unknown[0]!r}, which is not an input of {name}: {', '.join(examples)}")
    named = {label: _axes(label, tensor, axes.get(label)) for label, tensor in examples.items()}
    examples = _widened(examples, named)
    result, fed = _run_once(module, examples, name)
    inputs = bound_inputs(
        [TensorInfo(label, _dtype_name(tensor), named[label]) for label, tensor in examples.items()],
        [
            Fed(label, table.rows, table.alias)
            for table in tables
            for label in examples
            if (label, table.name) in fed
        ],
    )
    return Model(
        name=name,
        source=f"torch module {type(source).__name__}",
        module=module,
        kind="module",
        inputs=inputs,
        outputs=_module_outputs(result, inputs, examples, name),
        tables=tables,
        example_inputs=tuple(examples.values()),
    )


def _named_examples(
    module: nn.Module, example_inputs: Sequence[Any] | Mapping[str, Any], name: str
) -> dict[str, Tensor]:
    try:
        signature = inspect.signature(module.forward)
        if isinstance(example_inputs, Mapping):
            bound = signature.bind(**example_inputs)
        else:
            bound = signature.bind(*example_inputs)
    except TypeError as error:
        raise ModelError(f"example_inputs do not fit {name}.forward: {error}") from error
    if len(bound.arguments) != len(example_inputs) or bound.kwargs:
        raise ModelError(
            f"{name}.forward must name its inputs: *args, **kwargs and keyword-only are not exported"
        )
    try:
        # Copies: each input has memory of its own, by which it is known where the module looks up rows.
        examples = {label: torch.as_tensor(value).clone() for label, value in bound.arguments.items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"example_inputs of {name} must be tensors ({error})") from error
    if not examples or any(tensor.ndim == 0 for tensor in examples.values()):
        raise ModelError(f"example_inputs of {name} must be tensors with a batch axis")
    return examples


def _run_once(module: nn.Module, examples: dict[str, Tensor], name: str) -> tuple[Any, set[tuple[str, str]]]:
    """Run a module and see which of its inputs go into which table, unchanged but for their shape.

    :return: its result, and pairs of an input and the path of a table's weight.
    """
    fed: set[tuple[str, str]] = set()
    weights = {id(parameter): path for path, parameter in module.named_parameters()}

    def watch(layer: nn.Module, args: tuple[Any, ...]) -> None:
        for label, tensor in examples.items():
            if args and _same_values(args[0], tensor):
                fed.add((label, weights[id(layer.weight)]))

    layers = [layer for layer in module.modules() if isinstance(layer, nn.Embedding)]
    hooks = [layer.register_forward_pre_hook(watch) for layer in layers]
    try:
        with torch.no_grad():
            return module(*examples.values()), fed
    except (
        RuntimeError,
        TypeError,
        ValueError,
        IndexError,
        KeyError,
        AttributeError,
        AssertionError,
    ) as error:
        raise ModelError(f"{name} fails on its example_inputs: {first_line(error)}") from error
    finally:
        for hook in hooks:
            hook.remove()


def _same_values(given: object, tensor: Tensor) -> bool:
    """Whether a layer is given a tensor, or a view of all its elements."""
    return (
        isinstance(given, Tensor)
        and given.dtype == tensor.dtype
        and given.numel() == tensor.numel()
        and given.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
    )


def _axes(label: str, tensor: Tensor, given: Sequence[str | int] | None) -> tuple[str | int, ...]:
    if given is None:
        return ("batch", *tensor.shape[1:])
    if len(given) != tensor.ndim:
        raise ModelError(f"axes of {label!r} has {len(given)} entries, its example has {tensor.ndim} axes")
    return tuple(given)


def _widened(examples: dict[str, Tensor], named: dict[str, tuple[str | int, ...]]) -> dict[str, Tensor]:
    """The examples with every dynamic axis at least two long: torch.export treats a size of one as a constant."""
    sizes: dict[str, int] = {}
    for label, tensor in examples.items():
        for axis, size in zip(named[label], tensor.shape, strict=True):
            if isinstance(axis, str) and sizes.setdefault(axis, size) != size:
                raise ModelError(
                    f"axis {axis!r} is {sizes[axis]} long in one example and {size} in {label!r}: give axes"
                )
    wide = {}
    for label, tensor in examples.items():
        twice = [2 if isinstance(axis, str) and sizes[axis] == 1 else 1 for axis in named[label]]
        wide[label] = tensor.repeat(twice) if 2 in twice else tensor
    return wide


def _module_outputs(
    result: Any, inputs: Sequence[TensorInfo], examples: dict[str, Tensor], name: str
) -> tuple[TensorInfo, ...]:
    tensors = (result,) if isinstance(result, Tensor) else result
    if not isinstance(tensors, (tuple, list)) or not all(isinstance(tensor, Tensor) for tensor in tensors):
        raise ModelError(f"{name} must return a tensor or a tuple of tensors, not {type(result).__name__}")
    # An output's axis is taken to vary with the input axis of the same position and example size.
    sizes: dict[tuple[int, int], str] = {}
    for info, tensor in zip(inputs, examples.values(), strict=True):
        for axis, label in enumerate(info.axes):
            if isinstance(label, str):
                sizes.setdefault((axis, tensor.shape[axis]), label)
    outputs = []
    for index, tensor in enumerate(tensors):
        axes = tuple(sizes.get((axis, size), size) for axis, size in enumerate(tensor.shape))
        label = "output" if len(tensors) == 1 else f"output_{index}"
        outputs.append(TensorInfo(label, _dtype_name(tensor), axes))
    return tuple(outputs)


def _dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
