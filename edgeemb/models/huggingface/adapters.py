"""Adapters of peft (LoRA and the like): merged into a model's weights, as transformers applies one beside the weights when it loads such a folder."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file

from edgeemb.errors import ModelError, first_line
from edgeemb.files import inside, read_config
from edgeemb.models.huggingface.hub import find_folder
from edgeemb.quiet import quiet
from edgeemb.tasks.registry import CLASSIFICATION, EMBEDDING, QUESTION_ANSWERING, TOKEN_CLASSIFICATION

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
#: What peft puts in front of the names of a model's tensors.
_PREFIX = "base_model.model."
#: Tasks by what peft calls them (peft.TaskType).
_TASKS = {
    "SEQ_CLS": CLASSIFICATION.name,
    "TOKEN_CLS": TOKEN_CLASSIFICATION.name,
    "QUESTION_ANS": QUESTION_ANSWERING.name,
    "FEATURE_EXTRACTION": EMBEDDING.name,
}
#: Ends of the names of the matrix that gives the logits of classes, in transformers' models.
_CLASSES = ("classifier.weight", "classifier.out_proj.weight", "score.weight")


def refuse_bare_adapter(root: Path) -> None:
    """Refuse a folder that holds an adapter but not its model.

    :param root: a folder without ``config.json``.
    :raises ModelError: naming that model.
    """
    place = root / CONFIG
    if place.is_file():
        base = str(read_config(place).get("base_model_name_or_path"))[:200]
        raise ModelError(
            f"{root} holds an adapter of the model '{base}' alone: give that model, and this folder as `adapter`"
        )


def find_adapter(root: Path, name: str, others: Sequence[str]) -> Path:
    """The folder of an adapter.

    :param root: the model's folder, which may hold adapters in folders of their own.
    :param name: one of these, a folder anywhere, or a name on the hub (``org/name``).
    :param others: names of adapters that the model has in another form, for the error.
    :raises ModelError: if there is no such adapter.
    """
    places = (
        [inside(root, name, root)] if not Path(name).is_absolute() and ".." not in Path(name).parts else []
    )
    for place in (*places, Path(name).expanduser()):
        if (place / CONFIG).is_file():
            return place
    if not Path(name).exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        found = find_folder(name, revision=None, allow_pickle=False)
        if (found / CONFIG).is_file():
            return found
    own = sorted(place.parent.name for place in root.glob(f"*/{CONFIG}"))
    known = ", ".join((*others, *own)) or "none"
    raise ModelError(
        f"`adapter` {name!r} is no adapter of {root}, whose own are {known}, nor a folder with {CONFIG}"
    )


def adapter_task(place: Path) -> str | None:
    """The task that an adapter is for, by the name that edgeemb has for it; None where it says none, or there is no adapter.

    :param place: folder of the adapter.
    """
    return (
        _TASKS.get(str(read_config(place / CONFIG).get("task_type"))) if (place / CONFIG).is_file() else None
    )


def saved_layers(place: Path) -> dict[str, torch.Tensor]:
    """Layers that an adapter brings whole (modules_to_save), such as that of the classes, by their names in the model.

    :param place: folder of the adapter; none are in a folder without one.
    :raises ModelError: if its file is damaged.
    """
    if not (place / WEIGHTS).is_file():
        return {}
    try:
        held = load_file(place / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{place / WEIGHTS} is not a safetensors file ({first_line(error)}): copy it again"
        ) from error
    whole = {name.removeprefix(_PREFIX): tensor for name, tensor in held.items() if name.startswith(_PREFIX)}
    return {
        name: tensor
        for name, tensor in whole.items()
        if name.split(".")[-1] in ("weight", "bias") and "lora_" not in name
    }


def class_count(layers: Mapping[str, torch.Tensor]) -> int | None:
    """How many classes the last of some layers tells apart; None where it is not among them.

    :param layers: as `saved_layers` gives them.
    """
    found = [tensor for name, tensor in layers.items() if name.endswith(_CLASSES) and tensor.ndim == 2]
    return len(found[0]) if len(found) == 1 else None


def merged(body: transformers.PreTrainedModel, root: Path) -> transformers.PreTrainedModel:
    """A model with the adapter of a folder merged into its weights; the unchanged model if there is none.

    :param body: the model.
    :param root: the folder: the model's own, or that of the adapter alone.
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
            f"{root} holds an adapter ({kind}), which needs the package peft to be merged: pip install peft, or leave the adapter out"
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
