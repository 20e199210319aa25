"""Rotary position embedding: turn queries and keys by their positions, and scores see only distances.

Idea
    Self-attention compares a query and a key by their product and knows nothing of where they stand. Cut both into
    pairs of numbers, read each pair as an arrow, and turn it by an angle proportional to its position p,

        R_p (a, b) = (a cos pw - b sin pw, a sin pw + b cos pw),   w_i = base^(-2i/D).

    Rotations keep lengths, and of two of them only the difference is left: (R_m q)'(R_n k) = q' R_{n-m} k. A score
    depends on what the two tokens say and on how far they are apart, not on where counting began. Fast pairs tell
    neighbors apart, slow ones measure long distances.

    Beyond the length of training, slow pairs reach angles they never had. Dividing positions by `stretch`
    (position interpolation) brings them back, at the price of a finer scale. Pairs that turn often within the
    training length have seen all angles; `by_parts` leaves them as they are.

Source
    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021. arXiv:2104.09864 (eq. 16)
    Position interpolation: Chen et al., 2023. arXiv:2306.15595
    By parts: Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models", 2023. arXiv:2309.00071

Differs from the paper
    Attention layers alone, without MLPs. The cache keeps keys unrotated, so that `stretch` may change. YaRN's
    temperature of the softmax is left out, and a pair counts as fast from 4 turns on instead of 32.

Shapes
    B batch, T new tokens, S tokens that can be looked at, N heads, D channels of a head, V vocabulary.

Run
    genai-patterns run rotary_position_embedding layers=2 steps=300
"""

from math import pi

import torch
from pydantic import PositiveFloat
from torch import Tensor

from reference_impl.core import main
from reference_impl.transformer.self_attention import Attention, SelfAttention, SelfAttentionConfig


class RotaryConfig(SelfAttentionConfig):
    """Settings of the language model with rotated queries and keys."""

    positions: bool = False
    base: PositiveFloat = 10000.0
    """Ratio of the fastest to the slowest rate of turning, nearly."""
    stretch: PositiveFloat = 1.0
    """Divides the positions: 2 reads twice the length of training within the angles of training."""
    by_parts: bool = False
    """Whether pairs that turn often within `context` tokens keep their rate when positions are stretched."""


class RotaryAttention(Attention):
    """Attention whose scores depend on the distance between query and key."""

    def __init__(self, cfg: RotaryConfig) -> None:
        super().__init__(cfg.channels, cfg.heads)
        if self.width % 2:
            raise ValueError(f"channels={cfg.channels} / heads={cfg.heads} is {self.width}; pairs need an even number")
        # w_i, sec. 3.2.2
        rates = cfg.base ** (-torch.arange(0, self.width, 2, dtype=torch.float64) / self.width)
        turns = cfg.context * rates / (2 * pi)
        # 0 for pairs that never come round, 1 for those that have seen all angles often (YaRN, sec. 3.2)
        fast = ((turns - 1) / 3).clamp(0, 1) if cfg.by_parts else torch.zeros_like(rates)
        self.rates = rates * (fast + (1 - fast) / cfg.stretch)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """The queries (B, N, T, D) are those of the last T of the S keys (B, N, S, D): (B, N, T, S)."""
        angles = torch.outer(torch.arange(k.shape[2], dtype=torch.float64), self.rates)
        return super().scores(rotate(q, angles[-q.shape[2] :]), rotate(k, angles))


class RotaryPositionEmbedding(SelfAttention):
    """Attention-only language model with rotary positions."""

    Config = RotaryConfig

    def attention(self) -> Attention:
        return RotaryAttention(self.cfg)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the pair (x_2i, x_2i+1) of token t by angles[t, i]: (B, N, T, D), (T, D/2) -> (B, N, T, D)."""
    cos, sin = angles.cos().to(x), angles.sin().to(x)
    a, b = x[..., 0::2], x[..., 1::2]
    # sec. 3.4.2: the block-diagonal product, written out
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


if __name__ == "__main__":
    main(RotaryPositionEmbedding)
