"""Random strings said again and again: whoever looks back knows what comes, whoever does not knows nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
SHORTEST, LONGEST = 8, 20
"""Lengths of the strings that are repeated."""


class Repeats(Task):
    """Rows (N, context + 1) of token ids: a string of 8 to 20 symbols, repeated until the row is full.

    By default each symbol is one of 26 letters at random: the second time round each is known from the first, and
    nothing else helps. (Letters drawn without repetition would give more away: next is the one not seen for longest,
    which a single layer of attention finds out.) `periods` are the lengths of the strings of each split. A user's
    text is a UTF-8 file or a folder of .txt and .md files; its strings are cut out at random places, and those of the
    last tenth are held out.
    """

    kind = "text"

    def __init__(self, data: str | Path | None = None, n: int = 16_000, context: int = 64, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.periods: dict[str, Tensor] = {}
        if data is None:
            characters, sources = list(ALPHABET), [None, None]
        else:
            text = files.text(data)
            if len(text) < 20 * LONGEST:
                raise ValueError(f"{data}: {len(text)} characters; at least {20 * LONGEST} are needed")
            characters = sorted(set(text))
            ids, cut = np.array([characters.index(c) for c in text]), len(text) * 9 // 10
            sources = [ids[:cut], ids[cut:]]
        splits = []
        for split, source, rows in zip(("train", "test"), sources, (n, 1000), strict=True):
            periods = rng.integers(SHORTEST, LONGEST + 1, rows)
            splits.append(repeated(strings(rng, rows, source), periods, context + 1))
            self.periods[split] = torch.from_numpy(periods)
        super().__init__(*splits, vocab=len(characters), context=context, characters=characters)

    def evaluate(self, model: Reference) -> list[Score]:
        again, first = accuracy(model, self.splits["test"][0].to(model.device), self.periods["test"])
        return [Score("accuracy on the repeated part", again, "share", "higher", first, "the first time round")]


def strings(rng: np.random.Generator, n: int, source: np.ndarray | None) -> np.ndarray:
    """Strings (n, LONGEST) cut from a text, or without one of random letters."""
    if source is None:
        return rng.integers(0, len(ALPHABET), (n, LONGEST))
    starts = rng.integers(0, len(source) - LONGEST + 1, n)
    return source[starts[:, None] + np.arange(LONGEST)]


def repeated(strings: np.ndarray, periods: np.ndarray, length: int) -> Tensor:
    """Rows (n, length) that go round in the first `period` symbols of each string."""
    return torch.from_numpy(np.take_along_axis(strings, np.arange(length) % periods[:, None], 1))


@torch.no_grad()
def accuracy(model: Reference, x: Tensor, periods: Tensor) -> tuple[float, float]:
    """Share of symbols predicted right once the string has begun again, and before."""
    right = model.logits(x[:, :-1])[0].argmax(-1) == x[:, 1:]  # type: ignore[operator]
    # the first symbol of the second round cannot be known; after it each follows from the first round
    known = torch.arange(x.shape[1] - 1, device=x.device) >= periods[:, None].to(x.device)
    return right[known].float().mean().item(), right[~known].float().mean().item()
