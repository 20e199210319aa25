"""Question answering: point at the answer and at what supports it, or say that there is none.

Idea
    A text of sentences m_i before the question is read in hops. Each attends to the sentence that bears on what is
    known so far, from u_1, the question, on; so one hop finds who took the milk, the next where that person was:

        p_h(i) = softmax_i(<W_h u_h, m_i>),    u_{h+1} = u_h + MLP_h(u_h, sum_i p_h(i) m_i).              (1)

    Then u points at a word of the text, or at m_0, which stands for "not in this text". Where training answers name
    the sentences that support them, the hops learn to point at these.

    A question without a text is looked up by RAG: a sentence is copied, its page cited. From BM25's scores s,

        p(z | q) ~ exp(s(q, z) / tau) - 1,    p(none | q) ~ 1,    sure(page | q) = sum_{z in page} p(z | q).   (2)

    Answers less sure than a threshold are withheld: the lowest at which, on questions with known answers, at most a
    share `risk` of those given is wrong.

Source
    Weston et al., "Towards AI-Complete Question Answering: A Set of Prerequisite Toy Tasks", 2016. arXiv:1502.05698
    Hops: Sukhbaatar et al., 2015. arXiv:1503.08895 (sec. 2). Threshold: Geifman and El-Yaniv, 2017. arXiv:1705.08500

Differs from the paper
    Answers are words of the text, hops end in an MLP, and there is m_0. The risk is the share seen, not a bound.

Shapes
    Questions and answers are strings. B batch, S sentences, W words of the longest, C channels.

Run
    genai-patterns run question_answering --data pages risk=0.1
"""

import math
import re
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Phase, Reference, Task, main
from reference_impl.retrieval.rag import RAG, Answer

NO_ANSWER = "no answer"


class QuestionAnsweringConfig(Config):
    """Settings of both readers and of the threshold."""

    reader: Literal["hops", "copy"] = "hops"
    """What answers: a network that reads the text before the question, or RAG, which looks passages up."""
    vocab: PositiveInt = 32
    """Words that the network knows, and two more: padding and any other word."""
    context: PositiveInt = 12
    """Most sentences of a text."""
    channels: PositiveInt = 64
    """C, the width of sentences and of what is known."""
    hops: PositiveInt = 2
    """Sentences looked at, one after the other."""
    tau: PositiveFloat = 4.0
    """By how much a score has to be higher for a passage to be e times as likely."""
    threshold: float | None = Field(None, le=1)
    """How sure an answer has to be to be given; by default 1/2, or what `risk` asks for where questions tell it."""
    risk: float = Field(0.2, ge=0, le=1)
    """Share of the answers given that may be wrong."""
    steps: NonNegativeInt = 700
    lr: PositiveFloat = 5e-3
    warmup: NonNegativeInt = 30
    cooldown: float = 0.6
    clip: float = 1.0


class Reader(nn.Module):
    """Points at supporting sentences, then at a word of the text."""

    def __init__(self, c: int, vocab: int, context: int, hops: int) -> None:
        super().__init__()
        self.word, self.point, self.nothing = nn.Embedding(vocab, c, padding_idx=0), nn.Linear(c, c), nn.Linear(c, 1)
        nn.init.normal_(self.word.weight[1:].detach(), std=0.3)
        # how many sentences from the end, as a vector; row 0 is m_0
        self.age = nn.Parameter(0.3 * torch.randn(context + 1, c))
        self.ask = nn.ModuleList(nn.Linear(c, c) for _ in range(hops))
        mlp = lambda: nn.Sequential(nn.LayerNorm(2 * c), nn.Linear(2 * c, 2 * c), nn.ReLU(), nn.Linear(2 * c, c))
        self.learn = nn.ModuleList(mlp() for _ in range(hops))

    def forward(self, text: Tensor, question: Tensor) -> tuple[list[Tensor], Tensor]:
        """log p_h(i) of each hop, (B, S+1), and log p of nothing and of each word of the text, (B, 1+S*W).

        text (B, S, W), its last sentence first, and question (B, W) are ids of words, padded with 0.
        """
        sentences = F.pad(self.word(text).sum(2), (0, 0, 1, 0)) + self.age[: text.shape[1] + 1]
        hide = F.pad((text == 0).all(2) * -1e9, (1, 0))
        known, words, laws = self.word(question).sum(1), text.flatten(1), []
        for ask, learn in zip(self.ask, self.learn, strict=True):
            # (1)
            law = ((sentences @ ask(known)[:, :, None])[..., 0] + hide).log_softmax(1)
            seen = (law.exp()[:, None] @ sentences)[:, 0]
            known = known + learn(torch.cat([known, seen], 1))
            laws.append(law)
        scores = (self.word(words) @ self.point(known)[:, :, None])[..., 0] + (words == 0) * -1e9
        return laws, torch.cat([self.nothing(known), scores], 1).log_softmax(1)


class QuestionAnswering(Reference):
    """Answers with their sources, or none."""

    task = "stories"
    Config = QuestionAnsweringConfig

    def __init__(self, cfg: QuestionAnsweringConfig) -> None:
        super().__init__(cfg)
        self.rag = nn.ModuleList([RAG(RAG.Config())])
        self.reader = Reader(cfg.channels, cfg.vocab, cfg.context, cfg.hops) if cfg.reader == "hops" else None
        self.register_buffer("threshold", torch.tensor(0.5 if cfg.threshold is None else cfg.threshold).double())

    def phases(self) -> Sequence[Phase]:
        return super().phases() if self.reader else ()

    def prepare(self, task: Task) -> None:
        """Learn the words, index the passages, and set the threshold by the questions `dev`, where there are any."""
        self.rag[0].prepare(task)
        if task.dev and self.cfg.threshold is None:
            judged = self.judged([question for question, _, _ in task.dev])
            self.threshold.fill_(lowest([sure for _, sure in judged], task.cited(judged, task.dev), self.cfg.risk))

    def read(self, questions: Sequence[str]) -> tuple[list[int], list[Tensor], Tensor, Tensor]:
        """How many sentences each text and its question have, what the reader says, and the texts' words (B, S*W)."""
        texts = [re.split(r"(?<=[.!?])\s+", question.strip()) for question in questions]
        least, most = min(map(len, texts)), max(map(len, texts))
        if least < 2 or most > self.cfg.context + 1:
            raise ValueError(f"{least - 1} to {most - 1} sentences before a question; give 1 to {self.cfg.context}")
        # backwards, from the question on
        rows = [[self.rag[0].tokens(s) for s in [*text[::-1], *[""] * (most - len(text))]] for text in texts]
        width = max(len(s) for row in rows for s in row)
        ids = torch.tensor([[s + [0] * (width - len(s)) for s in row] for row in rows], device=self.device)
        return [len(text) for text in texts], *self.reader(ids[:, 1:], ids[:, 0]), ids[:, 1:].flatten(1)

    def loss(self, batch: Batch) -> Losses:
        """-log p of the answer, which may occur several times, and of its sources, in nats per question.

        batch.y are texts with their question, batch.x answers such as "kitchen [4, 2]", or what is not in the text.
        """
        lengths, laws, law, words = self.read(batch.y)
        given = torch.tensor([self.rag[0].tokens(x)[:1] for x in batch.x], device=self.device)
        there = (words == given) & (words > 0)
        right = torch.cat([~there.any(1, keepdim=True), there], 1)
        answer = -law.masked_fill(~right, -1e9).logsumexp(1).mean()
        ages = [[n - int(i) for i in re.findall(r"\d+", x)] for n, x in zip(lengths, batch.x, strict=True)]
        target = torch.tensor([(a + [-1] * len(laws))[: len(laws)] for a in ages], device=self.device)
        hops = [F.nll_loss(p, t, ignore_index=-1, reduction="none") for p, t in zip(laws, target.T, strict=True)]
        return {"loss": answer + sum(hops).mean(), "answer": answer}

    @torch.no_grad()
    def judged(self, questions: Sequence[str]) -> list[tuple[Answer, float]]:
        """The likeliest answer to each question, whether it will be given or not, and how sure it is."""
        if self.reader is None:
            return [self.looked_up(question) for question in questions]
        out, (lengths, laws, law, words) = [], self.read(questions)
        for i, n in enumerate(lengths):
            # of each word that the reader knows; it may occur several times
            mass = law.new_zeros(self.cfg.vocab).index_add_(0, words[i], law[i, 1:].exp())[2:]
            best, sources = int(mass.argmax()), [str(n - 1 - int(p[i, 1:].argmax())) for p in laws]
            out.append((Answer(self.rag[0].words[best], sources), float(mass[best] / (mass[best] + law[i, 0].exp()))))
        return out

    def looked_up(self, question: str) -> tuple[Answer, float]:
        """RAG's answer, the one passage that has it, and (2)."""
        rag = self.rag[0]
        found = rag.retrieve(question)
        if not found:
            return Answer("", []), 0.0
        text = rag.copy(question, found)
        cited = next(rag.passages[i] for i in found if text in rag.passages[i][2])
        scores = rag.scores(question) / self.cfg.tau
        # both weights of (2), divided by the largest exp(s)
        none = (-scores.max()).exp()
        likely = (scores - scores.max()).exp() - none
        page = torch.tensor([passage[0] == cited[0] for passage in rag.passages])
        return Answer(text, ["/".join(cited[:2])]), float(likely[page].sum() / (likely.sum() + none))

    def answers(self, questions: Sequence[str]) -> list[Answer]:
        """What is sure enough to be given; else "no answer", without a source."""
        return [a if sure >= self.threshold else Answer(NO_ANSWER, []) for a, sure in self.judged(questions)]

    def sample(self, n: int, y: Sequence[str] | None = None) -> list[str]:
        """Answers to the n questions y, sources in brackets; by default random passages ask."""
        y = y or [self.rag[0].passages[i][2] for i in torch.randint(len(self.rag[0].passages), (n,)).tolist()]
        return [f"{text} [{', '.join(sources)}]" if sources else text for text, sources in self.answers(y)]


def lowest(sure: Sequence[float], right: Sequence[bool], risk: float) -> float:
    """The lowest threshold at which at most this share of the answers given is wrong; infinite where there is none."""
    given = [[r for s, r in zip(sure, right, strict=True) if s >= threshold] for threshold in sure]
    return min((s for s, g in zip(sure, given, strict=True) if g.count(False) <= risk * len(g)), default=math.inf)


if __name__ == "__main__":
    main(QuestionAnswering)
