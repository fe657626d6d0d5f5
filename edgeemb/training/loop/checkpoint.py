"""Checkpoints of a training: tensors as safetensors, everything else as JSON; nothing that could run code.

A checkpoint is a folder with ``checkpoint.json`` and the file of tensors that it names. The tensors are written first, under a name that no other
checkpoint has, and the JSON is renamed into place last, so that a training that dies while writing leaves the previous checkpoint.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from edgeemb.errors import ModelError, TrainingError
from edgeemb.files import read_config

INDEX = "checkpoint.json"
_SCHEMA = 2
_NAME = re.compile(r"state-\d{8}-[0-9a-f]{16}\.safetensors")


@dataclass(frozen=True)
class State:
    """A training between two steps.

    :param step: updates made.
    :param tensors: weights, moments of the optimiser and the best weights, by name.
    :param best: the best score, the step it was seen at, and how many looks ago; see `edgeemb.training.loop.steps`.
    :param history: scores and losses so far, as JSON values.
    """

    step: int
    tensors: dict[str, Tensor]
    best: dict[str, Any]
    history: list[dict[str, Any]]


def write_checkpoint(folder: Path, state: State, identity: Mapping[str, str]) -> None:
    """Write a checkpoint over the one before.

    :param folder: its folder; made if it is not there.
    :param state: the training.
    :param identity: what the training is of; a checkpoint is only taken up for the same.
    :raises TrainingError: if it cannot be written.
    """
    name = f"state-{state.step:08d}-{secrets.token_hex(8)}.safetensors"
    new = folder / f"{INDEX}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in state.tensors.items()}, folder / name)
        held = {
            "schema": _SCHEMA,
            "step": state.step,
            "tensors": name,
            "best": state.best,
            "identity": dict(identity),
            "history": state.history,
        }
        new.write_text(json.dumps(held, indent=1) + "\n", "utf-8")
        new.replace(folder / INDEX)
    except (OSError, SafetensorError) as error:
        new.unlink(missing_ok=True)
        (folder / name).unlink(missing_ok=True)
        raise TrainingError(f"cannot write the checkpoint {folder} ({error}): free some space") from error
    _remove_others(folder, name)


def _remove_others(folder: Path, name: str) -> None:
    """Remove the tensors of earlier checkpoints, and of one that was never finished."""
    for old in folder.glob("state-*.safetensors*"):
        if old.name != name:
            old.unlink(missing_ok=True)


def read_checkpoint(folder: Path, identity: Mapping[str, str]) -> State:
    """Read a checkpoint, and remove what a process that was killed left beside it.

    :param folder: its folder.
    :param identity: what the training is of.
    :raises TrainingError: if there is none, it is damaged, or of another training.
    """
    index = folder / INDEX
    if not index.is_file():
        raise TrainingError(f"there is no checkpoint in {folder} to continue from: leave resume=True out")
    try:
        held = read_config(index)
    except ModelError as error:
        raise TrainingError(str(error)) from None
    _check_identity(folder, held, identity)
    step, best, history = held.get("step"), held.get("best"), held.get("history")
    name = held.get("tensors")
    if not (
        (isinstance(step, int) and step >= 0)
        and (isinstance(name, str) and _NAME.fullmatch(name))
        and (isinstance(best, dict) and isinstance(history, list))
    ):
        raise TrainingError(f"{index} is damaged: delete the folder and train again")
    path = folder / name
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path} is missing or damaged ({error}): train again") from error
    _remove_others(folder, name)
    return State(step, tensors, best, history)


def _check_identity(folder: Path, held: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    if held.get("schema") != _SCHEMA:
        raise TrainingError(f"{folder} was written by another version of edgeemb: train again")
    before = held.get("identity")
    before = before if isinstance(before, dict) else {}
    other = [name for name, value in identity.items() if before.get(name) != value]
    if other:
        name = other[0]
        raise TrainingError(
            f"the checkpoint {folder} is of another training: its {name} is {str(before.get(name))[:60]}, "
            f"this one's is {identity[name][:60]}; leave resume=True out, or train as before"
        )
