"""What the runner on a phone measured, as measurements: absent, with the reason, if the phone does not report them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from edgeemb.devices.host.latency import Turns
from edgeemb.devices.measurement import Machine, Measurement, Operator
from edgeemb.errors import DeviceError

#: Share of a file's pages that may have stayed in memory for a load to count as cold.
_COLD_SHARE = 0.1

#: What the runner reports in each mode, apart from its engine.
_KEYS = {
    "look": ("cores", "used", "now"),
    "check": ("checked",),
    "memory": ("reset", "baseline", "load", "steady"),
    "load": ("pages", "resident", "load_ns"),
    "time": ("used", "before", "after", "feeds"),
    "parts": ("feeds",),
}

_NO_MEMORY = "the phone does not report a process's resident pages by kind"


@dataclass(frozen=True)
class Identity:
    """What a phone reports about itself.

    :param maker: who made it.
    :param model: its model.
    :param chip: its processor, or empty.
    :param abi: the processor's name for libraries.
    :param system: operating system and kernel.
    """

    maker: str
    model: str
    chip: str
    abi: str
    system: str


def parse_report(data: bytes, mode: str) -> dict[str, Any]:
    """The report of a runner, checked for everything that its mode must report.

    :param data: the file from the phone.
    :param mode: the mode.
    :raises DeviceError: if it is damaged.
    """
    try:
        values = json.loads(data)
    except ValueError:
        values = None
    if not isinstance(values, dict) or any(key not in values for key in ("engine", "version", *_KEYS[mode])):
        raise DeviceError(f"the runner's report on {mode} is damaged: run it again")
    return values


def machine_of(identity: Identity, look: Mapping[str, Any], cores: str) -> Machine:
    """The phone, its cores and what was used of it.

    :param identity: what it says of itself.
    :param look: the runner's report of mode look.
    :param cores: what was asked for with `cores`.
    """
    clocks: dict[int, int] = {}
    for core in look["cores"]:
        clocks[core["max_khz"]] = clocks.get(core["max_khz"], 0) + 1
    known = {clock: count for clock, count in sorted(clocks.items()) if clock > 0}
    clusters = ", ".join(f"{count} up to {clock / 1e6:.2f} GHz" for clock, count in known.items())
    governors = sorted({clock["governor"] for clock in look["now"]["clocks"] if clock["governor"]})
    name = " ".join(filter(None, [identity.maker, identity.model])) or "unknown phone"
    return Machine(
        f"{name} ({', '.join(filter(None, [identity.chip, identity.abi]))})",
        len(look["cores"]) or None,
        identity.system,
        (
            f"cores: {clusters or 'they do not report their clocks'}",
            f"governor: {', '.join(governors) or 'not told'}",
            f"ran on {cores} cores: {', '.join(map(str, look['used']))}",
        ),
    )


def memory(values: Mapping[str, Any]) -> list[Measurement]:
    """Memory as on the host, and the process's proportional share of it.

    :param values: the runner's report of mode memory.
    """
    baseline, load, steady = (values[stage] for stage in ("baseline", "load", "steady"))
    found = [_bytes("baseline_rss_bytes", baseline["rss"], 0)]
    for stage, reading in (("load", load), ("steady", steady)):
        found.append(_bytes(f"{stage}_anonymous_bytes", reading["anonymous"], baseline["anonymous"]))
        found.append(_bytes(f"{stage}_file_bytes", _files(reading), _files(baseline)))
    floor = baseline["rss"] if values["reset"] else baseline["peak"]
    found.append(_bytes("peak_rss_bytes", steady["peak"], floor))
    found.append(_bytes("pss_bytes", steady["pss"], 0))
    return found


def _files(reading: Mapping[str, int]) -> int:
    return -1 if min(reading["rss"], reading["anonymous"]) < 0 else reading["rss"] - reading["anonymous"]


def _bytes(name: str, after: int, before: int) -> Measurement:
    if min(after, before) < 0:
        return Measurement(name, None, _NO_MEMORY)
    return Measurement(name, after - before)


def loads(
    cold: Sequence[Mapping[str, Any]], warm: Sequence[Mapping[str, Any]], length: int | None
) -> list[Measurement]:
    """Load times with the files dropped from memory and with them in it, and the first inference after the latter.

    :param cold: the runner's reports of mode load, files dropped.
    :param warm: the same, files kept.
    :param length: tokens of the first inference, or None if there was none.
    """
    dropped = [item["load_ns"] for item in cold if item["resident"] <= _COLD_SHARE * item["pages"]]
    reason = "" if dropped else "the phone keeps the files in its page cache"
    value = median(dropped) / 1e6 if dropped else None
    found = [
        Measurement("cold_load_ms", value, reason, None, 1, len(dropped) or None),
        Measurement("load_ms", median(item["load_ns"] for item in warm) / 1e6, "", None, 1, len(warm)),
    ]
    if length is not None:
        first = median(item["first_ns"] for item in warm) / 1e6
        found.append(Measurement("first_inference_ms", first, "", length, 1, len(warm)))
    return found


def latencies(values: Mapping[str, Any], threads: int) -> list[Measurement]:
    """Percentiles of each length.

    :param values: the runner's report of mode time.
    :param threads: threads that it had.
    """
    found: list[Measurement] = []
    for feed in values["feeds"]:
        times = tuple(time / 1e6 for time in feed["times_ns"])
        found += Turns(feed["length"], threads, (times,)).percentiles()
    return found


def texts(values: Mapping[str, Any], name: str) -> list[Measurement]:
    """Median time of a text of each length.

    :param values: the runner's report of mode time.
    :param name: name of the measurements.
    """
    return [
        Measurement(name, median(feed["times_ns"]) / 1e6, "", feed["length"], 1, len(feed["times_ns"]))
        for feed in values["feeds"]
    ]


def parts(values: Mapping[str, Any], names: Sequence[str]) -> tuple[list[Measurement], tuple[Operator, ...]]:
    """Time of the table lookup at each length, and of all parts at the first one.

    :param values: the runner's report of mode parts.
    :param names: names of the parts in order; the lookup is the first.
    """
    feeds = values["feeds"]
    lookups = [Measurement("lookup_ms", feed["parts_ns"][0] / 1e6, "", feed["length"], 1) for feed in feeds]
    times = feeds[0]["parts_ns"] if feeds else []
    total = sum(times) or 1
    operators = [
        Operator(name, 1, time / 1e6, "ms", 100 * time / total, name.startswith("lookup"))
        for name, time in zip(names, times, strict=False)
    ]
    return lookups, tuple(sorted(operators, key=lambda operator: -operator.value))


def conditions(first: Mapping[str, Any], last: Mapping[str, Any]) -> list[Measurement]:
    """Clock and temperature before and after the latencies were taken.

    :param first: the runner's first report of mode time.
    :param last: its last one.
    """
    found = []
    for when, values in (("before", first), ("after", last)):
        clocks = [clock["khz"] for clock in values[when]["clocks"] if clock["cpu"] in values["used"]]
        zones = {zone["type"]: zone["millicelsius"] / 1000 for zone in values[when]["zones"]}
        chip = [value for name, value in zones.items() if "cpu" in name.lower()]
        hottest = max(chip or list(zones.values()), default=None)
        clock = max(clocks) / 1000 if clocks else None
        no_clock = "" if clocks else "the phone does not report the clocks of its cores"
        no_heat = "" if zones else "the phone does not report its temperatures"
        found += [
            Measurement(f"clock_{when}_mhz", clock, no_clock),
            Measurement(f"temperature_{when}_celsius", hottest, no_heat),
        ]
    return found
