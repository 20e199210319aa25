"""GPT: a causal Transformer that predicts each token from those before it.

Idea
    The chain rule turns any distribution over sequences into next-token predictions,

        log p(x_1 .. x_T | x_0) = sum_t log p(x_t | x_0 .. x_{t-1}),

    and masked self-attention computes all T conditionals in one parallel pass, so one window of text gives T training
    signals and needs no labels. Generation is sequential: each new token is fed back. Keys and values of past tokens do
    not change and are kept (the KV cache), so that a new token costs one row of attention.

Source
    Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018.
    Vaswani et al., "Attention Is All You Need", 2017. arXiv:1706.03762 (eq. 1).

Differs from the paper
    Characters instead of byte pairs, no dropout, and what later models changed: positions enter as rotations (Su et
    al., arXiv:2104.09864), normalization comes before each sublayer and has no weights, queries and keys are normalized
    (Henry et al., arXiv:2010.04245), the MLP uses ReLU^2 (So et al., arXiv:2109.08668), and the blocks' matrices are
    trained with Muon (Jordan et al., 2024). Rotations start from base 1000 instead of 10000, since windows are short.
    Attention reaches back `context` tokens, so text of any length can be scored and generated.

    layout="gpt2" is the network of GPT-2, byte pairs included, and start=FOLDER a published checkpoint of it. Its
    learned positions end with the context; there, generation reads the last half of it anew.

Shapes
    B batch, T new tokens, P past tokens, C channels, N heads, D = C/N, V vocabulary.

Run
    genai-patterns run gpt layers=2 steps=300
"""

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from reference_impl import pretrained
from reference_impl.core import Batch, Joint, Losses, Reference, Task, main

Keys = tuple[Tensor, Tensor]
"""Keys, not yet rotated, and values of past tokens, (B, N, P, D) both."""
Cache = list[Keys]
"""The same for each layer."""


class GPTConfig(pretrained.Start):
    """Settings of the GPT."""

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
    steps: NonNegativeInt = 400
    batch_size: PositiveInt = 8
    lr: PositiveFloat = 5e-3
    """Peak learning rate of the embedding and the head; the blocks' matrices get four times as much."""
    warmup: NonNegativeInt = 20
    cooldown: float = 0.6


class Block(nn.Module):
    """Attention, then an MLP; each reads the normalized stream and adds to it."""

    def __init__(self, cfg: GPTConfig) -> None:
        super().__init__()
        c, self.heads = cfg.channels, cfg.heads
        self.qkv, self.out = nn.Linear(c, 3 * c, bias=False), nn.Linear(c, c, bias=False)
        self.up, self.down = nn.Linear(c, 4 * c, bias=False), nn.Linear(4 * c, c, bias=False)
        self.softmax = nn.Softmax(-1)
        # every block starts as the identity
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, past: Keys | None, turn: Tensor, hide: Tensor) -> tuple[Tensor, Keys]:
        """The T new rows of the stream (B, T, C) and keys and values of all P+T tokens."""
        b, t, c = x.shape
        q, k, v = self.qkv(norm(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        q, turned = rotate(norm(q), turn[-t:]), rotate(norm(k), turn)
        # eq. 1 of Vaswani et al.: softmax(QK' / sqrt(D)) V
        weights = self.softmax(q @ turned.mT / q.shape[-1] ** 0.5 + hide)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(b, t, c))
        h = self.up(norm(x)).relu()
        return x + self.down(h * h), (k, v)


class GPT(Reference):
    """Decoder-only Transformer language model with cached generation."""

    task = "text"
    Config = GPTConfig

    def __init__(self, cfg: GPTConfig) -> None:
        super().__init__(cfg)
        if cfg.channels % (2 * cfg.heads):
            raise ValueError(f"channels={cfg.channels} is no multiple of 2 * heads={2 * cfg.heads}")
        self.token = nn.Embedding(cfg.vocab, cfg.channels)
        classic = cfg.layout == "gpt2"
        self.blocks = nn.ModuleList((pretrained.Block if classic else Block)(cfg) for _ in range(cfg.layers))
        self.place = nn.Embedding(cfg.context, cfg.channels) if classic else None
        self.last = nn.LayerNorm(cfg.channels, elementwise_affine=classic)
        self.head = nn.Linear(cfg.channels, cfg.vocab, bias=False)
        if classic:
            self.head.weight = self.token.weight
            nn.init.normal_(self.token.weight, std=0.02)
        else:
            nn.init.zeros_(self.head.weight)

    def prepare(self, task: Task) -> None:
        """Begin with the weights of the checkpoint, if there is one."""
        if self.cfg.start:
            self.load_state_dict(pretrained.weights(self.cfg.start, self.cfg.context))

    def optimizers(self) -> dict[str, Optimizer]:
        if self.cfg.layout == "gpt2":
            return super().optimizers()
        # Muon: momentum, made orthogonal; every direction of a matrix moves equally fast
        muon = Muon(self.blocks.parameters(), lr=4 * self.cfg.lr, weight_decay=0.0)
        ends = [*self.token.parameters(), *self.head.parameters()]
        return {"main": Joint(muon, AdamW(ends, lr=self.cfg.lr, betas=(0.9, 0.95)))}

    def logits(self, ids: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Logits of the token after each new one: (B, T) -> (B, T, V), and the longer cache."""
        t, p = ids.shape[1], cache[0][0].shape[2] if cache else 0
        # row i of the new tokens sees itself and the context-1 tokens before it
        seen = torch.ones(t, p + t, device=ids.device).tril(p).triu(p + 1 - self.cfg.context)
        hide = seen.log()
        x, turn, grown = self.token(ids), self.turns(p + t), []
        x = norm(x) if self.place is None else x + self.place(torch.arange(p, p + t, device=ids.device))
        for i, block in enumerate(self.blocks):
            x, (k, v) = block(x, cache[i] if cache else None, turn, hide)
            grown.append((k[:, :, -self.cfg.context :], v[:, :, -self.cfg.context :]))
        return self.head(self.last(x)), grown

    def turns(self, length: int) -> Tensor:
        """Unit complex numbers (length, D/2): position p turns the pair i by p * 1000^(-2i/D) radians.

        Only differences of positions reach the attention weights, so counting may start anywhere.
        """
        i = torch.arange(0, self.cfg.channels // self.cfg.heads, 2).to(self.token.weight)
        angle = torch.outer(torch.arange(length).to(i), 1000.0 ** (-i / (2 * len(i))))
        return torch.polar(torch.ones_like(angle), angle)

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(x_t | x_<t) in nats per token; batch.x is (B, T+1)."""
        logits, _ = self.logits(batch.x[:, :-1])
        return {"loss": F.cross_entropy(logits.flatten(0, 1), batch.x[:, 1:].flatten())}

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x_1 .. x_T | x_0) in nats, exact: (B, T+1) -> (B,)."""
        logits, _ = self.logits(x[:, :-1])
        return -F.cross_entropy(logits.transpose(1, 2), x[:, 1:], reduction="none").sum(1)

    def law(self, logits: Tensor) -> Tensor:
        """Probabilities from which the next token is drawn: (n, V) -> (n, V)."""
        return (logits / self.cfg.temperature).softmax(-1)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """Continue the prompts y (n, P), by default one random token each, to (n, length).

        The default length is context+1, as in training. Beyond it attention slides: each token
        sees the `context` last ones.
        """
        ids = torch.randint(self.cfg.vocab, (n, 1), device=self.device) if y is None else y
        logits, cache = self.logits(ids)
        while ids.shape[1] < (length or self.cfg.context + 1):
            new = torch.multinomial(self.law(logits[:, -1]), 1)
            ids = torch.cat([ids, new], 1)
            if self.place is not None and cache[0][0].shape[2] == self.cfg.context:
                new, cache = ids[:, -self.cfg.context // 2 :], None
            logits, cache = self.logits(new, cache)
        return ids


def norm(x: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the last axis."""
    return F.layer_norm(x, x.shape[-1:])


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Turn each pair (x_2i, x_2i+1) of (B, N, T, D) by its angle."""
    pairs = torch.view_as_complex(x.to(turn.real.dtype).unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


if __name__ == "__main__":
    main(GPT)
