"""Consistency model: jump from any point of a diffusion trajectory to its start in one step.

Idea
    The probability-flow ODE of a diffusion model joins each noise to one observation. All points of
    a trajectory have the same start, so a function that returns it satisfies

        f(x_t, t) = f(x_s, s)   along a trajectory,    f(x, sigma_min) = x,

    where t and s are noise levels, and is the only one that does. The second condition holds by construction,

        f(x, t) = c_skip(t) x + c_out(t) F(x, t),    c_skip(sigma_min) = 1, c_out(sigma_min) = 0,   (5)

    and the first is trained at neighboring levels s < t, with x_s a step of a teacher's ODE
    (distillation) or, without any teacher, the same observation with the same noise (training):

        x_t = x_0 + t eps,    x_s = x_0 + s eps.

    What is known at the lowest level spreads upward level by level, until f(t_max eps, t_max) samples.

Source
    Song, Dhariwal, Chen & Sutskever, "Consistency Models", 2023. arXiv:2303.01469. Loss, weights
    and levels: Song & Dhariwal, "Improved Techniques for Training Consistency Models", 2024.
    arXiv:2310.14189

Differs from the paper
    Noise levels and their log-normal law for data of few dimensions, c = 0.03 whatever their number;
    samples use an average of the weights; small networks.

Shapes
    B batch, N pairs of neighboring levels, growing while it trains; t (B,) in [sigma_min, sigma_max].

Run
    genai-patterns run consistency_model refine=[0.5]
"""

from copy import deepcopy
from math import log, prod

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_unet import TimedMLP, UNet
from reference_impl.core import Batch, Config, Losses, Reference, main


class ConsistencyConfig(Config):
    """Noise levels, loss and network."""

    shape: tuple[int, ...] = (2,)
    """Shape of one observation. Three numbers are an image's, with values in [0, 1]."""
    sigma_min: PositiveFloat = 0.01
    """Least noise, in units of the data, at which f is the identity."""
    sigma_max: PositiveFloat = 10.0
    """Most noise, where samples start; several times the spread of the data."""
    sigma_data: PositiveFloat = 1.0
    """Spread of the data, which divides small noise from large."""
    first: PositiveInt = 10
    """N at the beginning of training."""
    doublings: NonNegativeInt = 3
    """How often N doubles, at equal distances over the training."""
    center: float = -0.5
    """Mean of the logarithm of the levels to train at."""
    scatter: PositiveFloat = 1.5
    """Standard deviation of that logarithm."""
    huber: PositiveFloat = 0.03
    """c of the loss: differences count squared below it, by their length above it."""
    refine: tuple[float, ...] = ()
    """Noise levels, falling, at which a sample is noised again and denoised in one more step each."""
    hidden: PositiveInt = 16
    """Channels of the U-Net at full resolution; the MLP for vectors is eight times as wide."""
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay of the averaged network that samples are drawn with; 0 uses the last one."""
    batch_size: PositiveInt = 512
    lr: PositiveFloat = 3e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 3500


class ConsistencyModel(Reference):
    """Consistency function trained without a teacher, sampled in one step or a few."""

    task = "points"
    Config = ConsistencyConfig

    def __init__(self, cfg: ConsistencyConfig) -> None:
        super().__init__(cfg)
        self.image = len(cfg.shape) == 3
        c, d = cfg.shape[0], prod(cfg.shape)
        self.net: nn.Module = UNet(c, c, cfg.hidden) if self.image else TimedMLP(d, d, 8 * cfg.hidden)
        self.averaged = deepcopy(self.net).requires_grad_(False)
        self.updates: Tensor
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"main": torch.optim.AdamW(self.net.parameters(), lr=self.cfg.lr)}

    def levels(self) -> Tensor:
        """The noise levels of now, from sigma_min to sigma_max, evenly spaced in their 7th root: (N + 1,)."""
        cfg = self.cfg
        # N doubles at equal distances (Song & Dhariwal, table 1)
        stage = int(self.updates) * (cfg.doublings + 1) // max(1, cfg.steps)
        n = cfg.first * 2 ** min(stage, cfg.doublings)
        low, high = cfg.sigma_min ** (1 / 7), cfg.sigma_max ** (1 / 7)
        return torch.linspace(low, high, n + 1, device=self.device) ** 7

    def skip_and_out(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """c_skip and c_out: 1 and 0 at sigma_min, so that f is the identity there."""
        s2 = self.cfg.sigma_data**2
        above = t - self.cfg.sigma_min
        return s2 / (above**2 + s2), self.cfg.sigma_data * above / (t**2 + s2).sqrt()

    def consistency(self, net: nn.Module, x: Tensor, t: Tensor) -> Tensor:
        """f(x, t), eq. 5: (B, *shape), (B,) -> (B, *shape)."""
        cfg, column = self.cfg, self.column(t, x)
        c_skip, c_out = self.skip_and_out(column)
        clock = (t / cfg.sigma_min).log() / log(cfg.sigma_max / cfg.sigma_min)
        return c_skip * x + c_out * net(x / (column**2 + cfg.sigma_data**2).sqrt(), clock)

    def column(self, t: Tensor, x: Tensor) -> Tensor:
        """One number per row, shaped to multiply x: (B,) -> (B, 1, ...)."""
        return t.view(-1, *[1] * (x.ndim - 1))

    def pair(self, n: int, levels: Tensor) -> tuple[Tensor, Tensor]:
        """n pairs of neighboring levels (low, high), by the log-normal law of the source: (n,) twice."""
        edge = (levels.log() - self.cfg.center) / self.cfg.scatter
        below = torch.special.ndtr(edge)
        u = below[0] + (below[-1] - below[0]) * torch.rand(n, device=levels.device)
        i = torch.searchsorted(below, u).clamp(1, len(levels) - 1)
        return levels[i - 1], levels[i]

    def earlier(self, x0: Tensor, eps: Tensor, high: Tensor, low: Tensor) -> Tensor:
        """A point at the level low that shares a trajectory with x0 + high eps: here without a teacher."""
        return x0 + self.column(low, x0) * eps

    def loss(self, batch: Batch) -> Losses:
        """Pseudo-Huber distance of f at neighboring levels over the gap between them."""
        x0 = 2 * batch.x - 1 if self.image else batch.x
        low, high = self.pair(len(x0), self.levels())
        eps = torch.randn_like(x0)
        ahead = self.consistency(self.net, x0 + self.column(high, x0) * eps, high)
        with torch.no_grad():
            behind = self.consistency(self.net, self.earlier(x0, eps, high, low), low)
        c, squared = self.cfg.huber, (ahead - behind).square().flatten(1).sum(1)
        return {"loss": (((squared + c**2).sqrt() - c) / (high - low)).mean()}

    def after_update(self) -> None:
        self.updates += 1
        for slow, fast in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
            slow.data.lerp_(fast.data, 1 - self.cfg.ema)

    def jump(self, x: Tensor, t: float) -> Tensor:
        """Start of the trajectory through x at level t, by the averaged network: (B, *shape) -> (B, *shape)."""
        return self.consistency(self.averaged, x, torch.full((len(x),), t, device=x.device))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """One jump from pure noise, then one for each level of `refine`, algorithm 1: (n, *shape)."""
        cfg = self.cfg
        x = self.jump(cfg.sigma_max * torch.randn(n, *cfg.shape, device=self.device), cfg.sigma_max)
        for t in cfg.refine:
            x = self.jump(x + (t**2 - cfg.sigma_min**2) ** 0.5 * torch.randn_like(x), t)
        return (x + 1) / 2 if self.image else x


if __name__ == "__main__":
    main(ConsistencyModel)
