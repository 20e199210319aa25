"""Commands that ask the catalog."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from ..results import fold
from .choose import ConditionText, where
from .shell import PATTERN, as_json, cli, count, emit, example, headed, loaded, table

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..schema import Entry


@cli.command(
    "list",
    epilog=example(
        "genai-patterns list --family diffusion",
        "genai-patterns list data=audio year=2006..",
        "genai-patterns list --json | jq '.entries[].id'",
    ),
)
@click.argument("conditions", metavar="[FACET=VALUE]...", nargs=-1, type=ConditionText())
@click.option("--family", help="Only this family.")
@click.option("--kind", help="Only this kind, such as architecture.")
@click.option("--status", help="Only this status, such as established.")
@where
@as_json
def list_(
    conditions: tuple[str, ...],
    family: str | None,
    kind: str | None,
    status: str | None,
    where: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the entries, all or those that meet conditions on their facets."""
    from ..facets import positions

    cat = loaded()
    named = {name: v for name, v in {"family": family, "kind": kind, "status": status}.items() if v is not None}
    ids = cat.ids
    found = [cat[ids[i]] for i in positions(cat.facets.matching((*conditions, *where), **named))]
    if as_json:
        fields = {"id", "name", "aliases", "family", "kind", "year", "status", "difficulty", "tags", "summary"}
        emit(entries=[e.model_dump(mode="json", include=fields) for e in found])
        return
    head = [c for c in ("id", "name", "family", "kind", "year") if any(getattr(e, c) for e in found)] or ["id"]
    table(head, [[str(getattr(e, c) or "") for c in head] for e in found])
    click.echo(count(found, "entry", "entries"), err=True)


@cli.command(epilog=example("genai-patterns show vae", "genai-patterns show 'variational autoencoders' --json"))
@click.argument("id", type=PATTERN)
@as_json
def show(id: str, as_json: bool) -> None:
    """Show one entry: what it is, when to use it, what was measured."""
    from .. import evidence

    cat = loaded()
    entry = cat.get(id)
    measured = evidence.read(cat.folder / entry.family / entry.id) if cat.folder else {}
    if as_json:
        emit(
            entry=entry.model_dump(mode="json", by_alias=True),
            relations=[r._asdict() for r in cat.related(entry.id)],
            evidence={name: record.model_dump(mode="json") for name, record in measured.items()},
        )
        return
    click.echo(page(cat, entry, {c.id: evidence.summary(c, measured[c.id]) for c in entry.claims if c.id in measured}))


@cli.command(
    epilog=example(
        "genai-patterns related vae",
        "genai-patterns related vae --type builds_on --direction in --depth 2",
        "genai-patterns related vae --ranked --limit 5",
    )
)
@click.argument("id", type=PATTERN)
@click.option(
    "--type", "types", multiple=True, help="Only this relation, such as builds_on; may be given several times."
)
@click.option("--direction", type=click.Choice(["both", "out", "in"]), default="both", show_default=True,
              help="out: stated by the entry; in: stated by others about it.")  # fmt: skip
@click.option("--depth", type=click.IntRange(1), help="How many relations away; 1, or any number with --ranked.")
@click.option("--ranked", is_flag=True, help="The most relevant first, each once.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; all, or 10 with --ranked.")
@as_json
def related(
    id: str, types: tuple[str, ...], direction: Any, depth: int | None, ranked: bool, limit: int | None, as_json: bool
) -> None:
    """Show what relations lead to, and the reason along each."""
    found = loaded().related(id, types or None, direction, depth, ranked, limit)
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo(headed(str(found)))


@cli.command(epilog=example("genai-patterns path vae gpt"))
@click.argument("a", type=PATTERN)
@click.argument("b", type=PATTERN)
@as_json
def path(a: str, b: str, as_json: bool) -> None:
    """Show a shortest chain of relations between two entries."""
    route = loaded().path(a, b)
    if as_json:
        emit(**route.to_dict())
    else:
        click.echo(headed(str(route)))


@cli.command(
    epilog=example("genai-patterns search mode collapse", "genai-patterns search 'exact likelihood' --limit 3 --json")
)
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="At most so many entries.")
@as_json
def search(text: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find entries that speak of something. Exit code 1 if there are none."""
    from ..search import NAMED

    asked = " ".join(text)
    hits = loaded().search(asked, limit)
    if as_json:
        emit(**hits.to_dict())
    else:
        if note := hits.note():
            click.echo(note, err=True)
        for h in hits:
            click.echo(click.style(h.name, bold=True) + f" ({h.id})")
            said = h.snippet if h.section in NAMED else f"{h.section.replace('_', ' ')}: {h.snippet}"
            click.echo("\n".join(fold(said, "    ", 0)))
    if not hits:
        click.echo(f"nothing speaks of {asked!r}", err=True)
        raise click.exceptions.Exit(1)


# -- helpers


def page(cat: Catalog, entry: Entry, measured: dict[str, str]) -> str:
    """An entry for reading on a terminal."""
    from ..prose import plain

    def paragraphs(text: str) -> list[str]:
        parts = [fold(plain(p), "  ", 0) for p in text.split("\n\n") if p.strip()]
        return [line for i, part in enumerate(parts) for line in [""] * (i > 0) + part]

    def bullets(items: Iterable[str]) -> list[str]:
        return [line for i in items for line in fold(plain(i), "  - ", 0)]

    e, family = entry, cat.titles.get(entry.family, entry.family)
    level = f"difficulty {e.difficulty} of 5" if e.difficulty else None
    facts = " · ".join(str(fact) for fact in (e.id, family, e.kind, e.year, e.status, level) if fact)
    sections = {
        "Intent": paragraphs(e.intent),
        "Problem": paragraphs(e.problem),
        "Solution": paragraphs(e.solution),
        "Objective": [f"  {e.objective.strip()}"] if e.objective else [],
        "Use it when": bullets(e.use_when),
        "Avoid it when": bullets(e.avoid_when),
        "How it fails": bullets(f"{f.symptom} {f.remedy}" for f in e.failure_modes),
        "Claims": bullets(
            c.statement + (f" [{measured[c.id]}]" if c.id in measured else " [not measured]") for c in e.claims
        ),
        "Relations": bullets(f"{r.type.replace('_', ' ')} {r.name} ({r.id}): {r.why}" for r in cat.related(e.id)),
        "Sources": bullets(f"{s.authors}, {s.title}, {s.venue} {s.year}{link(s)}" for s in e.sources),
        "Run": [f"  genai-patterns run {e.id}"] if e.implementation else [],
    }
    lines = [f"{e.name}", f"  {facts}", "", *paragraphs(e.summary)]
    for title, body in sections.items():
        lines += ["", title, *body] if body else []
    return headed("\n".join(lines))


def link(source: Any) -> str:
    """Where a source is found."""
    if source.arxiv:
        return f", arXiv:{source.arxiv}"
    return f", doi:{source.doi}" if source.doi else f", {source.url}"
