"""Synthetic data: rows of a table that no one has, to learn from in place of those that one may not share.

Idea
    A row is a mix of numbers and categories with a label y. Bring everything to numbers of about
    the same law: a column of numbers through its own distribution function F to normal scores,

        z = Phi^-1(F(x)),    x = F^-1(Phi(z)),                                                (1)

    a category to one number an option, +1 for the one that holds and -1 for the others. Then train
    a diffusion model of the features given the label. To sample, draw labels as often as they
    occur, denoise features for them, go back through F^-1, and take the largest option. As far as
    features come out normal, each column has its law by (1); the network adds how columns hang together.

Source
    Kotelnikov, Baranchuk, Rubachev & Babenko, "TabDDPM: Modelling Tabular Data with Diffusion
    Models", 2023. arXiv:2209.15421 (normal scores, diffusion given the label)

Differs from the paper
    Categories are real numbers that are rounded at the end, as in Chen, Zhang & Hinton, 2023
    (arXiv:2208.04202); the paper diffuses them by a multinomial process. 50 steps instead of 1000.

Shapes
    B batch, N numeric columns, K_i options of category i, the label's C the last; D = N + sum K_i
    numbers in a row, E = D - C of them features.

Run
    genai-patterns run synthetic_data --data breast_cancer
"""

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks import mlp
from reference_impl.blocks_unet import Clock
from reference_impl.core import Batch, Losses, Task, main
from reference_impl.diffusion.ddpm import DDPM, DDPMConfig

REACH = 2.5
"""Normal score of the largest value of a column; the smallest has minus this."""
TAIL = float(torch.special.ndtr(torch.tensor(-REACH)))


class SyntheticDataConfig(DDPMConfig):
    """A diffusion model's settings, and what the columns of the table are."""

    shape: tuple[int, ...] = (16,)
    """(D,), the numbers in a row."""
    numeric: NonNegativeInt = 13
    """N, the numeric columns; they come first."""
    categories: tuple[int, ...] = (3,)
    """K_i, the options of each category; the last is the label."""
    knots: PositiveInt = 40
    """Points at which each column's distribution function is kept."""
    timesteps: PositiveInt = 50
    hidden: PositiveInt = 128
    """Width of the network."""
    ema: float = Field(0.98, ge=0, lt=1)
    lr: PositiveFloat = 3e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    steps: NonNegativeInt = 1200
    """Too many for a small table, and rows are copied."""


class Denoiser(nn.Module):
    """eps(z_t, t / T, y): features (B, E), times (B,), labels (B,) -> (B, E)."""

    def __init__(self, features: int, classes: int, width: int) -> None:
        super().__init__()
        self.clock, self.label = Clock(width), nn.Embedding(classes, width)
        self.net = mlp(features + width, width, features, depth=3)

    def forward(self, z: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.net(torch.cat([z, self.clock(t) + self.label(y)], 1))


class SyntheticData(DDPM):
    """Diffusion model of a table's rows, given their label."""

    task = "tables"
    Config = SyntheticDataConfig
    conditional = True

    def __init__(self, cfg: SyntheticDataConfig) -> None:
        super().__init__(cfg)
        # values at evenly spaced quantiles, (N, knots); how often each label occurs
        self.values = nn.Buffer(torch.linspace(-3, 3, cfg.knots).repeat(cfg.numeric, 1))
        self.frequency = nn.Buffer(torch.ones(cfg.categories[-1]))

    def network(self) -> nn.Module:
        classes = self.cfg.categories[-1]
        return Denoiser(self.cfg.shape[0] - classes, classes, self.cfg.hidden)

    def prepare(self, task: Task) -> None:
        """Each column's distribution function, and the labels' frequencies."""
        x, n = task.splits["train"][0], self.cfg.numeric
        at = torch.linspace(0, 1, self.cfg.knots, dtype=x.dtype)
        if n:
            self.values.copy_(x[:, :n].quantile(at, 0).T)
        self.frequency.copy_(x[:, -self.cfg.categories[-1] :].sum(0))

    def normal_scores(self, x: Tensor) -> Tensor:
        """Numeric columns by (1): (B, N) -> (B, N)."""
        right = torch.searchsorted(self.values, x.T.contiguous()).clamp(1, self.cfg.knots - 1)
        low, high = self.values.gather(1, right - 1), self.values.gather(1, right)
        share = ((x.T - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)
        quantile = (right - 1 + share) / (self.cfg.knots - 1)
        return torch.special.ndtri(TAIL + (1 - 2 * TAIL) * quantile).T

    def column_values(self, z: Tensor) -> Tensor:
        """The way back of (1): (B, N) -> (B, N)."""
        quantile = ((torch.special.ndtr(z.T) - TAIL) / (1 - 2 * TAIL)).clamp(0, 1)
        place = quantile * (self.cfg.knots - 1)
        left = place.floor().clamp(max=self.cfg.knots - 2).long()
        low, high = self.values.gather(1, left), self.values.gather(1, left + 1)
        return (low + (place - left) * (high - low)).T

    def predict_noise(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The averaged network's noise, so changed that the features it leaves are within REACH: (B, E) -> (B, E)."""
        signal, noise = self.abar[t].sqrt()[:, None], (1 - self.abar[t]).sqrt()[:, None]
        features = (x - noise * super().predict_noise(x, t, y)) / signal
        return (x - signal * features.clamp(-REACH, REACH)) / noise

    def loss(self, batch: Batch) -> Losses:
        """DDPM's, on normal scores and signs of the features, given the label."""
        n, classes = self.cfg.numeric, self.cfg.categories[-1]
        features = torch.cat([self.normal_scores(batch.x[:, :n]), 2 * batch.x[:, n:-classes] - 1], 1)
        return super().loss(Batch(features, batch.x[:, -classes:].argmax(1)))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n whole rows, with the labels y or with labels drawn as often as they occur: (n, D)."""
        numeric, sizes = self.cfg.numeric, self.cfg.categories
        if y is None:
            y = torch.multinomial(self.frequency, n, replacement=True)
        z = torch.randn(n, self.cfg.shape[0] - sizes[-1], device=self.device)
        for t in range(self.cfg.timesteps, 0, -1):
            z = self.denoise(z, t, y)
        options = [block.argmax(1) for block in z[:, numeric:].split(sizes[:-1], 1)] if sizes[:-1] else []
        hot = [F.one_hot(i, k).to(z) for i, k in zip([*options, y], sizes, strict=True)]
        return torch.cat([self.column_values(z[:, :numeric]), *hot], 1)


if __name__ == "__main__":
    main(SyntheticData)
