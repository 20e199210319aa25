"""Reports of events and their one-line summaries, from a table of facts that is known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from .sentences import Pair, Sentences, read_pairs

STEMS = [
    "ash", "bel", "cor", "dun", "elm", "fen", "gar", "hol", "ives", "kel", "lan", "mor", "nor", "oak", "pen", "red",
]  # fmt: skip
ENDINGS = [
    "ton", "ford", "berg", "dale", "field", "mouth", "wick", "ham", "bury", "gate", "hill", "port", "stead", "wall",
    "wood", "worth",
]  # fmt: skip
FIELDS: dict[str, list[str]] = {
    "event": ["fire", "flood", "storm", "crash", "riot", "blast", "landslide", "blackout"],
    "place": [stem + ending for ending in ENDINGS for stem in STEMS],
    "day": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    "hurt": [str(n) for n in range(2, 100)],
    "cause": [
        "candle", "pipe", "cable", "driver", "pump", "dam", "valve", "heater", "bridge", "rumor", "motor", "spark",
    ],
}  # fmt: skip
"""What a fact can be, by field."""
UNPAIRED = FIELDS["place"][-4 * len(STEMS) :]
"""Places that reports without a summary name, and no report that has one."""
Facts = dict[str, str]

LEADS = [
    "a {event} struck {place} .",
    "{place} was hit by a {event} .",
    "people in {place} woke to a {event} .",
]
REST = {
    "day": ["it began on {day} .", "the first call came in on {day} .", "all this happened on {day} ."],
    "hurt": ["{hurt} people were hurt .", "doctors treated {hurt} people .", "the number of injured rose to {hurt} ."],
    "cause": [
        "police blamed a {cause} .",
        "it started with a broken {cause} .",
        "experts named the {cause} .",
    ],
}
ASIDES = [
    "a year ago a {event} in {place} left {hurt} injured .",
    "reporters from {place} arrived late on {day} .",
    "the mayor gave no answer .",
    "schools stayed closed .",
]
SUMMARY = "{place} {event} {day} : {hurt} hurt , {cause} suspected"


class Reports(Sentences):
    """Reports of an event in five sentences, of which one is beside the point, and summaries that state its five facts.

    A report names the event and its place first and the rest in any order and wording; the aside may name another
    place, day or number. The split `text` holds reports without summaries, source and target being the same. Places in
    `UNPAIRED` occur there alone, and in the split `unseen` of held-out pairs. A user's data is a .tsv or .csv file with
    a text and its summary in each row; its texts are the split `text` too.
    """

    def __init__(self, data: Any = None, *, pairs: int = 2000, texts: int = 2000) -> None:
        if data is not None:
            train, test = read_pairs(data)
            unseen, free = [], [source for source, _ in train]
        else:
            seen = [place for place in FIELDS["place"] if place not in UNPAIRED]
            train, test = (drawn(n, seed, seen) for n, seed in ((pairs, 0), (300, 1)))
            unseen, free = drawn(200, 2, UNPAIRED), [source for source, _ in drawn(texts, 3, FIELDS["place"])]
        # one vocabulary and one length for all of them
        super().__init__([*train, *((text, text) for text in free)], [*test, *unseen])
        words = self.facts["words"]
        self.facts |= {"corpus": "text", "stop": words.index(".") if "." in words else 0}
        for stream, other, n in (("train", "text", len(train)), ("test", "unseen", len(test))):
            x, y = self.splits[stream]
            self.splits |= {stream: (x[:n], y[:n]), other: (x[n:], y[n:])}


def drawn(n: int, seed: int, places: Sequence[str]) -> list[Pair]:
    """Reports of events in these places, and their summaries."""
    rng = random.Random(seed)
    return [report(rng, places)[:2] for _ in range(n)]


def report(rng: random.Random, places: Sequence[str]) -> tuple[str, str, Facts]:
    """A report, its summary, and the facts that both state."""
    choices = {**FIELDS, "place": places}
    facts, other = ({field: rng.choice(values) for field, values in choices.items()} for _ in range(2))
    rest = [rng.choice(ways).format(**facts) for ways in REST.values()] + [rng.choice(ASIDES).format(**other)]
    rng.shuffle(rest)
    return " ".join([rng.choice(LEADS).format(**facts), *rest]), SUMMARY.format(**facts), facts


def stated(text: str) -> set[tuple[str, str]]:
    """The facts that a text states: (field, value) of each value that it names."""
    named = set(text.split())
    return {(field, value) for field, values in FIELDS.items() for value in values if value in named}
