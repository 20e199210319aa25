"""What is exported: entries, the relations between them, and what was measured of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .. import evidence
from ..errors import BadQuestion, as_text, as_texts, did_you_mean

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..evidence import Evidence
    from ..graph import Edge, RelationKind
    from ..schema import Claim, Decision, Entry


@dataclass(frozen=True)
class Part:
    """Some entries of a catalog and some of the relations between them."""

    catalog: Catalog
    entries: list[Entry]
    """In the catalog's order."""
    edges: list[Edge]
    """Each relation from both of its ends, in the order of the entries."""
    given: Mapping[str, Evidence] | None = None
    """What was measured, by entry, if it is known already; else it is read from the catalog's folder."""

    @cached_property
    def evidence(self) -> Mapping[str, Evidence]:
        """The record of each measured claim by entry and claim."""
        if self.given is not None:
            return self.given
        from ..measured import read

        return {e.id: read(self.catalog, e) for e in self.entries}

    @cached_property
    def stated(self) -> list[Edge]:
        """Each relation once, from the side that states it."""
        return [e for e in self.edges if not e.derived]

    @property
    def relations(self) -> Mapping[str, RelationKind]:
        """The types of relations of the catalog."""
        return self.catalog.relations

    @property
    def families(self) -> dict[str, str]:
        """Title of each family of these entries."""
        titles, used = self.catalog.titles, {e.family: e.family for e in self.entries}
        return {f: title for f, title in titles.items() if f in used} | {f: titles.get(f, f) for f in used}

    @property
    def decisions(self) -> list[Decision]:
        """The decisions, each with those of its options that are among the entries; none without an option."""
        ids = {e.id for e in self.entries}
        kept = ((d, [o for o in d.options if o.pattern in ids]) for d in self.catalog.decisions)
        return [d.model_copy(update={"options": options}) for d, options in kept if options]

    def holds(self, entry: Entry, claim: Claim) -> bool | None:
        """Whether the last measurement of a claim met every bar; None where a number was not measured."""
        missed = evidence.missed(claim, self.evidence.get(entry.id, {}).get(claim.id))
        return None if missed is None else not missed


def select(
    cat: Catalog,
    ids: str | Collection[str] = (),
    family: str | None = None,
    types: str | Collection[str] = (),
    around: str | None = None,
    depth: int | None = None,
) -> Part:
    """The part of a catalog in which all of this holds; without any of it, the whole catalog.

    ids: these entries. family: entries of this family. around: this entry, and those at most `depth` (1 by default)
    relations away. types: relations of these types (named from either side), and the entries that they join.

    Raises UnknownPattern for an entry, BadQuestion for a family, type or depth that does not exist.
    """
    if family is not None and as_text(family, "a family", "flow") not in (known := cat.titles or cat.families()):
        raise BadQuestion(f"no family {family!r}; " + did_you_mean(family, known, f"there are {', '.join(known)}"))
    if depth is not None and around is None:
        raise BadQuestion("depth says how far from an entry; say which with `around`")
    named = dict.fromkeys(cat.get(name).id for name in as_texts(ids, "a pattern", "vae"))
    wanted = as_texts(types, "a relation", "builds_on")
    shown = cat.shown
    for t in wanted:
        if t not in shown:
            raise BadQuestion(f"no relation {t!r}; " + did_you_mean(t, shown, f"there are {', '.join(shown)}"))
    kinds = {shown[t][0].name for t in wanted}
    stay, kept = set(named), set(named) or None
    if around is not None:
        start = cat.get(around).id
        near = {start, *(r.id for r in cat.related(start, kinds or None, depth=1 if depth is None else depth))}
        stay, kept = stay | {start}, near if kept is None else kept & near
    entries = [cat[id] for id in cat.ids if kept is None or id in kept]
    entries = [e for e in entries if family in (None, e.family)]
    here = {e.id for e in entries}
    edges = [
        edge for e in entries for edge in cat.edges(e.id)
        if edge.target in here and (not kinds or shown[edge.type][0].name in kinds)
    ]  # fmt: skip
    if kinds:
        joined = stay | {e.source for e in edges}
        entries = [e for e in entries if e.id in joined]
    return Part(cat, entries, edges)
