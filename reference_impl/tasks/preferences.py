"""Answers of three letters, demonstrations of them, and comparisons by a judge whose taste is known."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

SYMBOLS = "?abcdefgh"
"""`?` is the prompt; an answer is three of the eight letters, so there are 512."""
WORTH = torch.tensor([0.0, 1.5, 1.2, 0.9, 0.6, 0.3, 0.0, -0.3, -0.6])
"""What naming each symbol adds to the judge's reward, once."""
REPEATED = -1.5
"""What naming a symbol again adds."""


class Preferences(Task):
    """Rows (B, 4), the prompt and its answer; `comparisons` has the preferred row in x and the other in y.

    Demonstrators follow habits and hardly ever repeat a letter. The judge prefers one of two demonstrations by
    Bradley and Terry's rule, P(a over b) = sigmoid(r(a) - r(b)) with r = `reward`. So comparisons tell next to
    nothing about answers that repeat letters, and a reward learned from them is wrong there.

    data: "letters", or a UTF-8 file with a comparison in each line: preferred answer, tab, other answer, all of one
    length. Demonstrations are then the preferred answers, and no true reward is known.
    """

    kind = "text"

    def __init__(self, data: str | Path = "letters", demonstrations: int = 8192, comparisons: int = 5120) -> None:
        self.known = str(data) == "letters"
        if self.known:
            g = torch.Generator().manual_seed(0)
            x, a, b = (demonstrate(n, g) for n in (demonstrations, comparisons, comparisons))
            a_wins = torch.rand(comparisons, generator=g) < torch.sigmoid(reward(a) - reward(b))
            won, lost = torch.where(a_wins[:, None], a, b), torch.where(a_wins[:, None], b, a)
            symbols = SYMBOLS
        else:
            won, lost, symbols = read(data)
            x = won[: len(won) * 4 // 5]
        cut = len(won) * 4 // 5
        super().__init__(x, won[cut:], vocab=len(symbols), context=x.shape[1] - 1, characters=list(symbols))
        self.splits["comparisons"] = (won[:cut], lost[:cut])
        self.splits["judged"] = (won[cut:], lost[cut:])

    def evaluate(self, model: Reference) -> list[Score]:
        won, lost = self.splits["judged"]
        right = agreement(model.reward(won.to(model.device)) - model.reward(lost.to(model.device)))  # type: ignore[operator]
        name = "held-out comparisons that the reward model predicts"
        if not self.known:
            return [Score(name, right, "share", "higher", 0.5, "chance")]
        judge = agreement(reward(won) - reward(lost))
        before, after = (reward(rows.cpu()).mean().item() for rows in (self.splits["train"][0], model.sample(2000)))
        return [
            Score(name, right, "share", "higher", judge, "the judge's own reward"),
            Score("true reward of an answer", after, "of the judge", "higher", before, "demonstrations"),
        ]


def reward(x: Tensor) -> Tensor:
    """The judge's reward of rows (B, 4): the worth of each letter once, a penalty for each repetition -> (B,)."""
    counts = F.one_hot(x[:, 1:], len(SYMBOLS)).sum(1)  # (B, V)
    return (counts > 0).float() @ WORTH + REPEATED * (counts - 1).clamp(min=0).sum(1)


def agreement(margin: Tensor) -> float:
    """Share of comparisons whose preferred answer has the higher reward; ties count half."""
    return (margin.sign().mean().item() + 1) / 2


def demonstrate(n: int, g: torch.Generator) -> Tensor:
    """Demonstrations (n, 4): fixed random habits of what follows what; a used letter has 1/50 of its weight."""
    habits = torch.rand(9, 9, generator=torch.Generator().manual_seed(7)) + 0.2
    habits[:, 0] = 0
    x, weight = torch.zeros(n, 1, dtype=torch.long), torch.ones(n, 9)
    for _ in range(3):
        new = torch.multinomial(habits[x[:, -1]] * weight, 1, generator=g)
        x, weight = torch.cat([x, new], 1), weight.scatter(1, new, 0.02)
    return x


def read(data: str | Path) -> tuple[Tensor, Tensor, str]:
    """Preferred rows, other rows, and the symbols that their ids stand for, of a file of comparisons."""
    pairs = [line.split("\t") for line in files.text(data).splitlines() if line.strip()]
    length = len(pairs[0][0]) if pairs else 0
    for i, pair in enumerate(pairs, 1):
        if len(pair) != 2 or {len(answer) for answer in pair} != {length}:
            raise ValueError(
                f"{data}: comparison {i} is no pair of answers of {length} characters; "
                "each line is the preferred answer, a tab, the other answer, all of one length"
            )
    if len(pairs) < 100:
        raise ValueError(f"{data}: {len(pairs)} comparisons; at least 100 are needed")
    letters = sorted({c for pair in pairs for answer in pair for c in answer} - {"?"})
    symbols = "?" + "".join(letters)
    won, lost = (torch.tensor([[0, *map(symbols.index, pair[i])] for pair in pairs]) for i in (0, 1))
    return won, lost, symbols


def every_answer() -> Tensor:
    """The prompt followed by each of the 512 answers: (512, 4)."""
    return F.pad(torch.cartesian_prod(*[torch.arange(1, 9)] * 3), (1, 0))
