"""Strings of brackets, and the rule that judges them."""

from itertools import product

import pytest

from reference_impl.adaptation.policy_gradient_generation import PolicyGradient, closes
from reference_impl.core import run
from reference_impl.tasks import make
from reference_impl.tasks.brackets import BRACKETS, balanced, damaged


@pytest.mark.parametrize("length", [2, 4, 6])
def test_balanced_strings_are_those_that_close(length):
    every = {"".join(s) for s in product(BRACKETS, repeat=length)}
    assert set(balanced(length)) == {s for s in every if closes(s)}
    assert len(set(balanced(length))) == len(balanced(length))


def test_what_closes():
    assert closes("def f(x[0]):")
    assert not any(map(closes, ("", "no bracket", "(]", ")(", "([)]", "((")))


def test_damage():
    lines = damaged(2000, 8)
    assert {len(line) for line in lines} == {8}
    assert 0.35 < sum(map(closes, lines)) / 2000 < 0.5, "some damage leaves a string balanced"
    assert all(map(closes, damaged(50, 8, intact=1.0)))


def test_a_users_lines(tmp_path):
    path = tmp_path / "code.txt"
    path.write_text("".join(f"f(x[{i}])\n" for i in range(120)))
    task = make("brackets", path)
    assert [len(task.splits[s][0]) for s in ("train", "test")] == [108, 12]
    result = run(PolicyGradient, {"steps": 4, "batch_size": 16}, task=task)
    assert result.scores[0].baseline == 1.0
    path.write_text("f(x)\n" * 120 + "(" * 300)
    with pytest.raises(ValueError, match=r"line 121 .* 300 characters; at most 200"):
        make("brackets", path)
    path.write_text("f(x)\n")
    with pytest.raises(ValueError, match="1 lines; at least 100"):
        make("brackets", path)
