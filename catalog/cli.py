"""The command line `genai-patterns`, also `python -m catalog`."""

from __future__ import annotations

import importlib
import json
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from .errors import CatalogError, NoPath, Problem, UnknownPattern

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Entry

EXTRAS = {
    "reference": ("torch", "numpy", "safetensors", "sklearn", "matplotlib"),
    "data": ("pooch",),
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
        except UnknownPattern as err:
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
        from . import __version__

        click.echo(f"genai-patterns {__version__}")
        ctx.exit()


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
def cli() -> None:
    """Ask, run, verify and extend the catalog of generative-AI patterns."""


def main() -> None:
    """The entry point of the distribution."""
    cli(prog_name="genai-patterns")


# -- asking


@cli.command(
    "list", epilog=example("genai-patterns list --family diffusion", "genai-patterns list --json | jq '.entries[].id'")
)
@click.option("--family", help="Only this family.")
@click.option("--kind", help="Only this kind, such as architecture.")
@click.option("--status", help="Only this status, such as established.")
@as_json
def list_(family: str | None, kind: str | None, status: str | None, as_json: bool) -> None:
    """List the entries."""
    cat = loaded()
    for field, value, known in (
        ("family", family, list(cat.titles)),
        ("kind", kind, choices("kind")),
        ("status", status, choices("status")),
    ):
        if value is not None and value not in known:
            from .errors import did_you_mean

            hint = did_you_mean(value, known, f"there are {', '.join(known)}")
            raise click.BadParameter(f"{value!r}; {hint}", param_hint=f"--{field}")
    wanted = {k: v for k, v in {"family": family, "kind": kind, "status": status}.items() if v}
    found = [e for e in cat if all(getattr(e, k) == v for k, v in wanted.items())]
    if as_json:
        fields = {"id", "name", "aliases", "family", "kind", "year", "status", "difficulty", "tags", "summary"}
        emit(entries=[e.model_dump(mode="json", include=fields) for e in found])
        return
    table(("id", "name", "family", "kind", "year"), [(e.id, e.name, e.family, e.kind, str(e.year)) for e in found])
    click.echo(count(found, "entry", "entries"), err=True)


@cli.command(epilog=example("genai-patterns show vae", "genai-patterns show 'variational autoencoders' --json"))
@click.argument("id", type=PATTERN)
@as_json
def show(id: str, as_json: bool) -> None:
    """Show one entry: what it is, when to use it, what was measured."""
    from . import evidence

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
    epilog=example("genai-patterns related vae", "genai-patterns related vae --type builds_on --direction in --depth 2")
)
@click.argument("id", type=PATTERN)
@click.option(
    "--type", "types", multiple=True, help="Only this relation, such as builds_on; may be given several times."
)
@click.option("--direction", type=click.Choice(["both", "out", "in"]), default="both", show_default=True,
              help="out: stated by the entry; in: stated by others about it.")  # fmt: skip
@click.option("--depth", type=click.IntRange(1), default=1, show_default=True, help="How many relations away.")
@as_json
def related(id: str, types: tuple[str, ...], direction: Any, depth: int, as_json: bool) -> None:
    """Show what relations lead to, and the reason along each."""
    try:
        found = loaded().related(id, types or None, direction, depth)
    except ValueError as err:
        raise click.UsageError(str(err)) from None
    if as_json:
        emit(id=found.of.id, related=[r._asdict() for r in found])
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
        emit(ids=route.ids, steps=[s._asdict() for s in route])
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
    asked = " ".join(text)
    hits = loaded().search(asked, limit)
    if as_json:
        emit(query=asked, corrected=hits.corrected, hits=[h._asdict() for h in hits])
    else:
        if hits.corrected:
            click.echo(f"looked for: {hits.corrected}", err=True)
        for h in hits:
            click.echo(click.style(h.name, bold=True) + f" ({h.id})")
            click.echo(textwrap.fill(h.snippet, 100, initial_indent="    ", subsequent_indent="    "))
    if not hits:
        click.echo(f"nothing speaks of {asked!r}", err=True)
        raise click.exceptions.Exit(1)


# -- running

PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}


@cli.command(
    context_settings=PASS_ON, add_help_option=False,
    epilog=example(
        "genai-patterns run vae --help                    # the settings of this reference",
        "genai-patterns run vae latent_dim=2 --out runs/vae",
        "torchrun --nproc-per-node 2 -m catalog run vae   # two processes, the same numbers",
    ),
)  # fmt: skip
@click.argument("id", type=PATTERN)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(ctx: click.Context, id: str, args: tuple[str, ...]) -> None:
    """Train the reference of a pattern. What follows ID goes to the reference as it stands."""
    if id in ("-h", "--help"):
        click.echo(ctx.get_help())
        return
    cat, entry = runnable(id)
    cls = reference(entry)
    from reference_impl.core import main as train

    data = cat.passages() if cls.task == "questions" else None
    train(cls, list(args), prog=f"genai-patterns run {entry.id}", data=data)


@cli.command(
    epilog=example(
        "genai-patterns sample vae --from runs/vae --grid 4x8 --out vae.png",
        'genai-patterns sample gpt --from runs/gpt -n 2 --prompt "A model "',
    )
)
@click.argument("id", type=PATTERN)
@click.option(
    "--from", "folder", type=click.Path(path_type=Path), required=True,
    help="The folder of a run; for gpt also that of a GPT-2 checkpoint.",
)  # fmt: skip
@click.option("-n", "n", type=click.IntRange(1), help="How many samples.  [default: 16, or the grid's]")
@click.option("--grid", metavar="ROWSxCOLUMNS", help="Arrange images so.")
@click.option("--label", type=click.IntRange(0), help="Draw this class only, where the reference knows classes.")
@click.option(
    "--prompt", help="Text to go on from, to translate, to summarize, or to draw, where the reference does so."
)
@click.option(
    "--length", type=click.IntRange(2), help="Tokens of each sample, the prompt included, of a language model."
)
@click.option(
    "--data", help="The data of the run, where samples need some (a probe, a question) and it was not the default."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write: .png, .svg, .txt, or numbers as .npy.  [default: sample.png beside the run; text is printed]",
)
def sample(
    id: str, folder: Path, n: int | None, grid: str | None, label: int | None, prompt: str | None,
    length: int | None, data: str | None, seed: int, out: Path | None,
) -> None:  # fmt: skip
    """Draw samples from a trained reference."""
    cat, entry = runnable(id)
    n, columns = layout(n, grid)
    cls = reference(entry)
    import torch

    from reference_impl import figures
    from reference_impl.core import Task, load, seed_all

    try:
        if (folder / "config.json").is_file() and "start" in cls.Config.model_fields:
            from reference_impl.tasks.text import pretrained_facts

            record = {"reference": entry.implementation.reference, "kind": "text", "facts": pretrained_facts(folder)}
            model = cls(cls.Config.model_validate({"start": str(folder)})).eval()
            model.prepare(Task(None))
        else:
            model, record = load(folder)
    except (ValueError, FileNotFoundError) as err:
        raise click.UsageError(str(err)) from None
    if record["reference"] != entry.implementation.reference:
        raise click.UsageError(f"{folder} is a run of {record['reference']}, not of {entry.implementation.reference}")
    facts: dict[str, Any] = record["facts"]
    y: Any = None
    more: dict[str, int] = {}
    if length is not None:
        if record["kind"] != "text":
            raise click.UsageError(f"--length: {id} writes no running text")
        more = {"length": length}
    if label is not None:
        classes = facts.get("classes") if getattr(model, "conditional", False) else 0
        if not classes or label >= classes:
            raise click.UsageError(f"--label {label}: the run has {classes or 'no'} classes")
        y = torch.full((n,), label)
    elif prompt is not None and (cls.task == "captions" or record["kind"] == "strings"):
        y = [prompt] * n
    elif prompt is not None:
        y = encode(prompt, record["kind"], facts).expand(n, -1)
        if length is not None and length <= y.shape[1]:
            raise click.UsageError(f"--length {length}: the prompt alone has {y.shape[1]} tokens")
    elif facts.get("conditional"):
        from reference_impl.tasks import make

        y = make(cls.task, data or (cat.passages() if cls.task == "questions" else None)).splits["test"][1][:n]
        n = len(y)
    seed_all(seed, "sample")
    try:
        with torch.no_grad():
            samples = model.sample(n, y, **more)
    except ValueError as err:
        raise click.UsageError(str(err)) from None
    if out is not None and out.suffix == ".npy" and isinstance(samples, torch.Tensor):
        import numpy as np

        out.parent.mkdir(parents=True, exist_ok=True)
        np.save(out, samples.cpu().numpy(), allow_pickle=False)
        click.echo(str(out))
        return
    drawn = figures.show(record["kind"], samples, facts, columns, y)
    if isinstance(drawn, str):
        text = drawn
        if out is None:
            click.echo(text)
            return
        content = text.encode()
    else:
        out = out or folder / "sample.png"
        if out.suffix not in (".png", ".svg"):
            raise click.BadParameter(
                f"{out}: the samples are a picture; give a name in .png or .svg, or .npy for the numbers",
                param_hint="--out",
            )
        content = figures.png(drawn) if out.suffix == ".png" else figures.svg(drawn).encode()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    click.echo(str(out))


@cli.command(
    epilog=example(
        "genai-patterns verify vae",
        "genai-patterns verify --changed --sample 0.1",
        "genai-patterns verify --all --shard 1/4",
    )
)
@click.argument("ids", type=PATTERN, nargs=-1)
@click.option("--all", "all_", is_flag=True, help="Every claim of every pattern.")
@click.option("--changed", is_flag=True, help="Claims whose code, test or bar changed since they were measured.")
@click.option(
    "--sample", "share", type=click.FloatRange(0, 1), default=0.0, help="With --changed: this share of the others too."
)
@click.option(
    "--shard", default="1/1", metavar="I/N", show_default=True, help="The I-th of N parts, to share among machines."
)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@click.pass_context
def verify(
    ctx: click.Context, ids: tuple[str, ...], all_: bool, changed: bool, share: float, shard: str, jobs: int
) -> None:
    """Measure claims again and record the evidence. IDS are patterns or single claims (vae.some_claim)."""
    if not (ids or all_ or changed):
        raise click.UsageError("say what to verify: IDS, --changed or --all")
    cat = loaded()
    wanted = []
    for id in ids:
        name, dot, claim = id.partition(".")
        entry = cat.get(name)
        if dot and claim not in (known := [c.id for c in entry.claims]):
            raise click.UsageError(f"{entry.id} has no claim {claim!r}; it has {', '.join(known)}")
        wanted.append(entry.id + dot + claim)
    part, slash, parts = shard.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise click.BadParameter(f"{shard!r}; write I/N with 1 <= I <= N, such as 2/4", param_hint="--shard")
    from .verify import verify as measure

    ctx.exit(measure(wanted, all=all_, changed=changed, sample=share, shard=(int(part), int(parts)), jobs=jobs))


# -- extending


@cli.command(epilog=example("genai-patterns new wgan --family adversarial --name 'Wasserstein GAN'"))
@click.argument("id")
@click.option("--family", required=True, help="The family; its folder's name.")
@click.option("--name", required=True, help="The name as people write it.")
def new(id: str, family: str, name: str) -> None:
    """Begin an entry: its YAML, reference and tests, to be filled in. `validate` then says what is missing."""
    from pydantic import TypeAdapter, ValidationError

    from . import data, scaffold
    from .errors import did_you_mean
    from .loader import read
    from .schema import Id

    try:
        TypeAdapter(Id).validate_python(id)
    except ValidationError:
        raise click.BadParameter(
            f"{id!r}; ids are lower-case words joined by underscores, such as masked_autoencoder"
        ) from None
    root = data.folder().resolve().parent
    if not (root / "tests" / "claims").is_dir():
        raise click.UsageError(f"{data.folder()} does not lie in a checkout of the project, where entries are written")
    cat, _ = read()
    if cat.titles and family not in cat.titles:
        hint = did_you_mean(family, cat.titles, f"there are {', '.join(cat.titles)}")
        raise click.BadParameter(f"{family!r}; {hint}", param_hint="--family")
    if id in cat or name in cat:
        raise click.UsageError(f"{cat.get(id if id in cat else name).id} has this id or name already")
    made = scaffold.files(id, family, name)
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

    PATH is a folder of <family>/<id>.yaml, or one entry; by default the catalog in use.

    Fields, relations, references, symbols; in a checkout also tests and evidence. Exit code 1 if there is anything.
    """
    from .checks import check
    from .loader import read, shown

    single = path is not None and path.is_file()
    cat, problems = read(path.absolute().parent.parent if path and single else path)
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
        click.echo(f"{checked} in {'one entry' if single else count(cat, 'sound entry', 'sound entries')}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


@cli.command(epilog=example("genai-patterns schema > patterns/entry.schema.json"))
def schema() -> None:
    """Print the JSON Schema of an entry."""
    from .scaffold import schema_text

    click.echo(schema_text(), nl=False)


@cli.command(epilog=example("genai-patterns build", "genai-patterns build --builder zensical --out public"))
@click.option("--builder", type=click.Choice(["mkdocs", "zensical"]), default="mkdocs", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the finished site.")
@click.pass_context
def build(ctx: click.Context, builder: str, out: Path | None) -> None:
    """Build the site."""
    made = importlib.import_module("catalog.site.build").build(builder=builder, out=out)
    ctx.exit(made if isinstance(made, int) else 0)


@cli.command(epilog=example("genai-patterns serve --port 8001"))
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.pass_context
def serve(ctx: click.Context, port: int) -> None:
    """Build the site and serve it on this machine."""
    made = importlib.import_module("catalog.site.build").serve(port=port)
    ctx.exit(made if isinstance(made, int) else 0)


# -- helpers


def loaded() -> Catalog:
    """The catalog, loaded when a command needs it."""
    from .loader import load

    return load()


def runnable(name: str) -> tuple[Catalog, Entry]:
    """The catalog and one sound entry of it: what runs need, also while another entry is being written."""
    from .loader import read

    cat, problems = read()
    if problems and name not in cat:
        raise CatalogError(problems)
    if problems:
        click.echo(f"note: {count(problems, 'problem')} in the entries; `genai-patterns validate` lists them", err=True)
    return cat, cat.get(name)


def silence() -> None:
    """Let what is still to be written go nowhere: Python flushes standard output once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reference(entry: Entry) -> Any:
    """The class that runs a pattern."""
    module, _, name = entry.implementation.reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as err:
        if isinstance(err, ModuleNotFoundError) and not module.startswith(err.name or module):
            raise
        raise click.UsageError(f"the reference of {entry.id} cannot be found: {err}") from None


def choices(field: str) -> list[str]:
    """What a field of an entry may be."""
    from .schema import Entry

    return list(get_args(Entry.model_fields[field].annotation))


def encode(prompt: str, kind: str, facts: dict[str, Any]) -> Any:
    """A prompt as ids (1, T) in the tokens of a run."""
    from reference_impl.tasks import sentences, text

    encoders = {"text": text.encoded, "sentences": sentences.encoded}
    if kind not in encoders:
        raise click.UsageError("--prompt: this reference reads no text")
    try:
        return encoders[kind](prompt, facts)
    except ValueError as err:
        raise click.BadParameter(str(err), param_hint="--prompt") from None


def layout(n: int | None, grid: str | None) -> tuple[int, int | None]:
    """How many samples, in how many columns."""
    if grid is None:
        return n or 16, None
    rows, _, columns = grid.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) * int(columns)):
        raise click.BadParameter(f"{grid!r}; write ROWSxCOLUMNS, such as 4x8", param_hint="--grid")
    if n is not None and n != int(rows) * int(columns):
        raise click.UsageError(f"-n {n} and --grid {grid} do not agree; give one of them")
    return int(rows) * int(columns), int(columns)


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


def page(cat: Catalog, entry: Entry, measured: dict[str, str]) -> str:
    """An entry for reading on a terminal."""
    from .prose import plain

    def paragraphs(text: str) -> list[str]:
        parts = [plain(p) for p in text.split("\n\n") if p.strip()]
        return "\n\n".join(textwrap.fill(p, 98, initial_indent="  ", subsequent_indent="  ") for p in parts).split("\n")

    def bullets(items: Iterable[str]) -> list[str]:
        return [textwrap.fill(plain(i), 98, initial_indent="  - ", subsequent_indent="    ") for i in items]

    e, family = entry, cat.titles.get(entry.family, entry.family)
    facts = f"{e.id} · {family} · {e.kind} · {e.year} · {e.status} · difficulty {e.difficulty} of 5"
    sections = {
        "Intent": paragraphs(e.intent),
        "Problem": paragraphs(e.problem),
        "Solution": paragraphs(e.solution),
        "Objective": [f"  {e.objective.strip()}"],
        "Use it when": bullets(e.use_when),
        "Avoid it when": bullets(e.avoid_when),
        "How it fails": bullets(f"{f.symptom} {f.remedy}" for f in e.failure_modes),
        "Claims": bullets(
            c.statement + (f" [{measured[c.id]}]" if c.id in measured else " [not measured]") for c in e.claims
        ),
        "Relations": bullets(f"{r.type.replace('_', ' ')} {r.name} ({r.id}): {r.why}" for r in cat.related(e.id)),
        "Sources": bullets(f"{s.authors}, {s.title}, {s.venue} {s.year}{link(s)}" for s in e.sources),
        "Run": [f"  genai-patterns run {e.id}"],
    }
    lines = [f"{e.name}", f"  {facts}", "", *paragraphs(e.summary)]
    for title, body in sections.items():
        lines += ["", title, *body]
    return headed("\n".join(lines))


def link(source: Any) -> str:
    """Where a source is found."""
    if source.arxiv:
        return f", arXiv:{source.arxiv}"
    return f", doi:{source.doi}" if source.doi else f", {source.url}"
