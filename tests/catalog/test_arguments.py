"""Arguments of the wrong kind, mistyped names, texts that nobody would type: the answer says what is right."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import catalog
from catalog.catalog import Catalog
from catalog.cli import cli
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


@pytest.mark.timeout(60)  # a second; it was minutes
@pytest.mark.parametrize("text", ["a" * 100_000, "my gan " * 3_000, "ab-" * 20_000, "what fixes " * 3_000])
def test_what_nobody_would_type_is_answered_soon(real: Catalog, text: str) -> None:
    for verb in (real.search, real.recommend, real.fixes, real.ask):
        with contextlib.suppress(BadQuestion):
            verb(text)


def test_an_entry_is_shown_in_one_line(real: Catalog) -> None:
    assert repr(real["vae"]) == "<Entry vae: Variational Autoencoder (latent_variable, 2013)>" == str(real["vae"])


def test_lists_of_entries_know_their_ids(real: Catalog) -> None:
    hits, related = real.search("mode collapse"), real.related("vae")
    assert hits.ids == [h.id for h in hits]
    assert len(related.ids) == len(set(related.ids)) < len(related)


def test_a_notebook_shows_the_whole_answer(real: Catalog) -> None:
    compared = real.compare(["vae", "gan"])
    assert "Measured against each other" in compared._repr_html_()
    reply = real.ask("samples all look the same")
    assert reply._repr_html_().startswith("<pre>cat.recommend(text=")
    why = reply.answer.rows()[0]["why"]
    assert len(why) > 1
    assert f"{escape(why[0])}<br>" in reply._repr_html_()  # sentences are no way, such as `vae > beta_vae`


@pytest.mark.parametrize("verb", ["source", "diff"])
def test_code_keeps_its_lines_in_a_notebook(real: Catalog, verb: str) -> None:
    found = real.source("vae") if verb == "source" else real.diff("vae", "beta_vae")
    assert "\n" + " " * 6 in found._repr_html_().removeprefix("<pre>")


def test_a_verb_that_is_asked_of_the_package_says_of_what_to_ask_it() -> None:
    with pytest.raises(AttributeError, match=r"cat = catalog\.load\(\), then cat\.related"):
        catalog.related  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        catalog.lod  # type: ignore[attr-defined]  # noqa: B018


def test_list_takes_conditions_as_they_are() -> None:
    runner = CliRunner()
    listed = json.loads(runner.invoke(cli, ["list", "likelihood=exact", "year>=2016", "--json"]).output)["entries"]
    assert {"realnvp"} <= {e["id"] for e in listed}
    assert all(e["year"] >= 2016 for e in listed)
    wrong = runner.invoke(cli, ["list", "likelihod=exact"])
    assert wrong.exit_code == 2
    assert "did you mean 'likelihood'?" in wrong.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_a_line_and_no_traceback() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "catalog", "related", "vae"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "Error: the output could not be written: No space left on device\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("réseau antagoniste génératif", "gan"),
        ("redes neuronales antagónicas generativas", "gan"),
        ("generatief netwerk", "gan"),
        ("autoencodeur variationnel", "vae"),
        ("modelos de difusión", "ddpm"),
        ("Aufmerksamkeit im Netz", "attention_seq2seq"),
    ],
)
def test_words_of_the_field_in_other_languages_are_understood(real: Catalog, text: str, expected: str) -> None:
    assert expected in real.search(text).ids[:5]


@pytest.mark.parametrize("columns", [60, 140])
def test_lines_are_as_long_as_the_terminal_and_no_longer_than_a_hundred(
    real: Catalog, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    asked = [real.path("vae", "gan"), real.explain("vae", "gan"), real.recommend("posterior collapse")]
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert max(len(line) for a in asked for line in str(a).split("\n")) in range(95, 101)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert max(len(line) for a in asked for line in str(a).split("\n")) in range(55, min(columns, 100) + 1)
