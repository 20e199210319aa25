"""Neural spline flow: coupling layers that move each value by a monotone rational-quadratic spline.

Idea
    An affine coupling can stretch and shift a value, and no more. Here the kept half decides a whole
    monotone function for each value of the other half: on [-B, B] a spline of K bins with knots
    (x_k, y_k) and slopes d_k > 0 at them, outside the identity. With s = (y_{k+1} - y_k) /
    (x_{k+1} - x_k) and u = (x - x_k) / (x_{k+1} - x_k) in the bin of x, a quotient of two quadratics,

        y = y_k + (y_{k+1} - y_k) (s u^2 + d_k u (1-u)) / (s + (d_{k+1} + d_k - 2s) u (1-u)),   (eq. 4)

    increases, has a derivative in closed form, and is inverted by solving a quadratic equation.
    The base density, the masks and the training are RealNVP's.

Source
    Durkan, Bekasov, Murray & Papamakarios, "Neural Spline Flows", 2019. arXiv:1906.04032

Differs from the paper
    Couplings are fully connected with dropout, masks alternate instead of linear layers between
    couplings, and each pixel first goes through its own histogram.

Shapes
    B batch, D = prod(shape) numbers per observation, M of them moved by a layer, K bins.

Run
    genai-patterns run neural_spline_flow bins=4
"""

import math
from itertools import chain
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import main
from reference_impl.flow.realnvp import Coupling, RealNVP, RealNVPConfig

SMALLEST = 1e-3
"""Least width and height of a bin, as a share of 2B, and least slope at a knot."""


class NeuralSplineFlowConfig(RealNVPConfig):
    """Settings of the neural spline flow."""

    layers: PositiveInt = 4
    bins: int = Field(8, ge=1, le=500)
    """K, the bins of each spline."""
    bound: PositiveFloat = 4.0
    """B; a layer leaves values outside [-B, B] as they are."""
    steps: NonNegativeInt = 800


class Spline(NamedTuple):
    """Knots of monotone splines: each (..., K + 1), the ends at -B and B with slope 1."""

    x: Tensor
    y: Tensor
    slope: Tensor

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Value and log-derivative: (...) -> (...), (...)."""
        inside, x0, y0, width, height, d0, d1 = self.bin(self.x, x)
        s, u = height / width, ((x - x0) / width).clamp(0, 1)
        v = u * (1 - u)
        bottom = s + (d0 + d1 - 2 * s) * v
        y = y0 + height * (s * u.square() + d0 * v) / bottom
        # eq. 5
        top = d1 * u.square() + 2 * s * v + d0 * (1 - u).square()
        log_slope = 2 * s.log() + top.log() - 2 * bottom.log()
        return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)

    def inverse_at(self, y: Tensor) -> Tensor:
        """The x whose value is y: (...) -> (...)."""
        inside, x0, y0, width, height, d0, d1 = self.bin(self.y, y)
        s, rise = height / width, height * ((y - y0) / height).clamp(0, 1)
        # a u^2 + b u + c = 0, eq. 6-8; this form of the root does not subtract like from like
        bend = rise * (d0 + d1 - 2 * s)
        a, b, c = height * (s - d0) + bend, height * d0 - bend, -s * rise
        u = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        return torch.where(inside, x0 + u * width, y)

    def bin(self, knots: Tensor, at: Tensor) -> tuple[Tensor, ...]:
        """Whether `at` is inside [-B, B]; and left end, size and slopes of the bin it falls in."""
        k = (at[..., None] >= knots[..., 1:-1]).sum(-1, keepdim=True)
        (x0, y0, d0), (x1, y1, d1) = ([t.gather(-1, i).squeeze(-1) for t in self] for i in (k, k + 1))
        inside = (at > knots[..., 0]) & (at < knots[..., -1])
        return inside, x0, y0, x1 - x0, y1 - y0, d0, d1


def spline(theta: Tensor, bins: int, bound: float) -> Spline:
    """Knots from unconstrained widths, heights and inner slopes (..., 3K - 1); zeros give the identity."""
    widths, heights, slopes = theta.split([bins, bins, bins - 1], -1)
    # softplus(one) + SMALLEST = 1
    one = math.log(math.expm1(1 - SMALLEST))
    slopes = F.pad(SMALLEST + F.softplus(slopes + one), (1, 1), value=1.0)
    return Spline(knots(widths, bound), knots(heights, bound), slopes)


def knots(sizes: Tensor, bound: float) -> Tensor:
    """Ends of bins that fill [-B, B], from unconstrained sizes: (..., K) -> (..., K + 1)."""
    bins = sizes.shape[-1]
    share = SMALLEST + (1 - SMALLEST * bins) * sizes.softmax(-1)
    inner = bound * (2 * share.cumsum(-1)[..., :-1] - 1)
    return F.pad(F.pad(inner, (1, 0), value=-bound), (0, 1), value=bound)


class SplineCoupling(nn.Module):
    """Keeps the values where `mask` (D,) is 1, moves each of the others by a spline of its own."""

    def __init__(self, mask: Tensor, cfg: NeuralSplineFlowConfig) -> None:
        super().__init__()
        self.bins, self.bound = cfg.bins, cfg.bound
        self.kept: Tensor
        self.moved: Tensor
        self.register_buffer("kept", mask.nonzero()[:, 0])
        self.register_buffer("moved", (1 - mask).nonzero()[:, 0])
        h, numbers = cfg.hidden, len(self.moved) * (3 * cfg.bins - 1)
        body = [(nn.Linear(n, h), nn.ReLU(), nn.Dropout(cfg.dropout)) for n in (len(self.kept), h)]
        self.net = nn.Sequential(*chain(*body), last := nn.Linear(h, numbers))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # it starts as the identity

    def spline(self, x: Tensor) -> Spline:
        """A spline for each moved value: (B, D) -> knots (B, M, K + 1)."""
        theta = self.net(x[:, self.kept]).unflatten(1, (len(self.moved), 3 * self.bins - 1))
        return spline(theta.to(x), self.bins, self.bound)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Moved values and log|det|: (B, D) -> (B, D), (B,)."""
        y, log_slope = self.spline(x).at(x[:, self.moved])
        return x.index_copy(1, self.moved, y), log_slope.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return y.index_copy(1, self.moved, self.spline(y).inverse_at(y[:, self.moved]))


class NeuralSplineFlow(RealNVP):
    """Normalizing flow of spline couplings."""

    Config = NeuralSplineFlowConfig

    def __init__(self, cfg: NeuralSplineFlowConfig) -> None:
        super().__init__(cfg)
        # the same masks, with a spline in place of each affine map
        for i, layer in enumerate(self.bijections):
            if isinstance(layer, Coupling):
                self.bijections[i] = SplineCoupling(layer.mask, cfg)


if __name__ == "__main__":
    main(NeuralSplineFlow)
