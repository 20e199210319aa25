"""Commands that choose: patterns for a problem, what mends a failure, a question in plain words; and `--where`."""

from __future__ import annotations

import re
from typing import Any

import click

from ..errors import CatalogError
from .shell import as_json, cli, emit, example, headed, loaded


class ConditionText(click.ParamType):
    """A condition on a facet; the shell completes facets and then their values."""

    name = "facet=value"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Facets that begin so, or the values of the facet that stands there."""
        from click.shell_completion import CompletionItem

        try:
            facets = loaded().facets
        except CatalogError:
            return []
        name, equals, begun = incomplete.partition("=")
        if not equals:
            return [CompletionItem(f"{facet}=") for facet in facets.names if facet.startswith(name)]
        known = facets.values(name) if name in facets.names else {}
        return [CompletionItem(f"{name}={v}", help=f"{n} entries") for v, n in known.items() if v.startswith(begun)]


where = click.option(
    "--where",
    multiple=True,
    type=ConditionText(),
    help="Only entries that meet this: likelihood=exact, data=image,text (either), sampling!=sequential, year=2015.. "
    "or difficulty=..2; may be given several times.",
)
limit = click.option("--limit", type=click.IntRange(1), default=5, show_default=True, help="At most so many entries.")


def told(found: Any, as_json: bool, anything: object) -> None:
    """Print an answer; exit code 1 if there is nothing in it, though it may say what is near."""
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo(headed(str(found)))
    if not anything:
        raise click.exceptions.Exit(1)


@cli.command(
    epilog=example(
        "genai-patterns recommend samples show only a few kinds",
        "genai-patterns recommend draw digits likelihood=exact sampling!=sequential",
        "genai-patterns recommend --where data=audio --json",
    )
)
@click.argument("text", nargs=-1)
@where
@limit
@as_json
def recommend(text: tuple[str, ...], where: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Recommend patterns for a problem: why each, why not, and what would fit but for one facet.

    TEXT is the problem in plain words, with conditions such as year=2015.. between them; facets alone will do. Exit
    code 1 if nothing fits.
    """
    conditions = [word for word in text if re.match(r"\w+(=|!=|>=|<=)", word)]
    found = loaded().recommend(" ".join(w for w in text if w not in conditions), (*where, *conditions), limit)
    told(found, as_json, found)


@cli.command(epilog=example("genai-patterns fixes mode collapse", "genai-patterns fixes samples are blurred --json"))
@click.argument("symptom", nargs=-1, required=True)
@as_json
def fixes(symptom: tuple[str, ...], as_json: bool) -> None:
    """Say what mends a failure: how to tell it, what to do, and which patterns help, with what was measured.

    SYMPTOM is what one sees, or what the failure is called. Exit code 1 if no entry describes such a one.
    """
    found = loaded().fixes(" ".join(symptom))
    told(found, as_json, found)


@cli.command(
    epilog=example(
        "genai-patterns ask what must I know before WGAN-GP",
        "genai-patterns ask 'what fixes posterior collapse?'",
        "genai-patterns ask 'difference between LSTM and GRU' --json | jq .verb",
    )
)
@click.argument("question", nargs=-1, required=True)
@as_json
def ask(question: tuple[str, ...], as_json: bool) -> None:
    """Answer a question in plain words, by the command that is meant.

    QUESTION may name patterns in any way that is known, also mistyped. The first line says which verb answered. Exit
    code 1 if nothing is found.
    """
    reply = loaded().ask(" ".join(question))
    told(reply, as_json, reply.ids)
