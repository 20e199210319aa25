"""The catalog in formats that other tools read: one table of them, and the part of the catalog that is exported."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadQuestion, as_text, did_you_mean

if TYPE_CHECKING:
    from ..catalog import Catalog


class Format(NamedTuple):
    """A format of the catalog."""

    name: str
    file: str
    """What its file is called on the site; for CSV, the folder of its files."""
    media_type: str
    reads: str
    """What it is, and what reads it."""
    function: str
    """`module:function` of this package that makes it of a `Part`."""

    @property
    def make(self) -> Callable[..., str | dict[str, str]]:
        """The function: a text, or for CSV the text of each file by name."""
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(f".{module}", __name__), name)


FORMATS: dict[str, Format] = {
    f.name: f
    for f in [
        Format(
            "catalog-json", "catalog.json", "application/json",
            "everything, with a JSON Schema (--schema): programs", "document:to_catalog_json",
        ),
        Format(
            "node-link", "graph.json", "application/json",
            "the graph: networkx, D3", "graphs:to_node_link",
        ),
        Format(
            "graphml", "graph.graphml", "application/graphml+xml",
            "the graph: Gephi, yEd, igraph", "graphs:to_graphml",
        ),
        Format(
            "dot", "graph.dot", "text/vnd.graphviz",
            "a drawing: Graphviz", "graphs:to_dot",
        ),
        Format(
            "mermaid", "graph.mmd", "text/vnd.mermaid",
            "a drawing: GitHub, GitLab, Obsidian", "graphs:to_mermaid",
        ),
        Format(
            "json-ld", "catalog.jsonld", "application/ld+json",
            "a SKOS vocabulary: RDF tools", "skos:to_jsonld",
        ),
        Format(
            "csv", "csv", "text/csv",
            "four tables: spreadsheets, pandas, databases", "tables:to_csv",
        ),
        Format(
            "bibtex", "sources.bib", "application/x-bibtex",
            "all sources: LaTeX, Zotero, JabRef", "bibtex:to_bibtex",
        ),
    ]
}  # fmt: skip
"""All formats by name."""


def export(
    cat: Catalog,
    format: str,
    *,
    ids: str | Collection[str] = (),
    family: str | None = None,
    types: str | Collection[str] = (),
    around: str | None = None,
    depth: int | None = None,
    **options: Any,
) -> str | dict[str, str]:
    """The catalog, or a part of it, in one of `FORMATS`: a text, or for CSV the text of each file by name.

    ids, family, types, around, depth: which part, as `part.select` reads them; without any, all of it.
    options: `base` of json-ld.

    Raises BadQuestion for a format, an option or a part that does not exist, UnknownPattern for an id.
    """
    from .part import select

    if as_text(format, "a format", "graphml") not in FORMATS:
        raise BadQuestion(f"no format {format!r}; " + did_you_mean(format, FORMATS, f"there are {', '.join(FORMATS)}"))
    for name in options:
        if (format, name) != ("json-ld", "base"):
            raise BadQuestion(f"{format} has no option {name!r}; json-ld has 'base', the others have none")
    return FORMATS[format].make(select(cat, ids, family, types, around, depth), **options)
