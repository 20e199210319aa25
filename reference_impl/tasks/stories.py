"""Stories of people who move and carry things, with questions where a thing is; and questions about a text."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .questions import QA, columns, share, words
from .searches import Search, Searches, sentences

PEOPLE = ("Mary", "John", "Sandra", "Daniel")
PLACES = ("kitchen", "garden", "office", "hallway", "bathroom", "bedroom")
THINGS = ("milk", "apple", "football")
WAYS = {
    "go": ("{} went to the {}.", "{} moved to the {}.", "{} walked to the {}."),
    "take": ("{} took the {}.", "{} grabbed the {}."),
    "drop": ("{} dropped the {}.", "{} put down the {}."),
}
LENGTHS = (4, 12)
"""Fewest and most sentences of a story."""
NO_ANSWER = "no answer"
"""What is said where the text does not tell."""
UNANSWERABLE = Path(__file__).with_name("unanswerable.tsv")
"""Questions, one a line, that sound like the catalog and that it does not answer."""


class Stories(Task):
    """Stories with their question (y), and the answer with the sentences that tell it (x), all of them strings.

    "Mary went to the kitchen. Mary took the milk. John went to the office. Where is the milk?" is answered by
    "kitchen [2, 1]": who has or had it last, then where that person was. Of five questions one cannot be answered.

    data: "pages", the catalog's pages with questions that people ask, half of them for choosing a threshold; or a file
    or folder of text, whose paragraphs are searched and whose lines `question <tab> answer` are such questions.
    """

    kind = "strings"

    def __init__(self, data: str | Path | None = None, *, stories: int = 4000) -> None:
        self.passages: list[tuple[str, str, str]] = []
        self.dev: Sequence[Search] = []
        self.held_out: Sequence[Search] = []
        self.unanswerable: list[str] = []
        if data is None:
            train, test = list(drawn(stories, 0)), [pair for pair in drawn(600, 1) if pair not in drawn(stories, 0)]
            facts: dict[str, Any] = {"context": LENGTHS[1], "reader": "hops"}
        else:
            searched = Searches(None if data == "pages" else data)
            self.passages, self.dev, self.held_out = searched.passages, searched.dev, searched.held_out
            train, test = ([(question, "") for question, _, _ in half] for half in (self.dev, self.held_out))
            facts = {"context": 1, "reader": "copy"}
        if data == "pages":
            self.unanswerable = files.text(UNANSWERABLE).splitlines()
        self.words = sorted({w for question, _ in train for w in words(question)}) if data is None else []
        (y, x), (test_y, test_x) = columns(train), columns(test)
        vocab = len(self.words) + 2
        super().__init__(x, test_x, y=y, test_y=test_y, vocab=vocab, conditional=bool(test_y), **facts)

    def evaluate(self, model: Reference) -> list[Score]:
        """Answers beside the place mentioned last; for a searched text, what was answered beside answering always."""
        reader: Any = model
        x, y = self.splits["test"]
        if not y:
            return []
        if not self.passages:
            given, known = reader.sample(len(y), y), [text.split(" [")[0] for text in x]
            right = share(a.split(" [")[0] == b for a, b in zip(given, known, strict=True))
            last = share(a == b for a, b in zip(map(last_mention, y), known, strict=True))
            cited = share(a == b for a, b in zip(given, x, strict=True))
            silent = share(text == NO_ANSWER for text in known)
            return [
                Score("exact match", right, "share", "higher", last, "the place mentioned last before the thing"),
                Score("answer and sources right", cited, "share", "higher", silent, "no answer to all"),
            ]
        judged = reader.judged(y)
        right = self.cited(judged, self.held_out)
        answered = [sure >= float(reader.threshold) for _, sure in judged]
        correct = sum(r and a for r, a in zip(right, answered, strict=True)) / max(1, sum(answered))
        scores = [
            Score("answers that cite the right page", correct, "share", "higher", share(right), "always answering"),
            Score("questions answered", share(answered), "share", "higher"),
        ]
        if self.unanswerable:
            refused = share(not a.sources for a in reader.answers(self.unanswerable))
            scores.append(Score("unanswerable questions refused", refused, "share", "higher", 0.0, "always answering"))
        return scores

    @staticmethod
    def cited(judged: Sequence[tuple[Any, float]], asked: Sequence[Search]) -> list[bool]:
        """Whether each answer (text, sources), and how sure it is, cites a page that answers its question."""
        pages = [{source.split("/")[0] for source in answer.sources} for answer, _ in judged]
        return [not found.isdisjoint(search.wanted) for found, search in zip(pages, asked, strict=True)]


@lru_cache
def drawn(n: int, seed: int) -> tuple[QA, ...]:
    """Stories with their question, and the answers."""
    rng = random.Random(seed)
    return tuple(story(rng, rng.randint(*LENGTHS), told=rng.random() < 0.8) for _ in range(n))


def story(rng: random.Random, length: int, told: bool) -> QA:
    """A story of `length` sentences that tells where the thing asked for is, or does not tell it."""
    while True:
        lines, place, evidence = events(rng, length)
        asked = [thing for thing in THINGS if (place.get(thing) is not None) == told]
        if asked:
            thing = rng.choice(asked)
            question = " ".join([*lines, f"Where is the {thing}?"])
            return question, f"{place[thing]} {evidence[thing]}" if told else NO_ANSWER


def events(rng: random.Random, length: int) -> tuple[list[str], dict[str, str | None], dict[str, list[int]]]:
    """Sentences; where each thing mentioned is, None where that is not told; and the two that tell it, from 1.

    One who has not moved yet is somewhere, and so is what such a person takes.
    """
    lines: list[str] = []
    at: dict[str, str] = {}
    moved: dict[str, int] = {}
    holder: dict[str, str | None] = {}
    place: dict[str, str | None] = {}
    evidence: dict[str, list[int]] = {}
    for number in range(1, length + 1):
        who = rng.choice(PEOPLE)
        carried = [thing for thing in THINGS if holder.get(thing) == who]
        # a thing nobody has touched may be anywhere
        near = [t for t in THINGS if t not in place or (holder[t] is None and place[t] and place[t] == at.get(who))]
        act = rng.choice(["go", "go", *["take"] * 2 * bool(near), *["drop"] * bool(carried)])
        if act == "go":
            what = at[who] = rng.choice([p for p in PLACES if p != at.get(who)])
            moved[who] = number
        else:
            what = rng.choice(near if act == "take" else carried)
            holder[what] = who if act == "take" else None
            evidence[what] = [number]
            carried = [what]
        for thing in carried:
            place[thing] = at.get(who)
            evidence[thing] = [evidence[thing][0], moved.get(who, 0)]
        lines.append(rng.choice(WAYS[act]).format(who, what))
    return lines, place, evidence


def last_mention(question: str) -> str:
    """The place named last before the last sentence that names the thing, else the first one after it."""
    *lines, asked = map(words, sentences(question))
    thing = asked[-1]
    named = [i for i, line in enumerate(lines) if thing in line]
    if not named:
        return NO_ANSWER
    parts = lines[: named[-1]], lines[named[-1] :]
    before, after = ([word for line in part for word in line if word in PLACES] for part in parts)
    return before[-1] if before else after[0] if after else NO_ANSWER
