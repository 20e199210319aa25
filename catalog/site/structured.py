"""What search engines and previews read: where the site lies, what its pages are about, a card for each.

All of it needs the address of the site, and is left out without.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlsplit

from .. import prose
from ..export import FORMATS
from ..export.works import links
from ..schema import Entry, Source
from .book import Book

CONTEXT = "https://schema.org"


def home(url: str) -> str:
    """The address of a site as it is written before paths: with a slash at its end.

    Raises ValueError for what is no such address.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises for a bad one)
    except ValueError as error:
        raise ValueError(f"--url {url}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"--url {url}: is no address of a site; it looks like https://example.org/patterns/")
    path = quote(parts.path.strip("/"), safe="/%~")
    return f"{parts.scheme}://{parts.netloc}/{path}{'/' * bool(path)}"


def root(book: Book) -> str:
    """The path at which the site begins on its server."""
    return urlsplit(book.url).path or "/"


def files(book: Book) -> dict[str, str]:
    """What lies at the root of the site for those who crawl it."""
    return {"robots.txt": f"User-agent: *\nAllow: /\nSitemap: {book.url}sitemap.xml\n"} if book.url else {}


# -- what pages are about, as JSON-LD


def script(*nodes: dict[str, Any]) -> str:
    """Data as a script that runs nothing; what could end it is written otherwise."""
    said = json.dumps({"@context": CONTEXT, "@graph": list(nodes)}, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&":
        said = said.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/ld+json">{said}</script>'


def of_entry(book: Book, e: Entry) -> str:
    """An entry's page as an article with its sources, and where it stands in the site."""
    if not book.url:
        return ""
    page = f"{book.url}patterns/{e.id}.html"
    article: dict[str, Any] = {
        "@type": ["TechArticle", "LearningResource"],
        "@id": page,
        "url": page,
        "name": e.name,
        "headline": e.name,
        "inLanguage": "en",
        "isPartOf": {"@id": book.url},
    }
    said: dict[str, Any] = {
        "alternateName": e.aliases,
        "description": prose.plain(e.summary or ""),
        "keywords": [tag.replace("_", " ") for tag in e.tags],
        "articleSection": book.families[e.family],
        "citation": [cited(s) for s in e.sources],
        "version": book.citation.version,
        "dateModified": book.citation.date,
        "author": [{"@type": "Organization", "name": name} for name in book.citation.authors],
    }
    trail = [(book.things.capitalize(), f"{book.url}patterns/index.html"), (e.name, page)]
    return script(article | {name: value for name, value in said.items() if value}, breadcrumbs(trail))


def cited(s: Source) -> dict[str, Any]:
    """A source as a work."""
    addresses = [address for _, address in links(s)]
    work: dict[str, Any] = {
        "@type": "CreativeWork", "name": s.title, "author": s.authors, "datePublished": str(s.year),
    }  # fmt: skip
    return work | ({"url": addresses[0]} if addresses else {})


def breadcrumbs(trail: list[tuple[str, str]]) -> dict[str, Any]:
    """The way from the top to a page."""
    steps = [
        {"@type": "ListItem", "position": n, "name": name, "item": address}
        for n, (name, address) in enumerate(trail, 1)
    ]
    return {"@type": "BreadcrumbList", "itemListElement": steps}


def of_site(book: Book) -> str:
    """The site, and the catalog as data that can be fetched; for the first page."""
    if not book.url:
        return ""
    name = book.catalog.name
    about = f"{len(book.entries)} {book.things} and {len(book.stated)} typed relations between them"
    site = {"@type": "WebSite", "@id": book.url, "url": book.url, "name": name, "inLanguage": "en"}
    parts = [
        {"@type": "DataDownload", "contentUrl": f"{book.url}api/{f.file}", "encodingFormat": f.media_type}
        for f in FORMATS.values()
        if "." in f.file  # not the folder of tables
    ]
    data: dict[str, Any] = {
        "@type": "Dataset", "name": name, "url": book.url, "isPartOf": {"@id": book.url}, "distribution": parts,
        "description": f"{name}: {about}, in {len(parts)} formats, with what was measured of every claim.",
    }  # fmt: skip
    if c := book.citation if book.citation.title else None:
        people = [{"@type": "Organization", "name": name} for name in c.authors]
        data |= {"version": c.version, "dateModified": c.date, "creator": people}
        data["license"] = "https://www.apache.org/licenses/LICENSE-2.0"
    return script(site, data)
