"""Claims of the consistency model."""

from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from reference_impl.core import run, seed_all
from reference_impl.diffusion.consistency_model import ConsistencyModel
from reference_impl.diffusion.score_sde import ScoreSDE
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.measures import modes_covered
from reference_impl.tasks.points import ring_centers

RING_SIGMA = 0.1
LOW, HIGH = ConsistencyModel.Config().sigma_min, ConsistencyModel.Config().sigma_max
SETTINGS = {"steps": 3500, "batch_size": 256, "lr": 0.008, "first": 12, "doublings": 0}


class Teacher(ScoreSDE):
    """Variance-exploding diffusion of the ring of eight Gaussians with its exact score."""

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        variance = RING_SIGMA**2 + self.marginal(t)[1] ** 2
        gap = ring_centers() - x[:, None]
        weight = (-0.5 * gap.square().sum(2) / variance).softmax(1)
        return (gap * weight[:, :, None]).sum(1) / variance

    def slope(self, x: Tensor, sigma: Tensor) -> Tensor:
        """dx/dsigma of the probability-flow ODE: (B, 2), (B,) -> (B, 2)."""
        rate = torch.tensor(HIGH / LOW).log()
        # sigma(t) grows at the rate sigma log(HIGH / LOW)
        return self.velocity(x, (sigma / LOW).log() / rate) / (rate * sigma[:, None])


TEACHER = Teacher(Teacher.Config(process="ve", sigma_min=LOW, sigma_max=HIGH))


class Distilled(ConsistencyModel):
    """Takes the earlier point from a step of Heun's method on the teacher's ODE."""

    def earlier(self, x0: Tensor, eps: Tensor, high: Tensor, low: Tensor) -> Tensor:
        x, gap = x0 + high[:, None] * eps, (low - high)[:, None]
        d = TEACHER.slope(x, high)
        return x + gap * (d + TEACHER.slope(x + gap * d, low)) / 2


class Unbound(Distilled):
    """The same without the boundary condition: the network's output is the answer at every level."""

    def skip_and_out(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(t), torch.ones_like(t)


@cache
def distilled(seed: int) -> ConsistencyModel:
    """A student of the exact teacher; trained once for all claims that ask for it."""
    return run(Distilled, SETTINGS, task=make("points", "ring8"), seed=seed, evaluate=False).model


def ddim(x: Tensor, steps: int) -> list[Tensor]:
    """States of the teacher's ODE from HIGH to LOW by Euler's method, which is DDIM."""
    levels = ConsistencyModel(ConsistencyModel.Config(first=steps, doublings=0)).levels().flip(0)
    states = [x]
    for high, low in pairwise(levels):
        states.append(states[-1] + (low - high) * TEACHER.slope(states[-1], high.expand(len(x))))
    return states


def ring(n: int) -> Tensor:
    """n points with equally many of each mode: (n, 2)."""
    return ring_centers()[torch.arange(n) % 8] + RING_SIGMA * torch.randn(n, 2)


def sliced_wasserstein(x: Tensor, y: Tensor, directions: int = 50) -> float:
    """Mean Wasserstein-1 distance of the projections of two equally large sets (N, 2)."""
    angle = torch.arange(directions) * (torch.pi / directions)
    to = torch.stack([angle.cos(), angle.sin()])
    return ((x @ to).sort(0).values - (y @ to).sort(0).values).abs().mean().item()


def test_boundary_holds_by_construction(claim):
    torch.manual_seed(0)
    model, x = ConsistencyModel(ConsistencyModel.Config()), 5 * torch.randn(5000, 2)
    for p in model.averaged.parameters():
        p.data.copy_(torch.randn_like(p))
    with torch.no_grad():
        at, above = ((model.jump(x, t) - x).abs().max().item() for t in (LOW, 2 * LOW))
    claim.measure("deviation", at, baseline=above)


def test_one_step_comes_near_its_teacher(claim):
    n = 40_000
    start, data = HIGH * torch.randn(n, 2), ring(n)
    one, teacher = ddim(start, 1)[-1], ddim(start, 20)[-1]
    exact = ddim(start[:5000], 2000)[-1]
    first, second, ends = [], [], []
    for seed in range(3):
        model = distilled(seed)
        seed_all(seed)
        with torch.no_grad():
            x = model.jump(start, HIGH)
            again = model.jump(x + 0.5 * torch.randn_like(x), 0.5)
        first.append(sliced_wasserstein(x, data))
        second.append(sliced_wasserstein(again, data))
        ends.append((x[:5000] - exact).norm(dim=1).mean().item())
    claim.measure("against_teacher", first, baseline=sliced_wasserstein(teacher, data))
    claim.measure("against_one_step", first, baseline=sliced_wasserstein(one, data))
    claim.measure("two_steps", second, baseline=first)
    claim.measure("end_of_trajectory", ends, baseline=(one[:5000] - exact).norm(dim=1).mean().item())
    claim.measure("noise_floor", sliced_wasserstein(ring(n), data))

    fig, axes = figure(6.8, 2.1, columns=4)
    shown = {"DDIM, 1 step": one, "DDIM, 20 steps": teacher, "consistency, 1 step": x, "2 steps": again}
    for ax, (title, points) in zip(axes, shown.items(), strict=True):
        ax.scatter(*points[:1500].T, s=2, alpha=0.5, linewidths=0, rasterized=True)
        ax.set(title=title, aspect="equal", xlim=(-2.8, 2.8), ylim=(-2.8, 2.8))
        ax.axis("off")
    claim.figure(
        "one_step",
        fig,
        caption="1,500 samples from the same noise. One step of DDIM lands at the mean of everything that the noise "
        "could become. The consistency model jumps to the end of the trajectory; a second step, from noise "
        "of 0.5, sharpens.",
        alt="Four scatter plots: a blob in the middle, a ring of eight clusters, nearly the same with a few points in "
        "between, and fewer of them after a second step.",
    )

    levels = ConsistencyModel(ConsistencyModel.Config(first=60, doublings=0)).levels().flip(0)
    seed_all("trajectories")
    paths = torch.stack(ddim(HIGH * torch.randn(14, 2), 60))
    model = distilled(0)
    fig, (left, right) = figure(6.6, 3.1, columns=2)
    visible = (levels < 3).nonzero().flatten().tolist()
    for i in range(14):
        color = PALETTE[i % len(PALETTE)]
        left.plot(*paths[visible, i].T, color=color, linewidth=0.9)
        at = visible[:: max(1, len(visible) // 8)]
        left.plot(*paths[at, i].T, "o", color=color, markersize=3)
        with torch.no_grad():
            ends = torch.cat([model.jump(paths[j, i][None], levels[j].item()) for j in at])
        right.plot(*paths[-1, i], "o", markerfacecolor="none", color=INK, markersize=9, markeredgewidth=0.7)
        right.plot(*ends.T, "o", color=color, markersize=3, alpha=0.7)
    for ax, title in ((left, "points of trajectories"), (right, "the model's answer at each")):
        ax.set(title=title, aspect="equal", xlim=(-5, 5), ylim=(-5, 5))
        ax.axis("off")
    right.set(xlim=(-2.8, 2.8), ylim=(-2.8, 2.8))
    claim.figure(
        "hero",
        fig,
        caption="Left: fourteen trajectories of the exact ODE from noise of 3 inward, with points on each. Right: what "
        "the model answers at these points, in the trajectory's color; circles are the true ends. Points of one "
        "trajectory collapse to its origin.",
        alt="Curves that run into eight clusters, with dots on them; beside it dots of one color gathered in circles.",
    )


def test_needs_no_teacher(claim):
    n, task, settings = 40_000, make("points", "ring8"), {"steps": 2500, "batch_size": 256}
    start, data = HIGH * torch.randn(n, 2), ring(n)
    models = [run(ConsistencyModel, settings, task=task, seed=s, evaluate=False).model for s in range(3)]
    with torch.no_grad():
        distances = [sliced_wasserstein(m.jump(start, HIGH), data) for m in models]
    claim.measure("distance", distances, baseline=sliced_wasserstein(ddim(start, 1)[-1], data))


def test_without_the_boundary_nothing_is_learned(claim):
    short = {**SETTINGS, "steps": 800, "lr": 0.002, "ema": 0.99}
    models = [run(c, short, task=make("points", "ring8"), evaluate=False).model for c in (Unbound, Distilled)]
    samples = [m.sample(2000) for m in models]
    near = [modes_covered(x, ring_centers(), RING_SIGMA, 20)[1] for x in samples]
    claim.measure("near_a_mode", near[0], baseline=near[1])

    fig, axes = figure(5.2, 2.6, columns=2)
    for ax, x, title in zip(axes, samples, ("without the boundary", "with it"), strict=True):
        ax.scatter(*ring(1000).T, s=2, alpha=0.3, linewidths=0, color=PALETTE[8], rasterized=True)
        ax.scatter(*x[:1000].T, s=3, alpha=0.6, linewidths=0, rasterized=True)
        ax.set(title=title, aspect="equal", xlim=(-4, 4), ylim=(-4, 4))
        ax.axis("off")
    claim.figure(
        "boundary",
        fig,
        caption="1,000 samples after 800 updates, over the data (gray). Without the boundary no answer is tied to the "
        "data: the network agrees with itself somewhere. With it what is known at the data's end spreads upward.",
        alt="On the left samples without relation to a gray ring of clusters; on the right samples around the ring.",
    )
