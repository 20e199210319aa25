"""Networks that several references share."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def mlp(inputs: int, hidden: int, outputs: int, depth: int = 2) -> nn.Sequential:
    """`depth` hidden layers of SiLU units: (B, inputs) -> (B, outputs). hidden=0 is one linear map."""
    sizes = [inputs, *[hidden] * depth] if hidden else [inputs]
    layers: list[nn.Module] = []
    for i, o in pairwise(sizes):
        layers += [nn.Linear(i, o), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
