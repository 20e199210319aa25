"""The command that gives the catalog to other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..export import FORMATS
from .shell import PATTERN, cli, example, loaded


class FormatName(click.ParamType):
    """A format; the shell completes it."""

    name = "format"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Formats that begin so, with what reads them beside."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(f.name, help=f.reads) for f in FORMATS.values() if f.name.startswith(incomplete)]


def formats(indent: str = "") -> str:
    """All formats, a line each."""
    return "\n".join(f"{indent}{f.name:13} {f.reads}" for f in FORMATS.values())


def print_formats(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the formats and end."""
    if value:
        click.echo(formats())
        ctx.exit()


def print_schema(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the JSON Schema of catalog-json and end."""
    if value:
        from ..export.document import schema_text

        click.echo(schema_text(loaded().vocabulary.entry), nl=False)
        ctx.exit()


@cli.command(
    epilog=f"\b\nFormats:\n{formats('  ')}\n\n"
    + example(
        "genai-patterns export graphml --out patterns.graphml",
        "genai-patterns export mermaid --around vae --depth 2",
        "genai-patterns export bibtex vae gan > sources.bib",
        "genai-patterns export csv --out tables",
    )
)
@click.argument("format", type=FormatName())
@click.argument("ids", type=PATTERN, nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), help="Write it there; CSV to a folder. Default: stdout.")
@click.option("--family", help="Only entries of this family.")
@click.option("--type", "types", multiple=True, help="Only relations of this type, and the entries they join.")
@click.option("--around", metavar="ID", type=PATTERN, help="Only this entry, and those it is related to.")
@click.option("--depth", type=click.IntRange(1), help="With --around: how many relations away.  [default: 1]")
@click.option("--base", metavar="IRI", help="json-ld: what the names of things begin with.")
@click.option("--table", metavar="NAME", help="csv: only this table, such as claims.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=print_formats, help="List the formats."
)
@click.option(
    "--schema", is_flag=True, is_eager=True, expose_value=False, callback=print_schema,
    help="Print the JSON Schema of catalog-json.",
)  # fmt: skip
def export(
    format: str,
    ids: tuple[str, ...],
    out: Path | None,
    family: str | None,
    types: tuple[str, ...],
    around: str | None,
    depth: int | None,
    base: str | None,
    table: str | None,
) -> None:
    """Write the catalog, or the entries IDS, in the FORMAT of another tool."""
    from ..errors import did_you_mean
    from ..export import writing

    options = {} if base is None else {"base": base}
    made = loaded().export(format, ids=ids, family=family, types=types, around=around, depth=depth, **options)
    if table is not None and not isinstance(made, dict):
        raise click.UsageError(f"{format} has no tables; --table is for csv")
    if isinstance(made, dict) and table is not None:
        names = [name.removesuffix(".csv") for name in made]
        if table not in names:
            hint = did_you_mean(table, names, f"there are {', '.join(names)}")
            raise click.BadParameter(f"{table!r}; {hint}", param_hint="--table")
        made = made[f"{table}.csv"]
    if out is None or str(out) == "-":
        if isinstance(made, dict):
            raise click.UsageError(f"csv is {len(made)} files: give --out FOLDER, or one of them with --table")
        sys.stdout.buffer.write(made.encode())
        return
    try:
        writing.write(made, out)
    except OSError as err:
        raise click.UsageError(f"--out {out}: {err.strerror or err}") from None
    click.echo(out, err=True)
