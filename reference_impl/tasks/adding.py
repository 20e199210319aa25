"""The adding problem: a number has to be carried over a long gap (Hochreiter and Schmidhuber, 1997, experiment 4)."""

from __future__ import annotations

import torch

from ..core.reference import Batch
from ..core.task import Task

LONGEST = 200


def adding(n: int, length: int, seed: int) -> Batch:
    """n sequences (n, length, 2) of uniform numbers beside marks, one in each half; y (n,) is the sum of the marked.

    Whoever always answers the mean, 1, has a squared error of 1/6.
    """
    g = torch.Generator().manual_seed(seed)
    values, rows = torch.rand(n, length, generator=g), torch.arange(n)
    marks = torch.zeros(n, length)
    marks[rows, torch.randint(length // 2, (n,), generator=g)] = 1
    marks[rows, length // 2 + torch.randint(length - length // 2, (n,), generator=g)] = 1
    return Batch(torch.stack([values, marks], 2), (values * marks).sum(1))


class Adding(Task):
    """Fresh sequences at each step; their length grows from 10 to 200 over the first 60 % of the steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(torch.zeros(1))
        self.steps = steps

    def batch(self, stream: str, step: int, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        grown = min(1.0, step / (0.6 * self.steps))
        whole = adding(size, round(10 + (LONGEST - 10) * grown), 1000 * step + seed)
        return Batch(whole.x[rank::world], whole.y[rank::world])
