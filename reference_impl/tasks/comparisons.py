"""Two samples to compare: real observations, and those that a model made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..core.reference import Reference
from ..core.task import Score, Task
from ..trust.sample_quality_metrics import moments
from . import files
from .images import digits

MOST_NUMBERS = 4096
"""Numbers of one observation; a covariance of more takes minutes and gigabytes."""
MOST_ROWS = 5000
"""Held-out observations that are compared; distances between more do not fit into memory."""
INSTRUMENTS: dict[str, tuple[str, str]] = {
    "Frechet distance": ("data units²", "lower"),
    "KID": ("kernel units", "lower"),
    "squared MMD": ("kernel units, at most 2", "lower"),
    "precision": ("share", "higher"),
    "recall": ("share", "higher"),
    "density": ("balls per sample / k", "higher"),
    "coverage": ("share", "higher"),
    "nearest neighbor": ("share told apart, 0.5 is best", "lower"),
    "classifier": ("share told apart, 0.5 is best", "lower"),
    "divergence": ("nats, at most 0.69", "lower"),
}
"""Unit of what `compare` measures, and which way is better."""


class Comparisons(Task):
    """batch.x is real, batch.y generated, both (N, *shape); half of each is held out for the comparison.

    By default 8x8 digits and as many draws from the Gaussian with their mean and covariance. Otherwise a .npz
    file with the arrays `real` and `generated` (pixels, features, any numbers), or a folder with images in its
    subfolders `real` and `generated`. Of the larger sample only as many observations are used as the other one has.
    """

    def __init__(self, data: str | Path = "digits") -> None:
        g = torch.Generator().manual_seed(0)
        if str(data) == "digits":
            real, _ = digits()
            mean, root = moments(real[len(real) // 2 :].flatten(1))
            fake = (mean + torch.randn(len(real), len(mean), generator=g) @ root.T.float()).float().view_as(real)
        else:
            real, fake = (torch.from_numpy(x) for x in samples(data))
            real, fake = (x[torch.randperm(len(x), generator=g)] for x in (real, fake))
        n = min(len(real), len(fake))
        half = n // 2
        super().__init__(real[half:n], real[:half], y=fake[half:n], test_y=fake[:half], shape=list(real.shape[1:]))
        self.kind = "image" if real.ndim == 4 and real.shape[1] in (1, 3) else "vector"

    def evaluate(self, model: Reference) -> list[Score]:
        """Every instrument on held-out real and generated observations, beside real against other real ones."""
        (other, _), (real, fake) = self.splits["train"], self.splits["test"]
        n = min(len(real), MOST_ROWS)
        real, fake, other = (x[:n].to(model.device) for x in (real, fake, other))
        found, floor = model.compare(real, fake), model.compare(real, other)  # type: ignore[operator]
        # a classifier cannot tell real from real: its floor is known
        floor |= {"classifier": 0.5, "divergence": 0.0}
        scores = [Score(k, found[k], *INSTRUMENTS[k], floor[k], "real against real") for k in INSTRUMENTS]
        return [Score("held-out observations of each kind", n, "rows", ""), *scores]


def samples(data: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The arrays `real` and `generated` (N, *shape), float32, of a .npz file or a folder of images.

    Bytes become numbers in [0, 1], images channels first. ValueError or FileNotFoundError says what cannot be compared.
    """
    path = files.existing(data, ["digits"])
    if path.is_dir():
        if missing := [name for name in ("real", "generated") if not (path / name).is_dir()]:
            raise FileNotFoundError(f"{path}: no subfolder {' and no '.join(missing)}; images belong into both")
        real, fake = (files.image_folder(path / name)[0] for name in ("real", "generated"))
    else:
        found = files.arrays(path)
        if not {"real", "generated"} <= found.keys():
            raise ValueError(
                f"{path}: holds {', '.join(found) or 'nothing'}; a .npz file with arrays real and generated is needed"
            )
        real, fake = found["real"], found["generated"]
    for name, x in (("real", real), ("generated", fake)):
        if x.ndim < 2 or not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x):
            raise ValueError(f"{path}: {name} is {x.dtype} of shape {x.shape}; rows of numbers are needed")
        if not np.isfinite(x).all():
            bad = int((~np.isfinite(x)).reshape(len(x), -1).any(1).sum())
            raise ValueError(f"{path}: {name} holds NaN or infinite values in {bad} rows; take them out first")
        if len(x) and (x == x[0]).all():
            raise ValueError(f"{path}: all observations of {name} are equal; there is no distribution to compare")
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"{path}: real has observations of shape {real.shape[1:]}, generated of {fake.shape[1:]}; make them alike"
        )
    if (real.dtype == np.uint8) != (fake.dtype == np.uint8):
        raise ValueError(f"{path}: real is {real.dtype}, generated {fake.dtype}; bring both to one scale and type")
    size = int(np.prod(real.shape[1:]))
    if size > MOST_NUMBERS:
        raise ValueError(
            f"{path}: {size:,} numbers an observation, at most {MOST_NUMBERS:,}; shrink images or bring their features"
        )
    least = max(100, 2 * (size + 1))
    for name, x in (("real", real), ("generated", fake)):
        if len(x) < least:
            raise ValueError(
                f"{path}: {name} has {len(x)} rows of {size} numbers; half are held out, and a covariance needs more "
                f"rows than numbers: give at least {least}"
            )
    return as_observations(real), as_observations(fake)


def as_observations(x: np.ndarray) -> np.ndarray:
    """float32; bytes in [0, 1]; (N, H, W, C) with 1 or 3 channels as (N, C, H, W), and (N, H, W) as (N, 1, H, W)."""
    x = x.astype(np.float32) / (255 if x.dtype == np.uint8 else 1)
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[-1] in (1, 3) and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x)
