"""From the record that ExecuTorch keeps of its runs (an ETDump) to the trace that `edgeemb.devices` reads cost by operator from."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

from edgeemb.errors import NativeError

_EXECUTE = "Method::execute"
_DELEGATE = "DELEGATE_CALL"
_PREFIX = "native_call_"
_OURS = {
    "quantized_lookup": "QuantizedLookup",
    "codebook_lookup": "CodebookLookup",
    "ngram_lookup": "NgramLookup",
    "ngram_bytes": "NgramLookup",
    "quantized_logits": "QuantizedLogits",
    "quantized_top": "QuantizedTop",
    "quantized_linear8": "QuantizedLinear8",
    "quantized_linear4": "QuantizedLinear4",
}
_RUN_MICROSECONDS = 1e9


def chrome_trace(record: Path, path: Path, alias: str) -> Path:
    """Write the Chrome trace of a record: for each run an event ``model_run``, and one for each operator and each part of a delegate.

    :param record: the ETDump.
    :param path: the file to write.
    :param alias: table that the lookups are shown under.
    :return: `path`.
    :raises NativeError: if the devtools of executorch are not installed.
    """
    events: list[dict[str, Any]] = []
    for number, (name, milliseconds) in enumerate(_events(record)):
        for run, duration in enumerate(milliseconds):
            start = run * _RUN_MICROSECONDS
            if name == _EXECUTE:
                events.append(
                    {"ph": "X", "cat": "Session", "name": "model_run", "ts": start, "dur": 1000 * duration}
                )
                continue
            op = _op_name(name)
            node = f"{alias}/{op}_{number}" if "Lookup" in op else f"{op}_{number}"
            times = {"ts": start + number + 1, "dur": 1000 * duration}
            events.append(
                {"ph": "X", "cat": "Node", "name": f"{node}_kernel_time", **times, "args": {"op_name": op}}
            )
    path.write_text(json.dumps(events), "utf-8")
    return path


def _events(record: Path) -> list[tuple[str, list[float]]]:
    """Name and milliseconds per run of what ran, in order."""
    try:
        from executorch.devtools import Inspector
    except ModuleNotFoundError as error:
        raise NativeError(
            f"reading an ExecuTorch profile needs the package '{error.name}': pip install 'edgeemb[executorch]'"
        ) from None
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        blocks = Inspector(etdump_path=str(record)).event_blocks
    found = [event for block in blocks for event in block.events if event.perf_data is not None]
    return [
        (event.name, list(event.perf_data.raw))
        for event in found
        if event.name in (_EXECUTE, _DELEGATE)
        or ("::" in event.name and not event.name.startswith(("Method", "Program")))
        or event.name.startswith(_PREFIX)
    ]


def _op_name(name: str) -> str:
    """Name of an event for people: ours, XNNPACK, or the operator's own."""
    if name == _DELEGATE:
        return "XNNPACK"
    plain = name.removeprefix(_PREFIX).rpartition("::")[2].partition(".")[0]
    if plain in _OURS:
        return _OURS[plain]
    return f"Lookup by {plain}" if plain.startswith("embedding") else plain
