"""Commands for those who write entries."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from .shell import as_json, cli, count, emit, example, located


@cli.command(epilog=example("genai-patterns init knots", "genai-patterns init knots --name 'Knots for sailors'"))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", help="Title of the catalog; by default the folder's name.")
def init(folder: Path, name: str | None) -> None:
    """Begin a catalog of your own: DIR with catalog.yaml, which says what entries may say, and three short entries.

    All commands work on it: `genai-patterns --catalog DIR ...`. DIR is new or empty; nothing is overwritten.
    """
    from pydantic import TypeAdapter, ValidationError

    from .. import scaffold
    from ..schema import Line

    title = re.sub(r"[\W_]+", " ", folder.absolute().name).strip().capitalize() if name is None else name
    try:
        TypeAdapter(Line).validate_python(title)
    except ValidationError:
        raise click.BadParameter(f"{title!r}; one line of at most 160 characters", param_hint="--name") from None
    if folder.exists() and not folder.is_dir():
        raise click.UsageError(f"{folder} is a file; name a folder that is new or empty")
    if folder.is_dir() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty, nothing was written; name a folder that is new or empty")
    made = scaffold.starter(title, str(folder))
    try:
        scaffold.write(folder, made)
    except OSError as err:
        raise click.UsageError(f"{err.filename}: cannot be written: {err.strerror}") from None
    for file in made:
        click.echo(str(folder / file))
    ask = f"genai-patterns --catalog {shlex.quote(str(folder))} related bowline"
    click.echo(f"now ask it: `{ask}`; README.md says more", err=True)


@cli.command(epilog=example("genai-patterns new wgan --family adversarial --name 'Wasserstein GAN'"))
@click.argument("id")
@click.option("--family", required=True, help="The family; its folder's name.")
@click.option("--name", required=True, help="The name as people write it.")
def new(id: str, family: str, name: str) -> None:
    """Begin an entry, to be filled in. `validate` then says what is missing.

    In a checkout of this project a pattern is its YAML, a reference and tests; in a catalog of your own the YAML alone.
    """
    from pydantic import TypeAdapter, ValidationError

    from .. import data, scaffold
    from ..checks import in_checkout
    from ..errors import did_you_mean
    from ..loader import read, vocabulary
    from ..schema import Id

    try:
        TypeAdapter(Id).validate_python(id)
    except ValidationError:
        raise click.BadParameter(
            f"{id!r}; ids are lower-case words joined by underscores, such as masked_autoencoder"
        ) from None
    folder = data.folder()
    own = (folder / "catalog.yaml").is_file() and folder.name != "_patterns"
    if not (own or in_checkout(folder)):
        what = "is no catalog of your own (`init` begins one) and does not lie in a checkout of the project"
        raise click.UsageError(f"{folder} {what}, where entries are written")
    words, (cat, _) = vocabulary(), read()
    if cat.titles and family not in cat.titles:
        hint = did_you_mean(family, cat.titles, f"there are {', '.join(cat.titles)}")
        raise click.BadParameter(f"{family!r}; {hint}", param_hint="--family")
    if id in cat or name in cat:
        raise click.UsageError(f"{cat.get(id if id in cat else name).id} has this id or name already")
    root = folder.resolve().parent
    if in_checkout(folder):
        made = scaffold.files(id, family, name)
    else:
        made = {f"{folder.resolve().name}/{family}/{id}.yaml": scaffold.entry_text(id, family, name, vocabulary=words)}
        (folder / scaffold.SCHEMA_FILE).write_text(scaffold.schema_text(words), encoding="utf-8")
    try:
        scaffold.write(root, made)
    except FileExistsError as err:
        raise click.UsageError(str(err)) from None
    for file in made:
        click.echo(file)
    click.echo("fill them in; `genai-patterns validate` says what is still missing", err=True)


@cli.command(epilog=example("genai-patterns validate", "genai-patterns validate patterns/latent_variable/vae.yaml"))
@click.argument("path", type=click.Path(path_type=Path), required=False)
@as_json
def validate(path: Path | None, as_json: bool) -> None:
    """Find everything that is wrong with entries.

    PATH is a folder of <family>/<id>.yaml, or one file; by default the catalog in use.

    Fields, relations, references, symbols; in a checkout also tests and evidence. Exit code 1 if there is anything.
    """
    from ..checks import check
    from ..loader import BESIDE, read, shown

    folder, single = path, path is not None and path.is_file()
    if path and single:
        folder = path.absolute().parents[0 if path.name in BESIDE else 1]
    cat, problems = read(folder)
    problems = sorted({*problems, *check(cat)})
    if path and single:
        problems = [p for p in problems if p.file == shown(path.absolute())]
    if as_json:
        from dataclasses import asdict

        emit(problems=[asdict(p) for p in problems])
    else:
        for p in problems:
            click.echo(located(p))
        checked = count(problems, "problem") if problems else "no problems"
        click.echo(f"{checked} in {'one file' if single else count(cat, 'sound entry', 'sound entries')}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


@cli.command(
    epilog=example("genai-patterns schema > entry.schema.json", "genai-patterns --catalog knots schema --write")
)
@click.option(
    "--write", "write_", is_flag=True, help="Write it into the catalog's folder, where its entries look for it."
)
def schema(write_: bool) -> None:
    """Print the JSON Schema of an entry of the catalog in use."""
    from .. import data
    from ..loader import shown, vocabulary
    from ..scaffold import SCHEMA_FILE, schema_text

    text = schema_text(vocabulary())
    if not write_:
        click.echo(text, nl=False)
        return
    file = data.folder() / SCHEMA_FILE
    file.write_text(text, encoding="utf-8")
    click.echo(str(shown(file)))
