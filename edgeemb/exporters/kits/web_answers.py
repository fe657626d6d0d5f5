"""What the JavaScript of the web kit has for each task: which pieces of `export/web/models` make it, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgeemb.bundle.manifest import Manifest
from edgeemb.tasks.registry import (
    CLASSIFICATION,
    CROSS_ENCODER,
    MASKED_LM,
    MULTI_VECTOR,
    QUESTION_ANSWERING,
    TASKS,
    TOKEN_CLASSIFICATION,
)


@dataclass(frozen=True)
class Field:
    """A field of the example page: its label, and what is in it at first."""

    label: str = ""
    value: str = ""


@dataclass(frozen=True)
class Answers:
    """The JavaScript for a kind of models.

    :param pieces: files of `export/web/models` without their endings, each behind those that it uses.
    :param base: the class of the last that `TextModel` extends.
    :param functions: functions of the C export that they call.
    :param call: how an answer is called for, with literals.
    :param page: the same with the fields of the example page, ``asked.value`` and ``text.value``.
    :param result: what comes of it; ``@outputs@`` stands for their number.
    :param asked: the first field of the page; without a label there is none.
    :param text: the other field.
    :param activation: what makes scores of logits, as in manifests.
    """

    pieces: tuple[str, ...]
    base: str
    functions: tuple[str, ...]
    call: str
    page: str
    result: str
    asked: Field = Field()
    text: Field = Field("Text", "some text")
    activation: str = ""


_TOKENS = ("ids", "tokens")
_TOKEN_FUNCTIONS = ("run", "tokenize")
_QUERY = Field("Query", "a query")
_TEXTS = Field("Texts, one a line", "some text\nanother")
_RANKED = "the texts with their scores, the best first"
_RANK, _PAGE_RANK = (
    'rank("a query", ["some text", "another"])',
    "rank(asked.value, text.value.split(/\\n+/).filter(Boolean))",
)

#: What the class `Encoder` calls.
_ENCODE_FUNCTIONS = ("run_text", "tokenize", "run_batch")
_VECTORS = Answers(
    ("encode",), "Encoder", _ENCODE_FUNCTIONS, 'encode("some text")', "encode(text.value)", "a `Float32Array` of @outputs@ numbers; the module's `similarity` compares two"
)  # fmt: skip
_IDS = Answers(
    ("ids",), "IdEncoder", ("run",), "encodeIds(ids)", "encodeIds(text.value.match(/\\d+/g) ?? [])", "a `Float32Array`",
    text=Field("Ids, those around a text included", ""),
)  # fmt: skip
_CLASSES = replace(
    _VECTORS,
    pieces=("probabilities", "encode", "classes"),
    base="Classifier",
    call='classify("some text")',
    page="classify(text.value)",
    result="the classes with their probabilities, the most probable first",
    activation="softmax",
)
_PAIR_CLASSES = replace(
    _CLASSES,
    pieces=("probabilities", "encode", "pairs", "pair_classes"),
    base="PairClassifier",
    functions=(*_ENCODE_FUNCTIONS, "run_pair"),
)
_RANKS = Answers(
    ("probabilities", "encode", "pairs", "ranks"), "Ranker", (*_ENCODE_FUNCTIONS, "run_pair"), _RANK, _PAGE_RANK, _RANKED, _QUERY, _TEXTS
)  # fmt: skip
_WORDS = Answers(
    ("probabilities", *_TOKENS, "words"), "WordLabeller", (*_TOKEN_FUNCTIONS, "run_text"), 'labelWords("some text")', "labelWords(text.value)",
    "the words with their labels, probabilities and places", activation="softmax",
)  # fmt: skip
_SPANS = Answers(
    (*_TOKENS, "answers"), "Answerer", (*_TOKEN_FUNCTIONS, "answer"), 'answer("a question", "some text")', "answer(asked.value, text.value)",
    "the part of the text that answers the question, its place and its probability", Field("Question", "a question"),
)  # fmt: skip
_FILLINGS = Answers(
    (*_TOKENS, "fillings"), "Filler", (*_TOKEN_FUNCTIONS, "fill", "token"), "fill(`some ${info.mask}`)", "fill(text.value)",
    "the most probable tokens of each masked place, with their probabilities",
)  # fmt: skip
_TOKEN_VECTORS = Answers(
    ("probabilities", *_TOKENS, "token_vectors"), "TokenEncoder", (*_TOKEN_FUNCTIONS, "run_document", "run_query"), _RANK, _PAGE_RANK,
    _RANKED, _QUERY, _TEXTS,
)  # fmt: skip
_PER_TOKEN = {
    TOKEN_CLASSIFICATION: _WORDS,
    QUESTION_ANSWERING: _SPANS,
    MASKED_LM: _FILLINGS,
    MULTI_VECTOR: _TOKEN_VECTORS,
}


def answers_of(manifest: Manifest, *, text: bool, mask: str) -> Answers:
    """The JavaScript for a bundle.

    :param manifest: of the bundle.
    :param text: whether the export takes text.
    :param mask: what marks a masked place in a text; empty where none can be filled.
    """
    task = TASKS.get(manifest.kind)
    # A model without a vocabulary takes single texts.
    pairs = not manifest.tokenizer
    if not text:
        return _IDS
    if task is MASKED_LM and not mask:
        return replace(_IDS, pieces=_TOKENS, base="TokenModel", functions=_TOKEN_FUNCTIONS)
    if task is MASKED_LM:
        return replace(_FILLINGS, text=Field("Text", f"some {mask}"))
    if task in _PER_TOKEN:
        return _PER_TOKEN[task]
    if task is CLASSIFICATION:
        return replace(_PAIR_CLASSES if pairs else _CLASSES, activation=manifest.activation or "softmax")
    if task is CROSS_ENCODER and pairs:
        return replace(_RANKS, activation=manifest.activation)
    if manifest.vectors is None:
        return _VECTORS
    functions = (*_VECTORS.functions, "store", "similarity", "similarity_to")
    result = "a `Float32Array` of @outputs@ numbers; `model.vectors` stores such vectors and compares what is stored"
    return replace(
        _VECTORS, pieces=("encode", "stored"), base="StoredEncoder", functions=functions, result=result
    )
