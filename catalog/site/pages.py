"""Pages about the whole catalog: home, gallery, map; and what machines read."""

from __future__ import annotations

import json
import re

from .. import prose
from ..evidence import describe_bars
from ..graph import ORDER
from ..schema import Claim, Entry
from . import svg
from .book import Book
from .pattern import chip, claim_card, div, front_matter, links, node, state_of, tally, words
from .text import escape, inline, math, plain


def hand_written(book: Book, text: str) -> str:
    """A hand-written page with `{{name}}` replaced by what is derived from the catalog."""
    claims = [(id, c) for id, e in book.entries.items() for c in e.claims]
    values: dict[str, str] = {
        "patterns": str(len(book.entries)),
        "families": str(len(book.families)),
        "claims": str(len(claims)),
        "claims_measured": str(sum(book.holds(id, c) is not None for id, c in claims)),
        "claims_held": str(sum(book.holds(id, c) == [] for id, c in claims)),
        "relations": str(len(book.stated)),
        "relations_proven": str(sum(x.proven is not None for x in book.stated)),
        "showcase": showcase(book),
        **example(book),
        "hub": max(book.entries, key=lambda id: len(book.catalog.edges(id)), default="ID"),
    }

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ValueError(f"a hand-written page asks for {{{{{found[1]}}}}}; there are {', '.join(values)}")
        return values[found[1]]

    return re.sub(r"\{\{(\w+)\}\}", value, text)


def example(book: Book) -> dict[str, str]:
    """A claim for the home page: one that holds, against a baseline, over several seeds if there is such a one."""

    def rank(e: Entry, c: Claim) -> tuple[bool, ...]:
        got = list(book.evidence.get(e.id, {})[c.id].measures.values())
        return (c.kind == "analytic", any(m.seeds for m in got), any(m.baseline is not None for m in got), len(got) < 4)

    held = [(e, c) for e in book.entries.values() for c in e.claims if book.holds(e.id, c) == []]
    if not held:
        return {"claim": "<p>No claim has been measured yet.</p>", "claim_name": "the gallery", "claim_id": "index"}
    e, c = max(held, key=lambda pair: rank(*pair))
    return {"claim": claim_card(book, e, c, f"patterns/{e.id}.html"), "claim_name": plain(e.name), "claim_id": e.id}


def showcase(book: Book, n: int = 4) -> str:
    """Pictures from runs, one family after the other, each linked to its pattern."""
    by_family: dict[str, list[Entry]] = {f: [] for f in book.families}
    for e in book.entries.values():
        if (hero := book.hero(e.id)) and hero.file.endswith(".svg"):
            by_family[e.family].append(e)
    picked: list[Entry] = []
    while len(picked) < n and any(by_family.values()):
        picked += [group.pop(0) for group in by_family.values() if group]
    cards = "".join(card(book, e, "patterns/") for e in picked[:n])
    return f'<ul class="gallery showcase" data-search-exclude>{cards}</ul>' if picked else ""


# ---- gallery ----


def gallery(book: Book) -> str:
    """All patterns as cards, one section a family; filters work on what is there, so nothing is lost without them."""
    front = front_matter({"title": "Patterns", "description": "All patterns by family", "hide": "[navigation, toc]"})
    buttons = '<button type="button" data-family="" aria-pressed="true">All</button>' + "".join(
        f'<button type="button" class="f-{f}" data-family="{f}" aria-pressed="false">{escape(title)}</button>'
        for f, title in book.families.items()
    )
    tools = (
        '<section class="tools" aria-label="Filter the patterns" data-search-exclude hidden>'
        '<label class="find">Find <input type="search" placeholder="name, alias, tag" autocomplete="off"></label>'
        f'<div class="chips">{buttons}</div><p role="status"></p></section>'
    )
    sections = []
    for f, title in book.families.items():
        cards = [card(book, e) for e in book.entries.values() if e.family == f]
        body = f'<h2>{escape(title)}</h2><ul class="gallery">{"".join(cards)}</ul>'
        wide = f"wide-{min(len(cards), 4)}"  # columns it may take, so that small families share a row
        sections.append(f'<section class="family {wide} f-{f}" data-family="{f}" id="{f}">{body}</section>')
    return front + "# Patterns\n\n" + tools + "\n\n" + div("families", "".join(sections)) + "\n"


def card(book: Book, e: Entry, prefix: str = "") -> str:
    """A pattern with its picture; the link in its name covers the whole card."""
    hero = book.hero(e.id)
    up = "" if prefix else "../"
    if hero is None:
        picture = f'<div class="thumb formula">{math(e.objective)}</div>'
    elif hero.file.endswith(".txt"):
        excerpt = " ".join(book.figures[e.id][hero.file].split())[:220]
        picture = f'<div class="thumb words">{escape(excerpt)}</div>'
    else:
        image = f'<img src="{up}figures/{e.id}/hero.svg" alt="{escape(hero.alt)}" loading="lazy">'
        picture = div("thumb", image)
    found = " ".join([e.name, *e.aliases, *map(words, e.tags), book.families[e.family], words(e.kind)]).lower()
    held = tally([book.holds(e.id, c) for c in e.claims])
    return (
        f'<li class="card f-{e.family}" data-family="{e.family}" data-text="{escape(found)}">{picture}'
        f'<div class="body"><a href="{prefix}{e.id}.html">{escape(e.name)}</a><p>{inline(e.summary)}</p>'
        f'<p class="meta">{e.year} · {words(e.kind)} · {held}</p></div></li>'
    )


# ---- map ----


def graph(book: Book) -> str:
    """The map in two widths, its filters, and the same as a list."""
    front = front_matter({"title": "Graph", "description": "How the patterns are related", "hide": "[navigation, toc]"})
    nodes = [node(e, "patterns/") for e in book.entries.values()]
    edges = [svg.Edge(x.source, x.target, x.type) for x in book.stated]
    wide, narrow = (svg.timeline(nodes, edges, book.families, n, cls) for n, cls in ((6, "wide"), (2, "narrow")))
    names = {e.id: " ".join([e.name, *e.aliases]).lower() for e in book.entries.values()}
    data = json.dumps(names).replace("<", "\\u003c")
    how = (
        "Each band is a family, time runs to the right (down, on a phone), a curve is a relation and points at what it "
        "is said of. Point at a pattern to see its relations alone; arrow keys move between patterns, Enter opens one."
    )
    explorer = (
        f'<div class="explorer">{graph_tools(book)}<p class="told" aria-live="polite"></p>{wide}{narrow}'
        f'<script type="application/json">{data}</script></div>'
    )
    return f'{front}# Graph\n\n<p class="hint">{how}</p>\n\n{explorer}\n\n## As a list\n\n{graph_list(book)}\n'


def graph_tools(book: Book) -> str:
    """Search and filters; hidden until the script is there to make them work."""
    types = sorted({x.type for x in book.stated}, key=lambda t: ORDER[t])
    boxes = "".join(f'<label><input type="checkbox" name="type" value="{t}" checked> {words(t)}</label>' for t in types)
    families = "".join(
        f'<label class="f-{f}"><input type="checkbox" name="family" value="{f}" checked><i></i>{escape(title)}</label>'
        for f, title in book.families.items()
    )
    groups = "".join(
        f"<details><summary>{name}</summary><fieldset><legend>{name}</legend>{inside}</fieldset></details>"
        for name, inside in (("Families", families), ("Relations", boxes))
    )
    find = '<input type="search" placeholder="name or alias, then Enter" autocomplete="off">'
    return (
        '<section class="tools" aria-label="Filter the graph" data-search-exclude hidden>'
        f'<label class="find">Find {find}</label><p role="status"></p>{groups}</section>'
    )


def graph_list(book: Book) -> str:
    """Every pattern with its relations, by family: the map for those who read."""
    out = []
    for f, title in book.families.items():
        items = []
        for e in (e for e in book.entries.values() if e.family == f):
            relations = "".join(
                f'<li><span class="type">{words(x.type)}</span> '
                f'<a href="patterns/{x.target}.html">{escape(book.entries[x.target].name)}</a></li>'
                for x in book.catalog.edges(e.id)
            )
            items.append(f'<li>{chip(e, "patterns/")} <span class="when">{e.year}</span><ul>{relations}</ul></li>')
        out.append(f'<h3>{escape(title)}</h3><ul class="list">{"".join(items)}</ul>')
    return div("listed", "".join(out))


# ---- for machines ----


def catalog_json(book: Book) -> str:
    """Every pattern with its facets, claims as measured, and relations."""
    patterns = []
    for e in book.entries.values():
        claims = []
        for c in e.claims:
            record, missed = book.evidence.get(e.id, {}).get(c.id), book.holds(e.id, c)
            got = record.measures if record else {}
            measures = {
                k: {"what": m.what, "unit": m.unit, "bar": describe_bars(m),
                    "value": got[k].value if k in got else None, "baseline": got[k].baseline if k in got else None}
                for k, m in c.measures.items()
            }  # fmt: skip
            holds = None if missed is None else not missed
            claims.append({"id": c.id, "kind": c.kind, "statement": c.statement, "holds": holds, "measures": measures})
        patterns.append({
            "id": e.id, "name": e.name, "aliases": e.aliases, "family": e.family, "kind": e.kind, "year": e.year,
            "summary": e.summary, "facets": e.facets.model_dump(), "reference": e.implementation.reference,
            "claims": claims, "page": f"patterns/{e.id}.html", "text": f"patterns/{e.id}.md",
        })  # fmt: skip
    relations = [
        {
            "source": x.source,
            "type": x.type,
            "target": x.target,
            "why": x.relation.why,
            "when": x.relation.when,
            "proven": x.proven,
        }
        for x in book.stated
    ]
    return (
        json.dumps(
            {"name": book.catalog.name, "patterns": patterns, "relations": relations}, indent=1, ensure_ascii=False
        )
        + "\n"
    )


def llms(book: Book) -> str:
    """An index for language models: what there is, and the plain text of each page."""
    rows = [
        f"# {book.catalog.name}",
        "",
        "> A catalog in which every stated claim is a test and every page shows what its last run measured.",
        "",
    ]
    for f, title in book.families.items():
        rows += [f"## {title}", ""]
        rows += [
            f"- [{plain(e.name)}](patterns/{e.id}.md): {plain(prose.plain(e.summary))}"
            for e in book.entries.values()
            if e.family == f
        ]
        rows.append("")
    rows += ["## Data", "", "- [All patterns, claims and relations](api/catalog.json): JSON", ""]
    return "\n".join(rows)


def twin(book: Book, e: Entry) -> str:
    """The page of a pattern as plain Markdown."""
    facets = e.facets.model_dump(exclude={"cost", "nfe"})
    shown = {words(k): ", ".join(v) if isinstance(v, list) else words(str(v)).lower() for k, v in facets.items()}
    shown |= {"calls per sample": e.facets.nfe, "training step": e.facets.cost.train, "sample": e.facets.cost.sample}
    symbols = [f"${s.symbol}$: {s.meaning} (`{s.code}`)" for s in e.symbols]
    parts = [f"{c.name}: {c.role}; takes {', '.join(c.takes)}; gives {', '.join(c.gives)}" for c in e.structure]
    modes = [f"{words(f.id)}: {f.symptom} Detect: {f.detect} Remedy: {f.remedy}" for f in e.failure_modes]
    edges = book.catalog.edges(e.id)
    relations = [f"{words(x.type)} [{book.entries[x.target].name}]({x.target}.md): {x.relation.why}" for x in edges]
    cited = [f"{s.authors}. {s.title}. {s.venue}, {s.year}. {', '.join(a for _, a in links(s))}" for s in e.sources]
    reference = f"`{e.implementation.reference}`, {e.implementation.fidelity}; `genai-patterns run {e.id}`"
    sections: list[tuple[str, str | list[str]]] = [
        ("Facets", [f"{k}: {v}" for k, v in shown.items()]),
        ("Problem", f"{e.problem}\n\n{e.context}"),
        ("Forces", e.forces),
        ("Solution", e.solution),
        ("Objective", f"$$\n{e.objective}\n$$\n\n{_bullets(symbols)}"),
        ("Structure", parts),
        ("Claims", "\n".join(_claim(book, e, c) for c in e.claims)),
        ("Benefits", e.consequences.benefits),
        ("Liabilities", e.consequences.liabilities),
        ("Use when", e.use_when),
        ("Avoid when", e.avoid_when),
        ("Failure modes", modes),
        ("Misconceptions", [f"“{m.claim}” {m.correction}" for m in e.misconceptions]),
        ("Related patterns", relations),
        ("Reference", reference),
        ("Known uses", e.known_uses),
        ("Sources", cited),
    ]
    also = f"\n\nAlso called {', '.join(e.aliases)}." if e.aliases else ""
    out = [f"# {e.name}\n\n{e.summary}{also}\n\n{e.intent}\n"]
    for title, body in sections:
        if body:
            out.append(f"## {title}\n\n{(_bullets(body) if isinstance(body, list) else body).strip()}\n")
    return "\n".join(out)


def _bullets(texts: list[str]) -> str:
    return "\n".join("- " + " ".join(t.split()) for t in texts)


def _claim(book: Book, e: Entry, c: Claim) -> str:
    """A claim and its numbers, as a list."""
    missed, record = book.holds(e.id, c), book.evidence.get(e.id, {}).get(c.id)
    when = f" on {record.date}" if record else ""
    rows = [f"- {' '.join(c.statement.split())} ({c.kind}; {state_of(missed)[1]}{when})"]
    for name, m in c.measures.items():
        got = record.measures.get(name) if record else None
        value = svg.number(got.value) if got else "not measured"
        beside = f", {m.baseline}: {svg.number(got.baseline)}" if got and got.baseline is not None else ""
        unit = "" if m.unit == "1" else f" {m.unit}"
        rows.append(f"    - {m.what}: {value}{unit}{beside}; bar {describe_bars(m)}")
    return "\n".join(rows)
