"""Claims of CLIP."""

from functools import cache
from itertools import product
from math import exp, log, sqrt

import torch
from torch import Tensor

from reference_impl.core import run
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.multimodal.clip import CLIP, contrast
from reference_impl.tasks import make
from reference_impl.tasks.scenes import COLORS, KNOWN, SHAPES, UNSEEN, Things, captions, drawn, name

TASK = cache(lambda: make("scenes"))
CLASSES = [f"a {color} {shape}" for color, shape in product(COLORS, SHAPES)]


@cache
@torch.enable_grad()
def trained(seed: int = 0) -> CLIP:
    """The default model; the claims share its runs."""
    return run(CLIP, task=TASK(), seed=seed, evaluate=False).model


def named(model: CLIP, y: Tensor, scenes: list[Things]) -> float:
    """Share of pictures of one thing that the model gives the right one of all 40 names."""
    found = model.scores(y, CLASSES).argmax(1).tolist()
    return sum(CLASSES[i] == name(things[0]) for i, things in zip(found, scenes, strict=True)) / len(scenes)


@torch.no_grad()
def test_new_pairs_are_named_without_training(claim):
    new, known = (drawn(600, seed=5, most=1, pairs=pairs) for pairs in (UNSEEN, KNOWN))
    models = [trained(seed) for seed in range(3)]
    claim.measure("new", [named(model, *new) for model in models], baseline=1 / len(CLASSES))
    claim.measure("known", [named(model, *known) for model in models], baseline=1 / len(CLASSES))

    matrix(claim)
    joint_map(claim)


def matrix(claim) -> None:
    """Eight pictures and their captions, and how well each fits each; the first three show pairs never seen."""
    alone = [drawn(1, seed=8 + i, most=1, pairs=[pair]) for i, pair in enumerate(UNSEEN[:3])]
    more, others = drawn(40, seed=3)
    kept = [i for i, things in enumerate(others) if len(things) == 2][:5]
    y = torch.cat([*(image for image, _ in alone), more[kept]])
    told = [captions(things)[0] for things in [*(scenes[0] for _, scenes in alone), *(others[i] for i in kept)]]
    share = trained().scores(y, told).softmax(0).T
    fig, (top, ax) = figure(6.4, 4.6, 2, 1, gridspec_kw={"height_ratios": [0.62, 5]}, sharex=True)
    for i, image in enumerate(y):
        pixels = image.permute(1, 2, 0).numpy()
        top.imshow(pixels, extent=(i + 0.08, i + 0.92, 0, 0.84), aspect="auto", interpolation="none")
    top.axis("off")
    top.set(ylim=(0, 0.84))
    ax.pcolormesh(share.numpy(), cmap="Blues", vmin=0, vmax=1, rasterized=True)
    for row, column in product(range(len(told)), range(len(y))):
        value = share[row, column].item()
        if value >= 0.05:
            color = "white" if value > 0.5 else "black"
            ax.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=7, color=color)
    ax.set_yticks([i + 0.5 for i in range(len(told))], [f"{t} *" if i < 3 else t for i, t in enumerate(told)])
    ax.set(xticks=[], xlim=(0, len(y)))
    ax.invert_yaxis()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    claim.figure(
        "hero",
        fig,
        caption="Eight captions and eight pictures; each row shows how a caption divides its choice among the pictures "
        "(softmax of the scores, 1 in all). Pairs of color and shape with an asterisk were never shown in training.",
        alt="A matrix of eight captions by eight small pictures with nearly all of each row on the diagonal.",
    )


def joint_map(claim) -> None:
    """Names and pictures of one thing, on the plane in which the names vary most."""
    model = trained()
    y, scenes = drawn(300, seed=9, most=1, pairs=tuple(product(COLORS, SHAPES)))
    names, pictures = model.read(CLASSES), model.look(y)
    # each kind about its own mean: pictures and texts lie in different parts of the sphere
    names, pictures = names - names.mean(0), pictures - pictures.mean(0)
    axes = torch.linalg.svd(names, full_matrices=False).Vh[:2].T
    tones = COLORS | {"white": (0.62,) * 3, "black": (0.38,) * 3}
    fig, ax = figure(6.2, 4.6)
    colors = [tones[things[0].color] for things in scenes]
    ax.scatter(*(pictures @ axes).T.numpy(), s=7, c=colors, linewidths=0, alpha=0.7, rasterized=True)
    at, pairs = names @ axes, list(product(COLORS, SHAPES))
    for marker, size, new in (("D", 26, False), ("*", 110, True)):
        rows = [i for i, pair in enumerate(pairs) if (pair in UNSEEN) == new]
        style = {"marker": marker, "s": size, "linewidths": 0.8, "edgecolors": INK}
        ax.scatter(*at[rows].T.numpy(), c=[tones[pairs[i][0]] for i in rows], **style)
    for shape in SHAPES:
        middle = at[[i for i, pair in enumerate(pairs) if pair[1] == shape]].mean(0)
        place = middle + 0.34 * middle / middle.norm()
        ax.text(*place.tolist(), shape, fontsize=10, ha="center", va="center", weight="bold")
    ax.axis("off")
    claim.figure(
        "map",
        fig,
        caption="Vectors of the 40 names (diamonds; stars for pairs never shown) and of 300 pictures (dots), in the "
        "color that they name or show, each kind about its own mean, on the plane in which the names vary most. Names "
        "lie among the pictures that they name. Crosses and posts overlap here and not in other directions.",
        alt="Regions of squares, rings, bars, crosses and posts: colored dots with diamonds of the same colors "
        "among them.",
    )


def bound(batch: int, information: float, batches: int, dim: int = 4) -> tuple[float, float]:
    """log B - L under the best scores, mean over batches and largest, for two Gaussian vectors of this information.

    Each of `dim` pairs of numbers has the correlation rho, so that the information is -dim/2 log(1 - rho^2).
    """
    rho = sqrt(1 - exp(-2 * information / dim))
    found = []
    for _ in range(batches):
        u = torch.randn(batch, dim).double()
        v = rho * u + sqrt(1 - rho**2) * torch.randn(batch, dim)
        # log p(v_j | u_i) - log p(v_j), up to a constant
        scores = v.square().sum(1) / 2 - torch.cdist(rho * u, v).square() / (2 * (1 - rho**2))
        found.append(log(batch) - contrast(scores).item())
    return sum(found) / batches, max(found)


def test_the_bound_follows_the_information_up_to_log_batch(claim):
    batch = 64
    shares = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    found = {share: bound(batch, share * log(batch), batches=200) for share in shares}
    for share, measure in ((0.25, "quarter"), (0.5, "half")):
        claim.measure(measure, found[share][0], baseline=share * log(batch))
    claim.measure("largest", max(top for _, top in found.values()), baseline=log(batch))
    claim.measure("beyond", found[2.0][0], baseline=2 * log(batch))

    fig, ax = figure(5.4, 3.0)
    for i, size in enumerate((8, 64, 512)):
        points = [share * log(64) for share in shares]
        values = [bound(size, information, batches=max(8, 3000 // size))[0] for information in points]
        ax.plot(points, values, "o-", color=PALETTE[i], markersize=3, label=f"B = {size}")
        ax.axhline(log(size), color=PALETTE[i], linewidth=0.8, linestyle=":")
    ax.plot([0, 2 * log(64)], [0, 2 * log(64)], color=INK, linewidth=0.8, linestyle="--", label="the truth")
    ax.set(xlabel="information that two Gaussian vectors have of each other, nats", ylabel="log B - L, nats")
    ax.legend()
    claim.figure(
        "bound",
        fig,
        caption="What the loss says about the mutual information, under the best scores that there can be. It "
        "follows the truth where that is well below log B (dotted) and cannot pass log B, however much there is.",
        alt="Three curves that leave the diagonal and flatten at the logarithms of 8, 64 and 512.",
    )


@torch.no_grad()
def test_exchanged_words_go_unnoticed(claim):
    y, scenes = drawn(600, seed=6, fewest=2)
    told = [captions(things)[0] for things in scenes]
    words = [text.split() for text in told]
    things = [" ".join([*w[-3:], *w[3:-3], *w[:3]]) for w in words]
    colors = [" ".join([w[0], w[-2], w[2], *w[3:-3], w[-3], w[1], w[-1]]) for w in words]
    another = told[1:] + told[:1]

    def preferred(model: CLIP, wrong: list[str]) -> float:
        """Share of pictures that the true caption fits better; captions that stay the same do not count."""
        rows = [i for i, (a, b) in enumerate(zip(told, wrong, strict=True)) if a != b]
        look, right, other = model.look(y), model.read(told), model.read(wrong)
        return ((look * right).sum(1) > (look * other).sum(1))[rows].float().mean().item()

    models = [trained(seed) for seed in range(3)]
    easy = [preferred(model, another) for model in models]
    claim.measure("things", [preferred(model, things) for model in models], baseline=easy)
    claim.measure("colors", [preferred(model, colors) for model in models], baseline=easy)

    shown = [i for i, (a, b) in enumerate(zip(told, colors, strict=True)) if a != b][:4]
    model = trained()
    fig, axes = figure(6.4, 3.6, 4, 2, gridspec_kw={"width_ratios": [1, 5]})
    for (left, right), i in zip(axes, shown, strict=True):
        show_images(left, y[i : i + 1])
        texts = [told[i], things[i], colors[i], another[i]]
        cosines = (model.look(y[i : i + 1]) @ model.read(texts).T)[0].tolist()
        right.barh(range(4), cosines, color=[PALETTE[2], *[PALETTE[1]] * 2, PALETTE[8]])
        right.set_yticks(range(4), texts)
        right.set(xlim=(-0.3, 1), xticks=[])
        right.axvline(0, color=INK, linewidth=0.6)
        right.invert_yaxis()
        right.tick_params(length=0, labelsize=7)
    right.set(xlabel="cosine of picture and caption", xticks=[0, 1])
    claim.figure(
        "order",
        fig,
        caption="Four pictures and, from above, the true caption, the same with the things exchanged, with the colors "
        "exchanged, and another picture's caption. The first three have the same words and about the same score.",
        alt="For each of four pictures three long bars of nearly equal length and one short bar.",
    )
