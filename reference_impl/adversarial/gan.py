"""Generative adversarial network: a sampler, and a critic that learns to tell it from the data.

Idea
    A generator G turns noise z ~ N(0, I) into observations; a discriminator D states the
    probability that an observation is real. They play

        min_G max_D  V = E_x [log D(x)] + E_z [log(1 - D(G(z)))].

    Against a G whose samples have density q, the best answer is D = p / (p + q), worth
    V = 2 JSD(p, q) - log 4; so G does best at q = p. Neither density is ever evaluated.

Source
    Goodfellow et al., "Generative Adversarial Nets", 2014. arXiv:1406.2661

Differs from the paper
    ReLU units instead of maxout, and no dropout. Two later additions steady the game, and
    r1=0 ema=0 takes them out: a penalty on the slope of D at real data, with which it
    converges near the equilibrium (Mescheder et al., 2018, arXiv:1801.04406), and sampling
    from a moving average of the generator (Yazici et al., 2019, arXiv:1806.04498).

Shapes
    B batch, D = prod(shape) numbers per observation, H hidden units, Z noise dimensions.

Run
    genai-patterns run gan latent_dim=16
"""

from copy import deepcopy
from math import prod

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from torch.optim import Adam

from reference_impl.core import Batch, Config, Metrics, Optimizers, Reference, main


class GANConfig(Config):
    """Sizes of the two networks, and what steadies the game."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation. Three numbers are an image's, with values in [0, 1]."""
    latent_dim: PositiveInt = 32
    """Z, the dimensions of the noise."""
    hidden: PositiveInt = 256
    """H, the width of both networks."""
    r1: NonNegativeFloat = 1.0
    """Weight gamma of the penalty on the squared slope of D at real data; 0 leaves it out."""
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay of the averaged generator that samples are drawn from; 0 draws from the last one."""
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 2e-3
    cooldown: float = Field(0.3, ge=0, le=1)
    steps: NonNegativeInt = 4000


class GAN(Reference):
    """Generative adversarial network with the non-saturating loss."""

    task = "images"
    Config = GANConfig

    def __init__(self, cfg: GANConfig) -> None:
        super().__init__(cfg)
        d, h = prod(cfg.shape), cfg.hidden
        to_range = nn.Sigmoid() if len(cfg.shape) == 3 else nn.Identity()
        self.generator = nn.Sequential(
            nn.Linear(cfg.latent_dim, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(),
            nn.Linear(h, h), nn.ReLU(), nn.Linear(h, d), to_range, nn.Unflatten(1, cfg.shape),
        )  # fmt: skip
        # ends in the logit of D, which loses no digits where D is near 0 or 1
        self.discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(d, h), nn.LeakyReLU(0.2), nn.Linear(h, h), nn.LeakyReLU(0.2),
            nn.Linear(h, h), nn.LeakyReLU(0.2), nn.Linear(h, 1), nn.Flatten(0),
        )  # fmt: skip
        self.averaged = deepcopy(self.generator).requires_grad_(False)

    def optimizers(self) -> dict[str, Adam]:
        players = {"discriminator": self.discriminator, "generator": self.generator}
        # no momentum: the opponent's next move changes the slope that it would remember
        return {
            name: Adam(net.parameters(), lr=self.cfg.lr, betas=(0.0, 0.99))
            for name, net in players.items()
        }  # fmt: skip

    def generate(self, n: int, y: Tensor | None = None) -> Tensor:
        """G(z) with its graph: (n, *shape)."""
        return self.generator(torch.randn(n, self.cfg.latent_dim, device=self.device))

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log D(x) / (1 - D(x)): (B, *shape) -> (B,)."""
        return self.discriminator(x)

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """One move of each player, algorithm 1 with k = 1."""
        real = batch.x.requires_grad_(self.cfg.r1 > 0)
        fake = self.generate(len(real), batch.y)
        on_real, on_fake = self.discriminate(real, batch.y), self.discriminate(fake.detach(), batch.y)
        # log(1 - D) is logsigmoid(-logit)
        value = logsigmoid(on_real).mean() + logsigmoid(-on_fake).mean()
        opt.minimize("discriminator", self.penalty(on_real, real) - value)

        # G raises log D(G(z)) rather than lowering log(1 - D(G(z))), which is flat where D
        # is sure of itself (section 3)
        g_loss = -logsigmoid(self.discriminate(fake, batch.y)).mean()
        opt.minimize("generator", g_loss)
        return {"value": value.detach(), "g_loss": g_loss.detach()}

    def penalty(self, logits: Tensor, x: Tensor) -> Tensor | float:
        """R1 = gamma/2 E |d logit / dx|^2 at real x (Mescheder et al., eq. 9)."""
        if not self.cfg.r1:
            return 0.0
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return self.cfg.r1 / 2 * slope.square().flatten(1).sum(1).mean()

    def after_update(self) -> None:
        for slow, fast in zip(self.averaged.parameters(), self.generator.parameters(), strict=True):
            slow.data.lerp_(fast.data, 1 - self.cfg.ema)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n observations, in one pass of the averaged generator: (n, *shape)."""
        return self.averaged(torch.randn(n, self.cfg.latent_dim, device=self.device))


if __name__ == "__main__":
    main(GAN)
