"""What a profile is made of: measured values with their unit, or the reason why one is absent.

A `Report` holds plain values only, so that it goes through JSON unchanged. What a device cannot measure is
a `Measurement` without a value and with the reason; times of simulated and emulated devices cannot be made
at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import InputError
from edgeemb.files import checked, read_json

#: Version of the JSON form; a reader refuses newer ones.
SCHEMA = 1

#: The largest report that is read.
MAX_BYTES = 16 * 2**20

#: Units of measurements. A name ends in its unit, so that a number is never without one.
UNITS = ("ms", "bytes", "instructions", "cycles", "percent", "mhz", "celsius")

#: Kinds of devices.
KINDS = ("host", "phone", "emulated", "simulated")

#: Kinds whose clock is not that of the device they stand for.
_TIMELESS = ("emulated", "simulated")


# What a report may say: finite figures, counts, names, and lists that no honest report exceeds.
Figure = Annotated[float, Meta(ge=-1e300, le=1e300)]
Whole = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(max_length=1024)]
Text = Annotated[str, Meta(max_length=2**16)]


@dataclass(frozen=True)
class Measurement:
    """One measured value, or the reason why there is none.

    :param name: what was measured; ends in the unit: ``p50_ms``, ``peak_rss_bytes``.
    :param value: the value in that unit, or None.
    :param reason: why there is no value; empty if there is one.
    :param length: sequence length in tokens that it holds for, or None.
    :param threads: thread count that it holds for, or None.
    :param runs: how many runs it was taken from, or None.
    """

    name: Name
    value: Figure | Whole | None
    reason: Text = ""
    length: Count | None = None
    threads: Count | None = None
    runs: Count | None = None

    def __post_init__(self) -> None:
        if not any(self.name.endswith(f"_{unit}") for unit in UNITS):
            raise InputError(f"measurement '{self.name}' must end in its unit, one of {', '.join(UNITS)}")
        if (self.value is None) != bool(self.reason):
            raise InputError(
                f"measurement '{self.name}' needs either a value or the reason why there is none"
            )

    @property
    def unit(self) -> str:
        """The unit of the value."""
        return self.name.rpartition("_")[2]


@dataclass(frozen=True)
class Operator:
    """The share of one kind of operator in an inference.

    :param name: operator type, for example ``MatMul``; of a lookup also the table.
    :param calls: calls an inference.
    :param value: cost of all its calls in an inference, in ``unit``.
    :param unit: ``ms`` or ``instructions``.
    :param share_percent: share of the sum over all operators, 0 to 100.
    :param lookup: whether it belongs to a table lookup.
    """

    name: Name
    calls: Figure
    value: Figure | Whole
    unit: Name
    share_percent: Figure
    lookup: bool = False


@dataclass(frozen=True)
class Machine:
    """The device that measured.

    :param cpu: its processor.
    :param cores: logical cores that the process may use; None if unknown.
    :param os: operating system, or none for bare metal.
    :param notes: further facts, such as frequencies or an emulator's version.
    """

    cpu: Text
    cores: Count | None
    os: Text
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Subject:
    """The bundle that was measured.

    :param name: what it is called in tables.
    :param source: the model that it was made from.
    :param runtime: the runtime that ran it.
    :param ops: the lowering of the lookups that was in use: ``builtin`` or ``custom``.
    :param kernel: variant of the native lookup kernel, or why none ran.
    :param body: how the body is stored.
    :param tables: table specs by alias.
    :param sizes: bytes by part, ``total`` among them.
    :param parity: cosine to the original model (``cosine_mean``, ``cosine_min``, ``sentences``); empty if
        unknown.
    """

    name: Name
    source: Text
    runtime: Name
    ops: Name
    kernel: Text
    body: Name
    tables: dict[Name, Name]
    sizes: dict[Name, Whole]
    parity: dict[Name, Figure | Whole]

    @classmethod
    def of(cls, name: str, manifest: Manifest, ops: str, kernel: str) -> Subject:
        """A bundle as its manifest describes it.

        :param name: what it is called in tables.
        :param manifest: its manifest.
        :param ops: the lowering of the lookups in use.
        :param kernel: variant of the native lookup kernel, or why none ran.
        """
        tables = {alias: table.spec for alias, table in manifest.tables.items()}
        return cls(
            name, manifest.source, manifest.runtime, ops, kernel, manifest.body, tables, manifest.sizes, manifest.parity
        )  # fmt: skip


@dataclass(frozen=True)
class Report:
    """One bundle on one device.

    :param device: name of the device as given to `device`.
    :param kind: ``host``, ``phone``, ``emulated`` or ``simulated``; the last two have no times.
    :param machine: the device that measured.
    :param bundle: what was measured.
    :param measurements: the values.
    :param operators: cost by operator, most expensive first; empty if it was not measured.
    :param notes: how it was measured, a sentence each.
    :param versions: versions of edgeemb and of the runtime.
    :param schema: version of this form.
    """

    device: Name
    kind: Name
    machine: Machine
    bundle: Subject
    measurements: Annotated[tuple[Measurement, ...], Meta(max_length=65536)]
    operators: Annotated[tuple[Operator, ...], Meta(max_length=65536)] = ()
    notes: tuple[Text, ...] = ()
    versions: dict[Name, Name] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"report of '{self.device}': kind '{self.kind}' is not one of {', '.join(KINDS)}"
            )
        timed = [m.name for m in self.measurements if m.unit == "ms" and m.value is not None]
        timed += [operator.name for operator in self.operators if operator.unit == "ms"]
        if self.kind in _TIMELESS and timed:
            raise InputError(
                f"report of '{self.device}': {timed[0]} is a time, which an {self.kind} device cannot measure"
            )

    def find(self, name: str, length: int | None = None, threads: int | None = None) -> Measurement | None:
        """The measurement of a name, length and thread count, or None."""
        wanted = (name, length, threads)
        return next((m for m in self.measurements if (m.name, m.length, m.threads) == wanted), None)

    def named(self, name: str) -> Iterator[Measurement]:
        """All measurements of a name."""
        return (m for m in self.measurements if m.name == name)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; each measurement also has its ``unit``."""
        values = asdict(self)
        for item, measurement in zip(values["measurements"], self.measurements, strict=True):
            item["unit"] = measurement.unit
        return values


def report_from_json(values: object, where: str = "report") -> Report:
    """The report that `Report.to_json` gave.

    :param values: parsed JSON, from anywhere.
    :param where: what to call it in an error.
    :raises InputError: if it is not a report, or is one of a newer version.
    """
    if not isinstance(values, dict) or not isinstance(values.get("schema"), int):
        raise InputError(f"{where} is not a profile report: make one with 'edgeemb profile -o'")
    if values["schema"] > SCHEMA:
        raise InputError(
            f"{where} has schema {values['schema']}, this version reads up to {SCHEMA}: update edgeemb"
        )
    try:
        return checked(values, Report)
    except (ValueError, InputError) as error:
        raise InputError(
            f"{where} is not a profile report ({error}): make one with 'edgeemb profile -o'"
        ) from error


def read_report(path: Path) -> Report:
    """Read a report that was saved as JSON.

    :param path: the file.
    :raises InputError: if it cannot be read, is not a report, or is newer than this version.
    """
    return report_from_json(read_json(path, MAX_BYTES, InputError), str(path))


def dump(report: Report) -> str:
    """The report as JSON text."""
    return json.dumps(report.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
