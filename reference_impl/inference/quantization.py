"""Quantization: the weights of a trained GPT in few bits, rounded so that its outputs stay.

Idea
    Each row w of a weight matrix becomes whole numbers 0 .. 2^b - 1 on a grid between its least and largest weight,

        w_i ~ scale * (code_i - zero),    scale = (max - min) / (2^b - 1),

    so that b bits a weight and two numbers a row are stored. The error of rounding is about uniform, so one bit more
    halves it: 6.02 dB. But the error that counts is that of the output, tr(E H E') with E the error of the weights and
    H = X'X / n of the inputs X. Since inputs are correlated, the error of one weight can be made good by moving those
    of its row that are not rounded yet. With one column rounded after the other, the best move is

        w_j <- w_j - (w_i - round(w_i)) U_ij / U_ii   for j > i,        U'U = H^-1, U upper triangular.       (1)

Source
    Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2023.
    arXiv:2210.17323 (algorithm 1).

Differs from the paper
    Columns are rounded one by one instead of in blocks of 128, which changes speed and not the result. Packed weights
    are unpacked before use: the saving is in bytes stored and read, not in faster multiplications.

Shapes
    O outputs and I inputs of a matrix (O, I), n calibration inputs, b bits.

Run
    genai-patterns run quantization bits=3 method=nearest
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Metrics, Optimizers, Phase, main
from reference_impl.transformer.gpt import GPT


class QuantizationConfig(GPT.Config):
    """Settings of the GPT, and of how its weights are rounded after training."""

    bits: int = Field(4, ge=2, le=8)
    """b, bits of each weight."""
    method: Literal["compensated", "nearest"] = "compensated"
    """Whether the error of a weight is made good by the others of its row, or each goes to the nearest value."""
    damping: NonNegativeFloat = 0.01
    """Added to the diagonal of H, in units of its mean, so that it can be inverted."""
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    steps: NonNegativeInt = 800


class Grid(NamedTuple):
    """Values for the weights of each row: scale * (code - zero), from its least to its largest weight, 0 among them."""

    scale: Tensor
    """Step between two values, (O, 1)."""
    zero: Tensor
    """Code of the value 0, a whole number, (O, 1)."""
    top: int
    """Largest code, 2^b - 1."""

    def codes(self, w: Tensor) -> Tensor:
        """The nearest code of each weight: (O, I) -> (O, I), whole numbers."""
        return (w / self.scale + self.zero).round().clamp(0, self.top)

    def values(self, codes: Tensor) -> Tensor:
        """What the codes stand for: (O, I) -> (O, I)."""
        return self.scale * (codes - self.zero)


class Quantization(GPT):
    """GPT whose weights are rounded once it is trained; one more training batch calibrates."""

    Config = QuantizationConfig

    def __init__(self, cfg: QuantizationConfig) -> None:
        super().__init__(cfg)
        for name, w in self.matrices().items():
            self.register_buffer(f"{name}_scale", torch.ones(len(w), 1))
            self.register_buffer(f"{name}_zero", torch.zeros(len(w), 1))

    def matrices(self) -> dict[str, Tensor]:
        """What is rounded: every parameter with two dimensions, by a name without dots."""
        return {name.replace(".", "_"): p for name, p in self.named_parameters() if p.ndim == 2}

    def grid(self, name: str) -> Grid:
        """The grid of a matrix."""
        return Grid(self.get_buffer(f"{name}_scale"), self.get_buffer(f"{name}_zero"), 2**self.cfg.bits - 1)

    def phases(self) -> Sequence[Phase]:
        return (*super().phases(), Phase("quantize", 1, self.calibrate, {}))

    def calibrate(self, batch: Batch, opt: Optimizers) -> Metrics:
        before = self.loss(batch)["loss"]
        self.quantize(batch.x[:, :-1], opt.average)
        return {"before": before, "after": self.loss(batch)["loss"]}

    @torch.no_grad()
    def quantize(self, ids: Tensor, average: Callable[..., None] = lambda *_: None) -> None:
        """Round all matrices in place; ids (B, T) show the inputs that the layers get."""
        layers = {id(m.weight): m for m in self.modules() if isinstance(m, nn.Linear)}
        for name, w in self.matrices().items():
            low, high = w.amin(1, keepdim=True).clamp(max=0), w.amax(1, keepdim=True).clamp(min=0)
            scale = ((high - low) / (2**self.cfg.bits - 1)).clamp(min=1e-12)
            self.get_buffer(f"{name}_scale").copy_(scale)
            self.get_buffer(f"{name}_zero").copy_((-low / scale).round())
            grid, layer = self.grid(name), layers.get(id(w))
            if layer is None or self.cfg.method == "nearest":
                # of an embedding one row is read: there is no other weight to make an error good
                w.copy_(grid.values(grid.codes(w)))
            else:
                # layer after layer, with the inputs that the rounded layers before it give
                h = self.hessian(layer, ids)
                average(h)
                w.copy_(compensated(w, h, grid, self.cfg.damping))

    def hessian(self, layer: nn.Module, ids: Tensor) -> Tensor:
        """H = X'X / n of what a layer is given while reading ids (B, T): (I, I), float64."""
        seen: list[Tensor] = []
        hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].flatten(0, -2)))
        self.logits(ids)
        hook.remove()
        x = seen[0].double()
        return x.T @ x / len(x)

    def packed(self) -> dict[str, Tensor]:
        """All weights as they are stored: b bits each, packed into bytes, a grid for each row; the rest as it is."""
        stored = {name: p.detach() for name, p in self.named_parameters() if p.ndim != 2}
        for name, w in self.matrices().items():
            grid = self.grid(name)
            stored[f"{name}_codes"] = pack(grid.codes(w.detach()), self.cfg.bits)
            stored |= {f"{name}_scale": grid.scale, f"{name}_zero": grid.zero.to(torch.uint8)}
        return stored

    @torch.no_grad()
    def unpack(self, stored: dict[str, Tensor]) -> None:
        """Take all weights from what `packed` gave."""
        for name, p in self.named_parameters():
            if p.ndim != 2:
                p.copy_(stored[name])
        for name, w in self.matrices().items():
            self.get_buffer(f"{name}_scale").copy_(stored[f"{name}_scale"])
            self.get_buffer(f"{name}_zero").copy_(stored[f"{name}_zero"])
            w.copy_(self.grid(name).values(unpack(stored[f"{name}_codes"], self.cfg.bits, w.shape[1])))


def compensated(w: Tensor, h: Tensor, grid: Grid, damping: float = 0.01) -> Tensor:
    """Values of the grid for the weights (O, I) that keep the outputs, given H (I, I) of the inputs."""
    w = w.double()
    # inputs that never occur leave H without an inverse
    h = h + (damping * h.diagonal().mean() + 1e-12) * torch.eye(len(h)).to(h)
    u = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    for i in range(len(h)):
        value = grid.values(grid.codes(w[:, i : i + 1]))
        # (1)
        error = (w[:, i : i + 1] - value) / u[i, i]
        w[:, i + 1 :] -= error * u[i, i + 1 :]
        w[:, i : i + 1] = value
    return w


def pack(codes: Tensor, bits: int) -> Tensor:
    """Codes (O, I) bit after bit in bytes: (O, ceil(I * bits / 8)), uint8."""
    flags = codes.to(torch.uint8)[..., None] >> torch.arange(bits, device=codes.device) & 1
    flags = nn.functional.pad(flags.flatten(1), (0, -codes.shape[1] * bits % 8)).unflatten(1, (-1, 8))
    return (flags << torch.arange(8, device=codes.device)).sum(-1).to(torch.uint8)


def unpack(stored: Tensor, bits: int, columns: int) -> Tensor:
    """The codes (O, columns) that `pack` stored."""
    flags = (stored[..., None] >> torch.arange(8, device=stored.device) & 1).flatten(1)[:, : columns * bits]
    return (flags.unflatten(1, (-1, bits)) << torch.arange(bits, device=stored.device)).sum(-1)


if __name__ == "__main__":
    main(Quantization)
