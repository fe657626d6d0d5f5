"""The best of some logits, in one order: a higher value before a lower one, NaN last, and of equal values the lower row first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError, SpecError

#: Name of the output that says which tokens the best logits belong to.
TOKENS = "tokens"

_DEFAULT_TOP = 40
_MOST = 2**31 - 1


@dataclass(frozen=True)
class HeadSpec:
    """What an output layer over a vocabulary gives.

    :param top: how many of the best tokens.
    :param shortlist: tokens that a coarse scan chooses, whose logits alone are computed; 0 for those of all tokens.
    """

    top: int
    shortlist: int = 0

    def __str__(self) -> str:
        return f"shortlist={self.shortlist},top={self.top}" if self.shortlist else f"top={self.top}"


def parse_head(text: str) -> HeadSpec:
    """Read what an output layer is asked for.

    :param text: ``top=40``, ``shortlist=512``, or both joined by a comma; a shortlist alone gives its 40 best, or all if there are fewer.
    :raises SpecError: if it says something else.
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        name, sign, value = part.strip().partition("=")
        if name not in ("top", "shortlist") or not sign:
            raise SpecError(
                f"head '{text}' is not known: use 'top=40', 'shortlist=512' or 'shortlist=512,top=10'"
            )
        if name in found:
            raise SpecError(f"head '{text}' gives {name} twice")
        if not (value.isascii() and value.isdigit() and 1 <= int(value[:12]) <= _MOST):
            raise SpecError(f"head '{text}' gives a {name} that is out of range: use 1 or more")
        found[name] = int(value)
    shortlist = found.get("shortlist", 0)
    top = found.get("top", min(_DEFAULT_TOP, shortlist or _DEFAULT_TOP))
    if shortlist and top > shortlist:
        raise SpecError(f"head '{text}': the {top} best cannot come from a shortlist of {shortlist}")
    return HeadSpec(top, shortlist)


def nothing_to_list(head: HeadSpec) -> str:
    """Why a model cannot have a shortlist, in one line.

    :param head: what its output layer was asked for.
    """
    return (
        f"head '{head}': the logits are not the products with a table in int8, int4, int2 or binary plus a bias, "
        "so there is nothing to choose a shortlist from: choose such a table, or use top alone"
    )


def best_of(logits: NDArray[np.float32], top: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The highest values of each row, and where they are, as runtimes/kernels/top.h orders them.

    :param logits: float32[..., V].
    :param top: how many, at least 1 and at most V.
    :return: values float32[..., top] and places int64[..., top], the best first.
    :raises InputError: if there are fewer.
    """
    if not 1 <= top <= logits.shape[-1]:
        raise InputError(f"top={top} is out of range: of {logits.shape[-1]} logits it takes 1 or more")
    places = np.argsort(-logits, axis=-1, kind="stable")[..., :top]
    values = np.take_along_axis(logits, places, axis=-1)
    # -0 becomes +0.
    return values + np.float32(0), places.astype(np.int64)
