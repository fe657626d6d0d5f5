"""A user's program with the whole public face; tests/test_face.py has mypy check it, nothing runs it."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from numpy.typing import NDArray

import edgeemb


def ship(folder: Path, corpus: Path) -> NDArray[np.float32]:
    model = edgeemb.load("sentence-transformers/all-MiniLM-L6-v2", max_length=64)
    assert_type(model, edgeemb.LoadedModel)
    bundle = edgeemb.export(
        model,
        folder / "bundle",
        target="android",
        table={"word": "int4:block=32"},
        body="int8",
        ops="builtin",
        vectors="pca=128+int8",
        vocab=[f"top:8000:{corpus}"],
        corpus=corpus,
        lengths=[16, 64],
        force=True,
        options=edgeemb.ExportOptions(seed=1, as_zip=True),
        progress=lambda step, done, total: print(step, done, total),
    )
    assert_type(bundle, Path)
    with edgeemb.open(bundle, threads=2) as session:
        assert_type(session, edgeemb.Session)
        vectors = session.encode(["some text"])
        form = session.vectors
        kept = None if form is None else edgeemb.VectorForm.from_json(form.to_json())
        return session.similarity(vectors, vectors, stored_as=kept)


def module() -> edgeemb.LoadedModel:
    recommender = torch.nn.Sequential(torch.nn.Embedding(100, 8))
    return edgeemb.load(recommender, example_inputs=(torch.tensor([1, 2]),), axes={"input": ["items"]})


def measure(bundles: list[Path], pairs: Path) -> float | None:
    plan = edgeemb.ProfilePlan(lengths=(16,), threads=(1, 2), ops="custom")
    report = edgeemb.profile(bundles[0], "host", plan)
    assert_type(report, edgeemb.Report)
    assert_type(edgeemb.profile(bundles[0], ["host", "tflm"], allow_missing=True), edgeemb.Comparison)
    assert_type(edgeemb.compare(bundles, plan, sts=pairs, train=pairs, test=pairs), edgeemb.Comparison)
    quality = edgeemb.evaluate(bundles[0], sts=pairs)
    assert_type(quality, edgeemb.Quality)
    return quality.sts.spearman if quality.sts is not None else None


def train(corpus: Path, labelled: Path, out: Path) -> dict[str, int]:
    settings = edgeemb.TrainingSettings(batch=32, schedule="linear", precision="fp32")
    healed = edgeemb.adapt(
        "all-MiniLM-L6-v2",
        out / "healed",
        corpus=[corpus],
        table="pq:m=32",
        body="int4",
        learn="last:2",
        steps=500,
        lr=2e-5,
        losses=edgeemb.Losses(tokens=0.5),
        settings=settings,
    )
    assert_type(healed, edgeemb.Trained)
    student = edgeemb.distill(
        "all-MiniLM-L6-v2",
        out / "student",
        student=edgeemb.StudentShape(layers=2, hidden=96, tokens="words"),
        classifier=edgeemb.Classifier(labelled, class_steps=100),
        settings=settings,
    )
    return student.tables


def mistakes(model: edgeemb.LoadedModel, bundle: Path) -> None:
    try:
        edgeemb.export(model, ops="magic")  # type: ignore[arg-type]
        edgeemb.export(model, body=3)  # type: ignore[arg-type]
        edgeemb.export(model, frequency="corpus.txt")  # type: ignore[call-arg]
        edgeemb.load(torch.nn.Linear(2, 2))  # type: ignore[call-overload]
        edgeemb.open(bundle, thread=2)  # type: ignore[call-arg]
        _ = edgeemb.profile(bundle).no_such_figure  # type: ignore[attr-defined]
        edgeemb.TrainingSettings(schedule="square")  # type: ignore[arg-type]
    except edgeemb.EdgeembError as error:
        print(error, edgeemb.__version__)
