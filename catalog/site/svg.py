"""Drawings: structure; and figures of runs, made safe.

Drawings are SVG text for the page itself: style sheets color them, links in them are real links, and every one that is
read on a phone is at most 460 units wide. Figures are files of their own.
"""

from __future__ import annotations

import base64
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..schema import Component
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
        f' xmlns="http://www.w3.org/2000/svg">{"".join(body)}</svg>'
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


# ---- numbers ----


def number(x: float) -> str:
    """Four significant digits, powers of ten as people write them."""
    text = f"{x:.4g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        power = f"10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
        return f"{mantissa} × {power}" if mantissa != "1" else power
    return text.replace("-", "−")


# ---- figures ----

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
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
    if root.tag != f"{{{SVG}}}svg":
        raise UnsafeFigure("its outermost element is not <svg>")
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.removeprefix(f"{{{SVG}}}") not in _ALLOWED:
                parent.remove(child)
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            bare = name.removeprefix(f"{{{XLINK}}}").lower()
            outside = bare == "href" and not re.match(r"#|data:image/(png|jpeg|webp);base64,", value.strip())
            if (
                bare.startswith("on")
                or outside
                or re.search(r"url\(\s*['\"]?(?!#)|javascript:|expression\(", value, re.I)
            ):
                del element.attrib[name]
            elif bare in _PLACES:
                element.set(name, re.sub(r"-?\d+\.\d{3,}(?!\d*e)", _rounded, value))
    return root


_PLACES = {"d", "points", "x", "y"}
"""Attributes that say where something is, in points of 1/72 inch."""


def _rounded(number: re.Match[str]) -> str:
    """To a hundredth of a point, less than the eye sees."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _gray(png: bytes) -> bytes | None:
    """A PNG that holds no color, and so can take the page's ink, without its two idle channels; None for others.

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
        return None
    width, height, depth, kind = struct.unpack(">IIBB", header[:10])
    if kind in (0, 4):
        return png
    if kind not in (2, 6) or depth != 8:
        return None
    step = 3 if kind == 2 else 4
    try:
        raw, stride = zlib.decompress(data), 1 + width * step
    except zlib.error:
        return None
    out = bytearray()
    for n in range(height):
        row = raw[n * stride : (n + 1) * stride]
        if not row[1::step] == row[2::step] == row[3::step]:
            return None
        slim = bytearray(1 + width * (step - 2))
        slim[0:1], slim[1 :: step - 2] = row[:1], row[1::step]
        if kind == 6:
            slim[2::2] = row[4::4]
        out += slim
    chunks = {b"IHDR": struct.pack(">IIBB", width, height, 8, kind - 2) + header[10:], b"IDAT": zlib.compress(out)}
    return png[:8] + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (chunks | {b"IEND": b""}).items()
    )


def _ink(root: ET.Element) -> None:
    """Let gray pictures take the page's ink: dark becomes the text's color, white the paper.

    Where the same axes hold a picture with color, as points on a colored field, black stays black.
    """
    axes = [g for g in root.iter(f"{{{SVG}}}g") if g.get("id", "").startswith("axes_")] or [root]
    found = False
    for panel in axes:
        images = list(panel.iter(f"{{{SVG}}}image"))
        gray = [_gray(_png(image)) for image in images]
        if images and all(gray):
            found = True
            for image, png in zip(images, gray, strict=True):
                name = f"{{{XLINK}}}href" if image.get(f"{{{XLINK}}}href") else "href"
                image.set(name, f"data:image/png;base64,{base64.b64encode(png or b'').decode()}")
                image.set("filter", "url(#ink)")
    if found:
        root.insert(0, ET.fromstring(_INK.format(svg=SVG)))


def _png(image: ET.Element) -> bytes:
    """The data of an image element; empty if it is no PNG."""
    kind, _, data = image.get(f"{{{XLINK}}}href", image.get("href", "")).partition(",")
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


@lru_cache(maxsize=1024)
def figure_file(text: str, ink: str = "#26292e", dark_ink: str = "#d9dce1") -> str:
    """A figure as a file of its own: its ink follows the color scheme of the page that shows it."""
    root = _clean(text)
    style = ET.Element(f"{{{SVG}}}style")
    dark = f"@media (prefers-color-scheme:dark){{svg{{color:{dark_ink}}}}}"
    lines = "*{stroke-linejoin:round;stroke-linecap:butt}image{image-rendering:pixelated}"
    style.text = f"svg{{color:{ink};font-family:system-ui,sans-serif}}{lines}{dark}"
    _ink(root)
    root.insert(0, style)
    return _text(root)


def _text(root: ET.Element) -> str:
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    return ET.tostring(root, encoding="unicode")
