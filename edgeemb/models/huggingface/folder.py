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
from edgeemb.models.huggingface.adapters import (
    adapter_task,
    class_count,
    find_adapter,
    merged,
    refuse_bare_adapter,
    saved_layers,
)
from edgeemb.models.huggingface.encoder_decoder import (
    EncoderDecoderClassifier,
    is_encoder_decoder_classifier,
)
from edgeemb.models.huggingface.families import Family, family_of
from edgeemb.models.huggingface.flash_roberta import adapter_names, native_config, task_prompts
from edgeemb.models.huggingface.late_interaction import (
    Reading,
    interaction,
    read_reading,
    with_prefixes,
)
from edgeemb.models.huggingface.modules import (
    Pooling,
    SentenceEncoder,
    SequenceClassifier,
    SparseEncoder,
    TextTower,
    TokenEncoder,
    TokenModel,
)
from edgeemb.models.huggingface.next_token import NextToken
from edgeemb.models.huggingface.padding import check_padding, pad_id
from edgeemb.models.huggingface.sentence_files import (
    POOLING,
    SPLADE,
    read_prompts,
    read_settings,
    read_splade,
    read_stages,
)
from edgeemb.models.huggingface.sentence_folder import build_head, build_token_head
from edgeemb.models.huggingface.tokenizer import read_tokenizer
from edgeemb.models.huggingface.transformer import has_types, load_transformer
from edgeemb.models.torch.model import Model, check_finite, find_tables
from edgeemb.models.trained import read_fitted
from edgeemb.quiet import quiet
from edgeemb.tasks.registry import (
    CAUSAL_LM,
    CLASSIFICATION,
    CROSS_ENCODER,
    EMBEDDING,
    MASKED_LM,
    MULTI_VECTOR,
    SPARSE,
    TASKS,
    TOKEN_CLASSIFICATION,
)
from edgeemb.tasks.task import Task

#: Name of the input that says which text of a pair a token belongs to.
TYPES = "token_type_ids"

#: Tokens of the longest text where neither the model nor its files limit it.
DEFAULT_LENGTH = 512

#: Tasks by the stage of sentence-transformers that computes them.
_STAGED = {POOLING: EMBEDDING, SPLADE: SPARSE}
#: Tasks whose classes have names.
_LABELLED = (CLASSIFICATION.name, CROSS_ENCODER.name, TOKEN_CLASSIFICATION.name)
#: Endings of the names of classes that generate text from more than a text, or give more than the next token.
_GENERATES = ("DoubleHeadsModel", "ForConditionalGeneration")


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
    adapter: str | None = None,
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
    :param adapter: which adapter is merged into the weights: one of the model's own, or a folder of peft's; None for that beside the weights, if any.
    :raises ModelError: if something is missing, damaged or of an unknown kind.
    """
    stages = read_stages(folder, route)
    root = stages[0][1] if stages else folder
    if not (root / "config.json").is_file():
        refuse_bare_adapter(root)
        raise ModelError(f"{root} has no config.json: it is not a model folder")
    config = native_config(read_config(root / "config.json"))
    own = adapter_names(config)
    place = root if adapter is None or adapter in own else find_adapter(root, adapter, own)
    layers = saved_layers(place)
    chosen = _task(config, root, stages, task or (adapter_task(place) if adapter and not stages else None))
    classes = class_count(layers)
    if classes is not None and classes != len(config.get("id2label") or ()):
        config = {**config, "id2label": {str(number): f"LABEL_{number}" for number in range(classes)}}
    family = family_of(str(config.get("model_type")))
    if config.get("is_decoder"):
        family = replace(family, added_mask=False)
    settings = read_settings(root) if stages else {}
    if family.tokenizer is not None:
        tokenizer = family.tokenizer(root)
    else:
        tokenizer = read_tokenizer(root, lowercase=settings.get("do_lower_case") is True)
    prompt, prompts = read_prompts(folder, stages)
    prompts = {**task_prompts(config), **prompts}
    # What was trained for a task was trained with its prompt.
    prompt = prompt or prompts.get(adapter or "", "")
    reading = Reading()
    if chosen is MULTI_VECTOR:
        reading = read_reading(folder, root, stages, settings)
        tokenizer, prompts = with_prefixes(reading, tokenizer, prompts)
        settings = {**settings, "max_seq_length": reading.longest or settings.get("max_seq_length")}
    body = load_transformer(
        root, config, family, chosen, adapter=adapter, layers=layers, allow_pickle=allow_pickle
    )
    body = merged(body, place)
    labels = _labels(body, root) if chosen.name in _LABELLED else ()
    if chosen is CLASSIFICATION and len(labels) == 1:
        chosen = CROSS_ENCODER
    elif chosen is CROSS_ENCODER and len(labels) != 1:
        raise ModelError(f"{root} has {len(labels)} classes, a cross-encoder has one: leave `task` out")
    if family.changes is not None:
        family.changes(body)
    word = body.get_input_embeddings().weight
    tables = find_tables(body, known=True, word=word)
    positions = _positions(body, tables)
    longest = _max_length(settings, tokenizer.max_length, positions, max_length)
    # The second text of a pair has another type; single texts are of type 0 throughout.
    types = 0
    if chosen.pairs:
        types = next((table.rows for table in tables if table.role == "type" and table.rows > 1), 0)
    examples = _example_inputs(len(word), longest, types, fixed=family.fixed_length)
    module, pooling = _module(
        body, family, chosen, stages[1:], reading, examples, root, allow_pickle=allow_pickle
    )
    module = module.eval()
    check_finite(module, source)
    axes = ("batch", longest if family.fixed_length else "length")
    outputs = _outputs(module, examples, chosen, axes, root)
    if not (family.vector or family.fixed_length):
        check_padding(module, examples, pad_id(body), root, str(config.get("model_type")))
    rows = family.ids or len(word)
    tokenizer = tokenizer.within(rows, str(root))
    model = Model(
        name=name,
        source=source,
        module=module,
        kind=chosen.name,
        inputs=(
            TensorInfo("input_ids", "int64", axes, table=None if family.ids else "word", rows=rows),
            TensorInfo("attention_mask", "int64", axes),
            *([TensorInfo(TYPES, "int64", axes, table="type", rows=types)] if types else []),
        ),
        outputs=outputs,
        tables=_looked_up(find_tables(module, known=True, word=word), family),
        example_inputs=examples,
        tokenizer_json=tokenizer.tokenizer.to_str(),
        max_length=longest,
        positions=positions,
        pad_id=pad_id(body),
        pooling="+".join(pooling.modes) if pooling else None,
        normalize=bool(stages) and stages[-1][0] == "Normalize",
        labels=() if chosen is CROSS_ENCODER else labels,
        activation=_activation(config, chosen),
        prompt=prompt,
        prompts=prompts,
        mask_id=tokenizer.mask if chosen is MASKED_LM else None,
        interaction=interaction(reading, tokenizer, longest) if chosen is MULTI_VECTOR else None,
    )
    return replace(model, fitted=read_fitted(folder, model))


def _task(config: dict[str, Any], root: Path, stages: Sequence[tuple[str, Path]], asked: str | None) -> Task:
    """What a model is for: what was asked, or what its stages or the name of its class say."""
    if asked is not None and asked not in TASKS:
        raise ModelError(f"task {asked!r} is not known: use {', '.join(TASKS)}")
    names = config.get("architectures") or ["Model"]
    name = str(names[0]) if isinstance(names, list) else ""
    staged = next((task for kind, task in _STAGED.items() if kind in [stage for stage, _ in stages]), None)
    if staged is None and (stages[1:] or name.endswith(MULTI_VECTOR.heads)):
        staged = MULTI_VECTOR
    if asked is not None:
        chosen = TASKS[asked]
        if chosen is not staged and (staged is not None or chosen in (SPARSE, MULTI_VECTOR)):
            raise ModelError(
                f"{root}: the stages of this folder are not for {chosen.title}: leave `task` out, or give the folder of the transformer alone"
            )
        return chosen
    if staged is not None:
        return staged
    # GPT2LMHeadModel is more than a Model.
    ends = {head: task for task in TASKS.values() for head in task.heads if name.endswith(head)}
    if ends and not name.endswith(_GENERATES):
        return ends[max(ends, key=len)]
    how = ""
    if name.endswith(_GENERATES):
        how = ", and edgeemb.load(module, example_inputs=...) takes one pass of it; exports have no loop that generates text"
    raise ModelError(
        f"{root / 'config.json'}: architecture {name!r} is not supported: with task='embedding' its token vectors become one vector per text{how}"
    )


def _module(
    body: Any,
    family: Family,
    task: Task,
    stages: list[tuple[str, Path]],
    reading: Reading,
    examples: tuple[Tensor, ...],
    root: Path,
    *,
    allow_pickle: bool,
) -> tuple[nn.Module, Pooling | None]:
    """The whole model around a transformer, and its pooling if it has one."""
    types, added = has_types(body), family.added_mask
    if task in (CLASSIFICATION, CROSS_ENCODER):
        if is_encoder_decoder_classifier(body):
            return EncoderDecoderClassifier(body), None
        return SequenceClassifier(body, types, added), None
    if task is SPARSE:
        return SparseEncoder(body, *read_splade(stages[0][1]), types, added), None
    if task is CAUSAL_LM:
        return NextToken(body, types, added), None
    if task not in (EMBEDDING, MULTI_VECTOR):
        return TokenModel(body, task.outputs, types, added), None
    if family.vector and not stages:
        return TextTower(body, family.vector, nn.Sequential(), family.fixed_length), None
    plain = TokenEncoder(body, nn.Sequential(), types, added)
    width = _run(plain, examples, root, fixed=family.fixed_length)[0].shape[2]
    if task is MULTI_VECTOR:
        head = build_token_head(
            stages,
            width,
            normalize=reading.normalize,
            matrix=reading.matrix,
            allow_pickle=allow_pickle,
        )
        return TokenEncoder(body, head, types, added), None
    pooling, head = build_head(stages, width, allow_pickle=allow_pickle)
    return SentenceEncoder(body, pooling, head, types, added), pooling


def _run(module: nn.Module, examples: tuple[Tensor, ...], root: Path, *, fixed: bool) -> list[Tensor]:
    """What a module gives for the beginning of one of its examples, which is enough to see its sizes."""
    if not fixed:
        examples = tuple(example[:1, :3] for example in examples)
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
    module: nn.Module, examples: tuple[Tensor, ...], task: Task, axes: tuple[str | int, ...], root: Path
) -> tuple[TensorInfo, ...]:
    known = len(axes) if task.per_token else 1
    return tuple(
        TensorInfo(name, "float32", (*axes[:known], *value.shape[known:]))
        for name, value in zip(
            task.outputs, _run(module, examples, root, fixed=not isinstance(axes[1], str)), strict=True
        )
    )


def _looked_up(tables: tuple[TableInfo, ...], family: Family) -> tuple[TableInfo, ...]:
    """The tables; where every text has the same length, its positions are always the same rows, which are no lookup."""
    if not family.fixed_length:
        return tables
    return tuple(replace(table, role="other") if table.role == "position" else table for table in tables)


def _positions(body: Any, tables: Sequence[TableInfo]) -> int:
    """Length of the longest sequence that the model has positions for; 0 where it sets no limit."""
    said = getattr(body.config, "max_position_embeddings", None)
    said = said if isinstance(said, int) and said > 0 else 0
    table = next((table for table in tables if table.role == "position"), None)
    if table is None:
        return said
    layer = body.get_submodule(table.name.removesuffix(".weight"))
    # Where positions count from the padding id, that is the row which stays zero; where from another row (BART), the configuration says it.
    rows = int(table.rows - (0 if layer.padding_idx is None else layer.padding_idx + 1))
    return min(rows, said) if said else rows


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


def _labels(body: Any, root: Path) -> tuple[str, ...]:
    names = body.config.id2label or {}
    if sorted(int(number) for number in names) != list(range(len(names))) or not names:
        raise ModelError(
            f"{root / 'config.json'}: id2label does not name the classes 0 to {max(len(names) - 1, 0)} one by one: complete it"
        )
    return tuple(str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0])))


def _activation(config: dict[str, Any], task: Task) -> str:
    """What makes probabilities of a classifier's logits, or scores of a cross-encoder's."""
    if task is CROSS_ENCODER:
        said = config.get("sentence_transformers")
        named = said.get("activation_fn") if isinstance(said, dict) else None
        named = named or config.get("sbert_ce_default_activation_function") or "Sigmoid"
        return "sigmoid" if str(named).endswith("Sigmoid") else ""
    if task is CLASSIFICATION:
        return "sigmoid" if config.get("problem_type") == "multi_label_classification" else "softmax"
    return ""


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
