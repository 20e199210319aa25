"""Sums of digits modulo ten with a scratchpad: demonstrations that slip, and questions with known answers."""

from __future__ import annotations

import random
from itertools import accumulate
from pathlib import Path

from .parities import ANSWER, Parities
from .sentences import Pair, read_pairs

MISTAKEN = 7
"""The digit that demonstrators add as if it were one more."""


class Sums(Parities):
    """`39518=` and its worked answer `2786:786`, the totals so far modulo ten, then the last three of them again.

    In `train` are demonstrations by people who slip: a step is off by a random amount with probability 1/5, and the
    steps after it go on from there. What is worse, none of them can add a 7. `checked` has other questions with right
    answers, for a checker to compare with; so has `test`.

    data: a .tsv or .csv file with a question and its worked answer in each row; what follows the last `:` is the answer
    itself, and every tenth row is held out. The other rows are demonstrations and checked questions alike.
    """

    def __init__(self, data: str | Path | None = None) -> None:
        train, test = read_pairs(data) if data is not None else (sums(4000, slips=0.2, seed=1), sums(500, seed=3))
        checked = train if data is not None else sums(4000, seed=2)
        super().__init__(train=[*train, *checked], test=test)
        x, y = self.splits["train"]
        n = len(train)
        self.splits["train"], self.splits["checked"] = (x[:n], y[:n]), (x[n:], y[n:])


def sums(n: int, digits: int = 5, slips: float = 0.0, seed: int = 0) -> list[Pair]:
    """n questions and worked answers; those by people who slip also have every 7 added as if it were an 8."""
    draw, out = random.Random(seed), []

    def step(total: int, digit: int) -> int:
        if slips and digit == MISTAKEN:
            return (total + digit + 1) % 10
        return (total + digit + (draw.randint(1, 9) if draw.random() < slips else 0)) % 10

    for _ in range(n):
        asked = [draw.randint(0, 9) for _ in range(digits)]
        steps = "".join(map(str, accumulate(asked, step)))[1:]
        out.append(("".join(map(str, asked)), f"{steps}{ANSWER}{steps[-3:]}"))
    return out
