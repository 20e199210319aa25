"""Speculative decoding: a small model guesses several tokens, the large one checks them all in one pass.

Idea
    A pass of a language model over g+1 tokens takes hardly longer than one over a single token, but sampling needs a
    pass per token. So let a small draft model with law q write g tokens, and let the target model with law p read them
    in one pass. Go through them in order and keep a token x with probability

        min(1, p(x) / q(x)).                                                                          (1)

    At the first that is not kept, draw from what p has more than q, the residual

        p'(x) = max(0, p(x) - q(x)) / sum_v max(0, p(v) - q(v)),                                      (2)

    and throw the rest away; if all are kept, draw one more from p. Every token then follows p exactly: x comes by (1)
    with probability q(x) min(1, p(x) / q(x)) = min(p(x), q(x)), by (2) with p(x) - min(p(x), q(x)). A guess is kept
    with probability a = sum_x min(p(x), q(x)), and if that is the same everywhere, a target pass gives
    (1 - a^(g+1)) / (1 - a) tokens on average.

Source
    Leviathan, Kalman and Matias, "Fast Inference from Transformers via Speculative Decoding", 2023. arXiv:2211.17192
    (algorithm 1, eq. 1). Chen et al., 2023. arXiv:2302.01318.

Differs from the paper
    The draft is trained on the same text beside the target. Several texts are written in step: all keep as many tokens
    of a round as the one that keeps fewest, which changes none of their laws.

Shapes
    n texts, T tokens so far, g guesses, V vocabulary. Laws are (n, V).

Run
    genai-patterns run speculative_decoding guesses=6
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.core import Batch, Config, Losses, Metrics, Optimizers, Phase, Reference, main
from reference_impl.transformer.gpt import GPT, Cache


class SpeculativeDecodingConfig(Config):
    """Settings of the two models and of their cooperation."""

    vocab: PositiveInt = 32
    """V, the number of distinct tokens."""
    context: PositiveInt = 128
    """Tokens that attention looks back on."""
    channels: PositiveInt = 64
    """Width of the target's residual stream."""
    layers: PositiveInt = 2
    """Blocks of the target."""
    draft_channels: PositiveInt = 32
    """Width of the draft's residual stream."""
    draft_layers: PositiveInt = 1
    """Blocks of the draft."""
    heads: PositiveInt = 4
    """Attention heads of a layer, in both."""
    temperature: PositiveFloat = 1.0
    """Divides the logits of both when sampling."""
    guesses: PositiveInt = 4
    """g, tokens that the draft writes for one pass of the target."""
    rule: Literal["exact", "greedy"] = "exact"
    """Whether a draft is kept by (1), or only where it is the target's likeliest token."""
    steps: NonNegativeInt = 500
    """Training steps of the target, and of the draft."""
    batch_size: PositiveInt = 8
    lr: PositiveFloat = 5e-3
    """Peak learning rate of embeddings and heads."""
    warmup: NonNegativeInt = 20
    cooldown: float = 0.6


class Verdict(NamedTuple):
    """What comes of g guesses for each of n texts."""

    tokens: Tensor
    """Of row i the first kept[i] + 1 are drawn from the target's law, (n, g+1)."""
    kept: Tensor
    """Guesses before the first that is not kept, (n,)."""


class SpeculativeDecoding(Reference):
    """A target GPT and the draft that guesses for it."""

    task = "text"
    Config = SpeculativeDecodingConfig

    def __init__(self, cfg: SpeculativeDecodingConfig) -> None:
        super().__init__(cfg)
        both = cfg.model_dump(include={"vocab", "context", "heads", "temperature", "lr"})
        self.target = GPT(GPT.Config(**both, channels=cfg.channels, layers=cfg.layers))
        self.draft = GPT(GPT.Config(**both, channels=cfg.draft_channels, layers=cfg.draft_layers))

    def phases(self) -> Sequence[Phase]:
        models = {"target": self.target, "draft": self.draft}
        return tuple(Phase(k, self.cfg.steps, partial(learn, m), m.optimizers()) for k, m in models.items())

    def loss(self, batch: Batch) -> Losses:
        return self.target.loss(batch)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x_1 .. x_T | x_0) in nats, exact; the draft has no part in it: (B, T+1) -> (B,)."""
        return self.target.log_prob(x)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """Continue the prompts y (n, P), by default one random token each, to (n, length), by default context+1."""
        y = torch.randint(self.cfg.vocab, (n, 1), device=self.device) if y is None else y
        return self.write(y, length or self.cfg.context + 1)[0]

    @torch.no_grad()
    def write(self, ids: Tensor, length: int) -> tuple[Tensor, list[int]]:
        """Continue ids (n, T) to (n, length); also how many tokens each pass of the target gave."""
        if length > self.cfg.context + 1:
            raise ValueError(
                f"length={length}, at most context+1={self.cfg.context + 1}: past it a cache drops tokens, and could "
                "not go back behind guesses that are thrown away"
            )
        caches: list[Cache] = [[], []]
        given = []
        while ids.shape[1] < length:
            t, g = ids.shape[1], min(self.cfg.guesses, length - ids.shape[1] - 1)
            guessed, q, caches[0] = self.guess(ids, g, caches[0])
            logits, caches[1] = unread(self.target, guessed, caches[1])
            tokens, kept = self.verify(guessed[:, t:], q, self.target.law(logits[:, -g - 1 :]))
            given.append(int(kept.min()) + 1)
            ids = torch.cat([ids, tokens[:, : given[-1]]], 1)
            # both have read guesses that are not kept; the last token is new to both
            caches = [[(k[:, :, : ids.shape[1] - 1], v[:, :, : ids.shape[1] - 1]) for k, v in c] for c in caches]
        return ids, given

    def guess(self, ids: Tensor, g: int, cache: Cache) -> tuple[Tensor, Tensor, Cache]:
        """g more tokens by the draft, (n, T+g), the law of each, (n, g, V), and the draft's longer cache."""
        laws = [torch.empty(len(ids), 0, self.cfg.vocab).to(self.draft.head.weight)]
        for _ in range(g):
            logits, cache = unread(self.draft, ids, cache)
            laws.append(self.draft.law(logits[:, -1:]))
            ids = torch.cat([ids, torch.multinomial(laws[-1][:, 0], 1)], 1)
        return ids, torch.cat(laws, 1), cache

    def verify(self, guesses: Tensor, q: Tensor, p: Tensor) -> Verdict:
        """Guesses (n, g) with their laws q (n, g, V), and the target's laws p (n, g+1, V) there and after them."""
        chance = self.chance(p[:, :-1], q).gather(2, guesses[..., None])[..., 0]
        kept = (torch.rand_like(chance) < chance).long().cumprod(1).sum(1)
        # after the last guess nothing has been proposed: the law is p itself
        laws = torch.cat([self.instead(p[:, :-1], q), p[:, -1:]], 1)
        instead = torch.multinomial(laws.flatten(0, 1), 1).view(laws.shape[:2])
        here = torch.arange(laws.shape[1], device=p.device) < kept[:, None]
        return Verdict(torch.where(here, torch.cat([guesses, instead[:, -1:]], 1), instead), kept)

    def chance(self, p: Tensor, q: Tensor) -> Tensor:
        """With what probability each token is kept if it is the guess: (..., V) -> (..., V)."""
        if self.cfg.rule == "greedy":
            return (p == p.amax(-1, keepdim=True)).to(p)
        # (1)
        return (p / q.clamp(min=torch.finfo(q.dtype).tiny)).clamp(max=1)

    def instead(self, p: Tensor, q: Tensor) -> Tensor:
        """The law of the token that stands in for a guess that is not kept: (..., V) -> (..., V)."""
        if self.cfg.rule == "greedy":
            return p
        # (2); where p = q no guess is ever refused, and any law will do
        more = (p - q).clamp(min=0)
        more = torch.where(more.sum(-1, keepdim=True) > 0, more, p)
        return more / more.sum(-1, keepdim=True)


def learn(model: GPT, batch: Batch, opt: Optimizers) -> Metrics:
    """One step down the loss of one of the two models."""
    losses = model.loss(batch)
    opt.minimize("main", losses["loss"])
    return losses


def unread(model: GPT, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
    """Logits after the tokens of ids (n, T) that the cache does not hold, and the longer cache."""
    held = cache[0][0].shape[2] if cache else 0
    return model.logits(ids[:, held:], cache)


if __name__ == "__main__":
    main(SpeculativeDecoding)
