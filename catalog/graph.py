"""The types of relations and their rules, in one table; and the catalog as a networkx graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import networkx as nx

    from .catalog import Catalog
    from .schema import Relation


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
    """The kinds of claim that may prove it; empty for any."""
    needs: tuple[str, ...] = ()
    """What such a relation has to state besides its target and the reason: `when`, `fixes`, `claim`."""
    younger: bool = False
    """Whether A cannot have been introduced before B."""

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
            "Under the condition in `when`, A is exactly B; a test runs both and finds them equal.",
            ("exact",), ("when", "claim"),
        ),
        RelationKind(
            "equivalent_to", None, False,
            "Under the condition in `when`, A and B are the same function, law or optimum.",
            ("exact", "analytic"), ("when", "claim"),
        ),
        RelationKind(
            "builds_on", "extended_by", True, "A takes an idea or a training signal of B and changes it.", younger=True
        ),
        RelationKind("has_part", "part_of", True, "B is a replaceable component of A."),
        RelationKind(
            "remedies", "remedied_by", False,
            "A mends the failure mode of B named in `fixes`, measured before and after.",
            ("comparative", "exact", "analytic"), ("fixes", "claim"),
        ),
        RelationKind("alternative_to", None, False, "A and B serve the same purpose; `why` states the trade-off."),
        RelationKind("conditions", "conditioned_by", False, "A steers what B generates."),
        RelationKind("accelerates", "accelerated_by", False, "A gives nearly B's result for less computation."),
        RelationKind("adapts", "adapted_by", False, "A changes the weights or the input of a trained B."),
        RelationKind("serves", "served_by", False, "A is a means for the application B."),
        RelationKind("evaluates", "evaluated_by", False, "A measures B."),
    ]
}  # fmt: skip
"""The built-in types by name, strongest statement first: the order in which they are listed everywhere."""


def names(relations: Mapping[str, RelationKind]) -> dict[str, tuple[RelationKind, bool]]:
    """Every name under which relations are shown, types first: its kind, and whether the name is the inverse's."""
    inverses = {k.inverse: (k, True) for k in relations.values() if k.inverse}
    return {name: (kind, False) for name, kind in relations.items()} | inverses


SHOWN = names(RELATIONS)
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


def build(catalog: Catalog) -> nx.MultiDiGraph:
    """The catalog as a frozen graph.

    A node is an id, with the attributes name, family, kind, year, status, difficulty, tags and summary.
    An edge's key is the type of the relation; its attributes are type, why, when, fixes, claim (`entry.claim`)
    and `derived`, which is true for the inverse edges that nobody wrote down.
    """
    import networkx as nx

    graph = nx.MultiDiGraph(name="catalog")
    for entry in catalog:
        graph.add_node(entry.id, **{field: getattr(entry, field) for field in ATTRIBUTES})
    for n, id in enumerate(catalog.ids):
        for link in catalog.stock.links(n):
            facts = {"type": link.type, "derived": link.derived, "claim": link.proven}
            facts |= {field: link.stated.get(field) for field in ("why", "when", "fixes")}
            graph.add_edge(id, catalog.ids[link.target], key=link.type, **facts)
    return nx.freeze(graph)


ATTRIBUTES = ("name", "family", "kind", "year", "status", "difficulty", "tags", "summary")


def shortest(
    starts: Sequence[int], ends: Sequence[int], a: int, b: int, cost: Callable[[int], float]
) -> tuple[list[int] | None, Collection[int]]:
    """A shortest way from node a to node b of a graph whose every link is there in both directions.

    The links of node n go to `ends[starts[n] : starts[n + 1]]`; that at place p costs `cost(p)`. The way is the places
    of its links in `ends`: of several one that costs least, and of these the one whose places come first, from a on.
    The second result has the nodes on all shortest ways, those of the cheapest first. Where there is no way the first
    is None, and the second has all that can be reached from the end that is in it.

    The search goes out from both ends in turn, always from the side that has fewer nodes at its edge.
    """
    if a == b:
        return [], {a}
    far: tuple[dict[int, int], dict[int, int]] = ({a: 0}, {b: 0})
    edge: list[list[int]] = [[a], [b]]
    met: list[int] = []
    depth = [0, 0]
    while not met:
        side = 0 if len(edge[0]) <= len(edge[1]) else 1
        mine, other = far[side], far[1 - side]
        depth[side] += 1
        new: list[int] = []
        for node in edge[side]:
            for target in ends[starts[node] : starts[node + 1]]:
                if target not in mine:
                    mine[target] = depth[side]
                    new.append(target)
        if not new:
            return None, mine
        edge[side] = new
        met = [node for node in new if node in other]
    from_a, left = far  # `left`: how far it is still to b
    wave, total = set(met), sum(depth)
    for distance in range(depth[0] - 1, 0, -1):
        wave = {t for n in wave for t in ends[starts[n] : starts[n + 1]] if from_a.get(t) == distance}
        left |= dict.fromkeys(wave, total - distance)
    layers = [{a}]
    for remaining in range(total - 1, -1, -1):
        layers.append({t for n in layers[-1] for t in ends[starts[n] : starts[n + 1]] if left.get(t) == remaining})
    best = {b: (0.0, -1)}
    for remaining, layer in enumerate(reversed(layers[:-1])):
        for n in layer:
            places = (p for p in range(starts[n], starts[n + 1]) if left.get(ends[p]) == remaining)
            best[n] = min((cost(p) + best[ends[p]][0], p) for p in places)
    way, here = [], a
    while here != b:
        way.append(best[here][1])
        here = ends[way[-1]]
    since = {a: 0.0}  # the cost from a
    for remaining, layer in zip(range(total - 1, -1, -1), layers, strict=False):
        for n in layer:
            for p in range(starts[n], starts[n + 1]):
                if left.get(ends[p]) == remaining:
                    since[ends[p]] = min(since.get(ends[p], inf), since[n] + cost(p))
    return way, sorted(since, key=lambda n: (since[n] + best[n][0], -left.get(n, total), n))


def reach(starts: Sequence[int], ends: Sequence[int], node: int) -> set[int]:
    """All nodes that links lead to from this one, itself included."""
    found, edge = {node}, [node]
    while edge:
        edge = [t for n in edge for t in ends[starts[n] : starts[n + 1]] if t not in found and not found.add(t)]
    return found


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
