"""Claims of the conditional GAN."""

from functools import cache

import torch
from sklearn.svm import SVC
from torch import Tensor

from reference_impl.adversarial.conditional_gan import ConditionalGAN
from reference_impl.adversarial.gan import GAN
from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.tasks import make
from reference_impl.tasks.measures import frechet
from reference_impl.tasks.points import ring_centers

SEEDS = range(3)
SIGMA = 0.1
RING = {
    "latent_dim": 2,
    "hidden": 128,
    "r1": 0.3,
    "ema": 0.99,
    "lr": 1e-3,
    "batch_size": 128,
    "steps": 800,
}


class Filmed(ConditionalGAN):
    """The same game, of which `frames` keeps samples of every class at chosen steps."""

    moments = (40, 80, 140, 800)

    def __init__(self, cfg):
        super().__init__(cfg)
        self.frames, self.played = {}, 0

    def after_update(self):
        super().after_update()
        self.played += 1
        if self.played in self.moments:
            self.frames[self.played] = self.sample(800, torch.arange(800) % 8)


class BlindDiscriminator(ConditionalGAN):
    """Only the generator is told the label."""

    def discriminate(self, x, y):
        return self.discriminator(x, torch.zeros(len(x), self.cfg.classes))


class PulledToExamples(ConditionalGAN):
    """After each move the generator also descends the squared distance to real examples of the class."""

    def step(self, batch, opt):
        metrics = super().step(batch, opt)
        opt.minimize("generator", (self.generate(len(batch.x), batch.y) - batch.x).square().mean())
        return metrics


@cache
def ring_task() -> Task:
    """20,000 labeled points of eight Gaussians on a circle."""
    y = torch.randint(8, (20_000,), generator=torch.Generator().manual_seed(0))
    noise = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1))
    return Task(ring_centers()[y] + SIGMA * noise, y=y, shape=[2], classes=8)


@cache
def ring_model(cls: type[GAN], seed: int) -> GAN:
    return run(cls, RING, task=ring_task(), seed=seed, evaluate=False).model


def spread(x: Tensor, y: Tensor) -> float:
    """Root of the variance of x (N, ...) within its classes y (N,), averaged over classes."""
    x = x.flatten(1)
    return sum(x[y == k].var(0).sum() for k in y.unique()).div(len(y.unique())).sqrt().item()


def ring_scores(cls: type[GAN]) -> tuple[list[float], list[float]]:
    """For each seed: share of samples nearest to the mode asked for, and spread within a class against the data's."""
    y = torch.arange(2400) % 8
    samples = [ring_model(cls, s).sample(2400, y) for s in SEEDS]
    real, labels = ring_task().splits["train"]
    hits = [(torch.cdist(x, ring_centers()).argmin(1) == y).double().mean().item() for x in samples]
    return hits, [spread(x, y) / spread(real, labels) for x in samples]


def scatter(ax, x: Tensor, y: Tensor, title: str) -> None:
    ax.scatter(*x.T, s=3, c=[PALETTE[k] for k in y], linewidths=0, alpha=0.7, rasterized=True)
    ax.set(title=title, xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal")
    ax.axis("off")


def test_one_class_is_the_gan(claim):
    digits = make("images").splits["train"][0]
    task = Task(digits, y=torch.zeros(len(digits), dtype=torch.long), shape=[1, 8, 8], classes=1)
    settings = {"steps": 100, "hidden": 64, "r1": 0.3, "lr": 1e-3}
    gan = run(GAN, settings, task=task, evaluate=False).model
    one = run(ConditionalGAN, settings, task=task, evaluate=False).model
    ten = run(ConditionalGAN, settings, task=make("images"), evaluate=False).model

    def distance(model: ConditionalGAN) -> float:
        """Largest difference of a weight that both models have."""
        pairs = [(gan.generator, model.generator.net), (gan.averaged, model.averaged.net)]
        pairs.append((gan.discriminator, model.discriminator.net))
        return max(
            (a - b).abs().max().item()
            for mine, other in pairs
            for a, b in zip(mine.parameters(), other.parameters(), strict=True)
        )

    claim.measure("weights", distance(one), baseline=distance(ten))
    y = torch.zeros(64, dtype=torch.long)
    drawn = []
    for model in (gan, one, ten):
        torch.manual_seed(1)
        drawn.append(model.sample(64, y))
    same, other = ((drawn[0] - x).abs().max().item() for x in drawn[1:])
    claim.measure("samples", same, baseline=other)


def test_samples_obey_the_label_and_stay_diverse(claim):
    hits, spreads = ring_scores(Filmed)
    claim.measure("ring_accuracy", hits, baseline=ring_scores(GAN)[0])
    claim.measure("ring_spread", spreads)

    task = make("images")
    (train, train_y), (test, test_y) = task.splits["train"], task.splits["test"]
    judge = SVC(C=10).fit(train.flatten(1), train_y)
    models = [run(ConditionalGAN, task=task, seed=s, evaluate=False).model for s in SEEDS]
    y = torch.arange(2000) % 10
    samples = [m.sample(2000, y) for m in models]
    claim.measure(
        "digits_accuracy",
        [judge.score(x.flatten(1), y) for x in samples],
        baseline=judge.score(test.flatten(1), test_y),
    )
    claim.measure("digits_spread", [spread(x, y) / spread(train, train_y) for x in samples])
    real = test.flatten(1)
    distances = [frechet(real, m.sample(len(real), test_y).flatten(1)) for m in models]
    claim.measure("digits_distance", distances, baseline=frechet(real, train[: len(real)].flatten(1)))

    z, model = torch.randn(6, 32), models[0]
    with torch.no_grad():
        grid = model.averaged(z.repeat_interleave(10, 0), model.code(torch.arange(60) % 10))
    fig, ax = figure(6.0, 3.6)
    show_images(ax, grid, 10)
    claim.figure(
        "hero",
        fig,
        caption="One column for each label, one row for each draw of the noise. The label decides the digit; the noise "
        "decides how it is written, and slant and weight of a row tend to carry over to all of its digits.",
        alt="Generated 8x8 digits from 0 to 9 in ten columns; every column holds its own digit in six hands.",
    )
    fig, axes = figure(6.6, 2.0, columns=4)
    for ax, (step, x) in zip(axes, ring_model(Filmed, 0).frames.items(), strict=True):
        scatter(ax, x, torch.arange(800) % 8, f"step {step}")
    claim.figure(
        "ring",
        fig,
        caption="Samples while a conditional GAN learns eight Gaussians on a circle; a color is the label that was "
        "asked for. Each class leaves the center on its own way and contracts onto its own mode, with no bridge to "
        "another.",
        alt="Four snapshots: one mixed cloud of colors separates into eight clusters of one color each.",
    )


def test_label_is_ignored_under_a_blind_discriminator(claim):
    blind, seeing = ring_scores(BlindDiscriminator)[0], ring_scores(Filmed)[0]
    claim.measure("accuracy", blind, baseline=seeing)

    fig, axes = figure(5.2, 2.6, columns=2)
    y = torch.arange(1600) % 8
    for ax, cls, title in zip(axes, (BlindDiscriminator, Filmed), ("told to G alone", "told to both"), strict=True):
        scatter(ax, ring_model(cls, 0).sample(1600, y), y, title)
    claim.figure(
        "blind",
        fig,
        caption="The same game with and without the label in the discriminator; colors are labels asked for. Where "
        "only the generator knows the label nothing rewards obeying it: samples lie on the ring, of any class.",
        alt="Left, a ring of samples in which all colors are mixed; right, each cluster has one color.",
    )


def test_noise_is_ignored_under_a_squared_error(claim):
    pulled, free = ring_scores(PulledToExamples)[1], ring_scores(Filmed)[1]
    claim.measure("spread", pulled, baseline=free)

    fig, axes = figure(5.2, 2.6, columns=2)
    y = torch.arange(1600) % 8
    names = ("with squared error", "adversarial loss alone")
    for ax, cls, title in zip(axes, (PulledToExamples, Filmed), names, strict=True):
        scatter(ax, ring_model(cls, 0).sample(1600, y), y, title)
    claim.figure(
        "pulled",
        fig,
        caption="A squared error to real examples of the class, added to the generator's loss, is least at the mean of "
        "the class: the noise has no say any more. Without it each class keeps most of its width.",
        alt="Left, eight small dots at the centers of the modes; right, eight round clouds.",
    )
