"""Profile bundles on a phone over adb: latency, load and memory.

``--device android`` takes the only phone that is attached, ``--device android:SERIAL`` one of several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeemb.bundle.golden import read_golden, read_golden_texts
from edgeemb.bundle.manifest import Manifest
from edgeemb.devices.android.adb import Phone, clean, find_phone, workspace
from edgeemb.devices.android.feeds import golden_feeds, text_feed, write_feeds
from edgeemb.devices.android.measure import (
    FEEDS,
    GOLDEN_FEEDS,
    READINGS,
    RUNNER,
    Case,
    Job,
    measure,
    model_files,
)
from edgeemb.devices.android.report import Identity
from edgeemb.devices.android.runner import ABIS, build_dynamic, build_static, read_library
from edgeemb.devices.feeds import check_takes_ids, make_feeds, refusal, settled
from edgeemb.devices.measurement import Report
from edgeemb.devices.plan import ProfilePlan
from edgeemb.devices.texts import text_of
from edgeemb.errors import DeviceError
from edgeemb.progress import Progress, silent
from edgeemb.runtimes.c.sources import has_function
from edgeemb.runtimes.opening import check_code, checked
from edgeemb.runtimes.registry import RUNTIMES, find_runtime
from edgeemb.runtimes.tokenizer import open_tokenizer
from edgeemb.scratch import Scratch

#: Golden sentences that are run to see whether the phone gives the host's results.
GOLDEN_RUNS = 4
#: Seconds after which one process of the runner counts as hung, in addition to the time for the latencies.
LIMIT_S = 120.0

_PROPERTIES = (
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.soc.model",
    "ro.product.cpu.abi",
    "ro.build.version.release",
    "ro.build.version.sdk",
)


@dataclass(frozen=True)
class _Parts:
    """What is sent for a bundle, and the options that the runner gets for it.

    :param files: the files.
    :param model: those of the model, by their names on the phone.
    :param options: what every call of the runner is given.
    :param ops: the lookups in use.
    """

    files: tuple[Path, ...]
    model: tuple[str, ...]
    options: tuple[str, ...]
    ops: str


def profile(
    device: str, bundle: Path, plan: ProfilePlan, progress: Progress = silent, *, limit_s: float = LIMIT_S
) -> Report:
    """Profile a bundle on a phone.

    :param device: ``android`` or ``android:SERIAL``.
    :param bundle: the bundle's folder or zip file.
    :param plan: what to measure.
    :param progress: called with (steps done, steps in all).
    :param limit_s: seconds after which the runner counts as hung, in addition to the time for the latencies.
    :raises DeviceError: if there is no phone, it is lost, or the bundle cannot run on it.
    :raises NativeError: if the runner cannot be built.
    """
    with checked(bundle) as (folder, manifest), Scratch() as scratch:
        _check_runtime(bundle.name, manifest, plan)
        plan = settled(plan, [manifest])
        check_code(bundle, manifest, allowed=plan.allow_code)
        check_takes_ids(bundle.name, manifest)
        phone = find_phone(device.partition(":")[2])
        identity = identify(phone)
        parts = _parts(folder, bundle.name, manifest, identity.abi, plan, scratch)
        lengths = tuple(length for length in plan.lengths if not refusal(manifest, length))
        write_feeds(scratch / FEEDS, [(length, make_feeds(manifest, length)) for length in lengths])
        in_c = find_runtime(manifest.runtime).is_source
        reads = in_c and has_function(folder, manifest.name, "tokenize")
        expected = _write_golden(scratch / GOLDEN_FEEDS, folder, manifest, texts=reads)
        texts = _texts(folder, manifest, lengths) if reads else []
        for name in READINGS:
            feeds = [(length, text_feed(text, name)) for length, text in texts]
            write_feeds(scratch / f"{name}.bin", feeds)
        case = Case(bundle.name, folder, manifest, parts.ops, parts.model, lengths, expected, bool(texts))
        limit_s += 3 * plan.budget_s * len(lengths)
        with workspace(phone) as place:
            written = [FEEDS, GOLDEN_FEEDS, *(f"{name}.bin" for name in READINGS if texts)]
            phone.push([*parts.files, *(scratch / name for name in written)], place)
            options = (*parts.options, f"cores={plan.cores}")
            return measure(Job(phone, place, options, limit_s, progress), identity, case, plan)


def _write_golden(path: Path, folder: Path, manifest: Manifest, *, texts: bool) -> list[Sequence[float]]:
    """Write the inputs of golden sentences, as text where the export reads it; the results that the host had for them."""
    if texts:
        sentences = read_golden_texts(folder)[:GOLDEN_RUNS]
        write_feeds(path, [(manifest.max_length, text_feed(text)) for text, _ in sentences])
        return [result for _, result in sentences]
    golden = [pair for pair in read_golden(folder) if _is_text(pair[0])][:GOLDEN_RUNS]
    write_feeds(path, golden_feeds(manifest, [ids for ids, _ in golden]))
    return [result for _, result in golden]


def _texts(folder: Path, manifest: Manifest, lengths: Sequence[int]) -> list[tuple[int, bytes]]:
    """A text of about as many tokens for each length; none for a model without a vocabulary."""
    if manifest.tokenizer:
        return []
    tokenizer = open_tokenizer(folder, manifest)
    prompt = manifest.prompt
    return [
        (length, text_of(length, lambda text: tokenizer.ids([prompt + text])[0][0]).encode())
        for length in lengths
    ]


def _is_text(given: object) -> bool:
    """Whether a golden input is the ids of a text."""
    return isinstance(given, list) and all(isinstance(item, int) for item in given)


def identify(phone: Phone) -> Identity:
    """What a phone reports about itself.

    :param phone: the phone.
    :raises DeviceError: if no runner can be built for it.
    """
    command = "; ".join([*(f"getprop {name}" for name in _PROPERTIES), "uname -r"])
    lines = [clean(line) for line in phone.shell(command).output.split("\n")]
    maker, model, chip, abi, release, api, kernel = [*lines, *[""] * 7][:7]
    if abi not in ABIS:
        raise DeviceError(
            f"{phone.serial} runs {abi or 'an unknown processor'}: the runner is built for {' and '.join(ABIS)}"
        )
    return Identity(maker, model, chip, abi, f"Android {release} (API {api}), Linux {kernel}")


def _check_runtime(name: str, manifest: Manifest, plan: ProfilePlan) -> None:
    """Refuse what no runner can run, before a phone is looked for."""
    runtime = find_runtime(manifest.runtime)
    phone = runtime.phone
    if phone is None or not phone.runner:
        able = [other.name for other in RUNTIMES.values() if other.phone is not None and other.phone.runner]
        reason = phone.no_runner if phone is not None else f"the runner has no {runtime.title}"
        raise DeviceError(f"{name} cannot be measured over adb, {reason}: export it for {', '.join(able)}")
    if not phone.library:
        if plan.runtime_lib is not None:
            raise DeviceError(f"{name} is a C export, which brings its own code: leave `runtime_lib` out")
    elif plan.runtime_lib is None:
        raise DeviceError(
            f"{name} needs {runtime.title} on the phone: name its library with `runtime_lib` ({phone.library})"
        )
    elif not phone.takes_lookups and "custom" in (manifest.ops, plan.ops):
        raise DeviceError(
            f'{name} has native lookups, which the runner cannot give {runtime.title}: export it with ops="builtin"'
        )


def _parts(folder: Path, name: str, manifest: Manifest, abi: str, plan: ProfilePlan, scratch: Path) -> _Parts:
    if plan.runtime_lib is None:
        runner = build_static(folder, manifest.name, abi, scratch)
        return _Parts((runner,), (RUNNER,), (f"model={RUNNER}",), "builtin")
    library = read_library(plan.runtime_lib, abi)
    ops = _custom_ops(folder, name, manifest, abi, plan.ops)
    model = model_files(list(manifest.files))
    runner = build_dynamic(library, scratch, find_runtime(manifest.runtime))
    files = [runner, library.path, *(folder / item for item in model)]
    options = [f"model={model[0]}", f"library=./{library.path.name}"]
    if ops is not None:
        files.append(ops)
        options.append(f"ops=./{ops.name}")
    return _Parts(tuple(files), model, tuple(options), "builtin" if ops is None else "custom")


def _custom_ops(folder: Path, name: str, manifest: Manifest, abi: str, asked: str) -> Path | None:
    """The bundle's library of lookups for the phone, or None if the portable ones are to run."""
    libraries = [item for item in manifest.files if item.startswith("lib/") and item.endswith(".so")]
    fitting = [item for item in libraries if item.startswith(f"lib/{abi}/")]
    if asked == "builtin" or (not libraries and asked == "auto"):
        return None
    if not fitting:
        has = ", ".join(sorted({item.split("/")[1] for item in libraries})) or "no processor"
        raise DeviceError(
            f'{name} has native lookups for {has}, the phone runs {abi}: export it with target="android", or use ops="builtin"'
        )
    return folder / fitting[0]
