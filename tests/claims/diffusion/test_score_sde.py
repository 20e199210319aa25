"""Claims of the score-based SDE."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from reference_impl.core import Batch, run, seed_all
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.diffusion.score_sde import ScoreSDE
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.measures import modes_covered
from reference_impl.tasks.points import ring_centers

WEIGHTS = torch.tensor([0.5, 0.3, 0.2])
CENTERS = torch.tensor([[-1.5, -0.5], [1.2, -1.0], [0.5, 1.6]])
SPREADS = torch.tensor([0.3, 0.15, 0.4])


def mixture(d: int, a: Tensor, s: Tensor) -> torch.distributions.MixtureSameFamily:
    """Law of a x + s eps with x from three Gaussians in d dimensions; a and s (B, 1) or ()."""
    centers, spreads = CENTERS[:, :d], SPREADS[:, None].expand(-1, d)
    width = ((a[..., None] * spreads) ** 2 + s[..., None] ** 2).sqrt()
    parts = torch.distributions.Independent(torch.distributions.Normal(a[..., None] * centers, width), 1)
    return torch.distributions.MixtureSameFamily(torch.distributions.Categorical(WEIGHTS), parts)


class Exact(ScoreSDE):
    """The same solvers with the score of the mixture in closed form in place of the network's."""

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        a, s = self.marginal(t)
        variance = (a[..., None] * SPREADS[:, None]) ** 2 + s[..., None] ** 2
        gap = a[..., None] * CENTERS[:, : x.shape[1]] - x[:, None]
        weight = WEIGHTS.log() - 0.5 * (gap.square() / variance + variance.log()).sum(2)
        return (weight.softmax(1)[..., None] * gap / variance).sum(1)

    def forward_draws(self, x0: Tensor, t: float) -> Tensor:
        return self.noised(x0, torch.full((len(x0),), t), torch.randn_like(x0))


def draws(n: int, d: int = 2) -> Tensor:
    """n points of the mixture: (n, d)."""
    return mixture(d, torch.tensor(1.0), torch.tensor(0.0)).sample((n,))


def projected(x: Tensor, directions: int = 40) -> Tensor:
    """Sorted projections of sets of points in the plane: (..., n, 2) -> (..., n, directions)."""
    angle = torch.arange(directions) * (torch.pi / directions)
    return (x @ torch.stack([angle.cos(), angle.sin()])).sort(-2).values


def sliced_wasserstein(x: Tensor, y: Tensor, sets: int = 20) -> float:
    """Mean over pairs of `sets` equal parts of x and of y (N, 2) of their sliced Wasserstein-1 distance."""
    a, b = (projected(points.view(sets, -1, 2)) for points in (x, y))
    return sum((a - b.roll(k, 0)).abs().mean().item() for k in range(5)) / 5


def paths(model: ScoreSDE, x: Tensor, solver: str) -> list[Tensor]:
    """States at every time of the grid, from x at time 1."""
    states, one = [x], torch.ones(len(x))
    step = model.sde_step if solver == "sde" else model.ode_step
    for t, after in pairwise(model.grid()):
        states.append(step(states[-1], t * one, after - t))
    return states


def test_reverse_sde_and_ode_share_their_marginals(claim):
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    n = 40_000
    ratios: dict[str, list[float]] = {"sde": [], "ode": []}
    for process in ("vp", "ve"):
        model = Exact(Exact.Config(process=process, solver_steps=150))
        start = model.forward_draws(draws(n), 1.0)
        run_of = {solver: paths(model, start, solver) for solver in ratios}
        for i in (30, 60, 90, 120, 150):
            t = model.grid()[i]
            there, again = (model.forward_draws(draws(n), t) for _ in range(2))
            floor = sliced_wasserstein(again, there)
            for solver, states in run_of.items():
                ratios[solver].append(sliced_wasserstein(states[i], there) / floor)
    claim.measure("sde", max(ratios["sde"]))
    claim.measure("ode", max(ratios["ode"]))

    line = Exact(Exact.Config(shape=(1,), solver_steps=100))
    t, edge = torch.tensor(line.grid()), torch.linspace(-3, 3, 61)
    a, s = (v.view(-1, 1, 1) for v in line.marginal(torch.linspace(1, 1e-4, 101)))
    density = mixture(1, a, s).log_prob(edge.view(1, -1, 1)).exp()
    density = density / density.max(1, keepdim=True).values
    seed_all("paths")
    # from nothing to gray, so that it lies on light and dark pages alike
    haze = LinearSegmentedColormap.from_list("haze", [to_rgba(PALETTE[8], share) for share in (0.0, 0.8)])
    start = torch.linspace(-1.8, 1.8, 13)[:, None]
    fig, axes = figure(6.6, 3.0, columns=2, sharey=True)
    for ax, solver, title in zip(axes, ("sde", "ode"), ("reverse SDE", "probability-flow ODE"), strict=True):
        box = (1, 0, -3, 3)
        ax.imshow(density.T, extent=box, origin="lower", aspect="auto", interpolation="none", cmap=haze)
        states = torch.cat(paths(line, start, solver), 1)
        order = states[:, -1].argsort()
        for path in states[order]:
            color = PALETTE[int((path[-1] - CENTERS[:, 0]).abs().argmin())]
            ax.plot(t, path, color=color, linewidth=0.9)
        ax.set(title=title, xlabel="time: noise to data", xlim=(1, 0), ylim=(-3, 3))
    axes[0].set_ylabel("x")
    claim.figure(
        "hero",
        fig,
        caption="Thirteen starts, run backward over the density of the noised data (gray, scaled at each time). The "
        "SDE's paths are jagged, cross, and forget where they began; the ODE's are smooth and keep their order. "
        "At every time both crowds have the same density. Colors: the mode that a path ends in.",
        alt="Two panels of paths from noise on the left to three modes on the right: jagged ones that cross, and "
        "smooth ones that do not.",
    )


def test_ode_gives_the_exact_likelihood(claim):
    x = draws(500)
    exact = mixture(2, torch.tensor(1.0), torch.tensor(0.0)).log_prob(x)
    for process in ("vp", "ve"):
        model = Exact(Exact.Config(process=process, sigma_max=50.0))
        claim.measure(process, abs((model.log_prob(x) - exact).mean().item()) / 2)


def test_the_ode_needs_fewer_evaluations(claim):
    n, evaluations = 40_000, [8, 16, 32, 64, 128]
    there, errors = draws(n), {"sde": [], "ode": []}
    floor = sliced_wasserstein(draws(n), there, sets=5)
    for budget in evaluations:
        for solver, each in (("sde", 1), ("ode", 2)):
            model = Exact(Exact.Config(solver=solver, solver_steps=budget // each))
            errors[solver].append(sliced_wasserstein(model.sample(n), there, sets=5))
    at = evaluations.index(16)
    claim.measure("distance", errors["ode"][at], baseline=errors["sde"][at])
    claim.measure("floor", errors["ode"][at], baseline=floor)

    fig, ax = figure(5.4, 3.0)
    for (solver, name), color in zip((("sde", "reverse SDE"), ("ode", "ODE, Heun")), PALETTE, strict=False):
        ax.plot(evaluations, errors[solver], "o-", color=color, markersize=4, label=name)
    ax.axhline(floor, color=INK, linewidth=1, linestyle=":", label="noise floor")
    ax.set(xscale="log", yscale="log", xlabel="evaluations of the score", ylabel="sliced Wasserstein distance")
    ax.set_xticks(evaluations, [str(e) for e in evaluations])
    ax.minorticks_off()
    ax.legend()
    claim.figure(
        "evaluations",
        fig,
        caption="Distance of 40,000 samples from the data against the evaluations of the exact score that each cost. "
        "The smooth ODE allows large steps of second order; Euler-Maruyama has to follow its own noise.",
        alt="Distance falls with the number of evaluations, for the ODE much earlier than for the SDE.",
    )


def test_a_trained_network_serves_sde_ode_and_likelihood(claim):
    task = make("points", "ring8")
    settings = {"steps": 2000, "solver_steps": 100, "hidden": 14}
    gaps, shares = [], {"sde": [], "ode": []}
    # entropy of eight Gaussians of deviation 0.1 that do not overlap
    entropy = math.log(8) + math.log(2 * math.pi * math.e * 0.1**2)
    for seed in range(3):
        model = run(ScoreSDE, settings, task=task, seed=seed, evaluate=False).model
        seed_all(seed)
        gaps.append((-model.log_prob(task.splits["test"][0][:2000]).mean().item() - entropy) / 2)
        for solver, share in shares.items():
            again = ScoreSDE(model.cfg.model_copy(update={"solver": solver}))
            again.load_state_dict(model.state_dict())
            share.append(modes_covered(again.sample(2000), ring_centers(), 0.1, 150)[1])
    claim.measure("excess_nll", gaps)
    claim.measure("sde_near_a_mode", shares["sde"])
    claim.measure("ode_near_a_mode", shares["ode"])

    rates = {"beta_min": model.cfg.beta_min, "beta_max": model.cfg.beta_max, "t_min": model.cfg.t_min}
    noise = lambda x, t: (model.predict(model.averaged, x, t),)
    claim.program("noise", noise, torch.zeros(50, 2), torch.ones(50), module=model.averaged, **rates)


class Observed(ScoreSDE):
    """Trains at the times 1/T, ..., 1 alone, as a chain of T steps does."""

    steps_of_chain = 100

    def train_times(self, x0: Tensor) -> Tensor:
        return torch.randint(1, self.steps_of_chain + 1, (len(x0),)) / self.steps_of_chain


def chain_of(sde: ScoreSDE, timesteps: int) -> DDPM:
    """The DDPM whose step i adds the noise that the SDE adds from time (i - 1)/T to i/T; shares the SDE's network."""
    ddpm = DDPM(DDPM.Config(shape=sde.cfg.shape, timesteps=timesteps)).to(next(sde.parameters()))
    g2 = sde.rates(torch.arange(timesteps + 1).double() / timesteps)[1].flatten()
    # beta(t) is linear, so its mean over a step is the mean of its ends
    beta = -torch.expm1(-(g2[1:] + g2[:-1]) / 2 / timesteps)
    ddpm.beta[1:], ddpm.abar[1:] = beta, (1 - beta).cumprod(0)
    ddpm.net, ddpm.averaged = sde.net, sde.averaged
    return ddpm


def law(step: Callable[[], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of a step mean + deviation z from x, found from two draws with known z."""
    ends, noise = [], []
    for seed in range(2):
        seed_all(seed)
        ends.append(step())
        seed_all(seed)
        noise.append(torch.randn_like(x))
    deviation = ((ends[0] - ends[1]) / (noise[0] - noise[1])).median()
    return ends[0] - deviation * noise[0], deviation**2


def reverse_steps_apart(sde: ScoreSDE, x: Tensor, sizes: Sequence[int]) -> tuple[list[float], list[float]]:
    """Distance in mean and in variance of the SDE's reverse step and DDPM's, at time 1/2 of chains of these sizes."""
    # the differences are as small as single precision's last digits
    torch.set_default_dtype(torch.float64)
    try:
        sde, x, half, apart = deepcopy(sde).double(), x.double(), torch.full((len(x),), 0.5), []
        with torch.no_grad():
            for timesteps in sizes:
                reverse = law(partial(sde.sde_step, x, half, -1 / timesteps), x)
                ancestral = law(partial(chain_of(sde, timesteps).denoise, x, timesteps // 2), x)
                apart.append([(a - b).square().mean().sqrt().item() for a, b in zip(reverse, ancestral, strict=True)])
    finally:
        torch.set_default_dtype(torch.float32)
    means, variances = zip(*apart, strict=True)
    return list(means), list(variances)


def test_observed_at_discrete_times_it_is_ddpm(claim):
    sde = Observed(Observed.Config())
    ddpm = chain_of(sde, sde.steps_of_chain)
    a, s = sde.marginal(torch.arange(101) / 100)
    apart = max((a.flatten() - ddpm.abar.sqrt()).abs().max(), (s.flatten() - (1 - ddpm.abar).sqrt()).abs().max())
    claim.measure("marginals", apart.item())

    batch, losses, gradients = Batch(draws(512)), [], []
    for model in (sde, ddpm):
        seed_all("same draws")
        losses.append(model.loss(batch)["loss"])
        grads = torch.autograd.grad(losses[-1], list(sde.net.parameters()))
        gradients.append(torch.cat([g.flatten() for g in grads]))
    claim.measure("losses", (losses[0] / losses[1] - 1).abs().item())
    claim.measure("gradients", ((gradients[0] - gradients[1]).norm() / gradients[1].norm()).item())

    sizes = [50, 100, 200, 400, 800]
    means, variances = reverse_steps_apart(sde, draws(64), sizes)
    for name, values in (("mean", means), ("variance", variances)):
        claim.measure(f"order_of_{name}", -float(np.polyfit(np.log(sizes), np.log(values), 1)[0]))

    fig, ax = figure(4.6, 2.8)
    ax.loglog(sizes, means, "o-", color=PALETTE[0], markersize=4, label="mean of one step")
    ax.loglog(sizes, variances, "o-", color=PALETTE[1], markersize=4, label="variance of one step")
    ax.loglog(sizes, variances[0] * (sizes[0] / np.array(sizes)) ** 2, ":", color=INK, linewidth=1, label="slope -2")
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="T, steps of the chain", ylabel="difference")
    ax.legend()
    claim.figure(
        "ddpm",
        fig,
        caption="One reverse step from the middle of the chain: Euler-Maruyama on the SDE against DDPM's ancestral "
        "step, same network. Mean and variance differ by a multiple of the squared step, so over T steps the two "
        "samplers differ by a multiple of 1/T.",
        alt="Two straight lines of slope minus two in double logarithmic axes.",
    )
