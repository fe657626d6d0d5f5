"""Models without a vocabulary: the bytes of words go in, and the first layer computes their rows (`edgeemb.tables.ngrams`).

A folder of such a model holds ``config.json`` (a BERT of transformers), ``model.safetensors`` (the weights of a `WordsModel`) and
``edgeemb.json`` (the tokenizer, the form of the rows, pooling and length).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import save_file
from torch import Tensor, nn

from edgeemb.errors import ModelError, SpecError
from edgeemb.files import read_config
from edgeemb.models.base import POOLING_MODES, TensorInfo
from edgeemb.models.huggingface.checkpoint import read_weights
from edgeemb.models.huggingface.modules import (
    Normalize,
    Pooling,
    SentenceEncoder,
    SequenceClassifier,
)
from edgeemb.models.torch.model import Model, check_finite, find_tables
from edgeemb.models.trained import INDEX
from edgeemb.quiet import quiet
from edgeemb.text import words
from edgeemb.text.words import RowForm
from edgeemb.torch_tables.ops import LIBRARY

_SCHEMA = 1
_CLASSIFIER = "BertForSequenceClassification"
_ENCODER = "BertModel"


class WordRows(nn.Module):
    """Rows of tokens that are given as their bytes; only a few constants are stored, which are drawn from the form.

    :param form: how rows are computed.
    """

    seeds: Tensor
    bases: Tensor
    #: The op exists for as long as the library does.
    library = LIBRARY

    def __init__(self, form: RowForm) -> None:
        super().__init__()
        self.form = form
        for name, array in form.arrays().items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    def forward(self, token_bytes: Tensor) -> Tensor:
        """:param token_bytes: uint8[..., width], zeros behind each token. :return: float32[..., dim]."""
        rows: Tensor = torch.ops.edgeemb.ngram_bytes(token_bytes, self.seeds, self.bases, self.form.n)
        return rows


class WordsModel(nn.Module):
    """Token bytes and mask in, a vector or logits per text out.

    :param form: how rows are computed.
    :param inner: what takes the rows; its body has no word table.
    """

    def __init__(self, form: RowForm, inner: SentenceEncoder | SequenceClassifier) -> None:
        super().__init__()
        self.rows = WordRows(form)
        hidden = int(_config_of(inner).hidden_size)
        #: Takes the rows to the width of the body; the rows themselves where it is theirs.
        self.projection = nn.Identity() if form.dim == hidden else nn.Linear(form.dim, hidden)
        self.inner = inner

    def forward(self, token_bytes: Tensor, attention_mask: Tensor) -> Tensor:
        """Embed or classify a batch of texts.

        :param token_bytes: uint8[batch, length, width], zeros behind each token.
        :param attention_mask: int64[batch, length], 1 for a token and 0 for padding.
        :return: float32[batch, outputs].
        """
        result: Tensor = self.inner(self.projection(self.rows(token_bytes)), attention_mask)
        return result


def make_words_model(
    config: transformers.BertConfig, form: RowForm, *, pooling: Sequence[str] = (), normalize: bool = False
) -> WordsModel:
    """A model with fresh weights.

    :param config: the body; its vocabulary does not count. Of a classifier its ``id2label`` names the classes.
    :param form: how rows are computed.
    :param pooling: modes of `Pooling` for a model of vectors; a classifier where it is empty.
    :param normalize: whether vectors are scaled to length 1.
    """
    # The word table that transformers makes is taken out again; a row of it is enough.
    settings: Any = transformers.BertConfig.from_dict(
        {**config.to_dict(), "vocab_size": 1, "pad_token_id": 0}
    )
    settings._attn_implementation = "eager"
    body: Any
    inner: SentenceEncoder | SequenceClassifier
    if pooling:
        body = transformers.BertModel(settings, add_pooling_layer=False)
        body.embeddings.word_embeddings = nn.Identity()
        head = nn.Sequential(*([Normalize()] if normalize else []))
        inner = SentenceEncoder(body, Pooling(pooling), head, takes_types=True)
    else:
        body = transformers.BertForSequenceClassification(settings)
        body.bert.embeddings.word_embeddings = nn.Identity()
        inner = SequenceClassifier(body, takes_types=True)
    return WordsModel(form, inner)


def save_words_model(
    folder: Path, module: WordsModel, *, max_length: int, training: Mapping[str, Any] | None = None
) -> None:
    """Write a model's folder.

    :param folder: an existing folder.
    :param module: the model.
    :param max_length: tokens of the longest text, special tokens included.
    :param training: JSON values that say how it was trained; kept for the reader.
    """
    inner, form = module.inner, asdict(module.rows.form)
    classifies = isinstance(inner, SequenceClassifier)
    config = {
        **_config_of(inner).to_dict(),
        "architectures": [_CLASSIFIER if classifies else _ENCODER],
        "tokenizer": words.NAME,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1, default=str) + "\n", "utf-8")
    settings: dict[str, Any] = {
        "schema": _SCHEMA,
        "tables": {},
        "tokenizer": words.NAME,
        "width": form.pop("width"),
        "ngram": form,
        "max_length": max_length,
    }
    if isinstance(inner, SentenceEncoder):
        settings |= {"pooling": list(inner.pooling.modes), "normalize": len(inner.head) > 0}
    text = json.dumps({**settings, "training": dict(training or {})}, indent=1)
    (folder / INDEX).write_text(text + "\n", "utf-8")
    weights = {name: tensor.detach().contiguous() for name, tensor in module.state_dict().items()}
    save_file(weights, folder / "model.safetensors")


def is_words_folder(folder: Path) -> bool:
    """Whether a folder holds a model without a vocabulary.

    :param folder: any path.
    :raises ModelError: if its settings cannot be read.
    """
    index = folder / INDEX
    return index.is_file() and "tokenizer" in read_config(index)


@quiet()
def load_words_folder(folder: Path, *, source: str, name: str, max_length: int | None = None) -> Model:
    """Load what `save_words_model` wrote.

    :param folder: the folder.
    :param source: what the user called it.
    :param name: name of the model.
    :param max_length: tokens of the longest text; None for what the folder says.
    :raises ModelError: if something is missing, damaged or of an unknown kind.
    """
    module, settings = _read_module(folder)
    check_finite(module, source)
    config = _config_of(module.inner)
    positions, said = int(config.max_position_embeddings), settings.get("max_length")
    length = max_length if max_length is not None else said if isinstance(said, int) else positions
    if not words.MIN_TOKENS <= length <= positions:
        raise ModelError(
            f"max_length {length} is outside [{words.MIN_TOKENS}, {positions}], for which the model has positions"
        )
    pooled = module.inner if isinstance(module.inner, SentenceEncoder) else None
    labels = () if pooled else tuple(str(label) for _, label in sorted(config.id2label.items()))
    width = module.rows.form.width
    return Model(
        name=name,
        source=source,
        module=module,
        kind="embedding" if pooled else "classification",
        inputs=(
            TensorInfo("token_bytes", "uint8", ("batch", "length", width)),
            TensorInfo("attention_mask", "int64", ("batch", "length")),
        ),
        outputs=(
            TensorInfo("embedding", "float32", ("batch", int(config.hidden_size) * len(pooled.pooling.modes)))
            if pooled
            else TensorInfo("logits", "float32", ("batch", len(labels))),
        ),
        tables=find_tables(module, known=True),
        example_inputs=_example_inputs(width, length),
        words=module.rows.form,
        max_length=length,
        pooling="+".join(pooled.pooling.modes) if pooled else None,
        normalize=pooled is not None and len(pooled.head) > 0,
        labels=labels,
    )


def _read_module(folder: Path) -> tuple[WordsModel, dict[str, Any]]:
    index, place = folder / INDEX, folder / "config.json"
    settings, config = read_config(index), read_config(place)
    if settings.get("schema") != _SCHEMA or settings.get("tokenizer") != words.NAME:
        raise ModelError(
            f"{index} has schema {settings.get('schema')!r} and tokenizer {str(settings.get('tokenizer'))[:40]!r}, "
            f"this edgeemb reads {_SCHEMA} and {words.NAME}: use the edgeemb that wrote it"
        )
    classifies = config.get("architectures") == [_CLASSIFIER]
    modes: Any = () if classifies else settings.get("pooling")
    if not classifies and not (
        isinstance(modes, list) and modes and all(mode in POOLING_MODES for mode in modes)
    ):
        raise ModelError(f"{index}: pooling {str(modes)[:40]} is not known: use {', '.join(POOLING_MODES)}")
    weights = read_weights(folder)
    try:
        ngram = settings.get("ngram")
        numbers = {"width": settings.get("width"), **(ngram if isinstance(ngram, dict) else {})}
        if not all(isinstance(number, int) for number in numbers.values()):
            raise ModelError(f"{index}: width and ngram are not whole numbers: copy the folder again")
        form = RowForm(**numbers)
        body = transformers.BertConfig.from_dict(config)
        if not 0 <= body.num_hidden_layers <= len(weights):
            raise ModelError(
                f"{place} describes more layers than the checkpoint holds: copy the folder again"
            )
        with torch.device("meta"):
            asked = make_words_model(body, form, pooling=modes, normalize=settings.get("normalize") is True)
        shapes = {name: tuple(tensor.shape) for name, tensor in asked.state_dict().items()}
        held = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        wrong = sorted({name for name, _ in shapes.items() ^ held.items()})
        if wrong:
            raise ModelError(
                f"{folder}: config.json and the weights do not match ({len(wrong)} differ, such as {wrong[0][:80]}): copy it again"
            )
        module = make_words_model(body, form, pooling=modes, normalize=settings.get("normalize") is True)
    except (SpecError, TypeError, ValueError, KeyError, RuntimeError, StrictDataclassError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"{folder}: its configuration describes no model ({reason}): copy it again"
        ) from error
    module.load_state_dict(weights)
    return module.eval(), settings


def _config_of(inner: SentenceEncoder | SequenceClassifier) -> Any:
    return inner.body.config


def _example_inputs(width: int, longest: int) -> tuple[Tensor, Tensor]:
    """Two texts of different length."""
    length = min(8, longest)
    rows = [words.tokenize(text, width, length) for text in ("two texts of different length", "one")]
    tokens = torch.zeros((2, length, width), dtype=torch.uint8)
    mask = torch.zeros((2, length), dtype=torch.int64)
    for row, text in enumerate(rows):
        mask[row, : len(text)] = 1
        for place, token in enumerate(text):
            tokens[row, place, : len(token)] = torch.tensor(list(token), dtype=torch.uint8)
    return tokens, mask
