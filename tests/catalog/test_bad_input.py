"""Whatever is in a file, the answer is a line that says where, what and how to mend it; never a traceback."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import catalog
from catalog import strict_yaml
from catalog.errors import CatalogError, Problem
from catalog.loader import read

Entry = dict[str, Any]
LINE = re.compile(r"^(?P<file>\S+):(?P<line>\d+):(?P<column>\d+): (?P<what>.+?); (?P<fix>.+)$", re.S)


def problems_of(root: Path) -> list[Problem]:
    with pytest.raises(CatalogError) as caught:
        catalog.load(root)
    assert isinstance(caught.value, ValueError)
    lines = [str(p) for p in caught.value.problems]
    assert str(caught.value) == "\n".join(lines)
    for line in lines:
        assert LINE.match(line), line
    return caught.value.problems


def put(*path: str | int, value: Any) -> Callable[[Entry], None]:
    """A change that puts a value at a path."""

    def change(entry: Entry) -> None:
        at: Any = entry
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[Entry], None]:
    """A change that takes out what is at a path."""

    def change(entry: Entry) -> None:
        at: Any = entry
        for part in path[:-1]:
            at = at[part]
        del at[path[-1]]

    return change


def claim(kind: str) -> Callable[[Entry], None]:
    return lambda e: e["claims"].append({**copy.deepcopy(e["claims"][0]), "id": "another", "kind": kind})


def tell(type: str, target: str = "autoencoder", **more: Any) -> Callable[[Entry], None]:
    return lambda e: e["relations"].append({"type": type, "target": target, "why": "Because.", **more})


FIELDS: dict[str, tuple[Callable[[Entry], None], str]] = {
    "missing field": (drop("summary"), r"summary is missing; add `summary: ...` \(What it is"),
    "missing deep inside": (drop("facets", "cost", "train"), r"facets\.cost\.train is missing; add"),
    "unknown field": (put("sumary", value="x"), r"unknown field 'sumary'; did you mean 'summary'\?"),
    "unknown field without a like": (put("qqqq", value="x"), r"unknown field 'qqqq'; allowed are id, name"),
    "unknown field inside": (put("claims", 0, "budget", value=3), r"claims\[0\]\.budget: .*did you mean 'budget_s'\?"),
    "unknown alias": (put("structure", 0, "takes", value=["x"]), r"structure\[0\]\.takes: unknown field"),
    "number for text": (put("name", value=3), r'name: found the number 3, expected text; put quotes round it: "3"'),
    "number for an arXiv id": (put("sources", 0, "arxiv", value=1710.10190), r"arxiv: found the number .*put quotes"),
    "text for a number": (put("year", value="2013"), r"year: found the text '2013', expected a whole number"),
    "fraction for a whole number": (put("difficulty", value=2.5), r"difficulty: found the number 2.5"),
    "text for a truth value": (put("facets", "needs_pretrained", value="yes"), r"found the text 'yes'.*true or false"),
    "number for a truth value": (put("facets", "needs_pretrained", value=1), r"found the number 1.*true or false"),
    "truth value for a number": (put("claims", 0, "budget_s", value=True), r"found the truth value true"),
    "list for text": (put("intent", value=["a"]), r"intent: found a list, expected text"),
    "text for a list": (put("forces", value="one"), r"forces: found the text 'one', expected a list; write its items"),
    "text for a mapping": (put("facets", value="none"), r"facets: found the text 'none', expected a mapping"),
    "list for a mapping": (put("claims", 0, "measures", value=[1]), r"claims\[0\]\.measures: found a list"),
    "nothing for text": (put("problem", value=None), r"problem: found nothing, expected text; fill it in"),
    "blank text": (put("problem", value="  "), r"problem: found the text '  '; write some text"),
    "empty list": (put("use_when", value=[]), r"use_when has 0 items; at least 1"),
    "no claims": (put("claims", value=[]), r"claims has 0 items; at least 1"),
    "too long": (put("summary", value="x" * 161), r"summary has 161 characters; at most 160; shorten it"),
    "two lines where one is allowed": (put("summary", value="a\nb"), r"summary: .*write it on one line"),
    "difficulty out of range": (
        put("difficulty", value=6),
        r"difficulty: found the number 6; .*less than or equal to 5",
    ),
    "year out of range": (put("year", value=1492), r"year: found the number 1492; .*greater than or equal to 1900"),
    "infinite bar": (
        put("claims", 0, "measures", "gap", "at_most", value="1e999"),
        r"expected a number; write a finite",
    ),
    "budget of nothing": (put("claims", 0, "budget_s", value=0), r"budget_s: found the number 0; .*greater than 0"),
    "unknown choice": (put("status", value="establishd"), r"status: .*allowed are .*did you mean 'established'\?"),
    "unknown choice without a like": (put("kind", value="zzz"), r"kind: .*allowed are architecture.*take one of these"),
    "choice in a list": (put("facets", "data", value=["vektor"]), r"facets\.data\[0\]: .*did you mean 'vector'\?"),
    "id not in snake case": (
        put("claims", 0, "id", value="Exact-Claim"),
        r"claims\[0\]\.id: .*did you mean 'exact_claim'",
    ),
    "measure's name": (
        put("claims", 0, "measures", value={"My Gap": {"what": "a", "unit": "1", "at_most": 1}}),
        r"'my_gap'",
    ),
    "arXiv address": (put("sources", 0, "arxiv", value="arXiv:1312.6114"), r"arxiv: .*such as 1312\.6114"),
    "DOI address": (put("sources", 0, "doi", value="https://doi.org/10.1/x"), r"doi: .*such as 10\."),
    "script address": (put("sources", 0, "url", value="javascript:alert(1)"), r"url: .*begins with https://"),
    "reference without class": (put("implementation", "reference", value="a.b"), r"reference: .*write module:Class"),
    "interval of three": (
        put("claims", 0, "measures", "gap", "between", value=[1, 2, 3]),
        r"between has 3 items; at most 2",
    ),
    "no bar": (drop("claims", 0, "measures", "gap", "at_most"), r"measures\.gap: no bar; give one of at_most"),
    "bar without baseline": (
        put("claims", 0, "measures", "gap", "of_baseline_at_most", value=1),
        r"no `baseline`; say",
    ),
    "source nowhere": (drop("sources", 0, "arxiv"), r"sources\[0\]: a reader cannot find this source; give arxiv"),
    "claim twice": (
        lambda e: e["claims"].append(e["claims"][0]),
        r"claims\[3\]\.id: the claim 'exact_claim' is given twice",
    ),
    "alias twice": (put("aliases", value=["VAE", "vae"]), r"aliases\[1\]: the alias 'vae' is given twice"),
    "unknown source": (
        put("claims", 1, "source", "key", value="x2"),
        r"claims\[1\]\.source\.key: no source 'x2'.*known: first",
    ),
    "unknown claim shows failure": (
        put("failure_modes", 0, "claim", value="no"),
        r"failure_modes\[0\]\.claim: no claim 'no'",
    ),
    "unknown pattern remedies": (put("failure_modes", 0, "pattern", value="autoencodr"), r"mean 'autoencoder'\?"),
    "id unlike the file": (put("id", value="wae"), r"id: found 'wae' in the file vae\.yaml; write 'vae'"),
    "unknown family": (
        put("family", value="latent_variabel"),
        r"family: unknown family .*did you mean 'latent_variable'",
    ),
    "family unlike the folder": (put("family", value="flow"), r"family: found 'flow' in the folder .*move the file"),
    "alias of another": (put("aliases", value=["Auto-Encoders"]), r"'Auto-Encoders' is also a name of autoencoder"),
    "dangling target": (
        tell("builds_on", "autoencodr"),
        r"target: no entry 'autoencodr'; did you mean 'autoencoder'\?",
    ),
    "related to itself": (tell("specializes", "vae"), r"relations\[0\]: vae is related to itself"),
    "unknown relation": (tell("is_like"), r"relations\[0\]\.type: found the text 'is_like'; allowed are specializes"),
    "relation without reason": (
        lambda e: (tell("serves")(e), e["relations"][0].pop("why")),
        r"relations\[0\]\.why is missing",
    ),
    "reduces without condition": (tell("reduces_to", claim="exact_claim"), r"'reduces_to' needs `when`; add it"),
    "reduces without claim": (tell("reduces_to", when="x"), r"'reduces_to' needs `claim`; add it"),
    "equivalent without both": (tell("equivalent_to"), r"needs `claim`.*\n.*needs `when`"),
    "remedies nothing": (tell("remedies", claim="exact_claim"), r"'remedies' needs `fixes`"),
    "remedies what is not there": (
        tell("remedies", fixes="colapse", claim="exact_claim"),
        r"did you mean 'collapse'\?",
    ),
    "unknown proof": (tell("reduces_to", when="x", claim="nope"), r"relations\[0\]\.claim: no claim 'nope'"),
    "reduces by an analytic claim": (
        tell("reduces_to", when="x", claim="analytic_claim"),
        r"of kind exact; .*'analytic'",
    ),
    "equivalent by a comparison": (
        tell("equivalent_to", when="x", claim="comparative_claim"),
        r"of kind exact or analytic; .*'comparative'",
    ),
    "remedies by a limit": (
        lambda e: (claim("limit")(e), tell("remedies", fixes="collapse", claim="another")(e)),
        r"'another' is 'limit'",
    ),
    "builds on what is younger": (
        lambda e: (put("year", value=1999)(e), tell("builds_on")(e)),
        r"vae \(1999\) builds on autoencoder \(2006\)",
    ),
    "twice": (
        lambda e: (tell("serves")(e), tell("serves")(e)),
        r"relations\[1\]: serves .* is stated in vae already; keep",
    ),
    "from both sides": (tell("alternative_to"), r"alternative_to between .*; this type reads the same from both sides"),
    "a circle": (tell("specializes"), r"specializes goes round in a circle: autoencoder -> vae -> autoencoder"),
}
"""A change to the entry `vae`, and what must be said about it. `autoencoder` specializes it and is an alternative."""


@pytest.fixture
def others(make: Any, related: Any) -> Entry:
    """The autoencoder of the two entries; it states two relations to the vae."""
    return make("autoencoder", year=2006, relations=[related("alternative_to", "vae"), related("specializes", "vae")])


@pytest.mark.parametrize("case", FIELDS)
def test_a_broken_entry_gets_a_line_with_its_place_and_a_remedy(
    case: str, folder: Any, make: Any, others: Entry
) -> None:
    change, said = FIELDS[case]
    vae = make("vae")
    change(vae)
    folder.text("catalog.yaml", "name: Test\nfamilies:\n  latent_variable: Latent\n  flow: Flows\n").write(others)
    path = folder.put("latent_variable/vae.yaml", vae)
    found = problems_of(folder.root)
    assert re.search(said, "\n".join(map(str, found))), found
    text = path.read_text().splitlines()
    assert all(1 <= p.line <= len(text) for p in found if p.file == str(path))


BOMB = "a: &a [1, 1]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
"""Nine levels, each nine times the one before: a billion leaves for a reader that follows aliases."""

FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", r"is empty; write an entry"),
    "comments only": ("# nothing\n", r"is empty"),
    "null": ("~\n", r"holds nothing, where the fields of entry are expected; begin with `id: ...`"),
    "just a marker": ("---\n", r"holds nothing"),
    "a list at the top": ("- id: vae\n", r"holds a list"),
    "text at the top": ("vae\n", r"holds the text 'vae'"),
    "binary": (bytes(range(256)) * 4, r"byte 0x80 is not UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", r":1:1: byte 0x89 is not UTF-8 text; save the file as UTF-8"),
    "latin-1": ("id: vae\nname: Bézier\n".encode("latin-1"), r":2:8: byte 0xe9 is not UTF-8"),
    "UTF-16": ("id: vae\n".encode("utf-16"), r"not UTF-8"),
    "NUL": ("id: vae\nname: a\0b\n", r":2:8: character U\+0000, which cannot be seen; take it out"),
    "escape": ("id: vae\nname: \x1b[31m\n", r"character U\+001B"),
    "right-to-left override": ("id: \u202evae\n", r"character U\+202E"),
    "line separator": ("id: vae\u2028name: x\n", r"character U\+2028"),
    "byte order mark": ("\ufeffid: vae\n", r"begins with a byte order mark; save it as UTF-8 without"),
    "tabs": ("id: vae\nfacets:\n\tlatent: none\n", r":3:1: not valid YAML: .*; indent with spaces, not tabs"),
    "unclosed quote": ('id: "vae\n', r"not valid YAML: .*; check"),
    "unclosed bracket": ("aliases: [a, b\nid: vae\n", r"not valid YAML"),
    "colon in a value": ("summary: This: that\n", r"put quotes round a value that holds ': '"),
    "star at the front": ("summary: *bold* claim\n", r"the alias \*bold\* is not|not valid YAML"),
    "percent at the front": ("summary: %d items\n", r"not valid YAML: .*put quotes round text that starts with"),
    "duplicate key": ("id: vae\nid: vae\n", r":2:1: the key 'id' is given twice; it stands on line 1 already"),
    "duplicate key deep": ("facets:\n  nfe: '1'\n  nfe: '2'\n", r":3:3: the key 'nfe' is given twice"),
    "anchor": ("id: &x vae\n", r"the anchor &x is not allowed; take it out"),
    "alias": ("id: &x vae\nname: *x\n", r":2:7: the alias \*x is not allowed; write the value out"),
    "alias of nothing": ("id: *nothing\n", r"the alias \*nothing is not allowed"),
    "tag": ("id: !!python/object/apply:os.system ['true']\n", r"the tag .* is not allowed"),
    "own tag": ("id: !secret vae\n", r"the tag '!secret' is not allowed"),
    "merge key": ("facets:\n  <<: {nfe: '1'}\n", r":2:3: the merge key << is not allowed; write the keys out"),
    "key that is a list": ("? [a, b]\n: c\n", r"a key must be plain text"),
    "two documents": ("id: vae\n---\nid: gan\n", r":2:1: a second YAML document begins here"),
    "deep": ("id: " + "[" * 100 + "]" * 100 + "\n", r"is nested deeper than 32 levels"),
    "bomb": (BOMB, r"the alias \*a is not allowed"),
    "number-like version": (
        "sources:\n- arxiv: 1710.10190\n",
        r'found the number 1710\.1019.*put quotes round it: "1710\.10190"',
    ),
    "date": ("year: 2013-12-20\n", r"year: found the text '2013-12-20', expected a whole number"),
    "yes": ("facets:\n  needs_pretrained: yes\n", r"found the text 'yes', expected true or false"),
    "no": ("name: no\nfacets:\n  needs_pretrained: no\n", r"found the text 'no', expected true or false"),
    "comma in a flow mapping": (
        "structure:\n- {name: a, b c, role: x, in: [], out: []}\n",
        r"'b c'; put quotes round text in",
    ),
    "many mistakes": ("&a x:\n" * 200, r"has an anchor or a tag"),
}
"""The content of a file, and what must be said about it."""


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_entry_gets_a_line(case: str, folder: Any) -> None:
    content, said = FILES[case]
    found = problems_of(folder.text("latent_variable/vae.yaml", content).root)
    assert re.search(said, "\n".join(map(str, found))), found
    assert all(p.file.endswith("latent_variable/vae.yaml") for p in found)


def test_there_are_at_least_fifty_broken_entries() -> None:
    assert len(FIELDS) + len(FILES) >= 50


def test_crlf_and_unicode_are_fine(folder: Any, small: Path) -> None:
    path = small / "latent_variable" / "vae.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert catalog.load(small)["vae"].name == "Variational Autoencoder"
    assert catalog.load(small)["beta_vae"].aliases == ["β-VAE"]


def test_an_enormous_file_is_refused_by_its_size(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder.text("latent_variable/vae.yaml", "").root / "latent_variable" / "vae.yaml"
    with open(path, "wb") as f:
        f.truncate(50_000_000)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read"))
    (found,) = problems_of(folder.root)
    assert "has 50,000,000 bytes; at most 1,000,000 are read" in str(found)


def test_a_long_text_below_the_limit_is_judged_by_the_schema(folder: Any, make: Any) -> None:
    found = problems_of(folder.write(make("vae", summary="x" * 900_000)).root)
    assert [p.message for p in found] == ["summary has 900000 characters; at most 160"]


def test_things_that_are_no_files(folder: Any, small: Path) -> None:
    (small / "latent_variable" / "x.yaml").mkdir()
    (small / "latent_variable" / "loop.yaml").symlink_to("loop.yaml")
    (small / "latent_variable" / "gone.yaml").symlink_to("nowhere")
    (small / "around").symlink_to(small)
    os.mkfifo(small / "latent_variable" / "pipe.yaml")
    said = "\n".join(map(str, problems_of(small)))
    assert re.search(r"x\.yaml:1:1: is a directory", said)
    assert re.search(r"loop\.yaml:1:1: cannot be read: Too many levels of symbolic links", said)
    assert re.search(r"gone\.yaml:1:1: cannot be read: No such file", said)
    assert re.search(r"around:1:1: is a link to a folder, which is not followed", said)
    assert re.search(r"pipe\.yaml:1:1: is not a regular file", said)


def test_an_unreadable_file(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", denied)
    found = problems_of(small)
    assert len(found) == 4
    assert all("cannot be read: Permission denied; check" in str(p) for p in found)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vae.yaml", r"lies outside of a family's folder; move it to"),
        ("flow/deep/x.yaml", r"lies outside of a family's folder"),
        ("flow/x.yml", r"does not end in \.yaml; rename it to x\.yaml"),
        ("flow/x.YAML", r"does not end in \.yaml"),
    ],
)
def test_yaml_elsewhere_is_not_left_out_silently(name: str, said: str, small: Path, folder: Any) -> None:
    folder.text(name, "id: x\n")
    assert re.search(said, str(problems_of(small)[0]))


def test_no_folder_and_no_entries(tmp_path: Path, small: Path) -> None:
    assert "there is no such folder" in str(problems_of(tmp_path / "nowhere")[0])
    assert "is a file, not a folder" in str(problems_of(small / "latent_variable" / "vae.yaml")[0])
    (tmp_path / "empty").mkdir()
    assert "there is no entry here" in str(problems_of(tmp_path / "empty")[0])


def test_one_id_in_two_families(folder: Any, make: Any) -> None:
    said = "\n".join(map(str, problems_of(folder.write(make("vae"), make("vae", "flow")).root)))
    assert re.search(r"'vae' is the id of \S+/flow/vae\.yaml too; give one of them another id", said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: Test\n", r"families is missing"),
        ("name: Test\nfamilies:\n  Latent: x\n", r"families\.Latent"),
        ("name: Test\nfamilies:\n  flow: Flows\n", r"its folder 'latent_variable' is not a family"),
        ("families: [\n", r"catalog\.yaml:\d+:\d+: not valid YAML"),
    ],
)
def test_a_broken_catalog_yaml(text: str, said: str, small: Path, folder: Any) -> None:
    folder.text("catalog.yaml", text)
    assert re.search(said, "\n".join(map(str, problems_of(small))))


DECISIONS: dict[str, tuple[str, str]] = {
    "no such entry": ("{pattern: autoencodr, why: W, claim: exact_claim}", r"no entry 'autoencodr'; did you mean"),
    "no such claim": (
        "{pattern: autoencoder, why: W, claim: exact_clam}",
        r"no claim 'exact_clam'; did you mean 'exact_claim'",
    ),
    "no such source": (
        "{pattern: autoencoder, why: W, source: x}",
        r"no source 'x'; sources of autoencoder are first2013",
    ),
    "nothing justifies it": (
        "{pattern: autoencoder, why: W}",
        r"nothing justifies this option; name a claim or a source",
    ),
    "unknown field": ("{pattern: autoencoder, because: W, claim: exact_claim}", r"unknown field 'because'"),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_a_broken_decision(case: str, small: Path, folder: Any) -> None:
    option, said = DECISIONS[case]
    good = "{pattern: autoencoder, why: W, claim: exact_claim}"
    text = "decisions:\n  - {id: d, problem: P, forces: [F], options: [%s]}\n"
    folder.text("decisions.yaml", text % good)
    assert [o.pattern for d in catalog.load(small).decisions for o in d.options] == ["autoencoder"]
    folder.text("decisions.yaml", text % f"{good}, {option}")
    assert any(re.search(said, str(p)) for p in problems_of(small))
    folder.text("decisions.yaml", text % good + text.removeprefix("decisions:\n") % good)
    assert re.search(r"decision 'd' is given twice; rename one", str(problems_of(small)[0]))


def test_all_problems_of_all_files_come_in_one_run(folder: Any, make: Any, related: Any) -> None:
    first = make("first", year="x", sumary="s", relations=[related("builds_on", "secnd")])
    second = make("second", relations=[related("remedies", "first", fixes="nothing"), related("serves", "third")])
    folder.write(first, second).text("flow/third.yaml", "id: third\nid: third\n")
    found = problems_of(folder.root)
    assert {Path(p.file).name for p in found} == {"first.yaml", "second.yaml", "third.yaml"}
    said = "\n".join(map(str, found))
    for part in (
        "found the text 'x'",
        "'sumary'",
        "did you mean 'second'?",
        "no failure mode 'nothing'",
        "given twice",
    ):
        assert part in said
    assert "no entry 'third'" not in said  # it is there, though broken


def test_problems_point_at_the_line(folder: Any, small: Path) -> None:
    path = small / "latent_variable" / "vae.yaml"
    lines = path.read_text().splitlines()
    at = lines.index("difficulty: 2")
    lines[at] = "difficulty: 9"
    path.write_text("\n".join(lines))
    assert [(p.file, p.line, p.column) for p in problems_of(small)] == [(str(path), at + 1, 1)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("y", "y"), ("12:30", "12:30"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"),
        ("true", True), ("FALSE", False), ("~", None), ("Null", None), ("''", ""), ("'1'", "1"),
        ("1e-4", 1e-4), ("1.10", 1.1), ("-3", -3), ("+7", 7), ("0x1F", 31), ("0o17", 15), (".5", 0.5), ("1.", 1.0),
        ("1e999", "1e999"), (".inf", ".inf"), (".nan", ".nan"), ("1.2.3", "1.2.3"), ("-", "-"),
        ("9" * 40, float("9" * 40)),
    ],
)  # fmt: skip
def test_plain_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    document = strict_yaml.parse(f"a: {text}\n" if text != "-" else 'a: "-"\n')
    assert not document.problems
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)


def test_the_pure_parser_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML without libyaml: the same documents, and problems on the same lines."""
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class Pure(Reader, Scanner, Parser):
        def __init__(self, stream: str) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)

    texts = [t for t, _ in FILES.values() if isinstance(t, str)]
    fast = [strict_yaml.parse(t) for t in texts]
    monkeypatch.setattr(strict_yaml, "_Parser", Pure)
    for text, one in zip(texts, fast, strict=True):
        other = strict_yaml.parse(text)
        assert (one.value, one.marks) == (other.value, other.marks) or one.problems
        assert bool(one.problems) == bool(other.problems), text


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (root := tmp_path_factory.mktemp("mutated") / "flow").mkdir()
    return root


PIECES = st.sampled_from(
    ["", "\t", "  ", "\n", ": ", "- ", "*x", "&x ", "!t ", "[", "{", "}", "'", '"', "|\n", ">-\n", "#", "\0", "\ufeff",
     "\r", "---\n", "null", "yes", "1e999", "<<: ", "? ", "é", "🙂", "%", "@", "id: vae\n", "relations:\n", "0x", ","]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES | st.text(max_size=8)), min_size=1, max_size=4
    ),
    cut=st.none() | st.floats(0, 1),
)
def test_mutations_of_a_good_entry_raise_nothing_but_catalog_error(
    edits: list[tuple[float, int, str]], cut: float | None, scratch: Path, small: Path
) -> None:
    text = (small / "latent_variable" / "vae.yaml").read_text().replace("latent_variable", "flow")
    for where, length, piece in edits:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + length :]
    text = text if cut is None else text[: int(cut * len(text))]
    (scratch / "vae.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    _, problems = read(scratch.parent)
    assert all(LINE.match(str(p)) for p in problems)
    with contextlib.suppress(CatalogError):
        catalog.load(scratch.parent)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_catalog_error(data: bytes, scratch: Path) -> None:
    (scratch / "vae.yaml").write_bytes(data)
    with pytest.raises(CatalogError):
        catalog.load(scratch.parent)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=JUNK, data=st.data())
def test_any_value_in_any_place_raises_nothing_but_catalog_error(
    junk: Any, data: st.DataObject, scratch: Path, make: Any, related: Any
) -> None:
    entry = make("vae", "flow", relations=[related("serves", "vae")])
    at: Any = entry
    while True:
        key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else list(range(len(at)))))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    assume((key, junk) != ("relations", []))  # an entry may have none
    at[key] = junk
    (scratch / "vae.yaml").write_text(json.dumps(entry), encoding="utf-8")
    with pytest.raises(CatalogError) as caught:  # it is related to itself in any case, or broken
        catalog.load(scratch.parent)
    assert all(LINE.match(str(p)) for p in caught.value.problems)
