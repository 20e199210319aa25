"""Questions to a small catalog, and to the real one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

import catalog
from catalog import data, names, scaffold
from catalog.catalog import Catalog
from catalog.errors import NoPath, UnknownPattern
from catalog.graph import RELATIONS, SHOWN, cycles
from catalog.prose import plain
from catalog.schema import RelationType

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cat(small: Path) -> Catalog:
    return catalog.load(small)


@pytest.mark.parametrize(
    "name",
    [
        "vae", "VAE", "VAEs", "Variational Autoencoder", "variational autoencoders", "variational auto-encoder",
        "Variational_Autoencoder", "Variational Autoencoders (VAEs)", "VAE (Kingma)", "  variational  AUTOENCODER ",
        "Variational auto-encoding Bayes",
    ],
)  # fmt: skip
def test_an_entry_is_found_under_all_its_names(name: str, cat: Catalog) -> None:
    assert cat[name] is cat.get("vae")
    assert name in cat


def test_an_exact_name_goes_before_what_is_in_parentheses(cat: Catalog) -> None:
    assert cat["Autoencoder (VAE)"].id == "autoencoder"
    assert cat["β-vae"].id == "beta_vae"


def test_an_unknown_name_is_a_key_error_with_the_nearest(cat: Catalog) -> None:
    with pytest.raises(UnknownPattern, match="no pattern 'varational autoencoder'; did you mean vae") as caught:
        cat["varational autoencoder"]
    assert isinstance(caught.value, KeyError)
    assert caught.value.near[0] == "vae"
    with pytest.raises(UnknownPattern, match="genai-patterns list"):
        cat.get("")
    assert "zzz" not in cat
    assert 3 not in cat


def test_a_collection_of_entries(cat: Catalog) -> None:
    assert [e.id for e in cat] == cat.ids == ["gan", "autoencoder", "vae", "beta_vae"]
    assert len(cat) == 4
    assert cat.families() == {
        "adversarial": ("Adversarial", ["gan"]),
        "latent_variable": ("Latent variable", ["autoencoder", "vae", "beta_vae"]),
    }


def test_families_take_title_and_order_from_catalog_yaml(small: Path, folder: Any) -> None:
    folder.text("catalog.yaml", "name: T\nfamilies: {latent_variable: Latent, flow: Flows, adversarial: Games}\n")
    cat = catalog.load(small)
    assert list(cat.families()) == ["latent_variable", "adversarial"]
    assert cat.families()["adversarial"] == ("Games", ["gan"])
    assert cat.titles["flow"] == "Flows"


def test_related_shows_both_sides(cat: Catalog) -> None:
    found = {(r.type, r.id, r.direction) for r in cat.related("vae")}
    assert found == {
        ("builds_on", "autoencoder", "out"), ("alternative_to", "gan", "both"),
        ("specialized_by", "beta_vae", "in"), ("recovered_by", "beta_vae", "in"),
    }  # fmt: skip
    assert [(r.type, r.direction) for r in cat.related("gan")] == [("alternative_to", "both")]
    (recovered,) = cat.related("vae", "recovered_by")
    assert recovered.proven == "beta_vae.exact_claim"
    assert recovered.when == r"$\beta = 1$"


@pytest.mark.parametrize(
    ("types", "direction", "ids"),
    [
        (None, "out", ["autoencoder", "gan"]),
        (None, "in", ["gan", "beta_vae", "beta_vae"]),
        ("specializes", "both", ["beta_vae"]),
        ("specializes", "out", []),
        ("specialized_by", "both", ["beta_vae"]),
        ("extended_by", "both", []),
        ({"builds_on", "alternative_to"}, "both", ["autoencoder", "gan"]),
    ],
)
def test_related_by_type_and_direction(types: Any, direction: Any, ids: list[str], cat: Catalog) -> None:
    assert [r.id for r in cat.related("vae", types, direction)] == ids


def test_related_goes_deeper_and_lists_an_entry_once_where_it_is_nearest(cat: Catalog) -> None:
    assert {(r.id, r.distance) for r in cat.related("beta_vae", depth=9)} == {
        ("vae", 1),
        ("autoencoder", 2),
        ("gan", 2),
    }
    (far,) = [r for r in cat.related("beta_vae", depth=2) if r.id == "gan"]
    assert far.path == ("beta_vae", "vae", "gan")


def test_related_prints_well(cat: Catalog) -> None:
    text = str(cat.related("vae"))
    assert text == repr(cat.related("vae"))
    assert text.startswith(
        "Variational Autoencoder (vae): 4 relations\n\nbuilds on\n  Autoencoder (autoencoder)\n    A rea"
    )
    assert "    When: β = 1.\n    Shown by the claim beta_vae.exact_claim." in text
    assert "Autoencoder (autoencoder), through vae" in str(cat.related("beta_vae", depth=2))
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"types": "builds_om"}, "no relation 'builds_om'; did you mean 'builds_on'"),
        ({"direction": "up"}, "direction 'up'; it is 'both', 'out' or 'in'"),
        ({"depth": 0}, "depth 0; it is at least 1"),
    ],
)
def test_related_refuses_what_does_not_exist(arguments: Any, said: str, cat: Catalog) -> None:
    with pytest.raises(ValueError, match=said):
        cat.related("vae", **arguments)


def test_path_gives_the_reason_along_each_edge(cat: Catalog) -> None:
    route = cat.path("beta_vae", "GANs")
    assert route.ids == ["beta_vae", "vae", "gan"]
    assert [s.type for s in route] == ["specializes", "alternative_to"]
    assert "A reason for specializes." in str(route)
    assert len(cat.path("vae", "vae")) == 0
    assert [s.type for s in cat.path("autoencoder", "vae")] == ["extended_by"]


def test_no_path(small: Path, folder: Any, make: Any) -> None:
    cat = catalog.load(folder.write(make("alone", "flow")).root)
    with pytest.raises(NoPath, match="no relations lead from alone to vae; from alone one reaches nothing"):
        cat.path("alone", "vae")
    said = [str(p) for p in cat.completeness()]
    assert any("no relations join" in s for s in said)
    assert any("alone has 0 relations, of the types: none" in s for s in said)
    assert any("gan has 1 relations" in s for s in said)
    assert not any("vae.yaml" in s and "has" in s for s in said)


def test_the_graph_is_networkx_frozen_and_has_derived_inverses(cat: Catalog) -> None:
    import networkx as nx

    g = cat.graph
    assert type(g) is nx.MultiDiGraph
    assert nx.is_frozen(g)
    assert g is cat.graph
    assert g.edges["vae", "autoencoder", "builds_on"]["derived"] is False
    assert g.edges["autoencoder", "vae", "extended_by"]["derived"] is True
    assert g.edges["gan", "vae", "alternative_to"]["derived"] is True
    assert g.edges["beta_vae", "vae", "reduces_to"]["claim"] == "beta_vae.exact_claim"
    assert g.nodes["gan"]["family"] == "adversarial"
    assert g.number_of_edges() == 8
    assert nx.shortest_path_length(g, "beta_vae", "gan") == len(cat.path("beta_vae", "gan"))


def test_the_table_of_relations_is_that_of_the_schema() -> None:
    assert set(RELATIONS) == set(get_args(RelationType))
    assert len(SHOWN) == 22
    assert [k.name for k in RELATIONS.values() if k.symmetric] == ["equivalent_to", "alternative_to"]
    assert all(k.rule.endswith(".") for k in RELATIONS.values())


def test_cycles_are_those_of_networkx() -> None:
    import random

    import networkx as nx

    for seed in range(60):
        g = nx.gnp_random_graph(7, 0.2, seed=seed, directed=True)
        arrows = {str(n): [str(m) for m in g.successors(n)] for n in random.Random(seed).sample(list(g), len(g))}
        found = cycles(arrows)
        assert bool(found) != nx.is_directed_acyclic_graph(g)
        for cycle in found:
            assert cycle[0] == cycle[-1]
            assert all(b in arrows[a] for a, b in pairwise(cycle))


def test_passages_are_plain_prose(cat: Catalog) -> None:
    mine = [(section, text) for id, section, text in cat.passages() if id == "beta_vae"]
    assert ("solution", "Write one with p(x) in it.") in mine
    assert ("failure_modes", "Collapse: It stops. Look. Start again.") in mine
    assert ("relations", "A reason for specializes.") in mine
    assert [s for s, _ in mine][:3] == ["facts", "summary", "intent"]
    assert all(text and "$" not in text for _, text in mine)


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("the *bound* **holds** `here`", "the bound holds here"),
        (r"$\log p(x) \ge \mathbb{E}_{q}[\ldots]$", "log p(x) ≥ E_q[…]"),
        ("see [a page](https://example.org/a_b) now", "see a page now"),
        ("- one\n- two", "one two"),
        (r"$\frac{a}{b}$ and $x^{2}$", "a/b and x^2"),
        ("a_b and c_d, 2 * 3 * 4", "a_b and c_d, 2 * 3 * 4"),
        ("$$\\beta$$", "β"),
    ],
)
def test_plain_text(markdown: str, text: str) -> None:
    assert plain(markdown) == text


@pytest.mark.parametrize(
    ("one", "other"), [("GANs", "gan"), ("Schrödinger bridge", "schrodinger-bridges"), ("memories", "Memory")]
)
def test_names_that_mean_the_same(one: str, other: str) -> None:
    assert names.key(one) == names.key(other)


def test_where_the_entries_lie(small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(data.VARIABLE, raising=False)
    assert data.folder() == ROOT / "patterns"
    (tmp_path / "site-packages" / "catalog" / "_patterns").mkdir(parents=True)
    monkeypatch.setattr(data, "__file__", str(tmp_path / "site-packages" / "catalog" / "data.py"))
    assert data.folder() == tmp_path / "site-packages" / "catalog" / "_patterns"
    monkeypatch.setenv(data.VARIABLE, str(small))
    assert len(catalog.load()) == 4


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_is_cheap_and_imports_nothing_heavy(small: Path) -> None:
    heavy = "[m for m in ('torch', 'networkx', 'pydantic', 'sqlite3', 'rich', 'yaml') if m in sys.modules]"
    cost = "import time, sys; t = time.process_time(); import catalog; print(time.process_time() - t);"
    seconds, loaded = run(f"{cost} print({heavy})").splitlines()
    assert loaded == "[]"
    assert float(seconds) < 0.2
    code = f"import sys, catalog; c = catalog.load({str(small)!r});"
    code += "c.related('vae'); c.path('vae', 'gan'); c.search('x');"
    assert run(f"{code} print([m for m in ('torch', 'networkx') if m in sys.modules])") == "[]"
    assert run(f"{code} c.graph; print([m for m in ('torch', 'scipy') if m in sys.modules])") == "[]"


def test_loading_is_quick(folder: Any, make: Any, related: Any, cpu: Any) -> None:
    folder.write(make("e0", year=1950))
    folder.write(*(make(f"e{i}", year=1950 + i, relations=[related("builds_on", f"e{i - 1}")]) for i in range(1, 60)))
    assert len(catalog.load(folder.root)) == 60
    assert cpu(lambda: catalog.load(folder.root)) < 1.0  # 0.06 s where this was written; twelve entries take a fifth


def test_the_exported_schema_is_current() -> None:
    path = ROOT / "patterns" / scaffold.SCHEMA_FILE
    assert path.read_text(encoding="utf-8") == scaffold.schema_text(), (
        f"genai-patterns schema > {path.relative_to(ROOT)}"
    )


# -- the real entries


def test_the_real_catalog_holds_and_is_complete() -> None:
    cat = catalog.load(ROOT / "patterns")
    assert [str(p) for p in cat.completeness()] == []
    for entry in cat:
        first = Path(cat.documents[entry.id].file).read_text(encoding="utf-8").split("\n", 1)[0]
        assert first == f"# yaml-language-server: $schema=../{scaffold.SCHEMA_FILE}"
        assert all(cat[alias] is entry for alias in entry.aliases)
        assert cat.related(entry.id)


def modules() -> list[str]:
    """Every module of the library."""
    return [m.name for m in pkgutil.walk_packages(catalog.__path__, "catalog.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", ["catalog", *modules()])
def test_the_examples_in_the_docstrings_hold(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0
