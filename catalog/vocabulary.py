"""What a catalog may say: the types of its relations, its kinds and facets, and the fields of its entries.

Without a word in `catalog.yaml` all of these are the ones of this project's own patterns. A catalog of another field
declares its own there (`schema.About` says how), and the same tools check, query and render it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .graph import RELATIONS, RelationKind

if TYPE_CHECKING:
    from .schema import About, DeclaredRelation, Entry, Relation

ALWAYS = ("id", "name", "family", "summary", "relations")
"""Fields that entries have in every catalog."""


@dataclass(frozen=True)
class FacetKind:
    """A closed choice by which entries are compared."""

    name: str
    values: tuple[str, ...]
    many: bool
    """Whether an entry names any number of the values, rather than one."""


@dataclass(frozen=True)
class Fields:
    """The fields of an entry besides those that it always has."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The words of a catalog. Plain data: it goes to other processes, and equal ones share one model."""

    kinds_of_relation: tuple[RelationKind, ...] = tuple(RELATIONS.values())
    """Types of relations, in the order in which they are listed everywhere."""
    kinds: tuple[str, ...] | None = None
    """Kinds of entries; None for those of `schema.Entry`."""
    facets: tuple[FacetKind, ...] | None = None
    """Facets of entries; None for those of `schema.Facets`."""
    fields: Fields | None = None
    """Fields of entries; None for all of `schema.Entry`."""

    @cached_property
    def relations(self) -> Mapping[str, RelationKind]:
        """The types of relations by name."""
        return {kind.name: kind for kind in self.kinds_of_relation}

    @property
    def entry(self) -> type[Entry]:
        """The model that checks an entry of this catalog: `schema.Entry`, or a class derived from it."""
        from .schema import entry_model

        return entry_model(self)

    @property
    def relation(self) -> type[Relation]:
        """The model that checks a relation of this catalog."""
        from .schema import relation_model

        return relation_model(self)


OURS = Vocabulary()
"""That of a catalog which declares nothing."""


NEEDED = {"fixes": "failure_modes", "claim": "claims"}
"""The field of entries without which a relation cannot state something."""


def declared(about: About) -> Vocabulary:
    """The vocabulary that `catalog.yaml` declares.

    Where it declares fields and no relations, there are the built-in types that do with these fields.
    """
    fields = about.fields and Fields(tuple(about.fields.required), tuple(about.fields.optional))
    if about.relations is not None:
        relations = tuple(_relation(name, said) for name, said in about.relations.items())
    elif fields is not None:
        cannot = {need for need, field in NEEDED.items() if field not in (*fields.required, *fields.optional)}
        relations = tuple(kind for kind in RELATIONS.values() if not cannot & set(kind.needs))
    else:
        relations = OURS.kinds_of_relation
    facets = kinds = None
    if about.facets is not None:
        facets = tuple(FacetKind(name, tuple(f.values), f.some_of is not None) for name, f in about.facets.items())
    if about.kinds is not None:
        kinds = tuple(about.kinds)
    return Vocabulary(relations, kinds, facets, fields)


def _relation(name: str, said: DeclaredRelation | None) -> RelationKind:
    if said is None:
        return RELATIONS[name]
    claims, needs = tuple(said.claims), tuple(said.needs)
    return RelationKind(name, said.inverse, said.acyclic, said.rule, claims, needs, said.younger)
