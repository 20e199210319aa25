"""Claims of InfoGAN."""

import math
from functools import cache

import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from torch import Tensor

from reference_impl.adversarial.conditional_gan import ConditionalGAN
from reference_impl.adversarial.gan import GAN
from reference_impl.adversarial.infogan import InfoGAN
from reference_impl.core import Result, Task, run
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.tasks import make
from reference_impl.tasks.points import ring_centers

SEEDS = range(3)
SIGMA = 0.1
PLANE = {
    "latent_dim": 2,
    "hidden": 128,
    "r1": 0.3,
    "ema": 0.99,
    "lr": 1e-3,
    "batch_size": 128,
    "steps": 600,
}


def clusters(centers: Tensor) -> tuple[Tensor, Tensor]:
    """20,000 points around centers (K, 2) and the index of the center of each: (N, 2), (N,)."""
    y = torch.randint(len(centers), (20_000,), generator=torch.Generator().manual_seed(0))
    noise = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1))
    return centers[y] + SIGMA * noise, y


@cache
def ring_run(info: float, seed: int) -> Result:
    """InfoGAN with eight categories on eight Gaussians on a circle, whose labels nobody tells."""
    settings = {**PLANE, "categories": 8, "continuous": 0, "info": info}
    return run(InfoGAN, settings, task=Task(clusters(ring_centers())[0], shape=[2]), seed=seed, evaluate=False)


def counts(code: Tensor, label: Tensor, codes: int, labels: int) -> Tensor:
    """How often each code (N,) meets each label (N,): (codes, labels)."""
    return torch.bincount(code * labels + label, minlength=codes * labels).view(codes, labels)


def matched(code: Tensor, label: Tensor, classes: int) -> float:
    """Share of agreement of codes (N,) and labels (N,) under the best one-to-one matching of their values."""
    table = counts(code, label, classes, classes)
    return table[linear_sum_assignment(-table)].sum().item() / len(code)


def information_by_another_reader(model: InfoGAN) -> float:
    """Information about the category in nats, as bounded by a network trained on samples after the game."""
    k = model.cfg.categories
    y = torch.arange(8000) % k
    x = model.sample(8000, y)
    reader = MLPClassifier((64, 64), early_stopping=True, random_state=0).fit(x[:6000], y[:6000])
    return math.log(k) - log_loss(y[6000:], reader.predict_proba(x[6000:]), labels=range(k))


def scatter(ax, x: Tensor, y: Tensor, title: str) -> None:
    ax.scatter(*x.T, s=3, c=[PALETTE[k] for k in y], linewidths=0, alpha=0.7, rasterized=True)
    ax.set(title=title, xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
    ax.axis("off")


def test_no_code_is_the_gan(claim):
    settings = {"steps": 100, "hidden": 64, "latent_dim": 16, "r1": 0.3, "ema": 0.99}
    task = make("images")
    gan = run(GAN, settings, task=task, evaluate=False).model
    none = run(InfoGAN, {**settings, "categories": 0, "continuous": 0}, task=task, evaluate=False).model
    # codes that take the place of noise, so that all weights have the same shapes
    some = {**settings, "categories": 10, "continuous": 2, "latent_dim": 4}
    some = run(InfoGAN, some, task=task, evaluate=False).model
    mine = gan.state_dict()

    def distance(model: InfoGAN) -> float:
        """Largest difference of a weight that both models have."""
        other = model.state_dict()
        return max((mine[k] - other[k]).abs().max().item() for k in mine)

    claim.measure("weights", distance(none), baseline=distance(some))
    drawn = []
    for model in (gan, none, some):
        torch.manual_seed(1)
        drawn.append(model.sample(64))
    same, other = ((drawn[0] - x).abs().max().item() for x in drawn[1:])
    claim.measure("samples", same, baseline=other)


def test_information_rises_to_the_entropy_of_the_code(claim):
    entropy = math.log(8)
    models = [ring_run(1.0, s).model for s in SEEDS]
    told = []
    with torch.no_grad():
        for model in models:
            latents = model.latents(4000)
            category, _ = model.information(model.averaged(latents), latents[:, model.cfg.latent_dim :])
            told.append(category.item() / entropy)
    silent = [information_by_another_reader(ring_run(0.0, s).model) / entropy for s in SEEDS]
    claim.measure("information", told, baseline=silent)

    fig, ax = figure(6.0, 2.8)
    for info, color, label in ((1.0, PALETTE[0], "rewarded"), (0.0, PALETTE[1], "not rewarded")):
        for s in SEEDS:
            rows = ring_run(info, s).history
            nats = [r["category_nats"] for r in rows]
            ax.plot([r["step"] for r in rows], nats, color=color, linewidth=1.1, label=None if s else label)
    ax.axhline(entropy, color=INK, linestyle=":")
    ax.annotate("H(c) = log 8", (PLANE["steps"], entropy), va="bottom", ha="right")
    ax.set(xlabel="step", ylabel="L_I, nats", ylim=(-0.3, 2.4))
    ax.legend(loc="center right")
    claim.figure(
        "information",
        fig,
        caption="The bound on the information between category and sample while three seeds each learn a ring of eight "
        "Gaussians. With its reward the bound reaches the entropy of the code, so that a sample tells its category for "
        "sure; without it, generator and reader have no reason to agree, and it stays near zero.",
        alt="Three curves climb within a few hundred steps to log 8; three others stay near zero.",
    )


def test_categories_find_classes_nobody_named(claim):
    x, y = clusters(ring_centers())
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(2))
    shuffled = Task(x, y=y[order], shape=[2], classes=8)
    asked = torch.arange(2400) % 8
    samples = {
        "InfoGAN": [ring_run(1.0, s).model.sample(2400, asked) for s in SEEDS],
        "GAN with a code": [ring_run(0.0, s).model.sample(2400, asked) for s in SEEDS],
        "conditional GAN, random labels": [
            run(ConditionalGAN, PLANE, task=shuffled, seed=s, evaluate=False).model.sample(2400, asked) for s in SEEDS
        ],
    }
    found = {
        name: [matched(asked, torch.cdist(x, ring_centers()).argmin(1), 8) for x in xs] for name, xs in samples.items()
    }
    mine, plain, labeled = found.values()
    claim.measure("generated", mine, baseline=plain)
    claim.measure("without_labels", mine, baseline=labeled)
    with torch.no_grad():
        read = [ring_run(1.0, s).model.read(x)[0].argmax(1) for s in SEEDS]
    claim.measure("real", [matched(code, y, 8) for code in read])

    fig, axes = figure(6.6, 2.4, columns=3)
    for ax, (name, xs) in zip(axes, samples.items(), strict=True):
        scatter(ax, xs[0][:1200], asked[:1200], name)
    claim.figure(
        "ring",
        fig,
        caption="Samples of three models that were never told a true label; a color is the category asked for. InfoGAN "
        "gives each category a mode of its own. A GAN whose code is not rewarded mixes them, and so does a conditional "
        "GAN, which learns from its labels what they mean: here, nothing.",
        alt="Left, eight clusters of one color each; middle and right, clusters in which all colors are mixed.",
    )


def test_digit_categories_follow_classes_in_part(claim):
    task = make("images")
    x, y = task.splits["test"]
    models = [run(InfoGAN, task=task, seed=s, evaluate=False).model for s in SEEDS]
    with torch.no_grad():
        codes = [m.read(x)[0].argmax(1) for m in models]
    chance = [matched(code[torch.randperm(len(code))], y, 10) for code in codes]
    claim.measure("accuracy", [matched(code, y, 10) for code in codes], baseline=chance)

    model, k = models[0], 10
    noise, numbers = torch.randn(5, model.cfg.latent_dim), 2 * torch.rand(5, 2) - 1
    category = torch.eye(k)
    rest = [t.repeat_interleave(k, 0) for t in (noise, numbers)]
    grid = torch.cat([rest[0], category.repeat(5, 1), rest[1]], 1)
    fig, ax = figure(6.0, 3.1)
    show_images(ax, model.averaged(grid), k)
    claim.figure(
        "hero",
        fig,
        caption="One column for each category of the code, one row for each draw of noise and numbers. No label was "
        "seen in training. Each column holds shapes that a reader can tell from those of the others; many are one "
        "digit, some gather two that look alike.",
        alt="Generated 8x8 digits in ten columns; within a column the shapes resemble each other.",
    )
    sweep = torch.linspace(-1, 1, 9)
    fig, axes = figure(6.4, 2.3, columns=2)
    for i, ax in enumerate(axes):
        numbers = torch.zeros(4 * 9, 2)
        numbers[:, i] = sweep.repeat(4)
        rows = torch.cat([noise[:1].expand(36, -1), category[:4].repeat_interleave(9, 0), numbers], 1)
        show_images(ax, model.averaged(rows), 9, title=f"number {i + 1} from -1 to 1")
    claim.figure(
        "numbers",
        fig,
        caption="The two numbers of the code, each swept from -1 to 1 for four categories with everything else fixed. "
        "Each changes the shape in its own gradual way; which one it finds depends on the seed.",
        alt="Two sheets of digits; along each row the shape changes gradually.",
    )


def test_too_few_categories_find_the_widest_gap(claim):
    # two factors: the side, 4 apart, and the label, 1.5 apart
    corners = torch.tensor([[-2.0, -0.75], [-2.0, 0.75], [2.0, -0.75], [2.0, 0.75]])
    x, corner = clusters(corners)
    label, task = corner % 2, Task(x, shape=[2])
    codes = {}
    for k in (2, 4):
        settings = {**PLANE, "continuous": 0, "info": 1.0, "categories": k}
        models = [run(InfoGAN, settings, task=task, seed=s, evaluate=False).model for s in SEEDS]
        with torch.no_grad():
            codes[k] = [m.read(x)[0].argmax(1) for m in models]

    def told(k: int, what: Tensor) -> list[float]:
        """For each seed, how often the most frequent value of `what` among points of the same code is right."""
        return [counts(code, what, k, 2).max(1).values.sum().item() / len(x) for code in codes[k]]

    claim.measure("label_from_two", told(2, label), baseline=told(4, label))
    claim.measure("side_from_two", told(2, corner // 2))

    fig, axes = figure(5.6, 2.5, columns=2)
    for ax, k in zip(axes, codes, strict=True):
        scatter(ax, x[:1500], codes[k][0][:1500], f"{k} categories")
    claim.figure(
        "gap",
        fig,
        caption="Data with two factors, side and height, colored by the category that the reader finds. Two categories "
        "spend themselves on the side, which is easier to tell, and say nothing about the height; four hold both here.",
        alt="Left, two colors split four clusters by side; right, every cluster has a color of its own.",
    )
