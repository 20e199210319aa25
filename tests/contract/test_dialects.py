"""Rows in dialects, labels for them, a user's text, and what is inherited from a run."""

import math

import pytest
import torch

from reference_impl.adaptation.fine_tuning import FineTuning
from reference_impl.adaptation.lora import LoRA
from reference_impl.core import load, run
from reference_impl.tasks import make
from reference_impl.tasks.dialects import FOLLOWS, OLD, Dialects, S, laws, truth

TINY = {"steps": 4, "batch_size": 4, "channels": 16, "heads": 2}


def test_rows_follow_their_dialect():
    task, law = make("dialects"), laws()
    x = task.splits["train"][0] % S
    counts = torch.bincount(S * x[:, :-1].flatten() + x[:, 1:].flatten(), minlength=S * S).view(S, S)
    torch.testing.assert_close(counts / counts.sum(1, keepdim=True), law[OLD], atol=0.02, rtol=0)
    followers = law.argmax(2)
    assert len({tuple(row) for row in followers.tolist()}) == OLD + 1, "dialects differ"
    stays = FOLLOWS + (1 - FOLLOWS) / S
    other = (1 - FOLLOWS) / S
    entropy = -stays * math.log(stays) - (S - 1) * other * math.log(other) + math.log(2)
    assert truth(task.splits["train"][0]) == pytest.approx(entropy, abs=0.02)


def test_labels_tell_two_dialects_from_two():
    task, law = make("dialects", "labels"), laws()[:OLD].log()
    for name, capital in (("train", False), ("shifted", True)):
        x = task.splits[name][0]
        assert ((x[:, :-1] >= S) == capital).all()
        letters, label = x[:, :-1] % S, x[:, -1] - 2 * S
        likely = law[:, letters[:, :-1], letters[:, 1:]].sum(2).argmax(0)
        assert (likely % 2 == label).float().mean() > 0.98
    assert task.facts["answer"] == 1


def test_a_users_text_and_a_run_to_start_from(tmp_path):
    (tmp_path / "t.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60)
    task = make("dialects", tmp_path / "t.txt")
    text = lambda row: "".join(task.facts["characters"][i] for i in row)
    assert text(task.splits["train"][0][0][:9]) == "the quick"
    assert text(task.splits["pretraining"][0][0][:20]) == "# Prose of the catalog"[:20]
    run(FineTuning, TINY, task=task, out=tmp_path / "first")
    again = Dialects(tmp_path / "t.txt", base=str(tmp_path / "first"))
    assert again.facts["characters"] == task.facts["characters"]
    assert "pretraining" not in again.splits
    for cls in (FineTuning, LoRA):
        settings = {"steps": 4, "batch_size": 4, "base": str(tmp_path / "first"), "tuning": 0}
        model = run(cls, settings, task=again, evaluate=False).model
        assert torch.equal(model.token.weight, load(tmp_path / "first")[0].token.weight)


def test_what_cannot_be_used_is_said(tmp_path):
    (tmp_path / "t.txt").write_text("short")
    with pytest.raises(ValueError, match="5 characters; at least 2560 are needed"):
        make("dialects", tmp_path / "t.txt")
    with pytest.raises(FileNotFoundError, match="no trained model"):
        Dialects(base=str(tmp_path))
    run(FineTuning, TINY, task=Dialects(count=20), out=tmp_path / "run", evaluate=False)
    with pytest.raises(ValueError, match="no run of a GPT with these sizes"):
        run(FineTuning, {"base": str(tmp_path / "run"), "channels": 32}, task=Dialects(count=20))
    with pytest.raises(ValueError, match=r"no linear map has such a name; there are blocks\.0\.qkv"):
        LoRA(LoRA.Config(adapted=("c_attn",)))
