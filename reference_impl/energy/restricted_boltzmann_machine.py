"""Restricted Boltzmann machine: an energy over visible and hidden bits, learned by contrast.

Idea
    Bits v and h have the energy E(v, h) = -v'Wh - b'v - c'h and a probability proportional to
    exp(-E). No unit is linked to one of its own layer, so given one layer the units of the other
    are independent: Gibbs sampling alternates whole layers, and h can be summed out exactly,

        F(v) = -log sum_h exp(-E(v, h)) = -b'v - sum_j softplus(W'v + c)_j.

    The likelihood gradient is a difference of two correlations,

        d log p(v) / dW = <v h'>_data - <v h'>_model,

    and the second needs samples of the model. Contrastive divergence (CD-k) takes k Gibbs steps
    from the data, which is too short to get far from them. Persistent chains (PCD) instead go on
    from where the last update left them and follow the slowly changing model. Either way the
    update is the gradient of no function: there is no loss, and nothing is backpropagated.

Source
    Hinton, "Training products of experts by minimizing contrastive divergence", 2002.
    doi:10.1162/089976602760128018. Persistent chains: Tieleman, 2008. doi:10.1145/1390156.1390290.
    log Z: Salakhutdinov & Murray, 2008. doi:10.1145/1390156.1390266

Differs from the paper
    Both layers are binary. Persistent chains are the default. Visible biases start at the log-odds
    of each bit.

Shapes
    B batch, V visible units, H hidden units.

Run
    genai-patterns run restricted_boltzmann_machine hidden=32 persistent=false
"""

import math

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Metrics, Optimizers, Reference, Task, main

Weights = tuple[Tensor, Tensor, Tensor]
"""W (V, H), b (V,), c (H,)."""


class RBMConfig(Config):
    """Settings of the RBM."""

    visible: PositiveInt = 64
    """V, the number of observed bits."""
    hidden: PositiveInt = 128
    """H, the number of hidden bits."""
    persistent: bool = True
    """Whether chains go on from one update to the next (PCD) or start at the data (CD)."""
    gibbs: PositiveInt = 1
    """k, the Gibbs steps before each update."""
    burn_in: NonNegativeInt = 1000
    """Gibbs steps from independent bits to a sample."""
    steps: NonNegativeInt = 8000
    lr: PositiveFloat = 0.1
    cooldown: float = Field(0.5, ge=0, le=1)
    weight_decay: NonNegativeFloat = 1e-3
    """Pull of W to zero."""


class RBM(Reference):
    """Binary restricted Boltzmann machine."""

    task = "bits"
    Config = RBMConfig

    def __init__(self, cfg: RBMConfig) -> None:
        super().__init__(cfg)
        self.W = nn.Parameter(0.01 * torch.randn(cfg.visible, cfg.hidden))
        self.b = nn.Parameter(torch.zeros(cfg.visible))
        self.c = nn.Parameter(torch.zeros(cfg.hidden))
        self.base: Tensor
        self.chains: Tensor
        # log-odds of each bit in the data: where chains, biases and annealing start
        self.register_buffer("base", torch.zeros(cfg.visible))
        # of the global batch's size on every process: all draw the same noise for them and agree
        self.register_buffer("chains", torch.zeros(cfg.batch_size, cfg.visible))

    @property
    def weights(self) -> Weights:
        return self.W, self.b, self.c

    @torch.no_grad()
    def prepare(self, task: Task) -> None:
        x = task.splits["train"][0]
        # one more 0 and one more 1 of each bit, so that no bit is impossible
        self.base.copy_(((x.sum(0) + 1) / (len(x) + 2)).logit())
        self.b.copy_(self.base)
        self.chains.copy_(self.independent(len(self.chains)))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        groups = [{"params": [self.W], "weight_decay": self.cfg.weight_decay}, {"params": [self.b, self.c]}]
        return {"main": torch.optim.SGD(groups, lr=self.cfg.lr, momentum=0.5)}

    @torch.no_grad()
    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """Lower the free energy of the data, raise it where the chains are after k Gibbs steps."""
        start = self.chains if self.cfg.persistent else batch.x
        fantasy = gibbs(start, self.weights, self.cfg.gibbs)
        if self.cfg.persistent:
            self.chains.copy_(fantasy)
        data, model = self.statistics(batch.x), self.statistics(fantasy)
        opt.apply("main", [m - d for d, m in zip(data, model, strict=True)])
        return {"free_energy_gap": self.energy(fantasy).mean() - self.energy(batch.x).mean()}

    def statistics(self, v: Tensor) -> Weights:
        """Batch means of -dF/dW, -dF/db, -dF/dc: (B, V) -> (V, H), (V,), (H,)."""
        h = self.encode(v)
        return v.T @ h / len(v), v.mean(0), h.mean(0)

    def energy(self, x: Tensor) -> Tensor:
        """Free energy F, -log p(x) up to log Z: (B, V) -> (B,)."""
        return free_energy(x, self.weights)

    def encode(self, x: Tensor) -> Tensor:
        """p(h = 1 | x): (B, V) -> (B, H)."""
        return (x @ self.W + self.c).sigmoid()

    def decode(self, z: Tensor) -> Tensor:
        """p(v = 1 | z): (B, H) -> (B, V)."""
        return (z @ self.W.T + self.b).sigmoid()

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n chains run from independent bits: (n, V) in {0, 1}."""
        return gibbs(self.independent(n), self.weights, self.cfg.burn_in)

    @torch.no_grad()
    def log_partition(self, chains: int = 500, temperatures: int = 2000) -> Tensor:
        """Annealed importance sampling: log of an unbiased estimate of Z, a scalar.

        Chains start in the model of independent bits, whose Z is known, and pass through models
        with W and c scaled by beta from 0 to 1. Too few temperatures make it too small.
        """
        v, log_w = self.independent(chains), torch.zeros(chains, device=self.device)
        now = self.annealed(0.0)
        for beta in torch.linspace(0, 1, temperatures + 1).tolist()[1:]:
            before, now = now, self.annealed(beta)
            log_w += free_energy(v, before) - free_energy(v, now)
            v = gibbs(v, now, 1)
        start = self.cfg.hidden * math.log(2) + F.softplus(self.base).sum()
        return start + log_w.logsumexp(0) - math.log(chains)

    def annealed(self, beta: float) -> Weights:
        """From the model of independent bits at beta 0 to this one at 1."""
        return beta * self.W, torch.lerp(self.base, self.b, beta), beta * self.c

    def independent(self, n: int) -> Tensor:
        """Draws of the model of independent bits: (n, V)."""
        return bernoulli(self.base.sigmoid().expand(n, -1))


def free_energy(v: Tensor, weights: Weights) -> Tensor:
    """F with h summed out: (B, V) -> (B,)."""
    W, b, c = weights
    return -v @ b - F.softplus(v @ W + c).sum(1)


def gibbs(v: Tensor, weights: Weights, k: int) -> Tensor:
    """k rounds of h ~ p(h|v), v ~ p(v|h): (B, V) -> (B, V)."""
    W, b, c = weights
    for _ in range(k):
        h = bernoulli((v @ W + c).sigmoid())
        v = bernoulli((h @ W.T + b).sigmoid())
    return v


def bernoulli(p: Tensor) -> Tensor:
    """1 with probability p, else 0."""
    return (torch.rand_like(p) < p).to(p.dtype)


if __name__ == "__main__":
    main(RBM)
