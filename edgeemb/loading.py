"""Loading whatever edgeemb takes as a model. What a kind of model needs is imported only when one comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeemb.errors import ModelError
from edgeemb.model_info import LoadedModel


def load(
    source: Any,
    *,
    example_inputs: Sequence[Any] | Mapping[str, Any] | None = None,
    axes: Mapping[str, Sequence[str | int]] | None = None,
    allow_pickle: bool = False,
    name: str | None = None,
    max_length: int | None = None,
    revision: str | None = None,
    tokenizer: str | Path | None = None,
) -> LoadedModel:
    """Load a model for export.

    :param source: a Hugging Face, sentence-transformers or model2vec folder, a name on the Hugging Face hub, a
        finished ``.onnx`` or ``.tflite`` file, or a torch module that holds ``nn.Embedding`` layers.
    :param example_inputs: for a torch module: what its ``forward`` takes, by position or by name.
    :param axes: for a torch module: per input a name for each axis whose size may vary, a number for each that
        may not.
    :param allow_pickle: read a checkpoint that is only there as a pickle (its tensors only, no code is run).
    :param name: name of the model; by default that of the file, folder or class.
    :param max_length: tokens of the longest text; by default what the model's configuration says.
    :param revision: branch, tag or commit on the hub.
    :param tokenizer: the ``tokenizer.json`` of a finished file; by default the one beside it, if any.
    :return: the model.
    :raises ModelError: if there is no such model, it is damaged, of a kind that edgeemb does not know, or needs
        a package that is not installed.
    """
    path = Path(source) if isinstance(source, (str, Path)) else None
    finished = path is not None and path.is_file()
    if tokenizer is not None and not finished:
        raise ModelError("a tokenizer can be given with a finished model file only: leave it out")
    try:
        if path is not None and finished and path.suffix == ".onnx":
            from edgeemb.onnx_model import load_onnx

            return load_onnx(path, name=name, tokenizer=tokenizer, max_length=max_length)
        if path is not None and finished and path.suffix == ".tflite":
            from edgeemb.tflite_model import load_tflite

            return load_tflite(path, name=name)
        from edgeemb.model import load as load_torch
    except ModuleNotFoundError as error:
        raise ModelError(
            f"loading a model needs the package '{error.name}': pip install 'edgeemb[export]'"
        ) from None
    return load_torch(
        source,
        example_inputs=example_inputs,
        axes=axes,
        allow_pickle=allow_pickle,
        name=name,
        max_length=max_length,
        revision=revision,
    )
