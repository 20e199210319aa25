"""Claims of the Boltzmann machine."""

import torch
from torch import Tensor
from torch.func import vmap

from reference_impl.core import Task, run, seed_all
from reference_impl.energy.boltzmann_machine import BoltzmannMachine
from reference_impl.energy.hopfield_network import Hopfield
from reference_impl.energy.restricted_boltzmann_machine import RBM, gibbs
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.tasks import make


def states(n: int) -> Tensor:
    """All bit vectors of length n, the first bit counting fastest: (2^n, n)."""
    return (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).double()


def index(s: Tensor) -> Tensor:
    """Row of `states` at which each state stands: (B, n) -> (B,)."""
    return (s.long() << torch.arange(s.shape[1])).sum(1)


def random_machine(visible: int, hidden: int) -> BoltzmannMachine:
    """Links and biases of standard deviation 1, in float64."""
    model = BoltzmannMachine(BoltzmannMachine.Config(visible=visible, hidden=hidden)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def law(model: BoltzmannMachine) -> Tensor:
    """Probability of every state of all bits, by enumeration: (2^D,)."""
    return (-model.joint_energy(states(len(model.b)))).softmax(0)


def visible_law(model: BoltzmannMachine) -> Tensor:
    """Probability of every visible state: (2^V,)."""
    return law(model).view(-1, 2**model.cfg.visible).sum(0)


def total_variation(p: Tensor, q: Tensor) -> float:
    return 0.5 * (p - q).abs().sum().item()


@torch.no_grad()
def test_gibbs_sampling_reaches_the_boltzmann_law(claim):
    bits, chains, sweeps = 10, 10_000, 100
    model = random_machine(8, 2)
    exact, all_states = law(model), states(bits)
    s, counts, distance = model.random(chains), torch.zeros(2**bits), []
    for sweep in range(50 + sweeps):
        now = torch.bincount(index(s), minlength=2**bits)
        distance.append(total_variation(now / chains, exact))
        s = model.sweep(s)
        if sweep >= 50:
            counts += torch.bincount(index(s), minlength=2**bits)
    means = exact @ all_states
    independent = (all_states * means + (1 - all_states) * (1 - means)).prod(1)
    claim.measure(
        "distance", total_variation(counts / counts.sum(), exact), baseline=total_variation(independent, exact)
    )
    drawn = torch.bincount(exact.multinomial(chains * sweeps, replacement=True), minlength=2**bits)
    floor = total_variation(drawn / drawn.sum(), exact)
    claim.measure("excess", total_variation(counts / counts.sum(), exact) / floor)

    fig, ax = figure(6.0, 3.0)
    ax.plot(distance[:41], "o-", markersize=3)
    ax.axhline(total_variation(independent, exact), color=PALETTE[1], linestyle="--")
    ax.text(
        40, total_variation(independent, exact) + 0.02, "independent bits, same means", color=PALETTE[1], ha="right"
    )
    drawn = torch.bincount(exact.multinomial(chains, replacement=True), minlength=2**bits)
    ax.axhline(total_variation(drawn / chains, exact), color=PALETTE[2], linestyle="--")
    ax.text(40, total_variation(drawn / chains, exact) + 0.02, "10,000 exact draws", color=PALETTE[2], ha="right")
    ax.set(xlabel="sweep", ylabel="total variation to the Boltzmann law", ylim=(0, 0.85))
    claim.figure(
        "equilibrium",
        fig,
        caption="How far the states of 10,000 chains are from the Boltzmann law of a random machine of ten bits, all "
        "1,024 states counted. After three or four sweeps they cannot be told from as many exact draws.",
        alt="The distance falls from 0.8 within four sweeps to that of exact draws, 0.06, and stays there.",
    )


def test_two_phase_rule_is_the_likelihood_gradient(claim):
    model = random_machine(6, 4)
    s, data = states(10), torch.rand(2**6).double().softmax(0)
    log_likelihood = (data * visible_law(model).log()).sum()
    wanted = torch.autograd.grad(log_likelihood, [model.links, model.b])
    free = law(model).detach()
    clamped = free * (data / visible_law(model).detach()).repeat(2**4)  # p(h|v) data(v)
    # statistics of every state alone, then averaged under either law
    alone = vmap(model.statistics)(s[:, None])
    rule = [torch.tensordot(clamped - free, a.detach(), 1) for a in alone]
    gap = torch.cat([(r - w).flatten() for r, w in zip(rule, wanted, strict=True)]).norm()
    claim.measure("gap", (gap / torch.cat([w.flatten() for w in wanted]).norm()).item())


def parity(bits: int) -> Task:
    """All words with an even number of ones, equally often."""
    x = states(bits).float()
    return Task(x[x.sum(1) % 2 == 0].repeat(128, 1), visible=bits)


def divergence(model: BoltzmannMachine, task: Task) -> float:
    """KL from the task's equally frequent words to the machine's visible law, in nats."""
    words = index(task.splits["train"][0]).unique()
    return -(visible_law(model.double())[words] * len(words)).log().mean().item()


def test_hidden_bits_learn_parity(claim):
    # strong links mix slowly: the free phase takes several sweeps to follow them
    settings = {"batch_size": 512, "steps": 2000, "lr": 1.0, "init": 1.0, "free": 8, "weight_decay": 0}
    task = parity(3)

    def trained(hidden: int, seed: int) -> BoltzmannMachine:
        return run(BoltzmannMachine, {**settings, "hidden": hidden}, task=task, seed=seed, evaluate=False).model

    with_hidden = [trained(4, seed) for seed in range(3)]
    without = [trained(0, seed) for seed in range(3)]
    claim.measure("kl", [divergence(m, task) for m in with_hidden], baseline=[divergence(m, task) for m in without])

    words = ["".join(str(int(b)) for b in row) for row in states(3)]
    fig, ax = figure(6.0, 2.8)
    for i, (model, name) in enumerate([(with_hidden[0], "4 hidden bits"), (without[0], "no hidden bits")]):
        ax.bar([k + 0.4 * i - 0.2 for k in range(8)], visible_law(model).tolist(), 0.36, color=PALETTE[i], label=name)
    ax.axhline(0.25, color=PALETTE[8], linestyle=":", linewidth=1)
    ax.set_xticks(range(8), words)
    ax.set(xlabel="visible word", ylabel="probability", ylim=(0, 0.36))
    ax.legend(loc="upper right", ncols=2)
    claim.figure(
        "parity",
        fig,
        caption="Words of even parity, shown equally often, are learned by a machine with four hidden bits. Every "
        "pair of their bits is as good as two fair coins, so a machine of visible bits alone sees nothing to learn.",
        alt="Bars over the eight words: with hidden bits a quarter on each even word, without an eighth everywhere.",
    )


def test_learning_ends_where_both_phases_agree(claim):
    task, gaps, independent = make("bits"), [], []
    data = task.splits["train"][0]
    pairs = torch.ones(64, 64).triu(1).bool()

    def together(x: Tensor) -> Tensor:
        """How often both bits of each pair are on."""
        return (x.T @ x / len(x))[pairs]

    def difference(x: Tensor) -> float:
        return (together(x) - together(data)).square().mean().sqrt().item()

    for seed in range(3):
        model = run(BoltzmannMachine, {}, task=task, seed=seed, evaluate=False).model
        fantasy = model.sample(5000)
        gaps.append(difference(fantasy))
        alone = (torch.rand(5000, 64) < data.mean(0)).float()
        independent.append(difference(alone))
    claim.measure("difference", gaps, baseline=independent)

    fig, (left, right) = figure(6.2, 3.0, columns=2, sharey=True)
    for ax, x, title in ((left, alone, "independent bits"), (right, fantasy, "trained machine")):
        ax.plot([0, 0.9], [0, 0.9], color=PALETTE[8], linewidth=1)
        ax.scatter(together(data), together(x), s=3, alpha=0.5, linewidths=0, rasterized=True)
        ax.set(title=title, xlabel="both on: data")
    left.set_ylabel("both on: model")
    claim.figure(
        "phases",
        fig,
        caption="How often two bits are on together, for all 2,016 pairs of pixels, in the data and in samples of the "
        "machine that was trained on them. Bits drawn alone with the right frequencies miss most pairs; the "
        "two-phase rule stops changing links when the points lie on the line.",
        alt="Two scatter plots: wide about the diagonal for independent bits, close to it for the trained machine.",
    )

    s, film, shown = model.random(12), [], [0, 20, 50, 100, 200]
    for k in range(max(shown) + 1):
        if k in shown:
            film.append(s[:, :64])
        s = model.sweep(s, temperature=model.temperature(k))
    fig, axes = figure(6.4, 3.0, len(film), 1)
    for ax, frame, k in zip(axes, film, shown, strict=True):
        show_images(ax, frame.view(-1, 8, 8), columns=12)
        ax.text(-2, 3.5, f"sweep {k}\nT = {model.temperature(k):.2g}", ha="right", va="center")
    claim.figure(
        "hero",
        fig,
        caption="Twelve chains of a machine trained on digits, cooled from temperature 5 to 1: random bits, blots, "
        "then strokes, and digits once the temperature is 1.",
        alt="Five rows of twelve images of 8 by 8 bits; noise in the first row, digits in the last.",
    )


@torch.no_grad()
def test_without_lateral_links_it_is_a_restricted_machine(claim):
    visible, hidden = 8, 6
    rbm = RBM(RBM.Config(visible=visible, hidden=hidden)).double()
    for parameter in rbm.parameters():
        torch.nn.init.normal_(parameter)
    model = BoltzmannMachine(BoltzmannMachine.Config(visible=visible, hidden=hidden)).double()
    model.links.zero_()
    model.links[:visible, visible:] = rbm.W
    model.b.copy_(torch.cat([rbm.b, rbm.c]))

    s = states(visible + hidden)
    v, h = s[:, :visible], s[:, visible:]
    free_energy = -(-model.joint_energy(s)).view(2**hidden, 2**visible).logsumexp(0)
    claim.measure("energy", (free_energy - rbm.energy(states(visible))).abs().max().item())
    conditionals = torch.cat([rbm.decode(h), rbm.encode(v)], 1)
    claim.measure("conditionals", (model.log_odds(s).sigmoid() - conditionals).abs().max().item())

    # hidden bits one after the other and then visible ones: from equal random numbers the same chains as by layers
    start = torch.randint(0, 2, (1000, visible)).double()
    seed_all("chains")
    by_layers = gibbs(start, rbm.weights, 100)
    seed_all("chains")
    one_by_one = torch.cat([start, torch.zeros(1000, hidden)], 1)
    for _ in range(100):
        one_by_one = model.sweep(one_by_one, range(visible, visible + hidden))
        one_by_one = model.sweep(one_by_one, range(visible))
    claim.measure("chains", int((one_by_one[:, :visible] != by_layers).sum()))


@torch.no_grad()
def test_without_noise_it_is_a_hopfield_network(claim):
    # an even number of bits and an odd one of memories: no input of a bit, a sum of odd many +-1, is zero
    bits, memories = 100, torch.randint(0, 2, (21, 100)).double() * 2 - 1
    hopfield = Hopfield(Hopfield.Config(units=bits)).double()
    hopfield.store(memories)
    model = BoltzmannMachine(BoltzmannMachine.Config(visible=bits, hidden=0)).double()
    # -x'Wx / 2 with x = 2s - 1
    model.links.copy_(4 * hopfield.W)
    model.b.copy_(-2 * hopfield.W.sum(1))

    start = torch.randint(0, 2, (100, bits)).double() * 2 - 1
    differ = {}
    for temperature in (1.0, 0.1, 1e-4, 0.0):
        x, s, differ[temperature] = start.clone(), (start + 1) / 2, 0
        for i in torch.randperm(bits).tolist() * 3:
            hopfield.update(x, i)
            s = model.sweep(s, [i], temperature)
            differ[temperature] += int((2 * s - 1 != x).sum())
    claim.measure("cold", differ[1e-4])
    claim.measure("zero", differ[0.0], baseline=differ[1.0])
