"""beta-VAE: a VAE whose rate costs beta nats a nat.

Idea
    The negative bound of a VAE is distortion D (how badly z explains x) plus rate R (how much z
    says about x). Weighting them differently,

        L = D + beta R,

    moves along the best attainable trade-off between the two: beta = 1 is the VAE, beta < 1 buys
    detail with nats, beta > 1 keeps only what repays its price. With a gaussian decoder of
    variance s^2 the minimum is that of a VAE whose decoder has variance beta s^2.

Source
    Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
    Framework", 2017 (eq. 4). https://openreview.net/forum?id=Sy2fzU9gl

Differs from the paper
    Everything but the weight is inherited from the VAE: fully connected instead of convolutional.

Shapes
    As in the VAE.

Run
    genai-patterns run beta_vae beta=0.5
"""

from pydantic import NonNegativeFloat

from reference_impl.core import Batch, Losses, main
from reference_impl.latent_variable.vae import VAE, VAEConfig


class BetaVAEConfig(VAEConfig):
    """A VAE's settings and beta."""

    beta: NonNegativeFloat = 2.0
    """Weight of the rate; 1 is the VAE. On the small digits a weight of 4 silences the code."""


class BetaVAE(VAE):
    """Variational autoencoder with a weighted rate."""

    Config = BetaVAEConfig

    def loss(self, batch: Batch) -> Losses:
        """Distortion plus beta times rate, in nats; `elbo` stays the unweighted bound."""
        losses = super().loss(batch)
        distortion, rate = losses["distortion"], losses["rate"]
        return losses | {"loss": distortion + self.cfg.beta * rate}


if __name__ == "__main__":
    main(BetaVAE)
