"""The builder's configuration for a catalog of somebody's own: mkdocs.yml with that catalog's name and pages."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from . import cards, feed
from .book import HERE, ROOT, Book, site_folder
from .text import plain

DOCS, SITE = "docs", "site"
"""Folders beside the configuration; Zensical takes no others."""


def base() -> Path:
    """mkdocs.yml of the checkout, else the installed copy."""
    file = ROOT / "mkdocs.yml"
    return file if file.is_file() else HERE.parent / "_site" / "mkdocs.yml"


def own(book: Book, files: Collection[str]) -> str:
    """The configuration for these files, which lie in the folder `DOCS` beside it; the site is made in `SITE`.

    What is about this project's own patterns is left out, and style sheets and scripts that are not there.
    """
    config: dict[str, Any] = yaml.load(base().read_text(encoding="utf-8"), Loader=_Loader)
    for key in ("copyright", "docs_dir", "site_dir"):
        config.pop(key, None)
    name = plain(book.catalog.name)  # templates print it without escaping
    pages = {"Home": "index.md", "Entries": "patterns/index.md", "Choose": "choose.md", "Graph": "graph.md"}
    pages |= {"Learn": "learn.md", "Coverage": "coverage.md"}
    nav: list[Any] = [{title: page} for title, page in pages.items() if page in files]
    nav += sorted(set(book.pages) - set(pages.values()))
    return yaml.safe_dump(
        config
        | {
            "site_name": name,
            "site_description": f"{name}: {len(book.entries)} entries and how they are related",
            "site_url": book.url or None,
            "docs_dir": DOCS,
            "site_dir": SITE,
            "theme": config["theme"] | {"custom_dir": str(site_folder() / "theme")},
            "nav": nav,
            "extra": config["extra"] | {"things": book.things} | offered(files),
            "extra_javascript": [f for f in config["extra_javascript"] if f in files],
            "markdown_extensions": [e for e in config["markdown_extensions"] if e != "catalog.site.docstrings"],
            "plugins": [p for p in config["plugins"] if "mkdocstrings" not in p],
        },
        sort_keys=False,
        allow_unicode=True,
    )


def offered(files: Collection[str]) -> dict[str, str]:
    """The feed and the card of the site, as templates name them; empty where there is none."""
    return {name: path if path in files else "" for name, path in (("feed", feed.FILE), ("card", cards.SITE))}


class _Loader(yaml.SafeLoader):
    """YAML in which `!ENV` is what MkDocs makes of it without the variable; these values are replaced here."""


def _default(loader: yaml.SafeLoader, node: Any) -> Any:
    return loader.construct_sequence(node)[-1]


_Loader.add_constructor("!ENV", _default)
