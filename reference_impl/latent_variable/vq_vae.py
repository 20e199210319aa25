"""VQ-VAE: an autoencoder whose code is a few tokens, and a language model of those tokens.

Idea
    The encoder puts a vector z_e at each place of a small grid, and each is replaced by the nearest
    of K vectors e_k, the codebook, which encoder and decoder share:

        token = argmin_k ||z_e - e_k||,    z_q = e_token.                                     (1)

    An image is then T tokens of log2 K bits. Choosing has no gradient, so the decoder's gradient at
    z_q is handed to z_e as it is, and a second term keeps z_e near its code,

        L = ||x - g(z_q)||^2 + beta ||z_e - sg[z_q]||^2,                                      (2)

    sg[.] being constant for the gradient. A code is the running mean of the vectors that chose it,
    as in online k-means. No prior takes part, so no code is driven to silence. Afterward a GPT
    learns which tokens follow which; its samples, decoded, are new images.

Source
    van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning", 2017.
    arXiv:1711.00937 (eq. 1 to 3; running means: appendix A.1)

Differs from the paper
    A GPT instead of a PixelCNN; small convolutions without residual blocks; beta is 1, not 0.25.
    A code that hardly anything chooses moves beside one in use, as cells are split in the design
    of quantizers (Linde, Buzo & Gray, 1980, doi:10.1109/TCOM.1980.1094577); the paper's stay.

Shapes
    B batch, K codes, D numbers in a code, (h, w) grid, T = h w tokens, Z = T D.

Run
    genai-patterns run vq_vae codes=16
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Metrics, Optimizers, Phase, Reference, main
from reference_impl.transformer.gpt import GPT


class VQVAEConfig(Config):
    """Settings of the VQ-VAE."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one image: channels, height, width."""
    codes: PositiveInt = 64
    """K, the number of codes."""
    code_dim: PositiveInt = 8
    """D, the numbers in a code."""
    hidden: PositiveInt = 32
    """Channels of the convolutions."""
    commitment: NonNegativeFloat = 1.0
    """beta, the weight of the second term of (2)."""
    codebook: Literal["means", "gradient"] = "means"
    """Codes are running means and restart where unused, or descend the second term of eq. 3."""
    decay: float = Field(0.98, ge=0, lt=1)
    """Share of the running means that one step keeps."""
    restart: float = Field(0.1, ge=0, lt=1)
    """A code used less than this share of the average moves; 0 turns restarts off."""
    steps: NonNegativeInt = 3000
    """Steps of the autoencoder."""
    prior_share: float = Field(0.25, ge=0)
    """Steps of the prior for each step of the autoencoder."""
    channels: PositiveInt = 64
    """Width of the prior's residual stream, shared by its four attention heads."""
    layers: PositiveInt = 2
    """Blocks of the prior."""
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 4e-3
    cooldown: float = Field(0.8, ge=0, le=1)


class VQVAE(Reference):
    """Vector-quantized autoencoder with a Transformer prior over its tokens."""

    task = "images"
    Config = VQVAEConfig

    def __init__(self, cfg: VQVAEConfig) -> None:
        super().__init__(cfg)
        c, h, d = cfg.shape[0], cfg.hidden, cfg.code_dim
        # twice half the height and width, rounded up
        self.grid = tuple((side + 3) // 4 for side in cfg.shape[1:])
        self.encoder = nn.Sequential(
            *(nn.Conv2d(c, h, 3, 2, 1), nn.SiLU(), nn.Conv2d(h, 2 * h, 3, 2, 1), nn.SiLU()),
            *(nn.Conv2d(2 * h, 2 * h, 3, 1, 1), nn.SiLU(), nn.Conv2d(2 * h, d, 1)),
        )
        self.decoder = nn.Sequential(
            *(nn.Conv2d(d, 2 * h, 3, 1, 1), nn.SiLU(), nn.ConvTranspose2d(2 * h, h, 4, 2, 1), nn.SiLU()),
            *(nn.ConvTranspose2d(h, h, 4, 2, 1), nn.SiLU(), nn.Conv2d(h, c, 3, 1, 1)),
        )
        self.codes = nn.Parameter(torch.empty(cfg.codes, d).uniform_(-1 / cfg.codes, 1 / cfg.codes))
        self.codes.requires_grad_(cfg.codebook == "gradient")
        self.usage = nn.Buffer(torch.full((cfg.codes,), 1 / cfg.codes))
        same = cfg.model_dump(include={"channels", "layers"})
        # one token more, K, which starts every row
        self.prior = GPT(GPT.Config(vocab=cfg.codes + 1, context=self.grid[0] * self.grid[1], **same))

    def features(self, x: Tensor) -> Tensor:
        """z_e: (B, C, H, W) -> (B, T, D)."""
        return self.encoder(x).flatten(2).mT

    def nearest(self, z: Tensor) -> Tensor:
        """Index of the nearest code, (1): (B, T, D) -> (B, T)."""
        return (self.codes.square().sum(1) - 2 * z @ self.codes.T).argmin(-1)

    def tokens(self, x: Tensor) -> Tensor:
        """The discrete code: (B, C, H, W) -> (B, T) in {0, ..., K-1}."""
        return self.nearest(self.features(x))

    def vectors(self, tokens: Tensor) -> Tensor:
        """z_q of tokens: (B, T) -> (B, Z)."""
        return self.codes[tokens].flatten(1)

    def encode(self, x: Tensor) -> Tensor:
        """z_q: (B, C, H, W) -> (B, Z)."""
        return self.vectors(self.tokens(x))

    def decode(self, z: Tensor) -> Tensor:
        """g(z): (B, Z) -> (B, C, H, W)."""
        h, w = self.cfg.shape[1:]
        grid = z.view(len(z), -1, self.cfg.code_dim).mT.unflatten(2, self.grid)
        return self.decoder(grid)[:, :, :h, :w]

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def losses(self, x: Tensor, z: Tensor) -> Losses:
        """(2) for images and their z_e, summed over an image, mean over the batch."""
        q = self.codes[self.nearest(z)]
        # forward z_q, backward as if it were z_e
        out = self.decode((z + (q - z).detach()).flatten(1))
        error = (out - x).square().sum((1, 2, 3)).mean()
        commitment = (z - q.detach()).square().sum((1, 2)).mean()
        loss = error + self.cfg.commitment * commitment
        if self.codes.requires_grad:
            # the second term of eq. 3
            loss = loss + (z.detach() - q).square().sum((1, 2)).mean()
        return {"loss": loss, "error": error, "commitment": commitment}

    def loss(self, batch: Batch) -> Losses:
        return self.losses(batch.x, self.features(batch.x))

    def phases(self) -> Sequence[Phase]:
        cfg = self.cfg
        learned = [p for p in [*self.encoder.parameters(), *self.decoder.parameters(), self.codes] if p.requires_grad]
        return (
            Phase("tokens", cfg.steps, self.step, {"main": torch.optim.AdamW(learned, lr=cfg.lr)}),
            Phase("prior", round(cfg.prior_share * cfg.steps), self.learn_prior, self.prior.optimizers()),
        )

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = self.losses(batch.x, z := self.features(batch.x))
        opt.minimize("main", losses["loss"])
        self.follow(z.detach().flatten(0, 1).float(), opt)
        return {**losses, "perplexity": torch.special.entr(self.usage).sum().exp()}

    @torch.no_grad()
    def follow(self, z: Tensor, opt: Optimizers) -> None:
        """Keep running means, appendix A.1, of how many z_e (N, D) chose each code and of their sum."""
        chosen = self.nearest(z)
        share = torch.zeros_like(self.usage).index_add(0, chosen, torch.ones_like(z[:, 0])) / len(z)
        total = torch.zeros_like(self.codes).index_add(0, chosen, z) / len(z)
        opt.average(share, total)
        before = self.usage[:, None] * self.codes
        self.usage.lerp_(share, 1 - self.cfg.decay)
        if self.cfg.codebook == "means":
            self.codes.copy_(before.lerp(total, 1 - self.cfg.decay) / self.usage[:, None].clamp(min=1e-12))
            self.restart()

    def restart(self) -> None:
        """Move each code that is hardly used beside one in use, drawn by use; the two share what chose it."""
        for i in (self.usage < self.cfg.restart / self.cfg.codes).nonzero()[:, 0]:
            j = torch.multinomial(self.usage, 1)[0]
            self.codes[i] = self.codes[j] * (1 + 0.01 * torch.randn(1, self.cfg.code_dim, device=self.device)[0])
            self.usage[i] = self.usage[j] = self.usage[j] / 2

    def learn_prior(self, batch: Batch, opt: Optimizers) -> Metrics:
        with torch.no_grad():
            rows = F.pad(self.tokens(batch.x), (1, 0), value=self.cfg.codes)
        losses = self.prior.loss(Batch(rows))
        opt.minimize("main", losses["loss"])
        return losses

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Images of n rows of tokens from the prior: (n, C, H, W)."""
        start = torch.full((n, 1), self.cfg.codes, device=self.device)
        # a trained prior does not start again within a row
        tokens = self.prior.sample(n, start)[:, 1:].clamp(max=self.cfg.codes - 1)
        return self.decode(self.vectors(tokens))


if __name__ == "__main__":
    main(VQVAE)
