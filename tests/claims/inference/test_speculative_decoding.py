"""Claims of speculative decoding."""

import itertools
from functools import cache

import numpy as np
import torch
from matplotlib.patches import Rectangle
from scipy.stats import chi2
from torch import Tensor

from reference_impl.core import Task, run, seed_all
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.inference.speculative_decoding import SpeculativeDecoding
from reference_impl.tasks import make
from reference_impl.transformer.gpt import GPT

SYMBOLS = 3
TOY = {"vocab": SYMBOLS, "context": 8, "channels": 16, "layers": 1, "draft_channels": 16, "heads": 2, "guesses": 3}


def toy(rule: str = "exact", **settings: object) -> SpeculativeDecoding:
    """Two untrained models with random weights over three symbols, float64, which disagree everywhere."""
    seed_all("toy")
    model = SpeculativeDecoding(SpeculativeDecoding.Config(**{**TOY, **settings}, rule=rule)).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return model


@torch.no_grad()
def laws(gpt: GPT, ids: Tensor) -> Tensor:
    """The law of the token after each of ids (n, T): (n, T, V)."""
    return gpt.law(gpt.logits(ids)[0])


def joint(gpt: GPT, length: int) -> Tensor:
    """Probability of each string of symbols that follows the symbol 0: (V,) * length."""
    strings = torch.tensor([(0, *s) for s in itertools.product(range(SYMBOLS), repeat=length)])
    with torch.no_grad():
        return gpt.log_prob(strings).exp().view([SYMBOLS] * length)


def written(model: SpeculativeDecoding) -> Tensor:
    """Law of the g+1 symbols after the symbol 0 when one round writes as many as it does and the target the rest.

    Sums over all guesses and over how many of them are kept, with the model's own rules for both.
    """
    g = model.cfg.guesses
    plain, total = joint(model.target, g + 1), torch.zeros([SYMBOLS] * (g + 1), dtype=torch.float64)
    for guess in itertools.product(range(SYMBOLS), repeat=g):
        ids = torch.tensor([(0, *guess)])
        p, q = laws(model.target, ids)[0], laws(model.draft, ids)[0, :-1]
        chance, instead = model.chance(p[:-1], q), torch.cat([model.instead(p[:-1], q), p[-1:]])
        at = range(g), guess
        weight = q[at].prod()
        for kept in range(g + 1):
            refused = 1 - chance[kept, guess[kept]] if kept < g else 1.0
            for symbol in range(SYMBOLS):
                here = (*guess[:kept], symbol)
                rest = plain[here] / plain[here].sum()
                total[here] += weight * chance[at][:kept].prod() * refused * instead[kept, symbol] * rest
    return total


def away(a: Tensor, b: Tensor) -> float:
    """Total variation."""
    return (a - b).abs().sum().item() / 2


def goodness(strings: Tensor, law: Tensor) -> float:
    """p-value of Pearson's chi-square test of strings (n, L) against a law on them, (V,) * L."""
    codes = (strings * SYMBOLS ** torch.arange(strings.shape[1] - 1, -1, -1)).sum(1)
    expected = len(strings) * law.flatten()
    counts = torch.bincount(codes, minlength=len(expected))
    return float(chi2.sf(((counts - expected).square() / expected).sum().item(), len(expected) - 1))


def test_the_law_of_the_output_is_the_targets(claim):
    model = toy()
    plain = joint(model.target, model.cfg.guesses + 1)
    claim.measure("variation", away(written(model), plain), baseline=away(written(toy("greedy")), plain))
    claim.measure("draft", away(joint(model.draft, model.cfg.guesses + 1), plain))


def test_samples_follow_the_target(claim):
    model, n = toy(), 100_000
    g, start = model.cfg.guesses, torch.zeros(n, 1, dtype=torch.long)
    # one round for very many texts at once; each keeps its own number of tokens, and the target writes the rest
    drawn: dict[str, float] = {}
    for rule in ("exact", "greedy"):
        one = toy(rule)
        ids, q, _ = one.guess(start, g, [])
        tokens, kept = one.verify(ids[:, 1:], q, laws(one.target, ids))
        texts = [torch.cat([start, tokens], 1)[kept == k, : k + 2] for k in range(g + 1)]
        texts = [one.target.sample(len(t), t, length=g + 2) for t in texts]
        drawn[rule] = goodness(torch.cat(texts)[:, 1:], joint(one.target, g + 1))
    claim.measure("one_round", drawn["exact"], baseline=drawn["greedy"])
    # whole texts over several rounds, sixteen in step
    few = toy(guesses=2)
    texts = torch.cat([few.sample(16, start[:16], length=6) for _ in range(1000)])
    claim.measure("whole_texts", goodness(texts[:, 1:], joint(few.target, 5)))


def test_acceptance_is_one_minus_total_variation(claim):
    n, most, error, curves = 50_000, 8, [], []
    start = torch.zeros(n, 1, dtype=torch.long)
    for seed in range(3):
        model = toy(guesses=most)
        torch.manual_seed(seed)
        for gpt in (model.target, model.draft):
            # all symbols look alike, so the law never changes; and it is another one for each seed
            gpt.token.weight.data = torch.randn(1, 16).double().expand(SYMBOLS, -1).clone()
        ids, q, _ = model.guess(start, most, [])
        p = laws(model.target, ids)
        _, kept = model.verify(ids[:, 1:], q, p)
        a = 1 - away(p[0, 0], q[0, 0])
        error.append(abs((kept > 0).double().mean().item() / a - 1))
        # with fewer guesses no more than those can be kept
        measured = [kept.clamp(max=g).double().mean().item() + 1 for g in range(1, most + 1)]
        expected = [(1 - a ** (g + 1)) / (1 - a) for g in range(1, most + 1)]
        curves.append((a, measured, expected))
    claim.measure("acceptance", error)
    claim.measure("tokens", [max(abs(m / e - 1) for m, e in zip(*c[1:], strict=True)) for c in curves])

    fig, ax = figure(6.0, 3.0)
    for color, (a, measured, expected) in zip(PALETTE, curves, strict=False):
        ax.plot(range(1, most + 1), expected, color=color, linewidth=1)
        ax.plot(range(1, most + 1), measured, "o", color=color, markersize=4, label=f"agreement {a:.2f}")
    ax.set(xlabel="guesses per round", ylabel="tokens per target pass")
    ax.legend()
    claim.figure(
        "formula",
        fig,
        caption="Tokens that one pass of the target gives, for three pairs of constant laws: 50,000 rounds each "
        "(dots) and (1 - a^(g+1)) / (1 - a) (lines). More guesses than about 1 / (1 - a) are wasted.",
        alt="Dots lie on three curves that flatten as the number of guesses grows.",
    )


@cache
def trained(seed: int) -> tuple[Task, SpeculativeDecoding]:
    """A pair after 200 steps each on the catalog's prose."""
    task = make("text")
    return task, run(SpeculativeDecoding, {"layers": 3, "steps": 200}, task=task, seed=seed, evaluate=False).model


def with_guesses(model: SpeculativeDecoding, guesses: int) -> SpeculativeDecoding:
    """The same pair, guessing so many tokens."""
    other = SpeculativeDecoding(model.cfg.model_copy(update={"guesses": guesses}))
    other.load_state_dict(model.state_dict())
    return other


def test_the_target_is_called_less_than_every_other_token(claim):
    counts, calls = (1, 2, 4, 6), []
    for seed in range(3):
        task, model = trained(seed)
        prompts = task.windows(6).x[:, :32]
        per_token = []
        for g in counts:
            given = [k for y in prompts for k in with_guesses(model, g).write(y[None], 129)[1]]
            per_token.append(len(given) / sum(given))
        calls.append(per_token)
    claim.measure("calls", [c[2] for c in calls])
    claim.measure("two_guesses", [c[1] for c in calls])
    size = [sum(p.numel() for p in m.parameters()) for m in (model.draft, model.target)]
    claim.measure("draft", size[0] / size[1])

    prompt, letters = "The network ", task.facts["characters"]
    torch.manual_seed(3)
    ids, given = model.write(torch.tensor([[letters.index(c) for c in prompt]]), 125)
    text, at, ends = [letters[i] for i in ids[0].tolist()], len(prompt), set()
    for k in given:
        at += k
        ends.add(at - 1)
    fig, ax = figure(7.0, 1.9)
    for i, c in enumerate(text):
        x, y = i % 42, i // 42
        color = PALETTE[8] if i < len(prompt) else PALETTE[1] if i in ends else PALETTE[2]
        ax.add_patch(Rectangle((x - 0.48, y - 0.42), 0.96, 0.84, color=color, alpha=0.4, linewidth=0))
        ax.text(x, y, c.replace("\n", "↵").replace(" ", "␣"), ha="center", va="center", color=INK, fontsize=9)
    ax.set(xlim=(-0.6, 41.6), ylim=(2.6, -0.6))
    ax.axis("off")
    for color, name in ((PALETTE[8], "prompt"), (PALETTE[2], "guess, kept"), (PALETTE[1], "by the target")):
        ax.plot([], [], "s", color=color, alpha=0.4, label=name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=3)
    claim.figure(
        "hero",
        fig,
        caption=f"A text written by a pair of GPTs (prompt {prompt!r}, seed 3, four guesses a round). Green characters "
        "were guessed by the small model and kept; each orange one came from the target and ends a round. "
        f"{len(given)} passes of the target wrote {sum(given)} characters.",
        alt="Characters in boxes, most of them green, with an orange one after every few.",
    )

    fig, ax = figure(6.0, 2.8)
    ax.plot(counts, np.array(calls).T, "o-", color=PALETTE[0], markersize=3, linewidth=1)
    ax.plot(counts, [1 / (g + 1) for g in counts], color=PALETTE[8], linestyle=":", label="every guess kept")
    ax.axhline(1, color=INK, linewidth=0.6)
    ax.set(xlabel="guesses per round", ylabel="target passes per token", ylim=(0, 1.05), xticks=counts)
    ax.legend()
    claim.figure(
        "calls",
        fig,
        caption="Passes of the target for each character written, three pairs trained on this catalog's prose. The "
        "line at one is sampling without a draft; below the dotted line nothing can go.",
        alt="Passes per token fall from about 0.6 at one guess to below 0.4 at six.",
    )
