"""From the book to files: a pure function from what is known to bytes by path, and the step that puts them on disk."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from ..export import FORMATS
from ..export.document import schema_text
from ..export.part import select
from . import (
    agents,
    apply,
    cards,
    choose,
    compare,
    coverage,
    demos,
    feed,
    film,
    finder,
    gallery,
    graph,
    home,
    learn,
    notebook,
    pattern,
    structured,
    svg,
    tags,
    tournament,
)
from .book import AS_THEY_STAND, KATEX, Book

MANY = 40
"""Entries from which on further processes are worth their start."""
EVERYWHERE = (KATEX, "assets/site.css", "assets/theme.css", "assets/search.css")
"""Style sheets that every page needs."""
FIRST = "index.md"
"""The first page."""


def render(book: Book, processes: int = 1) -> dict[str, bytes]:
    """Every file of the site's sources by its path: Markdown, figures, styles, data.

    More `processes` make a first rendering quicker, not a second one: what they remember goes with them.
    """
    texts = {FIRST: home.page(book) + first(book), "patterns/index.md": gallery.page(book)}
    texts["graph.md"] = graph.page(book)
    if book.catalog.decisions:
        texts["choose.md"] = choose.page(book)
    if any(e.claims for e in book.entries.values()):
        texts["coverage.md"] = coverage.coverage(book)
    if tags.tagged(book):
        texts["tags.md"] = tags.page(book)
    if apply.entrances(book):
        texts["apply.md"] = apply.page(book)
    if demos.available(book):
        texts["demos.md"] = demos.page(book)
    texts |= demos.files(book)
    texts |= learn.pages(book)
    if len(book.entries) > 1:
        texts["compare.md"] = compare.page(book)
    if book.tournament:
        texts["tournament.md"] = tournament.page(book, book.tournament)
    texts |= exports(book)
    texts["llms.txt"] = agents.llms(book)
    texts["llms-full.txt"] = agents.llms_full(book)
    texts |= finder.files(book) | feed.files(book) | structured.files(book)
    texts |= film.files(book)
    files = styled(book) | {path: text.encode() for path, text in texts.items()} | cards.files(book)
    files |= of_entries(book, processes)
    return files | {path: by_hand(book, path, files.keys() | book.pages.keys()) for path in book.pages}


def of_entries(book: Book, processes: int) -> dict[str, bytes]:
    """The files of all entries; those of many are made in several processes where these begin with what is known."""
    ids = list(book.entries)
    if processes < 2 or len(ids) < MANY or not sys.platform.startswith("linux"):
        parts = [of_entry(book, id) for id in ids]
    else:
        with multiprocessing.get_context("fork").Pool(processes, _begin, [book]) as pool:
            parts = pool.map(_of_entry, ids, chunksize=4)
    return {path: data for part in parts for path, data in part.items()}


_shared: Book
"""The book, in a process that makes pages of it."""


def _begin(book: Book) -> None:
    global _shared
    _shared = book


def _of_entry(id: str) -> dict[str, bytes]:
    return of_entry(_shared, id)


def of_entry(book: Book, id: str) -> dict[str, bytes]:
    """The page of an entry, its reference as a file and as a notebook, and the files of its figures."""
    entry = book.entries[id]
    texts = {f"patterns/{id}.md": learn.mark(book, entry, pattern.page(book, entry))}
    if entry.implementation and id in book.sources:
        texts[f"reference/{id}.py"] = book.sources[id]
        texts[f"notebooks/{id}.ipynb"] = notebook.notebook(entry, book.sources[id], book.citation.version)
    for figure in dict.fromkeys(f.file for f, _ in book.pictures(id) if f.file.endswith(".svg")):
        try:
            texts[f"figures/{id}/{figure}"] = svg.figure_file(book.figures[id][figure])
        except svg.UnsafeFigure as error:
            raise svg.UnsafeFigure(f"{entry.family}/{id}/{figure}: {error}") from None
    return {path: text.encode() for path, text in texts.items()}


def by_hand(book: Book, path: str, there: Collection[str]) -> bytes:
    """A page that was written by hand; `there` are the paths of all files of the site's sources."""
    text = book.pages[path] if path in AS_THEY_STAND else home.hand_written(book, book.pages[path], there)
    return f"{text}{first(book) if path == FIRST else ''}".encode()


def first(book: Book) -> str:
    """What the first page says of the whole site to those who read no sentences."""
    return f"\n{structured.of_site(book)}\n" if book.url else ""


def exports(book: Book) -> dict[str, str]:
    """The catalog in every format of `genai-patterns export`, and the schema of catalog.json."""
    part = replace(select(book.catalog), given=book.evidence)
    texts = {"api/catalog.schema.json": schema_text(book.catalog.vocabulary.entry)}
    for format in FORMATS.values():
        made = format.make(part)
        files = {format.file: made} if isinstance(made, str) else {f"{format.file}/{n}": t for n, t in made.items()}
        texts |= {f"api/{name}": text for name, text in files.items()}
    return texts


def twins(book: Book) -> dict[str, bytes]:
    """What is put beside the finished pages, because a builder would turn it into pages: each page as Markdown."""
    return {path: text.encode() for path, text in agents.twins(book).items()}


def styled(book: Book) -> dict[str, bytes]:
    """The assets, with the sheets of every page as one: each by itself would put off the first sight of it."""
    sheets = {path: data.decode() for path in EVERYWHERE if (data := book.assets.get(path))}
    if KATEX in sheets:
        sheets[KATEX] = sheets[KATEX].replace("url(fonts/", "url(katex/fonts/")
    joined = "\n".join([family_colors(book), *sheets.values()])
    return {p: data for p, data in book.assets.items() if p not in sheets} | {"assets/site.css": joined.encode()}


def family_colors(book: Book) -> str:
    """The hue of each family as a style sheet."""
    return "".join(f".f-{f},.md-content:has(> * > .head.f-{f}){{--hue:{hue}}}\n" for f, hue in book.hues.items())


def write(files: dict[str, bytes], folder: Path) -> list[str]:
    """Make the folder hold these files and nothing else, touching only what differs; returns the paths that changed."""
    changed = put(files, folder)
    for stale in sorted(p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in files):
        stale.unlink()
        changed.append(stale.relative_to(folder).as_posix())
    return changed


def put(files: dict[str, bytes], folder: Path) -> list[str]:
    """Put files into a folder, touching only what differs; returns the paths that changed."""
    changed = []
    for path, data in sorted(files.items()):
        target = folder / path
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            changed.append(path)
    return changed
