"""GRU: a recurrent network whose state is a gated average of what it was and what the input suggests.

Idea
    Two gates in (0, 1) look at the input and the state. The update gate z says how much of the state stays, the
    reset gate r how much of it the candidate n may see:

        r, z = sigmoid(W x_t + b + U h_{t-1} + b'),
        n    = tanh(W_n x_t + b_n + r * (U_n h_{t-1} + b'_n)),
        h_t  = (1 - z) * n + z * h_{t-1}.

    Where z is near one the state passes unchanged, and gradients with it. Where z = 0 and r = 1 what is left
    is the plain tanh recurrence. Unlike the LSTM there is no cell beside the state and no output gate: three blocks
    of weights instead of four; and the state, an average of values in (-1, 1), cannot count without bound.

Source
    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation", 2014.
    arXiv:1406.1078 (sec. 2.3)

Differs from the paper
    The reset gate multiplies U_n h after the matrix (as in cuDNN and torch), not h before it, so that one matrix
    product serves all three blocks. Biases, which the paper leaves out; that of z starts at one, remembering.

Shapes
    B batch, T new steps, C channels of input and state, V vocabulary.

Run
    genai-patterns run gru channels=128 steps=500
"""

import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from reference_impl.core import main
from reference_impl.recurrent.rnn import RNN, RNNConfig


class GRUConfig(RNNConfig):
    """Settings of the GRU."""

    channels: PositiveInt = 192
    steps: NonNegativeInt = 600


class GRU(RNN):
    """Character language model on one GRU layer."""

    Config = GRUConfig
    kernel = nn.GRU

    def __init__(self, cfg: GRUConfig) -> None:
        super().__init__(cfg)
        # rows of its matrices: r, z, n
        nn.init.ones_(self.core.bias_ih_l0[cfg.channels : 2 * cfg.channels])

    def gates(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r, z and n from the input x (B, C) and the state h (B, C) before: (B, C) each."""
        net = self.core
        given = F.linear(x, net.weight_ih_l0, net.bias_ih_l0).chunk(3, -1)
        kept = F.linear(h, net.weight_hh_l0, net.bias_hh_l0).chunk(3, -1)
        r, z = (given[0] + kept[0]).sigmoid(), (given[1] + kept[1]).sigmoid()
        return r, z, (given[2] + r * kept[2]).tanh()

    def cell(self, x: Tensor, h: Tensor) -> Tensor:
        """One step: the input x (B, C) and the state before (B, C) -> the state after."""
        _, z, n = self.gates(x, h)
        return (1 - z) * n + z * h


if __name__ == "__main__":
    main(GRU)
