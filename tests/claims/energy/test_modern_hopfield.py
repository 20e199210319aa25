"""Claims of the modern Hopfield network."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reference_impl.core import Task
from reference_impl.energy.hopfield_network import Hopfield
from reference_impl.energy.modern_hopfield import ModernHopfield
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.tasks import make


def random_patterns(n: int, units: int) -> Tensor:
    """Fair coins: (n, D) in {-1, +1}."""
    return torch.randint(0, 2, (n, units)).float() * 2 - 1


def damaged(x: Tensor, flips: int) -> Tensor:
    """Each row with this many units flipped, at random places."""
    places = torch.rand(x.shape).argsort(1)[:, :flips]
    return x.scatter(1, places, -x.gather(1, places))


def stored(x: Tensor, **settings: float) -> ModernHopfield:
    """A network that holds the patterns x (M, D)."""
    model = ModernHopfield(ModernHopfield.Config(memories=x.shape[0], units=x.shape[1], **settings)).to(x)
    model.prepare(Task(x))
    return model


def classical(x: Tensor, sweeps: int = 20) -> Hopfield:
    """The classical network with the same patterns."""
    model = Hopfield(Hopfield.Config(units=x.shape[1], sweeps=sweeps)).to(x)
    model.prepare(Task(x))
    return model


def recalled(found: Tensor, wanted: Tensor) -> float:
    """Share of states with every sign right."""
    return (found.sign() == wanted).all(1).float().mean().item()


def test_update_is_attention(claim):
    gaps = []
    for memories, units, beta in [(5, 8, 0.35), (100, 64, 0.125), (2000, 64, 1.0)]:
        x, s = torch.randn(memories, units).double(), torch.randn(50, units).double()
        attention = F.scaled_dot_product_attention(s[None], x[None], x[None], scale=beta)[0]
        gaps.append((stored(x, beta=beta).attend(s) - attention).abs().max().item())
    claim.measure("gap", max(gaps))


def test_attention_never_raises_the_energy(claim):
    rises = 0
    for beta in (0.01, 0.1, 1.0):
        model, s = stored(torch.randn(50, 16).double(), beta=beta), 3 * torch.randn(1000, 16).double()
        energy = model.energy(s)
        for _ in range(20):
            s = model.attend(s)
            now = model.energy(s)
            rises, energy = rises + int((now > energy + 1e-9).sum()), now
    claim.measure("rises", rises)


def test_squares_give_the_classical_network(claim):
    units = 100
    x = random_patterns(9, units).double()
    model, old = stored(x, power=2), classical(x)
    s = random_patterns(200, units).double()
    gap = model.energy(s) - old.energy(s)
    claim.measure("energy", (gap - (units - len(x)) / 2).abs().max().item())
    ours, theirs, differ = s.clone(), s.clone(), 0
    for i in torch.randperm(units).tolist() * 3:
        model.update(ours, i)
        old.update(theirs, i)
        differ += int((ours != theirs).sum())
    claim.measure("states", differ)


def test_recalls_more_patterns_than_units(claim):
    exact, exact_classical = [], []
    for _ in range(3):
        x = random_patterns(2000, 64)
        probe = damaged(x, 6)
        exact.append(recalled(stored(x, sweeps=1).sample(len(x), probe), x))
        exact_classical.append(recalled(classical(x).sample(len(x), probe), x))
    claim.measure("recalled", exact, baseline=exact_classical)

    units, probes = 500, 50
    loads = np.array([0.02, 0.05, 0.08, 0.1, 0.12, 0.138, 0.15, 0.17, 0.2, 0.3, 0.5, 1, 2, 5, 10, 20])
    overlap: dict[str, list[float]] = {"modern, one update": [], "classical, until it settles": []}
    for load in loads:
        x = random_patterns(round(load * units), units)
        kept = x[:probes]
        probe = damaged(kept, units // 10)
        for network, values in zip([stored(x, sweeps=1), classical(x)], overlap.values(), strict=True):
            values.append((network.sample(probes, probe) * kept).mean().item())
    fig, ax = figure(6.2, 3.2)
    for (name, values), color in zip(overlap.items(), PALETTE, strict=False):
        ax.plot(loads, values, "o-", color=color, markersize=3)
        ax.text(loads[-1], values[-1] - 0.06, name, color=color, ha="right", va="top")
    ax.axvline(0.138, color=PALETTE[8], linestyle="--", linewidth=1)
    ax.text(0.13, 0.05, "0.138", ha="right")
    ax.set(xscale="log", xlabel="load: memories per unit", ylabel="overlap after recall", ylim=(0, 1.05))
    claim.figure(
        "hero",
        fig,
        caption="500 units, random memories, probes with every tenth unit flipped. The classical network loses its "
        "memories near the load of 0.138; one update of the modern one still restores them at 20 memories per unit.",
        alt="Overlap against load: one curve falls from one to a third past a load of 0.138, the other stays at one.",
    )


def test_number_of_memories_grows_exponentially(claim):
    sizes, limits = [8, 16, 24], []
    for units in sizes:
        counts, shares = [2**k for k in range(1, 16)], []
        for count in counts:
            x = random_patterns(count, units)
            kept = x[torch.randint(count, (1000,))]
            shares.append(recalled(stored(x).sample(len(kept), damaged(kept, units // 8)), kept))
            if shares[-1] < 0.3:
                break
        # log2 of the number at which half of all probes are restored, between two numbers by interpolation
        below = np.minimum.accumulate(shares)
        limits.append(float(np.interp(-0.5, -below, np.log2(counts[: len(below)]))))
    claim.measure("rate", float(np.polyfit(sizes, limits, 1)[0]))


def test_a_small_beta_averages_memories(claim):
    x = 2 * make("bits").splits["train"][0][:100] - 1
    probe = damaged(x, 6)
    betas = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0])
    number, share, states = [], [], []
    for beta in betas:
        states.append(stored(x, beta=beta, sweeps=50).sample(len(x), probe))
        weights = (beta * states[-1] @ x.T).softmax(1)
        number.append(torch.special.entr(weights).sum(1).exp().mean().item())
        share.append(recalled(states[-1], x))
    at = {beta: i for i, beta in enumerate(betas)}
    claim.measure("averaged", number[at[0.05]], baseline=number[at[1.0]])
    claim.measure("recalled", share[at[1.0]], baseline=share[at[0.05]])

    shown = [0.05, 0.2, 0.25, 0.3, 0.5, 1.0]
    fig, axes = figure(6.4, 4.6, 2, 1, height_ratios=[1, 1.35])
    axes[0].plot(betas, number, "o-", markersize=3)
    axes[0].set(xscale="log", yscale="log", xlabel="beta", ylabel="memories averaged")
    rows = [5, 11, 14]
    sheet = [frames[rows] for frames in (probe, *(states[at[beta]] for beta in shown), x)]
    show_images(axes[1], torch.stack(sheet, 1).view(-1, 8, 8), columns=len(sheet), vmin=-1)
    for i, title in enumerate(["probe", *(f"β = {beta:g}" for beta in shown), "stored"]):
        axes[1].text(9 * i + 3.5, -1.5, title, ha="center")
    claim.figure(
        "sharpness",
        fig,
        caption="A hundred digits are stored, and six pixels of each are flipped as a probe. Top: how many memories "
        "the settled state averages (exponential of the entropy of its weights). Bottom: three settled states for "
        "several beta. From one blur for all, through averages of similar digits, to the memory itself.",
        alt="A falling curve from 100 to 1 memories; below it three rows of digits, from blurred to sharp.",
    )
