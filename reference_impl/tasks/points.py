"""Points in the plane from densities whose truth is known, or the rows of a user's table."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .measures import frechet, modes_covered

SIGMA = 0.05
"""Standard deviation of each mode of the grid."""


def grid_centers() -> Tensor:
    """The 25 modes of the grid: (25, 2) in {-2, -1, 0, 1, 2}^2."""
    return torch.cartesian_prod(*[torch.arange(-2.0, 3.0)] * 2)


def ring_centers(modes: int = 8) -> Tensor:
    """Modes on a circle of radius 2: (modes, 2)."""
    angle = torch.arange(modes) * (2 * math.pi / modes)
    return 2 * torch.stack([angle.cos(), angle.sin()], 1)


def mixture(centers: Tensor, sigma: float) -> Callable[[int, torch.Generator], Tensor]:
    """Draws from the equal mixture of round Gaussians at the centers (K, D)."""

    def draw(n: int, g: torch.Generator) -> Tensor:
        return centers[torch.randint(len(centers), (n,), generator=g)] + sigma * torch.randn(
            n, centers.shape[1], generator=g
        )

    return draw


def moons(n: int, g: torch.Generator) -> Tensor:
    """Two interleaved half circles with noise 0.1: (n, 2)."""
    t, upper = math.pi * torch.rand(n, generator=g), torch.randint(2, (n,), generator=g).bool()
    x = torch.where(upper, t.cos(), 1 - t.cos())
    y = torch.where(upper, t.sin(), 0.5 - t.sin())
    return torch.stack([x - 0.5, y - 0.25], 1) + 0.1 * torch.randn(n, 2, generator=g)


def checkerboard(n: int, g: torch.Generator) -> Tensor:
    """Uniform on the 8 dark squares of a 4x4 board over [-2, 2]^2: (n, 2); its entropy is log 8 nats."""
    u, column = torch.rand(n, 2, generator=g), torch.randint(4, (n,), generator=g)
    row = 2 * torch.randint(2, (n,), generator=g) + column % 2
    return torch.stack([column, row], 1) + u - 2


SOURCES: dict[str, Callable[[int, torch.Generator], Tensor]] = {
    "grid25": mixture(grid_centers(), SIGMA),
    "ring8": mixture(ring_centers(), 0.1),
    "moons": moons,
    "checkerboard": checkerboard,
}


class Points(Task):
    """Rows (N, D): 20,000 draws of a named source, or a table of numbers brought to mean 0 and deviation 1.

    A table is a .csv, .npy, .npz or .parquet file.
    """

    kind = "vector"

    def __init__(self, data: str | Path = "grid25", n: int = 20_000, seed: int = 0) -> None:
        self.source = str(data)
        if self.source in SOURCES:
            g = torch.Generator().manual_seed(seed)
            train, test = SOURCES[self.source](n, g), SOURCES[self.source](5_000, g)
        else:
            if not Path(data).exists():
                raise FileNotFoundError(f"{data}: no such file, and no known source; known: {', '.join(SOURCES)}")
            x = torch.from_numpy(files.rows(data))
            x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]
            test, train = x[: len(x) // 5], x[len(x) // 5 :]
            mean, std = train.mean(0), train.std(0).clamp(min=1e-6)
            train, test = (train - mean) / std, (test - mean) / std
        super().__init__(train, test, shape=list(train.shape[1:]), levels=0, classes=0)

    def evaluate(self, model: Reference) -> list[Score]:
        test, scores = self.splits["test"][0], []
        if hasattr(model, "log_prob"):
            gauss = torch.distributions.MultivariateNormal(test.mean(0), test.T.cov())
            nll = -model.log_prob(test.to(model.device)).mean().item()  # type: ignore[operator]
            scores.append(
                Score("held-out NLL", nll, "nats", "lower", -gauss.log_prob(test).mean().item(), "one Gaussian")
            )
        x = model.sample(len(test)).cpu()
        floor = frechet(test, self.splits["train"][0][: len(test)])
        scores.append(
            Score("Frechet distance", frechet(test, x), "data units²", "lower", floor, "training points instead")
        )
        if self.source == "grid25":
            modes, share = modes_covered(x[:2500], grid_centers(), SIGMA, 20)
            scores.append(Score("modes found", modes, "of 25", "higher", 25, "in the data"))
            scores.append(
                Score(
                    "samples within 3 sigma of a mode",
                    share,
                    "share",
                    "higher",
                    modes_covered(test, grid_centers(), SIGMA, 20)[1],
                    "data",
                )
            )
        return scores
