"""Claims of fine-tuning, on rows of letters whose dialects and labels are known."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from reference_impl.adaptation.fine_tuning import FineTuning
from reference_impl.core import Task, run
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.tasks.dialects import Dialects, accuracy, per_token, truth
from reference_impl.transformer.gpt import GPT

SEEDS = (0, 1, 2)
RUNS = TemporaryDirectory()
NAMES = {"head": "output layer", "top": "upper half", "all": "all layers", "probe_then_all": "probe, then all"}


@cache
@torch.enable_grad()
def base(seed, steps=500):
    """Folder of a pre-trained model; with steps=0 of one that has learned nothing."""
    out = Path(RUNS.name) / f"{seed}-{steps}"
    run(FineTuning, {"tuning": 0, "steps": steps}, task=Dialects(), seed=seed, out=out, evaluate=False)
    return str(out)


@cache
@torch.enable_grad()
def labeled(seed, moves, labels=400, pretrained=True, **settings):
    """A model tuned on so many labeled rows, and the share it gets right of others in small letters and in capitals."""
    task = Dialects("labels", base=base(seed, 500 if pretrained else 0), count=labels, seed=10 + seed)
    settings = {"base": base(seed, 500 if pretrained else 0), "moves": moves, "warmup": 20, "tuning": 0.6, **settings}
    model = run(FineTuning, settings, task=task, seed=seed, evaluate=False).model
    return model, *(accuracy(model, task.splits[name][0]) for name in ("test", "shifted"))


def all_seeds(moves):
    """Accuracy in small letters and in capitals, a row for each seed."""
    return np.array([labeled(seed, moves)[1:] for seed in SEEDS])


def test_all_layers_beat_the_output_layer_alone(claim):
    probe, full = all_seeds("head"), all_seeds("all")
    claim.measure("accuracy", full[:, 0].tolist(), baseline=probe[:, 0].tolist())
    claim.measure("upper_half", all_seeds("top")[:, 0].tolist(), baseline=probe[:, 0].tolist())

    fig, ax = figure(5.4, 3.8)
    for color, (moves, name) in zip(PALETTE, NAMES.items(), strict=False):
        here, there = all_seeds(moves).T
        ax.plot(here, there, "o", color=color, markersize=7, label=name)
    ax.plot([0.8, 1], [0.8, 1], color=INK, linewidth=0.8, linestyle=":")
    ax.set(xlabel="accuracy in small letters, as in tuning", ylabel="accuracy in capitals", xlim=(0.8, 1.005))
    ax.set_ylim(0.76, 1.005)
    ax.legend(title="what moves", loc="upper left")
    claim.figure(
        "hero",
        fig,
        caption="One pre-trained model per seed, tuned on 400 rows in small letters; three seeds. Training the "
        "output layer alone is least accurate. Moving all layers gains a tenth and falls below the dotted line of "
        "equal accuracy: part of what was learned holds for small letters alone. Fitting the output layer first, or "
        "leaving the lower half where it was, is right in capitals too.",
        alt="Accuracy in capitals over accuracy in small letters: the output layer alone near 0.88 and 0.85, all "
        "layers at 0.98 and 0.94, probe then all and the upper half nearer to 0.98 on both.",
    )


def moved(tuned, start):
    """How far each part moved, relative to its size."""
    before, after = start.state_dict(), tuned.state_dict()
    return {k: ((after[k] - w).norm() / w.norm()).item() for k, w in before.items() if w.ndim == 2}


def test_probing_first_keeps_what_transfers(claim):
    full, both, probe = (all_seeds(moves) for moves in ("all", "probe_then_all", "head"))
    claim.measure("capitals", both[:, 1].tolist(), baseline=full[:, 1].tolist())
    claim.measure("small_letters", both[:, 0].tolist(), baseline=full[:, 0].tolist())
    claim.measure("lost_by_probe", (probe[:, 0] - probe[:, 1]).tolist(), baseline=(full[:, 0] - full[:, 1]).tolist())

    start = run(FineTuning, {"base": base(0), "tuning": 0}, task=Dialects(base=base(0)), evaluate=False).model
    bars = {moves: moved(labeled(0, moves)[0], start) for moves in ("all", "top", "probe_then_all")}
    names = [name for name in bars["all"] if name != "head.weight"]
    fig, ax = figure(6.4, 3.2)
    at = np.arange(len(names))
    for i, (moves, color) in enumerate(zip(bars, (PALETTE[2], PALETTE[1], PALETTE[3]), strict=True)):
        ax.bar(at + 0.27 * (i - 1), [bars[moves][n] for n in names], 0.25, color=color, label=NAMES[moves])
    labels = [n.removesuffix(".weight").replace("blocks.", "block ").replace(".", "\n") for n in names]
    ax.set(xticks=at, xticklabels=labels, ylabel="‖change‖ / ‖weights‖")
    ax.legend()
    claim.figure(
        "movement",
        fig,
        caption="How far each matrix moved from pre-training, by its norm (seed 0; the output layer, which starts "
        "anew, is left out). Where the output layer was fitted first, everything moves about half as far; the upper "
        "half, left to do it alone, moves further, on top of features that stay.",
        alt="Bars of relative change for the embedding and the matrices of two blocks under three ways of tuning.",
    )


def needed(counts, right):
    """Labels at which accuracy passes 0.9, between two counts on a logarithmic scale; the largest count at most."""
    best = np.maximum.accumulate(right)
    return float(np.exp(np.interp(0.9, best, np.log(counts)))) if best[0] < 0.9 else float(counts[0])


def test_pretraining_saves_labels(claim):
    few, many = (48, 128), (200, 400)
    # what learns from scratch gets the higher rate that it needs
    tuned = np.array([[labeled(s, "all", n)[1] for n in few] for s in SEEDS])
    scratch = np.array([[labeled(s, "all", n, False, tuning_lr=3e-3)[1] for n in many] for s in SEEDS])
    assert min(tuned[:, -1].min(), scratch[:, -1].min()) > 0.9, "the count that is needed lies within what was tried"
    ratio = [needed(few, a) / needed(many, b) for a, b in zip(tuned, scratch, strict=True)]
    claim.measure("ratio", ratio)
    alien = [labeled(s, "all", many[-1], False, tuning_lr=3e-3)[2] for s in SEEDS]
    claim.measure("capitals", [labeled(s, "all", few[-1])[2] for s in SEEDS], baseline=alien)

    fig, ax = figure(5.6, 3.2)
    for counts, rows, color, name in ((few, tuned, PALETTE[2], "pre-trained"), (many, scratch, PALETTE[8], "scratch")):
        for i, row in enumerate(rows):
            ax.plot(counts, row, "o-", color=color, markersize=3, linewidth=1, label=name if i == 0 else None)
    ax.axhline(0.9, color=INK, linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel="labeled rows", ylabel="accuracy in small letters", ylim=(0.5, 1.01))
    ax.set_xticks([*few, *many], [str(n) for n in (*few, *many)])
    ax.minorticks_off()
    ax.legend(loc="lower right")
    claim.figure(
        "labels",
        fig,
        caption="Accuracy over the number of labeled rows after equally many steps, three seeds. Pre-training "
        "on rows without labels is worth several times as many labels.",
        alt="Two groups of rising curves; the pre-trained one passes 0.9 at about 50 labels, the other at about 350.",
    )


@torch.no_grad()
def spoken_by(model, n=3):
    """Rows that a model writes, as text."""
    torch.manual_seed(0)
    start = torch.arange(n)[:, None]
    return ["".join(Dialects().facts["characters"][i] for i in row) for row in model.sample(n, start).tolist()]


def test_tuning_forgets_unless_the_old_is_mixed_in(claim):
    nats = {"before": [], "tuned": [], "mixed": []}
    for seed in SEEDS:
        task = Dialects(base=base(seed))
        settings = {"base": base(seed), "warmup": 20}
        start = run(FineTuning, {**settings, "tuning": 0}, task=task, evaluate=False).model
        tuned = run(FineTuning, settings, task=task, seed=seed, evaluate=False).model
        (new, _), (old, _) = task.splits["train"], task.splits["pretraining"]
        task.splits["train"] = (torch.cat([new, old[: len(new)]]), None)
        mixed = run(FineTuning, settings, task=task, seed=seed, evaluate=False).model
        for name, model in (("before", start), ("tuned", tuned), ("mixed", mixed)):
            nats[name].append([per_token(model, task.splits[split][0]) for split in ("before", "test")])
    old, new = ({name: [row[i] for row in rows] for name, rows in nats.items()} for i in (0, 1))
    claim.measure("forgotten", old["tuned"], baseline=old["before"])
    claim.measure("kept", old["mixed"], baseline=old["before"])
    claim.measure("learned", new["mixed"], baseline=new["before"])

    fig, ax = figure(5.4, 3.0)
    names = ["pre-trained", "tuned", "tuned on both"]
    for i, (what, values, color) in enumerate((("old dialects", old, PALETTE[0]), ("new dialect", new, PALETTE[1]))):
        ax.bar(np.arange(3) + 0.36 * (i - 0.5), [np.median(v) for v in values.values()], 0.34, color=color, label=what)
    ax.axhline(truth(Dialects().own), color=PALETTE[1], linewidth=1, linestyle="--")
    ax.axhline(np.log(16), color=INK, linewidth=0.8, linestyle=":")
    ax.annotate("guessing", (2.4, np.log(16)), (0, 2), textcoords="offset points", ha="right")
    ax.set(xticks=range(3), xticklabels=names, ylabel="nats per letter, held out")
    ax.legend()
    claim.figure(
        "forgetting",
        fig,
        caption="Loss on the four dialects of pre-training and on the new one, medians of three seeds. After 200 steps "
        "the new dialect is known as well as it can be (dashed), and the old ones are predicted worse than by guessing "
        "(dotted). With half of the rows old ones, both are known.",
        alt="Bars of loss: tuning lowers that of the new dialect and raises that of the old; mixing keeps both low.",
    )
    rows = zip(spoken_by(start), spoken_by(tuned), strict=True)
    claim.figure(
        "rows",
        "pre-trained         tuned\n" + "\n".join(f"{a:<18}  {b}" for a, b in rows),
        caption="Rows that continue a, b and c, before and after tuning on the new dialect (third model, drawn with "
        "seed 0). A letter's follower comes three times in four, small or capital.",
        alt="Three rows of seventeen letters before tuning and three after it.",
    )


def test_without_tuning_it_is_the_pretrained_gpt(claim):
    task = Dialects(count=100)
    ours = run(FineTuning, {"steps": 20, "tuning": 0}, task=task, evaluate=False).model
    same = ours.cfg.model_dump(include=set(GPT.Config.model_fields))
    plain = run(GPT, same, task=Task(task.splits["pretraining"][0]), evaluate=False).model
    pairs = zip(ours.state_dict().items(), plain.state_dict().items(), strict=True)
    claim.measure("weights", max((a - b).abs().max().item() if k == n else 1.0 for (k, a), (n, b) in pairs))
    x = task.splits["test"][0]
    with torch.no_grad():
        claim.measure("log_prob", (ours.log_prob(x) - plain.log_prob(x)).abs().max().item())


def test_a_probe_moves_the_output_layer_and_nothing_else(claim):
    settings = {"steps": 20, "tuning": 0.5, "moves": "head"}
    task = Dialects("labels", count=100)
    probed = run(FineTuning, settings, task=task, evaluate=False).model.state_dict()
    start = run(FineTuning, {**settings, "tuning": 0}, task=task, evaluate=False).model.state_dict()
    change = {name: (probed[name] - w).abs().max().item() for name, w in start.items()}
    head = change.pop("head.weight")
    claim.measure("body", max(change.values()), baseline=head)
