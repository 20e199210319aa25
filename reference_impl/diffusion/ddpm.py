"""Denoising diffusion: learn to undo, step by step, a fixed corruption of the data.

Idea
    Noise is added to x_0 in T small steps, any of which can be reached in one jump:

        x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps,    abar_t = prod_{s<=t} (1 - beta_s).

    A network predicts eps from (x_t, t). The variational bound on log p(x_0) is a weighted sum
    over t of its squared errors; leaving out the weights gives better samples. The best
    prediction is -sqrt(1 - abar_t) times the score of the noisy data: taking it away moves x_t
    to where data are likely. Sampling starts at pure noise and undoes the steps one by one.

Source
    Ho, Jain & Abbeel, "Denoising Diffusion Probabilistic Models", 2020. arXiv:2006.11239

Differs from the paper
    100 steps on the cosine schedule of Nichol & Dhariwal, 2021 (arXiv:2102.09672, eq. 17),
    instead of 1000 on a linear one; a small U-Net without attention, for vectors an MLP.

Shapes
    B batch, C channels, T steps, H hidden units; t in {1, ..., T}.

Run
    genai-patterns run ddpm timesteps=50
"""

from copy import deepcopy
from math import pi, prod

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_unet import TimedMLP, UNet
from reference_impl.core import Batch, Config, Losses, Reference, main


class DDPMConfig(Config):
    """The noising process and the network that undoes it."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation. Three numbers are an image's, with values in [0, 1]."""
    timesteps: PositiveInt = 100
    """T, the number of noising steps."""
    hidden: PositiveInt = 16
    """H, channels of the U-Net at full resolution; the MLP for vectors is eight times as wide."""
    ema: float = Field(0.995, ge=0, lt=1)
    """Decay of the averaged network that samples are drawn with; 0 uses the last one."""
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 4e-3
    cooldown: float = Field(0.3, ge=0, le=1)
    steps: NonNegativeInt = 1600


class DDPM(Reference):
    """Denoising diffusion probabilistic model with the unweighted bound and ancestral sampling."""

    task = "images"
    Config = DDPMConfig

    def __init__(self, cfg: DDPMConfig) -> None:
        super().__init__(cfg)
        self.image = len(cfg.shape) == 3
        self.net = self.network()
        self.averaged = deepcopy(self.net).requires_grad_(False)
        self.beta: Tensor
        self.abar: Tensor
        # index t, with abar_0 = 1 for the data themselves
        s = torch.linspace(0, 1, cfg.timesteps + 1, dtype=torch.float64)
        f = ((s + 0.008) / 1.008 * pi / 2).cos().square()
        beta = torch.cat([torch.zeros(1), 1 - f[1:] / f[:-1]]).clamp(max=0.999)
        self.register_buffer("beta", beta.float())
        self.register_buffer("abar", (1 - beta).cumprod(0).float())

    def network(self) -> nn.Module:
        """eps(x_t, t / T): of the shape of x_t."""
        cfg = self.cfg
        c, d = cfg.shape[0], prod(cfg.shape)
        return UNet(c, c, cfg.hidden) if self.image else TimedMLP(d, d, 8 * cfg.hidden)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"main": torch.optim.AdamW(self.net.parameters(), lr=self.cfg.lr)}

    def noised(self, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t in one jump, eq. 4: x0 and eps (B, *shape), t (B,) -> (B, *shape)."""
        abar = self.abar[t].view(-1, *[1] * (x0.ndim - 1))
        return abar.sqrt() * x0 + (1 - abar).sqrt() * eps

    def loss(self, batch: Batch) -> Losses:
        """Mean squared error of the predicted noise, eq. 14."""
        x0 = 2 * batch.x - 1 if self.image else batch.x
        t = torch.randint(1, self.cfg.timesteps + 1, (len(x0),), device=x0.device)
        eps = torch.randn_like(x0)
        predicted = self.net(self.noised(x0, t, eps), t / self.cfg.timesteps, batch.y)
        return {"loss": F.mse_loss(predicted, eps)}

    def after_update(self) -> None:
        for slow, fast in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
            slow.data.lerp_(fast.data, 1 - self.cfg.ema)

    def predict_noise(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The averaged network's eps(x_t, t): (B, *shape), (B,) -> (B, *shape)."""
        return self.averaged(x, t / self.cfg.timesteps, y)

    def denoise(self, x: Tensor, t: int, y: Tensor | None = None) -> Tensor:
        """A draw of x_{t-1} given x_t, one step of algorithm 2: (B, *shape) -> (B, *shape)."""
        abar, before, beta = self.abar[t], self.abar[t - 1], self.beta[t]
        eps = self.predict_noise(x, torch.full((len(x),), t, device=x.device), y)
        x0 = (x - (1 - abar).sqrt() * eps) / abar.sqrt()
        # the data are known to lie here
        x0 = x0.clamp(-1, 1) if self.image else x0
        # mean and variance of q(x_{t-1} | x_t, x_0), eq. 7
        mean = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x) / (1 - abar)
        return mean + (beta * (1 - before) / (1 - abar)).sqrt() * torch.randn_like(x)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Ancestral sampling, algorithm 2: (n, *shape)."""
        x = torch.randn(n, *self.cfg.shape, device=self.device)
        for t in range(self.cfg.timesteps, 0, -1):
            x = self.denoise(x, t, y)
        return (x + 1) / 2 if self.image else x


if __name__ == "__main__":
    main(DDPM)
