"""BART: a Transformer that first learns to write damaged text anew, then any other pairs of texts.

Idea
    Pairs of source and target are few, text is plenty. So pairs are made: damage a text x by noise c, read c(x) with
    the encoder, and write all of x with the decoder,

        loss = -E_c sum_t log p(x_t | x_<t, c(x)).                                            (1)

    Reading is two-sided, since the noise has hidden what is to be said, and nothing forces c(x) and x to be of one
    length. Text infilling makes use of that: spans of words, of lengths drawn from Poisson(`span`), are each replaced
    by ONE mask, and a span of length 0 inserts a mask where nothing is missing. So the model has to tell how much is
    missing as well as what. Sentence permutation shuffles sentences. Fine-tuning trains the same weights by the same
    loss, with real sources in place of c(x).

Source
    Lewis et al., "BART: Denoising Sequence-to-Sequence Pre-training for Natural Language Generation, Translation, and
    Comprehension", 2019. arXiv:1910.13461 (secs. 2.1 and 2.2)

Differs from the paper
    Each word starts a span with the probability that hides the wanted share on average; spans that overlap become one.
    No dropout; writing takes the likeliest token, not a beam. Padded as the tasks pad, with positions counted from 0.

Shapes
    B batch, S source tokens, T target tokens, C channels, V tokens of the task; the mask is token V.

Run
    genai-patterns run bart rate=0.15
"""

from collections.abc import Callable, Sequence
from math import log
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat
from torch import Tensor, nn

from reference_impl.core import Batch, Losses, Metrics, Optimizers, Phase, main
from reference_impl.transformer.transformer import (
    END,
    PAD,
    Cache,
    Layer,
    Memory,
    Transformer,
    TransformerConfig,
    hide_future,
    hide_padding,
)


class BARTConfig(TransformerConfig):
    """A Transformer's settings and those of the noise."""

    norm_first: bool = False
    norm_embedding: bool = True
    """Whether embeddings are normalized before the first layer."""
    activation: Literal["gelu", "relu"] = "gelu"
    """What the MLPs' hidden units compute."""
    rate: float = Field(0.3, ge=0, lt=1)
    """Share of words that pre-training hides."""
    span: PositiveFloat = 3.0
    """Mean of the Poisson distribution of span lengths."""
    stop: NonNegativeInt = 0
    """The token that ends a sentence; sentences are shuffled in pre-training. 0: no token does."""
    corpus: str = "train"
    """Split of the task whose targets pre-training restores."""
    pretrain_share: float = Field(2 / 3, ge=0, le=1)
    """Share of the steps that is pre-training."""
    pretrain_lr: PositiveFloat = 3e-3
    """Peak learning rate of pre-training."""
    lr: PositiveFloat = 1e-3
    steps: NonNegativeInt = 900
    batch_size: int = Field(16, gt=0)


class BART(Transformer):
    """Encoder-decoder Transformer, pre-trained by restoring damaged text."""

    task = "reports"
    Config = BARTConfig

    def __init__(self, cfg: BARTConfig) -> None:
        super().__init__(cfg)
        # one token more than the task has: the mask
        self.token = nn.Embedding(cfg.vocab + 1, cfg.channels)
        # the target's positions have vectors of their own
        self.target_place = nn.Embedding(cfg.context, cfg.channels)
        for table in (self.token, self.place, self.target_place):
            nn.init.normal_(table.weight, std=cfg.channels**-0.5)
        norm = nn.LayerNorm if cfg.norm_embedding else nn.Identity
        self.source_norm, self.target_norm = norm(cfg.channels), norm(cfg.channels)
        # the head is the table of tokens again, and a bias
        del self.head
        self.bias = nn.Parameter(torch.zeros(cfg.vocab))

    def layer(self, cross: bool) -> nn.Module:
        cfg, activation = self.cfg, {"gelu": nn.GELU, "relu": nn.ReLU}[self.cfg.activation]
        return Layer(cfg.channels, cfg.heads, cross=cross, norm_first=cfg.norm_first, activation=activation)

    def read(self, y: Tensor) -> Memory:
        x, hide = self.source_norm(self.embed(y)), hide_padding(y)
        for layer in self.encoder:
            x, _ = layer(x, hide)
        return self.read_norm(x), hide

    def write(self, ids: Tensor, memory: Memory, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        t, p = ids.shape[1], cache[0][0].shape[2] if cache else 0
        x = self.target_norm(self.token(ids) + self.target_place.weight[p : p + t])
        mask, grown = hide_future(t, p + t, ids.device), []
        for i, layer in enumerate(self.decoder):
            x, keys = layer(x, mask, cache[i] if cache else None, *memory)
            grown.append(keys)
        # masks are read, never written
        return F.linear(self.write_norm(x), self.token.weight[: self.cfg.vocab], self.bias), grown

    def loss(self, batch: Batch) -> Losses:
        """-log p(x_t | x_<t, y) in nats per token, each text's mean; padding that no row needs is cut off first."""
        return super().loss(Batch(cut(batch.x), cut(batch.y)))

    def phases(self) -> Sequence[Phase]:
        return pretrain_first(self, self.restore)

    def restore(self, batch: Batch, opt: Optimizers) -> Metrics:
        """A step on eq. 1: the source is the damaged target."""
        return self.step(Batch(batch.x, self.corrupt(batch.x[:, 1:])), opt)

    def corrupt(self, x: Tensor) -> Tensor:
        """c(x): texts (B, T) that end with END and are padded, shuffled and with masks for spans: (B, T)."""
        x, cfg, at = self.shuffle(x), self.cfg, torch.arange(x.shape[1], device=x.device)
        # P(length <= k) for k = 0, 1, ..; spans start so often that the share `rate` is covered by one or more
        below = torch.special.gammaincc(at + 1.0, torch.full_like(at, 1.0) * cfg.span)
        starts = (torch.rand(x.shape, device=x.device) < -log(1 - cfg.rate) / cfg.span) & (x > END)
        ends = (at + torch.searchsorted(below, torch.rand(x.shape, device=x.device))).where(starts, 0)
        # how far the spans reach that start here or earlier, and those that start earlier
        reach = ends.cummax(1).values
        earlier = F.pad(reach, (1, 0))[:, :-1]
        masks = (starts & (earlier <= at)).long() * cfg.vocab
        kept = x.masked_fill((reach > at) & (x > END), PAD)
        # each place gives a mask, a word, both or neither; what is there moves to the left
        return pack(torch.stack([masks, kept], 2).flatten(1))[:, : len(at)]

    def shuffle(self, x: Tensor) -> Tensor:
        """The sentences of each text (B, T) in random order."""
        sentence = F.pad(x == self.cfg.stop, (1, 0))[:, :-1].cumsum(1)
        key = torch.rand(x.shape, device=x.device).gather(1, sentence)
        return x.gather(1, key.masked_fill(x <= END, 2).argsort(stable=True))


def pretrain_first(model: Transformer, restore: Callable[[Batch, Optimizers], Metrics]) -> Sequence[Phase]:
    """The two phases of a model that restores text before it learns its task."""
    cfg = model.cfg
    first, optimizer = round(cfg.pretrain_share * cfg.steps), torch.optim.AdamW(model.parameters(), lr=cfg.pretrain_lr)
    return (
        Phase("pretrain", first, restore, {"main": optimizer}, stream=cfg.corpus),
        Phase("train", cfg.steps - first, model.step, model.optimizers()),
    )


def cut(ids: Tensor) -> Tensor:
    """Rows (B, T) as long as the longest needs, without padding beyond."""
    return ids[:, : int((ids != PAD).sum(1).max())]


def pack(ids: Tensor) -> Tensor:
    """Rows (B, T) with their padding moved behind everything else."""
    return ids.gather(1, (ids == PAD).long().argsort(stable=True))


if __name__ == "__main__":
    main(BART)
