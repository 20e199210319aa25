"""Stories, their answers, and questions about a text of one's own."""

import random
import re

import pytest

from reference_impl.application.question_answering import QuestionAnswering, lowest
from reference_impl.core import run
from reference_impl.tasks.questions import words
from reference_impl.tasks.searches import sentences
from reference_impl.tasks.stories import NO_ANSWER, PEOPLE, PLACES, THINGS, Stories, drawn, last_mention, story

VERBS = {
    "went": "go",
    "moved": "go",
    "walked": "go",
    "took": "take",
    "grabbed": "take",
    "dropped": "drop",
    "put": "drop",
}


def told(question):
    """Where the thing is and which two sentences say so, by following everybody through the story."""
    *lines, asked = sentences(question)
    at, moved, holds, last, where = {}, {}, {}, {}, {}
    for number, line in enumerate(lines, 1):
        who, verb, *_, what = re.findall(r"\w+", line)
        if VERBS[verb] == "go":
            at[who], moved[who] = what, number
        elif VERBS[verb] == "take":
            assert what not in holds, "nobody takes what somebody has"
            assert what not in where or where[what][0] == at.get(who), "one takes what is where one is"
            holds[what], last[what] = who, number
        else:
            assert holds.pop(what) == who, "one drops what one has"
            last[what], where[what] = number, (at.get(who), moved.get(who))
    thing = words(asked)[-1]
    who = holds.get(thing)
    place, since = (at.get(who), moved.get(who)) if who else where.get(thing, (None, None))
    return NO_ANSWER if place is None else f"{place} [{last[thing]}, {since}]"


def test_answers_are_what_the_story_tells():
    pairs = drawn(300, 5)
    assert [told(question) for question, _ in pairs] == [answer for _, answer in pairs]
    assert 0.1 < sum(answer == NO_ANSWER for _, answer in pairs) / 300 < 0.3


def test_held_out_stories_are_not_in_training():
    task = Stories(stories=500)
    (x, y), (test_x, test_y) = task.splits["train"], task.splits["test"]
    assert not set(zip(x, y, strict=True)) & set(zip(test_x, test_y, strict=True))
    assert {w.lower() for w in (*PEOPLE, *PLACES, *THINGS)} < set(task.words)


def test_a_story_has_the_length_asked_for():
    question, answer = story(random.Random(0), 6, told=False)
    assert len(sentences(question)) == 7
    assert answer == NO_ANSWER


def test_the_last_mention_is_a_guess():
    assert (
        last_mention("Mary went to the garden. Mary took the milk. Mary went to the office. Where is the milk?")
        == "garden"
    )
    assert last_mention("Mary went to the garden. Where is the milk?") == NO_ANSWER


def test_a_text_of_ones_own_is_searched(tmp_path):
    text = "The pump stands in the cellar.\n\nThe boiler is on the roof. It was replaced in 2019.\n"
    (tmp_path / "house.txt").write_text(f"{text}\nwhere is the pump?\tcellar\n")
    model = run(QuestionAnswering, task=Stories(tmp_path), evaluate=False).model
    pump, king = model.answers(["where is the pump", "who was king in France"])
    assert pump.text == "The pump stands in the cellar."
    assert len(pump.sources) == 1
    assert king == (NO_ANSWER, [])


def test_a_text_without_questions_will_do(tmp_path):
    (tmp_path / "house.txt").write_text("The boiler is on the roof. It was replaced in 2019.\n")
    result = run(QuestionAnswering, task=Stories(tmp_path))
    assert result.scores == []
    assert len(result.model.sample(3)) == 3


def test_the_threshold_keeps_the_risk():
    sure, right = [0.9, 0.8, 0.7, 0.6, 0.5], [True, True, False, True, False]
    assert lowest(sure, right, 0.0) == 0.8
    assert lowest(sure, right, 0.25) == 0.6
    assert lowest(sure, right, 1.0) == 0.5
    assert lowest([0.5], [False], 0.2) == float("inf")
    # what is equally sure is answered or withheld together
    assert lowest([0.5, 0.5], [True, False], 0.2) == float("inf")


def test_what_cannot_be_read_is_told():
    model = QuestionAnswering(QuestionAnswering.Config(context=2))
    with pytest.raises(ValueError, match="0 to 0 sentences before a question; give 1 to 2"):
        model.answers(["Where is the milk?"])
    with pytest.raises(FileNotFoundError, match="no such file"):
        Stories("nowhere")
