"""AdaIN: any style in one pass, by giving the content's features the style's means and deviations.

Idea
    An encoder f turns images into maps of features. Adaptive instance normalization standardizes each
    channel of the content x over its positions and gives it the style y's mean and deviation:

        AdaIN(f(x), f(y)) = sigma(f(y)) (f(x) - mu(f(x))) / sigma(f(x)) + mu(f(y)).

    What is where comes from the content, how strong each feature is from the style. A decoder g turns
    the result into an image and is trained once, on many contents and styles, with the losses of
    neural style transfer. A new style needs two numbers per channel and no training; mixing the
    targets of several styles mixes the styles, and with y = x the layer changes nothing.

Source
    Huang & Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization",
    2017. arXiv:1703.06868 (eq. 8, 9, 11, 14, 15)

Differs from the paper
    The fixed encoder is one layer of random filters instead of VGG-19 up to relu4_1. The losses are
    those of `neural_style_transfer`, Gram matrices and the content's own features, instead of means
    and deviations and the AdaIN output; `vgg` has them computed from VGG-19's features.

Shapes
    B images of C x H x W pixels, H and W even; K channels of features, (B, K, H/2, W/2).

Run
    genai-patterns run adain content_weight=0.3
"""

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import Optimizer

from reference_impl.core import Batch, Losses, Reference, Task, main
from reference_impl.style_transfer.neural_style_transfer import Perceptual, PerceptualConfig, pairs, random_filters


class AdaINConfig(PerceptualConfig):
    """Sizes and training of the decoder."""

    images: PositiveInt = 64
    channels: PositiveInt = 64
    """K, random filters of the encoder; a quarter of them see brightness, the others contrast alone."""
    width: PositiveInt = 48
    """Channels of the decoder before it returns to full resolution."""
    steps: NonNegativeInt = 300
    batch_size: PositiveInt = 4
    lr: PositiveFloat = 1e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    clip: NonNegativeFloat = 0.5


class Encoder(nn.Module):
    """Random filters at half the resolution: (B, C, H, W) -> (B, K, H/2, W/2)."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.weight: Tensor
        bright = -(-channels // 4)
        w = random_filters(channels, inputs, seed=1)
        w[bright:] = w[bright:] - w[bright:].mean((2, 3), keepdim=True)
        self.register_buffer("weight", w)

    def forward(self, x: Tensor) -> Tensor:
        f = F.conv2d(F.pad(4 * (x - 0.5), [2] * 4, "reflect"), self.weight, stride=2)
        # leaky: a channel that is constant, as ReLU leaves some, cannot be given a deviation
        return F.leaky_relu(f, 0.02)


class AdaIN(Reference):
    """Feed-forward stylization with any style."""

    task = "styles"
    Config = AdaINConfig

    def __init__(self, cfg: AdaINConfig) -> None:
        super().__init__(cfg)
        c, k, w = cfg.shape[0], cfg.channels, cfg.width
        self.encoder = Encoder(c, k)
        # no normalization here: it would give every image the same statistics again
        self.decoder = nn.Sequential(
            conv(k, w, 3), nn.ReLU(),
            conv(w, w, 3), nn.ReLU(),
            conv(w, w, 3), nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"), conv(w, w // 2, 3), nn.ReLU(),
            conv(w // 2, c, 5), nn.Sigmoid(),
        )  # fmt: skip
        self.perceptual = Perceptual(cfg)
        self.content: Tensor
        self.style: Tensor
        self.register_buffer("content", torch.zeros(cfg.images, *cfg.shape))
        self.register_buffer("style", torch.zeros(cfg.images, *cfg.shape))

    @torch.no_grad()
    def prepare(self, task: Task) -> None:
        self.perceptual.read()
        x, y = pairs(task)
        rows = torch.arange(self.cfg.images) % len(x)
        self.content.copy_(x[rows])
        self.style.copy_(y[rows])

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": torch.optim.Adam(self.decoder.parameters(), lr=self.cfg.lr)}

    def stylize(self, x: Tensor, y: Tensor, strength: float = 1.0) -> Tensor:
        """Contents x in the styles y, (B, C, H, W) both; strength 0 leaves the content's own style, eq. 9 and 14."""
        f = self.encoder(x)
        return self.decoder(torch.lerp(f, adain(f, self.encoder(y)), strength))

    def blend(self, x: Tensor, styles: list[Tensor], weights: list[float]) -> Tensor:
        """Contents x in a mixture of styles, (B or 1, C, H, W) each, with weights that add up to one, eq. 15."""
        f = self.encoder(x)
        return self.decoder(sum(w * adain(f, self.encoder(y)) for w, y in zip(weights, styles, strict=True)))

    def loss(self, batch: Batch) -> Losses:
        """L of neural style transfer, for the batch's contents in the batch's styles."""
        return self.perceptual(self.stylize(batch.x, batch.y), batch.x, batch.y)

    @torch.no_grad()
    def sample(self, n: int, y: Any = None) -> Tensor:
        """The first n held-out contents in the styles y (n, C, H, W), by default the ones they are paired with."""
        rows = torch.arange(n) % len(self.content)
        return self.stylize(self.content[rows], self.style[rows] if y is None else y)


def conv(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    """A convolution that keeps the scale of its input; reflection keeps borders free of frames."""
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="reflect")
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def statistics(f: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel over its positions, eq. 5 and 6: (B, K, H, W) -> (B, K, 1, 1) each."""
    return f.mean((2, 3), keepdim=True), f.var((2, 3), keepdim=True, correction=0).sqrt()


def adain(f: Tensor, s: Tensor) -> Tensor:
    """f with the channel statistics of s, eq. 8: (B, K, H, W), (B or 1, K, H', W') -> (B, K, H, W)."""
    (mean, std), (style_mean, style_std) = statistics(f), statistics(s)
    return style_std * (f - mean) / std.clamp(min=1e-5) + style_mean


if __name__ == "__main__":
    main(AdaIN)
