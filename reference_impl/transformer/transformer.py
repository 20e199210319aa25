"""Transformer: an encoder that reads all of the source at once, and a decoder that attends to it.

Idea
    Two stacks of layers, each of which adds to a stream of vectors, one per token. A layer of the encoder mixes the
    tokens of the source by self-attention and transforms each by an MLP; a layer of the decoder does the same with the
    tokens written so far, which see no later ones, and between the two looks at what the encoder made of the source:

        p(x | y) = prod_t p(x_t | x_<t, y).

    Given the true target, all its positions are trained in one parallel pass. Writing is sequential, token by token,
    but the source is read once, and keys and values are kept.

Source
    Vaswani et al., "Attention Is All You Need", 2017. arXiv:1706.03762 (sec. 3).

Differs from the paper
    Normalization comes before each sublayer (Xiong et al., arXiv:2002.04745) unless `norm_first` is off, positions
    are learned instead of sines, no dropout, no label smoothing, and writing takes the likeliest token, not a beam.

Shapes
    B batch, S source tokens, T target tokens, P of them written before, C channels, N heads, D = C/N, V vocabulary.

Run
    genai-patterns run transformer layers=2 steps=500
"""

from collections.abc import Callable

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_writing import BEGIN as BEGIN
from reference_impl.blocks_writing import END as END
from reference_impl.blocks_writing import PAD, nats_per_token, written
from reference_impl.blocks_writing import draw as draw
from reference_impl.core import Batch, Config, Losses, Reference, main
from reference_impl.transformer.self_attention import Attention, Keys, hide_future

Memory = tuple[Tensor, Tensor]
"""What the encoder made of the source (B, S, C), and the mask (B, 1, 1, S) that hides its padding."""
Cache = list[Keys]
"""Keys and values of what is written, for each layer of the decoder."""


class MLP(nn.Sequential):
    """Transforms each token alone, through `hidden` units."""

    def __init__(self, channels: int, hidden: int, activation: Callable[[], nn.Module], *, bias: bool = True) -> None:
        super().__init__(nn.Linear(channels, hidden, bias), activation(), nn.Linear(hidden, channels, bias))


class Layer(nn.Module):
    """Self-attention, attention to a source where there is one, an MLP; each adds to the stream."""

    def __init__(
        self, channels: int, heads: int, *, cross: bool = False, norm_first: bool = True, hidden: int = 0,
        activation: Callable[[], nn.Module] = nn.ReLU, norm: Callable[[int], nn.Module] = nn.LayerNorm,
        bias: bool = True, scale: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norm_first = norm_first
        self.attend = Attention(channels, heads, bias=bias, scale=scale)
        self.look = Attention(channels, heads, bias=bias, scale=scale) if cross else None
        self.mlp = MLP(channels, hidden or 4 * channels, activation, bias=bias)
        self.norms = nn.ModuleList(norm(channels) for _ in range(3 if cross else 2))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, past: Keys | None = None,
        source: Tensor | None = None, source_mask: Tensor | None = None,
    ) -> tuple[Tensor, Keys]:  # fmt: skip
        """The T new rows of the stream (B, T, C), and keys and values of all tokens so far."""
        kept: list[Keys] = []

        def attend(seen: Tensor) -> Tensor:
            k, v = self.attend.keys(seen)
            if past is not None:
                k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
            kept.append((k, v))
            return self.attend(seen, (k, v), mask)

        steps: list[Callable[[Tensor], Tensor]] = [attend, self.mlp]
        if self.look is not None and source is not None:
            look, keys = self.look, self.look.keys(source)
            steps.insert(1, lambda seen: look(seen, keys, source_mask))
        for norm, sublayer in zip(self.norms, steps, strict=True):
            x = x + sublayer(norm(x)) if self.norm_first else norm(x + sublayer(x))
        return x, kept[0]


class TransformerConfig(Config):
    """Settings of the Transformer."""

    vocab: PositiveInt = 64
    """V, the number of distinct tokens, shared by source and target."""
    context: PositiveInt = 64
    """Longest source and longest target, in tokens."""
    channels: PositiveInt = 64
    """C, the width of the residual stream."""
    heads: PositiveInt = 4
    """N, the attention heads of a layer."""
    layers: PositiveInt = 2
    """Layers of the encoder, and of the decoder."""
    norm_first: bool = True
    """Whether sublayers read the normalized stream; otherwise the stream is normalized after each, as in the paper."""
    temperature: NonNegativeFloat = 0.0
    """Divides the logits when sampling; 0 takes the likeliest token."""
    steps: NonNegativeInt = 400
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 2e-3
    warmup: NonNegativeInt = 50
    cooldown: float = 0.6
    clip: float = 1.0


class Transformer(Reference):
    """Encoder-decoder Transformer from source to target tokens."""

    task = "translation"
    Config = TransformerConfig

    def __init__(self, cfg: TransformerConfig) -> None:
        super().__init__(cfg)
        self.token, self.place = nn.Embedding(cfg.vocab, cfg.channels), nn.Embedding(cfg.context, cfg.channels)
        self.encoder = nn.ModuleList(self.layer(cross=False) for _ in range(cfg.layers))
        self.decoder = nn.ModuleList(self.layer(cross=True) for _ in range(cfg.layers))
        # where each sublayer reads a normalized stream, what leaves the stack still has to be normalized
        ends = [nn.LayerNorm(cfg.channels) if cfg.norm_first else nn.Identity() for _ in range(2)]
        self.read_norm, self.write_norm = ends
        self.head = nn.Linear(cfg.channels, cfg.vocab)

    def layer(self, cross: bool) -> nn.Module:
        """One layer of the encoder, or with attention to the source one of the decoder."""
        return Layer(self.cfg.channels, self.cfg.heads, cross=cross, norm_first=self.cfg.norm_first)

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """A vector for each token at its place: (B, T) -> (B, T, C)."""
        if start + ids.shape[1] > self.cfg.context:
            raise ValueError(f"{start + ids.shape[1]} tokens; there are positions for context={self.cfg.context}")
        return self.token(ids) + self.place(torch.arange(start, start + ids.shape[1], device=ids.device))

    def read(self, y: Tensor) -> Memory:
        """The encoder's view of the sources y (B, S), padded with 0."""
        x, hide = self.embed(y), hide_padding(y)
        for layer in self.encoder:
            x, _ = layer(x, hide)
        return self.read_norm(x), hide

    def write(self, ids: Tensor, memory: Memory, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Logits of the target token after each new one: (B, T) -> (B, T, V), and the longer cache."""
        t, p = ids.shape[1], cache[0][0].shape[2] if cache else 0
        x, mask, grown = self.embed(ids, p), hide_future(t, p + t, ids.device), []
        for i, layer in enumerate(self.decoder):
            x, keys = layer(x, mask, cache[i] if cache else None, *memory)
            grown.append(keys)
        return self.head(self.write_norm(x)), grown

    def loss(self, batch: Batch) -> Losses:
        """-log p(x_t | x_<t, y) in nats per token; batch.x is (B, T+1) from BEGIN on, batch.y (B, S)."""
        logits, _ = self.write(batch.x[:, :-1], self.read(batch.y))
        return {"loss": nats_per_token(logits, batch.x[:, 1:])}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor, length: int | None = None) -> Tensor:
        """Targets (n, length) for the sources y (n, S): BEGIN, tokens, END, padding. By default context+1 long."""
        memory, length = self.read(y), length or self.cfg.context + 1
        return written(lambda new, cache: self.write(new, memory, cache), n, length, self.cfg.temperature, self.device)


def hide_padding(ids: Tensor) -> Tensor:
    """Mask (B, 1, 1, S) for the tokens (B, S): 0 where there is one, -inf where there is padding."""
    return torch.zeros(ids.shape, device=ids.device).masked_fill(ids == PAD, float("-inf"))[:, None, None]


if __name__ == "__main__":
    main(Transformer)
