"""Score-based SDE: noising in continuous time, run backward as an SDE or as an ODE.

Idea
    Data are noised by dx = f(t) x dt + g(t) dw from t = 0 to 1, which leaves at each time

        x_t = a(t) x_0 + s(t) eps,    eps ~ N(0, I).

    Two equations run the same densities p_t backward; all they ask for is the score grad log p_t:

        dx = [f x - g^2 score] dt + g dw      reverse SDE,                                   (6)
        dx = [f x - g^2 score / 2] dt         probability-flow ODE.                         (13)

    One network learns the score at all times by predicting eps, as score = -E[eps | x_t] / s(t).
    The ODE is a smooth invertible map between data and noise, so the change of variables gives

        log p_0(x_0) = log p_1(x_1) + integral_0^1 div [f x - g^2 score / 2] dt.            (39)

Source
    Song, Sohl-Dickstein, Kingma, Kumar, Ermon & Poole, "Score-Based Generative Modeling through
    Stochastic Differential Equations", 2021. arXiv:2011.13456

Differs from the paper
    Euler-Maruyama for the SDE and Heun's method for the ODE, on a grid that is denser at the data,
    instead of Langevin corrections and adaptive Runge-Kutta. The divergence is exact, one backward
    pass per dimension; beyond some tens of dimensions random probes estimate it (Hutchinson).

Shapes
    B batch, D = prod(shape) numbers per observation, N solver steps; t in [0, 1], one per row.

Run
    genai-patterns run score_sde process=ve solver=ode
"""

from copy import deepcopy
from itertools import pairwise
from math import log, prod
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_unet import TimedMLP, UNet
from reference_impl.core import Batch, Config, Losses, Reference, main


class ScoreSDEConfig(Config):
    """The noising process, the network and the solver."""

    shape: tuple[int, ...] = (2,)
    """Shape of one observation. Three numbers are an image's, with values in [0, 1]."""
    process: Literal["vp", "ve"] = "vp"
    """Variance preserving, a^2 + s^2 = 1, or variance exploding, a = 1 and s growing geometrically."""
    beta_min: PositiveFloat = 0.1
    """VP: g^2 at time 0."""
    beta_max: PositiveFloat = 20.0
    """VP: g^2 at time 1."""
    sigma_min: PositiveFloat = 0.01
    """VE: noise at time 0, in units of the data."""
    sigma_max: PositiveFloat = 10.0
    """VE: noise at time 1; several times the spread of the data."""
    t_min: float = Field(1e-4, gt=0, lt=1)
    """Time at which training and solvers stop short of the data, where the VP score may explode."""
    solver: Literal["sde", "ode"] = "sde"
    """What samples are drawn with."""
    solver_steps: PositiveInt = 200
    """N, steps of either solver; the ODE's cost two evaluations each."""
    hidden: PositiveInt = 16
    """Channels of the U-Net at full resolution; the MLP for vectors is eight times as wide."""
    ema: float = Field(0.995, ge=0, lt=1)
    """Decay of the averaged network that samples are drawn with; 0 uses the last one."""
    batch_size: PositiveInt = 256
    lr: PositiveFloat = 4e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 4000


class ScoreSDE(Reference):
    """Score network over continuous time, with reverse SDE, probability-flow ODE and likelihood."""

    task = "points"
    Config = ScoreSDEConfig

    def __init__(self, cfg: ScoreSDEConfig) -> None:
        super().__init__(cfg)
        self.image = len(cfg.shape) == 3
        c, d = cfg.shape[0], prod(cfg.shape)
        self.net: nn.Module = UNet(c, c, cfg.hidden) if self.image else TimedMLP(d, d, 8 * cfg.hidden)
        self.averaged = deepcopy(self.net).requires_grad_(False)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"main": torch.optim.AdamW(self.net.parameters(), lr=self.cfg.lr)}

    def marginal(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """a(t) and s(t) of x_t = a x_0 + s eps, eq. 29: (B,) -> (B, 1, ...) twice."""
        cfg, t = self.cfg, self.column(t)
        if cfg.process == "ve":
            return torch.ones_like(t), cfg.sigma_min * (cfg.sigma_max / cfg.sigma_min) ** t
        integral = cfg.beta_min * t + (cfg.beta_max - cfg.beta_min) * t**2 / 2
        return (-integral / 2).exp(), (-torch.expm1(-integral)).sqrt()

    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """f(t) and g(t)^2 of dx = f x dt + g dw, eqs. 30 and 32: (B,) -> (B, 1, ...) twice."""
        cfg, column = self.cfg, self.column(t)
        if cfg.process == "ve":
            return torch.zeros_like(column), 2 * log(cfg.sigma_max / cfg.sigma_min) * self.marginal(t)[1] ** 2
        beta = cfg.beta_min + (cfg.beta_max - cfg.beta_min) * column
        return -beta / 2, beta

    def column(self, t: Tensor) -> Tensor:
        """One number per row, shaped to multiply observations: (B,) -> (B, 1, ...)."""
        return t.view(-1, *[1] * len(self.cfg.shape))

    def noised(self, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t: x0 and eps (B, *shape), t (B,) -> (B, *shape)."""
        a, s = self.marginal(t)
        return a * x0 + s * eps

    def predict(self, net: nn.Module, x: Tensor, t: Tensor) -> Tensor:
        """E[eps | x_t] by this network; what it sees has about the spread of the data at every t."""
        a, s = self.marginal(t)
        return net(x / (a**2 + s**2).sqrt(), t)

    def train_times(self, x0: Tensor) -> Tensor:
        """Uniform on [t_min, 1], one per row: (B, *shape) -> (B,)."""
        return self.cfg.t_min + (1 - self.cfg.t_min) * torch.rand(len(x0), device=x0.device)

    def loss(self, batch: Batch) -> Losses:
        """Eq. 7 with the weight s(t)^2: the mean squared error of the predicted noise."""
        x0 = 2 * batch.x - 1 if self.image else batch.x
        t, eps = self.train_times(x0), torch.randn_like(x0)
        return {"loss": F.mse_loss(self.predict(self.net, self.noised(x0, t, eps), t), eps)}

    def after_update(self) -> None:
        for slow, fast in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
            slow.data.lerp_(fast.data, 1 - self.cfg.ema)

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """grad log p_t(x) by the averaged network: (B, *shape), (B,) -> (B, *shape)."""
        return -self.predict(self.averaged, x, t) / self.marginal(t)[1]

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """dx/dt of the probability-flow ODE, eq. 13: (B, *shape), (B,) -> (B, *shape)."""
        f, g2 = self.rates(t)
        return f * x - g2 * self.score(x, t) / 2

    def sde_step(self, x: Tensor, t: Tensor, dt: float) -> Tensor:
        """Euler-Maruyama step of the reverse SDE from t to t + dt < t, eq. 6: (B, *shape) -> (B, *shape)."""
        f, g2 = self.rates(t)
        return x + (f * x - g2 * self.score(x, t)) * dt + (-dt * g2).sqrt() * torch.randn_like(x)

    def ode_step(self, x: Tensor, t: Tensor, dt: float) -> Tensor:
        """Heun step of the ODE from t to t + dt, in either direction: (B, *shape) -> (B, *shape)."""
        v = self.velocity(x, t)
        return x + (v + self.velocity(x + v * dt, t + dt)) * dt / 2

    def grid(self) -> list[float]:
        """N + 1 times from 1 to t_min, dense where s / a changes fast: evenly spaced for VE, in sqrt(t) for VP."""
        power, cfg = 1 if self.cfg.process == "ve" else 2, self.cfg
        return torch.linspace(1, cfg.t_min ** (1 / power), cfg.solver_steps + 1).double().pow(power).tolist()

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """From noise to data by the chosen solver: (n, *shape)."""
        step = self.sde_step if self.cfg.solver == "sde" else self.ode_step
        one = torch.ones(n, device=self.device)
        x = self.marginal(one)[1] * torch.randn(n, *self.cfg.shape, device=self.device)
        for t, after in pairwise(self.grid()):
            x = step(x, t * one, after - t)
        return (x + 1) / 2 if self.image else x

    def divergence(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The ODE's velocity and its divergence in x: (B, *shape), (B,) -> (B, *shape), (B,)."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            v = self.velocity(x, t)
            # row i of the Jacobian for all observations at once; its i-th number is on the diagonal
            rows = (torch.autograd.grad(vi.sum(), x, retain_graph=True)[0] for vi in v.flatten(1).T)
            trace = sum(row.flatten(1)[:, i] for i, row in enumerate(rows))
        return v.detach(), trace

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats by the ODE from data to noise, eq. 39: (B, *shape) -> (B,)."""
        x, d = 2 * x - 1 if self.image else x, x[0].numel()
        one = torch.ones(len(x), device=x.device)
        # the map of images to [-1, 1] stretches each dimension by two
        total = one * d * log(2) if self.image else 0 * one
        for t, after in pairwise(reversed(self.grid())):
            dt = after - t
            v, div = self.divergence(x, t * one)
            v_end, div_end = self.divergence(x + v * dt, after * one)
            x, total = x + (v + v_end) * dt / 2, total + (div + div_end) * dt / 2
        prior = torch.distributions.Normal(0, self.marginal(one)[1]).log_prob(x)
        return total + prior.flatten(1).sum(1)


if __name__ == "__main__":
    main(ScoreSDE)
