"""Entrances by what one wants to do: the pattern that does it, what it is made of, how to run it, what was measured."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from .. import sources
from ..graph import Edge
from ..schema import Claim, Entry
from . import svg
from .book import Book
from .compare import MOST
from .gallery import excerpt
from .pattern import chip, command, div, front_matter, grounds, uncapitalized, words
from .text import escape, inline, line

ENTRANCES = {
    "Texts": {
        "Translate a text": "machine_translation",
        "Summarize a text": "text_summarization",
        "Answer questions from documents": "question_answering",
        "Classify the sentiment of a text": "sentiment_analysis",
        "Hold a conversation": "chatbot",
        "Let a model call tools": "tool_use",
        "Write what a program can read": "constrained_decoding",
    },
    "Pictures": {
        "Draw what a text says": "text_to_image",
        "Describe a picture": "image_captioning",
        "Ask about a picture": "vision_language_model",
        "Restore a damaged picture": "image_restoration",
        "Enlarge a picture": "super_resolution",
        "Fill holes in a picture": "inpainting",
        "Change the style of a picture": "adain",
        "Turn outlines into pictures": "pix2pix",
        "Turn one kind of picture into another without pairs": "cyclegan",
    },
    "Sound and time": {
        "Transcribe speech": "speech_recognition",
        "Compose music": "music_generation",
        "Make a video": "video_generation",
        "Forecast a series": "time_series_generation",
    },
    "Tables and molecules": {
        "Make a table that can be shared": "synthetic_data",
        "Propose molecules": "molecule_generation",
    },
}
"""What people want to do, by what they do it with, and the pattern that each wish leads to. All else is derived."""
BUILT = ("reduces_to", "specializes", "has_part", "builds_on")
"""Relations to what a pattern is made of, as its page of entrances shows them."""
MEASURED = ("comparative", "analytic", "scaling", "exact")
"""Kinds of claims, those that say most about use first."""


def entrances(book: Book) -> dict[str, dict[str, Entry]]:
    """The wishes that this catalog can answer; none in somebody's own, whose ids mean other things."""
    there = {} if book.own else book.entries
    groups = {title: {wish: there[id] for wish, id in of.items() if id in there} for title, of in ENTRANCES.items()}
    return {title: of for title, of in groups.items() if of}


def page(book: Book) -> str:
    """All entrances: an index with pictures, then a section for each."""
    front = front_matter(
        {"title": "Apply", "description": "From what one wants to do to a run one can see", "hide": "[navigation, toc]"}
    )
    tiles, sections = [], []
    for title, of in entrances(book).items():
        listed = "".join(tile(book, wish, e) for wish, e in of.items())
        tiles.append(f'<p class="group">{title}</p><ul class="tiles">{listed}</ul>')
        sections += [f"## {title}", *(section(book, wish, e) for wish, e in of.items())]
    lede = (
        "What do you want to do? Each wish leads to the pattern that does it here: what it is made of and why, a run, "
        "and what was measured. References are small; they show how it works, on data that train in seconds."
    )
    style = '<link rel="stylesheet" href="assets/apply.css">'
    index = f'<nav class="wishes" aria-label="What one can do">{"".join(tiles)}</nav>'
    return f'{front}{style}\n\n# Apply\n\n<p class="hint">{lede}</p>\n\n{index}\n\n' + "\n\n".join(sections) + "\n"


def tile(book: Book, wish: str, e: Entry) -> str:
    """A wish with the picture of the run that it leads to; the name says all, so that the picture is silent."""
    hero = book.hero(e.id)
    seen = ""
    if hero and hero.file.endswith(".svg"):
        seen = f'<img src="figures/{e.id}/hero.svg" alt="" loading="lazy">'
    elif hero:
        text = escape(excerpt(book.figures[e.id][hero.file], 5))
        seen = f'<span class="words" aria-hidden="true">{text}</span>'
    return f'<li class="f-{e.family}"><a href="#{e.id}"><span class="seen">{seen}</span><b>{escape(wish)}</b></a></li>'


def section(book: Book, wish: str, e: Entry) -> str:
    """One entrance."""
    said = f'<p class="what">{chip(e, "patterns/")} {inline(e.summary)}</p>'
    parts = [("Made of", made_of(book, e)), ("Measured", measured(book, e)), ("Other answers", others(book, e))]
    told = "".join(f"<h4>{title}</h4>{body}" for title, body in parts if body)
    left = figure(book, e) + run(book, e)
    return (
        f'<section class="entrance f-{e.family}" id="{e.id}"><h3>{escape(wish)}</h3>{said}'
        f"{div('pair', f'<div>{left}</div><div>{told}</div>')}</section>"
    )


def figure(book: Book, e: Entry) -> str:
    """What a run made: the picture or the text that stands for the pattern, and a sound where there is one."""
    hero, out = book.hero(e.id), ""
    if hero and hero.file.endswith(".svg"):
        out = f'<img src="figures/{e.id}/hero.svg" alt="{escape(hero.alt)}" loading="lazy">'
    elif hero:
        text = escape(book.figures[e.id][hero.file].strip("\n")).replace("\n", "&#10;")
        out = f'<pre class="text-figure" tabindex="0" aria-label="{escape(hero.alt)}">{text}</pre>'
    sound = next((f for f, _ in book.pictures(e.id) if f.file.endswith(".wav")), None)
    if sound:
        source, alt = f"figures/{e.id}/{escape(sound.file)}", escape(sound.alt)
        out += f'<audio controls preload="none" src="{source}" aria-label="{alt}"></audio>'
    return f"<figure>{out}<figcaption>{inline(hero.caption)}</figcaption></figure>" if hero else ""


def run(book: Book, e: Entry) -> str:
    """The command for the small data, and that for one's own with what it takes."""
    if e.implementation is None:
        return ""
    own = ""
    if takes := own_data(book, e):
        own = f"{command(f'genai-patterns run {e.id} --data {example(takes)}')}<p>Your own data: {inline(takes)}</p>"
    small = f"{command(f'genai-patterns run {e.id}')}<p>Trains on small data, scores it, draws samples.</p>"
    return div("runs", small + own)


def made_of(book: Book, e: Entry) -> str:
    """The patterns that it builds on or contains, with the reasons, and the others that serve it."""
    edges = book.catalog.edges(e.id)
    parts = [x for x in edges if x.type in BUILT and not x.derived]
    means = [x for x in edges if x.type == "served_by" and x.target not in {p.target for p in parts}]
    out = f'<ul class="reasons">{"".join(reason(book, x) for x in parts)}</ul>' if parts else ""
    if means:
        n = len(means)
        said = f"{n} other pattern{'s' * (n != 1)} that serve{'s' * (n == 1)} it"
        listed = f'<ul class="reasons">{"".join(reason(book, x) for x in means)}</ul>'
        out += f"<details><summary>{said}</summary>{listed}</details>"
    return out


def reason(book: Book, x: Edge) -> str:
    """A relation with what it says."""
    when = f' <span class="when">when {inline(uncapitalized(x.relation.when))}</span>' if x.relation.when else ""
    type = "" if x.type == "served_by" else f'<span class="type">{words(x.type)}</span> '
    return f"<li>{type}{chip(book.entries[x.target], 'patterns/')}{when} {line(x.relation.why)}</li>"


def measured(book: Book, e: Entry) -> str:
    """Two claims that hold, those against a baseline first, and a known weakness."""
    held = [c for c in e.claims if book.holds(e.id, c) == []]
    good = sorted((c for c in held if c.kind in MEASURED), key=lambda c: MEASURED.index(c.kind))[:2]
    rows = [("hold", c) for c in good] + [("weak", c) for c in held if c.kind == "limit"][:1]
    items = "".join(f'<li class="{cls}">{finding(book, e, c)}</li>' for cls, c in rows)
    return f'<ul class="findings">{items}</ul>' if items else ""


def finding(book: Book, e: Entry, c: Claim) -> str:
    """A claim in its own words, and its first number beside its baseline, linked to the claim."""
    got = book.evidence[e.id][c.id].measures
    name = next((k for k in c.measures if got[k].baseline is not None), next(iter(c.measures)))
    m, x = c.measures[name], got[name]
    number = f"<b>{svg.number(x.value)}</b>" + ("" if m.unit == "1" else f" {escape(m.unit)}")
    beside = f"; {inline(m.baseline or 'baseline')}: {svg.number(x.baseline)}" if x.baseline is not None else ""
    figures = f'<a href="patterns/{e.id}.html#claim-{c.id}">{inline(m.what)}: {number}{beside}</a>'
    return f'{line(c.statement)} <span class="figures">{figures}</span>'


def others(book: Book, e: Entry) -> str:
    """The decisions that it answers, with all their options and what speaks for each."""
    out = []
    for d in book.decisions(e.id):
        options = [(book.entries[o.pattern], o) for o in d.options if o.pattern != e.id]
        rows = "".join(
            f"<li>{chip(other, 'patterns/')} {line(o.why)} {grounds(other, o, f'patterns/{other.id}.html')}</li>"
            for other, o in options
        )
        if rows:
            ids = ",".join([e.id, *(other.id for other, _ in options)][:MOST])
            beside = f'<a class="grounds" href="compare.html#ids={ids}">side by side</a>'
            to = f'<p class="to"><a href="choose.html#{d.id}">{inline(d.problem)}</a> {beside}</p>'
            out.append(f'{to}<ul class="reasons">{rows}</ul>')
    return "".join(out)


# ---- data of one's own ----

_OWN = re.compile(r"(?:\bdata: |A user's (?:data|text) is |Users give |Otherwise )(.+)")


def own_data(book: Book, e: Entry) -> str:
    """What `--data` takes, as the task of the reference says in its docstring; empty where it takes nothing."""
    name = sources.task(sources.lineage(book.catalog, e))
    package = sources.file(book.catalog, "reference_impl.tasks")
    if name is None or package is None:
        return ""
    module, _, cls = tasks(package).get(name, "").partition(":")
    path = sources.file(book.catalog, f"reference_impl.tasks.{module}") if module else None
    for text in docstrings(path, cls) if path else []:
        for paragraph in text.split("\n\n"):
            found = _OWN.search(" ".join(paragraph.split()))
            if found and re.search(r"\bfile|\bfolder", found[1]):
                return found[1]
    return ""


def tasks(package: Path) -> dict[str, str]:
    """Module and class of each task by name."""
    for node in ast.parse(package.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TASKS":
            return ast.literal_eval(node.value)
    return {}


def docstrings(path: Path, cls: str) -> list[str]:
    """The docstring of a class, then those of the classes of the same module that it derives from."""
    classes = {n.name: n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.ClassDef)}
    out = []
    while node := classes.get(cls):
        out.append(ast.get_docstring(node) or "")
        cls = ast.unparse(node.bases[0]) if node.bases else ""
    return out


def example(takes: str) -> str:
    """A path as `--data` would be given it: of the first kind of file that is named, or a folder."""
    found = re.search(r"\.(?P<kind>\w+)|\bfile\b|\b(?P<folder>folder)\b", takes)
    return "mine/" if found and found["folder"] else f"mine.{(found and found['kind']) or 'txt'}"
