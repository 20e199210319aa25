"""What all commands share: the group and its exit codes, names as arguments, how results are printed."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..data import VARIABLE
from ..errors import BadQuestion, CatalogError, NoPath, Problem, UnknownPattern

if TYPE_CHECKING:
    from ..catalog import Catalog

EXTRAS = {
    "reference": ("torch", "numpy", "safetensors", "sklearn", "matplotlib"),
    "data": ("pooch",),
    "serve": ("mcp",),
    "site": ("mkdocs", "material", "mkdocstrings", "zensical", "markdown_it", "pygments", "markdown"),
    "test": ("pytest", "hypothesis", "xdist"),
}
"""The packages that each extra of the distribution brings."""


class Commands(click.Group):
    """A group that turns the errors of the library into lines and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a problem of the entries exits with 1, what cannot be asked for with 2."""
        if "NO_COLOR" in os.environ:
            ctx.color = False
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except CatalogError as err:
            click.echo(err, err=True)
            click.echo(f"{count(err.problems, 'problem')}; the catalog cannot be used", err=True)
            ctx.exit(1)
        except NoPath as err:
            click.echo(err, err=True)
            ctx.exit(1)
        except (UnknownPattern, BadQuestion) as err:
            raise click.UsageError(str(err)) from None
        except ModuleNotFoundError as err:
            package = (err.name or "").partition(".")[0]
            extra = next((e for e, packages in EXTRAS.items() if package in packages), None)
            if extra is None:
                raise
            raise click.UsageError(f"this needs the {extra} extra: pip install 'genai-patterns[{extra}]'") from None
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)
        except BrokenPipeError:  # the reader has seen enough
            silence()
            ctx.exit(0)
        except OSError as err:
            if err.errno != errno.ENOSPC:
                raise
            silence()
            click.echo(f"Error: {err.filename or 'the output'} could not be written: {err.strerror}", err=True)
            ctx.exit(1)


class PatternName(click.ParamType):
    """Any name of an entry; the shell completes ids."""

    name = "id"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Ids that begin so, with the names beside them."""
        from click.shell_completion import CompletionItem

        try:
            return [CompletionItem(e.id, help=e.name) for e in loaded() if e.id.startswith(incomplete.lower())]
        except CatalogError:
            return []


PATTERN = PatternName()
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def example(*lines: str) -> str:
    """An epilog that shows commands as they are typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the version and end."""
    if value:
        from .. import __version__

        click.echo(f"genai-patterns {__version__}")
        ctx.exit()


def use(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    """Let this folder be the catalog in use, here and in the processes that are started from here."""
    if value is not None:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(value.absolute())
        ctx.call_on_close(lambda: os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before}))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExamples:\n  genai-patterns related vae\n  genai-patterns run vae latent_dim=2 --out runs/vae\n"
    "  genai-patterns sample vae --from runs/vae --grid 4x8\n\n"
    "A pattern is named by its id, its name or an alias, in any case. Results go to standard output, notes and "
    "progress to standard error. Exit codes: 0 all is well; 1 problems were found; 2 the command cannot be run as "
    "given.\n\n"
    '\b\nCompletion of ids in bash: eval "$(_GENAI_PATTERNS_COMPLETE=bash_source genai-patterns)"',
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=version, help="Print the version.")
@click.option(
    "--catalog", metavar="DIR", type=click.Path(path_type=Path), expose_value=False, callback=use,
    help=f"Use the catalog in this folder; `init` begins one. ${VARIABLE} says the same for all commands.",
)  # fmt: skip
def cli() -> None:
    """Ask, run, verify and extend the catalog of generative-AI patterns, or one of your own."""


def main() -> None:
    """The entry point of the distribution."""
    cli(prog_name="genai-patterns")


# -- helpers


def loaded() -> Catalog:
    """The catalog, loaded when a command needs it."""
    from ..store import load

    return load()


def silence() -> None:
    """Let what is still to be written go nowhere: Python flushes standard output once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit(**data: Any) -> None:
    """Print a result for programs."""
    click.echo(json.dumps({"schema": 1, **data}, indent=1, ensure_ascii=False))


def count(things: Any, one: str, many: str | None = None) -> str:
    """`1 problem`, `2 problems`."""
    n = len(things)
    return f"{n} {one if n == 1 else many or one + 's'}"


def on_terminal() -> bool:
    """Whether people look at standard output and want color."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table: drawn on a terminal, aligned columns elsewhere."""
    rows = list(rows)
    if on_terminal():
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table

        drawn = Table(*head, box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for row in rows:
            drawn.add_row(*row)
        Console().print(drawn)
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in [head, *rows]:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def headed(text: str) -> str:
    """Text with the lines that are not indented in bold; plain where output is no terminal."""
    return "\n".join(click.style(line, bold=True) if line and line[0] != " " else line for line in text.split("\n"))


def located(problem: Problem) -> str:
    """A problem as a line, its place in bold."""
    place, rest = f"{problem.file}:{problem.line}:{problem.column}:", f" {problem.message}; {problem.fix}"
    return click.style(place, bold=True) + rest
