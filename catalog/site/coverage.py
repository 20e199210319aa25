"""The page that shows what each pattern has, and what it lacks."""

from __future__ import annotations

from ..schema import Entry
from . import annotate
from .book import Book
from .pattern import front_matter, words
from .text import an, escape

COVERAGE = (
    ("Reference", "lines of code of the reference"),
    ("Claims", "claims, each with one test"),
    ("Hold", "claims whose last measurement met every bar"),
    ("Truth", "claims held against an identity, a closed form or a fitted exponent"),
    ("Libraries", "established libraries that compute the same, in the test suite"),
    ("Proven", "relations that a claim proves by running both references"),
    ("Related", "relations to other patterns"),
    ("Failures", "failure modes that a claim shows"),
    ("Figures", "pictures, texts and sounds drawn by a measurement"),
    ("Decisions", "decisions that name it as an answer"),
)
"""Columns of the page that shows what is there, and what each counts."""


def coverage(book: Book) -> str:
    """What each pattern has, and has not: pattern by reference, claims, evidence, conformance, edges, figures."""
    about = f"What each {book.thing} has"
    front = front_matter({"title": "Coverage", "description": about, "hide": "[navigation, toc]"})
    said = {name: what.replace("patterns", book.things) for name, what in COVERAGE}
    key = "".join(f"<div><dt>{name}</dt><dd>{what}</dd></div>" for name, what in said.items())
    head = "".join(f'<th scope="col">{name}</th>' for name, _ in COVERAGE)
    bodies, missing = [], dict.fromkeys((name for name, _ in COVERAGE), 0)
    for f, title in book.families.items():
        rows = [f'<tr class="group"><th scope="rowgroup" colspan="{len(COVERAGE) + 1}">{escape(title)}</th></tr>']
        for e in (e for e in book.entries.values() if e.family == f):
            cells = []
            for (name, _), (count, of, said) in zip(COVERAGE, covered(book, e), strict=True):
                missing[name] += not count
                state = "none" if not count else "part" if of is not None and count < of else "some"
                shown = f"{count}" + (f"/{of}" if of is not None and count < of else "")
                tip = f' title="{escape(said)}"' if said else ""
                cells.append(f'<td class="{state}"{tip}>{shown if count else "none"}</td>')
            rows.append(
                f'<tr><th scope="row"><a href="patterns/{e.id}.html">{escape(e.name)}</a></th>{"".join(cells)}</tr>'
            )
        bodies.append(f'<tbody class="f-{f}">{"".join(rows)}</tbody>')
    none = "".join(f'<td class="{"none" if n else "some"}">{n or "0"}</td>' for n in missing.values())
    foot = f'<tfoot><tr><th scope="row">{book.things.capitalize()} without</th>{none}</tr></tfoot>'
    first = f'<thead><tr><th scope="col">{book.thing.capitalize()}</th>{head}</tr></thead>'
    table = f'<table class="coverage">{first}{"".join(bodies)}{foot}</table>'
    how = (
        f"One row {an(book.thing)}, counted from the entries, the evidence and the code when this page was built. "
        "What is not there says so."
    )
    label = f"Coverage of every {book.thing}"
    scroll = f'<div class="table-scroll" tabindex="0" role="region" aria-label="{label}">{table}</div>'
    return f'{front}# Coverage\n\n<p class="hint">{how}</p>\n\n<dl class="key">{key}</dl>\n\n{scroll}\n'


def covered(book: Book, e: Entry) -> list[tuple[int, int | None, str]]:
    """The cells of a pattern: how many, of how many (where not all may be there), and which."""
    source = book.sources.get(e.id, "")
    code = sum(bool(source.splitlines()[n - 1].strip()) for row in annotate.rows(source) for n in row.code)
    held = [c.id for c in e.claims if book.holds(e.id, c) == []]
    truths = [c.id for c in e.claims if c.kind in {"exact", "analytic", "scaling"}]
    made = e.implementation
    libraries = sorted({a.library for a in made.conformance}) if made else []
    proven = sorted({f"{words(x.type)} {x.target}" for x in book.proven(e.id)})
    around = sorted({x.target for x in book.catalog.edges(e.id)})
    shown = [f.id for f in e.failure_modes if f.claim]
    figures = [f.file for f, _ in book.pictures(e.id)]
    return [
        (code, None, made.fidelity if made else ""),
        (len(e.claims), None, ", ".join(c.id for c in e.claims)),
        (len(held), len(e.claims), ", ".join(c.id for c in e.claims if c.id not in held)),
        (len(truths), None, ", ".join(truths)),
        (len(libraries), None, ", ".join(libraries)),
        (len(proven), None, ", ".join(proven)),
        (len(book.catalog.edges(e.id)), None, ", ".join(around)),
        (len(shown), len(e.failure_modes), ", ".join(f.id for f in e.failure_modes if not f.claim)),
        (len(figures), None, ", ".join(figures)),
        (len(book.decisions(e.id)), None, ", ".join(d.id for d in book.decisions(e.id))),
    ]
