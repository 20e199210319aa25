"""The first page, and what hand-written pages take from the catalog."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..schema import Claim, Entry
from . import demos, film, scale
from .book import Book
from .pattern import chip, claim_card, front_matter
from .text import escape, plain


def hand_written(book: Book, text: str, pages: Collection[str] = ()) -> str:
    """A hand-written page with what is derived from the catalog; `pages` are the paths of the others."""
    values = numbers(book) | {"film": film.show(book), "ways": ways(book, pages)}
    if picked := example(book):
        e, c = picked
        values |= {
            "claim": claim_card(book, e, c, f"patterns/{e.id}.html"),
            "claim_name": plain(e.name),
            "claim_id": e.id,
        }
    else:
        values |= {"claim": "<p>No claim has been measured yet.</p>", "claim_name": "the gallery", "claim_id": "index"}
    return filled(text, values)


def filled(text: str, values: dict[str, str]) -> str:
    """A text with `{{name}}` replaced by the value of that name."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ValueError(f"a hand-written page asks for {{{{{found[1]}}}}}; there are {', '.join(values)}")
        return values[found[1]]

    return re.sub(r"\{\{(\w+)\}\}", value, text)


def numbers(book: Book) -> dict[str, str]:
    """What hand-written pages say of the whole catalog."""
    claims = [(id, c) for id, e in book.entries.items() for c in e.claims]
    return {
        "patterns": str(len(book.entries)),
        "families": str(len(book.families)),
        "claims": str(len(claims)),
        "claims_measured": str(sum(book.holds(id, c) is not None for id, c in claims)),
        "claims_held": str(sum(book.holds(id, c) == [] for id, c in claims)),
        "relations": str(len(book.stated)),
        "relations_proven": str(sum(x.proven is not None for x in book.stated)),
        "hub": max(book.entries, key=lambda id: len(book.catalog.edges(id)), default="ID"),
        **scale.tables(),
    }


WAYS = {
    "apply.md": ("Apply", "What do you want to make? From translating to drawing a molecule, each with a run."),
    "learn.md": ("Learn", "Paths from one pattern to the next, each step a relation and its reason."),
    "compare.md": ("Compare", "Two to four side by side: where they differ, what was measured of one against another."),
    "tournament.md": ("Tournament", "The same data, the same training time: who is better, and what a sample costs."),
    "evidence.md": ("Evidence", "How a claim is stated, measured and kept up to date."),
}
"""Pages that the home page leads to where they are there, beside the three doors."""


def links(book: Book, pages: Collection[str]) -> list[tuple[str, str, str]]:
    """Address, name and what one finds there, of each demo and of the pages of `WAYS`; those that are there."""
    tries = demos.available(book) if "demos.md" in pages else []
    found = [(f"demos.html#demo-{d.id}", "Demo", d.title) for d in tries]
    return found + [(path.replace(".md", ".html"), *said) for path, said in WAYS.items() if path in pages]


def ways(book: Book, pages: Collection[str]) -> str:
    """The links as a list."""
    rows = "".join(
        f'<li><a href="{to}"><b>{escape(name)}</b> <span>{escape(said)}</span></a></li>'
        for to, name, said in links(book, pages)
    )
    return f'<ul class="ways">{rows}</ul>' if rows else ""


def page(book: Book) -> str:
    """The first page of a catalog that has none of its own: its name, its counts, its families with their entries."""
    front = front_matter({"hide": "[navigation, toc]"})
    counts = [("patterns/index.html", len(book.entries), ("entry", "entries"))]
    counts += [("patterns/index.html", len(book.families), ("family", "families"))]
    counts += [("graph.html", len(book.stated), ("typed relation", "typed relations"))]
    rows = "".join(f'<li><a href="{to}"><b>{n}</b> {one if n == 1 else many}</a></li>' for to, n, (one, many) in counts)
    style = '<link rel="stylesheet" href="assets/home.css">'
    title = f'<div class="welcome"><h1>{escape(book.catalog.name)}</h1><ul class="counts">{rows}</ul></div>'
    sections = []
    for f, name in book.families.items():
        chips = " ".join(chip(e, "patterns/") for e in book.entries.values() if e.family == f)
        heading = f'<h2><a href="patterns/index.html#family={f}">{escape(name)}</a></h2>'
        sections.append(f'<section class="f-{f}">{heading}<p>{chips}</p></section>')
    return f"{front}{style}\n\n{title}\n\n" + "\n\n".join(sections) + "\n"


def example(book: Book) -> tuple[Entry, Claim] | None:
    """A claim for the home page: one that holds, against a baseline, over several seeds if there is such a one."""

    def rank(e: Entry, c: Claim) -> tuple[bool, ...]:
        got = list(book.evidence.get(e.id, {})[c.id].measures.values())
        return (c.kind == "analytic", any(m.seeds for m in got), any(m.baseline is not None for m in got), len(got) < 4)

    held = [(e, c) for e in book.entries.values() for c in e.claims if book.holds(e.id, c) == []]
    return max(held, key=lambda pair: rank(*pair), default=None)
