"""Masked autoregressive flow: a stack of MADEs, each of which turns what it cannot predict into noise.

Idea
    MADE with Gaussian conditionals draws x_d = mu_d(x_<d) + exp(alpha_d(x_<d)) z_d, which is a map
    from noise z to data x. Read backward,

        z_d = (x_d - mu_d(x_<d)) exp(-alpha_d(x_<d)),                            (eq. 4)

    all d at once: mu and alpha are functions of x, which is known, and one pass of MADE computes
    them. The Jacobian is triangular, so

        log |det dz/dx| = -sum_d alpha_d(x_<d).                                  (eq. 5)

    If MADE fits, z is standard normal. Where it does not, z has structure left, and the next MADE
    models z, in reversed order. K of them are a normalizing flow:

        log p(x) = log N(z_K; 0, I) - sum_k sum_d alpha_d^(k).

    The other direction needs x_<d to compute x_d, and so D passes of each MADE.

Source
    Papamakarios, Pavlakou & Murray, "Masked Autoregressive Flow for Density Estimation", 2017.
    arXiv:1705.07057

Differs from the paper
    No batch normalization between layers; dropout within them. The base is one Gaussian.

Shapes
    B batch, D = prod(shape) numbers per observation, K layers.

Run
    genai-patterns run masked_autoregressive_flow layers=1
"""

import math
from math import prod

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from reference_impl.autoregressive.made import MADE
from reference_impl.core import Batch, Config, Losses, Reference, main


class MAFConfig(Config):
    """Settings of the masked autoregressive flow."""

    shape: tuple[int, ...] = (2,)
    """Shape of one observation."""
    layers: PositiveInt = 8
    """K, the MADEs; every second one reads the numbers in reversed order."""
    hidden: PositiveInt = 64
    """Width of a hidden layer of each MADE."""
    depth: PositiveInt = 2
    """Hidden layers of each MADE."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of hidden units that are dropped in training."""
    steps: NonNegativeInt = 2000
    batch_size: PositiveInt = 256
    cooldown: float = Field(0.5, ge=0, le=1)
    clip: NonNegativeFloat = 5.0


class MAF(Reference):
    """Normalizing flow of masked autoregressive layers."""

    task = "points"
    Config = MAFConfig

    def __init__(self, cfg: MAFConfig) -> None:
        super().__init__(cfg)
        each = MADE.Config(shape=cfg.shape, levels=0, hidden=cfg.hidden, depth=cfg.depth, orders=1, dropout=cfg.dropout)
        self.mades = nn.ModuleList(MADE(each) for _ in range(cfg.layers))

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z and log|det dz/dx|, one pass of each MADE: (B, *shape) -> (B, D), (B,)."""
        z, log_det = x.flatten(1), torch.zeros(len(x), device=x.device)
        for i, made in enumerate(self.mades):
            z = z.flip(1) if i else z
            mean, log_scale = made.conditionals(z)
            z = (z - mean) * (-log_scale).exp()  # eq. 4
            log_det = log_det - log_scale.sum(1)  # eq. 5
        return z, log_det

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density in nats: (B, *shape) -> (B,)."""
        z, log_det = self.transform(x)
        return (-0.5 * (z.square() + math.log(2 * math.pi))).sum(1) + log_det

    def loss(self, batch: Batch) -> Losses:
        """Negative log-likelihood in nats."""
        return {"loss": -self.log_prob(batch.x).mean()}

    def encode(self, x: Tensor) -> Tensor:
        """z of each observation: (B, *shape) -> (B, D)."""
        return self.transform(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """x of each z, one number after the other, D passes of each MADE: (B, D) -> (B, *shape)."""
        for i, made in reversed([*enumerate(self.mades)]):
            x = torch.zeros_like(z)
            for d in range(z.shape[1]):
                # right up to number d, as those before it are; then one more number is right
                mean, log_scale = made.conditionals(x)
                x = torch.cat([(mean + log_scale.exp() * z)[:, : d + 1], x[:, d + 1 :]], dim=1)
            z = x.flip(1) if i else x
        return z.unflatten(1, self.cfg.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Decodes n draws of z from N(0, I): (n, *shape)."""
        return self.decode(torch.randn(n, prod(self.cfg.shape), device=self.device))


if __name__ == "__main__":
    main(MAF)
