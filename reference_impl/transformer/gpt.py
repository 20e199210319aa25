"""GPT: a causal Transformer that predicts each token from those before it.

Idea
    The chain rule turns any distribution over sequences into next-token predictions,

        log p(x_1 .. x_T | x_0) = sum_t log p(x_t | x_0 .. x_{t-1}),

    and masked self-attention computes all T conditionals in one parallel pass, so one window of
    text gives T training signals and needs no labels. Generation is sequential: each new token is
    fed back. Keys and values of past tokens do not change and are kept (the KV cache), so that a
    new token costs one row of attention.

Source
    Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018.
    Vaswani et al., "Attention Is All You Need", 2017. arXiv:1706.03762 (eq. 1).

Differs from the paper
    Characters instead of byte pairs, no dropout, and what later models changed: positions enter
    as rotations (Su et al., arXiv:2104.09864), normalization comes before each sublayer and has no
    weights, queries and keys are normalized (Henry et al., arXiv:2010.04245), the MLP uses ReLU^2
    (So et al., arXiv:2109.08668). Attention reaches back `context` tokens, so text of any length
    can be scored and generated.

Shapes
    B batch, T new tokens, P past tokens, C channels, N heads, D = C/N, V vocabulary.

Run
    genai-patterns run gpt layers=2 steps=500
"""

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer, (B, N, P, D) both."""


class GPTConfig(Config):
    vocab: PositiveInt = 32
    """V, the number of distinct tokens."""
    context: PositiveInt = 128
    """Tokens that attention looks back on, the current one included."""
    channels: PositiveInt = 128
    """C, the width of the residual stream."""
    heads: PositiveInt = 4
    """N, the attention heads of a layer."""
    layers: PositiveInt = 4
    """Number of blocks."""
    temperature: PositiveFloat = 1.0
    """Divides the logits when sampling."""
    steps: int = 600
    """Training steps."""
    batch_size: PositiveInt = 16
    """Windows in a training step."""
    lr: PositiveFloat = 3e-3
    """Peak learning rate."""
    warmup: int = 20
    """Steps over which the learning rate rises from zero."""
    cooldown: float = 0.6
    """Last fraction of the steps over which the learning rate falls linearly to zero."""


class Block(nn.Module):
    """Attention, then an MLP; each reads the normalized stream and adds to it."""

    def __init__(self, cfg: GPTConfig) -> None:
        super().__init__()
        c, self.heads = cfg.channels, cfg.heads
        self.qkv, self.out = nn.Linear(c, 3 * c, bias=False), nn.Linear(c, c, bias=False)
        self.up, self.down = nn.Linear(c, 4 * c, bias=False), nn.Linear(4 * c, c, bias=False)
        # every block starts as the identity
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(
        self, x: Tensor, past: tuple[Tensor, Tensor] | None, turn: Tensor, mask: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        b, t, c = x.shape
        q, k, v = self.qkv(norm(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)  # (B, N, P+T, D)
        rotated_q, rotated_k = rotate(norm(q), turn[:, -t:]), rotate(norm(k), turn)
        # eq. 1 of Vaswani et al.: softmax(QK' / sqrt(D)) V
        y = F.scaled_dot_product_attention(rotated_q, rotated_k, v, attn_mask=mask)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
        return x + self.down(self.up(norm(x)).relu().square()), (k, v)


class GPT(Reference):
    """Decoder-only Transformer language model with cached generation."""

    task = "text"
    Config = GPTConfig

    def __init__(self, cfg: GPTConfig) -> None:
        super().__init__(cfg)
        if cfg.channels % (2 * cfg.heads):
            raise ValueError(f"channels={cfg.channels} is no multiple of 2 * heads={2 * cfg.heads}")
        self.token = nn.Embedding(cfg.vocab, cfg.channels)
        self.blocks = nn.ModuleList(Block(cfg) for _ in range(cfg.layers))
        self.head = nn.Linear(cfg.channels, cfg.vocab, bias=False)
        nn.init.zeros_(self.head.weight)

    def logits(self, ids: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Logits of the token after each new one: (B, T) -> (B, T, V), and the longer cache."""
        t, p = ids.shape[1], cache[0][0].shape[2] if cache else 0
        # row i of the new tokens sees itself and the context-1 tokens before it
        mask = torch.ones(t, p + t, dtype=torch.bool, device=ids.device)
        mask = mask.tril(p).triu(p + 1 - self.cfg.context)
        turn = turns(p + t, self.cfg.channels // self.cfg.heads, ids.device)
        x, grown = norm(self.token(ids)), []
        for i, block in enumerate(self.blocks):
            x, (k, v) = block(x, cache[i] if cache else None, turn, mask)
            grown.append((k[:, :, -self.cfg.context :], v[:, :, -self.cfg.context :]))
        return self.head(norm(x)), grown

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

        The default length is context+1, as in training. Beyond it attention slides: each token
        sees the `context` last ones.
        """
        ids = torch.randint(self.cfg.vocab, (n, 1), device=self.device) if y is None else y
        logits, cache = self.logits(ids)
        while ids.shape[1] < (length or self.cfg.context + 1):
            p = (logits[:, -1] / self.cfg.temperature).softmax(-1)
            new = torch.multinomial(p, 1)
            ids = torch.cat([ids, new], 1)
            logits, cache = self.logits(new, cache)
        return ids


def norm(x: Tensor) -> Tensor:
    """Root mean square 1 over the last axis."""
    return F.rms_norm(x, x.shape[-1:])


def turns(length: int, dim: int, device: torch.device) -> Tensor:
    """Cosine and sine (2, length, D/2) of p * 1000^(-2i/D), by which position p turns the pair i.

    Only differences of positions reach the attention weights, so counting may start anywhere.
    """
    speed = 1000.0 ** (-torch.arange(0, dim, 2, device=device) / dim)
    angle = torch.outer(torch.arange(length, device=device), speed)
    return torch.stack([angle.cos(), angle.sin()])


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Turn each pair (x_i, x_{i+D/2}) of (B, N, T, D) by its angle."""
    a, b = x.chunk(2, -1)
    cos, sin = turn
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)


if __name__ == "__main__":
    main(GPT)
