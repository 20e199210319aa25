"""Entries side by side: facets, numbers that may be held against each other, trade-offs, and what joins them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from . import measured, sources
from .errors import BadQuestion, as_texts
from .measured import Number, amount
from .prose import plain
from .results import Answer, fold, width

if TYPE_CHECKING:
    from pandas import DataFrame

    from .catalog import Catalog
    from .schema import Entry

COLUMNS = 4
"""Entries that stand in columns; more of them are listed by value."""
NARROW = 15
"""Signs that a column has at least; where the terminal is narrower, entries are listed by value too."""


@dataclass(frozen=True)
class Beside:
    """Numbers of one measure for several of the compared entries."""

    how: str
    """`test`: one test measured all of them; `task`: each has its own test, with the same words, unit and task."""
    what: str
    unit: str
    values: dict[str, float]
    """By id."""
    claims: dict[str, str]
    """`entry.claim` behind each value."""
    statement: str
    """What the claim says, where one test measured all."""
    bar: str
    """What the value was asked to be, and whether it is not."""
    words: dict[str, str]
    """What the baseline is called, by the id it stands for."""


@dataclass(frozen=True)
class Choice:
    """A decision for which several of the compared entries are options."""

    problem: str
    options: dict[str, str]
    """Why to take each, by id."""
    shown: dict[str, Number | None]
    """The first number of the claim behind each reason, by id; None where a source is behind it."""


@dataclass(frozen=True)
class Joint:
    """A relation between two of the compared entries."""

    source: str
    type: str
    target: str
    why: str
    when: str | None
    proven: str | None
    """`entry.claim` that proves it."""
    shown: Number | None
    """The first number of that claim."""


class Comparison(Answer):
    """Entries side by side; printed, the rows in which they differ come first."""

    def __init__(
        self,
        entries: Sequence[Entry],
        facets: dict[str, dict[str, str]],
        beside: Sequence[Beside],
        choices: Sequence[Choice],
        joints: Sequence[Joint],
    ) -> None:
        self.entries = list(entries)
        self.facets = facets
        """Value of each facet, as people read it, by facet and id."""
        self.beside = list(beside)
        """Numbers that may be held against each other."""
        self.choices = list(choices)
        self.joints = list(joints)

    @property
    def ids(self) -> list[str]:
        """What is compared, in the order in which it was named."""
        return [e.id for e in self.entries]

    @property
    def differing(self) -> list[str]:
        """The facets in which not all are the same."""
        return [facet for facet, values in self.facets.items() if len(set(values.values())) > 1]

    @property
    def unmeasured(self) -> list[tuple[str, str]]:
        """Pairs of entries of which no two numbers may be held against each other."""
        met = [set(b.values) for b in self.beside]
        return [(a, b) for a, b in combinations(self.ids, 2) if not any({a, b} <= ids for ids in met)]

    def rows(self) -> list[dict[str, Any]]:
        """One for each facet, with a column for each entry; those in which they differ come first."""
        order = [*self.differing, *(f for f in self.facets if f not in self.differing)]
        return [{"facet": facet, **self.facets[facet]} for facet in order]

    def to_frame(self) -> DataFrame:
        """Facets times entries."""
        return super().to_frame().set_index("facet")

    def to_dict(self) -> dict[str, Any]:
        """`ids`, `facets`, which are `differing`, the numbers `measured` and the pairs `not_measured` against each
        other, `decisions`, `relations`, and `entries` with benefits, liabilities, use_when, avoid_when, failures."""
        return {
            "ids": self.ids,
            "facets": self.facets,
            "differing": self.differing,
            "measured": [asdict(b) for b in self.beside],
            "not_measured": [list(pair) for pair in self.unmeasured],
            "decisions": [asdict(c) for c in self.choices],
            "relations": [asdict(j) for j in self.joints],
            "entries": {
                e.id: {
                    "benefits": list(e.consequences.benefits) if e.consequences else [],
                    "liabilities": list(e.consequences.liabilities) if e.consequences else [],
                    "use_when": list(e.use_when),
                    "avoid_when": list(e.avoid_when),
                    "failures": {f.id: f.symptom for f in e.failure_modes},
                }
                for e in self.entries
            },
        }

    def __repr__(self) -> str:
        lines = [" and ".join(f"{e.name} ({e.id})" for e in self.entries)]
        if len(self.entries) > 2:
            lines = [", ".join(e.id for e in self.entries)]
        parts = {
            "Where they differ": self._table(),
            "The same for all": self._same(),
            "What joins them": self._joints(),
            "Measured against each other": self._tests(),
            f"On the same task, each by a test of its own{_settings(self.beside)}": self._tasks(),
            "Not measured against each other": self._apart(),
            "For which problem which": self._choices(),
            "Gained and paid": list(self._consequences()),
            "When to take which": list(self._when()),
            "How they fail": list(self._failures()),
        }
        for title, body in parts.items():
            lines += ["", title, *body] if body else []
        return "\n".join(lines)

    __str__ = __repr__

    # -- parts of the printed text

    def _table(self) -> list[str]:
        label = max(map(len, self.differing), default=0)
        each = (width() - 2 - label) // len(self.entries) - 2
        if len(self.entries) > COLUMNS or each < NARROW:
            return [line for facet in self.differing for line in self._by_value(facet)]
        lines = [_row("", [e.id for e in self.entries], label, each)]
        return [line for row in [*lines, *(self._cells(f, label, each) for f in self.differing)] for line in row]

    def _cells(self, facet: str, label: int, each: int) -> list[str]:
        return _row(facet, [self.facets[facet].get(id, "") for id in self.ids], label, each)

    def _by_value(self, facet: str) -> list[str]:
        """A facet of many entries: each of its values, and who has it."""
        groups: dict[str, list[str]] = {}
        for id, value in self.facets[facet].items():
            groups.setdefault(value, []).append(id)
        longest = max(len(v) for v in groups)
        wide = longest > 30
        lines = [f"  {facet}"]
        for value, ids in groups.items():
            head = f"    {value}: " if wide else f"    {value:{longest}}  "
            lines += textwrap.wrap(head + ", ".join(ids), width(), subsequent_indent=" " * (6 if wide else len(head)))
        return lines

    def _same(self) -> list[str]:
        same = [f"{f} {self.facets[f][self.ids[0]]}" for f in self.facets if f not in self.differing]
        return fold("; ".join(same), "  ")

    def _joints(self) -> list[str]:
        lines = []
        for j in self.joints:
            when = f" when {plain(j.when)}" if j.when else ""
            lines += fold(f"{j.source} {j.type.replace('_', ' ')} {j.target}{when}", "  ")
            lines += [*fold(plain(j.why), "      "), *_evidence(j.shown, "      ")]
        return lines

    def _tests(self) -> list[str]:
        lines: list[str] = []
        said = ""
        for b in self.beside:
            if b.how != "test":
                continue
            claim = next(iter(b.claims.values()))
            if claim != said:
                lines += [f"  {claim}", *fold(plain(b.statement), "    ")]
                said = claim
            values = [f"{id} {measured.number(v)}{_called(b, id)}" for id, v in b.values.items()]
            unit = "" if b.unit == "1" else f" in {b.unit}"
            lines += fold(f"{plain(b.what)}{unit}: {'; '.join(values)} [bar {b.bar}]", "      ")
        return lines

    def _tasks(self) -> list[str]:
        lines = []
        for b in self.beside:
            if b.how == "task":
                lines += fold(f"{plain(b.what)}", "  ")
                lines += [f"    {id} {amount(v, b.unit)}  [{b.claims[id]}]" for id, v in b.values.items()]
        return lines

    def _apart(self) -> list[str]:
        pairs = self.unmeasured
        if not pairs or not any(e.claims for e in self.entries):
            return []
        if len(self.entries) == 2:
            return ["  No measured number of the one stands beside a number of the other."]
        return fold("; ".join(f"{a} and {b}" for a, b in pairs), "  ")

    def _choices(self) -> list[str]:
        lines = []
        for c in self.choices:
            lines.append(f"  {plain(c.problem)}")
            for id, why in c.options.items():
                lines += fold(f"{id}: {plain(why)}", "    ")
                lines += _evidence(c.shown[id], "        ")
        return lines

    def _consequences(self) -> Iterator[str]:
        for e in self.entries:
            if e.consequences and (e.consequences.benefits or e.consequences.liabilities):
                yield f"  {e.id}"
                yield from _marked("+", e.consequences.benefits)
                yield from _marked("-", e.consequences.liabilities)

    def _when(self) -> Iterator[str]:
        for e in self.entries:
            if e.use_when or e.avoid_when:
                yield f"  {e.id}"
                yield from _marked("use", e.use_when)
                yield from _marked("avoid", e.avoid_when)

    def _failures(self) -> Iterator[str]:
        for e in self.entries:
            if e.failure_modes:
                yield f"  {e.id}"
                for f in e.failure_modes:
                    yield from fold(f"{f.id.replace('_', ' ')}: {plain(f.symptom)}", "    ")


def several(cat: Catalog, ids: Iterable[str], verb: str, such_as: str) -> list[Entry]:
    """The entries that a verb is asked to put together: two at least, each once."""
    if isinstance(ids, str):
        raise BadQuestion(f"{verb} takes a list of ids, such as {such_as.split()}, not the string {ids!r}")
    entries = [cat.get(id) for id in as_texts(ids, "a pattern", "vae")]
    if len(entries) < 2:
        raise BadQuestion(f"{verb} takes two patterns or more, such as {such_as}")
    if twice := next((e.id for i, e in enumerate(entries) if e in entries[:i]), None):
        raise BadQuestion(f"{twice} is named twice; name each pattern once")
    return entries


def compare(cat: Catalog, ids: Iterable[str]) -> Comparison:
    """Two or more entries side by side.

    Raises UnknownPattern, or BadQuestion for fewer than two entries, or the same twice.
    """
    entries = several(cat, ids, "compare", "vae gan")
    numbers = {e.id: measured.numbers_of(cat, e) for e in entries}
    tasks = {e.id: sources.task(sources.lineage(cat, e)) for e in entries}
    beside = [*_by_one_test(cat, entries, numbers), *_by_task(numbers, tasks)]
    return Comparison(
        entries, facets(entries, tasks), beside, _decisions(cat, numbers), _relations(cat, entries, numbers)
    )


# -- facets


def facets(entries: Sequence[Entry], tasks: Mapping[str, str | None] | None = None) -> dict[str, dict[str, str]]:
    """Every facet that one of the entries has, as people read it, by name and id; `tasks` is what references run on."""
    found: dict[str, dict[str, str]] = {}
    for e in entries:
        said: dict[str, Any] = {"family": e.family, "kind": e.kind, "year": e.year, "status": e.status}
        said["difficulty"] = f"{e.difficulty} of 5" if e.difficulty else None
        for name, value in (e.facets.model_dump() if e.facets else {}).items():
            parts = value if isinstance(value, dict) else {name: value}
            said |= {f"cost: {k}" if isinstance(value, dict) else k: v for k, v in parts.items()}
        said["runs on"] = f"the task {tasks[e.id]}" if tasks and tasks[e.id] else None
        said["reference"] = e.implementation.fidelity if e.implementation else None
        for name, value in said.items():
            found.setdefault(name.replace("_", " "), {})[e.id] = _shown(value)
    whole = {name: {e.id: values.get(e.id, "") for e in entries} for name, values in found.items()}
    return {name: values for name, values in whole.items() if any(values.values())}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "nothing"
    return "" if value is None else plain(str(value)).replace("_", " ")


# -- numbers


def _by_one_test(cat: Catalog, entries: Sequence[Entry], numbers: dict[str, list[Number]]) -> Iterator[Beside]:
    """Claims of one entry whose baseline is another one."""
    ids = {e.id for e in entries}
    for id, mine in numbers.items():
        for n in mine:
            other = _is(cat, n.baseline or "")
            # where the measure itself speaks of another entry, its value is a difference, or not this entry's
            if (
                other not in ids - {id}
                or n.value is None
                or n.baseline_value is None
                or other in mentioned(cat, n.what)
            ):
                continue
            values = {id: n.value, other: n.baseline_value}
            called = {other: n.baseline or ""}
            bar = n.bar + (", missed" if n.status == "missed" else "")
            yield Beside("test", n.what, n.unit, values, dict.fromkeys(values, n.claim), n.statement, bar, called)


def _by_task(numbers: dict[str, list[Number]], tasks: dict[str, str | None]) -> Iterator[Beside]:
    """Measures with the same words and unit on the same task; differences and errors of identities are not among
    them, since these say nothing of how good anything is."""
    met: dict[tuple[Any, ...], dict[str, Number]] = {}
    for id, mine in numbers.items():
        seen: dict[frozenset[str], list[Number]] = {}
        for n in mine:
            if n.value is not None and n.kind not in ("exact", "analytic"):
                seen.setdefault(_words(n.what), []).append(n)
        for words, same in seen.items():
            # of several numbers with the same words, none is the one that another's can stand beside
            if len(same) == 1 and tasks[id]:
                met.setdefault((tasks[id], same[0].unit, words), {})[id] = same[0]
    for (_, unit, _), group in met.items():
        if len(group) > 1:
            values = {id: n.value for id, n in group.items() if n.value is not None}
            what = next(iter(group.values())).what
            yield Beside("task", what, unit, values, {id: n.claim for id, n in group.items()}, "", "", {})


def _words(what: str) -> frozenset[str]:
    """What is measured, without how many seeds it was repeated with."""
    said = re.sub(r",? ?\b(one|two|three|five|ten) (seeds?|noises)\b", "", what.lower())
    return frozenset(re.findall(r"[\w.]+", said)) - {"the", "a", "an", "of", "in", "from", "to", "for", "on"}


def _is(cat: Catalog, baseline: str) -> str:
    """The entry that a baseline is: one that it begins with, as `VAE of equal size` does, and `beta 4 against the VAE`
    does not. Empty where it is none."""
    said = re.sub(r"^(the|a|an|plain) ", "", baseline)
    for length in range(6, 0, -1):
        name = " ".join(re.split(r"[\s,]+", said)[:length])
        if len(name) > 1 and name in cat:
            return cat.get(name).id
    return ""


def mentioned(cat: Catalog, text: str) -> list[str]:
    """Ids of the entries that a text names, longest names first: `conditional GAN` does not name the GAN.

    >>> import catalog
    >>> mentioned(catalog.load(), "the conditional GAN, as long as a VAE")
    ['conditional_gan', 'vae']
    """
    words = re.findall(r"[\w\-+β]+|[^\w\s]", text)
    found = []
    i = 0
    while i < len(words):
        for length in range(min(6, len(words) - i), 0, -1):
            name = " ".join(words[i : i + length])
            if len(name) > 2 and name[0].isalnum() and name[-1].isalnum() and name in cat:
                found.append(cat.get(name).id)
                i += length - 1
                break
        i += 1
    return list(dict.fromkeys(found))


# -- decisions and relations


def _decisions(cat: Catalog, numbers: dict[str, list[Number]]) -> list[Choice]:
    """The decisions in which at least two of the entries are options."""
    found = []
    for d in cat.decisions:
        options = {o.pattern: o for o in d.options if o.pattern in numbers}
        if len(options) > 1:
            shown = {id: _first(numbers[id], f"{id}.{o.claim}") for id, o in options.items()}
            found.append(Choice(d.problem, {id: o.why for id, o in options.items()}, shown))
    return found


def _relations(cat: Catalog, entries: Sequence[Entry], numbers: dict[str, list[Number]]) -> list[Joint]:
    ids = {e.id for e in entries}
    stated = [x for e in entries for x in cat.edges(e.id) if x.target in ids and not x.derived]
    return [
        Joint(
            x.source, x.type, x.target, x.relation.why, x.relation.when, x.proven, _first(numbers[x.source], x.proven)
        )
        for x in stated
    ]


def _first(numbers: Iterable[Number], claim: str | None) -> Number | None:
    """The first number of a claim."""
    return next((n for n in numbers if n.claim == claim), None)


# -- lines


def _settings(beside: Iterable[Beside]) -> str:
    return " (data are the same; steps and sizes may not be)" if any(b.how == "task" for b in beside) else ""


def _evidence(n: Number | None, indent: str) -> list[str]:
    """What a claim measured, with its name."""
    return fold(f"{plain(n.what)}: {n.beside()} [{n.claim}]", indent) if n else []


def _called(b: Beside, id: str) -> str:
    return f" ({b.words[id]})" if id in b.words else ""


def _row(head: str, cells: Sequence[str], label: int, each: int) -> list[str]:
    """A row of a table, cells wrapped."""
    columns = [textwrap.wrap(c, each, break_long_words=True) or [""] for c in cells]
    lines = []
    for i in range(max(map(len, columns))):
        parts = [(column[i] if i < len(column) else "").ljust(each) for column in columns]
        lines.append(f"  {(head if i == 0 else ''):{label}}  {'  '.join(parts)}".rstrip())
    return lines


def _marked(mark: str, texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in fold(plain(text), f"    {mark} ", 0)]
