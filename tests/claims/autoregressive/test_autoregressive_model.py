"""Claims of the autoregressive model."""

import lzma
import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn

from reference_impl.autoregressive.autoregressive_model import AutoregressiveModel
from reference_impl.coding import decode, encode
from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.flow.normalizing_flow import NormalizingFlow
from reference_impl.tasks import make


def states(d: int) -> Tensor:
    """All 2^D rows of D bits, the first bit changing slowest."""
    return (torch.arange(2**d)[:, None] >> torch.arange(d - 1, -1, -1) & 1).double()


class Table(AutoregressiveModel):
    """Conditionals read off a table of all joint probabilities, (2,) * D."""

    joint: Tensor

    def conditionals(self, x: Tensor) -> Tensor:
        out, sure = [], []
        for d in self.order.tolist():
            # sum over the elements that come later, then look up those that came before
            later = [k for k in range(x.shape[1]) if k not in [*sure, d]]
            table = self.joint.sum(later, keepdim=True) if later else self.joint
            at = tuple(
                x[:, k].long() if k in sure else torch.zeros(len(x), dtype=torch.long) for k in range(x.shape[1])
            )
            both = [
                table[tuple(torch.full_like(at[k], v) if k == d else at[k] for k in range(len(at)))] for v in (0, 1)
            ]
            out.append(torch.stack(both, -1).log())
            sure.append(d)
        return torch.stack([out[i] for i in self.order.argsort().tolist()], 1)


def test_probabilities_sum_to_one_in_any_order(claim):
    x, far = states(12), []
    for order in ("given", "random", "random"):
        model = AutoregressiveModel(AutoregressiveModel.Config(visible=12, order=order)).double()
        for p in model.parameters():
            nn.init.normal_(p)
        with torch.no_grad():
            far.append(abs(model.log_prob(x).exp().sum().item() - 1))
    claim.measure("sum", max(far))

    table = Table(AutoregressiveModel.Config(visible=6, order="random")).double()
    table.joint = torch.distributions.Dirichlet(torch.full((64,), 0.5).double()).sample().view((2,) * 6)
    joint = table.joint.flatten()
    claim.measure("chain_rule", (table.log_prob(states(6)).exp() - joint).abs().max().item())
    alone = joint.new_ones(64)
    for d in range(6):
        ones = table.joint.movedim(d, 0).flatten(1).sum(1)
        alone *= ones[states(6)[:, d].long()]
    drawn = table.sample(20000).long() @ (2 ** torch.arange(5, -1, -1))
    share = torch.bincount(drawn, minlength=64) / 20000
    claim.measure("draws", 0.5 * (share - joint).abs().sum().item(), baseline=0.5 * (alone - joint).abs().sum().item())


# -- a source with a known entropy rate

MEMORY, WINDOW = 3, 16


def source() -> Tensor:
    """P(next bit is 1) after each of the 8 rows of three bits; it is likely where the first and the last differ."""
    lean = 0.03 + 0.22 * torch.rand(2**MEMORY)
    x = states(MEMORY)
    return torch.where(x[:, 0] != x[:, -1], 1 - lean, lean)


def emitted(p: Tensor, n: int, length: int = WINDOW) -> Tensor:
    """n stretches of the source after 50 bits of warming up: (n, length) in {0, 1}."""
    x = torch.randint(0, 2, (n, MEMORY)).float()
    for _ in range(50 + length):
        x = torch.cat([x, torch.bernoulli(p[number(x[:, -MEMORY:])])[:, None]], 1)
    return x[:, -length:]


def number(bits: Tensor) -> Tensor:
    """Rows of bits as numbers: (n, k) -> (n,)."""
    return (bits.long() * 2 ** torch.arange(bits.shape[1] - 1, -1, -1)).sum(1)


def entropy_rate(p: Tensor) -> float:
    """Bits per symbol: the entropy after each row of three bits, weighted by how often the chain is there."""
    move = torch.zeros(8, 8, dtype=torch.double)
    for i in range(8):
        move[i, (2 * i + 1) % 8], move[i, 2 * i % 8] = p[i], 1 - p[i]
    at = torch.linalg.matrix_power(move, 10_000)[0]
    return (at * torch.special.entr(torch.stack([p, 1 - p]).double()).sum(0)).sum().item() / math.log(2)


def counted(x: Tensor, test: Tensor, memory: int) -> float:
    """Bits per symbol on test of a table that counts what follows each row of `memory` bits in x."""
    rows = lambda a: a.unfold(1, memory + 1, 1)[:, MEMORY - memory :].flatten(0, 1)
    n = torch.bincount(number(rows(x)), minlength=2 ** (memory + 1)).view(-1, 2) + 1.0
    return -(n / n.sum(1, keepdim=True)).log2().flatten()[number(rows(test))].mean().item()


def test_reaches_the_entropy_rate_of_a_known_source(claim):
    gaps, tables = [], []
    for seed in range(3):
        seed_all("source", seed)
        p = source()
        x, test, rate = emitted(p, 40_000), emitted(p, 20_000), entropy_rate(p)
        settings = {"batch_size": 256, "lr": 0.01, "decay": 0.0}
        model = run(AutoregressiveModel, settings, task=Task(x, test, visible=WINDOW), seed=seed, evaluate=False).model
        with torch.no_grad():
            log_p = model.conditionals(test).log_softmax(-1).gather(-1, test.long()[..., None])
        gaps.append(-log_p[:, MEMORY:].mean().item() / math.log(2) - rate)
        tables.append([counted(x, test, memory) - rate for memory in range(MEMORY + 1)])
    claim.measure("gap", gaps, baseline=[t[MEMORY - 1] for t in tables])
    claim.measure("table", [t[MEMORY] for t in tables])

    fig, ax = figure(6.0, 3.0)
    for i, (t, gap) in enumerate(zip(tables, gaps, strict=True)):
        ax.plot(range(MEMORY + 1), t, "o-", color=PALETTE[i], markersize=4, label=f"source {i + 1}")
        ax.plot(MEMORY + 1, gap, "s", color=PALETTE[i])
    ax.set_xticks(range(MEMORY + 2), ["none", "1 bit", "2 bits", "3 bits", "networks"])
    ax.set(xlabel="what a table of counts looks back on; right, the networks", ylabel="bits above the entropy rate")
    ax.legend()
    claim.figure(
        "entropy_rate",
        fig,
        caption="Cost of a bit of three random sources with a memory of three bits, above the least that any model can "
        "pay. Tables of counts that look back less far pay for what they do not see; one that looks back three "
        "bits, and the networks (squares), reach the limit. The table is an autoregressive model too.",
        alt="Excess bits stay at 0.3 to 0.5 for up to two bits of context and fall to zero for three and for networks.",
    )


# -- as a code


def law(model: AutoregressiveModel):
    """Probabilities of bit d given those before, for the coder."""
    return lambda symbols, d: model.conditionals(symbols.float())[:, d].softmax(-1)


def test_codes_are_as_long_as_the_model_is_surprised(claim):
    task = make("bits")
    model = run(AutoregressiveModel, {"steps": 200}, task=task, evaluate=False).model
    test = task.splits["test"][0]
    kept = test[:40]
    with torch.no_grad():
        bits = -model.log_prob(kept) / math.log(2)
        codes = [encode(law(model), row[None].long()) for row in kept]
        back = torch.cat([decode(law(model), c, 1, kept.shape[1]) for c in codes])
    length = torch.tensor([c.bits for c in codes])
    claim.measure("overhead", (length - bits).max().item())
    claim.measure("errors", int((back != kept).sum()))
    packed = np.packbits(test.numpy().astype(np.uint8)).tobytes()
    squeezed = {name: 8 * len(f(packed)) / len(test) for name, f in (("zlib", zlib.compress), ("lzma", lzma.compress))}
    claim.measure("size", length.float().mean().item(), baseline=min(squeezed.values()))

    fig, ax = figure(6.0, 3.4)
    ax.scatter(bits.tolist(), length.tolist(), s=14, color=PALETTE[0], zorder=2)
    span = [float(bits.min()) - 2, float(bits.max()) + 2]
    ax.fill_between(span, span, [s + 2 for s in span], color=PALETTE[2], alpha=0.25, linewidth=0)
    for i, (name, size) in enumerate(squeezed.items(), 1):
        ax.axhline(size, color=PALETTE[i], linestyle="--", linewidth=1)
        ax.annotate(f"{name}, all images in one file", (span[0], size), (0, 3), textcoords="offset points", va="bottom")
    ax.set(xlabel="surprise of the model at an image, bits", ylabel="length of its code, bits", xlim=span)
    claim.figure(
        "codes",
        fig,
        caption="Forty held-out images of 64 bits, each coded by itself with the model's conditionals. Codes lie "
        "within two bits above the model's surprise (green), and decode to the very image. Dashed: bits per image of "
        "all 360 held-out images packed into one file by general programs.",
        alt="Code length against surprise: points along a narrow band above the diagonal, below two dashed lines.",
    )
    picture(claim, model, test)


def picture(claim, model: AutoregressiveModel, test: Tensor) -> None:
    """What the model expects of each pixel of a few digits, and what each costs."""
    x = test[[0, 4, 7, 8, 9, 11]]
    with torch.no_grad():
        expected = model.conditionals(x).softmax(-1)[..., 1]
    cost = -torch.where(x > 0.5, expected, 1 - expected).log2()
    fig, axes = figure(6.8, 3.6, 3, len(x))
    for i in range(len(x)):
        for row, (values, cmap, top) in enumerate(((x, "gray_r", 1), (expected, "gray_r", 1), (cost, "Oranges", 4))):
            axes[row, i].imshow(values[i].view(8, 8).tolist(), cmap=cmap, vmin=0, vmax=top, interpolation="none")
            axes[row, i].set(xticks=[], yticks=[])
            axes[row, i].spines[:].set_visible(True)
        axes[2, i].set_xlabel(f"{cost[i].sum():.0f} bits")
    for row, name in enumerate(("image", "expected", "cost")):
        axes[row, 0].set_ylabel(name)
    claim.figure(
        "hero",
        fig,
        caption="Held-out digits; below, the probability of ink in each pixel given the pixels before it in reading "
        "order; below that what each pixel costs, its surprise in bits, and the sum. Costs sit where strokes begin "
        "and end, for what goes on as it was is expected.",
        alt="Three rows of six small images: digits, predicted ink, and orange marks where pixels were surprising.",
    )


# -- as a flow


class Triangular(nn.Module):
    """The map from data to noise of an autoregressive model of real numbers."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.model = AutoregressiveModel(AutoregressiveModel.Config(visible=d, levels=0, order="random"))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.model.conditionals(x).unbind(-1)
        return (x - mean) * (-log_scale).exp(), -log_scale.sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        x = torch.zeros_like(z)
        for d in self.model.order.tolist():
            mean, log_scale = self.model.conditionals(x)[:, d].unbind(-1)
            x[:, d] = mean + log_scale.exp() * z[:, d]
        return x


class OneLayer(NormalizingFlow):
    """The flow whose one layer is an autoregressive model."""

    def layers(self) -> list[nn.Module]:
        return [Triangular(self.cfg.shape[0])]


def test_real_numbers_make_it_a_flow_with_a_triangular_jacobian(claim):
    d = 6
    flow = OneLayer(OneLayer.Config(shape=(d,))).double()
    model, x = flow.chain[0].model, torch.randn(20, d).double()
    jacobian = torch.func.vmap(torch.func.jacrev(lambda v: flow.encode(v[None])[0]))(x)[:, model.order][
        :, :, model.order
    ]
    with torch.no_grad():
        z = flow.encode(x)
        density = (-0.5 * (z.square() + math.log(2 * math.pi))).sum(1) + torch.linalg.slogdet(jacobian).logabsdet
        claim.measure("density", (model.log_prob(x) - density).abs().max().item())
        claim.measure("later", jacobian.triu(1).abs().max().item())
        seed_all("noise")
        drawn = model.sample(500)
        seed_all("noise")
        claim.measure("draws", (flow.sample(500) - drawn).abs().max().item())

        # the other way: any linear flow has regressions of the same density
        linear = NormalizingFlow(NormalizingFlow.Config(shape=(d,), layers=0)).double()
        mix = linear.chain[0]
        mix.W.normal_()
        mix.b.normal_()
        regressions = AutoregressiveModel(AutoregressiveModel.Config(visible=d, levels=0, hidden=0)).double()
        center = -torch.linalg.solve(mix.W, mix.b)
        # W'W = R'R with R lower triangular: Cholesky's factor, counted from the last number
        R = torch.linalg.cholesky((mix.W.T @ mix.W).flip(0, 1)).flip(0, 1).T
        slopes, (last,) = -R / R.diag()[:, None], regressions.networks
        last.weight.zero_()
        last.weight[..., 0] = slopes.tril(-1)
        last.bias[:, 0] = center - slopes.tril(-1) @ center
        last.bias[:, 1] = -R.diag().log()
        gap = (linear.log_prob(x) - regressions.log_prob(x)).abs()
        claim.measure("linear", (gap / linear.log_prob(x).abs()).max().item())
