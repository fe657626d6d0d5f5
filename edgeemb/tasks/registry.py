"""Every task that a model of text may have, by the name that manifests use."""

from __future__ import annotations

from edgeemb.tasks.task import Task

_SHOW = "edgeemb.cli.show.answers"

EMBEDDING = Task(
    name="embedding",
    title="feature extraction",
    heads=("Model", "ForPreTraining", "WithProjection"),
    autos=("AutoModelForTextEncoding", "AutoModel"),
    outputs=("embedding",),
    method="encode",
    shows=f"{_SHOW}:show_vectors",
)
CLASSIFICATION = Task(
    name="classification",
    title="sequence classification",
    heads=("ForSequenceClassification",),
    autos=("AutoModelForSequenceClassification",),
    outputs=("logits",),
    method="classify",
    shows=f"{_SHOW}:show_classes",
    pairs=True,
)
#: A classifier of one class: how well a text answers a query.
CROSS_ENCODER = Task(
    name="cross-encoder",
    title="cross-encoding",
    heads=(),
    autos=("AutoModelForSequenceClassification",),
    outputs=("logits",),
    method="rank",
    shows=f"{_SHOW}:show_ranking",
    pairs=True,
)
TOKEN_CLASSIFICATION = Task(
    name="token-classification",
    title="token classification",
    heads=("ForTokenClassification",),
    autos=("AutoModelForTokenClassification",),
    outputs=("logits",),
    method="label_words",
    shows=f"{_SHOW}:show_words",
    per_token=True,
)
QUESTION_ANSWERING = Task(
    name="question-answering",
    title="question answering",
    heads=("ForQuestionAnswering", "ForQuestionAnsweringSimple"),
    autos=("AutoModelForQuestionAnswering",),
    outputs=("start_logits", "end_logits"),
    method="answer",
    shows=f"{_SHOW}:show_spans",
    per_token=True,
    pairs=True,
)
MASKED_LM = Task(
    name="masked-lm",
    title="masked language model",
    heads=("ForMaskedLM",),
    autos=("AutoModelForMaskedLM",),
    outputs=("logits",),
    method="fill",
    shows=f"{_SHOW}:show_fillings",
    per_token=True,
    per_vocabulary=True,
)
#: Logits of the token after the text alone.
CAUSAL_LM = Task(
    name="causal-lm",
    title="causal language model (next token)",
    heads=("LMHeadModel", "ForCausalLM"),
    autos=("AutoModelForCausalLM",),
    outputs=("logits",),
    method="next_tokens",
    shows=f"{_SHOW}:show_next_tokens",
    per_vocabulary=True,
)
#: A masked language model whose logits become one weight per token of the vocabulary (SPLADE).
SPARSE = Task(
    name="sparse-embedding",
    title="sparse embedding (SPLADE)",
    heads=(),
    autos=("AutoModelForMaskedLM",),
    outputs=("weights",),
    method="weigh_tokens",
    shows=f"{_SHOW}:show_weights",
    per_vocabulary=True,
)
#: A vector per token, compared token by token (ColBERT).
MULTI_VECTOR = Task(
    name="multi-vector",
    title="multi-vector (ColBERT)",
    heads=("HF_ColBERT",),
    autos=("AutoModelForTextEncoding", "AutoModel"),
    outputs=("vectors",),
    method="encode_tokens",
    shows=f"{_SHOW}:show_token_vectors",
    per_token=True,
)

TASKS = {
    task.name: task
    for task in (
        EMBEDDING,
        CLASSIFICATION,
        CROSS_ENCODER,
        TOKEN_CLASSIFICATION,
        QUESTION_ANSWERING,
        MASKED_LM,
        CAUSAL_LM,
        SPARSE,
        MULTI_VECTOR,
    )
}
