"""An index of usearch beside the notes: finds candidates among millions of vectors without a look at each.

usearch is imported when it is needed, not at the top: ONNX Runtime crashes if usearch is loaded before it (seen with 1.31.1 and 2.26.6 on
Linux), and here a bundle is open.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import edgeemb

if TYPE_CHECKING:
    from usearch.index import Index

#: Metric and type of an index, by the codes of the vectors.
KINDS = {"float32": ("cos", "f32"), "int8": ("cos", "i8"), "binary": ("hamming", "b1")}


def empty(form: edgeemb.VectorForm) -> Index:
    """An index for vectors of a form.

    :param form: what they are.
    :raises ValueError: if usearch knows no such vectors.
    """
    if form.codes not in KINDS or form.spec.endswith("planes=2"):
        raise ValueError(f"usearch has no index for {form.spec}: export with {', '.join(KINDS)}")
    from usearch.index import Index

    metric, kind = KINDS[form.codes]
    return Index(ndim=form.dim, metric=metric, dtype=kind)


def build(form: edgeemb.VectorForm, vectors: NDArray[Any], path: Path) -> None:
    """Write an index; the key of each vector is its place.

    :param form: what the vectors are.
    :param vectors: N vectors, as the bundle stores them.
    :param path: where the index goes.
    """
    index = empty(form)
    index.add(np.arange(len(vectors)), vectors)
    index.save(str(path))


def candidates(
    form: edgeemb.VectorForm, path: Path, stored: int, query: NDArray[Any], count: int
) -> NDArray[np.int64]:
    """Places of the vectors that are nearest to a query, the nearest first.

    :param form: what the vectors are.
    :param path: the index.
    :param stored: how many vectors there should be.
    :param query: a vector, as the bundle stores it.
    :param count: how many places.
    :raises ValueError: if the index has more or fewer vectors.
    """
    index = empty(form)
    index.load(str(path))
    if len(index) != stored:
        raise ValueError(
            f"{path} has {len(index)} vectors and the notes {stored}: index them again with --nearest"
        )
    return np.asarray(index.search(query, min(count, stored)).keys, np.int64)
