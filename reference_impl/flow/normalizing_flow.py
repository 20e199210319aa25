"""Normalizing flow: noise pushed through a chain of invertible maps, with the density carried along.

Idea
    An invertible map z = f(x) carries the density of z over to x,

        log p(x) = log N(f(x); 0, I) + log |det df/dx|,                          (eq. 5)

    and for a chain the log-determinants add up (eq. 7). So one may build f from small layers whose
    Jacobians are known. Here a matrix mixes the coordinates and then each coordinate u climbs a line
    with K smooth steps,

        h(u) = exp(a) u + sum_k r_k tanh(w_k (u - c_k)),    r_k, w_k > 0.

    h rises everywhere, so it is invertible, and its slope is the diagonal of a Jacobian. Each step
    is the paper's planar map z + u tanh(w'z + b) (eq. 10) with both vectors along one axis. As in
    there the inverse exists but has no formula: it is found by halving an interval.

    With a density and draws of it the flow serves two ends. Given data, maximize log p(x). Given an
    energy U, draw x = f^-1(z) and minimize E[log p(x) + U(x)], which is KL(p || exp(-U)/Z) - log Z.

Source
    Rezende & Mohamed, "Variational inference with normalizing flows", 2015. arXiv:1505.05770

Differs from the paper
    Layers have a matrix and K steps for each coordinate; the paper's have one step along one
    direction. Their formulas run from data to noise, the paper's from noise to data.

Shapes
    B batch, D = prod(shape) numbers per observation, K steps per coordinate.

Run
    genai-patterns run normalizing_flow layers=2
"""

import math
from collections.abc import Callable
from math import prod

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main


class FlowConfig(Config):
    """Settings of the normalizing flow."""

    shape: tuple[int, ...] = (2,)
    """Shape of one observation."""
    layers: NonNegativeInt = 4
    """Pairs of a matrix and steps; 0 leaves a Gaussian."""
    units: PositiveInt = 16
    """K, the steps that each coordinate climbs in a layer."""
    steps: NonNegativeInt = 2000
    batch_size: PositiveInt = 256
    lr: PositiveFloat = 2e-2
    cooldown: float = Field(0.5, ge=0, le=1)
    clip: NonNegativeFloat = 5.0


class Mix(nn.Module):
    """Wx + b; starts as the identity. A singular W has the log-determinant minus infinity, so training avoids it."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.eye(d))
        self.b = nn.Parameter(torch.zeros(d))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed coordinates and log|det|: (B, D) -> (B, D), (B,)."""
        return x @ self.W.T + self.b, torch.linalg.slogdet(self.W).logabsdet.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return torch.linalg.solve(self.W, (y - self.b).T).T


class Climb(nn.Module):
    """The rising function h of each coordinate."""

    halvings = 25

    def __init__(self, d: int, units: int) -> None:
        super().__init__()
        self.log_slope = nn.Parameter(torch.zeros(d))  # a
        self.log_rise = nn.Parameter(torch.full((d, units), math.log(1.5 / units)))  # of r
        self.log_speed = nn.Parameter(torch.zeros(d, units))  # of w
        self.center = nn.Parameter(torch.linspace(-2.5, 2.5, units).repeat(d, 1))  # c

    def value_and_slope(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """h(x) and h'(x) of each number: (B, D) -> (B, D), (B, D)."""
        line, rise, speed = self.log_slope.exp(), self.log_rise.exp(), self.log_speed.exp()
        t = torch.tanh(speed * (x[..., None] - self.center))
        return line * x + (rise * t).sum(-1), line + (rise * speed * (1 - t.square())).sum(-1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """h(x) and log|det|: (B, D) -> (B, D), (B,)."""
        value, slope = self.value_and_slope(x)
        return value, slope.log().sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """The x with h(x) = y: (B, D) -> (B, D)."""
        with torch.no_grad():
            # all steps together add at most `reach` to the line, which bounds x on both sides
            line, reach = self.log_slope.exp(), self.log_rise.exp().sum(1)
            low, high = (y - reach) / line, (y + reach) / line
            for _ in range(self.halvings):
                middle = (low + high) / 2
                below = self.value_and_slope(middle)[0] < y
                low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        value, slope = self.value_and_slope((low + high) / 2)
        # One step of Newton's method. It squares the error, and as dx = (dy - dh) / h' at a solution,
        # automatic differentiation of this line finds the inverse's own derivatives.
        return (low + high) / 2 - (value - y) / slope.detach()


class NormalizingFlow(Reference):
    """Chain of invertible layers between data and standard normal noise."""

    task = "points"
    Config = FlowConfig

    def __init__(self, cfg: FlowConfig) -> None:
        super().__init__(cfg)
        self.chain = nn.ModuleList(self.layers())

    def layers(self) -> list[nn.Module]:
        """The maps from data to noise, each with its log-determinant (`forward`) and its `inverse`."""
        d = prod(self.cfg.shape)
        pairs = [(Mix(d), Climb(d, self.cfg.units)) for _ in range(self.cfg.layers)]
        return [*(layer for pair in pairs for layer in pair), Mix(d)]

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(x) and log|det df/dx|: (B, *shape) -> (B, D), (B,)."""
        z, log_det = x.flatten(1), torch.zeros(len(x), device=x.device)
        for layer in self.chain:
            z, log_det_of_layer = layer(z)
            log_det = log_det + log_det_of_layer  # eq. 7
        return z, log_det

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density in nats, eq. 5: (B, *shape) -> (B,)."""
        z, log_det = self.transform(x)
        return (-0.5 * (z.square() + math.log(2 * math.pi))).sum(1) + log_det

    def loss(self, batch: Batch) -> Losses:
        """Negative log-likelihood in nats."""
        return {"loss": -self.log_prob(batch.x).mean()}

    def free_energy(self, energy: Callable[[Tensor], Tensor], n: int) -> Tensor:
        """E[log p(x) + U(x)] over n draws, eq. 15 for a posterior proportional to exp(-U): a scalar.

        energy: U, differentiable, (n, *shape) -> (n,) in nats.
        """
        x = self.decode(torch.randn(n, prod(self.cfg.shape), device=self.device))
        return (self.log_prob(x) + energy(x)).mean()

    def encode(self, x: Tensor) -> Tensor:
        """f(x): (B, *shape) -> (B, D)."""
        return self.transform(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """f^-1(z), differentiable: (B, D) -> (B, *shape)."""
        for layer in reversed(self.chain):
            z = layer.inverse(z)
        return z.unflatten(1, self.cfg.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """f^-1 of n draws of z: (n, *shape)."""
        return self.decode(torch.randn(n, prod(self.cfg.shape), device=self.device))


if __name__ == "__main__":
    main(NormalizingFlow)
