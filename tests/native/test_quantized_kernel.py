"""The native lookup kernels against an independent evaluation of their contract (runtimes/kernels/quantized.h)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeemb.errors import InputError, NativeError
from edgeemb.native import kernels as native
from edgeemb.native.libraries import find_library, find_sources
from tests.fixtures.buffers import finite_floats, same_bits, unaligned
from tests.fixtures.requirements import requires_program
from tests.places import TESTS

VARIANTS = native.variants()
ZERO = {8: 128.0, 4: 8.0, 2: 1.5, 1: 0.5}
KERNELS = find_sources() / "runtimes" / "kernels"
#: Programs that compare every variant of a kernel with a plain evaluation of its contract.
DRIVERS = (
    "quantized_agree",
    "logits_agree",
    "shortlist_agree",
    "codebook_agree",
    "ngram_agree",
    "vectors_agree",
)


def reference(
    ids: NDArray[Any],
    codes: NDArray[np.uint8],
    scales: NDArray[Any],
    bits: int,
    dim: int,
    block: int,
    planes: int,
) -> NDArray[np.float32]:
    """Rows float32[N, dim], element by element from the words of the header."""
    per_byte = 8 // bits
    width = (dim + per_byte - 1) // per_byte
    element = np.arange(dim)
    total = np.zeros((len(ids), dim), np.float32)
    for plane in range(planes):
        byte = codes[ids][:, plane * width + element % width].astype(np.int64)
        code = (byte >> (element // width * bits)) & (2**bits - 1)
        scale = scales[ids].astype(np.float32)[:, plane * (dim // block) + element // block]
        product = (code.astype(np.float32) - np.float32(ZERO[bits])) * scale
        total = product if plane == 0 else total + product
    return total


def random_table(
    rng: np.random.Generator, rows: int, bits: int, dim: int, block: int, planes: int, scale_type: Any
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Random codes and finite scales of every kind: subnormal, negative, zero, large."""
    codes = rng.integers(0, 256, (rows, planes * -(-dim * bits // 8)), dtype=np.uint8)
    size = rows * planes * (dim // block)
    scales = finite_floats(rng, size, scale_type)
    return codes, scales.reshape(rows, -1)


@st.composite
def lookups(draw: st.DrawFn) -> dict[str, Any]:
    blocks = draw(st.integers(1, 6))
    block = draw(st.one_of(st.sampled_from([16, 32, 48, 64, 128]), st.integers(1, 70)))
    return {
        "bits": draw(st.sampled_from([8, 4, 2, 1])),
        "dim": block * blocks,
        "block": block if blocks > 1 else draw(st.sampled_from([0, block])),
        "planes": draw(st.integers(1, 4)),
        "rows": draw(st.integers(1, 40)),
        "count": draw(st.integers(0, 30)),
        "scale_type": draw(st.sampled_from([np.float16, np.float32])),
        "id_type": draw(st.sampled_from([np.int32, np.int64])),
        "offset": draw(st.integers(0, 17)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=150, deadline=None)
@given(case=lookups())
def test_every_variant_gives_the_bits_of_the_contract(variant: str, case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    bits, dim, block, planes = case["bits"], case["dim"], case["block"], case["planes"]
    codes, scales = random_table(rng, case["rows"], bits, dim, block or dim, planes, case["scale_type"])
    ids = rng.integers(0, case["rows"], case["count"]).astype(case["id_type"])
    out = unaligned(np.zeros((len(ids), dim), np.float32), case["offset"])
    got = native.quantized_lookup(
        unaligned(ids, case["offset"]), unaligned(codes, case["offset"]), unaligned(scales, case["offset"]),
        bits, dim, block, planes, variant, out,
    )  # fmt: skip
    assert same_bits(got, reference(ids, codes, scales, bits, dim, block or dim, planes))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("bits", "codes", "stored"),
    [
        (8, [0, 127, 128, 255], [0x00, 0x7F, 0x80, 0xFF]),
        (4, [1, 2, 3, 4], [0x31, 0x42]),
        (2, [0, 1, 2, 3, 3, 2, 1, 0], [0x78, 0x2D]),
        (1, [1, 0, 0, 0, 0, 0, 0, 1, 1], [0x11, 0x08]),
    ],
)
def test_the_packing_examples_of_the_header_hold(
    variant: str, bits: int, codes: list[int], stored: list[int]
) -> None:
    packed = np.array([stored], np.uint8)
    rows = native.quantized_lookup(
        np.array([0]), packed, np.array([[0.5]], np.float16), bits, len(codes), variant=variant
    )
    assert rows.tolist() == [[(code - ZERO[bits]) * 0.5 for code in codes]]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bits", [8, 4, 2, 1])
def test_first_last_and_repeated_ids_give_their_rows(variant: str, bits: int) -> None:
    rng = np.random.default_rng(bits)
    codes, scales = random_table(rng, 100, bits, 384, 32, 1, np.float16)
    ids = np.array([0, 99, 0, 99, 99, 50, 0])
    rows = native.quantized_lookup(ids, codes, scales, bits, 384, 32, variant=variant)
    assert same_bits(rows, reference(ids, codes, scales, bits, 384, 32, 1))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("wrong", [-1, 10, 2**31 - 1, -(2**31), 2**32 + 1, 2**62, -(2**63)])
def test_an_id_out_of_range_is_named_and_nothing_is_written(variant: str, wrong: int) -> None:
    codes, scales = random_table(np.random.default_rng(0), 10, 4, 64, 32, 1, np.float16)
    out = np.full((3, 64), 7, np.float32)
    for id_type in (np.int32, np.int64) if -(2**31) <= wrong < 2**31 else (np.int64,):
        with pytest.raises(InputError, match=rf"id {wrong} at position 1 is outside \[0, 10\)"):
            native.quantized_lookup(
                np.array([3, wrong, -1], id_type), codes, scales, 4, 64, 32, variant=variant, out=out
            )
        assert (out == 7).all()


def test_no_ids_at_all_give_no_rows() -> None:
    codes, scales = random_table(np.random.default_rng(0), 10, 4, 64, 32, 1, np.float16)
    for variant in VARIANTS:
        assert native.quantized_lookup(
            np.array([], np.int64), codes, scales, 4, 64, 32, variant=variant
        ).shape == (0, 64)


@pytest.mark.parametrize(
    ("bits", "dim", "block"),
    [(3, 64, 0), (4, 64, 48), (16, 64, 0)],
    ids=["three bits", "block that does not divide", "sixteen bits"],
)
def test_the_kernel_refuses_sizes_that_do_not_fit(bits: int, dim: int, block: int) -> None:
    codes = np.zeros((2, -(-dim * bits // 8)), np.uint8)
    scales = np.zeros((2, dim // block if block else 1), np.float16)
    with pytest.raises(NativeError, match=f"bits={bits} dim={dim} block={block}"):
        native.quantized_lookup(np.array([0]), codes, scales, bits, dim, block)


def test_arrays_that_do_not_fit_each_other_are_refused_before_the_kernel_sees_them() -> None:
    codes, scales = random_table(np.random.default_rng(0), 10, 4, 64, 32, 1, np.float16)
    with pytest.raises(InputError, match="codes is"):
        native.quantized_lookup(np.array([0]), codes[:, :-1], scales, 4, 64, 32)
    with pytest.raises(InputError, match="scales is"):
        native.quantized_lookup(np.array([0]), codes, scales[:5], 4, 64, 32)
    with pytest.raises(InputError, match="ids is float64"):
        native.quantized_lookup(np.array([0.0]), codes, scales, 4, 64, 32)


def test_an_unknown_variant_is_refused() -> None:
    codes, scales = random_table(np.random.default_rng(0), 10, 4, 64, 32, 1, np.float16)
    with pytest.raises(NativeError, match="variant=abacus"):
        native.quantized_lookup(np.array([0]), codes, scales, 4, 64, 32, variant="abacus")


def test_a_library_that_is_not_installed_is_named() -> None:
    with pytest.raises(NativeError, match="edgeemb_abacus"):
        find_library("edgeemb_abacus")


def test_serial_is_always_there() -> None:
    assert VARIANTS[-1] == "serial"


def run_driver(driver: str, compiler: list[str], folder: Path, runner: list[str] | None = None) -> str:
    """Build a C driver and run it; its output."""
    program = folder / driver
    source = TESTS / "programs" / "kernels" / f"{driver}.c"
    subprocess.run([*compiler, f"-I{KERNELS}", str(source), "-o", str(program)], check=True)
    done = subprocess.run([*(runner or []), str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_sanitizers_find_nothing_at_odd_sizes(driver: str, tmp_path: Path) -> None:
    flags = ["-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    assert "comparisons agree" in run_driver(driver, ["cc", *flags], tmp_path)


@pytest.mark.parametrize("driver", DRIVERS)
def test_products_are_not_fused_even_where_the_compiler_may(driver: str, tmp_path: Path) -> None:
    assert "comparisons agree" in run_driver(
        driver, ["cc", "-O3", "-march=native", "-ffp-contract=fast"], tmp_path
    )


def test_the_headers_compile_without_a_warning(tmp_path: Path) -> None:
    source = tmp_path / "all.c"
    source.write_text(
        "".join(
            f'#include "{header}.h"\n'
            for header in (
                "status",
                "half",
                "ids",
                "cpu",
                "codebook",
                "logits",
                "ngram",
                "quantized",
                "shortlist",
                "vectors",
            )
        )
    )
    for level in ("-O0", "-O2", "-Os"):
        flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow", level]
        subprocess.run(
            ["cc", *flags, f"-I{KERNELS}", "-c", str(source), "-o", str(tmp_path / "all.o")], check=True
        )


@pytest.mark.parametrize(
    "target",
    [
        "thumb-freestanding-eabi -mcpu=cortex_m55",
        "thumb-freestanding-eabi -mcpu=cortex_m0plus",
        "aarch64-macos",
    ],
)
def test_the_headers_compile_for_other_processors(target: str, tmp_path: Path) -> None:
    source = tmp_path / "all.c"
    names = ("codebook", "logits", "ngram", "quantized", "shortlist", "vectors")
    source.write_text("".join(f'#include "{name}.h"\n' for name in names))
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", *target.split(), "-std=c99", "-O2"]
    flags = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(
        [*compiler, *flags, f"-I{KERNELS}", "-c", str(source), "-o", str(tmp_path / "all.o")], check=True
    )


@pytest.mark.parametrize("driver", DRIVERS)
@requires_program("qemu-aarch64", "qemu-user")
def test_neon_agrees_under_emulation(driver: str, tmp_path: Path) -> None:
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static", "-O3"]
    assert "neon" in run_driver(driver, compiler, tmp_path, ["qemu-aarch64"])
