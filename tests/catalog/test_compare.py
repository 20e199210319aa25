"""Side by side: what is said of two entries is what their files say, and no two numbers stand together that may not."""

from __future__ import annotations

import difflib
import importlib
import json
import re
import shutil
from html import unescape
from itertools import islice, permutations
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import catalog
from catalog import difference, sources
from catalog.cli import cli
from catalog.compare import mentioned
from catalog.difference import compared
from catalog.errors import BadQuestion, UnknownPattern
from catalog.measured import number

ROOT = Path(__file__).parents[2]
FAMOUS = [
    "vae gan", "ddpm score_sde", "realnvp glow", "lstm gru", "gpt bert", "dpo rlhf", "wgan wgan_gp",
    "lexical_retrieval dense_retrieval", "autoencoder vae", "self_attention mamba", "pixelcnn vq_vae",
    "hopfield_network modern_hopfield",
]  # fmt: skip


@pytest.fixture(scope="module")
def cat() -> catalog.Catalog:
    return catalog.load(ROOT / "patterns")


@pytest.fixture(scope="module")
def files() -> dict[str, dict]:
    """Every entry as it stands in its file."""
    return {p.stem: yaml.safe_load(p.read_text()) for p in sorted((ROOT / "patterns").glob("*/*.yaml"))}


@pytest.fixture(scope="module")
def evidence() -> dict[str, dict]:
    """Every record of evidence as it stands in its file, by `entry.claim`."""
    found = {}
    for path in sorted((ROOT / "patterns").glob("*/*/evidence.json")):
        records = json.loads(path.read_text())["claims"]
        found |= {f"{path.parent.name}.{name}": record for name, record in records.items()}
    return found


# -- compare


@pytest.mark.parametrize("pair", FAMOUS)
def test_facets_are_the_entries(cat, files, pair):
    a, b = pair.split()
    found = cat.compare([a, b])
    for id in (a, b):
        said = files[id]["facets"]
        for name in ("likelihood", "latent", "sampling", "training"):
            assert found.facets[name][id] == said[name].replace("_", " ")
        assert found.facets["data"][id] == ", ".join(said["data"])
        assert found.facets["year"][id] == str(files[id]["year"])
    for name, values in found.facets.items():
        assert (name in found.differing) == (values[a] != values[b])
    rows = found.rows()
    assert [row["facet"] for row in rows[: len(found.differing)]] == found.differing
    assert {row["facet"] for row in rows} == set(found.facets)


def test_every_number_is_in_the_evidence(cat, evidence):
    seen = 0
    for pair in FAMOUS:
        for b in cat.compare(pair.split()).beside:
            for id, value in b.values.items():
                measures = evidence[b.claims[id]]["measures"].values()
                assert value in [m["value"] for m in measures] + [m.get("baseline") for m in measures]
                assert b.claims[id].startswith(id) or b.how == "test"
                seen += 1
    assert seen > 20


def test_one_test_measured_both(cat, files):
    """Where numbers are said to come from one test, the claim is the one's and its baseline begins with the other."""
    seen = set()
    for pair in FAMOUS:
        for b in cat.compare(pair.split()).beside:
            if b.how == "test":
                (claim,) = set(b.claims.values())
                owner, _, name = claim.partition(".")
                (other,) = set(b.values) - {owner}
                measures = next(c for c in files[owner]["claims"] if c["id"] == name)["measures"].values()
                assert b.words[other] in [m.get("baseline") for m in measures]
                names = [files[other]["name"], other, *files[other]["aliases"]]
                assert any(b.words[other].lower().startswith(n.lower()) for n in names), b.words
                seen.add(claim)
    assert {"gan.samples_are_sharper_than_those_of_a_vae", "dense_retrieval.synonyms_are_bridged"} <= seen


def test_a_difference_from_the_other_is_no_number_of_the_other(cat, files):
    """Beta-VAE is measured by how far it is from the VAE at beta 4: a distance, not something that the VAE scores."""
    claim = next(c for c in files["beta_vae"]["claims"] if c["id"] == "beta_one_is_the_vae")
    assert any("against the VAE" in m.get("baseline", "") for m in claim["measures"].values())
    found = cat.compare(["vae", "beta_vae"])
    assert not found.beside
    assert found.unmeasured == [("vae", "beta_vae")]
    assert "No measured number" in str(found)


def test_numbers_on_a_task_are_the_same_measure(cat, files):
    task = {e.id: sources.task(sources.lineage(cat, e)) for e in cat}
    found = cat.compare(["realnvp", "glow", "vae", "dcgan", "pixelcnn"])
    shared = [b for b in found.beside if b.how == "task"]
    assert any(set(b.values) == {"realnvp", "glow"} and b.unit == "bits" for b in shared)
    for b in shared:
        assert len({task[id] for id in b.values}) == 1
        for id, claim in b.claims.items():
            c = next(c for c in files[id]["claims"] if c["id"] == claim.partition(".")[2])
            assert c["kind"] not in ("exact", "analytic")
            same = [m for m in c["measures"].values() if m["unit"] == b.unit]
            words = set(re.findall(r"\w+", b.what)) - {"three", "seeds"}
            assert any(words == set(re.findall(r"\w+", m["what"])) - {"three", "seeds"} for m in same)


def test_relations_and_decisions_stand_as_stated(cat, files):
    found = cat.compare(["dpo", "rlhf"])
    stated = [(r["type"], r["why"].strip()) for r in files["dpo"]["relations"] if r["target"] == "rlhf"]
    assert sorted((j.type, j.why.strip()) for j in found.joints if j.source == "dpo") == sorted(stated)
    decisions = yaml.safe_load((ROOT / "patterns" / "decisions.yaml").read_text())["decisions"]
    both = [d["problem"] for d in decisions if {"lstm", "gru"} <= {o["pattern"] for o in d["options"]}]
    assert [c.problem for c in cat.compare(["lstm", "gru"]).choices] == both


@pytest.mark.parametrize("ids", [*FAMOUS, "gan vae ddpm", "gan vae ddpm glow", "gan vae ddpm glow pixelcnn made"])
def test_text_fits_a_terminal(cat, ids):
    text = str(cat.compare(ids.split()))
    assert max(map(len, text.split("\n"))) <= 100
    assert all(id in text for id in ids.split())
    for title in ("Where they differ", "Gained and paid", "When to take which", "How they fail"):
        assert f"\n{title}\n" in text


def test_frame_has_facets_times_entries(cat):
    pytest.importorskip("pandas")
    found = cat.compare(["vae", "gan", "glow"])
    frame = found.to_frame()
    assert list(frame.columns) == ["vae", "gan", "glow"]
    assert frame.loc["likelihood"].to_dict() == {"vae": "bound", "gan": "implicit", "glow": "exact"}
    assert len(frame) == len(found.facets)
    assert "<table>" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict()))["ids"] == ["vae", "gan", "glow"]


def test_names_in_a_text_are_the_longest(cat):
    assert mentioned(cat, "conditional GAN trained on random labels") == ["conditional_gan"]
    assert mentioned(cat, "VAE, same encoder, decoder and steps") == ["vae"]
    assert mentioned(cat, "nothing of the kind, a, b") == []


@pytest.mark.parametrize(
    ("ids", "said"), [(["vae"], "two patterns"), (["vae", "vae"], "vae is named twice"), ("vae", "a list of ids")]
)
def test_what_cannot_be_compared(cat, ids, said):
    with pytest.raises(BadQuestion, match=said):
        cat.compare(ids)
    with pytest.raises(UnknownPattern):
        cat.compare(["vae", "nothing_like_it"])


# -- diff


def test_of_a_derived_class_only_what_it_says_itself_is_shown(cat):
    pytest.importorskip("torch")
    seen = 0
    for e in cat:
        for r in e.relations:
            a = cat[r.target]
            module, _, name = e.implementation.reference.partition(":")
            other, _, base = a.implementation.reference.partition(":")
            cls, parent = (getattr(importlib.import_module(m), n) for m, n in ((module, name), (other, base)))
            if r.type != "specializes" or cls is parent or not issubclass(cls, parent):
                continue
            between = cls.__mro__[: cls.__mro__.index(parent)]
            own = {n for c in between for n in vars(c)}
            beside = {
                n for n, v in vars(importlib.import_module(module)).items() if getattr(v, "__module__", 0) == module
            }
            found = cat.diff(a.id, e.id)
            shown = {p.name for p in found.code if p.change != "removed"}
            assert shown <= own | beside | {"Config"}, e.id
            assert "derives from" in found.how
            seen += 1
    assert seen > 10


def test_both_sides_can_be_put_together_again(cat, monkeypatch):
    """With all context, lines without a sign and with + are the new text, with - the old one."""
    monkeypatch.setattr(difference, "CONTEXT", 10_000)
    for a, b in (pair.split() for pair in FAMOUS):
        old, new = (sources.lineage(cat, cat[id])[0] for id in (a, b))
        for name in old.parts.keys() & new.parts.keys() - {"Config", "task"}:
            x, y = (difference._bare(c.parts[name]) for c in (old, new))
            lines = compared(x, y, 10_000)
            if x != y:
                assert [x[line.old] for line in lines if line.sign in " -"] == x
                assert [y[line.new] for line in lines if line.sign in " +"] == y


@pytest.fixture
def coded(folder, make):
    """Entries whose references lie beside them: the second moves a method, changes a line, adds a method."""
    code = folder.root.parent / "reference_impl" / "made_up"
    code.mkdir(parents=True)
    (code / "first.py").write_text(
        'class First:\n    """One."""\n\n    task = "bits"\n\n    def a(self):\n        """Prose."""\n        # why\n'
        "        return 1\n\n    def b(self):\n        x = 2\n        return x\n"
    )
    (code / "second.py").write_text(
        'class Second:\n    """Two."""\n\n    def b(self):\n        x = 3\n        return x\n\n    def a(self):\n'
        '        """Other prose."""\n        return 1\n\n    def c(self):\n        return 4\n'
    )
    (code / "third.py").write_text(
        "from reference_impl.made_up.first import First\n\n\nclass Third(First):\n    def b(self):\n        return 5\n"
    )
    second = make("second", year=2015, objective=r"\min g", tags=["test", "new"])
    return catalog.load(folder.write(make("first"), second, make("third")).root)


def test_methods_are_matched_by_name_and_prose_is_left_out(coded):
    found = coded.diff("first", "second")
    assert {p.name: (p.change, p.lines) for p in found.code} == {
        "b": ("changed", ("  def b(self):", "-     x = 2", "+     x = 3", "      return x")),
        "c": ("added", ("+ def c(self):", "+     return 4")),
    }
    assert found.kept == ["a"]
    assert found.counts == (3, 1)
    said = {(f.field, f.name): (f.change, f.before, f.after) for f in found.fields}
    assert said["facets", "year"] == ("changed", "2013", "2015")
    assert said["objective", ""] == ("changed", r"\min_\theta f(\theta)", r"\min g")
    assert said["tags", "new"][0] == "added"
    assert not {field for field, _ in said} & {"claims", "symbols", "structure", "failure_modes"}
    assert sources.task(sources.lineage(coded, coded["first"])) == "bits"


def test_what_is_inherited_stays(coded):
    found = coded.diff("first", "third")
    assert [(p.name, p.change) for p in found.code] == [("b", "changed")]
    assert "Third (reference_impl.made_up.third) derives from First" in found.how
    back = coded.diff("third", "first")
    assert back.counts == found.counts[::-1]
    assert "what it names falls away" in back.how


def test_entries_without_code_differ_in_what_they_say(small):
    cat = catalog.load(small)
    found = cat.diff("vae", "beta_vae")
    assert found.code == []
    assert "not part of this installation" in found.how
    assert ("relations", "specializes vae", "added") in [(f.field, f.name, f.change) for f in found.fields]
    with pytest.raises(BadQuestion, match="same pattern"):
        cat.diff("vae", "VAE")


def test_entries_of_other_fields_are_compared_by_their_own_facets(folder):
    about = {
        "name": "Sorting", "families": {"simple": "Simple"}, "relations": {"alternative_to": None},
        "facets": {"memory": {"one_of": ["constant", "linear"]}, "sorts": {"some_of": ["arrays", "lists"]}},
        "fields": {"required": ["year"], "optional": ["facets"]},
    }  # fmt: skip
    folder.text("catalog.yaml", json.dumps(about))
    for id, facets in (("heapsort", {"memory": "constant", "sorts": ["arrays"]}), ("mergesort", None)):
        entry = {"id": id, "name": id, "family": "simple", "summary": "It sorts.", "year": 1960}
        folder.text(f"simple/{id}.yaml", json.dumps(entry | ({"facets": facets} if facets else {})))
    cat = catalog.load(folder.root)
    found = cat.compare(["heapsort", "mergesort"])
    assert found.facets["sorts"] == {"heapsort": "arrays", "mergesort": ""}
    assert found.differing == ["memory", "sorts"]
    assert "easured" not in str(found)
    assert [(f.field, f.name) for f in cat.diff("heapsort", "mergesort").fields] == [
        ("facets", "memory"), ("facets", "sorts"),
    ]  # fmt: skip
    assert "Code" not in str(cat.diff("heapsort", "mergesort"))
    assert cat.compose(["heapsort", "mergesort"]).verdict == "undeclared"
    assert not cat.claims()


def test_diff_fits_a_terminal_but_for_code(cat):
    for pair in FAMOUS:
        lines = str(cat.diff(*pair.split())).split("\n")
        assert all(len(line) <= 100 or re.match(r" {4}[ +-] ", line) for line in lines)


# -- claims


def test_all_claims_are_there_with_their_numbers(cat, files, evidence):
    found = cat.claims()
    wanted = [
        (f"{id}.{c['id']}", name, c["kind"], m["what"], m["unit"])
        for id, e in files.items()
        for c in e["claims"]
        for name, m in c["measures"].items()
    ]
    assert sorted((n.claim, n.measure, n.kind, n.what, n.unit) for n in found) == sorted(wanted)
    for n in found:
        record = evidence[n.claim]
        got = record["measures"][n.measure]
        assert (n.value, n.baseline_value, n.seconds, n.date) == (
            got["value"], got.get("baseline"), record["seconds"], record["date"],
        )  # fmt: skip
        if got.get("seeds"):
            assert (n.low, n.high, n.seeds) == (min(got["seeds"]), max(got["seeds"]), len(got["seeds"]))
        assert n.low is None or n.low <= n.value <= n.high
    assert set(found.counts()) == {"holds"}


def test_filters_narrow(cat, files):
    exact = {f"{id}.{c['id']}" for id, e in files.items() for c in e.get("claims", []) if c["kind"] == "exact"}
    assert {n.claim for n in cat.claims(kind="exact")} == exact
    flows = cat.claims(kind=["exact", "limit"], family="flow")
    assert flows
    assert {(n.kind, cat[n.pattern].family) for n in flows} == {("exact", "flow"), ("limit", "flow")}
    proving = {
        f"{id}.{r['claim']}" for id, e in files.items() for r in e.get("relations", []) if r["type"] == "reduces_to"
    }
    assert {n.claim for n in cat.claims(proves="reduces_to")} == proving
    assert {n.pattern for n in cat.claims(year=2013)} == {id for id, e in files.items() if e.get("year") == 2013}
    assert {n.unit for n in cat.claims(unit="nats")} == {"nats"}
    assert {n.claim for n in cat.claims("gan", text="sharper vae")} == {"gan.samples_are_sharper_than_those_of_a_vae"}
    assert not cat.claims("vae", text="no such words")
    assert not cat.claims(status="missed")


@pytest.fixture
def lab(folder, make):
    """A catalog with evidence: of one entry's claims the first holds, the second misses its bar, the third is open."""
    folder.write(make("vae"))
    record = {"digest": "0" * 16, "seconds": 1.5, "device": "cpu", "versions": {}, "date": "2026-01-02"}
    claims = {
        "exact_claim": {**record, "measures": {"gap": {"value": 1e-5, "seeds": [1e-6, 1e-5, 3e-5]}}},
        "analytic_claim": {**record, "measures": {"gap": {"value": 0.5}}},
    }
    folder.text("latent_variable/vae/evidence.json", json.dumps({"schema": 1, "claims": claims}))
    return folder


def test_status_follows_from_numbers_and_bars(lab):
    cat = catalog.load(lab.root)
    found = {n.claim: n for n in cat.claims()}
    assert [n.status for n in found.values()] == ["holds", "missed", "not measured"]
    assert found["vae.exact_claim"].beside() == "1.00e-5 nats (1.00e-6 to 3.00e-5, 3 seeds) [bar ≤ 0.0001]"
    assert found["vae.comparative_claim"].value is None
    assert [n.claim for n in cat.claims(status="missed")] == ["vae.analytic_claim"]
    assert cat.claims().counts() == {"holds": 1, "missed": 1, "not measured": 1}
    assert "vae.analytic_claim (analytic, missed)" in str(cat.claims())


def test_evidence_that_cannot_be_read_is_a_sentence(lab):
    lab.text("latent_variable/vae/evidence.json", "{")
    with pytest.raises(BadQuestion, match=r"evidence\.json is no evidence: .*measure again"):
        catalog.load(lab.root).claims()


def test_stale_is_what_was_measured_under_other_code(tmp_path):
    """In a copy of the checkout evidence is stale as soon as the digest in it is another one."""
    id = "hopfield_network"
    left_out = shutil.ignore_patterns("__pycache__", "*.svg", "*.txt", "*.wav", "*.mid", "*.safetensors")
    shutil.copytree(ROOT / "patterns", tmp_path / "patterns", ignore=left_out)
    shutil.copytree(ROOT / "reference_impl", tmp_path / "reference_impl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "claims", tmp_path / "tests" / "claims", ignore=left_out)
    path = tmp_path / "patterns" / "energy" / id / "evidence.json"
    records = json.loads(path.read_text())
    name = next(iter(records["claims"]))
    assert not catalog.load(tmp_path / "patterns").claims(id, status="stale")
    records["claims"][name]["digest"] = "f" * 16
    path.write_text(json.dumps(records))
    assert {n.claim for n in catalog.load(tmp_path / "patterns").claims(id, status="stale")} == {f"{id}.{name}"}


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"kin": "exact"}, "no filter 'kin'; did you mean 'kind'"),
        ({"kind": "exat"}, "did you mean 'exact'"),
        ({"family": "flows"}, "did you mean 'flow'"),
        ({"status": "green"}, "there are holds, missed, not measured, stale"),
        ({"unit": "nat"}, "did you mean 'nats'"),
        ({"proves": "reduce_to"}, "did you mean 'reduces_to'"),
        ({"year": "2014"}, "a number, or a pair"),
    ],
)
def test_filters_that_do_not_exist(cat, filters, said):
    with pytest.raises(BadQuestion, match=said):
        cat.claims(**filters)


def test_numbers_as_people_write_them():
    written = {
        0.0: "0",
        1.0: "1",
        0.123456: "0.1235",
        12345.6: "12,346",
        2.5e7: "2.50e7",
        -4e-9: "-4.00e-9",
        None: "not measured",
    }
    assert {value: number(value) for value in written} == written


# -- the shell


def test_commands(cat):
    run = CliRunner().invoke
    for args, answer in (
        (["compare", "vae", "gan"], cat.compare(["vae", "gan"])),
        (["diff", "vae", "beta_vae"], cat.diff("vae", "beta_vae")),
        (["claims", "vae", "--kind", "exact"], None),
    ):
        result = run(cli, [*args, "--json"])
        assert result.exit_code == 0
        data = json.loads(result.stdout)
        assert data["schema"] == 1
        if answer:
            assert data == {"schema": 1, **json.loads(json.dumps(answer.to_dict()))}
            assert run(cli, args).stdout == f"{answer}\n"
    years = json.loads(run(cli, ["claims", "--year", "2013-2014", "--json"]).stdout)["rows"]
    assert {row["year"] for row in years} == {2013, 2014}
    assert run(cli, ["claims", "vae", "--text", "nothing of the sort"]).exit_code == 1
    for wrong in (["compare", "vae"], ["diff", "vae", "vae"], ["claims", "--kind", "exat"], ["claims", "--year", "x"]):
        result = run(cli, wrong)
        assert result.exit_code == 2, wrong
        assert "Traceback" not in result.output


def test_colors_on_a_terminal_alone(cat):
    run = CliRunner().invoke
    assert "\x1b[" not in run(cli, ["diff", "vae", "beta_vae"]).stdout
    colored = run(cli, ["diff", "vae", "beta_vae"], color=True).stdout
    assert "\x1b[32m" in colored
    assert "\x1b[31m" in colored


def test_some_pairs_of_the_whole_catalog_can_be_asked_for(cat):
    """Every hundredth pair: no entry lacks what an answer needs."""
    for a, b in islice(permutations(cat.ids, 2), 0, None, 101):
        assert str(cat.compare([a, b]))
        assert str(cat.diff(a, b))
        assert str(cat.compose([a, b]))


def test_pages_show_the_same_difference(cat):
    """What a derived class says anew stands on its page as `diff` gives it; other pairs are compared line by line."""
    from catalog.site import annotate, book, pattern

    made = book.read(cat, book.site_folder(), {})
    _, html = pattern.changes(made, cat["beta_vae"])
    (loss,) = [p for p in cat.diff("vae", "beta_vae").code if p.name == "loss"]
    text = re.sub(r"<[^>]+>", "", html)
    for line in loss.lines:
        assert line[2:].strip() in unescape(text)
    old, new = made.sources["lstm"], made.sources["gru"]
    _, plus, minus = annotate.changes(old, new)
    lines = [
        [line for row in annotate.rows(s) for line in [*(s.splitlines()[n - 1] for n in row.code), ""]]
        for s in (old, new)
    ]
    signs = [line[0] for line in difflib.unified_diff(*lines, n=0, lineterm="")][2:]
    assert (plus, minus) == (signs.count("+"), signs.count("-"))
