"""Claims of the reward model: all 512 answers have a known utility, and best-of-n is enumerated."""

import math
from functools import cache

import torch
import torch.nn.functional as F

from reference_impl.adaptation.best_of_n import law
from reference_impl.adaptation.reward_model import RewardModel
from reference_impl.core import run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.preferences import Preferences, every_answer, reward

UTILITY = reward(every_answer()).double()
EVERYTHING = F.pad(torch.cartesian_prod(*[torch.arange(9)] * 3), (1, 0))
"""All 729 continuations of the prompt, answers or not."""
DRAWS = [2**k for k in range(13)]


class Even(Preferences):
    """Comparisons of two answers drawn evenly from all 512, and how often each of them won."""

    def __init__(self, comparisons):
        super().__init__()
        g = torch.Generator().manual_seed(1)
        i, j = torch.randint(512, (2, comparisons), generator=g)
        i_wins = torch.rand(comparisons, generator=g) < torch.sigmoid(UTILITY[i] - UTILITY[j])
        won, lost = torch.where(i_wins, i, j), torch.where(i_wins, j, i)
        self.splits["comparisons"] = (every_answer()[won], every_answer()[lost])
        wins, losses = (torch.bincount(rows, minlength=512).double() for rows in (won, lost))
        # log-odds of winning; half a win and half a loss more keep them finite
        self.counted = torch.log((wins + 0.5) / (losses + 0.5))


@cache
def fitted(comparisons):
    """Scores (512,) of a reward model, and the log-odds of winning that were counted."""
    task = Even(comparisons)
    settings = {"layers": 2, "steps": 250, "batch_size": 512, "cooldown": 0.8}
    return scores(run(RewardModel, settings, task=task, evaluate=False).model, every_answer()), task.counted


@torch.no_grad()
def scores(model, rows):
    return model.reward(rows).double()


def correlation(a, b):
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_utility_is_recovered_up_to_a_shift(claim):
    (r, counted), (few, few_counted) = fitted(50_000), fitted(8_192)
    claim.measure("pearson", correlation(r, UTILITY), baseline=correlation(counted, UTILITY))
    claim.measure("few", correlation(few, UTILITY), baseline=correlation(few_counted, UTILITY))
    told, true = (torch.sigmoid(u[:, None] - u).flatten() for u in (r, UTILITY))
    bins = (told * 10).long().clamp(max=9)
    means = [(told[bins == k].mean(), true[bins == k].mean(), (bins == k).double().mean()) for k in range(10)]
    claim.measure("calibration", sum(abs(a - b) * share for a, b, share in means).item())

    fig, (ax, right) = figure(6.6, 3.3, columns=2)
    ax.plot([-3.5, 4], [-3.5, 4], color=PALETTE[8], linewidth=1)
    for u, color, label in ((few_counted, PALETTE[1], "wins counted"), (few, PALETTE[0], "reward model")):
        u = (u - u.mean()) / u.std() * UTILITY.std() + UTILITY.mean()
        ax.scatter(UTILITY, u, s=8, color=color, alpha=0.5, linewidths=0, label=label, rasterized=True)
    ax.set(xlabel="judge's utility", ylabel="estimate, scaled", title="8,192 comparisons")
    ax.legend(loc="upper left")
    right.plot([0, 1], [0, 1], color=PALETTE[8], linewidth=1)
    right.plot([a for a, _, _ in means], [b for _, b, _ in means], "o", color=PALETTE[0], markersize=4)
    right.set(xlabel="predicted probability", ylabel="judge's probability", title="50,000 comparisons")
    claim.figure(
        "utility",
        fig,
        caption="Left: with about 32 comparisons for each of the 512 answers, the network, which knows that letters "
        "return in many answers, is closer to the judge's utility than log-odds counted answer by answer. Right: its "
        "probabilities are the judge's.",
        alt="Scatter of estimates against utility, the reward model's tighter; calibration points on the diagonal.",
    )


def test_true_reward_peaks_while_the_learned_one_rises(claim):
    true, curves, perfect = reward(EVERYTHING).double(), [], []
    for seed in (0, 1, 2):
        # 512 comparisons are left after a fifth is held out
        model = run(RewardModel, {"steps": 150}, task=Preferences(comparisons=640), seed=seed, evaluate=False).model
        with torch.no_grad():
            p = model.policy.log_prob(EVERYTHING).double().exp()
        learned = scores(model, EVERYTHING)
        chosen = [law(p, learned, n) for n in DRAWS]
        curves.append(([(q @ learned).item() for q in chosen], [(q @ true).item() for q in chosen]))
        perfect.append([(law(p, true, n) @ true).item() for n in DRAWS])
    at = DRAWS.index(1024)
    peaks = [max(range(len(DRAWS)), key=ys.__getitem__) for _, ys in curves]
    claim.measure(
        "drop",
        [(ys[i] - ys[at]) / (ys[i] - ys[0]) for i, (_, ys) in zip(peaks, curves, strict=True)],
        baseline=[(max(ys[: at + 1]) - ys[at]) / (ys[at] - ys[0]) for ys in perfect],
    )
    claim.measure("peak", [DRAWS[i] for i in peaks])
    claim.measure("learned_rise", [rs[at] - rs[i] for i, (rs, _) in zip(peaks, curves, strict=True)])

    fig, axes = figure(6.6, 3.3, columns=2)
    divergences = [math.log(n) - (n - 1) / n for n in DRAWS]
    for k, (learned, ys) in enumerate(curves):
        line = {"color": PALETTE[k], "linewidth": 1.2}
        axes[0].plot(divergences, [r - learned[0] for r in learned], **line)
        axes[1].plot(divergences, ys, **line, label=f"reward model {k + 1}")
        axes[1].plot(divergences[peaks[k]], ys[peaks[k]], "o", color=PALETTE[k], markersize=4)
    axes[1].plot(divergences, perfect[0], color=PALETTE[8], linestyle="--", label="the judge's own reward")
    axes[0].set(title="learned reward, gain")
    axes[1].set(title="true reward", ylim=(0.9, 4.6))
    axes[1].legend(loc="upper left")
    for ax in axes:
        ax.set(xlabel="log n − (n−1)/n, nats from the policy")
    claim.figure(
        "hero",
        fig,
        caption="Best of n from n = 1 to 4,096, by three reward models fitted to 512 comparisons. The learned reward "
        "never falls. The true reward rises to a peak (dots) and then falls, because the more one chooses from, the "
        "more the choice is of what the model has wrong. With the judge's own reward there is no peak.",
        alt="Left: learned reward saturates. Right: true reward peaks near 4 nats and falls; the dashed line rises.",
    )
