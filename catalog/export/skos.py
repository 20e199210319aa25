"""The catalog as a SKOS vocabulary in JSON-LD; the context is inline, so that nothing is fetched to read it.

An entry is a concept, a family a collection. `specializes` makes one concept broader than another, symmetric relations
make two related. Each relation is also there under its own name, as a property; a statement about it has the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import BadQuestion
from .works import Works, authors, links

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..schema import Entry
    from .part import Part

CONTEXT = {
    "dcterms": "http://purl.org/dc/terms/",
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dcterms:date": {"@type": "xsd:gYear"},
    "schema:datePublished": {"@type": "xsd:gYear"},
    "schema:author": {"@container": "@list"},
} | {
    name: {"@type": "@id"}
    for name in (
        "dcterms:references", "owl:inverseOf", "rdf:object", "rdf:predicate", "rdf:subject", "rdfs:subPropertyOf",
        "schema:about", "schema:citation", "schema:sameAs", "skos:broader", "skos:hasTopConcept", "skos:inScheme",
        "skos:member", "skos:narrower", "skos:related", "skos:topConceptOf",
    )
}  # fmt: skip
IRI = re.compile(r"""[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>"{}|\\^`]*[/#:]""")


def default_base(cat: Catalog) -> str:
    """A base that needs no host: `urn:catalog:` and the name of the catalog."""
    return f"urn:catalog:{re.sub('[^a-z0-9]+', '-', cat.name.lower()).strip('-') or 'unnamed'}:"


def to_jsonld(part: Part, base: str | None = None) -> str:
    """The vocabulary; what it names has an IRI that begins with `base`, such as `https://example.org/patterns/`.

    Raises BadQuestion for a base that is no absolute IRI ending in `/`, `#` or `:`.
    """
    base = default_base(part.catalog) if base is None else base
    if not IRI.fullmatch(base):
        raise BadQuestion(
            f"base {base!r}; write an absolute IRI that ends in /, # or :, such as https://example.org/p/"
        )
    own = {name: {"@type": "@id"} for name in ("own:claim", *(f"own:relation/{t}" for t in part.catalog.shown))}
    whole = {"@context": CONTEXT | {"own": base} | own, "@graph": list(_nodes(part))}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _nodes(part: Part) -> Iterator[dict[str, Any]]:
    works = Works(part.entries)
    broader = _targets(part, "specializes")
    yield {
        "@id": "own:scheme", "@type": "skos:ConceptScheme", "dcterms:title": part.catalog.name,
        "skos:hasTopConcept": [_pattern(e.id) for e in part.entries if not broader[e.id]],
    }  # fmt: skip
    for family, title in part.families.items():
        members = [_pattern(e.id) for e in part.entries if e.family == family]
        yield {
            "@id": f"own:family/{family}", "@type": "skos:Collection", "skos:prefLabel": title, "skos:member": members,
        }  # fmt: skip
    yield from _properties(part)
    yield from _concepts(part, works, broader)
    for e in part.stated:
        yield _given({
            "@id": f"own:statement/{e.source}/{e.type}/{e.target}", "@type": "rdf:Statement",
            "rdf:subject": _pattern(e.source), "rdf:predicate": f"own:relation/{e.type}",
            "rdf:object": _pattern(e.target), "rdfs:comment": e.relation.why, "own:when": e.relation.when,
            "own:fixes": e.relation.fixes, "own:claim": e.proven and f"own:claim/{e.proven}",
        })  # fmt: skip
    for e in part.entries:
        for c in e.claims:
            yield _given({
                "@id": f"own:claim/{e.id}.{c.id}", "@type": "schema:Claim", "schema:about": _pattern(e.id),
                "schema:text": c.statement, "own:holds": part.holds(e, c),
                "schema:citation": f"own:source/{works.keys[e.id, c.source.key]}",
            })  # fmt: skip
    for work in works:
        s = work.source
        yield {
            "@id": f"own:source/{work.key}", "@type": "schema:ScholarlyArticle", "schema:name": s.title,
            "schema:author": authors(s), "schema:datePublished": str(s.year),
            "schema:isPartOf": {"@type": "schema:CreativeWork", "schema:name": s.venue},
            "schema:sameAs": [_iri(address) for _, address in links(s)],
        }  # fmt: skip


def _properties(part: Part) -> Iterator[dict[str, Any]]:
    """The types of relations and their inverses."""
    for name, (kind, derived) in part.catalog.shown.items():
        other = kind.name if derived else kind.inverse
        yield _given({
            "@id": f"own:relation/{name}",
            "@type": ["owl:ObjectProperty", *(["owl:SymmetricProperty"] if kind.symmetric else [])],
            "rdfs:label": name.replace("_", " "), "rdfs:comment": None if derived else kind.rule,
            "rdfs:subPropertyOf": "skos:semanticRelation", "owl:inverseOf": other and f"own:relation/{other}",
        })  # fmt: skip


def _concepts(part: Part, works: Works, broader: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """The entries. SKOS has no two concepts related of which one is broader, at any remove, than the other."""
    narrower: dict[str, list[str]] = {e.id: [] for e in part.entries}
    for id, targets in broader.items():
        for target in targets:
            narrower[target].append(id)
    related = {e.id: [] for e in part.entries}
    for kind in part.relations.values():
        if kind.symmetric:
            for id, targets in _targets(part, kind.name).items():
                related[id] += targets
    relations: dict[str, dict[str, list[str]]] = {e.id: {} for e in part.entries}
    for e in part.edges:
        relations[e.source].setdefault(f"own:relation/{e.type}", []).append(_pattern(e.target))
    above = {e.id: _above(e.id, broader) for e in part.entries}
    for e in part.entries:
        apart = [id for id in dict.fromkeys(related[e.id]) if id not in above[e.id] and e.id not in above[id]]
        yield _given({
            "@id": _pattern(e.id), "@type": "skos:Concept", "skos:inScheme": "own:scheme",
            "skos:topConceptOf": None if broader[e.id] else "own:scheme", "skos:notation": e.id,
            "skos:prefLabel": e.name, "skos:altLabel": [a for a in dict.fromkeys(e.aliases) if a != e.name],
            "skos:definition": e.summary, "skos:scopeNote": e.intent, "skos:example": e.known_uses,
            "dcterms:date": e.year and str(e.year),
            "skos:broader": [_pattern(id) for id in broader[e.id]],
            "skos:narrower": [_pattern(id) for id in narrower[e.id]],
            "skos:related": [_pattern(id) for id in apart],
            **relations[e.id],
            "dcterms:references": _cited(e, works),
        })  # fmt: skip


def _cited(e: Entry, works: Works) -> list[str]:
    return [f"own:source/{key}" for key in dict.fromkeys(works.keys[e.id, s.key] for s in e.sources)]


def _targets(part: Part, type: str) -> dict[str, list[str]]:
    """Where relations of one type lead from each entry."""
    found: dict[str, list[str]] = {e.id: [] for e in part.entries}
    for edge in part.edges:
        if edge.type == type:
            found[edge.source].append(edge.target)
    return found


def _above(id: str, broader: dict[str, list[str]]) -> set[str]:
    """All that is broader, at any remove."""
    found, pending = set(), [id]
    while pending:
        new = set(broader[pending.pop()]) - found
        found |= new
        pending += new
    return found


def _pattern(id: str) -> str:
    return f"own:pattern/{id}"


def _given(node: dict[str, Any]) -> dict[str, Any]:
    """Without what is not there."""
    return {name: value for name, value in node.items() if value not in (None, "", [])}


def _iri(address: str) -> str:
    """An address with what an IRI cannot hold written by number."""
    return re.sub(r'[\s<>"{}|\\^`]', lambda found: f"%{ord(found[0]):02X}", address)
