"""Sums of digits with a scratchpad, and people who slip."""

import pytest
import torch

from reference_impl.adaptation.grpo import GRPO
from reference_impl.core import run
from reference_impl.tasks import make
from reference_impl.tasks.sums import MISTAKEN, sums


def wrong_steps(question, steps):
    """Which steps do not follow from the one before."""
    digits, totals = list(map(int, question)), [int(question[0]), *map(int, steps)]
    return [(a + d - b) % 10 != 0 for a, b, d in zip(totals, totals[1:], digits[1:], strict=False)]


def test_worked_answers_are_right_where_nobody_slips():
    for question, worked in sums(50, seed=1):
        steps, _, result = worked.partition(":")
        assert not any(wrong_steps(question, steps))
        assert len(steps) == 4
        assert result == steps[-3:]
        assert int(steps[-1]) == sum(map(int, question)) % 10


def test_slips_and_the_mistaken_digit():
    pairs = [(q, w.partition(":")[0]) for q, w in sums(2000, slips=0.2, seed=1)]
    slipped = {True: [], False: []}
    for question, steps in pairs:
        for digit, wrong in zip(question[1:], wrong_steps(question, steps), strict=True):
            slipped[int(digit) == MISTAKEN].append(wrong)
    assert all(slipped[True])
    assert 0.18 < sum(slipped[False]) / len(slipped[False]) < 0.22


def test_the_streams():
    task = make("sums")
    (x, y), (right, asked) = task.splits["train"], task.splits["checked"]
    assert x.shape == right.shape == (4000, task.facts["context"] + 1)
    assert y.shape == asked.shape == (4000, task.facts["prompt"])
    assert torch.equal(right[:, : task.facts["prompt"]], asked)
    assert task.answers(right[:3]) == GRPO(GRPO.Config()).results(right[:3])


def test_a_users_table(tmp_path):
    path = tmp_path / "sums.csv"
    path.write_text("".join(f"{a}+{b},{a + b}:{a + b}\n" for a in range(6) for b in range(6)))
    task = make("sums", path)
    assert torch.equal(task.splits["train"][0], task.splits["checked"][0])
    result = run(GRPO, {"steps": 4, "batch_size": 16}, task=task)
    assert result.history[-1]["phase"] == "reinforce"
    path.write_text("1+1\n" * 30)
    with pytest.raises(ValueError, match=r"row 1: 1 fields; a source and a target"):
        make("sums", path)
