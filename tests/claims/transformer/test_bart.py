"""Claims of BART."""

import random

import numpy as np
import torch
from torch import nn

from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.figures_words import show_words
from reference_impl.tasks.reports import Reports
from reference_impl.tasks.sentences import spelled
from reference_impl.transformer.bart import BART
from reference_impl.transformer.transformer import BEGIN, END, PAD, Transformer

SEEDS = (0, 1)
STEPS, SHARE = 650, 10 / 13


def written_exactly(model, pair):
    """Share of the targets (N, T) that come out exactly from their sources (N, S)."""
    x, y = pair
    return (model.sample(len(y), y) == x).all(1).float().mean().item()


def test_pretraining_lifts_few_shot_writing(claim):
    task = Reports(pairs=200)
    splits = ("test", "unseen")
    found, shown = {}, []
    for name, settings in {
        "pre-trained": {"pretrain_share": SHARE},
        "from scratch": {"pretrain_share": 0.0, "lr": 3e-3},
    }.items():
        models = [run(BART, {"steps": STEPS, **settings}, task=task, seed=s, evaluate=False).model for s in SEEDS]
        found[name] = {split: [written_exactly(m, task.splits[split]) for m in models] for split in splits}
        shown.append(models[0])
    for measure, split in zip(("few_shot", "unpaired_names"), splits, strict=True):
        claim.measure(measure, found["pre-trained"][split], baseline=found["from scratch"][split])

    fig, ax = figure(5.6, 2.6)
    for i, (name, shares) in enumerate(found.items()):
        for j, split in enumerate(splits):
            at, height = j + 0.36 * (i - 0.5), np.mean(shares[split])
            ax.bar(at, height, 0.32, color=PALETTE[i], label=name if j == 0 else None)
            ax.plot([at] * len(SEEDS), shares[split], "o", color="#7a7f87", markersize=3)
            ax.annotate(f"{height:.2f}", (at, height), (0, 4), textcoords="offset points", ha="center")
    ax.set_xticks([0, 1], ["places that the pairs name", "places in unlabeled reports alone"])
    ax.set(ylabel="summaries written exactly", ylim=(0, 1.1))
    ax.legend(loc="upper right")
    claim.figure(
        "few_shot",
        fig,
        caption="Summaries written exactly after fine-tuning on 200 pairs; bars are means of two seeds, dots the "
        "seeds. Both models take 650 steps: one spends 500 on restoring reports without summaries, the other all on "
        "the pairs. Names that no pair has are written only by the one that has read of them.",
        alt="Bars: with pre-training most summaries are exact on both kinds of places, without it under half and none.",
    )

    x, y = (side[:3] for side in task.splits["unseen"])
    sides = [y, x, *(m.sample(len(y), y) for m in shown)]
    blocks = []
    for report, summary, *made in zip(*(map(str.split, spelled(ids, task.facts)) for ids in sides), strict=True):
        blocks.append(("report", [(w, PALETTE[0] if w in summary else None) for w in report]))
        for name, words in zip(found, made, strict=True):
            wrong = [words[k : k + 1] != summary[k : k + 1] for k in range(len(words))]
            blocks.append((name, [(w, PALETTE[3] if bad else None) for w, bad in zip(words, wrong, strict=True)]))
    fig, ax = figure(7.0, 3.0)
    show_words(ax, blocks)
    claim.figure(
        "hero",
        fig,
        caption="Three held-out reports of places that no pair names, and what both models write (seed 0). Blue: "
        "words that belong into the summary. Pink: words that are wrong. The model from scratch writes places of its "
        "200 pairs.",
        alt="Reports and summaries: the pre-trained model copies the new place names, the other invents known ones.",
    )


LETTERS, DIGITS = range(10, 14), range(1, 7)
WORDS = ["", "", "", "", *map(str, DIGITS), "la", "do", "mi", "so", "\u25ae"]


def groups(rng):
    """Three groups, each a number and that many copies of a letter."""
    return [(rng.choice(DIGITS), rng.choice(LETTERS)) for _ in range(3)]


def tokens(told):
    """`2 la la 1 do ..` as ids: number n is 3+n."""
    return [i for n, letter in told for i in [3 + n, *[letter] * n]]


def rows_of(ids, length):
    """Padded to one length."""
    return torch.tensor([row + [PAD] * (length - len(row)) for row in ids])


def test_infilling_tells_how_many_words_are_missing(claim):
    rng, vocab, context = random.Random(0), 14, 3 * 7 + 2
    texts = rows_of([[BEGIN, *tokens(groups(rng)), END] for _ in range(4000)], context + 1)
    task = Task(texts, vocab=vocab, context=context)
    model = run(BART, {"pretrain_share": 1.0, "steps": 400, "batch_size": 32}, task=task, evaluate=False).model

    sources, missing, seen = [], [], []
    for _ in range(500):
        told = groups(rng)
        i = rng.randrange(3)
        k = rng.randint(0, told[i][0])
        at = len(tokens(told[:i])) + 1 + rng.randint(0, told[i][0] - k)
        text = tokens(told)
        sources.append([*text[:at], vocab, *text[at + k :], END])
        missing.append(k)
        seen.append(len(text) - k)
    restored = model.sample(len(sources), rows_of(sources, context))
    lengths = ((restored > END).sum(1) - torch.tensor(seen)).clamp(-1, 7)
    missing = torch.tensor(missing)
    claim.measure(
        "length", (lengths == missing).float().mean().item(), baseline=missing.bincount().max().item() / len(missing)
    )

    table = np.zeros((7, 7))
    for k, n in zip(missing.tolist(), lengths.tolist(), strict=True):
        if 0 <= n < 7:
            table[k, n] += 1
    fig, ax = figure(3.8, 3.2)
    ax.imshow(table / table.sum(1, keepdims=True), cmap="Blues", vmin=0, vmax=1.4)
    for (k, n), count in np.ndenumerate(table):
        if count:
            ax.text(n, k, int(count), ha="center", va="center", fontsize=8)
    ax.set(xlabel="words written for the mask", ylabel="words that were missing")
    ax.spines[:].set_visible(False)
    claim.figure(
        "lengths",
        fig,
        caption="One mask hides zero to six letters of a text such as `2 la la 4 do do do do`, in which the number "
        "tells how many there have to be. Counts of 500 texts: nearly always as many are written as were hidden.",
        alt="Table of missing against written lengths, nearly all on the diagonal.",
    )

    texts = rows_of([[*tokens(groups(rng)), END] for _ in range(100)], context)
    read = model.corrupt(texts)
    shown = ((read == vocab).sum(1) >= 2).nonzero()[:4, 0]
    texts, read = texts[shown], read[shown]
    blocks = []
    for text, source, made in zip(
        texts.tolist(), read.tolist(), model.sample(len(read), read)[:, 1:].tolist(), strict=True
    ):
        text, source, made = ([i for i in row if i > END] for row in (text, source, made))
        marks = [PALETTE[2 if text[: j + 1] == made[: j + 1] else 3] for j in range(len(made))]
        blocks += [
            ("text", [(WORDS[i], None) for i in text]),
            ("read", [(WORDS[i], PALETTE[1] if i == vocab else None) for i in source]),
            ("written", [(WORDS[i], mark) for i, mark in zip(made, marks, strict=True)]),
        ]
    fig, ax = figure(7.0, 3.6)
    show_words(ax, blocks)
    claim.figure(
        "infilling",
        fig,
        caption="The first four of 100 new texts in which the noise left two masks or more, and what BART writes "
        "(seed 0). Each orange mask stands for a span of any length, also for none. Green as long as it is the text; "
        "pink from the first difference on.",
        alt="Rows of numbers and syllables, the same with masks for missing spans, and the restored rows.",
    )


@torch.no_grad()
def test_without_its_three_changes_it_is_the_transformer(claim):
    size = {"vocab": 30, "context": 16, "norm_first": False}
    y, ids = torch.randint(END + 1, 30, (4, 16)), torch.randint(END + 1, 30, (4, 12))
    y[:2, 11:] = PAD
    plain = Transformer(Transformer.Config(**size)).double()

    def difference(**settings):
        bart = BART(BART.Config(**size, **settings)).double()
        bart.target_place.weight.copy_(bart.place.weight)
        shared = {k: v for k, v in bart.state_dict().items() if k in plain.state_dict()}
        token = bart.token.weight[:30]
        plain.load_state_dict({**shared, "token.weight": token, "head.weight": token, "head.bias": bart.bias})
        return (bart.write(ids, bart.read(y))[0] - plain.write(ids, plain.read(y))[0]).abs().max().item()

    claim.measure("logits", difference(activation="relu", norm_embedding=False))
    claim.measure("activation", difference(norm_embedding=False))
    claim.measure("embedding", difference(activation="relu"))


@torch.no_grad()
def test_the_decoder_looks_at_all_of_the_source_and_at_no_later_word(claim):
    model = BART(BART.Config(vocab=30, context=16)).double()
    y, ids = torch.randint(END + 1, 29, (8, 16)), torch.randint(END + 1, 29, (8, 12))
    other_y, other_ids = y.clone(), ids.clone()
    other_y[:, -1] += 1
    other_ids[:, 8:] += 1

    def change(new_y, new_ids):
        """Largest change of the logits after each target word."""
        logits, changed = (model.write(i, model.read(s))[0] for s, i in ((y, ids), (new_y, new_ids)))
        return (logits - changed).abs().amax((0, 2))

    claim.measure("two_sided", (model.read(y)[0] - model.read(other_y)[0])[:, 0].abs().max().item())
    claim.measure("source", change(other_y, ids)[0].item())
    claim.measure("later", change(y, other_ids)[:8].max().item())
    for layer in model.decoder:
        nn.init.zeros_(layer.look.out.weight)
    claim.measure("apart", change(other_y, ids).max().item())
