"""What a C export has for vectors that are stored as codes: functions that store one, and compare two."""

from __future__ import annotations

from edgeemb.bundle.manifest import VectorsEntry
from edgeemb.exporters.c.source.files import float_text
from edgeemb.exporters.c.source.template import fill_in
from edgeemb.vectors.registry import parse_vectors

#: Enumerators of `runtimes/micro/vectors.h`, by the name of the codes and the number of their scales.
_CODES = {
    ("float32", 0): "EEM_FLOATS",
    ("int8", 1): "EEM_INT8",
    ("int4", 0): "EEM_INT4",
    ("binary", 0): "EEM_BINARY",
    ("binary", 2): "EEM_PLANES",
}

_API = """
#define @UPPER@_VECTOR_BYTES @BYTES@u

/* A vector, as the functions above give it, as an index stores it (@SPEC@): stored [@UPPER@_VECTOR_BYTES]. */
void @lower@_store(const float *vector, uint8_t *stored);

/* How similar two stored vectors are, in [-1, 1]. */
float @lower@_similarity(const uint8_t *left, const uint8_t *right);

/* The same of a vector as the functions above give it and a stored one: more exact than two stored ones. */
float @lower@_similarity_to(const float *vector, const uint8_t *stored);
"""

_CODE = """
#include "micro/vectors.h"

static const eem_vectors stored_vectors = {@CODES@, @DIM@, {@SCALES@}};

void @lower@_store(const float *vector, uint8_t *stored)
{
    eem_vectors_store(&stored_vectors, vector, stored);
}

float @lower@_similarity(const uint8_t *left, const uint8_t *right)
{
    return eem_vectors_similarity(&stored_vectors, left, right);
}

float @lower@_similarity_to(const float *vector, const uint8_t *stored)
{
    return eem_vectors_similarity_to(&stored_vectors, vector, stored);
}
"""


def vectors_api(entry: VectorsEntry | None, prefix: str) -> str:
    """Declarations for `model.h`; nothing where vectors stay as the model gives them.

    :param entry: what vectors are.
    :param prefix: prefix of the symbols.
    """
    return "" if entry is None else _filled(_API, entry, prefix)


def vectors_code(entry: VectorsEntry | None, prefix: str) -> str:
    """Definitions for the end of `model.c`.

    :param entry: what vectors are.
    :param prefix: prefix of the symbols.
    """
    return "" if entry is None else _filled(_CODE, entry, prefix)


def _filled(text: str, entry: VectorsEntry, prefix: str) -> str:
    scales = [*entry.scales, 0.0, 0.0][:2]
    values = {
        "UPPER": prefix.upper(),
        "lower": prefix,
        "BYTES": str(entry.nbytes),
        "SPEC": entry.spec,
        "CODES": _CODES[parse_vectors(entry.spec).codes, len(entry.scales)],
        "DIM": str(entry.dim),
        "SCALES": ", ".join(map(float_text, scales)),
    }
    return fill_in(text, values)
