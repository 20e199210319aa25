"""Variational autoencoder: a latent-variable model, learned with an encoder that infers the latent.

Idea
    The decoder is the model, p(x) = int p(x|z) p(z) dz with p(z) = N(0, I). The integral has no
    closed form, so an encoder proposes q(z|x) = N(mu(x), sigma(x)^2) and both climb a lower bound:

        log p(x) >= E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))  =  -(distortion + rate).

    The expectation is over a distribution that is itself being learned. Writing a draw as
    z = mu(x) + sigma(x) eps with eps from N(0, I) makes z a differentiable function of the
    encoder's parameters, so one draw per image gives an unbiased gradient of low variance.

Source
    Kingma & Welling, "Auto-Encoding Variational Bayes", 2014. arXiv:1312.6114 (eq. 10, app. B, C)

Differs from the paper
    AdamW instead of Adagrad, two hidden layers of SiLU instead of one of tanh. Gray pixels enter
    the Bernoulli likelihood as they are: for x in [0, 1] it is the mean log-probability of
    the black-and-white images whose pixels are white with probability x.

Shapes
    B batch, D = prod(shape) numbers per observation, Z latent dimensions.

Run
    genai-patterns run vae latent_dim=2
"""

import math
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks import mlp
from reference_impl.core import Batch, Config, Losses, Reference, main


class VAEConfig(Config):
    """Sizes, likelihood and training of a VAE."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation."""
    latent_dim: PositiveInt = 16
    """Z, the dimensions of the latent."""
    hidden: NonNegativeInt = 256
    """Width of the two hidden layers of encoder and decoder; 0 makes both linear."""
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    """p(x|z): bernoulli for values in [0, 1], gaussian for any numbers."""
    variance: PositiveFloat = 1.0
    """Variance of each value under the gaussian likelihood."""
    steps: NonNegativeInt = 3000
    lr: PositiveFloat = 2e-3
    cooldown: float = Field(0.5, ge=0, le=1)


class VAE(Reference):
    """Variational autoencoder with a diagonal Gaussian posterior."""

    task = "images"
    Config = VAEConfig

    def __init__(self, cfg: VAEConfig) -> None:
        super().__init__(cfg)
        d, z = prod(cfg.shape), cfg.latent_dim
        self.encoder = nn.Sequential(nn.Flatten(), *mlp(d, cfg.hidden, 2 * z))
        self.decoder = nn.Sequential(*mlp(z, cfg.hidden, d), nn.Unflatten(1, cfg.shape))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(z|x): (B, *shape) -> (B, Z), (B, Z)."""
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        return mu, (log_var / 2).exp()

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) in nats: (B, *shape), (B, Z) -> (B,)."""
        out = self.decoder(z)
        if self.cfg.likelihood == "bernoulli":
            per_value = -F.binary_cross_entropy_with_logits(out, x, reduction="none")
        else:
            per_value = -0.5 * ((x - out).square() / self.cfg.variance + math.log(2 * math.pi * self.cfg.variance))
        return per_value.flatten(1).sum(1)

    def bound(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Distortion, from one draw of z, and rate of each observation in nats: (B,), (B,)."""
        mu, sigma = self.posterior(x)
        z = mu + sigma * torch.randn_like(mu)
        return -self.log_likelihood(x, z), self.rate(mu, sigma)

    def rate(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """KL(N(mu, sigma^2) || N(0, I)) in nats, appendix B: (B, Z), (B, Z) -> (B,)."""
        return 0.5 * (mu.square() + sigma.square() - 1 - 2 * sigma.log()).sum(1)

    def loss(self, batch: Batch) -> Losses:
        """Negative of the bound, eq. 10, in nats per observation."""
        distortion, rate = (t.mean() for t in self.bound(batch.x))
        return {"loss": distortion + rate, "distortion": distortion, "rate": rate}

    def elbo(self, x: Tensor) -> Tensor:
        """Unbiased estimate of the lower bound, from one draw of z, in nats: (B, *shape) -> (B,)."""
        distortion, rate = self.bound(x)
        return -(distortion + rate)

    def encode(self, x: Tensor) -> Tensor:
        """Mean of q(z|x): (B, *shape) -> (B, Z)."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x|z): (B, Z) -> (B, *shape)."""
        out = self.decoder(z)
        return out.sigmoid() if self.cfg.likelihood == "bernoulli" else out

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Means of p(x|z) for n draws of z from the prior: (n, *shape)."""
        return self.decode(torch.randn(n, self.cfg.latent_dim, device=self.device))


if __name__ == "__main__":
    main(VAE)
