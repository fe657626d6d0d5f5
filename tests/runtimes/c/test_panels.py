"""The engine for application processors: every instruction set gives the bits of the engine for microcontrollers, which is plain C."""

from __future__ import annotations

import importlib.util
import platform
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.body.grids import Grids
from edgeemb.body.prepare import prepare
from edgeemb.body.spec import read_bodies
from edgeemb.bundle.manifest import LateInteraction
from edgeemb.exporters.c.packing.panels import panels
from edgeemb.exporters.c.writer import write
from edgeemb.exporters.targets import find_target
from edgeemb.exporters.writers import Request
from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from edgeemb.native.kernels import variants
from edgeemb.runtimes.c.sources import read_sizes, sources
from tests.fixtures.models import save_plain, save_sentence
from tests.fixtures.models.families import save_family
from tests.fixtures.requirements import requires_program
from tests.places import TESTS

LENGTHS = ("1", "2", "3", "7", "8", "9", "15", "16", "17", "31", "33", "40")
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-pedantic")
#: The program runs on several threads too, and divides even the smallest layers among them.
PARALLEL = ("-DPARALLEL", "-DEEP_TASK=1u", "-pthread")
_SLOW = ("fours", "narrow", "even")
#: Shapes with tails everywhere: heads of 10 elements, 37 between the layers of the MLP; and the usual case, in which nothing is padded.
#: "windows" is a ModernBERT, whose 72 tokens are more than two panels of keys.
SHAPES: dict[str, dict[str, Any]] = {
    "odd": {
        "hidden_size": 20,
        "num_attention_heads": 2,
        "intermediate_size": 37,
        "hidden_act": "gelu_new",
        "initializer_range": 0.3,
    },
    "fours": {
        "hidden_size": 64,
        "num_attention_heads": 2,
        "intermediate_size": 96,
        "hidden_act": "gelu_new",
        "initializer_range": 0.3,
    },
    "windows": {
        "hidden_size": 64,
        "num_attention_heads": 8,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "local_attention": 6,
        "max_position_embeddings": 74,
        "initializer_range": 0.2,
    },
    "narrow": {
        "hidden_size": 48,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "initializer_range": 0.3,
    },
    "even": {
        "hidden_size": 96,
        "num_attention_heads": 3,
        "intermediate_size": 192,
        "initializer_range": 0.2,
    },
}
#: Bodies of those shapes that are prepared as a whole export prepares them; blocks of three sizes, and 8 bits beside 4.
BODIES = {
    "odd": ["int8"],
    "windows": ["int4:nearest", "layers.0.mlp.Wi=int4:block=64,nearest"],
    "narrow": ["int4:nearest", "layer.0.output=int4:block=128,nearest"],
    "fours": [
        "int4:nearest",
        "layer.0.intermediate=int4:block=64,nearest",
        "layer.1.attention.self.key=int8",
    ],
}
ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
#: Variants for this machine's architecture, the fastest last.
HERE = ("avx2", "avxvnni", "avx512") if ON_X86 else ()
#: Arm processors without a dot product of bytes, with one, and with a product of matrices too.
ARM_PROCESSORS = ("cortex-a53", "cortex-a76", "max")
ZIG = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"]
WASM = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi"]
#: Runs a program of WebAssembly.
NODE = ("node", "--no-warnings", str(TESTS / "fixtures/wasi.mjs"))
needs_zig = pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="needs the package ziglang")


def features() -> frozenset[str]:
    """What Linux calls the instructions that this processor has."""
    found = Path("/proc/cpuinfo")
    return frozenset(found.read_text("utf-8").split()) if found.is_file() else frozenset()


def can_run(variant: str) -> bool:
    """Whether this processor has the instructions of a variant, for AVX-VNNI in either encoding."""
    match variant:
        case "avxvnni":
            return bool(features() & {"avx_vnni", "avx512_vnni"})
        case "avx512":
            return "avx512_vnni" in features() and variant in variants()
    return variant in variants()


def flags_of(variant: str) -> list[str]:
    """Flags of the compiler that choose a variant."""
    other = variant == "avxvnni" and "avx_vnni" not in features()
    return [f"-DEEP_VARIANT=eep_kernels_{variant}", *(["-DEEP_VNNI_EVEX"] if other else [])]


def export(model: Any, folder: Path, target: str, grids: Grids | None = None, tokens: int = 40) -> Path:
    """The sources of a model, without the comparison of a whole export; its texts may end with tokens to which no other attends."""
    folder.mkdir()
    model = replace(model, interaction=LateInteraction(0, 0, expansion=1))
    request = Request(model, {}, "int8", "builtin", (tokens,), find_target(target), grids=grids or Grids())
    write(request, folder)
    return folder


def built(folder: Path, program: Path, compiler: list[str], *flags: str) -> Path:
    """The program over the sources of a model."""
    run_compiler(
        [
            *compiler,
            *FLAGS,
            *flags,
            "-DPREFIX=tiny",
            "-DUPPER=TINY",
            f"-DFILLED={re.findall(r'Of texts of more than ([0-9]+)', (folder / 'model.h').read_text())[0]}",
            f"-I{folder}",
            str(TESTS / "programs/panels/run.c"),
            *map(str, sources(folder)),
            "-o",
            str(program),
        ]
    )
    return program


def printed(program: Path, *run: str) -> str:
    """What the program prints for every length."""
    return subprocess.run(
        [*run, str(program), *LENGTHS], capture_output=True, text=True, check=True, timeout=300
    ).stdout


def bits(folder: Path, program: Path, compiler: list[str], *flags: str) -> str:
    """What the program prints that is built of the sources of a model."""
    return printed(built(folder, program, compiler, *flags))


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow) if name in _SLOW else name for name in SHAPES],
)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Sources in panels, of a body that is smoothed in one case, and what the engine for microcontrollers prints."""
    folder = tmp_path_factory.mktemp(request.param)
    head, shape = "ForSequenceClassification", {"num_labels": 3, **SHAPES[request.param]}
    if request.param == "windows":
        save_family(folder / "tiny", "ModernBERT", head, **shape)
    else:
        save_plain(folder / "tiny", "bert", head, **shape)
    model = edgeemb.load(str(folder / "tiny"))
    grids = Grids()
    if request.param in BODIES:
        wanted = read_bodies(BODIES[request.param])
        assert wanted.default is not None
        prepared = prepare(model, wanted, wanted.default.precision)
        model, grids = prepared.model, prepared.grids
    pairs = export(model, folder / "pairs", "cortex-m7", grids, model.max_length)
    expected = bits(pairs, folder / "expected", host_compiler())
    assert all(line.split()[1] == "0" for line in expected.splitlines())
    return export(model, folder / "panels", "ios", grids, model.max_length), expected


@pytest.mark.parametrize("variant", ["serial", *HERE])
def test_every_instruction_set_gives_the_bits_of_microcontrollers(
    variant: str, exported: tuple[Path, str], tmp_path: Path
) -> None:
    if not can_run(variant):
        pytest.skip(f"this processor has no {variant}")
    folder, expected = exported
    flags = (*WARNINGS, *PARALLEL, *flags_of(variant))
    assert bits(folder, tmp_path / "program", host_compiler(), *flags) == expected


@pytest.mark.parametrize("sanitizer", ["address,undefined", pytest.param("thread", marks=pytest.mark.slow)])
def test_the_fastest_variant_stays_within_its_memory(
    sanitizer: str, exported: tuple[Path, str], tmp_path: Path
) -> None:
    folder, expected = exported
    best = next((name for name in reversed(HERE) if can_run(name)), "serial")
    checks = (
        "-g",
        "-O1",
        f"-fsanitize={sanitizer}",
        "-fno-sanitize-recover=all",
        *flags_of(best),
        *PARALLEL,
    )
    assert bits(folder, tmp_path / "program", host_compiler(), *checks) == expected


@requires_program("qemu-aarch64", "qemu-user")
@needs_zig
def test_gives_the_same_bits_on_every_arm_processor(exported: tuple[Path, str], tmp_path: Path) -> None:
    folder, expected = exported
    program = built(folder, tmp_path / "program", [*ZIG, "-static"], *WARNINGS, *PARALLEL)
    for cpu in ARM_PROCESSORS:
        assert printed(program, "qemu-aarch64", "-cpu", cpu) == expected, cpu


@requires_program("node", "nodejs")
@needs_zig
@pytest.mark.parametrize("features", [["-msimd128"], pytest.param([], marks=pytest.mark.slow)])
def test_gives_the_same_bits_in_webassembly(
    features: list[str], exported: tuple[Path, str], tmp_path: Path
) -> None:
    folder, expected = exported
    assert printed(built(folder, tmp_path / "program.wasm", WASM, *WARNINGS, *features), *NODE) == expected


def test_runs_dense_layers_and_every_pooling_as_microcontrollers_do(tmp_path: Path) -> None:
    pooling = {"word_embedding_dimension": 16, "pooling_mode": ["cls", "max", "mean", "lasttoken"]}
    save_sentence(tmp_path / "tiny", pooling=pooling, dense=6)
    model = edgeemb.load(str(tmp_path / "tiny"))
    found = [
        bits(export(model, tmp_path / target, target), tmp_path / f"{target}.out", host_compiler())
        for target in ("cortex-m7", "ios")
    ]
    assert found[0] == found[1]


def test_weights_lie_in_panels_of_32_outputs_and_the_last_may_have_16() -> None:
    codes = np.random.default_rng(0).integers(-127, 128, (37, 10)).astype(np.int8)
    flat = panels(codes)
    assert len(flat) == 48 * 16
    assert flat[20 * 4 + 1 * 128 + 2] == codes[20, 6]
    assert flat[32 * 16 + 2 * 64 + (36 - 32) * 4 + 1] == codes[36, 9]
    assert not flat[32 * 16 + 5 * 4 : 32 * 16 + 64].any()


@pytest.mark.parametrize(
    "family",
    [
        "MPNet",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("ALBERT", "ELECTRA", "NomicBERT")),
    ],
)
def test_adds_distances_widens_embeddings_shares_layers_and_gates_as_microcontrollers_do(
    family: str, tmp_path: Path
) -> None:
    save_family(tmp_path / "tiny", family, initializer_range=0.3, num_hidden_layers=2)
    model = edgeemb.load(str(tmp_path / "tiny"))
    found = [
        bits(export(model, tmp_path / target, target, tokens=38), tmp_path / f"{target}.out", host_compiler())
        for target in ("cortex-m7", "ios")
    ]
    assert found[0] == found[1]


def test_stores_what_layers_share_once(tmp_path: Path) -> None:
    sizes = []
    for layers in (1, 3):
        save_family(tmp_path / f"tiny{layers}", "ALBERT", num_hidden_layers=layers)
        model = edgeemb.load(str(tmp_path / f"tiny{layers}"))
        sizes.append(read_sizes(export(model, tmp_path / str(layers), "ios", tokens=38), model.name))
    assert [each["layers"] for each in sizes] == [1, 3]
    assert sizes[0]["flash_bytes"] == sizes[1]["flash_bytes"]
