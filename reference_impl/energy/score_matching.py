"""Score matching: learn the slope of the log-density at many noise levels, and sample by following it.

Idea
    A density known up to its normalizer Z has a score, grad log p, in which Z does not occur. Noise
    makes the score learnable by regression: for y = x + sigma eps and p_sigma the density of y,

        E ||s(y, sigma) + eps / sigma||^2 / 2 = E ||s(y, sigma) - grad log p_sigma(y)||^2 / 2 + C,

    with C independent of s. One network learns the scores of all levels sigma_1 > ... > sigma_L,
    each weighted by sigma^2. Sampling follows them from the smoothest density to the sharpest by
    Langevin dynamics, a drift up the slope and fresh noise, whose steps shrink with the level:

        y <- y + (alpha / 2) s(y, sigma_l) + sqrt(alpha) z,    alpha = step (sigma_l / sigma_L)^2.

Source
    Song & Ermon, "Generative Modeling by Estimating Gradients of the Data Distribution", 2019.
    arXiv:1907.05600. The identity is Vincent's, 2011. doi:10.1162/NECO_a_00142

Differs from the paper
    A network told the level as a time and an average of its weights for sampling; the last sample
    is denoised once (both as in Song & Ermon, 2020, arXiv:2006.09011). Steps are given relative to
    the level's variance. Small networks.

Shapes
    B batch, L noise levels; a level is its index, 0 (most noise) to L - 1.

Run
    genai-patterns run score_matching levels=5
"""

from copy import deepcopy
from math import prod

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_unet import TimedMLP, UNet
from reference_impl.core import Batch, Config, Losses, Reference, main


class ScoreMatchingConfig(Config):
    """The noise levels, the network and the chain that samples."""

    shape: tuple[int, ...] = (2,)
    """Shape of one observation. Three numbers are an image's, with values in [0, 1]."""
    noise_levels: PositiveInt = 12
    """L, the number of noise levels; their standard deviations fall geometrically."""
    sigma_max: PositiveFloat = 4.0
    """Standard deviation of the first level, in units of the data; it should join all modes."""
    sigma_min: PositiveFloat = 0.02
    """Standard deviation of the last level; samples are that blurred before they are denoised."""
    langevin_steps: PositiveInt = 20
    """Langevin steps at each level."""
    stride: PositiveFloat = Field(0.2, le=2)
    """alpha / sigma^2, the squared size of a Langevin step in units of the level's noise."""
    hidden: PositiveInt = 16
    """Channels of the U-Net at full resolution; the MLP for vectors is eight times as wide."""
    ema: float = Field(0.995, ge=0, lt=1)
    """Decay of the averaged network that samples are drawn with; 0 uses the last one."""
    batch_size: PositiveInt = 256
    lr: PositiveFloat = 6e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 3000


class ScoreMatching(Reference):
    """Noise-conditional score network with denoising score matching and annealed Langevin dynamics."""

    task = "points"
    Config = ScoreMatchingConfig

    def __init__(self, cfg: ScoreMatchingConfig) -> None:
        super().__init__(cfg)
        c, d = cfg.shape[0], prod(cfg.shape)
        image = len(cfg.shape) == 3
        self.net: nn.Module = UNet(c, c, cfg.hidden) if image else TimedMLP(d, d, 8 * cfg.hidden)
        self.averaged = deepcopy(self.net).requires_grad_(False)
        self.sigma: Tensor
        sigma = torch.logspace(*torch.tensor([cfg.sigma_max, cfg.sigma_min]).log10().tolist(), cfg.noise_levels)
        self.register_buffer("sigma", sigma)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"main": torch.optim.AdamW(self.net.parameters(), lr=self.cfg.lr)}

    def width(self, level: Tensor) -> Tensor:
        """sigma of each row's level, shaped to multiply observations: (B,) -> (B, 1, ...)."""
        return self.sigma[level].view(-1, *[1] * len(self.cfg.shape))

    def field(self, net: nn.Module, y: Tensor, level: Tensor) -> Tensor:
        """The score by this network, its output divided by sigma: (B, *shape), (B,) -> (B, *shape)."""
        sigma = self.width(level)
        # the input has about the spread of the data at every level
        return net(y / (1 + sigma**2).sqrt(), level / self.cfg.noise_levels) / sigma

    def score(self, y: Tensor, level: Tensor) -> Tensor:
        """grad log p_sigma(y) by the averaged network: (B, *shape), (B,) -> (B, *shape)."""
        return self.field(self.averaged, y, level)

    def loss(self, batch: Batch) -> Losses:
        """Denoising score matching, eqs. 5 and 6: squared error summed over an observation, weight sigma^2."""
        level = torch.randint(self.cfg.noise_levels, (len(batch.x),), device=batch.x.device)
        eps, sigma = torch.randn_like(batch.x), self.width(level)
        error = sigma * self.field(self.net, batch.x + sigma * eps, level) + eps
        return {"loss": error.square().flatten(1).sum(1).mean() / 2}

    def after_update(self) -> None:
        for slow, fast in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
            slow.data.lerp_(fast.data, 1 - self.cfg.ema)

    def langevin(self, y: Tensor, level: int) -> Tensor:
        """One Langevin step at a level, algorithm 1: (B, *shape) -> (B, *shape)."""
        alpha = self.cfg.stride * self.sigma[level] ** 2
        score = self.score(y, torch.full((len(y),), level, device=y.device))
        return y + alpha / 2 * score + alpha.sqrt() * torch.randn_like(y)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Annealed Langevin dynamics from pure noise, algorithm 1, then one denoising: (n, *shape)."""
        x = self.sigma[0] * torch.randn(n, *self.cfg.shape, device=self.device)
        for level in range(self.cfg.noise_levels):
            for _ in range(self.cfg.langevin_steps):
                x = self.langevin(x, level)
        # the mean of the data given x (Tweedie)
        return x + self.sigma[-1] ** 2 * self.score(x, torch.full((n,), level, device=x.device))


if __name__ == "__main__":
    main(ScoreMatching)
