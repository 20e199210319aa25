"""Wasserstein GAN: a critic whose slope is bounded measures how far samples are from the data.

Idea
    The Wasserstein-1 distance is the least work that moves samples with density q onto data with
    density p, mass times distance. By duality it is

        W(p, q) = max over f with slope <= 1 of  E_x [f(x)] - E_z [f(G(z))].

    A critic f whose weights stay in [-c, c] has slopes below some K, so its gap is at most K W.
    The generator climbs the critic, which has a slope however far apart p and q are. K depends
    on c and on the network; Adam's steps do not depend on it.

Source
    Arjovsky, Chintala, Bottou, "Wasserstein GAN", 2017. arXiv:1701.07875

Differs from the paper
    Adam without momentum, which is RMSProp with its bias corrected; a larger c and learning
    rate, and one critic step per generator step instead of five, which give better digits for
    the same work. The generator moves on the noise of the critic's last step. Samples come from
    a moving average of the generator, which ema=0 takes out.

Shapes
    B batch, D = prod(shape) numbers per observation, H hidden units, Z noise dimensions.

Run
    genai-patterns run wgan critic_steps=5
"""

from typing import ClassVar

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.adversarial.gan import GAN, GANConfig
from reference_impl.core import Batch, Losses, Metrics, Optimizers, main


class WGANConfig(GANConfig):
    """The networks of the GAN, and what holds the critic."""

    # no setting here: the critic is held by its weights, not by its slope at the data
    r1: ClassVar[float] = 0.0
    weight_clip: NonNegativeFloat = 0.1
    """c, the largest magnitude of a weight of the critic; 0 turns clipping off."""
    critic_steps: PositiveInt = 1
    """n, the critic's steps for each of the generator's; `steps` counts the critic's."""
    lr: PositiveFloat = 4e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 4500


class WGAN(GAN):
    """Wasserstein GAN with weight clipping; `discriminate` is the critic f."""

    Config = WGANConfig

    def __init__(self, cfg: WGANConfig) -> None:
        super().__init__(cfg)
        # a constant added to f changes neither loss, so the last layer has no bias
        self.discriminator[-2] = nn.Linear(cfg.hidden, 1, bias=False)
        self.moves: Tensor
        self.register_buffer("moves", torch.zeros((), dtype=torch.long))

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """One move of the critic, and one of the generator where it is due (algorithm 1)."""
        fake = self.generate(len(batch.x), batch.y)
        losses = self.critic_loss(batch, fake.detach())
        opt.minimize("discriminator", losses["loss"])
        self.clip_weights()

        self.moves += 1
        if self.moves % self.cfg.critic_steps == 0:
            opt.minimize("generator", -self.discriminate(fake, batch.y).mean())
        return {name: value.detach() for name, value in losses.items()}

    def critic_loss(self, batch: Batch, fake: Tensor) -> Losses:
        """Minus the gap E f(x) - E f(G(z)), which the critic widens (equation 3)."""
        on_real, on_fake = self.discriminate(batch.x, batch.y), self.discriminate(fake, batch.y)
        gap = on_real.mean() - on_fake.mean()
        return {"loss": -gap, "gap": gap}

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Bring every weight of the critic back into [-c, c]."""
        if c := self.cfg.weight_clip:
            for w in self.discriminator.parameters():
                w.clamp_(-c, c)


if __name__ == "__main__":
    main(WGAN)
