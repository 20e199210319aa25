"""RNN: one vector of state, rewritten with every token by the same small network.

Idea
    Elman's network reads a sequence of any length with weights that do not depend on the length. From the token x_t
    and the state before, it makes the state after, and from that the distribution of the next token:

        h_t = tanh(W x_t + U h_{t-1} + b),   p(x_{t+1} | x_1 .. x_t) = softmax(V h_t).

    The state is all that is kept of the past: a new token costs the same time and memory after ten tokens as after
    ten thousand, and the network can go on where training stopped. Learning has to come back the same way: the
    gradient of h_T with respect to h_t is a product of T - t matrices diag(1 - h^2) U, whose size changes about like
    the spectral radius of U to the power T - t. Below one it vanishes, above one it may explode.

Source
    Elman, "Finding Structure in Time", 1990. doi:10.1207/s15516709cog1402_1
    Mikolov et al., "Recurrent neural network based language model", Interspeech 2010.
    doi:10.21437/Interspeech.2010-343

Differs from the paper
    tanh for the logistic function; gradients through the whole window instead of one step back; U starts orthogonal,
    so that at first gradients do not grow, and shrink by the slope of tanh alone (Saxe et al., arXiv:1312.6120).

Shapes
    B batch, T new steps, C channels of input and state, V vocabulary.

Run
    genai-patterns run rnn channels=128 steps=500
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main


class RNNConfig(Config):
    """Settings of the RNN."""

    vocab: PositiveInt = 32
    """V, the number of distinct tokens."""
    context: PositiveInt = 128
    """Steps through which gradients flow in training, and the length of a sample."""
    channels: PositiveInt = 256
    """C, the width of input and state."""
    temperature: PositiveFloat = 1.0
    """Divides the logits when sampling."""
    steps: NonNegativeInt = 800
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 4e-3
    cooldown: float = 0.8
    clip: float = 1.0


class RNN(Reference):
    """Character language model on one layer of Elman's recurrence."""

    task = "text"
    Config = RNNConfig
    kernel: ClassVar[type[nn.RNNBase]] = nn.RNN
    """Runs `cell` over all steps, several times as fast."""

    def __init__(self, cfg: RNNConfig) -> None:
        super().__init__(cfg)
        c = cfg.channels
        self.token, self.head = nn.Embedding(cfg.vocab, c), nn.Linear(c, cfg.vocab)
        # it has two biases, of which one would do
        self.core = self.kernel(c, c, batch_first=True)
        nn.init.zeros_(self.core.bias_hh_l0)
        for square in self.core.weight_hh_l0.data.split(c):
            nn.init.orthogonal_(square)

    def cell(self, x: Tensor, h: Tensor) -> Tensor:
        """One step: the input x (B, C) and the state before (B, C) -> the state after."""
        net = self.core
        # Elman's recurrence
        a = F.linear(x, net.weight_ih_l0, net.bias_ih_l0) + F.linear(h, net.weight_hh_l0, net.bias_hh_l0)
        return a.tanh()

    def logits(self, ids: Tensor, cache: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits of the token after each new one: (B, T) -> (B, T, V), and the state behind them, (B, C)."""
        out, h = self.core(self.token(ids), None if cache is None else cache[None])
        return self.head(out), h[0]

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
        logits, h = self.logits(ids)
        last = logits[:, -1]
        while ids.shape[1] < (length or self.cfg.context + 1):
            new = torch.multinomial((last / self.cfg.temperature).softmax(-1), 1)
            ids = torch.cat([ids, new], 1)
            h = self.cell(self.token(new[:, 0]), h)
            last = self.head(h)
        return ids


if __name__ == "__main__":
    main(RNN)
