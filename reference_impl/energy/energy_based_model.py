"""Energy-based model: any scalar function of x is a density up to its constant.

Idea
    A network f gives each x a number, and a wide Gaussian keeps it from being low far away,

        E(x) = f(x) + |x|^2 / (2 w^2),        p(x) = exp(-E(x)) / Z.

    Z is out of reach, yet its gradient is an average over the model, and so that of the likelihood is

        d log p(x) / dtheta = -dE(x)/dtheta + <dE/dtheta>_model:

    pull the energy down at data, push it up at samples of the model. Samples come from Langevin
    dynamics, a roll downhill with noise,

        x <- x - (eta^2 / 2) dE/dx + eta N(0, I),

    in chains that go on from one update to the next. Refusing some of the moves (Metropolis) makes
    exp(-E) their exact law for any step eta, so that the energy and not the sampler fits the data.
    In few dimensions leaps to fresh draws of the Gaussian, refused by the same rule, keep the share
    of chains in each valley right. Energies add up: exp(-E1 - E2) is large where both models agree.

Source
    Du & Mordatch, "Implicit Generation and Modeling with Energy-Based Models", 2019.
    arXiv:1903.08689. Refused moves: Roberts & Tweedie, 1996. doi:10.2307/3318418

Differs from the paper
    Vectors and an MLP instead of images and a ResNet with spectral norm. Noise and slope have the
    ratio that samples exp(-E), where the paper follows the slope with less noise; moves can be
    refused. Chains leap by the same rule, where the paper restarts a twentieth of them.

Shapes
    B batch, D numbers of one observation.

Run
    genai-patterns run energy_based_model --data ring8 steps=500
"""

from collections.abc import Callable
from math import prod

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.blocks import mlp
from reference_impl.blocks_unet import waves
from reference_impl.core import Batch, Config, Metrics, Optimizers, Reference, Task, main


class EBMConfig(Config):
    """Settings of the energy-based model."""

    shape: tuple[int, ...] = (2,)
    """Shape of one observation."""
    hidden: PositiveInt = 128
    """Width of the two hidden layers."""
    octaves: PositiveInt = 4
    """How fine the sines are that the network sees of every number."""
    wide: PositiveFloat = 2.0
    """w, standard deviation of the Gaussian that chains start in."""
    eta: PositiveFloat = 0.07
    """Standard deviation of the noise of one Langevin step."""
    langevin: PositiveInt = 10
    """Langevin steps of every chain before an update."""
    leaps: float = Field(0.2, ge=0, le=1)
    """Share of the moves that propose a fresh draw of the wide Gaussian instead of a Langevin step."""
    persistent: bool = True
    """Whether chains go on from one update to the next or start anew in the wide Gaussian."""
    bound: NonNegativeFloat = 0.001
    """Weight of the squared energies, which keeps them from drifting."""
    burn_in: NonNegativeInt = 500
    """Langevin steps to a sample."""
    batch_size: PositiveInt = 256
    lr: PositiveFloat = 3e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 1500


class EBM(Reference):
    """Energy-based model trained with persistent Langevin chains."""

    task = "points"
    Config = EBMConfig

    def __init__(self, cfg: EBMConfig) -> None:
        super().__init__(cfg)
        d = prod(cfg.shape)
        self.net = mlp((1 + 2 * cfg.octaves) * d, cfg.hidden, 1)
        self.chains: Tensor
        # of the global batch's size on every process: all draw the same noise for them and agree
        self.register_buffer("chains", torch.zeros(cfg.batch_size, *cfg.shape))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"main": torch.optim.Adam(self.net.parameters(), lr=self.cfg.lr, betas=(0.0, 0.99))}

    def prepare(self, task: Task) -> None:
        self.chains.copy_(self.noise(len(self.chains)))

    def noise(self, n: int) -> Tensor:
        """Draws of the wide Gaussian: (n, *shape)."""
        return self.cfg.wide * torch.randn(n, *self.cfg.shape, device=self.device)

    def potential(self, x: Tensor) -> Tensor:
        """f: (B, *shape) -> (B,)."""
        x = x.flatten(1)
        return self.net(torch.cat([x, waves(x, self.cfg.octaves)], 1)).squeeze(1)

    def energy(self, x: Tensor) -> Tensor:
        """E, -log p(x) up to log Z: (B, *shape) -> (B,)."""
        return self.potential(x) + x.flatten(1).square().sum(1) / (2 * self.cfg.wide**2)

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        """Lower the energy of the data, raise it where the chains are after some Langevin steps."""
        start = self.chains if self.cfg.persistent else self.noise(len(self.chains))
        fantasy, accepted = self.roll(start, self.cfg.langevin)
        self.chains.copy_(fantasy)
        data, model = self.potential(batch.x), self.potential(fantasy)
        gap = data.mean() - model.mean()
        opt.minimize("main", gap + self.cfg.bound * (data.square().mean() + model.square().mean()))
        return {"energy_gap": -gap, "accepted": accepted}

    def roll(self, x: Tensor, steps: int) -> tuple[Tensor, float]:
        """Langevin dynamics of this energy."""
        return langevin(self.energy, x, steps, self.cfg.eta, self.cfg.wide, self.cfg.leaps)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n chains run from the wide Gaussian: (n, *shape)."""
        return self.roll(self.noise(n), self.cfg.burn_in)[0]


@torch.enable_grad()
def drift(energy: Callable[[Tensor], Tensor], x: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """E and the step down its slope, at most 2 eta long: (B, ...) -> (B,), (B, ...)."""
    x = x.detach().requires_grad_()
    e = energy(x)
    (slope,) = torch.autograd.grad(e.sum(), x)
    step = -(eta**2) / 2 * slope.flatten(1)
    # a steep slope would throw the chain over the valley, and every such move would be refused
    step = step * (2 * eta / step.norm(dim=1, keepdim=True).clamp(min=2 * eta))
    return e.detach(), step.view_as(x)


@torch.no_grad()
def langevin(
    energy: Callable[[Tensor], Tensor], x: Tensor, steps: int, eta: float, wide: float, leaps: float
) -> tuple[Tensor, float]:
    """Metropolis-adjusted Langevin dynamics: where the chains x (B, ...) get to, and the share of moves made.

    A share `leaps` of the moves goes to a fresh draw of N(0, wide^2) instead of down the slope.
    """
    (e, d), made, b = drift(energy, x, eta), 0.0, (-1, *[1] * (x.ndim - 1))
    for _ in range(steps):
        z, leap = torch.randn_like(x), torch.rand_like(e) < leaps
        to = torch.where(leap.view(b), wide * z, x + d + eta * z)
        e_to, d_to = drift(energy, to, eta)
        # what each Gaussian proposal would have had to draw to come back: q(x | to) against q(to | x)
        start = torch.where(leap.view(b), x / wide, (x - to - d_to) / eta)
        odds = e - e_to + (z.square() - start.square()).flatten(1).sum(1) / 2
        move = torch.rand_like(e).log() < odds
        x, d = (torch.where(move.view(b), new, old) for new, old in ((to, x), (d_to, d)))
        e, made = torch.where(move, e_to, e), made + move.float().mean().item() / steps
    return x, made


if __name__ == "__main__":
    main(EBM)
