"""Claims of time-series generation."""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from reference_impl.application.time_series_generation import TimeSeriesGenerator
from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.series import (
    LAGS,
    PROCESSES,
    Series,
    autocorrelation,
    coverage,
    crps,
    crps_gauss,
    forecast,
    futures,
)

NAMES = {"ar2": "AR(2)", "seasonal": "seasonal", "ou": "Ornstein-Uhlenbeck"}
HORIZON, PAST = 12, 60


@cache
def task(process: str) -> Series:
    """Each process is drawn once."""
    return Series(process)


@cache
@torch.enable_grad()
def trained(process: str) -> TimeSeriesGenerator:
    """The default model; the claims share its runs."""
    return run(TimeSeriesGenerator, task=task(process), evaluate=False).model


def split(process: str, n: int = 300) -> tuple[Tensor, Tensor]:
    """Held-out pasts (n, 60) and what followed (n, 12)."""
    x = task(process).splits["test"][0][:n]
    return x[:, :PAST], x[:, PAST : PAST + HORIZON]


def test_generated_series_have_the_true_autocorrelation(claim):
    fig, axes = figure(7.0, 2.4, columns=3, sharey=True)
    for ax, (name, law) in zip(axes, PROCESSES.items(), strict=True):
        true, real = law(LAGS)[1:], task(name).splits["train"][0]
        made = autocorrelation(trained(name).sample(1000))
        shuffled = autocorrelation(real.flatten()[torch.randperm(real.numel())].view_as(real))
        error, baseline = ((r - true).abs().max().item() for r in (made, shuffled))
        claim.measure(name, error, baseline=baseline)
        lags = np.arange(1, LAGS + 1)
        ax.plot(lags, true, color=PALETTE[2], label="true")
        ax.plot(lags, made, "o", color=PALETTE[0], markersize=3, label="generated")
        ax.plot(lags, shuffled, color=PALETTE[8], linestyle=":", label="in random order")
        ax.set(title=NAMES[name], xlabel="lag", xticks=(1, 5, 10, 15, 20))
    axes[0].set_ylabel("autocorrelation")
    axes[2].legend()
    claim.figure(
        "autocorrelation",
        fig,
        caption="Autocorrelation of 1,000 generated series beside the closed form of the process that the model was "
        "trained on. The same values in random order have the right histogram and none of it.",
        alt="Three panels: dots of generated series lie on the true curves, a dotted line stays at zero.",
    )

    fig, axes = figure(7.0, 3.6, 3, 2, sharex=True, sharey="row")
    for row, name in zip(axes, PROCESSES, strict=True):
        for ax, x, color in zip(
            row, (task(name).splits["test"][0], trained(name).sample(2)), PALETTE[2::-2], strict=True
        ):
            ax.plot(x[0], color=color, linewidth=1)
            ax.plot(x[1] - 7, color=color, linewidth=1)
            ax.set_yticks([])
        row[0].set_ylabel({"ou": "O.-U."}.get(name, NAMES[name]))
    axes[0, 0].set_title("true")
    axes[0, 1].set_title("generated")
    for ax in axes[2]:
        ax.set_xlabel("time")
    claim.figure(
        "hero",
        fig,
        caption="Two series of each process, held out on the left, generated from nothing on the right: an oscillation "
        "that noise keeps up, a season of random strength and phase, and a process that returns to its mean.",
        alt="Three rows of time series; those on the right look like those on the left.",
    )


def test_forecasts_are_calibrated_and_nearly_as_sharp_as_possible(claim):
    covered, ratio, skill = [], [], []
    for name, law in PROCESSES.items():
        past, future = split(name)
        paths = futures(trained(name), past, HORIZON, 200)
        exact = crps_gauss(*forecast(law(PAST + HORIZON), past, HORIZON), future.double())
        spread = past.double().diff(dim=1).std() * torch.arange(1, HORIZON + 1).sqrt()
        walk = crps_gauss(past[:, -1:].double(), spread, future.double())
        score = crps(paths, future).mean().item()
        covered.append(coverage(paths, future))
        ratio.append(score / exact.mean().item())
        skill.append(score / walk.mean().item())
    claim.measure("lowest_coverage", min(covered))
    claim.measure("highest_coverage", max(covered))
    claim.measure("crps", max(ratio), baseline=1.0)
    claim.measure("against_random_walk", max(skill), baseline=1.0)

    fig, axes = figure(7.0, 2.4, columns=3, sharey=True)
    then, ahead = np.arange(PAST - 24, PAST), np.arange(PAST, PAST + HORIZON)
    for ax, (name, law) in zip(axes, PROCESSES.items(), strict=True):
        past, future = (a[:1] for a in split(name))
        paths = futures(trained(name), past, HORIZON, 2000)[:, 0].numpy()
        mean, deviation = (a.flatten().numpy() for a in forecast(law(PAST + HORIZON), past, HORIZON))
        for level, alpha in ((0.9, 0.18), (0.5, 0.3)):
            low, high = np.quantile(paths, [(1 - level) / 2, (1 + level) / 2], axis=0)
            ax.fill_between(ahead, low, high, color=PALETTE[0], alpha=alpha, linewidth=0)
        bound = Normal(0.0, 1.0).icdf(torch.tensor(0.95)).item() * deviation
        ax.plot(ahead, mean - bound, "--", color=PALETTE[2], linewidth=1, label="exact 90 %")
        ax.plot(ahead, mean + bound, "--", color=PALETTE[2], linewidth=1)
        ax.plot(then, past[0, -24:], color=PALETTE[8], label="past")
        ax.plot(ahead, future[0], "o", color=PALETTE[1], markersize=3, label="what came")
        ax.set(title=NAMES[name], xlabel="time")
    axes[0].set_ylim(-3.2, 2.2)
    axes[0].legend(loc="lower left")
    claim.figure(
        "forecast",
        fig,
        caption="Twelve steps ahead of one held-out series of each process: intervals that hold 50 and 90 % of 2,000 "
        "sampled paths (shaded), and those of the exact law, given the same 60 values (dashed).",
        alt="Three fan charts whose shaded 90 percent band follows the dashed exact one.",
    )


@torch.enable_grad()
def trained_on_scales() -> TimeSeriesGenerator:
    """The default model on series each of which is multiplied by a number between 1/2 and 4, even on a log scale."""
    x = task("ar2").splits["train"][0]
    scaled = Task(x * 2 ** (3 * torch.rand(len(x), 1) - 1), context=x.shape[1] - 1)
    return run(TimeSeriesGenerator, task=scaled, evaluate=False).model


def test_intervals_know_only_what_training_has_shown(claim):
    scales, (past, future) = (0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0), split("ar2", 150)
    models = {"trained at scale 1": trained("ar2"), "trained at scales 1/2 to 4": trained_on_scales()}
    curves = [[coverage(futures(m, past * s, HORIZON, 100), future * s) for s in scales] for m in models.values()]
    narrow, wide = curves
    claim.measure("unseen", narrow[scales.index(2.0)], baseline=narrow[scales.index(1.0)])
    claim.measure("seen", wide[scales.index(2.0)])

    fig, ax = figure(6.0, 2.8)
    for (name, curve), marker in zip(zip(models, curves, strict=True), "os", strict=True):
        ax.plot(scales, curve, marker + "-", markersize=4, label=name)
    ax.axhline(0.9, color=PALETTE[8], linestyle=":")
    ax.set(xscale="log", xlabel="series multiplied by", ylabel="coverage of 90 % intervals", ylim=(0.25, 1.03))
    ax.set_xticks([0.5, 1, 2, 4], ["½", "1", "2", "4"])
    ax.minorticks_off()
    ax.legend(loc="lower left")
    claim.figure(
        "scales",
        fig,
        caption="Coverage of 90 % intervals on series that are multiplied by a number. Nothing tells the model trained "
        "at one scale that the noise may be stronger; trained on many scales, it reads the scale off the past.",
        alt="One curve falls from 0.9 with growing scale, the other stays near 0.9.",
    )
