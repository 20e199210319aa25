"""A film for the first page: the moments of sampling that a run drew side by side, shown one after the other."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from . import svg
from .book import Book
from .text import escape, inline

FILMS = ("ddpm",)
"""Patterns whose hero is such a strip, the one to take first at the front."""
MOMENTS = 8
"""Of a film, as many as its animation in site/assets/home.css has."""
COLUMNS = 3
GAP = 0.13
"""Between samples, as a share of their width."""


@dataclass(frozen=True)
class Moment:
    """One column of a strip: samples below each other at the same time."""

    title: str
    picture: str
    """The picture as a data URL."""
    x: float
    y: float
    width: float
    height: float
    flipped: bool
    """Whether the picture stands on its head, as Matplotlib stores it."""


def moments(text: str) -> list[Moment]:
    """The columns of a figure that Matplotlib drew, in their order; those without a picture are left out."""
    found = []
    for axes in ET.fromstring(text).iter(f"{{{svg.SVG}}}g"):
        image = next(axes.iter(f"{{{svg.SVG}}}image"), None) if axes.get("id", "").startswith("axes_") else None
        if image is not None:
            title = next((t.text or "" for t in axes.iter(f"{{{svg.SVG}}}text")), "")
            x, y, w, h = (float(image.get(k, "0")) for k in ("x", "y", "width", "height"))
            flipped = image.get("transform", "").startswith("scale(1 -1)")
            found.append(Moment(title, image.get(f"{{{svg.XLINK}}}href", ""), x, y, w, h, flipped))
    return found


def chosen(book: Book) -> tuple[str, list[Moment]] | None:
    """The pattern whose film is shown, and its moments; None where no run drew one."""
    for id in FILMS:
        text = book.figures.get(id, {}).get("hero.svg")
        if text and len(found := moments(text)) == MOMENTS:
            return id, found
    return None


def files(book: Book) -> dict[str, str]:
    """The moments as pictures of their own, by path."""
    if (picked := chosen(book)) is None:
        return {}
    id, found = picked
    return {f"figures/{id}/film-{k}.svg": svg.figure_file(frame(m)) for k, m in enumerate(found)}


def frame(m: Moment) -> str:
    """The samples of a moment, in rows of a few instead of one below the other."""
    n = int(m.height / m.width)
    between = (m.height - n * m.width) / max(1, n - 1)
    step = 1 + GAP
    turn = f' transform="scale(1 -1) translate(0 {-m.height:g})"' if m.flipped else ""
    size = f'width="{m.width:g}" height="{m.height:g}"'
    image = f'<image {size} href="{escape(m.picture)}"{turn} preserveAspectRatio="none"/>'
    cells = []
    for k in range(n):
        x, y = k % COLUMNS * step, k // COLUMNS * step
        box = f"0 {k * (m.width + between):g} {m.width:g} {m.width:g}"
        cells.append(f'<svg x="{x:g}" y="{y:g}" width="1" height="1" viewBox="{box}"><use href="#all"/></svg>')
    rows = -(-n // COLUMNS)
    view = f"0 0 {COLUMNS * step - GAP:g} {rows * step - GAP:g}"
    return f'<svg xmlns="{svg.SVG}" viewBox="{view}"><defs><g id="all">{image}</g></defs>{"".join(cells)}</svg>'


def show(book: Book) -> str:
    """The film with its strip of moments. Only its end is seen until a script starts it, and it can be stopped."""
    if (picked := chosen(book)) is None:
        return ""
    id, found = picked
    hero = book.hero(id)
    assert hero is not None
    addresses = [f"figures/{id}/film-{k}.svg" for k in range(len(found))]
    frames = "".join(
        f'<img src="{a}" alt="" width="326" height="213" style="--k:{k}">' for k, a in enumerate(addresses)
    )
    strip = "".join(
        f'<li style="--k:{k}"><img src="{a}" alt="" width="326" height="213"><span>{escape(m.title)}</span></li>'
        for k, (a, m) in enumerate(zip(addresses, found, strict=True))
    )
    name = f'<a href="patterns/{id}.html">{escape(book.entries[id].name)}</a>'
    return (
        f'<figure class="film"><div class="frames" role="img" aria-label="{escape(hero.alt)}">'
        f'{frames}</div><ol class="strip" aria-hidden="true">{strip}</ol><figcaption>{name}: {inline(hero.caption)} '
        '<button type="button" hidden>Pause</button></figcaption></figure>'
    )
