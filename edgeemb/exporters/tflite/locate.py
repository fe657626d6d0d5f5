"""Where a TFLite export first differs from its original: tensors by name in a finished file, else the results of layers among all tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.exporters.tflite.policy import CUSTOM_OPS
from edgeemb.exporters.writers import Apart
from edgeemb.models.agreement import alike
from edgeemb.models.tflite.flatbuffer import opcode_name, read_tflite
from edgeemb.models.tflite.model import TfliteModel
from edgeemb.native.interpreters import find_interpreter
from edgeemb.runtimes.tflite.engine import load_delegate

Tensors = dict[str, NDArray[np.float32]]


def first_difference(apart: Apart, path: Path) -> str | None:
    """The first table or layer whose result differs.

    :param apart: the export and its original.
    :param path: the exported file.
    :return: its name in words; None if no result that both have differs.
    """
    module = find_interpreter()
    codes = read_tflite(path)[0].operatorCodes
    options: dict[str, Any] = {
        "experimental_preserve_all_tensors": True,
        # XNNPACK takes whole parts of the graph and shows nothing of them.
        "experimental_op_resolver_type": module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }
    custom = any(opcode_name(code) in CUSTOM_OPS for code in codes)
    export = module.Interpreter(
        model_path=str(path), experimental_delegates=[load_delegate(module)] if custom else [], **options
    )
    model = apart.model
    if isinstance(model, TfliteModel):
        wanted = _tensors(model.interpreter(**options), apart.feeds, 0)
        found = _tensors(export, apart.feeds, 0)
        names = [
            name
            for name, value in wanted.items()
            if name in found and not alike(value, found[name], apart.floor)
        ]
        return f"tensor {names[0]}" if names else None
    from edgeemb.exporters.layers import in_words, last_alike, results_of  # it imports torch

    loaded = model.torch_model()
    feeds = {
        info.name: value[:1] if "batch" in info.axes[:1] else value
        for info, value in ((info, apart.feeds[info.name]) for info in loaded.inputs)
    }
    tensors = list(_tensors(export, feeds, loaded.pad_id).values())
    results = results_of(loaded.module, loaded, feeds)
    return in_words(last_alike(results, tensors, apart.floor), loaded, apart.tables)


def _tensors(interpreter: Any, feeds: Mapping[str, NDArray[Any]], filler: int) -> Tensors:
    """All tensors of floats by name, in the order of the graph, in the signature that is just long enough for the inputs."""
    for runner in map(interpreter.get_signature_runner, interpreter.get_signature_list()):
        details = runner.get_input_details()
        given = {name: _padded(feeds[name], details[name], filler) for name in details}
        if all(value is not None for value in given.values()):
            break
    else:
        return {}
    runner(**given)
    place = runner._subgraph_index
    found: Tensors = {}
    for item in interpreter.get_tensor_details(place):
        if item["dtype"] != np.float32:
            continue
        try:
            found[f"{item['name']}"] = np.array(interpreter.get_tensor(item["index"], place), np.float32)
        except ValueError:
            continue  # a constant of a delegate, or a tensor without memory
    return found


def _padded(value: NDArray[Any], details: Mapping[str, Any], filler: int) -> NDArray[Any] | None:
    """An input in the shape and type of a signature, padded; None if it is too long."""
    signature = details.get("shape_signature", details["shape"])
    shape = [own if size < 0 else int(size) for own, size in zip(value.shape, signature, strict=True)]
    if any(own > size for own, size in zip(value.shape, shape, strict=True)):
        return None
    made = np.full(shape, filler if "ids" in str(details["name"]) else 0, details["dtype"])
    made[tuple(slice(size) for size in value.shape)] = value
    return made
