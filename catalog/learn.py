"""What is there to learn from: ways through the catalog, exercises whose answers are computed, and the terms used.

They stand in `learn.yaml`, beside the families' folders; a catalog may do without. Each step of a way names the
relation that joins it to an earlier one, and the claim worth seeing there: both have to exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from . import strict_yaml
from .errors import Problem, did_you_mean
from .schema import Id, Line, Model, Text
from .strict_yaml import Document

if TYPE_CHECKING:
    from .catalog import Catalog

FILE = "learn.yaml"
Number = Annotated[str, Field(pattern=r"^-?[0-9][0-9,]*(\.[0-9]+)?$")]
"""A number as an answer prints it: the digits that it has are right."""


class Exercise(Model):
    """A question with one answer, in numbers."""

    id: Id
    title: Line
    question: Text
    hint: Text
    answer: Text
    """The way to the answer; it contains every one of `results`."""
    results: Annotated[list[Number], Field(min_length=1)]
    """The numbers asked for."""
    check: Text
    """Python that computes `result`: a number, or a tuple of as many as there are results."""
    patterns: Annotated[list[Id], Field(min_length=1)]
    """The entries that it is about."""


class Step(Model):
    """An entry on a way, with what it adds to an earlier one."""

    pattern: Id
    after: Id | None = None
    """The earlier entry that it is read against; the first step has none."""
    by: Id | None = None
    """Its relation to that entry, as seen from this one."""
    new: Text
    """What is new."""
    claim: Id
    """The claim of the entry that shows it."""
    exercise: Id | None = None


class Way(Model):
    """A way through the catalog."""

    id: Id
    title: Line
    about: Text
    """What one understands at its end."""
    steps: Annotated[list[Step], Field(min_length=2)]


class Term(Model):
    """A word of the field."""

    id: Id
    name: Line
    said: list[Line] = Field(default=[])
    """Other forms under which it occurs in prose."""
    meaning: Text
    patterns: list[Id] = Field(default=[])
    """Entries where it matters most."""


class Learn(Model):
    """What `learn.yaml`, beside the families' folders, says."""

    paths: list[Way] = Field(default=[])
    exercises: list[Exercise] = Field(default=[])
    terms: list[Term] = Field(default=[])

    def exercise(self, id: str) -> Exercise:
        """The exercise with this id; KeyError where there is none."""
        return {x.id: x for x in self.exercises}[id]


def load(catalog: Catalog) -> Learn | None:
    """What a catalog that lies in files says; None where it has no such file. Raises ValueError for a file that is
    not well-formed, which `loader.load` would have refused."""
    path = catalog.folder / FILE if catalog.folder else None
    if path is None or not path.is_file():
        return None
    stat = path.stat()
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


@cache
def _parsed(path: Path, changed: int, size: int) -> Learn:
    return Learn.model_validate(strict_yaml.read(path, str(path)).value)


def problems(document: Document, learn: Learn, catalog: Catalog) -> Iterator[Problem]:
    """Everything in which the file disagrees with itself or with the entries."""
    entries = {e.id: e for e in catalog}
    exercises = [x.id for x in learn.exercises]
    parts = (("paths", [p.id for p in learn.paths]), ("exercises", exercises), ("terms", [t.id for t in learn.terms]))
    for part, ids in parts:
        for i, id in enumerate(ids):
            if id in ids[:i]:
                yield document.problem((part, i, "id"), f"{part}[{i}].id: {id!r} is given twice", "rename one")
    named: list[tuple[tuple[str | int, ...], str]] = [
        ((part, i, "patterns", j), id)
        for part, items in (("exercises", learn.exercises), ("terms", learn.terms))
        for i, item in enumerate(items)
        for j, id in enumerate(item.patterns)
    ]
    for i, path in enumerate(learn.paths):
        named += [(("paths", i, "steps", j, "pattern"), step.pattern) for j, step in enumerate(path.steps)]
    for place, id in named:
        if id not in entries:
            fix = did_you_mean(id, entries, "name an entry")
            yield document.problem(place, f"{where(place)}: no entry {id!r}", fix)
    for i, x in enumerate(learn.exercises):
        for number in x.results:
            if number not in numbers(x.answer):
                message = f"exercises[{i}].answer: it does not say {number}, which is a result"
                yield document.problem(("exercises", i, "answer"), message, "write the number as `results` does")
    for i, path in enumerate(learn.paths):
        for j, step in enumerate(path.steps):
            if step.pattern in entries:
                yield from _step_problems(document, ("paths", i, "steps", j), step, path.steps[:j], catalog, exercises)


def _step_problems(
    document: Document, place: tuple[str | int, ...], step: Step, before: list[Step], catalog: Catalog, known: list[str]
) -> Iterator[Problem]:
    entry = catalog[step.pattern]
    claims = [c.id for c in entry.claims]
    if step.claim not in claims:
        fix = did_you_mean(step.claim, claims, f"claims of {entry.id} are {', '.join(claims)}")
        yield document.problem((*place, "claim"), f"{where(place)}.claim: no claim {step.claim!r}", fix)
    if step.exercise is not None and step.exercise not in known:
        fix = did_you_mean(step.exercise, known, "name one of `exercises`")
        yield document.problem((*place, "exercise"), f"{where(place)}.exercise: no exercise {step.exercise!r}", fix)
    if bool(before) != (step.after is not None) or bool(before) != (step.by is not None):
        fix = "write `after: ...` and `by: ...`" if before else "take `after` and `by` out"
        said = "is not joined to an earlier one" if before else "is the first and follows none"
        yield document.problem(place, f"{where(place)}: the step {said}", fix)
    elif step.after is not None:
        earlier = [s.pattern for s in before]
        joined = [x.type for x in catalog.edges(entry.id) if x.target == step.after]
        if step.after not in earlier:
            fix = f"earlier are {', '.join(earlier)}"
            yield document.problem((*place, "after"), f"{where(place)}.after: {step.after!r} is no earlier step", fix)
        elif step.by not in joined:
            fix = f"relations to {step.after} are {', '.join(joined) or 'none'}"
            message = f"{where(place)}.by: {entry.id} is not {step.by!r} to {step.after}"
            yield document.problem((*place, "by"), message, fix)


def where(place: tuple[str | int, ...]) -> str:
    """A place in the file as people write it, `paths[0].steps[2]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def numbers(text: str) -> set[str]:
    """The numbers that a text with formulas prints, with commas between thousands where it has them."""
    bare = text.replace("{,}", ",").replace("−", "-")
    digits = r"\d+(?:,\d{3})*(?:\.\d+)?"
    return {*re.findall(digits, bare), *re.findall(f"-{digits}", bare)}
