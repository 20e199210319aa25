"""The pair of languages: its grammar, its splits, and what users bring."""

import pytest

from reference_impl.tasks import make
from reference_impl.tasks.sentences import UNKNOWN, encoded, spelled
from reference_impl.tasks.translation import NOUN_FORMS, SUBJECTS_ONLY, Translation, translated


def sources(task, stream):
    return spelled(task.splits[stream][1], task.facts)


@pytest.mark.parametrize(
    ("source", "target", "renders"),
    [
        ("one dog helps the cat", "kelu un ga mifa ta wo tasa", "dog one dog cat the cat helps"),
        (
            "the old dogs near one tree helped two kings today",
            "rami veku un pe kelumi solami ta ga roganmi bi wo tasomi",
            "today tree one near dogs old the dogs kings two kings helped",
        ),
        # the verb agrees with the subject, not with the noun nearest to it
        (
            "the boy behind two red trees needs one bird",
            "vekumi rukumi bi du pako ta ga tiri un wo bola",
            "trees red two behind boy the boy bird one bird needs",
        ),
    ],
)
def test_each_sentence_has_one_translation_and_one_alignment(source, target, renders):
    got, at = translated(source)
    assert got == target
    assert [source.split()[i] for i in at] == renders.split()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "word 1: the end"),
        ("the dog sleeps", "word 3: 'sleeps'; the grammar has here helps, helped"),
        ("one dog need the cat", "word 3: 'need'"),
        ("two dog need the cat", "word 2: 'dog'; the grammar has here dogs"),
        ("the dog needs the cat near", "'near' is left over"),
    ],
)
def test_what_is_not_of_the_language_is_refused_where_it_fails(source, message):
    with pytest.raises(ValueError, match=message):
        translated(source)


def test_held_out_sentences_are_new_and_made_of_known_words():
    for task in (make("translation"), Translation(split="compositional")):
        train, test = sources(task, "train"), sources(task, "test")
        assert (len(train), len(test)) == (4000, 500)
        assert len({*train, *test}) == 4500
        assert not any((side == UNKNOWN).any() for side in task.splits["test"])
        assert spelled(task.splits["test"][0], task.facts) == [translated(s)[0] for s in test]


def test_the_compositional_split_holds_out_objects():
    task = Translation(split="compositional")
    new = {form for many in NOUN_FORMS for noun, form in NOUN_FORMS[many].items() if noun.rstrip("s") in SUBJECTS_ONLY}
    for stream, share in (("train", 0), ("test", 1)):
        said = [t.split() for t in spelled(task.splits[stream][0], task.facts)]
        objects = [words[words.index("ga") + 1] for words in said]
        assert sum(word in new for word in objects) == share * len(said)
    assert any(word in new for t in spelled(task.splits["train"][0], task.facts) for word in t.split())


def test_a_users_pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"guten Morgen {n}\tgood morning {n}\n" for n in range(10)) * 3, encoding="utf-8")
    task = make("translation", path)
    assert len(task.splits["train"][0]) == 27
    assert task.facts["context"] == 4
    ids = encoded("guten Morgen 3", task.facts)
    assert spelled(ids, task.facts) == ["guten Morgen 3"]
    with pytest.raises(ValueError, match="'Abend': not among"):
        encoded("guten Abend 3", task.facts)
    path.write_text("guten Morgen good morning\n", encoding="utf-8")
    with pytest.raises(ValueError, match="row 1: 1 fields"):
        make("translation", path)


def test_the_score_is_the_share_of_exact_translations():
    task = make("translation")

    class Right:
        device = "cpu"

        def sample(self, n, y):
            return task.splits["test"][0][:n]

    (score,) = task.evaluate(Right())
    assert score.value == 1
    assert score.baseline < 0.01
