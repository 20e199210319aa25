"""Every link of the built site leads somewhere: in HTML, in drawings, in style sheets; fragments too.

Builders check the links of Markdown alone.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

CARRIERS = {"href", "xlink:href", "src", "data", "poster", "action"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name in CARRIERS and not (tag == "link" and ("rel", "canonical") in attrs):
                self.links.append(value)
            elif name == "srcset":
                self.links += [part.split()[0] for part in value.split(",") if part.strip()]
            elif name == "id" or (name == "name" and tag == "a"):
                self.ids.add(value)


def check(site: Path) -> list[str]:
    """One line for each broken link below the folder: `page: link: what is wrong`."""
    site = site.resolve()
    pages: dict[Path, _Page] = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
    problems = []
    for path, page in pages.items():
        where = path.relative_to(site)
        for link in dict.fromkeys(page.links):
            problems += [f"{where}: {link}: {wrong}" for wrong in _wrong(site, path, link, pages)]
    for sheet in sorted(site.rglob("*.css")):
        for link in re.findall(r"url\(\s*['\"]?([^'\")]+)", sheet.read_text(encoding="utf-8")):
            problems += [f"{sheet.relative_to(site)}: {link}: {wrong}" for wrong in _wrong(site, sheet, link, pages)]
    return problems


def _wrong(site: Path, base: Path, link: str, pages: dict[Path, _Page]) -> list[str]:
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto", "data") or (parts.netloc and not parts.scheme):
        return []
    if parts.scheme:
        return [f"scheme {parts.scheme!r}"]
    path = unquote(parts.path)
    # the 404 page is served at any depth, so its links start at the root
    target = (site / path.lstrip("/") if path.startswith("/") else base.parent / path).resolve() if path else base
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site):
        return ["leads out of the site"]
    if not target.is_file():
        return ["there is no such file"]
    known = pages.get(target)
    fragment = unquote(parts.fragment)
    # `#family=...` is a state of the gallery, not a place on it
    if fragment and known and "=" not in fragment and not fragment.startswith("__") and fragment not in known.ids:
        return [f"the page has no id {fragment!r}"]
    return []
