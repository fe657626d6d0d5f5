"""The one grammar of table specs: text to `Spec` and back.

    spec    = part { "+" part }
    part    = codec [ ":" item { "," item } ]
    item    = key "=" value            an option of the codec
            | band "=" spec            codec `mixed` only; band is a count of the most frequent ids, or "*" for the rest

``int4:block=32``, ``lowrank:rank=128+int8`` and ``mixed:2000=int4:block=32,*=binary`` are specs. Inside `mixed`, an item whose key is
neither a count nor ``*`` belongs to the band before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from edgeemb.errors import SpecError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VALUE = re.compile(r"[A-Za-z0-9_.\-]+")
_BAND = re.compile(r"\*|[0-9]+")
_MAX_LENGTH = 1000


@dataclass(frozen=True)
class Spec:
    """A parsed table spec.

    :param codec: name of the codec, for example ``int4``.
    :param options: option names and their values as written, in order.
    :param bands: for `mixed`: (number of ids, or None for the rest; the band's spec), in order.
    :param then: the spec after ``+``: how the arrays of this codec are themselves stored.
    """

    codec: str
    options: tuple[tuple[str, str], ...] = ()
    bands: tuple[tuple[int | None, Spec], ...] = ()
    then: Spec | None = None

    def __str__(self) -> str:
        items = [f"{key}={value}" for key, value in self.options]
        items += [f"{'*' if count is None else count}={band}" for count, band in self.bands]
        text = f"{self.codec}:{','.join(items)}" if items else self.codec
        return text if self.then is None else f"{text}+{self.then}"


#: Leaves a table as it is in the model that came: no codec, and only for a whole table.
KEEP = Spec("keep")


def parse_spec(text: str) -> Spec:
    """Read one table spec; codec names and option names are checked by `edgeemb.tables`, which knows them.

    :param text: for example ``int4:block=32``.
    :return: the parsed spec; ``str()`` of it is its canonical text.
    :raises SpecError: if the text does not follow the grammar.
    """
    if len(text) > _MAX_LENGTH:
        raise SpecError(f"table spec of {len(text)} characters: the limit is {_MAX_LENGTH}")
    name, _, rest = text.strip().partition(":")
    if name == "mixed":
        return _parse_mixed(text, rest)
    head, _, tail = text.strip().partition("+")
    part = _parse_part(head, text)
    return part if not tail and "+" not in text else Spec(part.codec, part.options, (), parse_spec(tail))


def _parse_part(part: str, text: str) -> Spec:
    name, colon, rest = part.partition(":")
    if not _NAME.fullmatch(name):
        raise SpecError(f"table spec '{text}': '{name}' is not a codec name; write for example int4:block=32")
    if colon and not rest:
        raise SpecError(f"table spec '{text}': nothing follows '{name}:'; write for example int4:block=32")
    options = tuple(_parse_option(item, text) for item in rest.split(",")) if rest else ()
    if len({key for key, _ in options}) != len(options):
        raise SpecError(f"table spec '{text}': an option is given twice; name each once")
    return Spec(name, options)


def _parse_option(item: str, text: str) -> tuple[str, str]:
    key, _, value = item.partition("=")
    if not _NAME.fullmatch(key) or not _VALUE.fullmatch(value):
        raise SpecError(f"table spec '{text}': '{item}' is not option=value; write for example int4:block=32")
    return key, value


def _parse_mixed(text: str, rest: str) -> Spec:
    bands: list[list[str]] = []
    for item in rest.split(","):
        key = item.partition("=")[0]
        if _BAND.fullmatch(key):
            bands.append([item])
        elif bands:
            bands[-1].append(item)
        else:
            raise SpecError(
                f"table spec '{text}': '{item}' is not a band; write for example mixed:2000=int4,*=binary"
            )
    parsed: list[tuple[int | None, Spec]] = []
    for items in bands:
        key, _, spec = ",".join(items).partition("=")
        count = None if key == "*" else int(key)
        if spec.startswith("mixed"):
            raise SpecError(
                f"table spec '{text}': a band cannot itself be mixed; list all bands in one mixed spec"
            )
        parsed.append((count, parse_spec(spec)))
    counts = [count for count, _ in parsed]
    bounds = [count for count in counts[:-1] if count is not None]
    if len(parsed) < 2 or counts[-1] is not None or len(bounds) != len(parsed) - 1:
        raise SpecError(
            f"table spec '{text}': mixed needs bands with counts and a last band '*'; write mixed:2000=int4,*=binary"
        )
    if bounds[0] < 1 or any(low >= high for low, high in pairwise(bounds)):
        raise SpecError(
            f"table spec '{text}': band bounds are ranks in increasing order; write mixed:2000=int8,20000=int4,*=binary"
        )
    return Spec("mixed", (), tuple(parsed))
