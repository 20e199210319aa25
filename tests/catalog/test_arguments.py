"""Arguments of the wrong kind, names mistyped, texts that nobody would type: the answer says what is right, and soon."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

import catalog
from catalog.catalog import Catalog
from catalog.errors import BadQuestion, UnknownPattern


@pytest.fixture(scope="module")
def real() -> Catalog:
    return catalog.load(Path(__file__).parents[2] / "patterns")


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("get", {"name": None}, "the name of a pattern is a text, such as 'vae', not None"),
    ("get", {"name": ["vae"]}, r"not \['vae'\]"),
    ("related", {"name": "vae", "types": 3}, "a relation is a text, such as 'builds_on', or several, not 3"),
    ("related", {"name": "vae", "types": [None]}, "a relation is a text"),
    ("related", {"name": "vae", "depth": "2"}, "depth is a whole number, such as 3, not '2'"),
    ("related", {"name": "vae", "depth": 1.5}, "depth is a whole number"),
    ("related", {"name": "vae", "limit": True}, "limit is a whole number"),
    ("path", {"a": "vae", "b": 3}, "the name of a pattern"),
    ("lineage", {"name": "vae", "depth": []}, "depth is a whole number"),
    ("learning_path", {"target": "gpt", "known": 3}, "what is known is a text"),
    ("learning_path", {"target": "gpt", "limit": None}, "limit is a whole number"),
    ("alternatives", {"name": "vae", "where": 3}, "a condition is a text, such as 'likelihood=exact', or several"),
    ("alternatives", {"name": "vae", "where": [{}]}, "a condition is a text"),
    ("alternatives", {"name": "vae", "likelihood": object}, "likelihood takes a value or several"),
    ("alternatives", {"name": "vae", "likelihod": None}, "unknown facet 'likelihod'; did you mean 'likelihood'"),
    ("compare", {"ids": 3}, "a pattern is a text, such as 'vae', or several, not 3"),
    ("compare", {"ids": [{}, "vae"]}, r"a pattern is a text, such as 'vae', not \{\}"),
    ("compose", {"ids": [1, 2]}, "a pattern is a text"),
    ("recommend", {"text": ["a"]}, "a problem is a text"),
    ("recommend", {"text": "x", "limit": "3"}, "limit is a whole number"),
    ("explain", {"a": "vae", "b": None}, "the name of a pattern"),
    ("diff", {"a": "vae", "b": None}, "the name of a pattern"),
    ("claims", {"text": 3}, "text is a text"),
    ("claims", {"pattern": ["vae", None]}, "a pattern is a text"),
    ("claims", {"unit": 3}, "a unit is a text, such as 'nats'"),
    ("search", {"text": None}, "what is looked for is a text, such as 'mode collapse', not None"),
    ("search", {"text": "vae", "limit": 0}, "limit 0; it is at least 1"),
    ("search", {"text": "vae", "limit": -1}, "limit -1; it is at least 1"),
    ("fixes", {"text": 3}, "what goes wrong is a text"),
    ("fixes", {"text": "mode collapse", "limit": -1}, "limit -1; it is at least 1"),
    ("ask", {"question": None}, "a question is a text"),
    ("source", {"name": b"vae"}, "the name of a pattern is a text, such as 'vae', not b'vae'"),
    ("export", {"format": None}, "a format is a text, such as 'graphml'"),
    ("export", {"format": "dot", "ids": 3}, "a pattern is a text"),
    ("export", {"format": "dot", "family": []}, "a family is a text"),
]


@pytest.mark.parametrize(("verb", "arguments", "message"), WRONG)
def test_a_wrong_kind_of_argument_is_answered_with_the_right_one(
    real: Catalog, verb: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadQuestion, match=message):
        getattr(real, verb)(**arguments)


def test_nothing_known_and_no_facet_are_as_if_they_were_not_said(real: Catalog) -> None:
    assert real.learning_path("gpt", known=None).ids == real.learning_path("gpt").ids  # type: ignore[arg-type]
    assert real.alternatives("vae", likelihood=None).ids == real.alternatives("vae").ids


@pytest.mark.parametrize(
    ("said", "near"), [("vea", "vae"), ("gna", "gan"), ("transfomer", "transformer"), ("bertt", "bert")]
)
def test_names_that_may_be_mistyped_stand_before_those_that_resemble(real: Catalog, said: str, near: str) -> None:
    with pytest.raises(UnknownPattern) as caught:
        real.get(said)
    assert caught.value.near[0] == near


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["a" * 100_000, "my gan " * 3_000, "ab-" * 20_000, "what fixes " * 3_000])
def test_what_nobody_would_type_is_answered_soon(real: Catalog, text: str) -> None:
    for verb in (real.search, real.recommend, real.fixes, real.ask):
        with contextlib.suppress(BadQuestion):
            verb(text)
