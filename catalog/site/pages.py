"""Pages about the whole catalogue: home, gallery, map; and what machines read."""

from __future__ import annotations

import json
import re

from ..evidence import describe_bars
from ..schema import Claim, Entry
from . import svg
from .book import Book
from .pattern import claim_card, div, front_matter, links, node, words
from .text import escape, inline, math, plain


def hand_written(book: Book, text: str) -> str:
    """A hand-written page with `{{name}}` replaced by what is derived from the catalogue."""
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
        "first": next(iter(book.entries), "ID"),
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


def showcase(book: Book, n: int = 6) -> str:
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
        '<div class="tools" role="group" aria-label="Filter the patterns" data-search-exclude hidden>'
        '<label class="find">Find <input type="search" placeholder="name, alias, tag" autocomplete="off"></label>'
        f'<div class="chips">{buttons}</div><p role="status"></p></div>'
    )
    sections = []
    for f, title in book.families.items():
        members = [e for e in book.entries.values() if e.family == f]
        cards = "".join(card(book, e) for e in members)
        sections.append(
            f'<section class="family f-{f}" data-family="{f}" id="{f}"><h2>{escape(title)}</h2><ul class="gallery">{cards}</ul></section>'
        )
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
        picture = (
            f'<div class="thumb"><img src="{up}figures/{e.id}/hero.svg" alt="{escape(hero.alt)}" loading="lazy"></div>'
        )
    found = " ".join([e.name, *e.aliases, *map(words, e.tags), book.families[e.family], words(e.kind)]).lower()
    held = sum(book.holds(e.id, c) == [] for c in e.claims)
    return (
        f'<li class="card f-{e.family}" data-family="{e.family}" data-text="{escape(found)}">{picture}<div class="body">'
        f'<a href="{prefix}{e.id}.html">{escape(e.name)}</a><p>{inline(e.summary)}</p>'
        f'<p class="meta">{e.year} · {words(e.kind)} · {f"{held} of {len(e.claims)} claims hold" if held else "not measured yet"}</p></div></li>'
    )


# ---- map ----


def graph(book: Book) -> str:
    """The map in two widths, its filters, and the same as a list."""
    front = front_matter({"title": "Graph", "description": "How the patterns are related", "hide": "[navigation, toc]"})
    nodes = [node(e, "patterns/") for e in book.entries.values()]
    edges = [svg.Edge(x.source, x.target, x.type) for x in book.stated]
    types = list(dict.fromkeys(x.type for x in sorted(book.stated, key=lambda x: x.type)))
    legend = "".join(
        f'<label><input type="checkbox" name="type" value="{t}" checked> {words(t)}</label>' for t in types
    )
    families = "".join(
        f'<label class="f-{f}"><input type="checkbox" name="family" value="{f}" checked><i></i>{escape(title)}</label>'
        for f, title in book.families.items()
    )
    tools = (
        '<div class="tools" data-search-exclude hidden><label class="find">Find <input type="search" placeholder="name or alias, then Enter" autocomplete="off"></label>'
        f'<p role="status"></p><details><summary>Families</summary><fieldset><legend>Families</legend>{families}</fieldset></details>'
        f"<details><summary>Relations</summary><fieldset><legend>Relations</legend>{legend}</fieldset></details></div>"
    )
    drawings = svg.timeline(nodes, edges, book.families, 6, "wide") + svg.timeline(
        nodes, edges, book.families, 2, "narrow"
    )
    names = {e.id: " ".join([e.name, *e.aliases]).lower() for e in book.entries.values()}
    data = json.dumps(names, ensure_ascii=True).replace("<", "\\u003c")
    how = (
        "Each band is a family, time runs to the right (down, on a phone), a curve is a relation and points at what it is said of. "
        "Point at a pattern to see its relations alone; the arrow keys move between patterns, Enter opens one."
    )
    listed = []
    for f, title in book.families.items():
        items = []
        for e in (e for e in book.entries.values() if e.family == f):
            out = "".join(
                f'<li><span class="type">{words(x.type)}</span> <a href="patterns/{x.target}.html">{escape(book.entries[x.target].name)}</a></li>'
                for x in book.catalog.edges(e.id)
            )
            items.append(
                f'<li><a class="chip f-{f}" href="patterns/{e.id}.html">{escape(e.name)}</a> <span class="when">{e.year}</span><ul>{out}</ul></li>'
            )
        listed.append(f'<h3>{escape(title)}</h3><ul class="list">{"".join(items)}</ul>')
    return (
        front
        + f'# Graph\n\n<p class="hint">{how}</p>\n\n<div class="explorer">{tools}<p class="told" aria-live="polite"></p>{drawings}'
        f'<script type="application/json">{data}</script></div>\n\n## As a list\n\n'
        + div("listed", "".join(listed))
        + "\n"
    )


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
                k: {"what": m.what, "unit": m.unit, "bar": describe_bars(m), "value": got[k].value if k in got else None,
                    "baseline": got[k].baseline if k in got else None}
                for k, m in c.measures.items()
            }  # fmt: skip
            holds = None if missed is None else not missed
            claims.append({"id": c.id, "kind": c.kind, "statement": c.statement, "holds": holds, "measures": measures})
        patterns.append({
            "id": e.id, "name": e.name, "aliases": e.aliases, "family": e.family, "kind": e.kind, "year": e.year,
            "summary": e.summary, "facets": e.facets.model_dump(), "reference": e.implementation.reference, "claims": claims,
            "page": f"patterns/{e.id}.html", "text": f"patterns/{e.id}.md",
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
        "> A catalogue in which every stated claim is a test and every page shows what its last run measured.",
        "",
    ]
    for f, title in book.families.items():
        rows += [f"## {title}", ""]
        rows += [f"- [{e.name}](patterns/{e.id}.md): {e.summary}" for e in book.entries.values() if e.family == f]
        rows.append("")
    rows += ["## Data", "", "- [All patterns, claims and relations](api/catalog.json): JSON", ""]
    return "\n".join(rows)


def twin(book: Book, e: Entry) -> str:
    """The page of a pattern as plain Markdown."""

    def bullets(texts: list[str]) -> list[str]:
        return [*("- " + " ".join(t.split()) for t in texts), ""]

    f = e.facets
    out = [
        f"# {e.name}",
        "",
        f"{e.summary}",
        "",
        f"Also called: {', '.join(e.aliases)}." if e.aliases else "",
        "",
        e.intent,
        "",
    ]
    facets = {
        **f.model_dump(exclude={"cost"}),
        "cost of a training step": f.cost.train,
        "cost of a sample": f.cost.sample,
    }
    out += [
        f"- {words(k)}: {', '.join(v) if isinstance(v, list) else words(str(v)) if k != 'nfe' else v}"
        for k, v in facets.items()
    ]
    out += [
        "",
        "## Problem",
        "",
        e.problem,
        "",
        e.context,
        "",
        "## Forces",
        "",
        *bullets(e.forces),
        "## Solution",
        "",
        e.solution,
        "",
    ]
    out += [
        "## Objective",
        "",
        "$$",
        e.objective,
        "$$",
        "",
        *bullets([f"${s.symbol}$: {s.meaning} (`{s.code}`)" for s in e.symbols]),
    ]
    out += [
        "## Structure",
        "",
        *bullets([f"{c.name}: {c.role}; takes {', '.join(c.takes)}; gives {', '.join(c.gives)}" for c in e.structure]),
    ]
    out += ["## Claims", ""]
    for c in e.claims:
        missed, record = book.holds(e.id, c), book.evidence.get(e.id, {}).get(c.id)
        state = "not measured yet" if missed is None else "does not hold" if missed else "holds"
        out.append(f"- {' '.join(c.statement.split())} ({c.kind}; {state}" + (f" on {record.date})" if record else ")"))
        for k, m in c.measures.items():
            got = record.measures.get(k) if record else None
            beside = f", {m.baseline}: {svg.number(got.baseline)}" if got and got.baseline is not None else ""
            out.append(
                f"    - {m.what}: {svg.number(got.value) if got else 'not measured'} {'' if m.unit == '1' else m.unit}{beside}; bar {describe_bars(m)}"
            )
    out += [
        "",
        "## Benefits",
        "",
        *bullets(e.consequences.benefits),
        "## Liabilities",
        "",
        *bullets(e.consequences.liabilities),
    ]
    out += [
        "## Use when",
        "",
        *bullets(e.use_when),
        "## Avoid when",
        "",
        *bullets(e.avoid_when),
        "## Failure modes",
        "",
    ]
    out += bullets([f"{words(x.id)}: {x.symptom} Detect: {x.detect} Remedy: {x.remedy}" for x in e.failure_modes])
    if e.misconceptions:
        out += ["## Misconceptions", "", *bullets([f"“{x.claim}” {x.correction}" for x in e.misconceptions])]
    out += ["## Related patterns", ""]
    out += bullets(
        [
            f"{words(x.type)} [{book.entries[x.target].name}]({x.target}.md): {x.relation.why}"
            for x in book.catalog.edges(e.id)
        ]
    )
    out += [
        "## Reference",
        "",
        f"`{e.implementation.reference}`, {e.implementation.fidelity}; `genai-patterns run {e.id}`",
        "",
    ]
    out += ["## Known uses", "", *bullets(e.known_uses), "## Sources", ""]
    out += bullets(
        [f"{s.authors}. {s.title}. {s.venue}, {s.year}. " + ", ".join(u for _, u in links(s)) for s in e.sources]
    )
    return "\n".join(out)
