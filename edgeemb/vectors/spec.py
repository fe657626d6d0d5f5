"""The grammar of vector specs: which dimensions are kept, and how each is stored.

    spec      = part { "+" part }
    part      = reduction "=" size  |  codes [ ":" option { "," option } ]
    option    = key "=" value

``dim=128``, ``int8``, ``pca=128+int8`` and ``binary:planes=2`` are specs; at most one reduction comes first, at most one kind of codes last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from edgeemb.errors import SpecError

#: Most dimensions that a vector may have.
MAX_DIM = 1 << 16
_MAX_LENGTH = 200
_PART = re.compile(r"([a-z][a-z0-9]*)(?:=([0-9]{1,6})|:(.*))?")
_OPTION = re.compile(r"([a-z]+)=([a-z0-9]{1,16})")


@dataclass(frozen=True)
class VectorSpec:
    """A parsed vector spec.

    :param reduction: name of what makes fewer dimensions (`edgeemb.vectors.registry.REDUCTIONS`); empty for none.
    :param size: dimensions that are left; 0 without a reduction.
    :param codes: name of how a dimension is stored (`edgeemb.vectors.registry.CODES`).
    :param options: options of the codes by name, as written.
    """

    reduction: str = ""
    size: int = 0
    codes: str = "float32"
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{self.reduction}={self.size}"] if self.reduction else []
        if self.codes != "float32" or not parts:
            options = ",".join(f"{key}={value}" for key, value in self.options.items())
            parts.append(f"{self.codes}:{options}" if options else self.codes)
        return "+".join(parts)


def split_spec(text: str, reductions: Mapping[str, object], codes: Mapping[str, object]) -> VectorSpec:
    """Read a spec as far as the grammar goes.

    :param text: for example ``pca=128+int8``.
    :param reductions: what makes fewer dimensions, by name.
    :param codes: how dimensions are stored, by name.
    :raises SpecError: if it does not follow the grammar, or a name is not known.
    """
    if len(text) > _MAX_LENGTH:
        raise SpecError(f"vectors spec of {len(text)} characters: the limit is {_MAX_LENGTH}")
    found = VectorSpec()
    for part in text.strip().split("+"):
        match = _PART.fullmatch(part)
        name, size, options = match.groups() if match else (part, None, None)
        if name in reductions and size is not None and not found.reduction and found.codes == "float32":
            found = VectorSpec(name, int(size))
        elif name in codes and size is None and found.codes == "float32":
            found = VectorSpec(found.reduction, found.size, name, _options(text, options))
        elif match is None or name not in {**reductions, **codes}:
            known = ", ".join([f"{name}=128" for name in reductions] + list(codes))
            _refuse(text, f"'{part[:40]}' is not known: use {known}, joined by + such as pca=128+int8")
        elif name in reductions and size is None:
            _refuse(text, f"'{name}' needs the dimensions that are left: write {name}=128")
        elif name in codes and size is not None:
            _refuse(text, f"'{name}' takes no size: write {name}, or dim={size}+{name}")
        else:
            _refuse(text, "give one reduction and then one kind of codes, such as pca=128+int8")
    if found.reduction and not 1 <= found.size <= MAX_DIM:
        _refuse(text, f"{found.reduction}={found.size} is out of range: use 1 to {MAX_DIM}")
    return found


def _options(text: str, options: str | None) -> dict[str, str]:
    if options is None:
        return {}
    found: dict[str, str] = {}
    for option in options.split(","):
        match = _OPTION.fullmatch(option)
        if match is None or match[1] in found:
            _refuse(
                text, f"'{option[:40]}' is not key=value, each key once: write for example binary:planes=2"
            )
        found[match[1]] = match[2]
    return found


def _refuse(text: str, reason: str) -> NoReturn:
    raise SpecError(f"vectors '{text}': {reason}")
