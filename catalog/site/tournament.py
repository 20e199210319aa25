"""The page of the tournament: in each arena the same data and the same training time for all.

All numbers are those of `benchmarks/tournament.json`, and every sentence that compares is computed from them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import markdown
from .book import Book
from .graph import label
from .pattern import chip, command, div, front_matter
from .scatter import Mark, gains, scatter
from .standings import Arena, Spread, Tournament, ordinal, spread, ties
from .svg import number
from .text import escape, inline, plain

INCLUDES = '<link rel="stylesheet" href="assets/tournament.css"><script defer src="assets/tournament.js"></script>'
AGAIN = "python benchmarks/tournament.py"
PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+=*")


def page(book: Book, t: Tournament) -> str:
    """How it is played, the arenas, what the numbers do not say, how to run it again."""
    about = "Patterns on the same data with the same training time: quality, cost of sampling, cost of training"
    front = front_matter({"title": "Tournament", "description": about, "hide": "[navigation, toc]"})
    key = (
        '<p class="hint key"><span><i class="dot"></i>median of the seeds</span>'
        '<span><i class="bar"></i>their range</span><span><i class="ringed"></i>nothing is better and cheaper</span>'
        '<span><i class="dash"></i>floor or baseline</span></p>'
    )
    sections = [f"## {plain(a.title)} {{#{key}}}\n\n{arena(book, t, a)}" for key, a in t.arenas.items()]
    arenas = "\n\n".join(sections)
    return (
        f"{front}{INCLUDES}\n\n# Tournament\n\n{told(rules(t))}\n\n{key}\n\n{arenas}\n\n"
        f"## What the numbers do not say\n\n{told(caution(t))}\n\n"
        f"## Run it again\n\n{command(AGAIN)}\n\n{told(again(t))}\n"
    )


def told(text: str) -> str:
    """A paragraph."""
    return f'<p class="told">{text}</p>'


# ---- what is said ----


def rules(t: Tournament) -> str:
    """How it is played."""
    count, arenas = len({id for a in t.arenas.values() for id in a.rows}), len(t.arenas)
    return (
        f"{count} patterns, {arenas} arena{'s' * (arenas > 1)}. In an arena all are trained on the same data for "
        f"{number(t.budget)} seconds of one processor core, each with the default settings of its reference, and "
        f"measured alike. Each number is the median of {t.seeds} seeds, with their range beside it. One pattern is "
        "called better than another only where all its seeds are; otherwise the two tie."
    )


def caution(t: Tournament) -> str:
    """What does not follow from the numbers."""
    chance = math.comb(2 * t.seeds, t.seeds) // 2
    return (
        f"The data are small, {number(t.budget)} seconds are short, and no setting was tuned for them: a pattern whose "
        "defaults are made for long training, or that pays off with size, stands lower here than it would there. "
        "Patterns differ in size, too; the tables say how many parameters each has. And "
        f"{t.seeds} seeds are few: those of two equally good patterns come out apart, with no overlap, "
        f"one time in {chance}."
    )


def again(t: Tournament) -> str:
    """When it is out of date, and when it was run."""
    return (
        "Every row carries a digest of the code behind it, and the test suite says which rows no longer fit. "
        f"<code>{AGAIN} --changed</code> runs these alone. Last run on "
        f'<time datetime="{escape(t.date)}">{escape(t.date)}</time>.'
    )


def verdicts(book: Book, t: Tournament, a: Arena) -> list[str]:
    """Who leads, who reaches the floor, who is worth the cost, what training time brought."""
    m, ranked = a.measure, a.ranked
    first = next(iter(ranked))
    tied = [id for id in a.leaders if id != first]
    name = lambda ids: listed(link(book, id) for id in ids)
    lead = f"{escape(m.title)}: <b>{link(book, first)}</b> has the best median, {number(ranked[first].median)}"
    if tied:
        lead += f"; {name(tied)} {'ties' if len(tied) == 1 else 'tie'} with it, within the spread of the seeds."
    else:
        lead += ", and each of its seeds is better than any of the others."
    said = [lead]
    if m.floor is not None:
        there = [id for id, s in ranked.items() if m.reaches(s.median)]
        where = f"The {m.line}, {number(m.floor)}, is {inline(m.floor_is)}"
        who = f": {name(there)}" if 0 < len(there) < len(ranked) else ""
        said.append(f"{where}; {len(there) or 'none'} of {len(ranked)} medians are as good{who}.")
    for what, value in m.beside.items():
        n = sum(m.cost(s.median) < m.cost(value) for s in ranked.values())
        said.append(f"{capital(escape(what))}: {number(value)}; {n} of {len(ranked)} medians are better.")
    others = {m.title: next(iter(a.order(key, a.runs)), None) for key, m in a.measures.items() if key != a.rating}
    if best := [f"{link(book, id)} ({escape(title)})" for title, id in others.items() if id]:
        said.append(f"Best by other measures: {listed(best)}.")
    if len(a.front) > 1:
        said.append(f"By medians, nothing is both better and cheaper to sample from than {name(a.front)}.")
    else:
        said.append(f"By medians, {name(a.front)} is also the cheapest to sample from.")
    if a.ranked_short:
        gained = [id for id, s in ranked.items() if id in a.ranked_short and a.clearly(s, a.ranked_short[id])]
        then = next(iter(a.ranked_short))
        who = "the same one" if then == first else link(book, then)
        said.append(
            f"After {number(t.short)} seconds of training {who} has the best median; {len(gained)} of "
            f"{len(a.ranked_short)} are clearly better after {number(t.budget)} than after {number(t.short)}."
        )
    return said


def listed(names: Iterable[str]) -> str:
    """A, B and C."""
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def link(book: Book, id: str) -> str:
    """A pattern's name as a link."""
    return f'<a href="patterns/{id}.html">{escape(label(book.entries[id]))}</a>'


# ---- an arena ----


def arena(book: Book, t: Tournament, a: Arena) -> str:
    """The data, who leads, the drawings, the rest in words, the table, who was left out."""
    lead, *rest = verdicts(book, t, a)
    more = "".join(f"<li>{said}</li>" for said in rest)
    parts = [told(f"{inline(a.data)} {lead}"), drawings(book, t, a), f'<ul class="told">{more}</ul>', samples(book, a)]
    return "\n\n".join(part for part in (*parts, table(book, t, a), measures(a), left_out(book, a)) if part)


def drawings(book: Book, t: Tournament, a: Arena) -> str:
    """Quality against the cost of a sample, in two widths, and after the smaller and the whole budget."""
    marks = {id: mark(book, a, id) for id in names(a)}
    drawn = [k for k in marks.values() if k]
    about = f"{a.title}: {a.measure.title} against milliseconds per {a.sample}"
    played = "".join(scatter(drawn, a.measure, a.sample, wide, about) for wide in (True, False))
    if missing := [link(book, id) for id, k in marks.items() if k is None]:
        played += f'<p class="hint">Not drawn, as most seeds failed: {listed(missing)}.</p>'
    trained = ""
    if a.short_runs:
        spoken = f"{a.measure.title} after {number(t.short)} and after {number(t.budget)} seconds of training"
        lines = "; ".join(f"{escape(what)} {few(v)}" for what, v in a.measure.lines.items())
        key = f"Ring: after {number(t.short)} seconds, dot: after {number(t.budget)}; {a.measure.better} is better."
        key += f" Dashed: {lines}." if lines else ""
        drawing = gains(drawn, a.measure, f"{a.title}: {spoken}")
        trained = div("trained", f'<h3>What more training brought</h3><p class="hint">{key}</p>{drawing}')
    return div("drawn", div("played", played) + trained)


def samples(book: Book, a: Arena) -> str:
    """What held-out data look like, then what each contestant made, the best first."""
    made = [(link(book, id), book.entries[id].name, a.runs[id].shown) for id in names(a) if a.runs[id].shown]
    if not made:
        return ""
    rows = [("Held-out data", "Held-out data", a.shown), *made] if a.shown else made
    items = "".join(f"<li>{shown(text, about)}<span>{name}</span></li>" for name, about, text in rows)
    kind = "pictures" if PICTURE.fullmatch(rows[0][2]) else "texts"
    return f'<h3>Samples</h3><p class="hint">{inline(a.shown_is)}</p><ol class="shown {kind}">{items}</ol>'


def shown(text: str, about: str) -> str:
    """A picture that the benchmark drew, or text."""
    if PICTURE.fullmatch(text):
        return f'<img src="{text}" alt="Samples: {escape(about)}" loading="lazy">'
    return f"<q>{escape(' '.join(text.split()))}</q>"


def mark(book: Book, a: Arena, id: str) -> Mark | None:
    """A contestant as the drawings show it; None where training failed with most seeds."""
    e, cost = book.entries[id], a.sampling(id)
    if cost is None or id not in a.ranked or not math.isfinite(a.ranked[id].median):
        return None
    s = f"{e.name}: {a.said(id)}; {number(cost.median)} ms per {a.sample}"
    before = a.ranked_short.get(id)
    kept = before if before and math.isfinite(before.median) else None
    return Mark(label(e), e.family, f"patterns/{id}.html", s, cost.median, a.ranked[id], kept, id in a.front)


class Cell(NamedTuple):
    """A number by which rows are sorted (none: last), what is shown for it, and smaller below that."""

    key: float | None
    said: str
    under: str = ""


class Column(NamedTuple):
    """A column of the table, by contestant."""

    title: str
    unit: str
    falling: bool
    """Whether the first press sorts from the greatest on."""
    cells: dict[str, Cell]


def columns(t: Tournament, a: Arena) -> list[Column]:
    """What the table shows of each contestant."""
    runs = a.runs
    places = {
        id: Cell(p.number, ordinal(p.number), ties(p).removesuffix(" within the spread") * (p.best != p.worst))
        for id, p in a.places.items()
    }
    found = [Column("Place", "", False, places)]
    for name in sorted(a.measures, key=lambda n: n != a.rating):
        m = a.measures[name]
        cells = {id: ranged(s) for id, r in runs.items() if (s := m.spread(r, name))}
        found.append(Column(capital(m.title), m.unit, m.better == "higher", cells))
        if name == a.rating and a.ranked_short:
            early = {id: ranged(s) for id, s in a.ranked_short.items()}
            found.append(Column(f"After {number(t.short)} s", m.unit, m.better == "higher", early))
    count: Callable[[str], dict[str, Cell]] = lambda name: {
        id: Cell(x, f"{x:,.0f}") for id, r in runs.items() if (x := getattr(r, name)) is not None
    }
    found += [
        Column("Sampling", f"ms per {a.sample}", False, {id: ranged(s) for id in runs if (s := a.sampling(id))}),
        Column("Evaluations", f"per {a.sample}", False, count("evaluations")),
        Column("Parameters", "", False, count("parameters")),
        Column("Steps", "", False, count("steps")),
        Column("Training", "CPU s", False, {id: ranged(s) for id, r in runs.items() if (s := spread(r.train_cpu_s))}),
    ]  # fmt: skip
    return [c for c in found if c.cells]


def ranged(s: Spread) -> Cell:
    """A median, and the range below it."""
    under = f"{few(s.low)} to {few(s.high)}" if s.low != s.high else ""
    return Cell(s.median if math.isfinite(s.median) else None, few(s.median), under)


def few(x: float) -> str:
    """A number with three digits; a failure as such."""
    return number(float(f"{x:.3g}")) if math.isfinite(x) else "failed"


def capital(text: str) -> str:
    """The text with its first letter capital."""
    return text[:1].upper() + text[1:]


def names(a: Arena) -> list[str]:
    """All contestants, the best first."""
    return [*a.ranked, *(id for id in a.rows if id not in a.ranked)]


def table(book: Book, t: Tournament, a: Arena) -> str:
    """All measures of all contestants, the best first; the script makes the heads sort."""
    found = columns(t, a)
    heads = "".join(
        f'<th scope="col" data-falling="{int(c.falling)}"{" aria-sort=ascending" if n == 0 else ""}>{escape(c.title)}'
        f"{f'<small>{escape(c.unit)}</small>' if c.unit else ''}</th>"
        for n, c in enumerate(found)
    )
    noted = any(r.note for r in a.runs.values())
    rows = []
    for id in names(a):
        e = book.entries[id]
        cells = "".join(cell(c.cells.get(id)) for c in found)
        note = f'<td class="note">{inline(a.runs[id].note)}</td>' if noted else ""
        name = f'<th scope="row"><a href="patterns/{id}.html">{escape(e.name)}</a></th>'
        rows.append(f'<tr class="f-{e.family}">{name}{cells}{note}</tr>')
    last = '<th scope="col">Note</th>' if noted else ""
    body = (
        f'<table class="standings"><thead><tr><th scope="col" data-falling="0">{book.thing.capitalize()}</th>'
        f"{heads}{last}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
    return (
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="{escape(a.title)}, all numbers">{body}</div>'
    )


def measures(a: Arena) -> str:
    """What each measure says, and what its floor is."""
    rows = []
    for m in a.measures.values():
        beside = f" {capital(m.line)} {few(m.floor)}: {inline(m.floor_is)}." if m.floor is not None else ""
        beside += "".join(f" {capital(inline(what))}: {few(v)}." for what, v in m.beside.items())
        rows.append(f"<div><dt>{escape(capital(m.title))}</dt><dd>{inline(m.what)}{beside}</dd></div>")
    return f'<dl class="measures">{"".join(rows)}</dl>'


def cell(c: Cell | None) -> str:
    """A cell of the table; empty where there is no such number."""
    if c is None:
        return "<td></td>"
    key = "" if c.key is None else f' data-key="{c.key!r}"'
    return f"<td{key}>{c.said}{f'<small>{c.under}</small>' if c.under else ''}</td>"


def left_out(book: Book, a: Arena) -> str:
    """Who does not take part, and why: those with the same reason together."""
    chips = lambda ids: " ".join(chip(book.entries[id], "patterns/") for id in ids)
    rows = "".join(f"<div><dt>{chips(ids)}</dt><dd>{inline(why)}</dd></div>" for why, ids in reasons(a).items())
    return f'<details class="absent"><summary>Not in this arena</summary><dl>{rows}</dl></details>' if rows else ""


def reasons(a: Arena) -> dict[str, list[str]]:
    """Those left out, by reason."""
    found: dict[str, list[str]] = {}
    for id, why in a.left_out.items():
        found.setdefault(why, []).append(id)
    return found


# ---- elsewhere ----


def twin(book: Book, t: Tournament) -> str:
    """The page as Markdown."""
    out = ["# Tournament", rules(t)]
    name = lambda id: markdown.link(book, id, "patterns/")
    for a in t.arenas.values():
        found = columns(t, a)
        head = ["", *(f"{c.title}, {c.unit}" if c.unit else c.title for c in found)]
        rows = [[name(id), *(spelled(c.cells.get(id)) for c in found)] for id in names(a)]
        out += [f"## {markdown.literal(a.title)}", markdown.prose(a.data), markdown.table(head, rows)]
        notes = [f"{name(id)}: {markdown.sentence(r.note)}" for id, r in a.runs.items() if r.note]
        absent = [f"{', '.join(map(name, ids))}: {markdown.sentence(why)}" for why, ids in reasons(a).items()]
        out += [markdown.items(notes)] * bool(notes)
        out += ["Not in this arena:", markdown.items(absent)] if absent else []
    return "\n\n".join([*out, "## What the numbers do not say", caution(t), f"Run it again: `{AGAIN}`"]) + "\n"


def spelled(c: Cell | None) -> str:
    """A cell in a line."""
    return "" if c is None else f"{c.said} ({c.under})" if c.under else c.said
