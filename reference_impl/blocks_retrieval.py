"""What retrievers share: an index of passages, the order of their scores, and an answer with its source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .core import Reference, Task

Passage = tuple[str, str, str]
"""(id, section, text) of a piece of prose; several passages may have the same id."""


class Answer(NamedTuple):
    """What was said, and `id/section` of the passages that were read for it."""

    text: str
    sources: list[str]


class Retriever(Reference):
    """Ranks passages, which may be replaced at any time, by how well they fit a question.

    A subclass defines `scores`, and extends `index` where something is computed for each passage.
    When a run is loaded, `index` is called before the weights of inner modules are there; what
    depends on weights is to be computed when it is asked for.
    """

    task = "searches"

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        self.index([])

    def prepare(self, task: Task) -> None:
        self.index(task.passages)  # type: ignore[attr-defined]

    def index(self, passages: Sequence[Sequence[str]]) -> None:
        """Search these passages (id, section, text) from now on."""
        self.passages: list[Passage] = [(id, section, text) for id, section, text in passages]

    def scores(self, question: str) -> Tensor:
        """How well each passage fits: (N,), float64; 0 or -inf where it does not fit at all."""
        raise NotImplementedError(f"{type(self).__name__} has no scores")

    def retrieve(self, question: str, k: int) -> list[int]:
        """Rows of the k passages that fit best, best first; equal ones in the order of the index."""
        return ranking(self.scores(question), k)

    def sample(self, n: int, y: Sequence[str] | None = None) -> list[str]:
        """The best passage for each of n questions y, its source in brackets; by default random passages ask."""
        if y is None:
            y = [self.passages[i][2] for i in torch.randint(len(self.passages), (n,)).tolist()]
        found = [[self.passages[i] for i in self.retrieve(question, 1)] for question in y]
        return ["".join(f"{text} [{id}/{section}]" for id, section, text in best) for best in found]

    def get_extra_state(self) -> dict[str, Any]:
        return {"passages": self.passages}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.index(state["passages"])


def ranking(scores: Tensor, k: int) -> list[int]:
    """Rows of the k highest scores (N,), ties in order; rows with score 0 or -inf are left out."""
    k = min(k, len(scores))
    if k == 0:
        return []
    best = (scores >= scores.topk(k).values[-1]).nonzero()[:, 0]
    best = best[scores[best].argsort(descending=True, stable=True)[:k]]
    return [i for i in best.tolist() if scores[i] not in (0, -torch.inf)]


def split(text: str) -> list[str]:
    """Lower-case words; punctuation separates."""
    return re.findall(r"\w+", text.lower())
