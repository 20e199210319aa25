"""T5: one Transformer for all tasks, each put as text in and text out.

Idea
    A prefix says what to do, as in `reverse b a d`, and the answer is text, also where it is a class or a number. So
    translating, sorting and classifying share one model, one loss and one way of decoding:

        loss = -sum_t log p(x_t | x_<t, prefix + source).

    Pre-training takes a share of the words out of a text, in spans of `span` words on average. The source shows a
    sentinel in place of each span, and the target is what is missing, behind the same sentinels:

        thank <1> inviting me to your <2> week      ->      <1> you for <2> party last <3>                  (1)

    The decoder writes little more than what is missing, not all of the text again.

    Attention knows order only by a bias that is added to its scores, one number for each head and each bucket of
    distances s - t: small distances have buckets of their own, larger ones share them on a logarithmic scale.

Source
    Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2019.
    arXiv:1910.10683 (secs. 2.1, 2.4 and 3.1.4)

Differs from the paper
    No dropout; AdamW in place of Adafactor; a text may also begin with a hidden span or end with a visible one.

Shapes
    B batch, S source tokens, T target tokens, C channels, N heads, V tokens of the task; sentinels are V, V+1, ...

Run
    genai-patterns run t5 steps=600
"""

from collections.abc import Sequence
from math import log

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Losses, Metrics, Optimizers, Phase, main
from reference_impl.transformer.bart import cut, pretrain_first
from reference_impl.transformer.transformer import (
    BEGIN,
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

UNKNOWN = 3


class T5Config(TransformerConfig):
    """A Transformer's settings, those of the relative positions and those of the corruption."""

    buckets: PositiveInt = 32
    """Buckets of distances; the encoder has half of them for each direction."""
    reach: PositiveInt = 128
    """Distance from which on all share the last bucket."""
    rate: float = Field(0.15, gt=0, lt=1)
    """Share of words that pre-training takes out."""
    span: PositiveFloat = 3.0
    """Mean length of what is taken out in one place, in words."""
    sentinels: PositiveInt = 100
    """Tokens that can stand for a span."""
    corpus: str = "train"
    """Split of the task whose targets pre-training corrupts."""
    pretrain_share: float = Field(0.2, ge=0, le=1)
    """Share of the steps that is pre-training."""
    pretrain_lr: PositiveFloat = 3e-3
    """Peak learning rate of pre-training."""
    steps: NonNegativeInt = 750
    lr: PositiveFloat = 3e-3


class T5(Transformer):
    """Encoder-decoder Transformer from prefixed text to text, pre-trained by span corruption."""

    task = "strings"
    Config = T5Config

    def __init__(self, cfg: T5Config) -> None:
        super().__init__(cfg)
        self.token = nn.Embedding(cfg.vocab + cfg.sentinels, cfg.channels)
        self.read_norm, self.write_norm = nn.RMSNorm(cfg.channels, 1e-6), nn.RMSNorm(cfg.channels, 1e-6)
        # one bias per bucket and head, the same in all layers of a stack
        self.read_bias, self.write_bias = nn.Embedding(cfg.buckets, cfg.heads), nn.Embedding(cfg.buckets, cfg.heads)
        # no absolute positions, and the head is the table of tokens again
        del self.place, self.head
        # each map keeps the size of what it maps; queries are smaller, so that scores need no 1 / sqrt(D)
        for name, weight in self.named_parameters():
            if weight.ndim == 2 and name.startswith(("encoder", "decoder")):
                width = cfg.channels // cfg.heads if ".query." in name else 1
                nn.init.normal_(weight, std=(weight.shape[1] * width) ** -0.5)

    def layer(self, cross: bool) -> nn.Module:
        # scores are not divided by sqrt(D)
        norm = lambda channels: nn.RMSNorm(channels, 1e-6)
        return Layer(self.cfg.channels, self.cfg.heads, cross=cross, norm=norm, bias=False, scale=1.0)

    def read(self, y: Tensor) -> Memory:
        x, hide = self.token(y), hide_padding(y)
        mask = hide + self.bias(self.read_bias, y.shape[1], y.shape[1], two_sided=True)
        for layer in self.encoder:
            x, _ = layer(x, mask)
        return self.read_norm(x), hide

    def write(self, ids: Tensor, memory: Memory, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        t, p = ids.shape[1], cache[0][0].shape[2] if cache else 0
        mask = hide_future(t, p + t, ids.device) + self.bias(self.write_bias, t, p + t, two_sided=False)
        x, grown = self.token(ids), []
        for i, layer in enumerate(self.decoder):
            x, keys = layer(x, mask, cache[i] if cache else None, *memory)
            grown.append(keys)
        return self.write_norm(x) * self.cfg.channels**-0.5 @ self.token.weight.T, grown

    def bias(self, table: nn.Embedding, t: int, s: int, *, two_sided: bool) -> Tensor:
        """What the distance adds to the scores of the last T of S tokens: (N, T, S)."""
        at = torch.arange(s, device=self.device)
        return table(self.bucket(at - at[s - t :, None], two_sided)).permute(2, 0, 1)

    def bucket(self, distance: Tensor, two_sided: bool) -> Tensor:
        """Bucket of each distance s - t, sec. 2.1; later tokens have the upper half where both sides are seen."""
        buckets = self.cfg.buckets // 2 if two_sided else self.cfg.buckets
        upper = (distance > 0).long() * buckets if two_sided else 0
        far = distance.abs() if two_sided else (-distance).clamp(min=0)
        exact = buckets // 2
        scale = (buckets - exact) / log(self.cfg.reach / exact)
        shared = exact + (torch.log(far.clamp(min=1) / exact) * scale).long()
        return upper + torch.where(far < exact, far, shared.clamp(max=buckets - 1))

    def loss(self, batch: Batch) -> Losses:
        """-log p(x_t | x_<t, y) in nats per token, each text's mean; padding that no row needs is cut off first."""
        return super().loss(Batch(cut(batch.x), cut(batch.y)))

    def phases(self) -> Sequence[Phase]:
        return pretrain_first(self, self.fill)

    def fill(self, batch: Batch, opt: Optimizers) -> Metrics:
        """A step on eq. 1."""
        source, target = self.corrupt(batch.x[:, 1:])
        return self.step(Batch(target, source), opt)

    def corrupt(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 1: texts (B, T) that end with END and are padded -> sources and targets, (B, <= T+1) and (B, <= T+3)."""
        noise = torch.rand(len(x), 2, x.shape[1] + 2).tolist()
        sources, targets = [], []
        for row, (u, v) in zip(x.tolist(), noise, strict=True):
            words = [w for w in row if w > END]
            hidden = max(1, round(self.cfg.rate * len(words)))
            spans = min(max(1, round(hidden / self.cfg.span)), len(words) - hidden + 1, self.cfg.sentinels - 1)
            # between two spans is at least one word; before the first and after the last there may be none
            gaps, lengths = parts(len(words) - hidden + 2, spans + 1, u), parts(hidden, spans, v)
            source, target, at = words[: gaps[0] - 1], [BEGIN], gaps[0] - 1
            for i, (length, gap) in enumerate(zip(lengths, gaps[1:], strict=True)):
                mark = self.cfg.vocab + i
                target += [mark, *words[at : at + length]]
                at += length
                source += [mark, *words[at : at + gap]]
                at += gap
            sources.append(torch.tensor([*source, END]))
            targets.append(torch.tensor([*target, self.cfg.vocab + spans, END]))
        source, target = (nn.utils.rnn.pad_sequence(s, True, PAD).to(x.device) for s in (sources, targets))
        return source, target

    @torch.no_grad()
    def sample(self, n: int, y: Tensor, length: int | None = None) -> Tensor:
        """As the Transformer's; a sentinel that is written for the task counts as an unknown token."""
        ids = super().sample(n, y, length)
        return ids.masked_fill(ids >= self.cfg.vocab, UNKNOWN)


def parts(total: int, count: int, noise: Sequence[float]) -> list[int]:
    """`total` as a sum of `count` positive whole numbers, all such sums equally likely; noise is (>= total-1)."""
    cuts = sorted(sorted(range(1, total), key=lambda i: noise[i - 1])[: count - 1])
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


if __name__ == "__main__":
    main(T5)
