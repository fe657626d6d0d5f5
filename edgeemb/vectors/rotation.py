"""Rotations of vectors before their signs are taken: cosines stay the same, and the signs say more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_ROUNDS = 50


def no_rotation(sample: Floats, seed: int) -> None:
    """Leave vectors as they are.

    :param sample: float32[N, D].
    :param seed: not used.
    """


def random_rotation(sample: Floats, seed: int) -> Floats:
    """A rotation drawn evenly from all there are (Mezzadri 2007, "How to generate random matrices from the classical compact groups").

    :param sample: float32[N, D], of which only the width counts.
    :param seed: seed of the draw.
    :return: float32[D, D] with orthonormal rows.
    """
    drawn = np.random.default_rng(seed).standard_normal((sample.shape[1], sample.shape[1]))
    rotation, upper = np.linalg.qr(drawn)
    return np.asarray(rotation * np.sign(np.diag(upper)), np.float32)


def itq_rotation(sample: Floats, seed: int) -> Floats:
    """A rotation that brings the vectors near to their signs: iterative quantisation (Gong and Lazebnik 2011, "Iterative Quantization: A
    Procrustean Approach to Learning Binary Codes").

    :param sample: float32[N, D]; better several times as many as dimensions.
    :param seed: seed of where it begins.
    :return: float32[D, D] with orthonormal rows.
    """
    rotation = random_rotation(sample, seed).astype(np.float64)
    for _ in range(_ROUNDS):
        signs = np.where(sample @ rotation.T > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(signs.T @ sample)
        rotation = left @ right
    return np.asarray(rotation, np.float32)


@dataclass(frozen=True)
class Rotation:
    """A way to find a rotation.

    :param fit: from a sample float32[N, D] and a seed the rotation float32[D, D]; None for none.
    :param learns: whether it depends on the sample.
    """

    fit: Callable[[Floats, int], Floats | None]
    learns: bool = False


#: Rotations by the name that specs use.
ROTATIONS = {
    "random": Rotation(random_rotation),
    "itq": Rotation(itq_rotation, learns=True),
    "none": Rotation(no_rotation),
}
