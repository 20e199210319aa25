"""Pages to learn from: ways through the catalog, exercises, terms, misconceptions, and when everything appeared."""

from __future__ import annotations

import itertools
import re
from functools import cache

from ..learn import Exercise, Step, Term, Way
from ..schema import Claim, Entry
from . import annotate, svg
from .book import Book
from .claims import cite, source
from .pattern import chip, div, front_matter, words
from .text import block, escape, inline, line, plain

PACE = 200
"""Words that are read in a minute, where many of them are formulas."""


def pages(book: Book) -> dict[str, str]:
    """Every page of this kind that the catalog has something for, by path."""
    found: dict[str, str] = {}
    if any(e.misconceptions for e in book.entries.values()):
        found["misconceptions.md"] = misconceptions(book)
    if sum(e.year is not None for e in book.entries.values()) > 1:
        found["timeline.md"] = timeline(book)
    if lessons := book.lessons:
        if lessons.exercises:
            found["exercises.md"] = exercises(book)
        if lessons.terms:
            found["glossary.md"] = glossary(book)
        found |= {f"learn/{way.id}.md": way_page(book, way) for way in lessons.paths}
        found["learn.md"] = overview(book, list(found))
    return found


def begin(title: str, about: str, root: str = "") -> str:
    """Front matter, style and script of a page; `root` leads to the folder of the first page."""
    front = front_matter({"title": title, "description": about, "hide": "[navigation, toc]"})
    style = f'<link rel="stylesheet" href="{root}assets/learn.css">'
    return f'{front}{style}<script defer src="{root}assets/learn.js"></script>\n\n'


# ---- ways ----


def overview(book: Book, there: list[str]) -> str:
    """The ways with their steps, and doors to the other pages."""
    lessons = book.lessons
    assert lessons is not None
    things = book.things
    doors = {
        "exercises.md": (
            "Exercises",
            f"{len(lessons.exercises)} questions with worked answers, each computed by a test",
        ),
        "glossary.md": ("Glossary", f"{len(lessons.terms)} terms in a sentence or two"),
        "misconceptions.md": ("Misconceptions", "what is often said, and what was measured instead"),
        "timeline.md": ("Timeline", f"all {things} by year"),
    }
    links = "".join(
        f'<li><a href="{path.removesuffix("md")}html"><b>{title}</b><span>{said}</span></a></li>'
        for path, (title, said) in doors.items()
        if path in there
    )
    cards = []
    for way in lessons.paths:
        entries = [book.entries[s.pattern] for s in way.steps]
        steps = "".join(f"<li>{chip(e, 'patterns/')}</li>" for e in entries)
        facts = f"{len(way.steps)} steps · {sum(map(minutes, entries))} minutes of reading · {asked(way)} exercises"
        cards.append(
            f'<section class="way" data-way="{way.id}" data-steps="{len(way.steps)}"><h2>'
            f'<a href="learn/{way.id}.html">{escape(way.title)}</a></h2><p>{inline(way.about)}</p>'
            f'<ol class="stations">{steps}</ol><p class="meta">{facts}<span class="done" hidden></span></p></section>'
        )
    how = (
        f"Each way reads the {things} in an order in which every step is one change to something already seen: what is "
        "new, the relation that says so, the claim worth seeing, and a question to work out."
    )
    body = f'<ul class="learn-doors">{links}</ul>\n\n' if links else ""
    return (
        f"{begin('Learn', f'Ways through the {things}, exercises, terms')}# Learn\n\n"
        f'<p class="lede">{how}</p>\n\n{body}' + "\n\n".join(cards) + "\n"
    )


def asked(way: Way) -> int:
    """How many of the steps have an exercise."""
    return sum(s.exercise is not None for s in way.steps)


def minutes(e: Entry) -> int:
    """How long the page takes to read, its code aside."""
    texts = [
        e.summary, e.intent or "", e.problem or "", e.context or "", e.solution or "",
        *e.forces, *e.use_when, *e.avoid_when,
        *(e.consequences.benefits + e.consequences.liabilities if e.consequences else []),
        *(c.statement for c in e.claims), *(m.claim + " " + m.correction for m in e.misconceptions),
        *(f"{f.symptom} {f.detect} {f.remedy}" for f in e.failure_modes),
    ]  # fmt: skip
    return max(1, round(sum(len(t.split()) for t in texts) / PACE))


def way_page(book: Book, way: Way) -> str:
    """One way, step by step; boxes to tick are for the script."""
    rows = [step(book, way, i, s) for i, s in enumerate(way.steps)]
    total = sum(minutes(book.entries[s.pattern]) for s in way.steps)
    facts = f"{len(way.steps)} steps, {total} minutes of reading, {asked(way)} exercises."
    ticks = (
        '<p class="progress hint" hidden><span role="status"></span> '
        '<button type="button">Begin anew</button> Ticks are kept in this browser alone.</p>'
    )
    crumbs = '<p class="crumbs"><a href="../learn.html">Learn</a></p>'
    return (
        f"{begin(plain(way.title), plain(way.about), '../')}{crumbs}\n\n# {plain(way.title)}\n\n"
        f'<div class="lede">{block(way.about)}</div>\n\n<p class="hint">{facts}</p>\n\n{ticks}\n\n'
        f'<ol class="steps" data-way="{way.id}">{"".join(rows)}</ol>\n'
    )


def step(book: Book, way: Way, i: int, s: Step) -> str:
    """What is new, the relation that says so, the claim that shows it, the exercise."""
    e = book.entries[s.pattern]
    joined = ""
    if s.after is not None:
        x = next(x for x in book.catalog.edges(e.id) if x.type == s.by and x.target == s.after)
        joined = (
            f'<div class="joined"><p class="rel"><span class="type">{words(x.type)}</span> '
            f"{chip(book.entries[x.target], '../patterns/')}</p>{block(x.relation.why)}</div>"
        )
    claim = next(c for c in e.claims if c.id == s.claim)
    tick = (
        f'<label class="tick" hidden><input type="checkbox" value="{e.id}"> read<span class="hidden">: '
        f"{escape(e.name)}</span></label>"
    )
    year = f"{e.year} · " if e.year else ""
    head = (
        f'<div class="step-head"><h2><a href="../patterns/{e.id}.html">{escape(e.name)}</a></h2>'
        f'<p class="meta">{year}{minutes(e)} min</p>{tick}</div>'
    )
    lessons = book.lessons
    task = exercise(book, lessons.exercise(s.exercise), e, "../") if lessons and s.exercise else ""
    return (
        f'<li class="f-{e.family}" id="{e.id}">{head}<div class="new">{block(s.new)}</div>{joined}'
        f"{shown(book, e, claim, '../')}{task}</li>"
    )


def shown(book: Book, e: Entry, c: Claim, root: str = "") -> str:
    """A claim in short: what it says, and the first number that its run found."""
    link = f'<a href="{root}patterns/{e.id}.html#claim-{c.id}">Worth seeing</a>'
    return f'<div class="shown-claim"><p class="what">{link}</p>{block(c.statement)}{number_of(book, e, c)}</div>'


def number_of(book: Book, e: Entry, c: Claim) -> str:
    """The first number of a claim as a line, with the baseline's; empty where nothing was measured."""
    record = book.evidence.get(e.id, {}).get(c.id)
    name, m = next(iter(c.measures.items()))
    got = record.measures.get(name) if record else None
    if got is None:
        return ""
    unit = "" if m.unit == "1" else f" {escape(m.unit)}"
    base = f"; {inline(m.baseline or 'baseline')}: {svg.number(got.baseline)}{unit}" if got.baseline is not None else ""
    missed = ' <span class="missed">(misses its bar)</span>' if book.holds(e.id, c) else ""
    return f'<p class="measured">{inline(m.what)}: <b>{svg.number(got.value)}{unit}</b>{base}{missed}</p>'


# ---- exercises ----


def exercise(book: Book, x: Exercise, at: Entry | None = None, root: str = "") -> str:
    """A question, at the step of an entry; hint, answer and the code that computes it are folded away."""
    code = "\n".join(row or "<span></span>" for row in annotate.highlighted(x.check.rstrip()))
    chips = " ".join(chip(book.entries[p], f"{root}patterns/") for p in x.patterns if at is None or p != at.id)
    about = f'<p class="about">{chips}</p>' if chips else ""
    said = "Its result is" if len(x.results) == 1 else "Its results are"
    return (
        f'<div class="exercise" id="exercise-{x.id}">'
        f"<h3>Exercise: {inline(x.title)}</h3>"
        f'<div class="question">{block(x.question)}</div>'
        f'<details class="fold"><summary>Hint</summary>{block(x.hint)}</details>'
        f'<details class="fold"><summary>Answer</summary>{block(x.answer)}'
        f'<p class="hint">The same in Python. {said} held against the answer by a test.</p>'
        f'<div class="highlight"><pre tabindex="0"><code>{code}</code></pre></div></details>'
        f"{about}</div>"
    )


def exercises(book: Book) -> str:
    """All of them, by the way on which they are met first."""
    lessons = book.lessons
    assert lessons is not None
    left = {x.id: x for x in lessons.exercises}
    sections = []
    for way in lessons.paths:
        mine = [left.pop(s.exercise) for s in way.steps if s.exercise in left]
        if mine:
            sections.append(f"## {plain(way.title)}\n\n" + "\n\n".join(exercise(book, x) for x in mine))
    if left:
        sections.append("## Besides\n\n" + "\n\n".join(exercise(book, x) for x in left.values()))
    how = (
        f"{len(lessons.exercises)} questions, each with one answer in numbers. Work it out on paper, then open the "
        "answer; the few lines of Python below it compute the same, and a test runs them."
    )
    return listing("Exercises", "Questions with worked answers, each computed by a test", how, sections)


def listing(title: str, about: str, how: str, sections: list[str]) -> str:
    """A page of many things of one sort, with a field that filters them."""
    top = f'{begin(title, about)}# {title}\n\n<p class="lede">{how}</p>\n\n{finder(title.lower())}\n\n'
    return top + "\n\n".join(sections) + "\n"


def finder(things: str) -> str:
    """A field that filters what follows; not seen where no script makes it work."""
    return (
        f'<section class="tools" data-filter="{things}" aria-label="Filter the {things}">'
        f'<label class="find">Find <input type="search" autocomplete="off"></label><p role="status"></p></section>'
    )


# ---- terms ----


def glossary(book: Book) -> str:
    """The terms in alphabetical order."""
    lessons = book.lessons
    assert lessons is not None
    rows = "".join(term(book, t) for t in sorted(lessons.terms, key=lambda t: t.name.lower()))
    how = (
        f"{len(lessons.terms)} terms, each in a sentence or two. On the pages of {book.things} the first mention of "
        "a term in a section is marked with dots and says the same."
    )
    return (
        f"{begin('Glossary', 'Terms of generative models in a sentence or two')}# Glossary\n\n"
        f'<p class="lede">{how}</p>\n\n{finder("terms")}\n\n<dl class="glossary">{rows}</dl>\n'
    )


def term(book: Book, t: Term) -> str:
    """A term, what it means, and where it matters."""
    also = f' <span class="also">{escape(", ".join(t.said))}</span>' if t.said else ""
    chips = " ".join(chip(book.entries[p], "patterns/") for p in t.patterns)
    return (
        f'<div id="term-{t.id}"><dt>{escape(t.name)}{also}</dt><dd>{line(t.meaning)}'
        f"{f'<p>{chips}</p>' if chips else ''}</dd></div>"
    )


# ---- misconceptions ----


def misconceptions(book: Book) -> str:
    """What is often said of each pattern and what is true, with the source and the number that settle it."""
    sections, count = [], 0
    for family, name in book.families.items():
        parts = []
        for e in book.entries.values():
            if e.family != family:
                continue
            for m in e.misconceptions:
                count += 1
                c = next((c for c in e.claims if c.id == m.shown_by), None)
                page = f"patterns/{e.id}.html"
                claim = f', <a href="{page}#claim-{c.id}">measured</a>' if c else ""
                by = f'<a href="{page}#source-{m.source}">{cite(source(e, m.source))}</a>{claim}'
                parts.append(
                    f'<div class="misconception f-{family}">{div("said", line(m.claim))}<div class="true">'
                    f"{block(m.correction)}{number_of(book, e, c) if c else ''}"
                    f'<p class="cite">{chip(e, "patterns/")} {by}</p></div></div>'
                )
        if parts:
            sections.append(f'<section class="group"><h2 id="{family}">{escape(name)}</h2>{"".join(parts)}</section>')
    how = (
        f"{count} things that are often said, each with what is true instead, the source that says so, and, where a "
        "claim shows it, the number that its run found."
    )
    return listing("Misconceptions", "What is often said, and what is true", how, sections)


# ---- timeline ----


def timeline(book: Book) -> str:
    """Every pattern at its year, in two widths."""
    dated = sorted((e for e in book.entries.values() if e.year), key=lambda e: e.year or 0)
    order = list(book.families)
    years = {
        year: sorted(group, key=lambda e: order.index(e.family))
        for year, group in itertools.groupby(dated, key=lambda e: e.year or 0)
    }
    key = "".join(
        f'<li class="f-{f}"><i></i>{escape(name)}</li>'
        for f, name in book.families.items()
        if any(e.family == f for e in dated)
    )
    drawn = "".join(by_year(years, n, cls, book.things) for n, cls in ((5, "wide"), (2, "narrow")))
    first, last = dated[0].year, dated[-1].year
    how = (
        f"{len(dated)} {book.things} from {first} to {last}, each at the year of the work that introduced it, in the "
        "color of its family."
    )
    return (
        f"{begin('Timeline', f'All {book.things} by year')}# Timeline\n\n"
        f'<p class="lede">{how}</p>\n\n<ul class="families-key">{key}</ul>\n\n{drawn}\n'
    )


def by_year(years: dict[int, list[Entry]], columns: int, cls: str, things: str) -> str:
    """A row for each year, or several where it has more than `columns`; years without any leave a gap."""
    w, h, left = (196.0, 40.0, 74.0) if columns > 2 else (196.0, 44.0, 58.0)
    out: list[str] = []
    y, before = 8.0, min(years)
    for year, entries in years.items():
        y += 16 if year > before + 1 else 0
        before = year
        rows = -(-len(entries) // columns)
        out.append(f'<text class="year" x="{left - 16:g}" y="{y + h / 2 + 1:g}">{year}</text>')
        out.append(f'<circle class="mark" cx="{left - 4:g}" cy="{y + h / 2 - 4:g}" r="3"/>')
        for i, e in enumerate(entries):
            x = left + 8 + w * (i % columns + 0.5)
            out.append(box(e, x, y + h * (i // columns + 0.5) - 4, w - 10, h - 8))
        y += rows * h + 6
    spine = f'<path class="spine" d="M{left - 4:g} 8V{y:g}"/>'
    label = f"All {things} by year"
    return svg.svg(f"years {cls}", left + 8 + w * columns, y, [spine, *out], label, role="group")


def box(e: Entry, x: float, y: float, w: float, h: float) -> str:
    """A linked box centered on (x, y), with the name in at most two lines."""
    rows = svg.wrap(e.name, int(w / 7), 2)
    first = y + 4.5 - 7 * (len(rows) - 1)
    text = "".join(
        f'<tspan x="{x:g}"{f" dy={chr(34)}1.1em{chr(34)}" if i else ""}>{escape(row)}</tspan>'
        for i, row in enumerate(rows)
    )
    return (
        f'<a class="node f-{e.family}" href="patterns/{e.id}.html" aria-label="{escape(e.name)}, {e.year}">'
        f'<rect x="{x - w / 2:g}" y="{y - h / 2:g}" width="{w:g}" height="{h:g}" rx="4"/>'
        f'<text x="{x:g}" y="{first:g}">{text}</text></a>'
    )


# ---- terms in prose ----

PROSE = ("Problem", "Solution", "Evidence", "Consequences", "Choose it for", "Failure modes", "Misconceptions")
"""Sections of a pattern's page in which terms are marked."""
_SKIP = {"a", "code", "pre", "svg", "h1", "h2", "h3", "button", "summary", "script", "b"}
_TOKEN = re.compile(r"<(/?)([a-zA-Z][\w-]*)([^>]*)>|([^<]+)")


def mark(book: Book, e: Entry, page: str) -> str:
    """The page of an entry on which the first mention of each term in a section of prose leads to the glossary.

    Nothing is marked inside links, code, formulas and headings, nor the terms that are its own names. What
    the terms mean stands hidden at the end of the page, for those who point at one and for screen readers.
    """
    if book.lessons is None or not book.lessons.terms:
        return page
    by_form = {form.lower(): t for t in book.lessons.terms for form in [t.name, *t.said]}
    found = _finder(tuple(by_form))
    used: dict[str, Term] = {}
    parts = re.split(r"(?m)^(## .*\n)", page)
    own = {name.lower() for name in [e.name, *e.aliases]}
    for i in range(1, len(parts), 2):
        if parts[i][3:].strip() in PROSE:
            parts[i + 1] = _marked(parts[i + 1], found, by_form, own, used)
    if not used:
        return page
    tips = "".join(f'<p id="tip-{t.id}">{line(t.meaning)}</p>' for t in used.values())
    hidden = f'<div class="tips" hidden>{tips}</div>'
    script = '<script defer src="../assets/terms.js"></script>'
    return "".join(parts).rstrip("\n") + f"\n\n{hidden}{script}\n"


@cache
def _finder(forms: tuple[str, ...]) -> re.Pattern[str]:
    """What finds any of these words in any case, the longest first. First letters are tried first: that is quicker."""
    by_letter: dict[str, list[str]] = {}
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        by_letter.setdefault(form[0], []).append(re.escape(form[1:]))
    letters = (f"[{letter}{letter.upper()}](?i:{'|'.join(rest)})" for letter, rest in by_letter.items())
    return re.compile(rf"(?<![\w-])({'|'.join(letters)})s?(?![\w-])")


def _marked(html: str, found: re.Pattern[str], by_form: dict[str, Term], own: set[str], used: dict[str, Term]) -> str:
    """A section of finished HTML with its terms marked."""
    seen: set[str] = set()

    def link(m: re.Match[str]) -> str:
        t = by_form[m[1].lower()]
        if t.id in seen or own & {form.lower() for form in [t.name, *t.said]}:
            return m[0]
        seen.add(t.id)
        used[t.id] = t
        return f'<a class="term" href="../glossary.html#term-{t.id}" aria-describedby="tip-{t.id}">{m[0]}</a>'

    out: list[str] = []
    depth = 0  # of elements whose text is left alone
    opened: list[bool] = []
    for m in _TOKEN.finditer(html):
        end, tag, attributes, text = m.groups()
        if text is not None:
            out.append(text if depth else found.sub(link, text))
            continue
        out.append(m[0])
        if end:
            depth -= opened.pop() if opened else False
        elif not attributes.endswith("/") and tag not in ("br", "hr", "img", "input", "link", "i"):
            opened.append(tag in _SKIP or "arithmatex" in attributes)
            depth += opened[-1]
    return "".join(out)
