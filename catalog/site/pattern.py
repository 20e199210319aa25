"""The page of one pattern."""

from __future__ import annotations

import re
from pathlib import Path

from ..evidence import Figure, Record, describe_bars
from ..graph import SHOWN, Edge
from ..schema import Claim, Entry, Measure, Option, Source
from . import annotate, svg
from .book import Book
from .text import block, escape, inline, line, math, plain

WORDS = {
    "likelihood": "Likelihood", "latent": "Latent code", "data": "Data", "sampling": "Sampling",
    "training": "Learns by",
}  # fmt: skip
"""Facets that are words, and how the page calls them."""
KINDS = {
    "exact": "an identity", "analytic": "against a closed form", "scaling": "a fitted exponent",
    "comparative": "against a baseline", "limit": "a known weakness, run",
}  # fmt: skip


def page(book: Book, entry: Entry) -> str:
    """The page as Markdown: headings in Markdown, everything that comes from an entry as finished HTML."""
    sections = [
        ("", head(book, entry)),
        ("Problem", problem(entry)),
        ("Solution", div("solution", block(entry.solution))),
        ("Objective", objective(book, entry)),
        ("Structure", structure(entry)),
        ("Evidence", claims(book, entry)),
        ("Pictures", pictures(book, entry)),
        ("Consequences", consequences(entry)),
        ("Choose it for", choices(book, entry)),
        ("Failure modes", failures(book, entry)),
        ("Misconceptions", misconceptions(entry)),
        ("Run it", run(entry)),
        ("Reference, annotated", reference(book, entry)),
        changes(book, entry),
        ("Related patterns", related(book, entry)),
        ("Known uses", bullets(entry.known_uses)),
        ("Sources", sources(entry)),
    ]
    front = {"title": plain(entry.name), "description": plain(entry.summary), "hide": "[navigation, tags]"}
    tags = [plain(t) for t in [entry.name, *entry.aliases, book.families[entry.family]]]
    return front_matter(front, tags) + "\n".join(
        f"## {title}\n\n{body}\n" if title else f"{body}\n" for title, body in sections if body
    )


def front_matter(fields: dict[str, str], tags: list[str] | None = None) -> str:
    """The YAML above a page; values have gone through `plain`, so that quotes hold them."""
    rows = [f"{k}: {v}" if v.startswith("[") else f'{k}: "{v}"' for k, v in fields.items()]
    if tags:
        rows += ["tags:", *(f'  - "{t}"' for t in tags), "search: {boost: 2}"]
    return "\n".join(["---", *rows, "---", "", ""])


def div(cls: str, html: str) -> str:
    """An element with a class."""
    return f'<div class="{cls}">{html}</div>'


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
    """Name, summary, the pattern's picture and its facts: what one sees first."""
    family = book.families[e.family]
    also = f'<p class="also">Also called {", ".join(escape(a) for a in e.aliases)}</p>' if e.aliases else ""
    hero = next(((f, c) for f, c in book.pictures(e.id) if Path(f.file).stem == "hero"), None)
    picture = figure(book, e, *hero) if hero else ""
    return (
        f'<div class="head f-{e.family}">'
        f'<p class="crumbs"><a href="index.html">Patterns</a> <span aria-hidden="true">/</span>'
        f' <a href="index.html#family={e.family}">{escape(family)}</a></p>'
        f'<h1 id="{e.id}">{escape(e.name)}</h1><p class="lede">{inline(e.summary)}</p>{also}</div>\n\n'
        f'<div class="overview"><div>{picture}{div("intent", block(e.intent))}</div>'
        f"<div>{verdict(book, e)}{facts(e)}</div></div>"
    )


def verdict(book: Book, e: Entry) -> str:
    """How many claims hold, with a link to them."""
    states = [book.holds(e.id, c) for c in e.claims]
    dots = "".join(f'<i class="{state_of(s)[0]}"></i>' for s in states)
    said = f'<span class="dots" aria-hidden="true">{dots}</span>{tally(states)}'
    return f'<p class="verdict"><a href="#evidence">{said}</a></p>'


def tally(states: list[list[str] | None]) -> str:
    """How many of the claims with these missed bars hold, and how many nobody measured."""
    n, held, unknown = len(states), states.count([]), states.count(None)
    if unknown == n:
        return f"{n} claim{'s' * (n != 1)}, not measured yet"
    return f"{held} of {n} claims hold" + (f", {unknown} not measured yet" if unknown else "")


def state_of(missed: list[str] | None) -> tuple[str, str]:
    """Class and words for what a measurement came to."""
    if missed is None:
        return "open", "not measured yet"
    return ("miss", "does not hold") if missed else ("hold", "holds")


def facts(e: Entry) -> str:
    """The facets as a list of terms."""
    f = e.facets
    dots = "●" * e.difficulty + "○" * (5 - e.difficulty)
    level = f'<span class="level" role="img" aria-label="{e.difficulty} of 5">{dots}</span>'
    rows = [("Kind", words(e.kind)), ("Introduced", str(e.year)), ("Status", e.status), ("Difficulty", level)]
    for name, title in WORDS.items():
        value = getattr(f, name)
        rows.append((title, ", ".join(map(words, value)) if isinstance(value, list) else words(value)))
    rows.append(("Steered by", ", ".join(f.conditioning) or "nothing"))
    rows.append(("Calls per sample", inline(f.nfe)))
    rows.append(("Pretrained model", "needed" if f.needs_pretrained else "not needed"))
    rows += [("Training step", inline(f.cost.train)), ("One sample", inline(f.cost.sample))]
    return '<dl class="facts">' + "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in rows) + "</dl>"


def figure(book: Book, e: Entry, f: Figure, claim: Claim) -> str:
    """A figure in the page's own ink, with its caption and the claim whose run drew it."""
    text, path = book.figures[e.id].get(f.file, ""), escape(f"../figures/{e.id}/{f.file}")
    if f.file.endswith(".wav"):
        body = f'<audio controls preload="none" src="{path}" aria-label="{escape(f.alt)}"></audio>'
    elif f.file.endswith(".mid"):
        body = f'<a class="md-button" href="{path}" download>{escape(f.file)}</a>'
    elif f.file.endswith(".txt"):
        lines = escape(text.strip("\n")).replace("\n", "&#10;")  # a blank line would end the block of HTML
        body = f'<pre class="text-figure" tabindex="0" aria-label="{escape(f.alt)}" data-search-exclude>{lines}</pre>'
    else:
        try:
            body = svg.figure_inline(text, f"{e.id}-{Path(f.file).stem}", f.alt)
        except svg.UnsafeFigure as error:
            raise svg.UnsafeFigure(f"{e.family}/{e.id}/{f.file}: {error}") from None
    origin = f' <a class="origin" href="#claim-{claim.id}">from this claim’s run</a>'
    return f'<figure class="picture">{body}<figcaption>{inline(f.caption)}{origin}</figcaption></figure>'


# ---- the pattern ----


def problem(e: Entry) -> str:
    """Problem, where it arises, and what pulls in different directions."""
    context = f'<div class="aside"><h3>Where it arises</h3>{block(e.context)}</div>'
    return div("problem", div("text", block(e.problem)) + context) + f"\n<h3>Forces</h3>{bullets(e.forces, 'forces')}"


def objective(book: Book, e: Entry) -> str:
    """The formula, and each symbol with the identifier that carries it in the reference."""
    source = book.sources.get(e.id, "")
    rows = []
    for s in e.symbols:
        at = annotate.line_of(source, s.code) if source else None
        code = f"<code>{escape(s.code)}</code>"
        link = f'<a href="#L{at}" title="line {at} of the reference">{code}</a>' if at else code
        rows.append(f"<tr><td>{math(s.symbol)}</td><td>{inline(s.meaning)}</td><td>{link}</td></tr>")
    table = (
        '<table class="symbols"><thead><tr><th scope="col">Symbol</th><th scope="col">Meaning</th>'
        f'<th scope="col">In the code</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
    return div("formula", math(e.objective, True)) + "\n" + div("table-scroll", table)


def structure(e: Entry) -> str:
    """The drawing, and how far the reference is from the source."""
    fidelity = {
        "faithful": "The reference follows the source that introduced the pattern.",
        "simplified": "The reference is simpler than the source that introduced the pattern.",
        "toy": "The reference is a toy: it shows the mechanism, not the scale.",
    }[e.implementation.fidelity]
    differs = f"<p>It differs here:</p>{bullets(e.implementation.deviations)}" if e.implementation.deviations else ""
    agrees = [f"`{a.library}`: {a.what}" for a in e.implementation.conformance]
    same = f"<p>Held against other libraries in the test suite:</p>{bullets(agrees)}" if agrees else ""
    aside = f'<div class="aside"><h3>Fidelity: {e.implementation.fidelity}</h3><p>{fidelity}</p>{differs}{same}</div>'
    return div("structured", svg.structure(e.structure, e.name) + aside)


def consequences(e: Entry) -> str:
    """What one gains and pays, when to take it and when not."""
    cells = [
        ("Benefits", "good", e.consequences.benefits), ("Liabilities", "bad", e.consequences.liabilities),
        ("Use it when", "good", e.use_when), ("Avoid it when", "bad", e.avoid_when),
    ]  # fmt: skip
    return div("balance", "".join(f"<div><h3>{title}</h3>{bullets(texts, cls)}</div>" for title, cls, texts in cells))


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
    return div("choices", "".join(out)) if out else ""


def grounds(e: Entry, o: Option, page: str = "") -> str:
    """The link to the claim or the source that justifies an option; `page` is that of its pattern, unless this one."""
    where = f"{page}#claim-{o.claim}" if o.claim else f"{page}#source-{o.source}"
    said = "measured" if o.claim else cite(source(e, o.source or ""))
    return f'<a class="grounds" href="{where}">{said}</a>'


def failures(book: Book, e: Entry) -> str:
    """Each failure mode with its symptom, a test for it, a remedy, and patterns that were shown to be one."""
    out = []
    for f in e.failure_modes:
        cures = [x.target for x in book.catalog.edges(e.id) if x.type == "remedied_by" and x.relation.fixes == f.id]
        if f.pattern and f.pattern in book.entries and f.pattern not in cures:
            cures.append(f.pattern)
        chips = " ".join(chip(book.entries[c]) for c in cures)
        shown = f'<p class="shown"><a href="#claim-{f.claim}">shown by a claim of this page</a></p>' if f.claim else ""
        out.append(
            f'<div class="failure" id="failure-{f.id}"><h3>{escape(words(f.id).capitalize())}</h3>'
            f"<div>{line(f.symptom)}</div><div><b>Detect</b> {line(f.detect)}</div>"
            f"<div><b>Remedy</b> {line(f.remedy)} {chips}</div>{shown}</div>"
        )
    return div("failures", "".join(out))


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
    intro = (
        '<p class="hint">Each claim is a test. The band is where its bar lets the number lie, '
        '<span class="key value"></span> is the measured number, <span class="key seed"></span> one seed, '
        '<span class="key base"></span> the baseline. <a href="../evidence.html">How claims are measured</a></p>'
    )
    return intro + "\n" + "\n".join(claim_card(book, e, c) for c in e.claims)


def claim_card(book: Book, e: Entry, c: Claim, page: str = "") -> str:
    """A claim with everything that is known of it; `page` is where its sources are listed, unless on this page."""
    missed = book.holds(e.id, c)
    cls, said = state_of(missed)
    record = book.evidence.get(e.id, {}).get(c.id)
    measures = "".join(measure(m, record, k) for k, m in c.measures.items())
    cited = f'<a href="{page}#source-{c.source.key}">{cite(source(e, c.source.key))}</a>, {inline(c.source.where)}'
    facts = [KINDS[c.kind], cited]
    if record:
        where = "one core" if record.device == "cpu" else escape(record.device)
        facts.append(f'{record.seconds:.2g} s on {where}, <time datetime="{record.date}">{record.date}</time>')
    fails = "".join(f'<p class="missed">{escape(m)}</p>' for m in missed or [])
    again = f'<p class="again"><code>genai-patterns verify {e.id}.{c.id}</code></p>'
    return (
        f'<div class="claim {cls}" id="claim-{c.id}"><p class="state">{said}</p>{div("statement", block(c.statement))}'
        f'{measures}{fails}<p class="facts-line">{" · ".join(facts)}</p>{again}</div>'
    )


def measure(m: Measure, record: Record | None, name: str) -> str:
    """One number: what it is, its bar, what came out, and a small drawing of the three."""
    unit = "" if m.unit == "1" else f' <span class="unit">{escape(m.unit)}</span>'
    bar = f"<span>bar {escape(bars(m))}</span>"
    got = record.measures.get(name) if record else None
    if got is None:
        return f'<div class="m"><div><p class="what">{inline(m.what)}</p></div><p class="under">{bar}{unit}</p></div>'
    value = f'<span class="number">{svg.number(got.value)}</span>{unit}'
    if got.seeds:
        low, high = svg.number(min(got.seeds)), svg.number(max(got.seeds))
        value += f' <span class="spread">{len(got.seeds)} seeds, {low} to {high}</span>'
    if got.baseline is not None:
        bar += f"<span>{inline(m.baseline or 'baseline')}: {svg.number(got.baseline)}{unit}</span>"
    said = f"{m.what}: {svg.number(got.value)}; the bar is {bars(m)}"
    return (
        f'<div class="m"><div><p class="what">{inline(m.what)}</p><p class="figures">{value}</p></div>'
        f'<div>{svg.measure_plot(m, got, said)}<p class="under">{bar}</p></div></div>'
    )


def bars(m: Measure) -> str:
    """The bars in words, with numbers as people write them."""
    return re.sub(r"-?\d+\.?\d*(e[-+]\d+)?", lambda found: svg.number(float(found[0])), describe_bars(m))


def pictures(book: Book, e: Entry) -> str:
    """Every figure but the hero, which stands at the top."""
    others = [(f, c) for f, c in book.pictures(e.id) if Path(f.file).stem != "hero"]
    return div("pictures", "".join(figure(book, e, f, c) for f, c in others)) if others else ""


# ---- code ----


def command(text: str) -> str:
    """A command for a terminal, with the button that copies it."""
    return f'<div class="highlight command"><pre tabindex="0"><code>{escape(text)}</code></pre></div>'


def run(e: Entry) -> str:
    """How to train the reference and measure its claims, in a terminal and in Python."""
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
    return div("run", f"<div>{terminal}</div><div><h3>In Python</h3>{code}</div>")


def reference(book: Book, e: Entry) -> str:
    """The source with its prose beside it."""
    module = e.implementation.reference.partition(":")[0]
    text = book.sources.get(e.id)
    if text is None:
        return f"<p><code>{escape(module)}</code> is not part of this installation.</p>"
    meanings = {s.code.split(".")[-1]: plain(s.meaning) for s in e.symbols}
    count = sum(bool(text.splitlines()[n - 1].strip()) for row in annotate.rows(text) for n in row.code)
    intro = (
        f'<p class="hint"><code>{escape(module.replace(".", "/"))}.py</code>, {count} lines of code. '
        "Underlined names are symbols of the objective.</p>"
    )
    return intro + "\n" + annotate.listing(text, meanings)


def changes(book: Book, e: Entry) -> tuple[str, str]:
    """Heading and difference against the pattern that this one stems from."""
    edge = book.parent(e.id)
    if edge is None or e.id not in book.sources:
        return "", ""
    parent = book.entries[edge.target]
    title = "What changes against its parent"
    if book.sources[parent.id] == book.sources[e.id]:
        return title, f"<p>It shares its reference with {chip(parent)}.</p>"
    if annotate.imports(book.sources[e.id], parent.implementation.reference.partition(":")[0]):
        return title, f"<p>The reference imports that of {chip(parent)} and adds the listing above, nothing else.</p>"
    diff, plus, minus = annotate.changes(book.sources[parent.id], book.sources[e.id])
    opened = " open" if plus + minus <= 80 else ""
    summary = (
        f"From {escape(parent.name)} to {escape(e.name)}: "
        f'<span class="plus">+{plus}</span> <span class="minus">−{minus}</span> lines'
    )
    said = f"<p>It {words(edge.type)} {chip(parent)}. Line by line, the two references differ like this.</p>"
    return title, f'{said}\n<details class="change"{opened}><summary>{summary}</summary>{diff}</details>'


# ---- around ----


def node(e: Entry, prefix: str = "") -> svg.Node:
    """The pattern as drawings need it; `prefix` leads to the folder of its page."""
    return svg.Node(e.id, e.name, e.family, e.year, f"{prefix}{e.id}.html")


def related(book: Book, e: Entry) -> str:
    """The neighborhood as a drawing, and each relation with its reason."""
    around = book.catalog.edges(e.id)
    if not around:
        return "<p>No relation to another pattern of the catalog is stated yet.</p>"
    joined: dict[str, list[Edge]] = {}
    items = []
    for x in around:
        joined.setdefault(x.target, []).append(x)
        when = f' <span class="when">when {inline(uncapitalized(x.relation.when))}</span>' if x.relation.when else ""
        owner, _, claim = (x.proven or "").partition(".")
        where = f"#claim-{claim}" if owner == e.id else f"{owner}.html#claim-{claim}"
        proof = f' <a class="proof" href="{where}">proven by a claim</a>' if x.proven else ""
        said = f'<span class="type">{words(x.type)}</span> {chip(book.entries[x.target])}{when}{proof}'
        items.append(f'<li><p class="rel">{said}</p><div>{block(x.relation.why)}</div></li>')
    drawn = [
        svg.Neighbor(node(book.entries[target]), [words(x.type) for x in group], way(group[0]))
        for target, group in list(joined.items())[:12]
    ]
    return div("related", svg.neighborhood(node(e), drawn) + f'<ul class="relations">{"".join(items)}</ul>')


def uncapitalized(text: str) -> str:
    """A sentence as part of another one; names and formulas at its start stay as they are."""
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def way(x: Edge) -> int:
    """Where a relation points, seen from its page: 1 outward, -1 inward, 0 where it reads the same from both sides."""
    return 0 if SHOWN[x.type][0].symmetric else -1 if x.derived else 1


def source(e: Entry, key: str) -> Source:
    """The entry's source with this key."""
    return next(s for s in e.sources if s.key == key)


def cite(s: Source) -> str:
    """Authors and year as a text names them."""
    last = [a.split()[-1] for a in authors(s)]
    who = " and ".join(last) if len(last) < 3 and last[-1] != "others" else f"{last[0]} et al."
    return escape(f"{who} ({s.year})")


def authors(s: Source) -> list[str]:
    """The authors one by one; "others" stands for those that the source's `et al.` leaves out."""
    text = s.authors.replace(" and ", ", ").replace("&", ",").replace(" et al.", ", others")
    return [a.strip() for a in text.split(",") if a.strip()]


def links(s: Source) -> list[tuple[str, str]]:
    """(text, address) of where a source can be read."""
    found = [(f"arXiv:{s.arxiv}", f"https://arxiv.org/abs/{s.arxiv}")] if s.arxiv else []
    found += [(f"doi:{s.doi}", f"https://doi.org/{s.doi}")] if s.doi else []
    return found + ([("link", s.url)] if s.url else [])


def sources(e: Entry) -> str:
    """The list of sources, and the same as BibTeX."""
    items = []
    for s in e.sources:
        where = ", ".join(f'<a href="{escape(address)}">{escape(text)}</a>' for text, address in links(s))
        said = f"{escape(s.authors.rstrip('.'))}. <cite>{escape(s.title)}</cite>. {escape(s.venue)}, {s.year}. {where}"
        items.append(f'<li id="source-{s.key}"><span class="role">{s.role}</span> <span>{said}</span></li>')
    bib = escape("\n".join(bibtex(s) for s in e.sources))
    return (
        f'<ul class="sources">{"".join(items)}</ul>\n<details class="bibtex"><summary>BibTeX</summary>'
        f'<div class="highlight"><pre tabindex="0"><code>{bib}</code></pre></div></details>'
    )


def bibtex(s: Source) -> str:
    """A source as BibTeX; braces keep the capitals of the title."""
    people = " and ".join(authors(s))
    fields = {"author": people, "title": f"{{{s.title}}}", "year": str(s.year), "howpublished": s.venue}
    fields |= {"eprint": s.arxiv, "archiveprefix": "arXiv"} if s.arxiv else {}
    fields |= {"doi": s.doi} if s.doi else {}
    fields |= {"url": s.url} if s.url else {}
    return "\n".join([f"@misc{{{s.key},", *(f"  {k} = {{{v}}}," for k, v in fields.items()), "}"])
