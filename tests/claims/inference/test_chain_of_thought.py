"""Claims of chain of thought."""

from functools import cache

import torch
from torch import nn

from reference_impl.core import Batch, run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.inference.chain_of_thought import ChainOfThought
from reference_impl.tasks.parities import Parities, parities
from reference_impl.transformer.gpt import GPT

BITS = 16


@cache
def worked(steps: int | None) -> Parities:
    """Strings with the first `steps` running parities and the answer; all of them where it is None."""
    return Parities(train=parities(8000, BITS, steps, seed=1), test=parities(1000, BITS, steps, seed=2))


@cache
@torch.enable_grad()
def trained(steps: int | None, seed: int) -> ChainOfThought:
    """The same network after the same number of training steps."""
    model = run(ChainOfThought, task=worked(steps), seed=seed, evaluate=False).model
    assert isinstance(model, ChainOfThought)
    return model


@cache
def accuracy(steps: int | None, seed: int) -> float:
    """Share of held-out answers that are right."""
    return worked(steps).right(trained(steps, seed))


def test_steps_make_parity_learnable(claim):
    with_steps, without = ([accuracy(steps, seed) for seed in range(3)] for steps in (None, 0))
    claim.measure("accuracy", with_steps, baseline=without)

    task, model = worked(None), trained(None, 0)
    asked = task.splits["test"][1][:1]
    seed_all(0)
    written = model.sample(1, asked)
    shown = [task.facts["characters"][i] for i in written[0].tolist()]
    question, steps = shown[:BITS], shown[BITS + 1 : 2 * BITS + 1]
    fig, ax = figure(7.2, 2.0)
    ax.axis("off")
    for i, (bit, step) in enumerate(zip(question, steps, strict=True)):
        for row, digit in ((1, bit), (0, step)):
            color = PALETTE[0] if digit == "1" else PALETTE[8]
            box = {"facecolor": color, "alpha": 0.35, "edgecolor": "none", "pad": 4}
            ax.text(i, row, digit, ha="center", va="center", bbox=box)
        ax.annotate("", (i, 0.3), (i, 0.7), arrowprops={"arrowstyle": "->", "color": PALETTE[8]})
        if i:
            ax.annotate("", (i - 0.3, 0), (i - 0.7, 0), arrowprops={"arrowstyle": "->", "color": PALETTE[8]})
    ax.text(-0.8, 1, "question", ha="right", va="center")
    ax.text(-0.8, 0, "written", ha="right", va="center")
    ax.text(BITS - 0.2, 0, f"answer {task.answers(written)[0]}", ha="left", va="center")
    ax.set(xlim=(-3, BITS + 2), ylim=(-0.6, 1.6))
    claim.figure(
        "hero",
        fig,
        caption="A held-out string and what the trained model writes for it (seed 0, temperature 0.1). Each written "
        "token is the parity of the bits so far: the bit above it and the token before it are all that it takes. The "
        "row of tokens does what the state does in a recurrent network.",
        alt="A row of sixteen bits and below it sixteen running parities, joined by arrows, and the answer.",
    )

    lines = ["seed 0, temperature 0.1", ""]
    for name, kept in (("all steps", None), ("no steps", 0)):
        x, y = (a[:5] for a in worked(kept).splits["test"])
        model = trained(kept, 0)
        seed_all(0)
        written = model.sample(len(y), y)
        rows = ["".join(worked(kept).facts["characters"][i] for i in ids) for ids in written.tolist()]
        truth = worked(kept).answers(x)
        lines += [f"{name:<12}{text:<38}true answer {answer}" for text, answer in zip(rows, truth, strict=True)]
    claim.figure(
        "answers",
        "\n".join(lines) + "\n",
        caption="The first five held-out strings, as completed by the model that was taught the steps and by the one "
        "that was taught the answer alone. What follows `=` is written by the model.",
        alt="Ten lines of bits, with steps in the first five.",
    )


def test_half_the_steps_are_not_enough(claim):
    half, full = ([accuracy(steps, seed) for seed in range(3)] for steps in (BITS // 2, None))
    claim.measure("accuracy", half, baseline=full)

    lengths = (0, BITS // 2, 12, None)
    reached = {steps: [accuracy(steps, seed) for seed in range(3 if steps in (0, 8, None) else 1)] for steps in lengths}
    fig, ax = figure(6.0, 2.8)
    for steps, values in reached.items():
        ax.plot([BITS if steps is None else steps] * len(values), values, "o", color=PALETTE[0], markersize=4)
    ax.axhline(0.5, color=PALETTE[8], linestyle=":")
    ax.set(xlabel="steps written before the answer", ylabel="answers that are right", ylim=(0.4, 1.03))
    claim.figure(
        "steps",
        fig,
        caption="Held-out answers after the same training with ever more of the sixteen steps; dotted, chance. As "
        "long as the answer still has to bridge several bits at once, it is a guess: the time that is missing is not "
        "made up for.",
        alt="Accuracy stays at one half until nearly all steps are written, and is one with all of them.",
    )


def test_a_question_of_one_token_leaves_gpt(claim):
    size = {"vocab": 6, "context": 20, "channels": 32, "heads": 2, "layers": 2, "temperature": 1.0}
    thinking, plain = ChainOfThought(ChainOfThought.Config(**size, prompt=1)), GPT(GPT.Config(**size))
    for p in thinking.parameters():
        nn.init.normal_(p, std=0.3)
    plain.load_state_dict(thinking.state_dict())
    x = torch.randint(6, (8, 21))
    with torch.no_grad():
        losses = [model.loss(Batch(x))["loss"].item() for model in (thinking, plain)]
        later = ChainOfThought(ChainOfThought.Config(**size, prompt=5))
        later.load_state_dict(thinking.state_dict())
        drawn = []
        for model in (thinking, plain):
            seed_all(0)
            drawn.append(model.sample(8, x[:, :1]))
        claim.measure("loss", abs(losses[0] - losses[1]), baseline=abs(later.loss(Batch(x))["loss"].item() - losses[1]))
    claim.measure("samples", int((drawn[0] != drawn[1]).sum()))
