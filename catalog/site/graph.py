"""The graph page: a map on which each family is a lane and time runs to the right, and all relations as text.

Positions and curves are computed here, so that the map opens at once and its links work without scripts. The script
shows what belongs to a pattern, a path or a filter; what it says of a relation it takes from the list below the map.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from ..graph import Edge
from ..schema import Entry
from ..walks import WEIGHTS
from .book import Book
from .compare import embedded
from .pattern import div, front_matter, uncapitalized, words
from .svg import svg
from .text import an, escape, inline, line

STRONG = ("specializes", "reduces_to", "equivalent_to", "remedies")
"""Types that the map shows before anything is chosen: what an entry is, equals or mends."""
WIDTH, ROW, GAP, TOP = 900.0, 20.0, 9.0, 24.0
"""Of the map in units that are about pixels: its width, a row, the space between lanes, the line of years."""
LONG = 22
"""Letters of a name from which on the map has its abbreviation, if there is one."""


def page(book: Book) -> str:
    """The map with its tools and its panel, and all relations as a list."""
    front = front_matter(
        {"title": "Graph", "description": f"How the {book.things} are related", "hide": "[navigation, toc]"}
    )
    includes = '<link rel="stylesheet" href="assets/graph.css"><script defer src="assets/graph.js"></script>'
    dated = all(e.year for e in book.entries.values())
    time = "time runs to the right, " if dated else ""
    title = f"All {book.things} by family{' and year' if dated else ''}, and how they are related"
    how = (
        f'<span class="wide">Each lane is a family, {time}and a curve is a relation.</span> Choose {an(book.thing)} to '
        "see what it is related to and why."
    )
    explorer = (
        f'<div class="explorer"{book.counted}>{tools(book)}'
        f'<div class="sheet">{drawing(book, title)}{families(book)}</div>{panel(book)}'
        f'<script type="application/json">{data(book)}</script></div>'
    )
    return (
        f'{front}{includes}\n\n# Graph\n\n<p class="hint how">{how}</p>\n\n{explorer}\n\n'
        f"## All relations\n\n{listed(book)}\n"
    )


# ---- the map ----


@dataclass(frozen=True)
class Map:
    """Where everything stands."""

    at: dict[str, Spot]
    lanes: list[tuple[str, float, float]]
    """Family, top and height of each."""
    years: list[tuple[int, float]]
    """Years and where they begin; none where an entry has no year."""
    height: float


def size(text: str) -> float:
    """Width of a label, generously."""
    return sum(7.2 if c.isupper() or c in "mw" else 5.6 for c in text)


class Spot(NamedTuple):
    """Where the dot of an entry stands, and on which side its label is."""

    x: float
    y: float
    left: bool


def label(e: Entry) -> str:
    """The name as the map has it: without what stands in parentheses, a long one as its abbreviation."""
    name = e.name.partition(" (")[0]
    if len(name) > LONG and e.aliases and abbreviates(e.aliases[0], name):
        name = e.aliases[0]
    return name if len(name) <= 40 else f"{name[:39]}…"


def abbreviates(short: str, name: str) -> bool:
    """Whether a word is made of letters of the name, in their order: GAN, AdaIN."""
    capitals, letters = [c for c in short if c.isupper()], iter(name.upper())
    return " " not in short and len(capitals) > 1 and all(c in letters for c in capitals)


def place(entries: Sequence[Entry], titles: Mapping[str, str], width: float = WIDTH) -> Map:
    """A lane for each family; in it every entry stands at its year, in the first row that has room for its label.

    A year is as wide as it needs to be, not as long as it took: most of a field happens in few years. Where an entry
    has no year, lanes are filled in the catalog's order.
    """
    years = Counter(e.year for e in entries if e.year)
    dated = years.total() == len(entries)
    slots = scale(years, 14.0, width - 60) if dated else {}
    at: dict[str, Spot] = {}
    lanes, top = [], TOP if dated else 0.0
    for family, title in titles.items():
        rows = [8 + 1.06 * size(title)]  # how far each is taken; the title stands in the first one
        for e in sorted((e for e in entries if e.family == family), key=lambda e: (e.year or 0) if dated else 0):
            room = size(label(e)) + 16
            first, last = slots[e.year] if dated and e.year else (14.0, width - room)
            row, x, left = 0, first, False
            for row in range(len(rows) + 1):
                taken = rows[row] if row < len(rows) else 0.0
                x = max(first, taken + 14)
                left = x + room > width  # no room on the right: the label stands on the left of the dot
                if row == len(rows) or (x <= max(first, last) and (not left or x - room > taken)):
                    break
            at[e.id] = Spot(round(x), round(top + ROW * (row + 0.5) + 2), left)
            rows[row:] = [x if left else x + room, *rows[row + 1 :]]
        height = ROW * len(rows) + 4
        lanes.append((family, top, height))
        top += height + GAP
    return Map(at, lanes, [(year, x) for year, (x, _) in slots.items()], top - GAP)


def scale(years: Mapping[int, int], start: float, end: float) -> dict[int, tuple[float, float]]:
    """Where a dot of each year may stand, with room that grows more slowly than the year's entries."""
    total, x, slots = sum(n**0.6 for n in years.values()), start, {}
    for year in sorted(years):
        wide = (end - start) * years[year] ** 0.6 / total
        slots[year] = (round(x, 1), round(x + max(wide - 14, 0), 1))
        x += wide
    return slots


def curve(a: Spot, b: Spot) -> str:
    """From dot to dot: upright where they stand in different rows, over the top where in the same one."""
    across, down = b.x - a.x, b.y - a.y
    lift = -round(min(30, 8 + abs(across) * 0.12)) if down == 0 else round(down / 2)
    rest = f"c0 {lift:g} {across:g} {lift if down == 0 else down - lift:g} {across:g} {down:g}"
    return f"M{a.x:g} {a.y:g}{rest.replace(' -', '-')}"


def drawing(book: Book, title: str) -> str:
    """The map: lanes, all curves in the order of the list (style sheets show the strong ones), dots with names."""
    entries = list(book.entries.values())
    made = place(entries, book.families)
    at = made.at
    out = [
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="13" refY="4" markerWidth="7" markerHeight="7"'
        ' markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.8L8 4L0 7.2z"/></marker></defs>'
    ]
    for f, y, height in made.lanes:
        out.append(f'<rect class="lane f-{f}" y="{y:g}" width="{WIDTH:g}" height="{height:g}" rx="4"/>')
    shown = -math.inf
    for year, x in made.years:
        if x - shown >= 30:
            out.append(f'<text class="year" x="{x - 5:g}" y="14">{year}</text>')
            shown = x
    strong = strong_types(book)
    for f, group in groupby(book.stated, key=lambda x: book.entries[x.source].family):
        paths = "".join(f'<path{shape(x, strong)} d="{curve(at[x.source], at[x.target])}"/>' for x in group)
        out.append(f'<g class="edges f-{f}" marker-end="url(#tip)">{paths}</g>')
    for f, y, _ in made.lanes:
        out.append(
            f'<text class="family f-{f}" data-family="{f}" x="8" y="{y + 16:g}">{escape(book.families[f])}</text>'
        )
    out += [dot(e, at[e.id]) for e in sorted(entries, key=lambda e: (at[e.id].y, at[e.id].x))]
    return svg("map", WIDTH, made.height, out, title, role="group")


def strong_types(book: Book) -> set[str]:
    """The types that are shown at first; all of a catalog that has none of these."""
    there = {x.type for x in book.stated}
    return there & set(STRONG) or there


def shape(x: Edge, strong: Iterable[str]) -> str:
    """The classes of a curve: strong, proven."""
    classes = [name for name, has in (("s", x.type in strong), ("p", x.proven)) if has]
    return f' class="{" ".join(classes)}"' if classes else ""


def dot(e: Entry, spot: Spot) -> str:
    """An entry on the map, linked to its page."""
    x, y, left = spot
    said, wide = label(e), size(label(e)) + 18
    text = f'<text x="{x - 8:g}" y="{y + 4:g}" class="left">' if left else f'<text x="{x + 8:g}" y="{y + 4:g}">'
    return (
        f'<a class="node f-{e.family}" href="patterns/{e.id}.html"'
        f' aria-label="{escape(e.name)}{f", {e.year}" if e.year else ""}">'
        f'<rect x="{x - wide + 8 if left else x - 8:g}" y="{y - 9:g}" width="{wide:g}" height="18" rx="9"/>'
        f'<circle cx="{x:g}" cy="{y:g}" r="4"/>{text}{escape(said)}</text></a>'
    )


def families(book: Book) -> str:
    """The same for a narrow screen: names by family."""
    out = []
    for f, title in book.families.items():
        names = "".join(
            f'<a class="chip" href="patterns/{e.id}.html">{escape(e.name.partition(" (")[0])}</a> '
            for e in book.entries.values()
            if e.family == f
        )
        out.append(f'<section class="f-{f}" data-family="{f}"><h2>{escape(title)}</h2><p>{names}</p></section>')
    return div("lists", "".join(out))


# ---- tools and panel ----


def tools(book: Book) -> str:
    """Search, path and filters; not seen where no script makes them work."""
    there = {x.type for x in book.stated}
    types = [t for t in book.catalog.relations if t in there]
    count = Counter(x.type for x in book.stated)
    boxes = "".join(
        f'<label><input type="checkbox" name="types" value="{t}" checked> {words(t)} <small>{count[t]}</small></label>'
        for t in types
    )
    kinds = "".join(
        f'<label class="f-{f}"><input type="checkbox" name="families" value="{f}" checked> <i></i>'
        f"{escape(title)}</label>"
        for f, title in book.families.items()
    )
    both = '<p><button type="button" value="all">all</button> <button type="button" value="none">none</button></p>'
    filters = "".join(
        f"<fieldset><legend>{name}</legend>{both}{inside}</fieldset>"
        for name, inside in (("Relations", boxes), ("Families", kinds))
        if inside
    )
    path = (
        '<fieldset class="way"><legend>Shortest path</legend>'
        '<label>from <input name="from" list="names" autocomplete="off"></label>'
        '<label>to <input name="to" list="names" autocomplete="off"></label></fieldset>'
        '<datalist id="names"></datalist>'
    )
    find = '<input type="search" name="find" placeholder="name or alias" autocomplete="off">'
    return (
        f'<form class="steer" aria-label="Search and filter the graph">'
        f'<label class="find">Find {find}</label>{path}'
        f'<details class="filters"><summary>Filters<span></span></summary>{filters}</details>'
        f'<p class="all"><label><input type="checkbox" name="all"> Draw all {len(book.stated)} relations at once'
        "</label></p></form>"
    )


def panel(book: Book) -> str:
    """What is said beside the map; before anything is chosen, how to read it."""
    strong = [words(t) for t in book.catalog.relations if t in strong_types(book)]
    proven = sum(x.proven is not None for x in book.stated)
    rows = ["<li><svg viewBox='0 0 40 10' aria-hidden='true'><path d='M2 5H38'/></svg> stated, with a reason</li>"]
    if proven:
        rows.insert(
            0,
            "<li><svg viewBox='0 0 40 10' aria-hidden='true'><path class='p' d='M2 5H38'/></svg>"
            f" proven: a claim runs both ({proven} of {len(book.stated)})</li>",
        )
    drawn = ", ".join(strong)
    return (
        '<section class="panel" aria-label="What is shown"><p class="told" role="status" aria-live="polite"></p>'
        f'<div class="said"></div><div class="legend"><ul>{"".join(rows)}</ul><p>Drawn before you choose: {drawn}. '
        f"The others appear with {an(book.thing)}, a family or a type.</p></div></section>"
    )


# ---- data and list ----


def data(book: Book) -> str:
    """What the script needs to know: names, types with what paths prefer, relations, each entry's links in their order.

    A link is the number of the relation, one's complement where the other end states it.
    """
    ids = list(book.entries)
    number = {id: n for n, id in enumerate(ids)}
    relations = {(x.source, x.target, x.type): i for i, x in enumerate(book.stated)}
    types = list(dict.fromkeys(x.type for x in book.stated))
    links: list[list[int]] = []
    for id in ids:
        links.append([])
        for x in book.catalog.edges(id):
            kind, _ = book.catalog.shown[x.type]
            i = relations[x.target, x.source, kind.name] if x.derived else relations[x.source, x.target, x.type]
            links[-1].append(~i if x.derived else i)
    kinds = [book.catalog.relations[t] for t in types]
    made = {
        "entries": [[e.id, e.name, *e.aliases] for e in book.entries.values()],
        "types": [[k.name, words(k.name), words(k.seen_from_target), WEIGHTS.get(k.name, 1.0)] for k in kinds],
        "relations": [
            [number[x.source], number[x.target], types.index(x.type), int(x.proven is not None)] for x in book.stated
        ],
        "links": links,
    }
    return embedded(made)


def listed(book: Book) -> str:
    """Every relation once, with its reason, on the side that states it."""
    out = []
    for f, title in book.families.items():
        items = []
        for e in (e for e in book.entries.values() if e.family == f):
            stated = [x for x in book.catalog.edges(e.id) if not x.derived]
            relations = "".join(relation(book, x) for x in stated)
            name = f'<a href="patterns/{e.id}.html">{escape(e.name)}</a>{f" {e.year}" if e.year else ""}'
            many = f"{len(stated)} relation{'s' * (len(stated) > 1)}"
            inside = f" <details><summary>{many}</summary><ul>{relations}</ul></details>" if stated else ""
            items.append(f"<li>{name}{inside}</li>")
        out.append(f'<section class="f-{f}"><h3>{escape(title)}</h3><ul>{"".join(items)}</ul></section>')
    return f'<div class="listed">{"".join(out)}</div>'


def relation(book: Book, x: Edge) -> str:
    """A relation as an item: what it is, to what, when, whether it is proven, and why."""
    when = f" <i>when {inline(uncapitalized(x.relation.when))}</i>" if x.relation.when else ""
    owner, _, claim = (x.proven or "").partition(".")
    proof = f' <a href="patterns/{owner}.html#claim-{claim}">proven by a claim</a>' if x.proven else ""
    other = f'<a href="patterns/{x.target}.html">{escape(book.entries[x.target].name)}</a>'
    return f"<li>{words(x.type)} {other}{when}{proof}<p>{line(x.relation.why)}</p></li>"
