"""Claims of the diffusion inverse-problem solver."""

from functools import cache

import torch
from matplotlib.patches import Ellipse
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from reference_impl.core import run, seed_all
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.diffusion.diffusion_inverse_solver import DiffusionInverseSolver, matrix
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.tasks.images import digits
from reference_impl.tasks.measures import nn_accuracy

METHODS = ("tmpd", "pigdm", "dps")
GAUSSIAN = {"dimensions": 8, "measured": 4, "sigma": 0.3}


class GaussianNoise(nn.Module):
    """The exact eps(x_t, t) where x_0 is N(0, S): sqrt(1 - abar) (abar S + (1 - abar) I)^-1 x_t."""

    def __init__(self, S: Tensor, abar: Tensor) -> None:
        super().__init__()
        self.S, self.abar = S, abar

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        abar = self.abar[(t[0] * (len(self.abar) - 1)).round().long()]
        noised = abar * self.S + (1 - abar) * torch.eye(len(self.S))
        return (1 - abar).sqrt() * x @ torch.linalg.inv(noised)


def problem(seed: int) -> tuple[Tensor, Tensor]:
    """A prior covariance S (D, D) with variances from 0.05 to 2, and combinations to measure A (M, D)."""
    seed_all("problem", seed)
    D, M = GAUSSIAN["dimensions"], GAUSSIAN["measured"]
    turn = torch.linalg.qr(torch.randn(D, D))[0]
    return turn @ torch.logspace(-1.3, 0.3, D).diag() @ turn.T, torch.randn(M, D) / D**0.5


def gaussian_solver(S: Tensor, method: str) -> DiffusionInverseSolver:
    """A solver whose network knows the Gaussian prior exactly."""
    model = DiffusionInverseSolver(DiffusionInverseSolver.Config(shape=(len(S),), timesteps=300, method=method))
    model.averaged = GaussianNoise(S, model.abar)
    return model


def drawn(S: Tensor, n: int) -> Tensor:
    """n draws from N(0, S): (n, D)."""
    return torch.randn(n, len(S)) @ torch.linalg.cholesky(S).T


@cache
def trained() -> DiffusionInverseSolver:
    """The default model of digits."""
    return run(DiffusionInverseSolver, evaluate=False).model


def restored(method: str, y: Tensor, A: Tensor, sigma: float) -> Tensor:
    """Draws by the trained model under another method, which changes nothing that was learned."""
    model = DiffusionInverseSolver(trained().cfg.model_copy(update={"method": method}))
    model.load_state_dict(trained().state_dict())
    return model.eval().restore(y, A, sigma)


def measured(x: Tensor, A: Tensor, sigma: float) -> Tensor:
    """A x + sigma n: (B, *shape) -> (B, M)."""
    return x.flatten(1) @ A.T + sigma * torch.randn(len(x), len(A))


def misfit(x: Tensor, y: Tensor, A: Tensor, sigma: float) -> float:
    """Root mean square of A x - y in units of the noise."""
    return ((x.flatten(1) @ A.T - y).square().mean().sqrt() / sigma).item()


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, mean over images in [0, 1]."""
    return -10 * (a.clamp(0, 1) - b).square().flatten(1).mean(1).log10().mean().item()


def one_of_each(*wanted: int) -> list[int]:
    """The first row of the digits with each of these labels."""
    labels = digits()[1].tolist()
    return [labels.index(label) for label in wanted]


def halves(seed: int) -> Tensor:
    """Which of 64 pixels are seen: half of them, at random."""
    return torch.randperm(64, generator=torch.Generator().manual_seed(seed)) < 32


def biharmonic(x: Tensor, seen: Tensor) -> Tensor:
    """Unseen pixels filled in smoothly by scikit-image, whose answer depends on this image alone."""
    from skimage.restoration import inpaint_biharmonic

    hidden = ~seen.view(8, 8).numpy()
    return torch.stack([torch.from_numpy(inpaint_biharmonic(i.numpy(), hidden)) for i in x[:, 0]])[:, None].float()


def test_exact_guidance_gives_the_gaussian_posterior(claim):
    n, sigma = 4000, GAUSSIAN["sigma"]
    mean_errors, spread_errors = ({m: [] for m in METHODS} for _ in range(2))
    for seed in range(3):
        S, A = problem(seed)
        y = measured(drawn(S, 1), A, sigma)
        K = S @ A.T @ torch.linalg.inv(A @ S @ A.T + sigma**2 * torch.eye(len(A)))
        mean, spread = y @ K.T, S - K @ A @ S
        found = {m: gaussian_solver(S, m).restore(y.expand(n, -1), A, sigma) for m in METHODS}
        for method, x in found.items():
            mean_errors[method].append(((x.mean(0) - mean).norm() / mean.norm()).item())
            spread_errors[method].append(((x.T.cov() - spread).norm() / spread.norm()).item())
    claim.measure("mean", mean_errors["tmpd"], baseline=mean_errors["dps"])
    claim.measure("covariance", spread_errors["tmpd"], baseline=spread_errors["dps"])
    claim.measure("mean_pigdm", mean_errors["pigdm"], baseline=mean_errors["dps"])

    # the direction in which DPS is displaced and, across it, the one in which the posterior is widest
    shift, widest = found["dps"].mean(0) - mean[0], torch.linalg.eigh(spread)[1][:, -1]
    axes_of = torch.linalg.qr(torch.stack([shift, widest], 1))[0]
    fig, axes = figure(6.4, 2.8, columns=3, sharex=True, sharey=True)
    for ax, method, color in zip(axes, METHODS, PALETTE, strict=False):
        x = (found[method] - mean[0]) @ axes_of
        ax.scatter(*x[:800].T, s=3, color=color, alpha=0.4, linewidths=0, rasterized=True)
        for points, line in ((x.T.cov(), color), (axes_of.T @ spread @ axes_of, INK)):
            center = x.mean(0) if line == color else torch.zeros(2)
            size, turn = torch.linalg.eigh(points)
            angle = torch.atan2(turn[1, 1], turn[0, 1]).rad2deg().item()
            ax.add_patch(
                Ellipse(center.tolist(), *(4 * size.flip(0).sqrt()).tolist(), angle=angle, fill=False, color=line)
            )
            ax.plot(*center, "+", color=line)
        ax.set(title={"tmpd": "TMPD", "pigdm": "ΠGDM", "dps": "DPS"}[method], aspect="equal")
    claim.figure(
        "gaussian",
        fig,
        caption="Draws given one measurement of a Gaussian in eight dimensions: across, the direction in which DPS is "
        "off; upward, the most uncertain one. Ellipses are two standard deviations wide: of the exact posterior (ink) "
        "and of the draws (color).",
        alt="Three clouds of points with ellipses: those of TMPD coincide, those of the other two are displaced.",
    )


def test_restored_digits_beat_smooth_interpolation(claim):
    x, sigma, draws = digits()[0][:40], 0.02, 8
    one, averaged, smooth = [], [], []
    for seed in range(3):
        seen = halves(seed)
        A = torch.eye(64)[seen]
        seed_all("measure", seed)
        y = measured(x, A, sigma)
        samples = restored("pigdm", y.repeat(draws, 1), A, sigma).clamp(0, 1).view(draws, *x.shape)
        one.append(psnr(samples[0], x))
        averaged.append(psnr(samples.mean(0), x))
        filled = x.flatten(1).clone()
        filled[:, seen] = y
        smooth.append(psnr(biharmonic(filled.view_as(x), seen), x))
    claim.measure("sample", one, baseline=smooth)
    claim.measure("mean", averaged, baseline=smooth)

    rows = one_of_each(3, 5, 6, 8, 9)
    given = y.new_full((len(x), 64), 0.35)
    given[:, seen] = y
    frames = {
        "seen": given.view_as(x), "biharmonic": biharmonic(filled.view_as(x), seen),
        "draw": samples[0], "draw ": samples[1], "draw  ": samples[2],
        "mean": samples.mean(0), "spread": 2 * samples.std(0), "truth": x,
    }  # fmt: skip
    fig, axes = figure(6.6, 4.3, columns=len(frames))
    for ax, (title, images) in zip(axes, frames.items(), strict=True):
        show_images(ax, images[rows].clamp(0, 1), columns=1, title=title.strip())
    claim.figure(
        "hero",
        fig,
        caption="Half of the pixels are seen (the others are gray in the first column). Draws differ where the seen "
        "pixels leave room, which is where their standard deviation (twice, dark is large) marks them as uncertain.",
        alt="Five digits: seen pixels, smooth filling, three restored draws, their mean and spread, and the truth.",
    )


def test_samples_fit_the_measurement_as_the_truth_does(claim):
    sigma = GAUSSIAN["sigma"]
    misfits = []
    for seed in range(3):
        S, A = problem(seed)
        y = measured(drawn(S, 4000), A, sigma)
        misfits.append(misfit(gaussian_solver(S, "tmpd").restore(y, A, sigma), y, A, sigma))
    claim.measure("gaussian", misfits)

    x, sigma = digits()[0][:30], 0.05
    A = matrix(lambda u: avg_pool2d(u, 2), (1, 8, 8))
    y = measured(x, A, sigma)
    free = misfit(trained().sample(len(x)).clamp(0, 1), y, A, sigma)
    claim.measure("digits", misfit(restored("tmpd", y, A, sigma), y, A, sigma), baseline=free)
    claim.measure("digits_dps", misfit(restored("dps", y, A, sigma), y, A, sigma), baseline=free)


def test_without_a_measurement_it_is_ddpm(claim):
    settings = {"steps": 20, "timesteps": 30}
    plain, solver = (run(cls, settings, evaluate=False).model for cls in (DDPM, DiffusionInverseSolver))
    weights = [(a - b).detach().abs().max() for a, b in zip(plain.parameters(), solver.parameters(), strict=True)]
    samples = []
    for model in (plain, solver):
        seed_all("sample")
        samples.append(model.sample(8))
    seed_all("sample")
    A = torch.eye(64)[:32]
    guided = solver.restore(torch.ones(8, 32), A, 0.1)
    change = (samples[0] - guided).abs().max().item()
    claim.measure("differing", max((samples[0] - samples[1]).abs().max().item(), *map(float, weights)), baseline=change)


def test_details_are_plausible_and_not_recovered(claim):
    (known, labels), x, y = ((a[360:] for a in digits()), *(a[:100] for a in digits()))
    A, sigma = matrix(lambda u: avg_pool2d(u, 4), (1, 8, 8)), 0.02
    seen = measured(x, A, sigma)
    draws = [restored("tmpd", seen, A, sigma).clamp(0, 1) for _ in range(3)]
    called = labels[torch.cdist(draws[0].flatten(1), known.flatten(1)).argmin(1)]
    claim.measure("other_digit", (called != y).double().mean().item())
    claim.measure("told_from_data", nn_accuracy(draws[0].flatten(1), x.flatten(1)))
    claim.measure("sample", psnr(draws[0], x), baseline=psnr(torch.stack(draws).mean(0), x))

    rows = one_of_each(0, 3, 5, 6, 8)
    coarse = seen.view(-1, 1, 2, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
    frames = {"seen": coarse, **{f"draw {i + 1}": d for i, d in enumerate(draws)}, "truth": x}
    fig, axes = figure(5.0, 4.8, columns=len(frames))
    for ax, (title, images) in zip(axes, frames.items(), strict=True):
        show_images(ax, images[rows].clamp(0, 1), columns=1, title=title)
    claim.figure(
        "details",
        fig,
        caption="Only four averages are known of each digit. Every restoration is a clean digit with these averages; "
        "which digit it is, the measurement does not say, and the solver invents.",
        alt="Five rows: four gray squares, three different restored digits each, and the true digit.",
    )
