"""Time-series generation: a recurrent network says how the next value is distributed, and draws it.

Idea
    The chain rule splits the density of a series into forecasts one step ahead,

        p(x_1 .. x_T | x_0) = prod_t p(x_t | x_0 .. x_{t-1}).

    An LSTM reads the values so far, and from its output h_t come weights, means and deviations of K Gaussians:

        p(x_{t+1} | x_0 .. x_t) = sum_k w_k(h_t) N(x_{t+1}; m_k(h_t), s_k(h_t)^2).

    Training maximizes the likelihood of the true next value. Generation draws a value, reads it, and goes on; many
    such paths from one past are a forecast of any horizon, with its uncertainty and with the dependence between times.

Source
    Salinas, Flunkert, Gasthaus and Januschowski, "DeepAR: Probabilistic Forecasting with Autoregressive Recurrent
    Networks", 2020. arXiv:1704.04110
    Mixture of Gaussians: Graves, "Generating Sequences With Recurrent Neural Networks", 2013. arXiv:1308.0850

Differs from the paper
    One layer, no covariates, no scale of its own for each series; a mixture of Gaussians instead of one.

Shapes
    B batch, T steps, C channels of the LSTM, K components; values are in standard deviations.

Run
    genai-patterns run time_series_generation --data load.csv
"""

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, Normal

from reference_impl.core import Batch, Config, Losses, Reference, main
from reference_impl.recurrent.lstm import LSTM, LSTMConfig, State

SMALLEST = 1e-3
"""Least deviation of a component."""


class SeriesConfig(Config):
    """Settings of the generator."""

    context: PositiveInt = 96
    """Values that a window of training predicts, and the length of a generated series after its first value."""
    channels: PositiveInt = 48
    """C, the width of the LSTM."""
    components: PositiveInt = 2
    """K, Gaussians in the distribution of the next value."""
    steps: NonNegativeInt = 600
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 5e-3
    cooldown: float = 0.6
    clip: float = 1.0


class TimeSeriesGenerator(Reference):
    """LSTM with a mixture of Gaussians for the next value."""

    task = "series"
    Config = SeriesConfig

    def __init__(self, cfg: SeriesConfig) -> None:
        super().__init__(cfg)
        # the recurrent layer, started as a language model's; values go in and parameters come out instead of tokens
        self.core = LSTM(LSTMConfig(vocab=1, channels=cfg.channels)).core
        self.value, self.head = nn.Linear(1, cfg.channels), nn.Linear(cfg.channels, 3 * cfg.components)
        # the first value has no past
        self.first = nn.Parameter(torch.zeros(3 * cfg.components))

    def law(self, x: Tensor, past: State | None = None) -> tuple[MixtureSameFamily, State]:
        """Distribution of the value after each of x (B, T), and the state behind them."""
        out, (h, c) = self.core(self.value(x[..., None]), past and (past[0][None], past[1][None]))
        return mixture(self.head(out)), (h[0], c[0])

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x_0 .. x_T) in nats, exact: (B, T+1) -> (B,)."""
        law, _ = self.law(x[:, :-1])
        return mixture(self.first).log_prob(x[:, 0]) + law.log_prob(x[:, 1:]).sum(1)

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(x_t | x_<t) in nats per value; batch.x is (B, T+1)."""
        return {"loss": -self.log_prob(batch.x).mean() / batch.x.shape[1]}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """Series (n, length) that begin with the values y (n, P), by default with nothing.

        The default length is context+1, as in training; the state allows any.
        """
        x = new = mixture(self.first).sample((n, 1)) if y is None else y
        past = None
        while x.shape[1] < (length or self.cfg.context + 1):
            law, past = self.law(new, past)
            new = law.sample()[:, -1:]
            x = torch.cat([x, new], 1)
        return x


def mixture(raw: Tensor) -> MixtureSameFamily:
    """Mixture of K Gaussians from 3K numbers: log weights, means, log deviations."""
    weights, means, deviations = raw.chunk(3, -1)
    # values that repeat exactly, as rounded ones do, must not shrink a deviation to nothing
    parts = Normal(means, SMALLEST + deviations.exp(), validate_args=False)
    return MixtureSameFamily(Categorical(logits=weights, validate_args=False), parts, validate_args=False)


if __name__ == "__main__":
    main(TimeSeriesGenerator)
