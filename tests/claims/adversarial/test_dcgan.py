"""Claims of the deep convolutional GAN."""

from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reference_impl.adversarial.dcgan import DCGAN
from reference_impl.adversarial.gan import GAN
from reference_impl.core import Reference, Task, run, seed_all
from reference_impl.figures import figure, show_images
from reference_impl.tasks.images import digits
from reference_impl.tasks.measures import flops_per_step, frechet, nn_accuracy

SEEDS = range(3)
CONVOLUTIONAL = {"hidden": 16, "smallest": 4, "ema": 0.99, "lr": 3e-3, "steps": 500}
DENSE = {"hidden": 48}


class Filmed(DCGAN):
    """The same game; `frames` keeps what the averaged generator makes of one set of noise at chosen steps."""

    moments = (50, 150, 500)

    def __init__(self, cfg):
        super().__init__(cfg)
        self.frames, self.played = {}, 0
        self.noise = torch.randn(40, cfg.latent_dim)

    def after_update(self):
        super().after_update()
        self.played += 1
        if self.played in self.moments:
            self.averaged.eval()
            self.frames[self.played] = self.averaged(self.noise).detach()
            self.averaged.train()


def trainable(model: Reference) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@cache
def digits16() -> Task:
    """The digits drawn at 16x16, every fifth held out."""
    x = interpolate(digits()[0], size=16, mode="bilinear")
    return Task(x[360:], x[:360], shape=[1, 16, 16])


@cache
def trained(seed: int) -> tuple[DCGAN, Tensor]:
    """A DCGAN of these digits and as many samples as it has seen images."""
    model = run(Filmed, CONVOLUTIONAL, task=digits16(), seed=seed, evaluate=False).model
    seed_all("samples", seed)
    return model, model.sample(len(digits16().splits["train"][0]))


def test_convolutions_bring_samples_closer_to_data(claim):
    task = digits16()
    train, test = (task.splits[s][0] for s in ("train", "test"))
    work = CONVOLUTIONAL["steps"] * flops_per_step(DCGAN, CONVOLUTIONAL, task)
    dense = {**DENSE, "steps": work // flops_per_step(GAN, DENSE, task)}
    drawn: dict[str, list[Tensor]] = {"conv": [], "dense": [], "bare": []}
    for seed in SEEDS:
        model, samples = trained(seed)
        mlp = run(GAN, dense, task=task, seed=seed, evaluate=False).model
        bare = run(DCGAN, {**CONVOLUTIONAL, "batch_norm": False}, task=task, seed=seed, evaluate=False).model
        assert trainable(mlp) >= trainable(model)
        drawn["conv"].append(samples)
        drawn["dense"].append(mlp.sample(len(train)))
        drawn["bare"].append(bare.sample(len(train)))
    distance = {k: [frechet(test.flatten(1), x.flatten(1)) for x in xs] for k, xs in drawn.items()}
    told = {k: [nn_accuracy(test.flatten(1), x[: len(test)].flatten(1)) for x in xs] for k, xs in drawn.items()}
    floor = frechet(test.flatten(1), train.flatten(1))
    claim.measure("frechet", distance["conv"], baseline=distance["dense"])
    claim.measure("above_floor", [d / floor for d in distance["conv"]])
    claim.measure("told_from_data", told["conv"], baseline=told["dense"])
    claim.measure("with_batch_norm", distance["conv"], baseline=distance["bare"])

    fig, axes = figure(6.6, 3.0, columns=3)
    for ax, (step, x) in zip(axes, trained(0)[0].frames.items(), strict=True):
        show_images(ax, x, columns=8, title=f"step {step}")
    claim.figure(
        "hero",
        fig,
        caption="The same 40 draws of noise at three moments of one game on digits drawn at 16 by 16. Strokes come "
        "first, since a convolution treats every place alike; which strokes belong together comes later.",
        alt="Three sheets of forty images: gray blobs, broken strokes, then mostly readable digits.",
    )
    fig, axes = figure(6.6, 2.3, columns=4)
    sheets = {
        "held-out data": test,
        "DCGAN": drawn["conv"][0],
        "no batch norm": drawn["bare"][0],
        "dense": drawn["dense"][0],
    }
    for ax, (title, x) in zip(axes, sheets.items(), strict=True):
        show_images(ax, x[:25], columns=5, title=title)
    claim.figure(
        "work",
        fig,
        caption="Samples after equal work with equal parameters. The dense generator learns each pixel by itself and "
        "leaves grain; without batch norm the strokes are smooth and fewer of them form digits.",
        alt="Four sheets: data, readable digits of the DCGAN, blurred ones without batch norm, grainy dense ones.",
    )


def nearest(x: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of each image to the nearest of others, and which that is: (N, ...), (M, ...) -> (N,), (N,)."""
    return tuple(torch.cdist(x.flatten(1), among.flatten(1)).min(1))


def test_samples_are_no_copies(claim):
    train, test = (digits16().splits[s][0] for s in ("train", "test"))
    # as many of either, since the nearest of more images is nearer
    seen = train[: len(test)]
    copies = (seen + 0.05 * torch.randn_like(seen)).clamp(0, 1)
    models, drawn = zip(*(trained(seed) for seed in SEEDS), strict=True)
    ratios = [(nearest(x, seen)[0].mean() / nearest(x, test)[0].mean()).item() for x in drawn]
    claim.measure("ratio", ratios, baseline=(nearest(copies, seen)[0].mean() / nearest(copies, test)[0].mean()).item())

    samples = drawn[0][:10]
    rows = [samples, train[nearest(samples, train)[1]], test[nearest(samples, test)[1]]]
    fig, ax = figure(6.0, 2.1)
    show_images(ax, torch.cat(rows), columns=10)
    for i, name in enumerate(("sample", "nearest seen", "nearest held out")):
        ax.text(-2, 17 * i + 8, name, ha="right", va="center")
    claim.figure(
        "neighbors",
        fig,
        caption="Samples, and below each the nearest training image and the nearest held-out one. Both differ from the "
        "sample in slant and stroke.",
        alt="Three rows of ten digits: samples, nearest training images, nearest held-out images.",
    )

    ends = models[0].noise[4:8]
    t = torch.linspace(0, 1, 12)[:, None]
    # along a quarter circle the length of the noise stays what the generator is used to
    walks = [(t * np.pi / 2).cos() * a + (t * np.pi / 2).sin() * b for a, b in pairwise(ends)]
    with torch.no_grad():
        film = models[0].averaged(torch.cat(walks))
    fig, ax = figure(6.0, 1.8)
    show_images(ax, film, columns=12)
    claim.figure(
        "walk",
        fig,
        caption="From one draw of noise to the next, along an arc; each row starts where the last one ended. A "
        "generator that held copies would jump between them; this one bends one digit into another.",
        alt="Three rows of twelve images that morph gradually from one digit to another.",
    )


def ways(side: int, kernel: int) -> Tensor:
    """In how many ways the smallest map reaches each pixel of an untrained generator: (side, side)."""
    x = None
    for layer in DCGAN(DCGAN.Config(shape=(1, side, side), hidden=1, smallest=4)).generator:
        if isinstance(layer, nn.Unflatten):
            x = torch.ones(1, *layer.unflattened_size)
        if isinstance(layer, nn.ConvTranspose2d):
            if kernel != 4:  # the paper's, with the padding that also doubles the side
                layer = nn.ConvTranspose2d(layer.in_channels, layer.out_channels, 5, 2, 2, 1)
            nn.init.constant_(layer.weight, 1 / layer.in_channels)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            x = layer(x)
    assert x is not None
    return x.detach()[0, 0]


def test_kernels_of_four_cover_pixels_evenly(claim):
    inner = {kernel: ways(8, kernel)[2:-2, 2:-2] for kernel in (4, 5)}
    claim.measure("unevenness", *((x.max() / x.min()).item() for x in inner.values()))

    fig, axes = figure(5.6, 2.6, columns=2)
    for ax, kernel in zip(axes, (5, 4), strict=True):
        x = ways(32, kernel)
        ax.imshow((x / x[8:-8, 8:-8].mean()).numpy(), cmap="viridis", vmin=0, vmax=3)
        ax.set_title(f"kernels of {kernel}")
        ax.axis("off")
    claim.figure(
        "checkerboard",
        fig,
        caption="In how many ways three transposed convolutions of stride 2 reach each pixel, relative to the mean: "
        "the pattern that equal weights draw, and the variance of pixels under random ones. Kernels of 5 overlap "
        "unevenly and draw a grid before any training; kernels of 4 reach all inner pixels equally often.",
        alt="Two maps: a regular grid of bright and dark pixels for kernels of five, flat inside for kernels of four.",
    )


def test_batch_norm_couples_images(claim):
    """One image's noise in many batches: what its neighbor changes, with batch statistics and with running ones."""
    model, _ = trained(0)
    seed_all("company")  # the same draws whether the model was trained just now or for a claim before
    sheets = []
    for mode in (True, False):
        probe = DCGAN(model.cfg)
        probe.load_state_dict(model.state_dict())
        probe.averaged.train(mode)
        with torch.no_grad():
            drawn = [probe.averaged(torch.stack([model.noise[4], torch.randn(32)]))[0] for _ in range(60)]
        sheets.append(torch.stack(drawn))
    by_batch, by_running = (x.std(0)[0] for x in sheets)
    claim.measure("moved", by_running.max().item(), baseline=by_batch.max().item())

    fig, axes = figure(5.2, 1.9, columns=3)
    show_images(axes[0], sheets[1][:1], title="running statistics")
    for ax, x, title in zip(axes[1:], (by_batch, by_running), ("moved, batch", "moved, running"), strict=True):
        ax.imshow(x.numpy(), cmap="viridis", vmin=0, vmax=by_batch.max().item())
        ax.set_title(title)
        ax.axis("off")
    claim.figure(
        "company",
        fig,
        caption="One draw of noise, decoded sixty times, each time beside one other draw. Left: the image. Middle: how "
        "much each pixel moves (standard deviation) when the pair's statistics normalize it; strokes shift with "
        "the neighbor. Right: under running statistics nothing moves.",
        alt="A digit, a map of its pixels' deviations that is bright along strokes, and an empty map.",
    )
