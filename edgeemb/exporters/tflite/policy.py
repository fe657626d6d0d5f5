"""What the TFLite runtimes can do: the one table that the writer, the tests and docs/support.md read.

Facts about the runtimes are measured with the pinned versions; see docs/tflite.md for how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeemb.exporters.tflite.ops import TFLITE_RUNTIME as TFLITE_RUNTIME_OPS
from edgeemb.exporters.tflite.ops import TFLM as TFLM_OPS
from edgeemb.exporters.tflite.ops import op_versions
from edgeemb.runtimes.runtime import Runtime
from edgeemb.runtimes.tflite import LITERT, TFLITE_RUNTIME
from edgeemb.runtimes.tflm import RUNTIME as TFLM
from edgeemb.tables.head import CodebookLogits, HeadNode, QuantizedLogits
from edgeemb.tables.program import CodebookLookup, NgramLookup, Node, QuantizedLookup

#: Ids and indices are computed in float32, which is exact below this.
MAX_ROWS = 1 << 24


@dataclass(frozen=True)
class TfliteRuntime:
    """What a runtime can do.

    :param record: what else there is to know of it.
    :param signatures: whether a model may have several; else one length is exported.
    :param wide: how elements of more than 8 bits are read: ``bitcast`` gathers int16 and reinterprets them, ``bytes`` gathers int8 and
        puts the value together with arithmetic.
    :param half_weights: whether float16 constants can be dequantised.
    :param op_versions: highest version of each op; an op that is missing here does not exist in it. Empty: no limit is known.
    :param expands: ops that are written as several simpler ones.
    :param products: what of an output layer a custom op computes.
    :param linear: whether a custom op computes products of the body in 8 and 4 bits.
    :param wraps_ids: whether a GATHER multiplies ids as int32, so that one far out of bounds may wrap around into them.
    """

    record: Runtime
    signatures: bool
    wide: str
    half_weights: bool
    op_versions: Mapping[str, int] = field(default_factory=dict)
    expands: frozenset[str] = frozenset()
    wraps_ids: bool = False
    products: frozenset[type[HeadNode]] = frozenset()
    linear: bool = False


#: Any version of an op will do for a runtime that does not look at it.
_ANY = 1 << 30

RUNTIMES: dict[str, TfliteRuntime] = {
    LITERT.name: TfliteRuntime(
        record=LITERT,
        signatures=True,
        wide="bitcast",
        half_weights=True,
        products=frozenset({QuantizedLogits, CodebookLogits}),
        linear=True,
    ),
    TFLITE_RUNTIME.name: TfliteRuntime(
        record=TFLITE_RUNTIME,
        signatures=True,
        wide="bitcast",
        half_weights=True,
        op_versions=op_versions(TFLITE_RUNTIME_OPS),
        wraps_ids=True,
        products=frozenset({QuantizedLogits, CodebookLogits}),
    ),
    TFLM.name: TfliteRuntime(
        record=TFLM,
        signatures=False,
        wide="bytes",
        half_weights=False,
        op_versions=op_versions(TFLM_OPS, _ANY),
        expands=frozenset({"GELU"}),
    ),
}

#: Nodes that a custom op computes, with the same kernels and bits in every runtime, and the name of the op in the model.
FUSED: dict[type[Node | HeadNode], str] = {
    QuantizedLookup: "edgeemb.QuantizedLookup",
    CodebookLookup: "edgeemb.CodebookLookup",
    NgramLookup: "edgeemb.NgramLookup",
    QuantizedLogits: "edgeemb.QuantizedLogits",
    CodebookLogits: "edgeemb.CodebookLogits",
}

#: The custom op that computes products of the body, by the bits of their matrices.
LINEAR = {8: "edgeemb.QuantizedLinear8", 4: "edgeemb.QuantizedLinear4"}

#: Every custom op of ours.
CUSTOM_OPS = frozenset({*FUSED.values(), *LINEAR.values()})
