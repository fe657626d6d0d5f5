"""Codecs `int8`, `int4`, `int2` and `binary`: codes of a few bits with a scale per row or per block, fitted to the squared error.

A row of D elements is cut into blocks that share a scale; an element is ``(code - zero) * scale`` with zero = 128, 8, 1.5 and 0.5 for 8,
4, 2 and 1 bits. Codes [1, 2, 3, 4] at 4 bits are stored as 0x31 0x42 (see `edgeemb.tables.program.unpack_codes`), and with a scale of 0.5
stand for -3.5, -3, -2.5, -2.

The scale is searched, not taken from the largest weight: from several clipping points on, codes and scale are improved in turn (codes
are the nearest levels, the scale is the least-squares solution for these codes) as in Lloyd's algorithm. A scale may be negative: the
one level that 4 and 8 bits have more below zero then serves the larger side of the block.

`planes` adds binary residuals. They are fitted jointly (Xu et al. 2018, "Alternating Multi-bit Quantization for Recurrent Neural
Networks", arXiv 1802.00150): scales by least squares for the codes, then codes by trying every combination of signs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables.codec import Codec, Fit, Fitted, Shape
from edgeemb.tables.program import ZERO_POINT, Ids, QuantizedLookup, pack_codes
from edgeemb.tables.space import SearchSpace
from edgeemb.tables.spec import Spec

Floats = NDArray[np.float32]
_Rounding = Callable[[Floats], Floats]
#: Elements that are fitted at once: few enough for the arrays of a step to stay in a core's cache.
_CHUNK_ELEMENTS = 1 << 18
#: Below this, float16 keeps less than four bits of a scale.
_LEAST_SCALE = 2.0**-20
_ROUNDS = 4
#: Starting points of the search, as fractions of the scale that just reaches the largest weight.
_CLIPS = {8: (1.0, 0.9, 0.8), 4: (1.1, 1.0, 0.9, 0.8, 0.7, 0.6), 2: (1.0, 0.8, 0.65, 0.5, 0.4), 1: (1.0,)}


@dataclass(frozen=True)
class Quantized:
    """Packed integer codes and scales: ``codes: uint8[V, B]``, ``scales: float[V, planes * D / block]``.

    :param bits: 8, 4, 2 or 1.
    :param block: elements that share a scale; 0 for one scale per row. Must divide D.
    :param planes: binary residual planes, 1 to 4.
    :param scale: ``fp16`` or ``fp32``.
    """

    bits: int
    block: int = 0
    planes: int = 1
    scale: Literal["fp16", "fp32"] = "fp16"

    def __post_init__(self) -> None:
        if not 1 <= self.planes <= 4:
            raise SpecError(f"planes={self.planes} is out of range: use 1 to 4")
        if self.block < 0:
            raise SpecError(
                f"block={self.block} is negative: use a divisor of the table's dimension, or 0 for one scale per row"
            )

    def encode(self, fit: Fit) -> Fitted:
        """Search codes and scales for the least squared error, each row on its own.

        :param fit: the table and how to fit it; `frequency` and `seed` change nothing, as rows share no parameter.
        :raises SpecError: if the block does not divide D, or a scale does not fit float16, or none does for being too small.
        """
        rows, dim = fit.weight.shape
        block = self._block(dim)
        codes = np.empty((rows, self.planes, self._packed(dim)), np.uint8)
        scales = np.empty(
            (rows, self.planes, dim // block), np.float32 if self.scale == "fp32" else np.float16
        )
        largest = max(float(fit.weight.max(initial=0)), -float(fit.weight.min(initial=0)))
        if self.scale != "fp32" and 0 < largest / ZERO_POINT[self.bits] < _LEAST_SCALE:
            raise SpecError("all scales are too small for float16: add scale=fp32 to the spec")
        step = max(1, _CHUNK_ELEMENTS // dim)

        def fit_rows(low: int) -> int:
            part = fit.weight[low : low + step]
            found_codes, found_scales = self._fit_blocks(part.reshape(-1, block))
            by_row = found_codes.reshape(self.planes, len(part), dim).transpose(1, 0, 2)
            codes[low : low + step] = pack_codes(by_row, self.bits)
            scales[low : low + step] = found_scales.reshape(self.planes, len(part), -1).transpose(1, 0, 2)
            return low + len(part)

        # numpy lets other threads run while it computes.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in pool.map(fit_rows, range(0, rows, step)):
                fit.progress(done, rows)
        program = QuantizedLookup(Ids(), "codes", "scales", self.bits, dim, block, self.planes)
        return Fitted({"codes": codes.reshape(rows, -1), "scales": scales.reshape(rows, -1)}, program)

    def nbytes(self, shape: Shape) -> int:
        """Bytes of codes and scales.

        :param shape: the table's shape.
        :raises SpecError: if the block does not divide D.
        """
        scales = shape.dim // self._block(shape.dim) * (4 if self.scale == "fp32" else 2)
        return shape.rows * self.planes * (self._packed(shape.dim) + scales)

    def _block(self, dim: int) -> int:
        block = self.block or dim
        if dim % block:
            raise SpecError(
                f"block={block} does not divide the table's dimension {dim}: use a divisor, or leave block out"
            )
        return block

    def _packed(self, dim: int) -> int:
        """Bytes of a plane of a row's codes."""
        return -(-dim * self.bits // 8)

    def _fit_blocks(self, blocks: Floats) -> tuple[NDArray[np.uint8], Floats]:
        """Codes uint8[planes, n, block] and scales float32[planes, n] (already rounded as stored) of float32[n, block]."""
        if self.planes > 1:
            return _fit_planes(blocks, self.planes, self._rounded)
        codes, scales = _fit_single(blocks, self.bits, self._rounded)
        return codes[None], scales[None]

    def _rounded(self, scales: Floats) -> Floats:
        if self.scale == "fp32":
            return scales
        with np.errstate(over="ignore"):
            rounded = scales.astype(np.float16).astype(np.float32)
        if not np.isfinite(rounded).all():
            raise SpecError("a scale does not fit float16: add scale=fp32 to the spec")
        return rounded


def _nearest(blocks: Floats, scales: Floats, bits: int) -> Floats:
    """The nearest codes, as float32, for the given scales [n]."""
    zero = np.float32(ZERO_POINT[bits])
    inverse = np.divide(1.0, scales, out=np.zeros_like(scales), where=scales != 0)
    codes = blocks * inverse[:, None]
    codes += zero
    np.rint(codes, out=codes)
    return np.clip(codes, 0, 2**bits - 1, out=codes)


def _fit_single(blocks: Floats, bits: int, rounded: _Rounding) -> tuple[NDArray[np.uint8], Floats]:
    zero = np.float32(ZERO_POINT[bits])
    at = np.abs(blocks).argmax(axis=1)
    extreme = np.take_along_axis(blocks, at[:, None], axis=1)[:, 0]
    full = extreme / -zero
    best_error = np.full(len(blocks), np.inf, np.float32)
    best_scale = np.zeros(len(blocks), np.float32)
    for clip in _CLIPS[bits]:
        scale = full * np.float32(clip)
        for _ in range(_ROUNDS):
            levels = _nearest(blocks, scale, bits)
            levels -= zero
            dot = np.einsum("nb,nb->n", levels, blocks)
            norm = np.einsum("nb,nb->n", levels, levels)
            scale = np.divide(dot, norm, out=np.zeros_like(dot), where=norm > 0)
        scale = rounded(scale)
        residual = _nearest(blocks, scale, bits)
        residual -= zero
        residual *= scale[:, None]
        residual -= blocks
        error = np.einsum("nb,nb->n", residual, residual)
        # Of a huge row, every error may be infinite.
        better = (error < best_error) | (best_scale == 0)
        best_error[better] = error[better]
        best_scale[better] = scale[better]
    return _nearest(blocks, best_scale, bits).astype(np.uint8), best_scale


def _fit_planes(blocks: Floats, planes: int, rounded: _Rounding) -> tuple[NDArray[np.uint8], Floats]:
    signs = np.array(list(product((-0.5, 0.5), repeat=planes)), np.float32)
    scales = _greedy_scales(blocks, planes)
    for _ in range(_ROUNDS):
        levels = _best_signs(blocks, scales, signs)
        gram = np.einsum("pnb,qnb->npq", levels, levels) + np.eye(planes, dtype=np.float32) * np.float32(1e-6)
        moment = np.einsum("pnb,nb->np", levels, blocks)
        scales = np.linalg.solve(gram, moment[..., None])[..., 0].T.astype(np.float32)
    scales = rounded(np.ascontiguousarray(scales))
    levels = _best_signs(blocks, scales, signs)
    return (levels + np.float32(0.5)).astype(np.uint8), scales


def _greedy_scales(blocks: Floats, planes: int) -> Floats:
    rest = blocks
    scales = np.empty((planes, len(blocks)), np.float32)
    for plane in range(planes):
        scales[plane] = 2 * np.abs(rest).mean(axis=1)
        rest = rest - np.where(rest >= 0, 0.5, -0.5).astype(np.float32) * scales[plane][:, None]
    return scales


def _best_signs(blocks: Floats, scales: Floats, signs: Floats) -> Floats:
    """Levels float32[planes, n, block] in {-0.5, 0.5} that are closest to each element."""
    values = signs @ scales
    best = np.zeros(blocks.shape, np.intp)
    best_error = np.full(blocks.shape, np.inf, np.float32)
    for choice, value in enumerate(values):
        error = np.abs(blocks - value[:, None])
        better = error < best_error
        best_error[better] = error[better]
        best[better] = choice
    return np.ascontiguousarray(signs.T[:, best])


def _blocks(dim: int) -> tuple[str, ...]:
    return ("0", *(str(block) for block in (16, 32, 64) if dim % block == 0))


def _space_of_integers(rows: int, dim: int) -> SearchSpace:
    return SearchSpace("{codec}:block={block}", {"block": _blocks(dim)})


def _space_of_planes(rows: int, dim: int) -> SearchSpace:
    return SearchSpace(
        "{codec}:block={block},planes={planes}", {"block": _blocks(dim), "planes": ("1", "2", "3")}
    )


def _suited(spec: Spec, dim: int) -> Spec:
    """A block that divides the row: the largest multiple of 8 up to the requested one, or else one scale per row."""
    block = int(dict(spec.options).get("block", 0))
    if block == 0 or dim % block == 0:
        return spec
    fitting = [str(size) for size in range(block // 8 * 8, 0, -8) if dim % size == 0][:1]
    others = tuple(option for option in spec.options if option[0] != "block")
    return replace(spec, options=(*(("block", size) for size in fitting), *others))


def _integers(bits: int, example: str, good_for: str, *samples: str) -> Codec:
    return Codec(
        f"int{bits}",
        Quantized,
        example,
        good_for,
        samples,
        _space_of_integers,
        {"bits": bits},
        hidden=("planes",),
        suited=_suited,
    )


CODECS = (
    _integers(
        8,
        "int8",
        "a quarter of the bytes, almost no loss",
        "int8:block=16",
        "int8",
        "int8:block=32,scale=fp32",
    ),
    _integers(
        4,
        "int4:block=32",
        "an eighth of the bytes, little loss, the fastest lookup",
        "int4:block=16",
        "int4:block=32",
    ),
    _integers(
        2,
        "int2:block=16",
        "a tenth of the bytes, without codebooks",
        "int2:block=8,scale=fp32",
        "int2:block=16",
    ),
    Codec(
        "binary",
        Quantized,
        "binary:block=32,planes=2",
        "the simplest lookup, for small processors",
        ("binary:block=16,planes=2", "binary:block=32"),
        _space_of_planes,
        {"bits": 1},
        suited=_suited,
    ),
)
