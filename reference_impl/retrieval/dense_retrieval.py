"""Dense retrieval: questions and passages as points on one sphere; the nearest passages are the result.

Idea
    One tower f turns any text into a unit vector, a passage z long before anybody asks. What fits
    a question q is found by inner products, s(q, z) = f(q)' f(z), however different the words are.

    The tower learns from pairs (q_i, z_i). In a batch of B each question has to pick its own
    passage, and the passages of the others, which are encoded anyway, are the wrong answers:

        loss = -(1/B) sum_i log( exp(s(q_i, z_i) / t) / sum_j exp(s(q_i, z_j) / t) ).             (1)

    It is minimal where words that stand for each other in pairs have the same direction, so
    synonyms are learned, and the more wrong answers there are, the finer the differences.

    The tower: a word is the mean of vectors for the word and for its groups of 3 to 5 letters, found
    by hashing, so that a word never seen is near its relatives; after optional layers of a
    bidirectional Transformer a text is a mean of its words with weights of a learned softmax.

Source
    Karpukhin et al., "Dense Passage Retrieval for Open-Domain Question Answering", 2020, section 3.
    arXiv:2004.04906. Letter groups: Bojanowski et al., 2017. arXiv:1607.04606

Differs from the paper
    Its two towers are BERTs, pretrained on billions of words, and one token of each is read off. The
    default here is a mean of words, which ignores their order and for which 20,000 pairs and half a
    minute are enough. Questions and passages share the tower, vectors have length one, and the
    temperature t is learned. All passages are compared, where the paper has an approximate index.
    There are no hard negatives beside those of the batch; of several processes each compares its own
    share of the batch.

Shapes
    Questions and passages are strings. B batch, T words of the longest text, U distinct words, C
    channels, N passages.

Run
    genai-patterns run dense_retrieval channels=64
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from zlib import crc32

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_retrieval import Retriever, split
from reference_impl.core import Batch, Config, Losses, main
from reference_impl.transformer.transformer import PAD, Layer, hide_padding


class DenseConfig(Config):
    """Settings of dense retrieval."""

    channels: PositiveInt = 128
    """C, the length of a text's vector."""
    buckets: PositiveInt = 2**14
    """Vectors for words and groups of letters, which share one where their hashes agree."""
    shortest: PositiveInt = 3
    """Letters of the shortest groups."""
    longest: NonNegativeInt = 5
    """Letters of the longest groups; 0 has words alone."""
    context: PositiveInt = 128
    """Words that are read; what follows them is not."""
    layers: NonNegativeInt = 0
    """Transformer layers, with learned positions, between words and their mean; 0 ignores the order."""
    heads: PositiveInt = 4
    """Attention heads of a layer."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of the words that are left out of each text in training."""
    temperature: PositiveFloat = 0.05
    """t in (1) before training."""
    rivals: PositiveInt | None = None
    """Passages among which a question has to find its own, a divisor of the batch size; by default all of the batch."""
    steps: NonNegativeInt = 600
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 2e-2
    cooldown: float = Field(0.5, ge=0, le=1)


class DenseRetrieval(Retriever):
    """A bi-encoder trained with in-batch negatives, and the vectors of all passages."""

    Config = DenseConfig

    def __init__(self, cfg: DenseConfig) -> None:
        super().__init__(cfg)
        if cfg.rivals and cfg.batch_size % cfg.rivals:
            raise ValueError(f"batch_size={cfg.batch_size} cannot be divided into groups of rivals={cfg.rivals}")
        self.parts = nn.EmbeddingBag(cfg.buckets, cfg.channels, mode="mean")
        self.layers = nn.ModuleList(Layer(cfg.channels, cfg.heads) for _ in range(cfg.layers))
        self.place = nn.Embedding(cfg.context, cfg.channels) if cfg.layers else None
        self.weigh = nn.Linear(cfg.channels, 1, bias=False)
        self.log_scale = nn.Parameter(-torch.tensor([cfg.temperature]).log())

    def index(self, passages: Sequence[Sequence[str]]) -> None:
        super().index(passages)
        self.vectors: Tensor | None = None

    def after_update(self) -> None:
        # the vectors of passages are those of an older tower
        self.vectors = None

    def words(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids (B, T) among the distinct words of these texts, 0 pads; and these words' vectors (U+1, C)."""
        rows = [split(text)[: self.cfg.context] or [""] for text in texts]
        ids = {word: i for i, word in enumerate(dict.fromkeys(w for row in rows for w in row), 1)}
        parts = [hashes(w, self.cfg.shortest, self.cfg.longest, self.cfg.buckets) for w in ["", *ids]]
        starts = torch.tensor([0, *accumulate(map(len, parts))][:-1], device=self.device)
        vectors = self.parts(torch.tensor([h for part in parts for h in part], device=self.device), starts)
        padded = nn.utils.rnn.pad_sequence([torch.tensor([ids[w] for w in row]) for row in rows], batch_first=True)
        return padded.to(self.device), vectors

    def embed(self, texts: Sequence[str]) -> Tensor:
        """f: a unit vector for each text, (B, C)."""
        ids, vectors = self.words(texts)
        x = F.embedding(ids, vectors)
        if self.place is not None:
            x = x + self.place.weight[: ids.shape[1]]
        for layer in self.layers:
            x, _ = layer(x, hide_padding(ids))
        weights = self.weigh(x)[..., 0].masked_fill(ids == PAD, -torch.inf)
        if self.training:
            # a dropped word weighs nothing, unless all are dropped
            weights = weights - 1e4 * (torch.rand(ids.shape, device=ids.device) < self.cfg.dropout)
        return F.normalize((weights.softmax(1)[:, None] @ x)[:, 0], dim=1)

    def loss(self, batch: Batch) -> Losses:
        """(1), in nats; questions batch.y and passages batch.x are lists of B strings."""
        n = self.cfg.rivals or len(batch.x)
        # (B / n, n, C): n questions and n passages that compete
        q, z = (self.embed(texts).unflatten(0, (-1, n)) for texts in (batch.y, batch.x))
        logits = (self.log_scale.exp() * q @ z.mT).flatten(0, 1)
        own = torch.arange(n, device=self.device).repeat(len(q))
        right = (logits.argmax(1) == own).float().mean()
        return {"loss": F.cross_entropy(logits, own), "right": right}

    @torch.no_grad()
    def scores(self, question: str) -> Tensor:
        """Cosine of the question and every passage: (N,), float64."""
        if self.vectors is None:
            texts = [text for _, _, text in self.passages]
            chunks = [self.embed(texts[i : i + 256]) for i in range(0, len(texts), 256)]
            self.vectors = torch.cat(chunks) if chunks else torch.zeros(0, self.cfg.channels, device=self.device)
        return (self.vectors @ self.embed([question])[0]).double().cpu()


@lru_cache(maxsize=2**16)
def hashes(word: str, shortest: int, longest: int, buckets: int) -> list[int]:
    """Buckets of a word and of its groups of letters, `<` and `>` standing for its ends."""
    whole = f"<{word}>"
    sizes = range(shortest, min(longest, len(whole) - 1) + 1)
    groups = [whole[i : i + size] for size in sizes for i in range(len(whole) - size + 1)]
    return [crc32(part.encode()) % buckets for part in (whole, *groups)]


if __name__ == "__main__":
    main(DenseRetrieval)
