"""InfoGAN: part of the noise is a code, and every sample has to give its code away.

Idea
    A GAN may spread what it draws over its noise in any way it likes. InfoGAN splits the input of
    the generator into noise z and a code c of known distribution, here one of K categories and C
    numbers from U(-1, 1), and rewards information about c in the samples. A reader Q(c|x) bounds
    that information from below,

        I(c; G(z, c)) >= L_I = E_{c, x=G(z,c)} [log Q(c|x)] + H(c),                           (1)

    with equality where Q is the posterior of the code. The game becomes

        min_{G,Q} max_D  V(D, G) - lambda L_I(G, Q).                                           (2)

    D sees x alone, and no example is labeled: what the codes come to mean is what separates the
    samples most reliably.

Source
    Chen et al., "InfoGAN: Interpretable Representation Learning by Information Maximizing
    Generative Adversarial Nets", 2016. arXiv:1606.03657 (eq. 5 and 6)

Differs from the paper
    Fully connected networks; Q is one linear layer on the features of D. Q's Gaussians for the
    numbers have a fixed deviation, so their part of L_I is a looser bound, and the pull of numbers
    weak enough to leave kinds to the categories. R1 and averaged weights are the GAN's.

Shapes
    B batch, H hidden units, Z noise dimensions, K categories, C numbers.

Run
    genai-patterns run infogan categories=20
"""

from math import log

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import logsigmoid
from torch.optim import Adam

from reference_impl.adversarial.gan import GAN, GANConfig
from reference_impl.core import Batch, Metrics, Optimizers, main


class InfoGANConfig(GANConfig):
    """A GAN's settings and its code. Without categories and numbers it is the GAN."""

    categories: NonNegativeInt = 10
    """K, the values of the categorical part of the code; 0 leaves it out."""
    continuous: NonNegativeInt = 2
    """C, how many numbers from U(-1, 1) the code has."""
    info: NonNegativeFloat = 0.3
    """Weight lambda of the information."""
    deviation: PositiveFloat = 0.8
    """Standard deviation of Q for each number; the smaller, the harder numbers pull against categories."""
    latent_dim: PositiveInt = 16
    r1: NonNegativeFloat = 0.03
    ema: float = Field(0.99, ge=0, lt=1)
    steps: NonNegativeInt = 2000


class InfoGAN(GAN):
    """GAN with a code that a reader recovers from each sample."""

    Config = InfoGANConfig

    def __init__(self, cfg: InfoGANConfig) -> None:
        width = cfg.categories + cfg.continuous
        # the code comes in beside the noise
        super().__init__(cfg.model_copy(update={"latent_dim": cfg.latent_dim + width}))
        self.cfg = cfg
        self.reader = nn.Linear(cfg.hidden, width)

    def optimizers(self) -> dict[str, Adam]:
        players = super().optimizers()
        players["discriminator"].add_param_group({"params": self.reader.parameters()})
        return players

    def latents(self, n: int, y: Tensor | None = None) -> Tensor:
        """Noise and code, whose category may be given as y (n,): (n, Z + K + C)."""
        cfg = self.cfg
        z = torch.randn(n, cfg.latent_dim, device=self.device)
        drawn = torch.randint(max(1, cfg.categories), (n,), device=self.device)
        category = (drawn if y is None else y)[:, None] == torch.arange(cfg.categories, device=self.device)
        numbers = 2 * torch.rand(n, cfg.continuous, device=self.device) - 1
        return torch.cat([z, category, numbers], 1)

    def generate(self, n: int, y: Tensor | None = None) -> Tensor:
        """G(z, c) with its graph: (n, *shape)."""
        return self.generator(self.latents(n, y))

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Q(c|x): log-probabilities of the categories and means of the numbers, (B, K), (B, C)."""
        # all but the last layer of D
        features = self.discriminator[:-2](x)
        logits, means = self.reader(features).split([self.cfg.categories, self.cfg.continuous], 1)
        return logits.log_softmax(1), means

    def information(self, x: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """L_I of eq. 1 in nats, of the category and of the numbers, with their H(c): two scalars."""
        cfg, (log_q, means) = self.cfg, self.read(x)
        category, numbers = code.split([cfg.categories, cfg.continuous], 1)
        about_category = (category * log_q).sum(1).mean() + log(max(1, cfg.categories))
        # the density of U(-1, 1) is 1/2
        about_numbers = Normal(means, cfg.deviation).log_prob(numbers).sum(1).mean() + cfg.continuous * log(2)
        return about_category, about_numbers

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """A move of D and Q, then one of G; each pays for what it leaves unsaid of the code (eq. 2)."""
        real = batch.x.requires_grad_(self.cfg.r1 > 0)
        latents = self.latents(len(real))
        fake, code = self.generator(latents), latents[:, self.cfg.latent_dim :]
        on_real, on_fake = self.discriminate(real), self.discriminate(fake.detach())
        value = logsigmoid(on_real).mean() + logsigmoid(-on_fake).mean()
        told = sum(self.information(fake.detach(), code))
        opt.minimize("discriminator", self.penalty(on_real, real) - value - self.cfg.info * told)

        g_loss = -logsigmoid(self.discriminate(fake)).mean()
        category, numbers = self.information(fake, code)
        opt.minimize("generator", g_loss - self.cfg.info * (category + numbers))
        return {
            "value": value.detach(), "g_loss": g_loss.detach(),
            "category_nats": category.detach(), "numbers_nats": numbers.detach(),
        }  # fmt: skip

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n observations, of the categories y (n,) or of categories drawn at random: (n, *shape)."""
        return self.averaged(self.latents(n, y))


if __name__ == "__main__":
    main(InfoGAN)
