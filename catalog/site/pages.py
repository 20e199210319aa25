"""Pages about the whole catalog: home, gallery, map; and what machines read."""

from __future__ import annotations

import json
import re

from .. import prose
from ..evidence import describe_bars
from ..graph import ORDER
from ..schema import Claim, Entry
from . import annotate, svg
from .book import Book
from .pattern import bullets, chip, claim_card, div, front_matter, grounds, links, node, state_of, tally, words
from .text import escape, inline, line, math, plain


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


# ---- choose ----


def choose(book: Book) -> str:
    """Every decision with its options, the one to try first at the top."""
    fields = {"title": "Choose", "description": "From a problem to the patterns that answer it"}
    how = (
        "What do you have to do? Each problem leads to the patterns that answer it, the one to try first at the top, "
        "each with the claim that was measured, or the source, that speaks for it."
    )
    index, rows = [], []
    for d in book.catalog.decisions:
        index.append(f'<li><a href="#{d.id}">{inline(d.problem)}</a></li>')
        options = []
        for o in d.options:
            e = book.entries[o.pattern]
            said = f"{line(o.why)} {grounds(e, o, f'patterns/{e.id}.html')}"
            options.append(f"<li>{chip(e, 'patterns/')}<div>{said}</div></li>")
        body = f'{bullets(d.forces, "forces")}<ol class="options">{"".join(options)}</ol>'
        rows.append(f'<section class="decision" id="{d.id}"><h2>{inline(d.problem)}</h2>{body}</section>')
    contents = f'<nav aria-label="Problems"><ul class="problems">{"".join(index)}</ul></nav>'
    front = front_matter(fields | {"hide": "[navigation, toc]"})
    return f'{front}# Choose\n\n<p class="hint">{how}</p>\n\n{contents}\n\n' + "\n\n".join(rows) + "\n"


# ---- coverage ----

COVERAGE = (
    ("Reference", "lines of code of the reference"),
    ("Claims", "claims, each with one test"),
    ("Hold", "claims whose last measurement met every bar"),
    ("Truth", "claims held against an identity, a closed form or a fitted exponent"),
    ("Libraries", "established libraries that compute the same, in the test suite"),
    ("Proven", "relations that a claim proves by running both references"),
    ("Related", "relations to other patterns"),
    ("Failures", "failure modes that a claim shows"),
    ("Figures", "pictures, texts and sounds drawn by a measurement"),
    ("Decisions", "decisions that name it as an answer"),
)
"""Columns of the page that shows what is there, and what each counts."""


def coverage(book: Book) -> str:
    """What each pattern has, and has not: pattern by reference, claims, evidence, conformance, edges, figures."""
    front = front_matter({"title": "Coverage", "description": "What each pattern has", "hide": "[navigation, toc]"})
    key = "".join(f"<div><dt>{name}</dt><dd>{what}</dd></div>" for name, what in COVERAGE)
    head = "".join(f'<th scope="col">{name}</th>' for name, _ in COVERAGE)
    bodies, missing = [], dict.fromkeys((name for name, _ in COVERAGE), 0)
    for f, title in book.families.items():
        rows = [f'<tr class="group"><th scope="rowgroup" colspan="{len(COVERAGE) + 1}">{escape(title)}</th></tr>']
        for e in (e for e in book.entries.values() if e.family == f):
            cells = []
            for (name, _), (count, of, said) in zip(COVERAGE, covered(book, e), strict=True):
                missing[name] += not count
                state = "none" if not count else "part" if of is not None and count < of else "some"
                shown = f"{count}" + (f"/{of}" if of is not None and count < of else "")
                tip = f' title="{escape(said)}"' if said else ""
                cells.append(f'<td class="{state}"{tip}>{shown if count else "none"}</td>')
            rows.append(
                f'<tr><th scope="row"><a href="patterns/{e.id}.html">{escape(e.name)}</a></th>{"".join(cells)}</tr>'
            )
        bodies.append(f'<tbody class="f-{f}">{"".join(rows)}</tbody>')
    none = "".join(f'<td class="{"none" if n else "some"}">{n or "0"}</td>' for n in missing.values())
    foot = f'<tfoot><tr><th scope="row">Patterns without</th>{none}</tr></tfoot>'
    first = f'<thead><tr><th scope="col">Pattern</th>{head}</tr></thead>'
    table = f'<table class="coverage">{first}{"".join(bodies)}{foot}</table>'
    how = (
        "One row a pattern, counted from the entries, the evidence and the code when this page was built. "
        "What is not there says so."
    )
    scroll = (
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="Coverage of every pattern">{table}</div>'
    )
    return f'{front}# Coverage\n\n<p class="hint">{how}</p>\n\n<dl class="key">{key}</dl>\n\n{scroll}\n'


def covered(book: Book, e: Entry) -> list[tuple[int, int | None, str]]:
    """The cells of a pattern: how many, of how many (where not all may be there), and which."""
    source = book.sources.get(e.id, "")
    code = sum(bool(source.splitlines()[n - 1].strip()) for row in annotate.rows(source) for n in row.code)
    held = [c.id for c in e.claims if book.holds(e.id, c) == []]
    truths = [c.id for c in e.claims if c.kind in {"exact", "analytic", "scaling"}]
    libraries = sorted({a.library for a in e.implementation.conformance})
    proven = sorted({f"{words(x.type)} {x.target}" for x in book.proven(e.id)})
    around = sorted({x.target for x in book.catalog.edges(e.id)})
    shown = [f.id for f in e.failure_modes if f.claim]
    figures = [f.file for f, _ in book.pictures(e.id)]
    return [
        (code, None, e.implementation.fidelity),
        (len(e.claims), None, ", ".join(c.id for c in e.claims)),
        (len(held), len(e.claims), ", ".join(c.id for c in e.claims if c.id not in held)),
        (len(truths), None, ", ".join(truths)),
        (len(libraries), None, ", ".join(libraries)),
        (len(proven), None, ", ".join(proven)),
        (len(book.catalog.edges(e.id)), None, ", ".join(around)),
        (len(shown), len(e.failure_modes), ", ".join(f.id for f in e.failure_modes if not f.claim)),
        (len(figures), None, ", ".join(figures)),
        (len(book.decisions(e.id)), None, ", ".join(d.id for d in book.decisions(e.id))),
    ]


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
    decisions = [d.model_dump(exclude_none=True) for d in book.catalog.decisions]
    whole = {"name": book.catalog.name, "patterns": patterns, "relations": relations, "decisions": decisions}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


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
    agrees = "".join(f"; agrees with {a.library}: {a.what}" for a in e.implementation.conformance)
    reference = f"`{e.implementation.reference}`, {e.implementation.fidelity}; `genai-patterns run {e.id}`{agrees}"
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
        (
            "Choose it for",
            [f"{d.problem}: {o.why}" for d in book.decisions(e.id) for o in d.options if o.pattern == e.id],
        ),
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
