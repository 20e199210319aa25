"""Claims of temperature and truncation sampling."""

import itertools
from functools import cache

import numpy as np
import torch
from torch import Tensor

from reference_impl.core import Task, run, seed_all
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.inference.truncation_sampling import TruncationSampling, nucleus
from reference_impl.tasks import make
from reference_impl.transformer.gpt import GPT

SYMBOLS, LENGTH = 24, 128
SETTINGS = {
    "greedy": {"top_k": 1, "top_p": 1.0},
    "nucleus 0.9": {"top_p": 0.9},
    "min-p 0.1": {"top_p": 1.0, "min_p": 0.1},
    "all tokens": {"top_p": 1.0},
}


def transitions() -> Tensor:
    """p(next | symbol) of a Markov chain in which six of 24 symbols can follow each: (V, V), float64."""
    weight = -torch.rand(SYMBOLS, SYMBOLS, dtype=torch.float64).log()
    possible = torch.rand(SYMBOLS, SYMBOLS).argsort(1).argsort(1) < 6
    return weight * possible / (weight * possible).sum(1, keepdim=True)


def walk(chain: Tensor, n: int) -> Tensor:
    """Sequences of symbols (n, LENGTH + 1)."""
    x = [torch.randint(SYMBOLS, (n,))]
    for _ in range(LENGTH):
        x.append(torch.multinomial(chain[x[-1]], 1)[:, 0])
    return torch.stack(x, 1)


@cache
def trained(seed: int) -> tuple[Tensor, GPT]:
    """A chain, and a GPT that has seen 300 walks on it for 120 steps: good, not perfect."""
    seed_all("chain", seed)
    chain = transitions()
    size = {"channels": 32, "heads": 2, "layers": 2, "steps": 120, "batch_size": 16}
    task = Task(walk(chain, 300), vocab=SYMBOLS, context=LENGTH)
    return chain, run(GPT, size, task=task, seed=seed, evaluate=False).model


def reshaped(model: GPT, **settings: object) -> TruncationSampling:
    """The same weights, another law."""
    other = TruncationSampling(TruncationSampling.Config(**{**model.cfg.model_dump(), **settings}))
    other.load_state_dict(model.state_dict())
    return other.to(model.token.weight.dtype)


def at_temperature(model: GPT, temperature: float) -> GPT:
    """The plain GPT with the same weights."""
    other = GPT(model.cfg.model_copy(update={"temperature": temperature}))
    other.load_state_dict(model.state_dict())
    return other


def seen_before(row: list[int], n: int = 4) -> list[bool]:
    """Whether each n-gram of a sequence has occurred in it earlier."""
    grams = [tuple(row[i : i + n]) for i in range(len(row) - n + 1)]
    return [gram in grams[:i] for i, gram in enumerate(grams)]


def repetition(x: Tensor) -> float:
    """Share of 4-grams that repeat an earlier one of the same sequence, x (n, T)."""
    return float(np.mean([seen_before(row) for row in x.tolist()]))


def test_open_settings_leave_the_law_unchanged(claim):
    model = GPT(GPT.Config(vocab=20, context=16, channels=32, heads=2, layers=1)).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    ids = torch.randint(20, (64, 16))
    with torch.no_grad():
        logits = model.logits(ids)[0]
    same = reshaped(model, top_p=1.0, top_k=0, min_p=0.0)
    cut = reshaped(model, top_p=0.9)
    away = [(m.law(logits) - model.law(logits)).abs().sum(-1).max().item() / 2 for m in (same, cut)]
    claim.measure("variation", away[0], baseline=away[1])
    drawn = []
    for m in (model, same):
        torch.manual_seed(0)
        drawn.append(m.sample(64))
    claim.measure("tokens", (drawn[0] != drawn[1]).sum().item())

    # all subsets of six tokens: none that is smaller than the nucleus reaches the probability asked for
    laws = torch.randn(1000, 6, dtype=torch.float64).mul(2).softmax(-1)
    subsets = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    wrong = 0
    for mass in (0.5, 0.8, 0.95):
        kept = nucleus(laws, mass) > 0
        reaches = laws @ subsets.T >= mass
        smallest = torch.where(reaches, subsets.sum(1), 7).amin(1)
        wrong += int(((laws * kept).sum(1) < mass).sum() + (kept.sum(1) != smallest).sum())
    claim.measure("nuclei", wrong)


def test_greedy_decoding_loops_and_the_nucleus_does_not(claim):
    rates: dict[str, list[float]] = {"data": [], "greedy": [], "nucleus": []}
    for seed in range(3):
        chain, model = trained(seed)
        data = walk(chain, 100)
        start = data[:, :1]
        greedy = at_temperature(model, 1e-3).sample(100, start)
        head = reshaped(model, **SETTINGS["nucleus 0.9"]).sample(100, start)
        for name, x in zip(rates, (data, greedy, head), strict=True):
            rates[name].append(repetition(x))
    claim.measure("greedy", rates["greedy"], baseline=rates["data"])
    claim.measure("nucleus", rates["nucleus"], baseline=rates["data"])

    fig, axes = figure(6.6, 2.7, columns=3)
    for ax, x, title in zip(axes, (data, greedy, head), ("data", "greedy", "nucleus 0.9"), strict=True):
        grams = x[0].unfold(0, 4, 1)
        same = (grams[:, None] == grams[None]).all(-1)
        at = same.triu(1).nonzero().numpy()
        ax.plot(at[:, 1], at[:, 0], "s", markersize=1, color=PALETTE[0], rasterized=True)
        ax.plot([0, len(same)], [0, len(same)], color=INK, linewidth=0.6)
        ax.set(title=f"{title}: {np.mean(seen_before(x[0].tolist())):.0%}", xlabel="position", xlim=(0, 126))
        ax.set(ylim=(126, 0), aspect="equal", xticks=(0, 50, 100), yticks=(0, 50, 100))
    axes[0].set_ylabel("earlier position")
    claim.figure(
        "repetition",
        fig,
        caption="A mark says that the same four symbols stand at both positions of one sequence; above, the share of "
        "positions whose four symbols have occurred before. Taking the likeliest symbol of a Markov chain's GPT leads "
        "into a loop, seen as parallel lines; a draw from the nucleus repeats about as often as the data do.",
        alt="Three recurrence plots: few dots for the data and the nucleus, dense parallel lines for greedy.",
    )

    task, prompt = make("text"), "The network "
    model = run(GPT, {"channels": 96, "layers": 2, "steps": 250}, task=task, evaluate=False).model
    letters = task.facts["characters"]
    ids = torch.tensor([[letters.index(c) for c in prompt]])
    parts = []
    for name, settings in SETTINGS.items():
        torch.manual_seed(1)
        row = reshaped(model, **settings).sample(1, ids, length=330)[0].tolist()
        parts.append(f"--- {name}\n" + "".join(letters[i] for i in row).replace("\n", " "))
    claim.figure(
        "text",
        f"prompt: {prompt!r}   seed: 1   250 steps on this catalog's prose\n\n" + "\n\n".join(parts) + "\n",
        caption="One small GPT, four ways to draw from it. Greedy decoding soon says the same again and again. All "
        "tokens at their own probability give the most broken words, since each letter is another chance to slip.",
        alt="Four short texts, one for each way of drawing.",
    )

    with torch.no_grad():
        logits = model.logits(torch.tensor([[letters.index(c) for c in "A model of the "]]))[0][0, -1]
    p = model.law(logits)
    top = p.argsort(descending=True)[:16]
    views = {"all tokens": {"top_p": 1.0}, "temperature 0.5": {"top_p": 1.0, "temperature": 0.5}}
    views |= {"top-k 3": {"top_p": 1.0, "top_k": 3}, "nucleus 0.9": {"top_p": 0.9}, "min-p 0.1": SETTINGS["min-p 0.1"]}
    fig, axes = figure(7.0, 2.6, columns=len(views), sharey=True)
    for ax, (name, settings) in zip(axes, views.items(), strict=True):
        law = reshaped(model, **settings).law(logits)
        ax.barh(range(16), p[top].numpy(), color=PALETTE[8], alpha=0.35)
        ax.barh(range(16), law[top].numpy(), 0.5, color=PALETTE[0])
        ax.set(title=f"{name}\n{(law > 0).sum().item()} of {len(p)} left", xlabel="probability", ylim=(15.6, -0.6))
        ax.set_yticks(range(16), [letters[i].replace(" ", "␣").replace("\n", "↵") for i in top.tolist()])
    claim.figure(
        "hero",
        fig,
        caption="What a small GPT expects after “A model of the ”, its sixteen likeliest characters (gray), and the "
        "law that is drawn from (blue). Temperature sharpens and cuts nothing off; the heads cut and leave the rest "
        "in proportion.",
        alt="Five bar charts of next-character probabilities, plain, sharpened, and cut in three ways.",
    )


def test_truncation_removes_impossible_continuations(claim):
    wrong: dict[str, list[float]] = {name: [] for name in SETTINGS}
    lost: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for seed in range(3):
        chain, model = trained(seed)
        held_out = walk(chain, 100)
        with torch.no_grad():
            logits = model.logits(held_out[:, :-1])[0]
        truth = chain[held_out[:, :-1]]
        for name, settings in SETTINGS.items():
            other = reshaped(model, **settings)
            x = other.sample(200, held_out[:, :1].repeat(2, 1))
            wrong[name].append((chain[x[:, :-1], x[:, 1:]] == 0).double().mean().item())
            lost[name].append(truth[other.law(logits) == 0].sum().item() / truth.sum().item())
    for name, measure in (("nucleus 0.9", "nucleus"), ("min-p 0.1", "min_p")):
        claim.measure(measure, wrong[name], baseline=wrong["all tokens"])
    claim.measure("lost", lost["nucleus 0.9"], baseline=lost["greedy"])

    fig, ax = figure(6.0, 3.0)
    for i, name in enumerate(SETTINGS):
        ax.plot(100 * np.array(lost[name]), 100 * np.array(wrong[name]), "o", color=PALETTE[i], label=name)
    ax.set(xlabel="possible continuations that are never drawn, %", ylabel="impossible ones drawn, %")
    ax.legend()
    claim.figure(
        "trade",
        fig,
        caption="What each way of drawing gains and loses on three Markov chains whose transitions are known: symbols "
        "that cannot follow, as a share of those drawn, against the true probability of symbols that it never draws. "
        "A nucleus removes most errors for some percent of the variety; greedy decoding pays with most of it.",
        alt="Error against lost variety: all tokens top left, nucleus and min-p bottom left, greedy bottom right.",
    )
