"""Commands that walk along relations."""

from __future__ import annotations

import click

from .shell import PATTERN, as_json, cli, emit, example, headed, loaded


@cli.command(epilog=example("genai-patterns lineage latent_diffusion", "genai-patterns lineage rnn --depth 1 --json"))
@click.argument("id", type=PATTERN)
@click.option("--depth", type=click.IntRange(1), help="How many generations; all if not given.")
@as_json
def lineage(id: str, depth: int | None, as_json: bool) -> None:
    """Show where an entry comes from and what came of it, on a time axis."""
    found = loaded().lineage(id, depth)
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo(headed(str(found)))


@cli.command(
    "learning-path",
    epilog=example("genai-patterns learning-path rlhf", "genai-patterns learning-path rlhf --known gpt --limit 5"),
)
@click.argument("id", type=PATTERN)
@click.option("--known", type=PATTERN, multiple=True, help="An entry known already; may be given several times.")
@click.option("--limit", type=click.IntRange(1), default=8, show_default=True,
              help="How many to read before it; half as many again where they are needed.")  # fmt: skip
@as_json
def learning_path(id: str, known: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Show what to read before an entry, in order, and what each is needed for."""
    path = loaded().learning_path(id, known, limit)
    if as_json:
        emit(**path.to_dict())
        return
    click.echo(headed(str(path)))


@cli.command(
    epilog=example(
        "genai-patterns alternatives vae",
        "genai-patterns alternatives vae likelihood=exact sampling=one_pass",
        "genai-patterns alternatives gpt 'year>=2020' --json",
    )
)
@click.argument("id", type=PATTERN)
@click.argument("facets", nargs=-1, metavar="[FACET=VALUE]...")
@as_json
def alternatives(id: str, facets: tuple[str, ...], as_json: bool) -> None:
    """Show what could be taken instead of an entry. Exit code 1 if there is nothing."""
    found = loaded().alternatives(id, facets)
    if as_json:
        emit(**found.to_dict())
    elif found:
        click.echo(headed(str(found)))
    if not found:
        click.echo(str(found), err=True)
        raise click.exceptions.Exit(1)


@cli.command(epilog=example("genai-patterns explain ddim ddpm", "genai-patterns explain vae gan --json"))
@click.argument("a", type=PATTERN)
@click.argument("b", type=PATTERN)
@as_json
def explain(a: str, b: str, as_json: bool) -> None:
    """Show what joins two entries and what separates them."""
    found = loaded().explain(a, b)
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo(headed(str(found)))
