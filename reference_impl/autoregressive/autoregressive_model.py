"""Autoregressive model: one element after the other, each predicted from those before it.

Idea
    Fix any order of the D elements. The chain rule of probability holds for every distribution,

        p(x) = prod_d p(x_d | x_<d),                                             (1)

    so nothing is assumed by writing it down. What is left to choose is how to compute a law of
    x_d from x_<d, and whatever does so for all d, a table of counts, a regression, a network, gives
    probabilities that sum to one. The reference takes D networks that share nothing,

        p(x_d = v | x_<d) = softmax_v(B_d f(A_d x_<d + a_d) + b_d),              (2)

    with x_<d padded with zeros. Since log p(x) is a sum over d, maximum likelihood trains D
    classifiers side by side. Drawing takes D steps, as each needs the element drawn before.
    Real numbers get a mean and a scale instead of V logits,

        x_d = mu_d(x_<d) + sigma_d(x_<d) z_d,    z_d ~ N(0, 1).                  (3)

Source
    Bengio & Bengio, "Modeling High-Dimensional Discrete Data with Multi-Layer Neural Networks",
    1999. https://papers.nips.cc/paper/1679-modeling-high-dimensional-discrete-data-with-multi-layer-neural-networks
    Larochelle & Murray, "The Neural Autoregressive Distribution Estimator", 2011.
    https://proceedings.mlr.press/v15/larochelle11a.html

Differs from the paper
    The networks share no hidden units; the papers share them, to save weights (1999) or also so that a
    unit costs one addition per element (2011). SiLU instead of tanh and logistic units.

Shapes
    B batch, D elements, H hidden units of each network, V values of an element, P numbers that fix a
    conditional: V logits, or mean and log-scale of a real number.

Run
    genai-patterns run autoregressive_model order=random
"""

import math
from typing import Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main


class AutoregressiveConfig(Config):
    """Settings of the autoregressive model."""

    visible: PositiveInt = 64
    """D, the elements of an observation."""
    levels: NonNegativeInt = 2
    """V, the values of an element, evenly from 0 to 1; 0 for real numbers."""
    hidden: NonNegativeInt = 32
    """H, the hidden units of each element's network; 0 leaves regressions."""
    order: Literal["given", "random"] = "given"
    """In which order elements are predicted."""
    steps: NonNegativeInt = 1000
    lr: PositiveFloat = 3e-3
    cooldown: float = Field(0.5, ge=0, le=1)
    decay: float = Field(0.2, ge=0)
    """Weight decay, which keeps D networks from learning few observations by heart."""


class Apart(nn.Module):
    """A linear map for each element that shares nothing: (B, D, I) -> (B, D, O)."""

    def __init__(self, d: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d, inputs, outputs).uniform_(-1, 1) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(d, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bdi,dio->bdo", x, self.weight) + self.bias


class AutoregressiveModel(Reference):
    """Product of conditionals, each with a network of its own, in any order."""

    task = "bits"
    Config = AutoregressiveConfig

    def __init__(self, cfg: AutoregressiveConfig) -> None:
        super().__init__(cfg)
        d, each = cfg.visible, cfg.levels or 2
        last = Apart(d, cfg.hidden or d, each)
        first = [Apart(d, d, cfg.hidden), nn.SiLU()] if cfg.hidden else []
        self.networks = nn.Sequential(*first, last)
        # which element comes first, second, ...: (D)
        self.order = nn.Buffer(torch.randperm(d) if cfg.order == "random" else torch.arange(d))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"main": torch.optim.AdamW(self.parameters(), lr=self.cfg.lr, weight_decay=self.cfg.decay)}

    def seen(self) -> Tensor:
        """Row d is 1 at the elements that come before x_d, else 0: (D, D)."""
        place = self.order.argsort()
        return (place < place[:, None]).to(self.networks[-1].weight)

    def conditionals(self, x: Tensor) -> Tensor:
        """All D conditionals of (2) or (3) at once: (B, D) -> (B, D, P)."""
        return self.networks(x[:, None] * self.seen())

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, the logarithm of (1): (B, D) -> (B,)."""
        out = self.conditionals(x)
        if self.cfg.levels:
            value = (x * (self.cfg.levels - 1)).round().long()
            return out.log_softmax(-1).gather(-1, value[..., None]).sum((1, 2))
        mean, log_scale = out.unbind(-1)
        z = (x - mean) * (-log_scale).exp()
        return (-0.5 * (z.square() + math.log(2 * math.pi)) - log_scale).sum(1)

    def loss(self, batch: Batch) -> Losses:
        """Negative log-likelihood in nats per observation: D regressions in one sum."""
        return {"loss": -self.log_prob(batch.x).mean()}

    @torch.no_grad()
    def complete(self, x: Tensor, known: int = 0) -> Tensor:
        """Draw all but the first `known` elements of the order, given those: (B, D) -> (B, D)."""
        x, z = x.clone(), torch.randn_like(x)
        for d in self.order[known:].tolist():
            out = self.conditionals(x)[:, d]
            if self.cfg.levels:
                x[:, d] = torch.multinomial(out.softmax(-1), 1)[:, 0] / (self.cfg.levels - 1)
            else:
                x[:, d] = out[:, 0] + out[:, 1].exp() * z[:, d]  # (3)
        return x

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n draws of D elements one by one: (n, D)."""
        return self.complete(torch.zeros(n, self.cfg.visible, device=self.device))


if __name__ == "__main__":
    main(AutoregressiveModel)
