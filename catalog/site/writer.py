"""From the book to files: a pure function from what is known to bytes by path, and the step that puts them on disk."""

from __future__ import annotations

from pathlib import Path

from . import pages, pattern, svg
from .book import CONTRIBUTE, Book


def render(book: Book) -> dict[str, bytes]:
    """Every file of the site's sources by its path: Markdown, figures, styles, data."""
    texts = {path: text if path == CONTRIBUTE else pages.hand_written(book, text) for path, text in book.pages.items()}
    texts["patterns/index.md"] = pages.gallery(book)
    texts["graph.md"] = pages.graph(book)
    texts["choose.md"] = pages.choose(book)
    texts["coverage.md"] = pages.coverage(book)
    texts["api/catalog.json"] = pages.catalog_json(book)
    texts["llms.txt"] = pages.llms(book)
    texts["assets/families.css"] = family_colors(list(book.catalog.titles or book.families))
    for id, entry in book.entries.items():
        texts[f"patterns/{id}.md"] = pattern.page(book, entry)
        if (hero := book.hero(id)) and hero.file.endswith(".svg"):
            texts[f"figures/{id}/hero.svg"] = svg.figure_file(book.figures[id][hero.file])
    return book.assets | {path: text.encode() for path, text in texts.items()}


def twins(book: Book) -> dict[str, bytes]:
    """What is put beside the finished pages, because a builder would turn it into pages: each pattern as Markdown."""
    return {f"patterns/{id}.md": pages.twin(book, entry).encode() for id, entry in book.entries.items()}


def family_colors(families: list[str]) -> str:
    """A hue for each family, a golden angle apart, so that neighbors in the list differ most."""
    rules = []
    for i, f in enumerate(families):
        hue = round(255 + i * 137.508) % 360
        rules.append(f".f-{f},.md-content:has(.head.f-{f}){{--hue:{hue}}}")
    return "\n".join(rules) + "\n"


def write(files: dict[str, bytes], folder: Path) -> list[str]:
    """Make the folder hold these files and nothing else, touching only what differs; returns the paths that changed."""
    changed = []
    for path, data in sorted(files.items()):
        target = folder / path
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            changed.append(path)
    for stale in sorted(p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in files):
        stale.unlink()
        changed.append(stale.relative_to(folder).as_posix())
    return changed
