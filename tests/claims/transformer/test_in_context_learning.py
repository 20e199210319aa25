"""Claims of in-context learning."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.repeats import accuracy
from reference_impl.transformer.in_context_learning import InContextConfig, InContextLearning, gradient_step

SEEDS = range(3)
INPUTS, EXAMPLES, NOISE = 4, 16, 0.5


@torch.no_grad()
def attention(model: InContextLearning, x: Tensor) -> list[Tensor]:
    """Attention weights (B, N, T, T) of each layer."""
    seen: list[Tensor] = []
    hooks = [a.softmax.register_forward_hook(lambda m, i, out: seen.append(out)) for a in model.layers]
    model.logits(x)
    for hook in hooks:
        hook.remove()
    return seen


def test_two_layers_form_an_induction_head_and_one_cannot(claim):
    task = make("repeats")
    test, periods = task.splits["test"][0], task.periods["test"]
    results = {
        n: [run(InContextLearning, {"layers": n}, task=task, seed=s, evaluate=False) for s in SEEDS] for n in (2, 1)
    }
    two, one = ([accuracy(r.model, test, periods)[0] for r in runs] for runs in results.values())
    claim.measure("accuracy", two, baseline=one)

    x = test[:200, :-1]
    rows = torch.arange(x.shape[1])
    # the next symbol stood behind the copy of the present one, a period ago
    behind = torch.where(rows >= periods[:200, None], rows + 1 - periods[:200, None], -1)
    induced = []
    for result in results[2]:
        _, second = attention(result.model, x)
        there = second.gather(3, behind.clamp(min=0)[:, None, :, None].expand(-1, second.shape[1], -1, -1))[..., 0]
        induced.append(torch.stack([head[behind >= 0].mean() for head in there.unbind(1)]).max().item())
    # a head that looks everywhere alike gives each of t + 1 tokens the same weight
    even = (1 / (rows + 1.0)).expand_as(behind)[behind >= 0].mean().item()
    claim.measure("looks_behind_the_copy", induced, baseline=even)

    fig, ax = figure(6.0, 3.0)
    for (n, runs), color in zip(results.items(), PALETTE, strict=False):
        for i, r in enumerate(runs):
            label = None if i else f"{n} layer{'s' if n > 1 else ''}"
            ax.plot(
                [h["step"] for h in r.history], [h["again"] for h in r.history], color=color, linewidth=1, label=label
            )
    ax.axhline(np.log(task.facts["vocab"]), color=PALETTE[8], linestyle=":")
    ax.set(xlabel="step", ylabel="nats behind a repeated letter", ylim=(0, None))
    ax.legend()
    claim.figure(
        "phase_change",
        fig,
        caption="Loss behind letters that have stood in the prompt before, three seeds. With two layers it stays for "
        "a while, then falls steeply within some dozens of steps: half an induction head predicts nothing. What is "
        "left is the first round, which nobody can know. One layer goes on guessing. Dotted: the uniform guess.",
        alt="Curves of two-layer models drop steeply and level off, those of one-layer models decline slowly.",
    )

    model = results[2][0].model
    row = int((periods[:200] == 12).nonzero()[0])
    maps = attention(model, x[row : row + 1])
    letters = [task.facts["characters"][i] for i in x[row, :32].tolist()]
    heads = [int(maps[0][0][:, rows[1:], rows[:-1]].mean(1).argmax())]
    heads += [
        int(
            maps[1][0]
            .gather(2, behind[row].clamp(min=0)[None, :, None].expand(2, -1, -1))[:, 12:]
            .mean((1, 2))
            .argmax()
        )
    ]
    fig, axes = figure(7.0, 3.8, columns=2)
    for ax, layer, head, title in zip(
        axes, maps, heads, ("layer 1: just before", "layer 2: behind the copy"), strict=True
    ):
        ax.imshow(layer[0, head, :32, :32].numpy(), vmin=0, vmax=1, interpolation="nearest", cmap="Blues")
        ax.set_xticks(range(32), letters, fontsize=5)
        ax.set_yticks(range(32), letters, fontsize=5)
        ax.set(title=title, xlabel="token looked at")
    axes[0].set_ylabel("predicting token")
    claim.figure(
        "hero",
        fig,
        caption="A head of each layer on a string of 12 letters that no training has shown, said again and again. The "
        "first looks just back, at one token or a few. In the second, from the second round on, much weight lies on "
        "the token that stood behind the copy of the present one: it is the one to come.",
        alt="Two attention maps; the second has a stripe parallel to the diagonal, eleven tokens back.",
    )


def descended(w: Tensor, x: Tensor, y: Tensor, rate: float) -> Tensor:
    """One step of gradient descent by autodiff, on the mean of |Wx - y|^2 / 2: the new W."""
    w = w.clone().requires_grad_()
    loss = (x @ w.T - y).square().sum(1).mean() / 2
    return (w - rate * torch.autograd.grad(loss, w)[0]).detach()


def test_a_linear_attention_layer_is_a_step_of_gradient_descent(claim):
    x, y, query = torch.randn(10, 5), torch.randn(10, 2), torch.randn(7, 5)
    w, rate = torch.randn(2, 5), 0.3
    stream = torch.cat([torch.cat([x, y], 1), torch.cat([query, -query @ w.T], 1)])[None]

    def step(stream: Tensor, w: Tensor) -> Tensor:
        """The examples alone offer keys; every token, query or example, looks at them."""
        layer = gradient_step(w, rate, len(x))
        return stream + layer(stream, layer.keys(stream[:, : len(x)]))

    with torch.no_grad():
        after, zero = step(stream, w), torch.zeros(2, 5)
    new = descended(w, x, y, rate)
    claim.measure("prediction", (-after[0, 10:, 5:] - query @ new.T).abs().max().item())
    claim.measure("moved", (query @ new.T - query @ w.T).abs().max().item())

    # layers on top of each other start at zero: what is left of the targets carries what was learned so far
    stream = torch.cat([torch.cat([x, y], 1), torch.cat([query, torch.zeros(7, 2)], 1)])[None]
    descent = zero
    for _ in range(4):
        with torch.no_grad():
            stream = step(stream, zero)
        descent = descended(descent, x, y, rate)
    claim.measure("four_layers", (-stream[0, 10:, 5:] - query @ descent.T).abs().max().item())


class Regressor(InContextLearning):
    """The same attention layers on tokens (x_t, y_{t-1}); after each stands what y_t will be."""

    def __init__(self, cfg: InContextConfig) -> None:
        super().__init__(cfg)
        self.token = nn.Linear(INPUTS + 1, cfg.channels)
        self.head = nn.Sequential(nn.LayerNorm(cfg.channels), nn.Linear(cfg.channels, 1))

    def predict(self, x: Tensor, y: Tensor) -> Tensor:
        """y_t from x_0 .. x_t and y_0 .. y_{t-1}: (B, T, D), (B, T) -> (B, T)."""
        return self.logits(torch.cat([x, F.pad(y, (1, -1))[..., None]], -1))[0][..., 0]

    def loss(self, batch: Batch) -> Losses:
        return {"loss": F.mse_loss(self.predict(batch.x, batch.y), batch.y) / (INPUTS + NOISE**2)}


def problems(n: int) -> tuple[Tensor, Tensor]:
    """Examples x (n, T, D) and y (n, T) of n linear functions with standard normal weights, in noise."""
    x = torch.randn(n, EXAMPLES + 1, INPUTS)
    return x, (x @ torch.randn(n, INPUTS, 1))[..., 0] + NOISE * torch.randn(n, EXAMPLES + 1)


def solved(x: Tensor, y: Tensor, ridge: float) -> Tensor:
    """Squared error on each y_t of the least-squares solution for the examples before it: (T,)."""
    errors = []
    for t in range(x.shape[1]):
        a, eye = x[:, :t].double(), torch.eye(INPUTS).double()
        # the pseudo-inverse takes the shortest of many solutions while there are fewer examples than inputs
        inverse = torch.linalg.pinv(a.mT @ a + ridge * eye, hermitian=True, rtol=1e-9)
        w = inverse @ (a.mT @ y[:, :t, None].double())
        errors.append(((x[:, t, None].double() @ w)[:, 0, 0] - y[:, t]).square().mean())
    return torch.stack(errors)


def test_trained_regression_in_context_comes_near_least_squares(claim):
    (x, y), (test, test_y) = problems(60_000), problems(10_000)
    size = {"vocab": 1, "context": EXAMPLES + 1, "layers": 3, "heads": 4}
    settings = {**size, "steps": 2000, "batch_size": 64, "lr": 3e-3, "cooldown": 0.5}
    model = run(Regressor, settings, task=Task(x, y=y), evaluate=False).model
    with torch.no_grad():
        learned = (model.predict(test, test_y) - test_y).square().mean(0)
    squares, bayes = solved(test, test_y, 0.0), solved(test, test_y, NOISE**2)
    at = 2 * INPUTS
    claim.measure("error", learned[at].item(), baseline=squares[at].item())
    claim.measure("against_zero", learned[at].item(), baseline=test_y[:, at].square().mean().item())

    fig, ax = figure(6.0, 3.0)
    n = np.arange(EXAMPLES + 1)
    ax.plot(n, test_y.square().mean(0), ":", color=PALETTE[8], label="predict zero")
    ax.plot(n, squares, "s--", color=PALETTE[1], markersize=3, linewidth=1, label="least squares")
    ax.plot(n, bayes, color=PALETTE[2], label="best possible (ridge)")
    ax.plot(n, learned, "o-", color=PALETTE[0], markersize=3, label="attention, weights fixed")
    ax.set(xlabel="examples in the prompt", ylabel="squared error", ylim=(0, 7))
    ax.legend()
    claim.figure(
        "regression",
        fig,
        caption="Squared error on a new point against the number of examples in the prompt, 10,000 linear functions of "
        "four inputs with noise of variance 0.25. The network was trained on other functions and changes no weight "
        "here. Least squares explodes where there are about as many examples as inputs.",
        alt="The learned curve falls with the number of examples, close to ridge regression and least squares.",
    )
