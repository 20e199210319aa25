"""VAE-GAN: a VAE whose decoder also plays a GAN, and whose errors the discriminator measures.

Idea
    A VAE asks for each pixel to be right, and where it doubts an edge it paints gray. Here
    the hidden features f of a discriminator, which has learned what sets data apart from what the
    decoder makes, take the place of the pixels:

        distortion = |f(x) - f(decode(z))|^2 / 2v,        z = mu(x) + sigma(x) eps.           (1)

    One network is decoder and generator. The discriminator D tells images from reconstructions
    and from decoded draws of the prior; encoder and decoder descend

        distortion + rate - a E [log D(decode(z))],       z ~ q(z|x) and z ~ N(0, I),         (2)

    whose last term is the decoder's alone: the encoder is to tell the truth, not to fool D.

Source
    Larsen, Sonderby, Larochelle & Winther, "Autoencoding beyond pixels using a learned similarity
    metric", 2016. arXiv:1512.09300 (section 2.3, algorithm 1)

Differs from the paper
    Fully connected networks, those of the VAE and the GAN. The features' variance v and the
    game's weight a are settings, instead of 1 and one weight gamma on the distortion; the
    decoder raises log D instead of lowering log(1 - D); the slope of D at real data is
    penalized, as in the GAN.

Shapes
    B batch, Z latent dimensions, H hidden units.

Run
    genai-patterns run vae_gan adversarial=0.5
"""

from typing import Literal

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.optim import Adam, AdamW, Optimizer

from reference_impl.adversarial.gan import GAN, GANConfig
from reference_impl.core import Batch, Losses, Metrics, Optimizers, main
from reference_impl.latent_variable.vae import VAE, VAEConfig


class VAEGANConfig(VAEConfig):
    """The VAE's settings, and those of the game."""

    hidden: PositiveInt = 256
    """H, the width of encoder, decoder and discriminator."""
    metric: Literal["features", "pixels"] = "features"
    """Where reconstructions are compared: in the discriminator, or pixel by pixel as in a VAE."""
    feature_variance: PositiveFloat = 0.05
    """v, the variance of each feature about that of the decoded image."""
    adversarial: NonNegativeFloat = 1.0
    """a, the weight of the game for the decoder; 0 leaves it out."""
    r1: NonNegativeFloat = 1.0
    """Weight of the penalty on the squared slope of the discriminator at real data."""
    batch_size: PositiveInt = 64
    steps: NonNegativeInt = 2000


class VAEGAN(VAE):
    """VAE with the features of a discriminator as its metric and the decoder as a GAN's generator."""

    Config = VAEGANConfig
    penalty = GAN.penalty

    def __init__(self, cfg: VAEGANConfig) -> None:
        super().__init__(cfg)
        discriminator = GAN(GANConfig(shape=cfg.shape, hidden=cfg.hidden)).discriminator
        # the last hidden layer, and the logit that is linear in it
        self.features, self.head = discriminator[:-2], discriminator[-2:]

    def optimizers(self) -> dict[str, Optimizer]:
        both = [*self.encoder.parameters(), *self.decoder.parameters()]
        other = [*self.features.parameters(), *self.head.parameters()]
        return {
            "main": AdamW(both, lr=self.cfg.lr),
            "discriminator": Adam(other, lr=self.cfg.lr, betas=(0.0, 0.99)),
        }

    def discriminate(self, x: Tensor) -> Tensor:
        """log D(x) / (1 - D(x)): (B, *shape) -> (B,)."""
        return self.head(self.features(x))

    def loss(self, batch: Batch) -> Losses:
        """Distortion (1) plus rate, in nats per image."""
        if self.cfg.metric == "pixels":
            return super().loss(batch)
        mu, sigma = self.posterior(batch.x)
        z = mu + sigma * torch.randn_like(mu)
        gap = self.features(batch.x) - self.features(self.decode(z))
        distortion = gap.square().sum(1).mean() / (2 * self.cfg.feature_variance)
        rate = self.rate(mu, sigma).mean()
        return {"loss": distortion + rate, "distortion": distortion, "rate": rate}

    def generate(self, x: Tensor) -> Tensor:
        """Reconstructions of x and as many decoded draws of the prior: (B, *shape) -> (2B, *shape)."""
        with torch.no_grad():  # the encoder takes no part in the game
            mu, sigma = self.posterior(x)
        z = mu + sigma * torch.randn_like(mu)
        return self.decode(torch.cat([z, torch.randn_like(z)]))

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """A step down (2), then a move of the discriminator."""
        losses = opt.forward(batch)
        fake = self.generate(batch.x)
        g_loss = -logsigmoid(self.discriminate(fake)).mean()
        opt.minimize("main", losses["loss"] + self.cfg.adversarial * g_loss)

        real = batch.x.requires_grad_(self.cfg.r1 > 0)
        on_real, on_fake = self.discriminate(real), self.discriminate(fake.detach())
        value = logsigmoid(on_real).mean() + logsigmoid(-on_fake).mean()
        opt.minimize("discriminator", self.penalty(on_real, real) - value)
        return {**losses, "g_loss": g_loss.detach(), "value": value.detach()}


if __name__ == "__main__":
    main(VAEGAN)
