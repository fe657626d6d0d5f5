"""What the vectors of a bundle are: how they are stored, and how two are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeemb.bundle.manifest import Manifest, VectorsEntry
from edgeemb.errors import BundleError, EdgeembError, InputError, SpecError
from edgeemb.files import checked
from edgeemb.vectors.codes import Codes, Floats, Stored, chunks, cosines
from edgeemb.vectors.registry import codes_of, parse_vectors

#: No scale is smaller, and none as large as its inverse.
_LEAST = 1e-30


@dataclass(frozen=True)
class VectorForm:
    """What vectors are. Keep `to_json` with an index, and make the form again with `from_json`.

    :param model: name of the model that gives them.
    :param entry: what the manifest says of them.
    """

    model: str
    entry: VectorsEntry = field(repr=False)

    def __post_init__(self) -> None:
        reason = _contradiction(self.entry, self._codes)
        if reason:
            raise BundleError(f"vectors '{self.spec}' of {self.model}: {reason}: export the bundle again")

    @property
    def spec(self) -> str:
        """The spec, such as ``pca=128+int8``."""
        return self.entry.spec

    @property
    def codes(self) -> str:
        """How a dimension is stored: the name of the codes, such as ``int8``."""
        return parse_vectors(self.entry.spec).codes

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.entry.dim

    @property
    def measure(self) -> str:
        """How two stored vectors are compared: ``cosine`` or ``hamming``."""
        return self._codes.measure

    @property
    def dtype(self) -> str:
        """numpy type of stored vectors."""
        return self._codes.dtype

    @property
    def width(self) -> int:
        """Elements of a stored vector."""
        return self._codes.width(self.dim)

    @property
    def nbytes(self) -> int:
        """Bytes of a stored vector."""
        return self.entry.nbytes

    @cached_property
    def _codes(self) -> Codes:
        return codes_of(parse_vectors(self.entry.spec))

    def pack(self, vectors: ArrayLike) -> Stored:
        """Vectors as they are stored.

        :param vectors: float[N, D] of length 1, as ``session.encode(..., as_floats=True)`` gives them.
        :return: float32[N, D], int8[N, D] or uint8[N, bytes], as the spec says.
        :raises InputError: if they have another shape, or are not finite.
        """
        found = np.asarray(vectors)
        if found.ndim != 2 or found.shape[1] != self.dim or found.dtype.kind != "f":
            raise InputError(
                f"vectors of {found.dtype}{list(found.shape)} cannot be stored as {self.spec}: give float32[N, {self.dim}]"
            )
        if not np.isfinite(found).all():
            raise InputError("a vector holds NaN or infinite values: check the model with a few texts first")
        return self._codes.pack(np.asarray(found, np.float32), self._scales)

    def unpack(self, stored: ArrayLike) -> Floats:
        """What stored vectors stand for.

        :param stored: what `pack` gives.
        :return: float32[N, D].
        :raises InputError: if they have another type or shape.
        """
        found = self._checked(stored)
        return self._codes.unpack(found, self.dim, self._scales)

    def similarity(self, left: ArrayLike, right: ArrayLike) -> Floats:
        """How similar each vector of one side is to each of the other. Each side may be stored vectors, or floats: a float query says more
        than its codes.

        :param left: stored vectors or float[N, D].
        :param right: stored vectors or float[M, D].
        :return: float32[N, M] in [-1, 1]: cosines, of one plane of bits 1 less twice the part of them that differ.
        :raises InputError: if a side has neither type and shape.
        """
        one, other = self._checked(left, floats=True), self._checked(right, floats=True)
        if one.dtype == other.dtype == self.dtype:
            return self._codes.scores(one, other, self.dim, self._scales)
        found = np.empty((len(one), len(other)), np.float32)
        query = self._floats(one)
        for part in chunks(len(other)):
            found[:, part] = cosines(query, self._floats(other[part]))
        return found

    def check_same(self, other: VectorForm) -> None:
        """Refuse to compare with vectors of another kind.

        :param other: what the others are.
        :raises InputError: if model, spec, dimensions or what they were fitted on differ.
        """
        for what, one, two in (
            ("model", self.model, other.model),
            ("spec", self.spec, other.spec),
            ("dimension", self.dim, other.dim),
            ("fit", self.entry.fitted, other.entry.fitted),
        ):
            if one != two:
                raise InputError(
                    f"these vectors cannot be compared: their {what} is {one} on one side and {two} on the other; encode both with bundles "
                    "of one model and one `vectors`"
                )

    def to_json(self) -> dict[str, Any]:
        """The form as JSON values, to be kept with an index."""
        return {"model": self.model, **vars(self.entry)}

    @classmethod
    def from_json(cls, values: object) -> VectorForm:
        """The form that `to_json` gave.

        :param values: parsed JSON, from anywhere.
        :raises InputError: if it is none.
        """
        try:
            if not isinstance(values, dict) or not isinstance(values.get("model"), str):
                raise ValueError("it names no model")
            return cls(values["model"], checked(values, VectorsEntry))
        except (ValueError, EdgeembError) as error:
            raise InputError(
                f"this is no form of vectors ({error}): write session.vectors.to_json()"
            ) from None

    @property
    def _scales(self) -> tuple[float, ...]:
        return tuple(self.entry.scales)

    def _floats(self, side: NDArray[Any]) -> Floats:
        return side if side.dtype == np.float32 else self._codes.unpack(side, self.dim, self._scales)

    def _checked(self, given: ArrayLike, *, floats: bool = False) -> NDArray[Any]:
        found = np.asarray(given)
        if found.ndim == 2 and found.dtype == self.dtype and found.shape[1] == self.width:
            return found
        if floats and found.ndim == 2 and found.dtype.kind == "f" and found.shape[1] == self.dim:
            return np.asarray(found, np.float32)
        also = f", or float32[N, {self.dim}]" if floats and self.dtype != "float32" else ""
        raise InputError(
            f"vectors of {found.dtype}{list(found.shape)} are none of {self.model} as {self.spec}: give {self.dtype}[N, {self.width}]{also}"
        )


def form_of(manifest: Manifest) -> VectorForm | None:
    """What the vectors of a bundle are; None where its first output is no vector per text.

    :param manifest: of the bundle.
    :raises BundleError: if the manifest says what cannot be.
    """
    width = manifest.outputs[0].axes[-1] if manifest.outputs and manifest.outputs[0].axes else None
    entry = manifest.vectors
    if entry is None:
        if manifest.kind != "embedding" or not isinstance(width, int) or not width:
            return None
        entry = VectorsEntry("float32", width, "float32", width, "cosine")
    if manifest.kind != "embedding" or width != entry.dim:
        raise BundleError(
            f"the manifest of {manifest.name} gives vectors of {entry.dim} dimensions to an output of {width}: export the bundle again"
        )
    try:
        return VectorForm(manifest.name, entry)
    except SpecError as error:
        raise BundleError(
            f"{error}: the bundle of {manifest.name} is newer than this edgeemb, or damaged"
        ) from None


def _contradiction(entry: VectorsEntry, codes: Codes) -> str:
    """What in an entry does not fit its spec; empty for nothing."""
    said = (entry.dtype, entry.width, entry.measure)
    if reason := codes.refuses(entry.dim):
        return reason
    if said != (codes.dtype, codes.width(entry.dim), codes.measure):
        return f"{entry.dtype}[{entry.width}] by {entry.measure} is not what the spec says"
    if len(entry.scales) != codes.scales or not all(_LEAST < scale < 1 / _LEAST for scale in entry.scales):
        return f"the scales {entry.scales} are not {codes.scales} numbers above 0"
    return ""
