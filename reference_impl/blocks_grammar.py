"""Regular languages as expressions, and their derivatives by a character: what still has to follow it.

Brzozowski, "Derivatives of Regular Expressions", 1964. doi:10.1145/321239.321249. An expression has finitely many
derivatives, as long as equal ones are written alike; so they can be the states of an automaton.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

Language = tuple[str, Any]
"""("one", characters), ("both", (A, B)) for A then B, ("any", alternatives) or ("many", A) for A*."""
NOTHING: Language = ("one", frozenset())
"""No text at all."""
EMPTY: Language = ("many", NOTHING)
"""The empty text alone."""


@cache
def derive(a: Language, c: str) -> Language:
    """What completes the character c to a text of the language."""
    kind, parts = a
    if kind == "one":
        return EMPTY if c in parts else NOTHING
    if kind == "any":
        return either(derive(part, c) for part in parts)
    if kind == "many":
        return both(derive(parts, c), a)
    first = both(derive(parts[0], c), parts[1])
    return either([first, derive(parts[1], c)]) if nullable(parts[0]) else first


@cache
def nullable(a: Language) -> bool:
    """Whether the empty text is in the language."""
    kind, parts = a
    return kind == "many" or (kind != "one" and (all if kind == "both" else any)(map(nullable, parts)))


def text(word: str) -> Language:
    """This text alone."""
    return both(*(("one", frozenset(c)) for c in word))


def either(alternatives: Iterable[Language]) -> Language:
    """All texts of several languages; in one form, so that equal states are found equal."""
    parts = {p for a in alternatives for p in (a[1] if a[0] == "any" else [a])} - {NOTHING}
    return ("any", frozenset(parts)) if len(parts) > 1 else parts.pop() if parts else NOTHING


def both(*parts: Language) -> Language:
    """A text of each, one after the other."""
    if not parts:
        return EMPTY
    first, rest = parts[0], both(*parts[1:])
    if NOTHING in (first, rest):
        return NOTHING
    if EMPTY in (first, rest):
        return rest if first == EMPTY else first
    # to the right, for the same reason
    return both(first[1][0], both(first[1][1], rest)) if first[0] == "both" else ("both", (first, rest))


def many(a: Language) -> Language:
    """Any number of texts of the language, none included."""
    return ("many", a)


def json_object(alphabet: frozenset[str], depth: int) -> Language:
    """JSON objects with lists and objects in each other up to `depth`; no escapes in strings, no exponents."""
    digit, space = ("one", frozenset("0123456789")), either([EMPTY, text(" ")])
    whole = either([text("0"), both(("one", frozenset("123456789")), many(digit))])
    number = both(either([EMPTY, text("-")]), whole, either([EMPTY, both(text("."), digit, many(digit))]))
    letters = ("one", frozenset(c for c in alphabet if c >= " " and c not in '"\\'))
    string = both(text('"'), many(letters), text('"'))

    def listed(item: Language) -> Language:
        return either([EMPTY, both(item, many(both(text(","), space, item)))])

    value = either([string, number, *map(text, ("true", "false", "null"))])
    for _ in range(depth):
        found = both(text("{"), listed(both(string, text(":"), space, value)), text("}"))
        value = either([value, found, both(text("["), listed(value), text("]"))])
    return found
