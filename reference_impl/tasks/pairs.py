"""Images of two domains: pairs that belong together, or two collections whose partners nobody knows.

`x` is the image to make, `y` the image it is made from, as everywhere a condition is `y`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ..core.reference import Batch, Reference
from ..core.task import Score, Task, permutation, take
from . import files
from .images import digits, tensors
from .photos import crops, parts, scaled, textures

Sides = tuple[Tensor, Tensor]
"""x and y: (N, C, H, W) each."""


def outlines(n: int, seed: int, size: int = 16) -> Sides:
    """Rectangles and ellipses in turn, hatched (x) and as outlines (y): (n, 1, size, size) each in [0, 1].

    An outline decides place, form, direction and darkness of the hatching (rectangles are dark, ellipses light), but
    not its phase, which is random: no outline has just one filling.
    """
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:size, :size].astype(np.float32)
    x, y = np.zeros((2, n, 1, size, size), np.float32)
    for i in range(n):
        radius = rng.uniform(0.28, 0.46, 2) * size
        top, left = rng.uniform(radius, size - 1 - radius)
        across, down = np.abs(row - top) / radius[0], np.abs(column - left) / radius[1]
        # a rectangle this much smaller covers as much as the ellipse
        inside = np.hypot(across, down) <= 1 if i % 2 else np.maximum(across, down) <= np.sqrt(np.pi) / 2
        around = [np.roll(inside, shift, axis) for shift in (1, -1) for axis in (0, 1)]
        stripes = np.sin(2 * np.pi * ((row + column if i % 2 else row - column) / 4 + rng.uniform()))
        x[i] = inside * ((0.35 if i % 2 else 0.65) + 0.3 * stripes)
        y[i] = inside & ~np.logical_and.reduce(around)
    return torch.from_numpy(x), torch.from_numpy(y)


def blurred(x: Tensor, sigma: float = 1.5) -> Tensor:
    """A picture (C, H, W) under a Gaussian of `sigma` pixels."""
    reach = torch.arange(-5.0, 6.0)
    bell = torch.softmax(-reach.square() / (2 * sigma**2), 0)
    for kernel in (bell.view(1, 1, 11, 1), bell.view(1, 1, 1, 11)):
        margin = [d // 2 for d in (kernel.shape[3], kernel.shape[3], kernel.shape[2], kernel.shape[2])]
        x = conv2d(pad(x[:, None], margin, mode="reflect"), kernel)[:, 0]
    return x


def drawn() -> tuple[Sides, Sides]:
    """Outlines and hatched shapes, to learn from and held out; no outline is in both."""
    (x, y), (more, more_y) = outlines(2000, seed=0), outlines(2000, seed=1)
    seen = {row.numpy().tobytes() for row in y}
    new = [i for i, row in enumerate(more_y) if row.numpy().tobytes() not in seen]
    # rectangles are fewer than ellipses among them; take turns again
    turns = [i for pair in zip(*([i for i in new if i % 2 == k] for k in (0, 1)), strict=False) for i in pair][:200]
    return (x, y), (more[turns], more_y[turns])


def sharpened() -> tuple[Sides, Sides]:
    """Textures (x) and the same under a blur (y), 16x16; held-out ones come from another part of each texture."""
    small = [scaled(x, 0.5) for x in textures().values()]
    # all to one brightness and contrast, two standard deviations within [0, 1]
    both = [torch.cat([x, blurred(x)]) for x in (((x - x.mean()) / (4 * x.std()) + 0.5).clamp(0, 1) for x in small)]
    seen, unseen = zip(*(parts(x) for x in both), strict=True)
    learn, held_out = crops(seen, 16, each=600)[0], crops(unseen, 16, each=80, seed=1)[0]
    return (learn[:, :1], learn[:, 1:]), (held_out[:, :1], held_out[:, 1:])


def inverted() -> tuple[Sides, Sides]:
    """Digits (x) and the same with ink and paper exchanged (y): the true map is y -> 1 - y."""
    x = digits()[0]
    return (x[360:], 1 - x[360:]), (x[:360], 1 - x[:360])


BUILT_IN: dict[str, Callable[[], tuple[Sides, Sides]]] = {"outlines": drawn, "sharpen": sharpened, "digits": inverted}
"""Pairs by name: ((x, y) to learn from, (x, y) held out)."""


class Pairs(Task):
    """Images x and their partners y: outlines to fill unless told otherwise; every fifth pair of a user's is held out.

    data: outlines, sharpen or digits; a folder with two folders of images of one size, paired by file name, of which
    the first by name is y (given) and the second x (to make); an .npz with image arrays x and y, paired by row.
    """

    kind = "image"

    def __init__(self, data: str | Path = "outlines") -> None:
        if str(data) in BUILT_IN:
            (x, y), (test, test_y) = BUILT_IN[str(data)]()
        else:
            x, y, names = two_sides(data)
            paired(data, names)
            kept, held_out = split(len(x))
            (x, test), (y, test_y) = ((side[kept], side[held_out]) for side in (x, y))
        super().__init__(x, test, y=y, test_y=test_y, **facts(x, y))

    def evaluate(self, model: Reference) -> list[Score]:
        """Distance to the held-out partners, and of the spectra."""
        x, y = self.splits["test"]
        made = model.sample(len(y), y.to(model.device)).cpu()
        known = y if y.shape == x.shape else self.splits["train"][0].mean(0, keepdim=True).expand_as(x)
        against = "copying y" if y.shape == x.shape else "the mean image"
        return [
            Score("L1 distance", l1(made, x), "of 1", "lower", l1(known, x), against),
            Score("spectrum error", spectrum_error(made, x), "decades", "lower", spectrum_error(known, x), against),
        ]


class Unpaired(Pairs):
    """Two collections, of which x and y of a batch are drawn independently; digits and inverted digits by default.

    data: digits, outlines or sharpen, whose held-out partners are known, for judging alone, and of which a training
    digit is on one side only; a folder with two folders of images of one size, of which the first by name is y (given)
    and the second x (to make); an .npz with image arrays x and y. Names and numbers of images need not match.
    """

    def __init__(self, data: str | Path = "digits") -> None:
        self.known = str(data) in BUILT_IN
        if self.known:
            super().__init__(data)
            if str(data) == "digits":
                x, y = self.splits["train"]
                self.splits["train"] = (x[::2], y[1::2])
            return
        x, y, _ = two_sides(data)
        (x, test), (y, test_y) = ((side[kept], side[out]) for side in (x, y) for kept, out in [split(len(side))])
        n = min(len(test), len(test_y))
        Task.__init__(self, x, test[:n], y=y, test_y=test_y[:n], **facts(x, y))

    def batch(self, stream: str, step: int, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """Like a task's own, with an order of its own for each side."""
        if stream == "test":
            return super().batch(stream, step, size, seed=seed, rank=rank, world=world)
        sides, size = self.splits[stream], min(size, *map(len, self.splits[stream]))

        def rows(n: int, key: int) -> np.ndarray:
            epoch, i = divmod(step, n // size)
            return permutation(n, key, epoch)[i * size : (i + 1) * size][rank::world]

        # any number that no other seed is near keeps the two orders independent
        return Batch(*(take(side, rows(len(side), seed + k * 2**32)) for k, side in enumerate(sides)))

    def evaluate(self, model: Reference) -> list[Score]:
        """As for pairs where the partners are known, else the spectrum alone; and the round trip of what has one."""
        x = self.splits["test"][0]
        scores = super().evaluate(model)
        scores = scores if self.known else scores[1:]
        if hasattr(model, "reconstruct"):
            back = model.reconstruct(x.to(model.device)).cpu()
            mean = self.splits["train"][0].mean(0, keepdim=True)
            scores.append(Score("round trip L1", l1(back, x), "of 1", "lower", l1(mean, x), "the mean image"))
        return scores


def l1(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference per pixel."""
    return (a - b).abs().mean().item()


def spectrum(x: Tensor) -> Tensor:
    """Mean power of images (N, C, H, W) on rings of 1, 2, ... min(H, W)/2 cycles per image: (rings,)."""
    power = torch.fft.fft2(x).abs().square().mean((0, 1))
    side = min(x.shape[2:])
    frequency = torch.hypot(*torch.meshgrid(*(torch.fft.fftfreq(n) for n in x.shape[2:]), indexing="ij"))
    ring = (frequency * side).round().long()
    return torch.stack([power[ring == k].mean() for k in range(1, side // 2 + 1)])


def spectrum_error(a: Tensor, b: Tensor) -> float:
    """Mean distance of log10 power over the top octave, from a quarter to half a cycle per pixel; 0 is best."""
    top = [spectrum(x).clamp(min=1e-12).log10()[max(0, min(x.shape[2:]) // 4 - 1) :] for x in (a, b)]
    return l1(*top)


def facts(x: Tensor, y: Tensor) -> dict[str, object]:
    """What the data decides."""
    return {"shape": list(x.shape[1:]), "given": list(y.shape[1:]), "levels": 256, "classes": 0, "conditional": True}


def split(n: int) -> tuple[Tensor, Tensor]:
    """Rows to learn from, and every fifth to hold out, in a fixed random order."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return order[n // 5 :], order[: n // 5]


def two_sides(data: str | Path) -> tuple[Tensor, Tensor, list[list[str]]]:
    """x and y of a user's folder or .npz, and the names of their images (rows have the names 0, 1, ...)."""
    path = files.existing(data, BUILT_IN)
    if path.is_dir():
        folders = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
        if len(folders) != 2:
            found = ", ".join(p.name for p in folders) or "none"
            raise ValueError(
                f"{path}: two folders of images are needed, the first by name y, the second x; found {found}"
            )
        (y, _), (x, _) = (files.image_folder(p) for p in folders)
        names = [[p.stem for p in images_below(f)] for f in reversed(folders)]
    else:
        found = files.arrays(path)
        if missing := [k for k in ("x", "y") if k not in found]:
            raise ValueError(
                f"{path}: no array {' and no array '.join(missing)}, found {', '.join(found)}; "
                "an .npz with image arrays x (to make) and y (to make them from) is needed"
            )
        x, y = (files.as_images(found[k], path) for k in ("x", "y"))
        names = [list(map(str, range(len(side)))) for side in (x, y)]
    if x.shape[2:] != y.shape[2:]:
        raise ValueError(f"{path}: x is {size_of(x)}, y is {size_of(y)}; bring both to one height and width")
    if min(x.shape[2:]) < 8:
        raise ValueError(f"{path}: images of {size_of(x)}; at least 8x8 are needed")
    if min(len(x), len(y)) < 5:
        raise ValueError(
            f"{path}: {len(x)} and {len(y)} images; at least 5 of each are needed, since a fifth is held out"
        )
    return tensors(x, None)[0], tensors(y, None)[0], names


def images_below(folder: Path) -> list[Path]:
    """The image files of a folder, in the order in which `files.image_folder` reads them."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in files.IMAGE_SUFFIXES)


def paired(data: str | Path, names: list[list[str]]) -> None:
    """ValueError unless both sides have the same names in the same order."""
    x, y = names
    if x == y:
        return
    if lonely := sorted(set(x) ^ set(y)):
        shown = ", ".join(lonely[:5]) + (", ..." if len(lonely) > 5 else "")
        raise ValueError(
            f"{data}: {len(x)} images x, {len(y)} images y; {len(lonely)} have no partner of the same name: {shown}; "
            "add or remove them, or use a pattern for unpaired images, such as cyclegan"
        )
    raise ValueError(
        f"{data}: two images have the same name, or names sort differently; give each pair a name of its own"
    )


def size_of(x: np.ndarray) -> str:
    """Height and width in words."""
    return f"{x.shape[2]}x{x.shape[3]}"
