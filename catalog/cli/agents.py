"""Commands for coding agents: the server they connect to, how to use it, and the code that they build on."""

from __future__ import annotations

import click

from .. import data
from .shell import PATTERN, as_json, cli, emit, example, loaded


@cli.command(epilog=example("genai-patterns mcp", "CATALOG_PATTERNS=my/patterns genai-patterns mcp"))
def mcp() -> None:
    """Serve the catalog to coding agents over the Model Context Protocol.

    An agent's client starts this command and talks to it on standard input and output; started by hand it waits.
    """
    from .. import mcp_server

    mcp_server.serve(loaded())


@cli.command(epilog=example("genai-patterns skill", "genai-patterns skill > SKILL.md"))
@as_json
def skill(as_json: bool) -> None:
    """Print how to use the catalog from a coding agent, as the text of a skill."""
    if as_json:
        emit(skill=data.skill())
    else:
        click.echo(data.skill(), nl=False)


@cli.command(epilog=example("genai-patterns source vae > vae.py", "genai-patterns source vae --json | jq .imports"))
@click.argument("id", type=PATTERN)
@as_json
def source(id: str, as_json: bool) -> None:
    """Print the source of an entry's reference."""
    found = loaded().source(id)
    if as_json:
        emit(**found.to_dict())
    else:
        click.echo(f"{found.file}: {found.cls}; run it with: genai-patterns run {found.entry.id}", err=True)
        click.echo(found.code, nl=False)
