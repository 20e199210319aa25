"""Boltzmann machine: bits linked at will, some of them hidden, drawn one after the other.

Idea
    D = V + H bits s = (v, h), of which the data show V, have symmetric links W and biases b,

        E(s) = -sum_{i<j} W_ij s_i s_j - sum_i b_i s_i,      p(s) = exp(-E(s) / T) / Z.

    Given all others, a bit is on with log-odds a_i / T, where a_i = sum_j W_ij s_j + b_i. Drawing
    one bit after the other from that law leaves p unchanged, so a chain of draws reaches it. As u
    uniform makes log(u / (1 - u)) logistic, the draw is a threshold with noise,

        s_i = [a_i > T log(u / (1 - u))],

    and without noise, T = 0, it is the update of a Hopfield network. The likelihood gradient is

        d log p(v) / dW_ij = <s_i s_j>_clamped - <s_i s_j>_free,

    the chance that both bits are on while v is held at the data, minus that of the machine left to
    itself. A link learns from its two ends alone.

Source
    Ackley, Hinton & Sejnowski, "A learning algorithm for Boltzmann machines", 1985.
    doi:10.1207/s15516709cog0901_7

Differs from the paper
    The free phase goes on from the states that the last update left (Tieleman, 2008,
    doi:10.1145/1390156.1390290) instead of cooling anew. Links move by the difference of the
    statistics instead of by its sign. Biases of visible bits start at their log-odds in the data.

Shapes
    B batch, V visible bits, H hidden bits, D = V + H.

Run
    genai-patterns run boltzmann_machine hidden=16
"""

from collections.abc import Sequence

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Metrics, Optimizers, Reference, Task, main


class BoltzmannConfig(Config):
    """Settings of the Boltzmann machine."""

    visible: PositiveInt = 64
    """V, the number of observed bits."""
    hidden: NonNegativeInt = 32
    """H, the number of hidden bits; with none the data decide every bit."""
    init: PositiveFloat = 0.1
    """Standard deviation of the links at the start; without any, all hidden bits stay alike."""
    clamped: PositiveInt = 4
    """Sweeps over the hidden bits, from random ones, while the visible bits are held."""
    free: PositiveInt = 1
    """Sweeps over all bits of each free chain before an update."""
    anneal: PositiveInt = 200
    """Sweeps from random bits to a sample."""
    hot: float = Field(5.0, ge=1)
    """Temperature of the first of those sweeps; it falls to 1 by the middle one."""
    steps: NonNegativeInt = 2000
    lr: PositiveFloat = 0.1
    cooldown: float = Field(0.5, ge=0, le=1)
    weight_decay: NonNegativeFloat = 1e-3
    """Pull of W to zero."""


class BoltzmannMachine(Reference):
    """Boltzmann machine with hidden bits and links between any two bits."""

    task = "bits"
    Config = BoltzmannConfig

    def __init__(self, cfg: BoltzmannConfig) -> None:
        super().__init__(cfg)
        bits = cfg.visible + cfg.hidden
        # only the part above the diagonal counts
        self.links = nn.Parameter(cfg.init * torch.randn(bits, bits))
        self.b = nn.Parameter(torch.zeros(bits))
        self.chains: Tensor
        # of the global batch's size on every process: all draw the same noise for them and agree
        self.register_buffer("chains", torch.zeros(cfg.batch_size, bits))

    @property
    def W(self) -> Tensor:
        """Symmetric links with zero diagonal: (D, D)."""
        above = self.links.triu(1)
        return above + above.T

    @torch.no_grad()
    def prepare(self, task: Task) -> None:
        x = task.splits["train"][0]
        # one more 0 and one more 1 of each bit, so that no bit is impossible
        self.b[: self.cfg.visible] = ((x.sum(0) + 1) / (len(x) + 2)).logit()
        self.chains.copy_(self.random(len(self.chains)))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        groups = [{"params": [self.links], "weight_decay": self.cfg.weight_decay}, {"params": [self.b]}]
        return {"main": torch.optim.SGD(groups, lr=self.cfg.lr, momentum=0.5)}

    @torch.no_grad()
    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """Make what happens with the data held more likely, what happens without them less."""
        held, free = self.clamp(batch.x, self.cfg.clamped), self.chains
        for _ in range(self.cfg.free):
            free = self.sweep(free)
        self.chains.copy_(free)
        data, model = self.statistics(held), self.statistics(free)
        opt.apply("main", [m - d for d, m in zip(data, model, strict=True)])
        return {"energy_gap": self.joint_energy(free).mean() - self.joint_energy(held).mean()}

    def statistics(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """Batch means of -dE/d(links) and -dE/db: (B, D) -> (D, D), (D,)."""
        return (s.T @ s / len(s)).triu(1), s.mean(0)

    def joint_energy(self, s: Tensor) -> Tensor:
        """E of visible and hidden bits together: (B, D) -> (B,)."""
        return -((s @ self.links.triu(1)) * s).sum(1) - s @ self.b

    def log_odds(self, s: Tensor) -> Tensor:
        """a, of every bit given all others: (B, D) -> (B, D)."""
        return s @ self.W + self.b

    def sweep(self, s: Tensor, bits: Sequence[int] | None = None, temperature: float = 1.0) -> Tensor:
        """Draw these bits, by default all, one after the other given the rest: (B, D) -> (B, D)."""
        bits = range(s.shape[1]) if bits is None else bits
        W, b = self.W, self.b
        bar = temperature * torch.rand(len(s), len(bits), device=s.device, dtype=s.dtype).logit(1e-7)
        # a bit of all chains side by side in memory
        s, bar = s.T.contiguous(), bar.T.contiguous()
        for i, threshold in zip(bits, bar, strict=True):
            s[i] = W[i] @ s + b[i] > threshold
        return s.T.contiguous()

    def clamp(self, v: Tensor, sweeps: int) -> Tensor:
        """Visible bits as given, hidden ones drawn: (B, V) -> (B, D)."""
        s = torch.cat([v, self.random(len(v))[:, self.cfg.visible :]], 1)
        for _ in range(sweeps):
            s = self.sweep(s, range(self.cfg.visible, s.shape[1]))
        return s

    def random(self, n: int) -> Tensor:
        """Fair coins: (n, D)."""
        return torch.randint(0, 2, (n, len(self.b)), device=self.device).to(self.b)

    def temperature(self, k: int) -> float:
        """Temperature of sweep k of a sample."""
        return max(1.0, self.cfg.hot ** (1 - 2 * k / self.cfg.anneal))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n chains cooled from random bits to temperature 1: (n, V) in {0, 1}."""
        s = self.random(n)
        for k in range(self.cfg.anneal):
            s = self.sweep(s, temperature=self.temperature(k))
        return s[:, : self.cfg.visible].contiguous()


if __name__ == "__main__":
    main(BoltzmannMachine)
