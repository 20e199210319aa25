"""Small images: scikit-learn's 8x8 digits, or what the user brings; gray, in color or binary."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .measures import frechet, neighborhoods


@lru_cache(maxsize=1)
def digits() -> tuple[Tensor, Tensor]:
    """1,797 digits (N, 1, 8, 8) in {0, 1/16, ..., 1} in a fixed random order, and their labels (N,)."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return torch.tensor(x[order], dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(y[order])


class Images(Task):
    """Images (N, C, H, W) in [0, 1] with labels; digits unless told otherwise, every fifth held out.

    data: mnist, fashion_mnist or cifar10; a folder of images of one size, whose subfolders are labels; a .npy, .npz
    or .parquet file of images (arrays x, y, x_test, y_test where it has names).
    """

    kind = "image"

    def __init__(self, data: str | Path = "digits") -> None:
        if str(data) == "digits":
            x, y = digits()
            train, test = (x[360:], y[360:]), (x[:360], y[:360])
            levels = 17
        else:
            first, second = files.images(data)
            train, levels = tensors(*first), 256
            if second is None:
                order, cut = (
                    torch.randperm(len(train[0]), generator=torch.Generator().manual_seed(0)),
                    len(train[0]) // 5,
                )
                test, train = (tuple(None if t is None else t[i] for t in train) for i in (order[:cut], order[cut:]))
            else:
                test = tensors(*second)
        classes = 0 if train[1] is None else int(train[1].max()) + 1
        super().__init__(
            train[0],
            test[0],
            y=train[1],
            test_y=test[1],
            shape=list(train[0].shape[1:]),
            levels=levels,
            classes=classes,
        )

    def evaluate(self, model: Reference) -> list[Score]:
        """What the pattern's verbs allow to measure on held-out images; Frechet distances beside their floor."""
        (train, _), (test, labels) = self.splits["train"], self.splits["test"]
        test, train, scores = test[:2000].to(model.device), train[:2000], []
        pixels = test[0].numel()
        if hasattr(model, "reconstruct"):
            mse = (model.reconstruct(test) - test).square().mean().item()
            scores.append(
                Score(
                    "reconstruction error",
                    mse,
                    "per pixel",
                    "lower",
                    train.var(0).mean().item(),
                    "predicting the mean image",
                )
            )
        if hasattr(model, "elbo"):
            scores.append(Score("negative ELBO", -model.elbo(test).mean().item(), "nats/image", "lower"))
        if hasattr(model, "bits_per_dim"):
            bits = float(np.log2(self.facts["levels"]))
            scores.append(
                Score("bits per pixel", model.bits_per_dim(test).mean().item(), "bits", "lower", bits, "uniform")
            )  # type: ignore[operator]
        real, known = test.flatten(1).cpu(), train.flatten(1).cpu()
        n = min(len(real), len(known))
        # the distances of pictures of many pixels say little and take long; neighborhoods need some neighbors
        if pixels <= 1024 and n > 5:
            y = labels[torch.arange(n) % len(test)].to(model.device) if getattr(model, "conditional", False) else None
            fake, floor = model.sample(n, y).flatten(1).clamp(0, 1).cpu(), known[:n]
            distance, best = frechet(real[:n], fake), frechet(real[:n], floor)
            scores.append(Score("Frechet distance", distance, "pixel²", "lower", best, "training images instead"))
            got, bar = neighborhoods(real[:n], fake, 5), neighborhoods(real[:n], floor, 5)
            scores += [
                Score(name, got[name], "share", "higher", bar[name], "training images instead")
                for name in ("precision", "recall")
            ]
        return scores


def tensors(x: np.ndarray, y: np.ndarray | None) -> tuple[Tensor, Tensor | None]:
    """A split as tensors."""
    return torch.from_numpy(np.ascontiguousarray(x)), None if y is None else torch.from_numpy(np.asarray(y)).long()


class Bits(Images):
    """The same images in black and white, flattened to (N, D) in {0, 1}; `bars` is all 30 4x4 bars and stripes."""

    kind = "binary"

    def __init__(self, data: str | Path = "digits") -> None:
        if str(data) == "bars":
            x = bars()
            Task.__init__(self, x, x, shape=[1, 4, 4], visible=16, classes=0)
            return
        super().__init__(data)
        for name, (x, y) in self.splits.items():
            self.splits[name] = ((x > 0.5).float().flatten(1), y)
        self.facts |= {"visible": int(np.prod(self.facts["shape"])), "levels": 2}

    def evaluate(self, model: Reference) -> list[Score]:
        return super().evaluate(model) if self.facts["visible"] > 16 else []


def bars() -> Tensor:
    """All 30 distinct 4x4 bars-and-stripes images: (30, 16) in {0, 1}."""
    rows = torch.tensor([[b >> i & 1 for i in range(4)] for b in range(16)], dtype=torch.float32)  # (16, 4)
    across = rows[:, :, None].expand(-1, 4, 4).flatten(1)
    return torch.cat([across, rows[:, None, :].expand(-1, 4, 4).flatten(1)]).unique(dim=0)


__all__ = ["Bits", "Images", "bars", "digits"]
