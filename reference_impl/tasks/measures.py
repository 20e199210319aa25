"""What tests count about samples and training; the instruments themselves are `trust.sample_quality_metrics`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ..core.reference import Reference
from ..core.runner import run
from ..core.task import Task
from ..trust.sample_quality_metrics import frechet, neighborhoods, nn_accuracy


def modes_covered(x: Tensor, centers: Tensor, sigma: float, at_least: int) -> tuple[int, float]:
    """Modes (K, D) that at least so many samples (N, D) lie within 3 sigma of, and the share of samples near any."""
    distance, nearest = torch.cdist(x, centers).min(1)
    near = distance <= 3 * sigma
    counts = torch.bincount(nearest[near], minlength=len(centers))
    return int((counts >= at_least).sum()), float(near.double().mean())


def flops_per_step(cls: type[Reference], settings: dict[str, Any], task: Task) -> int:
    """Floating-point operations of one training step as torch counts them, backward passes included."""
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as prof:
        run(cls, {**settings, "steps": 1}, task=task, evaluate=False)
    return sum(event.flops for event in prof.key_averages())


__all__ = ["flops_per_step", "frechet", "modes_covered", "neighborhoods", "nn_accuracy"]
