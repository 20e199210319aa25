"""Drawings: structure, a measure beside its bar, a neighborhood, the map; and figures of runs, made safe.

All are SVG text for the page itself: style sheets color them, links in them are real links, and every drawing that is
read on a phone is at most 460 units wide.
"""

from __future__ import annotations

import base64
import math
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..evidence import Measured
from ..schema import Component, Measure
from .text import escape


def wrap(text: str, width: int, lines: int = 9) -> list[str]:
    """Text in lines of about `width` characters; what does not fit into the last line ends in an ellipsis."""
    out = [""]
    for word in text.split():
        if out[-1] and len(out[-1]) + 1 + len(word) > width:
            out.append("")
        out[-1] = f"{out[-1]} {word}".strip()
    if len(out) > lines:
        out = [*out[: lines - 1], out[lines - 1] + " …"]
    return [row if len(row) <= width + 2 else row[: width - 1] + "…" for row in out]


def label(text: str, x: float, y: float, width: int, lines: int = 2, cls: str = "label", anchor: str = "start") -> str:
    """Wrapped text whose first baseline is at (x, y)."""
    spans = "".join(
        f'<tspan x="{x:g}"{f" dy={chr(34)}1.15em{chr(34)}" if i else ""}>{escape(row)}</tspan>'
        for i, row in enumerate(wrap(text, width, lines))
    )
    return f'<text class="{cls}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{spans}</text>'


def svg(cls: str, width: float, height: float, body: Iterable[str], title: str, *, role: str = "img") -> str:
    """The element round a drawing; `title` is what a screen reader says."""
    return (
        f'<svg class="{cls}" viewBox="0 0 {width:g} {height:g}" role="{role}" aria-label="{escape(title)}"'
        f' xmlns="http://www.w3.org/2000/svg" data-search-exclude>{"".join(body)}</svg>'
    )


def arrowhead(x: float, y: float, dx: float, dy: float) -> str:
    """A filled tip at (x, y) pointing along the unit vector (dx, dy)."""
    ax, ay = x - 7 * dx, y - 7 * dy
    return (
        f'<path class="tip" d="M{x:g} {y:g}L{ax - 3.2 * dy:g} {ay + 3.2 * dx:g}L{ax + 3.2 * dy:g} {ay - 3.2 * dx:g}z"/>'
    )


# ---- structure ----

WIDTH, LANE = 460, 21


@dataclass
class _Box:
    """A component on the page, and how many lines have met its sides."""

    top: float
    height: float
    out: int = 0
    into: int = 0

    def leave(self) -> float:
        """The height at which the next line leaves the side of the box."""
        self.out += 1
        return self.top + 11 + 9 * (self.out - 1)

    def enter(self) -> float:
        """The height at which the next line comes in."""
        self.into += 1
        return self.top + self.height - 11 - 9 * (self.into - 1)


@dataclass(frozen=True)
class _Flow:
    """A signal that passes other boxes on its way, down on the right or up on the left."""

    signal: str
    source: int
    targets: list[int]


def structure(components: Sequence[Component], name: str) -> str:
    """Boxes from top to bottom in the order of the entry; a line wherever one's `out` is another's `in`.

    To the next box a line goes straight down; further down it runs on the right, back up on the left.
    What no box gives comes from outside (an open dot), what no box takes leaves.
    """
    takes = [{_key(s): s for s in c.takes} for c in components]
    gives = [{_key(s): s for s in c.gives} for c in components]
    produced, consumed = {k for g in gives for k in g}, {k for t in takes for k in t}
    down = _flows(takes, gives, lambda source, target: target > source + 1)
    up = _flows(takes, gives, lambda source, target: target <= source)
    loose = [[s for k, s in give.items() if k not in consumed] for give in gives]
    left, right = 6 + LANE * len(up), WIDTH - 6 - LANE * len(down) - (76 if any(loose[:-1]) else 0)
    columns = int((right - left - 28) / 6.3)
    out: list[str] = []
    boxes: list[_Box] = []
    y = 4.0
    for i, c in enumerate(components):
        above = gives[i - 1] if i else {}
        drops = [(s, False) for k, s in takes[i].items() if k in above]
        drops += [(s, True) for k, s in takes[i].items() if k not in produced]
        gap = 46 if drops else 22 if i else 0
        out += _drops(drops, left, right, y, gap)
        y += gap
        boxes.append(_Box(y, 32 + 16.5 * len(wrap(c.role, columns))))
        y += boxes[-1].height
    out += _lanes(down, boxes, right, 1) + _lanes(up, boxes, left, -1)
    for c, box in zip(components, boxes, strict=True):
        out.append(
            f'<rect class="box" x="{left:g}" y="{box.top:g}" width="{right - left:g}" height="{box.height:g}" rx="6"/>'
        )
        out.append(label(c.name, left + 14, box.top + 21, int(columns * 0.85), 1, "name"))
        out.append(label(c.role, left + 14, box.top + 40, columns, 9, "role"))
    for signals, box in zip(loose[:-1], boxes, strict=False):
        for signal in signals:
            at, start = box.leave(), WIDTH - 6 - 76
            out.append(f'<path class="flow" d="M{right:g} {at:g}H{start + 9:g}"/>{arrowhead(start + 16, at, 1, 0)}')
            out.append(label(signal, start + 20, at + 4, 9, 2))
    if loose and loose[-1]:
        out += _drops([(s, False) for s in loose[-1]], left, right, y, 32)
        y += 36
    flows = "; ".join(
        f"{c.name}: takes {', '.join(c.takes) or 'nothing'}, gives {', '.join(c.gives) or 'nothing'}"
        for c in components
    )
    return svg("structure", WIDTH, y + 6, out, f"Structure of {name}. {flows}")


def _key(signal: str) -> str:
    return " ".join(signal.split()).casefold()


def _flows(takes: list[dict[str, str]], gives: list[dict[str, str]], passes: Callable[[int, int], bool]) -> list[_Flow]:
    """The signals whose way from source to target `passes` other boxes."""
    found = []
    for i, give in enumerate(gives):
        for key, signal in give.items():
            if targets := [j for j in range(len(takes)) if key in takes[j] and passes(i, j)]:
                found.append(_Flow(signal, i, targets))
    return found


def _drops(signals: list[tuple[str, bool]], left: float, right: float, y: float, gap: float) -> list[str]:
    """Arrows side by side that come down to y + gap, each beside its name; from outside they begin with a dot."""
    out = []
    step = (right - left) / max(1, len(signals))
    width = int((step * 0.75 - 8) / 6.2)
    for n, (signal, outside) in enumerate(signals):
        x = left + step * (n + 0.5) - (0 if len(signals) == 1 else step * 0.3)
        start = y + (11.5 if outside else 0)
        if outside:
            out.append(f'<circle class="port" cx="{x:g}" cy="{start - 3.5:g}" r="3.5"/>')
        out.append(f'<path class="flow" d="M{x:g} {start:g}V{y + gap - 5:g}"/>' + arrowhead(x, y + gap, 0, 1))
        first = y + gap / 2 + (4 if len(wrap(signal, width, 2)) == 1 else -3)
        out.append(label(signal, x + 9, first, width))
    return out


def _lanes(flows: list[_Flow], boxes: list[_Box], side: float, sign: int) -> list[str]:
    """One vertical line for each signal beside the boxes, its name along it."""
    out = []
    for n, flow in enumerate(flows):
        x = side + sign * (9 + LANE * n)
        start, ends = boxes[flow.source].leave(), [boxes[j].enter() for j in flow.targets]
        far = max(ends) if sign > 0 else min(ends)
        out.append(f'<path class="flow" d="M{side:g} {start:g}H{x:g}V{far:g}"/>')
        out += [f'<path class="flow" d="M{x:g} {end:g}H{side + sign * 5:g}"/>' for end in ends]
        out += [arrowhead(side, end, -sign, 0) for end in ends]
        text = wrap(flow.signal, max(8, int(abs(far - start) / 6)), 1)[0]
        place = f"translate({x + sign * 6:g} {(start + far) / 2:g}) rotate({90 * sign})"
        out.append(f'<text class="lane" text-anchor="middle" transform="{place}">{escape(text)}</text>')
    return out


# ---- one number beside its bar ----


def region(measure: Measure, baseline: float | None) -> tuple[float, float]:
    """The interval in which every bar on the value itself is met; infinite where a side is open."""
    low, high = -math.inf, math.inf
    b = math.nan if baseline is None else baseline
    m = measure
    lows = [m.at_least, m.between and m.between[0], m.near and m.near.value - m.near.tolerance]
    lows += [
        m.of_baseline_at_least and m.of_baseline_at_least * b,
        m.above_baseline_by is not None and b + m.above_baseline_by,
    ]
    highs = [m.at_most, m.between and m.between[1], m.near and m.near.value + m.near.tolerance]
    highs += [
        m.of_baseline_at_most is not None and m.of_baseline_at_most * b,
        m.below_baseline_by is not None and b - m.below_baseline_by,
    ]
    for x in lows:
        if x is not None and x is not False and not math.isnan(x):
            low = max(low, x)
    for x in highs:
        if x is not None and x is not False and not math.isnan(x):
            high = min(high, x)
    return low, high


def measure_plot(measure: Measure, got: Measured, title: str) -> str:
    """Where the bar lets the number lie (band), the number (dot), each seed (ring), the baseline (diamond)."""
    low, high = region(measure, got.baseline)
    values = [got.value, *got.seeds]
    other = [got.baseline, *got.baseline_seeds] if got.baseline is not None else []
    edges = [e for e in (low, high) if math.isfinite(e)]
    shown = [v for v in [*values, *other, *edges] if v is not None and math.isfinite(v)]
    log = min(shown) > 0 and max(shown) / min(shown) > 50
    f: Callable[[float], float] = math.log10 if log else float
    a, b = f(min(shown)), f(max(shown))
    pad = 0.12 * (b - a) or abs(b) * 0.1 or 1.0
    a, b = a - pad, b + pad
    x0, x1, y = 8.0, 312.0, 15.0

    def at(v: float) -> float:
        return x0 + (min(max(f(v) if not log or v > 0 else a, a), b) - a) / (b - a) * (x1 - x0)

    left, right = (at(low) if math.isfinite(low) else x0), (at(high) if math.isfinite(high) else x1)
    out = [f'<path class="axis" d="M{x0:g} {y:g}H{x1:g}"/>']
    if right >= left and edges:
        out.append(f'<rect class="band" x="{left:.1f}" y="{y - 8:g}" width="{max(right - left, 2):.1f}" height="16"/>')
    out += [f'<path class="edge" d="M{at(e):.1f} {y - 10:g}v20"/>' for e in edges]
    if got.baseline is not None:
        out += [f'<path class="base seed" d="{_diamond(at(v), y, 3.2)}"/>' for v in got.baseline_seeds]
        out.append(f'<path class="base" d="{_diamond(at(got.baseline), y, 5.5)}"/>')
    out += [f'<circle class="seed" cx="{at(v):.1f}" cy="{y:g}" r="3.2"/>' for v in got.seeds]
    out.append(f'<circle class="value" cx="{at(got.value):.1f}" cy="{y:g}" r="5.2"/>')
    for e in edges:
        anchor = "start" if at(e) < 40 else "end" if at(e) > 280 else "middle"
        out.append(f'<text class="tick" x="{at(e):.1f}" y="{y + 23:g}" text-anchor="{anchor}">{number(e)}</text>')
    if log:
        free, anchor = (x0, "start") if any(at(e) > 240 for e in edges) else (x1, "end")
        out.append(f'<text class="tick" x="{free:g}" y="8" text-anchor="{anchor}">log scale</text>')
    return svg("measure", 320, 42, out, title)


def _diamond(x: float, y: float, r: float) -> str:
    return f"M{x:.1f} {y - r:g}l{r:g} {r:g}l{-r:g} {r:g}l{-r:g} {-r:g}z"


def number(x: float) -> str:
    """Four significant digits, powers of ten as people write them."""
    text = f"{x:.4g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        power = f"10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
        return f"{mantissa} × {power}" if mantissa != "1" else power
    return text.replace("-", "−")


# ---- graph ----


@dataclass(frozen=True)
class Node:
    """A pattern as the drawings need it."""

    id: str
    name: str
    family: str
    year: int
    href: str


def _box(n: Node, x: float, y: float, w: float, h: float, cls: str = "") -> str:
    """A linked box centered on (x, y)."""
    rows = wrap(n.name, int(w / 6.6), int(h / 18))
    first = y + 4 - 7 * (len(rows) - 1)
    text = "".join(
        f'<tspan x="{x:g}"{f" dy={chr(34)}1.12em{chr(34)}" if i else ""}>{escape(r)}</tspan>'
        for i, r in enumerate(rows)
    )
    return (
        f'<a class="node f-{n.family} {cls}" href="{escape(n.href)}" data-id="{n.id}" data-family="{n.family}"'
        f' aria-label="{escape(n.name)}, {n.year}">'
        f'<rect x="{x - w / 2:g}" y="{y - h / 2:g}" width="{w:g}" height="{h:g}" rx="5"/>'
        f'<text x="{x:g}" y="{first:g}">{text}</text></a>'
    )


@dataclass(frozen=True)
class Neighbor:
    """A pattern beside another one."""

    node: Node
    words: list[str]
    """The relations as one reads them, the strongest first."""
    way: int
    """Where the line points: 1 at the neighbor, -1 at the center, 0 nowhere."""


def neighborhood(center: Node, around: Sequence[Neighbor]) -> str:
    """The pattern on the left, its neighbors on the right."""
    step, w, h = 44, 152, 36
    height = max(1.3, len(around)) * step + 8
    y0 = height / 2
    out, boxes = [], [_box(center, 64, y0, 120, 56, "center")]
    for i, n in enumerate(around):
        x, y = WIDTH - w - 4, 4 + step * (i + 0.5)
        out.append(f'<path class="edge" d="M124 {y0:g}C170 {y0:g} 150 {y:g} 200 {y:g}H{x - 5 * (n.way > 0):g}"/>')
        out.append(arrowhead(x, y, 1, 0) if n.way > 0 else arrowhead(124, y0, -1, 0) if n.way < 0 else "")
        boxes.append(_box(n.node, x + w / 2, y, w, h))
        said = n.words[0] if len(n.words) == 1 else f"{n.words[0]} +{len(n.words) - 1}"
        boxes.append(f'<text class="label halo" x="{x - 10:g}" y="{y - 5:g}" text-anchor="end">{escape(said)}</text>')
    title = f"What {center.name} is related to"
    return svg("graph neighborhood", WIDTH, height, [*out, *boxes], title, role="group")


@dataclass(frozen=True)
class Edge:
    """A relation as the map draws it, from the pattern that states it."""

    source: str
    target: str
    type: str


def slots(nodes: Sequence[Node], columns: int) -> dict[int, int]:
    """Column of each year: by its rank among all patterns, so that crowded years get more room."""
    years = sorted(n.year for n in nodes)
    return {year: years.index(year) * columns // len(years) for year in years}


def place(
    nodes: Sequence[Node], families: Sequence[str], columns: int, w: float, h: float
) -> tuple[dict[str, tuple[float, float]], list[tuple[str, float, float]], float]:
    """Center of each box, (family, top, height) of each band, and the height of all.

    Each family is a band; within it time runs to the right. With many columns a pattern stands at the rank of its
    year in the whole catalog, so that columns line up over bands; with two columns they are filled in order.
    """
    slot = slots(nodes, columns)
    at: dict[str, tuple[float, float]] = {}
    bands: list[tuple[str, float, float]] = []
    y = 0.0
    for family in families:
        members = sorted((n for n in nodes if n.family == family), key=lambda n: (n.year, n.id))
        if not members:
            continue
        taken: set[tuple[int, int]] = set()
        for i, n in enumerate(members):
            column, row = (slot[n.year], 0) if columns > 2 else (i % columns, i // columns)
            while (column, row) in taken:
                row += 1
            taken.add((column, row))
            at[n.id] = (w * (column + 0.5), y + 28 + h * (row + 0.5))
        height = 28 + h * (1 + max(r for _, r in taken)) + 8
        bands.append((family, y, height))
        y += height + 8
    return at, bands, y


def timeline(nodes: Sequence[Node], edges: Sequence[Edge], families: dict[str, str], columns: int, cls: str) -> str:
    """The whole catalog: a band for each family, boxes in order of time, a curve for each relation."""
    w, h = (230.0, 56.0) if columns <= 2 else (168.0, 64.0)
    at, bands, height = place(nodes, list(families), columns, w, h)
    width, bw, bh = w * columns, w - 14, 40.0
    out = [
        f'<g class="band f-{f}"><rect x="0" y="{y:g}" width="{width:g}" height="{b:g}" rx="8"/></g>'
        for f, y, b in bands
    ]
    family = {n.id: n.family for n in nodes}
    edges = sorted(edges, key=lambda e: (e.source, e.target, e.type))
    ports = _ports(edges, at, bw)
    for e in edges:
        (ay, by) = at[e.source][1], at[e.target][1]
        ax, bx = ports[e.source, e], ports[e.target, e]
        if abs(ay - by) < 1:  # side by side: over the top
            start, end, tip = ay - bh / 2, by - bh / 2, 1.0
            curve = f"C{ax:g} {start - 24:g} {bx:g} {end - 24:g} {bx:g} {end - 5:g}"
        else:
            tip = 1.0 if by > ay else -1.0
            start, end = ay + tip * bh / 2, by - tip * bh / 2
            reach = tip * max(20.0, abs(end - start) * 0.45)
            curve = f"C{ax:g} {start + reach:g} {bx:g} {end - reach:g} {bx:g} {end - tip * 5:g}"
        near = " near" if family[e.source] == family[e.target] else ""
        out.append(
            f'<g class="edge{near} f-{family[e.source]}" data-source="{e.source}" data-target="{e.target}"'
            f' data-type="{e.type}">'
            f'<path class="line" d="M{ax:g} {start:g}{curve}"/>{arrowhead(bx, end, 0.0, tip)}</g>'
        )
    out += [f'<text class="family f-{f}" x="12" y="{y + 19:g}">{escape(families[f])}</text>' for f, y, _ in bands]
    out += [_box(n, *at[n.id], bw, bh) for n in sorted(nodes, key=lambda n: (at[n.id][1], at[n.id][0]))]
    top = 0.0
    if columns > 2:
        top, slot = 26.0, slots(nodes, columns)
        for column in range(columns):
            if here := sorted(year for year, c in slot.items() if c == column):
                years = f"{here[0]}" if here[0] == here[-1] else f"{here[0]} – {here[-1]}"
                out.append(f'<text class="year" x="{w * (column + 0.5):g}" y="-9">{years}</text>')
    out = [f'<g transform="translate(0 {top:g})">', *out, "</g>"]
    title = "All patterns by family and year, and how they are related"
    return svg(f"graph timeline {cls}", width, height + top, out, title, role="group")


def _ports(edges: Sequence[Edge], at: dict[str, tuple[float, float]], width: float) -> dict[tuple[str, Edge], float]:
    """Where along a box's side each of its lines ends: in the order of where they lead, so that lines do not bundle."""
    sides: dict[tuple[str, bool], list[tuple[float, Edge]]] = {}
    for e in edges:
        for here, there in ((e.source, e.target), (e.target, e.source)):
            below = at[there][1] > at[here][1]
            sides.setdefault((here, below), []).append((at[there][0], e))
    ports = {}
    for (id, _), ends in sides.items():
        ends.sort(key=lambda end: (end[0], end[1].source, end[1].target, end[1].type))
        step = min(22.0, (width - 30) / len(ends))
        for i, (_, e) in enumerate(ends):
            ports[id, e] = round(at[id][0] + step * (i - (len(ends) - 1) / 2), 1)
    return ports


# ---- figures ----

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_ALLOWED = {
    "svg", "g", "defs", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "use",
    "image", "clipPath", "mask", "linearGradient", "radialGradient", "stop", "pattern", "marker", "symbol", "title",
    "desc",
}  # fmt: skip


class UnsafeFigure(ValueError):
    """A figure that cannot be shown as it is."""


def _clean(text: str) -> ET.Element:
    """The figure without scripts, event handlers, style sheets, foreign elements and references to the outside."""
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.I):
        raise UnsafeFigure("it declares a document type or entities")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise UnsafeFigure(f"it is not well-formed XML ({error})") from None
    if root.tag != f"{{{_SVG}}}svg":
        raise UnsafeFigure("its outermost element is not <svg>")
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.removeprefix(f"{{{_SVG}}}") not in _ALLOWED:
                parent.remove(child)
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            bare = name.removeprefix(f"{{{_XLINK}}}").lower()
            outside = bare == "href" and not re.match(r"#|data:image/(png|jpeg|webp);base64,", value.strip())
            if (
                bare.startswith("on")
                or outside
                or re.search(r"url\(\s*['\"]?(?!#)|javascript:|expression\(", value, re.I)
            ):
                del element.attrib[name]
    return root


def _gray(png: bytes) -> bool:
    """Whether a PNG holds no color, so that it can take the page's ink.

    Every PNG filter treats the channels alike, so that red, green and blue are equal in the filtered
    rows exactly where they are in the picture: nothing needs to be decoded.
    """
    at, data, header = 8, b"", b""
    while at + 8 <= len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + size]
        header = body if kind == b"IHDR" else header
        data += body if kind == b"IDAT" else b""
        at += 12 + size
    if len(header) != 13:
        return False
    width, height, depth, kind = struct.unpack(">IIBB", header[:10])
    if kind in (0, 4):
        return True
    if kind not in (2, 6) or depth != 8:
        return False
    step = 3 if kind == 2 else 4
    try:
        raw, stride = zlib.decompress(data), 1 + width * step
    except zlib.error:
        return False
    rows = (raw[n * stride + 1 : (n + 1) * stride] for n in range(height))
    return all(row[0::step] == row[1::step] == row[2::step] for row in rows)


def _ink(root: ET.Element) -> None:
    """Let gray pictures take the page's ink: dark becomes the text's color, white the paper.

    Where the same axes hold a picture with color, as points on a colored field, black stays black.
    """
    axes = [g for g in root.iter(f"{{{_SVG}}}g") if g.get("id", "").startswith("axes_")] or [root]
    found = False
    for panel in axes:
        images = list(panel.iter(f"{{{_SVG}}}image"))
        if images and all(_gray(_png(image)) for image in images):
            found = True
            for image in images:
                image.set("filter", "url(#ink)")
    if found:
        root.insert(0, ET.fromstring(_INK.format(svg=_SVG)))


def _png(image: ET.Element) -> bytes:
    """The data of an image element; empty if it is no PNG."""
    kind, _, data = image.get(f"{{{_XLINK}}}href", image.get("href", "")).partition(",")
    try:
        return base64.b64decode(data) if kind == "data:image/png;base64" else b""
    except ValueError:
        return b""


# opacity is darkness, color is the ink around
_INK = (
    '<filter xmlns="{svg}" id="ink" color-interpolation-filters="sRGB">'
    '<feColorMatrix values="0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 -0.2126 -0.7152 -0.0722 1 0" result="dark"/>'
    '<feFlood flood-color="currentColor"/><feComposite in2="dark" operator="in"/></filter>'
)


def figure_inline(text: str, prefix: str, alt: str) -> str:
    """A figure for the page itself, in its ink and type; ids that nothing refers to go, others become unique."""
    root = _clean(text)
    _ink(root)
    used = {m for e in root.iter() for v in e.attrib.values() for m in re.findall(r"#([\w.\-]+)", v)}
    for element in root.iter():
        if (name := element.attrib.pop("id", None)) in used:
            element.set("id", f"{prefix}-{name}")
        for key, value in list(element.attrib.items()):
            if key != "id":
                value = re.sub(r"^#([\w.\-]+)$", rf"#{prefix}-\1", value)
                element.set(key, re.sub(r"url\(#([\w.\-]+)\)", rf"url(#{prefix}-\1)", value))
        if style := element.get("style"):  # the site's type is narrower than the one the figure was laid out for
            style = re.sub(r"font-size: ([\d.]+)px", lambda size: f"font-size: {1.18 * float(size[1]):.3g}px", style)
            element.set("style", re.sub(r"\s*font-family:[^;]*;?", "", style).strip())
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("class", "figure")
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("data-search-exclude", "")
    return re.sub(r"\s*\n\s*", " ", _text(root))


def figure_file(text: str, ink: str = "#26292e", dark_ink: str = "#d9dce1") -> str:
    """A figure as a file of its own, for thumbnails: its ink follows the color scheme of the page that shows it."""
    root = _clean(text)
    style = ET.Element(f"{{{_SVG}}}style")
    dark = f"@media (prefers-color-scheme:dark){{svg{{color:{dark_ink}}}}}"
    style.text = f"svg{{color:{ink};font-family:system-ui,sans-serif}}{dark}"
    _ink(root)
    root.insert(0, style)
    return _text(root)


def _text(root: ET.Element) -> str:
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")
