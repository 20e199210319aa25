"""Conditional VAE: a VAE that is told part of what it would otherwise have to encode.

Idea
    What is known about an image, its label or its visible half y, is given to encoder, decoder and
    prior. They model p(x|y), and the latent z is left with what y does not say. The bound is the
    VAE's with y behind every bar,

        log p(x|y) >= E_q(z|x,y)[log p(x|y,z)] - KL(q(z|x,y) || p(z|y)),                      (1)

    where p(z|y) = N(m(y), s(y)^2) is learned. In z = m(y) + s(y) u, a fixed y and many draws of u
    give many answers to one question, a fixed u and many y one style in many classes.

    With C equally frequent labels and any guess q(y|x), averaging (1) gives a bound without y,

        log p(x) >= sum_y q(y|x) (bound(x|y) - log q(y|x)) - log C.                           (2)

    The best guess is q(y|x) ~ exp bound(x|y): the model is also a classifier.

Source
    Sohn, Lee & Yan, "Learning Structured Output Representation using Deep Conditional Generative
    Models", 2015 (section 4). https://papers.nips.cc/paper/2015/hash/8d55a249e6baa5c06772297520da2051-Abstract.html
    Kingma, Rezende, Mohamed & Welling, "Semi-supervised Learning with Deep Generative Models",
    2014. arXiv:1406.5298 (model M2: eq. 6 and 7)

Differs from the papers
    Fully connected. No deterministic first guess is given to the networks and no second loss is
    mixed in, as Sohn et al. do. All labels are known, and q(y|x) follows from the bounds
    instead of being a network of its own (Kingma et al.).

Shapes
    B batch, Z latent dimensions, K numbers that hold the condition, C classes.

Run
    genai-patterns run conditional_vae latent_dim=8
"""

import math
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat
from torch import Tensor, nn

from reference_impl.blocks import mlp
from reference_impl.core import Batch, Losses, main
from reference_impl.latent_variable.vae import VAE, VAEConfig


class ConditionalVAEConfig(VAEConfig):
    """A VAE's settings and what it is conditioned on."""

    likelihood: Literal["bernoulli", "gaussian"] = "gaussian"
    variance: PositiveFloat = 0.02
    classes: NonNegativeInt = 10
    """C, the number of labels. Fewer than two say nothing, and leave the VAE."""
    condition_dim: NonNegativeInt = 0
    """Numbers in a condition that is no label, such as half an image; 0 where it is a label."""
    steps: NonNegativeInt = 2000


class ConditionalVAE(VAE):
    """VAE whose encoder, decoder and prior are given a label, a vector or an image."""

    Config = ConditionalVAEConfig

    def __init__(self, cfg: ConditionalVAEConfig) -> None:
        super().__init__(cfg)
        self.labels = cfg.classes if cfg.classes > 1 and not cfg.condition_dim else 0
        # without a condition the VAE's networks stay, and its prior N(0, I)
        if k := cfg.condition_dim or self.labels:
            d, z = prod(cfg.shape), cfg.latent_dim
            self.encoder = mlp(d + k, cfg.hidden, 2 * z)
            self.decoder = nn.Sequential(*mlp(z + k, cfg.hidden, d), nn.Unflatten(1, cfg.shape))
            self.prior = mlp(k, cfg.hidden, 2 * z)

    @property
    def conditional(self) -> bool:
        """Whether samples can be asked for by `y`."""
        return bool(self.labels or self.cfg.condition_dim)

    def condition(self, y: Tensor | None) -> Tensor:
        """Labels (B,) or numbers (B, ...) as the networks see them: (B, K).

        Raises ValueError where there is none.
        """
        if y is None:
            raise ValueError("a condition that is no label cannot be guessed: give y")
        return 1.0 * F.one_hot(y, self.labels) if self.labels else y.flatten(1)

    def joined(self, a: Tensor, y: Tensor | None) -> Tensor:
        """Images or latents with their condition behind them: (B, ...), (B, ...) -> (B, A + K)."""
        return torch.cat([a.flatten(1), self.condition(y)], 1) if self.conditional else a

    def scales(self, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean m(y) and deviation s(y) of the prior: (B, ...) -> (B, Z), (B, Z)."""
        m, log_var = self.prior(self.condition(y)).chunk(2, dim=1)
        return m, (log_var / 2).exp()

    def latent(self, u: Tensor, y: Tensor | None) -> Tensor:
        """z of p(z|y) for u of N(0, I): (B, Z), (B, ...) -> (B, Z)."""
        if not self.conditional:
            return u
        m, s = self.scales(y)
        return m + s * u

    def divergence(self, mu: Tensor, sigma: Tensor, y: Tensor | None) -> Tensor:
        """KL(N(mu, sigma^2) || p(z|y)) in nats: (B, Z), (B, Z), (B, ...) -> (B,)."""
        if self.conditional:
            # measured in units in which the prior is N(0, I), a divergence stays what it is
            m, s = self.scales(y)
            mu, sigma = (mu - m) / s, sigma / s
        return self.rate(mu, sigma)

    def bound(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Distortion and rate of (1), from one draw of z, in nats: (B,), (B,)."""
        mu, sigma = self.posterior(self.joined(x, y))
        z = mu + sigma * torch.randn_like(mu)
        return -self.log_likelihood(x, self.joined(z, y)), self.divergence(mu, sigma, y)

    def loss(self, batch: Batch) -> Losses:
        """Negative of (1) in nats per observation."""
        distortion, rate = (t.mean() for t in self.bound(batch.x, batch.y))
        return {"loss": distortion + rate, "distortion": distortion, "rate": rate}

    def each_label(self, x: Tensor) -> list[Tensor]:
        """Every label in turn, for all of x: C tensors (B,)."""
        return [torch.full((len(x),), c, device=x.device) for c in range(self.labels)]

    def classify(self, x: Tensor) -> Tensor:
        """q(y|x), from the bounds (1) with z at its posterior mean: (B, *shape) -> (B, C)."""
        scores = []
        for y in self.each_label(x):
            mu, sigma = self.posterior(self.joined(x, y))
            scores.append(self.log_likelihood(x, self.joined(mu, y)) - self.divergence(mu, sigma, y))
        return torch.stack(scores, 1).softmax(1)

    def elbo(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Unbiased estimate of the bound on log p(x|y), or on log p(x) without y, in nats: (B,)."""
        if y is None and self.labels:
            q, bounds = self.classify(x), [self.elbo(x, y) for y in self.each_label(x)]
            # (2), with -q log q = entr(q)
            return (q * torch.stack(bounds, 1) + torch.special.entr(q)).sum(1) - math.log(self.labels)
        distortion, rate = self.bound(x, y)
        return -(distortion + rate)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of q(z|x, y) and the condition beside it; a label not given is guessed: (B, Z + K)."""
        if y is None and self.labels:
            y = self.classify(x).argmax(1)
        return self.joined(self.posterior(self.joined(x, y))[0], y)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x, y))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Means of p(x|y, z) for n draws of z; labels not given are drawn, too: (n, *shape)."""
        if y is None and self.labels:
            y = torch.randint(self.labels, (n,), device=self.device)
        u = torch.randn(n, self.cfg.latent_dim, device=self.device)
        return self.decode(self.joined(self.latent(u, y), y))


if __name__ == "__main__":
    main(ConditionalVAE)
