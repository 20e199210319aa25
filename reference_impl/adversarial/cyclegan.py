"""CycleGAN: translation between two collections of images, without knowing which belong together.

Idea
    Two generators, G(y) into the domain of x and F(x) into that of y, each against its own
    discriminator, which sees single images only. Any map onto the domain of x would satisfy
    these, so translating there and back has to return the image:

        L_cyc = E |G(F(x)) - x| + E |F(G(y)) - y|,                                          (2)
        min_{G,F} max_{D_X,D_Y}  L_GAN(G, D_X) + L_GAN(F, D_Y) + lambda L_cyc.              (3)

    That makes G and F inverse to each other, not right: if (G, F) is perfect, so is (T G, F T^-1)
    for any one-to-one map T of the domain of x onto itself that keeps its distribution. Which of
    them training finds is up to what the networks find easy.

Source
    Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent
    Adversarial Networks", 2017. arXiv:1703.10593 (eq. 3; least squares of section 4)

Differs from the paper
    Small residual networks at one resolution; patches of 12 pixels; no buffer of earlier
    translations. First and last layer see one pixel, so that leaving things in place is easy.
    lambda rises from 0: the round trip also holds a wrong map in place, and contrast, say,
    cannot turn around without passing a point where nothing can be recovered.

Shapes
    B batch, H x W pixels, C channels of x, Y channels of y.

Run
    genai-patterns run cyclegan cycle=0
"""

from itertools import chain
from typing import Self

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.optim import Adam

from reference_impl.adversarial.pix2pix import patch_discriminator
from reference_impl.core import Batch, Config, Losses, Metrics, Optimizers, Reference, main


class CycleGANConfig(Config):
    """Sizes of the four networks and the weights of the terms."""

    shape: tuple[int, int, int] = (1, 8, 8)
    """Shape of x, the images to make, with values in [0, 1]."""
    given: tuple[int, int, int] = (1, 8, 8)
    """Shape of y, the images they are made from."""
    channels: PositiveInt = 16
    """Width of all networks."""
    blocks: PositiveInt = 1
    """Residual blocks of a generator; each lets a pixel see two more on every side."""
    normalize: bool = True
    """Whether blocks normalize each image, which makes them blind to its overall contrast."""
    cycle: NonNegativeFloat = 10.0
    """lambda, the weight of the round trip."""
    cycle_warmup: NonNegativeInt = 200
    """Steps over which lambda rises from 0."""
    identity: NonNegativeFloat = 0.0
    """Weight of |G(x) - x| + |F(y) - y|, relative to lambda: images already there should stay."""
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 1e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 600

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.shape[1:] != self.given[1:]:
            raise ValueError(f"shape={self.shape}, given={self.given}: both images need one height and width")
        if self.identity and self.shape != self.given:
            raise ValueError(f"identity needs as many channels in x as in y; shape={self.shape}, given={self.given}")
        return self


class Block(nn.Module):
    """h + r(h), which keeps the size: (B, width, H, W) -> (B, width, H, W)."""

    def __init__(self, width: int, normalize: bool) -> None:
        super().__init__()
        norm = nn.InstanceNorm2d if normalize else nn.Identity
        self.residual = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), norm(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), norm(width),
        )  # fmt: skip

    def forward(self, h: Tensor) -> Tensor:
        return h + self.residual(h)


def translator(given: int, made: int, cfg: CycleGANConfig) -> nn.Sequential:
    """A generator; around its blocks every pixel has a path of its own: (B, given, H, W) -> (B, made, H, W)."""
    blocks = [Block(cfg.channels, cfg.normalize) for _ in range(cfg.blocks)]
    return nn.Sequential(
        nn.Conv2d(given, cfg.channels, 1), nn.ReLU(), *blocks, nn.Conv2d(cfg.channels, made, 1)
    )  # fmt: skip


class CycleGAN(Reference):
    """Unpaired image-to-image translation by two GANs that must undo each other."""

    task = "unpaired"
    Config = CycleGANConfig

    def __init__(self, cfg: CycleGANConfig) -> None:
        super().__init__(cfg)
        made, given = cfg.shape[0], cfg.given[0]
        # G and F of eq. 3
        self.to_x, self.to_y = translator(given, made, cfg), translator(made, given, cfg)
        self.judge_x = patch_discriminator(made, cfg.channels)
        self.judge_y = patch_discriminator(given, cfg.channels)
        self.moves: Tensor
        self.register_buffer("moves", torch.zeros((), dtype=torch.long))

    def optimizers(self) -> dict[str, Adam]:
        players = {"judges": (self.judge_x, self.judge_y), "translators": (self.to_x, self.to_y)}
        return {
            name: Adam(chain(*(net.parameters() for net in nets)), lr=self.cfg.lr, betas=(0.5, 0.999))
            for name, nets in players.items()
        }  # fmt: skip

    def translators_loss(self, x: Tensor, y: Tensor, made_x: Tensor, made_y: Tensor) -> Losses:
        """Eq. 3 for G and F, without their weights; x and y need not belong together."""
        # least squares instead of the logarithm: 1 stands for real (section 4)
        game = sum((judge(made) - 1).square().mean() for judge, made in self.judged(made_x, made_y))
        losses = {"game": game, "cycle": l1(self.to_x(made_y), x) + l1(self.to_y(made_x), y)}
        if self.cfg.identity:
            # section 5.2
            losses["identity"] = l1(self.to_x(x), x) + l1(self.to_y(y), y)
        return losses

    def judges_loss(self, x: Tensor, y: Tensor, made_x: Tensor, made_y: Tensor) -> Tensor:
        """What both discriminators lower: squared distance from 1 on images, from 0 on translations."""
        on_real = sum((judge(real) - 1).square().mean() for judge, real in self.judged(x, y))
        return on_real + sum(judge(made).square().mean() for judge, made in self.judged(made_x, made_y))

    def judged(self, x: Tensor, y: Tensor) -> tuple[tuple[nn.Module, Tensor], ...]:
        """Each discriminator and what it is shown."""
        return (self.judge_x, x), (self.judge_y, y)

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """One move of each pair of players."""
        x, y = batch
        made_x, made_y = self.to_x(y), self.to_y(x)
        judges = self.judges_loss(x, y, made_x.detach(), made_y.detach())
        opt.minimize("judges", judges)

        losses = self.translators_loss(x, y, made_x, made_y)
        self.moves += 1
        strength = self.cfg.cycle * (self.moves / max(1, self.cfg.cycle_warmup)).clamp(max=1)
        stay = self.cfg.cycle * self.cfg.identity * losses.get("identity", 0)
        opt.minimize("translators", losses["game"] + strength * losses["cycle"] + stay)
        return {"judges": judges.detach(), **{k: v.detach() for k, v in losses.items()}}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """G(y) for each of the n given images y (n, Y, H, W): (n, C, H, W) in [0, 1]."""
        if y is None:
            raise ValueError("cyclegan makes images from images: give y, of shape (n, *given)")
        return self.to_x(y).clamp(0, 1)

    @torch.no_grad()
    def inverse(self, x: Tensor) -> Tensor:
        """F(x): (B, C, H, W) -> (B, Y, H, W) in [0, 1]."""
        return self.to_y(x).clamp(0, 1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """The round trip G(F(x)), between which images are kept to [0, 1]: (B, C, H, W) -> (B, C, H, W)."""
        return self.sample(len(x), self.inverse(x))


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference per pixel."""
    return (a - b).abs().mean()


if __name__ == "__main__":
    main(CycleGAN)
