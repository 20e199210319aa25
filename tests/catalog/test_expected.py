"""The names under which people look for patterns, and the patterns they expect beside them."""

from pathlib import Path

import networkx as nx
import pytest
import yaml

import catalog

EXPECTED = yaml.safe_load((Path(__file__).parent / "expected.yaml").read_text(encoding="utf-8"))
CAT = catalog.load(Path(__file__).resolve().parents[2] / "patterns")
PAIRS = [(name, id) for id, names in EXPECTED["get"].items() for name in names]
FOUND = [(name, id) for id, names in EXPECTED["search"].items() for name in names]


@pytest.mark.parametrize(("name", "id"), PAIRS)
def test_a_name_is_known(name, id):
    assert CAT.get(name).id == id


@pytest.mark.parametrize(("name", "id"), FOUND)
def test_words_find_the_pattern(name, id):
    found = [hit.id for hit in CAT.search(name)][:3]
    assert id in found


@pytest.mark.parametrize(("a", "b"), EXPECTED["neighbors"])
def test_neighbors_are_joined(a, b):
    assert any({e.source, e.target} == {a, b} and e.relation.why for e in CAT.edges(a))


@pytest.mark.parametrize("id", CAT.ids)
def test_a_pattern_is_joined_in_two_ways(id):
    edges = CAT.edges(id)
    assert len({e.type for e in edges}) >= 2, f"{id} has relations of {sorted({e.type for e in edges})} alone"
    assert len(edges) >= 2
    assert all(e.relation.why for e in edges)


def test_every_pattern_can_be_reached_from_every_other():
    assert nx.is_weakly_connected(CAT.graph)


@pytest.mark.parametrize("id", CAT.ids)
def test_a_pattern_answers_a_decision(id):
    entry = CAT[id]
    answered = [o for d in CAT.decisions for o in d.options if o.pattern == id]
    assert answered, f"no decision names {id}: add it to patterns/decisions.yaml"
    assert all(o.claim in {c.id for c in entry.claims} for o in answered if o.claim)


def test_options_of_a_decision_differ():
    for d in CAT.decisions:
        assert len({o.pattern for o in d.options}) == len(d.options), d.id
