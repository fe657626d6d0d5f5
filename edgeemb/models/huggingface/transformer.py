"""Loading a transformer by transformers' Auto classes, from a configuration and tensors that are not trusted."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn

from edgeemb.errors import ModelError, first_line
from edgeemb.models.huggingface.checkpoint import read_weights
from edgeemb.models.huggingface.families import Family
from edgeemb.models.huggingface.flash_roberta import with_adapter
from edgeemb.quiet import quiet
from edgeemb.tasks.registry import EMBEDDING, MULTI_VECTOR
from edgeemb.tasks.task import Task

# What transformers raises for a configuration or tensors that do not make a model; these have no common base class.
_FAILURES = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    ImportError,
    ZeroDivisionError,
    StrictDataclassError,
)
#: Tasks that take the vectors of tokens as they come.
_STATES = (EMBEDDING, MULTI_VECTOR)
#: Weights of a layer that makes one vector of the first token's, which is not used where token vectors are pooled.
_POOLER = "pooler."
#: Names that an error lists at most.
_NAMED = 3


def load_transformer(
    root: Path,
    config: dict[str, Any],
    family: Family,
    task: Task,
    *,
    adapter: str | None = None,
    layers: Mapping[str, Tensor] | None = None,
    allow_pickle: bool,
) -> transformers.PreTrainedModel:
    """A transformer with the head of a task, on the CPU in float32.

    :param root: its folder.
    :param config: the content of its ``config.json``.
    :param family: what there is to know of its family.
    :param task: what it computes.
    :param adapter: which of the adapters in its checkpoint is merged; None for none of them.
    :param layers: tensors of layers that take the place of those in its checkpoint, by name.
    :param allow_pickle: read a pickled checkpoint where there is no safetensors file.
    :raises ModelError: if transformers has no such model, or its configuration and tensors do not fit each other.
    """
    settings = _settings(root, config)
    kind = _class_for(root, settings, family, task)
    weights = with_adapter(read_weights(root, allow_pickle=allow_pickle), config, adapter, root)
    weights.update(layers or {})
    settings = _own_settings(kind, settings)
    options = {}
    if "add_pooling_layer" in inspect.signature(kind.__init__).parameters and task in _STATES:
        options["add_pooling_layer"] = False
    if getattr(settings, "use_cache", False):
        settings.use_cache = False
    try:
        _check_size(kind, settings, options, weights, root)
        with quiet(), _no_load_report():
            body, report = kind.from_pretrained(
                None,
                config=settings,
                state_dict=weights,
                output_loading_info=True,
                attn_implementation="eager",
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                **options,
            )
    except _FAILURES as error:
        raise ModelError(f"{root}: config.json and the weights do not match ({first_line(error)})") from error
    _check_report(root, report, family, task)
    loaded: transformers.PreTrainedModel = body
    return loaded


def _settings(root: Path, config: dict[str, Any]) -> Any:
    """The configuration as transformers' class for its family."""
    kind = config.get("model_type")
    known = transformers.CONFIG_MAPPING
    if kind in known:
        if str(config.get("position_embedding_type", "")).startswith("relative_key"):
            raise ModelError(
                f"{root / 'config.json'}: position_embedding_type {config['position_embedding_type']!r} is not supported by transformers 5: "
                "pass the model as a torch module, edgeemb.load(module, example_inputs=...)"
            )
        try:
            return known[kind].from_dict(config)
        except _FAILURES as error:
            raise ModelError(
                f"{root / 'config.json'} is not a configuration of {kind} ({first_line(error)}): copy it again"
            ) from error
    if "auto_map" in config:
        raise ModelError(
            f"{root / 'config.json'}: model_type {kind!r} comes with Python code of its own (auto_map), which edgeemb does not run: load the model "
            "yourself (trust_remote_code=True) and pass its torch module, edgeemb.load(module, example_inputs=...)"
        )
    raise ModelError(
        f"{root / 'config.json'}: model_type {kind!r} is not one that transformers {transformers.__version__} knows: update transformers, or pass "
        "the model as a torch module, edgeemb.load(module, example_inputs=...)"
    )


def _class_for(root: Path, settings: Any, family: Family, task: Task) -> Any:
    """transformers' class for a family and a task."""
    if task in _STATES and family.encoder:
        return getattr(transformers, family.encoder)
    for auto in task.autos:
        mapping = getattr(transformers, auto)._model_mapping
        if type(settings) in mapping:
            found = mapping[type(settings)]
            return found[0] if isinstance(found, Sequence) else found
    raise ModelError(
        f"{root / 'config.json'}: transformers has no model of type {settings.model_type!r} for {task.title}: choose another `task`"
    )


def _own_settings(kind: Any, settings: Any) -> Any:
    """The part of a configuration that a class is made from: that of the text, where a model has several parts."""
    own = kind.config_class
    if own is None or isinstance(settings, own):
        return settings
    text = settings.get_text_config()
    return text if isinstance(text, own) else settings


def _check_size(
    kind: Any, settings: Any, options: dict[str, bool], weights: dict[str, Tensor], root: Path
) -> None:
    """Refuse a config far larger than the checkpoint, before memory is allocated for it."""
    held = sum(tensor.numel() for tensor in weights.values())
    layers = getattr(settings, "num_hidden_layers", None) or 0
    if layers <= len(weights):
        with torch.device("meta"):
            asked = sum(parameter.numel() for parameter in kind(settings, **options).parameters())
        if asked <= 2 * held:
            return
    raise ModelError(
        f"{root / 'config.json'} describes a far larger model than the checkpoint holds: copy it again"
    )


def _check_report(root: Path, report: dict[str, Any], family: Family, task: Task) -> None:
    """Refuse a checkpoint that lacks tensors, or has some of other shapes."""
    wrong = sorted(report.get("mismatched_keys", ()))
    if wrong:
        listed = ", ".join(
            f"{name} {list(held)} instead of {list(asked)}" for name, held, asked in wrong[:_NAMED]
        )
        raise ModelError(
            f"{root}: {len(wrong)} tensors of the checkpoint do not fit config.json ({listed}): copy both again"
        )
    needless = task in _STATES and not family.vector
    missing = sorted(name for name in report["missing_keys"] if not (needless and name.startswith(_POOLER)))
    if missing:
        raise ModelError(
            f"{root}: the checkpoint lacks {len(missing)} weights, the first is {missing[0]}: copy it again"
        )


@contextmanager
def _no_load_report() -> Iterator[None]:
    """Without transformers' progress bar and load report: anything that matters is raised as an error."""
    log: Any = transformers.utils.logging
    level, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bar:
            log.enable_progress_bar()


def has_types(body: nn.Module) -> bool:
    """Whether a model looks up the type of each token.

    :param body: the model.
    """
    tables = (name for name, layer in body.named_modules() if isinstance(layer, nn.Embedding))
    takes = "token_type_ids" in inspect.signature(body.forward).parameters
    return takes and any(name.endswith("token_type_embeddings") for name in tables)
