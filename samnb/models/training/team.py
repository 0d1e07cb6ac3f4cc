"""Several single-threaded processes that train one model together.

The tensors of this model are small: two processes with one thread each do about one and a half
times the work of one process with two threads. Gradients are averaged after every step, so all
copies of the model stay equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn


@dataclass(frozen=True)
class Team:
    """This process's place among the processes of a run.

    Attributes:
        rank: 0 leads: it evaluates, saves and keeps the time.
        size: number of processes; 1 needs no communication at all.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_lead(self) -> bool:
        """Whether this process evaluates, saves and keeps the time."""
        return self.rank == 0

    def agree_on(self, model: nn.Module) -> None:
        """Give every process the lead's parameters."""
        if self.size > 1:
            for parameter in model.parameters():
                dist.broadcast(parameter.data, src=0)

    def average(self, parameters: Sequence[nn.Parameter], share: float) -> float:
        """Average the gradients of all processes in place and return the lead's `share`.

        A parameter that a process's clips did not touch counts as a gradient of zero.
        """
        if self.size == 1:
            return share
        parts = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
        flat = torch.cat([*parts, torch.tensor([share * self.size if self.is_lead else 0.0])])
        dist.all_reduce(flat)
        flat /= self.size
        start = 0
        for parameter in parameters:
            count = parameter.numel()
            parameter.grad = flat[start : start + count].view(parameter.shape).clone()
            start += count
        return float(flat[-1])

    def leave(self) -> None:
        """Part from the others once nothing is left to average.

        A process that ends while its connections stand is at times aborted by their threads.
        """
        if self.size > 1:
            dist.destroy_process_group()


def join_team(
    rank: int, size: int, meeting: Path, patience: timedelta = timedelta(minutes=10)
) -> Team:
    """Meet the other processes through a file that does not exist yet, in an existing folder.

    Whoever waits longer than `patience` for the others stops with an error: a partner that died
    must not leave the rest running for ever. The others wait while the lead evaluates.
    """
    if size > 1:
        dist.init_process_group(
            "gloo",
            init_method=meeting.as_uri(),
            rank=rank,
            world_size=size,
            timeout=patience,
        )
    return Team(rank, size)
