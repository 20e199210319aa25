"""Hopfield network: memories stored as minima of an energy, recalled by going downhill.

Idea
    Store M patterns x^m in {-1, +1}^D in one symmetric matrix with zero diagonal,

        W = (1/D) sum_m x^m x^m',

    and let units change one at a time to the sign of their input. No such change raises

        E(s) = -1/2 s'Ws,

    so the network settles, and started at a damaged memory it settles at or near the memory.
    Storing is one outer product: nothing is trained. About 0.138 D random patterns fit.

Source
    Hopfield, "Neural networks and physical systems with emergent collective computational
    abilities", 1982. doi:10.1073/pnas.79.8.2554

Differs from the paper
    Units are -1 and +1 instead of 0 and 1, which takes the thresholds out of the energy; each
    sweep visits every unit once in random order instead of units firing at random times.

Shapes
    B batch, M memories, D units.

Run
    genai-patterns run hopfield_network sweeps=10
"""

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Tensor

from reference_impl.core import Config, Phase, Reference, Task, main


class HopfieldConfig(Config):
    """Settings of the Hopfield network."""

    units: PositiveInt = 64
    """D, the number of units."""
    sweeps: PositiveInt = 10
    """Most passes over all units in one recall."""


class Hopfield(Reference):
    """Classical Hopfield network: Hebbian storage, asynchronous recall."""

    task = "memories"
    Config = HopfieldConfig

    def __init__(self, cfg: HopfieldConfig) -> None:
        super().__init__(cfg)
        self.W: Tensor
        self.register_buffer("W", torch.zeros(cfg.units, cfg.units))

    def phases(self) -> Sequence[Phase]:
        return ()

    def prepare(self, task: Task) -> None:
        self.store(task.splits["train"][0])

    def store(self, x: Tensor) -> None:
        """Hebb's rule for the memories x (M, D) in {-1, +1}; replaces what was stored."""
        x = x.to(self.W)
        self.W.copy_((x.T @ x / x.shape[1]).fill_diagonal_(0))

    def energy(self, x: Tensor) -> Tensor:
        """E(s) = -s'Ws / 2: (B, D) -> (B,)."""
        return -0.5 * ((x @ self.W) * x).sum(1)

    def update(self, s: Tensor, i: int) -> None:
        """Unit i of every state (B, D) takes the sign of its input, in place; zero input changes nothing."""
        field = s @ self.W[i]
        s[:, i] = torch.where(field == 0, s[:, i], field.sign())

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Settle from the probes y (n, D), by default from noise: (n, D) in {-1, +1}."""
        if y is None:
            y = torch.randint(0, 2, (n, self.cfg.units), device=self.device).to(self.W) * 2 - 1
        s = y.clone()
        for _ in range(self.cfg.sweeps):
            before = s.clone()
            for i in torch.randperm(self.cfg.units).tolist():
                self.update(s, i)
            if torch.equal(s, before):  # a fixed point of every unit
                break
        return s


if __name__ == "__main__":
    main(Hopfield)
