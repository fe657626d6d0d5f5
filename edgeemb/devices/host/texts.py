"""What a text costs on this machine: the first one, and at each length its tokens and the way from text to vector."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from edgeemb.devices.host.memory import Reading
from edgeemb.devices.host.process import Worker
from edgeemb.devices.measurement import Measurement
from edgeemb.devices.plan import ProfilePlan

#: Texts of each length: as many as a part of the budget allows, between these.
_LEAST_RUNS, _MOST_RUNS = 10, 500
_WARM_UP_RUNS = 3

NOTE = (
    "Text to tokens, and text in to vector out, are for texts of up to so many tokens, on one thread; the first text is a short sentence: its "
    "tokenizer is opened too."
)


def measure_texts(worker: Worker, lengths: Sequence[int], plan: ProfilePlan) -> list[Measurement]:
    """Measure texts in a process in which the bundle has run, but on no text.

    :param worker: the process.
    :param lengths: sequence lengths that the bundle takes.
    :param plan: runs and budget.
    """
    before = Reading(**worker.ask("memory"))
    first = worker.ask("first_text")["ms"]
    after = Reading(**worker.ask("memory"))
    found = [Measurement("first_text_ms", first, "", None, 1, 1)]
    for kind in ("anonymous", "file"):
        low, high = getattr(before, f"{kind}_bytes"), getattr(after, f"{kind}_bytes")
        reason = (
            ""
            if None not in (low, high)
            else "this system does not report a process's resident pages by kind"
        )
        found.append(Measurement(f"first_text_{kind}_bytes", None if reason else high - low, reason))
    for length in lengths:
        warm = worker.ask("text", length=length, runs=_WARM_UP_RUNS)
        each = max(median(warm["ms"]), 1e-3)
        runs = plan.runs or int(min(max(1000 * plan.budget_s / 4 / each, _LEAST_RUNS), _MOST_RUNS))
        taken = worker.ask("text", length=length, runs=runs)
        found += [
            Measurement(name, median(taken[key]), "", length, 1, runs)
            for name, key in (("tokens_p50_ms", "tokens_ms"), ("text_p50_ms", "ms"))
        ]
    return found
