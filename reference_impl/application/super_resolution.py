"""Super-resolution: draw the detail that a small picture does not have.

Idea
    A small picture y = A x leaves x open. A network trained for squared error answers with the
    mean of all x that fit, which is blurred where they differ. A conditional diffusion model
    draws one of them instead. As in SR3 the enlarged y is shown to the network beside the noisy
    picture, in more channels, and otherwise training and sampling are a diffusion model's:

        L = E |eps - eps_theta(x_t, up(y), t)|^2,    up: cubic interpolation.                (6)

    What is noised is only the detail that up(y) lacks, r = scale (x - up(y)), brought to the
    range of the model. The mean of many draws is the regression's answer again: of all answers
    it has the least squared error, and no picture looks like it.

Source
    Saharia et al., "Image Super-Resolution via Iterative Refinement", 2021. arXiv:2104.07636
    (eq. 6)

Differs from the paper
    Twice the height and width, textures of 16 x 16 pixels; the network is told the step instead of
    the noise level; it makes the difference from up(y), as in SRDiff (arXiv:2104.14951).

Shapes
    B batch, x (B, C, 2H, 2W) and y (B, C, H, W) in [0, 1].

Run
    genai-patterns run super_resolution --out runs/super_resolution
    python -m reference_impl.tasks.damaged runs/super_resolution small.jpg large.png
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_unet import UNet
from reference_impl.core import Batch, Losses, main
from reference_impl.diffusion.ddpm import DDPM, DDPMConfig


class SuperResolutionConfig(DDPMConfig):
    """The diffusion model's settings, and whether detail is drawn or averaged."""

    shape: tuple[int, int, int] = (1, 16, 16)
    """Shape of the pictures to learn from; those to make may have another height and width."""
    given: tuple[int, int, int] = (1, 8, 8)
    """Shape of the small pictures."""
    objective: Literal["diffusion", "regression"] = "diffusion"
    """Draw the detail, or answer with its mean in one pass of the same network."""
    scale: PositiveFloat = 6.0
    """What the detail is multiplied by; detail beyond 1 / scale is cut off."""
    timesteps: PositiveInt = 50
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 3e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 1000


class Beside(nn.Module):
    """A U-Net that sees a picture beside its input: x (B, C, H, W), t (B,), y (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.unet = UNet(2 * channels, channels, hidden)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.unet(torch.cat([x, 2 * y - 1], 1), t)


class SuperResolution(DDPM):
    """Diffusion model of the detail that a small picture lacks, or regression to its mean."""

    task = "smaller"
    Config = SuperResolutionConfig

    def network(self) -> nn.Module:
        return Beside(self.cfg.shape[0], self.cfg.hidden)

    def enlarged(self, y: Tensor) -> Tensor:
        """up(y), by cubic interpolation: (B, C, H, W) -> (B, C, 2H, 2W)."""
        factor = self.cfg.shape[2] / self.cfg.given[2]
        return F.interpolate(y, scale_factor=factor, mode="bicubic")

    def loss(self, batch: Batch) -> Losses:
        """Eq. 6 on the detail, or the squared error of its mean."""
        up = self.enlarged(batch.y)
        detail = self.cfg.scale * (batch.x - up)
        if self.cfg.objective == "diffusion":
            # DDPM takes observations in [0, 1]
            return super().loss(Batch((detail + 1) / 2, up))
        return {"loss": F.mse_loss(self.mean(self.net, up), detail)}

    def mean(self, net: nn.Module, up: Tensor) -> Tensor:
        """The regression's answer, the detail that `net` expects beside up(y): (B, C, H, W) -> (B, C, H, W)."""
        return net(torch.zeros_like(up), torch.zeros(len(up), device=up.device), up)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """The n small pictures y (n, C, H, W) with detail: (n, C, 2H, 2W) in [0, 1]."""
        if y is None:
            raise ValueError("super_resolution enlarges a given picture: give y, of shape (n, C, H, W)")
        up = self.enlarged(y)
        if self.cfg.objective == "regression":
            detail = self.mean(self.averaged, up)
        else:
            detail = torch.randn_like(up)
            for t in range(self.cfg.timesteps, 0, -1):
                detail = self.denoise(detail, t, up)
        return (up + detail / self.cfg.scale).clamp(0, 1)


if __name__ == "__main__":
    main(SuperResolution)
