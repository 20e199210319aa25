"""LSTM: a recurrent network with a gated memory cell that gradients cross unharmed.

Idea
    A cell c_t carries information from step to step by addition, and gates in (0, 1) decide what is
    kept, written and shown:

        i, f, o = sigmoid(W [x_t, h_{t-1}] + b),   g = tanh(W_g [x_t, h_{t-1}] + b_g)
        c_t = f * c_{t-1} + i * g,                 h_t = o * tanh(c_t).

    Along the cell dc_t/dc_{t-1} = f: where the forget gate is open, a gradient crosses any number
    of steps without being multiplied by a matrix. As a language model, h_t gives the distribution
    of the next token; the whole past is in (h_t, c_t), so a new token costs the same at any length.

Source
    Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997. doi:10.1162/neco.1997.9.8.1735
    Forget gate: Gers, Schmidhuber, Cummins, 2000. doi:10.1162/089976600300015015

Differs from the paper
    Has the forget gate (f = 1 in 1997), with its bias started at 1; full backpropagation through
    the window instead of truncation at the gates; an embedding and a softmax make it a language model.

Shapes
    B batch, T new steps, C channels of input, cell and output, V vocabulary.

Run
    genai-patterns run lstm channels=128 steps=500
"""

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main

State = tuple[Tensor, Tensor]
"""Output h and cell c after the last step, (B, C) both."""


class LSTMConfig(Config):
    """Settings of the LSTM."""

    vocab: PositiveInt = 32
    """V, the number of distinct tokens."""
    context: PositiveInt = 128
    """Steps through which gradients flow in training, and the length of a sample."""
    channels: PositiveInt = 256
    """C, the width of input, cell and output."""
    temperature: PositiveFloat = 1.0
    """Divides the logits when sampling."""
    steps: NonNegativeInt = 800
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 4e-3
    cooldown: float = 0.8
    clip: float = 1.0


class LSTM(Reference):
    """Character language model on one LSTM layer."""

    task = "text"
    Config = LSTMConfig

    def __init__(self, cfg: LSTMConfig) -> None:
        super().__init__(cfg)
        c = cfg.channels
        self.token, self.head = nn.Embedding(cfg.vocab, c), nn.Linear(c, cfg.vocab)
        # rows of its matrices: i, f, g, o; it has two biases, of which one would do
        self.core = nn.LSTM(c, c, batch_first=True)
        nn.init.zeros_(self.core.bias_hh_l0)
        # start out remembering (Gers et al.)
        nn.init.ones_(self.core.bias_ih_l0[c : 2 * c])

    def gates(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        """i, f, g and o from the input x (B, C) and the output h (B, C) before: (B, C) each."""
        net = self.core
        z = F.linear(x, net.weight_ih_l0, net.bias_ih_l0) + F.linear(h, net.weight_hh_l0, net.bias_hh_l0)
        i, f, g, o = z.chunk(4, -1)
        return i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()

    def cell(self, x: Tensor, state: State) -> State:
        """One step: the input x (B, C) and the state before -> the state after."""
        h, c = state
        i, f, g, o = self.gates(x, h)
        c = f * c + i * g
        return o * c.tanh(), c

    def logits(self, ids: Tensor, cache: State | None = None) -> tuple[Tensor, State]:
        """Logits of the token after each new one: (B, T) -> (B, T, V), and the state behind them.

        The fused kernel runs `cell` over all steps, several times as fast.
        """
        past = None if cache is None else (cache[0][None], cache[1][None])
        out, (h, c) = self.core(self.token(ids), past)
        return self.head(out), (h[0], c[0])

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

        The default length is context+1, as in training; the state allows any.
        """
        ids = torch.randint(self.cfg.vocab, (n, 1), device=self.device) if y is None else y
        logits, state = self.logits(ids)
        last = logits[:, -1]
        while ids.shape[1] < (length or self.cfg.context + 1):
            new = torch.multinomial((last / self.cfg.temperature).softmax(-1), 1)
            ids = torch.cat([ids, new], 1)
            state = self.cell(self.token(new[:, 0]), state)
            last = self.head(state[0])
        return ids


if __name__ == "__main__":
    main(LSTM)
