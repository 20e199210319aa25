"""Pix2Pix: an image made from an image, with a discriminator that judges patches of the pair.

Idea
    Given pairs of an image y and the image x that belongs to it, the generator G(y) is held to
    x pixel by pixel and, where y leaves x open, to what such images look like:

        min_G max_D  E [log D(y, x)] + E [log(1 - D(y, G(y)))] + lambda E |x - G(y)|.       (4)

    The last term alone is least at the median of all x that fit y, pixel by pixel: flat where
    they differ in detail. D sees y beside the image, so it also rejects what looks real but does
    not fit; it judges overlapping patches, because L1 has coarse structure in hand already.

Source
    Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks",
    2017. arXiv:1611.07004 (eq. 4)

Differs from the paper
    One level of the U-Net instead of eight, patches of 12 pixels instead of 70, for small images;
    normalization within each image; lambda = 10 instead of 100; images in [0, 1], not [-1, 1],
    and the output is linear, since L1 drives a squashed one to blank paper and holds it there.
    As in the paper the noise is dropout in the generator, also while sampling.

Shapes
    B batch, H x W pixels, C channels of x, Y channels of y; D gives one logit a patch.

Run
    genai-patterns run pix2pix l1=100
"""

from typing import Self

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn.functional import dropout, interpolate, logsigmoid
from torch.optim import Adam

from reference_impl.core import Batch, Config, Metrics, Optimizers, Reference, main


class Pix2PixConfig(Config):
    """Sizes of the two networks and the weights of the two terms."""

    shape: tuple[int, int, int] = (1, 16, 16)
    """Shape of x, the image to make, with values in [0, 1]."""
    given: tuple[int, int, int] = (1, 16, 16)
    """Shape of y, the image it is made from; of the same height and width."""
    channels: PositiveInt = 16
    """Width of both networks at full resolution; twice that at half resolution."""
    l1: NonNegativeFloat = 10.0
    """lambda, the weight of the distance to the known partner."""
    adversarial: NonNegativeFloat = 1.0
    """Weight of the game; 0 leaves the L1 term alone."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Share of the coarse features that is dropped, in training and in sampling."""
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 1e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 1000

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.shape[1:] != self.given[1:]:
            raise ValueError(f"shape={self.shape}, given={self.given}: both images need one height and width")
        return self


class UNet(nn.Module):
    """Translator with a skip connection at full resolution: (B, Y, H, W) -> (B, C, H, W)."""

    def __init__(self, given: int, made: int, width: int, drop: float) -> None:
        super().__init__()
        self.drop, c = drop, width
        self.fine = nn.Sequential(nn.Conv2d(given, c, 3, padding=1), nn.LeakyReLU(0.2))
        self.coarse = nn.Sequential(
            nn.Conv2d(c, 2 * c, 4, stride=2, padding=1), nn.InstanceNorm2d(2 * c), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * c, 2 * c, 3, padding=1), nn.InstanceNorm2d(2 * c), nn.ReLU(),
            nn.Conv2d(2 * c, 2 * c, 3, padding=1), nn.InstanceNorm2d(2 * c), nn.ReLU(),
        )  # fmt: skip
        self.join = nn.Sequential(
            nn.Conv2d(3 * c, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, made, 3, padding=1)
        )  # fmt: skip

    def forward(self, y: Tensor) -> Tensor:
        fine = self.fine(y)
        # the only noise there is, so it stays on when sampling
        coarse = dropout(self.coarse(fine), self.drop, training=True)
        # what y shows in place, such as edges, need not pass the coarse level
        return self.join(torch.cat([fine, interpolate(coarse, fine.shape[2:])], 1))


def patch_discriminator(channels: int, width: int) -> nn.Sequential:
    """A logit for each patch of 12 x 12 pixels: (B, channels, H, W) -> (B, 1, H/2, W/2)."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 3, padding=1),
    )  # fmt: skip


class Pix2Pix(Reference):
    """Paired image-to-image translation: L1 distance and a conditional patch GAN."""

    task = "pairs"
    Config = Pix2PixConfig

    def __init__(self, cfg: Pix2PixConfig) -> None:
        super().__init__(cfg)
        made, given = cfg.shape[0], cfg.given[0]
        self.generator = UNet(given, made, cfg.channels, cfg.dropout)
        self.discriminator = patch_discriminator(given + made, cfg.channels)

    def optimizers(self) -> dict[str, Adam]:
        players = {"discriminator": self.discriminator, "generator": self.generator}
        return {
            name: Adam(net.parameters(), lr=self.cfg.lr, betas=(0.5, 0.999))
            for name, net in players.items()
        }  # fmt: skip

    def discriminate(self, x: Tensor, y: Tensor) -> Tensor:
        """log D / (1 - D) of each patch: (B, C, H, W), (B, Y, H, W) -> (B, 1, H/2, W/2)."""
        return self.discriminator(torch.cat([y, x], 1))

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """One move of each player; patches and images are averaged alike."""
        real, y = batch
        fake = self.generator(y)
        # |x - G(y)|, eq. 3
        distance = (real - fake).abs().mean()
        if not self.cfg.adversarial:
            opt.minimize("generator", self.cfg.l1 * distance)
            return {"l1": distance.detach()}

        # eq. 1; log(1 - D) is logsigmoid(-logit)
        on_real, on_fake = self.discriminate(real, y), self.discriminate(fake.detach(), y)
        value = logsigmoid(on_real).mean() + logsigmoid(-on_fake).mean()
        opt.minimize("discriminator", -value)

        # G raises log D instead of lowering log(1 - D) (section 3.3)
        g_loss = -logsigmoid(self.discriminate(fake, y)).mean()
        opt.minimize("generator", self.cfg.adversarial * g_loss + self.cfg.l1 * distance)
        return {"l1": distance.detach(), "value": value.detach(), "g_loss": g_loss.detach()}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """An image for each of the n given images y (n, Y, H, W): (n, C, H, W) in [0, 1]."""
        if y is None:
            raise ValueError("pix2pix makes an image from an image: give y, of shape (n, *given)")
        return self.generator(y).clamp(0, 1)


if __name__ == "__main__":
    main(Pix2Pix)
