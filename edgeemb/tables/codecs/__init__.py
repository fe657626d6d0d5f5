"""The codecs of the project, one module each."""

from __future__ import annotations

from edgeemb.tables.codec import Codec
from edgeemb.tables.codecs import (
    cluster,
    codebook,
    dense,
    lowrank,
    memcom,
    mixed,
    multihash,
    ngram,
    quantized,
    quotient,
    residual,
    tensortrain,
)

#: Every codec, in the order of lists; one whose specs hold another comes after it.
BUILTIN: tuple[Codec, ...] = (
    *dense.CODECS,
    *quantized.CODECS,
    lowrank.CODEC,
    codebook.CODEC,
    residual.CODEC,
    quotient.CODEC,
    multihash.CODEC,
    memcom.CODEC,
    tensortrain.CODEC,
    cluster.CODEC,
    ngram.CODEC,
    mixed.CODEC,
)
