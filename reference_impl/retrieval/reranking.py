"""Reranking: a cheap search proposes passages, and a model that reads question and passage together orders them.

Idea
    A bi-encoder (`dense_retrieval`) turns a passage into a vector before the question is known, and has to keep in
    it all that might be asked. Here its k best passages are read once more, each in one text with the question,

        s(q, z) = w' BERT([CLS] q [SEP] z)_CLS,                                                   (1)

    so that every word of the question can look at every word of the passage, in order. That costs k passes per
    question, and none of it can be computed in advance; hence two stages. What the first does not propose, the
    second cannot bring back.

    It learns to pick the right passage z out of a group G that holds wrong ones as well, half of them proposed by
    the first stage and half taken from the batch:

        loss = -log( exp s(q, z) / sum_{z' in G} exp s(q, z') ).                                  (2)

Source
    Nogueira and Cho, "Passage Re-ranking with BERT", 2019. arXiv:1901.04085

Differs from the paper
    A small BERT without pretraining, whose words are hashed into its vocabulary; [SEP] alone parts question and
    passage, without segment vectors. The paper's first stage is BM25, and it judges each pair by itself, right or
    wrong, where (2) compares.

Shapes
    Questions and passages are strings. B batch, k candidates, T tokens of question and passage, C channels of BERT,
    N passages.

Run
    genai-patterns run reranking candidates=5
"""

from collections.abc import Sequence
from zlib import crc32

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.optim import AdamW

from reference_impl.blocks_retrieval import Retriever, split
from reference_impl.core import Batch, Losses, Metrics, Optimizers, Phase, main
from reference_impl.retrieval.dense_retrieval import DenseRetrieval
from reference_impl.transformer.bert import Bert

CLS, SEP = 1, 2
"""Ids of the token that is read off, and of the one between question and passage; 0 pads."""


class RerankingConfig(DenseRetrieval.Config):
    """Settings of reranking, those of the first stage among them."""

    candidates: PositiveInt = 10
    """k, the passages that the first stage proposes."""
    proposed: PositiveInt = 4
    """Passages of the first stage in G."""
    drawn: NonNegativeInt = 4
    """Passages from the batch in G."""
    vocab: int = Field(2**12, ge=8)
    """Ids into which the words that BERT reads are hashed."""
    width: PositiveInt = 64
    """C, the channels of BERT."""
    depth: PositiveInt = 2
    """Layers of BERT."""
    bert_lr: PositiveFloat = 2e-3
    """Peak learning rate of BERT."""
    channels: PositiveInt = 64
    buckets: PositiveInt = 2**12
    dropout: float = 0.0
    steps: NonNegativeInt = 200
    batch_size: PositiveInt = 32
    warmup: NonNegativeInt = 20


class Reranking(Retriever):
    """Dense retrieval, and a cross-encoder that orders what it finds."""

    task = "events"
    Config = RerankingConfig

    def __init__(self, cfg: RerankingConfig) -> None:
        super().__init__(cfg)
        self.first = DenseRetrieval(cfg)
        # [CLS], [SEP] and two texts
        sizes = {"context": 2 * cfg.context + 1, "channels": cfg.width, "layers": cfg.depth, "heads": cfg.heads}
        self.bert = Bert(Bert.Config(vocab=cfg.vocab, norm_first=True, **sizes))
        # no token is restored here
        self.bert.bias.requires_grad_(False)
        self.judge = nn.Linear(cfg.width, 1)

    def index(self, passages: Sequence[Sequence[str]]) -> None:
        super().index(passages)
        # there is no first stage yet when this is called for the first time
        if "first" in self._modules:
            self.first.index(passages)

    def phases(self) -> Sequence[Phase]:
        first = {"first": AdamW(self.first.parameters(), lr=self.cfg.lr)}
        second = {"second": AdamW([*self.bert.parameters(), *self.judge.parameters()], lr=self.cfg.bert_lr)}
        return (
            Phase("first stage", self.cfg.steps, self.learn_to_propose, first),
            Phase("second stage", self.cfg.steps, self.learn_to_order, second),
        )

    def learn_to_propose(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = self.first.loss(batch)
        opt.minimize("first", losses["loss"])
        self.first.after_update()
        return losses

    def learn_to_order(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = opt.forward(batch)
        opt.minimize("second", losses["loss"])
        return losses

    def ids(self, text: str) -> list[int]:
        """Ids of the words of a text, as far as it is read."""
        words = split(text)[: self.cfg.context]
        return [SEP + 1 + crc32(word.encode()) % (self.cfg.vocab - SEP - 1) for word in words]

    def judged(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """s of each pair of a question and a text, one pass through BERT each: (B,)."""
        rows = [torch.tensor([CLS, *self.ids(question), SEP, *self.ids(text)]) for question, text in pairs]
        read = self.bert.read(pad_sequence(rows, batch_first=True).to(self.device))
        # (1)
        return self.judge(self.bert.transform(read[:, 0]))[:, 0]

    def loss(self, batch: Batch) -> Losses:
        """(2), in nats; questions batch.y and right passages batch.x are lists of B strings."""
        groups = []
        for i, (question, right) in enumerate(zip(batch.y, batch.x, strict=True)):
            found = [self.passages[row][2] for row in self.first.retrieve(question, self.cfg.proposed)]
            others = [batch.x[(i + j) % len(batch.x)] for j in range(1, self.cfg.drawn + 1)]
            groups.append([right, *(text for text in dict.fromkeys([*found, *others]) if text != right)])
        pairs = [(question, text) for question, group in zip(batch.y, groups, strict=True) for text in group]
        logits = pad_sequence(self.judged(pairs).split([*map(len, groups)]), True, -torch.inf)
        own = torch.zeros(len(groups), dtype=torch.long, device=self.device)
        return {"loss": F.cross_entropy(logits, own), "right": (logits.argmax(1) == own).float().mean()}

    @torch.no_grad()
    def rerank(self, question: str, texts: Sequence[str]) -> list[int]:
        """Positions of the texts, best first; equal ones as they came."""
        scores = self.judged([(question, text) for text in texts]) if texts else torch.zeros(0)
        return scores.argsort(descending=True, stable=True).tolist()

    @torch.no_grad()
    def scores(self, question: str) -> Tensor:
        """s of the candidates, -inf for all other passages: (N,), float64."""
        out = torch.full((len(self.passages),), -torch.inf, dtype=torch.float64)
        if rows := self.first.retrieve(question, self.cfg.candidates):
            out[rows] = self.judged([(question, self.passages[row][2]) for row in rows]).double().cpu()
        return out


if __name__ == "__main__":
    main(Reranking)
