"""Entries side by side: what could take the place of one, and what joins and separates two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import evidence
from .catalog import Step
from .errors import BadQuestion, NoPath
from .facets import FIELDS, values_of
from .prose import plain
from .results import Answer
from .walks import DESCENT, clause, first_sentence, generations, titled, wrapped

if TYPE_CHECKING:
    from .catalog import Catalog, Route
    from .facets import Condition, Wanted
    from .schema import Entry

Differences = dict[str, tuple[list[str], list[str]]]
"""Facets that two entries do not have in common, each with the values of the one and of the other."""

Basis = Literal["alternative_to", "equivalent_to", "decision", "remedied_by", "sibling"]

# -- instead of one

SIBLINGS = 10
"""Siblings that are named, those that differ least."""
CHILDREN = 50
"""Children of a parent among which they are looked for."""


class Alternative(NamedTuple):
    """An entry that could take the place of another."""

    id: str
    name: str
    basis: Basis
    """What makes it one: a relation, a decision that both answer, or a parent that both have."""
    through: str | None
    """The id of that decision or parent, or of the failure mode that is mended."""
    why: str
    """The trade-off, what makes the two equal, or how it mends the failure; for a decision when to take this one; for
    a sibling its relation to the parent."""
    differs: Differences
    """Facets that it does not have in common with the entry that was asked about, its own values first."""


class Alternatives(Answer):
    """What could be taken instead of an entry, the closest first; printed, grouped by what makes them alternatives."""

    def __init__(
        self,
        of: Entry,
        found: list[Alternative],
        asked: list[Condition],
        others: int,
        titles: dict[tuple[Basis, str], str],
    ) -> None:
        self.of, self.found, self.asked = of, found, asked
        self.others = others
        """How many there are besides that do not meet what was asked."""
        self._titles = titles

    @property
    def ids(self) -> list[str]:
        """The ids, the closest first."""
        return [a.id for a in self.found]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Alternative]:
        return iter(self.found)

    def rows(self) -> list[dict[str, Any]]:
        """One for each, with the fields of `Alternative`, the differences in words."""
        return [{**a._asdict(), "differs": _contrasts(a.differs)} for a in self.found]

    def to_dict(self) -> dict[str, Any]:
        """`id`, what was `asked` for, `alternatives`, and how many `others` do not meet it."""
        found = [a._asdict() for a in self.found]
        return {"id": self.of.id, "asked": [*map(str, self.asked)], "alternatives": found, "others": self.others}

    def __repr__(self) -> str:
        asked = f" with {', '.join(map(str, self.asked))}" if self.asked else ""
        lines = [f"Instead of {titled(self.of)}{asked}: {len(self) or 'nothing'}"]
        for (basis, through), group in groupby(self.found, key=lambda a: (a.basis, a.through)):
            lines += ["", *wrapped(self._titles.get((basis, through or ""), basis.replace("_", " ")), 0)]
            for a in group:
                lines += [f"  {a.name} ({a.id})", *wrapped(plain(a.why), 4)]
                if a.differs:
                    lines += wrapped(f"Differs: {_contrasts(a.differs)}.", 4)
        if self.others:
            lines += ["", f"{self.others} more {'does' if self.others == 1 else 'do'} not meet what was asked."]
        return "\n".join(lines)

    __str__ = __repr__


def alternatives(catalog: Catalog, name: str, where: str | Iterable[str] = (), **facets: Wanted) -> Alternatives:
    """What could be taken instead of an entry: see `Catalog.alternatives`."""
    of = catalog.get(name)
    asked = catalog.facets.conditions(where, **facets) if where or facets else []
    found: dict[str, Alternative] = {}
    for basis, through, id, why in _candidates(catalog, of):
        if id != of.id and id not in found:
            other = catalog[id]
            found[id] = Alternative(id, other.name, basis, through, why, differences(other, of))
    siblings = sorted((a for a in found.values() if a.basis == "sibling"), key=lambda a: len(a.differs))
    meeting = [a for a in found.values() if a.basis != "sibling" or a in siblings[:SIBLINGS]]
    meeting = [a for a in meeting if _meets(catalog[a.id], asked)]
    titles: dict[tuple[Basis, str], str] = {}
    for d in catalog.decisions:
        titles["decision", d.id] = f"also answers: {d.problem}"
    for f in of.failure_modes:
        titles["remedied_by", f.id] = f"mends a failure of {of.id}: {f.id.replace('_', ' ')}"
    for r in of.relations:
        if r.type in _lineal(catalog):
            titles["sibling", r.target] = f"also {clause(r.type, r.target)}"
    return Alternatives(of, meeting, asked, len(found) - len(meeting), titles)


def _candidates(catalog: Catalog, of: Entry) -> Iterator[tuple[Basis, str | None, str, str]]:
    """What may be an alternative, the closest first: basis, through what, id, why."""
    edges = catalog.edges(of.id)
    for basis in ("alternative_to", "equivalent_to"):
        for e in edges:
            if e.type == basis:
                when = f" When: {e.relation.when.rstrip('.')}." if e.relation.when else ""
                yield basis, None, e.target, e.relation.why + when
    for decision in catalog.decisions:
        if any(o.pattern == of.id for o in decision.options):
            for o in decision.options:
                yield "decision", decision.id, o.pattern, o.why
    for e in edges:
        if e.type == "remedied_by":
            yield "remedied_by", e.relation.fixes, e.target, e.relation.why
    family = {e.target for e in edges if catalog.shown[e.type][0].name in DESCENT}
    kinds = _lineal(catalog)
    for parent in dict.fromkeys(e.target for e in edges if e.type in kinds and not e.derived):
        children = (e for e in catalog.edges(parent) if e.derived and catalog.shown[e.type][0].name in kinds)
        for e in islice(children, CHILDREN):
            if e.target not in family and _alike(catalog[e.target], of):
                yield "sibling", parent, e.target, e.relation.why


def _lineal(catalog: Catalog) -> list[str]:
    """The types of relations that siblings have to the same parent."""
    kinds = [t for t in ("specializes", "builds_on") if t in catalog.relations]
    return kinds or [k.name for k in catalog.relations.values() if k.acyclic]


def _alike(a: Entry, b: Entry) -> bool:
    """Whether two entries of one family are of one kind or work on the same data."""
    data = [set(values_of(e).get("data", ())) for e in (a, b)]
    return a.family == b.family and (a.kind == b.kind or not data[0].isdisjoint(data[1]))


def _meets(entry: Entry, conditions: Iterable[Condition]) -> bool:
    values = values_of(entry)
    return all((all if c.excluded else any)(c.allows(value) for value in values.get(c.facet, ())) for c in conditions)


def differences(a: Entry, b: Entry) -> Differences:
    """The facets that two entries do not have in common; fields that say when, how hard or where are no facets here."""
    of_a, of_b = values_of(a), values_of(b)
    return {
        name: (of_a.get(name, []), of_b.get(name, []))
        for name in dict.fromkeys([*of_a, *of_b])
        if name not in FIELDS and set(of_a.get(name, [])) != set(of_b.get(name, []))
    }


def _contrasts(differs: Differences) -> str:
    """All facets in which an entry differs from another, in words."""
    return "; ".join(_contrast(*facet) for facet in differs.items())


def _contrast(name: str, values: tuple[list[str], list[str]]) -> str:
    """What an entry has in one facet where another has something else: `likelihood exact, not bound`."""
    its, other = values
    more, less = [v for v in its if v not in other], [v for v in other if v not in its]
    if its in (["true"], ["false"]):
        said = _values(its)
    elif (more, less) == (its, other):
        said = f"{_values(its)}, not {_values(other)}"
    else:
        said = ", ".join([f"also {_values(more)}"] * bool(more) + [f"not {_values(less)}"] * bool(less))
    return f"{name.replace('_', ' ')} {said}"


def _values(values: list[str]) -> str:
    """The values of a facet in words."""
    words = {"true": "yes", "false": "no"}
    return " and ".join(words.get(v, v.replace("_", " ")) for v in values) or "none"


# -- two of them

SOME = 6
"""Relations in common that are named."""


class Proof(NamedTuple):
    """A claim that proves a relation."""

    claim: str
    """`entry.claim`."""
    statement: str
    measured: str | None
    """The measured numbers and their bars, where there is evidence."""


class Both(NamedTuple):
    """A decision that both entries answer."""

    id: str
    problem: str
    a: str
    """When the first is the one to take, and what it costs."""
    b: str


class Common(NamedTuple):
    """An entry to which each of the two has the same relation, or from which each comes."""

    id: str
    type: str
    """The relation, as they have it; `descends_from` for the nearest common ancestors further back."""


class Explanation(Answer):
    """What joins two entries and what separates them; printed, the essential comes first."""

    def __init__(
        self,
        a: Entry,
        b: Entry,
        relations: list[Step],
        proofs: list[Proof],
        route: Route | None,
        descent: list[str],
        decisions: list[Both],
        common: list[Common],
        differs: Differences,
    ) -> None:
        self.a, self.b = a, b
        self.relations = relations
        """Those that join the two directly, from the side of the one that states them."""
        self.proofs = proofs
        """The claims that prove them."""
        self.route = route
        """The shortest chain of relations where none joins them directly; None where there is no chain either."""
        self.descent = descent
        """The ids from the younger to the older, each made from the next; empty where neither came from the other."""
        self.decisions = decisions
        self.common = common
        self.differs = differs
        """Facets that the two do not have in common, with the values of `a` first."""

    def rows(self) -> list[dict[str, Any]]:
        """One for each fact: which `part` of the answer it belongs to, and what it `says`."""
        facts = [("year", f"{e.id} {e.year}") for e in (self.a, self.b) if e.year]
        facts += [("relations", _said(s, s.why)) for s in self.relations]
        facts += [("proofs", f"{p.claim}: {plain(p.statement)} {p.measured or ''}".rstrip()) for p in self.proofs]
        facts += [("path", _said(s, s.why)) for s in self.route or ()]
        facts += [("descent", self._descent())] if self.descent else []
        for d in self.decisions:
            facts += [("decisions", f"{d.problem}: {plain(w)} ({e.id})") for e, w in ((self.a, d.a), (self.b, d.b))]
        facts += [("common", clause(c.type, c.id)) for c in self.common]
        facts += [("differs", f"{name}: {_values(a)}, {_values(b)}") for name, (a, b) in self.differs.items()]
        return [{"part": part, "says": says} for part, says in facts]

    def to_dict(self) -> dict[str, Any]:
        """The parts of the answer by name."""
        return {
            "a": {"id": self.a.id, "year": self.a.year},
            "b": {"id": self.b.id, "year": self.b.year},
            "relations": [s._asdict() for s in self.relations],
            "proofs": [p._asdict() for p in self.proofs],
            "path": self.route.to_dict() if self.route else None,
            "descent": self.descent,
            "decisions": [d._asdict() for d in self.decisions],
            "common": [c._asdict() for c in self.common],
            "differs": self.differs,
        }

    def __repr__(self) -> str:
        names = (f"{e.name} ({e.id}{f', {e.year}' if e.year else ''})" for e in (self.a, self.b))
        lines = wrapped(" and ".join(names), 0)
        for s in self.relations:
            lines += ["", f"{s.source} {clause(s.type, s.target)}", *wrapped(plain(s.why), 2)]
            lines += wrapped(f"When: {plain(s.when).rstrip('.')}.", 2) if s.when else []
            for p in self.proofs:
                if p.claim == s.proven:
                    lines += wrapped(f"Shown by {p.claim}: {plain(p.statement)}", 2)
                    lines += wrapped(f"Measured: {p.measured}", 2) if p.measured else []
        if not self.relations:
            lines += ["", "No relation joins them directly" + ("; the shortest way:" if self.route else ".")]
            lines += [line for s in self.route or () for line in wrapped(_said(s, first_sentence(s.why)), 2)]
        if len(self.descent) > 2:
            lines += ["", *wrapped(self._descent(), 0)]
        for d in self.decisions:
            lines += ["", *wrapped(f"Both answer: {d.problem}", 0)]
            lines += [*wrapped(f"{self.a.id}: {plain(d.a)}", 2), *wrapped(f"{self.b.id}: {plain(d.b)}", 2)]
        if self.common:
            lines += ["", "Each of them"]
            for type, group in groupby(self.common, key=lambda c: c.type):
                lines += wrapped(clause(type, ", ".join(c.id for c in group)), 2)
        if self.differs:
            lines += ["", f"They differ: {self.a.id}, {self.b.id}"]
            for name, (of_a, of_b) in self.differs.items():
                lines += wrapped(f"{name.replace('_', ' ')}: {_values(of_a)}, {_values(of_b)}", 2)
        return "\n".join(lines)

    __str__ = __repr__

    def _descent(self) -> str:
        through = f", through {', '.join(self.descent[1:-1])}" if len(self.descent) > 2 else ""
        return f"{self.descent[0]} came from {self.descent[-1]}{through}."


def explain(catalog: Catalog, a: str, b: str) -> Explanation:
    """What joins two entries and what separates them: see `Catalog.explain`."""
    one, other = catalog.get(a), catalog.get(b)
    if one.id == other.id:
        raise BadQuestion(f"{a!r} and {b!r} are the same entry, {one.id}; name two")
    relations = []
    for e in catalog.edges(one.id):
        if e.target == other.id:
            kind, r = catalog.shown[e.type][0], e.relation
            ends = (other.id, one.id) if e.derived and not kind.symmetric else (one.id, other.id)
            relations.append(Step(ends[0], kind.name, ends[1], r.why, r.when, e.proven))
    try:
        route = None if relations else catalog.path(one.id, other.id)
    except NoPath:
        route = None
    decisions = []
    for d in catalog.decisions:
        said = {o.pattern: o.why for o in d.options}
        if one.id in said and other.id in said:
            decisions.append(Both(d.id, d.problem, said[one.id], said[other.id]))
    descent, ancestors = _ancestry(catalog, one, other)
    of_other = {(e.type, e.target) for e in catalog.edges(other.id)}
    common = [Common(e.target, e.type) for e in catalog.edges(one.id) if (e.type, e.target) in of_other][:SOME]
    common += [Common(id, "descends_from") for id in ancestors if id not in {c.id for c in common}]
    proofs = [_proof(catalog, claim) for claim in dict.fromkeys(s.proven for s in relations) if claim]
    return Explanation(one, other, relations, proofs, route, descent, decisions, common, differences(one, other))


def _said(step: Step, why: str) -> str:
    return f"{step.source} {clause(step.type, step.target)}: {plain(why)}"


def _proof(catalog: Catalog, name: str) -> Proof:
    id, _, claim_id = name.partition(".")
    entry = catalog[id]
    claim = entry.claim(claim_id)
    records = evidence.read(catalog.folder / entry.family / entry.id) if catalog.folder else {}
    measured = evidence.summary(claim, records[claim.id]) if claim.id in records else None
    return Proof(name, claim.statement, measured)


def _ancestry(catalog: Catalog, a: Entry, b: Entry) -> tuple[list[str], list[str]]:
    """The way from one down to the other where one came from the other, and else the nearest that both came from."""
    back = [{d.id: d for d in generations(catalog, e.id, True)} for e in (a, b)]
    for older, younger, ancestors in ((b, a, back[0]), (a, b, back[1])):
        if older.id in ancestors:
            way = [older.id]
            while way[0] != younger.id:
                way.insert(0, ancestors[way[0]].through)
            return way, []
    both = back[0].keys() & back[1].keys()
    further = {d.id for c in both for d in generations(catalog, c, True, 1)}
    return [], sorted(both - further, key=lambda id: (back[0][id].generation + back[1][id].generation, id))
