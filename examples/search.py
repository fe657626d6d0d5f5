"""A search over your texts: vectors of a bundle in an index of usearch, in the file of an app.

    edgeemb export all-MiniLM-L6-v2 --vectors binary -o minilm
    python examples/search.py minilm texts.txt --index texts.usearch "which text is about this?"

The index holds the vectors as the bundle stores them, one text a line of the file, and beside it lies what they are (``.json``): a bundle
of another model, spec or dimension is refused. An index of bits gives candidates, which are put in order by the floats of the query.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

import edgeemb

if TYPE_CHECKING:
    from usearch.index import Index

#: Metric and type of an index, by the codes of the vectors.
KINDS = {"float32": ("cos", "f32"), "int8": ("cos", "i8"), "binary": ("hamming", "b1")}
#: Candidates that are put in order again.
CANDIDATES = 100


def empty_index(form: edgeemb.VectorForm) -> Index:
    """An index for vectors of a form.

    :param form: what they are.
    """
    if form.codes not in KINDS or form.spec.endswith("planes=2"):
        raise click.UsageError(f"usearch has no index for {form.spec}: export with {', '.join(KINDS)}")
    # Not at the top: ONNX Runtime crashes if usearch is loaded before it (seen with 1.31.1 and 2.26.6 on Linux), and here a bundle is open.
    from usearch.index import Index

    metric, kind = KINDS[form.codes]
    return Index(ndim=form.dim, metric=metric, dtype=kind)


def build(session: edgeemb.Session, texts: Sequence[str], path: Path) -> Index:
    """Write an index, and beside it what its vectors are.

    :param session: an open bundle of vectors.
    :param texts: the texts; the key of each is its number.
    :param path: where the index goes.
    """
    assert session.vectors is not None
    index = empty_index(session.vectors)
    index.add(np.arange(len(texts)), session.encode(texts))
    index.save(str(path))
    path.with_suffix(".json").write_text(json.dumps(session.vectors.to_json()), "utf-8")
    return index


def load(session: edgeemb.Session, path: Path) -> Index:
    """Open an index whose vectors are those of a bundle.

    :param session: the bundle.
    :param path: the index.
    """
    assert session.vectors is not None
    form = edgeemb.VectorForm.from_json(json.loads(path.with_suffix(".json").read_text("utf-8")))
    session.vectors.check_same(form)
    index = empty_index(form)
    index.load(str(path))
    return index


def search(session: edgeemb.Session, index: Index, query: str, count: int) -> list[tuple[int, float]]:
    """The texts that are most similar to a query, and how similar.

    :param session: the bundle.
    :param index: an index of its vectors.
    :param query: the query.
    :param count: how many texts.
    """
    found = index.search(session.encode([query])[0], max(count, min(CANDIDATES, len(index))))
    keys = np.asarray(found.keys)
    stored = np.stack([index.get(int(key)) for key in keys])
    scores = session.similarity(session.encode([query], as_floats=True), stored)[0]
    order = np.argsort(-scores, kind="stable")[:count]
    return [(int(keys[place]), float(scores[place])) for place in order]


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("texts", type=click.Path(path_type=Path, exists=True))
@click.argument("query")
@click.option(
    "--index", "path", type=click.Path(path_type=Path), default=Path("texts.usearch"), show_default=True
)
@click.option("--count", default=3, show_default=True, help="Texts that are shown.")
def main(bundle: Path, texts: Path, query: str, path: Path, count: int) -> None:
    """Search the lines of TEXTS for what is most similar to QUERY."""
    lines = [line for line in texts.read_text("utf-8").splitlines() if line.strip()]
    with edgeemb.open(bundle) as session:
        index = load(session, path) if path.exists() else build(session, lines, path)
        for number, score in search(session, index, query, count):
            click.echo(f"{score:.3f}  {lines[number]}")


if __name__ == "__main__":
    main()
