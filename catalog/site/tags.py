"""All tags and all values of facets, each with what has it."""

from __future__ import annotations

from . import gallery
from .book import Book
from .markdown import items, link
from .pattern import chip, front_matter, words
from .text import escape


def tagged(book: Book) -> dict[str, list[str]]:
    """The entries of every tag, the tags in alphabetical order."""
    found: dict[str, list[str]] = {}
    for e in book.entries.values():
        for tag in e.tags:
            found.setdefault(tag, []).append(e.id)
    return dict(sorted(found.items()))


def page(book: Book) -> str:
    """Values of facets lead into the gallery with that filter; tags are too many for it and list their entries."""
    front = front_matter(
        {"title": "Tags", "description": f"All {book.things} by tag and facet", "hide": "[navigation, toc]"}
    )
    style = '<link rel="stylesheet" href="assets/tags.css">'
    of = tagged(book)
    several = {tag: ids for tag, ids in of.items() if len(ids) > 1}
    one = {tag: ids for tag, ids in of.items() if len(ids) == 1}
    sections = [
        ("By facet", facets(book)),
        (f"Tags of several {book.things}", listed(book, several)),
        (f"Tags of one {book.thing}", listed(book, one)),
    ]
    body = "\n\n".join(f"## {title}\n\n{rows}" for title, rows in sections if rows)
    return f"{front}{style}\n\n# Tags\n\n{body}\n"


def facets(book: Book) -> str:
    """Each facet with its values as links into the gallery."""
    rows = []
    for facet in gallery.chosen_from(book):
        links = " ".join(
            f'<span><a href="{escape(gallery.address(facet, value))}">{escape(gallery.said(book, facet, value))}</a>'
            f"&nbsp;<small>{n}</small></span>"
            for value, n in book.catalog.facets.values(facet).items()
            if n
        )
        rows.append(f"<div><dt>{escape(gallery.title_of(facet))}</dt><dd>{links}</dd></div>")
    return f'<dl class="values">{"".join(rows)}</dl>' if rows else ""


def listed(book: Book, of: dict[str, list[str]]) -> str:
    """Tags with their entries."""
    rows = "".join(
        f'<div id="tag-{escape(tag)}"><dt>{escape(words(tag))}</dt>'
        f"<dd>{' '.join(chip(book.entries[id], 'patterns/') for id in ids)}</dd></div>"
        for tag, ids in of.items()
    )
    return f'<dl class="tagged">{rows}</dl>' if rows else ""


def twin(book: Book) -> str:
    """The tags as Markdown."""
    named = ((tag, [link(book, id, "patterns/") for id in ids]) for tag, ids in tagged(book).items())
    lines = (f"{words(tag)}: {', '.join(links)}" for tag, links in named)
    return f"# Tags\n\n{items(lines)}\n"
