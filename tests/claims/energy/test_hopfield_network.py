"""Claims of the Hopfield network."""

import numpy as np
import torch

from reference_impl.core import Task
from reference_impl.energy.hopfield_network import Hopfield
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.tasks import make


def stored(x: torch.Tensor, sweeps: int = 10) -> Hopfield:
    """A network that holds the memories x (M, D), in float64: M/D-fold sums of signs are then exact."""
    model = Hopfield(Hopfield.Config(units=x.shape[1], sweeps=sweeps)).double()
    model.prepare(Task(x.double()))
    return model


def overlap_at(load: float, units: int, probes: int = 50) -> float:
    """Mean overlap of memories with where recall ends when it starts at them, at `load` memories per unit."""
    x = torch.randint(0, 2, (round(load * units), units)).double() * 2 - 1
    kept = x[:probes]
    return (stored(x, sweeps=20).sample(len(kept), kept) * kept).mean().item()


def test_retrieval_breaks_down_near_load_0138(claim):
    loads = np.array([0.08, 0.12, 0.13, 0.138, 0.145, 0.16, 0.20])
    overlap = np.array([[overlap_at(load, 2000) for load in loads] for _ in range(3)])
    # the first load at which each network's overlap has fallen to 0.9, between two loads by interpolation
    crossing = [float(np.interp(-0.9, -np.minimum.accumulate(row), loads)) for row in overlap]
    claim.measure("crossing", crossing)
    claim.measure("below", overlap[:, loads == 0.13][:, 0].tolist(), baseline=0.967)
    claim.measure("above", overlap[:, loads == 0.16][:, 0].tolist())

    fig, ax = figure(6.0, 3.2)
    for row in overlap:
        ax.plot(loads, row, "o-", color=PALETTE[0], markersize=3, linewidth=1)
    ax.axvline(0.138, color=PALETTE[1], linestyle="--")
    ax.annotate("theory: 0.138", (0.138, 0.35), (0.1, 0.35), color=PALETTE[1], ha="right", va="center")
    ax.set(xlabel="load: memories per unit", ylabel="overlap after recall", ylim=(0, 1.05))
    claim.figure(
        "breakdown",
        fig,
        caption="Overlap of a memory with the state in which recall that starts at it ends; 2,000 units, three sets of "
        "random memories. Up to a load of 0.138 memories stay put; beyond it they dissolve within a few percent more.",
        alt="Overlap stays near one up to a load of 0.138 memories per unit and then falls to about 0.4 at 0.2.",
    )


def test_asynchronous_updates_never_raise_the_energy(claim):
    units, probes, sweeps = 100, 100, 100
    model = stored(torch.randint(0, 2, (20, units)).double() * 2 - 1)
    s = torch.randint(0, 2, (probes, units)).double() * 2 - 1
    start = s.clone()
    energy, traces, rises, updates = model.energy(s), [], 0, 0
    traces.append(energy[:5].tolist())
    for _ in range(sweeps):
        for i in torch.randperm(units).tolist():
            model.update(s, i)
            now = model.energy(s)
            rises += int((now > energy + 1e-9).sum())
            updates += probes
            energy = now
            traces.append(energy[:5].tolist())
    assert updates == 1_000_000
    together, rises_together, sync = start, 0, [model.energy(start)[:5].tolist()]
    for _ in range(20):
        after = torch.where(together @ model.W >= 0, 1.0, -1.0).double()
        rises_together += int((model.energy(after) > model.energy(together) + 1e-9).sum())
        together = after
        sync.append(model.energy(together)[:5].tolist())
    claim.measure("rises", rises, baseline=rises_together)

    fig, (left, right) = figure(6.4, 2.8, columns=2, sharey=True)
    left.plot(np.arange(501) / units, traces[:501])
    left.set(title="one unit at a time", xlabel="sweep", ylabel="energy")
    right.plot(sync, "o-", markersize=2)
    right.set(title="all units at once", xlabel="sweep")
    claim.figure(
        "energy",
        fig,
        caption="Energy of five states from the same random starts. Changing one unit at a time only goes down; "
        "changing all at once also goes up, and may alternate between two states for ever.",
        alt="Two panels of energy traces: monotone descent on the left, rises on the right.",
    )

    task = make("memories")
    digits, (want, probe) = stored(task.splits["train"][0]), task.splits["test"]
    rows = torch.arange(0, len(probe), 20)
    state, film = probe[rows].double(), [probe[rows]]
    for i, unit in enumerate(torch.randperm(64).tolist() * 2):
        digits.update(state, unit)
        if i % 32 == 31:
            film.append(state.float().clone())
    film.append(want[rows])
    fig, axes = figure(5.6, 3.8, columns=len(film))
    titles = ["probe", *(f"{n} sweeps" for n in ("½", "1", "1½", "2")), "stored"]
    for ax, frame, title in zip(axes, film, titles, strict=True):
        show_images(ax, frame.view(-1, 8, 8), columns=1, title=title, vmin=-1)
    claim.figure(
        "hero",
        fig,
        caption="Four digits are stored. A copy of each with 15 % of the pixels flipped runs downhill, one pixel at a "
        "time, and after two sweeps the memory is restored in full.",
        alt="Four damaged 8 by 8 digits, their states after half to two sweeps, and the stored digits.",
    )
