"""Photographs, textures and faces that ship with scikit-image and scikit-learn, cut into small images."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..core.task import Task
from .images import Images

PHOTOGRAPHS = ("astronaut", "cat", "coffee", "rocket", "hubble_deep_field", "stereo_motorcycle", "camera", "coins")
TEXTURES = ("brick", "grass", "gravel")


def picture(name: str) -> Tensor:
    """A picture of scikit-image by name: (C, H, W) in [0, 1], C = 1 where it is gray."""
    from skimage import data

    x = getattr(data, name)()
    x = np.asarray(x[0] if isinstance(x, tuple) else x, dtype=np.float32) / 255
    return torch.from_numpy(x[None] if x.ndim == 2 else np.ascontiguousarray(x.transpose(2, 0, 1)))


@lru_cache(maxsize=1)
def photographs() -> dict[str, Tensor]:
    """Ten photographs by name, some of them gray: (3, H, W) in [0, 1], a few hundred pixels a side."""
    from sklearn.datasets import load_sample_images

    found = {name: picture(name).expand(3, -1, -1) for name in PHOTOGRAPHS}
    for name, x in zip(("china", "flower"), load_sample_images().images, strict=True):
        found[name] = torch.from_numpy(x.astype(np.float32).transpose(2, 0, 1)) / 255
    return found


@lru_cache(maxsize=1)
def textures() -> dict[str, Tensor]:
    """Brick, grass and gravel by name, gray: (1, 512, 512) in [0, 1]."""
    return {name: picture(name) for name in TEXTURES}


@lru_cache(maxsize=1)
def faces() -> Tensor:
    """100 faces from Labeled Faces in the Wild, gray: (100, 1, 25, 25) in [0, 1]."""
    from skimage import data

    return torch.from_numpy(data.lfw_subset()[:100]).float()[:, None]


def scaled(x: Tensor, factor: float) -> Tensor:
    """A picture (C, H, W) made smaller by averaging, so that no fine pattern turns into a coarse one."""
    return interpolate(x[None], scale_factor=factor, mode="bilinear", antialias=True)[0].clamp(0, 1)


def crops(pictures: Iterable[Tensor], size: int, each: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`each` random squares from every picture (C, H, W): (N, C, size, size), and which picture each is from (N,)."""
    rng, out, origin = np.random.default_rng(seed), [], []
    for i, x in enumerate(pictures):
        if min(x.shape[1:]) < size:
            raise ValueError(f"picture {i} is {x.shape[1]}x{x.shape[2]}: too small for squares of {size} pixels")
        for top, left in rng.integers(0, [x.shape[1] - size + 1, x.shape[2] - size + 1], (each, 2)):
            out.append(x[:, top : top + size, left : left + size])
            origin.append(i)
    return torch.stack(out), torch.tensor(origin)


def parts(x: Tensor) -> tuple[Tensor, Tensor]:
    """The left two thirds of a picture (C, H, W), to learn from, and the rest, which stays unseen."""
    cut = x.shape[2] * 2 // 3
    return x[:, :, :cut], x[:, :, cut:]


class Photos(Images):
    """Small color or gray images in [0, 1]: crops of `photos` or `textures` (32x32), `faces` (24x24), or a user's.

    Crops to learn from and held-out crops come from different parts of each picture; labels say which picture.
    """

    kind = "photo"

    def __init__(self, data: str | Path = "photos") -> None:
        if str(data) == "faces":
            x = faces()[:, :, :24, :24]
            Task.__init__(self, x[:80], x[80:], shape=[1, 24, 24], levels=256, classes=0)
        elif str(data) in ("photos", "textures"):
            source, factor = (photographs(), 0.3) if str(data) == "photos" else (textures(), 0.5)
            seen, unseen = zip(*(parts(scaled(x, factor)) for x in source.values()), strict=True)
            (x, y), (test, test_y) = crops(seen, 32, each=200), crops(unseen, 32, each=24, seed=1)
            order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
            Task.__init__(
                self, x[order], test, y=y[order], test_y=test_y,
                shape=list(x.shape[1:]), levels=256, classes=len(source),
            )  # fmt: skip
        else:
            super().__init__(data)
