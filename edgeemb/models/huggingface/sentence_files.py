"""The files that sentence-transformers adds to a model folder: stages after the body, limits and prompts.

``modules.json`` lists the stages, each with a class name and a folder for its own files. Class names changed
their package between versions, so only the last part counts. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeemb.errors import ModelError
from edgeemb.files import MAX_CONFIG_BYTES, inside, read_config, read_json
from edgeemb.models.base import POOLING_MODES

# The file of max_seq_length: named after the family by old versions of sentence-transformers.
_SENTENCE_CONFIGS = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")

#: Stages of which one of several chains is taken.
ROUTERS = ("Router", "Asym")
#: One vector of the vectors of tokens; one weight per token of the vocabulary; which tokens are compared.
POOLING, SPLADE, MASKING = "Pooling", "SpladePooling", "MultiVectorMask"
#: Stages that may follow the pooling, or without one change each token's vector, in any order.
HEADS = frozenset({"Dense", "LayerNorm", "Normalize"})
_ROUTER_CONFIGS = ("router_config.json", "config.json")

# config.json, key by key, of sentence-transformers' Pooling as it was saved up to version 5.
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def read_stages(folder: Path, route: str | None = None) -> list[tuple[str, Path]]:
    """The stages that a folder lists, as (class name, folder of its files); none for a plain folder.

    :param folder: the folder.
    :param route: which route to take where the stages part, as those for queries and for documents may; None for the default one.
    :raises ModelError: if the list is damaged, the stages do not follow each other as they must, or there is no such route.
    """
    index = folder / "modules.json"
    if not index.is_file():
        _refuse_route(folder, route)
        return []
    entries = read_json(index, MAX_CONFIG_BYTES, ModelError)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ModelError(f"{index} is not a list of modules: copy it again")
    stages = [
        (_class_name(entry.get("type")), inside(folder, entry.get("path", ""), index)) for entry in entries
    ]
    if not any(kind in ROUTERS for kind, _ in stages):
        _refuse_route(folder, route)
    stages = [
        one
        for kind, path in stages
        for one in (_on_route(path, route) if kind in ROUTERS else [(kind, path)])
        if one[0] != "Dropout"
    ]
    kinds = [kind for kind, _ in stages]
    if kinds[:1] not in (["Transformer"], ["MLMTransformer"]) or not _follow(kinds[1:]):
        heads = ", ".join(sorted(HEADS))
        raise ModelError(
            f"{index} chains {' + '.join(kinds)}; supported is Transformer + Pooling (+ {heads}), Transformer + SpladePooling, and Transformer + "
            f"{heads} (+ MultiVectorMask) for a vector per token"
        )
    return stages


def _follow(kinds: Sequence[str]) -> bool:
    """Whether stages may follow a transformer."""
    if kinds[:1] == [SPLADE]:
        return len(kinds) == 1
    if kinds[:1] == [POOLING]:
        return not set(kinds[1:]) - HEADS
    return not set(kinds) - HEADS - {MASKING} and kinds.count(MASKING) <= 1


def _class_name(said: Any) -> str:
    return str(said or "").rsplit(".", 1)[-1]


def _refuse_route(folder: Path, route: str | None) -> None:
    if route is not None:
        raise ModelError(f"{folder} has one route only, so there is none to choose: leave `route` out")


def _on_route(folder: Path, route: str | None) -> list[tuple[str, Path]]:
    """The stages of one route of a Router (or Asym, as it was called before version 5)."""
    path = next((folder / name for name in _ROUTER_CONFIGS if (folder / name).is_file()), None)
    if path is None:
        raise ModelError(f"{folder} has no {_ROUTER_CONFIGS[0]}: copy the whole folder")
    config = read_config(path)
    structure, types, given = (config.get(key) for key in ("structure", "types", "parameters"))
    if not isinstance(structure, dict) or not isinstance(types, dict) or not structure:
        raise ModelError(f"{path} lists no routes: copy it again")
    default = given.get("default_route") if isinstance(given, dict) else None
    chosen = route if route is not None else default
    if chosen not in structure:
        what = "names no default" if chosen is None else f"has no route {chosen!r}"
        raise ModelError(f"{path} {what}: choose one with `route`, of {', '.join(map(str, structure))}")
    names = structure[chosen]
    if not isinstance(names, list) or not all(isinstance(name, str) and name in types for name in names):
        raise ModelError(f"{path} lists modules without a type: copy it again")
    return [(_class_name(types[name]), inside(folder, name, path)) for name in names]


def read_pooling(folder: Path, width: int | None = None) -> tuple[str, ...]:
    """The pooling modes of a stage.

    :param folder: folder of the stage.
    :param width: elements of a token vector, to check what the file says; None where it is not known.
    :raises ModelError: if the file is damaged, names an unknown mode or does not fit.
    """
    path = folder / "config.json"
    config = read_config(path)
    modes = config.get("pooling_mode")  # from version 5 on a name or a list of names
    if modes is None:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag) is True]
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes or not all(mode in POOLING_MODES for mode in modes):
        raise ModelError(
            f"{path}: pooling {modes!r} is not supported; supported are {', '.join(POOLING_MODES)}"
        )
    said = config.get("embedding_dimension", config.get("word_embedding_dimension", width))
    if width is not None and said != width:
        raise ModelError(
            f"{path} says {said} elements per token, but the body gives {width}: copy the folder again"
        )
    return tuple(modes)


def read_settings(root: Path) -> dict[str, Any]:
    """What sentence-transformers says about the body's text: ``max_seq_length`` and ``do_lower_case``.

    :param root: folder of the body.
    :raises ModelError: if the file is damaged.
    """
    paths = (root / f"sentence_{family}_config.json" for family in _SENTENCE_CONFIGS)
    return next((read_config(path) for path in paths if path.is_file()), {})


def read_splade(folder: Path) -> tuple[str, int]:
    """How the logits of a masked language model become weights.

    :param folder: folder of the stage.
    :return: ``max`` or ``sum``, and how often the logarithm is taken.
    :raises ModelError: if the file is damaged or names something else.
    """
    path = folder / "config.json"
    config = read_config(path)
    pooling = config.get("pooling_strategy", "max")
    activation = config.get("activation_function", "relu")
    times = {"relu": 1, "log1p_relu": 2}.get(activation)
    if pooling not in ("max", "sum") or times is None:
        raise ModelError(
            f"{path}: pooling {pooling!r} with activation {activation!r} is not known: use max or sum, and relu or log1p_relu"
        )
    return pooling, times


def read_prompts(folder: Path, stages: Sequence[tuple[str, Path]]) -> tuple[str, dict[str, str]]:
    """The texts that the model expects in front of each text: that of the default, empty for most models, and all of them by name.

    :param folder: the model's folder.
    :param stages: its stages.
    :raises ModelError: if prompts take part in the encoding but not in the pooling: the graph cannot tell
        them apart.
    """
    path = folder / "config_sentence_transformers.json"
    config = read_config(path) if path.is_file() else {}
    said = config.get("prompts")
    prompts = {str(name): str(text or "") for name, text in said.items()} if isinstance(said, dict) else {}
    default = prompts.get(str(config.get("default_prompt_name")), "")
    pooled = [place for kind, place in stages if kind == POOLING]
    if any(read_config(place / "config.json").get("include_prompt", True) is not True for place in pooled):
        if default:
            raise ModelError(
                f"{path}: a default prompt that is not pooled is not supported: set default_prompt_name to null"
            )
        prompts = {name: text for name, text in prompts.items() if not text}
    return default, prompts
