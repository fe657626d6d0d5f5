"""What the C writer lays out before a model runs: the arena's plan, and weights in blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeemb.exporters.c.arena import ALIGNMENT, Buffer, plan_arena
from edgeemb.exporters.c.packing import quantize
from edgeemb.exporters.c.pairs import interleave


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
    codes, scale = quantize(weight)
    blocks = interleave(codes).reshape(2, 2, 2, 16)
    assert blocks[0, 0].tolist() == [[127] * 16, [-127] * 16]
    assert blocks[0, 1, 0].tolist() == [127] * 4 + [0] * 12
    assert not blocks[1, :, 1].any()
    assert np.allclose(scale, [1 / 127, 1 / 127, 0.5 / 127])
