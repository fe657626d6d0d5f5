"""Writing a trained model as the folder that Hugging Face and sentence-transformers know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from edgeemb.errors import ModelError
from edgeemb.models.huggingface.modules import Dense, Normalize, SentenceEncoder, SequenceClassifier
from edgeemb.models.torch.model import Model
from edgeemb.quiet import quiet

#: What transformers calls the special tokens, and the texts that the families have for them.
_SPECIAL = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}


def save_model(model: Model, folder: Path) -> None:
    """Write a model's weights, configuration and tokenizer, and the stages of a sentence encoder.

    :param model: a sentence encoder or a sequence classifier, in float32 with plain tables.
    :param folder: an existing folder.
    :raises ModelError: if it is neither.
    """
    module = model.module
    if not isinstance(module, (SentenceEncoder, SequenceClassifier)) or not isinstance(
        module.body, PreTrainedModel
    ):
        raise ModelError(f"{model.name} is not a transformer that can be saved as a folder")
    body = module.body
    body.config.vocab_size = model.word_table.rows
    if model.labels:
        body.config.id2label = dict(enumerate(model.labels))
        body.config.label2id = {label: number for number, label in enumerate(model.labels)}
    body.config.architectures = [type(body).__name__]
    body.config.save_pretrained(folder)
    # Not save_pretrained of the whole: it draws progress bars.
    weights = {name: value.detach().contiguous() for name, value in body.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with quiet():
        _save_tokenizer(model, folder)
    if isinstance(module, SentenceEncoder):
        _save_stages(model, module, folder)


def _save_tokenizer(model: Model, folder: Path) -> None:
    tokenizer = Tokenizer.from_str(model.tokenizer_json or "")
    vocabulary = tokenizer.get_vocab()
    special = {
        name: next((text for text in texts if text in vocabulary), None) for name, texts in _SPECIAL.items()
    }
    known = {name: text for name, text in special.items() if text is not None}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=model.max_length, **known
    ).save_pretrained(folder)
    # transformers reorders the file; ours is the one that ids come from.
    (folder / "tokenizer.json").write_text(model.tokenizer_json or "", "utf-8")


def _save_stages(model: Model, encoder: SentenceEncoder, folder: Path) -> None:
    width = int(encoder.body.config.hidden_size)  # type: ignore[union-attr, arg-type]
    stages: list[tuple[str, str]] = [("", "Transformer"), ("1_Pooling", "Pooling")]
    flags = {f"pooling_mode_{mode}": False for mode in _POOLING_NAMES.values()}
    flags |= {f"pooling_mode_{_POOLING_NAMES[mode]}": True for mode in encoder.pooling.modes}
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width, **flags})
    layers = list(encoder.head)
    while layers:
        layer = layers.pop(0)
        if isinstance(layer, nn.Linear):
            follows = layers and not isinstance(layers[0], (nn.Linear, Dense, nn.LayerNorm, Normalize))
            layer = Dense(layer, layers.pop(0) if follows else nn.Identity(), None)
        kind = type(layer).__name__  # of `edgeemb.models.huggingface.sentence_files.HEADS`
        place = f"{len(stages)}_{kind}"
        stages.append((place, kind))
        if isinstance(layer, Dense):
            _save_dense(folder / place, layer)
        elif isinstance(layer, nn.LayerNorm):
            _write(folder / place / "config.json", {"dimension": layer.normalized_shape[0]})
            _save(folder / place, {"norm": layer})
    _write(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate(stages)
        ],
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": model.max_length, "do_lower_case": False})
    if model.prompt or model.prompts:
        named = next((name for name, text in model.prompts.items() if text == model.prompt), None)
        name = named or ("default" if model.prompt else None)
        held = {**model.prompts, **({name: model.prompt} if name else {})}
        prompts = {"prompts": held, "default_prompt_name": name if model.prompt else None}
        _write(folder / "config_sentence_transformers.json", prompts)


#: Ends of the flags in a pooling's configuration, by the names of `edgeemb.models.huggingface.modules.POOLING_MODES`.
_POOLING_NAMES = {
    "cls": "cls_token",
    "max": "max_tokens",
    "mean": "mean_tokens",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean": "weightedmean_tokens",
    "lasttoken": "lasttoken",
}


def _save_dense(folder: Path, layer: Dense) -> None:
    kind = type(layer.activation)
    config = {
        "in_features": layer.linear.in_features,
        "out_features": layer.linear.out_features,
        "bias": layer.linear.bias is not None,
        "activation_function": f"{kind.__module__}.{kind.__qualname__}",
    }
    if layer.beside is not None:
        config["use_residual"] = True
    _write(folder / "config.json", config)
    _save(folder, {"linear": layer.linear, "residual": layer.beside})


def _save(folder: Path, parts: dict[str, nn.Module | None]) -> None:
    """Write the weights of a stage's parts."""
    tensors = {
        f"{place}.{name}": value.detach().contiguous()
        for place, part in parts.items()
        if part is not None
        for name, value in part.named_parameters()
    }
    save_file(tensors, folder / "model.safetensors")


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
