"""Conditions on facets: against enumeration, as they are typed, and what is said where they cannot be met."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import catalog
from catalog.cli import cli
from catalog.errors import BadQuestion
from catalog.facets import Facets, declared, positions, values_of

CAT = catalog.load(Path(__file__).parents[2] / "patterns")


def met(text: Any = (), **facets: Any) -> list[str]:
    ids = CAT.ids
    return [ids[i] for i in positions(CAT.facets.matching(text, **facets))]


def kept(test: Any) -> list[str]:
    return [e.id for e in CAT if test(e)]


@pytest.mark.parametrize(
    ("found", "test"),
    [
        (met(likelihood="exact"), lambda e: e.facets.likelihood == "exact"),
        (met("likelihood = exact"), lambda e: e.facets.likelihood == "exact"),
        (met(data="image,text"), lambda e: {"image", "text"} & set(e.facets.data)),
        (met(data=["image", "text"]), lambda e: {"image", "text"} & set(e.facets.data)),
        (met(["data=image", "data=text"]), lambda e: {"image", "text"} <= set(e.facets.data)),
        (met(sampling="!sequential"), lambda e: e.facets.sampling != "sequential"),
        (met("sampling!=sequential,none"), lambda e: e.facets.sampling not in ("sequential", "none")),
        (met("Sampling=One Pass"), lambda e: e.facets.sampling == "one_pass"),
        (met("sampling=markov-chain"), lambda e: e.facets.sampling == "markov_chain"),
        (met(needs_pretrained=True), lambda e: e.facets.needs_pretrained),
        (met("needs_pretrained=no"), lambda e: not e.facets.needs_pretrained),
        (met(year=2017), lambda e: e.year == 2017),
        (met(year=">=2015"), lambda e: e.year >= 2015),
        (met("year<=1990"), lambda e: e.year <= 1990),
        (met("year=2015..2018"), lambda e: 2015 <= e.year <= 2018),
        (met("year=2015.."), lambda e: e.year >= 2015),
        (met(year="..1990"), lambda e: e.year <= 1990),
        (met("year!=2017"), lambda e: e.year != 2017),
        (met(["difficulty<=2", "year>=2015"]), lambda e: e.difficulty <= 2 and e.year >= 2015),
        (met(family="flow", difficulty="..3"), lambda e: e.family == "flow" and e.difficulty <= 3),
        (met(tags="elbo"), lambda e: "elbo" in e.tags),
        (met(year=2055), lambda e: False),
        (met(family="world_model"), lambda e: False),
        (met(), lambda e: True),
    ],
)
def test_conditions_hold_of_what_is_found_and_of_nothing_else(found: list[str], test: Any) -> None:
    assert found == kept(test)


def test_sets_agree_with_enumeration_and_survive_storage() -> None:
    rng = random.Random(0)
    rows = [
        {
            "color": [rng.choice("rgb")],
            "size": rng.sample(["1", "2", "3"], rng.randrange(4)),
            **({"rare": [f"v{i}"]} if i % 3 else {}),
        }
        for i in range(200)
    ]
    made = Facets.build(rows, {"color": ["r", "g", "b", "x"]})
    for facets in (made, Facets.stored(made.size, list(made.rows()))):
        assert facets.values("color") == {c: sum(r["color"] == [c] for r in rows) for c in "rgbx"}
        for where, test in {
            "color=r,g": lambda r: r["color"][0] in "rg",
            "size!=2": lambda r: "2" not in r["size"],
            "size>=2": lambda r: {"2", "3"} & set(r["size"]),
            "rare=v7": lambda r: r.get("rare") == ["v7"],
            "rare!=v7": lambda r: r.get("rare") != ["v7"],
        }.items():
            assert list(positions(facets.matching(where))) == [i for i, r in enumerate(rows) if test(r)], where
            (condition,) = facets.conditions(where)
            assert all(condition.met(r.get(condition.facet, [])) == bool(test(r)) for r in rows), where


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("likelyhood=exact", "unknown facet 'likelyhood'; did you mean 'likelihood'? facets are family, kind, "),
        ("likelihood=exakt", "no value 'exakt' of likelihood; did you mean 'exact'? there are exact, bound, "),
        ("colour=red", "unknown facet 'colour'; facets are family, "),
        ("kind=zzz", "no value 'zzz' of kind; there are architecture, objective"),
        ("likelihood", "'likelihood' is no condition; write facet=value, such as likelihood=exact"),
        ("", "'' is no condition"),
        ("likelihood=", "likelihood= names no value; there are exact"),
        ("year=soon", "no value 'soon' of year; it goes from 1982 to 20"),
        ("year>=soon", "'soon' is no number; it goes from 1982 to 20"),
        ("year>=nan", "'nan' is no number"),
        ("kind>=3", "kind has no numbers to compare; there are architecture"),
        ("year=..", "year=.. has no end; write year=2015.."),
        ("year=2020..2010", "it goes from the smaller number to the larger"),
        (["likelihood=exact", "likelihood=none"], "likelihood=exact and likelihood=none contradict each other; "
         "51 entries with likelihood=exact, 24 entries with likelihood=none"),
        (["likelihood=exact", "likelihood!=exact"], "likelihood=exact and likelihood!=exact contradict each other"),
        (["year>=2020", "year<=2010"], "year>=2020 and year<=2010 contradict each other"),
        (["year>=2020", "year=2012"], "year>=2020 and year=2012 contradict each other"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_and_what_there_is(where: Any, message: str) -> None:
    with pytest.raises(BadQuestion) as caught:
        CAT.facets.matching(where)
    assert message in str(caught.value)


def test_conditions_that_nothing_meets_together_say_which_and_what_is_left_without_them() -> None:
    facets = CAT.facets
    both = facets.conditions(likelihood="exact", sampling="fixed_point")
    counts = [len(met(str(c))) for c in both]
    assert facets.conflict(both) == (
        f"no entry has both likelihood=exact and sampling=fixed_point: {counts[0]} entries with likelihood=exact, "
        f"{counts[1]} entries with sampling=fixed_point"
    )
    three = facets.conditions(["data=binary", "training=likelihood", "year>=2020"])
    assert not facets.meet(three)
    assert "data=binary" in facets.conflict(three)


@pytest.mark.parametrize(
    ("text", "conditions", "rest"),
    [
        ("exact likelihood", ["likelihood=exact"], "exact likelihood"),
        ("draw digits in one pass", ["sampling=one_pass"], "draw digits in one pass"),
        ("samples without adversarial training", ["training!=adversarial"], "samples"),
        ("a model for images", ["data=image"], "a model for images"),
        ("something that needs no pretrained model", ["needs_pretrained=false"], "something that"),
        ("codes without a pre-trained network", ["needs_pretrained=false"], "codes"),
        ("text to speech", [], "text to speech"),
        ("a discrete latent for audio since 2016", ["latent=discrete", "data=audio", "year>=2016"],
         "a discrete latent for audio since 2016"),
        ("images of people who passed one exam", [], "images of people who passed one exam"),
    ],
)  # fmt: skip
def test_plain_words_that_are_certain_to_mean_a_facet(text: str, conditions: list[str], rest: str) -> None:
    found, left = CAT.facets.understood(text)
    assert sorted(str(c) for c, _ in found) == sorted(conditions)
    assert all(words in text for _, words in found)
    assert left == rest


def test_a_catalog_of_another_field_has_the_facets_that_it_declares() -> None:
    knots = catalog.load(Path(catalog.__file__).parent / "starter")
    assert {"ropes", "used_in"} <= set(knots.facets.names)
    assert "likelihood" not in knots.facets.names
    assert "two of unequal thickness" in declared(knots)["ropes"]
    assert [knots.ids[i] for i in positions(knots.facets.matching("ropes = two of unequal thickness"))] == [
        e.id for e in knots if "two of unequal thickness" in values_of(e)["ropes"]
    ]
    with pytest.raises(BadQuestion, match="unknown facet 'likelihood'; facets are family, "):
        knots.facets.matching(likelihood="exact")


def test_the_list_takes_any_facet(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_PATTERNS", str(small))
    run = lambda *words: CliRunner().invoke(cli, ["list", *words])
    entries = lambda *words: [e["id"] for e in json.loads(run(*words, "--json").stdout)["entries"]]
    assert entries("--where", "year>=2013", "--family", "latent_variable") == ["vae", "beta_vae"]
    assert entries("--where", "year=..2006") == ["autoencoder"]
    result = run("--where", "yeer=2013")
    assert result.exit_code == 2
    assert "unknown facet 'yeer'; did you mean 'year'?" in result.stderr
    assert run("--where", "data=audio").stdout.count("\n") == 1
