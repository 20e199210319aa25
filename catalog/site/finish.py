"""What is done to finished pages so that they are seen sooner: what each asks for first, and how much of it."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

SHEET = re.compile(r'<link rel="stylesheet" href="[^"]*">')
DOCSTRINGS = re.compile(r'\s*<link rel="stylesheet" href="[^"]*assets/_mkdocstrings\.css">')
"""How a page asks for the style of docstrings."""
FIRST = ("assets/fonts/source-serif-4-latin-wght-normal.woff2", "assets/fonts/source-sans-3-latin-wght-normal.woff2")
"""The type of the first lines of every page."""
EARLY = (
    '<script>if(location.protocol!=="file:")for(const href of %s)document.head.append(Object.assign('
    'document.createElement("link"),{rel:"preload",as:"font",type:"font/woff2",crossOrigin:"",href}))</script>'
)
"""Fetches type at once; not in a folder of one's own, where browsers refuse that with an error."""


def dress(page: Path, fonts: tuple[str, ...] = FIRST) -> None:
    """Let a page ask in its head, and for no more than it needs.

    A sheet that is named further down would lay out everything above it twice. The type of the first lines is fetched
    beside the sheets, not after them. The builder asks for the style of docstrings everywhere; it goes where none is.
    """
    text = page.read_text(encoding="utf-8")
    head, end, body = text.partition("</head>")
    if 'class="doc ' not in body:
        head = DOCSTRINGS.sub("", head)
    if ours := re.search(r'\s*<link rel="stylesheet" href="([^"]*)assets/', head):
        early = EARLY % json.dumps([ours[1] + font for font in fonts]) if fonts else ""
        head = head[: ours.start()] + early + head[ours.start() :]
    late = dict.fromkeys(SHEET.findall(body))
    made = head + "".join(late) + end + SHEET.sub("", body)
    if made != text:
        page.write_text(made, encoding="utf-8")


def slim(site: Path) -> None:
    """Take from the type of formulas the signs that no page has."""
    from fontTools import subset

    used = {ord(c) for page in site.rglob("*.html") for c in signs(page.read_text(encoding="utf-8"))}
    for file in sorted((site / "assets" / "katex" / "fonts").glob("*.woff2")):
        options = subset.Options(flavor="woff2", notdef_outline=True)
        font = subset.load_font(str(file), options)
        made = subset.Subsetter(options)
        made.populate(unicodes=used)
        made.subset(font)
        subset.save_font(font, str(file), options)


def signs(page: str) -> set[str]:
    """The characters of a page on which KaTeX has set a formula."""
    return set(html.unescape(re.sub(r"<[^>]*>", "", page))) if 'class="katex' in page else set()
