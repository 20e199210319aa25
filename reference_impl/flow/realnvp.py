"""RealNVP: an invertible network whose Jacobian is triangular, so its density is exact and cheap.

Idea
    If z = f(x) is a bijection and z has the density N(0, I), the density of x is

        log p(x) = log N(f(x); 0, I) + log |det df/dx|                           (eq. 2-3)

    and a sample is f^-1(z). A coupling layer keeps the values where a mask b is 1 and gives the
    others a scale and a shift that are functions of the kept ones,

        y = b x + (1 - b) (x exp(s(b x)) + t(b x)).                              (eq. 9)

    Its Jacobian is triangular with diagonal 1 or exp(s), so the log-determinant is a sum of s.
    The inverse computes s and t again from what was kept. The next layer has the opposite mask.

Source
    Dinh, Sohl-Dickstein & Bengio, "Density estimation using Real NVP", 2017. arXiv:1605.08803

Differs from the paper
    s, which is bounded, and t are fully connected, with dropout and at one scale. Each pixel goes
    through its own histogram, not one logit, so an untrained flow has independent pixels.

Shapes
    B batch, D = prod(shape) numbers per observation, L levels of a pixel.

Run
    genai-patterns run realnvp layers=4
"""

import math
from itertools import chain
from math import prod
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, Task, main


class RealNVPConfig(Config):
    """Settings of RealNVP."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation."""
    levels: Literal[0] | Annotated[int, Field(ge=2)] = 17
    """L, the values that a pixel can take, evenly spaced in [0, 1]; 0 for continuous data."""
    layers: PositiveInt = 8
    """Coupling layers; every second one moves the same half."""
    hidden: PositiveInt = 256
    """Width of the two hidden layers that compute s and t."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of hidden units that are dropped in training."""
    bound: PositiveFloat = 2.0
    """Largest |s| of one layer."""
    cooldown: float = Field(0.5, ge=0, le=1)


class Coupling(nn.Module):
    """Affine coupling layer: keeps the values where `mask` (D,) is 1, moves the others."""

    def __init__(self, mask: Tensor, hidden: int, dropout: float, bound: float) -> None:
        super().__init__()
        self.mask: Tensor
        self.register_buffer("mask", mask)
        self.bound, d = bound, len(mask)
        body = [(nn.Linear(n, hidden), nn.ReLU(), nn.Dropout(dropout)) for n in (d, hidden)]
        self.net = nn.Sequential(*chain(*body), last := nn.Linear(hidden, 2 * d))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # s = t = 0: it starts as the identity

    def scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """s and t, zero where values are kept: (B, D) -> (B, D), (B, D)."""
        s, t = self.net(self.mask * x).chunk(2, dim=1)
        s = self.bound * torch.tanh(s / self.bound)
        return (1 - self.mask) * s, (1 - self.mask) * t

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Moved values, eq. 9, and log|det|, eq. 6: (B, D) -> (B, D), (B,)."""
        s, t = self.scale_and_shift(x)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """Eq. 8: (B, D) -> (B, D)."""
        s, t = self.scale_and_shift(y)
        return (y - t) * (-s).exp()


class Histograms(nn.Module):
    """Bijection (0, 1) -> R of each pixel; it makes a piecewise constant density standard normal."""

    def __init__(self, pixels: int, levels: int) -> None:
        super().__init__()
        self.mass: Tensor  # probability of each level of each pixel
        self.register_buffer("mass", torch.full((pixels, levels), 1 / levels))

    @property
    def below(self) -> Tensor:
        """Probability below each level: (D, L)."""
        return self.mass.cumsum(1) - self.mass

    def fit(self, x: Tensor) -> None:
        """Count the levels of images (N, D) in [0, 1], one more of each than there are."""
        pixels, levels = self.mass.shape
        cell = (x * (levels - 1)).round().long() + levels * torch.arange(pixels)
        count = torch.bincount(cell.flatten(), minlength=pixels * levels).view(pixels, levels) + 1
        self.mass.copy_(count / count.sum(1, keepdim=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normal quantile of the distribution function at x, and log|det|: (B, D) -> (B, D), (B,)."""
        levels = self.mass.shape[1]
        k = (x * levels).long().clamp(0, levels - 1)  # level of each pixel
        mass, below = (table.T.gather(0, k) for table in (self.mass, self.below))
        u = below + mass * (x * levels - k)
        z = torch.special.ndtri(u.clamp(eps := torch.finfo(u.dtype).eps, 1 - eps))
        return z, (mass.log() + math.log(levels) - log_normal(z)).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """Back to [0, 1]: (B, D) -> (B, D)."""
        u = torch.special.ndtr(z).T.contiguous()  # (D, B)
        k = (torch.searchsorted(self.below, u, right=True) - 1).clamp(min=0)
        x = (k + (u - self.below.gather(1, k)) / self.mass.gather(1, k)) / self.mass.shape[1]
        return x.clamp(0, 1).T


class RealNVP(Reference):
    """Normalizing flow of affine coupling layers."""

    task = "images"
    Config = RealNVPConfig

    def __init__(self, cfg: RealNVPConfig) -> None:
        super().__init__(cfg)
        histograms = [Histograms(prod(cfg.shape), cfg.levels)] if cfg.levels else []
        # a checkerboard over all axes, and its complement in every second layer (figure 3)
        board = sum(torch.meshgrid(*map(torch.arange, cfg.shape), indexing="ij")).flatten()
        masks = [((board + i) % 2).float() for i in range(cfg.layers)]
        couplings = [Coupling(mask, cfg.hidden, cfg.dropout, cfg.bound) for mask in masks]
        self.bijections = nn.ModuleList([*histograms, *couplings])

    def prepare(self, task: Task) -> None:
        if self.cfg.levels:
            self.bijections[0].fit(task.splits["train"][0].flatten(1))

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(x) and log|det df/dx|: (B, *shape) -> (B, D), (B,)."""
        z, log_det = x.flatten(1), torch.zeros(len(x), device=x.device)
        for bijection in self.bijections:
            z, log_scale = bijection(z)
            log_det = log_det + log_scale
        return z, log_det

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density in nats of continuous x, for images in [0, 1]: (B, *shape) -> (B,)."""
        z, log_det = self.transform(x)
        return log_normal(z).sum(1) + log_det

    def dequantize(self, x: Tensor) -> Tensor:
        """Spread each level of a pixel evenly over 1/L of [0, 1]; continuous data stay as they are."""
        levels = self.cfg.levels
        return (x * (levels - 1) + torch.rand_like(x)) / levels if levels else x

    def loss(self, batch: Batch) -> Losses:
        """Negative log-likelihood in nats per dimension."""
        return {"loss": -self.log_prob(self.dequantize(batch.x)).mean() / prod(self.cfg.shape)}

    def bits_per_dim(self, x: Tensor) -> Tensor:
        """Upper bound on -log2 P(image) / D by one draw of noise (Jensen): (B, *shape) -> (B,)."""
        nats = -self.log_prob(self.dequantize(x)) / prod(self.cfg.shape)
        return nats / math.log(2) + math.log2(self.cfg.levels or 1)

    def encode(self, x: Tensor) -> Tensor:
        """f(x): (B, *shape) -> (B, D)."""
        return self.transform(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """f^-1(z): (B, D) -> (B, *shape), continuous."""
        for bijection in reversed(self.bijections):
            z = bijection.inverse(z)
        return z.unflatten(1, self.cfg.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """f^-1 of n draws of z, images rounded to their levels: (n, *shape)."""
        x, levels = self.decode(torch.randn(n, prod(self.cfg.shape), device=self.device)), self.cfg.levels
        return (x * levels).floor().clamp(0, levels - 1) / (levels - 1) if levels else x


def log_normal(z: Tensor) -> Tensor:
    """Log-density of N(0, 1) at each value."""
    return -0.5 * (z.square() + math.log(2 * math.pi))


if __name__ == "__main__":
    main(RealNVP)
