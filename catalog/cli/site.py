"""Commands that build the site and show it."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from .shell import cli, example


@cli.command(epilog=example("genai-patterns build", "genai-patterns build --builder zensical --out public"))
@click.option("--builder", type=click.Choice(["mkdocs", "zensical"]), default="mkdocs", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the finished site.")
@click.option("--url", default="", help="Where it will lie: for a sitemap, previews, structured data, the page 404.")
@click.pass_context
def build(ctx: click.Context, builder: str, out: Path | None, url: str) -> None:
    """Build the site."""
    made = importlib.import_module("catalog.site.build").build(builder=builder, out=out, url=url)
    ctx.exit(made if isinstance(made, int) else 0)


@cli.command(epilog=example("genai-patterns serve --port 8001"))
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.pass_context
def serve(ctx: click.Context, port: int) -> None:
    """Serve the site on this machine; edit an entry, and its page reloads."""
    made = importlib.import_module("catalog.site.live").serve(port=port)
    ctx.exit(made if isinstance(made, int) else 0)
