"""The site for agents: every page as Markdown beside it, an index of these, and all entries in one file.

Made of the same book as the pages that people read, so the two say the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..schema import Entry
from . import apply, demos, home, lessons, tags, tournament
from . import coverage as covering
from .book import AS_THEY_STAND, ROOT, Book
from .markdown import claim, compact, items, link, literal, page, sentence, table, words
from .pattern import tally

SKILL = "skill.md"
"""Where the site has the text of the skill; it is no page's twin."""


def twins(book: Book) -> dict[str, str]:
    """Every page as Markdown, by the path of the page with `.md` for `.html`; and the skill."""
    texts = {path: hand_written(book, path, text) for path, text in book.pages.items()}
    texts.setdefault("index.md", gallery(book, "patterns/"))
    texts |= {path: write(book) for path, (_, _, write) in whole(book).items()}
    texts |= {f"patterns/{id}.md": page(book, entry) for id, entry in book.entries.items()}
    return texts if book.own else texts | {SKILL: skill()}


def whole(book: Book) -> dict[str, tuple[str, str, Callable[[Book], str]]]:
    """The pages about the whole catalog: title, description and the function that writes the Markdown."""
    found: dict[str, tuple[str, str, Callable[[Book], str]]] = {}
    found["patterns/index.md"] = (book.things.capitalize(), "all of them by family", gallery)
    if book.catalog.decisions:
        found["choose.md"] = ("Choose", f"from a problem to the {book.things} that answer it", choose)
    if tags.tagged(book):
        found["tags.md"] = ("Tags", f"all {book.things} by tag", tags.twin)
    if apply.entrances(book):
        found["apply.md"] = ("Apply", "from what one wants to do to a pattern and its run", wishes)
    if demos.available(book):
        found["demos.md"] = ("Demos", "what one can try in the pages, and what there is to see", tries)
    found |= lessons.whole(book)
    found["graph.md"] = ("Graph", f"how the {book.things} are related", graph)
    if any(e.claims for e in book.entries.values()):
        found["coverage.md"] = ("Coverage", f"what the {book.things} have, and have not", coverage)
    if t := book.tournament:
        said = "quality on the same data after the same training time, and what a sample costs"
        found["tournament.md"] = ("Tournament", said, lambda b: tournament.twin(b, t))
    return found


def skill() -> str:
    """How to use the catalog from a coding agent."""
    return (Path(__file__).parent.parent / "skill.md").read_text(encoding="utf-8")


# -- indexes


def llms(book: Book) -> str:
    """llms.txt: what there is, and where to read it as Markdown. The form is that of llmstxt.org."""
    out = [
        f"# {literal(book.catalog.name)}",
        f"> {purpose(book)}",
        f"{len(book.entries)} {book.things}. Each page has its Markdown beside it, with `.md` for `.html` in its "
        "address. `genai-patterns mcp` serves the same entries to agents.",
        f"## Guides\n\n{items(guides(book))}",
    ]
    for family, title in book.families.items():
        entries = (e for e in book.entries.values() if e.family == family)
        lines = [f"{link(book, e.id, 'patterns/')}: {sentence(e.summary)}" for e in entries]
        out.append(f"## {literal(title)}\n\n{items(lines)}")
    data = [
        "[All entries, claims with their numbers, relations and decisions](api/catalog.json): JSON",
        "[All entries in one file](llms-full.txt): solution, uses, failure modes, claims with their numbers, relations",
    ]
    return "\n\n".join([*out, f"## Optional\n\n{items(data)}"]) + "\n"


def llms_full(book: Book) -> str:
    """llms-full.txt: the decisions and all entries, short of what an agent seldom needs."""
    head = [
        f"# {literal(book.catalog.name)}",
        f"> {purpose(book)}",
        "Names in backquotes are ids. A relation is listed where it is stated, the other side has its inverse.",
    ]
    entries = (compact(book, e) for e in book.entries.values())
    choices = f"## Problems, and the {book.things} that answer them\n\n{decisions(book, '###')}"
    parts = [*head, *([choices] if book.catalog.decisions else []), *entries]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def purpose(book: Book) -> str:
    """What the catalog is, in a sentence."""
    if book.own:
        return f"{len(book.entries)} {book.things} and the relations between them, each with its reason."
    return (
        "A catalog in which every stated claim is a test and every page shows what its last run measured. The numbers "
        "come from small tasks: they show a mechanism, and rank no large models."
    )


def guides(book: Book) -> Iterator[str]:
    """A line for every page that is no pattern's."""
    for path, text in book.pages.items():
        about, body = split(text)
        heading = re.search(r"^# (.+)$", body, re.M)
        title, said = about.get("title") or (heading[1] if heading else path), about.get("description")
        yield f"[{title}]({path}): {said}" if said else f"[{title}]({path})"
    for path, (title, said, _) in whole(book).items():
        yield f"[{title}]({path}): {said}"
    if not book.own:
        yield f"[How to use the catalog from a coding agent]({SKILL}): which tool or command for which question"


# -- pages about the whole catalog


def gallery(book: Book, folder: str = "") -> str:
    """All entries by family; the folder is that of their pages, seen from this one."""
    out = [f"# {literal(book.catalog.name) if folder else book.things.capitalize()}"]
    for family, title in book.families.items():
        entries = [e for e in book.entries.values() if e.family == family]
        lines = [f"{link(book, e.id, folder)} (`{e.id}`): {sentence(e.summary)}{held(book, e)}" for e in entries]
        out.append(f"## {literal(title)}\n\n{items(lines)}")
    return "\n\n".join(out) + "\n"


def held(book: Book, e: Entry) -> str:
    """How many claims of an entry hold, as a sentence after another."""
    return f" {tally([book.holds(e.id, c) for c in e.claims])}." if e.claims else ""


def graph(book: Book) -> str:
    """Every relation once, from the side that states it."""
    out = [
        "# Graph",
        f"{len(book.stated)} relations between {len(book.entries)} {book.things}, each where it is stated.",
    ]
    for family, title in book.families.items():
        lines = []
        for e in (e for e in book.entries.values() if e.family == family):
            stated = [f"{words(x.type)} `{x.target}`" for x in book.catalog.edges(e.id) if not x.derived]
            lines.append(f"{link(book, e.id, 'patterns/')}: {', '.join(stated) or 'none; others state some about it'}")
        out.append(f"## {literal(title)}\n\n{items(lines)}")
    return "\n\n".join(out) + "\n"


def choose(book: Book) -> str:
    """Every decision with its options, the one to try first at the top."""
    return f"# Choose\n\nThe option to try first is at the top.\n\n{decisions(book, '##', 'patterns/')}\n"


def decisions(book: Book, level: str, folder: str | None = None) -> str:
    """The decisions; their options are links into the folder, or ids where none is given."""
    out = []
    for d in book.catalog.decisions:
        options = []
        for n, o in enumerate(d.options, 1):
            named = f"`{o.pattern}`" if folder is None else link(book, o.pattern, folder)
            ground = f"shown by `{o.pattern}.{o.claim}`" if o.claim else f"source `{o.source}`"
            options.append(f"{n}. {named}: {sentence(o.why)} ({ground})")
        out.append(f"{level} {sentence(d.problem)}\n\n{items(map(sentence, d.forces))}\n\n" + "\n".join(options))
    return "\n\n".join(out)


def wishes(book: Book) -> str:
    """What one can do, each with the pattern that does it, its run and the data that it takes."""
    out = ["# Apply"]
    for title, of in apply.entrances(book).items():
        lines = []
        for wish, e in of.items():
            takes = apply.own_data(book, e)
            own = f" Your own data: `--data {apply.example(takes)}`, {takes}" if takes else ""
            lines.append(
                f"**{wish}**: {link(book, e.id, 'patterns/')}. {sentence(e.summary)} `genai-patterns run {e.id}`.{own}"
            )
        out.append(f"## {title}\n\n{items(lines)}")
    return "\n\n".join(out) + "\n"


def tries(book: Book) -> str:
    """The live demos in words; they need a browser."""
    out = ["# Demos"]
    for d in demos.available(book):
        on = ", ".join(link(book, id, "patterns/") for id in d.patterns)
        out.append(f"## {literal(d.title)}\n\n{sentence(d.what)}\n\nOn the pages of {on}; it needs a browser.")
    return "\n\n".join(out) + "\n"


def coverage(book: Book) -> str:
    """What each pattern has."""
    names = [name for name, _ in covering.COVERAGE]
    key = items(f"{name}: {what}" for name, what in covering.COVERAGE)
    rows = []
    for e in book.entries.values():
        cells = (f"{n}/{of}" if of is not None and n < of else str(n) for n, of, _ in covering.covered(book, e))
        rows.append([link(book, e.id, "patterns/"), *cells])
    return f"# Coverage\n\n{key}\n\n{table(['Pattern', *names], rows)}\n"


# -- pages written by hand

_CODE = re.compile(r"(^```.*?^```\s*$|`[^`\n]+`)", re.M | re.S)
_TAGS = "a|b|div|em|figure|h[1-6]|li|ol|p|section|span|strong|ul"


def split(text: str) -> tuple[dict[str, Any], str]:
    """The fields above a page, and the page."""
    front = re.match(r"---\n(.*?)\n---\n", text, re.S)
    return (yaml.safe_load(front[1]), text[front.end() :]) if front else ({}, text)


def hand_written(book: Book, path: str, text: str) -> str:
    """A page that was written by hand, without what only a browser needs."""
    about, body = split(text)
    if path not in AS_THEY_STAND:
        body = home.filled(body, home.numbers(book) | shown(book))
    body = re.sub(r"^::: (\S+)\n((?:(?: {4}.*)?\n)*)", lambda m: documented(m[1], m[2]) + "\n", body, flags=re.M)
    parts = _CODE.split(body)
    parts[::2] = map(bare, parts[::2])
    body = re.sub(r"\n{3,}", "\n\n", "".join(parts)).strip()
    title = "" if re.search(r"^# ", body, re.M) else f"# {about.get('title', path)}\n\n"
    return f"{title}{body}\n"


def shown(book: Book) -> dict[str, str]:
    """What a page is given as Markdown where people see it drawn."""
    picked = home.example(book)
    values = {
        "film": "",
        "ways": items(f"[{name}]({to}): {said}" for to, name, said in home.links(book, {*whole(book), *book.pages})),
        "claim": "No claim has been measured yet.",
        "claim_name": "the gallery",
        "claim_id": "index",
    }
    if picked:
        e, c = picked
        values |= {"claim": claim(book, e, c), "claim_name": literal(e.name), "claim_id": e.id}
    return values


def bare(text: str) -> str:
    """Markdown whose HTML is written as Markdown, or left out, with the attributes of its elements."""
    text = re.sub(r'<a\s[^>]*href="([^"]*)"[^>]*>(.*?)</a>', r"[\2](\1)", text, flags=re.S)
    text = re.sub(r"\]\((?!https?:)([^)#\s]+)\.html(?:#[^)]*)?\)", r"](\1.md)", text)
    text = re.sub(r"</?(?:b|strong)>", "**", text)
    text = re.sub(r"<link\b[^>]*>|<script\b[^>]*></script>", "", text)
    text = re.sub(r"<li\b[^>]*>", "- ", text)
    text = re.sub(rf"</?(?:{_TAGS})(?:\s[^>]*)?>", "", text)
    return re.sub(r"[ \t]*\{:?\s*[.#][^}\n]*\}[ \t]*$", "", text, flags=re.M)


def documented(path: str, options: str) -> str:
    """An object of the library with the members that a page of the site shows: signatures and docstrings."""
    said = (yaml.safe_load(options) or {}).get("options", {})
    package, _, rest = path.partition(".")
    found = _package(package)[rest] if rest else _package(package)
    parts = [found, *(found.all_members[name] for name in said.get("members", []))]
    return "\n\n".join(f"### `{signature(part)}`\n\n{docstring(part)}".strip() for part in parts)


@cache
def _package(name: str) -> Any:
    """A package of the library as its sources state it; it is read once."""
    import griffe

    return griffe.load(name, search_paths=[str(ROOT)], try_relative_path=False)


def signature(of: Any) -> str:
    """How an object is called or read."""
    of = of.final_target if of.is_alias else of
    return of.canonical_path.removesuffix(of.name) + (of.signature() if of.is_function else of.name)


def docstring(of: Any) -> str:
    """A docstring with its examples as code."""
    text = of.docstring.value if of.docstring else ""
    return re.sub(r"^>>> .*?(?=\n\n|\Z)", lambda m: f"```python\n{m[0]}\n```", text, flags=re.M | re.S)
