"""How names, numbers and units are shown."""

from __future__ import annotations

#: Parts of a bundle in the order in which they are shown.
PARTS = ("tables", "body", "tokenizer", "libraries", "kit", "total")

#: What measurements are called, in the order in which they are shown.
LABELS = {
    "spearman_percent": "STS Spearman",
    "accuracy_percent": "classifier accuracy",
    "load_ms": "load",
    "first_inference_ms": "first inference",
    "first_text_ms": "first text to tokens",
    "tokens_p50_ms": "text to tokens",
    "text_p50_ms": "text in, vector out",
    "p50_ms": "p50",
    "cold_p50_ms": "p50, cold",
    "p90_ms": "p90",
    "p99_ms": "p99",
    "load_anonymous_bytes": "after load, anonymous",
    "load_file_bytes": "after load, mapped files",
    "steady_anonymous_bytes": "steady, anonymous",
    "steady_file_bytes": "steady, mapped files",
    "first_text_anonymous_bytes": "first text adds, anonymous",
    "first_text_file_bytes": "first text adds, mapped files",
    "cold_load_ms": "load, cold",
    "lookup_ms": "table lookup",
    "clock_before_mhz": "clock before",
    "clock_after_mhz": "clock after",
    "temperature_before_celsius": "temperature before",
    "temperature_after_celsius": "temperature after",
    "peak_rss_bytes": "peak",
    "pss_bytes": "process, shared pages divided",
    "baseline_rss_bytes": "process before the bundle",
    "flash_bytes": "flash",
    "ram_bytes": "RAM",
    "inference_instructions": "inference",
    "tokens_instructions": "text to tokens",
    "text_instructions": "text in, vector out",
    "lookup_instructions": "lookup",
}

_GROUPS = {
    "ms": "Time",
    "percent": "Quality",
    "bytes": "Memory",
    "instructions": "Cost",
    "mhz": "Conditions",
    "celsius": "Conditions",
}

_SCALES = {
    "bytes": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes")),
    "instructions": (
        (1e9, "G instructions"),
        (1e6, "M instructions"),
        (1e3, "k instructions"),
        (1, "instructions"),
    ),
    "ms": ((1e3, "s"), (1, "ms"), (1e-3, "µs")),
    "mhz": ((1e3, "GHz"), (1, "MHz")),
    "celsius": ((1, "°C"),),
}


def group_of(name: str) -> str:
    """The group of rows that a measurement belongs to.

    :param name: its name, which ends in the unit.
    """
    return _GROUPS.get(name.rpartition("_")[2], "Cost")


def label_of(name: str, length: int | None = None, threads: int | None = None) -> str:
    """What a measurement is called.

    :param name: its name, which ends in the unit.
    :param length: sequence length in tokens that it holds for.
    :param threads: thread count that it holds for.
    """
    label = LABELS.get(name, name.rpartition("_")[0].replace("_", " "))
    if length is not None:
        label += f", {length} tokens"
    if threads is not None and threads > 1:
        label += f", {threads} threads"
    return label


def show(value: float, unit: str) -> str:
    """A number with its unit, to three digits; a whole number below 1000 in full.

    :param value: the number.
    :param unit: ``bytes`` (in powers of 1000), ``ms``, ``instructions`` or ``percent``.
    """
    if unit == "percent":
        return f"{value:.2f}"
    scales = _SCALES.get(unit, ((1, unit),))
    factor, name = next((scale for scale in scales if abs(value) >= scale[0]), scales[-1])
    if factor == 1 and isinstance(value, int):
        return f"{value} {name}"
    return f"{three_digits(value / factor)} {name}"


def three_digits(value: float) -> str:
    """A number with three significant digits and no exponent.

    :param value: the number.
    """
    size = abs(value)
    return f"{value:.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"
