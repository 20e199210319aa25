"""Claims of LoRA, on rows of letters in a dialect that the pre-trained model does not speak."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from reference_impl.adaptation.fine_tuning import FineTuning
from reference_impl.adaptation.lora import LoRA, LowRank
from reference_impl.core import Task, run
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.tasks.dialects import Dialects, S, per_token
from reference_impl.transformer.gpt import GPT

SEEDS = (0, 1, 2)
RANKS = (1, 2, 4)
RUNS = TemporaryDirectory()


@cache
@torch.enable_grad()
def base(seed):
    """Folder of a pre-trained model."""
    out = Path(RUNS.name) / str(seed)
    run(FineTuning, {"tuning": 0}, task=Dialects(), seed=seed, out=out, evaluate=False)
    return str(out)


@torch.enable_grad()
def adapted(seed, task, cls=LoRA, **settings):
    """A model that starts from the base of this seed and is tuned on a task."""
    return run(cls, {"base": base(seed), "warmup": 20, **settings}, task=task, seed=seed, evaluate=False).model


@cache
def to_new_dialect(seed, rank=None):
    """The base itself (rank 0), LoRA of this rank, or with None the base with all its weights tuned."""
    task = Dialects(base=base(seed))
    if rank:
        return adapted(seed, task, rank=rank, alpha=rank)
    return adapted(seed, task, FineTuning, **({} if rank is None else {"tuning": 0}))


def losses(model, seed, split="test"):
    """Nats per letter on held-out rows of the new dialect, or with "before" of the old ones."""
    return per_token(model, Dialects(base=base(seed)).splits[split][0])


def trained_share(model):
    """Numbers that tuning changes over all weights of the base."""
    whole = sum(p.numel() for p in FineTuning(FineTuning.Config()).parameters())
    return sum(p.numel() for p in model.moved()) / whole


@cache
def recovered(rank):
    """Share of full tuning's gain on the new dialect, for each seed."""
    shares = []
    for seed in SEEDS:
        start, full, ours = (losses(to_new_dialect(seed, r), seed) for r in (0, None, rank))
        shares.append((start - ours) / (start - full))
    return shares


def test_two_percent_of_the_weights_recover_the_gain(claim):
    claim.measure("gain", recovered(2))
    claim.measure("trained", trained_share(to_new_dialect(0, 2)))
    claim.measure("rank_one", recovered(1))

    fig, ax = figure(5.4, 3.2)
    shares = [100 * trained_share(to_new_dialect(0, rank)) for rank in RANKS]
    for seed in range(len(SEEDS)):
        ax.plot([*shares, 100], [*(recovered(rank)[seed] for rank in RANKS), 1], "o-", color=PALETTE[0], markersize=4)
    for rank, share in zip(RANKS, shares, strict=True):
        ax.annotate(f"r = {rank}", (share, recovered(rank)[0]), (0, -16), textcoords="offset points", ha="center")
    ax.annotate("all weights", (100, 1), (0, -14), textcoords="offset points", ha="right")
    ax.set(xscale="log", xlabel="trained weights, % of the model", ylabel="share of the gain", ylim=(0.9, 1.01))
    ax.set_xticks([1, 10, 100], ["1", "10", "100"])
    claim.figure(
        "hero",
        fig,
        caption="Share of full fine-tuning's gain on the new dialect over the number of trained weights; adapters on "
        "the attention of both blocks, three pre-trained models. One direction for each matrix does nearly all.",
        alt="Three curves rise from about 0.96 at 0.8 percent to about 1 at 3 percent and stay there at 100 percent.",
    )

    start, full, ours = (to_new_dialect(0, r) for r in (0, None, 4))
    fig, axes = figure(6.4, 2.8, columns=len(ours.places), sharey=True)
    for ax, name, update in zip(axes, ours.places, ours.updates, strict=True):
        change = full.get_submodule(name).weight - start.get_submodule(name).weight
        ax.plot(np.arange(1, 33), torch.linalg.svdvals(change.detach())[:32], color=PALETTE[8], label="all weights")
        ax.plot(
            np.arange(1, 5), torch.linalg.svdvals(update.matrix().detach())[:4], "o-", color=PALETTE[0], markersize=3
        )
        ax.set(title=name.replace("blocks.", "block "), xlabel="index", yscale="log")
    axes[0].set_ylabel("singular value of the update")
    axes[0].plot([], [], "o-", color=PALETTE[0], markersize=3, label="LoRA, r = 4")
    axes[0].legend(fontsize=7)
    claim.figure(
        "spectrum",
        fig,
        caption="Singular values of what tuning added to each attention matrix (seed 0). Full tuning moves every "
        "direction a little; LoRA moves four directions far more, and both end at the same loss.",
        alt="Four panels: slowly falling curves of full tuning, and four larger values of LoRA in each.",
    )


def test_rank_is_all_that_is_given_up(claim):
    rows, columns, true_rank = 24, 16, 3
    u, v = (torch.linalg.qr(torch.randn(n, true_rank))[0] for n in (rows, columns))
    values = torch.tensor([4.0, 2.0, 1.0])
    update = u * values @ v.T
    plain, x = nn.Linear(columns, rows, bias=False), torch.eye(columns)
    target = (plain(x) + x @ update.T).detach()
    ranks, left, best = range(1, true_rank + 2), [], []
    for rank in ranks:
        layer = nn.Linear(columns, rows, bias=False)
        layer.weight = nn.Parameter(plain.weight.detach(), requires_grad=False)
        adapter = LowRank(layer, rank, alpha=rank)
        adam = torch.optim.Adam(adapter.parameters(), lr=0.02)
        for step in range(600):
            adam.param_groups[0]["lr"] = 0.02 * (1 - step / 600)
            loss = (layer(x) - target).square().sum()
            adam.zero_grad()
            loss.backward()
            adam.step()
        left.append(loss.item() / update.square().sum().item())
        best.append((values[rank:].square().sum() / values.square().sum()).item())
    below = [abs(a / b - 1) for a, b in zip(left, best, strict=True) if b]
    claim.measure("excess", max(below))
    claim.measure("enough", max(a for a, b in zip(left, best, strict=True) if not b))

    fig, ax = figure(4.6, 2.8)
    ax.plot(ranks, best, color=INK, linewidth=1, label="truncated singular values")
    ax.plot(ranks, left, "o", color=PALETTE[0], label="LoRA, trained")
    ax.set(xlabel="rank r", ylabel="share of the update left out", xticks=list(ranks))
    ax.legend()
    claim.figure(
        "rank",
        fig,
        caption="A wanted update of rank 3 with singular values 4, 2, 1. What gradient descent on A and B leaves out "
        "is what the best approximation of that rank must leave out.",
        alt="Dots of trained adapters on the line of the truncated singular values: 0.24, 0.05, 0, 0.",
    )


def in_one_case(seed):
    """Rows in the old dialects, each all small or all capital: a new style, in which nothing else is new."""
    task, g = Dialects(base=base(seed)), torch.Generator().manual_seed(100 + seed)
    for split, source in (("train", "pretraining"), ("test", "before")):
        x = task.splits[source][0][:4000]
        task.splits[split] = (x % S + S * torch.randint(2, (len(x), 1), generator=g), None)
    return task


def test_what_the_frozen_part_merged_stays_merged(claim):
    gains = {"attention": [], "with_head": [], "all weights": []}
    for seed in SEEDS:
        task = in_one_case(seed)
        start = per_token(to_new_dialect(seed, 0), task.splits["test"][0])
        tuned = {
            "attention": adapted(seed, task),
            "with_head": adapted(seed, task, adapted=("qkv", "out", "head")),
            "all weights": adapted(seed, task, FineTuning),
        }
        for name, model in tuned.items():
            gains[name].append(start - per_token(model, task.splits["test"][0]))
    claim.measure("attention", gains["attention"], baseline=gains["all weights"])
    claim.measure("with_head", gains["with_head"], baseline=gains["attention"])

    fig, ax = figure(4.8, 2.6)
    for i, values in enumerate(gains.values()):
        ax.plot(values, [i] * len(values), "o", color=PALETTE[i], markersize=7)
    ax.axvline(np.log(2), color=INK, linewidth=0.8, linestyle=":")
    ax.annotate("all there is", (np.log(2), 2.4), (-4, 0), textcoords="offset points", ha="right", va="center")
    ax.set(yticks=range(3), yticklabels=["adapters on attention", "and on the output layer", "all weights"])
    ax.set(xlabel="nats per letter gained by the style", xlim=(-0.03, 0.75), ylim=(-0.5, 2.6))
    claim.figure(
        "distinction",
        fig,
        caption="What tuning gains on rows that keep to one case, three models pre-trained on mixed case. To the "
        "frozen output layer a and A are one, and no adapter before it can tell it otherwise; an adapter on it can.",
        alt="Gains near zero for adapters on attention, near 0.69 with the output layer adapted.",
    )


def test_it_forgets_as_full_tuning_does_until_it_is_taken_off(claim):
    old = {r: [losses(to_new_dialect(seed, r), seed, "before") for seed in SEEDS] for r in (0, None, 2)}
    risen, risen_full = ([a - b for a, b in zip(old[r], old[0], strict=True)] for r in (2, None))
    claim.measure("forgotten", risen, baseline=risen_full)
    off = []
    for seed in SEEDS:
        start, tuned = to_new_dialect(seed, 0).state_dict(), to_new_dialect(seed, 2).state_dict()
        off.append(max((tuned[name] - w).abs().max().item() for name, w in start.items()))
    claim.measure("taken_off", off)


@torch.no_grad()
def differ(a, b, x):
    """Largest difference between the logits of two models."""
    return (a.logits(x)[0] - b.logits(x)[0]).abs().max().item()


SMALL = {"steps": 20, "channels": 16, "heads": 2}


def test_at_the_start_it_is_the_pretrained_gpt(claim):
    task = Dialects(count=100)
    ours = run(LoRA, {**SMALL, "tuning": 0}, task=task, evaluate=False).model
    same = ours.cfg.model_dump(include=set(GPT.Config.model_fields))
    plain = run(GPT, same, task=Task(task.splits["pretraining"][0]), evaluate=False).model
    tuned = run(LoRA, {**SMALL, "tuning": 0.5}, task=task, evaluate=False).model
    x = task.splits["test"][0]
    claim.measure("start", differ(ours, plain, x), baseline=differ(tuned, plain, x))


def test_merged_it_is_a_fine_tuned_model(claim):
    task = Dialects(count=100)
    x = task.splits["test"][0]
    tuned = run(LoRA, {**SMALL, "tuning": 1.0}, task=task, evaluate=False).model.double()
    claim.measure("merged", differ(tuned, tuned.merged(), x))

    # with one block, tuning from the top moves all matrices and not the embedding
    settings = {**SMALL, "layers": 1, "moves": "top"}
    start, full = (
        run(FineTuning, {**settings, "tuning": t}, task=task, evaluate=False).model.double() for t in (0, 1.0)
    )
    everything = ("qkv", "out", "up", "down", "head")
    ours = LoRA(LoRA.Config(**SMALL, layers=1, rank=16, alpha=16, adapted=everything)).double()
    ours.load_state_dict({**ours.state_dict(), **start.state_dict()})
    for name, update in zip(ours.places, ours.updates, strict=True):
        change = full.get_submodule(name).weight - start.get_submodule(name).weight
        u, s, v = torch.linalg.svd(change.detach(), full_matrices=False)
        update.B.data, update.A.data = u * s, v
    claim.measure("written_as_lora", differ(ours, full, x), baseline=differ(start, full, x))
