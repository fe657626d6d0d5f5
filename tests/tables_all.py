"""A small table of every codec: what each writer must be able to express."""

from __future__ import annotations

from functools import cache

import numpy as np

from edgeemb.exporters.support import sample_tokens
from edgeemb.tables import CODECS, Table, encode

ROWS = 300
DIM = 96

#: Specs that fit a table of ROWS x DIM, at least one for each codec, and together with every node of a lookup program.
SPECS = (
    "fp32",
    "fp16",
    "int8",
    "int8:block=32,scale=fp32",
    "int4:block=32",
    "int2:block=16",
    "binary:block=32",
    "binary:block=32,planes=2",
    "lowrank:rank=16",
    "lowrank:rank=16+int8",
    "pq:m=24",
    "rvq:m=4",
    "qr:rows=64",
    "qr:rows=64+int4:block=32",
    "hash:rows=64,k=2",
    "memcom:rows=64",
    "tt:rank=8",
    "cluster:k=4,rank=16+int4",
    "mixed:20=int8,100=int4:block=32,*=pq:m=24",
    "ngram:n=3",
    "mixed:20=int8,*=ngram:n=2,lanes=4,dim=48",
)


@cache
def table_of(spec: str) -> Table:
    """The table of a spec, fitted to the same random weights."""
    weight = np.random.default_rng(5).standard_normal((ROWS, DIM)).astype(np.float32)
    frequency = np.arange(ROWS, 0, -1).astype(np.float64)
    return encode(weight, spec, frequency=frequency, tokens=sample_tokens(ROWS))


def uncovered() -> set[str]:
    """Codecs without a spec in the list."""
    return set(CODECS) - {spec.partition(":")[0].partition("+")[0] for spec in SPECS}
