"""Tiny random models of every family, saved the way transformers and sentence-transformers save them.

Each factory writes a folder and returns its path. Weights depend on the seed only. The tokenizers know single
letters and the words of ``WORDS``, so that any lower-case text can be encoded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from string import ascii_lowercase
from typing import Any, cast

import onnxruntime
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedModel

from edgeemb.models.torch_model import Model

WORDS = ("the", "cat", "sat", "on", "mat", "and", "ran", "away", "##ed", "##ing")
TEXTS = ["the cat sat on the mat", "a cat", "and the cats ran away from the mat"]
FAMILIES = ("bert", "distilbert", "mpnet", "roberta", "xlm-roberta")
HIDDEN = 16
POSITIONS = 40

_CONFIGS: dict[str, Callable[..., Any]] = {
    "bert": transformers.BertConfig,
    "distilbert": transformers.DistilBertConfig,
    "mpnet": transformers.MPNetConfig,
    "roberta": transformers.RobertaConfig,
    "xlm-roberta": transformers.XLMRobertaConfig,
}
_CLASSES = {
    "bert": "Bert",
    "distilbert": "DistilBert",
    "mpnet": "MPNet",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
}


def tiny_tokenizer(family: str) -> Tokenizer:
    """A tokenizer of the algorithm that the family uses: WordPiece, byte-level BPE or Unigram."""
    if family == "roberta":
        return _bpe()
    if family == "xlm-roberta":
        return _unigram()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if family == "mpnet":
        specials = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
    first, last = ("<s>", "</s>") if family == "mpnet" else ("[CLS]", "[SEP]")
    pieces = [*specials, *WORDS, *ascii_lowercase, *(f"##{letter}" for letter in ascii_lowercase)]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return _finish(tokenizer, specials, first, last)


def _bpe() -> Tokenizer:
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    merges = [
        ("t", "h"),
        ("th", "e"),
        ("a", "t"),
        ("c", "at"),
        ("Ġ", "the"),
        ("Ġ", "cat"),
        ("i", "n"),
        ("in", "g"),
    ]
    pieces = [*specials, "Ġ", *ascii_lowercase, *("".join(pair) for pair in merges)]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    return _finish(tokenizer, specials, "<s>", "</s>")


def _unigram() -> Tokenizer:
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    words = [f"▁{word}" for word in WORDS if not word.startswith("##")]
    vocab = [(piece, 0.0) for piece in specials]
    vocab += [(piece, -float(i + 2)) for i, piece in enumerate([*words, "▁", *ascii_lowercase])]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _finish(tokenizer, specials, "<s>", "</s>")


def _finish(tokenizer: Tokenizer, specials: list[str], first: str, last: str) -> Tokenizer:
    tokenizer.add_special_tokens(specials)
    ends = [(token, tokenizer.token_to_id(token)) for token in (first, last)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", pair=f"{first} $A {last} $B:1 {last}:1", special_tokens=ends
    )
    return tokenizer


def tiny_config(family: str, **options: Any) -> transformers.PreTrainedConfig:
    """A configuration of two layers; its vocabulary is that of ``tiny_tokenizer``.

    :param options: replace or add fields.
    """
    tokenizer = tiny_tokenizer(family)
    pad = "[PAD]" if family in ("bert", "distilbert") else "<pad>"
    common: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": POSITIONS,
        "pad_token_id": tokenizer.token_to_id(pad),
        "initializer_range": 0.3,
    }
    if family == "distilbert":
        sizes = {"dim": HIDDEN, "hidden_dim": 32, "n_layers": 2, "n_heads": 2}
    else:
        sizes = {
            "hidden_size": HIDDEN,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        }
    config: transformers.PreTrainedConfig = _CONFIGS[family](**{**common, **sizes, **options})
    return config


def tiny_model(family: str, head: str = "Model", seed: int = 0, **options: Any) -> PreTrainedModel:
    """A random transformers model in evaluation mode.

    :param family: one of ``FAMILIES``.
    :param head: what follows the family in the class's name, such as ``ForSequenceClassification``.
    :param options: fields of the configuration.
    """
    torch.manual_seed(seed)
    model: Any = getattr(transformers, _CLASSES[family] + head)(tiny_config(family, **options))
    model.eval()
    return cast(PreTrainedModel, model)


def save_plain(
    folder: Path, family: str = "bert", head: str = "Model", seed: int = 0, **options: Any
) -> Path:
    """A Hugging Face folder: config.json, model.safetensors, tokenizer.json.

    :param folder: to be created.
    :param family: one of ``FAMILIES``.
    :param head: see ``tiny_model``.
    :param options: fields of the configuration, such as ``id2label``.
    """
    tiny_model(family, head, seed, **options).save_pretrained(folder)
    tiny_tokenizer(family).save(str(folder / "tokenizer.json"))
    return folder


def save_sentence(
    folder: Path,
    family: str = "bert",
    *,
    pooling: dict[str, Any] | None = None,
    normalize: bool = True,
    dense: int | None = None,
    max_seq_length: int | None = None,
    seed: int = 0,
) -> Path:
    """A sentence-transformers folder.

    :param folder: to be created.
    :param pooling: ``config.json`` of the pooling; mean in the old form by default.
    :param normalize: end with a normalisation.
    :param dense: outputs of a dense layer with tanh between pooling and normalisation; None for no such
        layer.
    :param max_seq_length: written into ``sentence_bert_config.json`` if given.
    """
    save_plain(folder, family, seed=seed)
    pooling = pooling or {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True}
    stages = [("", "Transformer"), ("1_Pooling", "Pooling")]
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    if dense is not None:
        stages.append((f"{len(stages)}_Dense", "Dense"))
        _save_dense(folder / stages[-1][0], pooled_width(pooling), dense)
    if normalize:
        stages.append((f"{len(stages)}_Normalize", "Normalize"))
    entries = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(stages)
    ]
    _write_json(folder / "modules.json", entries)
    if max_seq_length is not None:
        _write_json(
            folder / "sentence_bert_config.json", {"max_seq_length": max_seq_length, "do_lower_case": False}
        )
    return folder


def pooled_width(pooling: dict[str, Any]) -> int:
    """Elements of the vector that a pooling configuration gives for ``HIDDEN`` elements a token."""
    modes = pooling.get("pooling_mode")
    if modes is None:
        return HIDDEN * sum(
            value is True for key, value in pooling.items() if key.startswith("pooling_mode_")
        )
    return HIDDEN * (1 if isinstance(modes, str) else len(modes))


def _save_dense(folder: Path, inputs: int, outputs: int) -> None:
    activation = "torch.nn.modules.activation.Tanh"
    config = {"in_features": inputs, "out_features": outputs, "bias": True, "activation_function": activation}
    _write_json(folder / "config.json", config)
    random = torch.Generator().manual_seed(7)
    weight = torch.randn(outputs, inputs, generator=random)
    save_file({"linear.weight": weight, "linear.bias": weight[:, 0].clone()}, folder / "model.safetensors")


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def encode_texts(tokenizer_json: str, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of some texts, padded to the longest: int64[batch, length] each."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]") or tokenizer.token_to_id("<pad>") or 0)
    encodings = tokenizer.encode_batch(texts)
    ids = torch.tensor([encoding.ids for encoding in encodings])
    return ids, torch.tensor([encoding.attention_mask for encoding in encodings])


def run(model: Model, texts: list[str]) -> torch.Tensor:
    """What torch computes for some texts."""
    assert model.tokenizer_json is not None
    with torch.no_grad():
        result: torch.Tensor = model.module(*encode_texts(model.tokenizer_json, texts))
    return result


def onnx_session(model: Model, path: Path) -> onnxruntime.InferenceSession:
    """The uncompressed model as torch's own exporter writes it, opened.

    :param path: file to write.
    """
    program = torch.onnx.export(
        model.module,
        model.example_inputs,
        dynamo=True,
        opset_version=18,
        dynamic_shapes=model.dynamic_shapes(),
        input_names=[info.name for info in model.inputs],
        verbose=False,
    )
    assert program is not None
    program.save(path)
    return onnxruntime.InferenceSession(path)


class Recommender(torch.nn.Module):
    """Two tables, one shared with the output layer: a user and a history give a score per item.

    :param users: rows of the user table.
    :param items: rows of the item table.
    :param dim: columns of both.
    """

    def __init__(self, users: int = 50, items: int = 30, dim: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.user = torch.nn.Embedding(users, dim)
        self.item = torch.nn.Embedding(items, dim)
        self.score = torch.nn.Linear(dim, items, bias=False)
        self.score.weight = self.item.weight

    def forward(self, user: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
        """:param user: int64[batch]. :param history: int64[batch, length]. :return: float32[batch, items]."""
        scores: torch.Tensor = self.score(self.user(user) + self.item(history).mean(dim=1))
        return scores
