"""Instructions about short strings of letters, operations and pairs of them, and texts in which operations occur."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path

from ..core.reference import Reference
from ..core.task import Score, Task
from .sentences import SPECIAL, Pair, read_pairs

LETTERS = "abcdefgh"
OPERATIONS: dict[str, Callable[[list[str]], list[str]]] = {
    "reverse": lambda s: s[::-1],
    "sort": sorted,
    "swap": lambda s: [s[-1], *s[1:-1], s[0]] if len(s) > 1 else s,
    "rotate": lambda s: s[1:] + s[:1],
    "first": lambda s: s[:1],
    "last": lambda s: s[-1:],
    "rest": lambda s: s[1:],
    "upper": lambda s: [letter.upper() for letter in s],
}
"""What each operation makes of a string; `swap` exchanges its two ends, `rotate` puts the first letter last."""
THEN = "then"
"""Stands between the operations of a combination, and between the statements of a text."""
COMBINATIONS = list(permutations(OPERATIONS, 2))
random.Random(0).shuffle(COMBINATIONS)
HELD_OUT = 16
"""How many of the 56 combinations, the last ones, are never trained."""


class Instructions(Task):
    """Instructions (y) and the responses to them (x), strings of words, and in the stream `text` plain texts.

    An instruction is an operation, or two, and a string: `reverse then swap c a b`. Its response names each operation
    and writes its result: `reverse b a c then swap c a b`. Trained are the single operations and `combinations` of
    the 56 pairs; tested are sixteen others. Texts state results of single operations, `c a b reverse b a c`, and ask
    nothing.

    data: a .tsv or .csv file with an instruction and a response in each row, without a header; every tenth row is
    held out, and the texts are the responses alone.
    """

    kind = "strings"

    def __init__(self, data: str | Path | None = None, combinations: int = 40) -> None:
        if data is not None:
            train, test = read_pairs(data)
            text = [response for _, response in train]
        elif not 0 <= combinations <= len(COMBINATIONS) - HELD_OUT:
            raise ValueError(f"combinations={combinations}: 0 to {len(COMBINATIONS) - HELD_OUT} can be trained")
        else:
            rng = random.Random(0)
            text = [document(rng) for _ in range(6000)]
            trained = [*((name,) for name in OPERATIONS), *COMBINATIONS[:combinations]]
            train = [instruction(trained[i % len(trained)], rng) for i in range(6000)]
            test = [instruction(names, rng) for names in COMBINATIONS[-HELD_OUT:] for _ in range(20)]
        words = [*SPECIAL, *sorted({word for side in [*text, *sum(train, ())] for word in side.split()})]
        longest = max(len(f"{y} {x}".split()) for y, x in [*train, *test, *(("", t) for t in text)])
        (y, x), (test_y, test_x) = (list(map(list, zip(*pairs, strict=True))) for pairs in (train, test))
        super().__init__(
            x, test_x, y=y, test_y=test_y, vocab=len(words), context=longest + 1, words=words, conditional=True
        )
        self.splits["text"] = (text, None)

    def right(self, model: Reference) -> float:
        """Share of the held-out instructions that are responded to exactly."""
        x, y = self.splits["test"]
        return sum(a == b for a, b in zip(model.sample(len(y), y), x, strict=True)) / len(y)

    def evaluate(self, model: Reference) -> list[Score]:
        common, _ = Counter(self.splits["train"][0]).most_common(1)[0]
        responses = self.splits["test"][0]
        guess = responses.count(common) / len(responses)
        return [
            Score("held-out instructions", self.right(model), "share", "higher", guess, "the commonest response"),
        ]


def document(rng: random.Random) -> str:
    """One or two statements, each a string, an operation and its result."""
    statements = []
    for _ in range(rng.choice((1, 2))):
        s, name = string(rng), rng.choice(list(OPERATIONS))
        statements.append(" ".join([*s, name, *OPERATIONS[name](s)]))
    return f" {THEN} ".join(statements)


def string(rng: random.Random) -> list[str]:
    """One to four different letters, all small or all large."""
    letters = rng.sample(LETTERS, rng.randint(1, 4))
    return [letter.upper() for letter in letters] if rng.random() < 0.3 else letters


def instruction(names: Sequence[str], rng: random.Random) -> Pair:
    """An instruction about a new string of two to four letters, and its response."""
    s = rng.sample(LETTERS, rng.randint(2, 4))
    asked, written = " ".join([f" {THEN} ".join(names), *s]), []
    for name in names:
        s = OPERATIONS[name](s)
        written.append(" ".join([name, *s]))
    return asked, f" {THEN} ".join(written)
