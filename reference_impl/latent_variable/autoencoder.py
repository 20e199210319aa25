"""Autoencoder: a compact code, learned by reproducing the input through it.

Idea
    An encoder f maps x to a code of few numbers, a decoder g maps the code back, and both
    minimize the squared error

        L = E ||x - g(f(x))||^2.

    The code is too small to copy x, so it keeps what is needed to tell the images apart. With
    linear f and g the best code is the projection on the leading principal components; hidden
    layers bend that plane into a surface. Nothing says which codes may occur, so there is no
    distribution to sample from: `sample` decodes N(0, I) codes and shows what comes of it.

Source
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006.
    doi:10.1126/science.1127647

Differs from the paper
    Trained at once with AdamW; no pretraining of each layer as a restricted Boltzmann machine.

Shapes
    B batch, D = prod(shape) numbers per observation, Z numbers in the code.

Run
    genai-patterns run autoencoder latent_dim=2
"""

from math import prod

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks import mlp
from reference_impl.core import Batch, Config, Losses, Reference, main


class AutoencoderConfig(Config):
    """Sizes and training of an autoencoder."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation."""
    latent_dim: PositiveInt = 16
    """Z, the numbers in the code."""
    hidden: NonNegativeInt = 256
    """Width of the two hidden layers of encoder and decoder; 0 makes both linear."""
    steps: NonNegativeInt = 2000
    lr: PositiveFloat = 2e-3
    cooldown: float = Field(0.5, ge=0, le=1)


class Autoencoder(Reference):
    """Deterministic autoencoder with squared error."""

    task = "images"
    Config = AutoencoderConfig

    def __init__(self, cfg: AutoencoderConfig) -> None:
        super().__init__(cfg)
        d = prod(cfg.shape)
        self.encoder = nn.Sequential(nn.Flatten(), *mlp(d, cfg.hidden, cfg.latent_dim))
        self.decoder = nn.Sequential(*mlp(cfg.latent_dim, cfg.hidden, d), nn.Unflatten(1, cfg.shape))

    def encode(self, x: Tensor) -> Tensor:
        """f(x): (B, *shape) -> (B, Z)."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """g(z): (B, Z) -> (B, *shape)."""
        return self.decoder(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def loss(self, batch: Batch) -> Losses:
        """Squared error, summed over an observation, mean over the batch."""
        return {"loss": (self.reconstruct(batch.x) - batch.x).square().flatten(1).sum(1).mean()}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Decodes n codes from N(0, I), where training has put nothing in particular: (n, *shape)."""
        return self.decode(torch.randn(n, self.cfg.latent_dim, device=self.device))


if __name__ == "__main__":
    main(Autoencoder)
