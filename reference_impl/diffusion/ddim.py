"""DDIM: the trained network of a diffusion model, sampled in few steps and without noise.

Idea
    Training fixes no more than q(x_t | x_0) at each level by itself. A chain may therefore skip
    levels, and put less fresh noise into a step, as long as it leaves these marginals as they
    are. With the noise that the network finds in x_t, and the data that are left without it,

        x_s = sqrt(abar_s) x_0 + sqrt(1 - abar_s - sigma^2) eps + sigma z,   z ~ N(0, I),    (12)

    goes from level t to any level s below it. sigma = eta sqrt((1 - abar_s) / (1 - abar_t))
    sqrt(1 - abar_t / abar_s): at eta = 1 these are DDPM's own steps. At eta = 0 a sample is a
    function of x_T alone, the solution of an ODE; followed upward it finds the noise of an image.

Source
    Song, Meng & Ermon, "Denoising Diffusion Implicit Models", 2021. arXiv:2010.02502

Differs from the paper
    The estimate of x_0 is kept within the range of images, as in DDPM, and eps with it.

Shapes
    B batch, T levels of training, S steps of sampling, D = prod(shape); levels are 0, ..., T.

Run
    genai-patterns run ddim sampling_steps=10
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from pydantic import ConfigDict, Field, PositiveInt, field_validator
from pydantic_core.core_schema import ValidationInfo
from torch import Tensor

from reference_impl.core import main
from reference_impl.diffusion.ddpm import DDPM, DDPMConfig


class FewStepsConfig(DDPMConfig):
    """A diffusion model's settings, and in how many steps it is sampled."""

    # fewer timesteps may make the default of sampling_steps too many
    model_config = ConfigDict(validate_default=True)

    sampling_steps: PositiveInt = 20
    """S, steps from noise to data; at most timesteps."""

    @field_validator("sampling_steps")
    @classmethod
    def levels_suffice(cls, steps: int, info: ValidationInfo) -> int:
        if steps > (most := info.data.get("timesteps", steps)):
            raise ValueError(f"only timesteps={most} levels can be visited")
        return steps


class DDIMConfig(FewStepsConfig):
    """Settings of the sampler without noise, or with less."""

    eta: float = Field(0.0, ge=0, le=1)
    """Fresh noise in a step: 0 none, 1 as much as DDPM's."""


class DDIM(DDPM):
    """DDPM with a sampler that takes any number of its steps, with or without noise."""

    Config = DDIMConfig

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """In S steps from noise: (n, *shape)."""
        return draw(self, n, y, self.cfg.sampling_steps, self.cfg.eta)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The noise that decodes to x, up to the error of S steps: (B, *shape) -> (B, D)."""
        x = 2 * x - 1 if self.image else x
        return walk(self, x, levels(self, self.cfg.sampling_steps)[::-1], y).flatten(1)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The sample that this noise becomes without further noise: (B, D) -> (B, *shape)."""
        x = z.view(len(z), *self.cfg.shape)
        x = walk(self, x, levels(self, self.cfg.sampling_steps), y)
        return (x + 1) / 2 if self.image else x

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


# what follows works for every model with abar and predict_noise


def levels(model: DDPM, steps: int) -> list[int]:
    """S + 1 levels, evenly spaced, the last one 0.

    T is left out unless all T steps are taken. There x_t holds next to nothing of the data, and
    an error of eps counts in x_0 sqrt(1 / abar - 1) times; we start where that is 30 or less.
    Raises ValueError for more than T steps.
    """
    if steps > (most := len(model.abar) - 1):
        raise ValueError(f"{steps} steps, but there are only {most} levels to visit")
    top = max(steps, int((model.abar > 1e-3).sum()) - 1)
    return torch.linspace(top, 0, steps + 1).round().long().tolist()


def estimate(model: DDPM, x: Tensor, t: int, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The data and the noise that the model sees in x_t: (B, *shape) -> the same, twice."""
    # level 0 is as good as level 1, the lowest that the network was trained on
    t = max(t, 1)
    signal, noise = model.abar[t].sqrt(), (1 - model.abar[t]).sqrt()
    eps = model.predict_noise(x, torch.full((len(x),), t, device=x.device), y)
    x0 = (x - noise * eps) / signal
    if model.image:
        x0 = x0.clamp(-1, 1)
        eps = (x - signal * x0) / noise
    return x0, eps


def move(model: DDPM, x: Tensor, t: int, s: int, y: Tensor | None = None, eta: float = 0.0) -> Tensor:
    """x_s from x_t by (12); without noise also upward, s > t: (B, *shape) -> (B, *shape)."""
    at, to = model.abar[t], model.abar[s]
    x0, eps = estimate(model, x, t, y)
    if eta == 0:
        return to.sqrt() * x0 + (1 - to).sqrt() * eps
    # eq. 16
    sigma = eta * ((1 - to) / (1 - at) * (1 - at / to)).sqrt()
    x = to.sqrt() * x0 + (1 - to - sigma**2).clamp(min=0).sqrt() * eps
    return x + sigma * torch.randn_like(x)


def walk(model: DDPM, x: Tensor, path: Sequence[int], y: Tensor | None = None, eta: float = 0.0) -> Tensor:
    """From the first level of the path to its last, step by step: (B, *shape) -> (B, *shape)."""
    for t, s in pairwise(path):
        x = move(model, x, t, s, y, eta)
    return x


@torch.no_grad()
def draw(model: DDPM, n: int, y: Tensor | None = None, steps: int = 20, eta: float = 0.0) -> Tensor:
    """n samples of any such model in so many steps: (n, *shape)."""
    x = torch.randn(n, *model.cfg.shape, device=model.device)
    x = walk(model, x, levels(model, steps), y, eta)
    return (x + 1) / 2 if model.image else x


if __name__ == "__main__":
    main(DDIM)
