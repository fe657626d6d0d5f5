"""Small vectors: what each spec keeps of all-MiniLM-L6-v2, and how fast its vectors are compared.

    OPENBLAS_NUM_THREADS=1 python -m bench.vectors --sts dev.tsv --retrieval corpus.tsv queries.tsv qrels.tsv --markdown vectors.md

The model is exported once with float32 tables and body, and encodes every text once; each spec is then fitted as an export fits it, and
applied in numpy, which defines what the runtimes compute. Spearman's correlation is that of what is stored with the scores of the pairs.
Speed: one query against so many stored vectors, beside numpy's product of float32 vectors of the model's width, in alternation, the best of
several rounds each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

import edgeemb
from edgeemb.bundle.manifest import VectorsEntry
from edgeemb.metrics import cosine, spearman
from edgeemb.models.shrinking.vectors import sample_texts, vectors_of
from edgeemb.report.encoding import embed
from edgeemb.report.retrieval import SearchResult, searches_of
from edgeemb.text.pairs import ScoredPairs, read_pairs
from edgeemb.text.retrieval import Retrieval, read_retrieval
from edgeemb.vectors.codes import Floats, Stored
from edgeemb.vectors.fit import Fitted, enough_texts, fit_vectors, learns
from edgeemb.vectors.form import VectorForm
from edgeemb.vectors.reduction import ENOUGH
from edgeemb.vectors.registry import codes_of, parse_vectors

MODEL = "all-MiniLM-L6-v2"
SPECS = (
    "float32",
    "dim=128",
    "dim=64",
    "pca=128",
    "pca=64",
    "learned=128",
    "learned=64",
    "int8",
    "pca=128+int8",
    "int4",
    "binary:planes=2",
    "binary",
    "binary:rotation=none",
    "binary:rotation=itq",
    "pca=192+binary",
    "pca=128+binary",
    "learned=192+binary",
    "learned=128+binary",
)
#: Specs whose speed is measured: one of each way to compare.
TIMED = ("int8", "int4", "binary:planes=2", "binary")
_ROUNDS = 7
#: How texts are sampled for specs that do not learn of them.
_PLAIN = (False, ENOUGH)
_PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class Row:
    """What a spec keeps.

    :param spec: the spec.
    :param bytes: of a vector.
    :param sts: Spearman's correlation times 100, or None.
    :param searches: the ways to search; none without data.
    """

    spec: str
    bytes: int
    sts: float | None
    searches: tuple[SearchResult, ...]


@dataclass(frozen=True)
class Texts:
    """What the figures are measured on, and its vectors; None where there is no data."""

    pairs: ScoredPairs | None
    pair_vectors: Floats | None
    search: Retrieval | None
    queries: Floats | None
    documents: Floats | None


def form_of(fitted: Fitted) -> VectorForm:
    """The form of vectors that were fitted.

    :param fitted: the fitted spec.
    """
    codes, dim = codes_of(fitted.spec), fitted.projection.dim
    entry = VectorsEntry(
        str(fitted.spec), dim, codes.dtype, codes.width(dim), codes.measure, list(fitted.scales)
    )
    return VectorForm(MODEL, entry)


def measure(fitted: Fitted, texts: Texts) -> Row:
    """What a spec keeps.

    :param fitted: the fitted spec.
    :param texts: what it is measured on.
    """
    form, project = form_of(fitted), fitted.projection
    sts: float | None = None
    searches: tuple[SearchResult, ...] = ()
    if texts.pairs is not None and texts.pair_vectors is not None:
        stored = form.unpack(form.pack(project(texts.pair_vectors)))
        count = len(texts.pairs.scores)
        sts = 100 * spearman(cosine(stored[:count], stored[count:]), np.asarray(texts.pairs.scores))
    if texts.search is not None and texts.queries is not None and texts.documents is not None:
        searches = searches_of(form, texts.search, project(texts.queries), project(texts.documents))
    return Row(form.spec, form.nbytes, sts, searches)


def speeds(rows: int, dim: int) -> dict[str, float]:
    """Seconds that a query takes against stored vectors, by spec; ``numpy`` is the product of floats.

    :param rows: stored vectors.
    :param dim: dimensions of the model.
    """
    random = np.random.default_rng(0)
    floats = random.standard_normal((rows, dim), np.float32)
    floats /= np.linalg.norm(floats, axis=1, keepdims=True)
    query = floats[:1].copy()
    runs: dict[str, Callable[[], object]] = {"numpy": lambda: floats @ query[0]}
    for spec in TIMED:
        form = form_of(fit_vectors(parse_vectors(f"{spec}"), floats[:1000], 0))
        store = np.concatenate([form.pack(floats[low : low + 4096]) for low in range(0, rows, 4096)])
        runs[spec] = _scan(form, form.pack(query), store)
    found = {name: float("inf") for name in runs}
    for _ in range(_ROUNDS):
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            found[name] = min(found[name], time.perf_counter() - begun)
    return found


def _scan(form: VectorForm, query: Stored, store: Stored) -> Callable[[], object]:
    return lambda: form.similarity(query, store)


def table(rows: list[Row]) -> str:
    """The figures as Markdown.

    :param rows: one for each spec.
    """
    lines = [
        "| vectors | bytes | STS | nDCG@10 | recall@100 | with float queries | best 100 again by floats |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        sts = "" if row.sts is None else f"{row.sts:.2f}"
        ndcg = [f"{search.ndcg_10:.2f}" for search in row.searches]
        recall = f"{row.searches[0].recall_100:.2f}" if row.searches else ""
        first, queries, again = (ndcg[:1] or [""])[0], *(["", ""] if len(ndcg) < 3 else [ndcg[1], ndcg[-1]])
        lines.append(f"| `{row.spec}` | {row.bytes} | {sts} | {first} | {recall} | {queries} | {again} |")
    return "\n".join(lines)


def speed_table(found: dict[str, float], rows: int) -> str:
    """The speeds as Markdown.

    :param found: what `speeds` gave.
    :param rows: stored vectors.
    """
    lines = [f"| one query, {rows} vectors | ms | times numpy's product of floats |", "|---|---:|---:|"]
    for name, seconds in found.items():
        lines.append(f"| `{name}` | {seconds * 1e3:.1f} | {found['numpy'] / seconds:.1f} |")
    return "\n".join(lines)


def encode(model: edgeemb.LoadedModel, sts: Path | None, retrieval: tuple[Path, Path, Path] | None) -> Texts:
    """Encode what the figures are measured on.

    :param model: the model.
    :param sts: scored pairs, or None.
    :param retrieval: documents, queries and judgements, or None.
    """
    pairs = None if sts is None else read_pairs(sts)
    search = None if retrieval is None else read_retrieval(*retrieval)
    with tempfile.TemporaryDirectory() as folder:
        tables = [f"{table.alias}=keep" for table in model.tables]
        bundle = edgeemb.export(model, Path(folder) / "model", table=tables, body="fp32", ops="builtin")
        with edgeemb.open(bundle) as session:
            return Texts(
                pairs,
                None if pairs is None else embed(session, [*pairs.first, *pairs.second]),
                search,
                None if search is None else embed(session, list(search.queries.values())),
                None if search is None else embed(session, list(search.documents.values())),
            )


@click.command()
@click.option("--sts", type=_PATH, help="Scored sentence pairs: score, sentence, sentence.")
@click.option("--retrieval", type=_PATH, nargs=3, help="Documents, queries and judgements.")
@click.option("--calibrate", type=_PATH, help="Texts to fit on; by default the packaged sentences.")
@click.option(
    "--rows", default=1_000_000, show_default=True, help="Stored vectors for the speed; 0 for none."
)
@click.option("--seed", default=0, show_default=True)
@click.option("--markdown", type=_PATH, help="Also write the tables to this file.")
def main(
    sts: Path | None,
    retrieval: tuple[Path, Path, Path] | None,
    calibrate: Path | None,
    rows: int,
    seed: int,
    markdown: Path | None,
) -> None:
    """What each spec of vectors keeps, and how fast it is compared."""
    model = edgeemb.load(MODEL)
    specs = list(map(parse_vectors, SPECS))
    kinds = {(learns(spec), enough_texts(spec)) for spec in specs} | {_PLAIN}
    samples = {
        kind: vectors_of(model, sample_texts(calibrate, seed, many=kind[0], most=kind[1])) for kind in kinds
    }
    texts = encode(model, sts, retrieval)
    found = [
        measure(fit_vectors(spec, samples[learns(spec), enough_texts(spec)], seed), texts) for spec in specs
    ]
    parts = [table(found)]
    if rows:
        parts.append(speed_table(speeds(rows, samples[_PLAIN].shape[1]), rows))
    text = "\n\n".join(parts) + "\n"
    click.echo(text)
    if markdown is not None:
        markdown.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
