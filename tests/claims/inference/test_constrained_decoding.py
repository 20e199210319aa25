"""Claims of constrained decoding."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from reference_impl.blocks_grammar import Language, both, either, text
from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.inference.constrained_decoding import BEGIN, END, ConstrainedDecoding
from reference_impl.tasks import make
from reference_impl.tasks.records import Records, parses
from reference_impl.tasks.sentences import SPECIAL, spelled
from reference_impl.transformer.gpt import GPT


def started(n: int) -> Tensor:
    """Prompts that begin a text and say nothing yet: (n, 1)."""
    return torch.full((n, 1), BEGIN)


def unconstrained(model: ConstrainedDecoding) -> GPT:
    """The plain GPT with the same weights."""
    size = {k: v for k, v in model.cfg.model_dump().items() if k in GPT.Config.model_fields}
    other = GPT(GPT.Config(**size)).to(model.token.weight.dtype)
    other.load_state_dict(model.state_dict())
    return other


def share_that_parses(ids: Tensor, task: Records) -> float:
    """Share of texts that json.loads reads."""
    return float(np.mean([parses(s) for s in spelled(ids, task.facts)]))


@cache
def beginner() -> tuple[Records, ConstrainedDecoding]:
    """A tiny GPT after 40 steps on records: it knows which characters occur and little more."""
    task, size = make("records"), {"channels": 16, "heads": 2, "layers": 1, "steps": 40}
    return task, run(ConstrainedDecoding, size, task=task, evaluate=False).model


def test_every_text_parses(claim):
    task, model = beginner()
    plain = share_that_parses(unconstrained(model).sample(500, started(500)), task)
    claim.measure("parses", share_that_parses(model.sample(2000), task), baseline=plain)


def test_without_a_grammar_it_is_the_gpt(claim):
    _, model = beginner()
    free = ConstrainedDecoding(model.cfg.model_copy(update={"grammar": "any"}))
    free.load_state_dict(model.state_dict())
    texts = []
    for one in (unconstrained(model), free, model):
        torch.manual_seed(0)
        texts.append(one.sample(64, started(64)))
    claim.measure("tokens", (texts[0] != texts[1]).sum().item(), baseline=(texts[0] != texts[2]).sum().item())
    state = torch.zeros(1, dtype=torch.long)
    claim.measure("allowed", free.allowed(state, 1).float().mean().item())


# texts of four letters: after an a only three b may follow, after a b anything
TWO_WAYS: Language = either([text("abbb"), both(text("b"), *3 * [either([text("a"), text("b")])])])
WORDS = (*SPECIAL, "a", "b")
A, B = 4, 5


@cache
def letters() -> ConstrainedDecoding:
    """A GPT of random texts of four letters, six in ten of which begin with an a."""
    x = torch.randint(A, B + 1, (5000, 4))
    x[:, 0] = torch.where(torch.rand(5000) < 0.6, A, B)
    rows = torch.cat([started(5000), x, torch.full((5000, 1), END), torch.zeros(5000, 1, dtype=torch.long)], 1)
    size = {"words": WORDS, "channels": 16, "heads": 2, "layers": 1, "steps": 300, "batch_size": 64}
    task = Task(rows, vocab=len(WORDS), context=6)
    model = run(ConstrainedDecoding, {**size, "grammar": "any"}, task=task, evaluate=False).model
    model.constrain(TWO_WAYS)
    return model


def shares(ids: Tensor, strings: Tensor) -> Tensor:
    """How often each of the strings (S, 5) stands behind BEGIN in ids (n, T): (S,)."""
    same = (ids[:, None, 1:6] == strings).all(2)
    return same.double().sum(0) / same.sum()


def away(a: Tensor, b: Tensor) -> float:
    """Total variation."""
    return (a - b).abs().sum().item() / 2


def test_masking_distorts_and_candidates_align(claim):
    model = letters()
    valid = torch.tensor([(A, B, B, B, END), *((B, *s, END) for s in torch.cartesian_prod(*3 * [torch.arange(A, 6)]))])
    with torch.no_grad():
        p = model.log_prob(torch.cat([started(len(valid)), valid], 1)).double().exp()
    target, n = p / p.sum(), 20_000
    ids, log_weight = model.masked(started(n), 7)
    at = (ids[:, None, 1:6] == valid).all(2).long().argmax(1)
    weight = torch.zeros(len(valid), dtype=torch.float64).scatter(0, at, log_weight.double().exp())
    # (1): the law of masked texts, by enumeration
    masked = p / weight
    claim.measure("sum", abs(masked.sum().item() - 1))
    claim.measure("drawn", away(shares(ids, valid), masked))
    laws: dict[int, Tensor] = {}
    for k in (1, 4, 16, 64):
        model.cfg = model.cfg.model_copy(update={"candidates": k})
        laws[k] = shares(torch.cat([model.sample(n // 4) for _ in range(4)]), valid)
    plain = unconstrained(model).sample(3 * n, started(3 * n), length=7)
    claim.measure("aligned", away(laws[64], target), baseline=away(masked, target))
    claim.measure("rejection", away(shares(plain, valid), target))

    fig, (left, right) = figure(6.8, 2.9, columns=2, width_ratios=(3, 2))
    names = ["".join(WORDS[i] for i in s[:4]) for s in valid.tolist()]
    for i, (name, law) in enumerate({"model, if valid": target, "masked": masked, "one of 64": laws[64]}.items()):
        color = (PALETTE[8], PALETTE[1], PALETTE[0])[i]
        left.bar(np.arange(len(valid)) + 0.27 * (i - 1), law.numpy(), 0.27, color=color, label=name)
    left.set_xticks(range(len(names)), names, rotation=60)
    left.set(ylabel="probability")
    left.legend()
    right.plot(list(laws), [away(law, target) for law in laws.values()], "o-", color=PALETTE[0])
    right.set(xscale="log", xlabel="candidates", ylabel="total variation", ylim=(0, None))
    right.set_xticks(list(laws), list(laws))
    right.minorticks_off()
    claim.figure(
        "distortion",
        fig,
        caption="Nine valid texts of four letters. The model begins six in ten texts with an a, but after an a only "
        "bbb is valid, which it writes one time in eight. Masking goes where the first letter leads and has no way "
        "back; candidates weighted by the probability of what was allowed come back to the model's law.",
        alt="Bars: masking gives abbb 0.6 instead of 0.16; at right the total variation falls with candidates.",
    )


def test_a_trained_model_still_errs_without_it(claim):
    task = make("records")
    model = run(ConstrainedDecoding, {"steps": 100}, task=task, evaluate=False).model
    plain = unconstrained(model)
    torch.manual_seed(0)
    bare = plain.sample(1000, started(1000))
    torch.manual_seed(0)
    valid = model.sample(1000)
    claim.measure("parses", share_that_parses(valid, task), baseline=share_that_parses(bare, task))
    words = task.facts["words"]
    lines = [f"{'ok' if parses(s) else '--'}  {s}" for s in spelled(bare[:8], task.facts)]
    lines += ["", *(f"ok  {s}" for s in spelled(valid[:8], task.facts))]
    assert all(map(parses, spelled(valid[:8], task.facts)))
    claim.figure(
        "records",
        "100 steps on records   seed: 0   without and with the grammar; ok: parses as JSON\n\n"
        + "\n".join(lines)
        + "\n",
        caption="The first eight texts of one GPT, drawn freely and under the grammar. The grammar mends the form. "
        "What the model says, such as keys that no record has, stays the model's own.",
        alt="Two lists of JSON records; in the first some do not parse.",
    )

    torch.manual_seed(4)
    ids = model.sample(1)[0]
    ids = ids[: ids.tolist().index(END) + 1]
    state, allowed = torch.zeros(1, dtype=torch.long), []
    for i in range(1, len(ids)):
        allowed.append(model.allowed(state, model.cfg.context + 1 - i)[0])
        state = model.table[state, ids[i]]
    grid = torch.stack(allowed, 1)
    # classes of characters, in one row each, from what ends and opens to what is inside strings
    order = [END, *(words.index(c) for c in '{}[]":, .-0123456789' if c in words)]
    order += [i for i in range(len(SPECIAL), len(words)) if i not in order]
    fig, ax = figure(7.2, 4.6)
    shaded = grid[order].float().masked_fill(~grid[order], float("nan"))
    ax.imshow(shaded.numpy(), cmap="Blues", vmin=0, vmax=2.5, aspect="auto", interpolation="nearest")
    ax.plot(range(len(allowed)), [order.index(i) for i in ids[1:].tolist()], "s", color=PALETTE[1], markersize=3.5)
    ax.set_yticks(range(len(order)), [{END: "end"}.get(i, words[i].replace(" ", "␣")) for i in order], fontsize=7)
    ax.set_xticks(
        range(len(allowed)), [{END: "■"}.get(i, words[i].replace(" ", "␣")) for i in ids[1:].tolist()], fontsize=7
    )
    ax.tick_params(length=0)
    ax.set(xlabel="text as it is written (seed 4)", ylabel="tokens")
    claim.figure(
        "hero",
        fig,
        caption="A record as it was written, from left to right, and above each character what the automaton allowed "
        "there (blue) and what was drawn (orange). At the start nothing but { is allowed, inside strings every letter, "
        "and after nu nothing but l: such tokens are known without asking the model.",
        alt="A grid of tokens against positions with allowed tokens shaded and the drawn token marked in each column.",
    )
