"""The changelog as an Atom feed: an entry for each release that has a date."""

from __future__ import annotations

import re
import uuid
import xml.etree.ElementTree as ET
from typing import NamedTuple

from markdown.extensions.toc import slugify

from .. import prose
from .book import CHANGELOG, Book
from .text import block

FILE = "changelog.xml"
ATOM = "http://www.w3.org/2005/Atom"
_HEADING = re.compile(r"^## (?P<title>(?P<version>\S+).*?)\s*$", re.M)
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


class Release(NamedTuple):
    """A part of the changelog."""

    version: str
    title: str
    date: str
    text: str


def releases(book: Book) -> list[Release]:
    """The parts below `## VERSION (DATE)`; a version without a date has that of CITATION.cff if it is the one cited."""
    text = book.pages.get(CHANGELOG, "")
    found = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in found[1:]), len(text)]
    out = []
    for heading, end in zip(found, ends, strict=False):
        date = _DATE.search(heading["title"])
        known = date[0] if date else book.citation.date if heading["version"] == book.citation.version else ""
        if known:
            out.append(Release(heading["version"], heading["title"], known, text[heading.end() : end].strip()))
    return out


def files(book: Book) -> dict[str, str]:
    """The feed by its path; none where no release has a date."""
    found = releases(book)
    return {FILE: atom(book, found)} if found else {}


def atom(book: Book, found: list[Release]) -> str:
    """The feed as XML (RFC 4287). Ids depend on names and versions alone, so that they stay when the site moves."""
    page = f"{book.url}{CHANGELOG.removesuffix('md')}html"
    feed = ET.Element("feed", {"xmlns": ATOM})
    _add(feed, "title", f"{book.catalog.name}: changes")
    _add(feed, "id", identifier(book.catalog.name))
    _add(feed, "updated", moment(max(r.date for r in found)))
    ET.SubElement(feed, "link", rel="alternate", type="text/html", href=page)
    if book.url:
        ET.SubElement(feed, "link", rel="self", type="application/atom+xml", href=f"{book.url}{FILE}")
    author = ET.SubElement(feed, "author")
    _add(author, "name", ", ".join(book.citation.authors) or book.catalog.name)
    for r in found:
        entry = ET.SubElement(feed, "entry")
        _add(entry, "title", f"{book.catalog.name} {r.version}")
        _add(entry, "id", identifier(f"{book.catalog.name} {r.version}"))
        _add(entry, "updated", moment(r.date))
        ET.SubElement(
            entry, "link", rel="alternate", type="text/html", href=f"{page}#{slugify(prose.plain(r.title), '-')}"
        )
        _add(entry, "content", block(r.text), type="html")
    ET.indent(feed)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode") + "\n"


def identifier(name: str) -> str:
    """An address that says nothing but which thing is meant."""
    return uuid.uuid5(uuid.NAMESPACE_URL, name).urn


def moment(date: str) -> str:
    """A day as Atom writes it."""
    return f"{date}T00:00:00Z"


def _add(to: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(to, name, attributes).text = text
