"""BM25: rank passages by the words they share with the question, rare words first.

Idea
    Of N passages n(w) have the word w; it occurs f(w, z) times in passage z, which is |z| words long,
    the average being m. With c(w, q) the count of w in the question,

        score(q, z) = sum_w c(w, q) idf(w) f (k1 + 1) / (f + k1 (1 - b + b |z| / m)),             (1)
        idf(w) = log(1 + (N - n(w) + 1/2) / (n(w) + 1/2)).                                        (2)

    The fraction in (1) grows with f but never beyond k1 + 1, so one repeated word cannot outweigh
    several that occur once, and a long passage needs a word more often to say as much. (2) is the
    evidence that the presence of w gives for relevance when next to nothing is known of what is
    relevant. Nothing is trained; all that does not depend on the question is computed once.

Source
    Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009,
    section 3.4. doi:10.1561/1500000019

Differs from the paper
    One is added inside the logarithm of (2), as Lucene does: without it a word that more than half
    of the passages have would count against them.

Shapes
    Questions and passages are strings, N passages; scores (N,) in float64.

Run
    genai-patterns run lexical_retrieval k1=1.5 b=0.5
"""

from collections import Counter
from collections.abc import Sequence
from math import log

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from reference_impl.blocks_retrieval import Retriever, split
from reference_impl.core import Config, Phase, main


class LexicalConfig(Config):
    """Settings of BM25."""

    k1: NonNegativeFloat = 1.2
    """How much repeating a word adds; 0 counts presence alone."""
    b: float = Field(0.75, ge=0, le=1)
    """How far long passages are marked down; 0 not at all."""


class LexicalRetrieval(Retriever):
    """An inverted index: for each word the passages that have it, and what it adds to their score."""

    Config = LexicalConfig

    def phases(self) -> Sequence[Phase]:
        return ()

    def index(self, passages: Sequence[Sequence[str]]) -> None:
        super().index(passages)
        counts = [Counter(split(text)) for _, _, text in self.passages]
        having, n = Counter(word for count in counts for word in count), len(counts)
        mean = sum(count.total() for count in counts) / max(1, n)
        # (2)
        self.idf = {word: log(1 + (n - m + 0.5) / (m + 0.5)) for word, m in having.items()}
        postings: dict[str, list[tuple[int, float]]] = {word: [] for word in having}
        for i, count in enumerate(counts):
            # (1): what f is compared with in this passage
            k = self.cfg.k1 * (1 - self.cfg.b + self.cfg.b * count.total() / mean)
            for word, f in count.items():
                postings[word].append((i, self.idf[word] * f * (self.cfg.k1 + 1) / (f + k)))
        self.postings = {word: torch.tensor(p, dtype=torch.float64).T for word, p in postings.items()}

    def contributions(self, question: str) -> dict[str, Tensor]:
        """What each known word of the question adds to every passage: {word: (N,)}, float64."""
        added = {}
        for word, times in Counter(split(question)).items():
            if word in self.postings:
                rows, score = self.postings[word]
                added[word] = torch.zeros(len(self.passages), dtype=torch.float64)
                added[word][rows.long()] = times * score
        return added

    def scores(self, question: str) -> Tensor:
        """The sum of what its words add: (N,), float64; 0 where no word is shared."""
        return sum(self.contributions(question).values(), torch.zeros(len(self.passages), dtype=torch.float64))


if __name__ == "__main__":
    main(LexicalRetrieval)
