"""Cost by operator, from the profile that ONNX Runtime writes.

The profile is a Chrome trace: an event of category ``Node`` for each kernel call, named
``<node>_kernel_time``, with microseconds and the operator type, and a ``model_run`` event around each
inference (https://onnxruntime.ai/docs/performance/tune-performance/profiling-tools.html).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from edgeemb.devices.measurement import Operator
from edgeemb.errors import DeviceError
from edgeemb.files import read_json

#: The largest profile that is read; a run of a small transformer writes about 100 kB.
MAX_BYTES = 512 * 2**20

_SUFFIX = "_kernel_time"

# Nodes of an inlined function carry its name: _inlfunc_QuantizedLookup4_QuantizedLookup4/Gather_3
_INLINED = re.compile(r"_inlfunc_(?P<op>(?:Quantized|Codebook|CodebookSum|Ngram)Lookup\d*)_")


def read_operators(path: Path, aliases: Iterable[str], *, skip_runs: int = 0) -> tuple[Operator, ...]:
    """Cost by operator: the median over the runs of a profile of what its calls take together.

    :param path: the profile.
    :param aliases: table aliases, whose lookups are shown apart.
    :param skip_runs: how many runs at its start do not count.
    :return: operators, most expensive first.
    :raises DeviceError: if it is not a profile or has no runs.
    """
    events = read_json(path, MAX_BYTES, DeviceError)
    if not isinstance(events, list):
        raise DeviceError(f"{path} is not a profile of ONNX Runtime: profile again")
    complete = [event for event in events if isinstance(event, dict) and event.get("ph") == "X"]
    runs = sorted(_number(event, "ts") for event in complete if event.get("name") == "model_run")[skip_runs:]
    if not runs:
        raise DeviceError(f"{path} holds no inference: profile again")
    tables = sorted(aliases, key=len, reverse=True)
    calls: dict[tuple[str, bool], int] = {}
    spent: dict[tuple[str, bool], list[float]] = {}
    for event in complete:
        name = str(event.get("name"))
        run = bisect_right(runs, _number(event, "ts")) - 1
        if event.get("cat") != "Node" or not name.endswith(_SUFFIX) or run < 0:
            continue
        key = _kind(name.removesuffix(_SUFFIX), str(event.get("args", {}).get("op_name")), tables)
        calls[key] = calls.get(key, 0) + 1
        spent.setdefault(key, [0.0] * len(runs))[run] += _number(event, "dur") / 1000
    medians = {key: median(times) for key, times in spent.items()}
    whole = sum(medians.values()) or 1.0
    operators = [
        Operator(name, calls[name, lookup] / len(runs), value, "ms", 100 * value / whole, lookup)
        for (name, lookup), value in medians.items()
    ]
    return tuple(sorted(operators, key=lambda operator: (-operator.value, operator.name)))


def _kind(node: str, op: str, tables: list[str]) -> tuple[str, bool]:
    """What a node counts as, and whether it belongs to a lookup, whose nodes are named ``<alias>/...``."""
    inlined = _INLINED.match(node)
    if inlined:
        return inlined["op"], True
    for alias in tables:
        if re.match(rf"{re.escape(alias)}(_\d+)?/", node):
            return (op, True) if "Lookup" in op else (f"lookup of {alias}", True)
    return op, False


def _number(event: dict[str, Any], key: str) -> float:
    value = event.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
