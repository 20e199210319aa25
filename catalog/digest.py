"""A digest of everything that a claim's numbers depend on.

The code of the test, of the reference and of every module they import from this repository (read
with `ast`: comments, docstrings and layout do not count), the task's module and data files, and the
claim's measures and bars. Only imports at the top of a module are followed: what is imported inside
a function is for display. Nothing is executed and torch is not needed.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard, TypeVar

from .schema import Claim, Entry

T = TypeVar("T")

DISPLAY = {
    "reference_impl.core.main", "reference_impl.figures", "reference_impl.figures_molecules", "reference_impl.progress",
}  # fmt: skip
"""Modules that decide how results look, never what they are."""
SEEDING = "reference_impl.core.runner"
"""The claim fixture seeds every test with it."""
PACKAGES = ("reference_impl", "tests")


def _of_file(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """Remember what is read of a file until the file changes."""
    kept = cache(lambda path, mtime: read(path))
    return lambda path: kept(path, path.stat().st_mtime_ns)


def digest(entry: Entry, claim: Claim, root: Path) -> str:
    """16 hex digits; `root` is the checkout. FileNotFoundError where the reference or the test is missing."""
    test = root / "tests" / "claims" / entry.family / f"test_{entry.id}.py"
    body = [
        n
        for n in _tree(test).body
        if not (isinstance(n, ast.FunctionDef) and n.name.startswith("test_") and n.name != f"test_{claim.id}")
    ]
    modules: set[str] = set()
    _follow(root, f"tests.claims.{entry.family}.test_{entry.id}", test, modules)
    module = entry.implementation.reference.partition(":")[0]
    _visit(root, module, modules)
    _visit(root, SEEDING, modules)
    h = hashlib.sha256()
    for node in body:
        h.update(_normal(node).encode())
    for part in _contents(root, modules):
        h.update(part)
    measures = {
        k: m.model_dump(exclude={"what", "unit", "baseline"}, exclude_none=True) for k, m in claim.measures.items()
    }
    h.update(json.dumps({"kind": claim.kind, "measures": measures}, sort_keys=True).encode())
    return h.hexdigest()[:16]


def of_code(root: Path, *modules: str) -> str:
    """16 hex digits of these modules, all that they import from this repository, and the files that they read."""
    seen: set[str] = set()
    for module in modules:
        _visit(root, module, seen)
    return hashlib.sha256(b"".join(_contents(root, seen))).hexdigest()[:16]


def _contents(root: Path, modules: set[str]) -> Iterator[bytes]:
    """Name and code of each module, and of the data files beside it that it names."""
    for name in sorted(modules):
        path = _path(root, name)
        if path is not None:
            yield name.encode() + b"\0" + _code(path).encode()
            for data in _data_files(path):
                yield data.name.encode() + b"\0" + data.read_bytes()


def imports(root: Path, module: str) -> set[str]:
    """The repository's modules that this one imports at its top, itself left out."""
    found: set[str] = set()
    path = _path(root, module)
    if path is None:
        raise FileNotFoundError(f"{module}: no such module under {root}")
    _follow(root, module, path, found, deep=False)
    return found


def _visit(root: Path, module: str, seen: set[str]) -> None:
    path = _path(root, module)
    if module in seen or module in DISPLAY or path is None:
        return
    seen.add(module)
    _follow(root, module, path, seen)


def _follow(root: Path, module: str, path: Path, seen: set[str], deep: bool = True) -> None:
    """Add what `module` imports to `seen`; a name re-exported by a package counts as its defining module."""
    tree = _tree(path)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in tree.body:
        if isinstance(node, ast.Import):
            targets = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1] if node.level else [])
            base = ".".join(filter(None, [base, node.module]))
            targets = [_definer(root, base, a.name) for a in node.names]
        else:
            continue
        for target in targets:
            if target.split(".")[0] in PACKAGES and _path(root, target):
                if deep:
                    _visit(root, target, seen)
                else:
                    seen.add(target)
    for task in _tasks(path):
        known = _task_modules(root)
        if deep and task in known:
            _visit(root, f"reference_impl.tasks.{known[task].partition(':')[0]}", seen)


def _definer(root: Path, base: str, name: str) -> str:
    """The module that `from base import name` really reads."""
    if _path(root, f"{base}.{name}"):
        return f"{base}.{name}"
    path = _path(root, base)
    if path is None or path.name != "__init__.py":
        return base
    for node in _tree(path).body:
        if (
            isinstance(node, ast.ImportFrom)
            and node.level == 1
            and any((a.asname or a.name) == name for a in node.names)
        ):
            return _definer(root, f"{base}.{node.module}", name)
    return base


def _task_modules(root: Path) -> dict[str, str]:
    """The table of tasks, `name: module:Class`, read from the code."""
    path = _path(root, "reference_impl.tasks")
    tables = [ast.literal_eval(n.value) for n in (_tree(path).body if path else []) if _is_task_table(n)]
    return tables[0] if tables else {}


def _is_task_table(node: ast.AST) -> TypeGuard[ast.Assign]:
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "TASKS"


@_of_file
def _tasks(path: Path) -> list[str]:
    """Names of tasks: values of `task = "..."` in class bodies and first arguments of `make("...")`."""
    tree = _tree(path)
    named = [
        n.value
        for c in tree.body if isinstance(c, ast.ClassDef)
        for n in c.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "task"
    ]  # fmt: skip
    made = [
        n.args[0]
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "make" and n.args
    ]  # fmt: skip
    return [str(v.value) for v in (*named, *made) if isinstance(v, ast.Constant)]


def _data_files(path: Path) -> list[Path]:
    """Files beside a module that it names in a string."""
    names = _strings(path)
    return sorted(p for p in path.parent.iterdir() if p.name in names and p.is_file() and p.suffix != ".py")


@_of_file
def _strings(path: Path) -> set[str]:
    """Strings in a module that are short enough for a file's name."""
    constants = (n.value for n in ast.walk(_tree(path)) if isinstance(n, ast.Constant))
    return {value for value in constants if isinstance(value, str) and 0 < len(value) < 60}


def _path(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


@_of_file
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@_of_file
def _code(path: Path) -> str:
    # of the table of tasks only the ones in use count, and those are followed
    return "\n".join(_normal(n) for n in _tree(path).body if not _is_task_table(n))


def _normal(node: ast.AST) -> str:
    """Source without comments, layout and docstrings."""
    tree = ast.parse(ast.unparse(node))
    for n in ast.walk(tree):
        body = getattr(n, "body", None)
        if isinstance(body, list):
            kept = [
                s
                for s in body
                if not (
                    isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) and isinstance(s.value.value, str)
                )
            ]
            n.body = kept or ([ast.Pass()] if body else [])  # type: ignore[attr-defined]
    return ast.unparse(tree)
