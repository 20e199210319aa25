"""Patterns side by side: a table of the facets of all, and, with its script, any two to four of them in depth.

What is held against each other is what `Catalog.compare` holds against each other: numbers of one test, or of tests on
the same task with the same words. It is computed here for all pairs at once and embedded; the script only selects.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from ..compare import Beside, compare
from ..names import key
from . import svg
from .book import Book
from .pattern import front_matter, words
from .text import escape, inline, line

MOST = 4
"""Patterns that stand side by side at once."""
CALLED = {"nfe": "Calls per sample", "cost: train": "A training step costs", "cost: sample": "A sample costs"}
"""Facets whose names do not say it."""


def page(book: Book) -> str:
    """The fields to choose by, the place for what is chosen, the table of all."""
    things = book.things
    front = front_matter({"title": "Compare", "description": f"{things} side by side", "hide": "[navigation, toc]"})
    # the script shows formulas that the build does not see
    formulas = '<script defer src="assets/katex/katex.min.js"></script>' if book.typeset else ""
    assets = (
        f'<link rel="stylesheet" href="assets/compare.css">{formulas}<script defer src="assets/compare.js"></script>'
    )
    how = (
        f"Any two to four {things} side by side: what joins them, where they differ, what was measured of one against "
        "another, which to take for what, how each fails."
    )
    found = compare(book.catalog, book.entries)
    return (
        f'{front}{assets}\n\n# Compare\n\n<p class="hint choosing">{how}</p>\n\n{asking(book)}\n\n'
        f'<div class="beside" hidden></div>\n\n<h2 id="all">All {things}</h2>\n\n'
        f"{table(book, found.facets)}\n\n"
        f'<script type="application/json" id="compared">{embedded(data(book, found))}</script>\n'
    )


def embedded(value: Any) -> str:
    """JSON inside a page: nothing in it can close its element."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def asking(book: Book) -> str:
    """One field for each pattern, with the names to choose from."""
    fields = "".join(
        f'<label><span class="hidden">{book.thing.capitalize()} {i + 1}</span>'
        f'<input list="names" autocomplete="off" placeholder="{"name or alias" if i < 2 else "one more"}"></label>'
        for i in range(MOST)
    )
    options = "".join(f'<option value="{escape(e.name)}"></option>' for e in book.entries.values())
    label = f"{book.things.capitalize()} to compare"
    return (
        f'<section class="tools comparing" aria-label="{label}">'
        f'<div class="fields">{fields}</div><datalist id="names">{options}</datalist><p role="status"></p></section>'
    )


def table(book: Book, facets: dict[str, dict[str, str]]) -> str:
    """Every facet of every pattern, as words."""
    head = "".join(f'<th scope="col">{escape(CALLED.get(name, name.capitalize()))}</th>' for name in facets)
    rows = []
    for id, e in book.entries.items():
        cells = "".join(f"<td>{escape(values[id])}</td>" for values in facets.values())
        name = f'<th scope="row"><a href="patterns/{id}.html">{escape(e.name)}</a></th>'
        rows.append(f'<tr class="f-{e.family}" data-id="{id}">{name}{cells}</tr>')
    label = f"Facets of all {book.things}"
    first = f'<thead><tr><th scope="col">{book.thing.capitalize()}</th>{head}</tr></thead>'
    inside = f'<table class="all-facets">{first}<tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="table-scroll" tabindex="0" role="region" aria-label="{label}">{inside}</div>'


def data(book: Book, found: Any) -> dict[str, Any]:
    """What the script selects from: names, relations, numbers, decisions, failures."""
    called = {id: sorted({key(n) for n in [id, e.name, *e.aliases]}) for id, e in book.entries.items()}
    failures = {
        id: [[words(f.id), line(f.symptom)] for f in e.failure_modes]
        for id, e in book.entries.items()
        if e.failure_modes
    }
    joints = [[j.source, words(j.type), j.target, line(j.why), j.proven or ""] for j in found.joints]
    choices = [
        [d.id, inline(d.problem), {o.pattern: line(o.why) for o in d.options}]
        for d in book.catalog.decisions
        if len(d.options) > 1
    ]
    return {
        "names": called,
        "failures": failures,
        "relations": joints,
        "numbers": [*numbers(found.beside), *played(book)],
        "decisions": choices,
    }


def played(book: Book) -> list[dict[str, Any]]:
    """The ratings of the tournament in the same form; they link to their arena instead of claims."""
    arenas = book.tournament.arenas if book.tournament else {}
    return [
        {
            "how": "tournament",
            "what": escape(f"{a.measure.title}, {a.measure.better} is better"),
            "unit": a.measure.unit,
            "values": {id: svg.number(s.median) for id, s in a.ranked.items() if math.isfinite(s.median)},
            "words": {id: a.place(id) for id in a.ranked},
            "link": f"tournament.html#{key}",
        }
        for key, a in arenas.items()
    ]


def numbers(found: Sequence[Beside]) -> list[dict[str, Any]]:
    """Numbers that may stand beside each other, as they are printed."""
    return [
        {
            "how": b.how,
            "what": inline(b.what),
            "unit": "" if b.unit == "1" else b.unit,
            "values": {id: svg.number(v) for id, v in b.values.items()},
            "claims": b.claims,
            "words": b.words,
            **({"says": line(b.statement)} if b.statement else {}),
        }
        for b in found
    ]
