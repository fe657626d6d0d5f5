"""Several processes that train together, as `torchrun` starts them; one process is a group of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Group:
    """The processes of a training.

    :param rank: number of this process.
    :param size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process judges, reports and writes."""
        return self.rank == 0

    def share(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """The part of a batch that this process computes.

        :param batch: int64[n], places of the examples of all processes.
        """
        return batch[self.rank :: self.size]

    def wrap(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are averaged over the processes."""
        # A frozen part, or a loss that is left out, leaves parameters without a gradient.
        return module if self.size == 1 else DistributedDataParallel(module, find_unused_parameters=True)

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes.

        :param values: float64[n]; changed in place.
        """
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def device(self, device: torch.device) -> torch.device:
        """The device of this process: each process has its own GPU."""
        if device.type == "cuda" and device.index is None and self.size > 1:
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))
        return device


@contextmanager
def joined() -> Iterator[Group]:
    """The group that `torchrun` put this process into, for as long as the block runs."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or distributed.is_initialized():
        yield Group()
        return
    # gloo serves CPU and GPU alike; gradients of models this small do not need a faster one.
    distributed.init_process_group("gloo")
    try:
        yield Group(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
