"""Commands that put entries beside each other."""

from __future__ import annotations

from typing import Any

import click

from .shell import PATTERN, as_json, cli, emit, example, headed, loaded


@cli.command(
    epilog=example("genai-patterns compare vae gan", "genai-patterns compare lstm gru mamba --json | jq .measured")
)
@click.argument("ids", type=PATTERN, nargs=-1, required=True, metavar="ID...")
@as_json
def compare(ids: tuple[str, ...], as_json: bool) -> None:
    """Put two or more patterns side by side: facets, measured numbers, trade-offs, failures.

    Numbers stand side by side only where one test measured both, or where both are the same measure on the same task.
    """
    found = loaded().compare(ids)
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo(headed(str(found)))


@cli.command(
    epilog=example("genai-patterns diff vae beta_vae", "genai-patterns diff wgan wgan_gp --json | jq '.code[].name'")
)
@click.argument("a", type=PATTERN)
@click.argument("b", type=PATTERN)
@as_json
def diff(a: str, b: str, as_json: bool) -> None:
    """Show what changes from one pattern to another: code, method by method, and entry."""
    found = loaded().diff(a, b)
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo("\n".join(map(signed, headed(str(found)).split("\n"))))


@cli.command(
    epilog=example("genai-patterns compose vq_vae gpt", "genai-patterns compose vae gpt --json | jq .gaps[].bridges")
)
@click.argument("ids", type=PATTERN, nargs=-1, required=True, metavar="ID...")
@as_json
@click.pass_context
def compose(ctx: click.Context, ids: tuple[str, ...], as_json: bool) -> None:
    """Say whether patterns can be put together in this order.

    By what their entries declare that goes in and comes out. Exit code 1 if they cannot.
    """
    found = loaded().compose(ids)
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo(headed(str(found)))
    ctx.exit(int(found.verdict in ("no", "undeclared")))


@cli.command(
    epilog=example(
        "genai-patterns claims vae",
        "genai-patterns claims --kind exact --family flow",
        "genai-patterns claims --proves reduces_to --json | jq '.rows[].claim'",
    )
)
@click.argument("ids", type=PATTERN, nargs=-1, metavar="[ID]...")
@click.option(
    "--family", multiple=True, help="Only this family; this and the other options may be given several times."
)
@click.option("--kind", multiple=True, help="Only this kind, such as exact.")
@click.option("--status", multiple=True, help="holds, missed, 'not measured', or stale, which takes half a minute.")
@click.option("--unit", multiple=True, help="Only measures in this unit, such as nats.")
@click.option("--proves", multiple=True, help="Only claims that prove such a relation, such as reduces_to.")
@click.option("--text", help="Only claims that speak of this.")
@click.option("--year", metavar="YEAR[-YEAR]", help="Only patterns of this year, or from one to another.")
@as_json
@click.pass_context
def claims(ctx: click.Context, ids: tuple[str, ...], year: str | None, as_json: bool, **filters: Any) -> None:
    """List claims with what was measured, the baseline's number, the bar, the spread and the date. Exit code 1 if there
    are none."""
    found = loaded().claims(ids or None, year=years(year), **filters)
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo(headed(str(found)))
    ctx.exit(int(not found))


# -- helpers


def signed(line: str) -> str:
    """A line of a difference: what came in green, what went in red; plain where output is no terminal."""
    color = {"+": "green", "-": "red"}.get(line.lstrip()[:1])
    return click.style(line, fg=color) if color and line[:1] == " " else line


def years(text: str | None) -> tuple[int, int] | None:
    """`2014` or `2014-2017` as the first and the last year."""
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last if dash else first).isdecimal()):
        raise click.BadParameter(f"{text!r}; write a year such as 2014, or two such as 2014-2017", param_hint="--year")
    return int(first), int(last) if dash else int(first)
