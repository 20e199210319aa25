"""Glow: a RealNVP for images whose channels are mixed by learned invertible 1x1 convolutions.

Idea
    A coupling layer moves half of the channels as a function of the other half, so something must
    exchange the halves between layers. A step of flow does it by a matrix that is learned:

        ActNorm     y_c = (x_c + b_c) exp(a_c)       log|det| = H W sum(a)              (table 1)
        1x1 conv    y_hw = W x_hw                    log|det| = H W log|det W|          (eq. 9)
        coupling    half of the channels scaled and shifted by convolutions of the other half

    With W = P L (U + diag(s)), |det W| is the product of the |s| (eq. 10-11). ActNorm starts such that
    its output has mean 0 and variance 1. A scale turns 2x2 pixels into channels, takes K steps, and
    hands half of the channels on to the next scale; the other half is final.

Source
    Kingma & Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", 2018. arXiv:1807.03039

Differs from the paper
    Dropout, bounded log-scales, and a histogram of each pixel, as in RealNVP. The paper predicts what
    a scale leaves behind from what it hands on; here the last coupling, which moves that half, does.

Shapes
    B batch, D = prod(shape) numbers per observation, as images (C, H, W); vectors are (D, 1, 1).

Run
    genai-patterns run glow mixing=reversed
"""

from collections.abc import Iterator
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Task, main
from reference_impl.flow.realnvp import Coupling, RealNVP, RealNVPConfig


class GlowConfig(RealNVPConfig):
    """Settings of Glow."""

    scales: PositiveInt = 2
    """Scales, as far as the sides can be halved."""
    layers: PositiveInt = 8
    """K, the steps of flow at each scale."""
    hidden: PositiveInt = 32
    """Channels of the two hidden layers that compute s and t."""
    mixing: Literal["learned", "reversed"] = "learned"
    """What stands between couplings: learned 1x1 convolutions, or the reversed order of channels."""
    dropout: float = Field(0.1, ge=0, lt=1)
    steps: NonNegativeInt = 500
    lr: PositiveFloat = 3e-3


class ActNorm(nn.Module):
    """Scale and shift of each channel: (B, C, H, W) -> (B, C, H, W), ()."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale, self.shift = (nn.Parameter(torch.zeros(channels, 1, 1)) for _ in range(2))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Start such that these images (B, C, H, W) get mean 0 and variance 1 in each channel."""
        variance, mean = torch.var_mean(x, (0, 2, 3), unbiased=False, keepdim=True)
        self.log_scale.copy_(-0.5 * (variance[0] + 1e-6).log())
        self.shift.copy_(-mean[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return (x + self.shift) * self.log_scale.exp(), x[0, 0].numel() * self.log_scale.sum()

    def inverse(self, y: Tensor) -> Tensor:
        return y * (-self.log_scale).exp() - self.shift


class Mixing(nn.Module):
    """Invertible 1x1 convolution as an LU decomposition: (B, C, H, W) -> (B, C, H, W), ()."""

    def __init__(self, channels: int, learned: bool) -> None:
        super().__init__()
        # a random rotation, or the channels in reversed order
        W = torch.linalg.qr(torch.randn(channels, channels)).Q if learned else torch.eye(channels).flip(0)
        P, L, U = torch.linalg.lu(W)
        self.register_buffer("P", P)
        self.register_buffer("sign", U.diagonal().sign())
        start = (L.tril(-1), U.triu(1), U.diagonal().abs().log())
        self.L, self.U, self.log_s = (nn.Parameter(t, requires_grad=learned) for t in start)

    @property
    def W(self) -> Tensor:
        """P L (U + diag(s)), eq. 10: (C, C)."""
        one = torch.eye(len(self.P), device=self.P.device)
        return self.P @ (self.L.tril(-1) + one) @ (self.U.triu(1) + torch.diag(self.sign * self.log_s.exp()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # eq. 9 and 11
        return F.conv2d(x, self.W[..., None, None]), x[0, 0].numel() * self.log_s.sum()

    def inverse(self, y: Tensor) -> Tensor:
        return F.conv2d(y, self.W.inverse()[..., None, None])


class ConvolutionalCoupling(Coupling):
    """RealNVP's affine coupling of flat images: keeps the first half of the channels."""

    def __init__(self, shape: tuple[int, int, int], cfg: GlowConfig) -> None:
        nn.Module.__init__(self)
        (c, h, w), n, self.bound = shape, cfg.hidden, cfg.bound
        self.register_buffer("mask", (torch.arange(c) < c // 2).float().repeat_interleave(h * w))
        self.net = nn.Sequential(
            nn.Unflatten(1, shape), nn.Conv2d(c, n, 3, padding=1), nn.ReLU(), nn.Dropout(cfg.dropout),
            nn.Conv2d(n, n, 1), nn.ReLU(), nn.Dropout(cfg.dropout),
            last := nn.Conv2d(n, 2 * c, 3, padding=1), nn.Flatten(),
        )  # fmt: skip
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # s = t = 0: it starts as the identity


class Squeeze(nn.Module):
    """Turns blocks of pixels into channels, in the image that each row begins with: (B, D) -> (B, D), (B,)."""

    def __init__(self, shape: tuple[int, int, int], factor: int, total: int) -> None:
        super().__init__()
        n = prod(shape)
        image = F.pixel_unshuffle(torch.arange(n).view(shape), factor).flatten()
        self.register_buffer("order", torch.cat([image, torch.arange(n, total)]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return y[:, self.order.argsort()]


class Step(nn.Module):
    """One step of flow on the image that each row begins with; the rest is final: (B, D) -> (B, D), (B,)."""

    def __init__(self, shape: tuple[int, int, int], cfg: GlowConfig) -> None:
        super().__init__()
        self.shape, self.norm = shape, ActNorm(shape[0])
        self.mixing, self.coupling = Mixing(shape[0], cfg.mixing == "learned"), ConvolutionalCoupling(shape, cfg)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) -> (B, C, H, W), (B, D - C H W)."""
        image, final = x.tensor_split([prod(self.shape)], 1)
        return image.unflatten(1, self.shape), final

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, final = self.split(x)
        z, norm = self.norm(z)
        z, mixing = self.mixing(z)
        y, coupling = self.coupling(z.flatten(1))
        return torch.cat([y, final], 1), norm + mixing + coupling

    def inverse(self, y: Tensor) -> Tensor:
        z, final = self.split(y)
        z = self.coupling.inverse(z.flatten(1)).view_as(z)
        return torch.cat([self.norm.inverse(self.mixing.inverse(z)).flatten(1), final], 1)


class Glow(RealNVP):
    """Multi-scale flow of ActNorm, invertible 1x1 convolution and affine coupling."""

    Config = GlowConfig

    def __init__(self, cfg: GlowConfig) -> None:
        super().__init__(cfg)
        self.bijections = nn.ModuleList([*self.bijections[: bool(cfg.levels)], *scales(cfg)])

    @torch.no_grad()
    def prepare(self, task: Task) -> None:
        super().prepare(task)
        x = self.dequantize(task.splits["train"][0][:1024]).flatten(1)
        for bijection in self.bijections:
            if isinstance(bijection, Step):
                bijection.norm.fit(bijection.split(x)[0])
            x, _ = bijection(x)


def scales(cfg: GlowConfig) -> Iterator[nn.Module]:
    """Each scale takes half of the channels of the one before, as long as sides can be halved."""
    c, h, w = cfg.shape if len(cfg.shape) == 3 else (prod(cfg.shape), 1, 1)
    for i in range(cfg.scales):
        factor = 1 if h % 2 or w % 2 else 2
        if i and factor == 1:
            return
        if c * factor**2 == 1:
            raise ValueError(f"shape {cfg.shape}: Glow needs an even height and width, or several channels")
        yield Squeeze((c, h, w), factor, prod(cfg.shape))
        c, h, w = c * factor**2, h // factor, w // factor
        for _ in range(cfg.layers):
            yield Step((c, h, w), cfg)
        c = c // 2


if __name__ == "__main__":
    main(Glow)
