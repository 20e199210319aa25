"""What the search in the pages looks through: names, symptoms, terms at once, the text of sections after them.

Both are scripts that hand over data, so that they load from a folder as well as from a server. The search itself is
site/assets/search.js; how names are compared is `catalog.names`, which it does likewise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from markdown.extensions.toc import slugify, unique

from .. import prose, strict_yaml
from ..schema import Entry
from ..search import SYNONYMS
from ..words import COMMON
from . import agents, apply, demos, gallery, tags
from .book import AS_THEY_STAND, Book
from .pattern import words

KINDS = ("symptom", "term", "tag", "filter", "glossary", "choose", "apply", "demo", "exercise", "page", "text")
"""What may be found besides names, the first ones first."""
ANCHORS = {
    "problem": "problem", "context": "problem", "forces": "problem", "solution": "solution", "structure": "structure",
    "benefits": "consequences", "liabilities": "consequences", "known_uses": "known-uses",
    "misconceptions": "misconceptions",
}  # fmt: skip
"""Where on an entry's page a passage stands; those that are not here stand at its top."""


class Doc(NamedTuple):
    """Something that can be found."""

    kind: str
    title: str
    text: str
    to: str
    """Its address from the root of the site."""
    of: str = ""
    """The entry that it is said of."""


def files(book: Book) -> dict[str, str]:
    """The two scripts by path."""
    numbers = {id: n for n, id in enumerate(book.entries)}

    def rows(docs: Iterator[Doc]) -> list[list[str | int]]:
        return [[KINDS.index(d.kind), d.title, d.text, d.to, numbers.get(d.of, -1)] for d in dict.fromkeys(docs)]

    names = {
        "things": book.things,
        "entries": [[e.id, e.name, e.family, prose.plain(e.summary or ""), *e.aliases] for e in book.entries.values()],
        "docs": rows(short(book)),
        "synonyms": synonyms(book),
        "common": " ".join(sorted(COMMON)),
    }
    return {"search/names.js": script("names", names), "search/text.js": script("text", rows(long(book)))}


def script(name: str, data: object) -> str:
    """Data as a script that needs nothing but the browser."""
    said = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"(window.seeks = window.seeks || {{}}).{name} = {said};\n"


def synonyms(book: Book) -> list[list[list[str]]]:
    """Pairs of expressions: those said, and those meant."""
    path = book.catalog.folder / SYNONYMS if book.catalog.folder else None
    if path is None or not path.is_file():
        return []
    return [[group["said"], group["meant"]] for group in strict_yaml.read(path).value["synonyms"]]


# -- what answers at once


def short(book: Book) -> Iterator[Doc]:
    """Symptoms, terms, values of facets, decisions and pages; names are with the entries."""
    for e in book.entries.values():
        for f in e.failure_modes:
            yield Doc("symptom", words(f.id).capitalize(), prose.plain(f.symptom), f"{at(e)}#failure-{f.id}", e.id)
    terms = book.lessons.terms if book.lessons else []
    for t in terms:
        for id in t.patterns:
            where = "#objective" if book.entries[id].objective else ""
            yield Doc("term", t.name, ", ".join(t.said), f"{at(book.entries[id])}{where}", id)
    yield from values(book)
    for t in terms:
        said = f" ({', '.join(t.said)})" if t.said else ""
        yield Doc("glossary", f"{t.name}{said}", prose.plain(t.meaning), f"glossary.html#term-{t.id}")
    for d in book.catalog.decisions:
        yield Doc("choose", d.problem, prose.plain(" ".join(d.forces)), f"choose.html#{d.id}")
    yield from pages(book)


def values(book: Book) -> Iterator[Doc]:
    """Tags, and the values by which the gallery is filtered."""
    for tag, ids in tags.tagged(book).items():
        yield Doc("tag", words(tag), count(book, len(ids)), f"tags.html#tag-{tag}")
    for facet in gallery.chosen_from(book):
        for value, n in book.catalog.facets.values(facet).items():
            if n:
                about = f"{gallery.title_of(facet).lower()}, {count(book, n)}"
                yield Doc("filter", gallery.said(book, facet, value), about, gallery.address(facet, value))


def count(book: Book, n: int) -> str:
    """So many entries."""
    return f"{n} {book.thing if n == 1 else book.things}"


def pages(book: Book) -> Iterator[Doc]:
    """Every page that is no entry's, and what stands on the pages of wishes, demos and exercises."""
    for path, text in book.pages.items():
        about, body = agents.split(text)
        heading = re.search(r"^# (.+)$", body, re.M)
        title = about.get("title") or (heading[1] if heading else path.removesuffix(".md"))
        for name, options in re.findall(r"^::: (\S+)\n((?: {4}.*\n)*)", body, re.M):  # objects of the library
            for member in ["", *(f".{m}" for m in re.findall(r"^ +- (\w+)$", options, re.M))]:
                yield Doc("page", name.rpartition(".")[2] + member, title, f"{html(path)}#{name}{member}")
        yield Doc("page", "Home" if path == "index.md" else title, about.get("description") or "", html(path))
    for path, (title, said, _) in agents.whole(book).items():
        yield Doc("page", title, said[:1].upper() + said[1:], html(path))
    for of in apply.entrances(book).values():
        for wish, e in of.items():
            yield Doc("apply", wish, f"by {e.name}", f"apply.html#{e.id}")
    for d in demos.available(book):
        yield Doc("demo", d.title, prose.plain(d.what), f"demos.html#demo-{d.id}")
    for x in book.lessons.exercises if book.lessons else []:
        yield Doc("exercise", x.title, prose.plain(x.question), f"exercises.html#exercise-{x.id}")


# -- the text of sections


def long(book: Book) -> Iterator[Doc]:
    """The passages of every entry, and the sections of the pages written by hand."""
    for e in book.entries.values():
        yield from passages(book, e)
    for path in sorted(book.pages.keys() - {"index.md", *AS_THEY_STAND}):
        yield from sections(book, path, book.pages[path])


def passages(book: Book, e: Entry) -> Iterator[Doc]:
    """What an entry says, with the part of its page where it stands."""
    for section, said in prose.passages(e):
        if section in ("facts", "summary", "failure_modes", "claims", "relations"):
            continue  # found by its name, or below with an address of its own
        where = f"#{ANCHORS[section]}" if section in ANCHORS else ""
        yield Doc("text", words(section).capitalize(), said, at(e) + where, e.id)
    for f in e.failure_modes:
        said = prose.plain(f"{f.detect} {f.remedy}")
        yield Doc("text", words(f.id).capitalize(), said, f"{at(e)}#failure-{f.id}", e.id)
    for s in e.symbols:
        yield Doc("text", "Objective", prose.plain(f"${s.symbol}$: {s.meaning}"), f"{at(e)}#objective", e.id)
    for c in e.claims:
        yield Doc("text", f"Claim: {words(c.id)}", prose.plain(c.statement), f"{at(e)}#claim-{c.id}", e.id)
    for r in e.relations:
        title = f"{words(r.type).capitalize()} {book.entries[r.target].name}"
        yield Doc("text", title, prose.plain(r.why), f"{at(e)}#related-{book.things}", e.id)


def sections(book: Book, path: str, text: str) -> Iterator[Doc]:
    """The sections of a page written by hand, with the ids that builders give to headings."""
    _, body = agents.split(text)
    title, taken = next(d.title for d in pages(book) if d.to == html(path)), set[str]()
    parts = re.split(r"^(#{1,3}) (.+)$", re.sub(r"^(```|~~~).*?^\1$", "", body, flags=re.M | re.S), flags=re.M)
    for level, heading, said in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        name = prose.plain(heading)
        anchor = f"#{unique(slugify(name, '-'), taken)}"
        lines = (line for line in agents.bare(said).splitlines() if "{{" not in line and not line.startswith(":::"))
        shown = prose.plain(re.sub(r"^[|\s:-]+$|\|", " ", "\n".join(lines), flags=re.M))
        if shown:
            yield Doc("text", f"{title}: {name}" if level != "#" else title, shown, html(path) + anchor)


def at(e: Entry) -> str:
    """The address of an entry's page."""
    return f"patterns/{e.id}.html"


def html(path: str) -> str:
    """The address of a page."""
    return path.removesuffix("md") + "html"
