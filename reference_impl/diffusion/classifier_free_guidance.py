"""Classifier-free guidance: one diffusion model with and without the label, and a dial between the two.

Idea
    Train a diffusion model on (x, y) and hide y in a tenth of the examples. The one network then
    predicts noise given the label, eps_c(x, t, y), and without it, eps_u(x, t). Sample with

        eps = eps_u + w (eps_c - eps_u).                                                      (1)

    Predicted noise is minus a scaled score, so by Bayes' rule the bracket is the slope of
    log p(y | x_t): what a classifier of noisy images would have to learn comes for free. w = 0
    ignores the label, w = 1 samples p(x | y), w > 1 exaggerates whatever speaks for y.
    The steps get the score of p_t(x)^(1-w) p_t(x | y)^w right at each noise level; but noising this
    density at t = 0 does not give the one at t, so samples do not follow it.

Source
    Ho & Salimans, "Classifier-Free Diffusion Guidance", 2022. arXiv:2207.12598

Differs from the paper
    The paper's weight is w - 1. Noise levels are the 100 discrete ones of DDPM; features of the label
    are learned and added to those of the time, and the label "none" is one class more.

Shapes
    B batch, C classes, E features of time and label.

Run
    genai-patterns run classifier_free_guidance guidance=4
"""

import torch
from pydantic import Field, NonNegativeFloat, field_validator
from torch import Tensor, nn

from reference_impl.core import Batch, Losses, main
from reference_impl.diffusion.ddpm import DDPM, DDPMConfig


class GuidanceConfig(DDPMConfig):
    """A diffusion model's settings, and what its condition is and does."""

    classes: int = 10
    """C, the number of labels."""
    guidance: NonNegativeFloat = 1.5
    """w, strength of the condition: 0 ignores it, 1 samples p(x | y), more exaggerates it."""
    dropout: float = Field(0.1, ge=0, le=1)
    """Share of the training examples whose condition is hidden."""

    @field_validator("classes")
    @classmethod
    def labels_exist(cls, classes: int) -> int:
        if classes < 1:
            raise ValueError("the data have no labels; bring some, or train ddpm, which needs none")
        return classes


class ClassifierFreeGuidance(DDPM):
    """Diffusion model that knows its data with and without the condition."""

    Config = GuidanceConfig
    conditional = True

    def network(self) -> nn.Module:
        """eps(x_t, t / T, y): of the shape of x_t."""
        net = super().network()
        net.condition = self.condition()
        return net

    def condition(self) -> nn.Module:
        """Features of the condition, which the network adds to those of the time: (B,) -> (B, E)."""
        width = (4 if self.image else 8) * self.cfg.hidden
        return nn.Embedding(self.cfg.classes + 1, width)

    def without(self, y: Tensor) -> Tensor:
        """The condition that says nothing, once for each row of y: (B, ...) -> (B,)."""
        return torch.full((len(y),), self.cfg.classes, device=y.device)

    def loss(self, batch: Batch) -> Losses:
        """DDPM's, with some of the conditions hidden, algorithm 1."""
        y = batch.y
        hide = torch.rand(len(y), device=y.device) < self.cfg.dropout
        y = torch.where(hide.view(-1, *[1] * (y.ndim - 1)), self.without(y), y)
        return super().loss(Batch(batch.x, y))

    def predict_noise(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Guided noise, (1), or eps_u where no condition is given: (B, *shape), (B,) -> (B, *shape)."""
        eps_u = super().predict_noise(x, t, self.without(x))
        if y is None:
            return eps_u
        # eps_u + w (eps_c - eps_u), without rounding at w = 0 and w = 1
        return eps_u.lerp(super().predict_noise(x, t, y), self.cfg.guidance)


if __name__ == "__main__":
    main(ClassifierFreeGuidance)
