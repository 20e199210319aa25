"""The gallery: every pattern as a card, the filters beside them, the orders they can stand in."""

from __future__ import annotations

import json
from textwrap import dedent
from urllib.parse import urlencode

from ..facets import values_of
from ..schema import Entry
from .book import Book
from .pattern import WORDS, div, front_matter, tally, words
from .text import escape, inline, math

TITLES = {
    "data": "Modality", "latent": "Latent code", "conditioning": "Steered by", "needs_pretrained": "Pretrained model",
}  # fmt: skip
"""Facets whose names say too little beside a list of their values."""
LAST = ("kind", "difficulty", "status")
"""Facets of the entry itself, after those of the method; years and tags are too many to choose from."""
OPEN = ("family", "data")
"""Facets whose values are seen without a click."""


def page(book: Book) -> str:
    """All patterns, one section a family; filters and orders work on what is there, so nothing is lost without them."""
    title, things = book.things.capitalize(), book.things
    front = front_matter({"title": title, "description": f"All {things} by family", "hide": "[navigation, toc]"})
    sections = []
    for f, name in book.families.items():
        members = [e for e in book.entries.values() if e.family == f]
        cards = [card(book, e, first=not sections and e is members[0]) for e in members]
        body = f'<h2>{escape(name)}</h2><ul class="gallery">{"".join(cards)}</ul>'
        wide = f"wide-{min(len(cards), 4)}"  # columns it may take, so that small families share a row
        sections.append(f'<section class="family {wide} f-{f}" id="{f}">{body}</section>')
    shown = (
        f'<div class="shown">{heading(book)}<div class="none" hidden></div>'
        f'{div("families", "".join(sections))}<ul class="gallery sorted" hidden></ul></div>'
    )
    return f'{front}{includes("../")}\n\n# {title}\n\n<div class="browse"{book.counted}>{filters(book)}{shown}</div>\n'


def includes(up: str) -> str:
    """The style of cards, and the script of the gallery, which does nothing on pages without filters."""
    return f'<link rel="stylesheet" href="{up}assets/gallery.css"><script defer src="{up}assets/gallery.js"></script>'


def heading(book: Book) -> str:
    """What is shown: how many, in which order."""
    options = "".join(f'<option value="{escape(key)}">{escape(name)}</option>' for key, name in orders(book).items())
    return (
        f'<div class="over"><p role="status">{len(book.entries)} {book.things}</p>'
        '<ul class="active" aria-label="Active filters"></ul>'
        f"<label>Order <select>{options}</select></label></div>"
    )


def orders(book: Book) -> dict[str, str]:
    """The orders that cards can stand in, and what people call them; those by measured quality are the book's."""
    every = book.entries.values()
    keys = {"": "by family", "name": "by name"}
    if any(e.year for e in every):
        keys |= {"year": "oldest first", "-year": "newest first"}
    if any(e.difficulty for e in every):
        keys["difficulty"] = "easiest first"
    if any(e.claims for e in every):
        keys["-claims"] = "most claims that hold"
    if any(x.proven for x in book.stated):
        keys["-proven"] = "most proven relations"
    return keys | {f"-{name}": f"best in the tournament, {name}" for name in book.ratings}


def ranks(book: Book, e: Entry) -> dict[str, float]:
    """The numbers of a pattern that orders compare; what is not known is left out and stands last."""
    found: dict[str, float | None] = {"year": e.year, "difficulty": e.difficulty}
    if e.claims:
        found["claims"] = sum(book.holds(e.id, c) == [] for c in e.claims)
    found["proven"] = len(book.proven(e.id)) or None
    found |= {name: of.get(e.id) for name, of in book.ratings.items()}
    return {name: x for name, x in found.items() if x is not None}


# ---- filters ----


def filters(book: Book) -> str:
    """A field for words and a group of boxes for each facet; hidden where no script could make them work."""
    groups = "".join(group(book, name) for name in chosen_from(book))
    find = '<input type="search" name="find" placeholder="name, alias, tag, words" autocomplete="off">'
    return (
        f'<form class="filters" aria-label="Filter the {book.things}">'
        f'<label class="find">Find {find}</label>'
        '<button type="button" class="more" aria-expanded="false" aria-controls="groups">Filters</button>'
        f'<div class="groups" id="groups">{groups}{tags(book)}</div></form>'
    )


def tags(book: Book) -> str:
    """The way to the tags, which are too many for boxes."""
    return '<p><a href="../tags.html">Tags</a></p>' if any(e.tags for e in book.entries.values()) else ""


def chosen_from(book: Book) -> list[str]:
    """The facets that divide the entries: those that are open, those of the method, those of the entry itself."""
    facets = book.catalog.facets
    rest = [n for n in facets.names if n not in (*OPEN, "year", "tags", *LAST)]
    names = (n for n in (*OPEN, *rest, *LAST) if n in facets.names)
    return [n for n in names if set(facets.values(n).values()) - {0, len(book.entries)}]


def group(book: Book, facet: str) -> str:
    """The values of a facet that entries have, as boxes."""
    boxes = []
    for value, n in book.catalog.facets.values(facet).items():
        if n:
            mark, of = ("<i></i>", f' class="f-{value}"') if facet == "family" else ("", "")
            boxes.append(
                f'<label{of}><input type="checkbox" name="{escape(facet)}" value="{escape(value)}">{mark}'
                f'<span>{escape(said(book, facet, value))}</span> <b aria-hidden="true">{n}</b></label>'
            )
    opened = " open" if facet in OPEN else ""
    title = escape(title_of(facet))
    fields = f"<fieldset><legend>{title}</legend>{''.join(boxes)}</fieldset>"
    data = f'data-facet="{escape(facet)}" data-title="{title}"'
    return f"<details {data}{opened}><summary>{title}</summary>{fields}</details>"


def title_of(facet: str) -> str:
    """A facet as people read it."""
    return TITLES.get(facet) or WORDS.get(facet) or words(facet).capitalize()


def said(book: Book, facet: str, value: str) -> str:
    """A value as people read it."""
    if facet == "family":
        return book.families[value]
    if facet == "difficulty":
        return f"{value} of 5"
    if value in ("true", "false"):
        return "needed" if value == "true" else "not needed"
    return words(value)


def address(facet: str, value: str) -> str:
    """Where the gallery shows the entries with a value, from the root of the site."""
    return f"patterns/index.html#{urlencode({facet: value})}"


# ---- cards ----


def card(book: Book, e: Entry, first: bool = False) -> str:
    """A pattern with its picture; the link in its name covers the whole card."""
    name = f'<a href="{e.id}.html">{escape(e.name)}</a>'
    level = ""
    if e.difficulty:
        dots = "●" * e.difficulty + "○" * (5 - e.difficulty)
        level = f'<span class="level" role="img" aria-label="difficulty {e.difficulty} of 5">{dots}</span>'
    facts = [str(e.year or ""), words(e.kind or ""), tally([book.holds(e.id, c) for c in e.claims]) if e.claims else ""]
    said = " · ".join(fact for fact in facts if fact)
    meta = f'<p class="meta"><span>{said}</span>{level}</p>' if said or level else ""
    body = f"{name}<p>{inline(e.summary)}</p>{meta}"
    shown = picture(book, e, "../", first)
    return f'<li class="card f-{e.family}"{attributes(book, e)}>{shown}{div("body", body)}</li>'


def attributes(book: Book, e: Entry) -> str:
    """What the script filters and orders a card by."""
    found = [e.name, *e.aliases, *map(words, e.tags), book.families[e.family], words(e.kind or ""), e.summary]
    facets = chosen_from(book)
    values = [f"{name}={v}" for name, of in values_of(e).items() if name in facets for v in of]
    data = {"text": " ".join(found).lower(), "values": json.dumps(values), "ranks": json.dumps(ranks(book, e))}
    return "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())


def picture(book: Book, e: Entry, up: str, first: bool = False) -> str:
    """What a run drew or wrote; the formula where there is no such picture. The `first` is fetched at once."""
    hero = book.hero(e.id)
    if hero is None:
        return f'<div class="thumb formula">{math(e.objective)}</div>' if e.objective else ""
    if hero.file.endswith(".txt"):
        return f'<div class="thumb words">{escape(excerpt(book.figures[e.id][hero.file]))}</div>'
    when = 'fetchpriority="high" decoding="sync"' if first else 'loading="lazy"'
    image = f'<img src="{up}figures/{e.id}/hero.svg" alt="{escape(hero.alt)}" {when}>'
    return div("thumb", image)


def excerpt(text: str, rows: int = 9) -> str:
    """The first lines of a text that say something, below the one that states the run's settings."""
    lines = [row.rstrip() for row in text.splitlines()[1:] if row.strip()]
    return dedent("\n".join(lines[:rows]))
