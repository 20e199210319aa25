"""Four tables as CSV (RFC 4180): entries, relations, claims with what was measured, sources.

A cell that a spreadsheet would take for a formula, because it begins with `=`, `+`, `-`, `@` or the like, begins with
an apostrophe instead, and so does one that begins with an apostrophe: taking one off gives every text back. Numbers
are numbers. In one cell, names are joined by `, `, and aliases, which may hold commas, by line ends.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..evidence import describe_bars
from .works import Works, authors

if TYPE_CHECKING:
    from .part import Part

RISKY = re.compile("[=+\\-@\t\r\n'＝＋－＠]")


ENTRY = (
    "id", "name", "aliases", "family", "kind", "year", "status", "difficulty", "tags", "summary", "intent", "problem",
    "context", "solution", "objective", "reference",
)  # fmt: skip
"""Columns of entries.csv, before one for each facet."""
RELATION = ("source", "type", "target", "inverse", "why", "when", "fixes", "claim")
CLAIM = (
    "entry", "claim", "kind", "statement", "source", "where", "holds", "measure", "what", "unit", "bar", "value",
    "seeds", "lowest", "highest", "beside", "baseline", "date", "seconds",
)  # fmt: skip
SOURCE = ("key", "authors", "title", "year", "venue", "arxiv", "doi", "url", "cited_by")

Row = Iterable[Any]


def to_csv(part: Part) -> dict[str, str]:
    """The text of each table by the name of its file."""
    works = Works(part.entries)
    facets = [dict(_flat(e.facets.model_dump())) if e.facets else {} for e in part.entries]
    names = list(dict.fromkeys(name for chosen in facets for name in chosen))
    return {
        "entries.csv": table([*ENTRY, *(f"facet_{name}" for name in names)], entries(part, facets, names)),
        "relations.csv": table(RELATION, relations(part)),
        "claims.csv": table(CLAIM, claims(part, works)),
        "sources.csv": table(SOURCE, sources(works)),
    }


def entries(part: Part, facets: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Row]:
    """One row for each entry."""
    for e, chosen in zip(part.entries, facets, strict=True):
        special = {
            "aliases": "\n".join(e.aliases), "tags": ", ".join(e.tags),
            "reference": e.implementation and e.implementation.reference,
        }  # fmt: skip
        given = (special[name] if name in special else getattr(e, name) for name in ENTRY)
        yield (*given, *map(chosen.get, names))


def relations(part: Part) -> Iterator[Row]:
    """One row for each relation, from the side that states it."""
    for e in part.stated:
        r, inverse = e.relation, part.relations[e.type].seen_from_target
        yield e.source, e.type, e.target, inverse, r.why, r.when, r.fixes, e.proven


def claims(part: Part, works: Works) -> Iterator[Row]:
    """One row for each number that a claim measures; `source` is a key of sources.csv."""
    for e in part.entries:
        for c in e.claims:
            said = (e.id, c.id, c.kind, c.statement, works.keys[e.id, c.source.key], c.source.where, part.holds(e, c))
            record = part.evidence.get(e.id, {}).get(c.id)
            for name, m in c.measures.items():
                bar = (name, m.what, m.unit, describe_bars(m))
                if record and (got := record.measures.get(name)):
                    spread = got.seeds or [got.value]
                    values = (got.value, len(spread), min(spread), max(spread), m.baseline, got.baseline)
                    yield *said, *bar, *values, record.date, record.seconds
                else:
                    yield *said, *bar, None, None, None, None, m.baseline, None, None, None


def sources(works: Works) -> Iterator[Row]:
    """One row for each publication, and the entries that cite it."""
    for work in works:
        s, cited = work.source, ", ".join(dict.fromkeys(id for id, _ in work.cited))
        yield work.key, "; ".join(authors(s)), s.title, s.year, s.venue, s.arxiv, s.doi, s.url, cited


def table(head: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows as CSV, below the names of the columns."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and RISKY.match(value):
        return f"'{value}"
    return value


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A nested mapping as cells."""
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}_")
        else:
            yield prefix + name, ", ".join(map(str, value)) if isinstance(value, list) else value
