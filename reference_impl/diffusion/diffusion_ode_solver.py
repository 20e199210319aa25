"""Diffusion ODE solvers of second order: ten evaluations of the network instead of a hundred.

Idea
    Without fresh noise, sampling is an ordinary differential equation. In x / alpha_t, with
    alpha_t = sqrt(abar_t), sigma_t = sqrt(1 - abar_t), and in lambda_t = log(alpha_t / sigma_t),
    half the log of the signal-to-noise ratio, its linear part can be solved exactly. From level t
    to level s, h = lambda_s - lambda_t, remains an average of the estimate D(x, t) of x_0:

        x_s = (sigma_s / sigma_t) x_t + alpha_s int_0^h e^(u - h) D(lambda_t + u) du.         (1)

    Holding D constant is a DDIM step, whose error in the end is of order h. A straight line
    through the last two estimates has order h^2 at the same price, one evaluation (multistep).
    Heun's method has that order, too: it repeats each step with the mean of the slopes at both ends.

Source
    Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models",
    2022. arXiv:2211.01095 (proposition 4.1; algorithm 2)
    Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models", 2022.
    arXiv:2206.00364 (algorithm 1)

Differs from the papers
    Steps end at levels of the discrete training schedule, evenly spaced in t. The estimate of
    x_0 is kept within the range of images. No third order, no corrector (UniPC).

Shapes
    B batch, T levels of training, S steps of sampling; levels are 0, ..., T.

Run
    genai-patterns run diffusion_ode_solver sampling_steps=8
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from reference_impl.core import main
from reference_impl.diffusion.ddim import FewStepsConfig, estimate, levels
from reference_impl.diffusion.ddpm import DDPM


class SolverConfig(FewStepsConfig):
    """A diffusion model's settings, and the solver that samples it."""

    sampling_steps: PositiveInt = 10
    """S; each costs one network evaluation, with heun two but for the last."""
    solver: Literal["first", "multistep", "heun"] = "multistep"
    """first is DDIM, multistep DPM-Solver++ (2M), heun that of EDM."""


class DiffusionODESolver(DDPM):
    """DDPM with solvers of second order for its deterministic sampling equation."""

    Config = SolverConfig

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """In S steps from noise: (n, *shape)."""
        x = torch.randn(n, *self.cfg.shape, device=self.device)
        x = SOLVERS[self.cfg.solver](self, x, levels(self, self.cfg.sampling_steps), y)
        return (x + 1) / 2 if self.image else x


# what follows works for every model with abar and predict_noise


def multistep(model: DDPM, x: Tensor, path: Sequence[int], y: Tensor | None = None, order: int = 2) -> Tensor:
    """x at the end of the path of levels, from x at its start: (B, *shape) -> (B, *shape).

    order 1 holds each estimate of x_0 constant over the step, 2 extrapolates from the last two.
    """
    alpha, sigma = model.abar.sqrt(), (1 - model.abar).sqrt()
    lam = (alpha / sigma).log()
    earlier: tuple[Tensor, Tensor] | None = None
    for t, s in pairwise(path):
        # the length of the step in (1)
        h = lam[s] - lam[t]
        data, _ = estimate(model, x, t, y)
        ahead = data
        # the last step is infinitely long in lambda; nothing can be extrapolated over it
        if order == 2 and earlier and s > 0:
            before, h_before = earlier
            # the line through both estimates, half a step ahead
            ahead = data + (data - before) * h / (2 * h_before)
        x = sigma[s] / sigma[t] * x - alpha[s] * torch.expm1(-h) * ahead
        earlier = data, h
    return x


def heun(model: DDPM, x: Tensor, path: Sequence[int], y: Tensor | None = None) -> Tensor:
    """The same by Heun's method for dx/dsigma = eps in x / alpha and sigma / alpha."""
    ratio = (1 / model.abar - 1).sqrt()
    scale = model.abar.sqrt()
    for t, s in pairwise(path):
        step = ratio[s] - ratio[t]
        _, slope = estimate(model, x, t, y)
        end = x / scale[t] + step * slope
        if s > 0:
            _, slope_end = estimate(model, scale[s] * end, s, y)
            end = x / scale[t] + step * (slope + slope_end) / 2
        x = scale[s] * end
    return x


SOLVERS: dict[str, Callable[[DDPM, Tensor, Sequence[int], Tensor | None], Tensor]] = {
    "first": partial(multistep, order=1),
    "multistep": multistep,
    "heun": heun,
}

if __name__ == "__main__":
    main(DiffusionODESolver)
