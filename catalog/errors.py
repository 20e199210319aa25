"""What can be wrong, in words for people: problems of entries, and questions that have no answer."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file, where it stands, and what to do about it."""

    file: str
    line: int
    """From 1."""
    column: int
    """From 1."""
    message: str
    """What is wrong, what was found, what is allowed."""
    fix: str
    """What to do."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}; {self.fix}"


class CatalogError(ValueError):
    """Entries that cannot be used. `problems` has them all, `str()` is one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


class UnknownPattern(KeyError):
    """No entry has this name; `near` are the ids of entries whose names resemble it."""

    def __init__(self, name: str, near: list[str]) -> None:
        self.name, self.near = name, near
        super().__init__(name)

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(self.near)}?" if self.near else "; `genai-patterns list` shows all"
        return f"no pattern {self.name!r}{hint}"


class BadQuestion(ValueError):
    """What cannot be asked as it stands; `str()` says what is wrong, what exists and what was probably meant."""


class NoPath(LookupError):
    """No chain of relations joins two entries."""


def as_text(value: Any, what: str, such_as: str) -> str:
    """A text that was given; BadQuestion for anything else."""
    if isinstance(value, str):
        return value
    raise BadQuestion(f"{what} is a text, such as {such_as!r}, not {_given(value)}")


def as_texts(value: Any, what: str, such_as: str) -> list[str]:
    """The texts of a collection, or one by itself; none for None. BadQuestion for anything else."""
    if value is None or isinstance(value, str):
        return [] if value is None else [value]
    if not isinstance(value, Iterable):
        raise BadQuestion(f"{what} is a text, such as {such_as!r}, or several, not {_given(value)}")
    return [as_text(v, what, such_as) for v in value]


def positive(**numbers: Any) -> None:
    """Raise BadQuestion for what is no whole number from 1 on."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not hasattr(number, "__index__"):
            raise BadQuestion(f"{name} is a whole number, such as 3, not {_given(number)}")
        if number < 1:
            raise BadQuestion(f"{name} {number}; it is at least 1")


def _given(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def did_you_mean(found: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean 'x'?` for the closest of the known names, or `otherwise`."""
    near = difflib.get_close_matches(found, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else otherwise
