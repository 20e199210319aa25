"""Claims of quantization."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from reference_impl.core import Batch, Task, run
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.inference.quantization import Quantization
from reference_impl.tasks import make
from reference_impl.transformer.gpt import GPT

METHODS = {"nearest": PALETTE[1], "compensated": PALETTE[0]}


@cache
def trained(seed: int) -> tuple[Task, GPT]:
    """A GPT of two layers after 300 steps on the catalog's prose."""
    task = make("text")
    return task, run(GPT, {"channels": 64, "layers": 2, "steps": 300}, task=task, seed=seed, evaluate=False).model


def rounded(model: GPT, bits: int, method: str, ids: Tensor) -> Quantization:
    """The same GPT in so many bits, calibrated on ids (B, T)."""
    cfg = Quantization.Config(**{**model.cfg.model_dump(), "bits": bits, "method": method})
    other = Quantization(cfg).to(model.token.weight.dtype)
    other.load_state_dict(model.state_dict(), strict=False)
    other.quantize(ids)
    return other


@torch.no_grad()
def perplexity(model: GPT, x: Tensor) -> float:
    """exp of the mean -log p per character of windows x (n, T + 1)."""
    return math.exp(model.loss(Batch(x))["loss"].item())


def size(tensors: dict[str, Tensor]) -> int:
    """Bytes."""
    return sum(t.numel() * t.element_size() for t in tensors.values())


@torch.no_grad()
def output_errors(model: GPT, bits: int, task: Task) -> dict[str, Tensor]:
    """By method, mean squared error of each layer's outputs over their mean square, on held-out text: (layers,)."""
    calibration, held_out = task.batch("train", 0, 16).x[:, :-1], task.batch("test", 0, 16).x[:, :-1]
    others = {m: dict(rounded(model, bits, m, calibration).named_parameters()) for m in METHODS}
    errors: dict[str, list[float]] = {m: [] for m in METHODS}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            h = Quantization.hessian(model, layer, held_out)
            for method, weights in others.items():
                w = layer.weight.double()
                e = w - weights[f"{name}.weight"]
                errors[method].append(((e @ h * e).sum() / (w @ h * w).sum()).item())
    return {method: torch.tensor(e) for method, e in errors.items()}


def test_packed_weights_come_back_exactly(claim):
    wrong, forms = 0.0, 0
    for bits in range(2, 9):
        # rows of 36 and 144 weights do not fill bytes with 3, 5 or 7 bits each
        model = GPT(GPT.Config(vocab=11, context=16, channels=36, heads=2, layers=1))
        for p in model.parameters():
            nn.init.normal_(p)
        one = rounded(model, bits, "compensated", torch.randint(11, (4, 16)))
        stored, empty = one.packed(), Quantization(one.cfg)
        empty.unpack(stored)
        wrong += sum((a != b).sum().item() for a, b in zip(one.parameters(), empty.parameters(), strict=True))
        forms += max(len(row.unique()) > 2**bits for p in one.parameters() for row in p)
    claim.measure("changed", wrong)
    claim.measure("values", forms)


def test_one_more_bit_gains_six_decibels(claim):
    w = torch.rand(64, 4096, dtype=torch.float64) * 2 - 1
    depths, signal = np.arange(2, 9), []
    for bits in depths.tolist():
        model = Quantization(Quantization.Config(vocab=64, channels=64, layers=1, bits=bits, method="nearest"))
        model.token = nn.Embedding.from_pretrained(w.clone(), freeze=False)
        model.token_weight_scale, model.token_weight_zero = w.new_ones(64, 1), w.new_zeros(64, 1)
        model.quantize(torch.zeros(1, 1, dtype=torch.long))
        signal.append((10 * (w.square().mean() / (model.token.weight - w).square().mean()).log10()).item())
    # the grid has 2^b values and so 2^b - 1 steps; per factor of two in steps
    steps = np.log2(2.0**depths - 1)
    claim.measure("slope", float(np.polyfit(steps, signal, 1)[0]))
    claim.measure("per_bit", float(np.polyfit(depths[3:], signal[3:], 1)[0]))
    claim.measure("distance", float(np.abs(np.array(signal) - 20 * np.log10(2.0**depths - 1)).max()))


def test_compensated_rounding_keeps_the_outputs(claim):
    errors: dict[int, dict[str, list[Tensor]]] = {bits: {m: [] for m in METHODS} for bits in (3, 4)}
    rise: dict[str, list[float]] = {m: [] for m in METHODS}
    for seed in range(3):
        task, model = trained(seed)
        for bits, by_method in errors.items():
            for method, e in output_errors(model, bits, task).items():
                by_method[method].append(e)
        x, calibration = task.windows(100).x, task.batch("train", 0, 16).x[:, :-1]
        full = perplexity(model, x)
        for method in METHODS:
            rise[method].append(perplexity(rounded(model, 3, method, calibration), x) - full)
    for bits, name in ((3, "three_bits"), (4, "four_bits")):
        means = {m: [e.mean().item() for e in seeds] for m, seeds in errors[bits].items()}
        claim.measure(name, means["compensated"], baseline=means["nearest"])
    ratio = [torch.stack(e["compensated"]) / torch.stack(e["nearest"]) for e in errors.values()]
    claim.measure("worst", torch.stack(ratio).amax().item())
    claim.measure("perplexity", rise["compensated"], baseline=rise["nearest"])

    layers = [n for n, m in model.named_modules() if isinstance(m, nn.Linear)]
    fig, ax = figure(6.6, 3.0)
    for i, (method, color) in enumerate(METHODS.items()):
        heights = 100 * torch.stack(errors[3][method]).mean(0)
        ax.bar(np.arange(len(layers)) + 0.4 * i - 0.2, heights.numpy(), 0.4, color=color, label=method)
    names = [n.replace("blocks.", "").replace(".", "\n") if "." in n else n for n in layers]
    ax.set_xticks(range(len(layers)), names)
    ax.set(xlabel="block and layer", ylabel="error of outputs, % of their power")
    ax.legend()
    claim.figure(
        "layers",
        fig,
        caption="Error of each layer's outputs on held-out text with weights of three bits, mean of three GPTs. Both "
        "methods use the same grid; letting the weights of a row make good each other's errors takes away most of it.",
        alt="Bars per layer: compensated rounding lies far below nearest rounding everywhere.",
    )

    w = model.blocks[0].qkv.weight[0].detach()
    grid = rounded(model, 3, "nearest", calibration).grid("blocks_0_qkv_weight")
    fig, ax = figure(6.0, 2.6)
    ax.hist(w.numpy(), 24, color=PALETTE[8], alpha=0.5)
    for value in grid.values(torch.arange(8.0))[0].tolist():
        ax.axvline(value, color=PALETTE[1], linewidth=1)
    ax.set(xlabel="weight", ylabel="weights of one row")
    claim.figure(
        "grid",
        fig,
        caption="The 64 weights of one row of a trained GPT, and the eight values that three bits leave to choose "
        "from: equal steps from the least weight to the largest, 0 among them. One large weight widens all steps.",
        alt="Histogram of weights with eight equally spaced vertical lines.",
    )


def test_eight_bits_are_nearly_free(claim):
    curves: dict[str, list[list[float]]] = {m: [] for m in METHODS}
    bytes_of: dict[int, float] = {}
    for seed in range(3):
        task, model = trained(seed)
        x, calibration = task.windows(100).x, task.batch("train", 0, 16).x[:, :-1]
        full = perplexity(model, x)
        for method, ratios in curves.items():
            models = [rounded(model, bits, method, calibration) for bits in range(2, 9)]
            ratios.append([perplexity(m, x) / full for m in models])
            whole = size(dict(model.named_parameters()))
            bytes_of = {m.cfg.bits: size(m.packed()) / whole for m in models}
    claim.measure("perplexity", [r[-1] for r in curves["nearest"]])
    claim.measure("bytes", bytes_of[8])
    claim.measure("four_bits", [r[2] for r in curves["compensated"]], baseline=[r[2] for r in curves["nearest"]])
    claim.measure("two_bits", [r[0] for r in curves["compensated"]], baseline=[r[0] for r in curves["nearest"]])

    fig, ax = figure(6.0, 3.2)
    for method, color in METHODS.items():
        for i, ratios in enumerate(curves[method]):
            share = [100 * b for b in bytes_of.values()]
            label = None if i else method
            ax.plot(share, ratios, "o-", color=color, markersize=3, linewidth=1, label=label)
    for bits, share in bytes_of.items():
        ax.annotate(f"{bits} bits", (100 * share, 0.98), ha="center", va="top", fontsize=8)
    ax.axhline(1, color=INK, linewidth=0.6)
    ax.set(xlabel="bytes stored, % of float32", ylabel="perplexity / that of float32", yscale="log", ylim=(0.92, 5))
    ax.set_yticks([1, 1.5, 2, 3, 4], ["1", "1.5", "2", "3", "4"])
    ax.minorticks_off()
    ax.legend()
    claim.figure(
        "hero",
        fig,
        caption="Held-out perplexity of three small GPTs against the bytes of their weights, grids included. Down to "
        "about five bits rounding costs next to nothing; below, it matters more and more how one rounds.",
        alt="Perplexity ratio rises as bytes shrink, steeply at two bits, and less with compensated rounding.",
    )
