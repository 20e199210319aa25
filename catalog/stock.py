"""What a catalog holds, laid out so that names, facets and relations are found without looking into entries."""

from __future__ import annotations

import difflib
import json
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from . import names
from .graph import names as relation_names
from .words import tolerance, typos

if TYPE_CHECKING:
    from .catalog import Catalog
    from .facets import Facets
    from .schema import Entry
    from .vocabulary import Vocabulary

RECENT = 1024
"""Decoded entries that are held in memory; others stay for as long as somebody uses them."""

MANY = 20_000
"""Names from which on only those are compared with an unknown one that begin or end as it does."""


class Record(NamedTuple):
    """An entry, and what others need of it."""

    id: str
    name: str
    aliases: Sequence[str]
    family: str
    year: int | None
    relations: Sequence[Mapping[str, Any]]
    """As stated, only the fields that are given."""
    facets: dict[str, list[str]]
    """What `facets.values_of` says of it."""
    entry: Entry | bytes
    """The entry, or its JSON."""


class Link(NamedTuple):
    """A relation as seen from one of its two ends."""

    target: int
    """Number of the entry at the other end."""
    type: str
    derived: bool
    """Whether the other end states it."""
    stated: Mapping[str, Any]
    """The relation as stated, only the fields that are given."""
    proven: str | None
    """`entry.claim` that proves it, where a claim does."""


class Stock:
    """Entries by number, in the catalog's order: that of the families, then of years, then of ids.

    The links of entry n go to `ends[starts[n] : starts[n + 1]]`, in the order of `links(n)`; `types` has at the same
    places what they are.
    """

    vocabulary: Vocabulary
    ids: list[str]
    names: list[str]
    families: list[tuple[str, int]]
    """The families that have entries, in their order, and how many each has."""
    years: array[int]
    """0 where an entry has none."""
    starts: array[int]
    ends: array[int]
    types: array[int]
    """Numbers of the names of relations, in the order of `graph.names`."""

    def __init__(self) -> None:
        self._alive: WeakValueDictionary[int, Entry] = WeakValueDictionary()
        self._recent: deque[Entry] = deque(maxlen=RECENT)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Entry]:
        return map(self.entry, range(len(self)))

    def entry(self, n: int) -> Entry:
        """The n-th entry; the same object for as long as somebody has it."""
        found = self._alive.get(n)
        if found is None:
            found = self._held(n)
            if isinstance(found, bytes):
                found = self.vocabulary.entry.model_validate_json(found)
            self._alive[n] = found
            self._recent.append(found)
        return found

    def find(self, key: str) -> int | None:
        """The number of the entry that has a name with this key (`names.key`)."""
        raise NotImplementedError

    def near(self, key: str) -> list[str]:
        """Up to three ids of entries with a name that resembles this key."""
        raise NotImplementedError

    def family(self, n: int) -> str:
        """The family of the n-th entry."""
        return self.families[bisect_right(self._last, n)][0]

    def links(self, n: int) -> list[Link]:
        """The relations of the n-th entry from its side, by type and then by the other's name."""
        raise NotImplementedError

    def facets(self, catalog: Catalog) -> Facets:
        """Which entries have which facets; `catalog` is the one that has this stock."""
        raise NotImplementedError

    def _held(self, n: int) -> Entry | bytes:
        raise NotImplementedError

    @cached_property
    def _last(self) -> list[int]:
        return list(accumulate(size for _, size in self.families))

    def _nearest(self, key: str, known: Mapping[str, int]) -> list[str]:
        near = difflib.get_close_matches(key, known, 6)
        few = 1 + max(1, tolerance(key))
        # a swap counts twice for difflib, so that `vea` is as far from `vae` as from much else
        mistyped = sorted((n, k) for k in near if (n := typos(key, k, few)) < few)
        return list(dict.fromkeys(self.ids[known[k]] for k in ([k for _, k in mistyped] or near)))[:3]


class Held(Stock):
    """Entries in memory."""

    def __init__(self, records: Iterable[Record], families: Iterable[str], vocabulary: Vocabulary) -> None:
        """records: with relations among themselves only; families: in their order."""
        super().__init__()
        rank = {family: i for i, family in enumerate(families)}
        ordered = sorted(records, key=lambda r: (rank.get(r.family, len(rank)), r.family, r.year or 0, r.id))
        self.vocabulary = vocabulary
        self.records = list({r.id: r for r in ordered}.values())
        self.ids = [r.id for r in self.records]
        self.names = [r.name for r in self.records]
        self.years = array("H", (r.year or 0 for r in self.records))
        sizes: dict[str, int] = {}
        for r in self.records:
            sizes[r.family] = sizes.get(r.family, 0) + 1
        self.families = list(sizes.items())
        self.keys: dict[str, int] = {}
        for said in (lambda r: [r.id], lambda r: [r.name], lambda r: r.aliases):
            for n, r in enumerate(self.records):
                for key in (k for text in said(r) for k in names.own(text)):
                    self.keys.setdefault(key, n)
        self._links = self._from_both_ends()
        self.starts = array("I", accumulate(map(len, self._links), initial=0))
        self.ends = array("I", (link.target for links in self._links for link in links))
        number = {name: i for i, name in enumerate(relation_names(vocabulary.relations))}
        self.types = array("H", (number[link.type] for links in self._links for link in links))

    def _from_both_ends(self) -> list[list[Link]]:
        at = {id: n for n, id in enumerate(self.ids)}
        links: list[list[Link]] = [[] for _ in self.ids]
        for n, r in enumerate(self.records):
            for stated in r.relations:
                target, type = at[stated["target"]], stated["type"]
                proven = f"{r.id}.{stated['claim']}" if stated.get("claim") else None
                links[n].append(Link(target, type, False, stated, proven))
                links[target].append(Link(n, self.vocabulary.relations[type].seen_from_target, True, stated, proven))
        order = {name: i for i, name in enumerate(relation_names(self.vocabulary.relations))}
        for around in links:
            around.sort(key=lambda link: (order[link.type], self.names[link.target]))
        return links

    def find(self, key: str) -> int | None:
        """See `Stock`."""
        return self.keys.get(key)

    def near(self, key: str) -> list[str]:
        """See `Stock`."""
        known = self.keys
        if len(known) > MANY:
            known = {k: n for k, n in known.items() if abs(len(k) - len(key)) < 4 and _alike(k, key)}
        return self._nearest(key, known)

    def links(self, n: int) -> list[Link]:
        """See `Stock`."""
        return self._links[n]

    def facets(self, catalog: Catalog) -> Facets:
        """See `Stock`."""
        from .facets import Facets, declared

        return Facets.build((r.facets for r in self.records), declared(catalog))

    def _held(self, n: int) -> Entry | bytes:
        return self.records[n].entry


def _alike(a: str, b: str) -> bool:
    return a[:2] == b[:2] or a[-3:] == b[-3:]


def record(entry: Entry) -> Record:
    """The record of an entry that is there as an object."""
    from .facets import values_of

    relations = [r.model_dump(exclude_unset=True) for r in entry.relations]
    return Record(
        entry.id, entry.name, entry.aliases, entry.family, entry.year, relations, values_of(entry), entry
    )  # fmt: skip


def as_json(held: Entry | bytes) -> bytes:
    """An entry as JSON, only the fields that are given."""
    if isinstance(held, bytes):
        return held
    return json.dumps(held.model_dump(mode="json", by_alias=True, exclude_unset=True), ensure_ascii=False).encode()
