"""Claims of best-of-n: every law is enumerated."""

import itertools
import math
from functools import cache

import torch
import torch.nn.functional as F

from reference_impl.adaptation.best_of_n import BestOfN, law
from reference_impl.core import run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.preferences import Preferences, reward
from reference_impl.transformer.gpt import GPT

DRAWS = (2, 4, 8, 16, 32, 64)


def formula(n):
    return math.log(n) - (n - 1) / n


def divergence(p, q):
    """KL(p || q) in nats."""
    return torch.xlogy(p, p / q).sum().item()


def continuations(length, vocab=9):
    """All continuations of the prompt: (vocab^length, length+1)."""
    return F.pad(torch.cartesian_prod(*[torch.arange(vocab)] * length), (1, 0))


def untrained(length, vocab=9, candidates=16):
    """Random policy and scorer in double precision; no answer is likely, and no two have one score."""
    model = BestOfN(BestOfN.Config(context=length, vocab=vocab, candidates=candidates)).double()
    for name, weight in model.named_parameters():
        torch.nn.init.normal_(weight, std=0.05 if "head" in name else 0.3)
    return model


@torch.no_grad()
def enumerated(model, rows):
    """Probability under the policy and learned reward of every row, float64."""
    p = model.scorer.policy.log_prob(rows).double().exp()
    return p / p.sum(), model.reward(rows).double()


@cache
def trained():
    return run(BestOfN, task=Preferences(), evaluate=False).model


def test_divergence_follows_its_formula(claim):
    p, r = enumerated(untrained(5), continuations(5))
    assert len(r.unique()) == len(r)
    found = [divergence(law(p, r, n), p) for n in DRAWS]
    claim.measure("deviation", max(abs(kl - formula(n)) for kl, n in zip(found, DRAWS, strict=True)))

    rows = continuations(3)
    prior, learned = enumerated(trained(), rows)
    many = range(2, 1025)
    ties = {
        "learned reward": learned,
        "judge's reward, answers tie": reward(rows).double(),
        "good or bad, p(good) = 0.15": (learned >= learned[prior.multinomial(9999, True)].quantile(0.85)).double(),
    }
    gaps = {name: [formula(n) - divergence(law(prior, r, n), prior) for n in many] for name, r in ties.items()}
    claim.measure("violations", sum(gap < -1e-12 for row in gaps.values() for gap in row))

    fig, ax = figure(6.0, 3.4)
    ax.semilogx(many, [formula(n) for n in many], color=PALETTE[8], label="log n − (n−1)/n")
    ax.semilogx(DRAWS, found, "o", color=PALETTE[0], markersize=4, label="59,049 answers, no ties")
    for color, (name, row) in zip(PALETTE[1:], gaps.items(), strict=False):
        ax.semilogx(many, [formula(n) - gap for n, gap in zip(many, row, strict=True)], color=color, label=name)
    ax.set(xlabel="n", ylabel="KL(best of n ‖ policy), nats")
    ax.legend(loc="upper left")
    claim.figure(
        "divergence",
        fig,
        caption="How far choosing moves a policy. Without ties the divergence depends on n alone, not on policy or "
        "reward. With ties the formula is an upper bound: once an answer of the best kind is among the candidates, "
        "more of them change nothing.",
        alt="KL against n: points on the formula's curve, curves with ties below it and level at large n.",
    )


def test_wins_against_one_more_draw(claim):
    p, r = enumerated(untrained(4), continuations(4))
    order = r.argsort()
    below = p[order].cumsum(0) - p[order] / 2
    wins = {n: (law(p, r, n)[order] @ below).item() for n in (1, *DRAWS)}
    claim.measure("deviation", max(abs(share - n / (n + 1)) for n, share in wins.items()))

    model = untrained(4, candidates=4)
    with torch.no_grad():
        best, other = model.reward(model.sample(4096)), model.reward(model.scorer.sample(4096))
    claim.measure("sampled", ((best > other).double() + 0.5 * (best == other)).mean().item())


def test_law_is_that_of_enumerated_draws(claim):
    p, r = enumerated(untrained(2), continuations(2))
    # a coarser reward, so that answers tie
    wrong = 0.0
    for score, n in itertools.product((r, (r * 20).round()), (2, 3)):
        draws = torch.cartesian_prod(*[torch.arange(81)] * n)
        kept = draws.gather(1, score[draws].argmax(1, keepdim=True))[:, 0]
        counted = torch.zeros(81, dtype=p.dtype).index_add(0, kept, p[draws].prod(1))
        wrong = max(wrong, (counted - law(p, score, n)).abs().max().item())
    assert len((r * 20).round().unique()) < 81
    claim.measure("deviation", wrong)


def test_one_candidate_is_the_policy(claim):
    task, settings = Preferences(), {"steps": 20, "cooldown": 0.5, "batch_size": 256, "lr": 5e-3}
    model = run(BestOfN, {"candidates": 1, **settings}, task=task, evaluate=False).model
    size = {name: getattr(model.cfg, name) for name in ("channels", "heads", "layers")}
    alone = run(GPT, {**size, **settings, "warmup": 0}, task=task, evaluate=False).model
    rows = continuations(3)
    p, r = enumerated(model, rows)
    with torch.no_grad():
        q = alone.log_prob(rows).double().exp()
    claim.measure("law", (law(p, r, 1) - q / q.sum()).abs().max().item())
    y, drawn = torch.zeros(1000, 1, dtype=torch.long), []
    for sampler in (model, alone):
        seed_all("one candidate")
        drawn.append(sampler.sample(1000, y))
    claim.measure("samples", (drawn[0] != drawn[1]).any(1).sum().item())


def test_gain_is_near_the_best_for_its_divergence(claim):
    rows = continuations(3)
    prior, r = enumerated(trained(), rows)

    def where(q):
        """(KL from the policy, gain in learned reward) of a distribution."""
        return divergence(q, prior), ((q - prior) @ r).item()

    tilted = [where((prior.log() + r * t).softmax(0)) for t in torch.logspace(-2, 2.3, 400).tolist()]
    chosen = {n: where(law(prior, r, n)) for n in DRAWS}
    claim.measure("share", min(gain / best_gain(tilted, kl) for kl, gain in chosen.values()))

    fig, ax = figure(6.2, 3.6)
    ax.plot([0, *(k for k, _ in tilted)], [0, *(g for _, g in tilted)], color=PALETTE[0], label="optimum, every β")
    path = [where(law(prior, r, n)) for n in range(1, 300)]
    ax.plot([k for k, _ in path], [g for _, g in path], color=PALETTE[1], linewidth=1, label="best of n")
    for n, (kl, gain) in chosen.items():
        ax.plot(kl, gain, "o", color=PALETTE[1], markersize=4)
        ax.annotate(f"n = {n}", (kl, gain), (6, -9), textcoords="offset points", color=PALETTE[1])
    ax.set(xlabel="KL from the policy, nats", ylabel="gain in learned reward", xlim=(0, 4.2))
    ax.legend(loc="lower right")
    claim.figure(
        "hero",
        fig,
        caption="What choosing buys. The upper line is the optimum of RLHF's objective at every β, the most reward "
        "that any policy can have at a divergence. Best-of-n trains nothing and stays close below it; n takes the "
        "place of β.",
        alt="Gain in reward against KL: the curve of best-of-n runs just below the curve of optimal policies.",
    )


def best_gain(curve, kl):
    """The largest gain at a divergence, between two points of the optimal curve by interpolation."""
    i = next(i for i, (k, _) in enumerate(curve) if k >= kl)
    (k0, g0), (k1, g1) = curve[i - 1], curve[i]
    return g0 + (g1 - g0) * (kl - k0) / (k1 - k0)
