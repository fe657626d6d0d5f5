"""The specs that the planner chooses from, and the exact bytes of a table before it is fitted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, product

from edgeemb.errors import SpecError
from edgeemb.tables import codec_of
from edgeemb.tables.codecs.cluster import Cluster
from edgeemb.tables.codecs.codebook import ProductQuantized
from edgeemb.tables.codecs.dense import Dense
from edgeemb.tables.codecs.lowrank import LowRank
from edgeemb.tables.codecs.memcom import Memcom
from edgeemb.tables.codecs.mixed import Mixed
from edgeemb.tables.codecs.multihash import MultiHash
from edgeemb.tables.codecs.quantized import Quantized
from edgeemb.tables.codecs.quotient import QuotientRemainder
from edgeemb.tables.codecs.residual import Residual
from edgeemb.tables.codecs.tensortrain import TensorTrain
from edgeemb.tables.spec import Spec, parse_spec

_HALF = 2


@dataclass(frozen=True)
class Family:
    """Specs that differ in the values of their options.

    :param name: what the search calls it.
    :param template: a spec with the options' names in braces.
    :param axes: per name the values that the search offers.
    """

    name: str
    template: str
    axes: dict[str, tuple[str, ...]]

    def spec(self, values: dict[str, str]) -> Spec:
        """The spec for a value of each axis."""
        return parse_spec(self.template.format(**values))

    def members(self) -> list[tuple[dict[str, str], Spec]]:
        """Every combination of values, with its spec."""
        combinations = (dict(zip(self.axes, values, strict=True)) for values in product(*self.axes.values()))
        return [(values, self.spec(values)) for values in combinations]


def families(rows: int, dim: int) -> list[Family]:
    """What the search offers for a table: every codec of the registry but `ngram`, whose rows want training first.

    :param rows: V.
    :param dim: D.
    """
    ranks = _numbers(dim * part // 12 for part in (1, 2, 3, 4, 6, 8, 9))
    few = _numbers(dim * part // 12 for part in (1, 2, 4))
    parts = _divisors(dim, (2, 3, 4, 6, 8, 12, 16, 24))
    shared = _numbers(max(16, rows // part) for part in (2, 4, 8, 16) if rows >= 16)
    blocks = ("0", *(str(block) for block in (16, 32, 64) if dim % block == 0))
    bands = _numbers(rows // part for part in (32, 16, 8, 4) if rows // part < rows)
    sums = ("fp16", "int8", "int4")
    tails = (
        "int4",
        "int2",
        "binary",
        *(f"pq:m={part}" for part in parts),
        *(f"lowrank:rank={rank}+int4" for rank in few),
    )
    offered = [
        Family("dense", "{bits}", {"bits": ("fp32", "fp16")}),
        Family("integer", "{bits}:block={block}", {"bits": ("int8", "int4", "int2"), "block": blocks}),
        Family(
            "binary", "binary:block={block},planes={planes}", {"block": blocks, "planes": ("1", "2", "3")}
        ),
        Family("lowrank", "lowrank:rank={rank}+{then}", {"rank": ranks, "then": sums}),
        Family(
            "pq", "pq:m={m},k={k},norm={norm}", {"m": parts, "k": ("64", "128", "256"), "norm": ("0", "1")}
        ),
        Family("rvq", "rvq:m={m}", {"m": ("2", "4", "8")}),
        Family("cluster", "cluster:k={k},rank={rank}+{then}", {"k": ("8", "16"), "rank": few, "then": sums}),
        Family("tt", "tt:rank={rank}", {"rank": ("16", "64", "128")}),
        Family("qr", "qr:rows={rows}+{then}", {"rows": shared, "then": sums}),
        Family("hash", "hash:rows={rows},k=2+{then}", {"rows": shared, "then": sums}),
        Family("memcom", "memcom:rows={rows}+{then}", {"rows": shared, "then": sums}),
        Family(
            "mixed",
            "mixed:{count}={head},*={tail}",
            {
                "count": bands,
                "head": ("int8", "int4", *(f"pq:m={part}" for part in parts[:2])),
                "tail": tails,
            },
        ),
    ]
    return [family for family in offered if all(family.axes.values())]


def table_bytes(spec: Spec, rows: int, dim: int, *, ranked: bool = False) -> int:
    """Bytes that `edgeemb.tables.encode` would store, without fitting anything.

    :param spec: a spec.
    :param rows: V.
    :param dim: D.
    :param ranked: whether there are frequencies that put ids in another order.
    :raises SpecError: if the spec does not fit such a table.
    """
    codec = codec_of(spec)
    then = spec.then or Spec("fp16")
    match codec:
        case Dense(bits):
            return rows * dim * bits // 8
        case Quantized(bits, block, planes, scale):
            _need(block == 0 or dim % block == 0, spec)
            scales = dim // (block or dim) * (4 if scale == "fp32" else _HALF)
            return rows * planes * (-(-dim * bits // 8) + scales)
        case LowRank(rank):
            _need(rank <= dim, spec)
            return table_bytes(then, rows, rank) + rank * dim * _HALF
        case ProductQuantized(m, k, norm):
            _need(dim % m == 0, spec)
            return rows * (m + norm * _HALF) + min(k, rows) * dim * _HALF
        case Residual(m, k):
            return rows * m + m * min(k, rows) * dim * _HALF
        case Cluster(k, rank):
            _need(rank <= dim and k <= rows, spec)
            return rows + k * (1 + rank) * dim * _HALF + table_bytes(then, rows, rank)
        case TensorTrain(rank):
            split = -(-rows // max(1, round(math.sqrt(rows))))
            high = max(part for part in range(1, math.isqrt(dim) + 1) if dim % part == 0)
            count = -(-rows // split)
            _need(rank <= min(count * high, split * dim // high), spec)
            return (count * high + split * (dim // high)) * rank * _HALF
        case QuotientRemainder(shared):
            _need(shared <= rows, spec)
            return table_bytes(then, shared, dim) + -(-rows // shared) * dim * _HALF
        case MultiHash(shared):
            _need(shared <= rows, spec)
            return table_bytes(then, shared, dim)
        case Memcom(shared):
            _need(shared <= rows, spec)
            return table_bytes(then, shared, dim) + rows * _HALF
        case Mixed():
            bounds = [0, *(count for count, _ in spec.bands if count is not None), rows]
            _need(bounds[-2] < rows, spec)
            sizes = [high - low for low, high in pairwise(bounds)]
            ranks = rows * (2 if rows <= 1 << 15 else 4) if ranked else 0
            return ranks + sum(
                table_bytes(band, size, dim) for size, (_, band) in zip(sizes, spec.bands, strict=True)
            )
        case _:
            raise SpecError(f"table spec '{spec}': the planner does not know the size of '{spec.codec}'")


def _need(fits: bool, spec: Spec) -> None:
    if not fits:
        raise SpecError(f"table spec '{spec}' does not fit the table")


def _numbers(values: Iterable[int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(value) for value in values if value >= 1))


def _divisors(dim: int, widths: tuple[int, ...]) -> tuple[str, ...]:
    """Numbers of parts for the widths that divide a row; one value a part where none does."""
    return tuple(str(dim // width) for width in widths if dim % width == 0) or (str(dim),)
