"""Claims of the GRU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, run
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.gru import GRU
from reference_impl.recurrent.lstm import LSTM
from reference_impl.recurrent.rnn import RNN
from reference_impl.tasks.adding import Adding, adding


class Adds:
    """Reads pairs of numbers (B, T, 2) in place of tokens and answers with one number after the last."""

    def __init__(self, cfg) -> None:
        super().__init__(cfg)
        self.token, self.head = nn.Linear(2, cfg.channels), nn.Linear(cfg.channels, 1)

    def loss(self, batch: Batch) -> Losses:
        return {"loss": F.mse_loss(self.logits(batch.x)[0][:, -1, 0], batch.y)}


class Adder(Adds, GRU):
    """The GRU on the adding problem."""


class PlainAdder(Adds, RNN):
    """Elman's network on the adding problem."""


def stepped(model: RNN, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, T, V) and last state (B, C) by the equations as written, step by step."""
    h, out = torch.zeros(len(ids), model.cfg.channels, dtype=model.head.weight.dtype), []
    for t in range(ids.shape[1]):
        h = model.cell(model.token(ids[:, t]), h)
        out.append(model.head(h))
    return torch.stack(out, 1), h


def test_solves_the_adding_problem(claim):
    steps, lengths = 400, (10, 25, 50, 100, 200, 400)
    held_out = {t: adding(500, t, -t) for t in lengths}
    at = lengths.index(200)
    # the baseline may choose its learning rate
    rates = {Adder: (5e-3, 5e-3, 5e-3), PlainAdder: (5e-3, 1.5e-3, 5e-4)}
    errors: dict[type, list[list[float]]] = {cls: [] for cls in rates}
    models = []
    for cls, rows in errors.items():
        for seed, lr in enumerate(rates[cls]):
            settings = {"channels": 64, "steps": steps, "batch_size": 32, "lr": lr}
            model = run(cls, settings, task=Adding(steps), seed=seed, evaluate=False).model
            models.append(model)
            with torch.no_grad():
                rows.append([model.loss(batch)["loss"].item() for batch in held_out.values()])
    claim.measure("error", [r[at] for r in errors[Adder]], baseline=min(r[at] for r in errors[PlainAdder]))

    fig, ax = figure(6.0, 3.0)
    for color, name, rows in zip(PALETTE, ("GRU", "plain recurrent network"), errors.values(), strict=False):
        for i, row in enumerate(rows):
            ax.plot(lengths, row, "o-", color=color, markersize=3, linewidth=1, label=None if i else name)
    ax.axhline(1 / 6, color=PALETTE[8], linestyle=":", label="always answering the mean")
    ax.set(xscale="log", yscale="log", xticks=lengths, xticklabels=lengths, xlabel="length T", ylabel="squared error")
    ax.minorticks_off()
    ax.legend(loc="lower left")
    claim.figure(
        "adding",
        fig,
        caption="Error in adding the two marked numbers of a sequence; the same curriculum up to length 200, width and "
        "steps, three runs each, those of the plain network at three learning rates. The plain network ends at "
        "answering the mean. The GRU has learned to hold the first number until the second comes.",
        alt="Squared error against length: the GRU far below the dotted line, the plain network on it.",
    )

    model, batch = models[0], adding(1, 200, -5)
    marked = batch.x[0, :, 1].nonzero()[:, 0].tolist()
    h, gates, states = torch.zeros(1, 64), [], []
    with torch.no_grad():
        for x_t in batch.x[0]:
            x = model.token(x_t[None])
            gates.append(model.gates(x, h)[1][0])
            h = model.cell(x, h)
            states.append(h[0])
    z, state = torch.stack(gates), torch.stack(states)
    # units in the order in which their gates open at the marks
    order = (z[marked].mean(0) - z.mean(0)).argsort()
    fig, (top, bottom) = figure(6.6, 4.0, rows=2, sharex=True)
    for ax, what, title in ((top, z, "update gate $z$: 1 keeps"), (bottom, state, "state $h$")):
        low = 0 if ax is top else -1
        shown = ax.imshow(
            what[:, order].T.numpy(), aspect="auto", cmap="viridis" if ax is top else "coolwarm", vmin=low, vmax=1,
            interpolation="nearest",
        )  # fmt: skip
        fig.colorbar(shown, ax=ax)
        ax.set(ylabel="unit", title=title, yticks=[])
    for ax in (top, bottom):
        for t in marked:
            ax.axvline(t, color=PALETTE[1], linestyle=":", linewidth=1)
    bottom.set_xlabel("step")
    claim.figure(
        "hero",
        fig,
        caption="A trained GRU adds the numbers at the two marked steps (dotted) of 200. At the marks its update gates "
        "dip and let the number in; between them many stay near one, and the state, which is what is kept of the first "
        "number, changes little over a hundred steps and more.",
        alt="Heat maps of update gates and states over 200 steps; both change visibly at two marked steps.",
    )


def test_needs_three_quarters_of_the_recurrent_weights(claim):
    def weights(model: RNN | LSTM) -> int:
        """Numbers in its recurrence, inputs and biases included."""
        return sum(p.numel() for p in model.core.parameters())

    settings = {"vocab": 40, "channels": 96}
    claim.measure("ratio", weights(GRU(GRU.Config(**settings))) / weights(LSTM(LSTM.Config(**settings))))


def test_written_equations_equal_the_fused_kernel(claim):
    model = GRU(GRU.Config(vocab=20, channels=32)).double()
    ids = torch.randint(20, (4, 50))
    full, last = model.logits(ids)
    written, h = stepped(model, ids)
    claim.measure("difference", (written - full).abs().max().item())
    claim.measure("state", (h - last).abs().max().item())


def test_without_gates_it_is_the_plain_network(claim):
    c, plain, model = 32, *(cls(cls.Config(vocab=20, channels=32)).double() for cls in (RNN, GRU))
    with torch.no_grad():
        for name in ("token", "head"):
            getattr(model, name).load_state_dict(getattr(plain, name).state_dict())
        for name, gated in model.core.named_parameters():
            # rows: r, z, n; the gates read nothing
            gated[: 2 * c] = 0
            gated[2 * c :] = getattr(plain.core, name)
        # nothing is reset and nothing is kept: r = 1, z = 0
        model.core.bias_ih_l0[:c], model.core.bias_ih_l0[c : 2 * c] = 1e3, -1e3
    ids = torch.randint(20, (4, 100))
    claim.measure("difference", (model.logits(ids)[0] - plain.logits(ids)[0]).abs().max().item())
    claim.measure("written", (stepped(model, ids)[0] - stepped(plain, ids)[0]).abs().max().item())
