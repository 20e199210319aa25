"""Instructions: what responses say, what is held out, and what users bring."""

import random

import pytest

from reference_impl.tasks import make
from reference_impl.tasks.instructions import COMBINATIONS, HELD_OUT, OPERATIONS, Instructions, instruction


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("reverse", "d b a"),
        ("sort", "a b d"),
        ("swap", "d b a"),
        ("rotate", "b d a"),
        ("first", "a"),
        ("last", "d"),
        ("rest", "b d"),
        ("upper", "A B D"),
    ],
)
def test_operations(name, result):
    assert " ".join(OPERATIONS[name](list("abd"))) == result
    assert OPERATIONS[name](["c"]) == {"upper": ["C"], "rest": []}.get(name, ["c"])


def test_a_response_writes_each_step():
    asked, written = instruction(["last", "upper"], random.Random(0))
    letters = asked.removeprefix("last then upper ").split()
    assert written == f"last {letters[-1]} then upper {letters[-1].upper()}"


@pytest.mark.parametrize("count", [0, 12, 40])
def test_held_out_combinations_are_never_trained(count):
    task = Instructions(combinations=count)
    held = {" then ".join(names) for names in COMBINATIONS[-HELD_OUT:]}
    operations = {*OPERATIONS, "then"}
    asked = {" ".join(w for w in y.split() if w in operations) for y in task.splits["train"][1]}
    assert len(asked) == len(OPERATIONS) + count
    assert not asked & held
    assert {" ".join(w for w in y.split() if w in operations) for y in task.splits["test"][1]} == held


def test_too_many_combinations_are_refused():
    with pytest.raises(ValueError, match="combinations=41: 0 to 40"):
        Instructions(combinations=41)


def test_a_users_instructions(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("".join(f"count to {n}\tit is {n}\n" for n in range(30)))
    task = make("instructions", path)
    assert len(task.splits["train"][0]) == 27
    assert task.splits["text"][0][0] == "it is 1"
    assert task.facts["context"] == 7
