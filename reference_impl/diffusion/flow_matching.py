"""Flow matching: regress the velocity that carries noise to data along straight lines.

Idea
    Join a draw of noise x_0 ~ N(0, I) and an observation x_1 by a straight line, walked at constant
    speed while t goes from 0 to 1:

        x_t = (1 - t) x_0 + t x_1,    dx_t / dt = x_1 - x_0.                                  (1)

    Many lines pass through one point. Regressing their velocities on (x_t, t) gives the mean,
    v(x, t) = E[x_1 - x_0 | x_t = x], and by the continuity equation a cloud of particles that moves
    with v has at every time the distribution of x_t. So a sample is a draw of noise, moved by

        dx / dt = v(x, t),    t from 0 to 1,                                                  (2)

    and no path is simulated in training. With the divergence of v the same equation gives log p.
    A label as a further input makes it the velocity of that class.

Source
    Lipman, Chen, Ben-Hamu, Nickel & Le, "Flow Matching for Generative Modeling", 2023.
    arXiv:2210.02747 (theorems 1 and 2; lines: example II, with sigma_min = 0)

Differs from the paper
    The lines end at the data themselves, sigma_min = 0; t is drawn logit-normal instead of uniform, as
    by Esser et al., 2024 (arXiv:2403.03206); fixed steps of the midpoint rule instead of an adaptive
    solver; a small U-Net without attention, for vectors an MLP.

Shapes
    B batch, C classes, H hidden units, D = prod(shape); t in [0, 1], noise at 0, data at 1.

Run
    genai-patterns run flow_matching solver_steps=5
"""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from math import log, pi, prod
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_unet import TimedMLP, UNet
from reference_impl.core import Batch, Config, Losses, Reference, main


class FlowMatchingConfig(Config):
    """The network that learns the velocity, and the solver that follows it."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation. Three numbers are an image's, with values in [0, 1]."""
    classes: NonNegativeInt = 10
    """C, the number of labels; 0 where there are none."""
    hidden: PositiveInt = 16
    """H, channels of the U-Net at full resolution; the MLP for vectors is eight times as wide."""
    times: Literal["logit_normal", "uniform"] = "logit_normal"
    """Times of training: the middle of the way more often, for images; or all alike, for likelihoods."""
    solver: Literal["euler", "midpoint"] = "midpoint"
    """euler looks at the velocity once in a step, midpoint twice."""
    solver_steps: PositiveInt = 10
    """Steps from noise to data."""
    ema: float = Field(0.995, ge=0, lt=1)
    """Decay of the averaged network that samples are drawn with; 0 uses the last one."""
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 4e-3
    cooldown: float = Field(0.3, ge=0, le=1)
    steps: NonNegativeInt = 1700


class FlowMatching(Reference):
    """Conditional flow matching on straight lines from Gaussian noise to data."""

    task = "images"
    Config = FlowMatchingConfig

    def __init__(self, cfg: FlowMatchingConfig) -> None:
        super().__init__(cfg)
        self.image, self.conditional = len(cfg.shape) == 3, cfg.classes > 0
        self.net = self.network()
        self.averaged = deepcopy(self.net).requires_grad_(False)

    def network(self) -> nn.Module:
        """v(x_t, t, y): of the shape of x_t."""
        cfg = self.cfg
        width = (4 if self.image else 8) * cfg.hidden
        label = nn.Embedding(cfg.classes, width) if self.conditional else None
        c, d = cfg.shape[0], prod(cfg.shape)
        return UNet(c, c, cfg.hidden, label) if self.image else TimedMLP(d, d, width, label)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"main": torch.optim.AdamW(self.net.parameters(), lr=self.cfg.lr)}

    def path(self, x0: Tensor, x1: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """x_t and its velocity, (1): noise and data (B, *shape), t (B,) -> (B, *shape), (B, *shape)."""
        t = t.view(-1, *[1] * (x1.ndim - 1))
        return (1 - t) * x0 + t * x1, x1 - x0

    def loss(self, batch: Batch) -> Losses:
        """Mean squared error of the predicted velocity of a line, the objective of theorem 2."""
        x1 = 2 * batch.x - 1 if self.image else batch.x
        xt, velocity = self.path(torch.randn_like(x1), x1, t := self.training_times(x1))
        return {"loss": F.mse_loss(self.net(xt, t, batch.y), velocity)}

    def training_times(self, x1: Tensor) -> Tensor:
        """Times in [0, 1], one for each row: (B, *shape) -> (B,)."""
        if self.cfg.times == "uniform":
            return torch.rand(len(x1), device=x1.device)
        return torch.randn(len(x1), device=x1.device).sigmoid()

    def after_update(self) -> None:
        for slow, fast in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
            slow.data.lerp_(fast.data, 1 - self.cfg.ema)

    def velocity(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The averaged network's v(x_t, t): (B, *shape), (B,) -> (B, *shape)."""
        return self.averaged(x, t, y)

    def score(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """grad log p_t(x), which v determines: E[x_0 | x_t] = x - t v, and the score is minus that over 1 - t."""
        t_column = t.view(-1, *[1] * (x.ndim - 1))
        return (t_column * self.velocity(x, t, y) - x) / (1 - t_column)

    def grid(self) -> Tensor:
        """Times at which the solver stops on its way: (solver_steps + 1,), from 0 to 1."""
        return torch.linspace(0, 1, self.cfg.solver_steps + 1, device=self.device)

    def solve(self, field: Callable[[Tensor, Tensor], Tensor], x: Tensor, times: Tensor) -> Tensor:
        """Follow dx / dt = field(x, t) through the times: (B, ...) -> (B, ...)."""
        for t, s in pairwise(times):
            v = field(x, t.expand(len(x)))
            if self.cfg.solver == "midpoint":
                v = field(x + (s - t) / 2 * v, ((t + s) / 2).expand(len(x)))
            x = x + (s - t) * v
        return x

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n draws of noise, moved by (2), of the classes y or of classes drawn at random: (n, *shape)."""
        if self.conditional and y is None:
            y = torch.randint(self.cfg.classes, (n,), device=self.device)
        noise = torch.randn(n, *self.cfg.shape, device=self.device)
        x = self.solve(lambda x, t: self.velocity(x, t, y), noise, self.grid())
        return (x + 1) / 2 if self.image else x

    def log_likelihood(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x|y) in nats: (B, *shape) -> (B,). Costs D backward passes for each look at v.

        Along (2) log p changes at the rate -div v, appendix C; the way starts at the data.
        """
        shape, d = x.shape[1:], x[0].numel()

        def backward(state: Tensor, t: Tensor) -> Tensor:
            with torch.enable_grad():
                at = state[:, :d].detach().requires_grad_()
                v = self.velocity(at.view(-1, *shape), t, y).flatten(1)
                slopes = [torch.autograd.grad(v[:, i].sum(), at, retain_graph=True)[0][:, i] for i in range(d)]
            return torch.cat([v.detach(), torch.stack(slopes, 1).sum(1, keepdim=True)], 1)

        x1 = (2 * x - 1 if self.image else x).flatten(1)
        end = self.solve(backward, F.pad(x1, (0, 1)), self.grid().flip(0))
        x0, change = end[:, :d], end[:, d]
        scale = d * log(2) if self.image else 0.0
        return -0.5 * (x0.square().sum(1) + d * log(2 * pi)) + change + scale


if __name__ == "__main__":
    main(FlowMatching)
