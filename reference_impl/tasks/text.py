"""Text, character by character or in a checkpoint's tokens: the catalog's own prose (a dated snapshot), or any file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Batch, Reference
from ..core.task import Score, Task
from . import files

SNAPSHOT = Path(__file__).with_name("catalog.txt")
"""Prose of the entries as of the date in its first line; fixed, so that editing an entry does not change results."""


class Text(Task):
    """Windows (B, context + 1) of token ids from one long text; the last tenth is held out.

    `characters` maps id to character; characters of the held-out part that training never saw
    become the id 0 (a replacement sign). A user's text is a UTF-8 file or a folder of .txt and .md files.
    With `start`, the folder of a GPT-2 checkpoint, tokens are that model's, and `merges` are the joins they come from.
    """

    kind = "text"

    def __init__(self, data: str | Path = SNAPSHOT, context: int = 128, start: str = "") -> None:
        if data == SNAPSHOT and not SNAPSHOT.exists():
            raise FileNotFoundError(
                f"{SNAPSHOT}: the catalog's prose is missing here; give a text of your own with --data FILE"
            )
        text = files.text(data)
        if start:
            facts: dict[str, Any] = pretrained_facts(start)
            ids = encoded(text, facts)[0]
        else:
            codes = np.frombuffer(text.encode("utf-32-le"), "<u4")
            known = np.unique(codes[: len(codes) * 9 // 10])
            at = np.searchsorted(known, codes).clip(max=len(known) - 1)
            ids = torch.from_numpy(np.where(known[at] == codes, at + 1, 0))
            characters = ["\ufffd", *map(chr, known)]
            facts = {"vocab": len(characters), "characters": characters}
        if len(ids) < 20 * context:
            unit = "tokens" if start else "characters"
            raise ValueError(f"{data}: {len(ids)} {unit}; at least {20 * context} are needed")
        cut = len(ids) * 9 // 10
        super().__init__(ids[:cut], ids[cut:], context=context, **facts)

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
        unit = "character" if "characters" in self.facts else "token"
        return [Score(f"held-out bits per {unit}", bits, "bits", "lower", unigram, f"{unit} frequencies")]


def pretrained_facts(folder: str | Path) -> dict[str, Any]:
    """Size of the vocabulary and joins of a GPT-2 checkpoint."""
    from .. import pretrained

    return {"vocab": pretrained.settings(folder)["vocab"], "merges": pretrained.merges(folder)}


def encoded(text: str, facts: dict[str, Any]) -> Tensor:
    """Ids (1, T) of a text in the tokens of a run. ValueError where it is empty or has unknown characters."""
    if not text:
        raise ValueError("the text is empty")
    if "merges" in facts:
        from ..transformer.subword_tokenization import SubwordTokenization

        return torch.tensor([SubwordTokenization.of_lines(facts["merges"]).tokenize(text)])
    known = {c: i for i, c in enumerate(facts["characters"])}
    if strange := sorted(set(text) - known.keys()):
        raise ValueError(f"{' '.join(map(repr, strange))}: not among the characters that training saw")
    return torch.tensor([[known[c] for c in text]])


def spelled(ids: Tensor, facts: dict[str, Any]) -> list[str]:
    """Each row of ids as text."""
    if "merges" in facts:
        from ..transformer.subword_tokenization import SubwordTokenization

        tokenizer = SubwordTokenization.of_lines(facts["merges"])
        return [tokenizer.spell(row) for row in ids.tolist()]
    return ["".join(facts["characters"][i] for i in row) for row in ids.tolist()]
