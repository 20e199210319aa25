"""Strings said again, and strings to be copied."""

import pytest
import torch

from reference_impl.core import run
from reference_impl.tasks import make
from reference_impl.tasks.copying import BLANK, GO, selective, strings
from reference_impl.tasks.repeats import accuracy
from reference_impl.transformer.in_context_learning import InContextLearning, source


def test_rows_go_round():
    task = make("repeats")
    for split, (x, _) in task.splits.items():
        periods = task.periods[split]
        assert x.shape[1] == task.facts["context"] + 1
        for row, period in zip(x[:50], periods[:50].tolist(), strict=True):
            assert torch.equal(row[period:], row[:-period])
            assert len(set(row[:period].tolist())) == period, "no letter twice"


def test_what_the_prompt_gives_away_is_what_the_task_asks():
    task = make("repeats")
    x, periods = task.splits["test"][0][:100], task.periods["test"][:100]
    behind = source(x[:, :-1])
    assert torch.equal(behind >= 0, torch.arange(x.shape[1] - 1) >= periods[:, None])
    assert torch.equal(x.gather(1, behind.clamp(min=0))[behind >= 0], x[:, 1:][behind >= 0])

    class Copies:
        """Copies what stood behind the last earlier copy of each symbol."""

        def logits(self, ids):
            guess = ids.gather(1, source(ids).clamp(min=0, max=ids.shape[1] - 1))
            return torch.nn.functional.one_hot(guess, task.facts["vocab"]).float(), None

    assert accuracy(Copies(), x, periods)[0] == 1.0


def test_a_users_text(tmp_path):
    (tmp_path / "t.txt").write_text("the quick brown fox jumps over the lazy dog. " * 20)
    task = make("repeats", tmp_path / "t.txt")
    assert (
        "".join(task.facts["characters"][i] for i in task.splits["test"][0][0][:8])
        in "the quick brown fox jumps over the lazy dog. " * 2
    )
    assert run(InContextLearning, {"steps": 2, "batch_size": 4}, task=task).model.sample(2).shape == (2, 65)
    (tmp_path / "short.txt").write_text("short")
    with pytest.raises(ValueError, match="5 characters; at least 400 are needed"):
        make("repeats", tmp_path / "short.txt")


def test_strings_to_be_copied():
    x = selective(50, 20, 4, 8)
    for row in x.tolist():
        assert [s for s in row[:20] if s != BLANK] == row[21:]
        assert row[20] == GO
    x = strings(50, 6, 8)
    assert torch.equal(x[:, :6], x[:, 7:])
    assert x[:, :6].min() >= 2
    assert x.max() < 10
