"""Walks along the relations: what is near, where an idea comes from and what came of it, what to read first.

A walk looks at the entries on its way and at no others, and it ends after a bounded number of them: each of these
questions takes a catalog of 100,000 entries about as long as one of 100.
"""

from __future__ import annotations

import heapq
import re
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import as_texts, positive
from .prose import plain
from .results import Answer, fold

if TYPE_CHECKING:
    from .catalog import Catalog
    from .graph import Edge
    from .schema import Entry
    from .stock import Link

# -- near in the graph

WEIGHTS = {
    "specializes": 4.0, "reduces_to": 4.0, "equivalent_to": 4.0, "builds_on": 4.0, "remedies": 3.0, "has_part": 3.0,
    "alternative_to": 2.0, "conditions": 2.0, "accelerates": 2.0, "adapts": 2.0, "serves": 1.0, "evaluates": 1.0,
}  # fmt: skip
"""How readily a reader goes on along a relation: most where both ends share a mechanism, less where one acts on the
other or replaces it, least where they share no more than a purpose. Types that are not listed count 1."""
DAMPING = 0.8
"""Probability of going on after each step; the higher, the more the entries are preferred that everything leads to."""
PRECISION = 1e-4
"""Probability that may be left at an entry without being passed on."""
BUDGET = 4000
"""Relations that are followed before the walk ends in any case: some milliseconds."""


def spread(
    start: int,
    neighbors: Callable[[int], Mapping[int, float]],
    damping: float = DAMPING,
    precision: float = PRECISION,
    budget: int = BUDGET,
) -> tuple[dict[int, float], float]:
    """Personalized PageRank by forward push (Andersen, Chung and Lang, FOCS 2006), without touching the whole graph.

    The rank of a node is the probability that a walk ends there which begins at `start`, at each step ends with
    probability 1 - `damping`, and otherwise goes to a neighbor in proportion to its weight; a node without neighbors
    sends it back to `start`. Large amounts are passed on before small ones, so that a walk that has to end early has
    the ranks that matter.

    neighbors: gives the weight of each neighbor of a node; asked once for each node that passes something on.

    Returns the ranks, none above the true one, and by how much they fall short of it in total.
    """
    ranks: dict[int, float] = defaultdict(float)
    rest: dict[int, float] = defaultdict(float, {start: 1.0})
    shares: dict[int, list[tuple[int, float]]] = {}
    followed, least = 0, 0.1
    while followed < budget and least >= precision:
        waiting = deque(n for n, amount in rest.items() if amount > least)
        while waiting and followed < budget:
            here = waiting.popleft()
            if here not in shares:
                near = neighbors(here) or {start: 1.0}
                total = sum(near.values())
                shares[here] = [(other, damping * weight / total) for other, weight in near.items()]
            amount = rest.pop(here)
            ranks[here] += (1 - damping) * amount
            for other, share in shares[here]:
                before = rest[other]
                rest[other] = before + amount * share
                if before <= least < rest[other]:
                    waiting.append(other)
            followed += len(shares[here])
        least = max(least / 4, precision) if least > precision else 0.0
    for here, amount in rest.items():
        ranks[here] += (1 - damping) * amount
    return dict(ranks), damping * sum(rest.values())


def ranking(
    catalog: Catalog, start: int, types: Collection[str], depth: int | None, limit: int
) -> list[tuple[float, Link, tuple[int, ...]]]:
    """The entries that are most relevant to one, best first: score, last relation and numbers of a shortest way.

    types: names of relations that are followed, as seen from where one stands. depth: how many of them at most.
    """
    stock = catalog.stock
    weight = {
        number: WEIGHTS.get(kind.name, 1.0)
        for number, (name, (kind, _)) in enumerate(catalog.shown.items())
        if name in types
    }
    near: dict[int, dict[int, float]] = {}

    def neighbors(here: int) -> Mapping[int, float]:
        weights = near[here] = {}
        for p in range(stock.starts[here], stock.starts[here + 1]):
            if stock.types[p] in weight:
                weights[stock.ends[p]] = weights.get(stock.ends[p], 0.0) + weight[stock.types[p]]
        return weights

    scores, _ = spread(start, neighbors)
    came: dict[int, int] = {}
    distance = {start: 0}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for there in near.get(here, ()) if depth is None or distance[here] < depth else ():
            if there not in distance:
                came[there], distance[there] = here, distance[here] + 1
                waiting.append(there)
    links = cache(stock.links)
    found = []
    for n in heapq.nsmallest(limit, came, key=lambda n: (-scores[n], n)):
        way = [n]
        while way[0] != start:
            way.insert(0, came[way[0]])
        link = next(link for link in links(came[n]) if link.target == n and link.type in types)
        found.append((scores[n], link, tuple(way)))
    return found


# -- where it comes from, and what came of it

DESCENT = ("builds_on", "specializes", "reduces_to", "has_part")
"""Relations that say of two entries that one was made from the other, the plainest first. An alternative or an
equivalence says no such thing, nor does a part or a simpler case that came later."""
FAR = 300
"""Entries on either side after which a lineage ends."""


class Descent(NamedTuple):
    """An ancestor or a descendant, and the relation that makes it one."""

    id: str
    name: str
    year: int | None
    generation: int
    """Number of relations from the entry that was asked about."""
    through: str
    """The id one generation nearer to that entry."""
    type: str
    """The relation as the younger of the two has it: `builds_on`, or `specialized_by` where the general idea came
    after the special case."""
    why: str
    when: str | None
    proven: str | None
    """`entry.claim` that proves the relation, where a claim does."""


class Lineage(Answer):
    """Where an entry comes from and what came of it, on a time axis; printed, the oldest come first."""

    def __init__(self, of: Entry, ancestors: list[Descent], descendants: list[Descent], whole: bool) -> None:
        self.of, self.ancestors, self.descendants = of, ancestors, descendants
        self.whole = whole
        """Whether nothing was left out for being too much."""

    @property
    def ids(self) -> list[str]:
        """Ancestors, the entry itself and descendants, in the order of time on either side."""
        return [*(a.id for a in self.ancestors), self.of.id, *(d.id for d in self.descendants)]

    def rows(self) -> list[dict[str, Any]]:
        """One for each ancestor and descendant, in the order of time, with the fields of `Descent` and `side`."""
        sides = {"ancestor": self.ancestors, "descendant": self.descendants}
        return [{"side": side, **d._asdict()} for side, found in sides.items() for d in found]

    def to_dict(self) -> dict[str, Any]:
        """`id`, `year`, `ancestors`, `descendants`, and whether that is the `whole` lineage."""
        return {
            "id": self.of.id,
            "year": self.of.year,
            "ancestors": [d._asdict() for d in self.ancestors],
            "descendants": [d._asdict() for d in self.descendants],
            "whole": self.whole,
        }

    def __repr__(self) -> str:
        lines = [f"{titled(self.of)}" + (f", {self.of.year}" if self.of.year else "")]
        for title, found, none in (
            ("Came from", self.ancestors, "no older entry"),
            ("Came of it", self.descendants, "no younger entry"),
        ):
            size = f"{len(found)} {'entry' if len(found) == 1 else 'entries'}" if found else none
            lines += ["", f"{title}: {size}"]
            for d in found:
                said = f"{d.through} {clause(d.type, 'it')}" if found is self.ancestors else clause(d.type, d.through)
                lines += [f"  {d.year or '    '}  {'  ' * (d.generation - 1)}{d.name} ({d.id})"]
                lines += wrapped(f"{said}: {first_sentence(d.why)}", 10)
        if not self.whole:
            lines += ["", f"There is more: at most {FAR} entries are shown on each side, the nearest generations."]
        return "\n".join(lines)

    __str__ = __repr__


def lineage(catalog: Catalog, name: str, depth: int | None = None) -> Lineage:
    """Where an entry comes from and what came of it: see `Catalog.lineage`."""
    if depth is not None:
        positive(depth=depth)
    of = catalog.get(name)
    ancestors = generations(catalog, of.id, True, depth)
    descendants = generations(catalog, of.id, False, depth)
    known = {d.id for d in ancestors}  # of entries of one year, each may have been made from the other
    return Lineage(
        of,
        sorted(ancestors, key=lambda d: (d.year or 0, -d.generation, d.name)),
        sorted((d for d in descendants if d.id not in known), key=lambda d: (d.year or 0, d.generation, d.name)),
        max(len(ancestors), len(descendants)) < FAR,
    )


def generations(catalog: Catalog, id: str, back: bool, depth: int | None = None) -> list[Descent]:
    """The ancestors of an entry, or its descendants, nearest generation first; at most FAR of them."""
    stock = catalog.stock
    kinds = list(catalog.shown.values())
    carriers = [t for t in DESCENT if t in catalog.relations] or [
        k.name for k in catalog.relations.values() if k.acyclic
    ]
    plainest = {number: carriers.index(kind.name) for number, (kind, _) in enumerate(kinds) if kind.name in carriers}
    start, links = catalog._at(id), cache(stock.links)
    found: dict[int, Descent] = {}
    level = [start]
    for generation in count(1) if depth is None else range(1, depth + 1):
        following: list[int] = []
        for here in level:
            places = [p for p in range(stock.starts[here], stock.starts[here + 1]) if stock.types[p] in plainest]
            for place in sorted(places, key=lambda p: plainest[stock.types[p]]):
                there = stock.ends[place]
                if there in found or there == start or len(found) == FAR:
                    continue
                kind, inverse = kinds[stock.types[place]]
                stated_by, about = (there, here) if inverse else (here, there)
                later = stock.years[about] > stock.years[stated_by] > 0
                # An RNN is an autoregressive model, which was named nine years later: it was drawn from the RNN.
                generalized = later and kind.name == "specializes"
                if (inverse == generalized) != back or (later and kind.name in ("reduces_to", "has_part")):
                    continue
                link = links(here)[place - stock.starts[here]]
                found[there] = Descent(
                    stock.ids[there], stock.names[there], stock.years[there] or None, generation, stock.ids[here],
                    kind.seen_from_target if generalized else kind.name,
                    link.stated["why"], link.stated.get("when"), link.proven,
                )  # fmt: skip
                following.append(there)
        level = following
        if not level:
            break
    return list(found.values())


# -- what to read first

NEED = {
    "specializes": 1.0, "builds_on": 0.9, "has_part": 0.8, "adapts": 0.7, "conditions": 0.7, "accelerates": 0.7,
    "reduces_to": 0.6, "equivalent_to": 0.5,
}  # fmt: skip
"""How much an entry asks for the other end of a relation that it states: of what kind it is, what it changes, what
it is made of, what it acts on, what is left of it in a simple case, what it equals."""
REPLACED = 0.3
"""What is left of the need for an entry that is built on and also an alternative: its successor took its place."""
HARDER = 0.5
"""What is left of a need for each degree of difficulty by which the other entry is harder."""
WORTH = 0.35
"""Need, as a product along the way, below which an entry is not proposed."""
SOME = 8
"""Entries that a note names before it says how many more there are."""
ACTS_ON = ("adapts", "conditions", "accelerates")
EASY = 2
"""Up to this difficulty an entry can be read without what it builds on and is made of."""


class Need(NamedTuple):
    """A prerequisite of an entry."""

    share: float
    """How much of it is needed, 0 to 1."""
    must: bool
    """Whether it cannot be left out where the entry is read."""
    edge: Edge
    instead: frozenset[str] = frozenset()
    """Entries of which any serves as well."""


class LearningStep(NamedTuple):
    """An entry to read, and what it is needed for."""

    id: str
    name: str
    difficulty: int | None
    """1: a first course; 5: research literature."""
    year: int | None
    needed_for: str | None
    """The id of the later step that needs it; None for the target."""
    type: str | None
    """The relation by which it does, as that step has it."""
    why: str
    """The reason of that relation; for the target what it is."""


class LearningPath(Answer):
    """What to read, in this order, the target last; printed, each step says what it is needed for."""

    def __init__(self, target: Entry, steps: list[LearningStep], notes: list[str]) -> None:
        self.target, self.steps = target, steps
        self.notes = notes
        """What one should know of the answer: what was left out, and what made no difference."""

    @property
    def ids(self) -> list[str]:
        """The ids in the order in which to read them."""
        return [s.id for s in self.steps]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[LearningStep]:
        return iter(self.steps)

    def rows(self) -> list[dict[str, Any]]:
        """One for each step, with the fields of `LearningStep`."""
        return [s._asdict() for s in self.steps]

    def to_dict(self) -> dict[str, Any]:
        """`target`, `steps` and `notes`."""
        return {"target": self.target.id, "steps": self.rows(), "notes": self.notes}

    def __repr__(self) -> str:
        lines = [f"What to read up to {titled(self.target)}: {len(self)} step" + "s" * (len(self) != 1)]
        for i, s in enumerate(self.steps, 1):
            hard = f", difficulty {s.difficulty} of 5" if s.difficulty else ""
            reason = f"{s.needed_for} {clause(s.type, 'it')}: " if s.needed_for and s.type else ""
            lines += ["", f"{i:2}. {s.name} ({s.id}){hard}", *wrapped(reason + plain(s.why), 4)]
        for note in self.notes:
            lines += ["", *wrapped(note, 0)]
        return "\n".join(lines)

    __str__ = __repr__


def learning_path(catalog: Catalog, target: str, known: str | Iterable[str] = (), limit: int = 8) -> LearningPath:
    """What to read first, in order: see `Catalog.learning_path`."""
    positive(limit=limit)
    goal = catalog.get(target)
    learned = dict.fromkeys(catalog.get(k).id for k in as_texts(known, "what is known", "vae"))
    if goal.id in learned:
        return LearningPath(goal, [], [f"{titled(goal)} is known already; nothing is left to read."])
    needs: dict[str, dict[str, Need]] = {}

    def need(id: str) -> dict[str, Need]:
        if id not in needs:
            needs[id] = _needs(catalog, catalog[id])
        return needs[id]

    chosen, left_out = _essential(goal.id, need, limit)
    notes = [f"Knowing {k} shortens nothing: it is not on the way to {goal.id}." for k in learned if k not in chosen]
    if left_out:
        named = ", ".join(left_out[:SOME]) + (f" and {len(left_out) - SOME} more" if len(left_out) > SOME else "")
        notes.append(f"Left out, to keep this short: {named}. Ask with a limit above {limit} for more.")
    order = [*_in_order(catalog, need, _reached(goal.id, need, chosen - learned.keys())), goal.id]
    steps = []
    for i, id in enumerate(order[:-1]):
        users = [p for p in order if id in need(p)]  # all of them earlier only where a circle was entered
        later = max(users, key=lambda p: (p in order[i:], p == goal.id, need(p)[id].share, p))
        edge = need(later)[id].edge
        steps.append(_step(catalog[id], later, edge.type, edge.relation.why))
    return LearningPath(goal, [*steps, _step(goal, None, None, goal.summary)], notes)


def _step(entry: Entry, needed_for: str | None, type: str | None, why: str) -> LearningStep:
    return LearningStep(entry.id, entry.name, entry.difficulty, entry.year, needed_for, type, why)


def _needs(catalog: Catalog, entry: Entry) -> dict[str, Need]:
    """The prerequisites of an entry by id."""
    edges = catalog.edges(entry.id)
    kinds = {e.type: catalog.shown[e.type][0] for e in edges}
    stated = [e for e in edges if not e.derived or kinds[e.type].symmetric]
    replaced = {e.target for e in stated if e.type == "alternative_to"}
    acted_on = [r.target for r in entry.relations if r.type in ACTS_ON]
    found: dict[str, Need] = {}
    for e in stated:
        share = NEED.get(e.type, 0.9 if kinds[e.type].acyclic else 0.0)
        if not share:
            continue
        other = catalog[e.target]
        gap, later = _level(other) - _level(entry), (other.year or 0) - (entry.year or 0)
        if (
            (e.type == "specializes" and later > 0 and gap > 0)  # it was drawn from this one, and is harder
            or (e.type in ("reduces_to", "equivalent_to") and (later > 0 or gap > 0))  # the simpler one goes first
            # Equal to something as hard from elsewhere: a surprise for those who know both.
            or (e.type == "equivalent_to" and gap == 0 and (other.family != entry.family or later == 0))
        ):
            continue
        succeeded = e.type == "builds_on" and e.target in replaced
        must = e.type == "specializes" or (_level(entry) > EASY and e.type != "reduces_to")
        must = must and gap <= 0 and not succeeded
        share *= HARDER ** max(gap, 0) * (REPLACED if succeeded else 1)
        need = Need(share, must, e)
        if e.type in ACTS_ON:
            second = e.target != acted_on[0]  # one is enough to see what is done to it: the one named first
            others = frozenset(acted_on) - {e.target}
            need = Need(share / 2 if second else share, must and not second, e, others)
        if e.target not in found or need[:2] > found[e.target][:2]:
            found[e.target] = need
    return found


def _level(entry: Entry) -> int:
    """The difficulty of an entry; a middle one where its catalog does not say."""
    return entry.difficulty or 3


def _essential(goal: str, need: Callable[[str], Mapping[str, Need]], limit: int) -> tuple[set[str], list[str]]:
    """The entries to read before the goal, and those that were left out though a step needs them.

    In it are all that the goal needs directly and what hard steps cannot do without, the most needed first, up to
    one and a half times the limit; then further ones, the most needed first, each with what it cannot do without,
    as long as they fit into the limit. What is needed is at most as important as what needs it, so that none is
    there without a step that it serves.
    """
    most = limit + limit // 2
    path: set[str] = set()
    left_out: list[str] = []
    # (how far from the goal: directly needed or not, how little it is needed, id, what serves as well)
    heap = [(False, -n.share, id, n.instead) for id, n in need(goal).items()]
    heapq.heapify(heap)
    while heap:
        _, share, here, instead = heapq.heappop(heap)
        if here == goal or here in path or here in left_out or not path.isdisjoint(instead):
            continue
        if len(path) >= most:
            left_out.append(here)
            continue
        path.add(here)
        for id, n in need(here).items():
            if n.must:
                heapq.heappush(heap, (True, share * n.share, id, n.instead))
    further, done = [(-1.0, goal)], set[str]()
    while further and len(path) < limit:
        share, here = heapq.heappop(further)
        if here in done or -share < WORTH:
            continue
        done.add(here)
        if here != goal and here not in path:
            group = _with_musts(here, need, path | {goal}, limit - len(path))
            if not group:
                continue
            path |= group
        for id, n in need(here).items():
            if path.isdisjoint(n.instead):
                heapq.heappush(further, (share * n.share, id))
    return path, left_out


def _with_musts(id: str, need: Callable[[str], Mapping[str, Need]], there: Collection[str], room: int) -> set[str]:
    """An entry and all that it cannot do without and that is not there; nothing where that is more than fits."""
    group, waiting = {id}, [id]
    while waiting:
        for other, n in need(waiting.pop()).items():
            if n.must and other not in group and other not in there and n.instead.isdisjoint(there):
                group.add(other)
                waiting.append(other)
        if len(group) > room:
            return set()
    return group


def _reached(goal: str, need: Callable[[str], Mapping[str, Need]], among: Collection[str]) -> set[str]:
    """Those of the entries that the goal needs, directly or through others of them."""
    found: set[str] = set()
    waiting = [goal]
    while waiting:
        new = {id for id in need(waiting.pop()) if id in among} - found
        found |= new
        waiting += new
    return found


def _in_order(catalog: Catalog, need: Callable[[str], Mapping[str, Need]], ids: Iterable[str]) -> list[str]:
    """The entries so that each comes after those it needs; where that leaves a choice, the easier and older first."""
    rest, order = set(ids), list[str]()
    while rest:
        free = [id for id in rest if rest.isdisjoint(need(id))] or list(rest)  # a circle is entered at its easiest
        order.append(min(free, key=lambda id: (_level(catalog[id]), catalog[id].year or 0, id)))
        rest.remove(order[-1])
    return order


# -- in words

FORMS = {
    "has_part": "has {} as a part",
    "part_of": "is part of {}",
    "specialized_by": "generalizes {}",
    "alternative_to": "is an alternative to {}",
}
"""Relations that do not become the verb of a sentence by themselves."""


def titled(entry: Entry) -> str:
    """Name and id."""
    return f"{entry.name} ({entry.id})"


def clause(type: str, other: str) -> str:
    """What a relation says of its first end: `builds on gpt`, `has gpt as a part`, `is an alternative to gpt`."""
    words = type.replace("_", " ")
    is_ = "is " if words.endswith((" by", "t to")) else ""
    return FORMS.get(type, f"{is_}{words} {{}}").format(other)


def first_sentence(text: str) -> str:
    """The first sentence of a text in Markdown, as plain text."""
    return re.split(r"(?<=[.?!]) +(?=[A-Z])", plain(text), maxsplit=1)[0]


def wrapped(text: str, indent: int) -> list[str]:
    """Lines that all begin so far to the right."""
    return fold(text, " " * indent, 0)
