"""The types of relations and their rules, in one table; and the catalog as a networkx graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import networkx as nx

    from .schema import Entry, Relation


@dataclass(frozen=True)
class RelationKind:
    """A type of relation: how it reads from both sides, and what must hold of it."""

    name: str
    inverse: str | None
    """The name seen from the other side; None where the relation is symmetric."""
    acyclic: bool
    """Whether following it never leads back."""
    rule: str
    """What it says of `A type B`, and what is checked."""
    claims: tuple[str, ...] = ()
    """The kinds of claim that may prove it; empty where it needs no claim."""

    @property
    def symmetric(self) -> bool:
        """Whether it reads the same from both sides."""
        return self.inverse is None

    @property
    def seen_from_target(self) -> str:
        """Its name on the page of B."""
        return self.inverse or self.name


RELATIONS: dict[str, RelationKind] = {
    kind.name: kind
    for kind in [
        RelationKind("specializes", "specialized_by", True, "Every A is a B."),
        RelationKind(
            "reduces_to", "recovered_by", True,
            "Under the condition in `when`, A is exactly B; a test runs both and finds them equal.", ("exact",),
        ),
        RelationKind(
            "equivalent_to", None, False,
            "Under the condition in `when`, A and B are the same function, law or optimum.", ("exact", "analytic"),
        ),
        RelationKind("builds_on", "extended_by", True, "A takes an idea or a training signal of B and changes it."),
        RelationKind("has_part", "part_of", True, "B is a replaceable component of A."),
        RelationKind(
            "remedies", "remedied_by", False,
            "A mends the failure mode of B named in `fixes`, measured before and after.",
            ("comparative", "exact", "analytic"),
        ),
        RelationKind("alternative_to", None, False, "A and B serve the same purpose; `why` states the trade-off."),
        RelationKind("conditions", "conditioned_by", False, "A steers what B generates."),
        RelationKind("accelerates", "accelerated_by", False, "A gives nearly B's result for less computation."),
        RelationKind("adapts", "adapted_by", False, "A changes the weights or the input of a trained B."),
        RelationKind("serves", "served_by", False, "A is a means for the application B."),
        RelationKind("evaluates", "evaluated_by", False, "A measures B."),
    ]
}  # fmt: skip
"""All types by name, strongest statement first: the order in which they are listed everywhere."""

SHOWN: dict[str, tuple[RelationKind, bool]] = {k.name: (k, False) for k in RELATIONS.values()} | {
    k.inverse: (k, True) for k in RELATIONS.values() if k.inverse
}
"""Every name under which a relation is shown: its kind, and whether the name is the inverse's."""
ORDER = {name: i for i, name in enumerate(SHOWN)}


class Edge(NamedTuple):
    """A relation as seen from one of its two ends."""

    source: str
    target: str
    type: str
    """The name seen from `source`: `builds_on`, or `extended_by` where the other end states it."""
    relation: Relation
    derived: bool
    """Whether the other end states it."""
    proven: str | None
    """`entry.claim` that proves it, where a claim does."""


def edges(entries: Iterable[Entry]) -> list[Edge]:
    """Every relation from both ends: as stated, and derived for the other side."""
    both = []
    for entry in entries:
        for r in entry.relations:
            proven = f"{entry.id}.{r.claim}" if r.claim else None
            both.append(Edge(entry.id, r.target, r.type, r, False, proven))
            both.append(Edge(r.target, entry.id, RELATIONS[r.type].seen_from_target, r, True, proven))
    return both


def build(entries: Mapping[str, Entry]) -> nx.MultiDiGraph:
    """The catalog as a frozen graph.

    A node is an id, with the attributes name, family, kind, year, status, difficulty, tags and summary.
    An edge's key is the type of the relation; its attributes are type, why, when, fixes, claim (`entry.claim`)
    and `derived`, which is true for the inverse edges that nobody wrote down.
    """
    import networkx as nx

    graph = nx.MultiDiGraph(name="catalog")
    for entry in entries.values():
        fields = {"name", "family", "kind", "year", "status", "difficulty", "tags", "summary"}
        graph.add_node(entry.id, **entry.model_dump(include=fields))
    for e in edges(entries.values()):
        facts = {"why": e.relation.why, "when": e.relation.when, "fixes": e.relation.fixes, "claim": e.proven}
        graph.add_edge(e.source, e.target, key=e.type, type=e.type, derived=e.derived, **facts)
    return nx.freeze(graph)


def cycles(arrows: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Cycles of a directed graph, at least one for each strongly connected part: [a, b, a] for a -> b -> a."""
    found: list[list[str]] = []
    done: set[str] = set()
    for root in sorted(arrows):
        trail, pending = ([], []) if root in done else ([root], [(root, iter(sorted(arrows[root])))])
        while pending:
            node, rest = pending[-1]
            for target in rest:
                if target in trail:
                    found.append([*trail[trail.index(target) :], target])
                elif target not in done and target in arrows:
                    trail.append(target)
                    pending.append((target, iter(sorted(arrows[target]))))
                    break
            else:
                done.add(node)
                trail.pop()
                pending.pop()
    return found
