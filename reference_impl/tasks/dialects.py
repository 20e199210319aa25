"""Dialects of one alphabet: a model that speaks several learns one more, or learns to tell what they have in common.

In each dialect every letter has one that follows it three times in four; otherwise any letter does. A letter may be
small or capital, at random, which changes nothing about what follows: who has read enough knows that a and A are one.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .text import SNAPSHOT, encoded, pretrained_facts

LETTERS = "abcdefgh"
CHARACTERS = [*LETTERS, *LETTERS.upper(), "+", "-"]
S = len(LETTERS)
OLD = 4
"""Dialects that the pre-training speaks."""
FOLLOWS = 0.75
"""Probability with which a letter's follower is sure to come next; else any letter does."""
NAMES = ("dialect", "labels")
UNKNOWN = "\ufffd"
"""Stands, with id 0, for characters of a user's text that training never saw."""


class Dialects(Task):
    """Rows (B, context + 1) of token ids; the stream `pretraining` has more of another kind, `before` held-out ones.

    data: "dialect": rows for pre-training speak one of four dialects, the others a fifth. "labels": rows speak one of
    the four, in small letters alone, and end with + for two of them and - for the other two; `shifted` has the same
    in capitals. Or a UTF-8 file, or a folder of .txt and .md files: a text to go on learning from, cut into
    overlapping windows, its last tenth held out; pre-training is on the catalog's prose. With `base`, the folder of a
    run, or `start`, the folder of a GPT-2 checkpoint, sizes and tokens are that model's.
    """

    kind = "text"

    def __init__(
        self, data: str | Path = "dialect", context: int = 0, start: str = "", base: str = "",
        count: int = 4000, seed: int = 0,
    ) -> None:  # fmt: skip
        self.known = str(data) in NAMES
        if self.known and start:
            raise ValueError(f"start={start}: rows of letters are nothing for its tokens; give a text with --data")
        if base and start:
            raise ValueError(f"base={base} and start={start}: a model starts from one of them")
        facts, known = inherited(base) if base else ({}, None)
        context = context or facts.get("context") or (16 if self.known else 128)
        splits: dict[str, Tensor]
        if self.known:
            splits, characters = made(str(data), context, count, seed), CHARACTERS
            self.own = splits["test"]
            if known is not None and (strange := sorted({*CHARACTERS} - {*known})):
                raise ValueError(f"{base}: its tokens lack {' '.join(strange)}; give a text of your own with --data")
            if known is not None:
                ids = torch.tensor([known.index(c) for c in CHARACTERS])
                splits, characters = {name: ids[x] for name, x in splits.items()}, known
            facts |= {"vocab": len(characters), "characters": characters, "answer": int(str(data) == "labels")}
        else:
            text = files.text(data)
            splits, found = read(data, text, context, start, known)
            facts |= {**found, "answer": 0}
        super().__init__(splits["train"], splits["test"], **facts | {"context": context})
        self.splits |= {name: (x, None) for name, x in splits.items()}

    def evaluate(self, model: Reference, limit: int = 1000) -> list[Score]:
        scores: list[Score] = []
        if self.facts["answer"]:
            right = {name: accuracy(model, self.splits[name][0][:limit]) for name in ("test", "shifted")}
            for name, what in (("test", "small letters, as in tuning"), ("shifted", "capitals")):
                scores.append(Score(f"answers right, {what}", right[name], "share", "higher", 0.5, "chance"))
            return scores
        nats = {
            name: per_token(model, self.splits[name][0][:limit]) for name in ("test", "before") if name in self.splits
        }
        best = (truth(self.own[:limit]), "the dialect itself") if self.known else (None, "")
        scores.append(Score("held-out loss per token", nats["test"], "nats", "lower", *best))
        if "before" in nats:
            scores.append(Score("the same on what pre-training read", nats["before"], "nats", "lower"))
        return scores


def made(data: str, context: int, count: int, seed: int) -> dict[str, Tensor]:
    """Rows (n, context + 1) of each split."""
    g = torch.Generator().manual_seed(seed)

    def old(n: int) -> Tensor:
        return cased(spoken(torch.randint(OLD, (n,), generator=g), context + 1, g), g)

    def labeled(n: int, capital: bool) -> Tensor:
        which = torch.randint(OLD, (n,), generator=g)
        return torch.cat([spoken(which, context, g) + S * capital, 2 * S + which[:, None] % 2], 1)

    def new(n: int) -> Tensor:
        return cased(spoken(torch.full((n,), OLD), context + 1, g), g)

    splits = {"pretraining": old(4 * count), "before": old(1000)}
    if data == "labels":
        return splits | {"train": labeled(count, False), "test": labeled(1000, False), "shifted": labeled(1000, True)}
    return splits | {"train": new(count), "test": new(1000)}


def laws() -> Tensor:
    """p(next letter | letter) in each dialect, the last being new: (OLD + 1, S, S)."""
    g = torch.Generator().manual_seed(0)
    follower = torch.stack([torch.eye(S)[torch.randperm(S, generator=g)] for _ in range(OLD + 1)])
    return FOLLOWS * follower + (1 - FOLLOWS) / S


def spoken(which: Tensor, length: int, g: torch.Generator) -> Tensor:
    """A row of small letters in each of these dialects (n,): (n, length)."""
    law, x = laws(), [torch.randint(S, which.shape, generator=g)]
    while len(x) < length:
        x.append(torch.multinomial(law[which, x[-1]], 1, generator=g)[:, 0])
    return torch.stack(x, 1)


def cased(x: Tensor, g: torch.Generator) -> Tensor:
    """Each letter small or capital."""
    return x + S * torch.randint(2, x.shape, generator=g)


def truth(x: Tensor) -> float:
    """What the new dialect itself pays for rows (n, T+1) of it, in nats per letter: about its entropy."""
    law = laws()[-1]
    return -law[x[:, :-1] % S, x[:, 1:] % S].log().mean().item() + math.log(2)


def read(
    data: str | Path, text: str, context: int, start: str, known: list[str] | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Windows of a user's text and, where nothing trained is given, of the catalog's prose; and the tokens."""
    prose = files.text(SNAPSHOT) if not start and known is None else ""
    characters = known or [UNKNOWN, *sorted({*prose, *text[: len(text) * 9 // 10]} - {UNKNOWN})]
    facts = pretrained_facts(start) if start else {"vocab": len(characters), "characters": characters}

    def ids(part: str) -> Tensor:
        if not start and UNKNOWN in characters:
            part = "".join(c if c in characters else UNKNOWN for c in part)
        return encoded(part, facts)[0]

    if len(text) < 20 * context:
        raise ValueError(f"{data}: {len(text)} characters; at least {20 * context} are needed")
    cut = len(text) * 9 // 10
    parts = {"train": text[:cut], "test": text[cut:]}
    if prose:
        parts |= {"pretraining": prose[: len(prose) * 9 // 10], "before": prose[len(prose) * 9 // 10 :]}
    # views, so that overlapping costs no memory
    windows = {name: ids(part).unfold(0, context + 1, max(1, context // 4)) for name, part in parts.items()}
    return windows, facts


def inherited(folder: str) -> tuple[dict[str, Any], list[str]]:
    """Sizes of the GPT of a run, and the characters that are its tokens."""
    from ..core.runner import load

    record = load(folder)[1]
    if "characters" not in record["facts"]:
        raise ValueError(f"{folder}: a run of {record['reference']}, whose tokens are no characters")
    sizes = {name: record["config"].get(name) for name in ("context", "channels", "heads", "layers")}
    return {k: v for k, v in sizes.items() if v is not None}, record["facts"]["characters"]


@torch.no_grad()
def accuracy(model: Any, x: Tensor) -> float:
    """Share of rows (n, T+1) whose last token is the likeliest."""
    x = x.to(model.device)
    return (model.logits(x[:, :-1])[0][:, -1].argmax(1) == x[:, -1]).float().mean().item()


@torch.no_grad()
def per_token(model: Any, x: Tensor) -> float:
    """-log p(x_1 .. x_T | x_0) / T in nats, the mean over rows (n, T+1)."""
    return -torch.cat([model.log_prob(part.to(model.device)) for part in x.split(100)]).mean().item() / (x.shape[1] - 1)
