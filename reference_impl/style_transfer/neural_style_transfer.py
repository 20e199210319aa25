"""Neural style transfer: pixels moved until their features match one image's content and another's style.

Idea
    Features F_l(x) of an image x, K maps of M positions at level l, are compared in two ways. Content
    asks for the same feature at the same place; style forgets the place and asks for the same average
    products of features, the Gram matrix G_l = F_l F_l' / M:

        L(x) = alpha |F_c(x) - F_c(content)|^2 + beta mean_l |G_l(x) - G_l(style)|^2,

    each term relative to the size of its target. Nothing is trained: the image is what descends L.
    |G_l(x) - G_l(s)|^2 is the squared maximum mean discrepancy between the two sets of M feature
    vectors under the kernel (u'v)^2, so "style" is a distribution of features.

Source
    Gatys, Ecker & Bethge, "A Neural Algorithm of Artistic Style", 2015. arXiv:1508.06576 (eq. 1, 3-7)
    Li et al., "Demystifying Neural Style Transfer", 2017. arXiv:1701.01036 (Gram matrices and MMD)

Differs from the paper
    Features are 32 random 5x5 filters and ReLU on each level of an image pyramid, in the spirit of
    arXiv:1606.00021; `vgg` takes a trained VGG-19 from a file instead. Each distance is divided by its
    target's squared norm, which makes the weights mean the same for every image. Starts from the
    content; Adam instead of L-BFGS, with pixels kept in [0, 1].

Shapes
    B images of C x H x W pixels; at level l features (B, K, H/2^l, W/2^l) and Gram matrices (B, K, K).

Run
    genai-patterns run neural_style_transfer start=noise content_weight=0.3
"""

from math import log2
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import Optimizer

from reference_impl.blocks_vgg import VGG
from reference_impl.core import Batch, Config, Losses, Reference, Task, main


class PerceptualConfig(Config):
    """What images are compared by."""

    shape: tuple[int, ...] = (3, 64, 64)
    """Shape of one image."""
    images: PositiveInt = 16
    """Held-out pairs of content and style that the model keeps and shows."""
    content_weight: NonNegativeFloat = 0.1
    """alpha, what keeping the content counts."""
    style_weight: NonNegativeFloat = 1.0
    """beta, what matching the style counts."""
    filters: PositiveInt = 32
    """K, random filters on each level of the pyramid."""
    levels: PositiveInt = 4
    """Most levels of the pyramid; small images have fewer."""
    vgg: Path | None = None
    """A safetensors file with VGG-19's weights, to use in place of random filters."""


class StyleTransferConfig(PerceptualConfig):
    """Start and descent of the pixels."""

    start: Literal["content", "noise"] = "content"
    """What the image is before the first step."""
    steps: NonNegativeInt = 200
    lr: PositiveFloat = 0.05
    cooldown: float = Field(0.5, ge=0, le=1)


class Filters(nn.Module):
    """Random filters with ReLU on every level of an image pyramid."""

    def __init__(self, channels: int, filters: int, levels: int) -> None:
        super().__init__()
        self.weight: Tensor
        self.blur: Tensor
        w = random_filters(levels * filters, channels).unflatten(0, (levels, filters))
        # all levels but the coarsest see contrast alone: brightness would drown it
        w[:-1] -= w[:-1].mean((3, 4), keepdim=True)
        self.register_buffer("weight", w)
        b = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("blur", (b * b[:, None]).expand(channels, 1, 4, 4).contiguous())

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Content features and one list of style features per level: (B, K, H/2^l, W/2^l) each."""
        # features of photographs then have a mean square near 1
        x, style = 12 * (x - 0.5), []
        for level, w in enumerate(self.weight):
            if level:
                x = F.conv2d(F.pad(x, [1] * 4, "reflect"), self.blur, stride=2, groups=len(self.blur))
            style.append(F.relu(F.conv2d(F.pad(x, [2] * 4, "reflect"), w)))
        return style[min(1, len(style) - 1)], style


class Perceptual(nn.Module):
    """The loss L, for the image that it is about and the two images that it compares with."""

    def __init__(self, cfg: PerceptualConfig) -> None:
        super().__init__()
        self.cfg = cfg
        side = min(cfg.shape[1:])
        # the coarsest level has at least four pixels a side
        levels = max(1, min(cfg.levels, int(log2(side / 4)) + 1))
        self.features = VGG() if cfg.vgg else Filters(cfg.shape[0], cfg.filters, levels)

    def read(self) -> None:
        """Reads VGG's weights, if they are used; from then on they are part of the model's state."""
        if isinstance(self.features, VGG) and self.cfg.vgg:
            self.features.read(self.cfg.vgg)

    def forward(self, x: Tensor, content: Tensor, style: Tensor) -> Losses:
        """L and its two parts, each the mean over images (B, C, H, W); a single style serves all of them."""
        with torch.no_grad():
            p, a = self.features(content)[0], [gram(f) for f in self.features(style)[1]]
        f, fs = self.features(x)
        # eq. 1, relative
        c = relative(f, p)
        # eq. 4 and 5, relative
        s = torch.stack([relative(gram(f), g) for f, g in zip(fs, a, strict=True)]).mean(0)
        total = self.cfg.content_weight * c + self.cfg.style_weight * s  # eq. 7
        return {"loss": total.mean(), "content": c.mean(), "style": s.mean()}


class NeuralStyleTransfer(Reference):
    """Images as parameters, optimized to show one image's content in another's style."""

    task = "styles"
    Config = StyleTransferConfig

    def __init__(self, cfg: StyleTransferConfig) -> None:
        super().__init__(cfg)
        self.perceptual = Perceptual(cfg)
        self.content: Tensor
        self.style: Tensor
        self.register_buffer("content", torch.zeros(cfg.images, *cfg.shape))
        self.register_buffer("style", torch.zeros(cfg.images, *cfg.shape))
        self.pixels = nn.Parameter(torch.zeros(cfg.images, *cfg.shape))

    @torch.no_grad()
    def prepare(self, task: Task) -> None:
        self.perceptual.read()
        x, y = pairs(task)
        # spread over all pairs, so that few images show many styles
        rows = torch.arange(self.cfg.images) * len(x) // self.cfg.images
        self.content.copy_(x[rows])
        self.style.copy_(y[rows])
        self.pixels.copy_(self.content if self.cfg.start == "content" else torch.rand_like(self.content))

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": torch.optim.Adam([self.pixels], lr=self.cfg.lr)}

    def loss(self, batch: Batch) -> Losses:
        """L of the images as they are; what they are compared with is stored, so the batch plays no part."""
        return self.perceptual(self.pixels, self.content, self.style)

    @torch.no_grad()
    def after_update(self) -> None:
        self.pixels.clamp_(0, 1)

    @torch.no_grad()
    def sample(self, n: int, y: Any = None) -> Tensor:
        """The first n images, which come round again where there are fewer: (n, C, H, W)."""
        return self.pixels[torch.arange(n) % len(self.pixels)].clone()


def random_filters(n: int, channels: int, seed: int = 0) -> Tensor:
    """Gaussian filters under a bell, of length 1: (n, channels, 5, 5); the same on every machine."""
    w = torch.randn(n, channels, 5, 5, generator=torch.Generator().manual_seed(seed))
    bell = torch.hann_window(7, periodic=False)[1:-1]
    w = w * bell * bell[:, None]
    return w / w.flatten(1).norm(dim=1)[:, None, None, None]


def gram(f: Tensor) -> Tensor:
    """Average products of features, eq. 3: (B, K, H, W) -> (B, K, K)."""
    f = f.flatten(2)
    return f @ f.transpose(1, 2) / f.shape[2]


def relative(a: Tensor, b: Tensor) -> Tensor:
    """Mean square of a - b over that of b, with a floor for blank images: (B, ...), (B or 1, ...) -> (B,)."""
    return (a - b).square().flatten(1).mean(1) / (b.square().flatten(1).mean(1) + 0.01)


def pairs(task: Task) -> tuple[Tensor, Tensor]:
    """Held-out contents and their styles, (N, C, H, W) each; ValueError for a task without styles."""
    x, y = task.splits["test"]
    if not isinstance(y, Tensor) or y.shape != x.shape:
        raise ValueError('style transfer needs a style image for each content image, as the task "styles" has them')
    return x, y


if __name__ == "__main__":
    main(NeuralStyleTransfer)
