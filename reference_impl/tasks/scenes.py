"""Pictures of a few colored shapes, told by captions; or what the user brings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..blocks_words import cut, vocabulary
from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .captions import COLUMNS, GRAY, ROWS, SIDE, Scene, pictures

SIZE, QUARTER = 6, SIDE // 2
"""Height and width of a shape, and of the quarter of the picture in which it lies."""
COLORS = {
    "red": (1.0, 0.1, 0.1), "green": (0.1, 0.7, 0.1), "blue": (0.1, 0.2, 1.0), "yellow": (1.0, 0.9, 0.1),
    "white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0), "purple": (0.7, 0.1, 0.9), "cyan": (0.1, 0.9, 0.9),
}  # fmt: skip
SHAPES = {
    "cross": ("..xx..", "..xx..", "xxxxxx", "xxxxxx", "..xx..", "..xx.."),
    "ring": ("xxxxxx", "x....x", "x....x", "x....x", "x....x", "xxxxxx"),
    "square": ("xxxxxx",) * 6,
    "bar": ("......", "......", "xxxxxx", "xxxxxx", "......", "......"),
    "post": ("..xx..",) * 6,
}
TONES = 0.2
"""Most by which red, green and blue of a thing differ from those of its color."""
UNSEEN = tuple(zip(COLORS, ("ring", "cross", "square", "post", "bar"), strict=False))
"""Pairs of color and shape that no training picture has, one of each shape."""
KNOWN = tuple(pair for pair in product(COLORS, SHAPES) if pair not in UNSEEN)
"""Pairs that training shows."""
PLACES = tuple(product(ROWS, COLUMNS))
"""Quarters of the picture, in the order in which one reads."""
BESIDE = ((0, 1), (2, 3), (0, 2), (1, 3))
"""Quarters side by side: left and right, left and right, above and below, above and below."""

Things = tuple[Scene, ...]
"""What is in a picture, in the order in which one reads."""


def mask(shape: str) -> Tensor:
    """Where a shape covers its square: (SIZE, SIZE) in {0, 1}."""
    return torch.tensor([[float(pixel == "x") for pixel in row] for row in SHAPES[shape]])


def imagined(
    n: int, seed: int, most: int = 2, fewest: int = 1, pairs: Sequence[tuple[str, str]] = KNOWN
) -> list[Things]:
    """n random scenes of `fewest` to `most` things, all of different pairs of color and shape; two lie side by side."""
    rng = np.random.default_rng(seed)
    counts, beside = rng.integers(fewest, most + 1, size=n).tolist(), rng.integers(len(BESIDE), size=n).tolist()
    which = rng.random((n, len(pairs))).argsort(1)[:, :most].tolist()
    anywhere = rng.random((n, len(PLACES))).argsort(1).tolist()
    out = []
    for count, side, row, free in zip(counts, beside, which, anywhere, strict=True):
        at = BESIDE[side] if count == 2 else sorted(free[:count])
        out.append(tuple(Scene(*pairs[i], *PLACES[q]) for i, q in zip(row, at, strict=False)))
    return out


def rendered(scenes: Sequence[Things], seed: int) -> Tensor:
    """A picture of each scene, (N, 3, SIDE, SIDE) in [0, 1]; exact place and tone of each thing are random."""
    # numbers of their own, so that nothing depends on what was drawn for the scenes
    rng = np.random.default_rng([seed, 1])
    row, thing = zip(*((i, thing) for i, things in enumerate(scenes) for thing in things), strict=True)
    tone = torch.from_numpy(rng.uniform(-TONES, TONES, (len(thing), 3)).astype(np.float32))
    paint = (torch.tensor([COLORS[t.color] for t in thing]) + tone).clamp(0, 1) - GRAY
    masks = {shape: mask(shape) for shape in SHAPES}
    cover = torch.stack([masks[t.shape] for t in thing])
    quarter = torch.tensor([PLACES.index(t[2:]) for t in thing])
    corner = torch.stack([quarter // 2, quarter % 2], 1) * QUARTER
    corner = corner + torch.from_numpy(rng.integers(QUARTER - SIZE + 1, size=(len(thing), 2)))
    spread = torch.arange(SIZE)
    down, right = corner[:, 0, None, None] + spread[:, None], corner[:, 1, None, None] + spread
    images = torch.full((len(scenes), SIDE, SIDE, 3), GRAY)
    images[torch.tensor(row)[:, None, None], down, right] += cover[..., None] * paint[:, None, None]
    return images.permute(0, 3, 1, 2).contiguous()


def drawn(
    n: int, seed: int, most: int = 2, fewest: int = 1, pairs: Sequence[tuple[str, str]] = KNOWN
) -> tuple[Tensor, list[Things]]:
    """n random pictures (n, 3, SIDE, SIDE) and what is in them."""
    scenes = imagined(n, seed, most, fewest, pairs)
    return rendered(scenes, seed), scenes


def name(thing: Scene) -> str:
    """A thing in words, without its place.

    >>> name(Scene("green", "ring", "top", "left"))
    'a green ring'
    """
    return f"a {thing.color} {thing.shape}"


@cache
def captions(things: Things) -> tuple[str, ...]:
    """All true captions: the only thing, or how two that lie side by side lie to each other, told from either one.

    >>> captions((Scene("green", "ring", "top", "left"), Scene("red", "cross", "top", "right")))
    ('a green ring left of a red cross', 'a red cross right of a green ring')
    """
    if len(things) == 1:
        return (name(things[0]),)
    at = {PLACES.index(thing[2:]): thing for thing in things}
    told = []
    for first, second in BESIDE:
        if first in at and second in at:
            words = ("left of", "right of") if second == first + 1 else ("above", "below")
            a, b = name(at[first]), name(at[second])
            told += [f"{a} {words[0]} {b}", f"{b} {words[1]} {a}"]
    return tuple(told)


def chosen(of: Callable[[Things], Sequence[str]], scenes: Sequence[Things], seed: int) -> list[str]:
    """One of the texts that there are of each scene, at random."""
    rng = np.random.default_rng([seed, 2])
    return [texts[rng.integers(len(texts))] for texts in map(of, scenes)]


class Scenes(Task):
    """Captions (x), strings, of pictures (y), (N, C, H, W) in [0, 1].

    By default 16x16 pictures of one or two crosses, rings and squares in four colors, told as `a red cross` or
    `a red cross left of a green ring`; three pairs of color and shape are never shown. data: a folder of images of one
    size, with a file captions.csv (lines `file name,caption`) or a text file beside each image; every fifth image is
    held out.
    """

    kind = "strings"

    def __init__(self, data: str | Path = "scenes", ordered: bool = False) -> None:
        self.built_in = str(data) == "scenes"
        if self.built_in:
            (y, scenes), (test_y, self.scenes) = drawn(6000, seed=0), drawn(400, seed=1)
            x, test_x = chosen(captions, scenes, seed=0), chosen(captions, self.scenes, seed=1)
            if ordered:
                x, test_x = ([captions(things)[0] for things in each] for each in (scenes, self.scenes))
        else:
            y, x, test_y, test_x = fifth_held_out(*told(data))
        every = [*x, *test_x]
        super().__init__(
            x, test_x, y=y, test_y=test_y, shape=list(y.shape[1:]), words=vocabulary(every),
            context=max(len(cut(text)) for text in every) + 2, conditional=True,
        )  # fmt: skip

    def evaluate(self, model: Reference) -> list[Score]:
        """Share of held-out pictures whose caption is true; of a user's, word by word the one that was given."""
        x, y = self.splits["test"]
        true = [captions(things) for things in self.scenes] if self.built_in else [(text,) for text in x]
        common = Counter(self.splits["train"][0]).most_common(1)[0][0]
        right, guess = (
            float(np.mean([text in texts for text, texts in zip(written, true, strict=True)]))
            for written in (model.sample(len(y), y.to(model.device)), [common] * len(x))
        )
        return [Score("true captions of held-out pictures", right, "share", "higher", guess, "the commonest caption")]


class Told(Scenes):
    """Captions (x), strings, of pictures (y), as in the task `scenes`, told in the order in which one reads.

    What is left or above comes first, so that the picture decides what the caption begins with. data: as there.
    """

    def __init__(self, data: str | Path = "scenes") -> None:
        super().__init__(data, ordered=True)


Rows = tuple[Tensor, list[str]]
"""Images and a text for each."""


def fifth_held_out(y: Tensor, x: list[str]) -> tuple[Tensor, list[str], Tensor, list[str]]:
    """Images and texts to learn from, and those of every fifth row, held out."""
    kept = [i for i in range(len(x)) if i % 5]
    return y[kept], [x[i] for i in kept], y[::5], x[::5]


def told(data: str | Path) -> Rows:
    """Images and captions of a user's folder. ValueError or FileNotFoundError says what is missing."""
    images, texts = pictures(files.existing(data, ["scenes"]))
    return images, [" ".join(cut(text)) for text in texts]
