"""Entries for tests: one that is ordinary, one whose every word is hostile."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from catalog import strict_yaml
from catalog.schema import Entry

HOSTILE = (
    "<script>window.pwned=1</script><img src=x onerror=window.pwned=2> [go](javascript:window.pwned=3) "
    "![p](javascript:window.pwned=4) <a href='data:text/html,x'>d</a> {: onclick=window.pwned=5 } &lt;b&gt; "
    "--8<-- 'pyproject.toml' {{patterns}} `<i>` $\\text{a} < b$ </div></svg> ]]> {.md-button} :::catalog.load"
)
"""Everything that has ever run in somebody's Markdown, in one line."""
FORMULA = r"\text{</textarea><script>window.pwned=11</script><img src=x onerror=window.pwned=12>} < -->]]>"
WORD = '"&lt;script&gt;'
ADDRESS = "https://example.org/'onmouseover='window.pwned=13'{{patterns}}](javascript:window.pwned=14)"
DOI = '10.1000/"><script>window.pwned=15</script>{:onclick=window.pwned=16}'
"""The same for places that take formulas, single words, addresses and identifiers of publications."""


def data(id: str, family: str, target: str, text: str, name: str | None = None) -> dict[str, Any]:
    """An entry as YAML holds it, with `text` in every field that takes prose."""
    short = text[:150]
    return {
        "id": id, "name": name or short, "aliases": [f"{short[:120]} alias"], "family": family, "kind": "architecture",
        "year": 2020, "status": "established", "difficulty": 3, "tags": ["memory"], "summary": short,
        "intent": text, "problem": text, "context": text, "forces": [text],
        "solution": f"{text}\n\n$$\na < b\n- c\n$$\n\n    {text}\n\n# {text}",
        "structure": [
            {"name": short, "role": short, "in": [short], "out": ["a", f"{text[:140]} out"]},
            {"name": "second", "role": "r", "in": ["a", "c"], "out": ["b"]},
            {"name": "third", "role": "r", "in": ["a", "b"], "out": ["c"]},
        ],
        "consequences": {"benefits": [text], "liabilities": [text]},
        "use_when": [text], "avoid_when": [text], "known_uses": [text],
        "objective": rf"\min_\theta \mathbb{{E}}\left[ x < y \right] {FORMULA if text == HOSTILE else ''}",
        "symbols": [
            {"symbol": r"\theta", "meaning": short, "code": "energy"},
            {"symbol": FORMULA if text == HOSTILE else "x", "meaning": short, "code": short},
        ],
        "facets": {
            "likelihood": "exact", "latent": "none", "data": ["image"], "sampling": "one_pass", "nfe": short,
            "training": "likelihood", "conditioning": [], "needs_pretrained": False,
            "cost": {"train": short, "sample": short},
        },
        "failure_modes": [{"id": "collapse", "symptom": text, "detect": text, "remedy": text, "claim": "c"}],
        "misconceptions": [{"claim": text, "correction": text, "source": "s", "shown_by": "c"}],
        "implementation": {
            "reference": "reference_impl.energy.hopfield_network:Hopfield", "fidelity": "toy", "deviations": [text],
            "conformance": [{"library": short, "what": short, "test": "tests/site/sample.py::test_nothing"}],
        },
        "slots": [{"name": short, "needs": [{"takes": ["data"], "gives": ["codes"]}]}],
        "claims": [
            {"id": "c", "kind": "exact", "statement": text, "source": {"key": "s", "where": short}, "budget_s": 1,
             "measures": {"gap": {"what": short, "unit": short, "baseline": short, "at_most": 0.5}}},
            {"id": "unmeasured", "kind": "limit", "statement": "Nobody ran this.", "budget_s": 1,
             "source": {"key": "s", "where": "here"},
             "measures": {"gap": {"what": "gap", "unit": "1", "at_most": 0.5}}},
        ],
        "sources": [
            {"key": "s", "authors": short, "title": short, "year": 2020, "venue": short,
             "arxiv": "1312.6114", "role": "introduces"},
            {"key": "t", "authors": short, "title": short, "year": 2021, "venue": short,
             "doi": DOI, "url": ADDRESS, "role": "code"},
        ],
        "relations": [{"type": "alternative_to", "target": target, "why": text, "when": short}],
    }  # fmt: skip


def entry(text: str = "Plain words with $x^2$.", **changes: Any) -> Entry:
    return Entry.model_validate({**data("sample", "energy", "other", text, name="Sample"), **changes})


def record(value: float, **more: Any) -> dict[str, Any]:
    """evidence.json's record of the claim `c`."""
    return {
        "digest": "0" * 16, "measures": {"gap": {"value": value, "baseline": 2.0}}, "seconds": 1.5, "device": "cpu",
        "versions": {"torch": "2"}, "date": "2026-01-02", **more,
    }  # fmt: skip


HOSTILE_FIGURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"'
    ' onload="window.pwned=6">'
    "<script>window.pwned=7</script><style>*{display:none}</style>"
    "<foreignObject><body onload='window.pwned=8'/></foreignObject>"
    '<a xlink:href="javascript:window.pwned=9"><text>x</text></a><image xlink:href="https://example.org/x.png"/>'
    '<rect id="r" width="9" height="9" fill="currentColor" onclick="window.pwned=10"/><use xlink:href="#r"/></svg>'
)


def decision(text: str) -> dict[str, Any]:
    """A decision of decisions.yaml."""
    short = text[:150]
    option = {"pattern": "hostile", "why": text, "claim": "c"}
    return {"id": "hostile", "problem": short, "said": [short], "forces": [text], "options": [option]}


def synonym(text: str) -> dict[str, Any]:
    """A line of synonyms.yaml."""
    return {"said": [text[:150]], "meant": [text[:150]]}


def lessons(text: str, first: str, claim: str = "c") -> dict[str, list[dict[str, Any]]]:
    """What learn.yaml may say: a way from an entry and its claim to the hostile one, an exercise, a term."""
    short = text[:150]
    steps = [
        {"pattern": first, "new": text, "claim": claim, "exercise": "hostile"},
        {"pattern": "hostile", "after": first, "by": "alternative_to", "new": text, "claim": "c"},
    ]
    exercise = {
        "id": "hostile", "title": short, "question": text, "hint": text, "answer": f"{text} 3", "results": ["3"],
        "check": f"result = 3  # {text}", "patterns": ["hostile"],
    }  # fmt: skip
    term = {"id": "hostile", "name": short, "said": [f"{short[:100]} said"], "meaning": text, "patterns": ["hostile"]}
    return {
        "paths": [{"id": "hostile", "title": short, "about": text, "steps": steps}],
        "exercises": [exercise],
        "terms": [term],
    }


def about(text: str) -> dict[str, Any]:
    """catalog.yaml of a catalog with words of its own."""
    short = text[:150]
    return {
        "name": short,
        "families": {"one": short, "two": short},
        "relations": {"alternative_to": None, "beside": {"rule": short, "symmetric": True}},
        "facets": {"ropes": {"one_of": [WORD, "plain"]}, "uses": {"some_of": [WORD, "plain"]}},
    }


def figures(text: str) -> list[dict[str, str]]:
    """What evidence.json says of pictures."""
    return [
        {"file": "hero.svg", "caption": text, "alt": text},
        {"file": "second.svg", "caption": text, "alt": text},
        {"file": "words.txt", "caption": text, "alt": text},
    ]


def write_hostile(patterns: Path, family: str, target: str) -> str:
    """Add the hostile entry with evidence and figures, and what files beside the folders say of it; returns its id."""
    folder = patterns / family / "hostile"
    folder.mkdir(parents=True)
    text = json.dumps(data("hostile", family, target, HOSTILE))  # JSON is YAML
    folder.with_suffix(".yaml").write_text(text, encoding="utf-8")
    measured = record(0.75, figures=figures(HOSTILE), device=HOSTILE, versions={"torch": HOSTILE})
    evidence = {"schema": 1, "claims": {"c": measured}}
    (folder / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")
    (folder / "hero.svg").write_text(HOSTILE_FIGURE, encoding="utf-8")
    (folder / "second.svg").write_text(HOSTILE_FIGURE, encoding="utf-8")
    (folder / "words.txt").write_text(f"{HOSTILE}\n\n</pre>{HOSTILE}", encoding="utf-8")
    claim = strict_yaml.read(patterns / family / f"{target}.yaml", target).value["claims"][0]["id"]
    taught = lessons(HOSTILE, target, claim)
    more = {"decisions.yaml": {"decisions": [decision(HOSTILE)]}, "synonyms.yaml": {"synonyms": [synonym(HOSTILE)]}}
    for name, parts in {**more, "learn.yaml": taught}.items():
        said = strict_yaml.read(patterns / name, name).value
        (patterns / name).write_text(json.dumps({k: [*said[k], *parts[k]] for k in said}), encoding="utf-8")
    return "hostile"


RUNS = frozenset({"script", "iframe", "object", "embed", "style", "img", "foreignobject", "body"})


class _Tags(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def harmless(html: str, ours: frozenset[str] = frozenset()) -> None:
    """Fail where the HTML holds an element, a handler or an address that could run something; `ours` may occur."""
    for tag, attrs in _Tags(html).found:
        assert tag in ours or tag not in RUNS, tag
        assert not [a for a in attrs if a.startswith("on")], attrs
        for name in ("href", "src", "xlink:href"):
            address = attrs.get(name) or ""
            assert not re.match(r"\s*(javascript:|vbscript:|data:(?!image/(png|webp|jpeg);))", address, re.I), attrs
