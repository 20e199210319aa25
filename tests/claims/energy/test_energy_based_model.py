"""Claims of the energy-based model."""

import math
from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from reference_impl.core import Task, run, seed_all
from reference_impl.energy.energy_based_model import EBM, langevin
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.points import ring_centers

HALF, SIDE = 3.2, 320
"""The grid of all integrals covers [-HALF, HALF]^2 with SIDE points along each axis."""


def grid() -> Tensor:
    """Its points: (SIDE^2, 2)."""
    axis = torch.linspace(-HALF, HALF, SIDE)
    return torch.cartesian_prod(axis, axis)


def normalized(log_p: Tensor) -> Tensor:
    """Log-density on the grid from one up to a constant."""
    return log_p - log_p.logsumexp(0) - 2 * math.log(2 * HALF / (SIDE - 1))


@torch.no_grad()
def energy_on_grid(model: EBM) -> Tensor:
    return torch.cat([model.energy(x) for x in grid().split(20_000)])


def divergence(log_p: Tensor, log_q: Tensor) -> float:
    """KL(p || q) in nats, both normalized on the grid."""
    return (log_p.softmax(0) * (log_p - log_q)).sum().item()


def ring_of_modes(x: Tensor) -> Tensor:
    """Log-density of the points task's ring8 up to a constant: (B, 2) -> (B,)."""
    return (-torch.cdist(x, ring_centers()).square() / (2 * 0.1**2)).logsumexp(1)


@cache
def on_ring(seed: int, persistent: bool = True) -> EBM:
    """Trained on eight Gaussians of deviation 0.1, with as many steps and updates either way."""
    settings = {"steps": 600, "eta": 0.1, "octaves": 3, "persistent": persistent}
    return run(EBM, settings, task=make("points", "ring8"), seed=seed, evaluate=False).model


def show(ax: Axes, log_p: Tensor, floor: float = -8.0, **kw: object) -> None:
    """Log-density over the plane, down to `floor` below its highest value; transparent below."""
    image = (log_p - log_p.max()).view(SIDE, SIDE).T.numpy()
    image = np.where(image < floor, np.nan, image)[::2, ::2]
    extent = (-HALF, HALF, -HALF, HALF)
    ax.imshow(image, origin="lower", extent=extent, cmap="viridis", interpolation="none", vmin=floor, vmax=0, **kw)
    ax.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])


def test_energy_is_the_log_density_up_to_a_constant(claim):
    truth = normalized(ring_of_modes(grid()))
    data = make("points", "ring8").splits["train"][0]
    gaussian = torch.distributions.MultivariateNormal(data.mean(0), data.T.cov())
    models = [on_ring(seed) for seed in range(3)]
    found = [normalized(-energy_on_grid(m)) for m in models]
    claim.measure(
        "kl", [divergence(truth, f) for f in found], baseline=divergence(truth, normalized(gaussian.log_prob(grid())))
    )

    fig, axes = figure(6.4, 2.4, columns=3, sharey=True)
    panels = {"data": truth, "energy-based model": found[0], "one Gaussian": normalized(gaussian.log_prob(grid()))}
    for ax, (title, log_p) in zip(axes, panels.items(), strict=True):
        show(ax, log_p)
        ax.set_title(title)
    claim.figure(
        "density",
        fig,
        caption="Log-density down to 8 nats below its maximum: of the data, of the learned energy after integration "
        "over the plane, and of the Gaussian with the data's mean and covariance.",
        alt="Three maps of the plane: eight round spots, nearly the same eight spots, and one wide disk.",
    )

    model = models[0]
    seed_all("roll")
    x = model.noise(13)
    roll = [x[x.abs().amax(1) < 3]]
    while len(roll) < 81:
        roll += [langevin(model.energy, roll[-1], 1, model.cfg.eta, model.cfg.wide, leaps=0.0)[0]]
    path = torch.stack(roll)
    with torch.no_grad():
        height = torch.stack([model.energy(x) for x in roll])
    fig, (left, right) = figure(6.4, 3.2, columns=2)
    show(left, -energy_on_grid(model), floor=-46.0)
    left.plot(*path.permute(2, 0, 1), color=PALETTE[1], linewidth=0.8)
    left.scatter(*path[-1].T, s=10, color=PALETTE[3], zorder=3)
    right.plot(height, color=PALETTE[1], linewidth=0.8)
    right.scatter([80] * height.shape[1], height[-1], s=10, color=PALETTE[3], zorder=3)
    right.set(xlabel="Langevin step", ylabel="energy")
    claim.figure(
        "hero",
        fig,
        caption="The learned energy of eight Gaussians as a landscape, bright where deep, and particles that roll on "
        "it: Langevin dynamics takes each down the nearest slope, some past a plateau or a shallow well that no data "
        "made, and then jitters at the bottom.",
        alt="Left, a map with eight bright wells in a ring and paths that end in them; right, energies of the "
        "particles, which fall within some forty steps and then fluctuate.",
    )
    from reference_impl.programs import with_slope

    x, chains = torch.zeros(50, 2), {"eta": model.cfg.eta, "wide": model.cfg.wide, "leaps": model.cfg.leaps}
    claim.program("energy", with_slope(model, "energy", x), x, torch.ones(50), module=model, **chains)


def test_langevin_with_refused_moves_samples_the_energy(claim):
    eta, chains = 1.0, 20_000
    x, _ = langevin(lambda x: x.square().sum(1) / 2, torch.randn(chains, 1), 50, eta, wide=2.0, leaps=0.2)
    claim.measure("variance", x.var().item(), baseline=1 / (1 - eta**2 / 4))


def ring(n: int, g: torch.Generator) -> Tensor:
    """Points near the circle of radius 1.5: (n, 2)."""
    angle = 2 * math.pi * torch.rand(n, generator=g)
    radius = 1.5 + 0.15 * torch.randn(n, generator=g)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def bar(n: int, g: torch.Generator) -> Tensor:
    """Points near the horizontal axis: (n, 2)."""
    return torch.stack([5 * torch.rand(n, generator=g) - 2.5, 0.25 * torch.randn(n, generator=g)], 1)


def inside(x: Tensor) -> dict[str, Tensor]:
    """Which points lie within three deviations of the circle, and of the bar."""
    return {"ring": (x.norm(dim=1) - 1.5).abs() < 0.45, "bar": (x[:, 1].abs() < 0.75) & (x[:, 0].abs() < 2.5)}


def test_energies_add_up_to_the_intersection(claim):
    g = torch.Generator().manual_seed(0)
    tasks = [Task(draw(20_000, g), shape=[2]) for draw in (ring, bar)]
    together, alone = [], []
    for seed in range(3):
        a, b = (
            run(EBM, {"steps": 300, "eta": 0.1, "octaves": 3}, task=t, seed=seed, evaluate=False).model for t in tasks
        )
        samples = [
            langevin(energy, a.noise(1000), 300, eta=0.1, wide=2.0, leaps=0.2)[0]
            for energy in (a.energy, b.energy, lambda x, a=a, b=b: a.energy(x) + b.energy(x))
        ]
        both = [(inside(x)["ring"] & inside(x)["bar"]).float().mean().item() for x in samples]
        together.append(both[2])
        alone.append(both[0])
    claim.measure("inside", together, baseline=alone)

    energies = [energy_on_grid(a), energy_on_grid(b)]
    fig, axes = figure(6.4, 2.4, columns=3, sharey=True)
    for ax, e, x, title in zip(axes, [*energies, sum(energies)], samples, ["E₁", "E₂", "E₁ + E₂"], strict=True):
        show(ax, normalized(-e), alpha=0.5)
        ax.scatter(*x[:300].T, s=2, color=PALETTE[1], linewidths=0, rasterized=True)
        ax.set_title(title)
    claim.figure(
        "composition",
        fig,
        caption="Two models, one trained on points near a circle, one on points near a bar; log-density in color, "
        "samples as dots. The sum of both energies, which nothing was trained on, has its samples where they meet.",
        alt="Three maps: a ring, a horizontal bar, and two spots left and right where ring and bar cross.",
    )


def test_good_samples_do_not_prove_a_good_energy(claim):
    truth = normalized(ring_of_modes(grid()))
    short, long = on_ring(0, persistent=False), on_ring(0)
    seed_all("short chains")
    x = short.roll(short.noise(2000), short.cfg.langevin)[0]
    claim.measure("near", (torch.cdist(x, ring_centers()).min(1).values < 0.3).float().mean().item())
    found = {
        "chains of 10 steps": normalized(-energy_on_grid(short)),
        "chains that go on": normalized(-energy_on_grid(long)),
    }
    kl, kl_long = (divergence(truth, f) for f in found.values())
    claim.measure("kl", kl, baseline=kl_long)

    fig, axes = figure(6.4, 2.4, columns=3, sharey=True)
    axes[0].scatter(*x[:500].T, s=3, color=PALETTE[1], linewidths=0, rasterized=True)
    axes[0].set(title="samples, 10 steps", xlim=(-HALF, HALF), ylim=(-HALF, HALF), xticks=[-2, 0, 2], aspect="equal")
    for ax, (title, log_p) in zip(axes[1:], found.items(), strict=True):
        show(ax, log_p)
        ax.set_title(title)
    claim.figure(
        "short_chains",
        fig,
        caption="Trained with chains that start anew before each update, the same ten steps give good samples "
        "(left), but the density of the energy (middle, down to 8 nats) is all in a few wells: the steps, not the "
        "energy, have learned the data. Chains that go on from one update to the next put it right.",
        alt="Left, dots at all eight spots; middle, density at some of them; right, density at all eight.",
    )
