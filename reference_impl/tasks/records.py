"""Records in JSON, one to a line, character by character: small objects, or any that users bring."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .sentences import BEGIN, END, SPECIAL, UNKNOWN, spelled

MOST_CHARACTERS = 400
"""Of one record."""
THINGS = ["lamp", "table", "chair", "clock", "mirror", "kettle", "radio", "basket", "ladder", "mug", "shelf", "rug"]
TAGS = ["new", "red", "old", "oak", "small", "rare", "blue", "round"]


class Records(Task):
    """JSON objects as padded ids (N, context + 1): 1 begins, 2 ends, 0 pads, 3 stands for unknown characters.

    data: a .jsonl or .txt file with one JSON value to a line, of at most 400 characters; every tenth line is held out.
    By default 4,000 invented objects for sale.
    """

    kind = "sentences"

    def __init__(self, data: str | Path | None = None) -> None:
        lines = invented(4000) if data is None else read(data)
        train, test = [s for i, s in enumerate(lines) if i % 10], lines[::10]
        words = SPECIAL + sorted({c for s in train for c in s})
        at, longest = {w: i for i, w in enumerate(words)}, max(map(len, lines))

        def ids(side: list[str]) -> torch.Tensor:
            rows = [[BEGIN, *(at.get(c, UNKNOWN) for c in s), END] for s in side]
            return torch.tensor([row + [0] * (longest + 2 - len(row)) for row in rows])

        super().__init__(
            ids(train), ids(test), vocab=len(words), context=longest + 1, words=words, by="characters"
        )  # fmt: skip
        self.known = set(train)

    def evaluate(self, model: Reference) -> list[Score]:
        begin = torch.full((500, 1), BEGIN, device=model.device)
        written = spelled(model.sample(500, begin), self.facts)
        valid, new = (sum(map(test, written)) / len(written) for test in (parses, lambda s: s not in self.known))
        return [
            Score("samples that parse", valid, "share", "higher", 1.0, "records"),
            Score("samples that are no training record", new, "share", ""),
        ]


def parses(text: str) -> bool:
    """Whether it is JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def invented(n: int, seed: int = 0) -> list[str]:
    """Objects for sale, such as {"item": "lamp", "price": 4.5, "tags": ["new"], "sold": false}."""
    draw = random.Random(seed)
    records = []
    for _ in range(n):
        price = draw.randint(1, 99) + draw.choice([0, 0, 0.5])
        record = {"item": draw.choice(THINGS), "price": int(price) if price % 1 == 0 else price}
        if draw.random() < 0.7:
            record["tags"] = draw.sample(TAGS, draw.randint(0, 2))
        if draw.random() < 0.5:
            record["sold"] = draw.choice([True, False, None])
        records.append(json.dumps(record))
    return records


def read(path: str | Path) -> list[str]:
    """The lines of a user's file. ValueError names the first that is no record."""
    path = files.existing(path)
    if path.is_dir() or path.suffix not in (".jsonl", ".txt"):
        raise ValueError(f"{path}: records are read from a .jsonl or .txt file with one JSON value to a line")
    lines = [s.strip() for s in files.text(path).splitlines()]
    for i, line in enumerate(lines, 1):
        if line and not parses(line):
            raise ValueError(f"{path}, line {i}: not JSON: {line[:60]!r}")
        if len(line) > MOST_CHARACTERS:
            raise ValueError(f"{path}, line {i}: {len(line)} characters; at most {MOST_CHARACTERS} can be read")
    lines = [line for line in lines if line]
    if len(lines) < 20:
        raise ValueError(f"{path}: {len(lines)} records; at least 20 are needed")
    return lines
