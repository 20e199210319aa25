"""Commands that run references and measure claims."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import CatalogError
from .shell import PATTERN, cli, count, example, loaded

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..schema import Entry

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
        if not entry.claims:
            raise click.UsageError(f"{entry.id} has no claims to measure")
        if dot and claim not in (known := [c.id for c in entry.claims]):
            raise click.UsageError(f"{entry.id} has no claim {claim!r}; it has {', '.join(known)}")
        wanted.append(entry.id + dot + claim)
    part, slash, parts = shard.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise click.BadParameter(f"{shard!r}; write I/N with 1 <= I <= N, such as 2/4", param_hint="--shard")
    from ..verify import verify as measure

    ctx.exit(measure(wanted, all=all_, changed=changed, sample=share, shard=(int(part), int(parts)), jobs=jobs))


# -- helpers


def runnable(name: str) -> tuple[Catalog, Entry]:
    """The catalog and one sound entry of it: what runs need, also while another entry is being written."""
    from ..loader import read

    cat, problems = read()
    if problems and name not in cat:
        raise CatalogError(problems)
    if problems:
        click.echo(f"note: {count(problems, 'problem')} in the entries; `genai-patterns validate` lists them", err=True)
    entry = cat.get(name)
    if entry.implementation is None:
        raise click.UsageError(
            f"{entry.id} has no implementation to run; `genai-patterns show {entry.id}` says what it is"
        )
    return cat, entry


def reference(entry: Entry) -> Any:
    """The class that runs a pattern."""
    module, _, name = entry.implementation.reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as err:
        if isinstance(err, ModuleNotFoundError) and not module.startswith(err.name or module):
            raise
        raise click.UsageError(f"the reference of {entry.id} cannot be found: {err}") from None


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
