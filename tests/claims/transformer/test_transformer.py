"""Claims of the Transformer."""

from collections import Counter
from functools import cache

import torch
from torch import Tensor

from reference_impl.blocks_writing import BEGIN, END, PAD
from reference_impl.core import Batch, run
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.attention_seq2seq import AttentionSeq2Seq
from reference_impl.tasks import make
from reference_impl.tasks.ciphers import Ciphers
from reference_impl.tasks.sentences import encoded, spelled
from reference_impl.transformer.transformer import Layer, Transformer

SIZES = (4, 8, 16, 32, 64)


def random_pairs(n, length):
    """Random sources (n, length) and targets (n, length+1) of an alphabet of 20."""
    y, x = (torch.randint(END + 1, 20, (n, length)) for _ in range(2))
    return torch.cat([torch.full((n, 1), BEGIN), x], 1), y


@torch.no_grad()
def test_parallel_equals_step_by_step(claim):
    model = Transformer(Transformer.Config(vocab=20, context=24))
    x, y = random_pairs(8, 23)
    y[4:, 15:] = PAD
    memory = model.read(y)
    together, _ = model.write(x, memory)
    steps, cache = [], None
    for token in x.split(1, 1):
        logits, cache = model.write(token, memory, cache)
        steps.append(logits)
    claim.measure("difference", (together - torch.cat(steps, 1)).abs().max().item())

    later = x.clone()
    later[:, 12:] = (later[:, 12:] + 1) % 20
    changed, _ = model.write(later, memory)
    seen = (changed - together).abs().amax((0, 2))
    assert seen[12:].min() > 1e-3, "the tokens themselves matter"
    claim.measure("from_the_future", seen[:12].max().item())


def depth(loss: Tensor) -> int:
    """Longest chain of operations, each of which needs the one before, in the graph behind a loss."""
    found, stack = {}, [loss.grad_fn]
    while stack:
        node = stack[-1]
        before = [n for n, _ in node.next_functions if n is not None]
        if missing := [n for n in before if n not in found]:
            stack += missing
        else:
            found[stack.pop()] = 1 + max((found[n] for n in before), default=0)
    return found[loss.grad_fn]


def chain(cls, length):
    """Dependent operations of one training pass on pairs of this length."""
    model = cls(cls.Config(vocab=20, context=length + 1, channels=16))
    return depth(model.loss(Batch(*random_pairs(2, length)))["loss"])


def test_training_does_not_wait_for_positions(claim):
    ours, recurrent = ([chain(cls, n) for n in SIZES] for cls in (Transformer, AttentionSeq2Seq))
    claim.measure("growth", ours[-1] - ours[0], baseline=recurrent[-1] - recurrent[0])

    model = Transformer(Transformer.Config(vocab=20, context=24))
    calls = Counter()
    for name, module in model.named_modules():
        if isinstance(module, Layer):
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    x, y = random_pairs(2, 23)
    model.loss(Batch(x, y))
    claim.measure("runs_in_training", max(calls.values()))
    calls.clear()
    with torch.no_grad():
        model.head.bias[END] -= 1e9
        model.sample(2, y, 24)
    claim.measure("runs_in_writing", calls["decoder.0"], baseline=calls["encoder.0"])

    fig, ax = figure(5.6, 3.0)
    for name, chains, color in (("Transformer", ours, PALETTE[1]), ("LSTM with attention", recurrent, PALETTE[0])):
        ax.loglog(SIZES, chains, "o-", color=color)
        ax.text(SIZES[-1], chains[-1] * 1.25, name, color=color, ha="right")
    ax.set(xlabel="tokens in source and target", ylabel="dependent operations", ylim=(30, 3000))
    ax.set_xticks(SIZES, SIZES)
    ax.minorticks_off()
    claim.figure(
        "chain",
        fig,
        caption="Longest chain of operations of one training pass in which each needs the result of the one before, "
        "counted in the graph that automatic differentiation keeps. Hardware that does many operations at once has to "
        "wait only for this chain.",
        alt="The chain of the Transformer stays flat with length, that of the recurrent model grows in proportion.",
    )


@cache
@torch.enable_grad()
def translating():
    """A run on sentences, and that of an LSTM with attention of equal size in equal time on one core."""
    # 29 and 33 ms a step, 254,000 and 243,000 weights
    runs = (Transformer, {"steps": 500}), (AttentionSeq2Seq, {"channels": 80, "lr": 6e-3, "steps": 440})
    return [run(cls, cfg, task=make("translation"), evaluate=False, log_every=1) for cls, cfg in runs]


@torch.no_grad()
def exact(model, x, y):
    """Share of sources whose target is written without an error."""
    return (model.sample(len(x), y, x.shape[1]) == x).all(1).float().mean().item()


def test_recurrence_learns_sooner_on_one_core(claim):
    curves = [[row["loss"] for row in r.history] for r in translating()]
    # the first step after which the loss stays below 0.1
    learned = [max(i for i, value in enumerate(losses) if value >= 0.1) + 1 for losses in curves]
    claim.measure("steps", learned[0], baseline=learned[1])

    fig, ax = figure(5.6, 2.8)
    names = ("Transformer", "LSTM with attention")
    for name, losses, color in zip(names, curves, (PALETTE[1], PALETTE[0]), strict=True):
        ax.semilogy(losses, color=color, label=name, linewidth=1)
    ax.axhline(0.1, color=PALETTE[8], linewidth=0.8, linestyle="--")
    ax.set(xlabel="step, of 29 and 33 ms", ylabel="nats per word")
    ax.legend()
    claim.figure(
        "learning",
        fig,
        caption="Training loss on the translation task. The Transformer rests on a plateau, where it knows the words "
        "and not yet their places, and then falls; the recurrent model, whose steps say where it is, finds the "
        "alignment sooner.",
        alt="Loss on a logarithmic scale: the recurrent model falls below 0.1 in under half the steps of the "
        "Transformer.",
    )


def test_translates_exactly(claim):
    task = make("translation")
    x, y = task.splits["test"]
    model, recurrent = (r.model for r in translating())
    claim.measure("exact", exact(model, x, y), baseline=exact(recurrent, x, y))

    source = "the old dogs near one tree helped two quiet kings"
    y = encoded(source, task.facts)
    x = model.sample(1, y)
    words, sources = [*spelled(x, task.facts)[0].split(), "END"], [*source.split(), "END"]
    s, t = len(sources), len(words)
    last = (model.encoder[-1].attend, model.decoder[-1].attend, model.decoder[-1].look)
    seen = []
    watch = [part.softmax.register_forward_hook(lambda *args: seen.append(args[-1][0].mean(0))) for part in last]
    with torch.no_grad():
        model.write(x[:, :t], model.read(y))
    for hook in watch:
        hook.remove()
    read = ["BEGIN", *words[:-1]]
    fig, axes = figure(8.4, 3.6, columns=3)
    for ax, weights, rows, columns, title in zip(
        axes, (seen[0][:s, :s], *seen[1:]), (sources, words, words), (sources, read, sources),
        ("encoder: source to source", "decoder: written so far", "decoder: source"), strict=True,
    ):  # fmt: skip
        ax.imshow(weights[:, : len(columns)].numpy(), vmin=0)
        ax.set_title(title)
        ax.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7)
        ax.set_yticks(range(len(rows)), rows, fontsize=7)
        ax.tick_params(length=0)
    claim.figure(
        "hero",
        fig,
        caption="Three kinds of attention in the last layers, mean over four heads, for one held-out sentence; rows "
        "look at columns. The encoder sees the whole source, the decoder only what is written so far, and the source "
        "again: there noun phrases are read backward, and the verb `tasomi` looks at `helped` and at its subject, "
        "whose number it takes.",
        alt="Three matrices of attention weights: full, lower triangular, and between target and source.",
    )


def test_longer_than_training_fails(claim):
    task = Ciphers(mirrored=True, symbols=10, longest=16)
    cfg = {"context": 25, "steps": 700}
    model = run(Transformer, cfg, task=task, evaluate=False).model
    recurrent = run(AttentionSeq2Seq, {"context": 25, "steps": 250}, task=task, evaluate=False).model
    lengths = (8, 12, 16, 17, 18, 20, 24)
    pairs = [task.pairs(torch.full((100,), n), torch.Generator().manual_seed(n)) for n in lengths]
    curves = [[exact(m, x, y) for x, y in pairs] for m in (model, recurrent)]
    claim.measure("within", curves[0][lengths.index(16)])
    claim.measure("beyond", curves[0][lengths.index(20)], baseline=curves[1][lengths.index(20)])

    fig, ax = figure(5.6, 2.8)
    for name, curve, color in zip(
        ("Transformer", "LSTM with attention"), curves, (PALETTE[1], PALETTE[0]), strict=True
    ):
        ax.plot(lengths, curve, "o-", color=color, label=name)
    ax.axvspan(4, 16, alpha=0.1, linewidth=0)
    ax.text(12, 0.5, "lengths of training", ha="center")
    ax.set(xlabel="symbols in the string", ylabel="strings without an error", xlim=(7, 25), ylim=(-0.03, 1.08))
    ax.legend()
    claim.figure(
        "lengths",
        fig,
        caption="Exact match on new strings after training on up to 16 symbols. The vectors of positions 17 and up "
        "never got a gradient, and no string longer than that is written right.",
        alt="Accuracy stays near one up to length 16 and drops to zero at once beyond it.",
    )
