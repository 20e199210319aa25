"""Claims of DDIM."""

from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from reference_impl.core import run, seed_all
from reference_impl.diffusion.ddim import DDIM, draw, estimate, levels, move, walk
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.diffusion.score_sde import ScoreSDE
from reference_impl.figures import INK, PALETTE, figure, show_images, strips
from reference_impl.tasks.images import digits
from reference_impl.tasks.measures import frechet
from reference_impl.tasks.points import ring_centers

# deviation of each mode of the ring, wide enough that few steps do not all end in its centers
RING_SIGMA = 0.3


@cache
@torch.enable_grad()
def trained() -> DDIM:
    return run(DDIM, evaluate=False).model


def in_steps(model: DDIM, steps: int) -> DDIM:
    """The model with its number of steps set."""
    model.cfg = model.cfg.model_copy(update={"sampling_steps": steps})
    return model


def digits_drawn(steps: int, eta: float, seed: int, n: int = 360) -> Tensor:
    """Digits of the trained network from the noise of this seed: (n, 1, 8, 8)."""
    model = trained()
    seed_all("digits", seed)
    return draw(model, n, None, steps, eta).clamp(0, 1)


def same_noise(model: DDPM, n: int = 8) -> Tensor:
    seed_all("noise")
    return model.sample(n)


def from_ddpm(shape: tuple[int, ...], eta: float) -> float:
    """Distance from DDPM's samples of the same weights and noise, over their length; all steps are taken."""
    seed_all("weights", shape)
    model = DDIM(DDIM.Config(shape=shape, sampling_steps=100, eta=eta))
    plain = DDPM(DDPM.Config(shape=shape))
    plain.averaged = model.averaged
    samples = same_noise(plain)
    return ((same_noise(model) - samples).norm() / samples.norm()).item()


@torch.no_grad()
def film(eta: float, keep: list[int]) -> tuple[Tensor, Tensor]:
    """States x_t of one digit at the levels `keep` and at 0, and what x_0 is taken for there: (9, 1, 8, 8) twice."""
    model, states, guesses = trained(), [], []
    seed_all("film")
    x = torch.randn(1, 1, 8, 8)
    for t, s in pairwise(levels(model, 97)):
        if t in keep:
            states.append(x)
            guesses.append(estimate(model, x, t)[0])
        x = move(model, x, t, s, eta=eta)
    return (torch.cat([*states, x]) + 1) / 2, (torch.cat([*guesses, x]) + 1) / 2


class RingNoise(nn.Module):
    """E[eps | x_t] where the data are eight Gaussians on a ring, for any schedule a(t), s(t)."""

    def __init__(self, sde: ScoreSDE) -> None:
        super().__init__()
        self.marginal = sde.marginal

    def forward(self, x: Tensor, t: Tensor, y: None = None) -> Tensor:
        a, s = self.marginal(t)
        variance = (a * RING_SIGMA) ** 2 + s**2
        gap = a[..., None] * ring_centers() - x[:, None]
        weight = (-0.5 * gap.square().sum(2) / variance).softmax(1)
        return -s * (weight[..., None] * gap).sum(1) / variance


def two_of_one(steps: int) -> tuple[DDIM, ScoreSDE]:
    """DDIM with so many levels and a score SDE: one noising process, one exact noise predictor."""
    sde = ScoreSDE(ScoreSDE.Config(solver="ode", solver_steps=500)).double()
    ddim = DDIM(DDIM.Config(shape=(2,), timesteps=steps, sampling_steps=steps)).double()
    ddim.averaged = sde.averaged = RingNoise(sde)
    time = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    # where the solver of the SDE stops
    time[0] = sde.cfg.t_min
    ddim.abar = sde.marginal(time)[0].flatten() ** 2
    return ddim, sde


def test_all_steps_with_noise_are_ddpm(claim):
    for name, shape in (("images", (1, 8, 8)), ("vectors", (2,))):
        claim.measure(name, from_ddpm(shape, 1.0), baseline=from_ddpm(shape, 0.0))


@torch.no_grad()
def test_without_noise_it_solves_the_probability_flow(claim):
    seed_all("flow")
    z, counts = torch.randn(2000, 2, dtype=torch.float64), (10, 20, 50, 100, 200, 400)
    exact, ends = z, {}
    one = torch.ones(len(z), dtype=z.dtype)
    sde = two_of_one(1)[1]
    for t, s in pairwise(sde.grid()):
        exact = sde.ode_step(exact, t * one, s - t)
    for steps in counts:
        ends[steps] = walk(two_of_one(steps)[0], z, range(steps, -1, -1))
    errors = [(x - exact).square().mean().sqrt().item() for x in ends.values()]
    claim.measure("order", -np.polyfit(np.log(counts), np.log(errors), 1)[0])
    claim.measure("error", errors[-1])

    fig, axes = figure(6.6, 3.3, columns=2)
    for ax, steps in zip(axes, (10, 400), strict=True):
        model, states = two_of_one(steps)[0], [z[:14]]
        for t in range(steps, 0, -1):
            states += [move(model, states[-1], t, t - 1)]
        for line in torch.stack(states, 1):
            ax.plot(*line.T, color=PALETTE[0], lw=0.9, marker="." if steps == 10 else "", ms=3)
        ax.scatter(*z[:14].T, s=14, color=INK, label="noise", zorder=3)
        ax.scatter(*exact[:14].T, s=14, color=PALETTE[1], label="where the flow ends", zorder=3)
        ax.set(title=f"{steps} steps", aspect="equal", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
        ax.axis("off")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    claim.figure(
        "paths",
        fig,
        caption="Fourteen points on their way from noise to a ring of eight modes, with exact scores. With ten steps "
        "they turn late and end beside the points to which the probability-flow ODE leads; with 400 they arrive.",
        alt="Two panels of curves from scattered points outward; with ten steps they are polygons that end off target.",
    )


def test_few_steps_do_better_without_noise(claim):
    x, _ = digits()
    test, train = x[:360].flatten(1), x[360:720].flatten(1)

    def distances(steps: int, eta: float, seeds: int = 3) -> list[float]:
        return [frechet(test, digits_drawn(steps, eta, s).flatten(1)) for s in range(seeds)]

    model = trained()
    seed_all("ancestral")
    ancestral = [frechet(test, DDPM.sample(model, 360).clamp(0, 1).flatten(1)) for _ in range(3)]
    floor, twenty = frechet(test, train), distances(20, 0.0)
    claim.measure("five_steps", distances(5, 0.0), baseline=distances(5, 1.0))
    claim.measure("twenty_steps", twenty, baseline=ancestral)
    claim.measure("floor", twenty, baseline=floor)

    counts = [2, 3, 5, 10, 20, 50, 100]
    sheets = {
        f"{name}, {steps}": digits_drawn(steps, eta, 3, 16)
        for name, eta in (("DDIM", 0.0), ("ancestral", 1.0))
        for steps in (2, 5, 10, 20, 100)
    }
    claim.figure(
        "hero",
        strips(sheets, 16),
        caption="Sixteen digits from the same initial noise, by number of steps. DDIM's digits are there after five "
        "steps and stay the same as steps are added. Ancestral sampling adds noise on the way: it needs more steps, "
        "and each number of steps draws other digits.",
        alt="Ten rows of digits. DDIM's rows agree from five steps on; ancestral rows start smeared and differ.",
    )

    fig, ax = figure(5.0, 3.0)
    for name, eta in (("DDIM", 0.0), ("ancestral, DDPM's at 100", 1.0)):
        ax.loglog(counts, [distances(s, eta, 1)[0] for s in counts], "o-", label=name)
    ax.axhline(floor, color=INK, lw=0.8, ls="--")
    ax.annotate("training digits", (2, floor), xytext=(0, 3), textcoords="offset points")
    ax.set(xlabel="steps", ylabel="Frechet distance, pixel²")
    ax.minorticks_off()
    ax.set_xticks(counts, [str(c) for c in counts])
    ax.set_yticks(ticks := [0.2, 0.4, 0.8], [str(v) for v in ticks])
    ax.legend()
    claim.figure(
        "steps",
        fig,
        caption="Distance of 360 samples of one network from held-out digits. With few steps fresh noise does harm, as "
        "too few remain to remove it; from twenty steps on the two are level, as far as 360 samples can tell.",
        alt="Two falling curves; DDIM is lower up to ten steps; from twenty on they cross and stay close.",
    )

    keep = [97, 84, 72, 60, 48, 36, 24, 12]
    (states, guesses), (noisy, unsure) = film(0.0, keep), film(1.0, keep)
    rows = {"DDIM, state": states, "guess": guesses, "ancestral, state": noisy, "guess ": unsure}
    claim.figure(
        "trajectory",
        strips(rows, 9),
        caption="One initial noise at levels 97, 84, 72, 60, 48, 36, 24, 12 and 0, and what the network takes it for. "
        "Without fresh noise the guess only sharpens; with it the guess changes from one digit to another half way.",
        alt="Four rows of nine images: noise that turns into a digit, and guesses that go from a blur to the digit.",
    )


@torch.no_grad()
def test_more_steps_find_the_noise_of_an_image(claim):
    x, _ = digits()
    x, counts = x[:200], (10, 20, 50, 100)
    errors = [(in_steps(trained(), s).reconstruct(x) - x).square().mean().item() for s in counts]
    claim.measure("error", errors[-1], baseline=errors[0])
    claim.measure("growth", max(after / before for before, after in pairwise(errors)))
    seed_all("stochastic")
    model = in_steps(trained(), 100)
    z = model.encode(x)
    again = walk(model, z.view(-1, 1, 8, 8), levels(model, 100), eta=1.0)
    claim.measure("with_noise", ((again + 1) / 2 - x).square().mean().item(), baseline=errors[-1])

    # the first of each label, even ones on the left
    ends = torch.stack([z[(digits()[1] == label).nonzero()[0, 0]] for label in range(10)])
    a, b = ends[::2], ends[1::2]
    part, angle = torch.linspace(0, 1, 9)[:, None, None], torch.cosine_similarity(a, b)[:, None].acos()
    between = ((1 - part) * angle).sin() / angle.sin() * a + (part * angle).sin() / angle.sin() * b
    rows = model.decode(between.transpose(0, 1).reshape(-1, 64)).clamp(0, 1)
    fig, ax = figure(5.4, 3.1)
    show_images(ax, rows.view(-1, 1, 8, 8), columns=9)
    claim.figure(
        "interpolation",
        fig,
        caption="Left and right, held-out digits as they come back from the noise that was found for them in 100 "
        "steps. Between them, what the noise on the great circle from one to the other becomes.",
        alt="Five rows of nine digits; each row changes gradually from one digit into another.",
    )


@torch.no_grad()
def test_noise_found_for_clean_images_is_too_small(claim):
    model, x = trained(), 2 * digits()[0][:200] - 1
    upward = levels(model, 97)[::-1]
    seed_all("first level")
    seed_all("first level")
    first = model.noised(x, torch.ones(len(x), dtype=torch.long), torch.randn_like(x))
    clean, touched = walk(model, x, upward), walk(model, first, upward[1:])
    claim.measure("deviation", clean.std().item(), baseline=touched.std().item())
