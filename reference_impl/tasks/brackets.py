"""Strings of brackets of which most do not close, and how many of a model's do."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from pathlib import Path

import torch

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

PAIRS = {"(": ")", "[": "]"}
BRACKETS = "()[]"


class Brackets(Task):
    """Lines as padded ids (N, context + 1): id 0 begins each, ends it and pads.

    Built in are 4,000 strings of eight brackets; seven of ten were balanced before one or two brackets were replaced by
    random ones. data: "brackets", or a UTF-8 file of lines of up to 200 characters; every tenth line is held out.
    """

    kind = "text"

    def __init__(self, data: str | Path = "brackets") -> None:
        lines = damaged(4000, 8) if str(data) == "brackets" else read(data)
        characters = ["", *sorted({c for line in lines for c in line} | set(BRACKETS))]
        longest = max(map(len, lines))
        at = {c: i for i, c in enumerate(characters)}
        x = torch.tensor([[0, *(at[c] for c in line)] + [0] * (longest - len(line)) for line in lines])
        held = torch.arange(len(x)) % 10 == 0
        super().__init__(
            x[~held], x[held], vocab=len(characters), context=longest, prompt=1, characters=characters
        )  # fmt: skip

    def evaluate(self, model: Reference) -> list[Score]:
        """Mean reward of 1,000 samples by the model's own rule, beside that of the data."""
        rewards: Callable[[torch.Tensor], torch.Tensor] = model.reward  # type: ignore[assignment]
        data = rewards(self.splits["test"][0].to(model.device)).mean().item()
        mean = rewards(model.sample(1000)).mean().item()
        return [Score("mean reward of a sample", mean, "1", "higher", data, "held-out lines")]


def balanced(length: int) -> list[str]:
    """All strings of this length in which every bracket closes the one that was opened last.

    >>> balanced(2)
    ['()', '[]']
    """
    if length == 0:
        return [""]
    inner = [(a, b) for k in range(0, length - 1, 2) for a, b in product(balanced(k), balanced(length - 2 - k))]
    return [f"{left}{a}{right}{b}" for left, right in PAIRS.items() for a, b in inner]


def damaged(n: int, length: int, intact: float = 0.3, seed: int = 0) -> list[str]:
    """n balanced strings; all but the share `intact` have one or two brackets replaced by random ones."""
    draw, right = random.Random(seed), balanced(length)
    out = []
    for _ in range(n):
        line = list(draw.choice(right))
        if draw.random() > intact:
            for i in draw.sample(range(length), draw.randint(1, 2)):
                line[i] = draw.choice(BRACKETS)
        out.append("".join(line))
    return out


def read(data: str | Path) -> list[str]:
    """The lines of a user's file. ValueError names the first that is too long."""
    lines = [line for line in files.text(data).splitlines() if line.strip()]
    for i, line in enumerate(lines, 1):
        if len(line) > 200:
            raise ValueError(f"{data}, line {i} of those that are not empty: {len(line)} characters; at most 200")
    if len(lines) < 100:
        raise ValueError(f"{data}: {len(lines)} lines; at least 100 are needed")
    return lines
