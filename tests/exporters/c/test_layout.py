"""What the C writer lays out before a model runs: the arena's plan, and weights in blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeemb.body.grid import BLOCK, Grid, near_grid, spread
from edgeemb.body.panels import fours, totals
from edgeemb.exporters.c.arena import ALIGNMENT, Buffer, plan_arena
from edgeemb.exporters.c.packing.pairs import interleave, interleave_fours
from edgeemb.exporters.c.packing.panels import panels_fours


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 6), st.integers(0, 6)), max_size=12))
@settings(deadline=None)
def test_never_lets_two_living_buffers_share_memory(parts: list[tuple[int, int, int]]) -> None:
    buffers = [Buffer(str(at), size, min(a, b), max(a, b)) for at, (size, a, b) in enumerate(parts)]
    plan = plan_arena(buffers)
    for buffer in buffers:
        low, high = plan.offsets[buffer.name], plan.offsets[buffer.name] + buffer.bytes
        assert low % ALIGNMENT == 0
        assert high <= plan.bytes
        for other in buffers:
            if other is not buffer and other.meets(buffer) and buffer.bytes and other.bytes:
                start = plan.offsets[other.name]
                assert start >= high or start + other.bytes <= low


def test_shares_the_memory_of_buffers_that_never_meet() -> None:
    assert plan_arena([Buffer("a", 100, 0, 1), Buffer("b", 100, 2, 3)]).bytes == 112


def test_interleaves_two_outputs_block_by_block() -> None:
    weight = np.zeros((3, 20), np.float32)
    weight[0], weight[1], weight[2] = 1, -1, 0.5
    grid = near_grid(weight, 8, 20)
    blocks = interleave(grid.codes).reshape(2, 2, 2, 16)
    assert blocks[0, 0].tolist() == [[127] * 16, [-127] * 16]
    assert blocks[0, 1, 0].tolist() == [127] * 4 + [0] * 12
    assert not blocks[1, :, 1].any()
    assert np.allclose(grid.scales[:, 0], [1 / 127, 1 / 127, 0.5 / 127])


def some_grid(outputs: int, inputs: int, block: int) -> Grid:
    """A random grid of 4 bits whose scales have 8 significant bits."""
    weight = np.random.default_rng(outputs).standard_normal((outputs, inputs)).astype(np.float32)
    return near_grid(weight, 4, block)


def test_puts_two_weights_of_4_bits_into_a_byte_as_the_header_says() -> None:
    codes = np.array([[1, 2, 3, 4, -8, -7, -6, -5] * 4], np.int8)
    bytes_, scales = fours(Grid(codes, np.array([[1.5]], np.float32), 4, BLOCK))
    assert bytes_[0, 0, 0].tobytes().hex() == "091a2b3c"
    assert scales[0, 0].tobytes().hex() == "c03f"


def value(byte: int, high: bool, scale: bytes) -> float:
    """A weight as the kernels read it."""
    code = (int(byte) >> 4 if high else int(byte) & 15) - 8
    return float(code * np.frombuffer(b"\0\0" + scale, "<f4")[0])


def test_lays_4_bits_out_in_pairs_behind_their_scales() -> None:
    grid = some_grid(5, 128, 64)
    flat = interleave_fours(grid).view(np.uint8)
    assert len(flat) == 3 * 2 * (4 + 64)
    output, block, group, word, lane = 3, 1, 1, 2, 3
    at = (1 * 2 + block) * 68
    byte = flat[at + 4 + group * 32 + 16 + 4 * word + lane]
    inputs = block * 64 + group * 32 + 8 * word + lane
    scale = flat[at + 2 : at + 4].tobytes()
    assert value(byte, False, scale) == grid.values()[output, inputs]
    assert value(byte, True, scale) == grid.values()[output, inputs + 4]


def test_lays_4_bits_out_in_panels_behind_their_scales() -> None:
    grid = some_grid(37, 64, 32)
    flat = panels_fours(grid).view(np.uint8)
    assert len(flat) == 48 * 2 * (2 + 16)
    output, block, eight, lane = 35, 1, 2, 1
    at = 32 * 2 * 18 + block * (16 * 18)
    byte = flat[at + 32 + eight * 64 + (output - 32) * 4 + lane]
    scale = flat[at + 2 * (output - 32) : at + 2 * (output - 32) + 2].tobytes()
    assert value(byte, False, scale) == grid.values()[output, 32 + 8 * eight + lane]
    assert value(byte, True, scale) == grid.values()[output, 32 + 8 * eight + 4 + lane]


def test_keeps_the_sum_of_each_outputs_weights() -> None:
    grid = some_grid(3, 64, 32)
    wanted = (grid.codes * spread(grid.scales, 32, 64).astype(np.float64)).sum(axis=1)
    assert np.allclose(totals(grid), wanted, rtol=1e-6)
