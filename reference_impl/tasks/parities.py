"""Questions with worked answers, character by character: is the number of ones odd, with the parity so far as steps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate
from operator import xor
from pathlib import Path

import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from .sentences import Pair, read_pairs

ASK, ANSWER, UNKNOWN = "=", ":", "\ufffd"
"""What ends a question, what ends the steps, what stands for a character that training never saw."""


def parities(n: int, bits: int = 16, steps: int | None = None, seed: int = 0) -> list[Pair]:
    """n strings of bits and their worked answers: the parities of the first 1, 2, ... bits, then ANSWER and the parity.

    Only the first `steps` of the steps are written, by default all.
    """
    rng, out = random.Random(seed), []
    for _ in range(n):
        question = [rng.randint(0, 1) for _ in range(bits)]
        running = list(accumulate(question, xor))
        worked = "".join(map(str, running[:steps]))
        out.append(("".join(map(str, question)), f"{worked}{ANSWER}{running[-1]}"))
    return out


class Parities(Task):
    """Questions and worked answers in one row (B, context + 1), and as `y` the questions up to `=` (B, prompt).

    Ids: 0 pads and ends, `characters` maps the others. Built in are 8,000 strings of 16 bits. A user's data is a .tsv
    or .csv file with a question and its worked answer in each row, without a header; what follows the last `:` is the
    answer itself, and every tenth row is held out.
    """

    kind = "text"

    def __init__(
        self, data: str | Path | None = None, *, train: Sequence[Pair] = (), test: Sequence[Pair] = ()
    ) -> None:
        if data is not None:
            train, test = read_pairs(data)
        train, test = train or parities(8000, seed=1), test or parities(1000, seed=2)
        characters = ["", UNKNOWN, *sorted({c for pair in train for side in pair for c in side} | {ASK})]
        self.at = {c: i for i, c in enumerate(characters)}
        prompt, worked = (max(len(pair[i]) for pair in [*train, *test]) for i in (0, 1))
        x, test_x = (
            torch.tensor([self.row(asked + ASK, prompt + 1) + self.row(answer, worked) for asked, answer in pairs])
            for pairs in (train, test)
        )
        super().__init__(
            x, test_x, y=x[:, : prompt + 1], test_y=test_x[:, : prompt + 1], vocab=len(characters),
            context=prompt + worked, prompt=prompt + 1, characters=characters, conditional=True,
        )  # fmt: skip

    def row(self, text: str, length: int) -> list[int]:
        """Ids of a text, padded."""
        return [self.at.get(c, 1) for c in text] + [0] * (length - len(text))

    def answers(self, x: Tensor) -> list[str]:
        """What follows the last ANSWER in each row; without one, all that was written."""
        written = ["".join(self.facts["characters"][i] for i in row) for row in x[:, self.facts["prompt"] :].tolist()]
        return [text.rpartition(ANSWER)[2] for text in written]

    def right(self, model: Reference, limit: int = 1000) -> float:
        """Share of the held-out questions that the model answers correctly."""
        x, y = (a[:limit].to(model.device) for a in self.splits["test"])
        pairs = zip(self.answers(model.sample(len(y), y)), self.answers(x), strict=True)
        return sum(a == b for a, b in pairs) / len(y)

    def evaluate(self, model: Reference) -> list[Score]:
        truth = self.answers(self.splits["test"][0])
        guess = max(truth.count(answer) for answer in set(truth)) / len(truth)
        return [Score("held-out answers", self.right(model), "share", "higher", guess, "the commonest answer")]
