"""The names under which people look for patterns, and the patterns they expect beside them."""

from pathlib import Path

import pytest
import yaml

import catalog

EXPECTED = yaml.safe_load((Path(__file__).parent / "expected.yaml").read_text(encoding="utf-8"))
CAT = catalog.load(Path(__file__).resolve().parents[2] / "patterns")
PAIRS = [(name, id) for id, names in EXPECTED["get"].items() for name in names]
FOUND = [(name, id) for id, names in EXPECTED["search"].items() for name in names]


def there(*ids):
    missing = [i for i in ids if i not in CAT.ids]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not in the catalog yet")


@pytest.mark.parametrize(("name", "id"), PAIRS)
def test_a_name_is_known(name, id):
    there(id)
    assert CAT.get(name).id == id


@pytest.mark.parametrize(("name", "id"), FOUND)
def test_words_find_the_pattern(name, id):
    there(id)
    found = [hit.id for hit in CAT.search(name)][:3]
    assert id in found


@pytest.mark.parametrize(("a", "b"), EXPECTED["neighbors"])
def test_neighbors_are_joined(a, b):
    there(a, b)
    assert any({e.source, e.target} == {a, b} and e.relation.why for e in CAT.edges(a))
