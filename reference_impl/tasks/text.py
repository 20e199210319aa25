"""Text, character by character: the catalog's own prose (a dated snapshot), or any file given."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from ..core.reference import Batch, Reference
from ..core.task import Score, Task
from . import files

SNAPSHOT = Path(__file__).with_name("catalog.txt")
"""Prose of the entries as of the date in its first line; fixed, so that editing an entry does not change results."""


class Text(Task):
    """Windows (B, context + 1) of token ids from one long text; the last tenth is held out.

    `characters` maps id to character; characters of the held-out part that training never saw
    become the id 0 (a replacement sign). A user's text is a UTF-8 file or a folder of .txt and .md files.
    """

    kind = "text"

    def __init__(self, data: str | Path = SNAPSHOT, context: int = 128) -> None:
        if data == SNAPSHOT and not SNAPSHOT.exists():
            raise FileNotFoundError(
                f"{SNAPSHOT}: the catalog's prose is missing here; give a text of your own with --data FILE"
            )
        codes = np.frombuffer(files.text(data).encode("utf-32-le"), "<u4")
        if len(codes) < 20 * context:
            raise ValueError(f"{data}: {len(codes)} characters; at least {20 * context} are needed")
        cut = len(codes) * 9 // 10
        known = np.unique(codes[:cut])
        at = np.searchsorted(known, codes).clip(max=len(known) - 1)
        ids = torch.from_numpy(np.where(known[at] == codes, at + 1, 0))
        characters = ["\ufffd", *map(chr, known)]
        super().__init__(ids[:cut], ids[cut:], vocab=len(characters), context=context, characters=characters)

    def batch(self, stream: str, step: int, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        ids, length = self.splits[stream][0], self.facts["context"] + 1
        starts = np.random.default_rng([seed, step]).integers(0, len(ids) - length, size)[rank::world]
        return Batch(ids[torch.from_numpy(starts)[:, None] + torch.arange(length)])

    def windows(self, limit: int = 400) -> Batch:
        """Consecutive held-out windows, each token predicted once: (n, context + 1)."""
        ids, length = self.splits["test"][0], self.facts["context"]
        n = min(limit, (len(ids) - 1) // length)
        return Batch(torch.stack([ids[i * length : (i + 1) * length + 1] for i in range(n)]))

    def evaluate(self, model: Reference) -> list[Score]:
        x = self.windows().x.to(model.device)
        nats = sum(model.loss(Batch(part))["loss"].item() * len(part) for part in x.split(50)) / len(x)
        bits = nats / math.log(2)
        counts = torch.bincount(self.splits["train"][0], minlength=self.facts["vocab"]) + 1.0
        unigram = -(counts / counts.sum()).log2()[x[:, 1:]].mean().item()
        return [Score("held-out bits per character", bits, "bits", "lower", unigram, "letter frequencies")]
