"""Every way to fewer dimensions, and every kind of codes, by the names that specs use."""

from __future__ import annotations

from edgeemb.errors import SpecError
from edgeemb.vectors.binary import BINARY
from edgeemb.vectors.codes import Codes
from edgeemb.vectors.dense import FLOAT32
from edgeemb.vectors.integer import INT4, INT8
from edgeemb.vectors.learned import LEARNED
from edgeemb.vectors.reduction import FIRST, PRINCIPAL
from edgeemb.vectors.spec import VectorSpec, split_spec

REDUCTIONS = {reduction.name: reduction for reduction in (FIRST, PRINCIPAL, LEARNED)}
CODES = {kind.name: kind for kind in (FLOAT32, INT8, INT4, BINARY)}


def parse_vectors(text: str) -> VectorSpec:
    """Read a vector spec and check its options.

    :param text: for example ``pca=128+int8``.
    :raises SpecError: if a name or an option is not known, or not possible.
    """
    spec = split_spec(text, REDUCTIONS, CODES)
    codes_of(spec)
    return spec


def codes_of(spec: VectorSpec) -> Codes:
    """How the vectors of a spec are stored.

    :param spec: the spec.
    :raises SpecError: if an option is not possible.
    """
    try:
        return CODES[spec.codes].make(spec.options)
    except SpecError as error:
        raise SpecError(f"vectors '{spec}': {error}") from None
