"""Patterns of +-1 to remember, and damaged copies to recall them from."""

from __future__ import annotations

from pathlib import Path

import torch

from ..core.reference import Reference
from ..core.task import Score, Task
from .images import Bits


class Memories(Task):
    """Ten digits (one of each class) as (10, D) in {-1, +1}; the test split pairs each with copies, 15 % flipped."""

    kind = "binary"

    def __init__(self, data: str | Path = "digits", n: int = 10, flipped: float = 0.15) -> None:
        bits = Bits(data)
        x, y = bits.splits["train"]
        rows = torch.arange(len(x)) if y is None else torch.stack([(y == c).nonzero()[0, 0] for c in y.unique()])
        memories = 2 * x[rows[:n]] - 1
        g = torch.Generator().manual_seed(0)
        want = memories.repeat_interleave(20, 0)
        probe = torch.where(torch.rand(want.shape, generator=g) < flipped, -want, want)
        super().__init__(memories, want, test_y=probe, shape=bits.facts["shape"], units=memories.shape[1], conditional=True)

    def evaluate(self, model: Reference) -> list[Score]:
        want, probe = self.splits["test"]
        got = model.sample(len(probe), probe.to(model.device)).cpu()
        overlap = (got * want).mean().item()
        return [
            Score("recalled exactly", (got == want).all(1).float().mean().item(), "share", "higher", 0.0, "the damaged probe"),
            Score("overlap with the memory", overlap, "of 1", "higher", (probe * want).mean().item(), "the damaged probe"),
        ]
