"""Modern Hopfield network: the same memory with a steeper energy, which holds far more.

Idea
    A state s is compared with each of M memories by its overlap o_m = x^m's. The classical
    network adds up the squares of the overlaps. A function Q may stand in their place,

        E(s) = s's / 2 - Q(o),

    and the steeper it is, the less the other memories disturb the closest one: sums of n-th powers
    hold about D^(n-1) random memories, exponentials a number that grows exponentially with D.

    Powers need bits: one unit after the other takes the sign with the lower energy. With the convex

        Q(o) = log sum_m exp(beta o_m) / beta

    the state may be any vector, and all its units change at once to the minimum of a bound on E,

        s <- X' softmax(beta X s),    rows of X the memories,

    which is attention with the state as query and the memories as keys and values.

Source
    Ramsauer et al., "Hopfield Networks is All You Need", 2021. arXiv:2008.02217
    Powers: Krotov & Hopfield, "Dense Associative Memory for Pattern Recognition", 2016.
    arXiv:1606.01164

Differs from the paper
    No projections of states and memories are learned. Constants of the energy are left out.

Shapes
    B batch, M memories, D units.

Run
    genai-patterns run modern_hopfield beta=0.1
"""

from collections.abc import Sequence

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.core import Config, Phase, Reference, Task, main


class ModernHopfieldConfig(Config):
    """Settings of the modern Hopfield network."""

    units: PositiveInt = 64
    """D, the number of units."""
    memories: PositiveInt = 4
    """M, how many patterns are stored."""
    beta: PositiveFloat = 1.0
    """Inverse temperature: large to recall one memory, small to average several."""
    power: int = Field(0, ge=0)
    """n, for the n-th power of the overlap and states of bits; 0 for the exponential."""
    sweeps: PositiveInt = 5
    """Most updates of all units in one recall."""


class ModernHopfield(Reference):
    """Modern Hopfield network: recall by attention to the memories, or bit by bit."""

    task = "memories"
    Config = ModernHopfieldConfig

    def __init__(self, cfg: ModernHopfieldConfig) -> None:
        super().__init__(cfg)
        self.X: Tensor
        self.register_buffer("X", torch.zeros(cfg.memories, cfg.units))

    def phases(self) -> Sequence[Phase]:
        return ()

    def prepare(self, task: Task) -> None:
        self.store(task.splits["train"][0])

    def store(self, x: Tensor) -> None:
        """Keep the first M rows of x (N, D) as they are; ValueError where there are fewer."""
        if len(x) < self.cfg.memories:
            raise ValueError(f"memories={self.cfg.memories}, but the data have {len(x)}; ask for at most as many")
        self.X.copy_(x[: self.cfg.memories])

    def interaction(self, overlaps: Tensor) -> Tensor:
        """Q of the overlaps with all memories: (B, M) -> (B,)."""
        if n := self.cfg.power:
            # scaled so that n = 2 gives the energy of the classical network
            return self.cfg.units / n * (overlaps / self.cfg.units).pow(n).sum(1)
        return (self.cfg.beta * overlaps).logsumexp(1) / self.cfg.beta

    def energy(self, x: Tensor) -> Tensor:
        """E(s) = s's / 2 - Q(Xs): (B, D) -> (B,)."""
        return x.square().sum(1) / 2 - self.interaction(x @ self.X.T)

    def update(self, s: Tensor, i: int) -> None:
        """Unit i of every state (B, D) takes the sign of lower energy, in place; a tie changes nothing."""
        x = self.X[:, i]
        others = s @ self.X.T - s[:, i, None] * x
        gain = self.interaction(others + x) - self.interaction(others - x)
        s[:, i] = torch.where(gain == 0, s[:, i], gain.sign())

    def attend(self, s: Tensor) -> Tensor:
        """All units at once: mean of the memories, weighted by softmax(beta Xs); (B, D) -> (B, D)."""
        return (self.cfg.beta * s @ self.X.T).softmax(1) @ self.X

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Settle from the probes y (n, D), by default from random bits: (n, D)."""
        if y is None:
            y = torch.randint(0, 2, (n, self.cfg.units), device=self.device).to(self.X) * 2 - 1
        s = y.clone()
        for _ in range(self.cfg.sweeps):
            before = s.clone()
            if self.cfg.power:
                for i in torch.randperm(self.cfg.units).tolist():
                    self.update(s, i)
            else:
                s = self.attend(s)
            if torch.equal(s, before):
                break
        return s


if __name__ == "__main__":
    main(ModernHopfield)
