"""PixelCNN: pixel after pixel in reading order, each predicted by convolutions that see only what came before.

Idea
    An image is a product over its pixels in reading order, row by row from the top,

        p(x) = prod_i p(x_i | pixels above and to the left of i),

    and a convolution computes all factors in parallel if none of its taps lies on pixel i or after
    it. Masking the filters of one stack achieves that, and leaves a blind spot: taps reach up and
    left, and up and right only as far as they reach up, so a wedge to the right is never seen
    whatever the depth. Two stacks see everything. The vertical one reads the rows above in full
    width; the horizontal one reads its own row to the left, and at each layer what the vertical one
    has found in the rows above. Both gate what they let through,

        y = tanh(W_f * x) . sigmoid(W_g * x).                                    (eq. 2)

    The last layer gives each pixel a softmax over its gray levels.

Source
    van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves & Kavukcuoglu, "Conditional Image Generation
    with PixelCNN Decoders", 2016. arXiv:1606.05328 (figures 1 and 2)
    van den Oord, Kalchbrenner & Kavukcuoglu, "Pixel Recurrent Neural Networks", 2016. arXiv:1601.06759

Differs from the paper
    No labels. Filters are cut and shifted instead of masked, which is the same with fewer zeros. Colors of a
    pixel are independent given the pixels before it. Dropout, as the digits are few.

Shapes
    B batch, (C, H, W) image, V levels, F channels of a stack.

Run
    genai-patterns run pixelcnn layers=2
"""

from math import log

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main


class PixelCNNConfig(Config):
    """Settings of the PixelCNN."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one image: channels, height, width."""
    levels: PositiveInt = 17
    """V, the values of a pixel, evenly from 0 to 1."""
    channels: PositiveInt = 32
    """F, the channels of each stack."""
    layers: PositiveInt = 4
    """Pairs of a vertical and a horizontal layer."""
    reach: PositiveInt = 2
    """Pixels by which one layer sees further up and to the sides."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """Share of a layer's results that are dropped in training."""
    steps: NonNegativeInt = 600
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 8e-3
    cooldown: float = Field(0.5, ge=0, le=1)


class Layer(nn.Module):
    """One layer of both stacks: (B, F, H, W) twice -> the same."""

    def __init__(self, inputs: int, channels: int, reach: int, dropout: float, first: bool) -> None:
        super().__init__()
        self.reach, self.first, self.dropout = reach, first, nn.Dropout(dropout)
        self.above = nn.Conv2d(inputs, 2 * channels, (reach + 1, 2 * reach + 1))
        # the first layer reads the image and stops short of the pixel itself
        self.left = nn.Conv2d(inputs, 2 * channels, (1, reach if first else reach + 1))
        self.across = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        r, width = self.reach, h.shape[3]
        # vertical: row i reads the rows i - r to i, as far to both sides
        rows = self.above(F.pad(v, (r, r, r, 0)))
        # horizontal: column j reads r columns to the left, and the row above of the vertical stack
        row = self.left(F.pad(h, (r, 0)))[..., :width]
        row = row + self.across(F.pad(rows, (0, 0, 1, 0))[:, :, :-1])
        seen = self.out(self.dropout(gated(row)))
        return gated(rows), seen if self.first else h + seen


def gated(x: Tensor) -> Tensor:
    """eq. 2; half of the channels are W_f * x: (B, 2F, H, W) -> (B, F, H, W)."""
    signal, gate = x.chunk(2, dim=1)
    return signal.tanh() * gate.sigmoid()


class PixelCNN(Reference):
    """Gated PixelCNN with a vertical and a horizontal stack."""

    task = "images"
    Config = PixelCNNConfig

    def __init__(self, cfg: PixelCNNConfig) -> None:
        super().__init__(cfg)
        c, f = cfg.shape[0], cfg.channels
        self.layers = nn.ModuleList(
            # the image, and a channel of ones by which the filters feel the border
            Layer(f if i else c + 1, f, cfg.reach, cfg.dropout, first=i == 0)
            for i in range(cfg.layers)
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(f, 2 * f, 1), nn.ReLU(), nn.Conv2d(2 * f, c * cfg.levels, 1))

    def conditionals(self, x: Tensor) -> Tensor:
        """Logits of the levels of every pixel given those before it: (B, C, H, W) -> (B, V, C, H, W)."""
        v = h = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        for layer in self.layers:
            v, h = layer(v, h)
        return self.head(h).unflatten(1, (self.cfg.levels, -1))

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-probability of the levels nearest to x, in nats: (B, C, H, W) -> (B,)."""
        level = (x * (self.cfg.levels - 1)).round().long()
        return -F.cross_entropy(self.conditionals(x), level, reduction="none").sum((1, 2, 3))

    def bits_per_dim(self, x: Tensor) -> Tensor:
        """-log2 p(x) per number of the image: (B, C, H, W) -> (B,)."""
        return -self.log_prob(x) / (log(2) * x[0].numel())

    def loss(self, batch: Batch) -> Losses:
        """Negative log-likelihood in nats per image."""
        return {"loss": -self.log_prob(batch.x).mean()}

    @torch.no_grad()
    def complete(self, x: Tensor, known: int = 0) -> Tensor:
        """Draw all pixels but the first `known` in reading order, given those: (B, C, H, W) -> the same."""
        x, width = x.clone(), x.shape[3]
        for at in range(known, x.shape[2] * width):
            i, j = divmod(at, width)
            # rows further down have no say
            p = self.conditionals(x[:, :, : i + 1])[..., i, j].softmax(1)
            level = torch.multinomial(p.mT.flatten(0, 1), 1)[:, 0]
            x[:, :, i, j] = level.view(len(x), -1) / (self.cfg.levels - 1)
        return x

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n images, one pass for each pixel: (n, C, H, W)."""
        return self.complete(torch.zeros(n, *self.cfg.shape, device=self.device))


if __name__ == "__main__":
    main(PixelCNN)
