"""Images with captions: a colored shape somewhere in the image, or what the user brings."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

SIDE, SIZE = 16, 8
"""Height and width of an image and of a shape, in pixels."""
COLORS = {"red": (1.0, 0.1, 0.1), "green": (0.1, 0.8, 0.1), "blue": (0.2, 0.3, 1.0), "yellow": (1.0, 0.9, 0.1)}
SHAPES = ("cross", "ring", "square")
ROWS, COLUMNS = ("top", "bottom"), ("left", "right")
GRAY = 0.5
"""Of the background, in all three colors."""
UNSEEN = frozenset({("red", "ring"), ("blue", "cross"), ("yellow", "square")})
"""Pairs of color and shape that no training image has."""


class Scene(NamedTuple):
    """What a caption says: four attributes."""

    color: str
    shape: str
    row: str
    column: str

    def caption(self, place_first: bool = False) -> str:
        """In words, in one of two orders.

        >>> Scene("green", "ring", "top", "left").caption()
        'a green ring at the top left'
        """
        thing, place = f"a {self.color} {self.shape}", f"at the {self.row} {self.column}"
        return f"{place} {thing}" if place_first else f"{thing} {place}"

    @property
    def unseen(self) -> bool:
        """Whether no training image has this color with this shape."""
        return (self.color, self.shape) in UNSEEN


SCENES = [Scene(*each) for each in product(COLORS, SHAPES, ROWS, COLUMNS)]
"""All that the captions can say."""


def mask(shape: str) -> Tensor:
    """Where a shape covers its square: (SIZE, SIZE) in {0, 1}. A cross lacks the corners, a ring the middle."""
    inner = (torch.arange(SIZE) - (SIZE - 1) / 2).abs() < SIZE / 4
    if shape == "cross":
        return (inner[:, None] | inner).float()
    if shape == "ring":
        return (~(inner[:, None] & inner)).float()
    return torch.ones(SIZE, SIZE)


@cache
def renderings() -> tuple[list[Scene], Tensor]:
    """Every image that there can be, and what is on it: (n, 3, SIDE, SIDE) in [0, 1].

    A caption leaves the exact place open: a shape's middle may be at four places in its quarter of the image.
    """
    told, images = [], []
    for scene in SCENES:
        paint = (torch.tensor(COLORS[scene.color]) - GRAY)[:, None, None] * mask(scene.shape)
        for down, right in product(range(0, SIZE // 2, 2), repeat=2):
            top = down if scene.row == "top" else SIDE - SIZE - down
            left = right if scene.column == "left" else SIDE - SIZE - right
            image = torch.full((3, SIDE, SIDE), GRAY)
            image[:, top : top + SIZE, left : left + SIZE] += paint
            told.append(scene)
            images.append(image)
    return told, torch.stack(images)


def drawn(n: int, seed: int, unseen: bool = False) -> tuple[Tensor, list[Scene]]:
    """n random images and what is on them, scenes evenly; either none or all show a pair that training never has."""
    rng = np.random.default_rng(seed)
    told, images = renderings()
    places: dict[Scene, list[int]] = {}
    for i, scene in enumerate(told):
        places.setdefault(scene, []).append(i)
    which = [scene for scene in SCENES if scene.unseen == unseen]
    rows = [rng.choice(places[which[i]]) for i in rng.integers(len(which), size=n)]
    return images[torch.tensor(rows)], [told[i] for i in rows]


def captions(scenes: Sequence[Scene], seed: int) -> list[str]:
    """A caption for each, in a random order of thing and place."""
    order = np.random.default_rng(seed).integers(2, size=len(scenes))
    return [s.caption(bool(b)) for s, b in zip(scenes, order, strict=True)]


def seen(images: Tensor) -> list[Scene | None]:
    """What is on each image (N, 3, SIDE, SIDE): the scene of the nearest image that there can be.

    None where the empty image is nearer still, as for a shape that is drawn less than half.
    """
    told, known = renderings()
    known = torch.cat([known, torch.full_like(known[:1], GRAY)])
    nearest = torch.cdist(images.clamp(0, 1).flatten(1), known.flatten(1)).argmin(1)
    return [[*told, None][i] for i in nearest.tolist()]


def agreement(images: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """Whether each attribute of an image is as it should be: (N, 4) in {0, 1}, in the order of `Scene`."""
    pairs = zip(seen(images), scenes, strict=True)
    return torch.tensor([[s is not None and s[i] == t[i] for i in range(len(t))] for s, t in pairs]).float()


def words(caption: str) -> list[str]:
    """Lower-case words."""
    return re.findall(r"\w+", caption.lower())


class Captions(Task):
    """Images (N, C, H, W) in [0, 1] and captions, as numbers of their words, (N, L), 0 after the last.

    By default 16x16 images of a cross, ring or square in four colors and four quarters of the image; three pairs of
    color and shape are never shown. data: a folder of images of one size, with a file captions.csv (lines
    `file name,caption`) or a text file beside each image; every fifth image is held out.
    """

    kind = "image"

    def __init__(self, data: str | Path = "shapes") -> None:
        self.built_in = str(data) == "shapes"
        if self.built_in:
            (x, scenes), (test, self.scenes) = drawn(6000, seed=0), drawn(400, seed=1)
            told, test_told = captions(scenes, seed=0), captions(self.scenes, seed=1)
        else:
            x, told = pictures(data)
            test, test_told = x[::5], told[::5]
            kept = [i for i in range(len(x)) if i % 5]
            x, told = x[kept], [told[i] for i in kept]
        self.words = sorted({w for caption in told for w in words(caption)})
        self.told = {"train": told, "test": test_told}
        longest = max(len(words(c)) for c in [*told, *test_told])
        super().__init__(
            x, test, y=self.numbers(told, longest), test_y=self.numbers(test_told, longest), shape=list(x.shape[1:]),
            words=self.words, classes=len(self.words) + 1, conditional=True,
        )  # fmt: skip

    def numbers(self, captions: Sequence[str], length: int) -> Tensor:
        """Numbers of the words, from 1; 0 for none, and for words that training does not have: (N, length)."""
        known = {w: i for i, w in enumerate(self.words, 1)}
        rows = [[known.get(w, 0) for w in words(c)] for c in captions]
        return torch.tensor([row + [0] * (length - len(row)) for row in rows])

    def evaluate(self, model: Reference) -> list[Score]:
        """Error of the first stage; and for the built-in shapes whether samples show what held-out captions say."""
        (x, _), (test, y) = self.splits["train"], self.splits["test"]
        error = (model.reconstruct(test.to(model.device)).cpu() - test).square().mean().item()  # type: ignore[operator]
        scores = [Score("reconstruction error", error, "per pixel", "lower", x.var(0).mean().item(), "the mean image")]
        if self.built_in:
            made = model.sample(len(y), y.to(model.device)).cpu()
            free = model.sample(len(y)).cpu()
            right, chance = (agreement(images, self.scenes).mean().item() for images in (made, free))
            scores.append(
                Score("attributes as the caption says", right, "share", "higher", chance, "without a caption")
            )
        return scores


def pictures(data: str | Path) -> tuple[Tensor, list[str]]:
    """Images and captions of a user's folder. ValueError or FileNotFoundError says what is missing."""
    path = files.existing(data, ["shapes"])
    if not path.is_dir():
        raise ValueError(f"{path}: no folder; bring a folder of images with captions.csv or a .txt file for each")
    x, _ = files.image_folder(path)
    images = sorted(p for p in path.rglob("*") if p.suffix.lower() in files.IMAGE_SUFFIXES)
    table = path / "captions.csv"
    if table.exists():
        lines = [line for line in csv.reader(files.text(table).splitlines()) if line]
        if short := [i for i, line in enumerate(lines, 1) if len(line) < 2]:
            raise ValueError(f"{table}: line {short[0]}: no comma; each line is `file name,caption`")
        told = {line[0].strip(): ",".join(line[1:]).strip() for line in lines}
        captions = [told.get(p.name) or told.get(p.relative_to(path).as_posix()) for p in images]
    else:
        beside = [p.with_suffix(".txt") for p in images]
        captions = [files.text(p).strip() if p.exists() else None for p in beside]
    missing = [p.name for p, c in zip(images, captions, strict=True) if not c or not words(c)]
    if missing:
        raise ValueError(
            f"{path}: {len(missing)} of {len(images)} images have no caption, the first is {missing[0]}; add them to "
            f"{table.name} (lines `file name,caption`) or as a text file beside each image"
        )
    if len(x) < 10:
        raise ValueError(f"{path}: {len(x)} images; at least 10 are needed")
    return torch.from_numpy(x), [c for c in captions if c]
