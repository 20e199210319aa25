"""Reviews: how they are made, what is read, and what users bring."""

import random

import pytest
import torch

from reference_impl.application.sentiment_analysis import SentimentAnalysis
from reference_impl.core import run
from reference_impl.tasks import make
from reference_impl.tasks.reviews import ADJECTIVES, NEGATIONS, REMARKS, clause, reviews
from reference_impl.tasks.sentences import BEGIN, END, encoded, spelled
from reference_impl.transformer.bert import Bert

TINY = {"steps": 4, "batch_size": 4, "channels": 8, "layers": 1}


def said(part):
    """The attitude of a clause, from its words."""
    plain = "positive" if set(part.split()) & set(ADJECTIVES["positive"]) else "negative"
    turned = {"positive": "negative", "negative": "positive"}
    return turned[plain] if set(part.split()) & set(NEGATIONS) else plain


def test_labels_follow_from_the_words():
    made = reviews(400, seed=5, remarks=0.5)
    assert sum(label == "positive" for _, label in made) == 200
    for text, label in made:
        body, _, remark = text.partition(" we ")
        clauses = body.replace(" but ", " and ").split(" and ")
        assert said(clauses[-1]) == label
        if len(clauses) == 2:
            assert (said(clauses[0]) == label) == (" and " in body)
        assert not remark or f"we {remark}" in REMARKS[label]
    assert any(" but " in text for text, _ in made)
    assert made == reviews(400, seed=5, remarks=0.5)
    assert not any(word in clause(random.Random(0), "bed", "positive", 0.0) for word in NEGATIONS)


def test_reviews_come_with_and_without_labels():
    task = make("reviews")
    (x, y), (unlabeled, nothing) = task.splits["train"], task.splits["unlabeled"]
    assert nothing is None
    assert [len(x), len(task.splits["test"][0]), len(unlabeled)] == [400, 1000, 4000]
    assert bool((x[:, 0] == BEGIN).all())
    assert set(x[:, 1].tolist()) == set(task.facts["labels"])
    assert bool((unlabeled[:, 0] == BEGIN).all())
    assert not any("we" in text.split() for text in spelled(y, task.facts)), "a remark would give the label away"


def test_a_users_table(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("".join(f"text {i % 7} is {'fine' if i % 2 else 'bad'}\t{i % 2}\n" for i in range(30)))
    task = make("reviews", path)
    assert [len(task.splits[s][0]) for s in ("train", "test", "unlabeled")] == [27, 3, 27]
    model = run(SentimentAnalysis, TINY, task=task).model
    written = spelled(model.sample(3, task.splits["test"][1]), task.facts)
    assert set(written) <= {"0", "1"}

    path.write_text("a b\tgood\n" * 30)
    with pytest.raises(ValueError, match=r"all labels are 'good'; at least two"):
        make("reviews", path)
    path.write_text("a b\tvery good\n" * 15 + "a c\tbad\n" * 15)
    with pytest.raises(ValueError, match=r"the label 'very good'; a label is one word"):
        make("reviews", path)


def test_lines_of_text_and_prompts_with_masks(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("".join(f"line {i % 5} of a small text\n\n" for i in range(30)))
    task = make("lines", path)
    x = task.splits["train"][0]
    assert x.shape == (27, task.facts["context"] + 1)
    assert bool(((x == END).sum(1) == 1).all())
    model = run(Bert, TINY, task=task).model
    prompt = encoded("line [mask] of a", task.facts)
    assert prompt[0, 1] == model.mask
    filled = model.sample(2, prompt.expand(2, -1))
    assert bool((filled[:, 1] < model.mask).all())
    assert torch.equal(filled[:, 2:], prompt[:, 2:].expand(2, -1)), "given words stay"

    path.write_text("one line\n")
    with pytest.raises(ValueError, match="1 lines with text; at least 20"):
        make("lines", path)
