"""Patterns for a problem: what is recommended, the reasons, what nearly fits, and what mends a failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import catalog
from catalog.catalog import Catalog
from catalog.cli import cli
from catalog.errors import BadQuestion
from catalog.facets import values_of
from catalog.recommend import FITS, UNSUITED

ROOT = Path(__file__).parents[2]
CAT = catalog.load(ROOT / "patterns")
PROBLEMS = [
    "samples show only a few kinds of what is in the data",
    "exact likelihood for images without adversarial training",
    "the loss of my GAN does not say when to stop",
    "answer questions about our own documents, with sources",
    "run a language model on a phone",
]


@pytest.mark.parametrize("decision", CAT.decisions, ids=lambda d: d.id)
def test_the_problem_of_a_decision_leads_to_its_options(decision: Any) -> None:
    found = CAT.recommend(decision.problem)
    assert found.decision is not None
    assert found.decision.id == decision.id
    assert {o.pattern for o in decision.options} & set(found.ids[:2])


def test_other_words_for_a_problem_lead_to_the_same_options() -> None:
    said = [(d, text) for d in CAT.decisions for text in d.said]
    missed = [text for d, text in said if not {o.pattern for o in d.options} & set(CAT.recommend(text).ids[:3])]
    assert len(missed) <= 0.03 * len(said), missed


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_score_is_the_sum_of_what_is_shown(problem: str) -> None:
    found = CAT.recommend(problem)
    assert found
    for r in found:
        less = UNSUITED.get(CAT[r.id].status, 1.0)
        assert r.score == pytest.approx(less * sum(x.points for x in r.why), abs=0.003)
        assert r.score >= FITS
        assert all(x.points == 0 for x in r.why_not)
        assert r.why_not, "everything has a price"
        texts = [x.text for x in (*r.why, *r.why_not)]
        assert len(set(texts)) == len(texts)
    scores = [r.score for r in found]
    assert scores == sorted(scores, reverse=True)
    assert CAT.recommend(problem).to_dict() == found.to_dict()


def test_reasons_stand_where_they_say() -> None:
    for problem in PROBLEMS:
        for r in CAT.recommend(problem):
            entry = CAT[r.id]
            for reason in r.why:
                kind, _, place = reason.source.partition(" ")
                if kind == "decision":
                    (decision,) = [d for d in CAT.decisions if d.id == place]
                    assert r.id in [o.pattern for o in decision.options]
                elif kind == "claim":
                    assert place.removeprefix(f"{r.id}.") in [c.id for c in entry.claims]
                elif kind == "remedies":
                    id, _, mode = place.partition(".")
                    (failure,) = [f for f in CAT[id].failure_modes if f.id == mode]
                    stated = [x for x in entry.relations if x.type == "remedies" and (x.target, x.fixes) == (id, mode)]
                    assert stated or failure.pattern == r.id


@pytest.mark.parametrize(
    ("text", "facets"),
    [
        ("draw pictures", {"sampling": "one_pass"}),
        ("generate text", {"year": ">=2018", "sampling": "!sequential"}),
        (None, {"data": "video,graph"}),
        (None, {"likelihood": "exact", "latent": "same_dimension", "difficulty": "<=3"}),
        ("models for images with exact likelihood since 2016", {}),
    ],
)
def test_conditions_hold_and_near_misses_miss_one(text: str | None, facets: dict[str, str]) -> None:
    found = CAT.recommend(text, **facets)
    conditions = CAT.facets.conditions(found.conditions)
    assert found
    missed = lambda id: [c for c in conditions if not c.met(values_of(CAT[id]).get(c.facet, ()))]
    assert all(not missed(id) for id in found.ids)
    for near in found.near:
        assert [str(c) for c in missed(near.id)] == [near.condition]
        assert near.has == tuple(values_of(CAT[near.id])[near.condition.split("=")[0].rstrip("!<>")])


def test_plain_words_become_conditions_and_are_listed() -> None:
    found = CAT.recommend("draw digits in one pass without adversarial training")
    assert found.understood == {
        "sampling=one_pass": "in one pass",
        "training!=adversarial": "without adversarial training",
    }
    assert str(found).startswith('understood: sampling=one_pass (from "in one pass")')
    given = CAT.recommend("draw digits in one pass", sampling="iterative")
    assert given.conditions == ["sampling=iterative"]
    assert given.understood == {}


def test_what_one_has_already_is_not_recommended() -> None:
    assert "vae" not in CAT.recommend("my VAE samples are blurry", limit=20).ids
    assert CAT.recommend("my VAE samples are blurry").ids[0] == "vae_gan"


def test_facets_alone_are_enough() -> None:
    found = CAT.recommend(data="video")
    assert found.ids == [e.id for e in CAT if "video" in e.facets.data]
    assert found.near
    assert len(CAT.recommend(family="flow", limit=100)) == sum(e.family == "flow" for e in CAT)


def test_where_nothing_fits_it_says_why_and_what_nearly_does() -> None:
    found = CAT.recommend(likelihood="exact", sampling="fixed_point")
    assert found.ids == []
    assert "no entry has both likelihood=exact and sampling=fixed_point" in str(found)
    assert {n.condition for n in found.near} == {"likelihood=exact", "sampling=fixed_point"}
    silent = CAT.recommend("qqqq zzzz")
    assert silent.ids == []
    assert "speaks of 'qqqq zzzz'" in str(silent)


@pytest.mark.parametrize(
    ("text", "facets", "message"),
    [
        ("", {}, "nothing to recommend for; say the problem, such as"),
        (None, {}, "likelihood=exact"),
        ("pictures", {"likelyhood": "exact"}, "did you mean 'likelihood'"),
        ("pictures", {"sampling": "one pas"}, "did you mean 'one_pass'"),
        ("pictures", {"where": ["data=text", "data!=text"]}, "contradict each other"),
        ("pictures", {"limit": 0}, "it is at least 1"),
    ],
)
def test_what_cannot_be_recommended_for(text: Any, facets: dict[str, Any], message: str) -> None:
    with pytest.raises(BadQuestion, match=message):
        CAT.recommend(text, **facets)


def test_only_some_entries_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    cat = catalog.load(ROOT / "patterns")
    cat.recommend("pictures")  # builds what is built once
    read: set[int] = set()
    entry = type(cat.stock).entry
    monkeypatch.setattr(type(cat.stock), "entry", lambda stock, n: read.add(n) or entry(stock, n))
    cat.recommend("draw a picture of a model that samples text from data")
    assert 0 < len(read) < 70


def test_recommendations_are_data_rows_and_text() -> None:
    for found in (CAT.recommend(PROBLEMS[0], sampling="one_pass"), CAT.fixes("mode collapse")):
        data = found.to_dict()
        assert json.loads(json.dumps(data)) == data
        assert list(found.to_frame()["id"]) == [r.id for r in found]
        assert max(map(len, str(found).split("\n"))) <= 100
        assert "<table>" in found._repr_html_()


def test_what_mends_a_failure() -> None:
    (first, *_) = CAT.fixes("mode collapse of a GAN")
    assert (first.id, first.failure) == ("gan", "missing_modes")
    stated = {e.id for e in CAT for r in e.relations if r.fixes == "missing_modes" and r.target == "gan"}
    assert {id for id, _, _ in first.patterns} == stated
    assert all(measured and "Measured: " in measured for _, _, measured in first.patterns)
    assert CAT.fixes("posterior collapse").ids == ["vq_vae", "vae"]
    assert not CAT.fixes("qqqq zzzz")
    with pytest.raises(BadQuestion, match="nothing to fix; say what goes wrong"):
        CAT.fixes(" ?")


def test_catalogs_of_other_fields_are_asked_alike(small: Path) -> None:
    knots = catalog.load(Path(catalog.__file__).parent / "starter")
    assert knots.recommend("join ropes of unequal thickness").ids[0] in ("sheet_bend", "double_sheet_bend")
    assert knots.recommend(ropes="two of unequal thickness").ids
    assert str(knots.recommend("join two ropes"))
    assert catalog.load(small).recommend("a bottleneck that copies").ids[0] == "autoencoder"
    assert Catalog([]).recommend("anything").ids == []


def test_the_shell_tells_what_fits_and_what_does_not() -> None:
    run = lambda *words: CliRunner().invoke(cli, list(words))
    assert run("recommend", "mode", "collapse").exit_code == 0
    data = json.loads(run("recommend", "pictures", "--where", "sampling=one_pass", "--limit", "1", "--json").stdout)
    assert data["schema"] == 1
    assert data["conditions"] == ["sampling=one_pass"]
    assert len(data["recommended"]) == 1
    nothing = run("recommend", "--where", "likelihood=exact", "--where", "sampling=fixed_point")
    assert nothing.exit_code == 1
    assert "Would fit but for one facet" in nothing.stdout
    for bad in (["recommend"], ["recommend", "x", "--where", "likelyhood=exact"], ["ask", "?"], ["fixes", "?"]):
        result = run(*bad)
        assert result.exit_code == 2
        assert "Error: " in result.stderr
    assert run("fixes", "qqqq").exit_code == 1
    assert "cat.fixes(text='mode collapse')" in run("ask", "what", "fixes", "mode", "collapse?").stdout
    assert json.loads(run("ask", "what is a vae", "--json").stdout)["ids"] == ["vae"]


@pytest.mark.parametrize(
    ("problem", "expected"),
    [("photos are out of focus", "image_restoration"), ("lack of variety", "wgan_gp"), ("lack of variety", "ddpm")],
)
def test_expressions_of_words_that_say_little_alone_are_understood(problem: str, expected: str) -> None:
    assert expected in CAT.recommend(problem).ids[:3]


@pytest.mark.parametrize(
    ("problem", "refused"),
    [
        ("align a language model without training a reward model", "reward_model"),
        ("draw sharp images without a GAN", "gan"),
        ("adapt a model without fine-tuning", "fine_tuning"),
    ],
)
def test_what_one_wants_to_do_without_is_not_recommended(problem: str, refused: str) -> None:
    found = CAT.recommend(problem)
    assert found
    assert refused not in found.ids
    assert refused in CAT.recommend(problem.replace("without", "with")).ids


def test_pairs_and_labels_that_are_missing_are_no_entries() -> None:
    assert "cyclegan" in CAT.recommend("turn one kind of image into another without pairs").ids[:3]
