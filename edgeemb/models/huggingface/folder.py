"""Models from Hugging Face and sentence-transformers folders: whatever transformers' Auto classes load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.errors import ModelError, first_line
from edgeemb.files import read_config
from edgeemb.models.base import TableInfo, TensorInfo
from edgeemb.models.huggingface.adapters import merged, refuse_bare_adapter
from edgeemb.models.huggingface.families import Family, family_of
from edgeemb.models.huggingface.modules import Pooling, SentenceEncoder, SequenceClassifier, TextTower
from edgeemb.models.huggingface.sentence_files import read_prompt, read_settings, read_stages
from edgeemb.models.huggingface.sentence_folder import build_head
from edgeemb.models.huggingface.tokenizer import read_tokenizer
from edgeemb.models.huggingface.transformer import has_types, load_transformer
from edgeemb.models.torch_model import Model, check_finite, find_tables
from edgeemb.models.trained import read_fitted
from edgeemb.quiet import quiet
from edgeemb.tasks.registry import CLASSIFICATION, EMBEDDING, TASKS
from edgeemb.tasks.task import Task

#: Name of the input that says which text of a pair a token belongs to.
TYPES = "token_type_ids"

#: Tokens of the longest text where neither the model nor its files limit it.
DEFAULT_LENGTH = 512


@quiet()
def load_folder(
    folder: Path,
    *,
    source: str,
    name: str,
    allow_pickle: bool = False,
    max_length: int | None = None,
    task: str | None = None,
    route: str | None = None,
) -> Model:
    """Load a Hugging Face or sentence-transformers folder.

    A folder without ``modules.json`` is a classifier if its config says so; otherwise its token vectors
    are averaged and not normalised, which is what sentence-transformers does with such a folder.

    :param folder: the folder.
    :param source: what the user called it.
    :param name: name of the model.
    :param allow_pickle: read a pickled checkpoint where there is no safetensors file.
    :param max_length: tokens of the longest text; None for what the configuration says.
    :param task: name of the task; None for the one that the folder is for.
    :param route: which route of a model of several; None for its default.
    :raises ModelError: if something is missing, damaged or of an unknown kind.
    """
    stages = read_stages(folder, route)
    root = stages[0][1] if stages else folder
    if not (root / "config.json").is_file():
        refuse_bare_adapter(root)
        raise ModelError(f"{root} has no config.json: it is not a model folder")
    config = read_config(root / "config.json")
    chosen = _task(config, root, stages, task)
    family = family_of(str(config.get("model_type")))
    if family.mixes_padding:
        raise ModelError(
            f"{root / 'config.json'}: a model of type {config['model_type']!r} reads the padding of a text like the text, so that batches change its "
            "vectors: pass it as a torch module, edgeemb.load(module, example_inputs=...)"
        )
    if config.get("is_decoder"):
        family = replace(family, added_mask=False)
    settings = read_settings(root) if stages else {}
    tokenizer = read_tokenizer(root, lowercase=settings.get("do_lower_case") is True)
    body = merged(load_transformer(root, config, family, chosen, allow_pickle=allow_pickle), root)
    word = body.get_input_embeddings().weight
    tables = find_tables(body, known=True, word=word)
    positions = _positions(body, tables)
    longest = _max_length(settings, tokenizer.max_length, positions, max_length)
    length = longest if family.fixed_length else "length"
    # A classifier may be one of pairs, whose second text has another type; single texts are of type 0 throughout.
    types = 0
    if chosen is CLASSIFICATION:
        types = next((table.rows for table in tables if table.role == "type" and table.rows > 1), 0)
    examples = _example_inputs(len(word), longest, types, fixed=family.fixed_length)
    module, pooling = _module(body, family, chosen, stages[1:], examples, root, allow_pickle=allow_pickle)
    module = module.eval()
    check_finite(module, source)
    tables = find_tables(module, known=True, word=word)
    tokenizer = tokenizer.within(len(word), str(root))
    labels = _labels(body) if chosen is CLASSIFICATION else ()
    axes = ("batch", length)
    model = Model(
        name=name,
        source=source,
        module=module,
        kind=chosen.name,
        inputs=(
            TensorInfo("input_ids", "int64", axes, table="word", rows=len(word)),
            TensorInfo("attention_mask", "int64", axes),
            *([TensorInfo(TYPES, "int64", axes, table="type", rows=types)] if types else []),
        ),
        outputs=_outputs(module, examples, chosen, root),
        tables=tables,
        example_inputs=examples,
        tokenizer_json=tokenizer.tokenizer.to_str(),
        max_length=longest,
        positions=positions,
        pad_id=int(body.config.pad_token_id or 0),
        pooling="+".join(pooling.modes) if pooling else None,
        normalize=bool(stages) and stages[-1][0] == "Normalize",
        labels=labels,
        prompt=read_prompt(folder, stages),
    )
    return replace(model, fitted=read_fitted(folder, model))


def _task(config: dict[str, Any], root: Path, stages: Sequence[tuple[str, Path]], asked: str | None) -> Task:
    """What a model is for: what was asked, or what its stages or the name of its class say."""
    if asked is not None:
        if asked not in TASKS:
            raise ModelError(f"task {asked!r} is not known: use {', '.join(TASKS)}")
        return TASKS[asked]
    if stages[1:]:
        return EMBEDDING
    names = config.get("architectures") or ["Model"]
    name = str(names[0]) if isinstance(names, list) else ""
    for task in TASKS.values():
        if name.endswith(task.heads):
            return task
    raise ModelError(
        f"{root / 'config.json'}: architecture {name!r} is not supported: with task='embedding' its token vectors become one vector per text"
    )


def _module(
    body: Any,
    family: Family,
    task: Task,
    stages: list[tuple[str, Path]],
    examples: tuple[Tensor, ...],
    root: Path,
    *,
    allow_pickle: bool,
) -> tuple[nn.Module, Pooling | None]:
    """The whole model around a transformer, and its pooling if it has one."""
    types = has_types(body)
    if task is CLASSIFICATION:
        return SequenceClassifier(body, types, family.added_mask), None
    if family.vector and not stages:
        return TextTower(body, family.vector, nn.Sequential(), family.fixed_length), None
    plain = SentenceEncoder(body, Pooling(["mean"]), nn.Sequential(), types, family.added_mask)
    width = _run(plain, examples, root)[0].shape[1]
    pooling, head, _ = build_head(stages, width, allow_pickle=allow_pickle)
    return SentenceEncoder(body, pooling, head, types, family.added_mask), pooling


def _run(module: nn.Module, examples: tuple[Tensor, ...], root: Path) -> list[Tensor]:
    """What a module gives for its examples."""
    try:
        with torch.no_grad():
            found = module.eval()(*examples)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{root}: the model does not run on ids and a mask alone ({first_line(error)}): pass its torch module, "
            "edgeemb.load(module, example_inputs=...)"
        ) from error
    return list(found) if isinstance(found, (tuple, list)) else [found]


def _outputs(
    module: nn.Module, examples: tuple[Tensor, ...], task: Task, root: Path
) -> tuple[TensorInfo, ...]:
    found = _run(module, examples, root)
    return tuple(
        TensorInfo(name, "float32", ("batch", *value.shape[1:]))
        for name, value in zip(task.outputs, found, strict=True)
    )


def _positions(body: Any, tables: Sequence[TableInfo]) -> int:
    """Length of the longest sequence that the model has positions for; 0 where it sets no limit."""
    table = next((table for table in tables if table.role == "position"), None)
    if table is not None:
        layer = body.get_submodule(table.name.removesuffix(".weight"))
        # Where positions count from the padding id, that is the row which stays zero.
        return int(table.rows - (0 if layer.padding_idx is None else layer.padding_idx + 1))
    said = getattr(body.config, "max_position_embeddings", None)
    return int(said) if isinstance(said, int) and said > 0 else 0


def _max_length(settings: dict[str, Any], noted: int | None, positions: int, asked: int | None) -> int:
    if asked is not None:
        if asked < 3 or asked > (positions or asked):
            raise ModelError(
                f"max_length {asked} is outside [3, {positions or 'any'}], for which the model has positions"
            )
        return asked
    said = settings.get("max_seq_length") or noted
    length = int(said) if isinstance(said, (int, float)) and said >= 3 else positions or DEFAULT_LENGTH
    return min(length, positions) if positions else length


def _labels(body: Any) -> tuple[str, ...]:
    names = body.config.id2label or {}
    return tuple(str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0])))


def _example_inputs(rows: int, longest: int, types: int, *, fixed: bool) -> tuple[Tensor, ...]:
    """Two texts of different length; the ids are any that the table has, the second half of each text is of another type."""
    length = longest if fixed else min(8, longest)
    ids = torch.arange(2 * length).reshape(2, length) % rows
    mask = torch.ones_like(ids)
    mask[1, length // 2 + 1 :] = 0
    if not types:
        return ids, mask
    kinds = torch.zeros_like(ids)
    kinds[:, length // 2 :] = 1
    return ids, mask, kinds
