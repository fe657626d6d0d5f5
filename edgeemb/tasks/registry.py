"""Every task that a model of text may have, by the name that manifests use."""

from __future__ import annotations

from edgeemb.tasks.task import Task

EMBEDDING = Task(
    name="embedding",
    title="feature extraction",
    heads=("Model", "ForMaskedLM", "ForPreTraining", "WithProjection"),
    autos=("AutoModelForTextEncoding", "AutoModel"),
    outputs=("embedding",),
)
CLASSIFICATION = Task(
    name="classification",
    title="sequence classification",
    heads=("ForSequenceClassification",),
    autos=("AutoModelForSequenceClassification",),
    outputs=("logits",),
)

TASKS = {task.name: task for task in (EMBEDDING, CLASSIFICATION)}
