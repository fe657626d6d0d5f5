"""Students that are smaller than their teacher: the teacher's first layers, or a fresh model; with its tokenizer, or with none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from edgeemb.errors import SpecError
from edgeemb.models.base import TensorInfo
from edgeemb.models.huggingface.modules import Normalize, Pooling, SentenceEncoder, SequenceClassifier
from edgeemb.models.torch.blocks import keep_first
from edgeemb.models.torch.model import Model, find_tables
from edgeemb.models.words import WordsModel, make_words_model
from edgeemb.tables.codecs.lowrank import principal_axes
from edgeemb.tables.ngrams import ngram_rows, pad_tokens
from edgeemb.tables.spec import Spec
from edgeemb.text import words
from edgeemb.text.words import RowForm
from edgeemb.training.distillation import encoder_of
from edgeemb.training.settings import StudentShape
from edgeemb.training.student import copied
from edgeemb.training.texts import Ids

_CHUNK = 4096


def fit_shape(shape: StudentShape, teacher: Model) -> StudentShape:
    """A shape with the teacher's numbers where it leaves them open.

    :param shape: what was asked for.
    :param teacher: the teacher.
    :raises SpecError: if the teacher cannot give what is asked for.
    """
    config: Any = encoder_of(teacher).body.config
    hidden = shape.hidden or int(config.hidden_size)
    if shape.init == "first":
        if shape.layers > int(config.num_hidden_layers):
            raise SpecError(f"layers {shape.layers}: the teacher has {config.num_hidden_layers}, use fewer")
        if hidden != int(config.hidden_size) or shape.heads not in (0, int(config.num_attention_heads)):
            raise SpecError(
                f"the teacher's first layers have {config.hidden_size} elements and {config.num_attention_heads} heads: "
                'leave `hidden` and `heads` out, or use init="fresh"'
            )
    heads = shape.heads or max(1, hidden // 32)
    if hidden % heads:
        raise SpecError(f"hidden {hidden} is not a multiple of {heads} heads: give `heads`")
    length = min(shape.max_length or teacher.max_length, teacher.max_length)
    return replace(shape, hidden=hidden, heads=heads, max_length=length)


def make_student(teacher: Model, shape: StudentShape, seed: int) -> Model:
    """A student with the teacher's tokenizer.

    A fresh student's word table starts as the teacher's, rotated to its principal axes and cut to the student's width.

    :param teacher: the teacher.
    :param shape: what `fit_shape` gave.
    :param seed: of the random weights.
    """
    if shape.init == "first":
        student = copied(teacher)
        keep_first(student.module, shape.layers)
        return replace(student, max_length=shape.max_length, fitted={})
    torch.manual_seed(seed)
    rows = teacher.word_table.rows
    body = transformers.BertModel(bert_config(shape, rows, shape.max_length), add_pooling_layer=False)
    weight = teacher.table_weight(teacher.word_table.alias)
    rank = min(shape.hidden, weight.shape[1])
    start = weight @ principal_axes(weight, np.ones(rows), rank)
    with torch.no_grad():
        body.embeddings.word_embeddings.weight[:, :rank] = torch.from_numpy(start)
    module = SentenceEncoder(
        body, Pooling(encoder_of(teacher).pooling.modes[:1]), nn.Sequential(Normalize()), takes_types=True
    ).eval()
    ids = teacher.inputs[0]
    return replace(
        teacher,
        module=module,
        tables=find_tables(module, known=True),
        inputs=(TensorInfo(ids.name, ids.dtype, ids.axes, "word", rows), *teacher.inputs[1:]),
        outputs=(TensorInfo("embedding", "float32", ("batch", shape.hidden)),),
        max_length=shape.max_length,
        pooling=module.pooling.modes[0],
        normalize=True,
        fitted={},
    )


def bert_config(shape: StudentShape, rows: int, positions: int, labels: Sequence[str] = ()) -> Any:
    """The configuration of a fresh student.

    :param shape: what `fit_shape` gave.
    :param rows: rows of the word table.
    :param positions: rows of the position table.
    :param labels: names of the classes of a classifier.
    """
    config = transformers.BertConfig(
        vocab_size=rows,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.hidden,
        max_position_embeddings=positions,
        pad_token_id=0,
        **({"id2label": dict(enumerate(labels))} if labels else {}),
    )
    config._attn_implementation = "eager"
    return config


def make_classifier(student: Model, labels: Sequence[str], seed: int) -> Model:
    """A sentence encoder as a classifier: its pooling is replaced by the head that its family has in transformers.

    :param student: the encoder; its body becomes the classifier's.
    :param labels: names of the classes.
    :param seed: of the head's random weights.
    """
    encoder = encoder_of(student)
    body: Any = encoder.body
    torch.manual_seed(seed)
    config = body.config
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    whole: Any = transformers.AutoModelForSequenceClassification.from_config(config)
    place = whole.base_model_prefix
    pooler = getattr(getattr(whole, place), "pooler", None)
    if pooler is not None:
        body.pooler = pooler
    setattr(whole, place, body)
    return replace(
        student,
        kind="classification",
        module=SequenceClassifier(whole, encoder.takes_types).eval(),
        outputs=(TensorInfo("logits", "float32", ("batch", len(labels))),),
        labels=tuple(labels),
        pooling=None,
        normalize=False,
    )


def form_of(spec: Spec | None, shape: StudentShape, seed: int) -> RowForm:
    """How the rows of words are computed.

    :param spec: an `ngram` spec, or None for one that suits the width.
    :param shape: what `fit_shape` gave.
    :param seed: of the hash's constants.
    :raises SpecError: if it is another spec.
    """
    options = dict(spec.options) if spec is not None else {}
    known = {field.name for field in fields(RowForm)} & {"n", "lanes", "dim"}
    if spec is not None and (spec.codec != "ngram" or spec.then or set(options) - known):
        raise SpecError(f"without a vocabulary rows are computed: '{spec}' is not ngram:n=,lanes=,dim=")
    try:
        numbers = {name: int(value) for name, value in options.items()}
    except ValueError:
        raise SpecError(f"table spec '{spec}': an option is not a whole number") from None
    return RowForm(**{"width": shape.width, "dim": shape.hidden, "seed": seed, **numbers})


def make_words_student(
    shape: StudentShape, form: RowForm, seed: int, labels: Sequence[str] = ()
) -> WordsModel:
    """A fresh student without a vocabulary.

    :param shape: what `fit_shape` gave.
    :param form: how rows are computed.
    :param seed: of the random weights.
    :param labels: names of the classes of a classifier; an encoder without.
    """
    torch.manual_seed(seed)
    config = bert_config(shape, 1, shape.max_length, labels)
    return make_words_model(config, form, pooling=() if labels else ("mean",), normalize=not labels)


class WordReader:
    """Numbers the distinct words of texts, so that training looks up rows that are computed once.

    :param form: how rows are computed.
    :param length: tokens of a text at most.
    """

    def __init__(self, form: RowForm, length: int) -> None:
        self._form, self._length = form, length
        self._numbers: dict[bytes, int] = {}

    def read(self, texts: Sequence[str]) -> list[Ids]:
        """Numbers of the words of each text.

        :param texts: the texts.
        """
        known, width = self._numbers, self._form.width
        return [
            np.array(
                [known.setdefault(token, len(known)) for token in words.tokenize(text, width, self._length)],
                np.int32,
            )
            for text in texts
        ]

    def rows(self) -> WordTable:
        """The rows of all words that were read."""
        constants = self._form.arrays()
        tokens = list(self._numbers)
        chunks = []
        for low in range(0, len(tokens), _CHUNK):
            part = tokens[low : low + _CHUNK]
            lengths = np.array([len(token) for token in part], np.int64)
            padded = pad_tokens(part, self._form.width)
            chunks.append(ngram_rows(padded, lengths, constants["seeds"], constants["bases"], self._form.n))
        return WordTable(torch.from_numpy(np.concatenate(chunks)))


class WordTable(nn.Module):
    """Rows of words by their number.

    :param rows: float32[words, dim].
    """

    rows: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """:param numbers: int64[batch, length]. :return: float32[batch, length, dim]."""
        return nn.functional.embedding(numbers, self.rows)
