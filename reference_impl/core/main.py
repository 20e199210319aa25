"""The command line of every reference: `python -m reference_impl.latent_variable.vae steps=200`."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reference import Config, Reference


def main(cls: type[Reference], argv: Sequence[str] | None = None, *, prog: str | None = None, data: Any = None) -> None:
    """Train a reference as the arguments say; SystemExit(2), like argparse, for arguments that cannot be used."""
    args = parser(cls, prog).parse_args(argv)
    import torch
    from pydantic import ValidationError

    from ..figures import write_run
    from ..progress import bar, print_scores
    from ..tasks.fitted import fitted
    from .engine import Engine
    from .runner import run

    torch.set_num_threads(args.threads)
    try:
        overrides = parse(cls.Config, args.overrides)
        engine = Engine(args.device, args.precision, args.shard)
        task = fitted(cls.task, args.data or data, overrides)
        with bar(cls.__name__, engine.is_main) as progress:
            result = run(
                cls, overrides, task=task, seed=args.seed, out=args.out, resume=args.resume,
                save_every=args.save_every, engine=engine, progress=progress,
            )  # fmt: skip
    except ValidationError as err:
        for e in err.errors():
            where = f"{'.'.join(map(str, e['loc']))}={e['input']}: " if e["loc"] else ""
            print(f"error: {where}{e['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
    except (ValueError, OSError) as err:
        print(f"error: {err}", file=sys.stderr)
        raise SystemExit(2) from None
    if engine.is_main:
        print_scores(result.scores)
        pictures = write_run(result, task, args.out, args.seed)
        print(f"{args.out}: {', '.join([*pictures, 'weights.safetensors', 'metrics.jsonl'])}")
    engine.close()


def parser(cls: type[Reference], prog: str | None = None) -> argparse.ArgumentParser:
    """The parser, whose help lists the reference's own settings."""
    from ..tasks import lookup

    spec = sys.modules[cls.__module__].__spec__
    stem = spec.name.split(".")[-1] if spec else "run"
    fields = "\n".join(
        f"  {name}={default(field)}\n      {field.description or ''}" for name, field in cls.Config.model_fields.items()
    )
    p = argparse.ArgumentParser(
        prog=prog, formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(cls.__doc__ or "").strip().split("\n")[0],
        epilog=f"settings (name=value):\n{fields}\n\ndata:\n{indent(cleandoc(lookup(cls.task).__doc__ or ''), '  ')}",
    )  # fmt: skip
    p.add_argument("overrides", nargs="*", metavar="name=value", help="settings of the reference, listed below")
    p.add_argument(
        "--data",
        help="what to learn instead of the default: a file, a folder, or a known name such as mnist (see below)",
    )
    p.add_argument(
        "--out", type=Path, default=Path("runs") / stem, help="folder for all that is written (default: %(default)s)"
    )
    p.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    p.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    p.add_argument("--shard", choices=["none", "full"], default="none", help="full: FSDP2, under torchrun")
    p.add_argument(
        "--save-every", type=int, default=200, metavar="STEPS", help="steps between checkpoints (default: %(default)s)"
    )
    p.add_argument("--threads", type=int, default=1, help="CPU threads per process (default: %(default)s)")
    return p


def default(field: Any) -> str:
    """A field's default as one would type it."""
    value = field.get_default(call_default_factory=True)
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def parse(config: type[Config], pairs: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs as overrides; pydantic converts the values. ValueError for an unknown name."""
    known, found = list(config.model_fields), {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"{pair!r}: settings are written name=value")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ValueError(
                f"no setting {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}")
            )
        is_tuple = "tuple" in str(config.model_fields[name].annotation)
        found[name] = value.split(",") if is_tuple else value
    settings = config(**found)
    return {name: getattr(settings, name) for name in found}
