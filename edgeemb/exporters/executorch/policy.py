"""What the ExecuTorch writer does with each kind of lookup, as data: the writer follows it, and the tests and the support table read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeemb.tables.program import CodebookLookup, Lookup, NgramLookup, QuantizedLookup

#: The version that is measured and tested.
VERSION = "1.5.1"

Lowering = Literal["stock", "fused", "portable"]


@dataclass(frozen=True)
class Policy:
    """A line of the policy.

    :param lookup: the kind of lookup.
    :param builtin: lowering with ``ops="builtin"``.
    :param custom: lowering with ``ops="custom"``.
    :param why: what decides it.
    """

    lookup: str
    builtin: Lowering
    custom: Lowering
    why: str


#: ``stock`` is an op of ExecuTorch's quantised kernels, ``fused`` an op of ours, ``portable`` a handful of plain ATen ops.
POLICY: dict[str, Policy] = {
    "quantized8": Policy("quantized, 8 bits", "stock", "fused", "embedding_byte computes the same bits"),
    "quantized4": Policy(
        "quantized, 4 bits",
        "stock",
        "fused",
        "embedding_4bit computes the same bits, for rows of even length",
    ),
    "quantized2": Policy(
        "quantized, 2 bits", "portable", "fused", "embedding_2bit would store a zero point beside each scale"
    ),
    "quantized1": Policy("quantized, 1 bit", "portable", "fused", "ExecuTorch has no op for it"),
    "codebook": Policy("codebooks", "portable", "fused", "ExecuTorch has no op for it"),
    "ngram": Policy(
        "n-grams of bytes", "portable", "fused", "ExecuTorch has no op for it; int32 arithmetic is exact"
    ),
}


@dataclass(frozen=True)
class Body:
    """How a precision of the body is computed.

    :param builtin: with ``ops="builtin"``: a recipe of torchao, and the delegate that runs it.
    :param custom: with ``ops="custom"``, where our op stores a matrix as it is.
    """

    builtin: str
    custom: str


BODIES: dict[str, Body] = {
    "fp32": Body("XNNPACK in float32", "the same"),
    "int8": Body(
        "8da8w: int8 weights with a scale per output channel, int8 activations quantised at run time, XNNPACK",
        "quantized_linear8: the same weights, uint8 activations quantised at run time, our kernels",
    ),
    "int4": Body(
        "8da4w: int4 weights in blocks of 32, 64 or 128, int8 activations quantised at run time, XNNPACK",
        "quantized_linear4: the same weights, uint8 activations quantised at run time, our kernels",
    ),
}


def lookup_policy(node: Lookup, ops: str) -> Lowering:
    """How a lookup is lowered.

    :param node: the lookup.
    :param ops: ``builtin`` or ``custom``.
    """
    policy = POLICY[_kind(node)]
    if ops == "custom":
        return policy.custom
    odd = isinstance(node, QuantizedLookup) and node.bits == 4 and node.dim % 2
    return "portable" if odd else policy.builtin


def fuses(node: Lookup, ops: str) -> bool:
    """Whether one of our kernels serves a lookup.

    :param node: the lookup.
    :param ops: ``builtin`` or ``custom``.
    """
    return lookup_policy(node, ops) == "fused"


def _kind(node: Lookup) -> str:
    match node:
        case QuantizedLookup(bits=bits):
            return f"quantized{bits}"
        case CodebookLookup():
            return "codebook"
        case NgramLookup():
            return "ngram"
