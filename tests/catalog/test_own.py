"""Catalogs of other fields: what they declare, what is checked, and that the tutorial's does what its page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import catalog
from catalog import cli, data, loader, scaffold
from catalog.graph import RELATIONS
from catalog.schema import Entry
from catalog.vocabulary import OURS, Vocabulary
from tests.test_docs import agrees, commands

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "site" / "pages" / "own.md"
Genai = Callable[..., Result]

# -- the tutorial


def steps(text: str) -> list[tuple[str, str, str]]:
    """The blocks of the page in order: language, the file that the line before names (or ""), content."""
    found = re.findall(r"(?:^`([^`\n]+)`\n\n)?^```(\w+)\n(.*?)^```$", text, re.M | re.S)
    return [(language, file, body) for file, language, body in found]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything that the page shows was done, and went as it says."""
    home = tmp_path_factory.mktemp("tutorial")
    (home / "bin").mkdir()
    shim = home / "bin" / "genai-patterns"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m catalog "$@"\n')
    shim.chmod(0o755)
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {k: v for k, v in os.environ.items() if k != data.VARIABLE}
    env |= {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PATH": path}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=home, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    for language, file, body in steps(PAGE.read_text(encoding="utf-8")):
        if language == "console":
            for command, code, shown in commands(body):
                done = run("bash", "-c", command)
                assert done.returncode == code, f"$ {command}\n{done.stdout}"
                assert agrees(shown, done.stdout), f"$ {command}\n{done.stdout}\n--- shown is\n{shown}"
        elif language == "python":
            done = run(sys.executable, "-c", body)
            assert done.returncode == 0, f"{body}\n{done.stdout}"
        else:
            assert language == "yaml", f"a block of {language}, which nobody runs"
            (home / file).write_text(body, encoding="utf-8")
    return home


def test_every_block_of_the_tutorial_is_run(tutorial: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(steps(text)) == text.count("```") / 2
    assert all(file for language, file, _ in steps(text) if language == "yaml")
    assert (tutorial / "public" / "patterns" / "introsort.html").is_file()


def test_the_tutorial_ends_with_a_sound_catalog(tutorial: Path) -> None:
    cat = catalog.load(tutorial / "sorting")
    assert cat.ids == ["merge_sort", "quicksort", "heapsort", "introsort"]
    assert list(cat.relations) == ["improves", "hybrid_of", "alternative_to"]
    assert {(e.source, e.type, e.target) for id in cat.ids for e in cat.edges(id) if e.derived} == {
        ("quicksort", "improved_by", "introsort"),
        ("heapsort", "part_of_hybrid", "introsort"),
        ("merge_sort", "alternative_to", "quicksort"),
    }
    assert set(cat.graph.edges) >= {("introsort", "heapsort", "hybrid_of"), ("heapsort", "introsort", "part_of_hybrid")}


# -- what catalog.yaml may say

ABOUT: dict[str, Any] = {
    "name": "Sorting algorithms",
    "families": {"comparison": "Sorts that compare keys", "hybrid": "Sorts made of others"},
    "relations": {
        "improves": {
            "rule": "A beats B.",
            "inverse": "improved_by",
            "acyclic": True,
            "younger": True,
            "needs": ["when"],
        },
        "hybrid_of": {"rule": "A runs B.", "inverse": "part_of_hybrid", "acyclic": True},
        "alternative_to": None,
    },
    "facets": {"stable": {"one_of": ["yes", "no"]}, "input": {"some_of": ["array", "linked list"]}},
    "fields": {"required": ["year", "facets"], "optional": ["aliases", "intent", "tags"]},
}


def sort(id: str, year: int = 1961, family: str = "comparison", **more: Any) -> dict[str, Any]:
    """An entry of that catalog, as short as it may be."""
    facets = {"stable": "no", "input": ["array"]}
    return {"id": id, "name": id.replace("_", " ").capitalize(), "family": family, "year": year,
            "summary": "It sorts.", "facets": facets, **more}  # fmt: skip


@pytest.fixture
def own(folder: Any) -> Callable[..., list[str]]:
    """Write catalog.yaml and entries, read them, and give the problems without the folder's name."""

    def check(*entries: dict[str, Any], **about: Any) -> list[str]:
        folder.text("catalog.yaml", yaml.safe_dump(ABOUT | about, sort_keys=False))
        folder.write(*entries)
        return [str(p).replace(f"{folder.root}/", "") for p in loader.read(folder.root)[1]]

    return check


TYPES, FIELDS = ABOUT["relations"], ABOUT["fields"]
WRONG = [
    ({"relations": {"improve": None}}, "relations.improve: is no built-in type, and nothing says what it means; say i"),
    ({"relations": {"build_on": None}}, "did you mean 'builds_on'?"),
    ({"relations": {}}, "relations has 0 items; at least 1"),
    ({"relations": {"a": {"rule": "r"}}}, "relations.a: either it has an inverse or it is symmetric"),
    ({"relations": {"a": {"inverse": "b"}}}, "relations.a.rule is missing"),
    ({"relations": {"a": {"rule": "r", "symmetric": True, "inverse": "b"}}}, "relations.a: either it has an inverse o"),
    ({"relations": {"a": {"rule": "r", "symmetric": True, "acyclic": True}}}, "relations.a: what reads the same from"),
    ({"relations": TYPES | {"a": {"rule": "r", "inverse": "improves"}}}, "relations.a.inverse: 'improves' is itself a"),
    ({"relations": TYPES | {"a": {"rule": "r", "inverse": "improved_by"}}}, "relations.a.inverse: 'improved_by' is th"),
    ({"relations": TYPES | {"a": {"rule": "r", "invers": "b"}}}, "unknown field 'invers'; did you mean 'inverse'?"),
    ({"relations": TYPES | {"a": {"rule": "r", "inverse": "b", "needs": ["claim"]}}}, "relations.a: needs `claim`, an"),
    ({"relations": TYPES | {"remedies": None}}, "relations.remedies: needs `fixes`, and entries have no field `failur"),
    ({"facets": {"stable": {"one_of": []}}}, "facets.stable.one_of has 0 items; at least 1"),
    ({"facets": {}}, "facets has 0 items; at least 1"),
    ({"facets": {"stable": ["yes", "no"]}}, "facets.stable: found a list, expected a mapping of fields"),
    ({"facets": {"stable": {"one_of": ["yes"], "some_of": ["no"]}}}, "facets.stable: a facet has `one_of` or `some_of"),
    ({"facets": {"stable": {"one_of": ["yes", "no", "yes"]}}}, "facets.stable.one_of[2]: 'yes' is given twice"),
    ({"facets": {"stable": {"one_of": ["yes, mostly"]}}}, "facets.stable.one_of[0]: found the text 'yes, mostly'; wri"),
    ({"facets": {"stable": {"one_of": [1]}}}, 'facets.stable.one_of[0]: found the number 1, expected text; put quotes'),
    ({"facets": {"year": {"one_of": ["old"]}}}, "facets.year: is a field of an entry"),
    ({"facets": {"copy": {"one_of": ["old"]}}}, "facets.copy: is a name that Python needs"),
    ({"fields": {"required": ["yaer"]}}, "fields.required[0]: an entry has no field 'yaer'; did you mean 'year'?"),
    ({"fields": {"required": ["year"], "optional": ["year"]}}, "fields.optional[0]: 'year' is given twice"),
    ({"fields": {"required": ["id"]}}, "fields.required[0]: every entry may have 'id' anyway"),
    ({"fields": {"required": ["year"]}}, "facets: entries have no field `facets`"),
    ({"fields": FIELDS | {"optional": ["claims"]}}, "fields: claims cite sources, and entries have none"),
    ({"fields": FIELDS | {"optional": ["misconceptions"]}}, "fields: misconceptions cite sources, and entries"),
    ({"fields": {"required": ["facets"]}}, "relations.improves: `younger` compares years, and entries have no"),
    ({"kinds": ["fast"]}, "kinds: entries have no field `kind`"),
    ({"kinds": []}, "kinds has 0 items; at least 1"),
    ({"colour": "red"}, "colour: unknown field 'colour'; allowed are name, families, relations, kinds, facets, fields"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), WRONG, ids=range(len(WRONG)))
def test_a_mistake_in_catalog_yaml_is_said_alone(own: Any, change: dict[str, Any], said: str) -> None:
    problems = own(sort("quicksort"), sort("nonsense", colour="red"), **change)
    assert [p for p in problems if said in p], problems
    assert all(p.startswith("catalog.yaml:") for p in problems)  # entries are not judged by words that nobody knows


def test_every_mistake_has_a_line_of_its_own(own: Any) -> None:
    types = {"a": None, "b": {"rule": "r"}, "c": {"rule": "r", "inverse": "d", "needs": ["claims"]}}
    assert len(own(sort("quicksort"), relations=types)) == 2  # fields first, then what they say together
    assert len(own(sort("quicksort"), facets={"id": {"one_of": ["x"]}, "json": {"one_of": ["x"]}})) == 2


# -- what entries are checked against


def test_short_entries_are_enough(own: Any, folder: Any) -> None:
    assert own(sort("quicksort"), sort("heapsort", relations=[])) == []
    entry = catalog.load(folder.root)["quicksort"]
    assert (entry.objective, entry.claims, entry.implementation, entry.difficulty) == ("", [], None, None)
    assert entry.consequences.benefits == []
    assert "objective" not in entry.model_dump()
    assert isinstance(entry, Entry)


def improves(target: str, **more: Any) -> dict[str, Any]:
    return {"type": "improves", "target": target, "why": "It does.", "when": "always", **more}


MISTAKES = [
    ({"objective": "x"}, "objective: unknown field 'objective'; allowed are id, name, aliases, family, year,"),
    ({"intend": "x"}, "intend: unknown field 'intend'; did you mean 'intent'?"),
    ({"year": "1961"}, "year: found the text '1961', expected a whole number"),
    ({"facets": {"stable": "yess", "input": []}}, "facets.stable: found the text 'yess'; allowed are yes, no; did you"),
    ({"facets": {"stable": "yes"}}, "facets.input is missing; add `input: ...`"),
    ({"facets": {"stable": "yes", "input": "array"}}, "facets.input: found the text 'array', expected a list"),
    ({"facets": {"stable": "yes", "input": ["aray"]}}, "facets.input[0]: found the text 'aray'; allowed are array, li"),
    ({"facets": {"stable": "yes", "input": [], "likelihood": "exact"}}, "facets.likelihood: unknown field 'likelihood"),
    ({"relations": [improves("heapsort", type="improve")]}, "found the text 'improve'; allowed are improves, hybrid_o"),
    ({"relations": [improves("heapsort", type="builds_on")]}, "found the text 'builds_on'; allowed are improves, hybr"),
    ({"relations": [improves("heapsrot")]}, "relations[0].target: no entry 'heapsrot'; did you mean 'heapsort'?"),
    ({"relations": [improves("heapsort", when=None)]}, "relations[0]: a relation 'improves' needs `when`"),
    ({"relations": [improves("heapsort")]}, "relations[0]: quicksort (1961) improves heapsort (1964), which is younge"),
    ({"year": 1997, "relations": [improves("heapsort", claim="c")]}, "no claim 'c' in this entry; known: none"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_in_an_entry_is_found(own: Any, change: dict[str, Any], said: str) -> None:
    (problem,) = own(sort("quicksort", **change), sort("heapsort", 1964))
    assert re.match(r"comparison/quicksort.yaml:[1-9]\d*:[1-9]\d*: ", problem)
    assert said in problem


def test_circles_and_repetitions_are_found_by_the_rules_of_the_catalog(own: Any) -> None:
    round_ = [sort(a, relations=[{"type": "hybrid_of", "target": b, "why": "w"}]) for a, b in ("ab", "bc", "ca")]
    (problem,) = own(*round_)
    assert "hybrid_of goes round in a circle: a -> b -> c -> a" in problem
    both = [sort(a, relations=[{"type": "alternative_to", "target": b, "why": "w"}]) for a, b in ("ab", "ba")]
    (problem,) = own(*both, sort("c"))
    assert "alternative_to between b and a is stated in a already; this type reads the same from both sides" in problem


def test_only_some_kinds_of_claims_prove_a_relation(own: Any, make: Any) -> None:
    whole = make("autoencoder")
    types = {"beats": {"rule": "r", "inverse": "beaten_by", "needs": ["claim"], "claims": ["comparative"]}}
    parts = {key: whole[key] for key in ("claims", "sources")}

    def entry(id: str, **more: Any) -> dict[str, Any]:
        return {"id": id, "name": id, "family": "hybrid", "summary": "s", **parts, **more}

    beats = {"type": "beats", "target": "b", "why": "w"}
    about = {"relations": types, "fields": {"required": ["claims", "sources"]}, "facets": None}
    assert own(entry("a", relations=[beats | {"claim": "comparative_claim"}]), entry("b"), **about) == []
    (problem,) = own(entry("a", relations=[beats | {"claim": "exact_claim"}]), entry("b"), **about)
    assert "beats is proven by a claim of kind comparative; 'exact_claim' is 'exact'" in problem
    (problem,) = own(entry("a", relations=[beats]), entry("b"), **about)
    assert "a relation 'beats' needs `claim`" in problem


def test_many_entries_and_the_cache_have_the_same_words(
    own: Any, folder: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loader, "MANY", 1)
    monkeypatch.setenv("CATALOG_CACHE", str(tmp_path / "cache"))
    assert own(sort("quicksort"), sort("introsort", 1997, "hybrid", relations=[improves("quicksort")])) == []
    cold, warm = catalog.load(folder.root), catalog.load(folder.root)
    for cat in (cold, warm):
        assert [(r.type, r.id) for r in cat.related("quicksort")] == [("improved_by", "introsort")]
        assert list(cat.relations) == list(TYPES)
        assert cat["quicksort"].facets.model_dump() == {"stable": "no", "input": ["array"]}
    folder.text("catalog.yaml", yaml.safe_dump(ABOUT | {"relations": {"hybrid_of": TYPES["hybrid_of"]}}))
    with pytest.raises(catalog.CatalogError, match="allowed are hybrid_of"):
        catalog.load(folder.root)


# -- vocabularies


def test_what_declares_nothing_is_ours() -> None:
    assert loader.vocabulary(ROOT / "patterns") == OURS == Vocabulary()
    assert OURS.entry is Entry
    assert OURS.relations == RELATIONS
    assert catalog.load(ROOT / "patterns").relations == RELATIONS


def test_equal_vocabularies_share_a_model(own: Any, folder: Any) -> None:
    own()
    first, second = loader.vocabulary(folder.root), loader.vocabulary(folder.root)
    assert first is not second
    assert first.entry is second.entry is not Entry


def test_built_in_types_that_entries_cannot_state_are_left_out(own: Any, folder: Any) -> None:
    assert own(sort("quicksort"), relations=None, facets=None, fields={"required": ["year"], "optional": ["facets"]})
    words = loader.vocabulary(folder.root)
    cannot = {"reduces_to", "equivalent_to", "remedies"}  # these need claims or failure modes
    assert list(words.relations) == [t for t in RELATIONS if t not in cannot]


def test_the_schema_for_editors_accepts_what_is_sound_and_nothing_else(own: Any, folder: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    own()
    schema = scaffold.json_schema(loader.vocabulary(folder.root))
    check = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not list(check.iter_errors(sort("quicksort", relations=[improves("heapsort")])))
    for change in ({"colour": "red"}, {"year": "x"}, {"facets": {}}, {"relations": [improves("x", type="builds_on")]}):
        assert list(check.iter_errors(sort("quicksort", **change))), change


# -- the command line


@pytest.fixture
def genai(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Genai:
    """`genai-patterns`, where no catalog is chosen."""
    monkeypatch.delenv(data.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        result = CliRunner().invoke(cli.cli, arguments, prog_name="genai-patterns")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return call


def test_init_writes_a_catalog_that_works(genai: Genai, tmp_path: Path) -> None:
    done = genai("init", "my-knots")
    assert done.exit_code == 0
    assert {tmp_path / line for line in done.stdout.split()} == {p for p in tmp_path.rglob("*") if p.is_file()}
    assert genai("--catalog", "my-knots", "validate").stderr == "no problems in 3 sound entries\n"
    cat = catalog.load(tmp_path / "my-knots")
    assert cat.name == "My knots"
    for id in cat.ids:
        first = (tmp_path / "my-knots" / cat[id].family / f"{id}.yaml").read_text(encoding="utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=../entry.schema.json"


@pytest.mark.parametrize(
    "name", ["Knots: a catalog", "yes", "true", "1.5", "# 1", '"x"', "[a]", "Ä ö", "a #b", "-", "x: "]
)
def test_init_takes_any_name(genai: Genai, tmp_path: Path, name: str) -> None:
    assert genai("init", "k", "--name", name).exit_code == 0
    assert catalog.load(tmp_path / "k").name == name


def test_init_never_overwrites(genai: Genai, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for folder, said in (("full", "is not empty, nothing was written"), ("file", "is a file")):
        done = genai("init", folder)
        assert (done.exit_code, done.stdout) == (2, "")
        assert said in done.stderr
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["file", "notes"]
    for name in ("", " ", "two\nlines", "x" * 161):
        assert genai("init", "new", "--name", name).exit_code == 2
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    assert genai("init", "empty").exit_code == 0


QUESTIONS = [
    ("list",), ("list", "--family", "bends"), ("show", "bowline"), ("related", "bowline", "--depth", "2"),
    ("path", "bowline", "double_sheet_bend"), ("search", "unequal"), ("recommend", "join two ropes"),
    ("recommend", "rope", "--where", "ropes=one"), ("lineage", "sheet_bend"), ("learning-path", "double_sheet_bend"),
    ("alternatives", "bowline"), ("explain", "bowline", "double_sheet_bend"), ("compare", "bowline", "sheet_bend"),
    ("diff", "sheet_bend", "double_sheet_bend"), ("ask", "how do I join two ropes"), ("schema",),
    *(("export", f) for f in ("catalog-json", "node-link", "graphml", "dot", "mermaid", "json-ld")),
]  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_every_command_works_on_it(genai: Genai, question: tuple[str, ...]) -> None:
    genai("init", "knots")
    done = genai("--catalog", "knots", *question)
    assert done.exit_code in (0, 1), done.stderr
    assert done.stdout.strip() or done.exit_code
    assert "None" not in done.stdout
    if question[0] not in ("schema", "export"):
        answer = genai("--catalog", "knots", *question, "--json")
        assert json.loads(answer.stdout)["schema"] == 1


def test_what_is_not_there_is_said(genai: Genai) -> None:
    genai("init", "knots")
    for command in (
        ("run", "bowline"),
        ("sample", "bowline", "--from", "x"),
        ("verify", "bowline"),
        ("source", "bowline"),
    ):
        done = genai("--catalog", "knots", *command)
        assert done.exit_code == 2, command
        assert "bowline has no" in done.stderr, command
    done = genai("--catalog", "knots", "list", "--kind", "sampler")
    assert done.exit_code == 2
    done = genai("--catalog", "nowhere", "list")
    assert (done.exit_code, "there is no such folder" in done.stderr) == (1, True)


def test_new_follows_the_vocabulary(genai: Genai, tmp_path: Path) -> None:
    genai("init", "knots")
    done = genai("--catalog", "knots", "new", "reef_knot", "--family", "bends", "--name", "Reef knot")
    assert (done.exit_code, done.stdout) == (0, "knots/bends/reef_knot.yaml\n")
    text = (tmp_path / "knots/bends/reef_knot.yaml").read_text(encoding="utf-8")
    assert list(yaml.safe_load(text)) == ["id", "name", "family", "summary", "intent", "facets"]
    assert "# Any of sailing, climbing, camping." in text
    problems = json.loads(genai("--catalog", "knots", "validate", "--json").stdout)["problems"]
    assert {p["message"].partition(":")[0] for p in problems} == {
        "summary", "intent", "facets.ropes", "facets.unties_after_load",
    }  # fmt: skip
    assert genai("--catalog", "knots", "new", "x", "--family", "bend", "--name", "X").exit_code == 2


def test_a_schema_that_is_out_of_date_is_a_problem(genai: Genai, tmp_path: Path) -> None:
    genai("init", "knots")
    about = tmp_path / "knots" / "catalog.yaml"
    about.write_text(about.read_text(encoding="utf-8").replace("easily", "at once").replace("with effort", "easily"))
    done = genai("--catalog", "knots", "validate")
    assert (done.exit_code, "entry.schema.json:1:1: is not the schema" in done.stdout) == (1, True)
    assert genai("--catalog", "knots", "schema", "--write").stdout == "knots/entry.schema.json\n"
    assert genai("--catalog", "knots", "validate").exit_code == 0
    about.write_text("name: x\nrelations: 1\n")
    done = genai("--catalog", "knots", "schema")
    assert (done.exit_code, done.stdout) == (1, "")


def test_one_file_is_validated(genai: Genai, tmp_path: Path) -> None:
    genai("init", "knots")
    about = tmp_path / "knots" / "catalog.yaml"
    about.write_text(about.read_text(encoding="utf-8").replace("one_of", "oneof"))
    for file, code in (("catalog.yaml", 1), ("loops/bowline.yaml", 0)):
        done = genai("validate", f"knots/{file}")
        assert done.exit_code == code
        assert all(line.startswith(f"knots/{file}:") for line in done.stdout.splitlines())


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["", "a", "improves", "yes", "year", "claims", "é "]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "rule", "one_of", "é"]), inner),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(["name", "families", "relations", "kinds", "facets", "fields"]), value=ANYTHING)
def test_whatever_stands_in_catalog_yaml_is_answered(own: Any, key: str, value: Any) -> None:
    for problem in own(sort("quicksort"), **{key: value}):
        assert re.match(r"[\w/.]+:[1-9]\d*:[1-9]\d*: .+; .+", problem, re.S), problem


def test_the_option_and_the_variable_say_the_same(
    genai: Genai, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    genai("init", "knots")
    chosen = genai("--catalog", "knots", "list").stdout
    assert data.VARIABLE not in os.environ
    monkeypatch.setenv(data.VARIABLE, "knots")
    assert genai("list").stdout == chosen
    assert genai("--catalog", str(ROOT / "patterns"), "show", "vae").exit_code == 0
    assert os.environ[data.VARIABLE] == "knots"
    said = genai("--help").stdout
    assert "--catalog DIR" in said
    assert f"${data.VARIABLE}" in said


def test_a_catalog_inside_of_a_checkout_is_no_checkout(genai: Genai, tmp_path: Path) -> None:
    (tmp_path / "tests" / "claims" / "flow").mkdir(parents=True)
    (tmp_path / "tests" / "claims" / "flow" / "test_thing.py").write_text("def test_x(claim): ...\n")
    genai("init", "knots")
    assert genai("--catalog", "knots", "validate").exit_code == 0
    assert genai("--catalog", "knots", "verify", "--all").exit_code == 2


@pytest.mark.parametrize("text", ["", "families: 3\n", "name: [\n", "- a\n"])
def test_entries_are_not_judged_while_catalog_yaml_cannot_be_read(tmp_path: Path, text: str) -> None:
    assert CliRunner().invoke(cli.cli, ["init", str(tmp_path / "own")]).exit_code == 0
    (tmp_path / "own" / "catalog.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(catalog.CatalogError) as caught:
        catalog.load(tmp_path / "own")
    assert {Path(p.file).name for p in caught.value.problems} == {"catalog.yaml"}
