"""Two drawings of an arena: quality against the cost of a sample, and what more training brought.

Every mark has a label of its own, which overlaps no other label, no mark and no range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple

from .claims import Scale
from .standings import Measure, Spread
from .svg import label, number, svg
from .text import escape

LINE = 15.0
"""Height of a label."""
RINGS = (10, 17, 26, 37, 50, 66, 85, 108, 135, 166, 200, 240, 290)
"""Distances from a mark at which its label is tried."""
TURNS = (0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202, 67, 293, 113, 247)
"""Directions in which it is tried, in degrees; to the right first."""


class Box(NamedTuple):
    """A rectangle of the drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two have a point in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def within(self, other: Box) -> bool:
        """Whether all of it lies in the other one."""
        return self.left >= other.left and self.right <= other.right and self.top >= other.top and (
            self.bottom <= other.bottom
        )  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """A contestant in the drawings."""

    name: str
    """As short as it is known."""
    family: str
    address: str
    said: str
    """Everything about it in words."""
    cost: float
    quality: Spread
    before: Spread | None
    """The quality after the smaller budget."""
    front: bool


class Put(NamedTuple):
    """Where a label stands, and the line that leads to it where it is not close by."""

    box: Box
    lead: tuple[float, float, float, float] | None


def axis(values: Iterable[float], left: float, right: float, log: bool | None = None) -> Scale:
    """A scale for these numbers; logarithmic, unless said otherwise, where they differ more than fivefold."""
    known = [v for v in values if math.isfinite(v)]
    low, high = min(known), max(known)
    if low > 0 and (high > 5 * low if log is None else log):
        pad = max((high / low) ** 0.06, 1.15)
        return Scale(low / pad, high * pad, log=True, left=left, right=right)
    pad = 0.07 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(low - pad, high + pad, log=False, left=left, right=right)


# ---- quality against cost ----


def scatter(marks: Sequence[Mark], m: Measure, sample: str, wide: bool, title: str) -> str:
    """Medians over the seeds, ranges as bars, the floor as a line, the front joined by steps."""
    width, height = (700.0, 520.0) if wide else (400.0, 600.0)
    frame = Box(52, 30, width - 8, height - 46)
    across = axis((k.cost for k in marks), frame.left + 12, frame.right - 12, log=True)
    up = axis([*(v for k in marks for v in k.quality), *m.lines.values()], frame.bottom - 10, frame.top + 10)
    out = [
        f'<text class="title" x="4" y="14">{escape(m.called)}; {m.better} is better</text>',
        f'<text class="title" x="{frame.right:g}" y="{height - 6:g}" text-anchor="end">'
        f"CPU milliseconds per {escape(sample)}</text>",
        *grid(across, up, frame),
    ]
    spots = [(across.at(k.cost), up.at(k.quality.median)) for k in marks]
    ends = [sorted((up.at(k.quality.low), up.at(k.quality.high))) for k in marks]
    hard = [Box(x - 7, y - 7, x + 7, y + 7) for x, y in spots]
    hard += [Box(0, up.at(v) - 8, frame.left - 3, up.at(v) + 8) for v in up.ticks()]
    soft = [Box(x - 2, top, x + 2, bottom) for (x, _), (top, bottom) in zip(spots, ends, strict=True)]
    for name, v in m.lines.items():
        y, said = up.at(v), f"{name} {number(v)}"
        at = beside(y, text_width(said), hard + soft, frame)
        hard.append(at)
        soft.append(Box(frame.left, y - 1, frame.right, y + 1))
        out.append(f'<path class="floor" d="M{frame.left:g} {y:.1f}H{frame.right:g}"/>')
        out.append(f'<text class="floor" x="{at.left + 2:.1f}" y="{at.bottom - 4:.1f}">{escape(said)}</text>')
    front = sorted((across.at(k.cost), up.at(k.quality.median)) for k in marks if k.front)
    for (x, y), (a, b) in pairwise(front):
        soft += [Box(x, y - 1, a, y + 1), Box(a - 1, min(y, b), a + 1, max(y, b))]
        out.append(f'<path class="front" d="M{x:.1f} {y:.1f}H{a:.1f}V{b:.1f}"/>')
    puts = placed(spots, [k.name for k in marks], hard, soft, Box(2, frame.top, width - 2, frame.bottom))
    for k, (x, y), (top, bottom), put in zip(marks, spots, ends, puts, strict=True):
        lead = "" if put.lead is None else '<path class="lead" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>'.format(*put.lead)
        ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="7.5"/>' if k.front else ""
        out.append(
            f'<a class="contestant f-{k.family}" href="{k.address}" aria-label="{escape(k.said)}">{lead}'
            f'<path class="range" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>{ring}'
            f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
            f'<text x="{put.box.left + 2:.1f}" y="{put.box.bottom - 4:.1f}">{escape(k.name)}</text></a>'
        )
    return svg(f"scatter {'wide' if wide else 'narrow'}", width, height, out, title, role="group")


def grid(across: Scale, up: Scale, frame: Box) -> list[str]:
    """Lines at round numbers, with the numbers beside them."""
    out = []
    for v in across.ticks():
        x = across.at(v)
        out.append(f'<path class="grid" d="M{x:.1f} {frame.top:g}V{frame.bottom:g}"/>')
        out.append(f'<text class="tick" x="{x:.1f}" y="{frame.bottom + 17:g}" text-anchor="middle">{number(v)}</text>')
    for v in up.ticks():
        y = up.at(v)
        out.append(f'<path class="grid" d="M{frame.left:g} {y:.1f}H{frame.right:g}"/>')
        out.append(f'<text class="tick" x="{frame.left - 6:g}" y="{y + 4:.1f}" text-anchor="end">{number(v)}</text>')
    return out


def beside(y: float, width: float, blocked: Sequence[Box], frame: Box) -> Box:
    """The place for what a line at the height y is called: below or above it, as far to the right as there is room."""
    tops = [top for top in (y + 2, y - 2 - LINE) if frame.top <= top and top + LINE <= frame.bottom]
    rights = range(int(frame.right), int(frame.left + width), -10)
    spots = [Box(right - width, top, right, top + LINE) for right in rights for top in tops]
    return next((b for b in spots if not any(map(b.meets, blocked))), spots[0])


def placed(
    spots: Sequence[tuple[float, float]], names: Sequence[str], hard: Sequence[Box], soft: Sequence[Box], frame: Box
) -> list[Put]:
    """A place for each label, near its mark where nothing else stands, else further out at the end of a line.

    No label meets what is hard; what is soft, and the lines, only where there is no other way. Those with the most
    neighbors choose first. Raises ValueError where there is no room at all.
    """
    crowd = [sum(math.hypot(x - a, y - b) < 60 for a, b in spots) for x, y in spots]
    found: dict[int, Put] = {}
    hard, soft = list(hard), list(soft)
    for i in sorted(range(len(spots)), key=lambda i: (-crowd[i], i)):
        tried = [p for p in candidates(*spots[i], text_width(names[i])) if p.box.within(frame)]
        rules = [(hard + soft, hard + soft), (hard + soft, hard), (hard, [])]
        put = next((p for boxes, lines in rules for p in tried if free(p, spots[i], boxes, lines)), None)
        if put is None:
            raise ValueError(f"no room for the label {names[i]!r}: make the drawing larger")
        found[i] = put
        hard.append(put.box)
        soft += [Box(x - 1, y - 1, x + 1, y + 1) for x, y in dots(put)]
    return [found[i] for i in range(len(spots))]


def candidates(x: float, y: float, width: float) -> Iterable[Put]:
    """Where the label of a mark could stand, the nearest first."""
    for ring, turn in product(RINGS, TURNS):
        dx, dy = math.cos(math.radians(turn)), -math.sin(math.radians(turn))
        middle = y + ring * dy
        left = x + ring * dx if dx > 0.1 else x + ring * dx - width if dx < -0.1 else x - width / 2
        if abs(dx) <= 0.1:  # above and below it stands on the point, beside it next to it
            middle += math.copysign(LINE / 2 - 3, dy)
        box = Box(left, middle - LINE / 2, left + width, middle + LINE / 2)
        near = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
        yield Put(box, (x, y, *near) if ring > 20 else None)


def free(put: Put, spot: tuple[float, float], boxes: Sequence[Box], lines: Sequence[Box]) -> bool:
    """Whether the label meets none of `boxes`, and the line to it, where it has left the mark, none of `lines`."""
    if any(put.box.meets(b) for b in boxes):
        return False
    away = [(x, y) for x, y in dots(put) if math.hypot(x - spot[0], y - spot[1]) > 11]
    return not any(b.left < x < b.right and b.top < y < b.bottom for x, y in away for b in lines)


def dots(put: Put) -> list[tuple[float, float]]:
    """Points along the line that leads to a label, without its ends."""
    if put.lead is None:
        return []
    x, y, a, b = put.lead
    n = int(math.hypot(a - x, b - y) / 3)
    return [(x + (a - x) * i / n, y + (b - y) * i / n) for i in range(1, n)]


def text_width(text: str) -> float:
    """Width of a label, generously."""
    return 4 + sum(8.2 if c.isupper() or c in "mw" else 6.4 for c in text)


# ---- what more training brought ----


def gains(marks: Sequence[Mark], m: Measure, title: str) -> str:
    """A row for each contestant, the best first: from the smaller budget (ring) to the whole one (dot)."""
    width, step, top, names = 460.0, 22.0, 34.0, 178.0
    bottom = top + step * len(marks)
    found = [v for k in marks for s in (k.quality, k.before) if s for v in s]
    along = axis([*found, *m.lines.values()], names + 10, width - 12)
    out = [f'<text class="title" x="{width:g}" y="14" text-anchor="end">{escape(m.called)}</text>']
    for v in along.ticks():
        x = along.at(v)
        out.append(f'<path class="grid" d="M{x:.1f} {top - 8:g}V{bottom:g}"/>')
        out.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 15:g}" text-anchor="middle">{number(v)}</text>')
    out += [f'<path class="floor" d="M{along.at(v):.1f} {top - 8:g}V{bottom:g}"/>' for v in m.lines.values()]
    for n, k in enumerate(marks):
        y, x = top + step * (n + 0.5) - 3, along.at(k.quality.median)
        row = [label(k.name, names, y + 4, 30, 1, "name", "end")]
        if k.before:
            then = along.at(k.before.median)
            row.append(f'<path class="gain" d="M{then:.1f} {y:g}H{x:.1f}"/>{extent(along, y, k.before, "before")}')
            row.append(f'<circle class="before" cx="{then:.1f}" cy="{y:g}" r="4"/>')
        row.append(f'{extent(along, y, k.quality)}<circle class="mark" cx="{x:.1f}" cy="{y:g}" r="4.5"/>')
        out.append(f'<g class="f-{k.family}">{"".join(row)}</g>')
    return svg("gains", width, bottom + 22, out, title)


def extent(along: Scale, y: float, s: Spread, cls: str = "") -> str:
    """The range of the seeds as a bar along a row."""
    return f'<path class="range {cls}" d="M{along.at(s.low):.1f} {y:g}H{along.at(s.high):.1f}"/>'
