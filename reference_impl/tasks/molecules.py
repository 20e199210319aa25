"""Small molecules as SMILES strings: all chains and trees of carbon, nitrogen and oxygen, or the user's own."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..application.molecule_generation import BONDS, VALENCE
from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

TOKEN = re.compile("|".join([*sorted(VALENCE, key=len, reverse=True), *map(re.escape, BONDS), r"\(", r"\)"]))
REFUSED = {
    "[": "a bracket atom (charge, isotope or chirality)", ".": "a second molecule after a dot",
    **dict.fromkeys("0123456789%", "a ring"), **dict.fromkeys("bcnops", "an aromatic atom"),
    **dict.fromkeys("/\\", "a double bond's geometry"),
}  # fmt: skip
"""What SMILES may hold and these molecules do not."""
LARGEST, LONGEST = 7, 14
"""Most heavy atoms of a built-in molecule, and most tokens of its string."""
SHOWN, HELD_OUT = 4000, 1000
"""How many of the built-in molecules are learned from, and how many more are held out."""


class Molecule(NamedTuple):
    """A tree of heavy atoms; hydrogen fills what is left of their valences."""

    atoms: list[str]
    bonds: list[tuple[int, int, int]]
    """Two atoms and the order of their bond."""

    def neighbors(self) -> list[list[tuple[int, int]]]:
        """For each atom the atoms bound to it and the orders."""
        out: list[list[tuple[int, int]]] = [[] for _ in self.atoms]
        for a, b, order in self.bonds:
            out[a].append((b, order))
            out[b].append((a, order))
        return out

    @property
    def heteroatoms(self) -> int:
        """How many atoms are not carbon."""
        return sum(a != "C" for a in self.atoms)


def parse(smiles: str) -> Molecule:
    """The molecule of a SMILES string without rings. ValueError says what is wrong with it.

    >>> parse("CC(=O)O").bonds
    [(0, 1, 1), (1, 2, 2), (1, 3, 1)]
    """
    tokens = tokenized(smiles)
    m = Molecule([], [])
    stack: list[int] = []
    at, order, before = -1, 0, ""
    for token in tokens:
        if token in VALENCE:
            if at >= 0:
                m.bonds.append((at, len(m.atoms), order or 1))
            at, order = len(m.atoms), 0
            m.atoms.append(token)
        elif order or at < 0 or (before == "(" and token in "()"):
            raise ValueError(f"{token!r} where an atom is needed")
        elif token in BONDS:
            order = BONDS[token]
        elif token == "(":
            stack.append(at)
        elif not stack:
            raise ValueError("')' without '('")
        else:
            at = stack.pop()
        before = token
    if order or stack or not m.atoms or before == "(":
        raise ValueError("ends where an atom is needed" if order or not stack else "'(' without ')'")
    for atom, bound in zip(m.atoms, m.neighbors(), strict=True):
        if (used := sum(o for _, o in bound)) > VALENCE[atom]:
            raise ValueError(f"an atom {atom} has {used} bonds, and {VALENCE[atom]} are possible")
    return m


def tokenized(smiles: str) -> list[str]:
    """Atoms, bonds and parentheses of a SMILES string; ValueError for anything else."""
    out, at = [], 0
    while at < len(smiles):
        if not (found := TOKEN.match(smiles, at)):
            what = REFUSED.get(smiles[at], "which is not read")
            raise ValueError(f"{smiles[at]!r} is {what}" if smiles[at] in REFUSED else f"{smiles[at]!r}, {what}")
        out.append(found[0])
        at = found.end()
    return out


def canonical(m: Molecule) -> str:
    """The one SMILES string that stands for the molecule, whatever order its atoms are in.

    Of the strings that start at any atom and put shorter branches first, the shortest; among those the first by letter.
    """
    near = m.neighbors()

    def written(atom: int, came_from: int) -> str:
        parts = [SIGN[order] + written(b, atom) for b, order in near[atom] if b != came_from]
        parts.sort(key=lambda s: (len(s), s))
        return m.atoms[atom] + "".join(f"({s})" for s in parts[:-1]) + "".join(parts[-1:])

    return min((written(a, -1) for a in range(len(m.atoms))), key=lambda s: (len(s), s))


SIGN = {1: "", 2: "=", 3: "#"}
"""How a bond of this order is written."""


@cache
def subtrees(size: int, order: int, atoms: str, highest: int) -> list[str]:
    """All trees of `size` atoms whose root is bound to something else by a bond of this order, each once."""
    return [
        SIGN[order] + a + "".join(f"({b})" for b in below)
        for a in atoms if VALENCE[a] >= order
        for below in branches(size - 1, VALENCE[a] - order, size - 1, atoms, highest)
    ]  # fmt: skip


@cache
def branches(size: int, free: int, largest: int, atoms: str, highest: int) -> list[tuple[str, ...]]:
    """All multisets of subtrees with `size` atoms in total and `largest` in each, on a root with `free` valences."""
    parts = [
        (s, order, tree)
        for s in range(1, min(size, largest) + 1) for order in range(1, min(free, highest) + 1)
        for tree in subtrees(s, order, atoms, highest)
    ]  # fmt: skip

    def choose(size: int, free: int, first: int) -> list[tuple[str, ...]]:
        if not size:
            return [()]
        return [
            (tree, *rest)
            for i in range(first, len(parts)) for s, order, tree in [parts[i]] if s <= size and order <= free
            for rest in choose(size - s, free - order, i)
        ]  # fmt: skip

    return choose(size, free, 0)


@cache
def molecules(size: int, atoms: str = "CNO", highest: int = 3) -> list[str]:
    """Every molecule of `size` heavy atoms without rings, once, with bonds of order `highest` or less.

    A tree has one atom that leaves no branch of half its atoms or more, or one bond that halves it (Jordan); so
    building outward from there makes no tree twice.
    """
    around_atom = [
        a + "".join(f"({b})" for b in below)
        for a in atoms
        for below in branches(size - 1, VALENCE[a], (size - 1) // 2, atoms, highest)
    ]
    if size % 2:
        return around_atom
    halves = [(order, subtrees(size // 2, order, atoms, highest)) for order in range(1, highest + 1)]
    return around_atom + [
        left.removeprefix(SIGN[order]) + right
        for order, half in halves for i, left in enumerate(half) for right in half[i:]
    ]  # fmt: skip


@cache
def built_in() -> list[str]:
    """Some of the molecules of up to seven atoms in a fixed random order, as canonical strings."""
    every = [s for size in range(1, LARGEST + 1) for s in molecules(size)]
    return [canonical(parse(s)) for s in random.Random(0).sample(every, SHOWN + HELD_OUT)]


class Molecules(Task):
    """Token ids (N, context + 1) of SMILES strings; y is the number of atoms in each that are not carbon, (N,).

    Built in are 4,000 of the 58,785 molecules without rings that up to seven atoms C, N and O can form, and 1,000
    others held out. data: a .smi or .txt file with a SMILES string at the start of each line, chains and trees of
    B, C, N, O, F, P, S, Cl, Br and I without rings, charges or stereochemistry; every fifth molecule is held out.
    """

    kind = "molecule"

    def __init__(self, data: str | Path = "built in") -> None:
        if str(data) == "built in":
            written, cut, longest = built_in(), HELD_OUT, LONGEST
        else:
            written = own(data)
            cut, longest = len(written) // 5, max(len(tokenized(s)) for s in written)
        self.symbols = sorted({token for s in written for token in tokenized(s)})
        counts = torch.tensor([parse(s).heteroatoms for s in written])
        ids = self.ids(written, longest + 1)
        self.known = set(written[cut:])
        wishes = int(counts.max()) + 1
        super().__init__(
            ids[cut:], ids[:cut], y=counts[cut:], test_y=counts[:cut], symbols=self.symbols, wishes=wishes,
            vocab=1 + len(self.symbols) + wishes, context=longest + 1,
        )  # fmt: skip

    def ids(self, smiles: Sequence[str], length: int) -> Tensor:
        """0, the tokens of each string, and 0 up to the length: (N, length + 1)."""
        out = torch.zeros(len(smiles), length + 1, dtype=torch.long)
        for row, s in zip(out, smiles, strict=True):
            tokens = [self.symbols.index(token) + 1 for token in tokenized(s)]
            row[1 : len(tokens) + 1] = torch.tensor(tokens)
        return out

    def evaluate(self, model: Reference) -> list[Score]:
        """What share of 1,000 strings are molecules, different ones and new ones; and how well wishes are met."""
        n = 1000
        got = valid(spelled(model.sample(n), self.symbols))
        scores = [
            Score("valid", len(got) / n, "share", "higher"),
            Score("different among the valid", len(set(got)) / max(1, len(got)), "share", "higher"),
            Score("not in the training set", sum(s not in self.known for s in got) / max(1, len(got)), "share", ""),
        ]
        wish = self.splits["test"][1][torch.arange(n) % len(self.splits["test"][1])]
        counts = [heteroatoms(spelled(model.sample(n, w), self.symbols)) for w in (wish.to(model.device), None)]
        missed = [(c - wish).abs().nanmean().item() for c in counts]
        return [
            *scores,
            Score("distance from the wish", missed[0], "heteroatoms", "lower", missed[1], "without a wish"),
        ]


def spelled(ids: Tensor, symbols: Sequence[str]) -> list[str]:
    """The string of each row of tokens (N, T+1), up to its end; a token that is no symbol becomes "?"."""
    letters = ["", *symbols]
    return [
        "".join(letters[i] if i < len(letters) else "?" for i in row[: [*row, 0].index(0)])
        for row in ids[:, 1:].tolist()
    ]


def valid(smiles: Sequence[str]) -> list[str]:
    """The canonical strings of those that are molecules."""
    out = []
    for s in smiles:
        with contextlib.suppress(ValueError):
            out.append(canonical(parse(s)))
    return out


def heteroatoms(smiles: Sequence[str]) -> Tensor:
    """Number of atoms that are not carbon, NaN for strings that are no molecules: (N,)."""
    return torch.tensor([float(parse(s).heteroatoms) if valid([s]) else torch.nan for s in smiles])


def own(data: str | Path) -> list[str]:
    """The different molecules of a user's file, in a fixed random order and as canonical strings."""
    lines = [line.split() for line in files.text(data).splitlines()]
    written, wrong = [], []
    for number, words in enumerate(lines, 1):
        try:
            written += [canonical(parse(words[0]))] if words else []
        except ValueError as err:
            wrong.append(f"line {number}: {words[0]}: {err}")
    if wrong:
        raise ValueError(
            f"{data}: {len(wrong)} of {sum(map(bool, lines))} molecules cannot be used; take them out. They are chains "
            f"and trees of {', '.join(VALENCE)}, without rings, charges and stereochemistry. The first: {wrong[0]}"
        )
    different = sorted(set(written))
    if len(different) < 50:
        raise ValueError(f"{data}: {len(different)} different molecules; at least 50 are needed, one a line")
    return random.Random(0).sample(different, len(different))
