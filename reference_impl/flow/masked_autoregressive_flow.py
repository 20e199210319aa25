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
    No batch normalization between layers; dropout within them. The base is one Gaussian. alpha is
    bounded as in RealNVP: without a bound a point at the edge of the data grows from layer to layer,
    and alpha with it, until exp(-alpha) overflows.

Shapes
    B batch, D = prod(shape) numbers per observation, K layers.

Run
    genai-patterns run masked_autoregressive_flow layers=1
"""

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.autoregressive.made import MADE
from reference_impl.core import Config, main
from reference_impl.flow.normalizing_flow import NormalizingFlow


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
    bound: PositiveFloat = 2.0
    """Largest |alpha| of one layer."""
    steps: NonNegativeInt = 2000
    batch_size: PositiveInt = 256
    cooldown: float = Field(0.5, ge=0, le=1)
    clip: NonNegativeFloat = 5.0


class Autoregressive(nn.Module):
    """The affine map of one MADE, which reads the numbers as they are or in reversed order."""

    def __init__(self, made: MADE, reverse: bool, bound: float) -> None:
        super().__init__()
        self.made, self.reverse, self.bound = made, reverse, bound

    def turned(self, x: Tensor) -> Tensor:
        """The numbers in this layer's order, and from it in the given one: (B, D) -> (B, D)."""
        return x.flip(1) if self.reverse else x

    def mean_and_log_scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and the bounded alpha, x in this layer's order: (B, D) -> (B, D), (B, D)."""
        mean, log_scale = self.made.conditionals(x)
        return mean, self.bound * torch.tanh(log_scale / self.bound)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z and log|det dz/dx|, one pass of MADE: (B, D) -> (B, D), (B,)."""
        x = self.turned(x)
        mean, log_scale = self.mean_and_log_scale(x)
        # eqs. 4 and 5
        return (x - mean) * (-log_scale).exp(), -log_scale.sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """x of each z, one number after the other, D passes of MADE: (B, D) -> (B, D)."""
        x = torch.zeros_like(z)
        for d in range(z.shape[1]):
            # right up to number d, as those before it are; then one more number is right
            mean, log_scale = self.mean_and_log_scale(x)
            x = torch.cat([(mean + log_scale.exp() * z)[:, : d + 1], x[:, d + 1 :]], dim=1)
        return self.turned(x)


class MAF(NormalizingFlow):
    """Normalizing flow of masked autoregressive layers."""

    Config = MAFConfig

    def layers(self) -> list[nn.Module]:
        cfg = self.cfg
        each = MADE.Config(shape=cfg.shape, levels=0, hidden=cfg.hidden, depth=cfg.depth, orders=1, dropout=cfg.dropout)
        return [Autoregressive(MADE(each), reverse=i > 0, bound=cfg.bound) for i in range(cfg.layers)]


if __name__ == "__main__":
    main(MAF)
