"""Style transfer network: one style, learned once and then applied in a single pass.

Idea
    Neural style transfer solves an optimization problem for every image. A network T solves all of
    them at once: its weights, not the pixels, descend the mean of the same loss over many contents,

        min_T  E_x  alpha |F_c(T(x)) - F_c(x)|^2 + beta mean_l |G_l(T(x)) - G_l(style)|^2,

    and a new image then costs one pass. The style is built into the weights; another one needs
    another network. Instance normalization takes each image's own contrast out of every layer, which
    the network would otherwise have to undo, since the contrast of the result is the style's.

Source
    Johnson, Alahi & Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
    2016. arXiv:1603.08155 (section 3)
    Ulyanov, Vedaldi & Lempitsky, "Instance Normalization: The Missing Ingredient for Fast
    Stylization", 2016. arXiv:1607.08022

Differs from the paper
    Losses are those of `neural_style_transfer`: random filters unless `vgg` names VGG-19's weights,
    and no total variation. One halving of the resolution and two residual blocks instead of two and
    five; bilinear upsampling and convolution instead of strides of 1/2; sigmoid instead of tanh.

Shapes
    B images of C x H x W pixels, H and W even; at half the resolution 2 x width channels.

Run
    genai-patterns run style_transfer_network style=16
"""

from typing import Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import Optimizer

from reference_impl.core import Batch, Losses, Reference, Task, main
from reference_impl.style_transfer.neural_style_transfer import Perceptual, PerceptualConfig, pairs


class StyleNetworkConfig(PerceptualConfig):
    """The style, and sizes and training of the network that applies it."""

    content_weight: NonNegativeFloat = 0.2
    style: NonNegativeInt = 0
    """Row of the held-out pairs whose style is learned."""
    width: PositiveInt = 16
    """Channels at full resolution; at half the resolution there are twice as many."""
    residuals: NonNegativeInt = 2
    """Residual blocks at half the resolution."""
    norm: Literal["instance", "batch"] = "instance"
    """What each convolution's output is normalized over: the positions of its own image, or also the batch."""
    steps: NonNegativeInt = 400
    batch_size: PositiveInt = 4
    lr: PositiveFloat = 3e-3
    cooldown: float = Field(0.5, ge=0, le=1)


def conv(inputs: int, outputs: int, size: int, norm: str, stride: int = 1) -> nn.Sequential:
    """Convolution and normalization; reflection keeps borders free of frames."""
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, padding_mode="reflect", bias=False)
    normalize = nn.InstanceNorm2d(outputs, affine=True) if norm == "instance" else nn.BatchNorm2d(outputs)
    return nn.Sequential(layer, normalize)


class Residual(nn.Module):
    """x plus two convolutions of it."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.change = nn.Sequential(conv(width, width, 3, norm), nn.ReLU(), conv(width, width, 3, norm))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


class StyleTransferNetwork(Reference):
    """Feed-forward stylization with one style."""

    task = "styles"
    Config = StyleNetworkConfig

    def __init__(self, cfg: StyleNetworkConfig) -> None:
        super().__init__(cfg)
        c, w, norm = cfg.shape[0], cfg.width, cfg.norm
        self.net = nn.Sequential(
            conv(c, w, 5, norm), nn.ReLU(),
            conv(w, 2 * w, 3, norm, stride=2), nn.ReLU(),
            *(Residual(2 * w, norm) for _ in range(cfg.residuals)),
            nn.Upsample(scale_factor=2, mode="bilinear"), conv(2 * w, w, 3, norm), nn.ReLU(),
            nn.Conv2d(w, c, 5, padding=2, padding_mode="reflect"), nn.Sigmoid(),
        )  # fmt: skip
        self.perceptual = Perceptual(cfg)
        self.content: Tensor
        self.style: Tensor
        self.register_buffer("content", torch.zeros(cfg.images, *cfg.shape))
        self.register_buffer("style", torch.zeros(1, *cfg.shape))

    @torch.no_grad()
    def prepare(self, task: Task) -> None:
        self.perceptual.read()
        x, y = pairs(task)
        self.content.copy_(x[torch.arange(self.cfg.images) % len(x)])
        self.style.copy_(y[self.cfg.style % len(y)])

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": torch.optim.Adam(self.net.parameters(), lr=self.cfg.lr)}

    def stylize(self, x: Tensor) -> Tensor:
        """Images in this network's style: (B, C, H, W) -> (B, C, H, W), for even H and W."""
        return self.net(x)

    def loss(self, batch: Batch) -> Losses:
        """L of neural style transfer, for the images that the network makes of a batch of contents."""
        return self.perceptual(self.stylize(batch.x), batch.x, self.style)

    @torch.no_grad()
    def sample(self, n: int, y: Any = None) -> Tensor:
        """The first n held-out contents in this network's style; they come round again where there are fewer."""
        return self.stylize(self.content[torch.arange(n) % len(self.content)])


if __name__ == "__main__":
    main(StyleTransferNetwork)
