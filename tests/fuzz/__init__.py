"""Coverage-guided fuzzing of what reads bytes from elsewhere, in C and in Python (``make fuzz``).

A target in C is a file here with libFuzzer's entry; it is built by clang with the sanitizers over the sources in ``runtimes/``. A target in Python is
one of `tests.fuzz.readers`, which atheris runs under libFuzzer too. Inputs that reached new code before lie in ``corpus/<target>``; those of a run go
to ``build/fuzz``, and one that breaks something is named there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from edgeemb.text.compiled import compile_tokenizer
from tests.fixtures.tokenizers.small import KINDS, tokenizer_json
from tests.fuzz.readers import READERS
from tests.places import ROOT

HERE = Path(__file__).parent
PROGRAMS = ("blobs", "kernels", "lookups", "onnx_ops", "text", "words")
TARGETS = (*PROGRAMS, *READERS)
COMPILER = "clang"
_FLAGS = ("-std=c99", "-g", "-O1", "-ffp-contract=off", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")  # fmt: skip
_MOST_BYTES = 512


@dataclass(frozen=True)
class Run:
    """What a target did: inputs that it was given, seconds that they took, and what it found, empty if nothing."""

    target: str
    inputs: int
    seconds: float
    found: str


def build(target: str, folder: Path) -> list[str]:
    """Prepare a target.

    :param target: one of `TARGETS`.
    :param folder: where to put its program, or the whole files that a reader starts from.
    :return: the command that runs it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if target in READERS:
        seeds = folder / f"{target}-seeds"
        seeds.mkdir(exist_ok=True)
        READERS[target].seeds(seeds)
        return [sys.executable, "-m", "tests.fuzz.run", target]
    if target in _HEADERS:
        (folder / f"{target}_data.h").write_text(_HEADERS[target]())
    program = folder / target
    include = (f"-I{ROOT / 'runtimes'}", f"-I{ROOT / 'runtimes' / 'kernels'}", f"-I{HERE}", f"-I{folder}")
    subprocess.run([COMPILER, *_FLAGS, *include, str(HERE / f"{target}.c"), "-o", str(program)], check=True)
    return [str(program)]


def fuzz(target: str, folder: Path, seconds: float, seed: int = 0) -> Run:
    """Run a target for a time, from its corpus.

    :param target: one of `TARGETS`.
    :param folder: for the program, and for inputs that are new.
    :param seconds: how long.
    :param seed: of the random numbers; 0 for another one each time.
    """
    command = build(target, folder)
    fresh = folder / f"{target}-corpus"
    fresh.mkdir(exist_ok=True)
    began = time.monotonic()
    options = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={_most_bytes(target, folder)}",
        f"-seed={seed}",
    ]
    # The peak of memory that a process reports begins with that of the one which started it, so that allocations are bounded one by one.
    options += ["-print_final_stats=1", "-timeout=20", "-rss_limit_mb=0", "-malloc_limit_mb=1024"]
    options.append(f"-artifact_prefix={folder}/{target}-")
    done = subprocess.run(
        [*command, *options, str(fresh), *map(str, _corpora(target, folder))],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=ROOT,
    )
    counted = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    found = "" if done.returncode == 0 else (done.stderr[-1500:] + done.stdout[-3000:])
    return Run(target, int(counted[1]) if counted else 0, time.monotonic() - began, found)


def _corpora(target: str, folder: Path) -> list[Path]:
    """Folders of inputs that a run starts from."""
    places = (folder / f"{target}-seeds", HERE / "corpus" / target)
    return [place for place in places if place.is_dir()]


def _most_bytes(target: str, folder: Path) -> int:
    """Bytes of the largest input: whole files must fit."""
    sizes = [path.stat().st_size for place in _corpora(target, folder) for path in place.iterdir()]
    return max(_MOST_BYTES, max(sizes, default=0) * 5 // 4)


def keep(target: str, folder: Path, most: int = 15) -> None:
    """Put the smallest inputs that together reach what was reached into the repository's corpus.

    :param target: one of `TARGETS`.
    :param folder: that of `fuzz`.
    :param most: how many files to keep.
    """
    merged, place = folder / f"{target}-merged", HERE / "corpus" / target
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir()
    place.mkdir(exist_ok=True)
    command = [*build(target, folder), "-merge=1", f"-max_len={_most_bytes(target, folder)}", str(merged)]
    subprocess.run(
        [*command, str(folder / f"{target}-corpus"), str(place)], capture_output=True, check=True, cwd=ROOT
    )
    shutil.rmtree(place)
    place.mkdir()
    for path in sorted(merged.iterdir(), key=lambda path: path.stat().st_size)[:most]:
        shutil.copyfile(path, place / path.name)


def _tokenizers() -> str:
    """Compiled small tokenizers of some kinds, as arrays of C."""
    blobs = [compile_tokenizer(tokenizer_json(kind)) for kind in ("wordpiece", "unigram", "bpe of bytes")]
    lines = [
        f"static const uint8_t fuzz_blob_{number}[] = {{{', '.join(map(str, blob))}}};"
        for number, blob in enumerate(blobs)
    ]
    names = ", ".join(f"{{fuzz_blob_{number}, {len(blob)}}}" for number, blob in enumerate(blobs))
    lines.append(
        "static const struct { const uint8_t *data; uint32_t size; } fuzz_blobs[] = {" + names + "};"
    )
    return "\n".join(lines) + "\n"


def _blobs() -> str:
    """Compiled tokenizers of every kind, a few hundred tokens each."""
    blobs = [compile_tokenizer(tokenizer_json(kind)) for kind in KINDS]
    arrays = [
        f"static const uint8_t blob_{at}[] = {{{', '.join(map(str, blob))}}};"
        for at, blob in enumerate(blobs)
    ]
    entries = ", ".join(f"{{blob_{at}, sizeof blob_{at}}}" for at in range(len(blobs)))
    return (
        "#include <stddef.h>\n#include <stdint.h>\n"
        + "\n".join(arrays)
        + "\ntypedef struct blob {\n    const uint8_t *data;\n    size_t size;\n} blob;\n"
        + f"static const blob blobs[] = {{{entries}}};\nenum {{ BLOBS = {len(blobs)} }};\n"
    )


#: Headers with constants that targets in C include, as ``<target>_data.h``.
_HEADERS = {"blobs": _blobs, "text": _tokenizers}
