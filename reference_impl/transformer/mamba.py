"""Mamba: a linear recurrence whose coefficients depend on the token, so that it chooses what to remember.

Idea
    A state space model carries N numbers for each of E channels through a linear recurrence,

        h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t x_t,        y_t = C_t h_t + D x_t.

    With constant Delta, B and C it is a convolution, which treats all tokens alike. Here all three depend on the token
    (selection): a large Delta_t forgets the past and writes the token, Delta_t near 0 leaves the state alone. As they
    do not depend on h, steps (a, b) compose, (a_2, b_2) o (a_1, b_1) = (a_2 a_1, a_2 b_1 + b_2), and all T states take
    2 log2(T) parallel rounds. A block has a short causal convolution before the recurrence and a gate after it.
    Generation needs the last state alone, of the same size at any length.

Source
    Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023. arXiv:2312.00752
    Masked attention: Dao and Gu, "Transformers are SSMs", 2024. arXiv:2405.21060

Differs from the paper
    Characters, a small state, and no fused kernel: states of all steps are kept for the backward pass.

Shapes
    B batch, T tokens, C channels, E inner channels, N states per channel, R rank of Delta, V vocabulary.

Run
    genai-patterns run mamba layers=2 steps=300
"""

import math

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from reference_impl.core import Batch, Config, Joint, Losses, Reference, main

State = tuple[Tensor, Tensor]
"""Inputs of the convolution that the next tokens still see (B, W-1, E), and h after the last token (B, N, E)."""
Cache = list[State]
"""The same for each layer."""


class MambaConfig(Config):
    """Settings of Mamba."""

    vocab: PositiveInt = 32
    """V, the number of distinct tokens."""
    context: PositiveInt = 128
    """Tokens of a sample; the model itself has no limit."""
    channels: PositiveInt = 64
    """C, the width of the residual stream."""
    expand: PositiveInt = 2
    """E / C, by how much a block widens the stream."""
    state: PositiveInt = 8
    """N, numbers that each inner channel carries along."""
    rank: PositiveInt = 4
    """R, the rank of the map from the token to Delta."""
    window: PositiveInt = 4
    """W, tokens that the convolution sees, the current one included."""
    layers: PositiveInt = 2
    """Number of blocks."""
    selective: bool = True
    """Whether Delta, B and C depend on the token; otherwise they are learned constants (S4D)."""
    parallel: bool = False
    """Whether states come by the parallel scan instead of T steps, which are faster on a CPU."""
    temperature: PositiveFloat = 1.0
    """Divides the logits when sampling."""
    steps: NonNegativeInt = 300
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 5e-3
    warmup: NonNegativeInt = 20
    cooldown: float = 0.6
    clip: float = 1.0


class Mixer(nn.Module):
    """Convolution, selective state space, gate: (B, T, C) -> (B, T, C)."""

    def __init__(self, cfg: MambaConfig) -> None:
        super().__init__()
        self.cfg = cfg
        c, e, n, r = cfg.channels, cfg.expand * cfg.channels, cfg.state, cfg.rank
        self.in_proj, self.out_proj = nn.Linear(c, 2 * e, bias=False), nn.Linear(e, c, bias=False)
        self.conv1d = nn.Conv1d(e, e, cfg.window, groups=e)
        # A = -(1, 2, .. N) in every channel, at first
        self.A_log = nn.Parameter(torch.arange(1.0, n + 1).log().repeat(e, 1))
        self.D = nn.Parameter(torch.ones(e))
        # Delta starts between 1/1000 and 1/10, even on a log scale; this inverts the softplus
        start = torch.empty(e).uniform_(math.log(1e-3), math.log(1e-1)).exp().expm1().log()
        if cfg.selective:
            self.x_proj, self.dt_proj = nn.Linear(e, r + 2 * n, bias=False), nn.Linear(r, e)
            self.dt_proj.bias = nn.Parameter(start)
        else:
            self.delta = nn.Parameter(start)
            self.B, self.C = (nn.Parameter(torch.randn(n, e)) for _ in range(2))

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Delta (T, B, 1, E), B and C (T, B, N, 1) for the tokens x (T, B, E); constants are (1, E) and (N, E)."""
        if not self.cfg.selective:
            return F.softplus(self.delta)[None], self.B, self.C
        dt, b, c = self.x_proj(x).split([self.cfg.rank, self.cfg.state, self.cfg.state], -1)
        return F.softplus(self.dt_proj(dt))[:, :, None], b[..., None], c[..., None]

    def ssm(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (T, B, E) for inputs (T, B, E) and the state before (B, N, E), and the state after."""
        delta, b, c = self.coefficients(x)
        # eq. 4 for diagonal A, with B discretized by Euler's rule as in the authors' code
        decay = (delta * -self.A_log.exp().T).exp()
        u = delta * x[:, :, None]
        # products of vectors; constants differ from channel to channel
        write = b @ u if self.cfg.selective else b * u
        states = (scan if self.cfg.parallel else recur)(decay.expand_as(write), write, h)
        y = c.mT @ states if self.cfg.selective else (c * states).sum(2, keepdim=True)
        return y[:, :, 0] + self.D * x, states[-1]

    def forward(self, x: Tensor, past: State | None) -> tuple[Tensor, State]:
        """The block's addition to the stream, and what the next tokens need of the past."""
        x, gate = self.in_proj(x).chunk(2, -1)
        b, t, e = x.shape
        before, h = past or (x.new_zeros(b, self.cfg.window - 1, e), x.new_zeros(b, self.cfg.state, e))
        x = torch.cat([before, x], 1)
        y, h = self.ssm(F.silu(self.conv1d(x.mT)).permute(2, 0, 1).contiguous(), h)
        return self.out_proj(y.transpose(0, 1) * F.silu(gate)), (x[:, t:], h)


class Mamba(Reference):
    """Selective state space language model."""

    task = "text"
    Config = MambaConfig

    def __init__(self, cfg: MambaConfig) -> None:
        super().__init__(cfg)
        # also the head
        self.embeddings = nn.Embedding(cfg.vocab, cfg.channels)
        nn.init.normal_(self.embeddings.weight, std=0.1)
        self.mixers = nn.ModuleList(Mixer(cfg) for _ in range(cfg.layers))
        self.norms = nn.ModuleList(nn.RMSNorm(cfg.channels, eps=1e-5) for _ in range(cfg.layers))
        self.norm_f = nn.RMSNorm(cfg.channels, eps=1e-5)

    def optimizers(self) -> dict[str, Optimizer]:
        # Muon, as in the GPT, but not for the map to Delta, which acts inside of an exponential
        ends = ("in_proj.weight", "out_proj.weight", "x_proj.weight")
        wide = [p for name, p in self.named_parameters() if name.endswith(ends)]
        rest = [p for name, p in self.named_parameters() if not name.endswith(ends)]
        muon = Muon(wide, lr=4 * self.cfg.lr, weight_decay=0.0)
        return {"main": Joint(muon, AdamW(rest, lr=self.cfg.lr, betas=(0.9, 0.95), weight_decay=0.0))}

    def logits(self, ids: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Logits of the token after each new one: (B, T) -> (B, T, V), and the state behind them."""
        x, after = self.embeddings(ids), []
        for i, (mixer, norm) in enumerate(zip(self.mixers, self.norms, strict=True)):
            add, state = mixer(norm(x), cache[i] if cache else None)
            x = x + add
            after.append(state)
        return F.linear(self.norm_f(x), self.embeddings.weight), after

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(x_t | x_<t) in nats per token; batch.x is (B, T+1)."""
        logits, _ = self.logits(batch.x[:, :-1])
        return {"loss": F.cross_entropy(logits.flatten(0, 1), batch.x[:, 1:].flatten())}

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x_1 .. x_T | x_0) in nats, exact: (B, T+1) -> (B,)."""
        return -F.cross_entropy(self.logits(x[:, :-1])[0].mT, x[:, 1:], reduction="none").sum(1)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """Continue the prompts y (n, P), by default one random token each, to (n, length), by default context+1."""
        ids = torch.randint(self.cfg.vocab, (n, 1), device=self.device) if y is None else y
        logits, state = self.logits(ids)
        while ids.shape[1] < (length or self.cfg.context + 1):
            new = torch.multinomial((logits[:, -1] / self.cfg.temperature).softmax(-1), 1)
            ids = torch.cat([ids, new], 1)
            logits, state = self.logits(new, state)
        return ids


def recur(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """h_t = a_t h_{t-1} + b_t, step by step: a and b (T, ...), h before the first step (...) -> (T, ...)."""
    out = []
    for decay, write in zip(a.unbind(), b.unbind(), strict=True):
        h = torch.addcmul(write, decay, h)
        out.append(h)
    return torch.stack(out)


def scan(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """The same in 2 log2(T) rounds: compose neighbors, solve for every second step, fill in the others."""
    if len(a) == 1:
        return torch.addcmul(b, a, h)
    pairs = len(a) // 2
    odd = scan(a[1::2] * a[: 2 * pairs : 2], torch.addcmul(b[1::2], a[1::2], b[: 2 * pairs : 2]), h)
    even = torch.addcmul(b[::2], a[::2], torch.cat([h[None], odd])[: len(a) - pairs])
    return torch.cat([torch.stack([even[:pairs], odd], 1).flatten(0, 1), even[pairs:]])


if __name__ == "__main__":
    main(Mamba)
