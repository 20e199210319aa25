"""Sparse autoencoder: describe each observation by a few atoms out of a large, learned dictionary.

Idea
    Encoder and decoder are linear, with more units than inputs, and only the k units with the
    largest activation may speak:

        a = W_e (x - c) + b_e,    z = TopK(a),    r(x) = W_d z + b_d + c,    L = E ||x - r(x)||^2,

    with c the mean of the data. Column j of W_d is the atom of unit j. If the data are sums of few
    features out of many, the shortest description uses the features themselves, so training finds
    them as atoms, even when they are more than the inputs have dimensions. The code is a list of
    what is there, with strengths; it has no distribution to sample from. `sample` lets every unit
    fire as often and as strongly as it does on data, but independently of the others, and shows
    what that lacks.

Source
    Makhzani & Frey, "k-Sparse Autoencoders", 2014. arXiv:1312.5663

Differs from the paper
    The encoder starts as the transpose of a decoder with atoms of length one and is free from then
    on, and data are centered, as in Gao et al., 2024 (arXiv:2406.04093); the paper keeps both tied
    and lowers k while it trains.

Shapes
    B batch, D = prod(shape) numbers per observation, Z units of which k are active.

Run
    genai-patterns run sparse_autoencoder k=4
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from torch import Tensor

from reference_impl.core import Task, main
from reference_impl.latent_variable.autoencoder import Autoencoder, AutoencoderConfig

EXAMPLES = 256
"""Observations that are kept to know how often and how strongly each unit fires."""


class SparseAutoencoderConfig(AutoencoderConfig):
    """Size of the dictionary and of a description."""

    latent_dim: PositiveInt = 256
    """Z, the number of units, each with an atom."""
    hidden: Literal[0] = 0
    """Encoder and decoder are linear."""
    k: PositiveInt = Field(8, validate_default=True)
    """Units that are active in each code."""
    tied: bool = True
    """Whether data are centered and the encoder starts as the decoder's transpose; else many units never fire."""
    lr: PositiveFloat = 3e-3

    @field_validator("k")
    @classmethod
    def _enough_units(cls, k: int, info: ValidationInfo) -> int:
        units = info.data.get("latent_dim", k)
        if k > units:
            raise ValueError(f"only {units} units (latent_dim) can be active; give a smaller k or more units")
        return k


class SparseAutoencoder(Autoencoder):
    """Linear autoencoder that keeps the k largest activations."""

    Config = SparseAutoencoderConfig

    def __init__(self, cfg: SparseAutoencoderConfig) -> None:
        super().__init__(cfg)
        self.center: Tensor
        self.examples: Tensor
        self.register_buffer("center", torch.zeros(cfg.shape))
        self.register_buffer("examples", torch.zeros(EXAMPLES, *cfg.shape))
        if cfg.tied:
            encoder, decoder = self.encoder[1], self.decoder[0]
            with torch.no_grad():
                decoder.weight.copy_(F.normalize(decoder.weight, dim=0))
                # each unit answers to its own atom
                encoder.weight.copy_(decoder.weight.T)
                for layer in (encoder, decoder):
                    layer.bias.zero_()

    @property
    def atoms(self) -> Tensor:
        """What each unit adds to an observation: (Z, *shape)."""
        return self.decoder[0].weight.detach().T.unflatten(1, self.cfg.shape)

    def prepare(self, task: Task) -> None:
        x = task.splits["train"][0].to(self.examples)
        self.examples.copy_(x[torch.arange(EXAMPLES) % len(x)])
        if self.cfg.tied:
            self.center.copy_(x.mean(0))

    def encode(self, x: Tensor) -> Tensor:
        """z: (B, *shape) -> (B, Z), zero but for the k largest activations."""
        a = self.encoder(x - self.center)
        top = a.topk(self.cfg.k, dim=1)
        return torch.zeros_like(a).scatter(1, top.indices, top.values)

    def decode(self, z: Tensor) -> Tensor:
        """(B, Z) -> (B, *shape)."""
        return self.decoder(z) + self.center

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Decodes codes whose units were drawn one by one from the codes of examples: (n, *shape)."""
        z = self.encode(self.examples)
        rows = torch.randint(0, EXAMPLES, (n, self.cfg.latent_dim), device=self.device)
        return self.decode(z.gather(0, rows))


if __name__ == "__main__":
    main(SparseAutoencoder)
