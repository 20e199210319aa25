"""What tests count about samples and training; the instruments themselves are `trust.sample_quality_metrics`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

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


class Operations(TorchDispatchMode):
    """Counts floating-point operations of convolutions and matrix products, backward passes included.

    torch's own FlopCounterMode stops at a gradient of a gradient, as penalties on slopes need.
    """

    counted = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count it."""
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.counted += formula(*args, **(kwargs or {}), out_val=out)
        return out


def flops_per_step(cls: type[Reference], settings: dict[str, Any], task: Task) -> int:
    """Floating-point operations of one training step, its backward passes included."""
    with Operations() as operations:
        run(cls, {**settings, "steps": 1}, task=task, evaluate=False)
    return operations.counted


__all__ = ["flops_per_step", "frechet", "modes_covered", "neighborhoods", "nn_accuracy"]
