"""Dialogues: what is told, asked and preferred, and what users bring."""

import pytest

from reference_impl.tasks import make
from reference_impl.tasks.dialogues import SLOTS, UNSAID, VALUES, Asked, told, untold, verdict


def test_what_was_told_stands_in_the_first_turn_and_nowhere_after():
    for asked in told(5, n=40):
        first, *others = asked.dialogue.split(" <end> ")
        assert first == f"{asked.slot.told} {asked.value} <begin> ok"
        assert len(others) == 5
        assert others[-1] == asked.slot.asked
        assert not any(asked.value in turn.split() for turn in others)


def test_what_was_not_told_stands_nowhere():
    for asked in untold(n=40):
        assert not set(asked.slot.values) & set(asked.dialogue.split())


@pytest.mark.parametrize(
    ("value", "reply", "points"),
    [
        ("rome", "you live in rome", 2),
        ("rome", "let me think you live in rome", 1),
        ("rome", "you live in oslo", 0),
        ("rome", UNSAID, 0),
        (None, UNSAID, 2),
        (None, "you live in rome", 0),
    ],
)
def test_the_judge(value, reply, points):
    assert verdict(reply, Asked("", SLOTS[1], value)) == points


def test_comparisons_prefer_what_the_judge_prefers():
    replies, dialogues = make("dialogues").splits["comparisons"]
    for (best, other), dialogue in zip(replies[:300], dialogues, strict=False):
        question = dialogue.rpartition("<end> ")[2]
        slot = next(s for s in SLOTS if s.asked == question)
        value = next((w for w in dialogue.split() if w in slot.values), None)
        assert verdict(best, Asked(dialogue, slot, value)) == 2 > verdict(other, Asked(dialogue, slot, value))
        assert VALUES


def test_a_users_dialogues(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("\n\n".join(f"hello\thi\nis it {n}\tit is {n}" for n in range(30)))
    task = make("dialogues", path)
    assert task.splits["train"][1][0] == "hello <begin> hi <end> is it 1"
    assert task.splits["train"][0][0] == "it is 1"
    assert task.splits["comparisons"][0][0][0] == "it is 1"
    path.write_text("hello\n")
    with pytest.raises(ValueError, match="'hello' is no turn"):
        make("dialogues", path)
