"""WGAN with gradient penalty: the critic is asked to have slope one, and keeps its weights free.

Idea
    A critic that attains the Wasserstein distance W has slope 1 along the lines on which optimal
    transport moves samples to data. So do not clip its weights; charge it for other slopes on
    lines between data and samples. It minimizes

        E_z [f(G(z))] - E_x [f(x)] + lambda E [(|df/dx(u)| - 1)^2],  u = t x + (1 - t) G(z),

    with t uniform on [0, 1]. A slope s earns s W and costs lambda (s - 1)^2, so its mean settles
    at 1 + W / (2 lambda): the larger lambda, the closer the gap E f(x) - E f(G(z)) comes to W.

Source
    Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs",
    2017. arXiv:1704.00028

Differs from the paper
    lambda is 1 instead of 10 and the critic takes one step per generator step instead of five,
    which give better digits for the same work; Adam's second average decays with 0.99 instead of
    0.9. Noise and moving average are those of wgan.py.

Shapes
    B batch, D = prod(shape) numbers per observation, H hidden units, Z noise dimensions.

Run
    genai-patterns run wgan_gp penalty=10 critic_steps=5
"""

import torch
from pydantic import NonNegativeFloat, NonNegativeInt
from torch import Tensor

from reference_impl.adversarial.wgan import WGAN, WGANConfig
from reference_impl.core import Batch, Losses, main


class WGANGPConfig(WGANConfig):
    """The Wasserstein GAN's settings, with a penalty in the place of clipping."""

    penalty: NonNegativeFloat = 1.0
    """lambda, the weight of the squared distance of the critic's slope from 1; 0 leaves it out."""
    weight_clip: NonNegativeFloat = 0.0
    steps: NonNegativeInt = 3500


class WGANGP(WGAN):
    """Wasserstein GAN whose critic is held by a penalty on its slope."""

    Config = WGANGPConfig

    def critic_loss(self, batch: Batch, fake: Tensor) -> Losses:
        """Equation 3 of the paper."""
        losses = super().critic_loss(batch, fake)
        if not self.cfg.penalty:
            return losses
        slope = self.slope(self.between(batch.x, fake), batch.y)
        penalty = self.cfg.penalty * (slope - 1).square().mean()
        return {**losses, "loss": losses["loss"] + penalty, "slope": slope.mean()}

    def between(self, x: Tensor, fake: Tensor) -> Tensor:
        """A random point on the line from each x to its sample: (B, *shape)."""
        t = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)
        return t * x + (1 - t) * fake

    def slope(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """|df/dx| at each x, differentiable in the critic's weights: (B, *shape) -> (B,)."""
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.discriminate(x, y).sum(), x, create_graph=True)
        return gradient.flatten(1).norm(dim=1)


if __name__ == "__main__":
    main(WGANGP)
