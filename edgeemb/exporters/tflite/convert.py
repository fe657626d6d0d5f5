"""From a torch module to a TFLite model, by litert-torch: one signature for each sequence length, all sharing the weights."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgeemb.errors import ExportError
from edgeemb.models.tflite.flatbuffer import parse_tflite
from edgeemb.models.torch.model import Model
from edgeemb.quiet import quiet
from edgeemb.scratch import Scratch

#: Lengths that a text model gets unless others are asked for; longer than the model's limit means that limit.
DEFAULT_LENGTHS = (16, 64, 128)
#: The function of transformers' modules that repeats heads of keys and values.
_REPEATS = "repeat_kv"


def choose_lengths(model: Model, asked: Sequence[int], *, several: bool) -> tuple[int, ...]:
    """The sequence lengths to export.

    :param model: a loaded model.
    :param asked: what the user asked for; empty for the default.
    :param several: whether the runtime takes more than one.
    :return: rising; empty if no input of the model has an axis named ``length``.
    :raises ExportError: if a length is not possible.
    """
    if not any("length" in info.axes for info in model.inputs):
        if asked:
            raise ExportError(f"{model.name} has no axis named 'length': leave `lengths` out")
        return ()
    limit = model.max_length
    if not asked:
        lengths = tuple(sorted({min(length, limit) if limit else length for length in DEFAULT_LENGTHS}))
        return lengths if several else lengths[:1]
    wrong = [length for length in asked if length < 1 or (limit and length > limit)]
    if wrong:
        raise ExportError(
            f"length {wrong[0]} is out of range: {model.name} takes 1 to {limit or 'any number of'} tokens"
        )
    if len(set(asked)) > 1 and not several:
        raise ExportError(
            "TensorFlow Lite Micro runs one signature: give one length, for example lengths=[16]"
        )
    return tuple(sorted(set(asked)))


def convert(model: Model, lengths: Sequence[int], weights: Mapping[str, NDArray[np.float32]]) -> Any:
    """Convert a model. Ids and masks become int32; batches are of one.

    :param model: a loaded model; it is as before afterwards.
    :param lengths: sequence lengths; empty for a model without such an axis.
    :param weights: values by parameter that replace the module's own during the conversion.
    :return: the schema's ``ModelT``, whose signatures ``length_<n>`` (or ``main``) have the inputs and outputs of the model.
    :raises ExportError: if litert-torch cannot convert it.
    """
    with _silent(), _replaced(model, weights), _heads_as_copies(model.module):
        import litert_torch
        from torch._dynamo.exc import TorchDynamoException

        try:
            chain: Any = litert_torch
            for length in lengths or (0,):
                chain = chain.signature(_key(length), model.module, _examples(model, length))
            with Scratch() as folder:
                path = folder / "converted.tflite"
                chain.convert().export(str(path))
                converted = parse_tflite(path.read_bytes(), "the converted model")
        except (
            RuntimeError,
            ValueError,
            TypeError,
            NotImplementedError,
            AssertionError,
            KeyError,
            TorchDynamoException,
        ) as error:
            raise ExportError(f"{model.name} cannot be converted to TFLite: {_reason(error)}") from error
    _name_signatures(converted, model)
    return converted


def _key(length: int) -> str:
    return f"length_{length}" if length else "main"


def _examples(model: Model, length: int) -> tuple[torch.Tensor, ...]:
    made = []
    for info, example in zip(model.inputs, model.example_inputs, strict=True):
        named = {"batch": 1, "length": length}
        shape = [named.get(str(axis), size) for axis, size in zip(info.axes, example.shape, strict=True)]
        narrow = info.dtype == "int64" and (info.rows is not None or model.takes_text)
        flat = example.flatten()
        count = int(np.prod(shape))
        filled = flat.repeat(-(-count // max(1, len(flat))))[:count].reshape(shape)
        made.append(filled.to(torch.int32) if narrow else filled)
    return tuple(made)


def _name_signatures(converted: Any, model: Model) -> None:
    """Give inputs and outputs the model's names; the converter numbers them."""
    for signature in converted.signatureDefs:
        for entries, infos, stem in (
            (signature.inputs, model.inputs, "args"),
            (signature.outputs, model.outputs, "output"),
        ):
            by_name = {entry.name.decode(): entry for entry in entries}
            if len(by_name) != len(infos):
                raise ExportError(
                    f"{model.name}: the converted model has {len(by_name)} of {len(infos)} inputs or outputs; some are unused"
                )
            for place, info in enumerate(infos):
                by_name[f"{stem}_{place}"].name = info.name.encode()


@contextmanager
def _replaced(model: Model, weights: Mapping[str, NDArray[np.float32]]) -> Iterator[None]:
    parameters = {name: model.module.get_parameter(name) for name in weights}
    before = {name: parameter.data for name, parameter in parameters.items()}
    try:
        for name, parameter in parameters.items():
            parameter.data = torch.from_numpy(np.ascontiguousarray(weights[name]))
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.data = before[name]


@contextmanager
def _heads_as_copies(module: nn.Module) -> Iterator[None]:
    """Let attention with fewer heads of keys and values than of queries repeat them by copies.

    transformers repeats them as an expanded view. Where there is a single such head, as in EmbeddingGemma, litert-converter 0.5 drops the repetition: tiny
    models came out at cosines of .88 to .99, in every interpreter.
    """
    places = {sys.modules[type(layer).__module__] for layer in module.modules()}
    before: dict[Any, Any] = {
        place: place.__dict__[_REPEATS] for place in places if _REPEATS in place.__dict__
    }
    try:
        for place in before:
            setattr(place, _REPEATS, _repeated)
        yield
    finally:
        for place, function in before.items():
            setattr(place, _REPEATS, function)


def _repeated(hidden_states: torch.Tensor, n_rep: int) -> torch.Tensor:
    """Each head n_rep times: float32[batch, heads, length, dim] to float32[batch, heads * n_rep, length, dim]."""
    copies = torch.stack([hidden_states] * n_rep, dim=2)
    return copies.flatten(1, 2)


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the converter's output off the user's terminal; its native half writes directly to the process's streams."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere), quiet():
        yield
