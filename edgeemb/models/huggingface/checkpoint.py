"""Reading the weights of a model folder as a dictionary of tensors.

The files are not trusted. Names in them stay inside the folder, sizes are bounded, and a safetensors file is
checked against its own header before a tensor is made. A pickle is refused unless asked for, and then read
without running its code (``torch.load(weights_only=True)``).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from edgeemb.errors import ModelError
from edgeemb.files import inside, read_config

# Whole file, index of its shards: https://huggingface.co/docs/safetensors, and what came before it.
_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
_PICKLE = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def read_weights(folder: Path, *, allow_pickle: bool = False) -> dict[str, Tensor]:
    """Every tensor of a folder's checkpoint, on the CPU, as stored.

    :param folder: holds ``model.safetensors`` or its shards with their index; or the same as
        ``pytorch_model.bin``.
    :param allow_pickle: read ``pytorch_model.bin`` where there is no safetensors file.
    :raises ModelError: if there is no checkpoint, it is damaged, or it is a pickle and that was not allowed.
    """
    single, index = (folder / name for name in _SAFETENSORS)
    if single.is_file():
        return _read_safetensors(single)
    if index.is_file():
        return _read_shards(folder, index, _read_safetensors)
    single, index = (folder / name for name in _PICKLE)
    found = next((path for path in (single, index) if path.is_file()), None)
    if found is None:
        raise ModelError(
            f"{folder} has no model.safetensors: save the model with save_pretrained, "
            "or pass allow_pickle=True if it only comes as a pickle"
        )
    if not allow_pickle:
        raise ModelError(
            f"{found} is a pickle, which can run code, and there is no model.safetensors: "
            "convert it, or pass allow_pickle=True to read its tensors only"
        )
    return _read_pickle(single) if found == single else _read_shards(folder, index, _read_pickle)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        # It compares the header's offsets with each other and with the file's size before it makes a tensor.
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is truncated or not a safetensors file ({error}): copy it again") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n")[0]
        raise ModelError(
            f"{path} is damaged or holds more than tensors ({reason}): it is not read"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path} does not hold a dictionary of tensors: save the model with save_pretrained")
    return {str(name): value for name, value in state.items()}


def _read_shards(folder: Path, index: Path, read: Callable[[Path], dict[str, Tensor]]) -> dict[str, Tensor]:
    names = read_config(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index} has no weight_map: copy it again")
    weights: dict[str, Tensor] = {}
    for shard in sorted({inside(folder, name, index) for name in names.values()}):
        if not shard.is_file():
            raise ModelError(f"{index} names {shard.name}, which is missing: copy the whole folder")
        weights.update(read(shard))
    missing = sorted(set(names) - set(weights))
    if missing:
        raise ModelError(f"{index} lists {missing[0]!r}, which no shard holds: copy the whole folder")
    return weights
