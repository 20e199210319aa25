"""Strings said again, and strings to be copied."""

import pytest
import torch

from reference_impl.core import run
from reference_impl.tasks import make
from reference_impl.tasks.copying import BLANK, GO, selective, strings
from reference_impl.tasks.repeats import accuracy
from reference_impl.transformer.in_context_learning import InContextLearning, occurred


def test_rows_go_round():
    task = make("repeats")
    for split, (x, _) in task.splits.items():
        periods = task.periods[split]
        for row, period in zip(x, periods.tolist(), strict=True):
            assert torch.equal(row[period:], row[:-period])
        assert (x[:, :8] != x[:1, :8]).any(1)[1:].all(), "strings differ"


def test_whoever_knows_the_period_is_right():
    task = make("repeats")
    x, periods = task.splits["test"][0][:100], task.periods["test"][:100]

    class Knows:
        """Says what stood one period before the next symbol."""

        def logits(self, ids):
            back = torch.arange(ids.shape[1]) + 1 - periods[:, None]
            return torch.nn.functional.one_hot(ids.gather(1, back.clamp(min=0)), task.facts["vocab"]).float(), None

    again, first = accuracy(Knows(), x, periods)
    assert again == 1.0
    assert first < 0.2


def test_an_earlier_copy_is_noticed():
    assert occurred(torch.tensor([[3, 1, 3, 2, 1]])).tolist() == [[False, False, True, False, True]]


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
