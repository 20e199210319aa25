"""The pages to learn from and to compare by, as Markdown for agents."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..compare import compare as side_by_side
from ..learn import Exercise, Way
from .book import Book
from .markdown import claim, items, link, literal, prose, sentence, table, words

Page = tuple[str, str, Callable[[Book], str]]
"""Title, description, and what writes the Markdown."""


def whole(book: Book) -> dict[str, Page]:
    """The pages that there are, by path."""
    found: dict[str, Page] = {}
    if len(book.entries) > 1:
        found["compare.md"] = ("Compare", f"facets of all {book.things}", compare)
    if any(e.misconceptions for e in book.entries.values()):
        found["misconceptions.md"] = ("Misconceptions", "what is often said, and what is true", misconceptions)
    if sum(e.year is not None for e in book.entries.values()) > 1:
        found["timeline.md"] = ("Timeline", f"all {book.things} by year", timeline)
    if lessons := book.lessons:
        if lessons.exercises:
            found["exercises.md"] = ("Exercises", "questions with worked answers, each computed by a test", exercises)
        if lessons.terms:
            found["glossary.md"] = ("Glossary", "terms in a sentence or two", glossary)
        for way in lessons.paths:
            found[f"learn/{way.id}.md"] = (literal(way.title), sentence(way.about), partial(steps, way=way))
        found["learn.md"] = ("Learn", f"ways through the {book.things}", ways)
    return found


def compare(book: Book) -> str:
    """Every facet of every entry."""
    facets = side_by_side(book.catalog, book.entries).facets
    rows = ([link(book, id, "patterns/"), *(literal(of[id]) for of in facets.values())] for id in book.entries)
    how = "Two of them in depth: `genai-patterns compare A B`."
    return f"# Compare\n\n{how}\n\n{table([book.thing, *facets], rows)}\n"


def ways(book: Book) -> str:
    """The ways with their steps."""
    out = ["# Learn"]
    for way in book.lessons.paths if book.lessons else []:
        order = " -> ".join(link(book, s.pattern, "patterns/") for s in way.steps)
        out.append(f"## [{literal(way.title)}](learn/{way.id}.md)\n\n{sentence(way.about)}\n\n{order}")
    return "\n\n".join(out) + "\n"


def steps(book: Book, way: Way) -> str:
    """One way: what is new at each step, the relation, the claim, the exercise."""
    out = [f"# {literal(way.title)}", prose(way.about)]
    for n, s in enumerate(way.steps, 1):
        e = book.entries[s.pattern]
        parts = [f"## {n}. {link(book, e.id, '../patterns/')}", prose(s.new)]
        if s.after is not None:
            x = next(x for x in book.catalog.edges(e.id) if x.type == s.by and x.target == s.after)
            to = link(book, s.after, "../patterns/")
            parts.append(f"{words(x.type)} {to}: {sentence(x.relation.why)}")
        parts.append(claim(book, e, e.claim(s.claim)))
        if s.exercise and book.lessons:
            parts.append(exercise(book.lessons.exercise(s.exercise), "###"))
        out.append("\n\n".join(parts))
    return "\n\n".join(out) + "\n"


def exercises(book: Book) -> str:
    """All exercises."""
    of = book.lessons.exercises if book.lessons else []
    return "\n\n".join(["# Exercises", *(exercise(x, "##") for x in of)]) + "\n"


def exercise(x: Exercise, level: str) -> str:
    """Question, hint, answer and the code that computes it."""
    code = f"```python\n{x.check.rstrip()}\n```"
    parts = [f"{level} {literal(x.title)}", prose(x.question), f"Hint: {sentence(x.hint)}"]
    return "\n\n".join([*parts, f"Answer: {sentence(x.answer)}", code])


def glossary(book: Book) -> str:
    """The terms in alphabetical order."""
    terms = sorted(book.lessons.terms if book.lessons else [], key=lambda t: t.name.lower())
    lines = (f"**{literal(t.name)}**: {sentence(t.meaning)}" for t in terms)
    return f"# Glossary\n\n{items(lines)}\n"


def misconceptions(book: Book) -> str:
    """What is often said of each entry, and what is true."""
    out = ["# Misconceptions"]
    for e in (e for e in book.entries.values() if e.misconceptions):
        lines = (f'"{sentence(m.claim)}" {sentence(m.correction)}' for m in e.misconceptions)
        out.append(f"## {link(book, e.id, 'patterns/')}\n\n{items(lines)}")
    return "\n\n".join(out) + "\n"


def timeline(book: Book) -> str:
    """The entries by year."""
    dated = sorted((e for e in book.entries.values() if e.year), key=lambda e: (e.year or 0, e.name))
    return f"# Timeline\n\n{items(f'{e.year}: ' + link(book, e.id, 'patterns/') for e in dated)}\n"
