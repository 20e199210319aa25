"""What changes from one entry to another: in the code of their references, method by method, and in what they say."""

from __future__ import annotations

import ast
import difflib
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import compare, sources
from .errors import BadQuestion
from .prose import plain
from .results import Document, fold
from .sources import Class

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Entry

Kind = Literal["added", "removed", "changed"]
CONTEXT = 2
"""Lines that are shown around a changed one."""
CORE = "reference_impl.core"
"""What every reference has from there is no pattern's."""


class Line(NamedTuple):
    """A line of a difference."""

    sign: Literal[" ", "-", "+", "…"]
    """` ` in both, `-` in the old alone, `+` in the new alone; `…` stands for lines that are left out."""
    old: int
    """Index among the old lines, or -1."""
    new: int


@dataclass(frozen=True)
class Part:
    """A method, an attribute or a helper of a reference that is not the same in the other one."""

    name: str
    change: Kind
    lines: tuple[str, ...]
    """Each with its sign in front, without docstrings and comments."""


@dataclass(frozen=True)
class Field:
    """Something that the entries say differently."""

    field: str
    name: str
    """What of the field: a facet, a symbol, a component; empty for the whole of it."""
    change: Kind
    before: str
    after: str


class Diff(Document):
    """What changes from one entry to another; printed, code comes first."""

    def __init__(
        self,
        a: Entry,
        b: Entry,
        code: Sequence[Part],
        kept: Sequence[str],
        fields: Sequence[Field],
        how: str,
        derives: bool = False,
    ) -> None:
        self.a, self.b = a, b
        self.code = list(code)
        self.kept = list(kept)
        """Parts of the code that are the same in both."""
        self.fields = list(fields)
        self.derives = derives
        """Whether the new reference's class derives from the old one's."""
        self.how = how
        """How the one reference stands to the other; empty where neither entry has one."""

    @property
    def counts(self) -> tuple[int, int]:
        """Lines of code that came, and that went."""
        signs = [line[0] for part in self.code for line in part.lines]
        return signs.count("+"), signs.count("-")

    def rows(self) -> list[dict[str, Any]]:
        """One for each part of the code and of the entry that changes."""
        code = [
            {
                "field": "code", "name": p.name, "change": p.change,
                "before": "\n".join(line[1:] for line in p.lines if line[0] == "-"),
                "after": "\n".join(line[1:] for line in p.lines if line[0] == "+"),
            }
            for p in self.code
        ]  # fmt: skip
        return [*code, *map(asdict, self.fields)]

    def to_dict(self) -> dict[str, Any]:
        """`from`, `to`, `how` the references stand to each other, `code` (parts with signed lines), the parts `kept`,
        lines `added` and `removed`, and `entry`, what the entries say differently."""
        added, removed = self.counts
        return {
            "from": self.a.id,
            "to": self.b.id,
            "how": self.how,
            "code": [asdict(p) for p in self.code],
            "kept": self.kept,
            "added": added,
            "removed": removed,
            "entry": [asdict(f) for f in self.fields],
        }

    def __repr__(self) -> str:
        added, removed = self.counts
        lines = [f"From {self.a.name} ({self.a.id}) to {self.b.name} ({self.b.id})"]
        if self.how:
            title = f"Code: {added} lines added, {removed} removed" if self.code else "Code"
            lines += ["", title, *fold(self.how, "  ")]
        for part in self.code:
            lines += ["", f"  {part.name}, {part.change}", *(f"    {line}".rstrip() for line in part.lines)]
        if self.kept:
            lines += ["", *fold(f"The same: {', '.join(self.kept)}", "  ")]
        for field, group in groupby(self.fields, key=lambda f: f.field):
            fields = list(group)
            lines += ["", field.capitalize().replace("_", " "), *(line for f in fields for line in _field(f))]
            # what falls away can be read in the old entry
            gone = [_called(f) for f in fields if f.change == "removed" and f.name]
            lines += fold(f"- {'; '.join(gone)}", "  ") if gone else []
        return "\n".join(lines)

    __str__ = __repr__


def diff(cat: Catalog, a: str, b: str) -> Diff:
    """What changes from one entry to another.

    Raises UnknownPattern, or BadQuestion where both are the same entry.
    """
    old, new = cat.get(a), cat.get(b)
    if old.id == new.id:
        raise BadQuestion(f"{a!r} and {b!r} are the same pattern, {old.id}; name two")
    code, kept, how = _code(cat, old, new)
    ours, theirs = ([(c.module, c.name) for c in sources.lineage(cat, e)] for e in (new, old))
    return Diff(old, new, code, kept, list(_entry(old, new)), how, bool(theirs) and theirs[0] in ours[1:])


def compared(old: Sequence[str], new: Sequence[str], context: int = CONTEXT) -> list[Line]:
    """The difference of two texts, given as lines, with a little of what is around each change."""
    out: list[Line] = []
    for group in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_grouped_opcodes(context):
        if out:
            out.append(Line("…", -1, -1))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                out += [Line(" ", i, j) for i, j in zip(range(i1, i2), range(j1, j2), strict=True)]
            else:
                out += [Line("-", i, -1) for i in range(i1, i2)] + [Line("+", -1, j) for j in range(j1, j2)]
    return out


# -- code


def _code(cat: Catalog, a: Entry, b: Entry) -> tuple[list[Part], list[str], str]:
    if not (a.implementation or b.implementation):
        return [], [], ""
    old, new = sources.lineage(cat, a), sources.lineage(cat, b)
    for entry, found in ((a, old), (b, new)):
        if not entry.implementation:
            return [], [], f"{entry.id} has no reference."
        if not found:
            return [], [], f"The reference of {entry.id} is not part of this installation."
    if old[0] == new[0]:
        return [], [], f"Both are run by one reference, {old[0].module}:{old[0].name}."
    names = [(c.module, c.name) for c in new]
    ends = f"{old[0].name} ({old[0].module}) and {new[0].name} ({new[0].module})"
    if (old[0].module, old[0].name) in names:
        how = f"{new[0].name} ({new[0].module}) derives from {old[0].name}; what it does not name stays."
    elif (new[0].module, new[0].name) in [(c.module, c.name) for c in old]:
        how = f"{old[0].name} ({old[0].module}) derives from {new[0].name}; what it names falls away."
    elif shared := next((c for c in old if (c.module, c.name) in names and not c.module.startswith(CORE)), None):
        how = f"{ends} both derive from {shared.name}; what they have from it stays."
    else:
        how = f"{ends} have no class in common."
    parts, kept = _parts(_reach(cat, old), _reach(cat, new))
    return parts, kept, how


def _reach(cat: Catalog, lineage: Sequence[Class]) -> dict[str, tuple[str, str]]:
    """By name: where each part of a reference stands and its text, own parts before inherited ones.

    The parts of a class are called by their names alone, so that they meet those of another class; what stands beside
    it in its own module, its configuration and its helpers, by `Config` and by their names.
    """
    found: dict[str, tuple[str, str]] = {}
    for c in lineage:
        if c.module.startswith(CORE):
            continue
        for name, text in c.parts.items():
            if name not in ("Config", "task"):
                found.setdefault(name, (f"{c.module}:{c.name}", text))
    for name, text in sources.beside(cat, lineage[0]).items():
        key = "Config" if name == f"{lineage[0].name}Config" else name
        found.setdefault(key, (lineage[0].module, text))
    return found


def _parts(old: Mapping[str, tuple[str, str]], new: Mapping[str, tuple[str, str]]) -> tuple[list[Part], list[str]]:
    """What differs, in the order of the new reference and then of the old, and what is the same."""
    parts, kept = [], []
    for name in [*new, *(n for n in old if n not in new)]:
        before, after = (_bare(side[name][1]) if name in side else [] for side in (old, new))
        if name == "Config":
            before = _overridden(before, after)
        if before == after:
            kept.append(name)
            continue
        change: Kind = "added" if name not in old else "removed" if name not in new else "changed"
        parts.append(Part(name, change, tuple(_signed(x, before, after) for x in compared(before, after))))
    order = {"changed": 0, "added": 1, "removed": 2}
    return sorted(parts, key=lambda p: order[p.change]), kept


def _overridden(before: list[str], after: list[str]) -> list[str]:
    """Of a configuration, what one that derives from it says anew; all of it where the other does not derive."""
    named = before[0].removeprefix("class ").partition("(")[0] if before else ""
    if not (named and after and f"({named})" in after[0]):
        return before
    said = {line.partition(":")[0] for line in after}
    return [after[0], *(line for line in before[1:] if line.partition(":")[0] in said)]


def _signed(line: Line, old: Sequence[str], new: Sequence[str]) -> str:
    if line.sign == "…":
        return line.sign
    return f"{line.sign} {old[line.old] if line.new < 0 else new[line.new]}"


@lru_cache(maxsize=4096)
def _bare(text: str) -> list[str]:
    """The lines of a definition without its docstrings, comments and blank lines, the least indent at zero."""
    text = textwrap.dedent(text)
    lines = text.splitlines()
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                prose |= set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    kept = (line for i, line in enumerate(lines, 1) if i not in prose)
    return [line for line in kept if line.strip() and not line.lstrip().startswith("#")]


# -- entries

LISTS: dict[str, tuple[Callable[[Any], str], Callable[[Any], str]]] = {
    "symbols": (lambda s: s.symbol, lambda s: s.meaning),
    "structure": (lambda c: c.name, lambda c: f"{', '.join(c.takes) or 'nothing'} to {', '.join(c.gives)}: {c.role}"),
    "interface": (
        lambda v: v.verb,
        lambda v: f"{', '.join(v.takes) or 'nothing'} to {', '.join(v.gives) or 'nothing'}",
    ),
    "slots": (lambda s: s.name, lambda s: "; ".join(n.verb or ", ".join(n.gives) for n in s.needs)),
    "failure_modes": (lambda f: f.id, lambda f: f.symptom),
    "relations": (lambda r: f"{r.type} {r.target}", lambda r: r.why),
    "claims": (lambda c: c.id, lambda c: c.statement),
    "tags": (lambda t: t, lambda t: ""),
}
"""Fields that are lists: what an item is called, and what it says."""


def _entry(a: Entry, b: Entry) -> Iterator[Field]:
    """What the entries say differently, field by field."""
    for name, values in compare.facets([a, b]).items():
        if values[a.id] != values[b.id]:
            yield Field("facets", name, "changed", values[a.id], values[b.id])
    if a.objective != b.objective:
        change: Kind = "added" if not a.objective else "removed" if not b.objective else "changed"
        yield Field("objective", "", change, _one_line(a.objective), _one_line(b.objective))
    for field, (named, said) in LISTS.items():
        old = {named(x): plain(said(x)) for x in getattr(a, field, None) or []}
        new = {named(x): plain(said(x)) for x in getattr(b, field, None) or []}
        for name in new:
            if name not in old:
                yield Field(field, name, "added", "", new[name])
            elif field not in ("claims", "relations") and old[name] != new[name]:
                yield Field(field, name, "changed", old[name], new[name])
        for name in old:
            if name not in new:
                yield Field(field, name, "removed", old[name], "")


def _field(f: Field) -> list[str]:
    """Lines for what was changed or added."""
    if f.field == "facets":
        return fold(f"{f.name}: {f.before or 'nothing'} -> {f.after or 'nothing'}", "  ")
    name = _called(f)
    if f.change == "changed":
        lines = [f"  {name}"] if name else []
        return [*lines, *fold(f"- {f.before}", "    "), *fold(f"+ {f.after}", "    ")]
    if f.change == "removed" and name:
        return []
    sign, text = ("+", f.after) if f.change == "added" else ("-", f.before)
    return fold(f"{sign} {name}{': ' if name and text else ''}{text}", "  ")


def _called(f: Field) -> str:
    return f.name if f.field == "symbols" else f.name.replace("_", " ")


def _one_line(text: str) -> str:
    return " ".join(text.split())
