"""Patterns of +-1 to remember, and damaged copies to recall them from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from .images import Bits


class Memories(Task):
    """Four digits that differ much, as (4, D) in {-1, +1}; the test split pairs each with damaged copies."""

    kind = "binary"

    def __init__(self, data: str | Path = "digits", n: int = 4, flipped: float = 0.15) -> None:
        bits = Bits(data)
        memories = unlike(2 * bits.splits["train"][0][:2000] - 1, n)
        g = torch.Generator().manual_seed(0)
        want = memories.repeat_interleave(20, 0)
        probe = torch.where(torch.rand(want.shape, generator=g) < flipped, -want, want)
        super().__init__(
            memories, want, test_y=probe, shape=bits.facts["shape"], units=memories.shape[1], conditional=True
        )

    def evaluate(self, model: Reference) -> list[Score]:
        want, probe = self.splits["test"]
        got = model.sample(len(probe), probe.to(model.device)).cpu()
        overlap = (got * want).mean().item()
        return [
            Score(
                "recalled exactly",
                (got == want).all(1).float().mean().item(),
                "share",
                "higher",
                0.0,
                "the damaged probe",
            ),
            Score(
                "overlap with the memory", overlap, "of 1", "higher", (probe * want).mean().item(), "the damaged probe"
            ),
        ]


def unlike(x: Tensor, n: int, starts: int = 60) -> Tensor:
    """n rows of x (N, D) in {-1, +1} with small pairwise overlap: the best of greedy sets from several starts."""
    overlap = (x @ x.T / x.shape[1]).abs()

    def grow(first: int) -> tuple[float, list[int]]:
        chosen, worst = [first], 0.0
        while len(chosen) < n:
            largest = overlap[chosen].max(0).values
            chosen.append(int(largest.argmin()))
            worst = max(worst, float(largest.min()))
        return worst, chosen

    return x[min(grow(i) for i in range(min(starts, len(x))))[1]]
