"""The files that sentence-transformers adds to a model folder: stages after the body, limits and prompts.

``modules.json`` lists the stages, each with a class name and a folder for its own files. Class names changed
their package between versions, so only the last part counts. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeemb.errors import ModelError
from edgeemb.files import MAX_CONFIG_BYTES, inside, read_config, read_json
from edgeemb.models.base import POOLING_MODES

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
