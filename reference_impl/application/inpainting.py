"""Inpainting: fill the missing part of a picture with something that fits what is there.

Idea
    What is seen of a picture needs no model: at every noise level t the seen pixels can be
    noised in one jump. RePaint runs a diffusion model's reverse chain for the missing ones and
    puts both together after each step, with the mask k (1 where seen):

        x_{t-1} = k * (sqrt(abar_{t-1}) x_0 + sqrt(1 - abar_{t-1}) eps) + (1 - k) * reverse(x_t).

    One such step fills in something that was drawn before it saw this noised border. So each step
    is taken several times: add one step of noise again,

        x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps,

    and draw again, until both sides agree. No gradient and no matrix is needed, and
    every picture may have a mask of its own; noise on the seen pixels is not provided for.

Source
    Lugmayr et al., "RePaint: Inpainting using Denoising Diffusion Probabilistic Models", 2022.
    arXiv:2201.09865 (algorithm 1, eqs. 8a to 8c)

Differs from the paper
    Resampling goes back one step at a time; the paper's jumps go back ten of its 250.

Shapes
    B batch of images (B, C, H, W) in [0, 1]; masks (B, C, H, W) or anything that broadcasts to it.

Run
    genai-patterns run inpainting resamplings=20
"""

import torch
from pydantic import PositiveInt
from torch import Tensor

from reference_impl.core import main
from reference_impl.diffusion.diffusion_inverse_solver import DiffusionInverseSolver, InverseSolverConfig


class InpaintingConfig(InverseSolverConfig):
    """The prior's settings and how often each step is taken."""

    timesteps: PositiveInt = 50
    resamplings: PositiveInt = 10
    """How often each step is taken, so that seen and made pixels agree; 1 never looks back."""


class Inpainting(DiffusionInverseSolver):
    """Diffusion model that completes images where a mask leaves them open."""

    Config = InpaintingConfig

    @torch.no_grad()
    def complete(self, x: Tensor, seen: Tensor) -> Tensor:
        """A completion of each image: x (B, *shape), seen (B, *shape) with 1 where x counts -> (B, *shape).

        Seen pixels are returned as they are. Raises ValueError for a mask that holds other numbers than 0 and 1.
        """
        if not ((seen == 0) | (seen == 1)).all():
            raise ValueError("seen: a mask of 1 where the pixel is known and 0 where it is to be made is needed")
        known = 2 * x - 1 if self.image else x
        made = torch.randn_like(x)
        for t in range(self.cfg.timesteps, 0, -1):
            before, beta = torch.full((len(x),), t - 1, device=x.device), self.beta[t]
            for again in range(self.cfg.resamplings, 0, -1):
                # eqs. 8a to 8c; at t = 1 the seen pixels come without noise
                border = self.noised(known, before, torch.randn_like(x))
                joined = torch.where(seen == 1, border, self.denoise(made, t))
                # one step back up, unless this was the last time (line 10)
                made = joined
                if again > 1:
                    made = (1 - beta).sqrt() * joined + beta.sqrt() * torch.randn_like(x)
        return torch.where(seen == 1, x, (made + 1) / 2 if self.image else made)


if __name__ == "__main__":
    main(Inpainting)
