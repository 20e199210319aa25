"""BERT: an encoder that learns by restoring tokens that were taken out of a text, from both sides.

Idea
    Take a text x, choose 15 % of its places, M, and spoil them: 80 % of these become a mask, 10 % a random token,
    10 % stay as they are. A Transformer encoder, in which every token sees all others, restores what was there:

        loss = -(1/|M|) sum_{t in M} log p(x_t | x spoiled at M).

    With a single place spoiled this approaches the two-sided posterior p(x_t | all others), where a causal model
    knows the left side only. No label is needed, and what the stream of vectors then knows of the text serves
    other tasks, for which the encoder is fine-tuned. Since the spoiled places also show tokens, right or wrong,
    the encoder cannot rely on a place being right, and has to represent every one.

    Its conditionals are no chain rule: there is no probability of a text. `sample` fills masks in some order.

Source
    Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019.
    arXiv:1810.04805 (sec. 3.1 and appendix A).

Differs from the paper
    No dropout. `norm_first` puts normalization before each sublayer; by default layers are exactly BERT's.
    No next-sentence prediction, hence no second segment; the one segment's vector is part of the positions. The
    mask is never predicted. Every text counts the same in the loss, however many places are chosen in it.

Shapes
    B batch, T tokens, C channels, V vocabulary without the mask, whose id is V.

Run
    genai-patterns run bert layers=2 steps=300
"""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main
from reference_impl.transformer.transformer import PAD, Layer, hide_padding

ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


class BertConfig(Config):
    """Settings of BERT."""

    vocab: PositiveInt = 64
    """V, the number of distinct tokens; id 0 is padding, or a token that training never saw, and is not looked at."""
    context: PositiveInt = 128
    """Longest text less one, in tokens."""
    channels: PositiveInt = 64
    """C, the width of the residual stream."""
    heads: PositiveInt = 4
    """Attention heads of a layer."""
    layers: PositiveInt = 2
    """Number of layers."""
    norm_first: bool = False
    """Whether sublayers read the normalized stream; otherwise the stream is normalized after each, as in the paper."""
    activation: Literal["gelu", "relu"] = "gelu"
    """Nonlinearity of the MLPs; the paper's is gelu."""
    epsilon: PositiveFloat = 1e-12
    """Added to the variance in each normalization."""
    chosen: float = Field(0.15, gt=0, le=1)
    """Share of a text's tokens that have to be restored."""
    masked: float = Field(0.8, ge=0, le=1)
    """Share of these that become the mask; the rest is half random tokens, half left as it is."""
    passes: PositiveInt = 16
    """Rounds in which `sample` fills the masks, an equal share in each."""
    temperature: PositiveFloat = 1.0
    """Divides the logits when sampling."""
    steps: NonNegativeInt = 1600
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 50
    cooldown: float = 0.6
    clip: float = 1.0


class Bert(Reference):
    """Bidirectional encoder, trained as a masked language model."""

    task = "lines"
    Config = BertConfig

    def __init__(self, cfg: BertConfig) -> None:
        super().__init__(cfg)
        norm, c = partial(nn.LayerNorm, eps=cfg.epsilon), cfg.channels
        # the last row is the mask's; the others also read the tokens off the stream (tied weights)
        self.token = nn.Parameter(0.02 * torch.randn(cfg.vocab + 1, c))
        self.place = nn.Parameter(0.02 * torch.randn(cfg.context + 1, c))
        activation = ACTIVATIONS[cfg.activation]
        layer = partial(Layer, c, cfg.heads, norm_first=cfg.norm_first, activation=activation, norm=norm)
        self.layers = nn.ModuleList(layer() for _ in range(cfg.layers))
        # of what enters the stack, or where each sublayer normalizes what it reads, of what leaves it
        self.norm = norm(c)
        self.transform = nn.Sequential(nn.Linear(c, c), activation(), norm(c))
        self.bias = nn.Parameter(torch.zeros(cfg.vocab))

    @property
    def mask(self) -> int:
        """Id of the mask."""
        return self.cfg.vocab

    def read(self, ids: Tensor) -> Tensor:
        """The stream after the last layer, in which each token knows all others: (B, T) -> (B, T, C)."""
        if ids.shape[1] > len(self.place):
            raise ValueError(f"{ids.shape[1]} tokens; there are positions for context + 1 = {len(self.place)}")
        x = F.embedding(ids, self.token) + self.place[: ids.shape[1]]
        x = x if self.cfg.norm_first else self.norm(x)
        for layer in self.layers:
            x, _ = layer(x, hide_padding(ids))
        return self.norm(x) if self.cfg.norm_first else x

    def predict(self, ids: Tensor) -> Tensor:
        """Logits of what stands, or stood, at each place: (B, T) -> (B, T, V)."""
        return F.linear(self.transform(self.read(ids)), self.token[: self.mask], self.bias)

    def choose(self, x: Tensor) -> Tensor:
        """The places M of each text, (B, T) -> (B, T) of bool: a fixed share of its tokens, at least one."""
        there = x != PAD
        count = (self.cfg.chosen * there.sum(1, keepdim=True)).round().clamp(min=1)
        return shuffled(there) < count

    def spoil(self, x: Tensor, chosen: Tensor) -> Tensor:
        """The text with its chosen places masked, replaced or left (sec. 3.1): (B, T) -> (B, T)."""
        u = torch.rand(x.shape, device=x.device)
        replaced = chosen & (u >= (1 + self.cfg.masked) / 2)
        x = torch.where(replaced, torch.randint(1, self.mask, x.shape, device=x.device), x)
        return x.masked_fill(chosen & (u < self.cfg.masked), self.mask)

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(x_t | spoiled x) over the chosen places, in nats; batch.x is (B, T), T up to context+1."""
        chosen = self.choose(batch.x)
        logits = self.predict(self.spoil(batch.x, chosen))
        nats = F.cross_entropy(logits.transpose(1, 2), batch.x, reduction="none")
        # each text's own mean, so that the loss is one of texts, and a batch may be divided among processes
        return {"loss": ((nats * chosen).sum(1) / chosen.sum(1)).mean()}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Texts (n, T): the masks of y (n, T) filled, by default context+1 of them, the other tokens kept.

        Each round fills a share of the masks, chosen at random. Those of one round are drawn independently of one
        another; only with one mask per round is each drawn given all others.
        """
        ids = torch.full((n, self.cfg.context + 1), self.mask, device=self.device) if y is None else y
        order, masks = shuffled(ids == self.mask), (ids == self.mask).sum(1, keepdim=True)
        for i in range(self.cfg.passes):
            first, last = (masks * j // self.cfg.passes for j in (i, i + 1))
            ids = torch.where((order >= first) & (order < last), self.draw(ids), ids)
        return ids

    def draw(self, ids: Tensor) -> Tensor:
        """A token for each place, independently, from what `predict` says: (B, T) -> (B, T)."""
        law = (self.predict(ids) / self.cfg.temperature).softmax(-1)
        return torch.multinomial(law.flatten(0, 1), 1).view_as(ids)


def shuffled(these: Tensor) -> Tensor:
    """Numbers these places (B, T) of each row in random order from 0, and the others after them."""
    noise = torch.rand(these.shape, device=these.device)
    return (noise + ~these).argsort(1).argsort(1)


if __name__ == "__main__":
    main(Bert)
