"""Claims of the denoising diffusion model."""

import torch

from reference_impl.adversarial.gan import GAN
from reference_impl.core import run
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.tasks import make
from reference_impl.tasks.images import digits
from reference_impl.tasks.measures import flops_per_step, frechet, modes_covered
from reference_impl.tasks.points import SIGMA, grid_centers, ring_centers

RING_SIGMA = 0.1


def best_noise(model: DDPM, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """-sqrt(1 - abar) times the score of the ring, noised to step t, in closed form: (B, 2), (B,) -> (B, 2).

    Noising a Gaussian mixture moves its centers to sqrt(abar) c and widens each to abar sigma^2 + 1 - abar.
    """
    abar = model.abar[t][:, None]
    variance = abar * RING_SIGMA**2 + 1 - abar
    gap = abar.sqrt()[:, :, None] * ring_centers().T - x[:, :, None]
    weight = (-0.5 * gap.square().sum(1) / variance).softmax(1)
    return -(1 - abar).sqrt() * (gap * weight[:, None]).sum(2) / variance


def film(model: DDPM, n: int, keep: list[int]) -> list[torch.Tensor]:
    """States x_t of n samples at the steps `keep`, on the way down from T."""
    x, frames = torch.randn(n, *model.cfg.shape), []
    with torch.no_grad():
        for t in range(model.cfg.timesteps, -1, -1):
            if t in keep:
                frames.append(x)
            if t:
                x = model.denoise(x, t)
    return frames


def test_one_jump_equals_the_chain(claim):
    model, n = DDPM(DDPM.Config(shape=(1,))), 100_000
    mean, variance, x = 1.5, 0.0, torch.full((n, 1), 1.5, dtype=torch.float64)
    errors, scores = [], []
    for t in range(1, model.cfg.timesteps + 1):
        beta = model.beta[t].double()
        mean, variance = (1 - beta).sqrt() * mean, (1 - beta) * variance + beta
        x = (1 - beta).sqrt() * x + beta.sqrt() * torch.randn(n, 1, dtype=torch.float64)
        at = torch.tensor([t])
        to, spread = (
            model.noised(torch.tensor([[a]]), at, torch.tensor([[b]])).item() for a, b in ((1.5, 0.0), (0.0, 1.0))
        )
        errors += [abs(to - mean), abs(spread**2 - variance)]
        if t in (10, 50, 90):
            scores += [abs(x.mean() - to) / (spread / n**0.5), abs(x.var() - spread**2) / (spread**2 * (2 / n) ** 0.5)]
    claim.measure("identity_error", float(max(errors)))
    claim.measure("drawn_chain", float(max(scores)))


def test_predicted_noise_is_the_scaled_score(claim):
    task = make("points", "ring8")
    models = [run(DDPM, {"steps": 2500, "batch_size": 256}, task=task, seed=s, evaluate=False).model for s in range(3)]
    t = torch.randint(1, 101, (20_000,))
    x = models[0].noised(task.splits["train"][0], t, torch.randn(20_000, 2))
    best = best_noise(models[0], x, t)
    with torch.no_grad():
        errors = [((m.predict_noise(x, t) - best).norm() / best.norm()).item() for m in models]
    claim.measure("relative_error", errors)

    fig, axes = figure(5.6, 2.9, columns=2)
    for ax, step in zip(axes, (60, 25), strict=True):
        at = torch.full((75,), step)
        x = models[0].noised(task.splits["test"][0][:75], at, torch.randn(75, 2))
        ax.quiver(*x.T, *-best_noise(models[0], x, at).T, color=PALETTE[1], width=0.012, scale=20)
        with torch.no_grad():
            ax.quiver(*x.T, *-models[0].predict_noise(x, at).T, color=PALETTE[0], width=0.006, scale=20)
        ax.scatter(*(models[0].abar[step].sqrt() * ring_centers()).T, s=12, color=INK)
        ax.set(title=f"t = {step}", aspect="equal")
        ax.axis("off")
    claim.figure(
        "score",
        fig,
        caption="Minus the predicted noise (thin, blue) over minus the exact scaled score (broad, orange) at 75 draws "
        "of the noised ring. Under much noise arrows point to the middle; under little, to the nearest mode (dots).",
        alt="Two fields of arrows, at much and at little noise; learned and exact arrows coincide.",
    )


def test_all_modes_are_covered_where_a_gan_drops_some(claim):
    task, centers = make("points", "grid25"), grid_centers()
    mine = {"steps": 1500, "batch_size": 256}
    theirs = {"latent_dim": 2, "hidden": 128, "r1": 0, "ema": 0, "lr": 1e-3, "cooldown": 0}
    theirs["steps"] = mine["steps"] * flops_per_step(DDPM, mine, task) // flops_per_step(GAN, theirs, task)
    samples = [
        [run(cls, settings, task=task, seed=s, evaluate=False).model.sample(2500) for s in range(3)]
        for cls, settings in ((DDPM, mine), (GAN, theirs))
    ]
    found = [[modes_covered(x, centers, SIGMA, 20) for x in xs] for xs in samples]
    claim.measure("modes", [m for m, _ in found[0]], baseline=[m for m, _ in found[1]])
    claim.measure("near_a_mode", [s for _, s in found[0]], baseline=[s for _, s in found[1]])

    fig, axes = figure(6.4, 2.5, columns=3)
    shown = {"data": task.splits["test"][0][:2500], "diffusion": samples[0][0], "GAN": samples[1][0]}
    for ax, (title, x) in zip(axes, shown.items(), strict=True):
        ax.scatter(*x.T, s=2, alpha=0.6, linewidths=0, rasterized=True)
        ax.set(title=title, xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
        ax.axis("off")
    claim.figure(
        "modes",
        fig,
        caption="2,500 points each. Diffusion and GAN had the same number of floating-point operations to learn from "
        "the same data. Diffusion has all 25 modes; the GAN misses some and leaves points between others.",
        alt="Scatter plots: 25 clusters for data and diffusion, fewer and smeared ones for the GAN.",
    )


def test_digits_come_near_the_noise_floor(claim):
    model = run(DDPM, evaluate=False).model
    x, _ = digits()
    test, train = x[:360].flatten(1), x[360:720].flatten(1)
    distance = frechet(test, model.sample(360).flatten(1))
    claim.measure("distance", distance, baseline=frechet(test, train))

    keep = [100, 80, 60, 45, 30, 20, 10, 0]
    states = film(model, 6, keep)
    fig, axes = figure(6.4, 5.2, columns=len(keep))
    for ax, t, state in zip(axes, keep, states, strict=True):
        show_images(ax, ((state + 1) / 2).clamp(0, 1), columns=1, title=f"t = {t}")
    claim.figure(
        "hero",
        fig,
        caption="Six digits on their way out of pure noise, 100 steps from left to right. What it will be is decided "
        "around half way; the last steps only clean it.",
        alt="Rows of 8 by 8 images that turn from noise into digits from left to right.",
    )
