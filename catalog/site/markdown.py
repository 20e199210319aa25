"""An entry as Markdown: for agents and terminals, beside its page on the site.

What an entry says stays text here too, whatever reads the result: HTML in it is escaped, its headings stay below ours,
and images and addresses that could run something are no links. Needs nothing but the core of the library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from ..evidence import describe_bars
from ..schema import Claim, Entry, Source
from .book import Book

# -- text

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.M | re.S)
_SPAN = re.compile(
    r"(?P<code>(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<math>\$\$.+?\$\$|\$(?!\s)(?:\\.|[^$\\\n])+?(?<!\s)\$(?!\d))"
    r"|(?P<escaped>\\[^\w\s])",
    re.S,
)
_RUNS = re.compile(r"\]\((?=\s*<?\s*(?!https?:|mailto:)[A-Za-z][\w+.-]*:)")
"""A link to an address whose scheme is none of those that pages lead to."""


def prose(text: str) -> str:
    """Markdown of an entry as a part of another page."""
    out, at = [], 0
    for fence in _FENCE.finditer(text):
        out += [_lines(text[at : fence.start()]), fence[0]]
        if not re.search(rf"\n {{0,3}}{fence[1]}[`~]*\s*$", fence[0]):  # never closed: what follows is ours
            out.append(f"\n{fence[1]}\n")
        at = fence.end()
    return "".join([*out, _lines(text[at:])]).strip()


def sentence(text: str) -> str:
    """The same in one line, as an item of a list has it."""
    return _lines(re.sub(r"^(?=~~~|```[^`]*$)", r"\\", " ".join(text.split())))


def literal(text: str) -> str:
    """Words that are no Markdown, such as a name or a title, written so that Markdown shows them."""
    return re.sub(r"([\\`*\[\]<]|(?<![^\W_])_|_(?![^\W_])|^~|&(?=#?\w+;))", r"\\\1", " ".join(text.split()))


def _lines(text: str) -> str:
    """Markdown without fenced code."""
    text = re.sub(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$", r"**\1**", text, flags=re.M)
    text = re.sub(r"^( {0,3})(=+\s*$|-+\s*$|\[[^\]]+\]:)", r"\1\\\2", text, flags=re.M)  # headings and addresses below
    out, at = [], 0
    for span in _SPAN.finditer(text):
        inside = formula(span[0]) if span["math"] else span[0]
        out += [_inert(text[at : span.start()]), inside]
        at = span.end()
    return "".join([*out, _inert(text[at:])])


def formula(tex: str) -> str:
    """LaTeX in which nothing is an element, whether or not its reader knows formulas."""
    return re.sub(r"<(?=[A-Za-z/!?])", "< ", tex)


def code(text: str) -> str:
    """Words as code, whatever they are."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _inert(text: str) -> str:
    """Markdown without code and mathematics; nothing in it is an element, an image or an address that runs."""
    return _RUNS.sub(r"]\\(", re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text.replace("![", r"!\[")))


def items(texts: Iterable[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {t}" for t in texts)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in lines)


def words(name: str) -> str:
    """A name in snake_case as people read it."""
    return name.replace("_", " ")


def number(x: float) -> str:
    """A number in ASCII, with four digits."""
    return f"{x:.4g}"


# -- an entry


class Section(NamedTuple):
    """A part of an entry's page."""

    field: str
    """The field of the entry that it shows."""
    title: str
    body: str


def page(book: Book, e: Entry, fields: Iterable[str] | None = None) -> str:
    """An entry as a page of Markdown; only these fields, if some are named."""
    wanted = None if fields is None else set(fields)
    parts = [s for s in sections(book, e) if wanted is None or s.field in wanted]
    return head(book, e) + "".join(f"\n## {s.title}\n\n{s.body}\n" for s in parts)


def head(book: Book, e: Entry) -> str:
    """Name, facts, summary, other names and intent."""
    facts = [f"`{e.id}`", literal(book.catalog.titles.get(e.family, e.family))]
    facts += [words(e.kind)] if e.kind else []
    facts += [f"introduced {e.year}"] if e.year else []
    facts += [e.status] if e.status else []
    facts += [f"difficulty {e.difficulty} of 5"] if e.difficulty else []
    also = [f"Also called {', '.join(map(literal, e.aliases))}."] if e.aliases else []
    paragraphs = [f"# {literal(e.name)}", " · ".join(facts), sentence(e.summary), *also, prose(e.intent or "")]
    return "\n\n".join(p for p in paragraphs if p) + "\n"


def sections(book: Book, e: Entry) -> list[Section]:
    """What the entry says, in the order of its page; what it does not have is left out."""
    say: Callable[[list[str] | None], str] = lambda texts: items(map(sentence, texts or []))
    found = [
        Section("facets", "Facets", facets(e)),
        Section("problem", "Problem", "\n\n".join(prose(t) for t in (e.problem, e.context) if t)),
        Section("forces", "Forces", say(e.forces)),
        Section("solution", "Solution", prose(e.solution or "")),
        Section("objective", "Objective", objective(e)),
        Section("structure", "Structure", structure(e)),
        Section("claims", "Claims", "\n".join(claim(book, e, c, cite=True) for c in e.claims or [])),
        Section("claims", "Tournament", standings(book, e)),
        Section("claims", "Pictures", pictures(book, e)),
        Section("consequences", "Benefits", say(e.consequences and e.consequences.benefits)),
        Section("consequences", "Liabilities", say(e.consequences and e.consequences.liabilities)),
        Section("use_when", "Use when", say(e.use_when)),
        Section("avoid_when", "Avoid when", say(e.avoid_when)),
        Section("decisions", "Choose it for", decisions(book, e)),
        Section("failure_modes", "Failure modes", failures(book, e)),
        Section("misconceptions", "Misconceptions", misconceptions(e)),
        Section("relations", f"Related {book.things}", relations(book, e)),
        Section("implementation", "Reference", implementation(e)),
        Section("interface", "What can be called", interface(e)),
        Section("implementation", "Code of the reference", listing(book.sources.get(e.id, ""))),
        Section("known_uses", "Known uses", say(e.known_uses)),
        Section("sources", "Sources", items(map(cited, e.sources or []))),
    ]
    return [s for s in found if s.body]


def standings(book: Book, e: Entry) -> str:
    """What became of it on the same data, after the same training time as others."""
    found = book.tournament.of(e.id) if book.tournament else []
    return items(f"{literal(arena.title)}: {sentence(arena.said(e.id))}" for _, arena in found)


def facets(e: Entry) -> str:
    """The facets, one a line."""

    def shown(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return ", ".join(map(words, value)) if isinstance(value, list) else sentence(words(value))

    if not e.facets:
        return ""
    values = {k: v for k, v in e.facets if k != "cost" and v not in (None, [])}
    lines = [f"{'network calls per sample' if k == 'nfe' else words(k)}: {shown(v)}" for k, v in values.items()]
    cost = getattr(e.facets, "cost", None)
    lines += (
        [f"cost of a training step: {sentence(cost.train)}", f"cost of a sample: {sentence(cost.sample)}"]
        if cost
        else []
    )
    return items(lines)


def objective(e: Entry) -> str:
    """The formula and its symbols."""
    whole = f"$$\n{formula(' '.join(e.objective.split()))}\n$$" if e.objective else ""
    symbols = items(f"${formula(s.symbol)}$: {sentence(s.meaning)} ({code(s.code)})" for s in e.symbols or [])
    return "\n\n".join(part for part in (whole, symbols) if part)


def structure(e: Entry) -> str:
    """The components and what flows between them."""
    flow: Callable[[list[str]], str] = lambda names: ", ".join(map(literal, names)) or "nothing"
    return items(
        f"{literal(c.name)}: {sentence(c.role)}; takes {flow(c.takes)}; gives {flow(c.gives)}"
        for c in e.structure or []
    )


def claim(book: Book, e: Entry, c: Claim, cite: bool = False) -> str:
    """A claim and its numbers, as a list; with where it comes from, if the sources stand on the same page."""
    missed, record = book.holds(e.id, c), book.evidence.get(e.id, {}).get(c.id)
    state = "not measured yet" if missed is None else "does not hold" if missed else "holds"
    when = f", measured {record.date}" if record else ""
    after = f"; after `{c.source.key}`, {sentence(c.source.where)}" if cite else ""
    rows = [f"- {sentence(c.statement)} (`{e.id}.{c.id}`, {c.kind}; {state}{when}{after})"]
    for name, m in c.measures.items():
        got = record.measures.get(name) if record else None
        unit = "" if m.unit == "1" else f" {literal(m.unit)}"
        value = f"{number(got.value)}{unit}" if got else "not measured"
        beside = (
            f"; {sentence(m.baseline or 'baseline')}: {number(got.baseline)}"
            if got and got.baseline is not None
            else ""
        )
        rows.append(f"    - {sentence(m.what)}: {value}{beside}; bar {describe_bars(m)}")
    return "\n".join(rows)


def pictures(book: Book, e: Entry) -> str:
    """What the runs of the claims drew, in words."""
    drawn = ((c, f) for c in e.claims or [] for f in getattr(book.evidence.get(e.id, {}).get(c.id), "figures", []))
    return items(f"{sentence(f.caption)} {sentence(f.alt)} (drawn by `{e.id}.{c.id}`)" for c, f in drawn)


def decisions(book: Book, e: Entry) -> str:
    """The decisions that the pattern is an answer to."""
    mine = ((d, o) for d in book.decisions(e.id) for o in d.options if o.pattern == e.id)
    return items(f"{sentence(d.problem)}: {sentence(o.why)}" for d, o in mine)


def failures(book: Book, e: Entry) -> str:
    """How it goes wrong, how to see it, what helps."""
    lines = []
    for f in e.failure_modes or []:
        cures = [x.target for x in book.catalog.edges(e.id) if x.type == "remedied_by" and x.relation.fixes == f.id]
        cures += [f.pattern] if f.pattern and f.pattern not in cures else []
        links = f" See {', '.join(link(book, id) for id in cures)}." if cures else ""
        said = f"{sentence(f.symptom)} Detect: {sentence(f.detect)} Remedy: {sentence(f.remedy)}{links}"
        lines.append(f"{words(f.id)}: {said}")
    return items(lines)


def misconceptions(e: Entry) -> str:
    """What is often said, and what is true."""
    return items(f"“{sentence(m.claim)}” {sentence(m.correction)} (`{m.source}`)" for m in e.misconceptions or [])


def relations(book: Book, e: Entry) -> str:
    """Each relation with its reason, from both sides."""
    lines = []
    for x in book.catalog.edges(e.id):
        when = f" (when: {sentence(x.relation.when)})" if x.relation.when else ""
        proof = f" Proven by `{x.proven}`." if x.proven else ""
        lines.append(f"{words(x.type)} {link(book, x.target)}{when}: {sentence(x.relation.why)}{proof}")
    return items(lines)


def implementation(e: Entry) -> str:
    """The reference, its distance from the source, and how to run it."""
    if not (i := e.implementation):
        return ""
    lines = [f"`{i.reference}`, {i.fidelity}", f"train and sample: `genai-patterns run {e.id}`"]
    lines += [f"measure its claims: `genai-patterns verify {e.id}`", f"read it: `genai-patterns source {e.id}`"]
    lines += [f"differs from its source: {sentence(t)}" for t in i.deviations]
    lines += [f"agrees with `{a.library}`: {sentence(a.what)}" for a in i.conformance]
    return items(lines)


def listing(code: str) -> str:
    """Python code as a block, fenced so that nothing in it ends the block."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{fence}python\n{code.rstrip()}\n{fence}" if code else ""


def interface(e: Entry) -> str:
    """The methods of the reference by what they take and give, and its places for other patterns."""

    def call(verb: str, takes: Sequence[str], gives: Sequence[str]) -> str:
        return f"`{verb}({', '.join(takes)}) -> {', '.join(gives) or 'nothing'}`"

    lines = [call(v.verb, [*v.takes, *(f"{kind}?" for kind in v.accepts)], v.gives) for v in e.interface or []]
    for slot in e.slots or []:
        needs = (call(n.verb or "", n.takes, n.gives) for n in slot.needs)
        lines.append(f"place for another pattern, {literal(slot.name)}: anything with {', '.join(needs)}")
    return items(lines)


def cited(s: Source) -> str:
    """A source as a line of a bibliography."""
    where = [f"https://arxiv.org/abs/{s.arxiv}"] if s.arxiv else []
    where += [f"https://doi.org/{s.doi}"] if s.doi else []
    where += [s.url] if s.url else []
    said = f"{literal(s.authors.rstrip('.'))}. {literal(s.title)}. {literal(s.venue)}, {s.year}"
    return f"`{s.key}` {said}. {', '.join(f'<{address(a)}>' for a in where)} ({s.role})"


def address(url: str) -> str:
    """An address that ends nothing it stands in: what is no part of addresses is in percent."""
    return quote(url, safe="%/:?#@!$&'*+,;=~")


def compact(book: Book, e: Entry) -> str:
    """An entry in a page of many: what it is, when to use it, how it fails, its claims with their numbers, what it
    states of others."""
    say: Callable[[list[str] | None], str] = lambda texts: items(map(sentence, texts or []))
    stated = [f"{x.type} `{x.target}`: {sentence(x.relation.why)}" for x in book.catalog.edges(e.id) if not x.derived]
    failed = [
        f"{words(f.id)}: {sentence(f.symptom)} Remedy: {sentence(f.remedy)}"
        + (f" See `{f.pattern}`." if f.pattern else "")
        for f in e.failure_modes or []
    ]
    parts = {
        "Solution": prose(e.solution or ""),
        "Use when": say(e.use_when),
        "Avoid when": say(e.avoid_when),
        "Failure modes": items(failed),
        "Claims": "\n".join(claim(book, e, c) for c in e.claims or []),
        "Relations": items(stated),
        "Reference": f"`{e.implementation.reference}`, {e.implementation.fidelity}" if e.implementation else "",
    }
    body = "".join(f"\n**{title}**\n\n{text}\n" for title, text in parts.items() if text)
    return f"#{head(book, e)}{body}"


def link(book: Book, id: str, folder: str = "") -> str:
    """A link to the Markdown of another entry."""
    return f"[{literal(book.catalog[id].name)}]({folder}{id}.md)"
