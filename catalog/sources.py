"""References as text: the class that an entry names, what it derives from, their methods. Nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Entry


@dataclass(frozen=True)
class Class:
    """A class of a module, as text."""

    module: str
    name: str
    bases: tuple[str, ...]
    """As they are written."""
    parts: dict[str, str]
    """Methods and attributes by name, in the order of the file, each as its lines stand there."""
    methods: dict[str, tuple[str, ...]]
    """Public methods by name, each with its parameters but `self`; properties are not among them."""


def file(cat: Catalog, module: str) -> Path | None:
    """The file of a module, looked for beside the entries and beside this package; None where it is not there."""
    beside = [cat.folder.resolve().parent] if cat.folder is not None else []
    stem = Path(*module.split("."))
    for root in [*beside, Path(__file__).resolve().parents[1]]:
        for place in (root / stem.with_suffix(".py"), root / stem / "__init__.py"):
            if place.is_file():
                return place
    return None


def lineage(cat: Catalog, entry: Entry) -> list[Class]:
    """The class of an entry's reference, then those it derives from, as far as their text can be found.

    Empty where the entry names no reference, or one that is not part of this installation.
    """
    if not entry.implementation:
        return []
    module, _, name = entry.implementation.reference.partition(":")
    return list({(c.module, c.name): c for c in _derived(cat, module, name)}.values())


def beside(cat: Catalog, c: Class) -> dict[str, str]:
    """The other classes and the functions of a class's module, by name."""
    path = file(cat, c.module)
    defined = _defined(path.read_text(encoding="utf-8")) if path else {}
    return {name: text for name, text in defined.items() if name != c.name}


def methods(classes: list[Class]) -> dict[str, tuple[str, ...]]:
    """All public methods of a lineage, with their parameters in the nearest class that has each."""
    return {name: args for c in reversed(classes) for name, args in c.methods.items()}


def task(classes: list[Class]) -> str | None:
    """Name of the task on which a reference runs unless told otherwise."""
    said = next((c.parts["task"] for c in classes if "task" in c.parts and "=" in c.parts["task"]), None)
    return said and said.partition("=")[2].strip().strip("\"'")


def _derived(cat: Catalog, module: str, name: str) -> Iterator[Class]:
    path = file(cat, module)
    if path is None:
        return
    classes, imports = _read(path.read_text(encoding="utf-8"))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    origins = {n: (_absolute(origin, package), original) for n, (origin, original) in imports.items()}
    if name in classes:
        yield replace(classes[name], module=module)
        for base in classes[name].bases:
            if base in classes or base in origins:
                yield from _derived(cat, *origins.get(base, (module, base)))
    elif name in origins:
        yield from _derived(cat, *origins[name])


def _absolute(module: str, package: str) -> str:
    """The full name of a module that a module of this package imports."""
    name = module.lstrip(".")
    up = len(module) - len(name)
    return ".".join([*package.split(".")[: package.count(".") + 2 - up], name]) if up else name


@lru_cache(maxsize=256)
def _defined(source: str) -> dict[str, str]:
    """The classes and functions of a module by name."""
    lines = source.splitlines()
    nodes = (n for n in ast.parse(source).body if isinstance(n, ast.ClassDef | ast.FunctionDef))
    return {n.name: _lines(lines, n) for n in nodes}


@lru_cache(maxsize=256)
def _read(source: str) -> tuple[dict[str, Class], dict[str, tuple[str, str]]]:
    """The classes of a module by name, and the (module, name) behind each name that it imports."""
    lines = source.splitlines()
    classes: dict[str, Class] = {}
    imports: dict[str, tuple[str, str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            imports |= {a.asname or a.name: ("." * node.level + node.module, a.name) for a in node.names}
        elif isinstance(node, ast.ClassDef):
            parts = {name: _lines(lines, part) for part in node.body for name in _names(part)}
            functions = [f for f in node.body if isinstance(f, ast.FunctionDef) and not _is_property(f)]
            public = {f.name: tuple(a.arg for a in f.args.args[1:]) for f in functions if f.name[0] != "_"}
            bases = tuple(ast.unparse(base) for base in node.bases)
            classes[node.name] = Class("", node.name, bases, parts, public)
    return classes, imports


def _names(part: ast.stmt) -> list[str]:
    """What a statement in the body of a class defines."""
    if isinstance(part, ast.FunctionDef | ast.ClassDef):
        return [part.name]
    targets = part.targets if isinstance(part, ast.Assign) else [part.target] if isinstance(part, ast.AnnAssign) else []
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _lines(lines: list[str], node: ast.stmt) -> str:
    """The lines of a statement, its decorators included."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _is_property(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(d).split(".")[-1] in {"property", "cached_property"} for d in node.decorator_list)
