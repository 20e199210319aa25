"""Photographs to stylize, and pictures to take the style from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .photos import crops, photographs, picture, scaled, textures

SIZE = 64
ROWS = 1024
UNSEEN_CONTENTS = ("astronaut", "cat", "china", "flower")
UNSEEN_STYLES = ("mosaic", "waves", "immunohistochemistry", "dots", "retina", "gravel", "page", "flower")
SEEN_STYLES = ("brick", "grass", "moon", "colorwheel")
"""Photographs that are no unseen contents serve as styles to learn from as well."""


def mosaic(side: int = 128) -> Tensor:
    """A stained-glass window, cells of one color each between dark lines: (3, side, side) in [0, 1]."""
    rng = np.random.default_rng(0)
    palette = np.array([[0.85, 0.2, 0.15], [0.95, 0.75, 0.2], [0.1, 0.35, 0.65], [0.9, 0.9, 0.8], [0.15, 0.55, 0.4]])
    centers, ink = rng.random((90, 2)) * side, palette[rng.integers(0, 5, 90)]
    distance = np.linalg.norm(np.stack(np.mgrid[:side, :side], -1)[:, :, None] - centers, axis=-1)
    first, second = np.sort(distance, -1)[..., :2].transpose(2, 0, 1)
    return rgb(ink[distance.argmin(-1)] * (1 - 0.85 * np.exp(-(((second - first) / 2) ** 2)))[..., None])


def waves(side: int = 128) -> Tensor:
    """Winding bands of five colors: (3, side, side) in [0, 1]."""
    y, x = np.mgrid[:side, :side] / side
    palette = np.array([[0.05, 0.1, 0.35], [0.15, 0.4, 0.7], [0.6, 0.8, 0.9], [1, 0.85, 0.4], [0.9, 0.5, 0.15]])
    band = (24 * y + 1.8 * np.sin(7 * x + 5 * y) + 1.2 * np.sin(13 * x - 4 * y + 1)) % 5
    blend = np.clip(4 * (band % 1) - 3, 0, 1)[..., None]
    return rgb(palette[band.astype(int)] * (1 - blend) + palette[(band.astype(int) + 1) % 5] * blend)


def dots(side: int = 128) -> Tensor:
    """A halftone print, red dots of changing size on cream: (3, side, side) in [0, 1]."""
    y, x = np.mgrid[:side, :side]
    from_center = np.hypot((x + y) / 2**0.5 % 10 - 5, (x - y) / 2**0.5 % 10 - 5)
    ink = np.clip(3.1 + 1.5 * np.sin(x / 37) * np.cos(y / 29) - from_center, 0, 1)[..., None]
    return rgb(ink * [0.8, 0.1, 0.3] + (1 - ink) * [0.98, 0.93, 0.8])


def rgb(x: np.ndarray) -> Tensor:
    """(H, W, 3) -> (3, H, W), float32."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1), dtype=np.float32))


DRAWN = {"mosaic": mosaic, "waves": waves, "dots": dots}


def named(names: Iterable[str]) -> list[Tensor]:
    """Drawn patterns, photographs, textures and other pictures of scikit-image by name: (3, H, W) each."""
    known = {**photographs(), **textures()}
    found = (DRAWN[n]() if n in DRAWN else known[n] if n in known else picture(n) for n in names)
    return [x.expand(3, -1, -1) for x in found]


def views(pictures: Sequence[Tensor], size: int, zooms: Sequence[float], each: int = 0, seed: int = 0) -> Tensor:
    """`each` random squares from every picture at every zoom, picture by picture: (N, 3, size, size).

    By default as many as make up 1,024 or just above. Zoom 1 makes the picture's shorter side as long as the
    square; pictures are not made larger than they are unless they are smaller than the square.
    """
    out, each = [], each or -(-ROWS // (len(pictures) * len(zooms)))
    for i, x in enumerate(pictures):
        short = min(x.shape[1:])
        sides = [max(size, min(short, round(zoom * size))) for zoom in zooms]
        shrunk = [x if s == short else scaled(x, (s + 0.01) / short) for s in sides]
        out.append(crops(shrunk, size, each, seed=seed + i)[0])
    return torch.cat(out)


def recolored(x: Tensor, seed: int = 0) -> Tensor:
    """Every image (N, 3, H, W) under a random linear map of its colors, so that a few pictures give many palettes."""
    g = torch.Generator().manual_seed(seed)
    mix, middle = torch.randn(len(x), 3, 3, generator=g), 0.3 + 0.4 * torch.rand(len(x), 3, 1, 1, generator=g)
    return (torch.einsum("nij,njhw->nihw", mix, x - 0.5) + middle).clamp(0, 1)


def shuffled(x: Tensor) -> Tensor:
    """1,024 rows in a fixed random order."""
    return x[torch.from_numpy(np.random.default_rng(len(x)).permutation(len(x))[:ROWS])]


def read(folder: Path) -> list[Tensor]:
    """All images below a folder, whatever their sizes, in order of their names: (3, H, W) each, 256 pixels or less."""
    from PIL import Image

    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in files.IMAGE_SUFFIXES)
    if not found:
        raise ValueError(f"{folder}: no images here; read are {', '.join(sorted(files.IMAGE_SUFFIXES))}")
    out = []
    for p in found:
        try:
            with Image.open(p) as im:
                im.thumbnail((256, 256))
                out.append(rgb(np.asarray(im.convert("RGB"), dtype=np.float32) / 255))
        except OSError as err:
            raise ValueError(f"{p}: not an image that can be read ({err})") from None
    return out


def split(pictures: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Pictures to learn from and every fifth, held out; fewer than five serve as both."""
    if len(pictures) < 5:
        return pictures, pictures
    return [x for i, x in enumerate(pictures) if i % 5], pictures[::5]


class Styles(Task):
    """Contents (N, 3, S, S) with a style (N, 3, S, S) for each, both in [0, 1].

    Built in are crops of photographs and styles of textures, photographs and drawn patterns (64x64). Users give a
    folder with subfolders `content` and `style`, or any images as contents for the built-in styles. The test split
    has up to eight contents in each of up to eight styles, from pictures that training does not see; where a user
    gives fewer than five pictures, they serve both.
    """

    kind = "photo"

    def __init__(self, data: str | Path = "photos") -> None:
        seen = [n for n in photographs() if n not in UNSEEN_CONTENTS]
        contents, styles = (named(seen), named(UNSEEN_CONTENTS)), (named([*SEEN_STYLES, *seen]), named(UNSEEN_STYLES))
        size, path, recolor = SIZE, Path(data), True
        if (path / "content").is_dir() and (path / "style").is_dir():
            contents, styles, recolor = split(read(path / "content")), split(read(path / "style")), False
        elif path.is_dir():
            contents = split(read(path))
        elif str(data) != "photos":
            found = torch.from_numpy(files.images(data)[0][0][:ROWS])
            if min(found.shape[2:]) < 8:
                raise ValueError(
                    f"{data}: images of {tuple(found.shape[2:])}; style transfer needs at least 8 pixels a side"
                )
            contents, size = split(list(found.expand(-1, 3, -1, -1))), min(SIZE, *(s // 4 * 4 for s in found.shape[2:]))
        x = shuffled(views(contents[0], size, (1.1, 1.6, 2.4)))
        y = shuffled(views(styles[0], size, (1.3, 1.8), seed=100))
        unseen = views(contents[1][:4], size, (1.1, 1.7), each=1, seed=200)
        of = views(styles[1][:8], size, (1.5,), each=1, seed=300)
        super().__init__(
            x, unseen.repeat(len(of), 1, 1, 1), y=recolored(y) if recolor else y,
            test_y=of.repeat_interleave(len(unseen), 0), shape=list(x.shape[1:]),
        )  # fmt: skip

    def evaluate(self, model: Reference) -> list[Score]:
        """Both losses of the model's samples, beside those of the contents as they are."""
        if not hasattr(model, "perceptual"):
            return []
        n = len(model.content)  # type: ignore[arg-type]
        x, content, style = model.sample(n), model.content, model.style
        done, before = model.perceptual(x, content, style), model.perceptual(content, content, style)  # type: ignore[operator]
        return [
            Score("style loss", done["style"].item(), "1", "lower", before["style"].item(), "the contents as they are"),
            Score("content loss", done["content"].item(), "1", "lower"),
        ]
