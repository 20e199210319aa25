"""Four tasks on strings: the answers, what is held out, and what users bring."""

import pytest

from reference_impl.tasks import make
from reference_impl.tasks.strings import PREFIXES, answer, drawn


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("copy b a d", "b a d"),
        ("reverse b a d", "d a b"),
        ("sort b a d a", "a a b d"),
        ("classify b a d", "consonants"),
        ("classify e a d", "vowels"),
        ("classify e d", "equal"),
    ],
)
def test_answers(source, target):
    prefix, *letters = source.split()
    assert answer(prefix, letters) == target


def test_held_out_strings_are_new_under_every_prefix():
    train, test = drawn()
    strings = [{source.split(" ", 1)[1] for source, _ in part} for part in (train, test)]
    assert not strings[0] & strings[1]
    assert len(test) == 250 * len(PREFIXES) == len(PREFIXES) * len(strings[1])


def test_a_users_pairs(tmp_path):
    path = tmp_path / "tasks.tsv"
    path.write_text("".join(f"double {n}\t{2 * n}\n" for n in range(30)))
    task = make("strings", path)
    assert len(task.splits["train"][0]) == 27
    assert "double" in task.facts["words"]
