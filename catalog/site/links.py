"""Every link of the built site leads somewhere: in HTML, drawings, style sheets and the Markdown beside the pages;
fragments too.

Builders check the links of the Markdown that they read alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

CARRIERS = {"href", "xlink:href", "src", "data", "poster", "action"}
_WANTED = re.compile(rf"\s(?:{'|'.join(sorted(CARRIERS))}|srcset|id|name)=")
_TAG = re.compile(
    r"""<!--.*?-->|<(?:(?P<raw>script|style|textarea)\b|(?P<tag>[a-zA-Z][^\s/>]*))"""
    r"""(?P<attributes>(?:[^"'>]|"[^"]*"|'[^']*')*)>(?(raw).*?</(?P=raw)\s*>)""",
    re.S,
)
"""A tag; what scripts, style sheets and text areas hold is text, and goes with theirs."""
_ATTRIBUTE = re.compile(r"""([^\s=]+)=(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")


@dataclass
class _Page:
    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)


def _page(html: str) -> _Page:
    """The links of a page and the places that links can lead to. A parser of HTML takes several times as long."""
    page = _Page()
    for tag in _TAG.finditer(html):
        attributes = tag["attributes"]
        if not (attributes and _WANTED.search(attributes)):
            continue
        found = {name: unescape(a or b or c) for name, a, b, c in _ATTRIBUTE.findall(attributes)}
        if not (tag["tag"] == "link" and found.get("rel") == "canonical"):
            page.links += [found[name] for name in CARRIERS & found.keys()]
        page.links += [part.split()[0] for part in found.get("srcset", "").split(",") if part.strip()]
        page.ids |= {found[name] for name in ("id", *(["name"] if tag["tag"] == "a" else [])) if name in found}
    return page


def check(site: Path, root: str = "/") -> list[str]:
    """One line for each broken link below the folder: `page: link: what is wrong`; `root` is its path on a server."""
    site = site.resolve()
    pages = {path: _page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    problems = []
    for path, page in pages.items():
        where = path.relative_to(site)
        for link in dict.fromkeys(page.links):
            problems += [f"{where}: {link}: {wrong}" for wrong in _wrong(site, path, link, pages, root)]
    for sheet in sorted(site.rglob("*.css")):
        for link in re.findall(r"url\(\s*['\"]?([^'\")]+)", sheet.read_text(encoding="utf-8")):
            problems += [
                f"{sheet.relative_to(site)}: {link}: {wrong}" for wrong in _wrong(site, sheet, link, pages, root)
            ]
    for twin in sorted(site.rglob("*.md")):
        for link in in_markdown(twin.read_text(encoding="utf-8")):
            problems += [
                f"{twin.relative_to(site)}: {link}: {wrong}" for wrong in _wrong(site, twin, link, pages, root)
            ]
    return problems


def in_markdown(text: str) -> list[str]:
    """The addresses that a page of Markdown links to, once each; code and formulas have none."""
    text = re.sub(r"^(```|~~~).*?^\1|(`+)[^`].*?(?<!`)\2(?!`)|\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.M | re.S)
    return list(dict.fromkeys(re.findall(r"(?<!\\)\]\(<?([^)\s>]+)>?\)", text)))


def _wrong(site: Path, base: Path, link: str, pages: dict[Path, _Page], root: str) -> list[str]:
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto", "data") or (parts.netloc and not parts.scheme):
        return []
    if parts.scheme:
        return [f"scheme {parts.scheme!r}"]
    path = unquote(parts.path)
    # the 404 page is served at any depth, so its links start at the root
    if path.startswith("/") and not path.startswith(root):
        return ["leads out of the site"]
    below = site / path.removeprefix(root).lstrip("/") if path.startswith("/") else base.parent / path
    target = below.resolve() if path else base
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
