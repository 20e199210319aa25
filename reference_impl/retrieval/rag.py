"""RAG: look it up, then answer from what was found.

Idea
    Knowledge in weights cannot be cited or edited, so documents z become a variable of the model,

        p(a | q) = sum_z p(z | q) p(a | q, z),                                                    (1)

    with the sum over the k documents found by words, by learned vectors, by both, or by a cross-encoder.
    One reader copies the sentence most like the question; the other is a GPT that has learned to read
    the answer out of passages put before the question.

Source
    Lewis et al., "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks", 2020.
    arXiv:2005.11401 (section 2). Passages to learn from: Karpukhin et al., 2020. arXiv:2004.04906

Differs from the paper
    The retriever is BM25 unless another is asked for, which is trained before the generator. The k
    passages stand in one context and count alike, instead of one pass each, weighted by p(z | q).

Shapes
    Questions, answers and documents are strings. B batch, T tokens of the longest row, N documents.

Run
    genai-patterns run rag --data facts reader=gpt retriever=hybrid
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from reference_impl.blocks_retrieval import Answer, Passage, split
from reference_impl.core import Batch, Losses, Metrics, Optimizers, Phase, Reference, Task, main
from reference_impl.retrieval.hybrid_retrieval import HybridRetrieval
from reference_impl.retrieval.lexical_retrieval import LexicalRetrieval
from reference_impl.retrieval.reranking import Reranking
from reference_impl.transformer.gpt import GPT

STOP = 1  # the token that ends a passage and an answer; 0 pads and stands for unknown words


class RAGConfig(GPT.Config, LexicalRetrieval.Config):
    """Settings of RAG, among them those of BM25 and of the GPT that reads."""

    reader: Literal["copy", "gpt"] = "copy"
    """What answers from the passages: a sentence is copied, or a GPT reads them."""
    retriever: Literal["lexical", "dense", "hybrid", "reranking"] = "lexical"
    """What finds them: words, learned vectors, the ranks of both, or a cross-encoder behind the vectors."""
    retriever_steps: NonNegativeInt = 600
    """Training steps of each stage of the retriever."""
    top_k: NonNegativeInt = 3
    """Passages to read."""
    answer_words: PositiveInt = 8
    """Most words that the GPT says."""
    context: PositiveInt = 256
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    steps: NonNegativeInt = 700
    batch_size: PositiveInt = 64


class RAG(Reference):
    """Retrieve, then read, over passages that may be replaced whenever they change."""

    task = "questions"
    Config = RAGConfig

    def __init__(self, cfg: RAGConfig) -> None:
        super().__init__(cfg)
        # without weight on its lexical part a hybrid is dense retrieval
        both = {"k1": cfg.k1, "b": cfg.b, "weight": 0.5 * (cfg.retriever == "hybrid"), "steps": cfg.retriever_steps}
        kind = {"lexical": LexicalRetrieval, "reranking": Reranking}.get(cfg.retriever, HybridRetrieval)
        self.retriever = kind(kind.Config(**{k: v for k, v in both.items() if k in kind.Config.model_fields}))
        self.by_words = LexicalRetrieval(cfg) if cfg.retriever == "reranking" else None
        self.gpt = GPT(cfg) if cfg.reader == "gpt" else None
        self.know([])

    def phases(self) -> Sequence[Phase]:
        own = self.retriever.phases()
        find = [replace(p, name=f"find, {p.name}", step=partial(self.learn_to_find, p.step)) for p in own]
        return [*find, Phase("train", self.cfg.steps, self.step, self.gpt.optimizers())] if self.gpt else find

    def prepare(self, task: Task) -> None:
        self.know(task.words)
        self.index(task.passages)

    def know(self, words: Sequence[str]) -> None:
        """The words that the GPT reads and says."""
        self.words = list(words)
        self.ids = {word: i for i, word in enumerate(self.words, 2)}

    def index(self, passages: Sequence[Sequence[str]]) -> None:
        """Answer from these passages (id, section, text) from now on."""
        for part in filter(None, (self.retriever, self.by_words)):
            part.index(passages)

    @property
    def passages(self) -> list[Passage]:
        """(id, section, text) of each."""
        return self.retriever.passages

    @property
    def lexical(self) -> LexicalRetrieval:
        """BM25 of the passages, whatever finds them."""
        return self.by_words or getattr(self.retriever, "lexical", self.retriever)

    def scores(self, question: str) -> Tensor:
        """How well each passage fits: (N,), float64."""
        return self.retriever.scores(question)

    def retrieve(self, question: str, k: int | None = None) -> list[int]:
        """Rows of the k best passages (default top_k), best first, then in index order."""
        return self.retriever.retrieve(question, self.cfg.top_k if k is None else k)

    def learn_to_find(self, step: Callable[..., Metrics], batch: Batch, opt: Optimizers) -> Metrics:
        """A step of the retriever's own, towards the passages that have the answers."""
        own = SimpleNamespace(forward=self.retriever, minimize=opt.minimize, apply=opt.apply, average=opt.average)
        metrics = step(Batch([*map(self.evidence, batch.y, batch.x)], batch.y), own)
        self.retriever.after_update()
        return metrics

    def evidence(self, question: str, answer: str) -> str:
        """The first of the ten best passages by words that has the answer in it, or else the answer."""
        texts = (self.passages[i][2] for i in self.lexical.retrieve(question, 10))
        wanted = f" {' '.join(split(answer))} "
        return next((text for text in texts if wanted in f" {' '.join(split(text))} "), answer)

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
        # summed in one order, so that sentences with the same words tie
        return max(sentences, key=lambda s: sum(sorted(self.lexical.idf[w] for w in asked & {*split(s)})), default="")

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
        y = [self.passages[i][2] for i in torch.randint(len(self.passages), (n,)).tolist()] if y is None else y
        return [f"{answer.text} [{', '.join(answer.sources)}]" for answer in self.answers(y)]

    def get_extra_state(self) -> dict[str, Any]:
        return {"words": self.words}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.know(state["words"])


def padded(rows: Sequence[list[int]]) -> Tensor:
    """Rows aligned at the right, zeros before them: (B, T)."""
    return pad_sequence([torch.tensor(row, dtype=torch.long) for row in rows], True, padding_side="left")


if __name__ == "__main__":
    main(RAG)
