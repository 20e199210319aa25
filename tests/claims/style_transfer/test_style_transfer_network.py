"""Claims of style transfer networks."""

from functools import cache
from itertools import product

import torch
from torch import Tensor, nn

from reference_impl.core import Result, Task, run
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.style_transfer.neural_style_transfer import NeuralStyleTransfer
from reference_impl.style_transfer.style_transfer_network import StyleTransferNetwork
from reference_impl.tasks import make

STEPS = 300


@cache
def styles() -> Task:
    return make("styles")


@cache
def trained(norm: str, seed: int) -> Result:
    """A network for the mosaic; both claims about training look at the same ones."""
    settings = {"norm": norm, "steps": STEPS, "images": 8}
    return run(StyleTransferNetwork, settings, task=styles(), seed=seed, evaluate=False)


@torch.no_grad()
def losses(model: StyleTransferNetwork, style: Tensor | None = None) -> tuple[float, float]:
    """Loss and style loss of the held-out contents after one pass, by default toward the network's own style."""
    found = model.perceptual(model.sample(8), model.content, model.style if style is None else style)
    return found["loss"].item(), found["style"].item()


class FreePixels(nn.Module):
    """In place of a network: one image per content, which it looks up."""

    def __init__(self, contents: Tensor) -> None:
        super().__init__()
        self.contents, self.images = contents, nn.Parameter(contents.clone())

    def forward(self, x: Tensor) -> Tensor:
        rows = (x[:, None] - self.contents).flatten(2).abs().amax(2).argmin(1)
        return self.images[rows]


class FreeStyleTransferNetwork(StyleTransferNetwork):
    """The reference with free images as its network; pixels are kept in [0, 1], where a network has a sigmoid."""

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        self.net.images.data.copy_(self.net.contents.copy_(self.content))

    def __init__(self, cfg: StyleTransferNetwork.Config) -> None:
        super().__init__(cfg)
        self.net = FreePixels(torch.zeros(cfg.images, *cfg.shape))

    @torch.no_grad()
    def after_update(self) -> None:
        self.net.images.clamp_(0, 1)


def test_free_pixels_train_like_neural_style_transfer(claim):
    x, y = (t[:4] for t in styles().splits["test"])
    task = Task(x, y=y, shape=list(x.shape[1:]))
    settings = {"images": 4, "batch_size": 4, "steps": 40, "lr": 0.05, "cooldown": 0.5, "content_weight": 0.1}
    assert FreeStyleTransferNetwork.loss is StyleTransferNetwork.loss, "the network is replaced, its training is not"
    network = run(FreeStyleTransferNetwork, settings, task=task, log_every=1, evaluate=False)
    pixels = run(NeuralStyleTransfer, settings, task=task, log_every=1, evaluate=False)
    a, b = ([row["loss"] for row in r.history] for r in (network, pixels))
    claim.measure("losses", max(abs(p - q) / q for p, q in zip(a, b, strict=True)))
    moved = (pixels.model.sample(4) - x).abs().mean().item()
    claim.measure("images", (network.model.sample(4) - pixels.model.sample(4)).abs().max().item(), baseline=moved)


def test_one_pass_is_worth_many_iterations(claim):
    models = [trained("instance", seed).model for seed in range(3)]
    content, style = models[0].content, models[0].style
    task = Task(content, y=style.expand_as(content), shape=list(content.shape[1:]))
    settings = {"images": 8, "steps": 80, "cooldown": 0.0, "content_weight": models[0].cfg.content_weight}
    curves = {}
    for start, lr in product(("noise", "content"), (0.02, 0.05, 0.1)):
        rows = run(
            NeuralStyleTransfer, {**settings, "start": start, "lr": lr}, task=task, log_every=1, evaluate=False
        ).history
        curves[start, lr] = [row["loss"] for row in rows]
    reached = [losses(model)[0] for model in models]
    for name, start in (("from_noise", "noise"), ("from_photograph", "content")):
        best = torch.tensor([curve for (s, _), curve in curves.items() if s == start]).amin(0).cummin(0).values
        claim.measure(name, [float((best > loss).sum()) for loss in reached])

    x = models[0].sample(8)
    fig, ax = figure(6.2, 2.2)
    show_images(ax, torch.cat([style, content[[0, 2, 3, 4, 5, 6]], style, x[[0, 2, 3, 4, 5, 6]]]), columns=7)
    claim.figure(
        "hero",
        fig,
        caption="A network that has learned the style on the left, and six photographs that it has never seen: "
        "one pass each.",
        alt="A stained-glass mosaic, six photographs, and the six photographs with its colors and dark outlines.",
    )
    fig, ax = figure(5.2, 3.0)
    for (start, color), line in zip((("noise", PALETTE[1]), ("content", PALETTE[2])), ("-", "--"), strict=True):
        for lr in (0.02, 0.05, 0.1):
            ax.plot(curves[start, lr], line, color=color, linewidth=1, label=f"from {start}" if lr == 0.1 else None)
    for loss in reached:
        ax.axhline(loss, color=PALETTE[0], linewidth=1)
    ax.text(80, max(reached), "one pass, three networks", color=PALETTE[0], ha="right", va="bottom", fontsize=8)
    ax.set(xlabel="iterations of neural style transfer", ylabel="loss", yscale="log", ylim=(None, 6))
    ax.legend()
    claim.figure(
        "iterations",
        fig,
        caption="The same loss on eight held-out photographs. Optimization at three step sizes, from noise as "
        "published and from the photographs, and where one pass of a trained network stands (three seeds).",
        alt="Falling curves of loss that cross three horizontal lines, those from the photographs much earlier.",
    )


def test_instance_normalization_beats_batch_normalization(claim):
    models = {norm: [trained(norm, seed).model for seed in range(3)] for norm in ("instance", "batch")}
    total, style = ({norm: [losses(m)[i] for m in found] for norm, found in models.items()} for i in (0, 1))
    claim.measure("style_loss", style["instance"], baseline=style["batch"])
    claim.measure("loss", total["instance"], baseline=total["batch"])

    shown = [0, 2, 3, 4, 5, 6]
    fig, ax = figure(5.6, 3.0)
    rows = [models["instance"][0].content, models["batch"][0].sample(8), models["instance"][0].sample(8)]
    show_images(ax, torch.cat([r[shown] for r in rows]), columns=6)
    for i, name in enumerate(["content", "batch", "instance"]):
        ax.text(-3, 65 * i + 32, name, ha="right", va="center")
    claim.figure(
        "normalization",
        fig,
        caption="The same network and training with batch and with instance normalization, on held-out photographs. "
        "With statistics of the batch each result keeps the contrast of its own photograph.",
        alt="Three rows of six images: photographs, their stylization with batch normalization, and with instance.",
    )


def test_a_network_knows_one_style(claim):
    model = trained("instance", 0).model
    others = [losses(model, style[None])[1] for style in styles().splits["test"][1][8::8]]
    claim.measure("own_style", losses(model)[1], baseline=others)
