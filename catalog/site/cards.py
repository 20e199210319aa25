"""A picture for each page, 1200 by 630, that is shown where somebody shares its address.

Drawn by resvg from npm, once: a picture is kept under the digest of its drawing. Without resvg there are none.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from .. import prose, store
from ..schema import Entry
from . import assets, svg
from .book import HERE, ROOT, Book
from .text import escape

WIDTH, HEIGHT, MARGIN = 1200, 630, 64
PAPER, INK, MUTED = "#fdfdfb", "#1d2127", "#575e69"
SERIF, SANS = "STIXGeneral, serif", "DejaVu Sans, sans-serif"
WIDE = 1.7
"""A drawing so many times wider than high has the whole width."""
VIEW_BOX = re.compile(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"')
SITE = "cards/index.png"
"""The card of every page that is no entry's."""
MODULE = ROOT / "node_modules" / "@resvg" / "resvg-js"
DRAW = HERE / "cards.mjs"


def path_of(id: str) -> str:
    """Where the card of an entry lies."""
    return f"cards/{id}.png"


def available(book: Book) -> bool:
    """Whether pages have cards: what names them needs the site's address, and what draws them resvg."""
    return bool(book.url) and MODULE.is_dir()


def files(book: Book) -> dict[str, bytes]:
    """The cards by path; none, with a note, where they cannot be drawn."""
    if not book.url:
        return {}
    if not available(book):
        print("note: resvg is not installed, so shared pages have no picture", file=sys.stderr)
        return {}
    drawings = {path_of(e.id): entry(book, e) for e in book.entries.values()} | {SITE: site(book)}
    if (base := store.base()) is None:  # nothing is to be kept
        with tempfile.TemporaryDirectory() as folder:
            return drawn(drawings, Path(folder))
    return drawn(drawings, base / "cards")


def drawn(drawings: dict[str, str], kept: Path) -> dict[str, bytes]:
    """The drawings as PNG by path, from the folder of those that were drawn before where they are there."""
    kept.mkdir(parents=True, exist_ok=True)
    salt = DRAW.read_bytes()
    places = {p: kept / f"{hashlib.sha256(salt + d.encode()).hexdigest()[:32]}.png" for p, d in drawings.items()}
    wanted = {str(place): drawings[path] for path, place in places.items() if not place.is_file()}
    if wanted:
        with tempfile.TemporaryDirectory() as folder:
            asked = Path(folder) / "drawings.json"
            asked.write_text(json.dumps({"fonts": fonts(), "drawings": wanted}), encoding="utf-8")
            done = assets.node(str(DRAW), str(asked), str(MODULE))
        if done.returncode:
            raise ValueError(f"resvg could not draw the cards: {(done.stderr or done.stdout).strip()}")
    return {path: place.read_bytes() for path, place in places.items()}


def fonts() -> list[str]:
    """Type that comes with matplotlib, where it is installed; the system's is taken otherwise."""
    try:
        from matplotlib import get_data_path
    except ImportError:
        return []
    folder = Path(get_data_path()) / "fonts" / "ttf"
    names = ("STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    return [str(folder / name) for name in names if (folder / name).is_file()]


# -- drawings


def entry(book: Book, e: Entry) -> str:
    """The card of an entry: its family, name and sentence, and what a run drew, beside them or, if wide, below."""
    hero = book.hero(e.id)
    figure = book.figures[e.id].get(hero.file, "") if hero and hero.file.endswith(".svg") else ""
    aspect = proportions(figure)
    accent = rgb(0.48, 0.13, book.hues[e.family])
    said = (book.families[e.family], e.name, prose.plain(e.summary or ""))
    across = WIDTH - 2 * MARGIN
    if 0 < aspect < WIDE:
        drawn = picture(figure, 640, 60, 500, 510)
        body = words(*said, accent, 540) + drawn
    elif aspect:
        text = words(*said, accent, across, 30)
        body = text + picture(figure, MARGIN, 290, across, 270)
    else:
        body = words(*said, accent, across)
    return document(body, book.catalog.name, accent)


def site(book: Book) -> str:
    """The card of the site: its name and how much there is."""
    counts = f"{len(book.entries)} {book.things}, {len(book.stated)} typed relations"
    claims = sum(len(e.claims) for e in book.entries.values())
    about = f"{counts}, {claims} claims, each a test." if claims else f"{counts}."
    accent = rgb(0.48, 0.13, 255)
    return document(words("", book.catalog.name, about, accent, WIDTH - 2 * MARGIN, 44), "", accent)


def document(body: str, below: str, accent: str) -> str:
    """A drawing of the size of a card, with the family's color at its edge and the catalog's name at its foot."""
    head = f'<svg xmlns="{svg.SVG}" xmlns:xlink="{svg.XLINK}" width="{WIDTH}" height="{HEIGHT}">'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>'
    edge = f'<rect width="18" height="{HEIGHT}" fill="{accent}"/>'
    return f"{head}{ground}{edge}{body}{text(below, MARGIN, HEIGHT - 30, 22, MUTED, SANS)}</svg>"


def words(above: str, name: str, said: str, accent: str, width: int, size: int = 34) -> str:
    """Family, name and sentence, one below the other; `size` is that of the sentence, in pixels."""
    rows, y = [], 60
    large = 2 * size if len(name) <= 30 else round(1.6 * size)
    parts = [
        (above, 22, accent, SANS, 700, 0.62),
        (name, large, INK, SERIF, 700, 0.53),
        (said, size, INK, SERIF, 400, 0.46),
    ]
    for part, high, fill, family, weight, wide in parts:
        for row in svg.wrap(part, round(width / (wide * high)), 5) if part else []:
            y += round(1.2 * high)
            rows.append(text(row, MARGIN, y, high, fill, family, weight))
        y += 20
    return "".join(rows)


def text(said: str, x: int, y: int, size: int, fill: str, family: str, weight: int = 400) -> str:
    """A line of type."""
    style = f'font-family="{family}" font-weight="{weight}" font-size="{size}" fill="{fill}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(said)}</text>'


def proportions(figure: str) -> float:
    """How many times wider than high a drawing is; 0 for one that does not say."""
    box = VIEW_BOX.search(figure)
    return float(box[1]) / float(box[2]) if box and float(box[2]) else 0.0


def picture(figure: str, x: int, y: int, width: int, height: int) -> str:
    """What a run drew, in its light colors, as part of a card."""
    root = ET.fromstring(svg.figure_file(figure))
    for style in root.findall(f"{{{svg.SVG}}}style"):  # browsers' rules; what they say is said below
        root.remove(style)
    place = {"x": x, "y": y, "width": width, "height": height, "color": INK, "font-family": SANS}
    for name, value in place.items():
        root.set(name, str(value))
    root.set("preserveAspectRatio", "xMinYMid meet")
    return ET.tostring(root, encoding="unicode")


def rgb(lightness: float, chroma: float, hue: float) -> str:
    """A color of OKLCH, as the style sheets name it, for programs that do not know it (B. Ottosson, 2020)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long, medium, short = (
        (lightness + p * a + q * b) ** 3
        for p, q in ((0.3963377774, 0.2158037573), (-0.1055613458, -0.0638541728), (-0.0894841775, -1.2914855480))
    )
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    kept = (min(max(c, 0.0), 1.0) for c in linear)
    gamma = (12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in kept)
    return "#" + "".join(f"{round(255 * c):02x}" for c in gamma)
