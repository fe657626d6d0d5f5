"""Jina's XLM-R with rotary positions, as its own code saves it (jina-embeddings-v3): renamed for transformers' class, its adapters merged.

The folders name Python code (``xlm-roberta-flash-implementation``), which is not run: transformers computes the same as ``jina_embeddings_v3``. Each layer's
weight is stored with a low-rank adapter for each of several tasks; the weight for a task is W + alpha / rank * B A
(https://arxiv.org/abs/2409.10173, section 3.4), of tables W + alpha / rank * A B.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from edgeemb.errors import ModelError

_CODE = "xlm-roberta-flash-implementation"
_ORIGINAL, _LEFT, _RIGHT = (
    f".parametrizations.weight.{part}" for part in ("original", "0.lora_B", "0.lora_A")
)


def native_config(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration for transformers' class; of other models as it is.

    :param config: the content of ``config.json``.
    """
    if _CODE not in str(config.get("auto_map")) or config.get("position_embedding_type") != "rotary":
        return config
    base = config.get("rotary_emb_base", 10000.0)
    own = {key: value for key, value in config.items() if key not in ("auto_map", "position_embedding_type")}
    rotary = {"rope_type": "default", "rope_theta": base}
    return {**own, "model_type": "jina_embeddings_v3", "rope_parameters": rotary}


def adapter_names(config: Mapping[str, Any]) -> list[str]:
    """The tasks that the checkpoint has adapters for.

    :param config: as `native_config` gives it.
    """
    names = config.get("lora_adaptations")
    return [str(name) for name in names] if isinstance(names, list) else []


def task_prompts(config: Mapping[str, Any]) -> dict[str, str]:
    """What stands in front of texts, by task.

    :param config: as `native_config` gives it.
    """
    said = config.get("task_instructions")
    return {str(task): str(text) for task, text in said.items()} if isinstance(said, dict) else {}


def with_adapter(
    weights: Mapping[str, Tensor], config: Mapping[str, Any], adapter: str | None, root: Path
) -> dict[str, Tensor]:
    """The tensors of a checkpoint with the adapter for a task merged into them.

    :param weights: all tensors.
    :param config: as `native_config` gives it.
    :param adapter: one of `adapter_names`; None for the weights without any.
    :param root: the folder, for errors.
    :raises ModelError: if an adapter does not fit its weight.
    """
    names = adapter_names(config)
    place = names.index(adapter) if adapter in names else None
    made = {}
    for name, tensor in weights.items():
        if name.endswith((_LEFT, _RIGHT)):
            continue
        stem = name.removesuffix(_ORIGINAL)
        if stem == name:
            made[name] = tensor
            continue
        made[f"{stem}.weight"] = (
            tensor
            if place is None
            else _merged(
                stem, tensor, weights.get(stem + _LEFT), weights.get(stem + _RIGHT), place, config, root
            )
        )
    return made


def _merged(
    stem: str,
    weight: Tensor,
    left: Tensor | None,
    right: Tensor | None,
    place: int,
    config: Mapping[str, Any],
    root: Path,
) -> Tensor:
    rank, alpha = config.get("lora_rank"), config.get("lora_alpha")
    tasks = len(adapter_names(config))
    if (
        left is not None
        and right is not None
        and left.ndim == right.ndim == 3
        and len(left) == len(right) == tasks
    ):
        # Those of tables are stored the other way round.
        first, second = left[place], right[place]
        if first.shape[0] != weight.shape[0]:
            first, second = second, first
        fits = first.shape[1:] == second.shape[:1] == (rank,)
        if (
            fits
            and (first.shape[0], second.shape[1]) == tuple(weight.shape)
            and isinstance(alpha, (int, float))
        ):
            return weight.float() + alpha / second.shape[0] * (first.float() @ second.float())
    raise ModelError(
        f"{root}: the adapters of {stem} do not fit lora_adaptations, lora_rank and lora_alpha of config.json: copy the folder again"
    )
