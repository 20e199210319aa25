"""Questions with worked answers: what is written, what is read, and what users bring."""

import pytest
import torch

from reference_impl.core import run
from reference_impl.inference.chain_of_thought import ChainOfThought
from reference_impl.tasks import make
from reference_impl.tasks.parities import parities

TINY = {"steps": 2, "batch_size": 4, "channels": 8, "heads": 2, "layers": 1}


def test_steps_are_the_parities_so_far():
    for question, worked in parities(50, bits=9, seed=3):
        steps, _, answer = worked.partition(":")
        assert [int(s) for s in steps] == [question[: i + 1].count("1") % 2 for i in range(9)]
        assert int(answer) == question.count("1") % 2
    question, worked = parities(1, bits=9, steps=4, seed=3)[0]
    assert len(worked) == 6
    assert int(worked[-1]) == question.count("1") % 2
    assert parities(1, bits=9, steps=0)[0][1].startswith(":")


def test_a_row_is_the_question_and_its_worked_answer():
    task = make("parities")
    x, y = task.splits["test"]
    characters = task.facts["characters"]
    assert x.shape == (1000, task.facts["context"] + 1)
    assert torch.equal(x[:, : task.facts["prompt"]], y)
    text = "".join(characters[i] for i in x[0].tolist())
    assert text.index("=") == 16
    assert task.answers(x[:1]) == [text[-1]]
    assert task.answers(x[:1, :20]) == [text[17:20]], "without the sign all that was written counts"


def test_a_users_table(tmp_path):
    path = tmp_path / "sums.csv"
    path.write_text("".join(f"{a}+{b}+1,{a + b} {a + b + 1}:{a + b + 1}\n" for a in range(5) for b in range(5)))
    task = make("parities", path)
    assert [len(task.splits[s][0]) for s in ("train", "test")] == [22, 3]
    result = run(ChainOfThought, TINY, task=task)
    assert [s.name for s in result.scores] == ["held-out answers"]
    assert task.answers(task.splits["test"][0]) == ["1", "3", "5"]

    path.write_text("1+1\n" * 30)
    with pytest.raises(ValueError, match=r"row 1: 1 fields; a source and a target"):
        make("parities", path)
