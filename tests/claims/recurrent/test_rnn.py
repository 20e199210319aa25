"""Claims of the RNN."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.rnn import RNN
from reference_impl.transformer.gpt import GPT

LONGEST, BEYOND = 20, 200
# without a first token, attention could not tell 1 from 11: the mean of equal values is the same
BEGIN = 2


def with_spectral_radius(radius: float, channels: int = 64) -> RNN:
    """In float64, without biases, its recurrent matrix Gaussian and scaled to this spectral radius."""
    model = RNN(RNN.Config(channels=channels)).double()
    matrix = torch.randn(channels, channels, dtype=torch.float64)
    with torch.no_grad():
        model.core.weight_hh_l0.copy_(matrix * radius / torch.linalg.eigvals(matrix).abs().max())
        model.core.bias_ih_l0.zero_()
    return model


def gradient_norms(model: RNN, times: np.ndarray, inputs: float = 0.0) -> np.ndarray:
    """Norm of the gradient of v'h_t with respect to h_0 at these times, v random; inputs of this size."""
    channels = model.cfg.channels
    start = torch.zeros(1, channels, dtype=torch.float64, requires_grad=True)
    v, h, norms = torch.randn(channels, dtype=torch.float64), start, []
    for t in range(1, times[-1] + 1):
        h = model.cell(inputs * torch.randn(1, channels, dtype=torch.float64), h)
        if t in times:
            norms.append(torch.autograd.grad(h @ v, start, retain_graph=True)[0].norm().item())
    return np.array(norms)


def test_gradient_norm_follows_the_spectral_radius(claim):
    t = np.arange(8, 401, 8)
    fig, ax = figure(6.0, 3.4)
    for color, (name, radius) in zip(PALETTE, {"decay": 0.9, "level": 1.0, "growth": 1.1}.items(), strict=False):
        model = with_spectral_radius(radius)
        # at state zero and without input the slope of tanh is 1 and stays 1: the network is linear
        norms = gradient_norms(model, t)
        slope = np.polyfit(t[6:], np.log(norms[6:]), 1)[0]
        claim.measure(name, float(np.exp(slope)))
        ax.plot(t, norms, color=color, label=rf"$\rho$ = {radius}")
        ax.plot(t, norms[-1] * radius ** (t - 400), color=color, linestyle=":", linewidth=1)
        if radius == 1.1:
            ax.plot(t, gradient_norms(model, t, inputs=1.0), color=PALETTE[8], label=r"$\rho$ = 1.1, with inputs")
    ax.set(yscale="log", xlabel="steps back", ylabel="norm of the gradient", ylim=(1e-20, 1e20))
    ax.legend(loc="upper left")
    claim.figure(
        "gradient",
        fig,
        caption="Norm of the gradient that reaches a state from some steps later, for random recurrent matrices of "
        "spectral radius 0.9, 1.0 and 1.1, with inputs so small that tanh is linear; dotted, the radius to the power "
        "of the steps. Real inputs (gray) push the units where tanh is flat, and the same matrix that exploded then "
        "vanishes: of a hundred steps back nothing is learned.",
        alt="Three straight lines on a logarithmic scale, falling, level and rising; a gray one falls.",
    )


class Running:
    """Answers after every bit whether the number of ones so far is odd."""

    def loss(self, batch: Batch) -> Losses:
        return {"loss": F.cross_entropy(self.logits(batch.x)[0].flatten(0, 1), batch.y.flatten())}


class ParityRNN(Running, RNN):
    """Elman's network as a parity counter."""


class ParityGPT(Running, GPT):
    """The Transformer as a parity counter."""


def parities(n: int, length: int, seed: int) -> Batch:
    """BEGIN and random bits (n, length + 1), and the parity of each beginning."""
    bits = torch.randint(2, (n, length), generator=torch.Generator().manual_seed(seed))
    x = F.pad(bits, (1, 0), value=BEGIN)
    return Batch(x, (x == 1).cumsum(1) % 2)


class Parities(Task):
    """Fresh bits at each step; their number grows from 2 to 20 over the first 60 % of the steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(torch.zeros(1))
        self.steps = steps

    def batch(self, stream: str, step: int, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        grown = min(1.0, step / (0.6 * self.steps))
        return parities(size, round(2 + (LONGEST - 2) * grown), 1000 * step + seed)


@torch.no_grad()
def share_right(model: RNN | GPT, batch: Batch) -> Tensor:
    """Share of right answers after 1 to T bits, (T,)."""
    return (model.logits(batch.x)[0].argmax(2) == batch.y).double().mean(0)[1:]


def test_tracks_parity_far_beyond_the_training_length(claim):
    steps, held_out = 800, parities(1000, BEYOND, -1)
    settings = {
        ParityRNN: {"channels": 64, "lr": 2e-3},
        # as many parameters; attention may look back on everything, also later
        ParityGPT: {"channels": 16, "heads": 2, "layers": 3, "context": BEYOND + 1, "lr": 5e-3},
    }
    right: dict[type, list[Tensor]] = {cls: [] for cls in settings}
    sizes, models = {}, []
    for cls, found in right.items():
        for seed in range(3):
            cfg = {"vocab": 3, "steps": steps, "batch_size": 64, "cooldown": 0.3, **settings[cls]}
            model = run(cls, cfg, task=Parities(steps), seed=seed, evaluate=False).model
            found.append(share_right(model, held_out))
            sizes[cls] = sum(p.numel() for p in model.parameters())
            models.append(model)
    assert sizes[ParityRNN] <= sizes[ParityGPT] <= 1.1 * sizes[ParityRNN]
    rnn, gpt = right[ParityRNN], right[ParityGPT]
    claim.measure("beyond", [r[-1].item() for r in rnn], baseline=[r[-1].item() for r in gpt])
    claim.measure("within", [r[:10].mean().item() for r in rnn], baseline=[r[:10].mean().item() for r in gpt])

    fig, (ax, states) = figure(7.2, 3.0, columns=2, width_ratios=(1.5, 1))
    for color, name, rows in ((PALETTE[0], "RNN", rnn), (PALETTE[1], "Transformer", gpt)):
        for i, row in enumerate(rows):
            ax.plot(np.arange(1, BEYOND + 1), row, color=color, linewidth=1.2, label=None if i else name)
    ax.axvspan(1, LONGEST, color=PALETTE[8], alpha=0.2, linewidth=0, label="lengths of training")
    ax.set(xlabel="bits read", ylabel="right answers", xscale="log", ylim=(0.4, 1.05))
    ax.set_xticks([1, 5, 20, 100, 200], ["1", "5", "20", "100", "200"])
    ax.minorticks_off()
    ax.legend(loc="lower left")
    with torch.no_grad():
        visited = models[0].core(models[0].token(held_out.x[:5]))[0][:, 1:].flatten(0, 1)
        # the plane in which the states spread most
        flat = (visited - visited.mean(0)) @ torch.pca_lowrank(visited, 2)[2]
    odd = held_out.y[:5, 1:].flatten().bool()
    for color, name, rows in ((PALETTE[2], "even", ~odd), (PALETTE[3], "odd", odd)):
        states.scatter(*flat[rows].T.numpy(), s=14, color=color, label=name, linewidths=0, rasterized=True)
    states.set(title="states of the RNN", xticks=[], yticks=[])
    states.legend(loc="center")
    claim.figure(
        "hero",
        fig,
        caption="Is the number of ones so far odd? Both networks were trained on up to 20 bits, with equally many "
        "parameters and steps, three runs each. The RNN has found groups of states for even and for odd (right: its "
        "states over 1,000 bits, two of 64 dimensions) and goes on without end. The Transformer, which recounts "
        "from all bits at each step, guesses as soon as there are more than it has seen.",
        alt="Right answers against bits read: the RNN stays at 1 up to 200, the Transformer falls to 0.5 after 20.",
    )


def test_written_equation_equals_the_fused_kernel(claim):
    model = RNN(RNN.Config(vocab=20, channels=32)).double()
    ids = torch.randint(20, (4, 50))
    full, last = model.logits(ids)
    h, steps = torch.zeros(4, 32, dtype=torch.float64), []
    for t in range(50):
        h = model.cell(model.token(ids[:, t]), h)
        steps.append(model.head(h))
    claim.measure("difference", (torch.stack(steps, 1) - full).abs().max().item())
    claim.measure("state", (h - last).abs().max().item())
