"""Distances between samples and data; each is meaningful only beside its noise floor."""

from __future__ import annotations

import torch
from torch import Tensor


def frechet(a: Tensor, b: Tensor) -> float:
    """Frechet distance of Gaussians fitted to two samples (N, D), (M, D); 0 is best."""
    a, b = a.double(), b.double()
    gap, ca, cb = a.mean(0) - b.mean(0), a.T.cov(), b.T.cov()
    return float(gap @ gap + ca.trace() + cb.trace() - 2 * torch.linalg.eigvals(ca @ cb).real.clamp(min=0).sqrt().sum())


def nn_accuracy(a: Tensor, b: Tensor) -> float:
    """Leave-one-out nearest-neighbor two-sample test on (N, D), (N, D): 0.5 cannot be told apart, 1 always can."""
    z, label = torch.cat([a, b]).double(), torch.cat([torch.zeros(len(a)), torch.ones(len(b))])
    d = torch.cdist(z, z)
    d.fill_diagonal_(torch.inf)
    return float((label[d.argmin(1)] == label).double().mean())


def modes_covered(x: Tensor, centers: Tensor, sigma: float, at_least: int) -> tuple[int, float]:
    """Modes (K, D) that at least so many samples (N, D) lie within 3 sigma of, and the share of samples near any."""
    distance, nearest = torch.cdist(x, centers).min(1)
    near = distance <= 3 * sigma
    counts = torch.bincount(nearest[near], minlength=len(centers))
    return int((counts >= at_least).sum()), float(near.double().mean())
