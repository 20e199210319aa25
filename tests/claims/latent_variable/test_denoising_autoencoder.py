"""Claims of the denoising autoencoder."""

from functools import cache

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from reference_impl.core import Batch, run, seed_all
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.latent_variable.autoencoder import Autoencoder
from reference_impl.latent_variable.denoising_autoencoder import DenoisingAutoencoder
from reference_impl.tasks import make
from reference_impl.tasks.measures import nn_accuracy
from reference_impl.tasks.points import ring_centers

RING_SIGMA = 0.1
STEPS = 2000


def splits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training images (N, 1, 8, 8) with labels, and held-out ones."""
    task = make("images")
    return task.splits["train"], task.splits["test"]


@cache
def trained(seed: int, sigma: float) -> DenoisingAutoencoder:
    """A network of digits; trained once for all claims that ask for it."""
    return run(DenoisingAutoencoder, {"sigma": sigma, "steps": STEPS}, seed=seed, evaluate=False).model


def noisy(x: Tensor, sigma: float) -> Tensor:
    return x + sigma * torch.randn_like(x)


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio of images with values from 0 to 1, in dB."""
    return -10 * (a - b).square().mean().log10().item()


def ring_score(y: Tensor, sigma: float) -> Tensor:
    """grad log p_sigma of the ring of 8 Gaussians in closed form: (B, 2) -> (B, 2).

    Noise widens each Gaussian to the variance RING_SIGMA^2 + sigma^2.
    """
    variance = RING_SIGMA**2 + sigma**2
    gap = ring_centers() - y[:, None]
    weight = (-0.5 * gap.square().sum(2) / variance).softmax(1)
    return (gap * weight[:, :, None]).sum(1) / variance


def ring_density(y: Tensor, sigma: float) -> Tensor:
    """p_sigma of the ring up to a constant: (B, 2) -> (B,)."""
    return (-0.5 * torch.cdist(y, ring_centers()).square() / (RING_SIGMA**2 + sigma**2)).exp().sum(1)


def test_correction_is_the_score_of_the_noisy_density(claim):
    task, sigma = make("points", "ring8"), 0.5
    settings = {"sigma": sigma, "hidden": 128, "batch_size": 256, "steps": 1500}
    models = [run(DenoisingAutoencoder, settings, task=task, seed=s, evaluate=False).model for s in range(3)]
    y = noisy(task.splits["test"][0], sigma)
    exact = ring_score(y, sigma)
    with torch.no_grad():
        learned = [m.score(y) for m in models]
    claim.measure("cosine", [torch.cosine_similarity(s, exact).mean().item() for s in learned])
    claim.measure("relative_error", [((s - exact).norm() / exact.norm()).item() for s in learned])

    fig, (left, right) = figure(6.4, 3.3, columns=2)
    edge = torch.linspace(-3.2, 3.2, 36)
    density = ring_density(torch.cartesian_prod(edge, edge), sigma).view(36, 36).T
    for ax in (left, right):
        ax.contour(edge, edge, density, levels=4, colors=PALETTE[8], linewidths=0.7)
        ax.set(aspect="equal", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
        ax.axis("off")
    at = torch.cartesian_prod(*[torch.linspace(-2.6, 2.6, 9)] * 2)
    with torch.no_grad():
        arrows = models[0].score(at)
    style = {"angles": "xy", "scale_units": "xy", "scale": 9}
    left.quiver(*at.T, *ring_score(at, sigma).T, color=PALETTE[1], width=0.014, **style)
    left.quiver(*at.T, *arrows.T, color=PALETTE[0], width=0.006, **style)
    left.set_title("score: learned and exact")
    path = [torch.randn(5, 2)]
    with torch.no_grad():
        for _ in range(60):
            path.append(models[0].walk(path[-1]))
        ends = models[0].reconstruct(path[-1])
    for i, walk in enumerate(torch.stack(path, 1)):
        right.plot(*walk.T, color=PALETTE[i], linewidth=0.8, alpha=0.8)
        right.plot(*torch.stack([walk[-1], ends[i]]).T, color=INK, linewidth=1)
        right.plot(*ends[i], "o", color=PALETTE[i], markersize=6, markeredgecolor=INK)
    right.set_title("chains of 60 steps, then denoised")
    claim.figure(
        "hero",
        fig,
        caption="Eight Gaussians widened by noise of 0.5 (contours). Left: the correction divided by sigma² (thin, "
        "blue) over the exact slope of the log-density (broad, orange). Right: five chains that follow it with fresh "
        "noise in each step; at the end one denoising (straight line) brings each to its dot.",
        alt="Contours of a ring of eight hills; on the left arrows that point to it, learned and exact alike; on the "
        "right five jagged paths along the ring that end in dots near the hilltops.",
    )


def test_beats_the_best_linear_filter(claim):
    (train, _), (test, labels) = splits()
    sigma, y = 0.4, noisy(test, 0.4)
    x, mean = train.flatten(1), train.flatten(1).mean(0)
    # the linear map with the least squared error: C (C + sigma^2 I)^-1 around the mean
    c = x.T.cov()
    gain = torch.linalg.solve(c + sigma**2 * torch.eye(len(c)), c)
    linear = (mean + (y.flatten(1) - mean) @ gain).view_as(test)
    models = [trained(seed, 0.4) for seed in range(3)]
    with torch.no_grad():
        restored = [m.reconstruct(y) for m in models]
    claim.measure("psnr", [psnr(r, test) for r in restored], baseline=psnr(linear, test))

    fig, ax = figure(6.0, 2.4)
    rows = {"clean": test, "noisy": y, "linear filter": linear, "denoised": restored[0]}
    shown = [int((labels == c).nonzero()[0]) for c in range(10)]
    show_images(ax, torch.cat([v[shown] for v in rows.values()]).clamp(0, 1), columns=10)
    for i, name in enumerate(rows):
        ax.text(-2, 9 * i + 3.5, name, ha="right", va="center")
    claim.figure(
        "digits",
        fig,
        caption="Held-out digits with noise of 0.4, restored by the best linear filter and by the denoising "
        "autoencoder. The filter leaves haze between the strokes; the network knows which strokes digits have.",
        alt="Four rows of ten digits: clean, noisy, filtered with gray haze, and denoised with clear strokes.",
    )


def test_the_chain_is_what_samples(claim):
    (train, _), (test, _) = splits()
    real, n = test.flatten(1), len(test)
    walked, decoded, one_pass, fresh = [], [], [], []
    for seed in range(3):
        model = trained(seed, 0.4)
        seed_all(seed)  # the same draws whether it was trained just now or for another claim
        x = model.sample(n)
        walked.append(nn_accuracy(real, x.flatten(1)))
        with torch.no_grad():
            codes = model.decode(torch.randn(n, model.cfg.latent_dim))
            once = model.reconstruct(torch.rand_like(test))
        decoded.append(nn_accuracy(real, codes.flatten(1)))
        one_pass.append(nn_accuracy(real, once.flatten(1)))
        near = torch.cdist(x.flatten(1), train.flatten(1)).min(1).values.median()
        fresh.append((near / torch.cdist(real, train.flatten(1)).min(1).values.median()).item())
    claim.measure("told_from_data", walked, baseline=decoded)
    claim.measure("one_pass", one_pass)
    claim.measure("distance_to_training", fresh)

    model, state, film = trained(0, 0.4), torch.rand(12, 1, 8, 8), []
    with torch.no_grad():
        for i in range(201):
            if i in (0, 2, 5, 10, 20, 50, 100, 200):
                film += [(i, state, model.reconstruct(state))]
            state = model.walk(state)
    fig, axes = figure(6.4, 2.9, columns=len(film))
    for ax, (i, y, x) in zip(axes, film, strict=True):
        pairs = torch.stack([y[:6], x[:6]], 1).flatten(0, 1)
        show_images(ax, pairs.clamp(0, 1), columns=2, title=str(i))
    claim.figure(
        "chain",
        fig,
        caption="Six chains from uniform noise, after 0 to 200 steps: the noisy state and, to its right, the same "
        "denoised. One denoising of noise (first pair) gives a blot; a chain that keeps correcting and adding noise "
        "arrives at digits and goes on from one to another.",
        alt="Eight pairs of columns of small images; the denoised ones turn from blots into digits.",
    )


def test_another_noise_level_spoils_it(claim):
    _, (test, _) = splits()
    levels = torch.tensor([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5])
    inputs = [noisy(test, s) for s in levels.tolist()]
    nothing, models = [psnr(y, test) for y in inputs], [trained(0, s) for s in (0.1, 0.4)]
    with torch.no_grad():
        mild, strong = ([psnr(m.reconstruct(y), test) for y in inputs] for m in models)
    claim.measure("mild_noise", strong[0], baseline=nothing[0])
    claim.measure("mild_noise_matched", mild[1], baseline=strong[1])
    claim.measure("strong_noise", mild[5], baseline=strong[5])

    fig, ax = figure(5.2, 3.0)
    for values, name, color, xy in (
        (mild, "trained at 0.1", PALETTE[0], (0.11, 23.3)),
        (strong, "trained at 0.4", PALETTE[1], (0.36, 18.2)),
        (nothing, "left as it is", PALETTE[8], (0.31, 10.6)),
    ):
        ax.plot(levels, values, "o-", color=color, markersize=3)
        ax.annotate(name, xy, color=color)
    ax.set(xlabel="noise in the image", ylabel="PSNR (dB)")
    claim.figure(
        "levels",
        fig,
        caption="Held-out digits under noise of other strength than in training. The network for 0.4 takes fine "
        "strokes for noise: at 0.05 its output is far worse than the noisy image. The network for 0.1 leaves much of "
        "strong noise in.",
        alt="Three falling curves of PSNR against noise, which cross: each network is best near its own level.",
    )


def test_noise_keeps_a_wide_code_from_copying(claim):
    (train, y), (test, test_y) = splits()
    damaged = noisy(test, 0.4)
    passed, right = ([], []), ([], [])
    for seed in range(3):
        plain = run(Autoencoder, {"latent_dim": 128, "steps": STEPS}, seed=seed, evaluate=False).model
        for side, model in enumerate((trained(seed, 0.4), plain)):
            with torch.no_grad():
                passed[side].append(((model.reconstruct(damaged) - test).square().mean() / 0.4**2).item())
                codes, test_codes = model.encode(train), model.encode(test)
            scale, hits = codes.std(), []
            for i in range(10):
                rows = slice(50 * i, 50 * (i + 1))
                probe = LogisticRegression(max_iter=1000).fit(codes[rows] / scale, y[rows])
                hits.append(probe.score(test_codes / scale, test_y))
            right[side].append(sum(hits) / len(hits))
    claim.measure("noise_passed", passed[0], baseline=passed[1])
    claim.measure("labels", right[0], baseline=right[1])


def test_without_noise_it_is_the_autoencoder(claim):
    settings = {"latent_dim": 32, "steps": 200}
    plain = run(Autoencoder, settings, log_every=1, evaluate=False)

    def differing(sigma: float) -> int:
        """Weights and losses of a run with this noise that are not the plain autoencoder's, bit for bit."""
        other = run(DenoisingAutoencoder, {**settings, "sigma": sigma}, log_every=1, evaluate=False)
        losses = sum(a["loss"] != b["loss"] for a, b in zip(plain.history, other.history, strict=True))
        pairs = zip(plain.model.state_dict().values(), other.model.state_dict().values(), strict=True)
        return losses + sum(int((a != b).sum()) for a, b in pairs)

    claim.measure("differing", differing(0.0), baseline=differing(0.1))


class OneLevel(DenoisingAutoencoder):
    """A diffusion model's network, read as a denoising autoencoder: its noise estimate is taken off the input."""

    def __init__(self, ddpm: DDPM) -> None:
        sigma = ((1 - ddpm.abar[1]) / ddpm.abar[1]).sqrt().item()
        super().__init__(self.Config(shape=ddpm.cfg.shape, sigma=sigma))
        self.ddpm = ddpm

    def reconstruct(self, y: Tensor) -> Tensor:
        return y - self.cfg.sigma * self.ddpm.net(self.ddpm.abar[1].sqrt() * y, torch.ones(len(y)))


def test_one_noise_level_of_diffusion_is_a_denoising_autoencoder(claim):
    x, losses, gradients = make("points", "ring8").splits["train"][0][:512], [], []
    for abar in (0.99, 0.9, 0.5, 0.1, 0.01):
        ddpm = DDPM(DDPM.Config(shape=(2,), timesteps=1))
        ddpm.abar[1] = abar
        one: DenoisingAutoencoder = OneLevel(ddpm)
        seed_all(abar)
        diffusion = ddpm.loss(Batch(x))["loss"]
        seed_all(abar)
        torch.randint(1, 2, (len(x),))  # diffusion draws its level before the noise
        denoising = one.loss(Batch(x))["loss"]
        weight = x.shape[1] * one.cfg.sigma**2
        losses.append((denoising / (weight * diffusion) - 1).abs().item())
        a, b = (
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(ddpm.net.parameters()))])
            for loss in (weight * diffusion, denoising)
        )
        gradients.append(((a - b).norm() / b.norm()).item())
    claim.measure("losses", max(losses))
    claim.measure("gradients", max(gradients))
