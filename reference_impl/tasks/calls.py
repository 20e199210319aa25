"""Questions that take a calculator or a dictionary, with the calls that answer them."""

from __future__ import annotations

import random
import re
from itertools import product
from pathlib import Path

import torch

from ..core.reference import Reference
from ..core.task import Score, Task
from .parities import UNKNOWN
from .sentences import Pair, read_pairs

LETTERS, DIGITS, SIGNS = "abcdefghijklmnopqrstuvwxyz", "0123456789", "*@=[];:"
NAMES = ["".join(s) for s in product("abcdefgh", repeat=3)]
END = 2


class Calls(Task):
    """Texts (N, L) of a question and what answers it, and as `y` the questions up to `=`, padded (N, P).

    `12345*67890=` is answered by `[12345*67890]838102050;:838102050`, `@bad=` by `[@bad]fed;:fed`, and `@@bad=`, what
    is said of what is said of bad, by `[@bad]fed;[@fed]cab;:cab`. Each training text has a dictionary of its own, so
    that names cannot be learned by heart; `entries` is the one that test questions are about. A name that it lacks is
    answered by `[@had]none;:none`. With calls=False the answer follows the question at once.

    Ids: 0 pads, 2 ends, 3 is unknown. data: a .tsv or .csv file with a question and its calls and answer in each row;
    every tenth row is held out, and what the calls `[@name]` gave makes the dictionary.
    """

    kind = "text"

    def __init__(self, data: str | Path | None = None, *, calls: bool = True) -> None:
        self.entries: dict[str, str] = dictionary(random.Random(0))
        if data is None:
            train, test = asked(6000, seed=1), asked(600, seed=2, entries=self.entries)
        else:
            train, test = read_pairs(data)
            self.entries = dict(re.findall(r"\[@([^\]]*)\]([^;]*);", " ".join(a for _, a in [*train, *test])))
        if not calls:
            train, test = ([(q, f":{a.rpartition(':')[2]}") for q, a in side] for side in (train, test))
        known = {c for pair in [*train, *test] for side in pair for c in side} | {*LETTERS, *DIGITS, *SIGNS}
        characters = ["", "", "", UNKNOWN, *sorted(known)]
        at = {c: i for i, c in enumerate(characters)}
        asks = [[[at[c] for c in f"{q}="] for q, _ in side] for side in (train, test)]
        texts = [
            [ask + [at[c] for c in a] + [END] for ask, (_, a) in zip(side, pairs, strict=True)]
            for side, pairs in zip(asks, (train, test), strict=True)
        ]
        x, test_x = padded(texts)
        y, test_y = padded(asks)
        # room for one more call than the longest text has
        super().__init__(
            x, test_x, y=y, test_y=test_y, vocab=len(characters), context=x.shape[1] + 15, characters=characters,
            conditional=True,
        )  # fmt: skip

    def text(self, row: list[int]) -> str:
        """Ids as text."""
        return "".join(self.facts["characters"][i] for i in row)

    def answers(self, x: torch.Tensor) -> list[str]:
        """What follows the last `:` of each text; without one, nothing."""
        return ["".join(self.text(row).rpartition(":")[1:]) for row in x.tolist()]

    def right(self, model: Reference, begins: str = "", limit: int = 200) -> float:
        """Share of right answers to the first test questions that match the beginning, a regular expression."""
        x, y = self.splits["test"]
        rows = [i for i, row in enumerate(y.tolist()) if re.match(begins, self.text(row))][:limit]
        x, y = x[rows].to(model.device), y[rows].to(model.device)
        pairs = zip(self.answers(model.sample(len(y), y)), self.answers(x), strict=True)
        return sum(a == b for a, b in pairs) / max(1, len(y))

    def evaluate(self, model: Reference) -> list[Score]:
        truth = self.answers(self.splits["test"][0])
        guess = max(map(truth.count, set(truth))) / len(truth)
        return [Score("held-out answers", self.right(model), "share", "higher", guess, "the commonest answer")]


def padded(sides: list[list[list[int]]]) -> list[torch.Tensor]:
    """Rows of several lists, all to one length."""
    longest = max(len(row) for side in sides for row in side)
    return [torch.tensor([row + [0] * (longest - len(row)) for row in side]) for side in sides]


def dictionary(draw: random.Random) -> dict[str, str]:
    """What is said of seven of eight names: another name."""
    known = draw.sample(NAMES, len(NAMES) * 7 // 8)
    return {name: draw.choice(known) for name in known}


def asked(n: int, seed: int = 0, entries: dict[str, str] | None = None) -> list[Pair]:
    """n questions and what answers them, in turn a product, a name, a product, and a name of a name."""
    # without entries each question has a dictionary of its own
    draw, out = random.Random(seed), []
    for i in range(n):
        hops = (0, 1, 0, 2)[i % 4]
        if not hops:
            a, b = (draw.randint(10_000, 99_999) for _ in range(2))
            out.append((f"{a}*{b}", f"[{a}*{b}]{a * b};:{a * b}"))
            continue
        said, steps = entries or {}, ""
        name = first = draw.choice(NAMES)
        for _ in range(hops):
            if entries is None:
                # one in ten calls gives nothing, for one of the reasons that the loop may have
                said = {name: draw.choice(NAMES) if draw.random() < 0.9 else draw.choice(["none", "refused"])}
            seen = said.get(name, "none")
            steps += f"[@{name}]{seen};"
            name = seen
            if seen not in NAMES:
                break
        out.append((f"{'@' * hops}{first}", f"{steps}:{name}"))
    return out
