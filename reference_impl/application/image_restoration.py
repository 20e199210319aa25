"""Image restoration: learn from examples of a damage to undo it, also without a clean example.

Idea
    Take clean pictures x, damage them, y = d(x), and train a network r to find the way back:

        L = E |x - r(y)|^2,    at best  r(y) = E[x | y].                                     (1)

    That is a denoising autoencoder for any damage, here of convolutions, so that a network learned
    on small crops restores pictures of any size. It predicts the damage, which is simpler than
    the picture. Clean pictures are not even needed: let the target be a second damaged
    copy x' whose noise is independent and zero in the mean. Since E[x' | y] = E[x | y],

        argmin_r E |x' - r(y)|^2 = argmin_r E |x - r(y)|^2,                                  (2)

    and the network learns to restore from pictures that were never seen undamaged (Noise2Noise).

Source
    Lehtinen et al., "Noise2Noise: Learning Image Restoration without Clean Data", 2018.
    arXiv:1803.04189 (section 2)
    Zhang, Zuo & Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN based Image
    Denoising", 2018. arXiv:1710.04026 (the network)

Differs from the paper
    Three residual blocks instead of a U-Net or FFDNet's twelve to fifteen convolutions, without a map
    of the noise level: one network for one mixture of damages.

Shapes
    B pictures of C x H x W pixels in [0, 1], any H and W; width channels at half the resolution.

Run
    genai-patterns run image_restoration --out runs/image_restoration
    python -m reference_impl.tasks.damaged runs/image_restoration old.jpg restored.png
"""

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main


class RestorationConfig(Config):
    """Size of the network."""

    shape: tuple[int, int, int] = (3, 32, 32)
    """Shape of the pictures to learn from; those to restore may have another height and width."""
    given: tuple[int, int, int] = (3, 32, 32)
    """Shape of the damaged pictures."""
    width: PositiveInt = 48
    """Channels of the hidden layers."""
    depth: PositiveInt = 3
    """Residual blocks of two convolutions."""
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 2e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 1100


class Residual(nn.Module):
    """x plus two convolutions of it; plain stacks pass the noise on too slowly to learn it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class ImageRestoration(Reference):
    """Convolutional network that is trained on damaged pictures and restores pictures of any size."""

    task = "damaged"
    Config = RestorationConfig

    def __init__(self, cfg: RestorationConfig) -> None:
        super().__init__(cfg)
        c, w = cfg.shape[0], cfg.width
        # four pixels become the channels of one: half the resolution, a quarter of the work
        self.net = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4 * c, w, 3, padding=1),
            *(Residual(w) for _ in range(cfg.depth)),
            nn.Conv2d(w, 4 * c, 3, padding=1), nn.PixelShuffle(2),
        )  # fmt: skip

    def restore(self, y: Tensor) -> Tensor:
        """Damaged pictures (B, C, H, W) restored, of the same shape."""
        height, width = y.shape[2:]
        # odd sizes get a row or a column more, and lose it again
        even = F.pad(y, (0, width % 2, 0, height % 2), mode="replicate")
        return (even - self.net(even))[:, :, :height, :width]

    def loss(self, batch: Batch) -> Losses:
        """Eq. 1, or eq. 2 where the task gives damaged targets: mean squared error per pixel."""
        return {"loss": F.mse_loss(self.restore(batch.y), batch.x)}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """The n damaged pictures y (n, C, H, W) restored: (n, C, H, W) in [0, 1]."""
        if y is None:
            raise ValueError("image_restoration restores a given picture: give y, of shape (n, C, H, W)")
        return self.restore(y).clamp(0, 1)


if __name__ == "__main__":
    main(ImageRestoration)
