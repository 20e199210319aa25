"""An entry and its reference, to be read: the page as Markdown with what was measured, and the source of the module."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadQuestion, did_you_mean
from .measured import read
from .results import Document

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Entry

ALWAYS = ("id", "name", "family", "summary")
"""Fields that a reading has whatever was asked for."""


class Reading(Document):
    """An entry with its relations and what was measured; printed, it is the page as Markdown."""

    def __init__(self, catalog: Catalog, entry: Entry, fields: list[str] | None = None) -> None:
        self.catalog, self.entry, self.fields = catalog, entry, fields
        self.evidence = read(catalog, entry)

    def rows(self) -> list[dict[str, Any]]:
        """One for each field of the entry."""
        return [{"field": field, "value": value} for field, value in self.to_dict()["entry"].items()]

    def to_dict(self) -> dict[str, Any]:
        """The `entry`, its `relations` from both sides, and `evidence` by claim."""
        whole = self.entry.model_dump(mode="json", by_alias=True)
        data: dict[str, Any] = {"entry": whole}
        if self.fields is not None:
            data["entry"] = {k: v for k, v in whole.items() if k in ALWAYS or k in self.fields}
        if self.fields is None or "relations" in self.fields:
            data["relations"] = self.catalog.related(self.entry.id).rows()
        if self.fields is None or "claims" in self.fields:
            data["evidence"] = {name: record.model_dump(mode="json") for name, record in self.evidence.items()}
        return data

    def __repr__(self) -> str:
        from .site import markdown
        from .site.book import Book

        return markdown.page(Book(self.catalog, {self.entry.id: self.evidence}), self.entry, self.fields)

    __str__ = __repr__


def reading(cat: Catalog, name: str, fields: Iterable[str] | None = None) -> Reading:
    """An entry with its relations and what was measured; `fields` names the only ones that are wanted.

    Raises UnknownPattern, or BadQuestion for a field that entries do not have.
    """
    entry = cat.get(name)
    wanted = None if fields is None else list(dict.fromkeys(fields))
    known = list(type(entry).model_fields)
    for field in wanted or []:
        if field not in known:
            raise BadQuestion(f"no field {field!r}; {did_you_mean(field, known, 'there are ' + ', '.join(known))}")
    return Reading(cat, entry, wanted)


class Source(Document):
    """The module of a reference; printed, it is the code below what one has to know to run it."""

    def __init__(self, entry: Entry, file: Path, code: str) -> None:
        assert entry.implementation is not None, "it was found by its implementation"
        self.entry, self.file, self.code = entry, file, code
        self.module, _, self.cls = entry.implementation.reference.partition(":")
        self.imports = imported(code)
        """The modules that it imports at its top, its own package's among them."""

    def rows(self) -> list[dict[str, Any]]:
        """One for each line of the code."""
        return [{"line": n, "code": line} for n, line in enumerate(self.code.splitlines(), 1)]

    def to_dict(self) -> dict[str, Any]:
        """Where it is, what it imports, how to run and to measure it, and the `code`."""
        assert self.entry.implementation is not None
        return {
            "id": self.entry.id, "module": self.module, "class": self.cls, "file": str(self.file),
            "fidelity": self.entry.implementation.fidelity, "imports": self.imports,
            "run": f"genai-patterns run {self.entry.id}", "verify": f"genai-patterns verify {self.entry.id}",
            "code": self.code,
        }  # fmt: skip

    def __repr__(self) -> str:
        about = self.to_dict()
        lines = [f"{self.module}:{self.cls} ({about['fidelity']}), {self.file}"]
        lines += [f"train and sample: {about['run']}", f"measure its claims: {about['verify']}"]
        return "\n".join(f"# {line}" for line in lines) + f"\n\n{self.code}"

    __str__ = __repr__


def source(cat: Catalog, name: str) -> Source:
    """See `Catalog.source`."""
    entry = cat.get(name)
    if not entry.implementation:
        raise BadQuestion(f"{entry.id} has no reference: its entry names no implementation")
    module = entry.implementation.reference.partition(":")[0]
    file = located(module)
    if file is None:
        raise BadQuestion(f"the reference of {entry.id}, {module}, is not installed here")
    return Source(entry, file, file.read_text(encoding="utf-8"))


def located(module: str) -> Path | None:
    """The file of a module. Nothing is imported, not even the packages that it lies in."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not inner:
        return Path(spec.origin) if spec.origin else None
    for place in spec.submodule_search_locations or []:
        stem = Path(place, *inner)
        for file in (stem.with_suffix(".py"), stem / "__init__.py"):
            if file.is_file():
                return file
    return None


def imported(code: str) -> list[str]:
    """The modules that this code imports at its top, in order."""
    found: list[str] = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return list(dict.fromkeys(found))
