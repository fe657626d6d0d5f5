"""An adapter next to a model's weights: merged into them by peft, as transformers applies it when it loads such a folder."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file

from edgeemb.errors import ModelError, first_line
from edgeemb.files import read_config
from edgeemb.quiet import quiet

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def refuse_bare_adapter(root: Path) -> None:
    """Refuse a folder that holds an adapter but not its model.

    :param root: a folder without ``config.json``.
    :raises ModelError: naming that model.
    """
    place = root / CONFIG
    if place.is_file():
        base = str(read_config(place).get("base_model_name_or_path"))[:200]
        raise ModelError(
            f"{root} holds an adapter of the model '{base}' alone: merge it with peft (merge_and_unload) and save the whole model"
        )


def merged(body: transformers.PreTrainedModel, root: Path) -> transformers.PreTrainedModel:
    """A model with the adapter of its folder merged into its weights; the unchanged model if there is none.

    :param body: the model.
    :param root: its folder.
    :raises ModelError: if peft is not installed, or the adapter is damaged or does not fit the model.
    """
    place = root / CONFIG
    if not place.is_file():
        return body
    kind = str(read_config(place).get("peft_type"))[:40]
    try:
        peft = importlib.import_module("peft")
    except ImportError:
        raise ModelError(
            f"{root} holds an adapter ({kind}) next to the weights, which needs the package peft to be merged: "
            f"pip install peft, or take {CONFIG} away to leave the adapter out"
        ) from None
    if not (root / WEIGHTS).is_file():
        raise ModelError(f"{place} has no {WEIGHTS} beside it: save the adapter with save_pretrained")
    try:
        with quiet():
            held = load_file(root / WEIGHTS)
            adapted: Any = peft.PeftModel.from_pretrained(body, str(root), is_trainable=False)
            loaded = peft.get_peft_model_state_dict(adapted)
            strange = sorted(
                name
                for name, tensor in held.items()
                if not torch.equal(loaded.get(name, torch.empty(0)), tensor)
            )
            if strange:
                raise ModelError(
                    f"{place}: {len(strange)} of its tensors have no place in the model, such as {strange[0][:120]}: "
                    "it is for another model, or merge it yourself (merge_and_unload)"
                )
            result: transformers.PreTrainedModel = adapted.merge_and_unload()
    except (
        SafetensorError,
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ImportError,
    ) as error:
        raise ModelError(f"{place}: peft cannot merge the adapter ({kind}): {first_line(error)}") from error
    return result.eval().requires_grad_(False)
