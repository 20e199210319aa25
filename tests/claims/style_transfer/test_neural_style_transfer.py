"""Claims of neural style transfer."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.style_transfer.neural_style_transfer import Filters, NeuralStyleTransfer, gram
from reference_impl.tasks import make


def pairs(contents: list[int], styles: list[int]) -> Task:
    """Every content in every style, by their numbers among the eight held-out ones of each."""
    x, y = make("styles").splits["test"]
    x, y = x[:8][contents], y[::8][styles]
    return Task(x.repeat(len(styles), 1, 1, 1), y=y.repeat_interleave(len(contents), 0), shape=list(x.shape[1:]))


def edges(x: Tensor) -> Tensor:
    """Strength of brightness edges, by Sobel's filter: (B, C, H, W) -> (B, pixels)."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).view(1, 1, 3, 3)
    gray = x.mean(1, keepdim=True)
    return (F.conv2d(gray, across).square() + F.conv2d(gray, across.mT).square()).sqrt().flatten(1)


def edge_correlation(a: Tensor, b: Tensor) -> float:
    """Correlation of edge strength between images and others, mean over the images."""
    a, b = (F.normalize(e - e.mean(1, keepdim=True), dim=1) for e in (edges(a), edges(b)))
    return (a * b).sum(1).mean().item()


class Filmed(NeuralStyleTransfer):
    """Keeps the images after some of the steps."""

    def after_update(self) -> None:
        super().after_update()
        self.film = [*getattr(self, "film", []), self.sample(len(self.pixels))]


def mmd_squared(a: Tensor, b: Tensor) -> float:
    """Squared maximum mean discrepancy of the rows of a (M, K) and b (N, K) under the kernel (u'v)^2, pair by pair."""
    return sum(w * (u @ v.T).square().mean().item() for w, u, v in ((1, a, a), (1, b, b), (-2, a, b)))


def test_gram_distance_is_a_discrepancy_of_distributions(claim):
    x, y = make("styles").splits["test"]
    filters = Filters(3, 32, 4).double()
    difference, shuffled, moved = [], [], []
    for content, style in zip(x[:8, :, :40, :40].double(), y[::8].double(), strict=True):  # 1,600 and 4,096 positions
        for f, s in zip(filters(content[None])[1], filters(style[None])[1], strict=True):
            loss = (gram(f) - gram(s)).square().sum().item()
            mmd = mmd_squared(f[0].flatten(1).T, s[0].flatten(1).T)
            difference.append(abs(loss - mmd) / mmd)
            again = f.flatten(2)[..., torch.randperm(f[0, 0].numel())].view_as(f)
            shuffled.append((gram(again) - gram(f)).norm().item() / gram(f).norm().item())
            moved.append((again - f).norm().item() / f.norm().item())
    claim.measure("difference", max(difference))
    claim.measure("shuffled", max(shuffled), baseline=min(moved))


def test_style_arrives_and_content_survives(claim):
    model = run(Filmed, {"steps": 200}, task=make("styles"), evaluate=False).model
    x, content, style = model.sample(16), model.content, model.style
    with torch.no_grad():
        before, after = (model.perceptual(i, content, style)["style"].item() for i in (content, x))
        each = [
            model.perceptual(x[i : i + 1], content[i : i + 1], style[i : i + 1])["style"].item()
            / model.perceptual(*[content[i : i + 1]] * 2, style[i : i + 1])["style"].item()
            for i in range(16)
        ]
    claim.measure("style_loss", after, baseline=before)
    claim.measure("worst_pair", max(each))
    claim.measure("edges", edge_correlation(x, content), baseline=edge_correlation(style, content))

    fig, ax = figure(6.6, 2.9)
    blank = torch.full_like(x[:1], torch.nan)
    rows = [blank, style[::2], content[:1], x[::2], content[1:2], x[1::2]]
    show_images(ax, torch.cat(rows), columns=9)
    claim.figure(
        "hero",
        fig,
        caption="Two photographs (left) in eight styles (top). Nothing was trained: each image started as the "
        "photograph, and 200 steps moved its pixels until average products of filter responses were the style's.",
        alt="A table of images: eight style pictures across, two photographs down, and each photograph in each style.",
    )

    noise = run(
        Filmed, {"steps": 100, "images": 3, "start": "noise", "content_weight": 0.2},
        task=pairs([2, 4, 0], [1]), evaluate=False,
    ).model  # fmt: skip
    at = [0, 9, 19, 39, 99]
    frames = torch.stack([noise.film[i] for i in at], 1)
    fig, ax = figure(5.4, 2.6)
    show_images(ax, torch.cat([noise.content[:, None], frames, noise.style[:, None]], 1).flatten(0, 1), columns=7)
    for i, name in enumerate(["content", *(f"{i + 1} step{'s' * (i > 0)}" for i in at), "style"]):
        ax.text(65 * i + 32, -4, name, ha="center", va="bottom", fontsize=7)
    claim.figure(
        "film",
        fig,
        caption="From noise. Edges of the content come out within twenty steps; after that the style's bands and "
        "colors settle along them.",
        alt="Three rows of seven images: a photograph, noise that becomes the photograph in the style, and the style.",
    )


def test_more_style_is_less_content(claim):
    weights, task = [10.0, 1.0, 0.1, 0.01, 0.001], pairs([0, 2, 4, 6], [0, 1])
    kept, style, content, shown = [], [], [], []
    for weight in weights:
        settings = {"images": 8, "content_weight": weight, "steps": 120, "start": "noise"}
        result = run(NeuralStyleTransfer, settings, task=task, evaluate=False)
        x = result.model.sample(8)
        kept.append(edge_correlation(x, result.model.content))
        style.append(result.history[-1]["style"])
        content.append(result.history[-1]["content"])
        shown.append(x)
    claim.measure("kept", kept[-1], baseline=kept[0])
    claim.measure("style_loss", style[-1], baseline=style[0])
    claim.measure("content_loss_rises", sum(b > a for a, b in pairwise(content)))

    fig, (left, right) = figure(7.2, 2.2, columns=2, width_ratios=[2.4, 1])
    rows, model = [1, 7], result.model
    sheet = torch.stack([model.content[rows], *(x[rows] for x in shown), model.style[rows]], 1)
    show_images(left, sheet.flatten(0, 1), columns=7)
    for i, name in enumerate(["content", *(f"{w:g}" for w in weights), "style"]):
        left.text(65 * i + 32, -4, name, ha="center", va="bottom", fontsize=8)
    right.plot(style, content, "o-", color=PALETTE[0])
    for s, c, w in zip(style, content, weights, strict=True):
        right.annotate(f"{w:g}", (s, c), (4, 4), textcoords="offset points", fontsize=8)
    right.set(xscale="log", xlabel="style loss", ylabel="content loss", title="content weight", xlim=(0.015, 0.8))
    right.set_xticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
    right.minorticks_off()
    claim.figure(
        "tradeoff",
        fig,
        caption="The same pairs at five content weights, with a style weight of one. Every gain in style is paid for "
        "in content: on the left the photograph is merely tinted, on the right the style's texture is all there is.",
        alt="Rows of images from photograph to texture, and a curve of content loss that rises as style loss falls.",
    )
