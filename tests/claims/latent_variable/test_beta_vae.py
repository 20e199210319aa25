"""Claims of the beta-VAE."""

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from reference_impl.core import Batch, Task, run, seed_all
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.latent_variable.beta_vae import BetaVAE
from reference_impl.latent_variable.vae import VAE
from reference_impl.tasks import make


def test_beta_one_is_the_vae(claim):
    task = make("images")

    def trained(cls: type[VAE], **settings: float) -> tuple[Tensor, Tensor, Tensor]:
        """Weights after 200 steps, and there the loss of a batch and its gradient, each as one vector."""
        model = run(cls, {"steps": 200, **settings}, task=task, evaluate=False).model
        seed_all("the same noise")
        loss = model.loss(Batch(task.splits["test"][0]))["loss"]
        parameters = list(model.parameters())
        gradient = torch.autograd.grad(loss, parameters)
        flat = [torch.cat([t.detach().flatten() for t in ts]) for ts in (parameters, gradient)]
        return flat[0], loss.detach().view(1), flat[1]

    vae, one, four = trained(VAE), trained(BetaVAE, beta=1), trained(BetaVAE, beta=4)
    for name, a, b, c in zip(("weights", "loss", "gradient"), vae, one, four, strict=True):
        claim.measure(name, (a - b).abs().max().item(), baseline=(a - c).abs().max().item())


def test_keeps_directions_above_beta_times_variance(claim):
    # eigenvalues 1.4 times above and below each threshold beta * variance, with variance 1
    eigenvalues = 0.7 * 2.0 ** torch.arange(5)
    x = torch.randn(2000, 5, dtype=torch.double)
    x = x - x.mean(0)
    white = x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov(correction=0))).T
    x = (white * eigenvalues.sqrt() @ torch.linalg.qr(torch.randn(5, 5, dtype=torch.double)).Q.T).float()
    wrong = 0
    settings = {"likelihood": "gaussian", "latent_dim": 5, "hidden": 0}
    budget = {"steps": 3000, "batch_size": 250, "lr": 0.03, "cooldown": 0.9}
    rates, betas = [], (0.5, 1, 2, 4, 8)
    for beta in betas:
        model = run(BetaVAE, settings | budget | {"beta": beta}, task=Task(x, shape=[5]), evaluate=False).model
        with torch.no_grad():
            mu, sigma = model.posterior(x)
        rate = 0.5 * (mu.square() + sigma.square() - 1 - 2 * sigma.log()).mean(0)
        rates.append(rate.sort(descending=True).values)
        wrong += abs(int((rate > 0.05).sum()) - int((eigenvalues > beta).sum()))
    claim.measure("miscounted", wrong)
    # an active unit of eigenvalue l spends log(l / beta) / 2 nats
    theory = 0.5 * (eigenvalues.flip(0) / torch.tensor(betas)[:, None]).log().clamp(min=0)
    claim.measure("rate_error", (torch.stack(rates) - theory).abs().max().item())

    fig, ax = figure(5.2, 3.0)
    for k in range(5):
        ax.plot(betas, theory[:, k], color=PALETTE[k], linewidth=1)
        ax.plot(betas, [r[k] for r in rates], "o", color=PALETTE[k], label=f"{eigenvalues.flip(0)[k]:.1f}")
    ax.set_xscale("log", base=2)
    ax.set(xlabel="beta", ylabel="rate of a unit (nats)", xticks=betas, xticklabels=map(str, betas))
    ax.legend(title="eigenvalue")
    claim.figure(
        "linear",
        fig,
        caption="Rate of each latent unit of a linear beta-VAE with decoder variance 1 (dots), and log(eigenvalue "
        "/ beta) / 2, cut off at zero (lines). A unit falls silent once beta passes the variance of its "
        "direction.",
        alt="Five descending lines that reach zero one after the other as beta grows, with measured dots on them.",
    )


def test_beta_trades_rate_for_distortion(claim):
    task, betas = make("images"), (0.125, 0.25, 0.5, 1, 1.5, 2, 4)
    train = task.splits["train"][0]
    points, models = [], []
    for beta in betas:
        models.append(run(BetaVAE, {"beta": beta, "steps": 1200}, task=task, evaluate=False).model)
        with torch.no_grad():
            bounds = [torch.stack(models[-1].bound(train)).mean(1) for _ in range(20)]
        points.append(torch.stack(bounds).mean(0).tolist())
    distortion, rate = (np.array(v) for v in zip(*points, strict=True))
    claim.measure("rate", spearmanr(betas[:-1], rate[:-1]).statistic)
    claim.measure("distortion", spearmanr(betas[:-1], distortion[:-1]).statistic)
    claim.measure("rate_at_four", rate[-1], baseline=rate[betas.index(1)])

    fig, (left, right) = figure(7.2, 3.3, columns=2, width_ratios=[1, 1])
    left.plot(rate, distortion, "o-")
    for beta, r, d in zip(betas, rate, distortion, strict=True):
        left.annotate(f"{beta}", (r, d), (6, 3), textcoords="offset points")
    left.set(xlabel="rate (nats)", ylabel="distortion (nats)", title="one model for each beta")
    images, labels = task.splits["test"]
    ten = images[[int((labels == c).nonzero()[0]) for c in range(10)]]
    with torch.no_grad():
        show_images(right, torch.cat([ten, *(m.reconstruct(ten) for m in models)]), columns=10)
    for i, name in enumerate(["data", *betas]):
        right.text(-2, 9 * i + 3.5, str(name), ha="right", va="center", fontsize=8)
    claim.figure(
        "hero",
        fig,
        caption="Rate and distortion on the training images of seven models that differ in beta alone, and their "
        "reconstructions of held-out digits. The slope of the curve is -beta: at beta 1 the last nat of rate "
        "repays one nat of distortion. At 4 no unit repays its price, and all digits turn into their mean.",
        alt="A falling convex curve from low to high distortion, and rows of digits that blur as beta grows.",
    )


def shapes() -> tuple[Tensor, Tensor]:
    """All 324 scenes (N, 1, 16, 16) of six columns, six rows, three sizes, three shapes; and those factors (N, 4)."""
    factors = torch.cartesian_prod(*(torch.arange(n) for n in (6, 6, 3, 3)))
    column, row, size, shape = factors[:, :, None, None].unbind(1)
    pixel = torch.arange(16.0)
    across, down = (pixel[None, None, :] - 4 - 1.5 * column).abs(), (pixel[None, :, None] - 4 - 1.5 * row).abs()
    square, disc, diamond = 1.12 * torch.maximum(across, down), (across**2 + down**2).sqrt(), 0.8 * (across + down)
    distance = torch.where(shape == 0, square, torch.where(shape == 1, disc, diamond))
    return (2.5 + 0.9 * size - distance).clamp(0, 1)[:, None], factors


def information_gap(z: Tensor, factors: Tensor, bins: int = 20) -> float:
    """Mutual information gap (Chen et al. 2018): lead of the most informative unit over the next, per entropy."""

    def entropy(symbols: np.ndarray) -> float:
        p = np.unique(symbols, return_counts=True)[1] / len(symbols)
        return float(-(p * np.log(p)).sum())

    units = [np.digitize(u, np.histogram(u, bins)[1][1:-1]) for u in z.T.numpy()]
    gaps = []
    for factor in factors.T.numpy():
        shared = sorted(entropy(factor) + entropy(u) - entropy(u * len(factors) + factor) for u in units)
        gaps.append((shared[-1] - shared[-2]) / entropy(factor))
    return float(np.mean(gaps))


def test_axis_alignment_varies_more_with_the_seed(claim):
    x, factors = shapes()
    settings = {"latent_dim": 6, "hidden": 128, "steps": 1500}
    gap: dict[float, list[float]] = {1: [], 4: []}
    for beta, found in gap.items():
        for seed in range(5):
            model = run(
                BetaVAE, settings | {"beta": beta}, task=Task(x, shape=[1, 16, 16]), seed=seed, evaluate=False
            ).model
            with torch.no_grad():
                found.append(information_gap(model.encode(x), factors))
    shift = abs(float(np.median(gap[4]) - np.median(gap[1])))
    claim.measure("gap", gap[4], baseline=gap[1])
    claim.measure("range", max(gap[4]) - min(gap[4]), baseline=shift)

    with torch.no_grad():
        mu, sigma = model.posterior(x)
        order = sigma.mean(0).argsort()
        rows = []
        for unit in order:
            z = mu[162].repeat(9, 1)
            z[:, unit] = torch.linspace(-2.5, 2.5, 9)
            rows.append(model.decode(z))
    fig, ax = figure(4.6, 3.2)
    show_images(ax, torch.cat(rows), columns=9)
    for i, unit in enumerate(order):
        ax.text(-3, 17 * i + 7.5, f"σ {sigma[:, unit].mean():.2f}", ha="right", va="center", fontsize=8)
    claim.figure(
        "traversals",
        fig,
        caption="Latent traversals of the last of five models with beta 4: each row moves one unit from -2.5 to "
        "2.5 and holds the others. σ is the unit's mean posterior deviation; a unit at 1 carries nothing, "
        "and its row stands still. Units that move the shape seldom do it along one factor alone.",
        alt="Six rows of nine images of a small shape that moves or grows along some rows and stays the same "
        "along others.",
    )
