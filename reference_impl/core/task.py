"""What a reference learns: data in named splits, and the numbers by which patterns are compared."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from .reference import Batch, Reference


class Score(NamedTuple):
    """A number about a trained model, with what it has to be seen beside."""

    name: str
    value: float
    unit: str
    better: str
    """"lower", "higher" or "" where it only informs."""
    baseline: float | None = None
    against: str = ""
    """What the baseline is."""


class Task:
    """Data and how to judge a model of it.

    `splits` maps a stream to (x, y): tensors whose rows are observations, or lists. `facts` are the
    fields of a reference's Config that the data decides, such as shape or vocabulary size, and what
    a sample has to be drawn with; they are JSON and are stored beside the weights.
    """

    kind = "vector"
    """How samples are shown: image, photo, text, vector, binary or strings (`core.figures.show`)."""

    def __init__(self, train: Any, test: Any = None, *, y: Any = None, test_y: Any = None, **facts: Any) -> None:
        self.splits: dict[str, tuple[Any, Any]] = {"train": (train, y)}
        self.splits["test"] = (train, y) if test is None else (test, test_y)
        self.facts: dict[str, Any] = facts

    def batch(self, stream: str, step: int, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """This rank's rows of global batch `step`: a pure function, so resuming needs no iterator."""
        x, y = self.splits[stream]
        epoch, i = divmod(step, max(1, len(x) // size))
        rows = permutation(len(x), seed, epoch)[i * size : (i + 1) * size][rank::world]
        return Batch(take(x, rows), take(y, rows))

    def evaluate(self, model: Reference) -> list[Score]:
        """Scores of a trained model in eval mode; called without gradients, on one process."""
        return []


@lru_cache(maxsize=4)
def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """Order in which an epoch visits n rows."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def take(rows_of: Any, rows: np.ndarray) -> Any:
    """These rows of a tensor or a list; None stays None."""
    if rows_of is None or isinstance(rows_of, torch.Tensor):
        return None if rows_of is None else rows_of[torch.from_numpy(rows)]
    return [rows_of[i] for i in rows]
