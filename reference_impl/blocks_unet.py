"""Networks of diffusion and flow models: a field over observations, told the time and perhaps a condition."""

from __future__ import annotations

from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import mlp


def waves(x: Tensor, octaves: int) -> Tensor:
    """Sine and cosine of every number at frequencies 1, 2, 4, ...: (B, D) -> (B, 2 * D * octaves).

    A small network follows fine structure in these features that it would smooth over in x.
    """
    angle = x[:, :, None] * 2.0 ** torch.arange(octaves, device=x.device)
    return torch.cat([angle.sin(), angle.cos()], 2).flatten(1)


class Clock(nn.Sequential):
    """Features of the time in [0, 1]: (B,) -> (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(12, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        return super().forward(waves(t[:, None] * pi / 2, 6))


class TimedMLP(nn.Module):
    """A field over vectors: x (B, ...) of `inputs` numbers, t (B,) in [0, 1] -> (B, ...) of `outputs`.

    `condition` turns what `forward` gets as y into (B, hidden), added to the features of the time.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, condition: nn.Module | None = None) -> None:
        super().__init__()
        self.clock, self.net = Clock(hidden), mlp(11 * inputs + hidden, hidden, outputs, depth=3)
        self.condition = condition

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        flat, e = x.flatten(1), self.clock(t)
        e = e + self.condition(y) if self.condition else e
        out = self.net(torch.cat([flat, waves(flat, 5), e], 1))
        return out.view_as(x) if out.shape == flat.shape else out


class Conv(nn.Module):
    """Residual block of a U-Net, told the time: (B, C, H, W), (B, E) -> (B, C', H, W)."""

    def __init__(self, c_in: int, c_out: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(1, c_in), nn.SiLU(), nn.Conv2d(c_in, c_out, 3, padding=1))
        self.second = nn.Sequential(nn.GroupNorm(1, c_out), nn.SiLU(), nn.Conv2d(c_out, c_out, 3, padding=1))
        self.time = nn.Linear(embedding, c_out)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.first(x) + self.time(e)[:, :, None, None]
        return self.skip(x) + self.second(h)


class UNet(nn.Module):
    """A field over images: x (B, inputs, H, W), t (B,) in [0, 1] -> (B, outputs, H, W).

    `hidden` channels at full resolution, twice as many at half and quarter. `condition` turns what `forward` gets
    as y into (B, 4 * hidden), added to the features of the time; a picture as condition is more channels of x.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, condition: nn.Module | None = None) -> None:
        super().__init__()
        h, e = hidden, 4 * hidden
        self.clock, self.condition = Clock(e), condition
        self.inner, self.outer = nn.Conv2d(inputs, h, 3, padding=1), nn.Conv2d(h, outputs, 3, padding=1)
        self.down = nn.ModuleList([Conv(h, h, e), Conv(h, 2 * h, e)])
        self.middle = Conv(2 * h, 2 * h, e)
        self.up = nn.ModuleList([Conv(4 * h, h, e), Conv(2 * h, h, e)])

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        h, e, skips = self.inner(x), self.clock(t), []
        e = e + self.condition(y) if self.condition else e
        for block in self.down:
            h = block(h, e)
            skips.append(h)
            h = F.avg_pool2d(h, 2, ceil_mode=True)
        h = self.middle(h, e)
        for block in self.up:
            skip = skips.pop()
            # sizes that are odd on the way down come back exactly
            h = F.interpolate(h, size=skip.shape[2:])
            h = block(torch.cat([h, skip], 1), e)
        return self.outer(h)
