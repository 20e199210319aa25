"""Claims of T5."""

import numpy as np
import torch

from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.figures_words import show_words
from reference_impl.tasks.sentences import spelled
from reference_impl.tasks.strings import PREFIXES, Strings
from reference_impl.transformer.bart import BART
from reference_impl.transformer.t5 import T5
from reference_impl.transformer.transformer import BEGIN, END, PAD

SEEDS = (0, 1)


def part(task, prefix):
    """The pairs of one prefix, with the vocabulary and the lengths of all."""
    mark = task.facts["words"].index(prefix)
    (x, y), (test_x, test_y) = ([side[y[:, 0] == mark] for side in (x, y)] for x, y in task.splits.values())
    return Task(x, test_x, y=y, test_y=test_y, **task.facts)


def written_exactly(model, task):
    """Share of the held-out targets that come out exactly."""
    x, y = task.splits["test"]
    return (model.sample(len(y), y) == x).all(1).float().mean().item()


def test_one_model_does_four_tasks_as_well_as_four_models(claim):
    task = Strings()
    parts = {prefix: part(task, prefix) for prefix in PREFIXES}
    together, apart = [], []
    for seed in SEEDS:
        one = run(T5, {"steps": 560, "pretrain_share": 0.0}, task=task, seed=seed, evaluate=False).model
        settings = {"steps": 220, "pretrain_share": 0.0}
        four = {p: run(T5, settings, task=t, seed=seed, evaluate=False).model for p, t in parts.items()}
        together.append([written_exactly(one, t) for t in parts.values()])
        apart.append([written_exactly(four[p], t) for p, t in parts.items()])
        if seed == SEEDS[0]:
            shown = one
    claim.measure("exact", np.mean(together, 1).tolist(), baseline=np.mean(apart, 1).tolist())
    sizes = [sum(p.numel() for p in m.parameters()) for m in (one, *four.values())]
    claim.measure("parameters", sizes[0], baseline=sum(sizes[1:]))

    fig, ax = figure(5.6, 2.5)
    for i, (name, shares) in enumerate({"one model": together, "four models": apart}.items()):
        at = np.arange(len(PREFIXES)) + 0.36 * (i - 0.5)
        ax.bar(at, np.mean(shares, 0), 0.32, color=PALETTE[i], label=name)
        ax.plot(at, np.transpose(shares), "o", color="#7a7f87", markersize=3)
    ax.set_xticks(range(len(PREFIXES)), PREFIXES)
    ax.set(ylabel="answers written exactly", ylim=(0, 1.25))
    ax.legend(loc="upper right", ncols=2)
    claim.figure(
        "tasks",
        fig,
        caption="Answers to held-out strings written exactly; bars are means of two seeds, dots the seeds. One model "
        "took 560 steps on all four tasks, each of the four 220 steps on its own, so that it saw half as many "
        "examples of its task again.",
        alt="Bars for copy, reverse, sort and classify: one model does each about as well as a model of its own.",
    )

    rows = slice(0, 16)
    x, y = (side[rows] for side in task.splits["test"])
    blocks = []
    for source, target, answer in zip(
        *(spelled(ids, task.facts) for ids in (y, x, shown.sample(len(y), y))), strict=True
    ):
        prefix, *letters = source.split()
        right = PALETTE[2] if answer == target else PALETTE[3]
        words = [(w, None) for w in [*letters, *[""] * (8 - len(letters)), "\u2192"]]
        blocks.append(
            ("", [(prefix, PALETTE[PREFIXES.index(prefix) % 2]), *words, *((w, right) for w in answer.split())])
        )
    fig, ax = figure(5.6, 4.4)
    show_words(ax, blocks, width=56)
    claim.figure(
        "hero",
        fig,
        caption="Four held-out strings under four prefixes, and what one model writes (seed 0): green is right, pink "
        "is wrong. The prefix alone says what to do with the letters; an answer is text also where it is a class.",
        alt="Sixteen rows of a prefix and letters with the answers copied, reversed, sorted and classified.",
    )


def corrupted(words, texts):
    """Lengths of sources and targets, ends included, of T5's corruption of random texts of so many words."""
    model = T5(T5.Config(vocab=50, channels=8))
    x = torch.randint(4, 50, (texts, words))
    x = torch.cat([x, torch.full((texts, 1), END)], 1)
    source, target = model.corrupt(x)
    # nothing is lost: source and target together hold each word once, and each sentinel in the source twice
    both = torch.cat([source, target], 1)
    for row, kept in zip(x[:, :-1], both, strict=True):
        assert torch.equal(kept[(kept > 3) & (kept < 50)].sort().values, row.sort().values)
    return (source != PAD).sum(1), (target != PAD).sum(1) - 1


def test_span_corruption_shortens_targets(claim):
    source, target = corrupted(words=100, texts=500)
    # BART writes all words and the end
    claim.measure("target", target.float().mean().item(), baseline=101)
    claim.measure("largest", target.max().item() / 101)
    claim.measure("source", source.float().mean().item(), baseline=101)

    counts = [20, 40, 60, 80, 100, 150, 200]
    mean = [[part.float().mean().item() for part in corrupted(n, 100)] for n in counts]
    whole = BART(BART.Config(vocab=50, context=201, channels=8))
    reads = []
    for n in counts:
        x = torch.cat([torch.randint(4, 50, (100, n)), torch.full((100, 1), END)], 1)
        reads.append((whole.corrupt(x) != PAD).sum(1).float().mean().item())
    fig, (left, right) = figure(6.4, 2.7, columns=2, sharey=True)
    for ax, title, ours, theirs in (
        (left, "encoder reads", [m[0] for m in mean], reads),
        (right, "decoder writes", [m[1] for m in mean], [n + 1 for n in counts]),
    ):
        ax.plot(counts, theirs, color=PALETTE[1], label="text infilling (BART)")
        ax.plot(counts, ours, color=PALETTE[0], label="span corruption (T5)")
        ax.set(title=title, xlabel="words of the text", ylim=(0, 210))
    left.set_ylabel("tokens")
    left.legend()
    claim.figure(
        "lengths",
        fig,
        caption="Tokens per pre-training example, means of 100 texts. T5 hides 15 percent in spans of three words on "
        "average and writes just those, with a sentinel for each span; BART hides 30 percent and writes the whole "
        "text.",
        alt="Two panels of lines: T5's decoder writes about a fifth of the words, BART's all; the encoder reads "
        "similar lengths.",
    )


@torch.no_grad()
def test_the_encoder_reads_both_ways_and_the_decoder_writes_one_way(claim):
    model = T5(T5.Config(vocab=30, context=16)).double()
    y, ids = torch.randint(END + 1, 29, (8, 16)), torch.randint(END + 1, 29, (8, 12))
    ids[:, 0] = BEGIN
    other_y, other_ids = y.clone(), ids.clone()
    other_y[:, -1] += 1
    other_ids[:, 8:] += 1
    logits = model.write(ids, model.read(y))[0]
    claim.measure("two_sided", (model.read(y)[0] - model.read(other_y)[0])[:, 0].abs().max().item())
    claim.measure("source", (logits - model.write(ids, model.read(other_y))[0]).abs().max().item())
    claim.measure("later", (logits - model.write(other_ids, model.read(y))[0])[:, :8].abs().max().item())
    parts = {"encoder": model.encoder, "decoder": model.decoder}
    sizes = {name: sum(p.numel() for p in module.parameters()) for name, module in parts.items()}
    claim.measure("encoder", sizes["encoder"] / (sizes["encoder"] + sizes["decoder"]))


@torch.no_grad()
def test_only_distances_count(claim):
    y = torch.randint(END + 1, 29, (8, 10))
    later = torch.cat([torch.full((8, 6), PAD), y], 1)

    def change(cls):
        """Largest change of the encoder's vectors when the source begins six places later."""
        model = cls(cls.Config(vocab=30, context=16)).double()
        return (model.read(later)[0][:, 6:] - model.read(y)[0]).abs().max().item()

    claim.measure("moved", change(T5), baseline=change(BART))

    model = T5(T5.Config())
    distances = torch.arange(-60, 61)
    fig, ax = figure(5.6, 2.2)
    for label, two_sided in (("encoder", True), ("decoder", False)):
        seen = distances if two_sided else distances[distances <= 0]
        ax.step(seen, model.bucket(seen, two_sided), where="mid", label=label)
    ax.set(xlabel="place of the key minus place of the query", ylabel="bucket")
    ax.legend()
    claim.figure(
        "buckets",
        fig,
        caption="The bucket of each distance, from which the bias of a score is looked up. Near distances have "
        "buckets of their own; farther ones share them, the more the farther. The encoder tells both directions "
        "apart.",
        alt="Two staircases over the distance whose steps widen away from zero.",
    )
