"""The relations of the catalog hold in the code."""

import ast
import importlib
from pathlib import Path

import pytest

import catalog
from catalog import digest, evidence

ROOT = Path(__file__).resolve().parents[2]
CAT = catalog.load(ROOT / "patterns")
MODULES = {e.implementation.reference.partition(":")[0]: e.id for e in CAT}
PROVEN = [(e, r) for e in CAT for r in e.relations if r.type in {"reduces_to", "equivalent_to", "remedies"}]
AUTHORED = {(e.id, r.target, r.type) for e in CAT for r in e.relations}
ids = [e.id for e in CAT]


def class_of(entry):
    module, _, name = entry.implementation.reference.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("entry", CAT, ids=ids)
def test_a_reference_imports_only_what_its_entry_is_related_to(entry):
    module = entry.implementation.reference.partition(":")[0]
    for other in digest.imports(ROOT, module):
        # what several references share lies beside the families
        if other.startswith("reference_impl.core") or other.count(".") == 1:
            continue
        target = MODULES.get(other)
        assert target, f"{module} imports {other}, which no entry names as its reference"
        assert any((entry.id, target) == edge[:2] for edge in AUTHORED), (
            f"{entry.id} imports {target} without a relation to it"
        )


@pytest.mark.parametrize("entry", CAT, ids=ids)
def test_a_subclass_is_a_specialization_an_extension_or_a_reduction(entry):
    for base in class_of(entry).__bases__:
        if base.__module__ in MODULES:
            types = {t for s, target, t in AUTHORED if (s, target) == (entry.id, MODULES[base.__module__])}
            assert types & {"specializes", "builds_on", "reduces_to"}, f"{entry.id} subclasses {base.__name__}: {types}"


@pytest.mark.parametrize(("entry", "relation"), PROVEN, ids=[f"{e.id}-{r.type}-{r.target}" for e, r in PROVEN])
def test_a_proven_relation_has_a_test_that_runs_both_references(entry, relation):
    claim = entry.claim(relation.claim)
    tree = ast.parse((ROOT / "tests" / "claims" / entry.family / f"test_{entry.id}.py").read_text(encoding="utf-8"))
    names = {a.asname or a.name: n.module for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    defined = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    used, todo = set(), [f"test_{claim.id}"]
    while todo:  # the test and the helpers that it uses
        name = todo.pop()
        if name in defined and name not in used:
            used.add(name)
            todo += [n.id for n in ast.walk(defined[name]) if isinstance(n, ast.Name)]
        elif name in names:
            used.add(name)
    modules = {names[n] for n in used if n in names}
    for id in (entry.id, relation.target):
        assert CAT[id].implementation.reference.partition(":")[0] in modules, f"test_{claim.id} does not run {id}"


@pytest.mark.parametrize("entry", CAT, ids=ids)
def test_evidence_is_current_and_meets_the_bars_of_today(entry):
    records = evidence.read(ROOT / "patterns" / entry.family / entry.id)
    for claim in entry.claims:
        assert claim.id in records, f"{entry.id}.{claim.id} was never measured: genai-patterns verify {entry.id}"
        record = records[claim.id]
        assert record.digest == digest.digest(entry, claim, ROOT), (
            f"{entry.id}.{claim.id} was measured under other code or bars: genai-patterns verify --changed"
        )
        for name, measure in claim.measures.items():
            got = record.measures[name]
            assert not evidence.failed_bars(measure, got.value, got.baseline)
        for figure in record.figures:
            assert (ROOT / "patterns" / entry.family / entry.id / figure.file).is_file(), figure.file
    assert any(f.file.startswith("hero.") for r in records.values() for f in r.figures), (
        f"{entry.id} has no hero figure"
    )


def test_many_edges_are_proven_by_running_both():
    assert sum(r.type in {"reduces_to", "equivalent_to"} for _, r in PROVEN) >= 12
    assert len(PROVEN) >= 20


def imported(node):
    """Names of the packages that a statement imports."""
    found = [a.name for a in node.names] if isinstance(node, ast.Import) else []
    found += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return {name.split(".")[0] for name in found}


def test_references_know_nothing_of_the_catalog():
    for path in (ROOT / "reference_impl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert "catalog" not in imported(node), path


def test_importing_the_catalog_imports_no_torch():
    for path in (ROOT / "catalog").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            assert not imported(node) & {"torch", "reference_impl"}, path
