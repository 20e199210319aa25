"""Claims of RealNVP."""

import math
from functools import cache

import numpy as np
import torch

from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.flow.realnvp import Coupling, RealNVP
from reference_impl.latent_variable.vae import VAE
from reference_impl.tasks import make
from reference_impl.tasks.points import Points, mixture, ring_centers

PLANE = {"hidden": 64, "dropout": 0.0, "lr": 3e-3, "batch_size": 256}


@cache
def plane_flow(source: str, steps: int):
    """A flow of continuous points in the plane, and what its training logged."""
    result = run(RealNVP, {**PLANE, "steps": steps}, task=Points(source), evaluate=False)
    return result.model, result.history


@cache
def digits_flow(seed: int) -> RealNVP:
    return run(RealNVP, {"steps": 400}, task=make("images"), seed=seed, evaluate=False).model


def random_flow(**cfg) -> RealNVP:
    """A flow far from the identity: every last layer gets weights that a trained one could have."""
    flow = RealNVP(RealNVP.Config(**cfg)).eval()
    for bijection in flow.bijections:
        if isinstance(bijection, Coupling):
            torch.nn.init.normal_(bijection.net[-1].weight, std=0.05)
    return flow


@torch.no_grad()
def density(flow: RealNVP, cells: int, side: float) -> torch.Tensor:
    """p(x) at the centers of cells x cells squares of [-side, side]^2: (cells, cells), rows are y."""
    ticks = (torch.arange(cells) + 0.5) * (2 * side / cells) - side
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    points = torch.stack([x, y], -1).view(-1, 2)
    return torch.cat([flow.log_prob(part) for part in points.split(50_000)]).exp().view(cells, cells)


def heat(ax, p: torch.Tensor, side: float, title: str = "") -> None:
    ax.imshow(p, extent=(-side, side, -side, side), origin="lower", cmap="Blues", interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[])
    ax.set_aspect("equal")


def test_inverse_and_determinant_are_exact(claim):
    images = make("images").splits["test"][0]
    task, errors, gaps = make("images"), {}, []
    for dtype in (torch.float64, torch.float32):
        worst = 0.0
        for flow, x in (
            (random_flow(), images),
            (random_flow(shape=(2,), levels=0, hidden=64), torch.randn(1000, 2)),
        ):
            flow.prepare(task)
            flow, x = flow.to(dtype), flow.dequantize(x.to(dtype))
            with torch.no_grad():
                worst = max(worst, (flow.reconstruct(x) - x).abs().max().item())
            if dtype == torch.float64:
                jacobian = torch.func.vmap(torch.func.jacrev(lambda v, f=flow: f.encode(v[None])[0]))(x[:20])
                exact = torch.linalg.slogdet(jacobian.view(len(jacobian), jacobian.shape[1], -1)).logabsdet
                gaps.append((flow.transform(x[:20])[1] - exact).abs().max().item())
        errors[dtype] = worst
    claim.measure("float64", errors[torch.float64])
    claim.measure("float32", errors[torch.float32])
    claim.measure("log_det", max(gaps))


def test_density_integrates_to_one_and_matches_samples(claim):
    flow, _ = plane_flow("moons", 800)
    side, cells, n = 4.0, 40, 100_000
    fine = density(flow, 20 * cells, side)
    mass = fine * (2 * side / (20 * cells)) ** 2
    claim.measure("integral", abs(mass.sum().item() - 1))

    # probability of each cell, and of all that is outside
    expected = mass.view(cells, 20, cells, 20).sum((1, 3)).double().flatten()
    expected = torch.cat([expected, (1 - expected.sum()).clamp(min=0)[None]])
    x = flow.sample(n)
    cell = ((x + side) * (cells / (2 * side))).floor().long()
    inside = ((cell >= 0) & (cell < cells)).all(1)
    index = torch.where(inside, cell[:, 1] * cells + cell[:, 0], cells * cells)
    noise = torch.multinomial(expected, n, replacement=True)
    distance = [
        0.5 * (torch.bincount(i, minlength=cells**2 + 1) / n - expected).abs().sum().item() for i in (index, noise)
    ]
    claim.measure("total_variation", distance[0], baseline=distance[1])

    fig, (left, right) = figure(6.4, 3.2, columns=2)
    heat(left, density(flow, 150, 2.2), 2.2, "density")
    right.scatter(x[:3000, 0], x[:3000, 1], s=2, alpha=0.5, linewidths=0, rasterized=True)
    right.set(title="samples", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), xticks=[], yticks=[])
    right.set_aspect("equal")
    claim.figure(
        "density",
        fig,
        caption="The density that the flow computes and 3,000 points that it draws, after 800 steps on two moons. "
        "The two are the same distribution: over 1,600 cells they differ by no more than chance.",
        alt="A heat map of two interleaved crescents beside a scatter of samples of the same shape.",
    )

    along = torch.linspace(-3, 3, 70)
    grid = [torch.stack([along, torch.full_like(along, at)], 1) for at in torch.linspace(-3, 3, 13)]
    data = Points("moons").splits["test"][0][:400]
    fig, (left, right) = figure(6.4, 3.3, columns=2)
    with torch.no_grad():
        code = flow.encode(data)
        for line in [*grid, *(line.flip(1) for line in grid)]:
            left.plot(*flow.decode(line).T, color=PALETTE[8], linewidth=0.6)
            right.plot(*line[[0, -1]].T, color=PALETTE[8], linewidth=0.6)
    quadrant = np.array(PALETTE)[((code[:, 0] > 0) + 2 * (code[:, 1] > 0)).numpy()]
    for ax, points, side, title in ((left, data, 2.2, "data x"), (right, code, 3.3, "latent z = f(x)")):
        ax.scatter(*points.T, s=5, c=quadrant, linewidths=0, antialiased=False, rasterized=True, zorder=3)
        ax.set(title=title, xlim=(-side, side), ylim=(-side, side), xticks=[], yticks=[])
        ax.set_aspect("equal")
    claim.figure(
        "hero",
        fig,
        caption="Two moons and the Gaussian into which the flow folds them, with the straight grid of the latent plane "
        "and its image among the data. Lines are bent and squeezed, but two of one direction never meet: the map is a "
        "bijection. Colors mark the quadrants of the latent plane.",
        alt="Left, two crescents of points on a strongly warped grid; right, the same points as one round cloud.",
    )


def test_held_out_nll_approaches_the_entropy(claim):
    centers, sigma = ring_centers(), 0.4
    draw = mixture(centers, sigma)
    train, test = draw(20_000, torch.Generator().manual_seed(0)), draw(20_000, torch.Generator().manual_seed(1))
    truth = -0.5 * torch.cdist(test, centers).square() / sigma**2 - math.log(2 * math.pi * sigma**2)
    entropy = -(truth.logsumexp(1) - math.log(len(centers))).mean().item()
    gauss = torch.distributions.MultivariateNormal(train.mean(0), train.T.cov())
    worse = -gauss.log_prob(test).mean().item() - entropy
    gaps, histories = [], []
    for seed in range(3):
        task = Task(train, test, shape=[2], levels=0)
        result = run(RealNVP, {**PLANE, "steps": 600}, task=task, seed=seed, evaluate=False)
        histories.append([(row["step"], 2 * row["loss"]) for row in result.history])
        with torch.no_grad():
            gaps.append(-result.model.log_prob(test).mean().item() - entropy)
    claim.measure("gap", gaps, baseline=worse)

    fig, ax = figure(6.0, 3.2)
    for history in histories:
        ax.plot(*zip(*history, strict=True), color=PALETTE[0], linewidth=1)
    ax.axhline(entropy, color=PALETTE[1], linestyle="--")
    ax.axhline(entropy + worse, color=PALETTE[8], linestyle=":")
    ax.annotate("entropy of the data", (0, entropy), (600, entropy - 0.02), color=PALETTE[1], ha="right", va="top")
    ax.annotate("one Gaussian", (0, entropy), (600, entropy + worse + 0.02), color=PALETTE[8], ha="right", va="bottom")
    ax.set(xlabel="step", ylabel="negative log-likelihood, nats", ylim=(entropy - 0.25, entropy + worse + 0.6))
    claim.figure(
        "entropy",
        fig,
        caption="Negative log-likelihood of each training batch, three seeds, on a ring of eight Gaussians with a "
        "known entropy. No model can stay below the dashed line; the flow comes down to it, one Gaussian cannot.",
        alt="Three curves fall from above the dotted line of one Gaussian to the dashed line of the entropy.",
    )


def test_flow_and_vae_agree_on_linear_gaussian_data(claim):
    variance, mix = 0.25, torch.randn(4, 2)
    train, test = (torch.randn(n, 2) @ mix.T + variance**0.5 * torch.randn(n, 4) for n in (20_000, 10_000))
    law = torch.distributions.MultivariateNormal(torch.zeros(4), mix @ mix.T + variance * torch.eye(4))
    truth = law.log_prob(test).mean().item()
    task, flows, vaes = Task(train, test, shape=[4], levels=0), [], []
    linear = {"likelihood": "gaussian", "variance": variance, "hidden": 0, "latent_dim": 2}
    for seed in range(3):
        flow = run(RealNVP, {**PLANE, "layers": 6, "steps": 600}, task=task, seed=seed, evaluate=False).model
        vae = run(
            VAE, {**linear, "steps": 1500, "lr": 1e-2, "batch_size": 256}, task=task, seed=seed, evaluate=False
        ).model
        with torch.no_grad():
            flows.append(flow.log_prob(test).mean().item())
            vaes.append(torch.stack([vae.elbo(test) for _ in range(20)]).mean().item())
    claim.measure("difference", [abs(f - v) for f, v in zip(flows, vaes, strict=True)])
    claim.measure("flow_gap", [truth - f for f in flows])
    claim.measure("vae_gap", [truth - v for v in vaes])


def test_digits_cost_two_bits_per_pixel(claim):
    test = make("images").splits["test"][0]
    alone = RealNVP(RealNVP.Config()).eval()
    alone.prepare(make("images"))
    flows = [digits_flow(seed) for seed in range(3)]
    seed_all("noise")  # the same whether the flows were trained just now or before
    with torch.no_grad():
        bits = [torch.stack([flow.bits_per_dim(test) for _ in range(4)]).mean(0) for flow in [*flows, alone]]
    claim.measure("mean", [b.mean().item() for b in bits[:3]], baseline=bits[3].mean().item())
    claim.measure("worst", [b.max().item() for b in bits[:3]])

    seed_all("digits")
    fig, (left, right) = figure(6.4, 3.2, columns=2)
    show_images(left, test[:64], title="held-out digits")
    show_images(right, flows[0].sample(64), title="samples")
    claim.figure(
        "digits",
        fig,
        caption="Held-out digits and samples of the flow after 400 steps. Many samples read as digits; the strokes "
        "are rougher than the data's, as no layer knows that neighboring pixels belong together.",
        alt="Two sheets of 64 small digits, real ones on the left and samples on the right.",
    )


def test_a_blank_image_is_likelier_than_a_digit(claim):
    test = make("images").splits["test"][0]
    shares, flows = [], [digits_flow(seed) for seed in range(3)]
    seed_all("noise")
    with torch.no_grad():
        for flow in flows:
            blank = flow.bits_per_dim(torch.zeros(64, 1, 8, 8)).mean()
            shares.append((flow.bits_per_dim(test) > blank).float().mean().item())
    claim.measure("share", shares)


def test_bridges_join_separate_modes(claim):
    flow, _ = plane_flow("ring8", 1500)
    centers, data = ring_centers(), Points("ring8").splits["test"][0]
    off = [(torch.cdist(x, centers).min(1).values > 0.4).float().mean().item() for x in (flow.sample(20_000), data)]
    claim.measure("between", off[0], baseline=off[1])

    fig, (left, right) = figure(6.4, 3.2, columns=2)
    left.scatter(*data[:3000].T, s=2, alpha=0.5, linewidths=0, rasterized=True)
    left.set(title="data", xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
    left.set_aspect("equal")
    heat(right, density(flow, 200, 3.0).clamp(max=0.5), 3.0, "density of the flow")
    claim.figure(
        "bridges",
        fig,
        caption="Eight clusters that do not touch, and the density of the flow after 1,500 steps, dark from 0.5 up. "
        "The map is continuous, so the connected plane of codes stays connected: threads of mass lead from cluster "
        "to cluster, and about 1 sample in 20 lies on one.",
        alt="Left, eight separate clouds on a circle; right, the flow's density with thin threads between the clouds.",
    )

    def layers(z: torch.Tensor) -> torch.Tensor:
        """Where codes (B, 2) are after each layer on the way to the data: (L, B, 2)."""
        states = [z]
        for bijection in reversed(flow.bijections):
            states.append(bijection.inverse(states[-1]))
        return torch.stack(states[1:])

    claim.program("layers", lambda z: (layers(z),), torch.zeros(50, 2), module=flow)
