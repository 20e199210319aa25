"""Claims of the masked autoregressive flow."""

import math
from unittest.mock import patch

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_wine
from torch import Tensor

from reference_impl.autoregressive.made import MADE
from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.flow.masked_autoregressive_flow import MAF
from reference_impl.flow.realnvp import RealNVP


def random_flow(d: int, layers: int) -> MAF:
    """A flow far from the identity."""
    flow = MAF(MAF.Config(shape=(d,), layers=layers)).eval()
    for layer in flow.chain:
        torch.nn.init.normal_(layer.made.layers[-1].weight, std=0.1)
    return flow


def test_density_takes_one_pass_and_sampling_d(claim):
    d, layers = 12, 3
    flow, x = random_flow(d, layers), torch.randn(200, d)
    with torch.no_grad(), patch.object(MADE, "conditionals", autospec=True, side_effect=MADE.conditionals) as calls:
        flow.log_prob(x)
        density = calls.call_count
        flow.sample(200)
        claim.measure("sampling", (calls.call_count - density) / layers, baseline=density / layers)
        claim.measure("inverse", (flow.reconstruct(x) - x).abs().max().item())
    double = flow.double()
    x = x[:20].double()
    jacobian = torch.func.vmap(torch.func.jacrev(lambda v: double.encode(v[None])[0]))(x)
    exact = torch.linalg.slogdet(jacobian).logabsdet
    claim.measure("log_det", (double.transform(x)[1] - exact).abs().max().item())


def test_one_layer_is_made(claim):
    settings = {"shape": (6,), "hidden": 32, "depth": 2, "dropout": 0.0}
    made = MADE(MADE.Config(**settings, levels=0, orders=1)).eval()
    # the bound is out of reach: tanh then leaves log-scales as MADE has them
    flow, deep = (MAF(MAF.Config(**settings, layers=k, bound=1e4)).eval() for k in (1, 2))
    for model in (flow, deep):
        for layer in model.chain:
            layer.made.load_state_dict(made.state_dict())
    x = torch.randn(100, 6)
    with torch.no_grad():
        gap, other = ((model.log_prob(x) - made.log_prob(x)).abs().max().item() for model in (flow, deep))
        # MADE's own way of drawing, one number at a time, with the noise that the flow decodes
        z = torch.randn(100, 6)
        noise = iter(z.T)
        with patch("torch.randn_like", side_effect=lambda _: next(noise)):
            drawn = made.complete(torch.zeros(100, 6))
        claim.measure("density", gap, baseline=other)
        claim.measure("draws", (flow.decode(z) - drawn).abs().max().item())


def table(load, seed: int) -> Task:
    """A fifth of the rows held out at random, columns standardized by the others."""
    x = torch.tensor(load().data, dtype=torch.float32)
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]
    test, train = x[: len(x) // 5], x[len(x) // 5 :]
    mean, std = train.mean(0), train.std(0)
    return Task((train - mean) / std, (test - mean) / std, shape=[x.shape[1]], levels=0)


def held_out(model, task: Task) -> float:
    """Negative log-likelihood in nats per row."""
    with torch.no_grad():
        return -model.log_prob(task.splits["test"][0]).mean().item()


TRAINING = {"steps": 400, "batch_size": 64, "dropout": 0.2, "lr": 1e-3, "clip": 5.0}


def test_fits_a_table_better_than_realnvp(claim):
    nll, sizes = {"maf": [], "realnvp": []}, {}
    for seed in range(3):
        task = table(load_breast_cancer, seed)
        for name, kind, shape in (
            ("maf", MAF, {"layers": 3, "hidden": 124, "depth": 1}),
            ("realnvp", RealNVP, {"layers": 10, "hidden": 28}),
        ):
            model = run(kind, {**TRAINING, **shape}, task=task, seed=seed, evaluate=False).model
            nll[name].append(held_out(model, task))
            sizes[name] = sum(p.numel() for p in model.parameters())
    gains = np.subtract(nll["realnvp"], nll["maf"])
    claim.measure("nll", nll["maf"], baseline=nll["realnvp"])
    claim.measure("standard_errors", gains.mean() / (gains.std(ddof=1) / math.sqrt(3)))
    claim.measure("parameters", sizes["maf"], baseline=sizes["realnvp"])


def test_a_gaussian_is_enough_for_143_rows(claim):
    flows, gaussians = [], []
    for seed in range(3):
        task = table(load_wine, seed)
        x = task.splits["train"][0]
        settings = {**TRAINING, "layers": 3, "hidden": 64, "depth": 1}
        flows.append(held_out(run(MAF, settings, task=task, seed=seed, evaluate=False).model, task))
        law = torch.distributions.MultivariateNormal(x.mean(0), x.T.cov())
        gaussians.append(held_out(law, task))
    claim.measure("nll", flows, baseline=gaussians)


def banana(n: int) -> Tensor:
    """x2 ~ N(0, 4), then x1 ~ N(x2^2 / 4, 1): (n, 2)."""
    second = 2 * torch.randn(n)
    return torch.stack([second.square() / 4 + torch.randn(n), second], 1)


def log_banana(x: Tensor) -> Tensor:
    """Its log-density: (B, 2) -> (B,)."""
    first = (x[:, 0] - x[:, 1].square() / 4).square()
    return -0.5 * (first + x[:, 1].square() / 4) - math.log(4 * math.pi)


def test_one_layer_depends_on_the_order(claim):
    x, test = banana(20_000), banana(10_000)
    truth = log_banana(test).mean().item()
    flows, gaps = {}, {}
    # MADE's order is that of the columns: as drawn x1 comes first, flipped x2 does
    for name, flip, layers in (("x1 first", False, 1), ("x2 first", True, 1), ("x1 first, 5 layers", False, 5)):
        turn = (lambda v: v.flip(1)) if flip else (lambda v: v)
        task = Task(turn(x), shape=[2])
        flow = run(MAF, {"layers": layers, "steps": 800, "lr": 3e-3}, task=task, evaluate=False).model
        with torch.no_grad():
            gaps[name] = truth - flow.log_prob(turn(test)).mean().item()
        flows[name] = flow, turn
    claim.measure("wrong", gaps["x1 first"], baseline=gaps["x2 first"])
    claim.measure("deep", gaps["x1 first, 5 layers"])

    low, high, cells = torch.tensor([-4.0, -6.0]), torch.tensor([9.0, 6.0]), 110
    ticks = [(torch.arange(cells) + 0.5) / cells * (b - a) + a for a, b in zip(low, high, strict=True)]
    grid = torch.cartesian_prod(*ticks)
    fig, axes = figure(7.0, 2.9, 2, 4, height_ratios=[2.2, 1])
    pictures = {"density of the data": log_banana(grid)}
    with torch.no_grad():
        pictures |= {name: flow.log_prob(turn(grid)) for name, (flow, turn) in flows.items()}
        codes = {name: flow.encode(turn(test[:1500])) for name, (flow, turn) in flows.items()}
    for ax, below, (name, log_p) in zip(axes[0], axes[1], pictures.items(), strict=True):
        shown = log_p.exp().sqrt().view(cells, cells).T.numpy()
        ax.imshow(shown, extent=(-4, 9, -6, 6), origin="lower", cmap="Blues", interpolation="none", aspect="auto")
        ax.set(title=name, xticks=[], yticks=[])
        below.set(xlim=(-4, 4), ylim=(-4, 4), xticks=[], yticks=[])
        below.set_aspect("equal")
        if name in codes:
            below.scatter(*codes[name].T.numpy(), s=2, color=PALETTE[0], linewidths=0, rasterized=True)
            below.set_xlabel(f"{gaps[name]:.2f} nats lost")
        else:
            below.axis("off")
    axes[0][0].set(xlabel="$x_1$", ylabel="$x_2$")
    claim.figure(
        "hero",
        fig,
        caption="A density in which x1 is Gaussian given x2 but not the other way round, and three flows of it; below, "
        "data turned into noise. One layer that takes x2 first is exact. With x1 first it has to describe two "
        "branches by one Gaussian, and its noise is no round cloud; five layers in turning orders make up for it.",
        alt="Four density maps: a parabola, a blurred wedge, the parabola again twice; below, clouds of noise.",
    )
