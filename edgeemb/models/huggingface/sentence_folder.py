"""The files that sentence-transformers adds to a model folder: stages after the body, limits and prompts.

``modules.json`` lists the stages, each with a class name and a folder for its own files. Class names changed
their package between versions, so only the last part counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from edgeemb.errors import ModelError
from edgeemb.files import MAX_CONFIG_BYTES, inside, read_config, read_json
from edgeemb.models.huggingface.checkpoint import read_weights
from edgeemb.models.huggingface.modules import POOLING_MODES, Normalize, Pooling

# The file of max_seq_length: named after the family by old versions of sentence-transformers.
_SENTENCE_CONFIGS = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")

# config.json, key by key, of sentence-transformers' Pooling as it was saved up to version 5.
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "Identity": nn.Identity,
    "Tanh": nn.Tanh,
    "ReLU": nn.ReLU,
    "GELU": nn.GELU,
    "Sigmoid": nn.Sigmoid,
}


def read_stages(folder: Path) -> list[tuple[str, Path]]:
    """The stages that a folder lists, as (class name, folder of its files); none for a plain folder."""
    index = folder / "modules.json"
    if not index.is_file():
        return []
    entries = read_json(index, MAX_CONFIG_BYTES, ModelError)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ModelError(f"{index} is not a list of modules: copy it again")
    stages = [
        (str(entry.get("type", "")).rsplit(".", 1)[-1], inside(folder, entry.get("path", ""), index))
        for entry in entries
    ]
    kinds = [kind for kind, _ in stages if kind != "Dropout"]
    known = {"Dense", "Normalize"}
    if kinds[:1] != ["Transformer"] or (kinds[1:] and (kinds[1] != "Pooling" or set(kinds[2:]) - known)):
        raise ModelError(
            f"{index} chains {' + '.join(kinds)}; supported is Transformer + Pooling (+ Dense, Normalize)"
        )
    return [stage for stage in stages if stage[0] != "Dropout"]


def build_head(
    stages: list[tuple[str, Path]], width: int, *, allow_pickle: bool
) -> tuple[Pooling, nn.Sequential, int]:
    """The modules of the stages after the body.

    :param stages: as ``read_stages`` gives them, without the body; none means average the token vectors.
    :param width: elements of a token vector.
    :param allow_pickle: read a dense layer's pickled checkpoint where there is no safetensors file.
    :return: the pooling, what follows it, and the elements of the resulting vector.
    :raises ModelError: if a stage's files are missing, damaged or of an unknown kind, or sizes do not fit.
    """
    if not stages:
        return Pooling(["mean"]), nn.Sequential(), width
    pooling = _read_pooling(stages[0][1], width)
    width *= len(pooling.modes)
    head = nn.Sequential()
    for kind, folder in stages[1:]:
        if kind == "Normalize":
            head.append(Normalize())
            continue
        linear, activation = _read_dense(folder, allow_pickle)
        if linear.in_features != width:
            raise ModelError(
                f"{folder}: the layer takes {linear.in_features} elements and gets {width}: copy it again"
            )
        head.extend([linear, activation])
        width = linear.out_features
    return pooling, head, width


def _read_pooling(folder: Path, width: int) -> Pooling:
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
    if said != width:
        raise ModelError(
            f"{path} says {said} elements a token, the body gives {width}: copy the folder again"
        )
    return Pooling(modes)


def _read_dense(folder: Path, allow_pickle: bool) -> tuple[nn.Linear, nn.Module]:
    path = folder / "config.json"
    name = str(read_config(path).get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    if name not in _ACTIVATIONS:
        raise ModelError(
            f"{path}: activation {name!r} is not supported; supported are {', '.join(_ACTIVATIONS)}"
        )
    weights = read_weights(folder, allow_pickle=allow_pickle)
    weight, bias = weights.get("linear.weight"), weights.get("linear.bias")
    if weight is None or weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        raise ModelError(f"{folder}: the checkpoint is not that of a dense layer: copy it again")
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.load_state_dict({name.removeprefix("linear."): tensor.float() for name, tensor in weights.items()})
    return linear, _ACTIVATIONS[name]()


def read_settings(root: Path) -> dict[str, Any]:
    """What sentence-transformers says about the body's text: ``max_seq_length`` and ``do_lower_case``.

    :param root: folder of the body.
    :raises ModelError: if the file is damaged.
    """
    paths = (root / f"sentence_{family}_config.json" for family in _SENTENCE_CONFIGS)
    return next((read_config(path) for path in paths if path.is_file()), {})


def read_prompt(folder: Path, pooling: Path) -> str:
    """The text that the model expects in front of each text by default, empty for most models.

    :param folder: the model's folder.
    :param pooling: folder of the pooling stage.
    :raises ModelError: if the prompt takes part in the encoding but not in the pooling: the graph cannot tell
        it apart.
    """
    path = folder / "config_sentence_transformers.json"
    config = read_config(path) if path.is_file() else {}
    prompts = config.get("prompts")
    prompt = prompts.get(config.get("default_prompt_name"), "") if isinstance(prompts, dict) else ""
    if prompt and read_config(pooling / "config.json").get("include_prompt", True) is not True:
        raise ModelError(
            f"{path}: a default prompt that is not pooled is not supported: set default_prompt_name to null"
        )
    return str(prompt or "")
