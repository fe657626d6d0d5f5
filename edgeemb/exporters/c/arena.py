"""The plan of a static arena: the offset of each buffer, such that buffers that are never alive at the same time share memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Alignment of every buffer in bytes, that of `EEM_ALIGNMENT` in the kernels.
ALIGNMENT = 16


@dataclass(frozen=True)
class Buffer:
    """A piece of working memory.

    :param name: its name, unique in the plan.
    :param bytes: its size.
    :param first: number of the first step that uses it.
    :param last: number of the last step that uses it.
    """

    name: str
    bytes: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        """Whether both live in some step."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """The offsets of buffers.

    :param offsets: offset in bytes of every buffer by name, multiples of `ALIGNMENT`.
    :param bytes: size of the arena.
    """

    offsets: dict[str, int]
    bytes: int


def plan_arena(buffers: Sequence[Buffer]) -> Plan:
    """Place buffers greedily by size, each at the lowest offset where nothing that is alive at the same time overlaps it.

    The heuristic, and how close it comes to the optimum: https://arxiv.org/abs/2001.03288, section 5.2 ("greedy by size").

    :param buffers: the buffers; their names differ.
    """
    placed: list[tuple[Buffer, int]] = []
    for buffer in sorted(buffers, key=lambda item: (-item.bytes, item.name)):
        low = 0
        for other, offset in sorted(
            ((o, at) for o, at in placed if o.meets(buffer)), key=lambda pair: pair[1]
        ):
            if low + buffer.bytes <= offset:
                break
            low = max(low, _aligned(offset + other.bytes))
        placed.append((buffer, low))
    return Plan(
        {buffer.name: offset for buffer, offset in placed},
        max((_aligned(at + b.bytes) for b, at in placed), default=0),
    )


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
