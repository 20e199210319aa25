"""Time series: stationary Gaussian processes whose forecasts are known exactly, or the columns of a user's table."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

LAGS = 20
"""Lags at which autocorrelations are compared."""


def ar2(lags: int, first: float = 1.5, second: float = -0.75) -> Tensor:
    """Autocorrelation of x_t = first x_{t-1} + second x_{t-2} + noise: the Yule-Walker recursion, (lags + 1,)."""
    r = [1.0, first / (1 - second)]
    while len(r) <= lags:
        r.append(first * r[-1] + second * r[-2])
    return torch.tensor(r[: lags + 1], dtype=torch.float64)


def seasonal(lags: int, period: int = 12, share: float = 0.8) -> Tensor:
    """Autocorrelation of a sine of random amplitude and phase, with this share of the variance, in white noise."""
    r = share * (2 * math.pi / period * torch.arange(lags + 1, dtype=torch.float64)).cos()
    r[0] = 1.0
    return r


def ou(lags: int, rate: float = 0.15) -> Tensor:
    """Autocorrelation of an Ornstein-Uhlenbeck process, dx = -rate x dt + sqrt(2 rate) dW, seen at whole times."""
    return (-rate * torch.arange(lags + 1, dtype=torch.float64)).exp()


PROCESSES = {"ar2": ar2, "seasonal": seasonal, "ou": ou}
"""Each has mean 0 and variance 1, and its autocorrelation is its law."""


class Series(Task):
    """Windows (N, context + 1) of series of numbers, each series brought to mean 0 and deviation 1.

    data: ar2 (a damped oscillation that noise keeps up), seasonal (a sine of random amplitude and phase in noise), ou
    (an Ornstein-Uhlenbeck process); or a .csv file with a column of numbers for each series, oldest first, whose last
    fifth is held out.
    """

    kind = "series"

    def __init__(self, data: str | Path = "ar2", context: int = 96, n: int = 4000, seed: int = 0) -> None:
        self.process = PROCESSES.get(str(data))
        if self.process:
            g = torch.Generator().manual_seed(seed)
            r = self.process(context)
            train, test = (draw(r, size, g).float() for size in (n, 1000))
            names, mean, deviation = [str(data)], [0.0], [1.0]
        else:
            names, table = read(data, context)
            cut = len(table) * 4 // 5
            center, scale = table[:cut].mean(0), table[:cut].std(0)
            if flat := [name for name, s in zip(names, scale, strict=True) if s == 0]:
                raise ValueError(f"{data}: {', '.join(flat)} never changes in the part to learn from")
            table = torch.from_numpy((table - center) / scale).float()
            # the held-out windows may look back on what was learned from, and predict what was not
            train, test = windows(table[:cut], context + 1, 1), windows(table[cut - context :], context + 1, 1)
            mean, deviation = center.tolist(), scale.tolist()
        super().__init__(train, test, context=context, names=names, mean=mean, deviation=deviation)

    def evaluate(self, model: Reference) -> list[Score]:
        """Likelihood of what was held out, coverage of intervals, and autocorrelation of what is generated."""
        x = self.splits["test"][0][:500].to(model.device)
        nats = -model.log_prob(x).mean().item() / x.shape[1]  # type: ignore[operator]
        walk = torch.distributions.Normal(x[:, :-1], x.diff(dim=1).std())
        baseline = -walk.log_prob(x[:, 1:]).mean().item()
        past, future = x[:200, :-12], x[:200, -12:].cpu()
        paths = futures(model, past, 12, 100)
        train = self.splits["train"][0]
        true, made = (autocorrelation(s) for s in (train, model.sample(1000).cpu()))
        return [
            Score("held-out NLL per value", nats, "nats", "lower", baseline, "random walk"),
            Score("coverage of 90 % intervals", coverage(paths, future), "share", "", 0.9, "what they promise"),
            Score(
                "largest error of the autocorrelation", (made - true).abs().max().item(), f"lags 1 to {LAGS}", "lower",
                true.abs().max().item(), "values in random order",
            ),
        ]  # fmt: skip


def draw(r: Tensor, n: int, g: torch.Generator | None = None) -> Tensor:
    """n Gaussian series with this autocorrelation: (T,) -> (n, T), float64."""
    return torch.randn(n, len(r), generator=g, dtype=torch.float64) @ torch.linalg.cholesky(toeplitz(r)).T


def forecast(r: Tensor, past: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """Mean (B, H) and deviation (H,) of the next H values given the past (B, P), exact; r covers P + H values."""
    k, p = toeplitz(r[: past.shape[1] + horizon]), past.shape[1]
    gain = torch.linalg.solve(k[:p, :p], k[:p, p:])
    return past.double() @ gain, (k[p:, p:] - k[p:, :p] @ gain).diagonal().sqrt()


def toeplitz(r: Tensor) -> Tensor:
    """The covariance matrix of a stationary series: (T,) -> (T, T)."""
    t = torch.arange(len(r))
    return r[(t[:, None] - t).abs()]


def autocorrelation(x: Tensor, lags: int = LAGS) -> Tensor:
    """Of series (n, T) with mean 0, at lags 1 to `lags`, pooled over all of them: (lags,)."""
    x = x.double() - x.double().mean()
    return torch.stack([(x[:, k:] * x[:, :-k]).mean() for k in range(1, lags + 1)]) / x.square().mean()


def futures(model: Reference, past: Tensor, horizon: int, paths: int) -> Tensor:
    """Sampled continuations of each past (B, P): (paths, B, horizon)."""
    x = model.sample(paths * len(past), past.repeat(paths, 1), length=past.shape[1] + horizon)  # type: ignore[call-arg]
    return x[:, past.shape[1] :].unflatten(0, (paths, len(past))).cpu()


def coverage(paths: Tensor, future: Tensor, level: float = 0.9) -> float:
    """Share of the true values (B, H) within the central interval of the paths (S, B, H) at each time."""
    low, high = torch.quantile(paths.double(), torch.tensor([(1 - level) / 2, (1 + level) / 2]).double(), 0)
    return ((future >= low) & (future <= high)).double().mean().item()


def crps(paths: Tensor, future: Tensor) -> Tensor:
    """Continuous ranked probability score E|X - x| - E|X - X'|/2 from S paths (S, B, H), unbiased: (B, H)."""
    s, ordered = len(paths), paths.double().sort(0).values
    rank = torch.arange(1 - s, s, 2, dtype=torch.float64).view(-1, 1, 1)
    spread = (rank * ordered).sum(0) * 2 / (s * (s - 1))
    return (paths.double() - future.double()).abs().mean(0) - spread / 2


def crps_gauss(mean: Tensor, deviation: Tensor, future: Tensor) -> Tensor:
    """The same of a Gaussian, in closed form."""
    normal = torch.distributions.Normal(torch.tensor(0.0).double(), torch.tensor(1.0).double())
    z = (future - mean) / deviation
    density = normal.log_prob(z).exp()
    return deviation * (z * (2 * normal.cdf(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))


def windows(table: Tensor, length: int, stride: int) -> Tensor:
    """All windows of each column of a table (T, S): (n, length)."""
    return table.unfold(0, length, stride).flatten(0, 1)


def read(source: str | Path, context: int) -> tuple[list[str], np.ndarray]:
    """Names and columns (T, S) of a .csv file of numbers; a header is optional."""
    if not Path(source).exists():
        raise FileNotFoundError(f"{source}: no such file, and no known process; known: {', '.join(PROCESSES)}")
    path = files.existing(source)
    if path.is_dir() or path.suffix != ".csv":
        raise ValueError(f"{path}: series are read from a .csv file with a column of numbers for each")
    try:
        with open(path, encoding="utf-8", newline="") as f:
            rows = [(i, row) for i, row in enumerate(csv.reader(f), 1) if row]
    except (UnicodeDecodeError, csv.Error) as err:
        raise ValueError(f"{path}: not a comma-separated UTF-8 text ({err})") from None
    names = [f"column {j}" for j in range(1, len(rows[0][1]) + 1)] if rows else []
    if rows and not any(number(cell) is not None for cell in rows[0][1]):
        names = rows.pop(0)[1]
    table = []
    for i, row in rows:
        if len(row) != len(names):
            raise ValueError(f"{path}, row {i}: {len(row)} cells, but {len(names)} columns")
        values = [number(cell) for cell in row]
        if None in values:
            j = values.index(None)
            raise ValueError(
                f"{path}, row {i}: {row[j]!r} in {names[j]!r} is no finite number; fill gaps, leave other columns out"
            )
        table.append(values)
    if len(table) < 3 * (context + 1):
        raise ValueError(f"{path}: {len(table)} rows of numbers; at least {3 * (context + 1)} are needed")
    return names, np.array(table, dtype=float)


def number(cell: str) -> float | None:
    """The finite number that a cell holds, or None."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
