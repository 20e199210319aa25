"""Four tasks on strings of letters that share one form: a prefix says what to do, the answer is text."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from .sentences import Pair, Sentences, read_pairs

VOWELS, CONSONANTS = "aeiou", "bcdfg"
PREFIXES = ("copy", "reverse", "sort", "classify")
LENGTHS = range(3, 8)


class Strings(Sentences):
    """Strings of 3 to 7 letters under a prefix: `reverse b a d` -> `d a b`; copy, sort and classify likewise.

    classify tells which kind of letter the string has more of: `vowels`, `consonants`, or `equal`. Held-out strings
    occur under no prefix in training. A user's data is a .tsv or .csv file with a source, prefix first, and a target
    in each row.
    """

    def __init__(self, data: Any = None, *, prefixes: Sequence[str] = PREFIXES) -> None:
        train, test = read_pairs(data) if data is not None else drawn(prefixes)
        super().__init__(train, test)


def drawn(prefixes: Sequence[str] = PREFIXES, train: int = 3000, test: int = 250) -> tuple[list[Pair], list[Pair]]:
    """Pairs of `train` strings to learn from and of `test` others, each string under each prefix."""
    rng, strings = random.Random(0), dict[str, None]()
    while len(strings) < train + test:
        strings[" ".join(rng.choices(VOWELS + CONSONANTS, k=rng.choice(LENGTHS)))] = None
    pairs = [(f"{prefix} {letters}", answer(prefix, letters.split())) for letters in strings for prefix in prefixes]
    held = test * len(prefixes)
    return pairs[held:], pairs[:held]


def answer(prefix: str, letters: Sequence[str]) -> str:
    """What is to be written for these letters."""
    if prefix == "classify":
        surplus = 2 * sum(letter in VOWELS for letter in letters) - len(letters)
        return "equal" if surplus == 0 else "vowels" if surplus > 0 else "consonants"
    return " ".join({"copy": letters, "reverse": letters[::-1], "sort": sorted(letters)}[prefix])
