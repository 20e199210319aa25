"""The page of one pattern."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .. import difference
from ..evidence import Figure
from ..export import bibtex
from ..export.works import links
from ..graph import Edge
from ..schema import Claim, Entry, Facets, Option, Source
from . import annotate, cards, demos, neighborhood, structured, svg
from .book import Book
from .claims import card as claim_card
from .claims import cite, copy, legend, source, state_of, tally
from .text import block, escape, inline, line, math, plain

WORDS = {
    "data": "Data", "likelihood": "Likelihood", "latent": "Latent code", "sampling": "Sampling",
    "training": "Learns by",
}  # fmt: skip
"""Facets that are words, and how the page calls them."""
TAG = re.compile(r"<[^>]*>")
VIEW_BOX = re.compile(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"')
"""Width and height of a drawing."""
ARROW = ' <span class="arrow" role="img" aria-label="against">→</span> '
INCLUDES = '<link rel="stylesheet" href="../assets/pattern.css"><script defer src="../assets/pattern.js"></script>'
"""What these pages need besides what all pages have."""


def page(book: Book, entry: Entry) -> str:
    """The page as Markdown: headings in Markdown, everything that comes from an entry as finished HTML."""
    sections = [
        ("", head(book, entry)),
        ("Problem", problem(entry)),
        ("Solution", div("solution", block(entry.solution)) if entry.solution else ""),
        ("Try it", demos.on_page(book, entry.id)),
        ("Objective", objective(book, entry)),
        ("Structure", structure(entry)),
        ("Evidence", claims(book, entry) if entry.claims else ""),
        ("Pictures", pictures(book, entry)),
        ("Consequences", consequences(entry)),
        ("Choose it for", choices(book, entry)),
        ("Failure modes", failures(book, entry)),
        ("Misconceptions", misconceptions(entry)),
        ("Run it", run(book, entry)),
        ("Reference, annotated", reference(book, entry)),
        changes(book, entry),
        (f"Related {book.things}", related(book, entry)),
        ("Read on", onward(book, entry)),
        ("Known uses", bullets(entry.known_uses) if entry.known_uses else ""),
        ("Sources", sources(entry) if entry.sources else ""),
        ("How to cite", citation(book, entry)),
    ]
    front = {"title": plain(entry.name), "description": plain(entry.summary), "hide": "[navigation]"}
    front |= {"card": cards.path_of(entry.id)} if cards.available(book) else {}
    return (
        front_matter(front)
        + INCLUDES
        + structured.of_entry(book, entry)
        + "\n\n"
        + "\n".join(f"## {title}\n\n{body}\n" if title else f"{body}\n" for title, body in sections if body)
    )


def front_matter(fields: dict[str, str]) -> str:
    """The YAML above a page; values have gone through `plain`, so that quotes hold them."""
    rows = [f"{k}: {v}" if v.startswith("[") else f'{k}: "{v}"' for k, v in fields.items()]
    return "\n".join(["---", *rows, "---", "", ""])


def div(cls: str, html: str) -> str:
    """An element with a class."""
    return f'<div class="{cls}">{html}</div>'


def sized(cls: str, html: str) -> str:
    """The same with its length, in thousands of characters, by which its height is guessed before it comes near."""
    return f'<div class="{cls}" style="--text:{len(TAG.sub("", html)) / 1000:.1f}">{html}</div>'


def bullets(texts: list[str], cls: str = "") -> str:
    """A list of sentences."""
    return f'<ul class="{cls}">' + "".join(f"<li>{line(t)}</li>" for t in texts) + "</ul>"


def words(name: str) -> str:
    """A name in snake_case as people read it."""
    return name.replace("_", " ").replace("markov", "Markov")


def chip(e: Entry, prefix: str = "") -> str:
    """A link to a pattern in its family's color."""
    return f'<a class="chip f-{e.family}" href="{prefix}{e.id}.html">{escape(e.name)}</a>'


# ---- head ----


def head(book: Book, e: Entry) -> str:
    """What one sees first: name, summary, picture, what it is for, when to take it, and what one chooses by."""
    hero = next(((f, c) for f, c in book.pictures(e.id) if Path(f.file).stem == "hero"), None)
    picture = div("hero", figure(book, e, *hero, first=True)) if hero else ""
    intent = div("intent", block(e.intent)) if e.intent else ""
    chosen, rest = facts(e)
    also = [("Also called", ", ".join(map(escape, e.aliases)))] if e.aliases else []
    told = disclosed("More facts, other names" if rest else "Other names", rest + also) if rest + also else ""
    aside = f"{verdict(book, e) if e.claims else ''}{placed(book, e)}{terms(chosen)}{told}"
    parts = picture + intent + when(e) + (div("deciding", aside) if aside else "")
    shape = " wide" if hero and stretched(book.figures[e.id].get(hero[0].file, "")) else "" if hero else " bare"
    return (
        f'<div class="head f-{e.family}"><p class="crumbs"><a href="index.html">{book.things.capitalize()}</a> '
        f'<span aria-hidden="true">/</span> <a href="index.html#family={e.family}">{escape(book.families[e.family])}'
        f'</a></p><h1 id="{e.id}">{escape(e.name)}</h1><p class="lede">{inline(e.summary)}</p>{about(e)}{tags(e)}'
        "</div>\n\n" + (f'<div class="overview{shape}">{parts}</div>' if parts else "")
    )


def stretched(figure: str) -> bool:
    """Whether a drawing is so much wider than high that it needs the whole width."""
    box = VIEW_BOX.search(figure)
    return box is not None and float(box[1]) > 2.6 * float(box[2])


def about(e: Entry) -> str:
    """Kind, year, status and difficulty in a line."""
    said = [words(e.kind)] if e.kind else []
    said += [str(e.year)] if e.year else []
    said += [e.status] if e.status else []
    if e.difficulty:
        dots = "●" * e.difficulty + "○" * (5 - e.difficulty)
        level = f'<span class="level" role="img" aria-label="{e.difficulty} of 5">{dots}</span>'
        said.append(f"difficulty {level}")
    return f'<p class="about">{" · ".join(said)}</p>' if said else ""


def tags(e: Entry) -> str:
    """The tags, each a link to what else has it."""
    links = (f'<a href="../tags.html#tag-{tag}">{words(tag)}</a>' for tag in e.tags)
    return f'<p class="tags">{" ".join(links)}</p>' if e.tags else ""


def when(e: Entry) -> str:
    """When to take it, and when not."""
    cells = [("Use it when", "good", e.use_when), ("Avoid it when", "bad", e.avoid_when)]
    return balance(cells, "balance advice", "h2")


def balance(cells: list[tuple[str, str, list[str]]], cls: str = "balance", heading: str = "h3") -> str:
    """Lists side by side, what speaks for it and what against."""
    said = "".join(
        f"<div><{heading}>{title}</{heading}>{bullets(texts, way)}</div>" for title, way, texts in cells if texts
    )
    return said and div(cls, said)


def verdict(book: Book, e: Entry) -> str:
    """How many claims hold, with a link to them."""
    states = [book.holds(e.id, c) for c in e.claims]
    dots = "".join(f'<i class="{state_of(s)[0]}"></i>' for s in states)
    said = f'<span class="dots" aria-hidden="true">{dots}</span>{tally(states)}'
    return f'<p class="verdict"><a href="#evidence">{said}</a></p>'


def placed(book: Book, e: Entry) -> str:
    """What became of it in the tournament."""
    if (t := book.tournament) is None:
        return ""
    return "".join(
        f'<p class="verdict"><a href="../tournament.html#{key}" title="{escape(arena.said(e.id))}">'
        f"Tournament, {escape(key)}</a>: {escape(arena.standing(e.id))}</p>"
        for key, arena in t.of(e.id)
    )


Terms = list[tuple[str, str]]
"""What is said of something, term by term, as HTML."""


def facts(e: Entry) -> tuple[Terms, Terms]:
    """The facets by which one chooses, five at most, and the others."""
    f: Any = e.facets
    if not isinstance(f, Facets):  # those that the catalog declares itself
        rows = []
        for name, value in f or ():
            said = ", ".join(value) or "none" if isinstance(value, list) else value
            rows.append((words(name).capitalize(), escape(said)))
        return rows[:5], rows[5:]
    values = {name: getattr(f, name) for name in WORDS}
    rows = {
        name: ", ".join(map(words, value)) if isinstance(value, list) else words(value)
        for name, value in values.items()
    }
    rows["training"] += ", on a trained model" if f.needs_pretrained else ""
    named = {title: rows[name] for name, title in WORDS.items()}
    named["Steered by"] = ", ".join(f.conditioning) or "nothing"
    latent = named.pop("Latent code")
    cost = [("Training step", inline(f.cost.train)), ("One sample", inline(f.cost.sample))]
    return list(named.items()), [("Latent code", latent), ("Calls per sample", inline(f.nfe)), *cost]


def terms(rows: Terms) -> str:
    """Terms and what is said of each."""
    said = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in rows)
    return f'<dl class="facts">{said}</dl>' if rows else ""


def disclosed(title: str, rows: Terms) -> str:
    """The same, behind a summary."""
    return f'<details class="more"><summary>{title}</summary>{terms(rows)}</details>'


def figure(book: Book, e: Entry, f: Figure, claim: Claim, first: bool = False) -> str:
    """A figure with its caption and the claim whose run drew it; the `first` is fetched before it comes near."""
    text, path = book.figures[e.id].get(f.file, ""), escape(f"../figures/{e.id}/{f.file}")
    if f.file.endswith(".wav"):
        body = f'<audio controls preload="none" src="{path}" aria-label="{escape(f.alt)}"></audio>'
    elif f.file.endswith(".mid"):
        body = f'<a class="md-button" href="{path}" download>{escape(f.file)}</a>'
    elif f.file.endswith(".txt"):
        lines = escape(text.strip("\n")).replace("\n", "&#10;")  # a blank line would end the block of HTML
        body = f'<pre class="text-figure" tabindex="0" aria-label="{escape(f.alt)}">{lines}</pre>'
    else:
        box = VIEW_BOX.search(text)
        size = f' width="{float(box[1]):.0f}" height="{float(box[2]):.0f}"' if box else ""
        when = 'fetchpriority="high" decoding="sync"' if first else 'loading="lazy"'
        body = f'<img src="{path}" alt="{escape(f.alt)}"{size} {when}>'
    origin = f' <a class="origin" href="#claim-{claim.id}">from this claim’s run</a>'
    return f'<figure class="picture">{body}<figcaption>{inline(f.caption)}{origin}</figcaption></figure>'


# ---- the pattern ----


def problem(e: Entry) -> str:
    """Problem, where it arises, and what pulls in different directions."""
    context = f'<div class="aside"><h3>Where it arises</h3>{block(e.context)}</div>' if e.context else ""
    text = div("text", block(e.problem)) if e.problem else ""
    parts = [div("problem", text + context)] if text or context else []
    parts += [f"<h3>Forces</h3>{bullets(e.forces, 'forces')}"] if e.forces else []
    return "\n".join(parts)


def objective(book: Book, e: Entry) -> str:
    """The formula, and each symbol with the identifier that carries it in the reference."""
    marks = symbols(book, e)
    rows = []
    for n, s in enumerate(e.symbols, 1):
        mark = marks.get(s.code.split(".")[-1])
        code = f"<code>{escape(s.code)}</code>"
        link = f'<a href="#L{mark.line}">{code} <span class="at">line {mark.line}</span></a>' if mark else code
        about = f' data-symbol="{mark.number}"' if mark else ""
        cells = f'<td class="tex">{math(s.symbol)}</td><td>{inline(s.meaning)}</td><td>{link}</td>'
        rows.append(f'<tr id="symbol-{n}"{about}>{cells}</tr>')
    formula = div("formula", math(e.objective, True)) if e.objective else ""
    if not rows:
        return formula
    table = (
        '<table class="symbols"><thead><tr><th scope="col">Symbol</th><th scope="col">Meaning</th>'
        f'<th scope="col">In the code</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
    return formula + "\n" + div("table-scroll", table)


def symbols(book: Book, e: Entry) -> dict[str, annotate.Mark]:
    """The symbols of the objective by the identifier that carries them; the first one where several share it."""
    found: dict[str, annotate.Mark] = {}
    text = book.sources.get(e.id, "")
    for n, s in enumerate(e.symbols, 1):
        name = s.code.split(".")[-1]
        if text and (at := annotate.line_of(text, name)):
            found.setdefault(name, annotate.Mark(n, plain(s.meaning), at))
    return found


def structure(e: Entry) -> str:
    """The drawing, and how far the reference is from the source."""
    drawing = svg.structure(e.structure, e.name) if e.structure else ""
    if e.implementation is None:
        return drawing and div("structured", drawing)
    fidelity = {
        "faithful": "The reference follows the source that introduced the pattern.",
        "simplified": "The reference is simpler than the source that introduced the pattern.",
        "toy": "The reference is a toy: it shows the mechanism, not the scale.",
    }[e.implementation.fidelity]
    differs = f"<p>It differs here:</p>{bullets(e.implementation.deviations)}" if e.implementation.deviations else ""
    agrees = [f"`{a.library}`: {a.what}" for a in e.implementation.conformance]
    same = f"<p>Held against other libraries in the test suite:</p>{bullets(agrees)}" if agrees else ""
    aside = f'<div class="aside"><h3>Fidelity: {e.implementation.fidelity}</h3><p>{fidelity}</p>{differs}{same}</div>'
    return div("structured", drawing + aside)


def consequences(e: Entry) -> str:
    """What one gains and pays."""
    return balance([("Benefits", "good", e.consequences.benefits), ("Liabilities", "bad", e.consequences.liabilities)])


def choices(book: Book, e: Entry) -> str:
    """The decisions that it answers: why it, and what else answers them."""
    out = []
    for d in book.decisions(e.id):
        mine = next(o for o in d.options if o.pattern == e.id)
        others = " ".join(chip(book.entries[o.pattern]) for o in d.options if o is not mine)
        beside = f'<p class="others">Others for this: {others}</p>' if others else ""
        out.append(
            f'<div class="choice"><h3><a href="../choose.html#{d.id}">{inline(d.problem)}</a></h3>'
            f"<div>{line(mine.why)} {grounds(e, mine)}</div>{beside}</div>"
        )
    return sized("choices", "".join(out)) if out else ""


def grounds(e: Entry, o: Option, page: str = "") -> str:
    """The link to the claim or the source that justifies an option; `page` is that of its pattern, unless this one."""
    where = f"{page}#claim-{o.claim}" if o.claim else f"{page}#source-{o.source}"
    said = "measured" if o.claim else cite(source(e, o.source or ""))
    return f'<a class="grounds" href="{where}">{said}</a>'


def failures(book: Book, e: Entry) -> str:
    """Each failure mode: its symptom, a test for it, a remedy; what was measured of the failure and of each cure."""
    out = []
    for f in e.failure_modes:
        edges = [x for x in book.catalog.edges(e.id) if x.type == "remedied_by" and x.relation.fixes == f.id]
        named = [f.pattern] if f.pattern in book.entries and f.pattern not in {x.target for x in edges} else []
        chips = " ".join(chip(book.entries[target]) for target in named if target)
        shown = measured(book, e, e.claim(f.claim), f"#claim-{f.claim}", "Shown here") if f.claim else ""
        cures = "".join(cure(book, x) for x in edges)
        out.append(
            f'<div class="failure" id="failure-{f.id}"><h3>{escape(words(f.id).capitalize())}</h3>'
            f"<div>{line(f.symptom)}</div><div><b>Detect</b> {line(f.detect)}</div>{shown}"
            f"<div><b>Remedy</b> {line(f.remedy)} {chips}</div>{cures}</div>"
        )
    return sized("failures", "".join(out)) if out else ""


def cure(book: Book, x: Edge) -> str:
    """A pattern that was shown to mend a failure, and the numbers of the claim that shows it."""
    mender = book.entries[x.target]
    said = chip(mender)
    if x.relation.claim is None:
        return f'<p class="measured">{said}</p>'
    claim = mender.claim(x.relation.claim)
    return measured(book, mender, claim, f"{mender.id}.html#claim-{claim.id}", f"{said} measured")


def measured(book: Book, e: Entry, c: Claim, address: str, title: str) -> str:
    """The first numbers of a claim, each after that of its baseline, with a link to the claim."""
    record = book.evidence.get(e.id, {}).get(c.id)
    rows = []
    for name, m in c.measures.items():
        got = record.measures.get(name) if record else None
        if got is None:
            continue
        unit = "" if m.unit == "1" else f" {escape(m.unit)}"
        before = ""
        if got.baseline is not None:
            before = f"<b>{svg.number(got.baseline)}</b> ({inline(m.baseline or 'baseline')}){ARROW}"
        rows.append(f"<li>{inline(m.what)}<br>{before}<b>{svg.number(got.value)}{unit}</b></li>")
    first = [r for r in rows if ARROW in r][:2] or rows[:1]
    held = state_of(book.holds(e.id, c))
    state = "" if held[0] == "hold" else f' <span class="{held[0]}">{held[1]}</span>'
    listed = f"<ul>{''.join(first)}</ul>" if first else ""
    return f'<div class="measured"><p>{title} <a href="{address}">by a claim</a>{state}</p>{listed}</div>'


def misconceptions(e: Entry) -> str:
    """What is often said, and what is true, with the source that settles it."""
    out = []
    for m in e.misconceptions:
        shown = f', <a href="#claim-{m.shown_by}">shown above</a>' if m.shown_by else ""
        cited = f'<p class="cite"><a href="#source-{m.source}">{cite(source(e, m.source))}</a>{shown}</p>'
        true = div("true", block(m.correction) + cited)
        out.append(div("misconception", div("said", line(m.claim)) + true))
    return "".join(out)


# ---- evidence ----


def claims(book: Book, e: Entry) -> str:
    """Every claim as a card, below a key to the drawings."""
    how = "" if book.own else ' <a href="../evidence.html">How claims are measured</a>'
    intro = f'<p class="hint legend"><span>Each claim is a test.{how}</span> {legend(e.claims)}</p>'
    return intro + "\n" + "\n".join(claim_card(book, e, c) for c in e.claims)


def pictures(book: Book, e: Entry) -> str:
    """Every figure but the hero, which stands at the top."""
    others = [(f, c) for f, c in book.pictures(e.id) if Path(f.file).stem != "hero"]
    return div("pictures", "".join(figure(book, e, f, c) for f, c in others)) if others else ""


# ---- code ----


def command(text: str) -> str:
    """A command for a terminal, with the button that copies it; the theme goes by the nearest id to tell them apart."""
    id = "-".join(re.findall(r"\w+", text))
    return f'<div class="highlight command"><pre id="{id}" tabindex="0"><code>{escape(text)}</code></pre></div>'


def run(book: Book, e: Entry) -> str:
    """How to train the reference and measure its claims: in a terminal, in Python, in a notebook."""
    if e.implementation is None:
        return ""
    module, _, cls = e.implementation.reference.partition(":")
    python = (
        f"from reference_impl.core import run\nfrom {module} import {cls}\n\n"
        f"result = run({cls}, seed=0)\nprint(result.scores)"
    )
    lines = "\n".join(row or "<span></span>" for row in annotate.highlighted(python))
    terminal = (
        f"<h3>In a terminal</h3>{command(f'genai-patterns run {e.id}')}"
        f"<p>Trains the reference on small data, scores it, draws samples.</p>"
        f"{command(f'genai-patterns verify {e.id}')}<p>Measures the claims of this page again on your machine.</p>"
    )
    code = f'<div class="highlight"><pre tabindex="0"><code>{lines}</code></pre></div>'
    noted = ""
    if e.id in book.sources:
        noted = (
            f'<h3>In a notebook</h3><p><a href="../notebooks/{e.id}.ipynb" download>{e.id}.ipynb</a> is the reference '
            "in cells with a short run at the end. Open it in Jupyter, or in Colab by File, Upload notebook.</p>"
        )
    return div("run", f"<div>{terminal}</div><div><h3>In Python</h3>{code}{noted}</div>")


def reference(book: Book, e: Entry) -> str:
    """The source with its prose beside it."""
    if e.implementation is None:
        return ""
    module = e.implementation.reference.partition(":")[0]
    text = book.sources.get(e.id)
    if text is None:
        return f"<p><code>{escape(module)}</code> is not part of this installation.</p>"
    count = sum(bool(text.splitlines()[n - 1].strip()) for row in annotate.rows(text) for n in row.code)
    marked = " Underlined names are symbols of the objective." if e.symbols else ""
    intro = (
        f'<p class="hint"><a href="../reference/{e.id}.py" download><code>{escape(module.replace(".", "/"))}.py</code>'
        f"</a>, {count} lines of code. {copy('reference-source', 'the whole file')}{marked}</p>"
    )
    whole = text.replace("\r", "").strip("\n")
    kept = escape(whole).replace("\n", "&#10;")  # a blank line would end the block of HTML
    kept = f'<textarea id="reference-source" hidden readonly>{kept}</textarea>'
    return f"{intro}\n{kept}\n{annotate.listing(text, symbols(book, e))}"


def changes(book: Book, e: Entry) -> tuple[str, str]:
    """Heading and differences against the patterns that this one stems from, the nearest first."""
    edges = [x for x in book.parents(e.id) if e.id in book.sources]
    found = [change(book, e, x, n == 0) for n, x in enumerate(edges)]
    title = "What changes against its parent" + "s" * (len(found) > 1)
    return (title, "\n".join(found)) if found else ("", "")


def change(book: Book, e: Entry, edge: Edge, first: bool) -> str:
    """What changes against one parent; the first one's difference is open where it is short."""
    parent = book.entries[edge.target]
    assert parent.implementation is not None, "a parent has a reference"
    if book.sources[parent.id] == book.sources[e.id]:
        return f"<p>It shares its reference with {chip(parent)}.</p>"
    if annotate.imports(book.sources[e.id], parent.implementation.reference.partition(":")[0]):
        found = difference.diff(book.catalog, parent.id, e.id)
        anew = [part for part in found.code if part.change == "changed"]
        if not (found.derives and anew):
            return f"<p>The reference imports that of {chip(parent)} and adds the listing above, nothing else.</p>"
        said = (
            f"<p>The class derives from that of {chip(parent)} and adds the listing above, nothing else. "
            "What it says anew stands here against what it takes the place of.</p>"
        )
        diff, plus, minus = annotate.parts(tuple(anew))
    else:
        said = f"<p>It {words(edge.type)} {chip(parent)}. Line by line, the two references differ like this.</p>"
        diff, plus, minus = annotate.changes(book.sources[parent.id], book.sources[e.id])
    opened = " open" if first and plus + minus <= 80 else ""
    summary = (
        f"From {escape(parent.name)} to {escape(e.name)}: "
        f'<span class="plus">+{plus}</span> <span class="minus">−{minus}</span> lines'
    )
    return f'{said}\n<details class="change"{opened}><summary>{summary}</summary>{diff}</details>'


# ---- around ----


def related(book: Book, e: Entry) -> str:
    """The neighborhood as a drawing, and each relation with its reason."""
    around = book.catalog.edges(e.id)
    if not around:
        return f"<p>No relation to other {book.things} of the catalog is stated yet.</p>"
    groups: dict[str, list[Edge]] = {}
    for x in around:
        groups.setdefault(x.type, []).append(x)
    listed = "".join(
        f'<section><h3>{words(type).capitalize()}</h3><ul class="relations">'
        f"{''.join(relation(book, e, x) for x in group)}</ul></section>"
        for type, group in groups.items()
    )
    return sized("related", neighborhood.drawings(book, e) + div("by-type", listed))


def relation(book: Book, e: Entry, x: Edge) -> str:
    """One relation with its reason, its condition, and the claim that proves it."""
    when = f' <span class="when">when {inline(uncapitalized(x.relation.when))}</span>' if x.relation.when else ""
    owner, _, claim = (x.proven or "").partition(".")
    where = f"#claim-{claim}" if owner == e.id else f"{owner}.html#claim-{claim}"
    proof = f'<p class="proof"><a href="{where}">proven: {words(claim)}</a></p>' if x.proven else ""
    beside = f' <a href="../compare.html#ids={e.id},{x.target}">side by side</a>' if x.type == "alternative_to" else ""
    return f'<li><p class="rel">{chip(book.entries[x.target])}{when}{beside}</p>{block(x.relation.why)}{proof}</li>'


def onward(book: Book, e: Entry) -> str:
    """The ways of Learn that lead past the entry: what comes next on each, and what came before."""
    out = []
    for way in book.lessons.paths if book.lessons else []:
        for i, s in enumerate(way.steps):
            if s.pattern != e.id:
                continue
            before, after = way.steps[:i][-1:], way.steps[i + 1 :][:1]
            following = "".join(
                f'<p class="next">Next: {chip(book.entries[n.pattern])}</p>{block(n.new)}' for n in after
            )
            place = f"Step {i + 1} of {len(way.steps)}" + "".join(
                f", after {chip(book.entries[b.pattern])}" for b in before
            )
            out.append(
                f'<div class="choice"><h3><a href="../learn/{way.id}.html#{e.id}">{inline(way.title)}</a></h3>'
                f'<div>{following or "<p>This is where it ends.</p>"}</div><p class="others">{place}</p></div>'
            )
    return sized("choices", "".join(out)) if out else ""


def uncapitalized(text: str) -> str:
    """A sentence as part of another one; names and formulas at its start stay as they are."""
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def sources(e: Entry) -> str:
    """The list of sources."""
    items = []
    for s in e.sources:
        where = ", ".join(f'<a href="{escape(address)}">{escape(text)}</a>' for text, address in links(s))
        said = f"{escape(s.authors.rstrip('.'))}. <cite>{escape(s.title)}</cite>. {escape(s.venue)}, {s.year}. {where}"
        items.append(f'<li id="source-{s.key}"><span class="role">{s.role}</span> <span>{said}</span></li>')
    return f'<ul class="sources">{"".join(items)}</ul>'


def citation(book: Book, e: Entry) -> str:
    """BibTeX of this page, of the source that introduced the pattern, and of all sources."""
    introduces = [s for s in e.sources if s.role == "introduces"]
    parts = [("bibtex-page", f"This {book.thing}", of_page(book, e))] if book.citation.title else []
    parts += [("bibtex-source", "Where it was introduced", listed(introduces))] if introduces else []
    shown = "".join(f"<div><h3>{title} {copy(id, 'it')}</h3>{bib(id, text)}</div>" for id, title, text in parts)
    rest = ""
    if len(e.sources) > len(introduces):
        button = copy("bibtex-all", "all sources")
        summary = f"<summary>All {len(e.sources)} sources as BibTeX</summary>"
        rest = f'<details class="bibtex">{summary}{button}{bib("bibtex-all", listed(e.sources))}</details>'
    return (sized("cite-as", shown) if shown else "") + rest


def listed(found: list[Source]) -> str:
    """Sources as BibTeX."""
    return "\n".join(map(bibtex.record, found))


def of_page(book: Book, e: Entry) -> str:
    """The page as BibTeX: whose work it is and of which version, as CITATION.cff says."""
    c = book.citation
    fields = {
        "author": " and ".join(f"{{{bibtex.latex(a)}}}" for a in c.authors), "title": f"{{{bibtex.latex(e.name)}}}",
        "year": c.date[:4], "howpublished": bibtex.latex(f"{c.title}, page {e.id}"), "version": c.version,
    }  # fmt: skip
    lines = "".join(f"  {k} = {{{v}}},\n" for k, v in fields.items())
    return f"@misc{{{e.id}_pattern,\n{lines}}}"


def bib(id: str, text: str) -> str:
    """BibTeX as a listing that can be copied."""
    shown = escape(text.strip()).replace("\n\n", "\n&#10;")
    return f'<div class="highlight no-copy"><pre tabindex="0"><code id="{id}">{shown}</code></pre></div>'
