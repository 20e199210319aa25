"""Claims of score matching."""

import torch
from torch import Tensor

from reference_impl.core import Batch, Task, run, seed_all
from reference_impl.energy.energy_based_model import EBM
from reference_impl.energy.score_matching import ScoreMatching
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.latent_variable.denoising_autoencoder import DenoisingAutoencoder
from reference_impl.tasks import make
from reference_impl.tasks.measures import flops_per_step
from reference_impl.tasks.points import ring_centers

RING_SIGMA = 0.1
# the mixture of section 3.2.2 of Song & Ermon: the left fifth and the right four fifths, unit deviations
PAIR = torch.tensor([[-5.0, -5.0], [5.0, 5.0]])
SHARES = torch.tensor([0.2, 0.8])


def mixture_score(y: Tensor, centers: Tensor, shares: Tensor, variance: Tensor) -> Tensor:
    """grad log of the mixture of round Gaussians (K, 2) of this variance (B, 1): (B, 2) -> (B, 2)."""
    gap = centers - y[:, None]
    weight = (shares.log() - 0.5 * gap.square().sum(2) / variance).softmax(1)
    return (gap * weight[:, :, None]).sum(1) / variance


def ring_score(y: Tensor, sigma: Tensor) -> Tensor:
    """Score of the ring of eight Gaussians widened by noise sigma (B, 1): (B, 2) -> (B, 2)."""
    return mixture_score(y, ring_centers(), torch.ones(8), RING_SIGMA**2 + sigma**2)


def relative_errors(model: ScoreMatching, x: Tensor) -> list[float]:
    """L2 distance of the learned from the exact score of the ring over its norm, at each level."""
    errors = []
    for i in range(model.cfg.noise_levels):
        level = torch.full((len(x),), i)
        y = x + model.width(level) * torch.randn_like(x)
        exact = ring_score(y, model.width(level))
        with torch.no_grad():
            errors.append(((model.score(y, level) - exact).norm() / exact.norm()).item())
    return errors


def test_learned_score_is_exact_at_every_level(claim):
    task = make("points", "ring8")
    settings = {"noise_levels": 5, "sigma_max": 2, "sigma_min": 0.05, "hidden": 10, "batch_size": 512, "steps": 3000}
    models = [run(ScoreMatching, settings, task=task, seed=s, evaluate=False).model for s in range(3)]
    errors = [relative_errors(m, task.splits["test"][0]) for m in models]
    claim.measure("relative_error", [max(e) for e in errors], baseline=1.0)

    fig, axes = figure(6.8, 2.5, columns=3)
    at = torch.cartesian_prod(*[torch.linspace(-2.7, 2.7, 7)] * 2)
    for ax, i in zip(axes, (0, 2, 3), strict=True):
        level = torch.full((len(at),), i)
        exact = ring_score(at, models[0].width(level))
        with torch.no_grad():
            learned = models[0].score(at, level)
        # arrows of all levels at a common length; the score itself grows like 1 / sigma
        longest = exact.norm(dim=1).max()
        style = {"angles": "xy", "scale_units": "xy", "scale": longest.item()}
        ax.quiver(*at.T, *exact.T, color=PALETTE[1], width=0.012, **style)
        ax.quiver(*at.T, *learned.T, color=PALETTE[0], width=0.005, **style)
        ax.scatter(*ring_centers().T, s=10, color=INK, zorder=3)
        ax.set(title=f"sigma = {models[0].sigma[i]:.2g}", aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
        ax.axis("off")
    claim.figure(
        "hero",
        fig,
        caption="Scores of eight Gaussians (dots) at three noise levels, learned (thin, blue) over exact (broad, "
        "orange). Under much noise all arrows point to the middle; under less they sort by mode. At the rim, "
        "where hardly any noisy data fall, the two part. Lengths are scaled to the longest in each panel.",
        alt="Three fields of arrows on one grid: toward the middle, toward the ring, and toward the nearest dot.",
    )


def test_denoising_and_explicit_objectives_differ_by_a_constant(claim):
    x, explicit, denoising = make("points", "ring8").splits["train"][0].repeat(4, 1), [], []
    for i in range(10):
        seed_all("parameters", i)
        model = ScoreMatching(ScoreMatching.Config(noise_levels=1, sigma_max=0.5, sigma_min=0.5, hidden=2))
        for p in model.net.parameters():
            p.data.copy_(0.35 * torch.randn_like(p))
        with torch.no_grad():
            # the same noise for all parameters and both objectives
            seed_all("noise")
            denoising.append(model.loss(Batch(x))["loss"].item())
            seed_all("noise")
            level = torch.randint(1, (len(x),))
            sigma = model.width(level)
            y = x + sigma * torch.randn_like(x)
            gap = sigma * (model.field(model.net, y, level) - ring_score(y, sigma))
            explicit.append(gap.square().sum(1).mean().item() / 2)
    difference = torch.tensor(denoising) - torch.tensor(explicit)
    over = difference.mean()
    claim.measure("spread", (difference.std() / over).item(), baseline=(torch.tensor(explicit).std() / over).item())


class Pair(ScoreMatching):
    """The same sampler with the exact score of the two Gaussians."""

    def score(self, y: Tensor, level: Tensor) -> Tensor:
        return mixture_score(y, PAIR, SHARES, 1 + self.width(level) ** 2)


def share_missed(y: Tensor) -> float:
    """Distance of the share of points (N, 2) on the right from the weight of the right Gaussian."""
    return abs((y.sum(1) > 0).float().mean().item() - SHARES[1].item())


def test_annealing_finds_weights_that_plain_langevin_misses(claim):
    settings = {"noise_levels": 10, "sigma_max": 20, "sigma_min": 0.5, "langevin_steps": 100}
    n, model = 5000, Pair(Pair.Config(**settings))
    annealed = model.sample(n)
    # as many steps, all at the last level, from all over the square
    plain = 16 * torch.rand(n, 2) - 8
    for _ in range(1000):
        plain = model.langevin(plain, 9)
    claim.measure("weight_error", share_missed(annealed), baseline=share_missed(plain))

    right = torch.rand(20_000) < SHARES[1]
    x = PAIR[right.long()] + torch.randn(20_000, 2)
    trained = run(ScoreMatching, {**settings, "steps": 1500}, task=Task(x, shape=[2]), evaluate=False).model
    claim.measure("learned", share_missed(trained.sample(n)))

    fig, axes = figure(6.6, 2.5, columns=3, sharey=True)
    shown = {"data": x, "plain Langevin": plain, "annealed Langevin": annealed}
    for ax, (title, y) in zip(axes, shown.items(), strict=True):
        ax.scatter(*y[:1500].T, s=3, alpha=0.5, linewidths=0, rasterized=True)
        share = (y.sum(1) > 0).float().mean().item()
        ax.set(title=title, aspect="equal", xlim=(-9, 9), ylim=(-9, 9))
        ax.text(-8, 6.5, f"{1 - share:.0%} : {share:.0%}")
        ax.axis("off")
    claim.figure(
        "weights",
        fig,
        caption="1,500 points each; the exact score for both samplers. No chain crosses the empty middle, so plain "
        "Langevin keeps the shares that its starts happened to have. Annealing decides under much noise, where the "
        "modes are one.",
        alt="Two clusters in each panel: data and annealed Langevin with about 20 to 80 percent, plain Langevin with "
        "about half in each.",
    )

    film, keep = [model.sigma[0] * torch.randn(400, 2)], [0, 2, 4, 6, 9]
    for level in range(10):
        y = film[-1]
        for _ in range(100):
            y = model.langevin(y, level)
        film.append(y)
    fig, axes = figure(6.8, 1.9, columns=5)
    for ax, level in zip(axes, keep, strict=True):
        y = film[level + 1]
        ax.scatter(*y.T, s=3, alpha=0.6, linewidths=0, rasterized=True)
        side = 3 * (PAIR[1, 0].item() / 1.5 + model.sigma[level].item())
        ax.set(title=f"sigma = {model.sigma[level]:.2g}", aspect="equal", xlim=(-side, side), ylim=(-side, side))
        ax.axis("off")
    claim.figure(
        "particles",
        fig,
        caption="400 particles after their 100 steps at five of ten levels; panels are as wide as their noise demands. "
        "One cloud becomes two whose shares are right from the start.",
        alt="Five scatter plots: one round cloud, then a stretched one, then two clusters of unequal size.",
    )


class FromDenoiser(ScoreMatching):
    """A denoising autoencoder read as a score network of one level."""

    def __init__(self, denoiser: DenoisingAutoencoder) -> None:
        sigma = denoiser.cfg.sigma
        super().__init__(self.Config(shape=denoiser.cfg.shape, noise_levels=1, sigma_max=sigma, sigma_min=sigma))
        self.denoiser = denoiser

    def field(self, net: torch.nn.Module, y: Tensor, level: Tensor) -> Tensor:
        return self.denoiser.score(y)


def test_at_one_level_it_is_a_denoising_autoencoder(claim):
    batch, losses, gradients = Batch(make("points", "ring8").splits["train"][0][:512]), [], []
    for sigma in (0.05, 0.2, 0.5, 1.0, 3.0):
        denoiser = DenoisingAutoencoder(DenoisingAutoencoder.Config(shape=(2,), hidden=32, sigma=sigma))
        matching = FromDenoiser(denoiser)
        seed_all(sigma)
        score_loss = 2 * sigma**2 * matching.loss(batch)["loss"]
        seed_all(sigma)
        # score matching draws its levels before the noise
        torch.randint(1, (len(batch.x),))
        denoising_loss = denoiser.loss(batch)["loss"]
        losses.append((score_loss / denoising_loss - 1).abs().item())
        a, b = (
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(denoiser.parameters()))])
            for loss in (score_loss, denoising_loss)
        )
        gradients.append(((a - b).norm() / b.norm()).item())
    claim.measure("losses", max(losses))
    claim.measure("gradients", max(gradients))


def test_learns_without_normalizer_what_likelihood_pays_for(claim):
    task = make("points", "ring8")
    mine = {"noise_levels": 5, "sigma_max": 2, "sigma_min": 0.05, "steps": 1000}
    theirs = {"batch_size": 256}
    budget = mine["steps"] * flops_per_step(ScoreMatching, mine, task)
    theirs["steps"] = budget // flops_per_step(EBM, theirs, task)
    x, errors, models = task.splits["test"][0], ([], []), []
    exact = ring_score(x, torch.zeros(1))
    for seed in range(3):
        matching = run(ScoreMatching, mine, task=task, seed=seed, evaluate=False).model
        errors[0].append(relative_errors(matching, x)[-1])
        energy = run(EBM, theirs, task=task, seed=seed, evaluate=False).model
        errors[1].append(((slope(energy, x) - exact).norm() / exact.norm()).item())
        models = models or [matching, energy]
    claim.measure("relative_error", errors[0], baseline=errors[1])

    fig, axes = figure(6.4, 3.0, columns=2)
    at = x[:160]
    last = torch.full((len(at),), 4)
    with torch.no_grad():
        after = models[0].score(at, last) - ring_score(at, models[0].width(last))
    before = slope(models[1], at) - ring_score(at, torch.zeros(1))
    style = {"angles": "xy", "scale_units": "xy", "scale": 6, "width": 0.005}
    for ax, error, title, color in zip(
        axes, (before, after), ("energy, by likelihood", "score matching"), PALETTE[1::-1], strict=False
    ):
        ax.quiver(*at.T, *error.T, color=color, **style)
        ax.set(title=title, aspect="equal", xlim=(-2.7, 2.7), ylim=(-2.7, 2.7))
        ax.axis("off")
    claim.figure(
        "remedy",
        fig,
        caption="Error of the learned score at 160 data points after the same number of floating-point operations. The "
        "energy spends most of its operations on chains that stand in for the normalizer; the score needs none.",
        alt="Arrows of error at eight clusters: longer ones on the left, for the energy, than on the right.",
    )


def slope(model: EBM, x: Tensor) -> Tensor:
    """-dE/dx, the model's score: (B, 2) -> (B, 2)."""
    x = x.clone().requires_grad_()
    return -torch.autograd.grad(model.energy(x).sum(), x)[0]
