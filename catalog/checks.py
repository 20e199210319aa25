"""What holds a catalog and its code together: references, symbols, tests and evidence, read without running them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from . import evidence, sources
from .catalog import Catalog
from .errors import Problem, did_you_mean
from .loader import shown
from .scaffold import SCHEMA_FILE, schema_text
from .schema import Entry
from .strict_yaml import Keys


def check(catalog: Catalog) -> list[Problem]:
    """Everything that entries say of code and tests and that is not so, and a schema for editors that is out of date.

    The reference's module and class exist, and have the verbs of `interface` as public methods; the identifiers of
    `symbols` occur in it. In a checkout also: every
    claim has its test and every test its claim, each claim was measured, and the tests that compare with other
    libraries exist. An entry without an implementation says nothing of code.
    """
    if catalog.folder is None:
        return []
    root = catalog.folder.resolve().parent
    coded = [e for e in catalog if e.implementation]
    problems = [*_schema(catalog, catalog.folder), *(p for e in coded for p in _reference(catalog, e, root))]
    problems += [p for e in coded for p in _interface(catalog, e)]
    if in_checkout(catalog.folder):
        for e in coded:
            problems += [*_tests(catalog, e, root), *_evidence(catalog, e), *_conformance(catalog, e, root)]
        problems += _strays(catalog, root)
    return sorted(set(problems))


def in_checkout(folder: Path) -> bool:
    """Whether a folder of entries is that of a checkout of this project, with references and tests beside it."""
    folder = folder.resolve()
    return folder.name == "patterns" and (folder.parent / "tests" / "claims").is_dir()


def _schema(catalog: Catalog, folder: Path) -> Iterator[Problem]:
    file = folder / SCHEMA_FILE
    if file.is_file() and file.read_text(encoding="utf-8", errors="replace") != schema_text(catalog.vocabulary):
        fix = "run `genai-patterns schema --write`"
        yield Problem(shown(file), 1, 1, "is not the schema of this catalog's entries", fix)


def _at(catalog: Catalog, entry: Entry, path: Keys, message: str, fix: str) -> Problem:
    return catalog.documents[entry.id].problem(path, message, fix)


def _reference(catalog: Catalog, entry: Entry, root: Path) -> Iterator[Problem]:
    module, _, cls = entry.implementation.reference.partition(":")
    where = ("implementation", "reference")
    name = Path(*module.split(".")).with_suffix(".py")
    file = next((p for base in (root, Path(__file__).parents[1]) if (p := base / name).is_file()), None)
    if file is None:
        yield _at(catalog, entry, where, f"there is no module {module}", f"write {name}, or correct the name")
        return
    source = file.read_text(encoding="utf-8")
    try:
        classes = [n.name for n in ast.parse(source).body if isinstance(n, ast.ClassDef)]
        words = {t.string for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.NAME}
    except SyntaxError as err:
        yield Problem(shown(file), err.lineno or 1, err.offset or 1, f"not valid Python: {err.msg}", "correct it")
        return
    if cls not in classes:
        fix = did_you_mean(cls, classes, f"it has {', '.join(classes) or 'none'}")
        yield _at(catalog, entry, where, f"{shown(file)} has no class {cls!r}", fix)
    for i, symbol in enumerate(entry.symbols):
        if missing := [w for w in re.findall(r"[^\W\d]\w*", symbol.code) if w not in words]:
            message = f"symbols[{i}].code: {shown(file)} has no identifier {missing[0]!r}"
            fix = did_you_mean(missing[0], words, "name the identifier that carries the symbol in the code")
            yield _at(catalog, entry, ("symbols", i, "code"), message, fix)


def _interface(catalog: Catalog, entry: Entry) -> Iterator[Problem]:
    try:
        classes = sources.lineage(catalog, entry)
    except SyntaxError:
        return
    known = sources.methods(classes)
    for i, verb in enumerate(entry.interface):
        if classes and verb.verb not in known:
            message = f"interface[{i}]: {classes[0].name} has no public method {verb.verb!r}"
            fix = did_you_mean(verb.verb, known, f"it has {', '.join(sorted(known))}")
            yield _at(catalog, entry, ("interface", i, "verb"), message, fix)


def _tests(catalog: Catalog, entry: Entry, root: Path) -> Iterator[Problem]:
    file = root / "tests" / "claims" / entry.family / f"test_{entry.id}.py"
    if not file.is_file():
        message = f"no test measures the claims of {entry.id}"
        yield _at(catalog, entry, ("claims",), message, f"write {shown(file)} with one function test_<claim> for each")
        return
    try:
        body = ast.parse(file.read_text(encoding="utf-8")).body
    except SyntaxError as err:
        yield Problem(shown(file), err.lineno or 1, err.offset or 1, f"not valid Python: {err.msg}", "correct it")
        return
    tests = {
        n.name.removeprefix("test_"): n for n in body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")
    }
    claims = {c.id: i for i, c in enumerate(entry.claims)}
    for id in claims.keys() - tests.keys():
        message = f"claims[{claims[id]}]: no test measures {id!r}"
        yield _at(catalog, entry, ("claims", claims[id], "id"), message, f"write test_{id} in {shown(file)}")
    for id in tests.keys() - claims.keys():
        node, message = tests[id], f"test_{id} measures no claim of {entry.id}"
        fix = did_you_mean(id, claims, f"claims are {', '.join(claims)}")
        yield Problem(shown(file), node.lineno, node.col_offset + 1, message, fix)


def _evidence(catalog: Catalog, entry: Entry) -> Iterator[Problem]:
    assert catalog.folder is not None
    folder = catalog.folder / entry.family / entry.id
    try:
        measured = evidence.read(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        message = f"is no evidence: {str(err).splitlines()[0]}"
        yield Problem(shown(folder / "evidence.json"), 1, 1, message, f"run `genai-patterns verify {entry.id}`")
        return
    for i, claim in enumerate(entry.claims):
        if claim.id not in measured:
            message = f"claims[{i}]: {claim.id!r} was never measured, or did not hold"
            fix = f"run `genai-patterns verify {entry.id}.{claim.id}`"
            yield _at(catalog, entry, ("claims", i, "id"), message, fix)


def _conformance(catalog: Catalog, entry: Entry, root: Path) -> Iterator[Problem]:
    for i, agreement in enumerate(entry.implementation.conformance):
        name, _, test = agreement.test.partition("::")
        text = file.read_text(encoding="utf-8") if (file := root / name).is_file() else ""
        wanted = rf"^def {test}\(", rf"\b{re.escape(agreement.library)}\b"
        if not all(re.search(pattern, text, re.M) for pattern in wanted):
            message = f"implementation.conformance[{i}]: no test {agreement.test} that uses {agreement.library}"
            fix = "write the test, or correct its name or the library's"
            yield _at(catalog, entry, ("implementation", "conformance", i, "test"), message, fix)


def _strays(catalog: Catalog, root: Path) -> Iterator[Problem]:
    assert catalog.folder is not None
    for file in sorted((root / "tests" / "claims").glob("*/test_*.py")):
        entry = catalog.folder / file.parent.name / f"{file.stem.removeprefix('test_')}.yaml"
        if not entry.exists():
            fix = "write the entry, or remove the tests"
            yield Problem(shown(file), 1, 1, "measures claims of an entry that does not exist", fix)
