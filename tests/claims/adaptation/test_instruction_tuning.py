"""Claims of instruction tuning."""

import random
from functools import cache

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from scipy.stats import spearmanr

from reference_impl.adaptation.instruction_tuning import InstructionTuning
from reference_impl.core import Batch, Reference, Task, run, seed_all
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.tasks.instructions import COMBINATIONS, OPERATIONS, Instructions, instruction
from reference_impl.tasks.sentences import SPECIAL
from reference_impl.transformer.gpt import GPT

READ, FOLLOW = 360, 240
"""Steps of the default run on text and on instructions."""
COUNTS = (0, 12, 20, 30, 40)


@cache
@torch.enable_grad()
def base(seed: int) -> Reference:
    """The language model after its texts and before its first instruction."""
    return run(
        InstructionTuning, {"steps": READ, "text_share": 1.0}, task=Instructions(), seed=seed, evaluate=False
    ).model


@cache
@torch.enable_grad()
def tuned(combinations: int, seed: int) -> Reference:
    """The base model after the same number of steps on instructions, whose combinations are so many."""

    class FromBase(InstructionTuning):
        def prepare(self, task: Task) -> None:
            super().prepare(task)
            self.load_state_dict(base(seed).state_dict())

    task = Instructions(combinations=combinations)
    return run(FromBase, {"steps": FOLLOW, "text_share": 0.0}, task=task, seed=seed, evaluate=False).model


@cache
def right(combinations: int, seed: int) -> float:
    """Share of the instructions with held-out combinations that are responded to exactly."""
    return Instructions().right(tuned(combinations, seed))


def followed(model: Reference, strings: int = 8) -> np.ndarray:
    """Share of the instructions followed for each pair of operations, (8, 8); NaN where an operation would repeat."""
    rng, names = random.Random(1), list(OPERATIONS)
    pairs = [(pair, *instruction(pair, rng)) for pair in COMBINATIONS for _ in range(strings)]
    written = model.sample(len(pairs), [asked for _, asked, _ in pairs])
    shares = np.full((len(names), len(names)), np.nan)
    shares[tuple(np.array([[names.index(name) for name in pair] for pair in COMBINATIONS]).T)] = 0
    for (pair, _, wanted), said in zip(pairs, written, strict=True):
        shares[names.index(pair[0]), names.index(pair[1])] += (said == wanted) / strings
    return shares


def test_follows_combinations_never_trained(claim):
    seeds = range(3)
    task = Instructions()
    claim.measure(
        "exact_match", [right(40, seed) for seed in seeds], baseline=[task.right(base(seed)) for seed in seeds]
    )

    x, y = (side[::35] for side in task.splits["test"])
    # the likeliest text is one letter; drawn texts show what the base model knows
    free = InstructionTuning(base(0).cfg.model_copy(update={"temperature": 1.0}))
    free.load_state_dict(base(0).state_dict())
    seed_all(0)
    written = [model.sample(len(y), y) for model in (free, tuned(40, 0))]
    lines = []
    for asked, wanted, before, after in zip(y, x, *written, strict=True):
        mark = "" if after == wanted else f"   (wrong: {wanted})"
        lines += [f"instruction   {asked}", f"  base        {before}", f"  tuned       {after}{mark}", ""]
    claim.figure(
        "answers",
        "\n".join(["seed 0; base at temperature 1, tuned at 0; no combination below was trained", "", *lines]),
        caption="Every thirty-fifth held-out instruction, with what the language model makes of it before and after "
        "instruction tuning. Before, it adds a few letters and stops, as if a text ended there; after, it does as "
        "told, step by step.",
        alt="Ten instructions, each with a response of the base model and one of the tuned model.",
    )


def test_more_combinations_generalize_better(claim):
    shares = [[right(count, seed) for count in COUNTS] for seed in range(2)]
    claim.measure("spearman", [float(spearmanr(COUNTS, row).statistic) for row in shares])
    claim.measure("many", [row[-1] for row in shares], baseline=[row[1] for row in shares])

    fig, ax = figure(5.6, 2.8)
    for row in shares:
        ax.plot(COUNTS, row, "o-", color=PALETTE[0], markersize=4)
    ax.set(xlabel="combinations trained, besides the eight operations", ylabel="followed exactly", ylim=(-0.03, 1.03))
    claim.figure(
        "tasks",
        fig,
        caption="Share of the instructions with one of sixteen held-out combinations that are followed exactly, "
        "against how many other combinations were trained; two seeds. Examples and steps are equally many everywhere: "
        "what helps is their variety.",
        alt="Two rising curves from zero at no combination to above 0.8 at forty.",
    )

    names, shown = list(OPERATIONS), (12, 20, 40)
    fig, axes = figure(7.2, 3.2, columns=len(shown), sharey=True)
    for ax, count in zip(axes, shown, strict=True):
        shares = np.nan_to_num(followed(tuned(count, 0)))
        ax.imshow(np.full(shares.shape, 1.0), cmap=ListedColormap([PALETTE[0]]), alpha=shares)
        for first, second in COMBINATIONS[:count]:
            place = (names.index(second), names.index(first))
            ax.plot(*place, "o", color=PALETTE[1], markersize=4)
        ax.set(xticks=range(len(names)), yticks=range(len(names)), title=f"{count} trained", xlabel="second")
        ax.set_xticklabels(names, rotation=90)
        ax.set_yticklabels(names)
        ax.tick_params(length=0)
        for side in ax.spines.values():
            side.set(visible=True, color=INK, alpha=0.4)
    axes[0].set_ylabel("first operation")
    claim.figure(
        "hero",
        fig,
        caption="Which combinations of two operations are followed: the bluer, the more of eight strings (seed 0). "
        "Dots mark the combinations that were trained. With twenty, `first` came first in none of them, and "
        "the model has not learned that it could; with forty nearly all squares without a dot are blue too.",
        alt="Three eight by eight grids with more dots and ever more blue squares, also where there are no dots.",
    )


def test_loss_is_the_likelihood_of_the_response(claim):
    task = Instructions()
    model = InstructionTuning(InstructionTuning.Config(**{k: task.facts[k] for k in ("vocab", "context")})).double()
    model.prepare(task)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x, y = (side[:1] for side in task.splits["test"])
    row, asked = model.rows(x, y), model.rows(x, y)[:, : len(y[0].split()) + 1]
    length = row.shape[1] - asked.shape[1]
    kept = []
    model.gpt.head.register_forward_hook(lambda _module, _given, out: kept.append(out))
    loss = model.loss(Batch(x, y))["loss"]
    (gradient,) = torch.autograd.grad(loss, kept[0])
    with torch.no_grad():
        # chain rule: log p(x | y) = log p(y, x) - log p(y)
        exact = model.gpt.log_prob(row) - model.gpt.log_prob(asked)
        claim.measure("likelihood", (loss * length + exact).abs().item())
        onehot = torch.nn.functional.one_hot(row[:, 1:], model.cfg.vocab)
        wanted = (kept[0].softmax(-1) - onehot) / length
        claim.measure("on_the_instruction", gradient[:, : asked.shape[1] - 1].abs().max().item())
        before = asked.shape[1] - 1
        claim.measure("on_the_response", (gradient - wanted)[:, before:].abs().max().item())


def test_learning_the_whole_row_is_next_token_training(claim):
    # rows of one length: GPT knows no padding
    words = [*SPECIAL, *"abcdefgh"]
    rng = random.Random(0)
    y, x = ([" ".join(rng.choices(words[4:], k=k)) for _ in range(64)] for k in (3, 5))
    pairs = Task(x, y=y, words=words, vocab=len(words), context=9)
    settings = {"channels": 32, "heads": 2, "layers": 2, "steps": 8, "batch_size": 16, "lr": 5e-3}
    more, weights = {"text_share": 0.0, "temperature": 1.0}, []
    # Muon works in bfloat16 and enlarges what single precision rounds away
    torch.set_default_dtype(torch.float64)
    try:
        for learn in ("row", "response"):
            model = run(InstructionTuning, {**settings, **more, "learn": learn}, task=pairs, evaluate=False).model
            weights.append(torch.cat([p.flatten() for p in model.gpt.parameters()]))
        rows = Task(model.rows(x, y), vocab=len(words), context=9)
        plain = run(GPT, settings, task=rows, evaluate=False).model
    finally:
        torch.set_default_dtype(torch.float32)
    after = torch.cat([p.flatten() for p in plain.parameters()])
    row, response = ((w - after).abs().max().item() for w in weights)
    claim.measure("weights", row, baseline=response)
