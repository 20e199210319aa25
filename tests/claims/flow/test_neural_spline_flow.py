"""Claims of the neural spline flow."""

import math

import torch

from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.flow.neural_spline_flow import NeuralSplineFlow, SplineCoupling, spline
from reference_impl.flow.realnvp import RealNVP
from reference_impl.tasks import make
from reference_impl.tasks.points import Points, mixture, ring_centers

PLANE = {"hidden": 64, "dropout": 0.0, "batch_size": 512, "lr": 1e-2, "cooldown": 1.0}


def board_flow(cls, seed: int):
    """A flow of the checkerboard: two layers of splines, or four affine ones with as many parameters."""
    shape = {"layers": 2, "bins": 24, "bound": 3.0} if cls is NeuralSplineFlow else {"layers": 4}
    return run(cls, {**PLANE, **shape, "steps": 1000}, task=Points("checkerboard"), seed=seed, evaluate=False).model


@torch.no_grad()
def density(flow, cells: int, side: float) -> torch.Tensor:
    """p(x) at the centers of cells x cells squares of [-side, side]^2: (cells, cells), rows are y."""
    ticks = (torch.arange(cells) + 0.5) * (2 * side / cells) - side
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return flow.log_prob(torch.stack([x, y], -1).view(-1, 2)).exp().view(cells, cells)


def test_the_inverse_solves_a_quadratic_equation(claim):
    bins, bound, n = 8, 3.0, 2000
    theta = torch.randn(n, 3 * bins - 1, dtype=torch.float64)
    x = 1.2 * bound * (2 * torch.rand(n, dtype=torch.float64) - 1)
    curve, x = spline(theta, bins, bound), x.requires_grad_()
    y, log_slope = curve.at(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    claim.measure("float64", (curve.inverse_at(y) - x).abs().max().item())
    claim.measure("log_slope", (log_slope - slope.log()).abs().max().item())

    flow, task = NeuralSplineFlow(NeuralSplineFlow.Config()).eval(), make("images")
    flow.prepare(task)
    for layer in flow.bijections:
        if isinstance(layer, SplineCoupling):
            torch.nn.init.normal_(layer.net[-1].weight, std=0.1)
    digits = flow.dequantize(task.splits["test"][0])
    with torch.no_grad():
        claim.measure("float32", (flow.reconstruct(digits) - digits).abs().max().item())

    seed_all("curves")
    few, line = 0.7 * torch.randn(3, 3 * bins - 1), torch.linspace(-4, 4, 801)
    fig, (left, right) = figure(6.4, 3.0, columns=2)
    for color, theta in zip(PALETTE, few, strict=False):
        curve = spline(theta, bins, bound)
        y, log_slope = spline(theta.expand(len(line), -1), bins, bound).at(line)
        left.plot(line, y, color=color)
        left.plot(curve.x, curve.y, "o", color=color, markersize=3)
        right.plot(y, (-0.5 * line.square() - log_slope).exp() / math.sqrt(2 * math.pi), color=color)
    left.set(title="splines, dots are knots", xlabel="x", ylabel="y")
    left.set_aspect("equal")
    right.set(title="what they make of a Gaussian", xlabel="y", ylabel="density")
    claim.figure(
        "splines",
        fig,
        caption="Three splines of eight bins with random knots, the identity outside [-3, 3], and the density of y "
        "when x is standard normal. One spline makes several peaks; an affine map could only move and widen the one.",
        alt="Left, three increasing curves with dots; right, three densities with several peaks each.",
    )


def test_two_spline_layers_come_close_to_the_checkerboard(claim):
    test, entropy, flows = Points("checkerboard").splits["test"][0], math.log(8), (NeuralSplineFlow, RealNVP)
    trained = {cls: [board_flow(cls, seed) for seed in range(3)] for cls in flows}
    with torch.no_grad():
        gaps = {cls: [-flow.log_prob(test).mean().item() - entropy for flow in trained[cls]] for cls in flows}
    claim.measure("gap", gaps[NeuralSplineFlow], baseline=gaps[RealNVP])
    sizes = [sum(p.numel() for p in trained[cls][0].parameters()) for cls in flows]
    claim.measure("parameters", sizes[0], baseline=sizes[1])

    cells, side = 150, 2.4
    at = (torch.arange(cells) + 0.5) * (2 * side / cells) - side
    dark = (at.floor() + at.floor()[:, None]) % 2 == 0
    shown = {
        "data": (dark & (at.abs() < 2) & (at.abs() < 2)[:, None]) / 8,
        "2 spline layers": density(trained[NeuralSplineFlow][0], cells, side),
        "4 affine layers": density(trained[RealNVP][0], cells, side),
    }
    fig, axes = figure(6.4, 2.5, columns=3)
    for ax, (title, p) in zip(axes, shown.items(), strict=True):
        ax.imshow(p, extent=(-side, side) * 2, vmin=0, origin="lower", cmap="Blues", vmax=0.2, interpolation="nearest")
        ax.set(title=title, xticks=[], yticks=[])
        ax.set_aspect("equal")
    claim.figure(
        "hero",
        fig,
        caption="Density of a checkerboard and of two flows with as many parameters after as many steps. Splines draw "
        "level squares with edges on all four sides; affine maps of a Gaussian get one pair of edges and let the mass "
        "run out at the other.",
        alt="Three maps: a checkerboard, a nearly sharp copy, and one whose squares are round and smeared.",
    )


def test_digits_cost_less_than_with_affine_couplings(claim):
    test = make("images").splits["test"][0]
    flows = {
        cls: [run(cls, {"steps": 250}, task=make("images"), seed=seed, evaluate=False).model for seed in range(3)]
        for cls in (NeuralSplineFlow, RealNVP)
    }
    seed_all("noise")
    with torch.no_grad():
        bits = {
            cls: [torch.stack([flow.bits_per_dim(test) for _ in range(4)]).mean(0) for flow in several]
            for cls, several in flows.items()
        }
    mean = {cls: [b.mean().item() for b in several] for cls, several in bits.items()}
    claim.measure("mean", mean[NeuralSplineFlow], baseline=mean[RealNVP])
    claim.measure("worst", [b.max().item() for b in bits[NeuralSplineFlow]])

    seed_all("digits")
    fig, (left, right) = figure(6.4, 3.2, columns=2)
    show_images(left, test[:64], title="held-out digits")
    show_images(right, flows[NeuralSplineFlow][0].sample(64), title="samples")
    claim.figure(
        "digits",
        fig,
        caption="Held-out digits and samples of the spline flow after 250 steps. Many samples read as digits, though "
        "nothing tells the network which pixels are neighbors; some have loose dots where held-out digits have none.",
        alt="Two sheets of 64 small digits, real ones on the left and samples on the right.",
    )


def test_values_outside_the_interval_stay_put(claim):
    draw = mixture(2 * ring_centers(), 0.4)
    train, test = draw(20_000, torch.Generator().manual_seed(0)), draw(5_000, torch.Generator().manual_seed(1))
    task, settings = Task(train, test, shape=[2], levels=0), {**PLANE, "layers": 4, "steps": 300}
    flows = {
        bound: run(NeuralSplineFlow, {**settings, "bound": bound}, task=task, evaluate=False).model
        for bound in (2.5, 6.0)
    }
    with torch.no_grad():
        narrow, wide = (-flow.log_prob(test).mean().item() for flow in flows.values())
    claim.measure("nll", wide, baseline=narrow)

    fig, axes = figure(6.4, 3.2, columns=2)
    for ax, (bound, flow) in zip(axes, flows.items(), strict=True):
        p = density(flow, 80, 6.5).clamp(max=0.1)
        ax.imshow(p, extent=(-6.5, 6.5) * 2, origin="lower", cmap="Blues", interpolation="nearest")
        ax.scatter(*test[:300].T, s=3, color=PALETTE[3], linewidths=0, rasterized=True)
        ax.plot(*(bound * torch.tensor([[-1, 1, 1, -1, -1.0], [-1, -1, 1, 1, -1.0]])), "--", color=PALETTE[1])
        ax.set(title=f"B = {bound:g}", xticks=[], yticks=[])
        ax.set_aspect("equal")
    claim.figure(
        "interval",
        fig,
        caption="Eight clusters on a circle of radius 4 (points), and the densities of flows whose splines span the "
        "dashed square. With B = 2.5 most values lie outside, where no layer moves them, and the density piles up in "
        "the corners of the square; with B = 6 every cluster is found.",
        alt="Two density maps with points: dark corners of a small square off the points, and eight spots on them.",
    )
