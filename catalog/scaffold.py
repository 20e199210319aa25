"""Help for writing: the JSON Schema that editors complete from, the files of a new entry and of a new catalog."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import strict_yaml
from .schema import About
from .vocabulary import OURS, Vocabulary, declared

SCHEMA_FILE = "entry.schema.json"
"""Name of the exported schema in the folder of the entries; the first line of every entry points to it."""


def json_schema(vocabulary: Vocabulary = OURS) -> dict[str, Any]:
    """What an entry of a catalog with this vocabulary is, as JSON Schema (draft 2020-12)."""
    model = vocabulary.entry.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model}


def schema_text(vocabulary: Vocabulary = OURS) -> str:
    """The content of `entry.schema.json`."""
    return json.dumps(json_schema(vocabulary), indent=1, ensure_ascii=False) + "\n"


def files(id: str, family: str, name: str) -> dict[str, str]:
    """The files of a new pattern, by their path in the checkout: entry, reference and tests, to be filled in."""
    cls = "".join(part.capitalize() for part in id.split("_"))
    facts = {"id": id, "family": family, "name": name, "cls": cls, "module": f"reference_impl.{family}.{id}"}
    return {
        f"patterns/{family}/{id}.yaml": entry_text(id, family, name, f"{facts['module']}:{cls}"),
        f"reference_impl/{family}/{id}.py": _REFERENCE.format(**facts),
        f"tests/claims/{family}/test_{id}.py": _TESTS.format(**facts),
    }


def starter(name: str, folder: str) -> dict[str, str]:
    """The files of a new catalog of this name, by their path in it; `folder` is how commands in its README call it."""
    home = Path(__file__).parent / "starter"
    files = sorted(p for p in home.rglob("*") if p.suffix in {".yaml", ".md"})
    texts = {p.relative_to(home).as_posix(): p.read_text(encoding="utf-8") for p in files}
    texts["catalog.yaml"] = texts["catalog.yaml"].replace("name: Knots", f"name: {scalar(name)}")
    texts["README.md"] = texts["README.md"].replace("# Knots", f"# {name}").replace("FOLDER", shlex.quote(folder))
    about = About.model_validate(strict_yaml.parse(texts["catalog.yaml"]).value)
    return texts | {SCHEMA_FILE: schema_text(declared(about))}


def scalar(text: str) -> str:
    """A text as YAML, in quotes where it would be read as something else without them."""
    alone = re.fullmatch(r"[^\W_]([\w'()/+.-]| (?! |#))*", text) and isinstance(strict_yaml.plain(text), str)
    return text if alone and not text.endswith(" ") else json.dumps(text, ensure_ascii=False)


def write(root: Path, made: Mapping[str, str]) -> None:
    """Write the files below `root`. Raises FileExistsError, before anything is written, if one is there already."""
    if there := [name for name in made if (root / name).exists()]:
        raise FileExistsError(f"{', '.join(there)}: there already, nothing was written")
    for name, text in made.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def entry_text(id: str, family: str, name: str, reference: str = "", vocabulary: Vocabulary = OURS) -> str:
    """An entry with every required field, each below what it is for; `validate` asks for what is empty."""
    schema = json_schema(vocabulary)
    given = {"id": id, "name": name, "family": family, "implementation.reference": reference}
    lines = _fields(schema, schema.get("$defs", {}), given, "", "")
    return "\n".join([f"# yaml-language-server: $schema=../{SCHEMA_FILE}", *lines, ""])


def _fields(
    model: Mapping[str, Any], defs: Mapping[str, Any], given: Mapping[str, str], path: str, indent: str
) -> Iterator[str]:
    for name, field in model["properties"].items():
        if name not in model.get("required", ()):
            continue
        inner = _resolve(field, defs)
        allowed = inner.get("enum") or inner.get("items", {}).get("enum")
        note = " ".join(
            [
                field.get("description", ""),
                f"{'Any' if 'items' in inner else 'One'} of {', '.join(allowed)}." if allowed else "",
            ]
        ).strip()
        yield from (f"{indent}# {line}" for line in textwrap.wrap(note, 110 - len(indent)))
        if value := given.get(path + name):
            yield f"{indent}{name}: {value if name == 'reference' else scalar(value)}"
        elif inner.get("type") == "object" and "properties" in inner:
            yield f"{indent}{name}:"
            yield from _fields(inner, defs, given, f"{path}{name}.", indent + "  ")
        elif inner.get("type") == "object":
            yield f"{indent}{name}:"
            yield f"{indent}  what_is_measured:"
            value_of = _resolve(next(iter(inner["patternProperties"].values())), defs)
            yield from _fields(value_of, defs, {}, "", indent + "    ")
        elif inner.get("type") == "array" and inner.get("minItems"):
            item = _resolve(inner["items"], defs)
            yield f"{indent}{name}:"
            block = list(_fields(item, defs, {}, "", "")) if "properties" in item else [""]
            yield from (f"{indent}  {'- ' if i == 0 else '  '}{line}".rstrip() for i, line in enumerate(_first(block)))
        else:
            yield f"{indent}{name}:{' []' if inner.get('type') == 'array' else ''}"


def _first(lines: list[str]) -> list[str]:
    """The lines with a comment at their beginning put after the first field, so that a list item begins with it."""
    i = next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)
    return [lines[i] + "".join("  " + line for line in lines[:i]), *lines[i + 1 :]]


def _resolve(field: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    ref = field.get("$ref")
    return defs[ref.rpartition("/")[2]] if ref else field


_REFERENCE = '''"""{name}: what it is, in one line.

Idea
    What is computed and why it works, in a few sentences.

Source
    Who introduced it, where, and which equations this file follows.

Differs from the paper
    What is done otherwise here, and why.

Shapes
    B batch, ...

Run
    genai-patterns run {id}
"""

import torch
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main


class {cls}Config(Config):
    """Settings of {name}."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation."""


class {cls}(Reference):
    """{name}."""

    task = "images"
    Config = {cls}Config

    def __init__(self, cfg: {cls}Config) -> None:
        super().__init__(cfg)
        self.mean = nn.Parameter(torch.zeros(cfg.shape))

    def loss(self, batch: Batch) -> Losses:
        return {{"loss": (batch.x - self.mean).square().mean()}}

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return self.mean.expand(n, *self.cfg.shape)


if __name__ == "__main__":
    main({cls})
'''

_TESTS = '''"""Claims of {name}: one function for each, `def test_<claim id>(claim)`.

Each measures what its claim names and hands it over: `claim.measure("what_is_measured", value, baseline=other)`.
The bars stand in the entry.
"""

from {module} import {cls}

__all__ = ["{cls}"]
'''
