"""Self-attention: every position takes, from all positions, what matches its question.

Idea
    Each token asks with a query q, offers itself under a key k and hands over a value v, all linear in its vector.
    A row of weights says how well each key answers the query, and the output is the weighted mean of the values:

        Attention(Q, K, V) = softmax(Q K' / sqrt(D) + mask) V.

    N heads do so side by side in subspaces of D = C/N channels, so that a token can look at several places at once.
    Any two positions are one step apart, at the price of T^2 scores. Nothing in the formula knows the order of
    the tokens: positions have to be put into the vectors, and a mask of -inf above the diagonal hides the future.

    The reference stacks such layers and nothing else into a language model.

Source
    Vaswani et al., "Attention Is All You Need", 2017. arXiv:1706.03762 (eq. 1 and sec. 3.2.2).

Differs from the paper
    Layers of attention alone, without the MLPs between them; normalization comes before each layer; positions
    start as the paper's sines and are learned.

Shapes
    B batch, T new tokens, P past tokens, S tokens that can be looked at, C channels, N heads, D = C/N, V vocabulary.

Run
    genai-patterns run self_attention layers=2 steps=300
"""

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main

Keys = tuple[Tensor, Tensor]
"""Keys and values of the tokens that can be looked at, (B, N, S, D) both."""
Cache = list[Keys]
"""The same for each layer."""


class Attention(nn.Module):
    """Multi-head attention of x (B, T, C) to itself or to a source (B, S, C)."""

    def __init__(self, channels: int, heads: int, *, bias: bool = True, scale: float | None = None) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels={channels} is no multiple of heads={heads}")
        self.width = channels // heads
        self.scale = self.width**-0.5 if scale is None else scale
        self.query, self.key, self.value, self.out = (nn.Linear(channels, channels, bias) for _ in range(4))
        self.softmax = nn.Softmax(-1)

    def split(self, x: Tensor) -> Tensor:
        """Channels by heads: (B, T, N*D) -> (B, N, T, D)."""
        return x.unflatten(-1, (-1, self.width)).transpose(1, 2)

    def keys(self, source: Tensor) -> Keys:
        """What a source offers; it does not depend on who asks, and can be kept."""
        return self.split(self.key(source)), self.split(self.value(source))

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """How well each key answers each query: (B, N, T, D), (B, N, S, D) -> (B, N, T, S)."""
        return q @ k.mT * self.scale

    def forward(self, x: Tensor, kv: Keys, mask: Tensor | None = None) -> Tensor:
        """Each row's mean of the values (B, T, C); `mask` is added to the scores, -inf hides."""
        scores = self.scores(self.split(self.query(x)), kv[0])
        # eq. 1: softmax(QK' / sqrt(D) + mask) V
        weights = self.softmax(scores if mask is None else scores + mask)
        return self.out((weights @ kv[1]).transpose(1, 2).flatten(2))


class SelfAttentionConfig(Config):
    """Settings of the attention-only language model."""

    vocab: PositiveInt = 32
    """V, the number of distinct tokens."""
    context: PositiveInt = 128
    """Longest input, and number of learned positions."""
    channels: PositiveInt = 128
    """C, the width of the residual stream."""
    heads: PositiveInt = 4
    """N, the attention heads of a layer."""
    layers: PositiveInt = 2
    """Number of layers."""
    positions: bool = True
    """Whether a vector for its position, learned from sines on, is added to each token."""
    causal: bool = True
    """Whether a token sees only itself and those before it."""
    temperature: PositiveFloat = 1.0
    """Divides the logits when sampling."""
    steps: NonNegativeInt = 400
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 5e-3
    warmup: NonNegativeInt = 20
    cooldown: float = 0.6


class SelfAttention(Reference):
    """Language model of attention layers alone."""

    task = "text"
    Config = SelfAttentionConfig

    def __init__(self, cfg: SelfAttentionConfig) -> None:
        super().__init__(cfg)
        self.token = nn.Embedding(cfg.vocab, cfg.channels)
        # small beside the positions, whose mean square is 1/2
        nn.init.normal_(self.token.weight, std=0.3)
        start = waves(cfg.context, cfg.channels)
        self.place = nn.Embedding.from_pretrained(start, freeze=False) if cfg.positions else None
        self.layers = nn.ModuleList(self.attention() for _ in range(cfg.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(cfg.channels) for _ in range(cfg.layers))
        self.head = nn.Sequential(nn.LayerNorm(cfg.channels), nn.Linear(cfg.channels, cfg.vocab))

    def attention(self) -> Attention:
        """One layer."""
        return Attention(self.cfg.channels, self.cfg.heads)

    def stream(self, ids: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """The residual stream after the last layer, (B, T) -> (B, T, C), and the longer cache."""
        t, p = ids.shape[1], cache[0][0].shape[2] if cache else 0
        if self.place is not None and p + t > self.cfg.context:
            raise ValueError(f"{p + t} tokens; there are positions for context={self.cfg.context}")
        x = self.token(ids)
        if self.place is not None:
            x = x + self.place(torch.arange(p, p + t, device=ids.device))
        mask = hide_future(t, p + t, ids.device) if self.cfg.causal else None
        grown: Cache = []
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            seen = norm(x)
            k, v = layer.keys(seen)
            if cache:
                k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
            x = x + layer(seen, (k, v), mask)
            grown.append((k, v))
        return x, grown

    def logits(self, ids: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Logits of the token after each new one: (B, T) -> (B, T, V), and the longer cache."""
        x, cache = self.stream(ids, cache)
        return self.head(x), cache

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(x_t | x_<t) in nats per token; batch.x is (B, T+1)."""
        logits, _ = self.logits(batch.x[:, :-1])
        return {"loss": F.cross_entropy(logits.flatten(0, 1), batch.x[:, 1:].flatten())}

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x_1 .. x_T | x_0) in nats, exact: (B, T+1) -> (B,)."""
        logits, _ = self.logits(x[:, :-1])
        return -F.cross_entropy(logits.transpose(1, 2), x[:, 1:], reduction="none").sum(1)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """Continue the prompts y (n, P), by default one random token each, to (n, length).

        The default length is context+1, as in training, and with learned positions the largest.
        """
        ids = new = torch.randint(self.cfg.vocab, (n, 1), device=self.device) if y is None else y
        cache: Cache | None = None
        while ids.shape[1] < (length or self.cfg.context + 1):
            logits, cache = self.logits(new, cache)
            new = torch.multinomial((logits[:, -1] / self.cfg.temperature).softmax(-1), 1)
            ids = torch.cat([ids, new], 1)
        return ids


def waves(length: int, channels: int) -> Tensor:
    """Sines and cosines of positions 0 .. length-1 in waves of 2 pi to 10000 * 2 pi: (length, channels); sec. 3.5."""
    rates = 10000.0 ** (-torch.arange(0, channels, 2) / channels)
    angle = torch.outer(torch.arange(length), rates)
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)[:, :channels]


def hide_future(t: int, s: int, device: torch.device) -> Tensor:
    """Mask (T, S) for the last T of S tokens: 0 up to the token itself, -inf after it."""
    return torch.full((t, s), float("-inf"), device=device).triu(s - t + 1)


if __name__ == "__main__":
    main(SelfAttention)
