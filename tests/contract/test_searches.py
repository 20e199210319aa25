"""Searches: what is asked, what retrievers learn from, and what users bring."""

from functools import cache

import pytest

from reference_impl.core import load, run
from reference_impl.retrieval.lexical_retrieval import LexicalRetrieval
from reference_impl.retrieval.rag import RAG
from reference_impl.tasks import make
from reference_impl.tasks.searches import SECTIONS_LEFT_OUT, ndcg, pairs, reciprocal_rank

TASK = cache(lambda: make("searches"))


def test_questions_ask_for_patterns_that_are_there():
    task = TASK()
    ids = {id for id, _, _ in task.passages}
    assert len(ids) == 84
    assert not {section for _, section, _ in task.passages} & set(SECTIONS_LEFT_OUT)
    assert all(search.wanted <= ids for search in [*task.dev, *task.held_out])
    assert {search.kind for search in task.held_out} == {"keyword", "paraphrase", "symptom"}
    assert not {s.question for s in task.dev} & {s.question for s in task.held_out}


def test_nothing_is_learned_from_the_questions():
    queries = set(TASK().splits["train"][1])
    text = " ".join(text for _, _, text in TASK().passages)
    asked = {s.question for s in [*TASK().dev, *TASK().held_out]}
    # a keyword question may happen to be a pattern's name
    assert all(question in text for question in queries & asked)


def test_pairs_come_from_one_page():
    passages = [
        ("a", "facts", "Alpha (also called first letter) was introduced in 1900; it belongs to the family Letters."),
        ("a", "problem", "One. Two."),
        ("a", "solution", "Three."),
        ("b", "problem", "Four."),
    ]
    assert pairs(passages) == [
        ("One.", "Two."), ("One.", "Three."), ("Two.", "One."), ("Two.", "Three."), ("Three.", "One. Two."),
        ("Alpha", "One. Two."), ("Alpha", "Three."), ("first letter", "One. Two."), ("first letter", "Three."),
    ]  # fmt: skip


def test_measures_of_a_ranking():
    assert reciprocal_rank(["a", "b", "c"], {"b", "c"}) == 0.5
    assert reciprocal_rank(["a"] * 10 + ["b"], {"b"}) == 0
    assert ndcg(["b", "a"], {"b"}) == 1
    assert ndcg(["a", "b"], {"b"}) == pytest.approx(0.6309, abs=1e-4)  # 1 / log2(3)
    assert ndcg(["c", "c"], {"b"}) == 0


def test_a_users_text(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text(
        "Tea is brewed at 80 degrees. Green tea, that is.\n\nCoffee wants 93 degrees.\n\n"
        "How hot for green tea?\t80 degrees\nHow hot for coffee?\t93 degrees\nHow hot is the sun?\t5772 K\n"
    )
    result = run(LexicalRetrieval, task=make("searches", path))
    model, (score, _) = result.model, result.scores
    assert model.passages[1] == ("notes-2", "paragraph", "Coffee wants 93 degrees.")
    assert score.value == 1.0
    assert model.sample(1, ["coffee"]) == ["Coffee wants 93 degrees. [notes-2/paragraph]"]
    assert model.sample(1, ["beer"]) == [""]

    path.write_text("One sentence.")
    with pytest.raises(ValueError, match="at least one passage of two sentences"):
        make("searches", path)


@pytest.mark.parametrize("retriever", ["lexical", "dense", "hybrid", "reranking"])
def test_rag_composes_the_retrievers(retriever, tmp_path):
    path = tmp_path / "notes.txt"
    text = "\n\n".join(f"Tea number {i} is brewed at {50 + i} degrees." for i in range(12))
    path.write_text(text + "".join(f"\nHow hot for tea number {i}?\t{50 + i} degrees" for i in range(12)))
    settings = {"retriever": retriever, "retriever_steps": 2, "batch_size": 4}
    result = run(RAG, settings, task=make("questions", path), out=tmp_path / "run", log_every=1, evaluate=False)
    # a stage for the vectors, and one for the cross-encoder
    assert len(result.history) == 2 * {"lexical": 0, "reranking": 2}.get(retriever, 1)
    model, _ = load(tmp_path / "run")
    questions = [f"How hot for tea number {i}?" for i in range(12)]
    assert model.answers(questions) == result.model.answers(questions)
    assert [model.retrieve(q) for q in questions] == [model.retriever.retrieve(q, 3) for q in questions]
    assert all(len(answer.sources) == 3 for answer in model.answers(questions))
