"""Claims of the WGAN with gradient penalty."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from reference_impl.adversarial.gan import GAN
from reference_impl.adversarial.wgan import WGAN
from reference_impl.adversarial.wgan_gp import WGANGP
from reference_impl.core import run
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.measures import modes_covered
from reference_impl.tasks.points import SIGMA, grid_centers

CRITIC = {"latent_dim": 2, "hidden": 128, "ema": 0, "batch_size": 128, "lr": 2e-3, "cooldown": 0.5, "steps": 400}


def filmed(cls, moments=(50, 200, 500, 1500)):
    """The same game, of which `frames` keeps samples and the critic's field at chosen steps."""

    class Filmed(cls):
        def __init__(self, cfg):
            super().__init__(cfg)
            self.frames, self.played = {}, 0

        def after_update(self):
            super().after_update()
            self.played += 1
            if self.played in moments:
                self.frames[self.played] = self.sample(600), field(self)

    return Filmed


class Blob(nn.Module):
    """A generator without parameters to learn: noise (B, 2) to a round Gaussian of deviation 1/2."""

    def __init__(self):
        super().__init__()
        self.width = nn.Parameter(torch.tensor(0.5))

    def forward(self, z):
        return self.width * z


def against_blob(cls, settings, seed=0):
    """The critic of `cls` trained on the ring of eight Gaussians against samples that stay a blob in its middle."""

    class Frozen(cls):
        def __init__(self, cfg):
            super().__init__(cfg)
            self.generator = self.averaged = Blob()

        def optimizers(self):
            players = super().optimizers()
            players["generator"].param_groups[0]["lr"] = 0.0
            return players

    return run(Frozen, {**CRITIC, **settings}, task=make("points", "ring8"), seed=seed, evaluate=False).model


def pairs(n=2000):
    """Held-out points of the ring and samples of the blob: (n, 2), (n, 2)."""
    return make("points", "ring8").splits["test"][0][:n], 0.5 * torch.randn(n, 2)


def transport(a, b):
    """Wasserstein-1 distance of two samples of equal size, by the best assignment."""
    distance = torch.cdist(a, b).numpy()
    return float(distance[linear_sum_assignment(distance)].mean())


def slopes(model, a, b):
    """|df/dx| of any critic at random points between a and b: (n,)."""
    t = torch.rand(len(a), 1)
    x = (t * a + (1 - t) * b).requires_grad_()
    return torch.autograd.grad(model.discriminate(x).sum(), x)[0].norm(dim=1)


@torch.no_grad()
def gap(model, real, fake):
    """E f(x) - E f(G(z))."""
    return (model.discriminate(real).mean() - model.discriminate(fake).mean()).item()


@torch.no_grad()
def field(model, n=121):
    """The critic over [-3, 3]^2 in 16 bands of equal height, rows from bottom to top: (n, n)."""
    f = model.discriminate(torch.cartesian_prod(*[torch.linspace(-3, 3, n)] * 2)).view(n, n).T
    return (16 * (f - f.min()) / (f.max() - f.min())).floor().clamp(max=15).numpy()


def draw_critic(ax, bands, points, title):
    """Bands of the critic's field, and points on it."""
    # black in any theme, since the field is light in any theme
    ax.imshow(bands, extent=(-3, 3, -3, 3), origin="lower", cmap="coolwarm", interpolation="none")
    ax.scatter(*points.T, s=2, color="black", linewidths=0, rasterized=True)
    ax.set(title=title, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    ax.axis("off")


def test_the_grid_is_covered(claim):
    task, centers = make("points", "grid25"), grid_centers()
    same = {"latent_dim": 2, "hidden": 128, "ema": 0.99, "batch_size": 256, "cooldown": 0.7, "steps": 1500}
    players = {
        "WGAN-GP": (filmed(WGANGP), {"penalty": 0.1, "lr": 4e-3}),
        # the best learning rate of 1e-3, 2e-3 and 4e-3 for the GAN's modes
        "GAN": (GAN, {"r1": 0, "lr": 2e-3}),
        "GAN with R1": (GAN, {"r1": 0.1, "lr": 2e-3}),
    }
    models = {
        name: [run(cls, {**same, **own}, task=task, seed=s, evaluate=False).model for s in range(3)]
        for name, (cls, own) in players.items()
    }
    samples = {name: [m.sample(2500) for m in row] for name, row in models.items()}
    found = {name: [modes_covered(x, centers, SIGMA, 20)[0] for x in xs] for name, xs in samples.items()}
    test = task.splits["test"][0]
    far = {name: [transport(x[:1000], test[:1000]) for x in xs] for name, xs in samples.items()}
    claim.measure("modes", found["WGAN-GP"], baseline=found["GAN"])
    claim.measure("distance", far["WGAN-GP"], baseline=far["GAN"])
    claim.measure("modes_with_r1", found["GAN with R1"], baseline=found["WGAN-GP"])

    fig, axes = figure(6.6, 2.2, columns=4)
    for ax, (step, (x, f)) in zip(axes, models["WGAN-GP"][0].frames.items(), strict=True):
        draw_critic(ax, f, x, f"step {step:,}")
    claim.figure(
        "hero",
        fig,
        caption="One game on a grid of 25 Gaussians. Dots are samples; each band of color is one sixteenth of the "
        "critic's range, red where its scores are high. Samples climb toward red until they lie on the grid, and the "
        "bands have nothing left to sort.",
        alt="Four snapshots: samples spread from a blob over the plane and gather at the 25 points of a grid.",
    )
    fig, axes = figure(6.8, 2.3, columns=4, width_ratios=[1.25, 1, 1, 1])
    for i, (name, row) in enumerate(found.items()):
        axes[0].bar(np.arange(3) * 0.27 + i, row, width=0.24, color=PALETTE[i])
        worst = int(np.argmin(row))
        ax = axes[i + 1]
        ax.scatter(*centers.T, s=60, facecolors="none", edgecolors=INK, linewidths=0.5)
        ax.scatter(*samples[name][worst].T, s=1.5, color=PALETTE[i], alpha=0.6, linewidths=0, rasterized=True)
        ax.set(title=f"{name}: {row[worst]}", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
        ax.axis("off")
    axes[0].axhline(25, color=INK, linestyle=":")
    axes[0].set(xticks=np.arange(3) + 0.27, xticklabels=["WGAN-GP", "GAN", "R1"], ylabel="modes of 25")
    claim.figure(
        "modes",
        fig,
        caption="Modes that hold at least 20 of 2,500 samples, three seeds, and the samples of each player's worst "
        "seed. Networks, batches, steps and averaging are equal. The penalty finds modes that the GAN loses; a GAN "
        "with a penalty of its own, at the data, does as well.",
        alt="Bars of modes found by three players and a scatter of samples over the grid for each.",
    )


def test_the_slope_is_one_and_the_gap_is_the_distance(claim):
    real, fake = pairs()
    exact = transport(real, fake)
    penalties = [10, 1, 0.3]
    models = {weight: [against_blob(WGANGP, {"penalty": weight}, seed) for seed in range(3)] for weight in penalties}
    slope = {weight: [slopes(m, real, fake).mean().item() for m in row] for weight, row in models.items()}
    claim.measure("slope", slope[10])
    claim.measure("gap", [gap(m, real, fake) / exact for m in models[10]], baseline=exact)
    formula = {weight: 1 + exact / (2 * weight) for weight in penalties}
    claim.measure("soft", [s / formula[1] for s in slope[1]], baseline=formula[1])

    fig, (left, right) = figure(6.4, 2.7, columns=2)
    radius = torch.linspace(0, 2.6, 200)
    ray = torch.stack([radius, torch.zeros_like(radius)], 1)
    with torch.no_grad():
        for m in models[10]:
            f = m.discriminate(ray)
            left.plot(radius, f - f[0], color=PALETTE[0], linewidth=1.2, label="critic" if m is models[10][0] else None)
    left.plot(radius, radius, color=INK, linestyle=":", label="slope 1")
    left.axvspan(1.7, 2.3, color=PALETTE[1], alpha=0.2, linewidth=0, label="data")
    left.set(xlabel="distance from the center, toward a mode", ylabel="f(x) − f(0)")
    left.legend(loc="upper left")
    fine = np.geomspace(0.25, 12, 100)
    right.plot(fine, 1 + exact / (2 * fine), color=INK, linestyle=":", label="1 + W/(2λ)")
    for seed in range(3):
        right.plot(penalties, [slope[weight][seed] for weight in penalties], "o", color=PALETTE[0], markersize=4)
    right.axhline(1, color=PALETTE[2], linewidth=0.8)
    right.set(xscale="log", xlabel="weight λ of the penalty", ylabel="mean slope on the lines")
    right.set(xticks=penalties, xticklabels=map(str, penalties))
    right.minorticks_off()
    right.legend()
    claim.figure(
        "slope",
        fig,
        caption=f"Samples are a blob in the middle of a ring of eight Gaussians, exact distance {exact:.2f}. Left: on "
        "the way from the center to a mode the critic rises with slope one. Right: the penalty is soft. The slope at "
        "which it settles exceeds one by W/(2λ), and the gap with it.",
        alt="Left, critics rising along the diagonal; right, measured slopes on the curve one plus W over two lambda.",
    )


def test_clipping_spends_the_capacity_that_the_penalty_leaves(claim):
    real, fake = pairs()
    exact = transport(real, fake)
    clipped = [against_blob(WGAN, {}, seed) for seed in range(3)]
    free = [against_blob(WGANGP, {"penalty": 10}, seed) for seed in range(3)]

    def weights(model):
        return torch.cat([p.detach().flatten() for p in model.discriminator.parameters()])

    def at_bounds(model):
        """Share of weights within 1 % of the largest magnitude, which is c where weights are clipped."""
        size = weights(model).abs()
        return (size >= 0.99 * size.max()).float().mean().item()

    def seen(model):
        """Share of the exact distance that the critic's gap shows, in units of its own steepest slope."""
        return gap(model, real, fake) / slopes(model, real, fake).quantile(0.99).item() / exact

    claim.measure("at_bounds", [at_bounds(m) for m in free], baseline=[at_bounds(m) for m in clipped])
    claim.measure("seen", [seen(m) for m in free], baseline=[seen(m) for m in clipped])

    fig, axes = figure(6.6, 2.4, columns=3, width_ratios=[1, 1, 1.3])
    for ax, model, title in zip(axes, (clipped[0], free[0]), ("clipped", "penalty"), strict=False):
        draw_critic(ax, field(model), real[:400], title)
    bins = np.linspace(-0.5, 0.5, 101)
    for model, name, color, kind in (
        (clipped[0], "clipped", PALETTE[1], "stepfilled"),
        (free[0], "penalty", PALETTE[0], "step"),
    ):
        w = weights(model).numpy()
        axes[2].hist(w, bins=bins, weights=np.full(len(w), 1 / len(w)), color=color, histtype=kind, label=name)
    axes[2].set(xlabel="weight of the critic", ylabel="share of weights", yscale="log")
    axes[2].legend()
    claim.figure(
        "capacity",
        fig,
        caption="Bands of equal height of two critics trained on the same ring (dots) against the same blob in its "
        "middle, and their weights. Clipping sends most weights to its two bounds and leaves a critic made of a few "
        "ramps; with the penalty the bands are rings of equal width, as the distance asks.",
        alt="Angular bands of a clipped critic, round ones with the penalty, and histograms of their weights.",
    )


def test_without_penalty_it_is_the_clipped_wgan(claim):
    task = make("points", "ring8")
    settings = {"latent_dim": 2, "hidden": 32, "weight_clip": 0.1, "critic_steps": 3, "steps": 60, "lr": 2e-3}

    def state(cls, seed, **own):
        return run(cls, {**settings, **own}, task=task, seed=seed, evaluate=False).model.state_dict().values()

    def furthest(one, other):
        return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))

    clipped = [state(WGAN, seed) for seed in range(3)]
    claim.measure(
        "difference",
        [furthest(state(WGANGP, seed, penalty=0), clipped[seed]) for seed in range(3)],
        baseline=[furthest(state(WGANGP, seed, penalty=1), clipped[seed]) for seed in range(3)],
    )
