"""Claims of the LSTM."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.gru import GRU
from reference_impl.recurrent.lstm import LSTM
from reference_impl.recurrent.rnn import RNN
from reference_impl.tasks.adding import Adding, adding

A, B, END = 0, 1, 2


class Adds:
    """Reads pairs of numbers (B, T, 2) in place of tokens and answers with one number after the last."""

    def __init__(self, cfg) -> None:
        super().__init__(cfg)
        self.token, self.head = nn.Linear(2, cfg.channels), nn.Linear(cfg.channels, 1)

    def loss(self, batch: Batch) -> Losses:
        return {"loss": F.mse_loss(self.logits(batch.x)[0][:, -1, 0], batch.y)}


class Adder(Adds, LSTM):
    """The LSTM on the adding problem."""


class PlainAdder(Adds, RNN):
    """Elman's network on the adding problem."""


def test_solves_the_adding_problem(claim):
    steps, lengths = 700, (10, 25, 50, 100, 200, 400)
    held_out = {t: adding(500, t, -t) for t in lengths}
    at = lengths.index(200)
    # the baseline may choose its learning rate
    rates = {Adder: (5e-3, 5e-3, 5e-3), PlainAdder: (5e-3, 1.5e-3, 5e-4)}
    errors: dict[type, list[list[float]]] = {cls: [] for cls in rates}
    for cls, rows in errors.items():
        for seed, lr in enumerate(rates[cls]):
            settings = {"channels": 64, "steps": steps, "batch_size": 32, "lr": lr}
            model = run(cls, settings, task=Adding(steps), seed=seed, evaluate=False).model
            with torch.no_grad():
                rows.append([model.loss(batch)["loss"].item() for batch in held_out.values()])
    claim.measure("error", [r[at] for r in errors[Adder]], baseline=min(r[at] for r in errors[PlainAdder]))

    fig, ax = figure(6.0, 3.0)
    for color, name, rows in zip(PALETTE, ("LSTM", "plain recurrent network"), errors.values(), strict=False):
        for i, row in enumerate(rows):
            ax.plot(lengths, row, "o-", color=color, markersize=3, linewidth=1, label=None if i else name)
    ax.axhline(1 / 6, color=PALETTE[8], linestyle=":", label="always answering the mean")
    ax.set(xscale="log", yscale="log", xticks=lengths, xticklabels=lengths, xlabel="length T", ylabel="squared error")
    ax.minorticks_off()
    ax.legend()
    claim.figure(
        "adding",
        fig,
        caption="Error in adding the two marked numbers of a sequence; the same curriculum up to length 200, width and "
        "steps. Three runs each, those of the plain network at three learning rates. It ends at answering the mean; "
        "the LSTM carries the first number to the end, also over twice the length it was trained on.",
        alt="Squared error against length: the LSTM stays far below the dotted line, the plain network on it.",
    )


def test_gradient_along_the_cell_is_the_product_of_forget_gates(claim):
    steps, channels = 100, 16
    model = LSTM(LSTM.Config(channels=channels)).double()
    with torch.no_grad():
        # forgetting at different speeds
        model.core.bias_ih_l0[channels : 2 * channels] = torch.linspace(0, 6, channels)
    x = torch.randn(steps, 1, channels, dtype=torch.float64)
    start = torch.randn(1, channels, dtype=torch.float64, requires_grad=True)
    h, c, product = torch.zeros(1, channels, dtype=torch.float64), start, torch.ones(1, channels, dtype=torch.float64)
    along = []
    for x_t in x:
        # gates see the past through h alone, so cutting h leaves the path along the cell
        product = product * model.gates(x_t, h)[1].detach()
        h, c = model.cell(x_t, (h.detach(), c))
        along.append(torch.autograd.grad(c.sum(), start, retain_graph=True)[0])
    claim.measure("difference", ((along[-1] - product).abs() / product).max().item())

    fig, ax = figure(6.0, 3.0)
    decay = torch.cat(along).numpy()
    for unit in range(0, channels, 3):
        ax.plot(np.arange(1, steps + 1), decay[:, unit], color=PALETTE[unit // 3], label=f"bias {0.4 * unit:.1f}")
    ax.set(yscale="log", xlabel="steps back", ylabel="gradient along the cell", ylim=(1e-9, 2))
    ax.legend(title="forget gate", loc="lower left")
    claim.figure(
        "gradient",
        fig,
        caption="Gradient of the cell with respect to the cell some steps before, for units with different biases of "
        "the forget gate. It is the product of the gates: near one where the gate is open, and gone after a few dozen "
        "steps where it is half closed. The LSTM can keep a gradient alive; it does not do so by itself.",
        alt="Straight lines on a logarithmic scale whose slopes range from flat to a steep fall.",
    )


def test_written_equations_equal_the_fused_kernel(claim):
    # in float32, since torch has no fused kernel for float64 on a CPU
    model = LSTM(LSTM.Config(vocab=20, channels=32))
    ids = torch.randint(20, (4, 50))
    full, (h, c) = model.logits(ids)
    state = (torch.zeros(4, 32), torch.zeros(4, 32))
    steps = []
    for t in range(50):
        state = model.cell(model.token(ids[:, t]), state)
        steps.append(model.head(state[0]))
    claim.measure("difference", (torch.stack(steps, 1) - full).abs().max().item())
    claim.measure("state", max((state[0] - h).abs().max().item(), (state[1] - c).abs().max().item()))


def counted(ns: range, length: int) -> Tensor:
    """END a^n b^n END END ... for each n: (len(ns), length)."""
    x = torch.full((len(ns), length), END)
    for row, n in zip(x, ns, strict=True):
        row[1 : n + 1], row[n + 1 : 2 * n + 1] = A, B
    return x


@torch.no_grad()
def right(model: LSTM | GRU, ns: range) -> list[bool]:
    """Whether, reading a^n b^n, the most likely token is b until the n-th b and the end just after it."""
    x = counted(ns, 2 * max(ns) + 2)
    guess = model.logits(x[:, :-1])[0].argmax(2)
    return [bool((guess[i, n + 1 : 2 * n + 1] == x[i, n + 2 : 2 * n + 2]).all()) for i, n in enumerate(ns)]


def test_counts_beyond_the_training_length(claim):
    seen, beyond = range(1, 31), range(31, 61)
    task = Task(counted(seen, 62), vocab=3)
    accuracy: dict[type, list[float]] = {LSTM: [], GRU: []}
    models = []
    for seed in range(3):
        for cls, found in accuracy.items():
            settings = {"channels": 16, "steps": 2000, "batch_size": 30, "lr": 1e-2, "cooldown": 0.5}
            model = run(cls, settings, task=task, seed=seed, evaluate=False).model
            found.append(float(np.mean(right(model, beyond))))
            models.append(model)
    claim.measure("accuracy", accuracy[LSTM], baseline=accuracy[GRU])

    model = models[2 * int(np.argmax(accuracy[LSTM]))]
    traces = {}
    for n in (20, 50):
        state, cells = (torch.zeros(1, 16), torch.zeros(1, 16)), []
        with torch.no_grad():
            for token in counted(range(n, n + 1), 2 * n + 2)[0]:
                state = model.cell(model.token(token[None]), state)
                cells.append(state[1][0])
        traces[n] = torch.stack(cells)
    # the unit that moves most on the longer string is the counter
    counter = int(traces[50].std(0).argmax())
    fig, axes = figure(7.0, 2.8, columns=2, sharey=True)
    for ax, (n, cells) in zip(axes, traces.items(), strict=True):
        ax.plot(cells, color=PALETTE[8], linewidth=0.7, alpha=0.6)
        ax.plot(cells[:, counter], color=PALETTE[0])
        ax.axvline(n, color=PALETTE[8], linestyle=":")
        ax.set(title=f"$a^{{{n}}}b^{{{n}}}$" + (", longer than trained" if n > 30 else ""), xlabel="symbols read")
    axes[0].set_ylabel("cell state")
    claim.figure(
        "hero",
        fig,
        caption="Cells of one trained network while it reads n times a, then n times b. One of them (blue) moves by "
        "the same amount with each a and back with each b, and the end is expected when it is back, also for strings "
        "far longer than any of training (n up to 30). A state squashed by tanh at each step could not go that far.",
        alt="Traces of cell states: the blue one goes in a straight line to the middle of the string and back.",
    )
