"""The chooser: problems with their ranked options, and conditions on facets with what meets all of them or all but one.

The page is whole without its script: every problem, every option with what speaks for it and against it. The script
narrows it, by words and by conditions that mean what `Catalog.matching` means by them.
"""

from __future__ import annotations

from typing import Any

from ..facets import FIELDS, values_of
from ..schema import Decision, Option
from .book import Book
from .compare import MOST, embedded
from .learn import number_of
from .pattern import bullets, chip, front_matter, grounds, words
from .text import escape, inline, line

NUMBERS = ("difficulty", "year")
"""Fields that are asked for by a least and a greatest number."""


def page(book: Book) -> str:
    """Problems first, then conditions, then every decision."""
    decisions = book.catalog.decisions
    fields = {"title": "Choose", "description": f"From a problem to the {book.things} that answer it"}
    front = front_matter(fields | {"hide": "[navigation, toc]"})
    assets = '<link rel="stylesheet" href="assets/choose.css"><script defer src="assets/choose.js"></script>'
    how = (
        f"What do you have to do? Each problem leads to the {book.things} that answer it, the one to try first at the "
        "top, each with the claim that was measured, or the source, that speaks for it, and what speaks against it. "
    )
    if len(book.entries) > 1:
        how += 'Any of them <a href="compare.html">side by side</a>.'
    index = "".join(f'<li><a href="#{d.id}">{inline(d.problem)}</a></li>' for d in decisions)
    contents = f'<nav aria-label="Problems"><ul class="problems">{index}</ul></nav>'
    rows = "\n\n".join(decision(book, d) for d in decisions)
    return (
        f'{front}{assets}\n\n# Choose\n\n<p class="hint">{how}</p>\n\n{asking(book)}\n\n{answers(book)}\n\n'
        f'{contents}\n\n<p class="nothing" hidden></p>\n\n<div class="decisions">{rows}</div>\n'
    ).replace("</section>\n\n<section", "</section>\n<section")


def decision(book: Book, d: Decision) -> str:
    """A problem: how people put it, what decides, the options."""
    said = "; ".join(f"“{inline(s)}”" for s in d.said)
    also = f'<p class="put">Also put as {said}</p>' if said else ""
    options = "".join(option(book, o) for o in d.options)
    ids = list(dict.fromkeys(o.pattern for o in d.options))[:MOST]
    beside = f'<a class="grounds" href="compare.html#ids={",".join(ids)}">Side by side</a>' if len(ids) > 1 else ""
    return (
        f'<section class="decision" id="{d.id}"><h2>{inline(d.problem)}</h2>{also}{bullets(d.forces, "forces")}'
        f'<ol class="options">{options}</ol>{beside}</section>'
    )


def option(book: Book, o: Option) -> str:
    """A pattern, why it, the number that shows it; folded away, when to avoid it and what it costs."""
    e = book.entries[o.pattern]
    claim = next((c for c in e.claims if c.id == o.claim), None)
    number = number_of(book, e, claim) if claim else ""
    parts = [("Avoid it when", e.avoid_when), ("Its price", e.consequences.liabilities if e.consequences else [])]
    against = "".join(f"<h3>{title}</h3>{bullets(texts)}" for title, texts in parts if texts)
    fold = (
        f'<details class="against"><summary>Why not<span class="hidden"> {escape(e.name)}</span></summary>{against}'
        "</details>"
        if against
        else ""
    )
    why = f"<p>{line(o.why)} {grounds(e, o, f'patterns/{e.id}.html')}</p>"
    return (
        f'<li data-id="{e.id}">{chip(e, "patterns/")}<div>{why}{number}<p class="misses" hidden></p>{fold}</div></li>'
    )


# ---- conditions ----


def choices(book: Book) -> dict[str, list[str]]:
    """The facets that are asked for by value, with their values, those that no entry has left out."""
    facets = book.catalog.facets
    found = {n: [v for v, count in facets.values(n).items() if count] for n in facets.names if n not in FIELDS}
    return {n: values for n, values in found.items() if len(values) > 1}


def asking(book: Book) -> str:
    """The field for a problem and the conditions; not seen where no script makes them work."""
    facets = book.catalog.facets
    groups = []
    for name, values in choices(book).items():
        title = words(name).capitalize()
        boxes = "".join(
            f'<label><input type="checkbox" value="{escape(v)}"> {escape(words(v))}</label>' for v in values
        )
        groups.append(
            f'<fieldset data-facet="{name}"><legend>{title}</legend>{boxes}<label class="not">'
            f'<input type="checkbox" data-not aria-label="{title}: none of those chosen"> none of these</label>'
            "</fieldset>"
        )
    for name in NUMBERS:
        if name in facets.names and len(span := [int(v) for v in facets.values(name)]) > 1:
            limits = f'min="{min(span)}" max="{max(span)}" step="1" inputmode="numeric"'
            title = words(name).capitalize()
            groups.append(
                f'<fieldset data-facet="{name}" data-number><legend>{title}</legend>'
                f'<label>from <input type="number" data-end="low" aria-label="{title} from" {limits}></label> '
                f'<label>to <input type="number" data-end="high" aria-label="{title} to" {limits}></label></fieldset>'
            )
    inside = f'<summary>Conditions</summary><div class="facets">{"".join(groups)}</div>'
    conditions = f'<details class="conditions">{inside}</details>' if groups else ""
    find = '<input type="search" placeholder="samples show only a few kinds" autocomplete="off">'
    return (
        '<section class="tools chooser" aria-label="What is asked for">'
        f'<label class="find">Your problem {find}</label>'
        f'{conditions}<p class="asked"></p><p role="status"></p></section>'
    )


def answers(book: Book) -> str:
    """Where the script puts what meets the conditions, and what it goes by."""
    facets = [*choices(book), *(n for n in NUMBERS if n in book.catalog.facets.names)]
    entries: list[dict[str, Any]] = []
    items = []
    for e in book.entries.values():
        has = values_of(e)
        entries.append({"id": e.id, "has": {n: has[n] for n in facets if has.get(n)}})
        items.append(
            f'<li data-id="{e.id}">{chip(e, "patterns/")}<div><p>{inline(e.summary)}</p><p class="misses" hidden></p>'
            "</div></li>"
        )
    data = embedded({"things": book.things, "entries": entries})
    return (
        '<section class="answers" aria-label="What meets the conditions" hidden>'
        '<h2 class="meets" tabindex="-1"></h2><p class="why-none" hidden></p><ol class="options fits"></ol>'
        '<h2 class="nearly">Near misses</h2><p class="hint">Each misses one condition; it says what it has instead.</p>'
        '<ol class="options near few"></ol><button type="button" class="more-near" hidden></button>'
        f'<ul class="pool" hidden>{"".join(items)}</ul>'
        f'<script type="application/json">{data}</script></section>'
    )
