"""Everything as one JSON document, and the JSON Schema of it.

Both come from the models below, which are those of `catalog.schema` with what was measured and derived put in.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, create_model

from ..evidence import Record
from ..schema import Claim, Decision, Entry, Id, Line, Model, Text

if TYPE_CHECKING:
    from ..graph import Edge
    from .part import Part

VERSION = 1


class Family(Model):
    """The mechanism by which entries learn or generate."""

    id: Id
    title: Line


class RelationType(Model):
    """A type of relation."""

    name: Id
    inverse: Id | None
    """Its name seen from the target; null where it reads the same from both sides."""
    acyclic: bool
    """Whether following it never leads back."""
    rule: str
    """What it says of `A type B`."""


class SeenRelation(Model):
    """A relation as seen from the entry that lists it."""

    type: Id
    """A relation type's name, or its inverse."""
    target: Id
    """Id of the other entry."""
    derived: bool
    """Whether the other entry states it."""
    why: Text
    """The reason."""
    when: Line | None
    """The condition under which it holds."""
    fixes: Id | None
    """The failure mode that it remedies."""
    claim: str | None
    """`entry.claim` that proves it."""


class MeasuredClaim(Claim):
    """A claim with the last measurement of it."""

    holds: bool | None
    """Whether the last measurement met every bar; null where there is none."""
    evidence: Record | None
    """The last measurement."""


class CatalogDocument(Model):
    """A catalog: entries, their relations from both ends, and what was measured."""

    version: Literal[1] = Field(alias="schema")
    """Version of this form; it grows when a reader of the present one would go wrong."""
    name: Line
    families: list[Family]
    relation_types: list[RelationType]
    decisions: list[Decision]
    """Problems that people come with, each with the entries that answer it."""


@cache
def models(entry: type[Entry]) -> tuple[type[CatalogDocument], type[Entry]]:
    """The document of a catalog whose entries are of this model, and the model of the entries in it."""
    changed: dict[str, Any] = {"relations": (list[SeenRelation], ...)}
    if "claims" in entry.model_fields:
        changed["claims"] = (list[MeasuredClaim], ...)
    seen = create_model("SeenEntry", __base__=entry, __doc__=entry.__doc__, **changed)
    entries: Any = (list[seen], ...)  # type: ignore[valid-type]
    whole = create_model("Catalog", __base__=CatalogDocument, __doc__=CatalogDocument.__doc__, entries=entries)
    return whole, seen


def to_catalog_json(part: Part) -> str:
    """Entries with their relations from both ends and their claims as measured; families, types, decisions.

    One entry a line, so that a large catalog is made and compared line by line.
    """
    document, seen = models(part.catalog.vocabulary.entry)
    head = document.model_construct(
        version=VERSION, name=part.catalog.name, decisions=part.decisions, entries=[],
        families=[Family(id=id, title=title) for id, title in part.families.items()],
        relation_types=[
            RelationType(name=k.name, inverse=k.inverse, acyclic=k.acyclic, rule=k.rule)
            for k in part.relations.values()
        ],
    )  # fmt: skip
    before, after = head.model_dump_json(by_alias=True).removesuffix("]}"), "]}"  # `entries` is the last field
    edges: dict[str, list[Edge]] = {e.id: [] for e in part.entries}
    for edge in part.edges:
        edges[edge.source].append(edge)
    lines = (_seen(part, e, edges[e.id], seen).model_dump_json(by_alias=True) for e in part.entries)
    return before + "\n" + ",\n".join(lines) + "\n" + after + "\n"


def _seen(part: Part, e: Entry, edges: list[Edge], seen: type[Entry]) -> Entry:
    """The entry as the document has it."""
    fields: Any = {name: getattr(e, name) for name in seen.model_fields}
    fields["relations"] = [
        SeenRelation.model_construct(
            type=x.type, target=x.target, derived=x.derived, why=x.relation.why, when=x.relation.when,
            fixes=x.relation.fixes, claim=x.proven,
        )
        for x in edges
    ]  # fmt: skip
    if "claims" in fields:
        record = part.evidence.get(e.id, {}).get
        fields["claims"] = [
            MeasuredClaim.model_construct(**dict(c), holds=part.holds(e, c), evidence=record(c.id)) for c in e.claims
        ]
    return seen.model_construct(**fields)


def json_schema(entry: type[Entry] = Entry) -> dict[str, Any]:
    """What the document is, as JSON Schema (draft 2020-12)."""
    model: type[BaseModel] = models(entry)[0]
    schema = model.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text(entry: type[Entry] = Entry) -> str:
    """The content of `patterns/catalog.schema.json`."""
    return json.dumps(json_schema(entry), indent=1, ensure_ascii=False) + "\n"
