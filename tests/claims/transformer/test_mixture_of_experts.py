"""Claims of the mixture of experts."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.transformer.mixture_of_experts import Experts, MixtureOfExperts
from reference_impl.transformer.transformer import BEGIN, END, Transformer

Config = MixtureOfExperts.Config
EXPERTS, LANGUAGES, SYMBOLS, LENGTH, FIRST = 8, 8, 24, 16, 3


def multiplied(experts: Experts, x: Tensor) -> int:
    """Operations in the MLPs while x passes; the router, which has no bias, is another kind of product."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        experts(x)
    return counter.get_flop_counts()["Global"][torch.ops.aten.addmm]


def test_work_is_that_of_the_chosen_experts(claim):
    x = torch.randn(4, 50, 64).double()
    every = Experts(Config(channels=64, experts=EXPERTS, chosen=EXPERTS)).double()
    gaps = []
    for chosen in (1, 2, 4):
        few = Experts(Config(channels=64, experts=EXPERTS, chosen=chosen)).double()
        gaps.append(abs(multiplied(few, x) / multiplied(every, x) - chosen / EXPERTS))
    claim.measure("gap", max(gaps))
    with torch.no_grad():
        gates = every.router(x).softmax(-1)
        dense = sum(gates[..., e, None] * expert(x) for e, expert in enumerate(every.experts))
        claim.measure("dense", (every(x) - dense).abs().max().item())


def test_one_expert_is_the_dense_transformer(claim):
    cfg = {"vocab": 40, "context": 12, "channels": 32}
    dense = Transformer(Transformer.Config(**cfg)).double()
    one = MixtureOfExperts(Config(**cfg, experts=1, chosen=1, hidden=4 * 32)).double()
    weights = {k.replace(".mlp.", ".mlp.experts.0."): v for k, v in dense.state_dict().items()}
    missing, unknown = one.load_state_dict(weights, strict=False)
    assert not unknown
    assert all("router" in name for name in missing)
    source, target = torch.randint(3, 40, (2, 6, 12))
    with torch.no_grad():
        ours, theirs = (m.write(target, m.read(source))[0] for m in (one, dense))
    claim.measure("gap", (ours - theirs).abs().max().item())


@cache
def languages() -> tuple[Task, float]:
    """Chains over one alphabet in eight languages, each with transitions of its own, and their entropy in nats.

    The source names the language; nothing but its table of transitions tells one from another.
    """
    seed_all("languages")
    law = torch.distributions.Dirichlet(torch.full((SYMBOLS,), 0.05)).sample((LANGUAGES, SYMBOLS))

    def draw(n: int) -> tuple[Tensor, Tensor, float]:
        language, rows, nats = torch.randint(LANGUAGES, (n,)), [torch.randint(SYMBOLS, (n,))], 0.0
        for _ in range(LENGTH - 1):
            p = law[language, rows[-1]]
            rows.append(torch.multinomial(p, 1)[:, 0])
            nats -= p.gather(1, rows[-1][:, None]).log().mean().item()
        x = torch.cat([torch.full((n, 1), BEGIN), FIRST + torch.stack(rows, 1)], 1)
        y = torch.stack([FIRST + SYMBOLS + language, torch.full((n,), END)], 1)
        return x, y, nats / (LENGTH - 1)

    (x, y, _), (test_x, test_y, entropy) = draw(20000), draw(2000)
    return Task(x, test_x, y=y, test_y=test_y, vocab=FIRST + SYMBOLS + LANGUAGES, context=LENGTH), entropy


@cache
@torch.enable_grad()
def trained(seed: int, experts: int, hidden: int, balancing: float) -> MixtureOfExperts:
    """A model whose tokens pass one of its experts; one expert is a dense Transformer."""
    cfg = {"channels": 32, "heads": 2, "layers": 1, "steps": 400, "lr": 5e-3, "chosen": 1}
    cfg |= {"experts": experts, "hidden": hidden, "balancing": balancing}
    return run(MixtureOfExperts, cfg, task=languages()[0], seed=seed, evaluate=False).model


@torch.no_grad()
def excess(model: MixtureOfExperts) -> float:
    """Held-out loss above the entropy of the source, per symbol after the first."""
    task, entropy = languages()
    x, y = task.splits["test"]
    logits, _ = model.write(x[:, :-1], model.read(y))
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), x[:, 2:].flatten()).item() - entropy


HIDDEN, BALANCING, SEEDS = 16, 0.1, range(3)


def test_beats_a_dense_network_of_equal_work(claim):
    sparse = [excess(trained(seed, EXPERTS, HIDDEN, BALANCING)) for seed in SEEDS]
    equal_work = [excess(trained(seed, 1, HIDDEN, 0.0)) for seed in SEEDS]
    equal_size = [excess(trained(seed, 1, EXPERTS * HIDDEN, 0.0)) for seed in SEEDS]
    claim.measure("excess", sparse, baseline=equal_work)
    claim.measure("size", sparse, baseline=equal_size)

    fig, ax = figure(6.0, 3.0)
    sizes = [(1, HIDDEN, "dense,\nequal work"), (1, EXPERTS * HIDDEN, "dense,\nequal size"), (1, HIDDEN, "8 experts")]
    for (_, units, name), values, color in zip(sizes, (equal_work, equal_size, sparse), (1, 8, 0), strict=True):
        work = 2 * 32 * units
        ax.plot([work] * len(values), values, "o", color=PALETTE[color])
        ax.text(work * 1.15, sum(values) / len(values), name, color=PALETTE[color], va="center")
    ax.set(
        xscale="log", xlabel="multiply-adds per token and MLP", ylabel="loss above the entropy [nats]", xlim=(700, 2e4)
    )
    ax.set_ylim(bottom=0)
    claim.figure(
        "work",
        fig,
        caption="Eight languages over one alphabet; loss above what is possible, three runs each at equal steps. With "
        "the work of the small dense network, eight experts remember far more; the large dense one needs eight times "
        "the work.",
        alt="Points of three models: eight experts lie far below the dense network with the same work.",
    )


@torch.no_grad()
def routing(model: MixtureOfExperts) -> Tensor:
    """Share of each language's symbols that each expert of the decoder gets, (languages, experts)."""
    x, y = languages()[0].splits["test"]
    experts, seen = model.decoder[0].mlp, []
    handle = experts.register_forward_hook(lambda module, inputs, _: seen.append(module.route(inputs[0])[1][..., 0]))
    model.write(x[:, :-1], model.read(y))
    handle.remove()
    language = y[:, :1] - FIRST - SYMBOLS
    cells = language * EXPERTS + seen[0].view(len(x), -1)[:, 1:]
    counts = torch.bincount(cells.flatten(), minlength=LANGUAGES * EXPERTS).view(LANGUAGES, EXPERTS)
    return counts / counts.sum(1, keepdim=True)


def variation(model: MixtureOfExperts) -> float:
    """Coefficient of variation of the experts' loads: standard deviation over mean."""
    load = routing(model).mean(0)
    return (load.std(unbiased=False) / load.mean()).item()


def test_balancing_prevents_collapse(claim):
    models = {weight: [trained(seed, EXPERTS, HIDDEN, weight) for seed in SEEDS] for weight in (BALANCING, 0.0)}
    even, left_alone = ([variation(m) for m in found] for found in models.values())
    claim.measure("variation", even, baseline=left_alone)

    fig, axes = figure(7.0, 3.2, columns=2, sharey=True)
    for ax, model, title in zip(axes, (models[0.0][0], models[BALANCING][0]), ("left alone", "balanced"), strict=True):
        shares = routing(model).numpy()
        image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ax.set(title=title, xlabel="expert", xticks=range(EXPERTS), yticks=range(LANGUAGES))
        ax.set_xticklabels(range(1, EXPERTS + 1))
        ax.set_yticklabels(range(1, LANGUAGES + 1))
    axes[0].set_ylabel("language")
    fig.colorbar(image, ax=axes, label="share of the language's symbols", shrink=0.8)
    claim.figure(
        "hero",
        fig,
        caption="Which of eight experts gets the symbols of each of eight languages; rows add up to one. Nobody told "
        "the router about languages. Left alone it leaves experts idle; with the balancing loss each has about as much "
        "to do.",
        alt="Two maps of languages against experts: on the left some columns are empty, on the right none is.",
    )
