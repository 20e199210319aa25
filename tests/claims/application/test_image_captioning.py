"""Claims of image captioning. A caption is right if it is one of the true captions of the scene."""

import re
from collections import Counter
from functools import cache

import torch
from torch import Tensor

from reference_impl.application.image_captioning import ImageCaptioner
from reference_impl.core import run
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.tasks import make
from reference_impl.tasks.scenes import PLACES, UNSEEN, Things, captions, drawn, name

TASK = cache(lambda: make("told"))
PICTURES = cache(lambda: drawn(500, seed=11, fewest=2))
"""Held-out pictures of two things."""


@cache
@torch.enable_grad()
def trained(task: str, seed: int = 0) -> ImageCaptioner:
    """The default model on captions in reading order ("told") or from either thing ("scenes")."""
    return run(ImageCaptioner, task=TASK() if task == "told" else make("scenes"), seed=seed, evaluate=False).model


@cache
def written(task: str, seed: int = 0) -> list[str]:
    """Its captions of the held-out pictures."""
    return trained(task, seed).sample(500, PICTURES()[0])


def right(texts: list[str], scenes: list[Things]) -> float:
    """Share of captions that are true and name all that is there."""
    return sum(text in captions(things) for text, things in zip(texts, scenes, strict=True)) / len(scenes)


def test_captions_are_fully_correct(claim):
    y, scenes = PICTURES()
    known, shown = TASK().splits["train"]
    nearest = [known[i] for i in torch.cdist(y.flatten(1), shown.flatten(1)).argmin(1).tolist()]
    common = Counter(text for text in known if len(text.split()) > 3).most_common(1)[0][0]
    shares = [right(written("told", seed), scenes) for seed in range(2)]
    claim.measure("correct", shares, baseline=right(nearest, scenes))
    claim.measure("common", shares, baseline=right([common] * len(scenes), scenes))

    fig, axes = figure(6.6, 3.2, 2, 4)
    for ax, image, ours, other in zip(axes.flat, y, written("told"), nearest, strict=False):
        show_images(ax, image[None])
        first, second = (text.replace(" of a ", " of\na ").replace(" above a ", " above\na ") for text in (ours, other))
        ax.set_title(first, fontsize=8, color=PALETTE[2])
        ax.text(0.5, -0.06, second, transform=ax.transAxes, fontsize=7, ha="center", va="top", color=PALETTE[8])
    claim.figure(
        "captions",
        fig,
        caption="The first eight held-out pictures of two things. Above: what the model writes. Below, in gray: the "
        "caption of the most similar training picture, pixel by pixel.",
        alt="Eight pictures of two colored shapes, with a right caption above and an often wrong one below each.",
    )


def looked(model: ImageCaptioner, y: Tensor, scenes: list[Things], texts: list[str]) -> tuple[float, float, float]:
    """Of colors and shapes in true captions: share whose most watched cell lies in the thing's quarter; the share of
    all attention that lies there; the share that evenly spread attention would have there."""
    hits, mass, even = [], [], []
    rows = [i for i, text in enumerate(texts) if text in captions(scenes[i])]
    weights = model.attention([texts[i] for i in rows], y[rows])
    height, width = weights.shape[2:]
    for i, each in zip(rows, weights, strict=True):
        words = texts[i].split()
        for start in (0, len(words) - 3):
            (thing,) = (t for t in scenes[i] if name(t).split() == words[start : start + 3])
            top, left = divmod(PLACES.index(thing[2:]), 2)
            inside = torch.zeros(height, width)
            inside[top * height // 2 : (top + 1) * height // 2, left * width // 2 : (left + 1) * width // 2] = 1
            for a in each[start + 1 : start + 3]:
                hits.append(inside.flatten()[a.argmax()].item())
                mass.append((a * inside).sum().item())
                even.append(inside.mean().item())
    return sum(hits) / len(hits), sum(mass) / len(mass), sum(even) / len(even)


def test_attention_lies_on_what_is_named(claim):
    y, scenes = PICTURES()
    found = [looked(trained("told", seed), y, scenes, written("told", seed)) for seed in range(2)]
    hits, mass, even = zip(*found, strict=True)
    claim.measure("pointing", list(hits), baseline=even[0])
    claim.measure("share", list(mass), baseline=even[0])

    texts = written("told")
    kept = [i for i, text in enumerate(texts) if text in captions(scenes[i]) and len(text.split()) == 8][:3]
    fig, axes = figure(6.8, 3.0, 3, 9)
    for row, i in zip(axes, kept, strict=True):
        (weights,) = trained("told").attention([texts[i]], y[i : i + 1])
        show_images(row[0], y[i : i + 1])
        for ax, word, a in zip(row[1:], texts[i].split(), weights, strict=False):
            pixels = y[i].permute(1, 2, 0)
            light = a.repeat_interleave(4, 0).repeat_interleave(4, 1) / a.max()
            # where nothing is looked at, the picture is dark
            ax.imshow((pixels * (0.15 + 0.85 * light[..., None])).numpy(), interpolation="none")
            ax.set_title(word)
            ax.axis("off")
    claim.figure(
        "hero",
        fig,
        caption="Three held-out pictures, what the model writes, and where it looks before each word (bright cells "
        "have the largest weights). For a color and a shape it looks at the thing that it names.",
        alt="Three rows: a picture of two shapes, and eight darkened copies with the attended part bright, each under "
        "its word.",
    )


def test_captions_that_begin_anywhere_are_learned_worse(claim):
    _, scenes = PICTURES()
    claim.measure("correct", right(written("scenes"), scenes), baseline=right(written("told"), scenes))


def test_new_pairs_are_mostly_misnamed(claim):
    y, scenes = drawn(500, seed=12, fewest=2, pairs=UNSEEN)
    texts = [trained("told", seed).sample(500, y) for seed in range(2)]
    known = [right(written("told", seed), PICTURES()[1]) for seed in range(2)]
    claim.measure("correct", [right(each, scenes) for each in texts], baseline=known)
    used = [[pair in UNSEEN for text in each for pair in re.findall(r"a (\w+) (\w+)", text)] for each in texts]
    claim.measure("used", [sum(each) / len(each) for each in used], baseline=1.0)
