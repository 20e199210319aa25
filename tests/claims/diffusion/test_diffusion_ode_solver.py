"""Claims of the second-order diffusion solvers."""

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from reference_impl.core import run, seed_all
from reference_impl.diffusion.ddim import levels, walk
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.diffusion.diffusion_ode_solver import SOLVERS, DiffusionODESolver, heun, multistep
from reference_impl.figures import INK, figure, strips
from reference_impl.tasks.images import digits
from reference_impl.tasks.measures import frechet
from reference_impl.tasks.points import ring_centers

# deviation of each mode of the ring
RING_SIGMA = 0.3
LEVELS = 1000


@cache
def trained() -> DiffusionODESolver:
    return run(DiffusionODESolver, evaluate=False).model


class RingNoise(nn.Module):
    """E[eps | x_t] where the data are eight Gaussians on a ring."""

    def __init__(self, abar: Tensor) -> None:
        super().__init__()
        self.abar = abar

    def forward(self, x: Tensor, t: Tensor, y: None = None) -> Tensor:
        abar = self.abar[(t * LEVELS).round().long()][:, None]
        variance = abar * RING_SIGMA**2 + 1 - abar
        gap = abar.sqrt()[..., None] * ring_centers() - x[:, None]
        weight = (-0.5 * gap.square().sum(2) / variance).softmax(1)
        return -(1 - abar).sqrt() * (weight[..., None] * gap).sum(1) / variance


def exact() -> DiffusionODESolver:
    """A model of the ring without any error of learning, in double precision."""
    model = DiffusionODESolver(DiffusionODESolver.Config(shape=(2,), timesteps=LEVELS))
    # the schedule of the class, before it is rounded
    beta = model.beta.double()
    model.abar = (1 - beta).cumprod(0)
    model.averaged = RingNoise(model.abar)
    return model


def distance(a: Tensor, b: Tensor) -> float:
    """Root mean squared difference of a coordinate."""
    return (a - b).square().mean().sqrt().item()


def same_noise(model: DDPM, n: int = 360, seed: int = 0) -> Tensor:
    seed_all("digits", seed)
    return model.sample(n)


def in_steps(steps: int) -> DiffusionODESolver:
    """The trained model with its number of steps set."""
    model = trained()
    model.cfg = model.cfg.model_copy(update={"sampling_steps": steps})
    return model


def ddpm(steps: int) -> DDPM:
    """DDPM of so many steps with the trained network: the cosine schedule is a function of t / T."""
    model = DDPM(DDPM.Config(timesteps=steps))
    model.averaged = trained().averaged
    return model


@torch.no_grad()
def test_first_order_is_ddim(claim):
    for name, shape in (("images", (1, 8, 8)), ("vectors", (2,))):
        seed_all("weights", name)
        model, x = DiffusionODESolver(DiffusionODESolver.Config(shape=shape)), torch.randn(8, *shape)
        path = levels(model, 10)
        ddim = walk(model, x, path)
        errors = [((multistep(model, x, path, order=k) - ddim).norm() / ddim.norm()).item() for k in (1, 2)]
        claim.measure(name, errors[0], baseline=errors[1])


@torch.no_grad()
def test_error_falls_with_the_square_of_the_step(claim):
    seed_all("order")
    model, x, strides = exact(), torch.randn(2000, 2, dtype=torch.float64), (50, 30, 20, 15, 10)
    # from one level to another, both within the range where the solution is smooth
    solution = heun(model, x, range(950, 49, -1))
    for name, solver in SOLVERS.items():
        errors = [distance(solver(model, x, range(950, 49, -k), None), solution) for k in strides]
        claim.measure(name, np.polyfit(np.log(strides), np.log(errors), 1)[0])


@torch.no_grad()
def test_same_error_for_a_fraction_of_the_evaluations(claim):
    seed_all("evaluations")
    model, x = exact(), torch.randn(2000, 2, dtype=torch.float64)
    solution = heun(model, x, levels(model, 977))
    counts = [5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128]
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for name, solver in SOLVERS.items():
        evaluations = [2 * s - 1 if name == "heun" else s for s in counts]
        curves[name] = evaluations, [distance(solver(model, x, levels(model, s), None), solution) for s in counts]
    enough = {name: next(n for n, e in zip(*curve, strict=True) if e <= 0.01) for name, curve in curves.items()}
    claim.measure("multistep", enough["multistep"], baseline=enough["first"])
    claim.measure("heun", enough["heun"], baseline=enough["first"])

    fig, ax = figure(5.4, 3.4)
    titles = {"first": "DDIM, first order", "multistep": "DPM-Solver++ (2M)", "heun": "Heun"}
    for name, (evaluations, errors) in curves.items():
        ax.loglog(evaluations, errors, "o-", ms=3, label=titles[name])
    ax.axhline(0.01, color=INK, lw=0.8, ls="--")
    ax.set(xlabel="network evaluations", ylabel="error, data units", xlim=(4.5, 150))
    ax.set_xticks(ticks := [5, 10, 20, 50, 100], [str(v) for v in ticks], minor=False)
    ax.xaxis.minorticks_off()
    ax.legend()
    claim.figure(
        "hero",
        fig,
        caption="Root mean squared distance of 2,000 samples from the exact solution, with exact scores of a ring "
        "of eight modes. Doubling the evaluations halves DDIM's error and in the end quarters the others'. Heun needs "
        "two evaluations a step and with few of them is behind.",
        alt="Log-log plot: DDIM falls with slope one, Heun and the multistep solver with slope two, the latter lowest.",
    )


def test_ten_evaluations_do_for_digits(claim):
    x, _ = digits()
    test, train = x[:360].flatten(1), x[360:720].flatten(1)

    def distances(model: DDPM) -> list[float]:
        return [frechet(test, same_noise(model, seed=s).clamp(0, 1).flatten(1)) for s in range(3)]

    ten = distances(in_steps(10))
    claim.measure("five", distances(in_steps(5)), baseline=distances(ddpm(5)))
    claim.measure("ten", ten, baseline=distances(ddpm(100)))
    claim.measure("floor", ten, baseline=frechet(test, train))

    sheets = {f"DDPM, {s}": same_noise(ddpm(s), 16, 3).clamp(0, 1) for s in (5, 10, 100)}
    sheets |= {f"solver, {s}": same_noise(in_steps(s), 16, 3).clamp(0, 1) for s in (5, 10)}
    claim.figure(
        "before_after",
        strips(sheets, 16),
        caption="One network, sampled with the number of evaluations given on the left. Cut to five steps, DDPM's "
        "samples are smeared; the multistep solver's look like those of 100 steps.",
        alt="Five rows of digits; DDPM's are smeared in five steps, the solver's are as clean as DDPM's in 100.",
    )
