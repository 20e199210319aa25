"""Searching text: passages, questions that some of them answer, and pairs from which a retriever may learn."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .questions import FACT, FACTS, Passage, contains, own, parse_snapshot, words

PAGES = Path(__file__).with_name("pages.txt")
"""The prose of 84 entries as of the date in its first line: blocks of `## id / section` and a line of text."""
QUESTIONS = Path(__file__).with_name("searches.tsv")
"""Questions about it, one a line: question, id of the pattern that answers it, kind; separated by tabs."""
SECTIONS_LEFT_OUT = ("claims", "relations")
"""Measurements, and sentences about two patterns at once: text to learn from, and not where one would look."""
DEPTH = 10
"""Places of a ranking that count."""


class Search(NamedTuple):
    """A question, the ids of the passages that answer it, and what kind of question it is."""

    question: str
    wanted: frozenset[str]
    kind: str


class Searches(Task):
    """Queries (y) and a passage that fits each (x), all strings; `passages` is what to search.

    Pairs to learn from are made of the text alone: see `pairs`. Of the questions every second one, `dev`, is for
    choosing settings, and the others, `held_out`, for reporting.

    data: passages; or a file or folder of text, whose paragraphs are passages and whose lines `question <tab> answer`
    are questions, answered by the paragraphs that contain the answer. By default the catalog's pages.
    """

    kind = "strings"

    def __init__(self, data: Sequence[Passage] | str | Path | None = None) -> None:
        asked, prose = [], None
        if data is None:
            prose = parse_snapshot(files.text(PAGES))
            self.passages = [passage for passage in prose if passage[1] not in SECTIONS_LEFT_OUT]
            rows = (line.split("\t") for line in files.text(QUESTIONS).splitlines() if line.strip())
            asked = [Search(question, frozenset([id]), kind) for question, id, kind in rows]
        elif isinstance(data, str | Path):
            paragraphs, answered = own(files.text(data), Path(data).stem)
            self.passages = [(f"{name}-{number}", "paragraph", text) for name, number, text in paragraphs]
            for question, answer in answered:
                wanted = frozenset(id for id, _, text in self.passages if contains(text, answer))
                asked += [Search(question, wanted, "question")] if wanted else []
        else:
            self.passages = [(str(id), str(section), str(text)) for id, section, text in data]
        learned = pairs(prose or self.passages)
        if not learned:
            source = data if isinstance(data, str | Path) else "the passages"
            raise ValueError(f"{source}: nothing to learn from; at least one passage of two sentences is needed")
        self.dev, self.held_out = asked[::2], asked[1::2]
        self.words = sorted({w for _, _, text in self.passages for w in words(text)})
        first = {id: text for id, _, text in reversed(self.passages)}
        y, x = (list(side) for side in zip(*learned, strict=True))
        test_x = [next(first[id] for id in sorted(search.wanted)) for search in self.held_out]
        test_y = [search.question for search in self.held_out]
        vocab = len(self.words) + 2
        super().__init__(x, test_x or x, y=y, test_y=test_y or y, vocab=vocab, conditional=True)

    def evaluate(self, model: Reference) -> list[Score]:
        """Mean reciprocal rank of the held-out questions, beside that of counting the words a passage shares."""
        texts = [set(words(text)) for _, _, text in self.passages]
        kinds: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for question, wanted, kind in self.held_out:
            shared = [-len(text & set(words(question))) for text in texts]
            rankings: Any = model.retrieve(question, DEPTH), np.argsort(shared, kind="stable").tolist()  # type: ignore[operator]
            ranks = [reciprocal_rank([self.passages[i][0] for i in rows[:DEPTH]], wanted) for rows in rankings]
            for name in ("all questions", kind):
                kinds[name].append((ranks[0], ranks[1]))
        scores = []
        for name, ranks in kinds.items():
            value, baseline = np.mean(ranks, 0).tolist()
            scores.append(Score(f"MRR@10, {name}", value, "1", "higher", baseline, "number of shared words"))
        return scores


def pairs(passages: Sequence[Passage]) -> list[tuple[str, str]]:
    """(query, passage) pairs to learn from, made of the passages alone.

    A sentence asks for what stands beside it in its passage (for a failure: its symptom for the remedy), and for
    another passage of the same id; each name of the section `facts` asks for passages of its id.
    """
    of: dict[str, list[str]] = defaultdict(list)
    names: dict[str, list[str]] = {}
    for id, section, text in passages:
        if section == FACTS and (fact := FACT.fullmatch(text)):
            names[id] = [fact["name"], *(fact["aliases"].split(", ") if fact["aliases"] else [])]
        else:
            of[id].append(text)
    out = []
    for id, texts in of.items():
        for i, text in enumerate(texts):
            parts = sentences(text)
            for j, sentence in enumerate(parts):
                if len(parts) > 1:
                    out.append((sentence, " ".join(parts[:j] + parts[j + 1 :])))
                if len(texts) > 1:
                    out.append((sentence, texts[(i + 1 + j % (len(texts) - 1)) % len(texts)]))
        out += [(name, text) for name in names.get(id, []) for text in texts]
    return out


def sentences(text: str) -> list[str]:
    """A text cut after full stops, question and exclamation marks."""
    return re.split(r"(?<=[.!?])\s+", text)


def reciprocal_rank(found: Sequence[str], wanted: Collection[str]) -> float:
    """1 / the rank of the first wanted id among the ten found first; 0 where it is not there.

    >>> reciprocal_rank(["gan", "vae", "vae"], {"vae"})
    0.5
    """
    return next((1 / rank for rank, id in enumerate(found[:DEPTH], 1) if id in wanted), 0.0)


def ndcg(found: Sequence[str], wanted: Collection[str]) -> float:
    """Normalized discounted cumulative gain of the ten found first: 1 where all wanted ids come first.

    sum over wanted ranks r of 1 / log2(1 + r), divided by what the best order would give. An id counts once, at its
    first place.

    >>> ndcg(["gan", "gan", "vae"], {"gan", "vae"})
    1.0
    """
    order = list(dict.fromkeys(found))[:DEPTH]
    gain = sum(1 / log2(rank + 1) for rank, id in enumerate(order, 1) if id in wanted)
    return gain / sum(1 / log2(rank + 1) for rank in range(1, min(DEPTH, len(wanted)) + 1))
