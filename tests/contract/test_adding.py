"""The adding problem and its curriculum."""

import pytest
import torch

from reference_impl.tasks.adding import Adding, adding


def test_the_answer_is_the_sum_of_one_number_from_each_half():
    x, y = adding(2000, 50, seed=1)
    values, marks = x.unbind(2)
    assert bool((marks[:, :25].sum(1) == 1).all())
    assert bool((marks[:, 25:].sum(1) == 1).all())
    torch.testing.assert_close((values * marks).sum(1), y)
    assert y.var().item() == pytest.approx(1 / 6, rel=0.1), "of who always answers the mean"


def test_sequences_grow_and_are_shared_among_processes():
    task = Adding(steps=100)
    assert [task.batch("train", step, 4).x.shape[1] for step in (0, 30, 60, 99)] == [10, 105, 200, 200]
    whole, halves = task.batch("train", 7, 4), [task.batch("train", 7, 4, rank=r, world=2) for r in (0, 1)]
    assert torch.equal(torch.stack([h.x for h in halves], 1).flatten(0, 1), whole.x)
    assert torch.equal(torch.stack([h.y for h in halves], 1).flatten(), whole.y)
