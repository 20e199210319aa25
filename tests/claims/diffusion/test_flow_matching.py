"""Claims of flow matching."""

import math
from contextlib import contextmanager
from functools import cache

import torch
from sklearn.svm import SVC

from reference_impl.core import Batch, run, seed_all
from reference_impl.diffusion.ddim import DDIM
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.diffusion.flow_matching import FlowMatching
from reference_impl.diffusion.score_sde import ScoreSDE
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.tasks import make
from reference_impl.tasks.images import digits
from reference_impl.tasks.measures import frechet
from reference_impl.tasks.points import SOURCES, ring_centers

SIGMA = 0.1


class Ring(FlowMatching):
    """The flow to the ring of eight Gaussians, its velocity known in closed form."""

    def moments(self, x, t):
        """Mean of x_1 given x_t = x from each mode, and the modes' posterior: (8, B, 2), (8, B, 1)."""
        centers, t = ring_centers().to(x)[:, None], t.view(1, -1, 1)
        variance = (1 - t) ** 2 + (t * SIGMA) ** 2
        weight = (-0.5 * (x - t * centers).square().sum(2, keepdim=True) / variance).softmax(0)
        return centers + t * SIGMA**2 / variance * (x - t * centers), weight

    def velocity(self, x, t, y=None):
        # E[x_1 - x_0 | x_t], where x_0 = (x_t - t x_1) / (1 - t)
        means, weight = self.moments(x, t)
        return ((means * weight).sum(0) - x) / (1 - t.view(-1, 1))

    def log_density(self, x, t):
        """log p_t(x): (B, 2), (B,) -> (B,)."""
        variance = (1 - t) ** 2 + (t * SIGMA) ** 2
        square = (x - t.view(1, -1, 1) * ring_centers().to(x)[:, None]).square().sum(2)
        return torch.logsumexp(-0.5 * square / variance, 0) - (8 * 2 * math.pi * variance).log()


class Marginal(Ring):
    """Regresses the mean velocity at x_t in place of the velocity of one line."""

    def path(self, x0, x1, t):
        xt, _ = super().path(x0, x1, t)
        return xt, self.velocity(xt, t)


class VariancePreserving(FlowMatching):
    """The same flow matching on DDPM's path with beta linear from 0.1 to 20, example I of the paper."""

    def path(self, x0, x1, t):
        # the velocity of the noise is infinite at the data
        s = (1 - t).clamp(min=1e-3).view(-1, 1)
        beta, integral = 0.1 + 19.9 * s, 0.1 * s + 19.9 * s**2 / 2
        signal = (-integral / 2).exp()
        noise = (1 - signal**2).sqrt()
        slope = beta / 2 * signal
        return signal * x1 + noise * x0, slope * x1 - signal * slope / noise * x0


class ReadsDDPM(FlowMatching):
    """A DDPM's noise predictor, read as a velocity on the straight lines: x_t / (a + s) is a point of the line."""

    def __init__(self, ddpm):
        super().__init__(FlowMatching.Config(shape=ddpm.cfg.shape, classes=0, solver="euler"))
        self.ddpm = ddpm
        self.signal, self.noise = ddpm.abar.sqrt().flip(0), (1 - ddpm.abar).sqrt().flip(0)

    def grid(self):
        return self.signal / (self.signal + self.noise)

    def velocity(self, x, t, y=None):
        i = torch.searchsorted(self.grid(), t[0].item())
        level = torch.full((len(x),), self.ddpm.cfg.timesteps - int(i))
        eps = self.ddpm.predict_noise(x * (self.signal[i] + self.noise[i]), level)
        return (x - eps) / t.view(-1, 1)


class ReadsSDE(FlowMatching):
    """A score-based SDE's score, read as a velocity on the straight lines."""

    def __init__(self, sde):
        super().__init__(FlowMatching.Config(shape=sde.cfg.shape, classes=0))
        self.sde = sde

    def velocity(self, x, t, y=None):
        # the SDE's time at which the line has come to t, by bisection: t falls as noise grows
        low, high = torch.zeros_like(t), torch.ones_like(t)
        for _ in range(60):
            tau = (low + high) / 2
            signal, noise = (f[:, 0] for f in self.sde.marginal(tau))
            early = signal / (signal + noise) > t
            low, high = torch.where(early, tau, low), torch.where(early, high, tau)
        signal, noise = self.sde.marginal(tau)
        eps = -noise * self.sde.score(x * (signal + noise), tau)
        return (x - eps) / t.view(-1, 1)


@contextmanager
def double_precision():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@cache
def trained(kind, source, seed):
    return run(
        kind,
        {"steps": 1000, "batch_size": 256, "times": "uniform"},
        task=make("points", source),
        seed=seed,
        evaluate=False,
    ).model


def solved(model, n, **settings):
    """n samples by other settings of the solver, always from the same noise."""
    model.cfg = model.cfg.model_copy(update=settings)
    seed_all("noise")
    return model.sample(n)


def sliced(a, b):
    """Sliced 2-Wasserstein distance of samples (N, 2), in data units, over 100 directions."""
    angle = torch.arange(100) * math.pi / 100
    along = torch.stack([angle.cos(), angle.sin()])
    return ((a @ along).sort(0).values - (b @ along).sort(0).values).square().mean().sqrt().item()


def distance(a, b):
    """Largest difference over the root mean square of b."""
    return ((a - b).abs().max() / b.square().mean().sqrt()).item()


def gradient(model, batch):
    """Gradient of the loss, as one vector; the same noise and times at every call with the same seed."""
    grads = torch.autograd.grad(model.loss(batch)["loss"], list(model.net.parameters()))
    return torch.cat([g.flatten() for g in grads])


def test_lines_and_mean_velocity_give_the_same_gradient(claim):
    settings = {"shape": (2,), "classes": 0, "hidden": 4}
    lines, means = FlowMatching(FlowMatching.Config(**settings)), Marginal(FlowMatching.Config(**settings))
    means.load_state_dict(lines.state_dict())
    pairs = []
    for i in range(100):
        batch = Batch(SOURCES["ring8"](2000, torch.Generator().manual_seed(i)))
        both = []
        for model in (lines, means):
            seed_all("draws", i)
            both.append(gradient(model, batch))
        pairs.append(torch.stack(both))
    grads = torch.stack(pairs).double()
    one, other = grads.mean(0)
    # how far the difference of the means is from zero along the gradient itself
    gap = (grads[:, 0] - grads[:, 1]) @ (other / other.norm())
    claim.measure("cosine", torch.cosine_similarity(one, other, 0).item())
    claim.measure("gap", (gap.mean().abs() / (gap.std() / len(gap) ** 0.5)).item())

    ring = Ring(FlowMatching.Config(**settings))
    t = torch.rand(2000, dtype=torch.float64) * 0.98
    noise, data = torch.randn(2000, 2).double(), SOURCES["ring8"](2000, torch.Generator().manual_seed(0)).double()
    x = FlowMatching.path(ring, noise, data, t)[0].requires_grad_()
    (exact,) = torch.autograd.grad(ring.log_density(x, t).sum(), x)
    claim.measure("score", ((ring.score(x, t) - exact).norm(dim=1) / exact.norm(dim=1)).max().item())


def test_noise_predictor_is_a_velocity_and_ddim_its_euler_step(claim):
    with double_precision():
        ddpm, n = DDPM(DDPM.Config(shape=(2,))), 500
        ddim = DDIM(DDIM.Config(shape=(2,), sampling_steps=100))
        ddim.load_state_dict(ddpm.state_dict())
        flow, level = ReadsDDPM(ddpm), torch.randint(1, 101, (n,))
        x0, eps = SOURCES["ring8"](n, torch.Generator().manual_seed(0)), torch.randn(n, 2)
        signal, noise = ddpm.abar[level].sqrt(), (1 - ddpm.abar[level]).sqrt()
        total, t = (signal + noise)[:, None], signal / (signal + noise)
        line, velocity = flow.path(eps, x0, t)
        noised = ddpm.noised(x0, level, eps)
        claim.measure("path", (noised / total - line).abs().max().item())
        with torch.no_grad():
            wrong_noise = (ddpm.predict_noise(noised, level) - eps).square()
            predicted = torch.cat([flow.velocity(a[None], b[None]) for a, b in zip(line, t, strict=True)])
            wrong_velocity = t[:, None] ** 2 * (predicted - velocity).square()
            claim.measure("loss", ((wrong_noise - wrong_velocity).abs() / wrong_noise.mean()).max().item())
            start = torch.randn(n, 2)
            end = ddim.decode(start * (flow.signal[0] + flow.noise[0]))
            claim.measure("samples", distance(flow.solve(flow.velocity, start, flow.grid()), end))


def test_flow_is_the_probability_flow_ode(claim):
    errors, n = {"velocity": [], "score": []}, 500
    for process in ("vp", "ve"):
        sde = ScoreSDE(ScoreSDE.Config(process=process)).double()
        flow, tau = ReadsSDE(sde), 0.01 + 0.98 * torch.rand(n, dtype=torch.float64)
        signal, noise = sde.marginal(tau.requires_grad_())
        total, t = signal + noise, (signal / (signal + noise))[:, 0]
        x = (total * torch.randn(n, 2).double()).detach()
        growth, speed = (torch.autograd.grad(f.sum(), tau, retain_graph=True)[0][:, None] for f in (total, t))
        total, t = total.detach(), t.detach()
        with torch.no_grad():
            # d/d tau of x / (a + s) along the SDE's ODE, over dt / d tau
            moved = (sde.velocity(x, tau) / total - x * growth / total**2) / speed
            errors["velocity"].append(distance(flow.velocity(x / total, t), moved))
            errors["score"].append(distance(flow.score(x / total, t), total * sde.score(x, tau)))
    for name, error in errors.items():
        claim.measure(name, max(error))


def test_lines_need_fewer_looks_at_the_velocity(claim):
    midpoint = {"solver": "midpoint", "solver_steps": 4}
    data = {name: SOURCES[name](20_000, torch.Generator().manual_seed(1)) for name in ("ring8", "moons")}
    for name, x in data.items():
        lines, curves = (
            [sliced(solved(trained(kind, name, seed), 20_000, **midpoint), x) for seed in range(3)]
            for kind in (FlowMatching, VariancePreserving)
        )
        claim.measure(name, lines, baseline=curves)

    counts = [1, 2, 4, 8, 16]
    fig, axes = figure(6.4, 2.8, columns=2)
    for ax, title, (name, x) in zip(axes, ("ring of eight", "two moons"), data.items(), strict=True):
        for kind, label in ((FlowMatching, "lines"), (VariancePreserving, "variance preserving")):
            model = trained(kind, name, 0)
            far = [sliced(solved(model, 20_000, **midpoint | {"solver_steps": k}), x) for k in counts]
            ax.plot([2 * k for k in counts], far, "o-", markersize=3, label=label)
        floor = sliced(SOURCES[name](20_000, torch.Generator().manual_seed(2)), x)
        ax.axhline(floor, color=PALETTE[8], linestyle="--", label="fresh data")
        ax.set(title=title, xlabel="looks at the velocity", xscale="log", yscale="log")
        ax.set_xticks([2 * k for k in counts], [2 * k for k in counts])
        ax.minorticks_off()
    axes[0].set_ylabel("sliced Wasserstein distance")
    axes[0].legend()
    claim.figure(
        "steps",
        fig,
        caption="Distance of 20,000 samples from the data, against how often the midpoint rule looks at the "
        "velocity. The same network, data and steps of training; on straight lines eight looks do what takes far "
        "more on the curved path.",
        alt="Two panels, ring and moons: the curve of the lines falls to its final level at eight looks, the "
        "other one later.",
    )


def test_one_step_lands_on_the_mean(claim):
    x = SOURCES["moons"](20_000, torch.Generator().manual_seed(1))
    models = [trained(FlowMatching, "moons", seed) for seed in range(3)]
    spread = [solved(m, 5_000, solver="euler", solver_steps=1).var(0).sum() / x.var(0).sum() for m in models]
    claim.measure("spread", [s.item() for s in spread])
    euler = {"solver": "euler", "solver_steps": 8}
    lines, curves = (
        [sliced(solved(trained(kind, "moons", seed), 20_000, **euler), x) for seed in range(3)]
        for kind in (FlowMatching, VariancePreserving)
    )
    claim.measure("euler", lines, baseline=curves)

    fig, axes = figure(6.6, 1.7, columns=5)
    shown = {f"{k} step{'s' * (k > 1)}": solved(models[0], 1500, solver="euler", solver_steps=k) for k in (1, 2, 4, 16)}
    for ax, (title, points) in zip(axes, {**shown, "data": x[:1500]}.items(), strict=True):
        ax.scatter(*points.T, s=2, alpha=0.6, linewidths=0, rasterized=True)
        ax.set(title=title, xlim=(-1.8, 1.8), ylim=(-1.1, 1.1), aspect="equal")
        ax.axis("off")
    claim.figure(
        "few_steps",
        fig,
        caption="The same 1,500 draws of noise, carried by 1, 2, 4 and 16 Euler steps. The velocity at the start "
        "is that toward the mean of all data, so one step puts every particle there: lines are straight one by "
        "one, their mean is not.",
        alt="Scatter plots: one blob after one step, a curved band after two and four, two moons after sixteen, "
        "as in the data.",
    )


def test_likelihood_by_the_ode_matches_the_known_density(claim):
    ring = Ring(FlowMatching.Config(shape=(2,), classes=0))
    x, task = SOURCES["ring8"](4000, torch.Generator().manual_seed(1)), make("points", "ring8")
    settings = {"steps": 2500, "batch_size": 256, "solver_steps": 40, "times": "uniform"}
    models = [run(FlowMatching, settings, task=task, seed=s, evaluate=False).model for s in range(2)]
    exact = ring.log_density(x, torch.ones(len(x)))
    claim.measure("gap", [(exact - m.log_likelihood(x)).mean().item() for m in models])

    axis = torch.linspace(-2.7, 2.7, 90)
    grid = torch.cartesian_prod(axis, axis)
    fig, panels = figure(5.6, 2.8, columns=2)
    for ax, title, values in (
        (panels[0], "known", ring.log_density(grid, torch.ones(len(grid)))),
        (panels[1], "learned", models[0].log_likelihood(grid)),
    ):
        density = values.exp().view(90, 90).T
        ax.pcolormesh(axis, axis, density, cmap="viridis", vmin=0, vmax=2, rasterized=True)
        ax.set(title=title, aspect="equal")
        ax.axis("off")
    claim.figure(
        "density",
        fig,
        caption="Density of the ring, known and as the flow computes it from the divergence of its velocity on "
        "the way back to noise.",
        alt="Two heat maps of eight spots on a circle, nearly the same.",
    )

    model, times = models[0], torch.linspace(0, 1, 51)
    seed_all("particles")
    start, states = torch.randn(120, 2), []
    with torch.no_grad():
        for k in range(len(times)):
            states.append(start if k == 0 else model.solve(model.velocity, states[-1], times[k - 1 : k + 1]))
    trail, axis = torch.stack(states), torch.linspace(-2.6, 2.6, 14)
    grid = torch.cartesian_prod(axis, axis)
    fig, panels = figure(6.6, 2.5, columns=3)
    for ax, k in zip(panels, (10, 30, 47), strict=True):
        with torch.no_grad():
            v = model.velocity(grid, times[k].expand(len(grid)))
        ax.plot(*trail[: k + 1].permute(2, 0, 1), color=PALETTE[0], linewidth=0.35, alpha=0.6, rasterized=True)
        ax.quiver(*grid.T, *v.T, color=PALETTE[8], width=0.006, scale=60, rasterized=True)
        ax.scatter(*trail[k].T, s=7, color=PALETTE[1], linewidths=0, zorder=3, rasterized=True)
        ax.set(title=f"t = {times[k]:.1f}", xlim=(-2.8, 2.8), ylim=(-2.8, 2.8), aspect="equal")
        ax.axis("off")
    claim.figure(
        "hero",
        fig,
        caption="120 particles of noise (orange) and their trails, carried to the ring by the learned velocity "
        "(gray arrows). At first all move outward together; on the way each is drawn to one mode.",
        alt="Three panels: a cloud of particles with arrows, a ring forming, and eight clusters at the ends of "
        "the trails.",
    )


def test_digits_come_near_the_noise_floor_and_obey_the_label(claim):
    x, y = digits()
    test, train, judge = x[:360].flatten(1), x[360:720].flatten(1), SVC(C=10).fit(x[360:].flatten(1), y[360:])
    model = run(FlowMatching, evaluate=False).model
    claim.measure("distance", frechet(test, model.sample(360, y[:360]).flatten(1)), baseline=frechet(test, train))
    asked = torch.arange(2000) % 10
    accuracy = judge.score(model.sample(2000, asked).flatten(1), asked)
    claim.measure("accuracy", accuracy, baseline=judge.score(test, y[:360]))

    fig, ax = figure(5.6, 3.4)
    show_images(ax, model.sample(160, torch.arange(160) % 10).view(16, 10, 8, 8).transpose(0, 1).reshape(-1, 8, 8), 16)
    claim.figure(
        "digits",
        fig,
        caption="Sixteen samples of each digit, a row for a label, by ten midpoint steps from noise.",
        alt="Ten rows of 8 by 8 digits, 0 to 9 from top to bottom.",
    )
