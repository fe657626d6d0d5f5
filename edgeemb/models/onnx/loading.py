"""Loading finished ``.onnx`` files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeemb.errors import ModelError
from edgeemb.models.onnx.examples import given
from edgeemb.models.onnx.file import read_onnx
from edgeemb.models.onnx.model import OnnxModel, build
from edgeemb.models.onnx.opsets import runnable
from edgeemb.models.onnx.places import read_belongings


def load_onnx(
    path: Path,
    *,
    name: str | None = None,
    tokenizer: str | Path | None = None,
    max_length: int | None = None,
    pooling: str | None = None,
    normalize: bool = False,
    example_inputs: str | Path | Sequence[Any] | Mapping[str, Any] | None = None,
) -> OnnxModel:
    """Load a finished ONNX model.

    It takes text if a tokenizer is found, its inputs are ids and a mask (and token types or positions) of free batch size, and an output is
    one vector per text: by its name and shape, or because token vectors are pooled. Otherwise it is a ``module``.

    :param path: the ``.onnx`` file, with its external data beside it.
    :param name: name of the model; by default that of the file.
    :param tokenizer: its ``tokenizer.json``; by default the one in the same folder or one folder up, if any.
    :param max_length: tokens of the longest text; by default what the tokenizer, the position table or the input's shape say.
    :param pooling: modes joined by ``+`` that token vectors are pooled by; by default what the files of sentence-transformers beside it say, where
        the graph gives nothing else.
    :param normalize: scale the vectors to length 1.
    :param example_inputs: arrays to compare a model without text on: by name, in the order of its inputs, or an ``.npz`` file.
    :raises ModelError: if the file is missing, damaged or not valid, has no table, or what is given does not fit it.
    """
    proto = read_onnx(path)
    if any(item.domain == "edgeemb" for item in proto.opset_import):
        raise ModelError(f"{path} was written by edgeemb already: give the model that it was made from")
    proto, remarks = runnable(proto, str(path))
    model = build(
        OnnxModel,
        proto,
        source=str(path),
        name=name or path.stem,
        path=None if remarks else path,
        belongings=read_belongings(path, None if tokenizer is None else Path(tokenizer)),
        max_length=max_length,
        modes=pooling.split("+") if pooling else (),
        unit_length=normalize,
        remarks=remarks,
    )
    if example_inputs is None:
        return model
    return replace(model, given=tuple(given(model.inputs, example_inputs, str(path))))
