"""Claims of sequence-to-sequence models."""

from functools import cache

import torch

from reference_impl.core import run
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.attention_seq2seq import AttentionSeq2Seq
from reference_impl.recurrent.seq2seq import Seq2Seq
from reference_impl.tasks.ciphers import Ciphers
from reference_impl.tasks.sentences import spelled

LENGTHS = (4, 8, 12, 16, 20, 24)


@cache
def strings():
    """Strings of up to 24 symbols, and their mirrored ciphers."""
    return Ciphers(mirrored=True, symbols=10)


def exact(model, length, n=200):
    """Share of new strings of one length whose cipher is written without an error."""
    x, y = strings().pairs(torch.full((n,), length), torch.Generator().manual_seed(length))
    return (model.sample(n, y, x.shape[1]) == x).all(1).float().mean().item()


def test_the_fixed_vector_is_a_bottleneck(claim):
    # both read forward: mirrored, that puts the last symbol read beside the first one to be written
    plain = run(Seq2Seq, {"reverse_source": False, "steps": 1100}, task=strings(), evaluate=False).model
    looking = run(AttentionSeq2Seq, {"steps": 350}, task=strings(), evaluate=False).model
    curves = {name: [exact(m, n) for n in LENGTHS] for name, m in (("plain", plain), ("looking", looking))}
    claim.measure("short", curves["plain"][LENGTHS.index(8)])
    claim.measure("long", curves["plain"][-1], baseline=curves["looking"][-1])

    fig, ax = figure(6.0, 3.0)
    ax.plot(LENGTHS, curves["looking"], "o-", color=PALETTE[1])
    ax.plot(LENGTHS, curves["plain"], "o-", color=PALETTE[0])
    ax.text(15.5, 1.04, "with attention: all words stay in view", color=PALETTE[1], ha="center")
    ax.text(17, 0.62, "one vector of 256 numbers", color=PALETTE[0])
    ax.set(xlabel="symbols in the string", ylabel="strings without an error", xticks=LENGTHS, ylim=(-0.03, 1.12))
    claim.figure(
        "hero",
        fig,
        caption="New strings whose mirrored cipher is written without an error, by length. Both models saw all lengths "
        "up to 24 in training; the one without attention has more weights and took three times the steps. What fails "
        "is neither the language nor the length as such but the vector that has to hold everything.",
        alt="Two curves over length: with attention it stays at one, without it falls from one at 4 to zero at 24.",
    )
    x, y = strings().pairs(torch.tensor([6, 12, 24]), torch.Generator().manual_seed(2))
    rows = zip(*(spelled(a, strings().facts) for a in (y, x, plain.sample(3, y), looking.sample(3, y))), strict=True)
    names = ("string", "cipher", "seq2seq", "with attention")
    claim.figure(
        "strings",
        "\n\n".join("\n".join(f"{n:<15}{s}" for n, s in zip(names, row, strict=True)) for row in rows),
        caption="Three new strings of 6, 12 and 24 symbols, their ciphers, and what the two models of the figure above "
        "write (seed 2, likeliest tokens). At 24 the plain model begins right, since what it read last is freshest.",
        alt="Strings, true ciphers, and the outputs with and without attention.",
    )


def test_reading_the_source_backward_speeds_learning(claim):
    task = Ciphers(mirrored=False, symbols=10, longest=12)

    def history(reverse, seed):
        cfg = {"reverse_source": reverse, "channels": 96, "steps": 160}
        return run(Seq2Seq, cfg, task=task, seed=seed, evaluate=False, log_every=1).history

    seen = {reverse: [history(reverse, seed) for seed in range(3)] for reverse in (True, False)}
    # of the last 20 steps, since single batches scatter
    last = {k: [sum(r["loss"] for r in h[-20:]) / 20 for h in v] for k, v in seen.items()}
    claim.measure("loss", last[True], baseline=last[False])

    fig, ax = figure(6.0, 2.8)
    for reverse, color, name in ((False, PALETTE[0], "read forward"), (True, PALETTE[1], "read backward")):
        for i, h in enumerate(seen[reverse]):
            smooth = torch.tensor([r["loss"] for r in h]).unfold(0, 10, 1).mean(1)
            ax.plot(range(9, len(h)), smooth, color=color, linewidth=1, label=name if i == 0 else None)
    ax.set(xlabel="step", ylabel="nats per symbol", ylim=(0, None))
    ax.legend()
    claim.figure(
        "backward",
        fig,
        caption="Training loss on ciphers in the order of the string, three seeds each. Read backward, the first "
        "symbol is the last one in, right before it is needed; that the last symbols are now far away costs less, "
        "because gradients find the first dependencies first and build on them.",
        alt="Loss curves: reading backward falls faster than reading forward for all three seeds.",
    )


@torch.no_grad()
def test_padding_changes_nothing(claim):
    task = strings()
    difference = 0.0
    for reverse in (True, False):
        model = Seq2Seq(Seq2Seq.Config(vocab=task.facts["vocab"], channels=16, reverse_source=reverse)).double()
        x, y = task.pairs(torch.tensor([3, 24]), torch.Generator().manual_seed(0))
        together = model.write(x[:, :4], model.read(y))[0][:1]
        alone, _ = model.write(x[:1, :4], model.read(y[:1, :4]))
        difference = max(difference, (together - alone).abs().max().item())
    claim.measure("difference", difference)
