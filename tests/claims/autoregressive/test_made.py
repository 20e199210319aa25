"""Claims of MADE."""

import math

import torch
from torch import Tensor

from reference_impl.autoregressive.made import MADE
from reference_impl.core import run, seed_all
from reference_impl.figures import figure, show_images, strips
from reference_impl.latent_variable.autoencoder import Autoencoder
from reference_impl.tasks import make


def jacobian(f, x: Tensor) -> Tensor:
    """df(x)/dx for each row of x (B, D): (B, D, D)."""
    return torch.func.vmap(torch.func.jacrev(lambda v: f(v[None])[0]))(x)


def test_outputs_see_only_earlier_inputs(claim):
    model, x = MADE(MADE.Config(depth=2, orders=4)).eval(), torch.rand(5, 64)
    autoencoder = Autoencoder(Autoencoder.Config()).eval()
    later = []
    for m in range(4):
        rows = jacobian(lambda v, m=m: model.conditionals(v, m)[0], x)
        place = model.order[m]
        later.append(rows[:, place[:, None] <= place].abs().max().item())
    dense = jacobian(lambda v: autoencoder.reconstruct(v.view(-1, 1, 8, 8)).flatten(1), x)
    claim.measure("later", max(later), baseline=dense.triu().abs().max().item())

    small = MADE(MADE.Config(shape=(9,), hidden=24, orders=2))
    fig, axes = figure(7.0, 4.6, 2, 3)
    titles = ("into hidden units", "into outputs", "paths from input to output")
    for row, m in zip(axes, range(2), strict=True):
        first, last = (mask.float() for mask in small.masks(m))
        by_degree = small.degree.argsort(stable=True)
        panels = (first[by_degree], last[:, by_degree], (last @ first > 0).float())
        for ax, panel, title in zip(row, panels, titles, strict=True):
            ax.imshow(panel.numpy(), cmap="Blues", vmin=0, vmax=1.4, interpolation="none", aspect="auto")
            ax.set(xticks=[], yticks=[], title=title if m == 0 else "")
        row[0].set_ylabel("order of the data" if m == 0 else "another order")
    claim.figure(
        "hero",
        fig,
        caption="Masks of a MADE of nine numbers and 24 hidden units, blue where a weight stays; rows are the units "
        "that a weight leads to. Right, which inputs (columns) reach which outputs (rows): in the order of the data "
        "all below the diagonal and nothing on or above it, in another order the same up to a permutation.",
        alt="Six blue and white matrices; the path matrix in the upper right is strictly lower triangular.",
    )


def test_probabilities_sum_to_one(claim):
    settings = {"hidden": 64, "orders": 3, "steps": 300}
    model = run(MADE, settings, task=make("bits", "bars"), evaluate=False).model.double()
    states = (torch.arange(2**16)[:, None] >> torch.arange(16) & 1).double()
    with torch.no_grad():
        p = torch.cat([model.log_prob(part) for part in states.split(2**13)]).exp()
    claim.measure("sum", abs(p.sum().item() - 1))


class Unmasked(MADE):
    """All weights stay."""

    def masks(self, m: int) -> list[Tensor]:
        return [torch.ones_like(mask) for mask in super().masks(m)]


def test_masks_of_ones_leave_an_autoencoder(claim):
    autoencoder = Autoencoder(Autoencoder.Config(hidden=48, latent_dim=10)).double().eval()
    settings = {"hidden": 48, "depth": 4, "orders": 1}
    same, masked = (kind(kind.Config(**settings)).double().eval() for kind in (Unmasked, MADE))
    first, second, code = (layer for layer in autoencoder.encoder if isinstance(layer, torch.nn.Linear))
    spread, fourth, fifth = (layer for layer in autoencoder.decoder if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        # code and first layer of the decoder have nothing between them: one matrix
        weights = [first.weight, second.weight, spread.weight @ code.weight, fourth.weight, fifth.weight]
        biases = [first.bias, second.bias, spread.weight @ code.bias + spread.bias, fourth.bias, fifth.bias]
        for model in (same, masked):
            for layer, w, b in zip(model.layers, weights, biases, strict=True):
                layer.weight.copy_(w)
                layer.bias.copy_(b)
        x = torch.rand(50, 64).double()
        wanted = autoencoder.reconstruct(x.view(-1, 1, 8, 8)).flatten(1)
        gaps = [(model.conditionals(x)[0] - wanted).abs().max().item() for model in (same, masked)]
    claim.measure("gap", gaps[0], baseline=gaps[1])


def mixture_nll(x: Tensor, test: Tensor, components: int, smoothing: float) -> float:
    """Held-out nats per image of a Bernoulli mixture after 100 rounds of EM."""
    weight = torch.full((components,), 1 / components)
    p = 0.25 + 0.5 * x[torch.randperm(len(x))[:components]]
    joint = lambda v: v @ p.log().T + (1 - v) @ (1 - p).log().T + weight.log()
    for _ in range(100):
        share = joint(x).softmax(1)
        count = share.sum(0)
        weight = (count + smoothing) / (count + smoothing).sum()
        p = (share.T @ x + smoothing) / (count[:, None] + 2 * smoothing)
    return -joint(test).logsumexp(1).mean().item()


def test_beats_a_mixture_of_50_bernoullis(claim):
    task = make("bits")
    (x, _), (test, _) = task.splits["train"], task.splits["test"]
    models = [run(MADE, task=task, seed=seed, evaluate=False).model for seed in range(3)]
    alone = run(MADE, {"orders": 1}, task=task, evaluate=False).model
    with torch.no_grad():
        nats = [-model.log_prob(test).mean().item() for model in models]
        one_order = -alone.log_prob(test).mean().item()
        each = [-models[0].log_prob_in(test, m).mean().item() for m in range(4)]
    seed_all("mixture")
    # of several smoothings the one that does best on the held-out images, in favor of the mixture
    mixtures = [min(mixture_nll(x, test, 50, s) for s in (0.1, 0.2, 0.3, 0.5, 1.0)) for _ in range(3)]
    claim.measure("nll", nats, baseline=mixtures)
    claim.measure("one_order", nats, baseline=one_order)
    claim.measure("of_four", nats[0], baseline=min(each))

    seed_all("digits")
    upper = test[:12].clone()
    with torch.no_grad():
        drawn = [models[0].complete(upper, 0, known=32).view(-1, 1, 8, 8) for _ in range(4)]
    given = upper.view(-1, 1, 8, 8).clone()
    given[:, :, 4:] = float("nan")
    rows = {"image": upper.view(-1, 1, 8, 8), "given": given, **{f"draw {i + 1}": d for i, d in enumerate(drawn)}}
    claim.figure(
        "completions",
        strips(rows, 12),
        caption="Held-out digits, their upper halves, and four draws each of the lower half in the order of the data, "
        "row by row from the top. Where the upper half leaves the digit open, draws differ in kind; where it does "
        "not, they agree.",
        alt="Six rows of twelve small black-and-white digits: originals, upper halves, and four completions of each.",
    )

    fig, (left, right) = figure(6.4, 3.2, columns=2)
    show_images(left, test[:64].view(-1, 8, 8), title="held-out digits")
    show_images(right, models[0].sample(64).view(-1, 8, 8), title="draws of MADE")
    claim.figure(
        "digits",
        fig,
        caption="Held-out black-and-white digits and draws of MADE, pixel by pixel in one of four orders. Most draws "
        "read as digits; a slip early in an order is never taken back.",
        alt="Two sheets of 64 small black-and-white digits, real ones on the left and drawn ones on the right.",
    )


def test_many_orders_starve_each(claim):
    task, nats = make("bits"), []
    test = task.splits["test"][0]
    for orders in (1, 32):
        model = run(MADE, {"orders": orders, "steps": 1500}, task=task, evaluate=False).model
        with torch.no_grad():
            nats.append(-model.log_prob(test).mean().item())
    assert all(math.isfinite(n) for n in nats)
    claim.measure("nll", nats[1], baseline=nats[0])
