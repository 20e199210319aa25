"""Answers of three symbols, demonstrations of them, and comparisons by a judge whose taste is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.reference import Batch, Reference
from ..core.task import Score, Task

SYMBOLS = "?abcdefgh"
"""`?` is the prompt; an answer is three of the eight letters, so there are 512."""
WORTH = torch.tensor([0.0, 1.5, 1.2, 0.9, 0.6, 0.3, 0.0, -0.3, -0.6])
"""What naming each symbol adds to the reward, once."""
REPEATED = -1.5
"""What naming a symbol again adds."""


class Preferences(Task):
    """Rows (B, 4) of a prompt and its answer; `comparisons` has the preferred row in x and the other in y.

    Demonstrators follow habits and hardly ever repeat a symbol. A judge of true reward `reward` prefers one of
    two demonstrations by Bradley and Terry's rule, P(a over b) = sigmoid(r(a) - r(b)). Since demonstrations hardly
    repeat symbols, comparisons tell next to nothing about answers that do.

    data: "letters", or a UTF-8 file with one comparison a line: preferred answer, a tab, the other answer, all of
    one length; then demonstrations are the preferred answers and no true reward is known.
    """

    kind = "text"

    def __init__(self, data: str | Path = "letters", demonstrations: int = 8192, comparisons: int = 4096) -> None:
        if str(data) == "letters":
            g = torch.Generator().manual_seed(0)
            x = demonstrate(demonstrations, g)
            a, b = (demonstrate(comparisons * 5 // 4, g) for _ in range(2))
            first = torch.rand(len(a), generator=g) < torch.sigmoid(reward(a) - reward(b))
            won, lost = torch.where(first[:, None], a, b), torch.where(first[:, None], b, a)
            characters = list(SYMBOLS)
        else:
            characters, won, lost = read(Path(data))
            comparisons = len(won) * 4 // 5
            x = won[:comparisons]
        self.known = str(data) == "letters"
        super().__init__(x, won[comparisons:], vocab=len(characters), context=x.shape[1] - 1, characters=characters)
        self.splits["comparisons"] = (won[:comparisons], lost[:comparisons])
        self.splits["judged"] = (won[comparisons:], lost[comparisons:])

    def evaluate(self, model: Reference) -> list[Score]:
        won, lost = (t.to(model.device) for t in self.splits["judged"])
        margin = model.reward(won) - model.reward(lost)  # type: ignore[operator]
        scores = [Score("held-out comparisons that the reward model gets right", (margin > 0).float().mean().item(), "share", "higher", 0.5, "chance")]  # fmt: skip
        if self.known:
            best = torch.sigmoid((reward(won.cpu()) - reward(lost.cpu())).abs()).mean().item()
            scores[0] = scores[0]._replace(baseline=best, against="the judge's own reward")
            before = reward(self.splits["train"][0]).mean().item()
            got = reward(model.sample(2000).cpu())
            scores.append(Score("true reward of an answer", got.mean().item(), "of the judge", "higher", before, "demonstrations"))
        return scores


def reward(x: Tensor) -> Tensor:
    """The judge's reward of rows (B, 4): each symbol's worth once, a penalty for each repetition -> (B,)."""
    counts = F.one_hot(x[:, 1:], len(SYMBOLS)).sum(1)  # (B, V)
    return (counts > 0).float() @ WORTH.to(x.device) + REPEATED * (counts - 1).clamp(min=0).sum(1)


def demonstrate(n: int, g: torch.Generator) -> Tensor:
    """Demonstrations (n, 4): a random habit of what follows what; a symbol comes again with a 50th of its weight."""
    habit = torch.rand(9, 9, generator=torch.Generator().manual_seed(7)) + 0.2
    habit[:, 0] = 0
    x, seen = torch.zeros(n, 1, dtype=torch.long), torch.zeros(n, 9)
    for _ in range(3):
        weight = habit[x[:, -1]] * torch.where(seen > 0, 0.02, 1.0)
        new = torch.multinomial(weight, 1, generator=g)
        x, seen = torch.cat([x, new], 1), seen.scatter(1, new, 1.0)
    return x


def every_answer() -> Tensor:
    """All (512, 4) rows, the prompt first."""
    answers = torch.cartesian_prod(*[torch.arange(1, 9)] * 3)
    return F.pad(answers, (1, 0))
