"""Denoising autoencoder: take noise away, and thereby learn the slope of the log-density.

Idea
    Add Gaussian noise to the data and train an autoencoder r to take it away,

        L = E ||x - r(x + sigma eps)||^2,    eps ~ N(0, I).

    The best r(y) is the mean of x given the noisy y, and Tweedie's formula says what that knows:
    with p_sigma the density of noisy data,

        (r(y) - y) / sigma^2 = grad log p_sigma(y),                                          (1)

    so the correction points to where data are likelier. Denoising alone draws nothing: r(y) is
    one answer to one y. `sample` walks at the noisy level, a share h of the correction at a time
    with fresh noise (Langevin), a chain that settles in p_sigma as h goes to zero,

        y <- y + h (r(y) - y) + sqrt(2 h) sigma eps,                                         (2)

    and at its end takes the noise away.

Source
    Vincent, Larochelle, Bengio & Manzagol, "Extracting and Composing Robust Features with Denoising
    Autoencoders", 2008. doi:10.1145/1390156.1390294

Differs from the paper
    Gaussian noise and squared error instead of pixels set to zero and cross-entropy: eq. 1 needs
    them (Vincent, 2011, doi:10.1162/NECO_a_00142). All layers are trained at once. The paper does
    not sample; the chain is Langevin's, ended by one denoising as in Saremi & Hyvarinen, 2019
    (arXiv:1903.02334). Bengio et al., 2013 (arXiv:1305.6663) draw x given y in each step instead.

Shapes
    B batch, D = prod(shape) numbers per observation, Z numbers in the code.

Run
    genai-patterns run denoising_autoencoder sigma=0.3
"""

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.core import Batch, Losses, main
from reference_impl.latent_variable.autoencoder import Autoencoder, AutoencoderConfig


class DenoisingAutoencoderConfig(AutoencoderConfig):
    """An autoencoder's settings, the noise and the sampling chain."""

    latent_dim: PositiveInt = 128
    """Z, the numbers in the code; noise keeps a wide code from copying."""
    sigma: NonNegativeFloat = 0.4
    """Standard deviation of the noise, in units of the data; 0 is the plain autoencoder."""
    chain: NonNegativeInt = 200
    """Steps of the chain that a sample comes from."""
    stride: PositiveFloat = Field(0.2, le=1)
    """h, the share of the correction in one step of the chain; the smaller, the less bias."""
    steps: NonNegativeInt = 4000


class DenoisingAutoencoder(Autoencoder):
    """Autoencoder that is trained to remove Gaussian noise."""

    Config = DenoisingAutoencoderConfig

    def corrupt(self, x: Tensor) -> Tensor:
        """x + sigma eps: (B, *shape) -> (B, *shape)."""
        return x + self.cfg.sigma * torch.randn_like(x)

    def loss(self, batch: Batch) -> Losses:
        """Squared error of the restored observation, summed over it, mean over the batch."""
        restored = self.reconstruct(self.corrupt(batch.x))
        return {"loss": (restored - batch.x).square().flatten(1).sum(1).mean()}

    def score(self, y: Tensor) -> Tensor:
        """grad log p_sigma at noisy observations, eq. 1, for sigma > 0: (B, *shape) -> (B, *shape)."""
        return (self.reconstruct(y) - y) / self.cfg.sigma**2

    def walk(self, y: Tensor) -> Tensor:
        """One step of the chain over noisy observations, eq. 2: (B, *shape) -> (B, *shape)."""
        h = self.cfg.stride
        drift = h * (self.reconstruct(y) - y)
        return y + drift + (2 * h) ** 0.5 * self.cfg.sigma * torch.randn_like(y)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Denoised ends of n chains: (n, *shape)."""
        # somewhere within the range of the data: images lie in [0, 1], points around 0
        start = torch.rand if len(self.cfg.shape) == 3 else torch.randn
        y = start(n, *self.cfg.shape, device=self.device)
        for _ in range(self.cfg.chain):
            y = self.walk(y)
        return self.reconstruct(y)


if __name__ == "__main__":
    main(DenoisingAutoencoder)
