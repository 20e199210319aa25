"""Claims of the sample-quality metrics."""

import math
from itertools import product

import numpy as np
import torch
from matplotlib.colors import LogNorm
from scipy.linalg import sqrtm
from torch.optim import Adam

from reference_impl.adversarial.gan import GAN
from reference_impl.core import Task, run, seed_all
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.flow.realnvp import RealNVP
from reference_impl.latent_variable.vae import VAE
from reference_impl.tasks import make
from reference_impl.tasks.images import digits
from reference_impl.trust.sample_quality_metrics import (
    TwoSampleTest,
    cubic,
    frechet,
    mmd,
    neighborhoods,
    nn_accuracy,
)


def start() -> torch.nn.Module:
    """A GAN's discriminator of one number, the same each time."""
    seed_all("start")
    return GAN(GAN.Config(shape=(1,), hidden=64)).discriminator


class FrozenSamples(GAN):
    """The game against samples that stay as they are, those in batch.y."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.discriminator = start()

    def generate(self, n, y=None):
        return y


class SameNetwork(TwoSampleTest):
    """The two-sample test with the discriminator's network and optimizer."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.classifier = start()

    def optimizers(self):
        return {"main": Adam(self.parameters(), lr=self.cfg.lr, betas=(0.0, 0.99))}


def gauss(x: torch.Tensor, mean: float, sigma: float) -> torch.Tensor:
    return torch.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


def test_the_best_classifier_is_a_gans_discriminator(claim):
    n = 50_000
    real = 1.5 * (torch.randint(0, 2, (n, 1)) * 2.0 - 1) + 0.5 * torch.randn(n, 1)
    mean, sigma = real.mean(), real.std()
    # the test standardizes by the real sample, which is left without effect
    task = Task((real - mean) / sigma, y=(0.5 + torch.randn(n, 1) - mean) / sigma, shape=[1])
    settings = {"steps": 400, "batch_size": 512, "lr": 2e-3, "cooldown": 0.7}
    x = torch.linspace(-7, 7, 4001, dtype=torch.float64)
    p, q = (gauss(x, -1.5, 0.5) + gauss(x, 1.5, 0.5)) / 2, gauss(x, 0.5, 1.0)
    best = p / (p + q)
    jsd = torch.trapezoid(p * best.log() + q * (1 - best).log(), x).item() / 2 + math.log(2)
    apart, errors, gaps = [], [], []
    for seed in range(3):
        players = [
            run(cls, {**settings, **more}, task=task, seed=seed, evaluate=False).model
            for cls, more in ((SameNetwork, {}), (FrozenSamples, {"r1": 0, "ema": 0}))
        ]
        with torch.no_grad():
            logits = [m.discriminate(((x - mean) / sigma).float()[:, None]).double() for m in players]
        mine, theirs = (logit.sigmoid() for logit in logits)
        apart.append(torch.trapezoid((p + q) / 2 * (mine - theirs).abs(), x).item())
        errors.append(torch.trapezoid((p + q) / 2 * (mine - best).abs(), x).item())
        loss = -torch.trapezoid(
            p * torch.nn.functional.logsigmoid(logits[0]) + q * torch.nn.functional.logsigmoid(-logits[0]), x
        )
        gaps.append(abs(math.log(2) - loss.item() / 2 - jsd))
    claim.measure("apart", apart)
    claim.measure("ratio_error", errors, baseline=torch.trapezoid((p + q) / 2 * (0.5 - best).abs(), x).item())
    claim.measure("divergence_error", gaps, baseline=jsd)


def test_instruments_agree_with_enumeration(claim):
    errors, distances = [], []
    for _ in range(20):
        # whole numbers, so that some points coincide and some distances tie
        real, fake = torch.randint(0, 6, (12, 3)).double(), torch.randint(1, 7, (9, 3)).double()
        a, b, k = real.tolist(), fake.tolist(), 3

        def ball(x, points, k=k):
            return sorted(math.dist(x, y) for y in points)[k]  # the first is x itself

        inside = [[math.dist(x, y) <= ball(x, a) for y in b] for x in a]
        around = [[math.dist(x, y) <= ball(y, b) for y in b] for x in a]
        want = {
            "precision": sum(any(row[j] for row in inside) for j in range(len(b))) / len(b),
            "recall": sum(any(row) for row in around) / len(a),
            "density": sum(map(sum, inside)) / (k * len(b)),
            "coverage": sum(map(any, inside)) / len(a),
        }
        got = neighborhoods(real, fake, k)
        errors += [abs(got[name] - want[name]) for name in want]

        def kernel(x, y):
            return (sum(i * j for i, j in zip(x, y, strict=True)) / 3 + 1) ** 3

        def within(points, kernel=kernel):
            pairs = [kernel(x, y) for i, x in enumerate(points) for j, y in enumerate(points) if i != j]
            return sum(pairs) / len(pairs)

        across = [kernel(x, y) for x, y in product(a, b)]
        exact = within(a) + within(b) - 2 * sum(across) / len(across)
        errors.append(abs(mmd(real, fake, cubic) - exact) / max(1, abs(exact)))
        ca, cb = np.cov(real.numpy().T), np.cov(fake.numpy().T)
        gap = real.mean(0).numpy() - fake.mean(0).numpy()
        exact = gap @ gap + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
        distances.append(abs(frechet(real, fake) - exact))
    claim.measure("worst", max(errors))
    claim.measure("frechet", max(distances))


def third_moment(mean: torch.Tensor, cov: torch.Tensor) -> torch.Tensor:
    """E[x x x] of N(mean, cov): (D, D, D)."""
    one = torch.einsum("i,jk->ijk", mean, cov)
    return torch.einsum("i,j,k->ijk", mean, mean, mean) + one + one.permute(1, 0, 2) + one.permute(1, 2, 0)


def exact_kid(one: tuple[torch.Tensor, torch.Tensor], two: tuple[torch.Tensor, torch.Tensor]) -> float:
    """KID of two Gaussians (mean, covariance), from (s + 1)^3 = 1 + 3s + 3s^2 + s^3 with s = x'y/D."""
    d = len(one[0])

    def inner(a, b):
        second = ((torch.outer(a[0], a[0]) + a[1]) * (torch.outer(b[0], b[0]) + b[1])).sum()
        third = (third_moment(*a) * third_moment(*b)).sum()
        return 1 + 3 * (a[0] @ b[0]) / d + 3 * second / d**2 + third / d**3

    return float(inner(one, one) + inner(two, two) - 2 * inner(one, two))


def test_frechet_distance_is_biased_and_kid_is_not(claim):
    d = 8
    turn = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64)).Q
    shift, scale = torch.full((d,), 0.2, dtype=torch.float64), torch.linspace(0.6, 1.4, d, dtype=torch.float64)
    # covariances that commute, where the distance has a closed form
    true_frechet = float(shift @ shift + (1 - scale).square().sum())
    true_kid = exact_kid(
        (torch.zeros(d).double(), torch.eye(d).double()), (turn @ shift, turn @ torch.diag(scale**2) @ turn.T)
    )

    def draw(n):
        return torch.randn(n, d).double() @ turn.T, (shift + scale * torch.randn(n, d).double()) @ turn.T

    claim.measure("relative_error", abs(frechet(*draw(100_000)) / true_frechet - 1))

    def spread(n, repeats):
        """Both distances of `repeats` pairs of samples of n, less the true ones: (repeats, 2)."""
        pairs = [draw(n) for _ in range(repeats)]
        return np.array([[frechet(a, b) - true_frechet, mmd(a, b, cubic) - true_kid] for a, b in pairs])

    off = spread(200, 400)
    in_errors = off.mean(0) / (off.std(0, ddof=1) / math.sqrt(len(off)))
    claim.measure("frechet_bias", in_errors[0])
    claim.measure("kid_bias", abs(in_errors[1]))

    sizes = [25, 50, 100, 200, 400, 800]
    found = np.stack([spread(n, 100) for n in sizes]) / [true_frechet, true_kid]  # (sizes, repeats, 2)
    fig, axes = figure(6.4, 2.8, columns=2, sharey=True)
    for i, (ax, name) in enumerate(zip(axes, ("Fréchet distance", "KID"), strict=True)):
        low, high = np.quantile(found[..., i], [0.1, 0.9], axis=1)
        ax.fill_between(sizes, low, high, color=PALETTE[i], alpha=0.25, linewidth=0, label="80 % of samples")
        ax.plot(sizes, found[..., i].mean(1), "o-", color=PALETTE[i], markersize=3, label="mean")
        ax.axhline(0, color=INK, linestyle=":", linewidth=1)
        ax.set(title=name, xscale="log", xlabel="observations in each sample", ylim=(-2, 3))
        ax.set_xticks(sizes, sizes)
        ax.minorticks_off()
        ax.legend(loc="upper right")
    axes[0].set_ylabel("error / true distance")
    claim.figure(
        "bias",
        fig,
        caption="Error of both distances between two known Gaussians in eight dimensions, by the size of the samples. "
        "The Fréchet distance is too large on average, the more so the fewer observations; KID errs to either "
        "side by as much as it is uncertain, and is right on average.",
        alt="The mean error of the Frechet distance falls toward zero from above; that of KID stays at zero.",
    )


DEFECTS = {
    "none": "none",
    "dropped": "digits 5-9\nmissing",
    "noise": "noise\nσ = 0.2",
    "blur": "blur",
    "repeated": "60 digits,\n10 times each",
    "gaussian": "fitted\nGaussian",
}
INSTRUMENTS = {
    "Frechet distance": ("Fréchet distance", "{:.3f}"),
    "KID": ("1000 × KID", "{:.1f}"),
    "squared MMD": ("1000 × MMD²", "{:.1f}"),
    "precision": ("precision", "{:.2f}"),
    "recall": ("recall", "{:.2f}"),
    "density": ("density", "{:.2f}"),
    "coverage": ("coverage", "{:.2f}"),
    "nearest neighbor": ("1-NN accuracy", "{:.2f}"),
    "classifier": ("classifier's accuracy", "{:.2f}"),
}
"""Name and format in figures."""


def shown(name: str, value: float) -> str:
    label, form = INSTRUMENTS[name]
    return form.format(value * (1000 if label.startswith("1000") else 1)).replace("-", "−")


def defects(seed: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """600 digits, and 600 other ones with each of DEFECTS: (600, 1, 8, 8)."""
    seed_all("defects", seed)
    x, y = digits()
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    real, other, rest = x[:600], x[600:1200], x[600:]
    binomial = torch.outer(line := torch.tensor([0.25, 0.5, 0.25]), line)[None, None]
    fitted = TwoSampleTest(TwoSampleTest.Config())
    fitted.prepare(Task(other))
    damaged = (
        other,
        rest[y[600:] < 5][:600],
        other + 0.2 * torch.randn_like(other),
        torch.conv2d(other, binomial, padding=1),
        other[:60].repeat(10, 1, 1, 1),
        fitted.sample(600),
    )
    return real, dict(zip(DEFECTS, damaged, strict=True))


def gauges(real: torch.Tensor, fake: torch.Tensor) -> list[float]:
    """INSTRUMENTS on (N, 1, 8, 8) each; the classifier learns from one half and is examined on the other."""
    n = min(len(real), len(fake)) // 2
    task = Task(real[n : 2 * n], y=fake[n : 2 * n], shape=[1, 8, 8])
    model = run(TwoSampleTest, {"steps": 200}, task=task, evaluate=False).model.eval()
    found = {**model.compare(real, fake), "classifier": model.compare(real[:n], fake[:n])["classifier"]}
    return [found[name] for name in INSTRUMENTS]


def test_each_defect_moves_its_instrument(claim):
    pairs = [defects(seed) for seed in range(3)]
    found = [{k: neighborhoods(real.flatten(1), x.flatten(1), 5) for k, x in bad.items()} for real, bad in pairs]
    for defect, axis, other in (("dropped", "recall", "precision"), ("noise", "precision", "recall")):
        claim.measure(f"{defect}_{axis}", [f["none"][axis] - f[defect][axis] for f in found])
        claim.measure(f"{defect}_{other}", [abs(f["none"][other] - f[defect][other]) for f in found])

    real, bad = pairs[0]
    table = np.array([gauges(real, x) for x in bad.values()])
    floors = np.array([table[0], *(gauges(r, b["none"]) for r, b in (*pairs[1:], defects(3)))])
    away = np.abs(table - floors.mean(0)) / floors.std(0, ddof=1)
    fig, ax = figure(6.8, 3.6)
    image = ax.imshow(away.T.clip(1, 300), norm=LogNorm(1, 300), cmap="Oranges", aspect="auto")
    for i, j in product(range(len(DEFECTS)), range(len(INSTRUMENTS))):
        color = "white" if away[i, j] > 40 else "black"
        ax.text(i, j, shown(list(INSTRUMENTS)[j], table[i, j]), ha="center", va="center", fontsize=8, color=color)
    ax.set_xticks(range(len(DEFECTS)), DEFECTS.values())
    ax.set_yticks(range(len(INSTRUMENTS)), [label for label, _ in INSTRUMENTS.values()])
    ax.tick_params(length=0)
    bar = fig.colorbar(image, label="distance from the floor, in its standard deviations")
    bar.set_ticks([1, 10, 100], labels=["1", "10", "100"])
    bar.minorticks_off()
    claim.figure(
        "response",
        fig,
        caption="What each instrument reads for 600 digits against 600 others with one defect; the darker, the "
        "further from what four undamaged pairs give. KID and the nearest neighbor miss noise; precision and density "
        "hardly mind repetition; recall rises with noise; distances of moments are palest where all moments up to "
        "the second are right, at the fitted Gaussian.",
        alt="Heat map of nine instruments by six defects with the readings written into the cells.",
    )


def kept(x: torch.Tensor, other: torch.Tensor) -> float:
    """Share of x (N, D) whose nearest other point among both samples is of x: one half of the nearest-neighbor test."""
    inside = torch.cdist(x, x).fill_diagonal_(torch.inf).min(1).values
    return (inside < torch.cdist(x, other).min(1).values).double().mean().item()


def test_nearest_neighbor_accuracy_misses_noise(claim):
    pairs = [(real.flatten(1), bad["noise"].flatten(1)) for real, bad in (defects(seed) for seed in range(3))]
    claim.measure("nearest_neighbor", [nn_accuracy(*pair) for pair in pairs])
    claim.measure("real_half", [kept(a, b) for a, b in pairs], baseline=[kept(b, a) for a, b in pairs])
    claim.measure("classifier", [gauges(*(x.view(-1, 1, 8, 8) for x in p))[-1] for p in pairs])


def test_a_fitted_gaussian_passes_the_frechet_distance(claim):
    x, _ = digits()
    train, test = x[900:], x[:897]
    told, distances, floors, precisions = [], [], [], []
    floor = neighborhoods(test.flatten(1), train.flatten(1), 5)["precision"]
    for seed in range(3):
        fitted = TwoSampleTest(TwoSampleTest.Config())
        fitted.prepare(Task(train))
        seed_all("gaussian", seed)
        many, fake = fitted.sample(20_000), fitted.sample(2 * len(train))
        distances.append(frechet(test.flatten(1), many.flatten(1)))
        floors.append(frechet(test.flatten(1), train.flatten(1)))
        task = Task(train, y=fake[: len(train)], shape=[1, 8, 8])
        model = run(TwoSampleTest, {"steps": 700}, task=task, seed=seed, evaluate=False).model.eval()
        found, same = model.compare(test, fake[len(train) :]), model.compare(test, train)
        told.append(found["classifier"])
        precisions.append(found["precision"])
    claim.measure("frechet_distance", distances, baseline=floors)
    claim.measure("told_apart", told)
    claim.measure("precision", precisions, baseline=floor)

    found["Frechet distance"] = distances[-1]  # from all draws, which leaves the error of the digits alone
    fig, axes = figure(6.8, 2.7, columns=3, gridspec_kw={"width_ratios": [1, 1, 1.25]})
    show_images(axes[0], test[:25], columns=5, title="digits")
    show_images(axes[1], fake[:25], columns=5, title="draws from their Gaussian")
    axes[2].axis("off")
    lines = [
        ("", "draws", "digits"),
        *((INSTRUMENTS[k][0], shown(k, found[k]), shown(k, same[k])) for k in INSTRUMENTS),
    ]
    lines[-1] = (*lines[-1][:2], "0.50")  # what the classifier says of digits against digits, by definition
    for i, (label, value, reference) in enumerate(lines):
        for at, text, align in ((0, label, "left"), (0.8, value, "right"), (1.06, reference, "right")):
            color = PALETTE[1] if 0 < at < 1 and i else INK
            axes[2].text(at, 1 - i / (len(lines) - 1), text, ha=align, va="center", color=color)
    claim.figure(
        "hero",
        fig,
        caption="Held-out digits, and draws from the Gaussian with the mean and covariance of other digits. On the "
        "right, readings of 897 draws (Fréchet distance: 20,000) and of the other digits, both against the held-out "
        "ones. For the Fréchet distance the draws are as good as digits; precision, density, coverage and the "
        "classifier find them out.",
        alt="Digits beside gray noise with their outlines, and a table of nine instruments for both.",
    )


def test_one_outlier_lifts_precision_but_not_density(claim):
    n, d, k = 1000, 64, 5
    before, after = [], []
    for _ in range(3):
        real, fake = torch.randn(n, d), torch.randn(n, d) + 1
        before.append(neighborhoods(real, fake, k))
        after.append(neighborhoods(torch.cat([real, torch.full((1, d), 3.0)]), fake, k))
    claim.measure("precision", [f["precision"] for f in after], baseline=[f["precision"] for f in before])
    for name in ("density", "coverage"):
        claim.measure(name, [b[name] - a[name] for a, b in zip(before, after, strict=True)])


def test_coverage_and_density_of_equal_samples_are_known(claim):
    n, m, k = 60, 90, 5
    found = [neighborhoods(torch.randn(n, 4), torch.randn(m, 4), k) for _ in range(1000)]
    # a ball holds no sample when all of its k nearest among n - 1 real and m generated points are real
    expected = 1 - math.comb(n - 1, k) / math.comb(n - 1 + m, k)
    for name, value in (("coverage", expected), ("density", 1.0)):
        readings = np.array([f[name] for f in found])
        claim.measure(name, abs(readings.mean() - value) / (readings.std(ddof=1) / math.sqrt(len(readings))))


def test_trained_models_fail_on_different_instruments(claim):
    task = make("points", "grid25")
    real, other = task.splits["test"][0][:2000], task.splits["train"][0][:2000]
    # the game as published, without penalty and averaging; a likelihood wide enough to train; diffusion as it comes
    models = {
        GAN: {"latent_dim": 2, "hidden": 128, "r1": 0, "ema": 0, "lr": 1e-3, "cooldown": 0, "steps": 1000},
        VAE: {"latent_dim": 2, "hidden": 128, "likelihood": "gaussian", "variance": 0.03, "steps": 1000},
        DDPM: {"timesteps": 50, "steps": 1500},
    }
    samples = {
        cls: [run(cls, settings, task=task, seed=s, evaluate=False).model.sample(2000) for s in range(3)]
        for cls, settings in models.items()
    }
    found = {
        cls: [{**neighborhoods(real, x, 5), "frechet": frechet(real, x)} for x in xs] for cls, xs in samples.items()
    }

    def read(cls, name):
        return [f[name] for f in found[cls]]

    claim.measure("gan_recall", read(GAN, "recall"), baseline=read(VAE, "recall"))
    claim.measure("vae_precision", read(VAE, "precision"), baseline=read(DDPM, "precision"))
    claim.measure("ddpm_coverage", read(DDPM, "coverage"), baseline=read(VAE, "coverage"))
    same = {**neighborhoods(real, other, 5), "frechet": frechet(real, other)}
    claim.measure("vae_frechet", read(VAE, "frechet"), baseline=same["frechet"])

    panels = [("data", other, same), *((cls.__name__, samples[cls][0], found[cls][0]) for cls in models)]
    fig, axes = figure(6.8, 2.6, columns=4)
    for ax, (title, x, reading) in zip(axes, panels, strict=True):
        ax.scatter(*x.T, s=1.5, alpha=0.6, linewidths=0, rasterized=True)
        ax.set(title=title, xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), aspect="equal", xticks=[], yticks=[], frame_on=False)
        lines = [f"{name} {reading[name]:.2f}" for name in ("precision", "recall", "coverage")]
        ax.set_xlabel("\n".join([*lines, f"Fréchet {reading['frechet']:.3f}"]))
    claim.figure(
        "models",
        fig,
        caption="2,000 samples of the first seed of each model, and what instruments read for them against 2,000 "
        "held-out points. The VAE fills the gaps between the clusters, which precision sees; the GAN also leaves "
        "clusters out, which recall sees. The Fréchet distance compares the outlines and, out of a total variance of "
        "4, finds little to object to in any of them.",
        alt="Four scatter plots of a grid of 25 clusters with precision, recall, coverage and Frechet distance below.",
    )


def test_likelihood_hardly_notices_that_samples_are_noise(claim):
    task, levels, pixels = make("images"), 17, 64
    test = task.splits["test"][0]
    model = run(RealNVP, {"steps": 250}, task=task, evaluate=False).model.eval()
    with torch.no_grad():
        nats = -math.log(2) * pixels * model.bits_per_dim(test).double()  # log P(image) under the flow
    # one sample in a hundred is the flow's, the others have 64 random pixels
    uniform = torch.tensor(-pixels * math.log(levels)).double()
    mixture = torch.logaddexp(nats + math.log(0.01), uniform + math.log(0.99))
    good = model.sample(len(test))
    noise = torch.randint(0, levels, good.shape) / (levels - 1)
    mixed = torch.where(torch.rand(len(test), 1, 1, 1) < 0.01, good, noise)
    noisy, precise = (neighborhoods(test.flatten(1), x.flatten(1), 5)["precision"] for x in (mixed, good))
    claim.measure("nats_lost", (nats - mixture).mean().item(), baseline=-nats.mean().item())
    claim.measure("precision", noisy, baseline=precise)
