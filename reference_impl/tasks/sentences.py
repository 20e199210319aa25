"""Pairs of token sequences, a source and the target to be written for it: base of translation, summaries and the like.

`x` is the target, `y` the source, as everywhere a condition is `y`. Ids: 0 pads, 1 begins a target, 2 ends source and
target, 3 stands for tokens that training never saw.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

PAD, BEGIN, END, UNKNOWN = range(4)
SPECIAL = ["", "<begin>", "<end>", "\ufffd"]
Pair = tuple[str, str]
"""Source and target."""


class Sentences(Task):
    """Sources (B, S) and targets (B, T) as padded ids, from (source, target) pairs of strings.

    Tokens are words between spaces, or with `characters=True` single characters. `words` maps id to token. A user's
    data is a .tsv or .csv file with a source and a target in each row, without a header; every tenth row is held out.
    """

    kind = "sentences"

    def __init__(self, train: Sequence[Pair], test: Sequence[Pair], *, characters: bool = False) -> None:
        cut = list if characters else str.split
        seen = Counter(token for pair in train for side in pair for token in cut(side))
        words = SPECIAL + sorted(seen)
        at = {w: i for i, w in enumerate(words)}

        def ids(sides: Sequence[str], begin: bool) -> Tensor:
            rows = [[BEGIN] * begin + [at.get(t, UNKNOWN) for t in cut(s)] + [END] for s in sides]
            return torch.nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], batch_first=True)

        y, test_y = (ids([source for source, _ in pairs], begin=False) for pairs in (train, test))
        x, test_x = (ids([target for _, target in pairs], begin=True) for pairs in (train, test))
        # one length for both sides: of the longest source, or of the longest target as it is fed in
        context = max(y.shape[1], test_y.shape[1], x.shape[1] - 1, test_x.shape[1] - 1)
        y, test_y = (widened(a, context) for a in (y, test_y))
        x, test_x = (widened(a, context + 1) for a in (x, test_x))
        super().__init__(
            x, test_x, y=y, test_y=test_y, vocab=len(words), context=context, words=words,
            by="characters" if characters else "words", conditional=True,
        )  # fmt: skip

    def evaluate(self, model: Reference, limit: int = 500) -> list[Score]:
        x, y = (a[:limit].to(model.device) for a in self.splits["test"])
        written = model.sample(len(y), y)
        right = (written == x).all(1).float().mean().item()
        common = Counter(map(tuple, self.splits["train"][0].tolist())).most_common(1)[0][0]
        guess = (x == torch.tensor(common, device=x.device)).all(1).float().mean().item()
        return [Score("held-out targets written exactly", right, "share", "higher", guess, "the commonest target")]


def widened(ids: Tensor, length: int) -> Tensor:
    """Rows padded to this length."""
    return torch.nn.functional.pad(ids, (0, length - ids.shape[1]), value=PAD)


def encoded(text: str, facts: dict[str, Any]) -> Tensor:
    """Ids of one source, (1, context). ValueError where it is empty, too long or has unknown tokens."""
    tokens = list(text) if facts["by"] == "characters" else text.split()
    if not tokens:
        raise ValueError("the source is empty")
    if unknown := [t for t in tokens if t not in facts["words"]]:
        raise ValueError(f"{', '.join(map(repr, unknown))}: not among the tokens that training saw")
    if len(tokens) >= facts["context"]:
        raise ValueError(f"{len(tokens)} tokens; at most {facts['context'] - 1} can be read")
    return widened(torch.tensor([[facts["words"].index(t) for t in tokens] + [END]]), facts["context"])


def spelled(ids: Tensor, facts: dict[str, Any]) -> list[str]:
    """Each row of ids as text, up to its end."""
    out = []
    for row in ids.tolist():
        row = row[1:] if row and row[0] == BEGIN else row
        row = row[: row.index(END)] if END in row else row
        out.append(("" if facts["by"] == "characters" else " ").join(facts["words"][i] for i in row if i != PAD))
    return out


def read_pairs(path: str | Path) -> tuple[list[Pair], list[Pair]]:
    """A user's pairs, to learn from and held out: every tenth row of a .tsv or .csv file."""
    path = files.existing(path)
    if path.is_dir() or path.suffix not in (".tsv", ".csv"):
        raise ValueError(f"{path}: pairs are read from a .tsv or .csv file with a source and a target in each row")
    pairs: list[Pair] = []
    with open(path, encoding="utf-8", newline="") as f:
        for i, row in enumerate(csv.reader(f, delimiter="\t" if path.suffix == ".tsv" else ","), 1):
            if not row:
                continue
            if len(row) != 2 or not all(side.strip() for side in row):
                raise ValueError(f"{path}, row {i}: {len(row)} fields; a source and a target are needed")
            pairs.append((row[0], row[1]))
    if len(pairs) < 20:
        raise ValueError(f"{path}: {len(pairs)} pairs; at least 20 are needed")
    return [p for i, p in enumerate(pairs) if i % 10], pairs[::10]
