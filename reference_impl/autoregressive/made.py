"""MADE: an autoencoder whose masked weights make it a product of conditional probabilities.

Idea
    Fix an order of the D numbers. Any distribution is a product over the order,

        p(x) = prod_d p(x_d | the numbers before x_d).                           (eq. 4)

    A network from x to D outputs gives all factors in one pass if output d sees only what comes
    before x_d. To make sure of it, every unit k gets a degree m(k), the number of inputs that it may
    see: d for the d-th input in the order, 1 to D - 1 for hidden units. A weight stays where

        m(to) >= m(from)  into a hidden unit,   m(to) > m(from)  into an output  (eq. 8-9)

    and is multiplied by zero elsewhere. Each path then climbs in degree, and ends above its start.
    Other orders are other masks of the same weights. Training draws one of M orders for each step,
    and the model is the mixture of the M distributions, p(x) = mean_m p_m(x): an ensemble for the
    price of one network.

Source
    Germain, Gregor, Murray & Larochelle, "MADE: Masked Autoencoder for Distribution Estimation",
    2015. arXiv:1502.03509

Differs from the paper
    Degrees of hidden units go round 1 to D - 1 and stay, where the paper draws them and changes them
    in training; units are SiLU, with dropout. Real numbers get Gaussian conditionals.

Shapes
    B batch, D = prod(shape) numbers per observation, M orders, H hidden units of a layer, P parameters
    of a conditional: 1 logit of a bit, or mean and log-scale of a real number.

Run
    genai-patterns run made orders=1
"""

import math
from itertools import pairwise
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main


class MADEConfig(Config):
    """Settings of MADE."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation; bits come flattened."""
    levels: Literal[0, 2] = 2
    """2 for bits, 0 for real numbers."""
    hidden: PositiveInt = 512
    """H, the width of a hidden layer."""
    depth: PositiveInt = 1
    """Hidden layers."""
    orders: PositiveInt = 4
    """M, the orders that share the weights; the first is the order of the data."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Share of hidden units that are dropped in training."""
    steps: NonNegativeInt = 3000
    lr: PositiveFloat = 5e-3
    cooldown: float = Field(0.5, ge=0, le=1)


class MADE(Reference):
    """Masked autoencoder for bits, or for real numbers with Gaussian conditionals."""

    task = "bits"
    Config = MADEConfig

    def __init__(self, cfg: MADEConfig) -> None:
        super().__init__(cfg)
        d = prod(cfg.shape)
        self.parameters_each = 1 if cfg.levels else 2  # P
        sizes = [d, *[cfg.hidden] * cfg.depth, self.parameters_each * d]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.dropout = nn.Dropout(cfg.dropout)
        self.degree: Tensor
        self.order: Tensor
        # degrees of hidden units, (H); place of each number in each order, 1 to D, (M, D)
        self.register_buffer("degree", torch.arange(cfg.hidden) % max(1, d - 1) + 1)
        others = [torch.randperm(d) + 1 for _ in range(cfg.orders - 1)]
        self.register_buffer("order", torch.stack([torch.arange(d) + 1, *others]))

    def masks(self, m: int) -> list[Tensor]:
        """Which weights stay in order m: bool (H, D), (H, H) for further layers, (P D, H)."""
        inputs, hidden = self.order[m], self.degree
        into_outputs = (inputs[:, None] > hidden).repeat(self.parameters_each, 1)
        # eq. 8 and 9: rows are the units that a weight leads to
        return [
            hidden[:, None] >= inputs,
            *[hidden[:, None] >= hidden] * (self.cfg.depth - 1),
            into_outputs,
        ]

    def conditionals(self, x: Tensor, m: int = 0) -> Tensor:
        """Parameters of p(x_d | numbers before x_d in order m) for all d: (B, D) -> (P, B, D)."""
        for i, (layer, mask) in enumerate(zip(self.layers, self.masks(m), strict=True)):
            x = self.dropout(F.silu(x)) if i else x
            x = F.linear(x, layer.weight * mask, layer.bias)
        return torch.stack(x.chunk(self.parameters_each, dim=1))

    def log_prob_in(self, x: Tensor, m: int) -> Tensor:
        """log p_m(x) in nats, one pass: (B, *shape) -> (B,)."""
        x = x.flatten(1)
        if self.cfg.levels:
            (logit,) = self.conditionals(x, m)
            return (x * logit - F.softplus(logit)).sum(1)
        mean, log_scale = self.conditionals(x, m)
        z = (x - mean) * (-log_scale).exp()
        return (-0.5 * (z.square() + math.log(2 * math.pi)) - log_scale).sum(1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-probability (log-density) of the mixture over orders, nats: (B, *shape) -> (B,)."""
        each = torch.stack([self.log_prob_in(x, m) for m in range(self.cfg.orders)])
        return each.logsumexp(0) - math.log(self.cfg.orders)

    def loss(self, batch: Batch) -> Losses:
        """Negative log-likelihood under one order drawn at random, nats per observation."""
        m = int(torch.randint(self.cfg.orders, ()))
        return {"loss": -self.log_prob_in(batch.x, m).mean()}

    @torch.no_grad()
    def complete(self, x: Tensor, m: int = 0, known: int = 0) -> Tensor:
        """Draw all but the first `known` numbers of order m, one pass each: (B, D) -> (B, D)."""
        x, places = x.clone(), self.order[m].argsort()
        for d in places[known:].tolist():
            if self.cfg.levels:
                x[:, d] = torch.bernoulli(self.conditionals(x, m)[0, :, d].sigmoid())
            else:
                mean, log_scale = self.conditionals(x, m)[:, :, d]
                x[:, d] = mean + log_scale.exp() * torch.randn_like(mean)
        return x

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n draws, each in an order of its own, D passes an order: (n, D) for bits, else (n, *shape)."""
        x = torch.zeros(n, prod(self.cfg.shape), device=self.device)
        which = torch.randint(self.cfg.orders, (n,), device=self.device)
        for m in which.unique().tolist():
            x[which == m] = self.complete(x[which == m], m)
        return x if self.cfg.levels else x.unflatten(1, self.cfg.shape)


if __name__ == "__main__":
    main(MADE)
