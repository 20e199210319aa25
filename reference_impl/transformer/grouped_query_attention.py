"""Grouped-query attention: several heads ask the same keys and values, and the cache shrinks.

Idea
    While generating, each new token reads the keys and values of all tokens before it, for every head. That traffic,
    not arithmetic, bounds speed, and the memory bounds how many texts are served at once. Queries are used once and
    need not be kept. So let N heads have N queries, but let each group of N/G of them share one key and one value:

        head n attends with q_n, k_g, v_g,   g = floor(n G / N).

    The cache has G/N of its former size. G = N is multi-head attention, G = 1 multi-query attention.

Source
    Ainslie et al., "GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints", 2023.
    arXiv:2305.13245
    Multi-query attention: Shazeer, "Fast Transformer Decoding: One Write-Head is All You Need", 2019. arXiv:1911.02150

Differs from the paper
    Trained from the start, not converted from a multi-head checkpoint. Attention layers alone, without MLPs.

Shapes
    B batch, T new tokens, S tokens that can be looked at, N heads, G groups, D channels of a head, V vocabulary.

Run
    genai-patterns run grouped_query_attention groups=1 steps=300
"""

from pydantic import PositiveInt
from torch import Tensor, nn

from reference_impl.core import main
from reference_impl.transformer.self_attention import Attention, Keys, SelfAttention, SelfAttentionConfig


class GroupedConfig(SelfAttentionConfig):
    """Settings of the language model with shared keys and values."""

    heads: PositiveInt = 8
    groups: PositiveInt = 2
    """G, the heads of keys and values; each serves heads / groups queries."""


class GroupedAttention(Attention):
    """Attention with a key and a value for each group of heads."""

    def __init__(self, channels: int, heads: int, groups: int) -> None:
        super().__init__(channels, heads)
        if heads % groups:
            raise ValueError(f"heads={heads} is no multiple of groups={groups}")
        self.shared = heads // groups
        # what is kept of a token: (B, G, S, D) instead of (B, N, S, D)
        self.key, self.value = (nn.Linear(channels, groups * self.width) for _ in range(2))

    def forward(self, x: Tensor, kv: Keys, mask: Tensor | None = None) -> Tensor:
        """Each row's mean of the values (B, T, C); keys and values (B, G, S, D) are lent to all heads of a group."""
        k, v = (t.repeat_interleave(self.shared, 1) for t in kv)
        return super().forward(x, (k, v), mask)


class GroupedQueryAttention(SelfAttention):
    """Attention-only language model whose heads share keys and values in groups."""

    Config = GroupedConfig

    def attention(self) -> Attention:
        return GroupedAttention(self.cfg.channels, self.cfg.heads, self.cfg.groups)


if __name__ == "__main__":
    main(GroupedQueryAttention)
