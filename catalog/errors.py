"""What can be wrong, in words for people: problems of entries, and questions that have no answer."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


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


def did_you_mean(found: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean 'x'?` for the closest of the known names, or `otherwise`."""
    near = difflib.get_close_matches(found, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else otherwise
