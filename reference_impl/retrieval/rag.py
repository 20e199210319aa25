"""RAG: look it up, then answer from what was found.

Idea
    Knowledge in weights cannot be cited or edited, so documents z become a variable of the model,

        p(a | q) = sum_z p(z | q) p(a | q, z),

    with the sum over the k documents that a retriever finds. The retriever is BM25: of N documents
    n(w) have the word w, which occurs f(w, z) times in z, and |z| is the length of z,

        score(q, z) = sum_{w in q} idf(w) f(w, z) (k1 + 1) / (f(w, z) + k1 (1 - b + b |z| / mean)),
        idf(w) = log(1 + (N - n(w) + 1/2) / (n(w) + 1/2)).                                    (1)

    One reader copies the sentence that shares most with the question; the other is a GPT that has
    learned to read the answer out of passages put before the question.

Source
    Lewis et al., "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks", 2020.
    arXiv:2005.11401 (section 2). BM25: Robertson and Zaragoza, 2009. doi:10.1561/1500000019

Differs from the paper
    BM25 instead of a dense retriever trained with the generator. The k passages stand in one
    context and count alike, instead of one pass each, weighted by p(z | q).

Shapes
    Questions, answers and documents are strings. B batch, T tokens of the longest row, N documents.

Run
    genai-patterns run rag top_k=5
    genai-patterns run rag --data facts reader=gpt
"""

import re
from collections import Counter
from collections.abc import Sequence
from math import log
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor

from reference_impl.core import Batch, Losses, Phase, Reference, Task, main
from reference_impl.transformer.gpt import GPT

STOP = 1  # the token that ends a passage and an answer; 0 pads and stands for unknown words


class RAGConfig(GPT.Config):
    """Settings of RAG, among them those of the GPT that reads."""

    reader: Literal["copy", "gpt"] = "copy"
    """What answers from the passages: a sentence is copied, or a GPT reads them."""
    top_k: NonNegativeInt = 3
    """Passages to read."""
    k1: NonNegativeFloat = 1.2
    """How much repeating a word adds; 0 counts presence alone."""
    b: float = Field(0.75, ge=0, le=1)
    """How far long passages are marked down."""
    answer_words: PositiveInt = 8
    """Most words that the GPT says."""
    context: PositiveInt = 256
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    steps: NonNegativeInt = 700
    batch_size: PositiveInt = 64


class Answer(NamedTuple):
    """What was said, and `id/section` of the passages that were read for it."""

    text: str
    sources: list[str]


class RAG(Reference):
    """Retrieve, then read, over passages that may be replaced whenever they change."""

    task = "questions"
    Config = RAGConfig

    def __init__(self, cfg: RAGConfig) -> None:
        super().__init__(cfg)
        self.gpt = GPT(cfg) if cfg.reader == "gpt" else None
        self.words: list[str] = []
        self.index([])

    def phases(self) -> Sequence[Phase]:
        return (Phase("train", self.cfg.steps, self.step, self.gpt.optimizers()),) if self.gpt else ()

    def prepare(self, task: Task) -> None:
        self.words = task.words
        self.index(task.passages)

    def index(self, passages: Sequence[Sequence[str]]) -> None:
        """Answer from these passages (id, section, text) from now on."""
        self.passages = [tuple(p) for p in passages]
        counts = [Counter(split(text)) for _, _, text in self.passages]
        having, n = Counter(word for count in counts for word in count), len(counts)
        mean = sum(count.total() for count in counts) / max(1, n)
        # (1) of the docstring, all that does not depend on the question
        self.idf = {word: log(1 + (n - m + 0.5) / (m + 0.5)) for word, m in having.items()}
        postings: dict[str, list[tuple[int, float]]] = {word: [] for word in having}
        for i, count in enumerate(counts):
            k = self.cfg.k1 * (1 - self.cfg.b + self.cfg.b * count.total() / mean)
            for word, f in count.items():
                postings[word].append((i, self.idf[word] * f * (self.cfg.k1 + 1) / (f + k)))
        self.postings = {word: torch.tensor(p, dtype=torch.float64).T for word, p in postings.items()}
        self.ids = {word: i for i, word in enumerate(self.words, 2)}

    def scores(self, question: str) -> Tensor:
        """BM25 of every passage: (N,), float64."""
        total = torch.zeros(len(self.passages), dtype=torch.float64)
        for rows, score in (self.postings[word] for word in split(question) if word in self.postings):
            total[rows.long()] += score
        return total

    def retrieve(self, question: str, k: int | None = None) -> list[int]:
        """Rows of the k best passages (default top_k) that share a word, best first, then in index order."""
        scores = self.scores(question)
        k = min(self.cfg.top_k if k is None else k, len(scores))
        if k == 0:
            return []
        best = (scores >= scores.topk(k).values[-1]).nonzero()[:, 0]
        best = best[scores[best].argsort(descending=True, stable=True)[:k]]
        return [i for i in best.tolist() if scores[i] > 0]

    def answers(self, questions: Sequence[str]) -> list[Answer]:
        """An answer to each question, with its sources."""
        found = [self.retrieve(q) for q in questions]
        texts = self.read(questions, found) if self.gpt else map(self.copy, questions, found)
        sources = (["/".join(self.passages[i][:2]) for i in rows] for rows in found)
        return list(map(Answer, texts, sources))

    def copy(self, question: str, found: Sequence[int]) -> str:
        """The retrieved sentence with the largest summed idf of words shared with the question."""
        asked = set(split(question))
        sentences = [s for i in found for s in re.split(r"(?<=[.!?])\s+", self.passages[i][2])]
        return max(sentences, key=lambda s: sum(self.idf[w] for w in asked & set(split(s))), default="")

    def tokens(self, text: str, *end: int) -> list[int]:
        return [*(self.ids.get(word, 0) for word in split(text)), *end]

    def prompt(self, question: str, found: Sequence[int]) -> list[int]:
        """Passages, each with a stop, sorted so that their place does not tell their rank; the question."""
        texts = sorted(self.passages[i][2] for i in found)
        return [t for text in texts for t in self.tokens(text, STOP)] + self.tokens(question)

    def loss(self, batch: Batch) -> Losses:
        """-log p(answer | question, passages) in nats per token, plus that of the whole row."""
        # copying from one passage is learned first, then choosing among several
        k = int(torch.randint(min(1, self.cfg.top_k), self.cfg.top_k + 1, (1,)))
        prompts = [self.prompt(q, self.retrieve(q, k)) for q in batch.y]
        answers = [self.tokens(a, STOP) for a in batch.x]
        rows = padded([p + a for p, a in zip(prompts, answers, strict=True)]).to(self.device)
        target = padded([[0] * len(p) + a for p, a in zip(prompts, answers, strict=True)]).to(self.device)
        logits = self.gpt.logits(rows[:, :-1])[0].transpose(1, 2)
        # names recur within a row, so predicting all of it is practice in copying
        row, answer = (F.cross_entropy(logits, t[:, 1:], ignore_index=0) for t in (rows, target))
        return {"loss": row + answer, "answer": answer}

    @torch.no_grad()
    def read(self, questions: Sequence[str], found: Sequence[Sequence[int]]) -> list[str]:
        """The GPT's most likely words, one after the other, up to its stop."""
        ids = padded([self.prompt(q, rows) for q, rows in zip(questions, found, strict=True)]).to(self.device)
        said, cache = [], None
        for _ in range(self.cfg.answer_words):
            logits, cache = self.gpt.logits(ids, cache)
            said.append(ids := logits[:, -1:].argmax(-1))
        vocabulary = ["?", "\n", *self.words]
        return [" ".join(vocabulary[i] for i in row).split("\n")[0].strip() for row in torch.cat(said, 1).tolist()]

    def sample(self, n: int, y: Sequence[str] | None = None) -> list[str]:
        """Answers to the n questions y, sources in brackets; by default random passages are the questions."""
        if y is None:
            y = [self.passages[i][2] for i in torch.randint(len(self.passages), (n,)).tolist()]
        return [f"{answer.text} [{', '.join(answer.sources)}]" for answer in self.answers(y)]

    def get_extra_state(self) -> dict[str, Any]:
        return {"passages": self.passages, "words": self.words}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.words = state["words"]
        self.index(state["passages"])


def split(text: str) -> list[str]:
    """Lower-case words; punctuation separates."""
    return re.findall(r"\w+", text.lower())


def padded(rows: Sequence[list[int]]) -> Tensor:
    """Rows aligned at the right, zeros before them: (B, T)."""
    longest = max(map(len, rows))
    return torch.tensor([[0] * (longest - len(row)) + row for row in rows])


if __name__ == "__main__":
    main(RAG)
