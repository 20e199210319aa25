"""Diffusion inverse-problem solver: a trained diffusion model as prior, a measurement as its guide.

Idea
    Something was measured of x_0, linearly and with noise: y = A x_0 + sigma n. A mask, a blur and
    averages over blocks of pixels are such A. By Bayes' rule the score of x_t given y is

        grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t).                         (1)

    The first term is a diffusion model's, trained without knowing A. For the second, let m(x_t) be
    the model's mean of x_0 given x_t, J = dm / dx_t, and C the covariance of x_0 given x_t:

        p(y | x_t) ~ N(A m, A C A' + sigma^2 I),
        grad log p(y | x_t) ~ J' A' (A C A' + sigma^2 I)^-1 (y - A m).                       (2)

    Methods differ in C. DPS takes 0 and so trusts m too much while x_t is still noise. PiGDM takes
    (1 - abar) I. TMPD takes the true one, which the second order of Tweedie's formula gives,

        C = (1 - abar) / sqrt(abar) J,                                                       (3)

    and is exact where the prior is Gaussian; it costs a pass backward for every measured number.

Source
    Chung et al., "Diffusion Posterior Sampling for General Noisy Inverse Problems", 2023.
    arXiv:2209.14687
    Song et al., "Pseudoinverse-Guided Diffusion Models for Inverse Problems", 2023 (PiGDM).
    https://openreview.net/forum?id=9_gsMA8MRKQ
    Boys et al., "Tweedie Moment Projected Diffusions for Inverse Problems", 2023.
    arXiv:2310.06721

Differs from the paper
    Ancestral sampling for all three methods. DPS with its derived weight 1 / sigma^2 (eq. 2 with
    C = 0) instead of a step size tuned for each task.

Shapes
    B batch, D = prod(shape) numbers per observation, M measured numbers.

Run
    genai-patterns run diffusion_inverse_solver method=pigdm
"""

from collections.abc import Callable
from math import prod
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import grad

from reference_impl.core import main
from reference_impl.diffusion.ddpm import DDPM, DDPMConfig


class Measurement(NamedTuple):
    """What is known of each observation, in the units in which the chain runs."""

    y: Tensor
    """A x_0 plus noise, (B, M)."""
    A: Tensor
    """The measured combinations, (M, D)."""
    sigma: float
    """Standard deviation of the noise."""


class InverseSolverConfig(DDPMConfig):
    """A diffusion model's settings and how it is guided; the method matters to sampling alone."""

    method: Literal["dps", "pigdm", "tmpd"] = "pigdm"
    """What is taken for the covariance of x_0 given x_t: none, (1 - abar) I, or eq. 3."""


class DiffusionInverseSolver(DDPM):
    """Diffusion model that also samples given a linear, noisy measurement."""

    Config = InverseSolverConfig

    def predict_noise(self, x: Tensor, t: Tensor, y: Measurement | None = None) -> Tensor:  # type: ignore[override]
        """Noise in x_t (B, *shape), given the measurement where there is one: (B, *shape)."""
        if y is None:
            return super().predict_noise(x, t)
        # t is the same for all
        abar = self.abar[t[0]]
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            eps = super().predict_noise(x, t)
            m = (x - (1 - abar).sqrt() * eps) / abar.sqrt()
            seen = m.flatten(1) @ y.A.T
            noise = y.sigma**2 * torch.eye(len(y.A), device=x.device)
            spread = noise + self.unsure(x, seen, y.A, abar)
            gap = torch.linalg.solve(spread, (y.y - seen).detach()[:, :, None])[:, :, 0]
            # eq. 2
            guide = grad(seen, x, gap)[0]
        # noise is -sqrt(1 - abar) times the score, so eq. 1 reads
        return eps.detach() - (1 - abar).sqrt() * guide

    def unsure(self, x: Tensor, seen: Tensor, A: Tensor, abar: Tensor) -> Tensor:
        """A C A', what the measurement varies by as long as only x_t is known: (M, M) or (B, M, M)."""
        if self.cfg.method == "dps":
            return torch.zeros(len(A), len(A), device=x.device)
        if self.cfg.method == "pigdm":
            return (1 - abar) * A @ A.T
        rows = [grad(number.sum(), x, retain_graph=True)[0].flatten(1) for number in seen.T]
        # eq. 3, with A J = d seen / d x_t
        return (1 - abar) / abar.sqrt() * torch.stack(rows, 1) @ A.T

    def restore(self, y: Tensor, A: Tensor, sigma: float) -> Tensor:
        """A draw of x for each measurement y = A x + sigma n: (B, M), (M, D) -> (B, *shape).

        Repeat a row of y for several draws. Raises ValueError for shapes that do not fit or sigma <= 0.
        """
        D = prod(self.cfg.shape)
        if A.ndim != 2 or A.shape[1] != D or y.shape[1:] != A.shape[:1]:
            raise ValueError(f"A {tuple(A.shape)}, y {tuple(y.shape)}: (M, {D}) and (B, M) are needed")
        if not sigma > 0:
            raise ValueError(f"sigma={sigma}: a measurement without noise is one with little; give a small number")
        # images lie in [0, 1], the chain runs in [-1, 1]
        known = Measurement(y - A.sum(1) / 2, A / 2, sigma) if self.image else Measurement(y, A, sigma)
        return self.sample(len(y), known)  # type: ignore[arg-type]


def matrix(measure: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Tensor:
    """The matrix (M, D) of a linear function of observations, such as a blur: (B, *shape) -> (B, ...)."""
    return measure(torch.eye(prod(shape)).view(-1, *shape)).flatten(1).T


if __name__ == "__main__":
    main(DiffusionInverseSolver)
