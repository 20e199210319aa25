"""Claims of the generative adversarial network."""

import math

import numpy as np
import torch

from reference_impl.adversarial.gan import GAN
from reference_impl.core import Reference, Task, run
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.latent_variable.vae import VAE
from reference_impl.tasks import make
from reference_impl.tasks.measures import flops_per_step, modes_covered
from reference_impl.tasks.points import SIGMA, grid_centers, ring_centers

RING_SIGMA = 0.1


class FixedGenerator(GAN):
    """The game against a generator that never moves, G(z) = z + 1/2: its samples have density N(1/2, 1)."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.generator = torch.nn.Linear(1, 1)
        with torch.no_grad():
            self.generator.weight.fill_(1.0)
            self.generator.bias.fill_(0.5)
        self.averaged = self.generator

    def optimizers(self):
        players = super().optimizers()
        players["generator"].param_groups[0]["lr"] = 0.0
        return players


class Filmed(GAN):
    """The same game, of which `frames` keeps samples and the discriminator's field at chosen steps."""

    moments = (50, 150, 500, 2000)

    def __init__(self, cfg):
        super().__init__(cfg)
        self.frames, self.played = {}, 0

    def after_update(self):
        super().after_update()
        self.played += 1
        if self.played in self.moments:
            field = self.discriminate(plane(61)).sigmoid().view(61, 61).T
            self.frames[self.played] = self.sample(800), field.detach()


def plane(n: int) -> torch.Tensor:
    """A grid of n x n points over [-3, 3]^2: (n*n, 2)."""
    return torch.cartesian_prod(*[torch.linspace(-3, 3, n)] * 2)


def gauss(x: torch.Tensor, mean: float, sigma: float) -> torch.Tensor:
    return torch.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


def trainable(model: Reference) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_best_discriminator_is_the_density_ratio(claim):
    signs = torch.randint(0, 2, (50_000, 1)) * 2.0 - 1
    task = Task(1.5 * signs + 0.5 * torch.randn(50_000, 1), shape=[1])
    settings = {
        "latent_dim": 1,
        "hidden": 64,
        "r1": 0,
        "ema": 0,
        "batch_size": 512,
        "steps": 1500,
        "lr": 2e-3,
        "cooldown": 0.7,
    }
    x = torch.linspace(-7, 7, 4001, dtype=torch.float64)
    p, q = (gauss(x, -1.5, 0.5) + gauss(x, 1.5, 0.5)) / 2, gauss(x, 0.5, 1.0)
    best = p / (p + q)
    jsd = torch.trapezoid(p * (p / (p + q)).log() + q * (q / (p + q)).log(), x) / 2 + math.log(2)
    errors, gaps, answers = [], [], []
    for seed in range(3):
        model = run(FixedGenerator, settings, task=task, seed=seed, evaluate=False).model
        with torch.no_grad():
            logit = model.discriminate(x.float()[:, None]).double()
        d = logit.sigmoid()
        value = torch.trapezoid(p * d.log() + q * torch.nn.functional.logsigmoid(-logit), x)
        errors.append(torch.trapezoid((p + q) / 2 * (d - best).abs(), x).item())
        gaps.append(abs(value - (2 * jsd - math.log(4))).item())
        answers.append(d)
    claim.measure("discriminator_error", errors, baseline=torch.trapezoid((p + q) / 2 * (0.5 - best).abs(), x).item())
    claim.measure("value_error", gaps)

    fig, ax = figure(6.0, 3.0)
    # every 20th point is enough to draw
    x, p, q, best, *answers = (t[::20] for t in (x, p, q, best, *answers))
    ax.fill_between(x, p, color=PALETTE[0], alpha=0.25, linewidth=0, label="data p")
    ax.fill_between(x, q, color=PALETTE[1], alpha=0.25, linewidth=0, label="generator q")
    for d in answers:
        ax.plot(x, d, color=PALETTE[2], linewidth=1.2, label="trained D" if d is answers[0] else None)
    ax.plot(x, best, color=INK, linestyle=":", label="p / (p + q)")
    ax.set(xlim=(-4, 4.5), ylim=(0, 1.02), xlabel="x", ylabel="density, probability")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    claim.figure(
        "optimum",
        fig,
        caption="Three discriminators trained against a generator that does not move, and the closed form p/(p + q). "
        "They agree wherever there is data of either kind to learn from, and drift apart in the empty tails.",
        alt="Trained discriminators follow p/(p+q) for a two-humped data density and a one-humped generator density.",
    )


def test_samples_are_sharper_than_those_of_a_vae(claim):
    task, centers = make("points", "ring8"), ring_centers()
    mine = {"latent_dim": 2, "hidden": 128, "r1": 0.1, "steps": 2000}
    # the best variance of 1, 0.1, 0.03 and 0.01 for the VAE's share near a mode
    theirs = {"latent_dim": 2, "hidden": 180, "likelihood": "gaussian", "variance": 0.1, "batch_size": 64}
    theirs["steps"] = mine["steps"] * flops_per_step(GAN, mine, task) // flops_per_step(VAE, theirs, task)
    gans = [run(Filmed, mine, task=task, seed=s, evaluate=False).model for s in range(3)]
    vaes = [run(VAE, theirs, task=task, seed=s, evaluate=False).model for s in range(3)]
    assert trainable(vaes[0]) >= trainable(gans[0])
    samples = [[m.sample(2500) for m in models] for models in (gans, vaes)]
    shares = [[modes_covered(x, centers, RING_SIGMA, 20)[1] for x in xs] for xs in samples]
    claim.measure("near_a_mode", shares[0], baseline=shares[1])

    fig, axes = figure(6.6, 2.2, columns=4)
    for ax, (step, (x, field)) in zip(axes, gans[0].frames.items(), strict=True):
        ax.imshow(field, extent=(-3, 3, -3, 3), origin="lower", cmap="coolwarm", vmin=0, vmax=1)
        # black in any theme, since the field below is light in any theme
        ax.scatter(*x.T, s=2, color="black", linewidths=0, rasterized=True)
        ax.set(title=f"step {step:,}", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
        ax.axis("off")
    claim.figure(
        "hero",
        fig,
        caption="One game on a ring of eight Gaussians. Dots are the generator's samples; the field is the "
        "discriminator, red where it believes in data, blue where it sees fakes. Samples climb toward red until the "
        "field is flat around them.",
        alt="Four snapshots: samples spread from the center to eight clusters while the field flattens.",
    )
    fig, axes = figure(6.4, 2.4, columns=3)
    for ax, x, title in zip(
        axes, (task.splits["test"][0][:2500], samples[0][0], samples[1][0]), ("data", "GAN", "VAE"), strict=True
    ):
        ax.scatter(*x.T, s=2, alpha=0.5, linewidths=0, rasterized=True)
        ax.set(title=title, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
        ax.axis("off")
    claim.figure(
        "sharpness",
        fig,
        caption="2,500 samples each after equal work. Both networks map connected noise continuously, so both leave "
        "bridges between modes. The discriminator sees a bridge and thins it out; squared error in the VAE lets it be.",
        alt="Eight clusters of data; the GAN's thin threads between its modes; the VAE's filled ring.",
    )
    claim.program("generate", gans[0].averaged, torch.zeros(50, 2))


def test_modes_of_a_grid_go_missing(claim):
    task, centers = make("points", "grid25"), grid_centers()
    settings = {"latent_dim": 2, "hidden": 128, "r1": 0, "ema": 0, "lr": 1e-3, "cooldown": 0, "steps": 2000}
    samples = [run(GAN, settings, task=task, seed=s, evaluate=False).model.sample(2500) for s in range(5)]
    found = [modes_covered(x, centers, SIGMA, 20)[0] for x in samples]
    data = task.splits["test"][0][:2500]
    claim.measure("modes", found, baseline=modes_covered(data, centers, SIGMA, 20)[0])

    fig, (bars, ax) = figure(6.4, 2.9, columns=2)
    bars.bar(range(5), found, color=PALETTE[0])
    bars.axhline(25, color=PALETTE[1], linestyle="--")
    bars.annotate("data: 25", (4.4, 25), va="bottom", ha="right", color=PALETTE[1])
    bars.set(xlabel="seed", ylabel="modes found", ylim=(0, 28))
    worst = samples[int(np.argmin(found))]
    ax.scatter(*centers.T, s=90, facecolors="none", edgecolors=PALETTE[1], linewidths=1)
    ax.scatter(*worst.T, s=2, color=PALETTE[0], alpha=0.6, linewidths=0, rasterized=True)
    ax.set(title=f"seed {np.argmin(found)}", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
    ax.axis("off")
    claim.figure(
        "modes",
        fig,
        caption="The game without penalty and averaging on a grid of 25 Gaussians. A mode counts as found with 20 of "
        "2,500 samples within three standard deviations; circles mark the modes. Every seed loses some.",
        alt="Bars of modes found for five seeds, all below 25, and a scatter of samples that miss several circles.",
    )
