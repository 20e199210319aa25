"""Conditional GAN: both players are told the label, so that samples can be ordered by class.

Idea
    Generator and discriminator of a GAN are given the same condition y,

        min_G max_D  V = E_{x,y} [log D(x|y)] + E_{z,y} [log(1 - D(G(z|y)|y))].               (1)

    The best discriminator knows how often x occurs with y: its logit is
    log p(x|y) - log q(x|y) = [log p(x) - log q(x)] + [log p(y|x) - log q(y|x)]. Where p(y|x) and
    q(y|x) are softmax classifiers on features phi(x), the second bracket is v_y . phi(x) and what
    does not depend on y, their normalizers. With the first bracket this is modeled as w . phi(x):

        logit D(x|y) = w . phi(x) + v_y . phi(x).                                             (2)

    The generator adds a vector u_y to the first layer's W z, as a joint input [z, y] would.
    Labels enter as one-hot codes less their mean, 1/C: u and v are what tells the classes apart,
    and for a single class, of which there is nothing to tell, both vanish and the GAN is left.

Source
    Mirza & Osindero, "Conditional Generative Adversarial Nets", 2014. arXiv:1411.1784 (eq. 2)
    Miyato & Koyama, "cGANs with Projection Discriminator", 2018. arXiv:1802.05637 (figure 1d)

Differs from the papers
    D projects the label onto its features (second paper) instead of taking it as a further input
    (first paper). Logistic loss, penalty and averaged weights are the GAN's.

Shapes
    B batch, D numbers per observation, H hidden units, Z noise dimensions, C classes.

Run
    genai-patterns run conditional_gan latent_dim=16
"""

from copy import deepcopy

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, field_validator
from torch import Tensor, nn

from reference_impl.adversarial.gan import GAN, GANConfig
from reference_impl.core import main


class ConditionalGANConfig(GANConfig):
    """A GAN's settings and the number of classes."""

    classes: int = 10
    """C, the number of labels."""
    r1: NonNegativeFloat = 0.2
    lr: PositiveFloat = 1.5e-3
    steps: NonNegativeInt = 2500

    @field_validator("classes")
    @classmethod
    def labels_exist(cls, classes: int) -> int:
        if classes < 1:
            raise ValueError("the data have no labels; bring some, or train gan or infogan, which need none")
        return classes


class LabeledGenerator(nn.Module):
    """G(z|y): the label moves what the first layer makes of the noise, (B, Z), (B, C) -> (B, *shape)."""

    def __init__(self, net: nn.Sequential, hidden: int, classes: int) -> None:
        super().__init__()
        self.net, self.shift = net, nn.Linear(classes, hidden, bias=False)

    def forward(self, z: Tensor, code: Tensor) -> Tensor:
        return self.net[1:](self.net[0](z) + self.shift(code))


class LabeledDiscriminator(nn.Module):
    """Logit of D(x|y), eq. 2: (B, *shape), (B, C) -> (B,)."""

    def __init__(self, net: nn.Sequential, hidden: int, classes: int) -> None:
        super().__init__()
        self.net, self.direction = net, nn.Linear(classes, hidden, bias=False)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        # all but the last layer, which is w
        phi = self.net[:-2](x)
        return self.net[-2:](phi) + (self.direction(code) * phi).sum(1)


class ConditionalGAN(GAN):
    """GAN with a class-conditional generator and a projection discriminator."""

    Config = ConditionalGANConfig
    conditional = True

    def __init__(self, cfg: ConditionalGANConfig) -> None:
        super().__init__(cfg)
        self.generator = LabeledGenerator(self.generator, cfg.hidden, cfg.classes)
        self.discriminator = LabeledDiscriminator(self.discriminator, cfg.hidden, cfg.classes)
        self.averaged = deepcopy(self.generator).requires_grad_(False)

    def code(self, y: Tensor) -> Tensor:
        """Labels as one-hot codes less their mean: (B,) -> (B, C), all zero where C = 1."""
        return F.one_hot(y, self.cfg.classes) - 1 / self.cfg.classes

    def inputs(self, n: int, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Noise, and the codes of the labels; labels not given are drawn: (n, Z), (n, C)."""
        z = torch.randn(n, self.cfg.latent_dim, device=self.device)
        y = torch.randint(self.cfg.classes, (n,), device=self.device) if y is None else y
        return z, self.code(y)

    def generate(self, n: int, y: Tensor | None = None) -> Tensor:
        """G(z|y) with its graph: (n, *shape)."""
        return self.generator(*self.inputs(n, y))

    def discriminate(self, x: Tensor, y: Tensor) -> Tensor:
        """Logit of D(x|y): (B, *shape), (B,) -> (B,)."""
        return self.discriminator(x, self.code(y))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n observations of the classes y, or of classes drawn at random: (n, *shape)."""
        return self.averaged(*self.inputs(n, y))


if __name__ == "__main__":
    main(ConditionalGAN)
