"""Reading the files of a model folder: configs as dictionaries, weights as a dictionary of tensors.

The files are not trusted. Names in them stay inside the folder, sizes are bounded, and a safetensors file is
checked against its own header before a tensor is made. A pickle is refused unless asked for, and then read
without running its code (``torch.load(weights_only=True)``).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from edgeemb.errors import ModelError
from edgeemb.files import read_json

MAX_CONFIG_BYTES = 16 * 2**20

# Whole file, index of its shards: https://huggingface.co/docs/safetensors, and what came before it.
_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
_PICKLE = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def read_config(path: Path) -> dict[str, Any]:
    """The JSON object in a config file.

    :raises ModelError: if the file cannot be read or holds something else.
    """
    value = read_json(path, MAX_CONFIG_BYTES, ModelError)
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__} where a JSON object belongs: copy it again")
    return value


def inside(folder: Path, name: object, named_by: Path) -> Path:
    """The path of ``name`` in ``folder``.

    :param folder: a model folder.
    :param name: a relative path that a file in the folder gives.
    :param named_by: that file, for the error.
    :raises ModelError: if the name would lead out of the folder.
    """
    if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ModelError(
            f"{named_by} names {name!r}, which is not a path inside its folder: do not trust this model"
        )
    return folder / name


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
            "or pass --allow-pickle (allow_pickle=True) if it only comes as a pickle"
        )
    if not allow_pickle:
        raise ModelError(
            f"{found} is a pickle, which can run code, and there is no model.safetensors: "
            "convert it, or pass --allow-pickle (allow_pickle=True) to read its tensors only"
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
