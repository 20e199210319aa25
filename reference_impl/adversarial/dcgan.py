"""Deep convolutional GAN: the adversarial game with networks made for images.

Idea
    Both players are stacks of convolutions. G starts from a small map of many channels, linear in
    z, and every transposed convolution doubles its side; D halves it with strided convolutions,
    so that resampling is learned as well. ReLU stands between the layers of G, LeakyReLU
    between those of D, and batch norm, which gives channel c of a batch the mean b_c and
    the deviation g_c:

        y_c = g_c (x_c - mean_c) / sqrt(var_c + 1e-5) + b_c.                                  (1)

    With it a signal arrives at the same strength however many layers it has passed. The last
    layer of G and the first of D have none: they meet the pixels, whose mean and contrast are
    to be learned.

Source
    Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional
    Generative Adversarial Networks", 2016. arXiv:1511.06434 (section 3)

Differs from the paper
    Kernels of 4 instead of 5, which strides of 2 cover evenly; maps down to a side of 2, not 4, as
    images here are smaller; pixels in [0, 1] from a sigmoid, not in [-1, 1] from tanh; Gaussian noise;
    PyTorch's initial weights, a larger learning rate; the GAN's slope penalty and averaged generator.

Shapes
    B batch, C channels, H height, W width, Z noise dimensions.

Run
    genai-patterns run dcgan hidden=48
"""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from math import log2, prod
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import Adam

from reference_impl.adversarial.gan import GAN, GANConfig
from reference_impl.core import Batch, Metrics, Optimizers, main

Side = Annotated[int, Field(ge=2)]


class DCGANConfig(GANConfig):
    """Sizes of the two networks, and how they learn."""

    shape: tuple[PositiveInt, Side, Side] = (1, 8, 8)
    """Shape of an image (C, H, W), with values in [0, 1]."""
    hidden: PositiveInt = 32
    """Channels of the largest maps; each halving of the side doubles them."""
    smallest: PositiveInt = 2
    """Sides are halved, once at least, while this many pixels remain; 4 in the paper."""
    batch_norm: bool = True
    """Whether the inner layers of both networks are normalized."""
    r1: NonNegativeFloat = 0.5
    ema: float = Field(0.995, ge=0, lt=1)
    lr: PositiveFloat = 2e-3
    steps: NonNegativeInt = 1500


class MeanOverProcesses(torch.autograd.Function):
    """Mean of a tensor over processes, and on the way back of its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, average: Callable[..., None]) -> Tensor:
        ctx.average, x = average, x.clone()
        average(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return MeanOverProcesses.apply(grads[0], ctx.average), None


class BatchNorm(nn.Module):
    """Equation (1) over the global batch, whatever number of processes share it.

    (B, C, H, W) -> (B, C, H, W). Outside training it uses running means of both statistics,
    so that an image does not depend on the others beside it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.mean: Tensor
        self.var: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))
        self.average: Callable[..., None] = lambda *_: None

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.mean, self.var
        if self.training:
            mean = MeanOverProcesses.apply(x.mean((0, 2, 3)), self.average)
            var = (x - spread(mean)).square().mean((0, 2, 3))
            var = MeanOverProcesses.apply(var, self.average)
            self.mean.lerp_(mean.detach().to(self.mean), 0.1)
            self.var.lerp_(var.detach().to(self.var), 0.1)
        scale = self.weight * (var + 1e-5).rsqrt()
        return (x - spread(mean)) * spread(scale) + spread(self.bias)


def spread(v: Tensor) -> Tensor:
    """One number a channel, over its whole map: (C,) -> (C, 1, 1)."""
    return v[:, None, None]


class DCGAN(GAN):
    """GAN of strided convolutions with batch norm and no hidden dense layer."""

    Config = DCGANConfig

    def __init__(self, cfg: DCGANConfig) -> None:
        super().__init__(cfg)
        channels, *side = cfg.shape
        halvings = max(1, int(log2(min(side) / cfg.smallest)))
        widths = [channels, *(cfg.hidden * 2**i for i in range(halvings))]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for i, (inside, outside) in enumerate(pairwise(widths)):
            # where a map of odd side was halved, the way back adds the lost row or column
            odd = [n % 2 for n in side]
            side = [n // 2 for n in side]
            # what touches pixels is not normalized; a bias before batch norm would be taken out
            inner = cfg.batch_norm and i > 0
            halve = nn.Conv2d(inside, outside, 4, 2, 1, bias=not inner)
            double = nn.ConvTranspose2d(outside, inside, 4, 2, 1, odd, bias=not inner)
            norm = BatchNorm if cfg.batch_norm else nn.Identity
            down += [halve, norm(outside) if inner else nn.Identity(), nn.LeakyReLU(0.2)]
            up = [norm(outside), nn.ReLU(), double, *up]
        smallest = (widths[-1], *side)
        self.generator = nn.Sequential(
            nn.Linear(cfg.latent_dim, prod(smallest)), nn.Unflatten(1, smallest), *up,
            nn.Sigmoid(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            *down, nn.Flatten(), nn.Linear(prod(smallest), 1), nn.Flatten(0)
        )  # fmt: skip
        self.averaged = deepcopy(self.generator).requires_grad_(False)

    def optimizers(self) -> dict[str, Adam]:
        players = {"discriminator": self.discriminator, "generator": self.generator}
        return {
            name: Adam(net.parameters(), lr=self.cfg.lr, betas=(0.5, 0.99))
            for name, net in players.items()
        }  # fmt: skip

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """A move of each player; real and generated images are normalized apart."""
        for module in self.modules():
            if isinstance(module, BatchNorm):
                module.average = opt.average
        return super().step(batch, opt)

    def after_update(self) -> None:
        super().after_update()
        for slow, fast in zip(self.averaged.buffers(), self.generator.buffers(), strict=True):
            slow.lerp_(fast, 1 - self.cfg.ema)


if __name__ == "__main__":
    main(DCGAN)
