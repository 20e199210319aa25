"""What an entry is related to, as a drawing for its page: older entries on the left, younger ones on the right.

There are two drawings of the same, of which a style sheet shows one: the narrow one, from top to bottom, is for phones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..graph import Edge
from ..schema import Entry
from .book import Book
from .svg import svg, wrap
from .text import escape

MOST = 14
"""Neighbors that are drawn."""
STEP, HIGH = 42.0, 34.0
"""From one neighbor to the next, and the height of its box."""


class Neighbor(NamedTuple):
    """An entry beside another one."""

    entry: Entry
    words: str
    """The strongest relation, as read from the one in the middle."""
    proven: bool
    earlier: bool


def neighbors(book: Book, e: Entry) -> list[Neighbor]:
    """The most relevant entries that have a relation with this one, by year."""
    strongest: dict[str, Edge] = {}
    for x in book.catalog.edges(e.id):
        strongest.setdefault(x.target, x)
    found = []
    for near in book.catalog.related(e.id, ranked=True, depth=1, limit=MOST):
        other, first = book.entries[near.id], strongest[near.id]
        years = (other.year or 0, e.year or 0) if other.year and e.year else (0, 0)
        earlier = years[0] < years[1] or (years[0] == years[1] and not first.derived)
        found.append(Neighbor(other, first.type.replace("_", " "), first.proven is not None, earlier))
    return sorted(found, key=lambda n: (n.entry.year or 0, n.entry.id))


def drawings(book: Book, e: Entry) -> str:
    """Both drawings, and the way to the whole graph."""
    around = neighbors(book, e)
    said = "; ".join(f"{n.words} {n.entry.name}{' (proven)' if n.proven else ''}" for n in around)
    title = f"{e.name}: {said}"
    some = len(around) < len({x.target for x in book.catalog.edges(e.id)})
    which = f"The {len(around)} most relevant {book.things}, each" if some else "Each"
    link = f'<a href="../graph.html#focus={e.id}">In the whole graph</a>'
    whole = f'<p class="hint">{which} with its strongest relation. {link}</p>'
    return f'<div class="around">{wide(e, around, title)}{narrow(e, around, title)}{whole}</div>'


def wide(e: Entry, around: Sequence[Neighbor], title: str) -> str:
    """The entry in the middle, a column on either side."""
    width, box, middle, gap = 760.0, 186.0, 140.0, 14.0
    sides = [[n for n in around if n.earlier], [n for n in around if not n.earlier]]
    height = max(64.0, STEP * max(map(len, sides)))
    y0, out, boxes = height / 2, [], []
    for side, sign in zip(sides, (-1, 1), strict=True):
        top = (height - STEP * len(side)) / 2
        start, end = width / 2 + sign * middle / 2, width / 2 + sign * (width / 2 - box)
        for i, n in enumerate(side):
            y = top + STEP * (i + 0.5)
            turn = start + sign * gap
            out.append(f'<path class="{line(n)}" d="M{start:g} {y0:g}Q{turn:g} {y0:g} {turn:g} {(y0 + y) / 2:g}'
                       f'T{turn + sign * gap:g} {y:g}H{end:g}"/>')  # fmt: skip
            boxes += words(n, (turn + end) / 2 + sign * gap / 2, y, "middle")
            boxes.append(node(n.entry, end if sign > 0 else 0.0, y, box))
    boxes.append(node(e, (width - middle) / 2, y0, middle, center=True))
    return svg("around-wide", width, height, out + boxes, title, role="group")


def narrow(e: Entry, around: Sequence[Neighbor], title: str) -> str:
    """A trunk from the oldest to the youngest, the entry across it."""
    width, left = 340.0, 122.0
    rows: list[Neighbor | None] = [n for n in around if n.earlier]
    rows += [None, *(n for n in around if not n.earlier)]
    out, boxes = [], []
    middles = [STEP * (i + 0.5) for i in range(len(rows))]
    out.append(f'<path class="line" d="M8 {middles[0]:g}V{middles[-1]:g}"/>')
    for n, y in zip(rows, middles, strict=True):
        if n is None:
            boxes.append(node(e, 0.0, y, width, center=True))
        else:
            out.append(f'<path class="{line(n)}" d="M8 {y:g}H{left:g}"/>')
            boxes += words(n, 15.0, y, "start")
            boxes.append(node(n.entry, left, y, width - left))
    return svg("around-narrow", width, STEP * len(rows), out + boxes, title, role="group")


def line(n: Neighbor) -> str:
    """The class of a line: one that is proven looks different."""
    return "line proven" if n.proven else "line"


def words(n: Neighbor, x: float, y: float, anchor: str) -> list[str]:
    """What stands on a line and, where it is proven, below it."""
    out = [f'<text class="type" x="{x:g}" y="{y - 5:g}" text-anchor="{anchor}">{escape(n.words)}</text>']
    if n.proven:
        out.append(f'<text class="type" x="{x:g}" y="{y + 12:g}" text-anchor="{anchor}">proven</text>')
    return out


def node(e: Entry, x: float, y: float, width: float, *, center: bool = False) -> str:
    """A box from x on with the name and the year, linked to the entry's page; the one in the middle is where one is."""
    rows = wrap(e.name, int((width - 20 - (0 if center or not e.year else 30)) / 6.4), 2)
    first = y + 4 - 6.5 * (len(rows) - 1)
    at = x + (width / 2 if center else 10)
    spans = "".join(
        f'<tspan x="{at:g}"{f" dy={chr(34)}13{chr(34)}" if i else ""}>{escape(row)}</tspan>'
        for i, row in enumerate(rows)
    )
    rect = f'<rect x="{x:g}" y="{y - HIGH / 2:g}" width="{width:g}" height="{HIGH:g}" rx="4"/>'
    if center:
        return f'<g class="node center f-{e.family}">{rect}<text x="{at:g}" y="{first:g}">{spans}</text></g>'
    year = f'<text class="year" x="{x + width - 9:g}" y="{y + 4:g}">{e.year}</text>' if e.year else ""
    label = f"{escape(e.name)}{f', {e.year}' if e.year else ''}"
    return (
        f'<a class="node f-{e.family}" href="{e.id}.html" aria-label="{label}">'
        f'{rect}<text x="{at:g}" y="{first:g}">{spans}</text>{year}</a>'
    )
