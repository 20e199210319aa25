"""Claims of the normalizing flow."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from reference_impl.core import Batch, Task, run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.flow.normalizing_flow import Climb, Mix, NormalizingFlow
from reference_impl.tasks.points import SIGMA, Points, grid_centers


def random_flow(d: int) -> NormalizingFlow:
    """A flow far from the identity in d dimensions, in float64."""
    flow = NormalizingFlow(NormalizingFlow.Config(shape=(d,))).double()
    for parameter in flow.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return flow


@torch.no_grad()
def after(flow: NormalizingFlow, first: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Code and density of points x (N, 2) of the distribution that the layers from `first` on describe."""
    z, log_det = x, torch.zeros(len(x))
    for layer in flow.chain[first:]:
        z, more = layer(z)
        log_det = log_det + more
    return z, (log_det - 0.5 * z.square().sum(1) - math.log(2 * math.pi)).exp()


def plane(cells: int, side: float) -> Tensor:
    """Centers of cells x cells squares of [-side, side]^2, rows are y: (cells * cells, 2)."""
    ticks = (torch.arange(cells) + 0.5) * (2 * side / cells) - side
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2)


def heat(ax, p: Tensor, side: float, title: str = "") -> None:
    """A density p (cells * cells) over [-side, side]^2; the root shows thin parts too."""
    cells = math.isqrt(len(p))
    extent = (-side, side, -side, side)
    ax.imshow(p.view(cells, cells).sqrt().numpy(), extent=extent, origin="lower", cmap="Blues", interpolation="none")
    ax.set(title=title, xticks=[], yticks=[])
    ax.set_aspect("equal")


def test_log_determinant_is_the_jacobians(claim):
    gaps, errors, slopes = [], [], []
    for d in (2, 6):
        flow, x = random_flow(d), torch.randn(500, d, dtype=torch.float64)
        z, log_det = flow.transform(x)
        jacobian = torch.func.vmap(torch.func.jacrev(lambda v, f=flow: f.encode(v[None])[0]))(x[:20])
        gaps.append((log_det[:20] - torch.linalg.slogdet(jacobian).logabsdet).abs().max().item())
        errors.append((flow.decode(z) - x).abs().max().item())
        # the inverse is found by search; its derivatives are those of the inverse function all the same
        for i in range(5):
            back = torch.autograd.functional.jacobian(lambda v, f=flow: f.decode(v[None])[0], z[i])
            slopes.append((back @ jacobian[i] - torch.eye(d)).abs().max().item())
    claim.measure("log_det", max(gaps))
    claim.measure("inverse", max(errors))
    claim.measure("inverse_slope", max(slopes))

    # derivative of a draw by a parameter, beside a central difference
    flow, z = random_flow(2), torch.randn(50, 2, dtype=torch.float64)
    worst, eps = 0.0, 1e-5
    for climb in (layer for layer in flow.chain if isinstance(layer, Climb)):
        for parameter in climb.parameters():
            flow.zero_grad()
            flow.decode(z).sum().backward()
            ahead = parameter.grad.flatten()[0].item()
            with torch.no_grad():
                sums = []
                for step in (eps, -2 * eps):
                    parameter.view(-1)[0] += step
                    sums.append(flow.decode(z).sum().item())
                parameter.view(-1)[0] += eps
            worst = max(worst, abs(ahead - (sums[0] - sums[1]) / (2 * eps)) / max(1.0, abs(ahead)))
    claim.measure("gradient", worst)


def test_density_integrates_to_one(claim):
    flow = run(NormalizingFlow, {"steps": 600}, task=Points("moons"), evaluate=False).model
    side, cells = 6.0, 400
    mass = after(flow, 0, plane(cells, side))[1].sum().item() * (2 * side / cells) ** 2
    claim.measure("integral", abs(mass - 1))

    along = torch.linspace(-3, 3, 60)
    lines = [torch.stack([along, torch.full_like(along, at)], 1) for at in torch.linspace(-3, 3, 13)]
    lines = [*lines, *(line.flip(1) for line in lines)]
    points = torch.randn(400, 2)
    quadrant = np.array(PALETTE)[((points[:, 0] > 0) + 2 * (points[:, 1] > 0)).numpy()]
    last, stages = len(flow.chain), flow.cfg.layers + 1
    fig, axes = figure(7.4, 3.3, 2, stages)
    for stage, (top, bottom) in enumerate(axes.T):
        # from the noise back through matrix and steps of one layer after the other
        first = max(0, last - 1 - 2 * stage) if stage else last
        moved = [points, *lines]
        with torch.no_grad():
            for layer in reversed(flow.chain[first:]):
                moved = [layer.inverse(m) for m in moved]
        side = 2.2 if first == 0 else 1.1 * moved[0].abs().quantile(0.995).item()
        name = "noise" if stage == 0 else "data" if first == 0 else f"after layer {stage}"
        heat(top, after(flow, first, plane(64, side))[1], side, name)
        for line in moved[1:]:
            bottom.plot(*line.T, color=PALETTE[8], linewidth=0.6, antialiased=False, rasterized=True)
        bottom.scatter(*moved[0].T, s=4, c=quadrant, linewidths=0, antialiased=False, rasterized=True, zorder=3)
        bottom.set(xlim=(-side, side), ylim=(-side, side), xticks=[], yticks=[])
        bottom.set_aspect("equal")
    claim.figure(
        "hero",
        fig,
        caption="From noise to two moons through four layers, run backward. Above, the density after each layer; "
        "below, 400 points and the square grid of the noise. A layer shears the plane and squeezes or stretches each "
        "coordinate; the density is high where the grid is narrow. No two grid lines of one direction ever cross.",
        alt="Five panels: a round cloud on a square grid turns step by step into two crescents on a warped grid.",
    )


def two_crescents(x: Tensor) -> Tensor:
    """U of the paper's first test density (table 1): (B, 2) -> (B,)."""
    sides = torch.logaddexp(-0.5 * ((x[:, 0] - 2) / 0.6) ** 2, -0.5 * ((x[:, 0] + 2) / 0.6) ** 2)
    return 0.5 * ((x.norm(dim=1) - 2) / 0.4) ** 2 - sides


class ToEnergy(NormalizingFlow):
    """Learns an energy and no data; the energy is switched on step by step, as in the paper."""

    updates = 0

    def loss(self, batch: Batch):
        beta = min(1.0, 0.05 + 3 * self.updates / self.cfg.steps)
        return {"loss": self.free_energy(lambda x: beta * two_crescents(x), len(batch.x))}

    def after_update(self):
        self.updates += 1


class DiagonalGaussian(ToEnergy):
    """The usual variational family: a mean and a deviation for each coordinate."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.chain = nn.ModuleList([Diagonal(*cfg.shape)])


class Diagonal(Mix):
    """Scale and shift of each coordinate."""

    def __init__(self, d: int) -> None:
        super().__init__(d)
        self.log_scale = nn.Parameter(torch.zeros(d))
        # either crescent is a better mean than the point between them
        self.b.data[0] = -2.0
        self.W.requires_grad_(False)

    def forward(self, x):
        return x * self.log_scale.exp() + self.b, self.log_scale.sum().expand(len(x))

    def inverse(self, y):
        return (y - self.b) * (-self.log_scale).exp()


def test_kl_to_a_known_energy_falls_with_depth(claim):
    # log Z by a sum over a fine grid
    log_z = (-two_crescents(plane(1600, 8.0).double())).logsumexp(0).item() + 2 * math.log(0.01)
    nothing = Task(torch.zeros(128, 2), shape=[2])
    settings = {"units": 2, "batch_size": 128, "lr": 1e-2, "steps": 400}
    flows = {
        "Gaussian": run(DiagonalGaussian, settings, task=nothing, evaluate=False).model,
        **{
            f"layers: {k}": run(ToEnergy, {**settings, "layers": k}, task=nothing, evaluate=False).model
            for k in (1, 4, 16)
        },
    }
    seed_all("divergence")
    with torch.no_grad():
        kl = {name: flow.free_energy(two_crescents, 20_000).item() + log_z for name, flow in flows.items()}
    gaussian, *by_depth = kl.values()
    claim.measure("divergence", by_depth[-1], baseline=gaussian)
    claim.measure("rise", max(later - earlier for earlier, later in pairwise(by_depth)))

    fig, (first, *axes) = figure(7.2, 1.9, columns=5)
    x = plane(80, 4.0)
    heat(first, (-two_crescents(x)).exp(), 4.0, "target")
    for ax, (name, flow) in zip(axes, flows.items(), strict=True):
        heat(ax, after(flow, 0, x)[1], 4.0, name)
        ax.set_xlabel(f"KL {kl[name]:.2f} nats")
    claim.figure(
        "energy",
        fig,
        caption="A density known up to a constant, and what a Gaussian with independent coordinates and flows of 1, 4 "
        "and 16 layers make of it without any data, with their divergence from it. The Gaussian settles for one of the "
        "crescents; layers bend it until it covers both.",
        alt="Five density maps: two facing crescents, a blob, and three flows that come closer.",
    )


def test_held_out_nll_approaches_the_entropy(claim):
    test = Points("grid25").splits["test"][0]
    truth = -0.5 * torch.cdist(test, grid_centers()).square() / SIGMA**2 - math.log(2 * math.pi * SIGMA**2)
    entropy = -(truth.logsumexp(1) - math.log(25)).mean().item()
    gauss = torch.distributions.MultivariateNormal(test.mean(0), test.T.cov())
    flow = run(NormalizingFlow, task=Points("grid25"), evaluate=False).model
    with torch.no_grad():
        gap = -flow.log_prob(test).mean().item() - entropy
    claim.measure("gap", gap, baseline=-gauss.log_prob(test).mean().item() - entropy)

    fig, (left, right) = figure(6.4, 3.2, columns=2)
    seed_all("modes")
    for ax, x, title in ((left, test, "data"), (right, flow.sample(3000), "draws of the flow")):
        ax.scatter(*x[:3000].T, s=2, alpha=0.5, linewidths=0, rasterized=True)
        ax.set(title=title, xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xticks=[], yticks=[])
        ax.set_aspect("equal")
    claim.figure(
        "modes",
        fig,
        caption="3,000 held-out points of 25 clusters and as many draws of a flow of four layers after 2,000 steps. It "
        "has all clusters, at their places and nearly as narrow as they are; the strays lie on threads between "
        "clusters, which no continuous map of one cloud of noise can cut.",
        alt="Two scatter plots of a five by five grid of tight clusters; the right one has a few points in between.",
    )


def circle(n: int, noise: float) -> Tensor:
    """Points on the unit circle, moved by Gaussian noise: (n, 2)."""
    angle = 2 * math.pi * torch.rand(n)
    return torch.stack([angle.cos(), angle.sin()], 1) + noise * torch.randn(n, 2)


def test_density_runs_away_on_a_curve(claim):
    held, traces = {}, {}
    for noise in (0.0, 0.1):
        seed_all("circle")
        task = Task(circle(20_000, noise), circle(5_000, noise), shape=[2])
        seen = []
        for steps in (250, 500, 1000):
            flow = run(NormalizingFlow, {"steps": steps}, task=task, evaluate=False).model
            with torch.no_grad():
                seen.append(-flow.log_prob(task.splits["test"][0]).mean().item())
        held[noise], traces[noise] = seen[0] - seen[-1], seen
    claim.measure("fall", held[0.0], baseline=held[0.1])

    fig, ax = figure(5.6, 3.0)
    for noise, color in ((0.0, PALETTE[1]), (0.1, PALETTE[0])):
        label = f"with noise {noise}" if noise else "on the circle itself"
        ax.plot((250, 500, 1000), traces[noise], "o-", color=color, label=label)
    ax.set(xlabel="steps", ylabel="held-out negative log-likelihood, nats")
    ax.legend(loc="lower left")
    claim.figure(
        "curve",
        fig,
        caption="Points that lie exactly on a circle have no density in the plane: the longer the flow trains, the "
        "narrower and higher the ridge it builds there, and the likelihood has no limit. With Gaussian noise of "
        "deviation 0.1 added to the data there is a density to learn, and the curve levels off.",
        alt="One curve keeps falling with the number of steps, the other is nearly level.",
    )
