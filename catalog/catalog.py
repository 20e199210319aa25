"""The loaded catalog: entries by name, and the questions one can ask of their relations."""

from __future__ import annotations

import difflib
import textwrap
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import graph as graphs
from . import names
from .errors import NoPath, Problem, UnknownPattern, did_you_mean
from .graph import ORDER, SHOWN, Edge
from .prose import passages, plain

if TYPE_CHECKING:
    import networkx as nx

    from .schema import Decision, Entry
    from .search import Hits, Index
    from .strict_yaml import Document

Direction = Literal["both", "out", "in"]


class Related(NamedTuple):
    """An entry that relations lead to, and the relation by which it was reached."""

    id: str
    name: str
    type: str
    """The relation seen from the entry before it in `path`: `builds_on`, or `extended_by` from the other side."""
    direction: Direction
    """out: the entry before it states the relation; in: this one states it; both: it reads the same from both sides."""
    why: str
    when: str | None
    distance: int
    """Number of relations from the entry that was asked about."""
    path: tuple[str, ...]
    """The ids on the way, from the entry that was asked about to this one."""
    proven: str | None
    """`entry.claim` that proves the relation, where a claim does."""


class Step(NamedTuple):
    """One relation of a path."""

    source: str
    type: str
    target: str
    why: str
    when: str | None
    proven: str | None


class RelatedList(list[Related]):
    """Related entries, nearest first; printed, they are grouped by relation with the reason for each."""

    def __init__(self, of: Entry, items: Iterable[Related]) -> None:
        super().__init__(items)
        self.of = of

    def __repr__(self) -> str:
        count = f"{len(self)} relation" + "s" * (len(self) != 1)
        lines = [f"{self.of.name} ({self.of.id}): {count}"]
        for (distance, type), group in groupby(self, key=lambda r: (r.distance, r.type)):
            lines += ["", f"{type.replace('_', ' ')}" + (f", {distance} steps away" if distance > 1 else "")]
            for r in group:
                way = f", through {' > '.join(r.path[1:-1])}" if distance > 1 else ""
                lines += [f"  {r.name} ({r.id}){way}", *_reason(r, "    ")]
        return "\n".join(lines)

    __str__ = __repr__


class Route:
    """A shortest chain of relations between two entries; printed, it gives the reason for each of them."""

    def __init__(self, entries: list[Entry], steps: list[Step]) -> None:
        self.entries, self.steps = entries, steps

    @property
    def ids(self) -> list[str]:
        """The ids on the way, both ends included."""
        return [e.id for e in self.entries]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __repr__(self) -> str:
        lines = [f"{self.entries[0].name} ({self.entries[0].id})"]
        for entry, step in zip(self.entries[1:], self.steps, strict=True):
            lines += [f"  {step.type.replace('_', ' ')}", f"{entry.name} ({entry.id})", *_reason(step, "    ")]
        return "\n".join(lines)

    __str__ = __repr__


def _reason(of: Related | Step, indent: str) -> list[str]:
    extra = [f"When: {plain(of.when).rstrip('.')}."] if of.when else []
    extra += [f"Shown by the claim {of.proven}."] if of.proven else []
    return [
        line
        for text in [plain(of.why), *extra]
        for line in textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent)
    ]


class Catalog:
    """Entries and the relations between them.

    A collection of `Entry`: iterate over it, `len(cat)`, `cat["vae"]`, `"vae" in cat`. Entries are in the order of
    the families, then of their years.

    >>> import catalog
    >>> cat = catalog.load()
    >>> cat["Variational Autoencoders (VAEs)"].id
    'vae'
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        name: str = "Patterns",
        families: Mapping[str, str] | None = None,
        folder: Path | None = None,
        documents: Mapping[str, Document] | None = None,
        decisions: Iterable[Decision] = (),
    ) -> None:
        """Entries whose relations hold among themselves: use `catalog.load` to have that checked."""
        self.name = name
        self.titles = dict(families or {})
        """Title of each family, also of those that have no entry yet."""
        self.folder = folder
        """Where the entries were read, if they come from files."""
        self.documents = dict(documents or {})
        """By id: the file of an entry and the place of each of its parts."""
        self.decisions = list(decisions)
        """Problems that people come with, each with the patterns that answer it."""
        rank = {family: i for i, family in enumerate(self.titles)}
        order: Callable[[Entry], Any] = lambda e: (rank.get(e.family, len(rank)), e.family, e.year, e.id)
        self._entries = {e.id: e for e in sorted(entries, key=order)}
        self._names: dict[str, str] = {}
        for said in (lambda e: [e.id], lambda e: [e.name], lambda e: e.aliases):
            for e in self._entries.values():
                for key in (k for text in said(e) for k in names.own(text)):
                    self._names.setdefault(key, e.id)
        self._edges: dict[str, list[Edge]] = defaultdict(list)
        for edge in sorted(graphs.edges(self), key=lambda e: (ORDER[e.type], self._entries[e.target].name)):
            self._edges[edge.source].append(edge)

    # -- entries

    def get(self, name: str) -> Entry:
        """The entry with this id, name or alias, in any case, with any separators, in singular or plural.

        Raises UnknownPattern (a KeyError) with the nearest names where there is none.

        >>> import catalog
        >>> catalog.load().get("variational auto-encoders").id
        'vae'
        """
        for key in names.keys(name):
            if key in self._names:
                return self._entries[self._names[key]]
        near = difflib.get_close_matches(names.key(name), self._names, 6)
        raise UnknownPattern(name, list(dict.fromkeys(self._names[k] for k in near))[:3])

    __getitem__ = get

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(key in self._names for key in names.keys(name))

    def __repr__(self) -> str:
        return f"<Catalog {self.name!r}: {len(self)} entries>"

    @property
    def ids(self) -> list[str]:
        """All ids, in the order of the entries."""
        return list(self._entries)

    def families(self) -> dict[str, tuple[str, list[str]]]:
        """Title and ids of every family that has entries, in the catalog's order.

        >>> import catalog
        >>> catalog.load().families()["latent_variable"][0]
        'Latent-variable models and autoencoders'
        """
        found: dict[str, tuple[str, list[str]]] = {}
        for e in self:
            found.setdefault(e.family, (self.titles.get(e.family, e.family), []))[1].append(e.id)
        return found

    def passages(self) -> list[tuple[str, str, str]]:
        """All prose as (id, section, plain text), without Markdown and LaTeX; a section may have several passages.

        >>> import catalog
        >>> [section for id, section, text in catalog.load().passages() if id == "vae"][:3]
        ['facts', 'summary', 'intent']
        """
        return [(e.id, section, text) for e in self for section, text in passages(e, self.titles.get(e.family, ""))]

    # -- relations

    def edges(self, name: str) -> list[Edge]:
        """The relations of one entry, as seen from it: stated by it, and derived from what others state."""
        return list(self._edges[self.get(name).id])

    def related(
        self, name: str, types: str | Collection[str] | None = None, direction: Direction = "both", depth: int = 1
    ) -> RelatedList:
        """The entries that relations lead to from this one, with the reason along each.

        types: only these relations. `builds_on` takes them from both ends, `extended_by` only those that others state.
        direction: `out` for relations that the entry states, `in` for those that others state about it; relations
            that read the same from both sides count as both.
        depth: how many relations away; an entry is listed once, where it is nearest (with all relations that
            join it to the entry through which it was first reached).

        Raises UnknownPattern, or ValueError for a type, direction or depth that does not exist.

        >>> import catalog
        >>> [(r.type, r.id) for r in catalog.load().related("vae", types="builds_on", direction="out")]
        [('builds_on', 'autoencoder')]
        """
        start = self.get(name)
        wanted = {types} if isinstance(types, str) else set(SHOWN) if types is None else set(types)
        for t in sorted(wanted - set(SHOWN)):
            raise ValueError(f"no relation {t!r}; " + did_you_mean(t, SHOWN, f"there are {', '.join(SHOWN)}"))
        if direction not in ("both", "out", "in"):
            raise ValueError(f"direction {direction!r}; it is 'both', 'out' or 'in'")
        if depth < 1:
            raise ValueError(f"depth {depth}; it is at least 1")
        found: list[Related] = []
        ways = {start.id: (start.id,)}
        level = [start.id]
        for distance in range(1, depth + 1):
            parent: dict[str, str] = {}
            for here in level:
                for e in self._edges[here]:
                    kind = SHOWN[e.type][0]
                    facing: Direction = "both" if kind.symmetric else "in" if e.derived else "out"
                    if not ({e.type, kind.name} & wanted and (direction == "both" or facing in (direction, "both"))):
                        continue
                    if e.target in ways or parent.setdefault(e.target, here) != here:
                        continue
                    way = (*ways[here], e.target)
                    r = e.relation
                    found.append(
                        Related(
                            e.target,
                            self._entries[e.target].name,
                            e.type,
                            facing,
                            r.why,
                            r.when,
                            distance,
                            way,
                            e.proven,
                        )
                    )
            ways |= {new: (*ways[old], new) for new, old in parent.items()}
            level = list(parent)
        found.sort(key=lambda r: (r.distance, ORDER[r.type]))
        return RelatedList(start, found)

    def path(self, a: str, b: str) -> Route:
        """A shortest chain of relations from one entry to another, with the reason along each.

        Raises UnknownPattern, or NoPath where nothing joins them.

        >>> import catalog
        >>> catalog.load().path("vae", "autoencoder").ids
        ['vae', 'autoencoder']
        """
        start, end = self.get(a), self.get(b)
        came: dict[str, Edge | None] = {start.id: None}
        queue = deque([start.id])
        while queue and end.id not in came:
            for edge in self._edges[queue.popleft()]:
                if edge.target not in came:
                    came[edge.target] = edge
                    queue.append(edge.target)
        if end.id not in came:
            reach = ", ".join(sorted(set(came) - {start.id})) or "nothing"
            raise NoPath(f"no relations lead from {start.id} to {end.id}; from {start.id} one reaches {reach}")
        steps: list[Step] = []
        at = end.id
        while edge := came[at]:
            steps.insert(
                0, Step(edge.source, edge.type, edge.target, edge.relation.why, edge.relation.when, edge.proven)
            )
            at = edge.source
        return Route([start, *(self._entries[s.target] for s in steps)], steps)

    @cached_property
    def graph(self) -> nx.MultiDiGraph:
        """The catalog as a frozen `networkx.MultiDiGraph`: nodes are ids, an edge's key is its type.

        Inverse edges are there too, with `derived=True`; `why`, `when`, `fixes` and `claim` are attributes of edges.

        >>> import catalog
        >>> catalog.load().graph.edges["vae", "autoencoder", "builds_on"]["derived"]
        False
        """
        return graphs.build(self._entries)

    def completeness(self) -> list[Problem]:
        """What a finished catalog has and this one lacks: every entry reachable from every other, and every
        entry with at least two relations of two types, seen from itself. Not asked for by `catalog.load`."""
        problems = []
        for e in self:
            seen = {(edge.type, edge.target) for edge in self._edges[e.id]}
            types = sorted({type for type, _ in seen})
            if len(seen) < 2 or len(types) < 2:
                message = f"{e.id} has {len(seen)} relations, of the types: {', '.join(types) or 'none'}"
                problems.append(
                    self._problem(e.id, message, "every entry needs two relations of two types: state another")
                )
        if self._entries:
            start = next(iter(self))
            reached = {start.id} | {r.id for r in self.related(start.id, depth=len(self))}
            for id in self._entries.keys() - reached:
                message = f"no relations join {id} to {start.id}"
                problems.append(self._problem(id, message, "relate it to an entry that others are related to"))
        return sorted(problems)

    def _problem(self, id: str, message: str, fix: str) -> Problem:
        if id in self.documents:
            return self.documents[id].problem(("relations",), message, fix)
        return Problem(id, 1, 1, message, fix)

    # -- text

    @cached_property
    def _index(self) -> Index:
        from .search import Index

        return Index(self)

    def search(self, text: str, limit: int = 10) -> Hits:
        """Entries that speak of `text`, best first, each with a sentence that does.

        A word stands for its other forms; one that occurs nowhere stands for words that begin so, or else for
        the nearest there is (`corrected` of the result says so). Passages that have all words come first.

        >>> import catalog
        >>> catalog.load().search("varational autoencoder")[0].id
        'vae'
        """
        return self._index.search(text, limit)
