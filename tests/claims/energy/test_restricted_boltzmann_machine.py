"""Claims of the restricted Boltzmann machine."""

import math

import numpy as np
import torch
from torch import Tensor

from reference_impl.core import Task, run, seed_all
from reference_impl.energy.boltzmann_machine import BoltzmannMachine
from reference_impl.energy.hopfield_network import Hopfield
from reference_impl.energy.restricted_boltzmann_machine import RBM, bernoulli, free_energy, gibbs
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.tasks import make


def states(n: int) -> Tensor:
    """All bit vectors of length n: (2^n, n)."""
    return (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).float()


@torch.no_grad()
def exact_log_partition(model: RBM) -> float:
    """log Z by summing over the states of the smaller layer; the other is summed out in closed form."""
    W, b, c = (w.double() for w in model.weights)
    if len(b) <= len(c):
        return (-free_energy(states(len(b)).double(), (W, b, c))).logsumexp(0).item()
    return (-free_energy(states(len(c)).double(), (W.T, c, b))).logsumexp(0).item()


def random_rbm(visible: int, hidden: int) -> RBM:
    """Weights of the size that training reaches, in float64."""
    model = RBM(RBM.Config(visible=visible, hidden=hidden)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def test_free_energy_sums_out_the_hidden_units(claim):
    model, h = random_rbm(12, 10), states(10).double()
    v = states(12).double()
    joint = -(v @ model.W @ h.T) - (v @ model.b)[:, None] - h @ model.c  # E(v, h): (2^V, 2^H)
    claim.measure("gap", (model.energy(v) + (-joint).logsumexp(1)).abs().max().item())
    # independence: the posterior over all 2^H states has the marginals that `encode` gives
    posterior = (-joint).softmax(1)
    claim.measure("posterior", (posterior @ h - model.encode(v)).abs().max().item())


def test_annealed_importance_sampling_finds_the_partition_function(claim):
    task, temperatures = make("bits"), [1, 3, 10, 30, 100, 300, 1000]
    gaps, curves = [], []
    for seed in range(3):
        model = run(RBM, {"hidden": 14, "steps": 2000}, task=task, seed=seed, evaluate=False).model
        exact = exact_log_partition(model)
        curves.append([model.log_partition(500, t).item() - exact for t in temperatures])
        gaps.append(abs(curves[-1][-1]))
    claim.measure("gap", gaps, baseline=[abs(curve[0]) for curve in curves])

    fig, ax = figure(6.0, 3.0)
    for curve in curves:
        ax.plot(temperatures, curve, "o-", color=PALETTE[0], markersize=3, linewidth=1)
    ax.axhline(0, color=PALETTE[1], linestyle="--")
    ax.set(xscale="log", xlabel="temperatures", ylabel="estimated minus exact log Z, nats")
    claim.figure(
        "annealing",
        fig,
        caption="Error of annealed importance sampling with 500 chains for three machines with 14 hidden units, whose "
        "log Z is known by enumeration. Plain importance sampling (one temperature) misses states that carry much "
        "of Z and comes out low, which flatters the model; each further temperature is a smaller leap.",
        alt="Three curves rise from about one nat below zero at one temperature to zero at 300 and more.",
    )


class Watched(RBM):
    """Also keeps its exact mean log-likelihood of the 30 images after every 100 updates."""

    data = make("bits", "bars").splits["train"][0]

    def after_update(self):
        self.updates = getattr(self, "updates", 0) + 1
        if self.updates % 100 == 0:
            mean = -self.energy(self.data).mean().item() - exact_log_partition(self)
            self.trace = [*getattr(self, "trace", []), (self.updates, mean)]


def test_persistent_chains_learn_a_better_likelihood(claim):
    x = Watched.data.repeat(10, 1)  # 300 rows, so that 100 chains run beside batches of 100
    task = Task(x, shape=[1, 4, 4], visible=16)
    cfg = {"hidden": 16, "batch_size": 100, "steps": 4000, "lr": 0.03, "weight_decay": 0.0}
    traces = {
        persistent: [
            run(Watched, {**cfg, "persistent": persistent}, task=task, seed=seed, evaluate=False).model.trace
            for seed in range(3)
        ]
        for persistent in (True, False)
    }
    last = {k: [trace[-1][1] for trace in v] for k, v in traces.items()}
    claim.measure("log_likelihood", last[True], baseline=last[False])

    best = -math.log(len(Watched.data))
    fig, ax = figure(6.0, 3.2)
    for persistent, color, name in ((True, PALETTE[0], "persistent chains"), (False, PALETTE[1], "CD-1")):
        for i, trace in enumerate(traces[persistent]):
            ax.plot(*zip(*trace, strict=True), color=color, linewidth=1, label=name if i == 0 else None)
    ax.axhline(best, color=PALETTE[8], linestyle="--")
    ax.annotate("the data's own: -log 30", (0, best), (4000, best + 0.1), color=PALETTE[8], ha="right")
    ax.set(xlabel="update", ylabel="exact log-likelihood, nats per image", ylim=(-12, best + 0.8))
    ax.legend(loc="lower right")
    claim.figure(
        "likelihood",
        fig,
        caption="Exact log-likelihood of the 30 bars and stripes during training, three seeds each, everything equal "
        "but the start of the chains. CD-1 never looks far from the data and leaves probability there; persistent "
        "chains find it and take it away.",
        alt="Two bundles of rising curves; the one of persistent chains ends about one nat above that of CD-1.",
    )


def test_held_out_digits_cost_less_than_17_nats(claim):
    task = make("bits")
    test = task.splits["test"][0]
    nats, larger, models = [], [], []
    for seed in range(3):
        model = run(RBM, task=task, seed=seed, evaluate=False).model
        energy = model.energy(test).mean().item()
        nats.append(energy + model.log_partition(500, 1000).item())
        models.append(model)
        if seed == 0:
            larger.append(energy + model.log_partition(500, 5000).item())
    p = model.base.sigmoid()
    independent = -(test * p.log() + (1 - test) * (1 - p).log()).sum(1).mean().item()
    claim.measure("nll", nats, baseline=independent)
    claim.measure("agreement", abs(nats[0] - larger[0]))

    model = models[0]
    seed_all("fantasy")
    fantasy = model.sample(64)
    fig, (left, right) = figure(6.4, 3.2, columns=2)
    show_images(left, test[:64].view(-1, 8, 8), title="held-out digits")
    show_images(right, fantasy.view(-1, 8, 8), title="fantasy")
    claim.figure(
        "hero",
        fig,
        caption="Held-out black-and-white digits, and fantasies: chains that started in independent pixels and ran for "
        "1,000 Gibbs steps. Most fantasies read as digits of all ten kinds.",
        alt="Two sheets of 64 small black-and-white digits, real ones on the left and fantasies on the right.",
    )

    weights = model.W.detach().T.view(-1, 8, 8)
    strongest = weights.flatten(1).norm(dim=1).argsort(descending=True)[:64]
    fig, ax = figure(4.2, 4.2)
    limit = float(weights.abs().max())
    show_images(ax, weights[strongest], vmin=-limit, vmax=limit)
    claim.figure(
        "filters",
        fig,
        caption="Weights of the 64 hidden units with the largest ones, dark for positive. Most respond to a stroke "
        "at one place and to its absence beside it.",
        alt="64 small gray images with a few dark and light pixels each.",
    )

    v, film, sweeps = model.independent(12), [], [0, 1, 10, 100, 1000]
    for before, after in zip([0, *sweeps], sweeps, strict=False):
        v = gibbs(v, model.weights, after - before)
        film.append(v)
    fig, axes = figure(6.4, 3.0, len(film), 1)
    for ax, frame, sweep in zip(axes, film, sweeps, strict=True):
        show_images(ax, frame.view(-1, 8, 8), columns=12)
        ax.text(-1, 3.5, f"{sweep}", ha="right", va="center")
    claim.figure(
        "film",
        fig,
        caption="Twelve chains from left to right, started in independent pixels and shown after 0, 1, 10, 100 and "
        "1,000 Gibbs steps. Ten steps are enough to reach strokes; later the same chain wanders from digit to digit.",
        alt="Five rows of twelve images: noise in the first row, digits in the last.",
    )


def copies_of_memories(memories: Tensor, copies: int, beta: float) -> RBM:
    """`copies` hidden units per memory x (M, D) in {-1, +1}, each with input eps x's, where s = 2v - 1."""
    m, d = memories.shape
    model = RBM(RBM.Config(visible=d, hidden=m * copies)).double()
    eps = math.sqrt(4 * beta / (copies * d))
    with torch.no_grad():
        model.W.copy_(2 * eps * memories.T.repeat(1, copies))
        model.c.copy_(-model.W.sum(0) / 2)  # in terms of s the hidden units have no bias
        model.b.copy_(-model.W.sum(1) / 2)  # takes out the odd half of softplus(a) = log 2 + a/2 + a^2/8 - ...
    return model


def test_many_weak_hidden_units_give_the_hopfield_law(claim):
    units, beta, copies = 10, 1.0, [16, 64, 256, 1024, 4096]
    memories = torch.randint(0, 2, (3, units)).double() * 2 - 1
    v = states(units).double()
    hopfield = Hopfield(Hopfield.Config(units=units)).double()
    hopfield.prepare(Task(memories))
    law = (-beta * hopfield.energy(2 * v - 1)).softmax(0)
    distance = []
    for k in copies:
        found = (-copies_of_memories(memories, k, beta).energy(v)).softmax(0)
        distance.append(0.5 * (found - law).abs().sum().item())
    claim.measure("total_variation", distance[-1], baseline=distance[0])
    claim.measure("slope", float(np.polyfit(np.log(copies[-3:]), np.log(distance[-3:]), 1)[0]))


def distance_to_law(h: Tensor, law: Tensor) -> float:
    """Total variation between the states h (N, H) of chains and the law (2^H,) of all of `states`."""
    counts = torch.bincount((h.long() << torch.arange(h.shape[1])).sum(1), minlength=len(law))
    return 0.5 * (counts / len(h) - law).abs().sum().item()


@torch.no_grad()
def test_one_pass_draws_the_hidden_units(claim):
    hidden, chains, passes = 8, 4000, 8
    images = (task := make("bits", "bars")).splits["train"][0][::3]
    settings, all_h = {"hidden": hidden, "steps": 1500, "batch_size": 30, "weight_decay": 0}, states(hidden)
    by_layer, one_by_one, floors = [], [], []
    for seed in range(3):
        rbm = run(RBM, settings, task=task, seed=seed, evaluate=False).model
        machine = run(BoltzmannMachine, settings, task=task, seed=seed, evaluate=False).model
        seed_all("passes", seed)
        restricted, curve, floor = [], [], []
        for v in images:
            p = rbm.encode(v[None])
            law = torch.where(all_h.bool(), p, 1 - p).prod(1)
            restricted.append(distance_to_law(bernoulli(p.expand(chains, -1)), law))
            law = (-machine.joint_energy(torch.cat([v.expand(len(all_h), -1), all_h], 1))).softmax(0)
            floor.append(distance_to_law(all_h[law.multinomial(chains, replacement=True)], law))
            s, found = torch.cat([v.expand(chains, -1), machine.random(chains)[:, len(v) :]], 1), []
            for _ in range(passes):
                s = machine.sweep(s, range(len(v), s.shape[1]))
                found.append(distance_to_law(s[:, len(v) :], law))
            curve.append(found)
        by_layer.append(float(np.mean(restricted)))
        one_by_one.append(np.mean(curve, 0))
        floors.append(float(np.mean(floor)))
    claim.measure("distance", by_layer, baseline=[float(curve[0]) for curve in one_by_one])

    fig, ax = figure(6.0, 3.0)
    for curve, value in zip(one_by_one, by_layer, strict=True):
        ax.plot(range(1, passes + 1), curve, "o-", color=PALETTE[0], markersize=3, linewidth=1)
        ax.plot([1], [value], "D", color=PALETTE[1], markersize=5)
    ax.axhline(float(np.mean(floors)), color=PALETTE[8], linestyle="--", linewidth=1)
    ax.text(passes, float(np.mean(floors)), "exact draws", color=PALETTE[8], ha="right", va="top")
    ax.text(1.6, one_by_one[0][0], "links inside the layers", color=PALETTE[0], va="center")
    ax.text(1.15, by_layer[0], "restricted", color=PALETTE[1], va="center")
    ax.set(xlabel="passes over the hidden units", ylabel="total variation to their law", ylim=(0, None))
    claim.figure(
        "passes",
        fig,
        caption="How far 4,000 hidden states, drawn while an image of bars or stripes is held, are from their exact "
        "law; mean over ten images, three trainings each. Without links inside the layer one pass is an exact draw; "
        "with them chains from random states need several.",
        alt="Three curves fall from about 0.2 after one pass to 0.03 after four; diamonds near zero at one pass.",
    )
