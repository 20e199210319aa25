"""Latent diffusion: an autoencoder leaves out what the eye does not miss; diffusion makes the rest.

Idea
    Most numbers of an image are detail that follows from a few others. First train a convolutional
    VAE with almost no weight on its rate: a decoder p(x|z) of small variance v,

        ||x - D(z)||^2 / 2v + KL(q(z|x) || N(0, I)),    z = mu(x) + sigma(x) eps,             (1)

    whose code z is a small image itself, (c, H/f, W/f) instead of (C, H, W). Then freeze it and train
    a diffusion model on codes. Each of its steps works on f^2 times fewer places, and only its last
    result is decoded. What the decoder cannot draw, no sample has.

Source
    Rombach, Blattmann, Lorenz, Esser & Ommer, "High-Resolution Image Synthesis with Latent Diffusion
    Models", 2022. arXiv:2112.10752 (sections 3.1 to 3.3)

Differs from the paper
    The first stage is fitted by squared error alone, without perceptual and adversarial terms; labels
    enter through the embedding of the time instead of cross-attention; small networks.

Shapes
    B batch, (C, H, W) image, (c, h, w) code with h = H/f rounded up, Z = c h w; f = 2^halvings.

Run
    genai-patterns run latent_diffusion guidance=2
"""

from collections.abc import Sequence

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Metrics, Optimizers, Phase, Reference, main
from reference_impl.diffusion.classifier_free_guidance import ClassifierFreeGuidance
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.latent_variable.vae import VAE


class LatentDiffusionConfig(Config):
    """Settings of both stages."""

    shape: tuple[int, ...] = (1, 16, 16)
    """(C, H, W) of one image."""
    classes: NonNegativeInt = 10
    """Number of labels; 0 where there are none, and the diffusion is unconditional."""
    code_channels: PositiveInt = 4
    """c, channels of the code."""
    halvings: PositiveInt = 2
    """How often the first stage halves height and width."""
    variance: PositiveFloat = 0.005
    """v in (1); the smaller, the less weight has the rate."""
    width: PositiveInt = 16
    """Channels of the first stage after the first halving; doubled once more."""
    hidden: PositiveInt = 24
    """Channels of the diffusion's U-Net at the code's full resolution."""
    timesteps: PositiveInt = 100
    """T, the number of noising steps."""
    guidance: NonNegativeFloat = 1.5
    """Strength of the label when sampling: 1 samples p(x | y), more exaggerates it."""
    ema: float = Field(0.995, ge=0, lt=1)
    """Decay of the averaged network that codes are drawn with."""
    stage_share: float = Field(0.6, ge=0)
    """Steps of the first stage for each step of the diffusion."""
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 4e-3
    cooldown: float = Field(0.4, ge=0, le=1)
    steps: NonNegativeInt = 1300
    """Steps of the diffusion."""


class LatentDiffusion(Reference):
    """A VAE with an image as its code, and a diffusion model of these codes."""

    task = "enlarged"
    Config = LatentDiffusionConfig
    reach = 3.0
    """Codes within so many standard deviations of their mean are what the diffusion sees as [0, 1]."""

    def __init__(self, cfg: LatentDiffusionConfig) -> None:
        super().__init__(cfg)
        self.conditional = cfg.classes > 0
        sizes = [cfg.shape[1:]]
        for _ in range(cfg.halvings):
            sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
        self.code = (cfg.code_channels, *sizes[-1])
        self.stage = self.first_stage(sizes)
        self.prior = self.diffusion()
        # running mean and variance of each channel of the code
        self.mean, self.var = nn.Buffer(torch.zeros(self.code[0], 1, 1)), nn.Buffer(torch.ones(self.code[0], 1, 1))

    def first_stage(self, sizes: list[tuple[int, ...]]) -> VAE:
        """A VAE whose networks are convolutions; `sizes` are the heights and widths on the way down."""
        cfg, (c, h, w) = self.cfg, self.code
        widths = [cfg.shape[0], cfg.width, *[2 * cfg.width] * (cfg.halvings - 1)]
        vae = VAE(VAE.Config(
            shape=cfg.shape, latent_dim=c * h * w, hidden=0, likelihood="gaussian", variance=cfg.variance
        ))  # fmt: skip
        down, up = [], [nn.Unflatten(1, self.code), nn.Conv2d(c, widths[-1], 3, padding=1), nn.SiLU()]
        for i in range(cfg.halvings):
            down += [nn.Conv2d(widths[i], widths[i + 1], 3, 2, 1), nn.SiLU()]
            up += [
                nn.Upsample(sizes[-2 - i]),
                nn.Conv2d(widths[-1 - i], max(widths[-2 - i], cfg.width), 3, padding=1),
                nn.SiLU(),
            ]
        vae.encoder = nn.Sequential(*down, nn.Conv2d(widths[-1], 2 * c, 3, padding=1), nn.Flatten())
        vae.decoder = nn.Sequential(*up, nn.Conv2d(cfg.width, cfg.shape[0], 3, padding=1), nn.Sigmoid())
        return vae

    def diffusion(self) -> DDPM:
        """The model of the codes: anything with DDPM's interface that takes images in [0, 1] of their shape."""
        names = {"hidden", "timesteps", "ema", "lr"}
        if not self.conditional:
            return DDPM(DDPM.Config(shape=self.code, **self.cfg.model_dump(include=names)))
        names |= {"classes", "guidance"}
        kind = ClassifierFreeGuidance
        return kind(kind.Config(shape=self.code, **self.cfg.model_dump(include=names)))

    def phases(self) -> Sequence[Phase]:
        cfg = self.cfg
        stage = torch.optim.AdamW(self.stage.parameters(), lr=cfg.lr)
        return (
            Phase("first stage", round(cfg.stage_share * cfg.steps), self.learn_codes, {"main": stage}),
            Phase("diffusion", cfg.steps, self.learn_prior, self.prior.optimizers()),
        )

    def learn_codes(self, batch: Batch, opt: Optimizers) -> Metrics:
        """A step of the VAE on (1); keeps track of the codes' scale."""
        losses = self.stage.loss(batch)
        opt.minimize("main", losses["loss"])
        with torch.no_grad():
            z = self.draw(batch.x).to(self.mean)
            mean, square = (f.mean((0, 2, 3)).view_as(self.mean) for f in (z, z.square()))
            opt.average(mean, square)
            self.mean.lerp_(mean, 0.02)
            self.var.lerp_(square - mean.square(), 0.02)
        return losses

    def draw(self, x: Tensor) -> Tensor:
        """A draw of q(z|x): (B, C, H, W) -> (B, c, h, w)."""
        mu, sigma = self.stage.posterior(x)
        return (mu + sigma * torch.randn_like(mu)).unflatten(1, self.code)

    def scaled(self, z: Tensor) -> Tensor:
        """Codes as the diffusion sees them, within [0, 1]: (B, c, h, w) -> (B, c, h, w)."""
        return (0.5 + (z - self.mean) / (2 * self.reach * self.var.sqrt())).clamp(0, 1)

    def unscaled(self, u: Tensor) -> Tensor:
        """The way back: (B, c, h, w) -> (B, c, h, w)."""
        return self.mean + (u - 0.5) * 2 * self.reach * self.var.sqrt()

    def learn_prior(self, batch: Batch, opt: Optimizers) -> Metrics:
        """A step of the diffusion model on codes."""
        with torch.no_grad():
            codes = self.scaled(self.draw(batch.x))
        losses = self.prior.loss(Batch(codes, batch.y))
        opt.minimize("main", losses["loss"])
        return losses

    def after_update(self) -> None:
        self.prior.after_update()

    def encode(self, x: Tensor) -> Tensor:
        """Mean of q(z|x): (B, C, H, W) -> (B, Z)."""
        return self.stage.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        """D(z): (B, Z) -> (B, C, H, W)."""
        return self.stage.decode(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Decoded draws of the diffusion model, under the conditions y where given: (n, C, H, W)."""
        return self.decode(self.unscaled(self.prior.sample(n, y)).flatten(1))


if __name__ == "__main__":
    main(LatentDiffusion)
