"""Exports, read back by the libraries that people use for each format."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import catalog
from catalog.catalog import Catalog
from catalog.cli import cli
from catalog.errors import BadQuestion, UnknownPattern
from catalog.export import FORMATS, bibtex, document, works
from catalog.export.part import select
from catalog.schema import Entry, Source
from catalog.site import assets

pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning")  # inside of rdflib
ROOT = Path(__file__).parents[2]
HOSTILE = [
    "\"double\" 'single' `tick`", "<script>alert(1)</script> &amp; & &#38; <br/>", "a ]]> b, c; d \\ e \\N \\n \\\\",
    "emoji 🎉 עברית \u200f right to left \u202e é ß Ł", "# 1. x #35; #quot; %% y", "=1+1", "-1", "+x", "@x", "'x",
    "''x", "{x} [y] (z) | p ~ ^ _u_ $m$ *b* **s**", "1. first", "- item", "end", "graph TD; a-->b", "%%{init: {}}%%",
    "A<br/>B", "$$x^2$$", "@{shape: x}", '"`md **b**`"', "a-b -c- --> x", "fa:fa-car x", "\\", '"', "{", "}", "}}{{",
    "a and b, et al. & others", "null", "NA", "1e5", "__proto__",
]  # fmt: skip
"""One line each, in which some format sees more than text."""


@pytest.fixture(scope="module")
def real() -> Catalog:
    return catalog.load(ROOT / "patterns")


@pytest.fixture
def cat(small: Path) -> Catalog:
    return catalog.load(small)


@pytest.fixture
def hostile(make: Callable[..., dict[str, Any]], related: Callable[..., dict[str, Any]]) -> Catalog:
    """An entry for each hostile line, which is its name, its prose, its reason and its source."""
    return Catalog([said(make, related, f"e{i}", text, text) for i, text in enumerate(HOSTILE)])


def said(make: Any, related: Any, id: str, line: str, text: str) -> Entry:
    """An entry that says this wherever an entry says anything."""
    entry = make(
        id, name=line, aliases=[f"{line} too"], summary=line, intent=text, problem=text, solution=text,
        known_uses=[text], relations=[related("alternative_to", "e0", why=text)] if id != "e0" else [],
    )  # fmt: skip
    entry["claims"][0]["statement"] = text
    entry["claims"][0]["measures"]["gap"]["what"] = line
    entry["sources"] = [{**entry["sources"][0], "title": line, "venue": line, "arxiv": None, "doi": f"10.1000/{id}"}]
    return Entry.model_validate(entry)


LINES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=60).filter(str.strip)
TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], whitelist_characters="\n\t\r"), min_size=1).filter(
    str.strip
)
own = settings(max_examples=60, deadline=None)


def one(line: str, text: str = "Plain.") -> Catalog:
    """Two entries, of which one says this."""
    from tests.catalog.conftest import entry, relation

    return Catalog([said(entry, relation, "e0", "Other", "Other."), said(entry, relation, "e1", line, text)])


def stated(cat: Catalog) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The relations as the entries have them."""
    return {
        (e.id, r.target, r.type): {
            "why": r.why, "when": r.when, "fixes": r.fixes, "claim": r.claim and f"{e.id}.{r.claim}",
        }
        for e in cat
        for r in e.relations
    }  # fmt: skip


def test_the_table_of_formats(cat: Catalog) -> None:
    for name, format in FORMATS.items():
        assert name == format.name
        made = cat.export(name)
        for text in [made] if isinstance(made, str) else made.values():
            assert text[-1] == "\n"
            text.encode()
        assert len(format.reads) < 60


def test_the_page_names_every_format_and_its_file() -> None:
    page = (ROOT / "site" / "pages" / "exports.md").read_text(encoding="utf-8")
    table = {row[0]: row[1] for row in re.findall(r"^\| `([a-z-]+)` \|.*\| (.*) \|$", page, re.M)}
    assert list(table) == list(FORMATS)
    for format in FORMATS.values():
        assert f"(api/{format.file}" in table[format.name]


def test_the_same_bytes_whatever_the_seed_of_hashes() -> None:
    code = (
        "import catalog, hashlib, json; from catalog.export import FORMATS; cat = catalog.load()\n"
        "for f in FORMATS: print(f, hashlib.sha256(json.dumps(cat.export(f)).encode()).hexdigest())"
    )
    outs = set()
    for seed in ("0", "1", "7"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        outs.add(done.stdout)
    assert len(outs) == 1
    assert len(outs.pop().splitlines()) == len(FORMATS)


# -- a part of the catalog


@pytest.mark.parametrize(
    ("choice", "ids", "relations"),
    [
        ({}, ["gan", "autoencoder", "vae", "beta_vae"], 4),
        ({"ids": ["VAE", "Beta-VAE"]}, ["vae", "beta_vae"], 2),
        ({"ids": "vae"}, ["vae"], 0),
        ({"family": "adversarial"}, ["gan"], 0),
        ({"types": "specializes"}, ["vae", "beta_vae"], 1),
        ({"types": "extended_by"}, ["autoencoder", "vae"], 1),
        ({"types": ["specializes"], "ids": ["gan", "vae"]}, ["gan", "vae"], 0),
        ({"around": "gan"}, ["gan", "vae"], 1),
        ({"around": "gan", "depth": 2}, ["gan", "autoencoder", "vae", "beta_vae"], 4),
        ({"around": "gan", "types": "builds_on"}, ["gan"], 0),
        ({"around": "vae", "family": "latent_variable"}, ["autoencoder", "vae", "beta_vae"], 3),
    ],
)
def test_a_part(choice: Any, ids: list[str], relations: int, cat: Catalog) -> None:
    part = select(cat, **choice)
    assert [e.id for e in part.entries] == ids
    assert len(part.stated) == relations
    assert len(part.edges) == 2 * relations
    for format in FORMATS:
        cat.export(format, **choice)
    graph = nx.node_link_graph(json.loads(cat.export("node-link", **choice)), edges="edges")
    assert list(graph) == ids
    assert graph.number_of_edges() == 2 * relations


@pytest.mark.parametrize(
    ("choice", "wrong"),
    [
        ({"format": "mermaids"}, "no format 'mermaids'; did you mean 'mermaid'?"),
        ({"format": "xyz"}, "there are catalog-json, node-link"),
        ({"family": "adversarail"}, "no family 'adversarail'; did you mean 'adversarial'?"),
        ({"types": "builds"}, "no relation 'builds'; did you mean 'builds_on'?"),
        ({"depth": 2}, "depth says how far from an entry"),
        ({"around": "vae", "depth": 0}, "depth 0; it is at least 1"),
        ({"base": "x"}, "dot has no option 'base'"),
        ({"format": "json-ld", "base": "no iri"}, "write an absolute IRI"),
        ({"format": "json-ld", "base": "https://example.org"}, "ends in /, # or :"),
    ],
)
def test_what_cannot_be_exported(choice: dict[str, Any], wrong: str, cat: Catalog) -> None:
    with pytest.raises(BadQuestion, match=re.escape(wrong)):
        cat.export(**{"format": "dot"} | choice)
    with pytest.raises(UnknownPattern):
        cat.export("dot", ids=["vaee_"])


# -- graphs


def test_node_link_is_the_graph(cat: Catalog, real: Catalog, hostile: Catalog) -> None:
    for c in (cat, real, hostile):
        back = nx.node_link_graph(json.loads(c.export("node-link")), edges="edges")
        assert type(back) is nx.MultiDiGraph
        assert nx.utils.graphs_equal(back, c.graph)
        assert back.graph == c.graph.graph
        assert list(back) == c.ids


def test_graphml_is_read_by_networkx(cat: Catalog, real: Catalog, hostile: Catalog) -> None:
    for c in (cat, real, hostile):
        back = nx.read_graphml(io.BytesIO(c.export("graphml").encode()), force_multigraph=True)
        assert list(back) == c.ids
        for id, got in back.nodes(data=True):
            e = c[id]
            plain = {n: getattr(e, n) for n in ("name", "family", "kind", "year", "status", "difficulty", "summary")}
            drawn = {"x": None, "y": None, "label": e.name, "tags": ", ".join(e.tags)}
            assert got == {**plain, **drawn}
        found = {(a, b, got["type"]): got for a, b, got in back.edges(data=True)}
        assert len(found) == back.number_of_edges()
        for (a, b, type), facts in stated(c).items():
            given = {name: value for name, value in facts.items() if value is not None}
            assert found.pop((a, b, type)) == {**given, "type": type, "label": type.replace("_", " ")}
            assert f"{a}-{type}-{b}" in back[a][b]
        assert not found


def test_graphml_is_drawn_with_labels_by_gephi_and_yed(cat: Catalog) -> None:
    """Gephi takes labels from `label`, d3 and d7, and drops an edge whose id it has seen; yEd looks for y:NodeLabel."""
    xml = {"g": "http://graphml.graphdrawing.org/xmlns", "y": "http://www.yworks.com/xml/graphml"}
    root = ElementTree.fromstring(cat.export("graphml"))
    keys = {k.get("id"): k for k in root.findall("g:key", xml)}
    labels = {id for id, k in keys.items() if k.get("attr.name") == "label"}
    assert labels == {"n_label", "e_label"}
    assert keys["d3"].get("yfiles.type") == "nodegraphics"
    assert keys["d7"].get("yfiles.type") == "edgegraphics"
    edges = root.findall("g:graph/g:edge", xml)
    assert len({e.get("id") for e in edges}) == len(edges) == 4
    drawn = [n.text for n in root.findall(".//g:data[@key='d3']/y:ShapeNode/y:NodeLabel", xml)]
    assert drawn == [e.name for e in cat]
    heads = {e.get("id"): e.find(".//y:Arrows", xml).get("target") for e in edges}  # type: ignore[union-attr]
    assert heads["vae-alternative_to-gan"] == "none"
    assert heads["vae-builds_on-autoencoder"] == "standard"


@given(LINES, TEXTS)
@own
def test_any_text_survives_as_json_and_xml(line: str, text: str) -> None:
    cat = one(line, text)
    assert nx.utils.graphs_equal(nx.node_link_graph(json.loads(cat.export("node-link")), edges="edges"), cat.graph)
    back = nx.read_graphml(io.BytesIO(cat.export("graphml").encode()), force_multigraph=True)
    writable = lambda s: re.sub("[\ufffe\uffff]", "\ufffd", s)  # XML 1.0 has no way to write these two
    assert back.nodes["e1"]["name"] == writable(line)
    assert back["e1"]["e0"]["e1-alternative_to-e0"]["why"] == writable(text)
    (entry,) = [e for e in json.loads(cat.export("catalog-json"))["entries"] if e["id"] == "e1"]
    assert (entry["name"], entry["problem"], entry["relations"][0]["why"]) == (line, text, text)


# -- drawings


def installed(*parts: str) -> Path:
    """A file of an npm package."""
    path = ROOT / "node_modules" / Path(*parts)
    if not path.is_file():
        pytest.skip(f"no {'/'.join(parts)}: `python -m catalog.site.assets` installs it with npm")
    return path


@pytest.fixture(scope="module")
def draw() -> Iterator[Callable[[str], Any]]:
    """Mermaid itself: what it draws in a browser, as [[id, label of node]], [[label of edge]]."""
    script = installed("@mermaid-js", "tiny", "dist", "mermaid.tiny.js")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium: Mermaid draws in a browser; `apt-get install chromium`")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_content("<main></main>")
        page.add_script_tag(path=str(script))
        page.evaluate("mermaid.initialize({startOnLoad: false})")
        yield lambda text: page.evaluate(
            """async text => {
                await mermaid.parse(text)
                const main = document.querySelector("main")
                main.innerHTML = (await mermaid.render("drawn", text)).svg
                const texts = s => [...main.querySelectorAll(s)].map(n => n.textContent)
                const ids = [...main.querySelectorAll("g.node")].map(n => n.id)
                return [ids, texts("g.node"), texts(".edgeLabel .edgeLabel"), main.querySelectorAll("script").length]
            }""",
            text,
        )
        browser.close()


def test_mermaid_draws_every_label_as_it_is(draw: Any, hostile: Catalog, real: Catalog) -> None:
    for c in (hostile, real):
        ids, nodes, edges, scripts = draw(c.export("mermaid"))
        drawn = {id.removeprefix("drawn-").split("-")[1][:-1]: text for id, text in zip(ids, nodes, strict=True)}
        assert drawn == {e.id: " ".join(e.name.split()) for e in c}
        assert sorted(edges) == sorted(type.replace("_", " ") for _, _, type in stated(c))
        assert scripts == 0


def test_mermaid_takes_ids_that_are_its_own_words(
    draw: Any, make: Callable[..., dict[str, Any]], related: Callable[..., dict[str, Any]]
) -> None:
    ids = ["end", "graph", "subgraph", "flowchart", "style", "class", "click", "default", "direction", "o", "x"]
    es = [make(id, relations=[related("alternative_to", ids[i - 1])] if i else []) for i, id in enumerate(ids)]
    drawn = draw(Catalog(map(Entry.model_validate, es)).export("mermaid"))
    assert len(drawn[0]) == len(ids)
    assert len(drawn[2]) == len(ids) - 1


GRAPHVIZ = """
import {instance} from "VIZ"
let text = ""
for await (const part of process.stdin) text += part
const {status, output, errors} = (await instance()).render(text, {format: process.argv[1], engine: "dot"})
console.log(JSON.stringify([status, output ?? "", errors]))
"""


def graphviz(text: str, format: str) -> str:
    """Graphviz itself: what it makes of a text, without a warning."""
    code = GRAPHVIZ.replace("VIZ", installed("@viz-js", "viz", "dist", "viz.js").as_uri())
    done = assets.node("--input-type=module", "-e", code, format, input=text)
    assert done.returncode == 0, done.stderr
    status, output, errors = json.loads(done.stdout)
    assert status == "success", errors
    assert not [e for e in errors if "no value for width" not in e["message"]]  # of a letter; its fonts are Latin
    return output


def test_graphviz_draws_every_label_as_it_is(cat: Catalog, hostile: Catalog) -> None:
    svg, title = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}title"
    told = lambda group: next(text for a in group.iter(f"{svg}a") if (text := a.get(title)))
    for c in (cat, hostile):
        root = ElementTree.fromstring(graphviz(c.export("dot"), "svg"))
        groups = {g.findtext(f"{svg}title"): g for g in root.iter(f"{svg}g") if g.get("class") in ("node", "edge")}
        for e in c:
            assert "".join(t.text or "" for t in groups[e.id].iter(f"{svg}text")) == e.name
            assert told(groups[e.id]) == e.summary
        for (a, b, _), facts in stated(c).items():
            if sum((a, b) == pair[:2] for pair in stated(c)) == 1:
                assert told(groups[f"{a}->{b}"]) == facts["why"]


def test_graphviz_reads_the_real_catalog(real: Catalog) -> None:
    read = graphviz(real.export("dot"), "canon")
    assert len(re.findall("->", read)) == len(stated(real))
    assert len(re.findall("dir=none", read)) == sum(
        type in ("alternative_to", "equivalent_to") for _, _, type in stated(real)
    )


# -- vocabulary


def rdf(cat: Catalog, **options: Any) -> Any:
    """The vocabulary, read by rdflib, which is not let onto the network."""
    rdflib = pytest.importorskip("rdflib")
    return rdflib.Graph().parse(data=cat.export("json-ld", **options), format="json-ld")


SKOS = "PREFIX skos: <http://www.w3.org/2004/02/skos/core#> PREFIX own: <urn:catalog:generative-ai-patterns:>"


def test_skos_answers_sparql(real: Catalog) -> None:
    graph = rdf(real)
    ask = lambda query: {tuple(str(x).rpartition("/")[2] for x in row) for row in graph.query(SKOS + query)}
    own = "urn:catalog:generative-ai-patterns:"
    assert ask("SELECT ?n { ?c a skos:Concept; skos:notation ?n }") == {(id,) for id in real.ids}
    below = {(e.id,) for e in real if "vae" in nx.descendants(specializes(real), e.id)}
    assert below
    assert ask(f"SELECT ?c {{ ?c skos:broader+ <{own}pattern/vae> }}") == below
    why = ask(
        f"SELECT ?b ?why {{ ?s rdf:subject <{own}pattern/vae>; rdf:predicate <{own}relation/builds_on>; rdf:object ?b;"
        " rdfs:comment ?why }"
    )
    facts = {
        (b, f["why"].rpartition("/")[2])
        for (a, b, type), f in stated(real).items()
        if (a, type) == ("vae", "builds_on")
    }
    assert why == facts
    for name in real.shown:
        pairs = ask(f"SELECT ?a ?b {{ ?a <{own}relation/{name}> ?b }}")
        assert pairs == {(e.source, e.target) for id in real.ids for e in real.edges(id) if e.type == name}
    cited = ask("SELECT ?c ?s { ?c <http://purl.org/dc/terms/references> ?s }")
    assert {c for c, _ in cited} == set(real.ids)
    titles = {str(t) for (t,) in graph.query("SELECT ?t { ?s a schema:ScholarlyArticle; schema:name ?t }")}
    assert titles <= {s.title for e in real for s in e.sources}


def specializes(cat: Catalog) -> nx.DiGraph:
    """What is narrower than what."""
    return nx.DiGraph([(a, b) for a, b, type in stated(cat) if type == "specializes"] + [(id, id) for id in cat.ids])


def test_skos_keeps_its_integrity_conditions(
    real: Catalog, cat: Catalog, hostile: Catalog, make: Any, related: Any
) -> None:
    """S9, S13, S14, S27 and S37 of the SKOS reference, section 3 to 9."""
    es = [
        make("a", name="A", aliases=["A", "B"]),
        make("b", relations=[related("specializes", "a")]),
        make(
            "c", relations=[related("specializes", "b"), related("alternative_to", "a"), related("alternative_to", "d")]
        ),
        make("d"),
    ]
    clash = Catalog(map(Entry.model_validate, es[1:] + es[:1]))
    for c in (real, cat, hostile, clash):
        graph = rdf(c)
        count = lambda query, graph=graph: len(list(graph.query(SKOS + query)))
        assert count("SELECT ?c { ?c a skos:Concept }") == len(c)
        assert count("SELECT ?c { ?c a skos:Concept; a skos:ConceptScheme }") == 0
        assert count("SELECT ?c { ?c a skos:Concept; a skos:Collection }") == 0
        assert count("SELECT ?c { ?c skos:prefLabel ?l; skos:altLabel ?l }") == 0
        assert count("SELECT ?c { ?c skos:prefLabel ?l, ?m FILTER(str(?l) != str(?m)) }") == 0
        assert count("SELECT ?a { ?a skos:related ?b. { ?a skos:broader+ ?b } UNION { ?b skos:broader+ ?a } }") == 0
        assert count("SELECT ?a { ?a skos:related ?b. FILTER NOT EXISTS { ?b skos:related ?a } }") == 0
        assert count("SELECT ?a { ?a skos:broader ?b. FILTER NOT EXISTS { ?b skos:narrower ?a } }") == 0
        assert count("SELECT ?a { ?a skos:narrower ?b. FILTER NOT EXISTS { ?b skos:broader ?a } }") == 0
    own = {
        (str(a).rpartition("/")[2], str(b).rpartition("/")[2])
        for a, b in rdf(clash).query(SKOS + "SELECT ?a ?b { ?a skos:related ?b }")
    }
    assert own == {("c", "d"), ("d", "c")}


def test_turtle_is_the_same_vocabulary(real: Catalog) -> None:
    rdflib = pytest.importorskip("rdflib")
    graph = rdf(real, base="https://example.org/patterns#")
    again = rdflib.Graph().parse(data=graph.serialize(format="turtle"), format="turtle")
    named = lambda g: {t for t in g if not any(isinstance(term, rdflib.BNode) for term in t)}
    assert len(graph) == len(again)
    assert named(graph) == named(again)
    assert "<https://example.org/patterns#pattern/vae>" in graph.serialize(format="nt")


def test_json_ld_fetches_nothing(real: Catalog) -> None:
    context = json.loads(real.export("json-ld"))["@context"]
    assert isinstance(context, dict)
    assert not [v for v in context.values() if isinstance(v, dict) and "@context" in v]


@given(LINES, TEXTS)
@own
def test_any_text_survives_as_rdf(line: str, text: str) -> None:
    rdflib = pytest.importorskip("rdflib")
    graph = rdf(one(line, text))
    concept = rdflib.URIRef("urn:catalog:patterns:pattern/e1")
    assert str(graph.value(concept, rdflib.SKOS.prefLabel)) == line
    assert str(graph.value(concept, rdflib.SKOS.scopeNote)) == text


# -- tables


def rows(text: str) -> list[dict[str, str]]:
    """A table as the csv module reads it, apostrophes taken off."""
    read = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return [{name: value.removeprefix("'") for name, value in row.items()} for row in read]


def test_tables_are_read_by_csv_and_pandas(cat: Catalog, real: Catalog, hostile: Catalog) -> None:
    pandas = pytest.importorskip("pandas")
    for c in (cat, real, hostile):
        made = c.export("csv")
        assert isinstance(made, dict)
        tables = {name: rows(text) for name, text in made.items()}
        for name, text in made.items():
            frame = pandas.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
            assert [{k: v.removeprefix("'") for k, v in r.items()} for r in frame.to_dict("records")] == tables[name]
            assert text.count("\r\n") >= len(frame) + 1
        entries = tables["entries.csv"]
        assert [(r["id"], r["name"], r["aliases"].split("\n") if r["aliases"] else []) for r in entries] == [
            (e.id, e.name, e.aliases) for e in c
        ]
        assert [(r["tags"].split(", "), int(r["year"]), r["facet_needs_pretrained"]) for r in entries] == [
            (e.tags, e.year, str(e.facets.needs_pretrained).lower()) for e in c
        ]
        found = {(r["source"], r["target"], r["type"]): r for r in tables["relations.csv"]}
        assert found.keys() == stated(c).keys()
        for key, facts in stated(c).items():
            assert {name: found[key][name] or None for name in facts} == facts
        claims = {(r["entry"], r["claim"], r["measure"]): r for r in tables["claims.csv"]}
        assert claims.keys() == {(e.id, k.id, m) for e in c for k in e.claims for m in k.measures}
        known = {r["key"] for r in tables["sources.csv"]}
        assert {r["source"] for r in claims.values()} <= known


def test_measured_numbers_are_those_of_the_evidence(real: Catalog) -> None:
    made = real.export("csv")
    assert isinstance(made, dict)
    claims = rows(made["claims.csv"])
    assert claims
    for row in claims:
        e = real[row["entry"]]
        file = ROOT / "patterns" / e.family / e.id / "evidence.json"
        record = json.loads(file.read_text(encoding="utf-8"))["claims"][row["claim"]]
        got = record["measures"][row["measure"]]
        assert float(row["value"]) == got["value"]
        assert (float(row["baseline"]) if row["baseline"] else None) == got.get("baseline")
        assert int(row["seeds"]) == len(got.get("seeds", [0]))
        assert float(row["lowest"]) <= got["value"] <= float(row["highest"])
        assert row["holds"] == "true"


@given(LINES, TEXTS)
@own
def test_any_text_survives_in_a_cell_and_none_is_a_formula(line: str, text: str) -> None:
    made = one(line, text).export("csv")
    assert isinstance(made, dict)
    (row,) = [r for r in rows(made["entries.csv"]) if r["id"] == "e1"]
    assert (row["name"], row["problem"]) == (line, text)
    for table in made.values():
        for cells in csv.reader(io.StringIO(table, newline="")):
            assert not [
                c for c in cells if c[:1] in ("=", "+", "@", "\t", "\r", "\n", "＝") or re.match(r"-(?![\d.])", c)
            ]


# -- sources


def parsed(text: str) -> dict[str, dict[str, str]]:
    """The fields of each record, as bibtexparser reads and decodes them, and its type under ENTRYTYPE."""
    parser = pytest.importorskip("bibtexparser")
    from bibtexparser.middlewares import LatexDecodingMiddleware

    library = parser.parse_string(text, append_middleware=[LatexDecodingMiddleware()])
    assert not library.failed_blocks
    assert len(library.entries) == len(library.blocks)
    return {e.key: {"ENTRYTYPE": e.entry_type, **{f.key: f.value for f in e.fields}} for e in library.entries}


def test_bibtex_has_every_source_once(real: Catalog) -> None:
    found = parsed(real.export("bibtex"))  # type: ignore[arg-type]
    sources = [s for e in real for s in e.sources]
    arxiv = {s.arxiv for s in sources if s.arxiv}
    dois = {s.doi.lower() for s in sources if s.doi}
    assert {f["eprint"] for f in found.values() if "eprint" in f} == arxiv
    assert {f["doi"].lower() for f in found.values() if "doi" in f} == dois
    eprints = [f["eprint"] for f in found.values() if "eprint" in f]
    assert len(eprints) == len(set(eprints))
    titles = [(f["author"].split()[0], bare(f["title"])) for f in found.values()]
    assert len(titles) == len(set(titles))
    assert {bare(s.title) for s in sources} >= {t for _, t in titles}
    assert list(found) == sorted(found)
    assert all(re.fullmatch(r"[a-z]+\d{4}[a-z0-9]*(_\d+)?", key) for key in found)
    for key, fields in found.items():
        assert fields.keys() >= NEEDED[fields["ENTRYTYPE"]], key
    assert {f["ENTRYTYPE"] for f in found.values()} == NEEDED.keys()
    assert not real.export("bibtex").encode().translate(None, bytes(range(128)))  # type: ignore[union-attr]


NEEDED = {
    "article": {"journal"}, "inproceedings": {"booktitle"}, "incollection": {"booktitle", "publisher"},
    "book": {"publisher"}, "misc": {"howpublished"},
}  # fmt: skip
"""What BibTeX asks of each type, besides author, title and year."""


@pytest.mark.parametrize(
    ("venue", "expected"),
    [
        ("Biometrika 39(3/4), 324-345", "article journal=Biometrika volume=39 number=3/4 pages=324–345"),
        ("Nature 381, 607-609", "article journal=Nature volume=381 pages=607–609"),
        ("JMLR 2024", "article year=2024 journal=JMLR"),
        ("Journal of Things 5, 12063, 2024", "article year=2024 journal=Journal of Things volume=5 pages=12063"),
        ("Transactions of the ACL 8", "article journal=Transactions of the ACL volume=8"),
        ("Proceedings of the X 7(2), 25-28", "article journal=Proceedings of the X volume=7 number=2 pages=25–28"),
        ("ICLR 2023", "inproceedings year=2023 booktitle=ICLR 2023"),
        ("SIGIR 2009, 758-759", "inproceedings booktitle=SIGIR 2009 pages=758–759"),
        ("NeurIPS 2014 workshop on deep learning", "inproceedings booktitle=NeurIPS 2014 workshop on deep learning"),
        ("Meeting of the ACL 12, 1-9", "inproceedings booktitle=Meeting of the ACL 12 pages=1–9"),
        ("Wiley", "book publisher=Wiley"),
        ("Predicting Data, MIT Press", "incollection booktitle=Predicting Data publisher=MIT Press"),
        ("On Books, MIT Press (Report 8506)", "incollection booktitle=On Books publisher=MIT Press note=Report 8506"),
        ("arXiv; ICLR 2025", "misc howpublished=arXiv; ICLR 2025"),
        ("web page", "misc howpublished=web page"),
        ("Report 7", "misc howpublished=Report 7"),
    ],
)  # fmt: skip
def test_bibtex_says_where_it_appeared(venue: str, expected: str) -> None:
    fields = parsed(bibtex.record(source(venue=venue), "k"))["k"]
    told = [f"{k}={v}" for k, v in fields.items() if k not in ("ENTRYTYPE", "author", "title", "url")]
    assert f"{fields['ENTRYTYPE']} {' '.join(told)}".replace(" year=2000", "") == expected


def test_a_source_is_told_alike_everywhere(real: Catalog) -> None:
    own = {"key", "role"}
    told = {w.key: {tuple(s.model_dump(exclude=own).items()) for _, s in w.cited} for w in works.Works(real)}
    assert {key: records for key, records in told.items() if len(records) > 1} == {}


def bare(title: str) -> str:
    """A title without what typesetting changes."""
    return re.sub(r"\W", "", title.replace("{", "").replace("}", "")).lower()


def source(**fields: Any) -> Source:
    base = {"key": "k", "authors": "A. Author", "title": "A Title", "year": 2000, "venue": "V", "role": "introduces"}
    return Source.model_validate({"url": "https://example.org/x", **base, **fields})


@pytest.mark.parametrize(
    "text", [*HOSTILE, "Łukasz Ørsted, Čapek, Müller, Ångström, Ğ, ŷ, Dvořák, Ḥ, ễ, Ελλάς, 中文 & co."]
)
def test_bibtex_gives_texts_back(text: str) -> None:
    record = bibtex.record(source(title=text, venue=f"Journal of {text}"), "k")
    fields = parsed(record)["k"]
    expected = unicodedata.normalize("NFC", " ".join(text.split())).replace("^", "ˆ")  # as the decoder says it
    assert unicodedata.normalize("NFC", fields["title"]) == expected
    assert unicodedata.normalize("NFC", fields["journal"]) == f"Journal of {expected}"


@given(LINES)
@own
def test_bibtex_reads_any_text(text: str) -> None:
    fields = parsed(
        bibtex.record(source(authors=text, title=text, venue=text, url="https://example.org/{x}\\%7"), "k")
    )["k"]
    assert fields.keys() >= {"author", "title", "year", "url"}
    letters = [c for c in unicodedata.normalize("NFC", text) if c.isalnum() and c.isascii()]
    where = ("journal", "booktitle", "volume", "number", "pages", "publisher", "note", "howpublished")
    told = "".join(fields.get(k, "") for k in where)
    said = [c for c in told if c.isalnum() and c.isascii()]
    assert letters in (said, [*said, *fields["year"]])  # a journal's year stands in a field of its own


def test_records_of_one_publication_are_merged(make: Callable[..., dict[str, Any]]) -> None:
    variants = [
        source(key="a", authors="Ada Author and others", title="On Things", arxiv="1312.6114", venue="arXiv"),
        source(key="b", authors="Ada Author, Bea Writer", title="On things!", doi="10.1000/X", venue="NeurIPS"),
        source(key="c", authors="A. Author", title="Published Under Another Title", doi="10.1000/x"),
        source(key="d", authors="Ada Author", title="On Things Again", year=2001, arxiv="1312.6115"),
        source(key="e", authors="Ada Author", title="On Things, Once More", year=2000),
    ]
    es = [Entry.model_validate(make(f"e{i}")).model_copy(update={"sources": [s]}) for i, s in enumerate(variants)]
    for order in (es, es[::-1]):
        made = works.Works(order)
        assert [w.key for w in made] == ["author2000things", "author2000things_2", "author2001things"]
        merged = made[0].source
        assert (merged.authors, merged.arxiv, merged.doi.lower()) == (
            "Ada Author, Bea Writer",
            "1312.6114",
            "10.1000/x",
        )
        assert made.keys["e1", "b"] == made.keys["e0", "a"] == made.keys["e2", "c"] == "author2000things"
        assert {id for id, _ in made[0].cited} == {"e0", "e1", "e2"}


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("Tom B. Brown and 30 others", ["Tom B. Brown", "others"]),
        ("A. One, B. Two, et al.", ["A. One", "B. Two", "others"]),
        ("A. One, B. Two et al.", ["A. One", "B. Two", "others"]),
        ("A. One, B. Two, and C. Three", ["A. One", "B. Two", "C. Three"]),
        ("A. One & B. Two", ["A. One", "B. Two"]),
    ],
)
def test_authors_one_by_one(text: str, people: list[str]) -> None:
    assert works.authors(source(authors=text)) == people


# -- catalog.json


def test_catalog_json_is_what_its_schema_says(cat: Catalog, real: Catalog, hostile: Catalog) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = document.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for c in (cat, real, hostile):
        data = json.loads(c.export("catalog-json"))
        assert not [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(data)][:3]
        assert data["schema"] == 1
    data["entries"][0]["years"] = 3
    data["entries"][1]["relations"] = None
    assert len(list(validator.iter_errors(data))) == 2


def test_the_schema_in_the_repository_is_that_of_the_models() -> None:
    written = (ROOT / "patterns" / "catalog.schema.json").read_text(encoding="utf-8")
    assert written == document.schema_text(), "genai-patterns export --schema > patterns/catalog.schema.json"


def test_catalog_json_has_everything(real: Catalog) -> None:
    data = json.loads(real.export("catalog-json"))
    assert data["name"] == real.name
    assert {f["id"]: f["title"] for f in data["families"]} == {f: t for f, (t, _) in real.families().items()}
    assert [d["id"] for d in data["decisions"]] == [d.id for d in real.decisions]
    assert {t["name"]: t["inverse"] for t in data["relation_types"]} == {
        k: v.inverse for k, v in real.relations.items()
    }
    assert [e["id"] for e in data["entries"]] == real.ids
    for e in data["entries"]:
        seen = {(r["type"], r["target"], r["derived"]) for r in e["relations"]}
        assert seen == {(r.type, r.target, r.derived) for r in real.edges(e["id"])}
        mine = [r for r in e["relations"] if not r["derived"]]
        claims = [{k: v for k, v in c.items() if k not in ("holds", "evidence")} for c in e["claims"]]
        for r in mine:
            r["claim"] = r["claim"] and r["claim"].partition(".")[2]
            del r["derived"]
        back = Entry.model_validate(e | {"claims": claims, "relations": mine})
        assert ordered(back) == ordered(real[e["id"]])
        for c in e["claims"]:
            assert c["holds"] is True
            assert c["evidence"]["measures"].keys() == c["measures"].keys()


def ordered(entry: Entry) -> Entry:
    """The entry with its relations in a fixed order."""
    return entry.model_copy(update={"relations": sorted(entry.relations, key=lambda r: (r.type, r.target))})


# -- other catalogs


OWN = """
name: Knots
families: {bends: Bends, hitches: Hitches}
relations:
  stronger_than: {rule: A holds where B slips., inverse: weaker_than, acyclic: true}
  looks_like: {rule: A is easily taken for B., symmetric: true}
fields: {required: [], optional: [aliases, tags]}
"""


def test_a_catalog_of_another_field(folder: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    folder.text("catalog.yaml", OWN)
    for id, family, more in (
        ("sheet_bend", "bends", "aliases: [Weaver's knot]"),
        ("carrick_bend", "bends", "relations: [{type: stronger_than, target: sheet_bend, why: 'It is, wet.'}]"),
        ("clove_hitch", "hitches", "relations: [{type: looks_like, target: sheet_bend, why: No.}]"),
    ):
        relations = "" if "relations" in more else "relations: []\n"
        folder.text(
            f"{family}/{id}.yaml", f"id: {id}\nname: {id}\nfamily: {family}\nsummary: A knot.\n{relations}{more}\n"
        )
    cat = catalog.load(folder.root)
    made = {name: cat.export(name) for name in FORMATS}
    graph = nx.node_link_graph(json.loads(made["node-link"]), edges="edges")  # type: ignore[arg-type]
    assert set(graph.edges(keys=True)) >= {("sheet_bend", "carrick_bend", "weaker_than")}
    data = json.loads(made["catalog-json"])  # type: ignore[arg-type]
    schema = document.json_schema(cat.vocabulary.entry)
    assert not list(jsonschema.Draft202012Validator(schema).iter_errors(data))
    assert data["entries"][0].keys() == {"id", "name", "family", "summary", "relations", "aliases", "tags"}
    assert "urn:catalog:knots:relation/stronger_than" in {str(p) for p in rdf(cat).predicates()}
    assert made["bibtex"] == ""
    assert [r["id"] for r in rows(made["csv"]["entries.csv"])] == cat.ids  # type: ignore[index]
    assert made["csv"]["sources.csv"].startswith("key,")  # type: ignore[index]


# -- the command line


@pytest.fixture
def run(small: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("CATALOG_PATTERNS", str(small))
    return lambda *arguments: CliRunner().invoke(cli, ["export", *arguments])


def test_the_command_prints_what_the_library_makes(run: Any, cat: Catalog) -> None:
    for name in FORMATS:
        if name != "csv":
            assert run(name).stdout_bytes.decode() == cat.export(name)
    assert run("csv", "--table", "relations").stdout_bytes.decode() == cat.export("csv")["relations.csv"]  # type: ignore[index]
    assert run("mermaid", "vae", "GAN", "--type", "alternative_to").stdout == cat.export("mermaid", ids=["vae", "gan"])
    assert run("dot", "--around", "gan", "--depth", "2").stdout == cat.export("dot", around="gan", depth=2)
    assert (
        json.loads(run("json-ld", "--base", "https://example.org/").stdout)["@context"]["own"] == "https://example.org/"
    )
    assert run("--schema").stdout == document.schema_text()
    assert [line.split()[0] for line in run("--list").stdout.splitlines()] == list(FORMATS)
    assert all(f.name in run("--help").stdout for f in FORMATS.values())


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["mermiad"], "did you mean 'mermaid'?"),
        (["dot", "vaee_"], "no pattern 'vaee_'"),
        (["dot", "--family", "flow"], "no family 'flow'"),
        (["dot", "--type", "build_on"], "did you mean 'builds_on'?"),
        (["dot", "--depth", "2"], "say which with"),
        (["dot", "--base", "urn:x:"], "dot has no option 'base'"),
        (["json-ld", "--base", "x"], "write an absolute IRI"),
        (["csv"], "give --out FOLDER, or one of them with --table"),
        (["csv", "--table", "relation"], "did you mean 'relations'?"),
        (["dot", "--table", "relations"], "--table is for csv"),
        (["dot", "--out", "no/such/folder/x.dot"], "No such file or directory"),
        ([], "Missing argument 'FORMAT'"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], wrong: str, run: Any) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert wrong in done.stderr


def test_files_are_written_whole_and_only_over_what_an_export_left(run: Any, tmp_path: Path, cat: Catalog) -> None:
    (home := tmp_path / "out").mkdir()
    file, folder = home / "graph.dot", home / "tables"
    file.write_text("earlier")
    assert run("dot", "--out", str(file)).exit_code == 0
    assert file.read_bytes().decode() == cat.export("dot")
    for _ in range(2):
        assert run("csv", "--out", str(folder)).exit_code == 0
    assert {p.name: p.read_bytes().decode() for p in folder.iterdir()} == cat.export("csv")
    (folder / "mine.txt").write_text("kept")
    done = run("csv", "--out", str(folder))
    assert done.exit_code == 2
    assert "holds 'mine.txt' and is no earlier export" in done.stderr
    (home / "data").mkdir()
    (home / "data" / "entries.csv").write_text("mine too")
    assert "holds 'entries.csv' and is no earlier export" in run("csv", "--out", str(home / "data")).stderr
    assert "is a folder" in run("dot", "--out", str(folder)).stderr
    assert "is a file" in run("csv", "--out", str(file)).stderr
    assert (folder / "mine.txt").read_text() == "kept"
    assert sorted(p.name for p in home.iterdir()) == ["data", "graph.dot", "tables"]
    assert run("dot", "--out", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_a_reader_may_have_seen_enough() -> None:
    command = f'"{sys.executable}" -m catalog export catalog-json | head -c 9'
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b'{"schema"', b"")


def test_formats_are_completed() -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_GENAI_PATTERNS_COMPLETE": "bash_complete"}
    env |= {"COMP_WORDS": "genai-patterns export js", "COMP_CWORD": "2"}
    code = "from catalog.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["plain,json-ld"]
