"""KV cache: keys and values of past tokens are kept, so that a new token costs one pass over one token.

Idea
    In causal attention a token looks at itself and those before it,

        out_t = sum_{s <= t} softmax_s(q_t k_s / sqrt(D)) v_s,

    and k_s, v_s come from the stream at s, which saw nothing after s. They are the same in every later step. To write T
    tokens without keeping them, all t tokens so far are passed through the network at each step t: T (T+1) / 2 token
    passes and T (T+1) (T+2) / 6 score products in each head. Keeping them, each step passes the new token alone: T
    token passes and T (T+1) / 2 products, as many as one parallel pass over the finished text. Of each layer, 2 C
    numbers per token have to be kept and read again at every step.

    The cache is memory taken once for the longest text; each step writes one column and looks at the filled part.

Source
    Shazeer, "Fast Transformer Decoding: One Write-Head is All You Need", 2019. arXiv:1911.02150 (sec. 2.4).
    Pope et al., "Efficiently Scaling Transformer Inference", 2022. arXiv:2211.05102 (sec. 2.1).

Differs from the paper
    Layers of attention alone, since nothing else in a Transformer looks at other tokens.

Shapes
    B batch, T new tokens, P past tokens, R tokens there is room for, C channels, N heads, D = C/N, V vocabulary.

Run
    genai-patterns run kv_cache cache=none
"""

from typing import Literal

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from reference_impl.core import main
from reference_impl.transformer.self_attention import Cache, Keys, SelfAttention, hide_future


class KVCacheConfig(SelfAttention.Config):
    """Settings of the attention-only language model, and of what it keeps while writing."""

    cache: Literal["buffered", "appended", "none"] = "buffered"
    """Keys and values in memory taken once, in memory that is copied at each step, or computed anew at each step."""
    channels: PositiveInt = 64
    steps: NonNegativeInt = 600


class Buffers:
    """Keys and values of every layer, (L, B, N, R, D) both, of which the first `length` tokens are filled."""

    def __init__(self, model: "CachedSelfAttention", n: int, room: int) -> None:
        cfg, self.length = model.cfg, 0
        shape = (cfg.layers, n, cfg.heads, room, cfg.channels // cfg.heads)
        self.k, self.v = torch.empty(2, *shape, dtype=model.token.weight.dtype, device=model.device)

    def put(self, layer: int, new: Keys) -> Keys:
        """Write the T new tokens of a layer behind the others; views of all its P+T. ValueError where room ends."""
        end = self.length + new[0].shape[2]
        if end > self.k.shape[3]:
            raise ValueError(f"{end} tokens, and there is room for {self.k.shape[3]}")
        for kept, more in zip((self.k, self.v), new, strict=True):
            kept[layer, :, :, self.length : end] = more
        return self.k[layer, :, :, :end], self.v[layer, :, :, :end]


class CachedSelfAttention(SelfAttention):
    """Attention-only language model that writes with a cache in place, a growing one, or none."""

    Config = KVCacheConfig

    def stream(self, ids: Tensor, cache: Cache | Buffers | None = None) -> tuple[Tensor, Cache | Buffers]:
        """The residual stream after the last layer, (B, T) -> (B, T, C), and what is kept of all tokens."""
        if not isinstance(cache, Buffers):
            return super().stream(ids, cache)
        p, t = cache.length, ids.shape[1]
        x = self.token(ids)
        if self.place is not None:
            x = x + self.place(torch.arange(p, p + t, device=ids.device))
        mask = hide_future(t, p + t, ids.device)
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            seen = norm(x)
            # queries of the new tokens alone, keys and values of all
            x = x + layer(seen, cache.put(i, layer.keys(seen)), mask)
        cache.length += t
        return x, cache

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """Continue the prompts y (n, P), by default one random token each, to (n, length), by default context+1."""
        ids = torch.randint(self.cfg.vocab, (n, 1), device=self.device) if y is None else y
        length = length or self.cfg.context + 1
        if self.place is not None and length > self.cfg.context + 1:
            raise ValueError(f"length={length}; with positions for context={self.cfg.context} at most one more")
        cache, held = Buffers(self, n, length) if self.cfg.cache == "buffered" else None, 0
        while ids.shape[1] < length:
            # the prompt is read in one parallel pass, then token by token
            logits, grown = self.logits(ids[:, held:], cache)
            if self.cfg.cache != "none":
                cache, held = grown, ids.shape[1]
            new = torch.multinomial((logits[:, -1] / self.cfg.temperature).softmax(-1), 1)
            ids = torch.cat([ids, new], 1)
        return ids


if __name__ == "__main__":
    main(CachedSelfAttention)
