"""The sources of all entries, each publication once."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..schema import Entry, Source

LITTLE = {
    "a", "an", "the", "on", "of", "in", "to", "for", "and", "with", "from", "by", "at", "is", "are", "how", "what",
}  # fmt: skip
"""Words that say nothing of a title."""


@dataclass
class Work:
    """A publication, as the entries that cite it know it."""

    source: Source
    """The fullest of the records, completed from the others."""
    cited: list[tuple[str, Source]]
    """(entry, its record) of each citation."""
    key: str = ""
    """First author, year and a word of the title, such as `kingma2014auto`; unique within a list of works."""


class Works(list[Work]):
    """All publications that entries cite, ordered by key."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        cited = [(e.id, s) for e in entries for s in e.sources]
        groups = _groups([s for _, s in cited])
        members: dict[int, list[tuple[str, Source]]] = defaultdict(list)
        for pair, group in zip(cited, groups, strict=True):
            members[group].append(pair)
        made = {group: Work(_fullest([s for _, s in pairs]), pairs) for group, pairs in members.items()}
        same: Counter[str] = Counter()
        for work in sorted(made.values(), key=lambda w: (w.source.title.lower(), w.source.title)):
            same[name := key(work.source)] += 1
            work.key = name if same[name] == 1 else f"{name}_{same[name]}"
        super().__init__(sorted(made.values(), key=lambda w: w.key))
        self.keys = {(id, s.key): made[group].key for (id, s), group in zip(cited, groups, strict=True)}
        """Key of the work by entry and the key that the entry gives it."""


def authors(s: Source) -> list[str]:
    """The authors one by one; "others" stands for those that the source leaves out.

    >>> from types import SimpleNamespace
    >>> authors(SimpleNamespace(authors="Tom B. Brown and 30 others"))
    ['Tom B. Brown', 'others']
    """
    text = s.authors.replace(" and ", ", ").replace("&", ",").replace(" et al.", ", others")
    people = [re.sub(r"^(\d+ )?others$", "others", a.strip()) for a in text.split(",")]
    return [a for a in people if a] or [s.authors]


def links(s: Source) -> list[tuple[str, str]]:
    """(text, address) of where a source can be read."""
    found = [(f"arXiv:{s.arxiv}", f"https://arxiv.org/abs/{s.arxiv}")] if s.arxiv else []
    found += [(f"doi:{s.doi}", f"https://doi.org/{s.doi}")] if s.doi else []
    return found + ([("link", s.url)] if s.url else [])


def key(s: Source) -> str:
    """How a bibliography calls a source: first author, year, first word of the title that says something."""
    words = re.findall("[a-z0-9]+", re.sub("['’]", "", _ascii(s.title)))
    first = next((w for w in words if w not in LITTLE), "")
    return f"{re.sub('[^a-z0-9]', '', _ascii(authors(s)[0].split()[-1])) or 'anonymous'}{s.year}{first}"


def _ascii(text: str) -> str:
    """Lower-case text without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def _groups(sources: list[Source]) -> list[int]:
    """A number for each source, the same for two that are one publication.

    They are where they agree in arXiv id, in DOI, or in title and first author.
    """
    parent = list(range(len(sources)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    first: dict[tuple[str, ...], int] = {}
    for i, s in enumerate(sources):
        title = re.sub(r"[\W_]+", "", _ascii(s.title))
        signs = [("title", title, _ascii(authors(s)[0].split()[-1]))]
        signs += [("arxiv", s.arxiv)] if s.arxiv else []
        signs += [("doi", s.doi.lower())] if s.doi else []
        for sign in signs:
            parent[root(i)] = root(first.setdefault(sign, i))
    return [root(i) for i in range(len(sources))]


def _fullest(sources: list[Source]) -> Source:
    """The record that says most, with the addresses of all of them."""
    known = ("arxiv", "doi", "url")
    said = lambda s: ("others" not in authors(s), len(authors(s)), s.venue.lower() != "arxiv", len(s.venue), s.title)
    best = max(sources, key=said)
    return best.model_copy(
        update={name: next((v for s in [best, *sources] if (v := getattr(s, name))), None) for name in known}
    )
