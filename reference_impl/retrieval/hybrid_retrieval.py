"""Hybrid retrieval: two rankings of the same passages, by words and by meaning, made into one.

Idea
    BM25 finds what is called by its name, learned vectors what is described in other words; each
    is lost where the other is at home. Their scores cannot be added, as one is a sum of logarithms
    without a bound and the other a cosine. Their ranks can: passage z, at rank r1(z) of the one and
    r2(z) of the other, gets

        score(z) = w / (c + r1(z)) + (1 - w) / (c + r2(z)),                                       (1)

    and nothing from a part that did not find it. The constant c says how much the first places
    count: at c = 0 the first is worth twice the second, at c = 60 less than 2 % more, so a passage
    that both have among their best is ahead of one that only one of them has first.

Source
    Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and Individual Rank
    Learning Methods", 2009. doi:10.1145/1571941.1572114

Differs from the paper
    The two rankings have weights, w and 1 - w. c = 10 instead of 60, as the collection is small.

Shapes
    Questions and passages are strings, N passages; scores and ranks (N,) in float64.

Run
    genai-patterns run hybrid_retrieval weight=0.7
"""

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor
from torch.optim import Optimizer

from reference_impl.blocks_retrieval import Retriever
from reference_impl.core import Batch, Losses, main
from reference_impl.retrieval.dense_retrieval import DenseRetrieval
from reference_impl.retrieval.lexical_retrieval import LexicalRetrieval


class HybridConfig(DenseRetrieval.Config, LexicalRetrieval.Config):
    """Settings of hybrid retrieval, among them those of its two parts."""

    weight: float = Field(0.5, ge=0, le=1)
    """w, share of the lexical ranking: 1 is lexical retrieval, 0 dense retrieval."""
    constant: NonNegativeFloat = 10
    """c: the larger, the less the first places differ in worth."""


class HybridRetrieval(Retriever):
    """Reciprocal rank fusion of BM25 and a bi-encoder, of which the latter is trained."""

    Config = HybridConfig

    def __init__(self, cfg: HybridConfig) -> None:
        super().__init__(cfg)
        self.lexical = LexicalRetrieval(cfg)
        self.dense = DenseRetrieval(cfg)

    def index(self, passages: Sequence[Sequence[str]]) -> None:
        super().index(passages)
        for part in self.children():
            part.index(passages)

    def optimizers(self) -> Mapping[str, Optimizer]:
        return self.dense.optimizers()

    def loss(self, batch: Batch) -> Losses:
        """What the dense part learns from."""
        return self.dense(batch)

    def after_update(self) -> None:
        self.dense.after_update()

    def scores(self, question: str) -> Tensor:
        return self.fuse(self.lexical.scores(question), self.dense.scores(question))

    def fuse(self, lexical: Tensor, dense: Tensor) -> Tensor:
        """(1), from the scores of both parts: (N,), (N,) -> (N,)."""
        w, c = self.cfg.weight, self.cfg.constant
        return w / (c + ranks(lexical)) + (1 - w) / (c + ranks(dense))


def ranks(scores: Tensor) -> Tensor:
    """Place of each score, the highest at 1, equal ones in order; infinite for scores of 0 or -inf: (N,) -> (N,)."""
    order = scores.argsort(descending=True, stable=True)
    places = torch.empty_like(scores).scatter_(0, order, torch.arange(1, len(scores) + 1).to(scores))
    return places.masked_fill((scores == 0) | (scores == -torch.inf), torch.inf)


if __name__ == "__main__":
    main(HybridRetrieval)
