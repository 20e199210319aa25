"""Claims of the Wasserstein GAN."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import logsigmoid

from reference_impl.adversarial.gan import GAN
from reference_impl.adversarial.wgan import WGAN
from reference_impl.core import Task, run
from reference_impl.figures import INK, PALETTE, figure

# data: the line from (0, 0) to (0, 1) of the paper's example 1
LINE = torch.cat([torch.zeros(4096, 1), torch.rand(4096, 1, generator=torch.Generator().manual_seed(0))], 1)
SETTINGS = {"latent_dim": 1, "hidden": 64, "ema": 0, "batch_size": 128, "cooldown": 0}


class Parallel(nn.Module):
    """A generator of one parameter: noise (B, 1) to points (theta, u) with u uniform on [0, 1]."""

    def __init__(self, theta):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(float(theta)))

    def forward(self, z):
        return torch.cat([self.theta.expand_as(z), torch.special.ndtr(z)], 1)


def at_distance(cls, theta, settings, seed=0):
    """`cls` trained against samples that stay at distance theta; `slopes` keeps d(loss)/d(theta) on the way."""

    class Frozen(cls):
        def __init__(self, cfg):
            super().__init__(cfg)
            self.generator = self.averaged = Parallel(theta)
            self.slopes, self.played = [], 0

        def optimizers(self):
            players = super().optimizers()
            players["generator"].param_groups[0]["lr"] = 0.0
            return players

        def after_update(self):
            self.played += 1
            if self.played % 50 == 0:
                self.slopes.append({"step": self.played, **generator_slopes(self)})

    return run(Frozen, {**SETTINGS, **settings}, task=Task(LINE, shape=[2]), seed=seed, evaluate=False).model


def generator_slopes(model):
    """|d loss / d theta| of three losses of the generator, given the opponent as it is."""
    score = model.discriminate(model.generate(1024))
    losses = {
        "critic": -score.mean(),
        "minimax": logsigmoid(-score).mean(),
        "non_saturating": -logsigmoid(score).mean(),
    }
    theta = model.generator.theta
    return {k: torch.autograd.grad(v, theta, retain_graph=True)[0].abs().item() for k, v in losses.items()}


@torch.no_grad()
def scores(model):
    """What the trained opponent says of data and of samples: (4096,), (4096,)."""
    return model.discriminate(LINE), model.discriminate(model.generate(len(LINE)))


def gap(model):
    """E f(x) - E f(G(z))."""
    real, fake = scores(model)
    return (real.mean() - fake.mean()).item()


def jsd(model):
    """The Jensen-Shannon divergence that a discriminator's game is worth, in nats."""
    real, fake = scores(model)
    return ((logsigmoid(real).mean() + logsigmoid(-fake).mean()).item() + math.log(4)) / 2


def test_the_gap_grows_with_the_distance(claim):
    thetas = np.array([-20, -15, -10, -5, -1, 0, 1, 5, 10, 15, 20])
    critic = {"lr": 5e-3, "steps": 150}
    gaps = np.array([[gap(at_distance(WGAN, t, critic, seed)) for t in thetas] for seed in range(3)])
    claim.measure("correlation", [float(np.corrcoef(row, abs(thetas))[0, 1]) for row in gaps])
    divergences = np.array([jsd(at_distance(GAN, t, {"r1": 0, "lr": 2e-3, "steps": 300})) for t in thetas])
    apart = divergences[thetas != 0]
    claim.measure("jsd_apart", float(apart.min()), baseline=float(apart.max()))
    claim.measure("jsd_together", float(divergences[thetas == 0][0]))

    fig, (left, right) = figure(6.6, 2.7, columns=2)
    fine = np.linspace(-20, 20, 401)
    left.plot(fine, np.where(fine == 0, 0, math.log(2)), color=INK, linestyle=":", label="ln 2, or 0 at 0")
    left.plot(thetas, divergences, "o", color=PALETTE[0], markersize=5, label="trained discriminator")
    left.set(xlabel="distance θ of the lines", ylabel="Jensen-Shannon divergence, nats", ylim=(-0.05, 0.8))
    left.legend(loc="center right", handlelength=1)
    right.plot(fine, abs(fine), color=INK, linestyle=":", label="|θ|")
    # each critic in its own unit, the one that fits |theta| best
    for seed, row in enumerate(gaps):
        unit = row @ row / (row @ abs(thetas))
        label = "trained critics, own unit" if seed == 0 else None
        right.plot(thetas, row / unit, "o", color=PALETTE[1], markersize=4, alpha=0.7, label=label)
    right.set(xlabel="distance θ of the lines", ylabel="Wasserstein distance", ylim=(-1, 24))
    right.legend(loc="upper center")
    claim.figure(
        "hero",
        fig,
        caption="Data lie on one line, samples on a parallel one at distance θ. The divergence that a GAN's generator "
        "lowers is a step: ln 2 however near the lines are, so it does not say where to go. The critic's gap, like the "
        "Wasserstein distance, is a wedge whose sides point to the data. At distance 1 critics are about twice as "
        "steep as farther out, because clipped biases still bend them there.",
        alt="Left, a flat divergence that drops to zero at distance zero alone; right, critic gaps along a V.",
    )


def test_the_critic_still_has_a_slope_where_a_discriminator_has_none(claim):
    steps = {"steps": 1000}
    critics = [at_distance(WGAN, 4, {**steps, "lr": 5e-3}, seed) for seed in range(3)]
    judges = [at_distance(GAN, 4, {**steps, "r1": 0, "lr": 2e-3}, seed) for seed in range(3)]
    claim.measure(
        "slope", [m.slopes[-1]["critic"] for m in critics], baseline=[m.slopes[-1]["minimax"] for m in judges]
    )

    def drift(model, loss):
        """How the slope changes while the opponent's training goes on from step 200 to 1000."""
        at = {row["step"]: row[loss] for row in model.slopes}
        return at[1000] / at[200]

    claim.measure("drift", [drift(m, "critic") for m in critics], baseline=[drift(m, "non_saturating") for m in judges])

    fig, (left, right) = figure(6.8, 2.8, columns=2)
    x = torch.linspace(-1.5, 5.5, 281)
    path = torch.stack([x, torch.full_like(x, 0.5)], 1)
    with torch.no_grad():
        f, d = critics[0].discriminate(path), judges[0].discriminate(path).sigmoid()
    left.plot(x, (f - f.min()) / (f.max() - f.min()), color=PALETTE[1], label="critic, rescaled to 0…1")
    left.plot(x, d, color=PALETTE[0], label="discriminator D")
    for at, name in ((0, "data"), (4, "samples")):
        left.axvline(at, color=INK, linewidth=0.8, linestyle=":")
        left.annotate(name, (at, 1.04), ha="center")
    left.set(xlabel="position across the lines", ylim=(-0.02, 1.4), yticks=[0, 0.5, 1])
    left.legend(loc="upper center", ncols=2, columnspacing=1, handlelength=1.2)
    curves = (
        (critics, "critic", PALETTE[1], "−f(G(z)), critic"),
        (judges, "non_saturating", PALETTE[2], "−log D(G(z))"),
        (judges, "minimax", PALETTE[0], "log(1 − D(G(z)))"),
    )
    for models, loss, color, label in curves:
        for m in models:
            rows = [(row["step"], row[loss]) for row in m.slopes]
            right.semilogy(*zip(*rows, strict=True), color=color, linewidth=1, label=label if m is models[0] else None)
    right.set(xlabel="training steps of the opponent", ylabel="slope of the generator's loss")
    right.legend(loc="center right", bbox_to_anchor=(1, 0.62))
    claim.figure(
        "cliff",
        fig,
        caption="Lines at distance 4. Left: the trained discriminator falls from 1 to 0 on the way and is flat where "
        "the samples are; the critic goes on rising toward the data. Right: training the discriminator longer takes "
        "the slope out of the original loss and keeps adding to that of the non-saturating one; the critic's slope "
        "stays as it is.",
        alt="Left, a sigmoid cliff and a steadily falling critic; right, three slopes over training, one flat, one "
        "rising, one falling by many powers of ten.",
    )


def test_the_clip_sets_the_unit_of_the_scores(claim):
    clips = np.array([0.02, 0.05, 0.1, 0.2])
    models = [
        [at_distance(WGAN, 4, {"weight_clip": c, "lr": c / 10, "steps": 300}, seed) for c in clips] for seed in range(3)
    ]
    gaps = np.array([[gap(m) for m in row] for row in models])
    claim.measure("exponent", [float(np.polyfit(np.log(clips), np.log(row), 1)[0]) for row in gaps])
    outside = [[((s < 0) | (s > 1)).float().mean().item() for s in scores(row[-1])] for row in models]
    claim.measure("outside", [sum(pair) / 2 for pair in outside])

    fig, (left, right) = figure(6.6, 2.6, columns=2)
    for row in gaps:
        left.loglog(clips, row, "o-", color=PALETTE[1], markersize=4, linewidth=1)
    left.axhline(4, color=INK, linestyle=":")
    left.annotate("Wasserstein distance: 4", (clips[0], 5), va="bottom")
    left.set(xlabel="clip bound c", ylabel="gap of the critic", xticks=clips, xticklabels=map(str, clips))
    left.minorticks_off()
    real, fake = (s.numpy() for s in scores(models[0][-1]))
    bins = np.linspace(fake.min(), real.max(), 60)
    for s, name, color in ((real, "data", PALETTE[0]), (fake, "samples", PALETTE[2])):
        right.hist(s, bins=bins, color=color, histtype="stepfilled", label=name)
    right.axvspan(0, 1, color=PALETTE[3], label="0 to 1")
    right.set(xlabel=f"score of the critic, c = {clips[-1]:g}", yticks=[])
    right.legend()
    claim.figure(
        "unit",
        fig,
        caption="The lines stay at distance 4. Left: the gap grows with the fourth power of the clip bound, one factor "
        "for each layer of weights, and equals the distance only by accident. Right: scores at the largest bound; "
        "hardly any lies between 0 and 1.",
        alt="Left, a straight line on logarithmic axes with slope four; right, two histograms of scores far from 0…1.",
    )
