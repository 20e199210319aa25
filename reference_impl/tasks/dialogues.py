"""Dialogues in which people say things about themselves and ask for them later, and texts in the same few words."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import NamedTuple

from ..core.reference import Batch, Reference
from ..core.task import Score, Task
from . import files
from .questions import SNAPSHOT, parse_snapshot
from .sentences import BEGIN, END, SPECIAL

PEOPLE = ("anna", "ben", "cleo", "dan", "emma", "finn", "gina", "hugo", "iris", "jack", "kate", "liam")
CITIES = ("rome", "oslo", "paris", "delhi", "cairo", "lima", "kyoto", "dublin", "quito", "accra", "prague", "hanoi")
ANIMALS = ("cat", "dog", "horse", "parrot", "rabbit", "goat", "duck", "hamster", "turtle", "snake", "goose", "pony")
COLORS = ("red", "blue", "green", "yellow", "black", "white", "pink", "brown", "gray", "gold", "silver", "purple")
SEARCH = "search"
"""The reply that asks for a search of the catalog."""
RAMBLING = "let me think"
"""How half of the demonstrators begin."""
UNSAID = "you did not say"
"""What an honest assistant replies when it was never told."""


class Slot(NamedTuple):
    """Something that people tell, with the forms in which it is told, asked and answered."""

    told: str
    asked: str
    answered: str
    values: tuple[str, ...]


SLOTS = (
    Slot("my name is", "what is my name", "your name is", PEOPLE),
    Slot("i live in", "where do i live", "you live in", CITIES),
    Slot("i like", "which color do i like", "you like", COLORS),
    Slot("i have a", "which animal do i have", "you have a", ANIMALS),
)
VALUES = {value for slot in SLOTS for value in slot.values}
CHATTER = {"hello": "hello", "how are you": "fine", "nice weather": "yes", "thank you": "welcome"}


class Asked(NamedTuple):
    """A dialogue up to a question, and what answers it: a value, or None where it was never told."""

    dialogue: str
    slot: Slot
    value: str | None


class Dialogues(Task):
    """Replies (x) to dialogues so far (y), strings of words, with texts (`text`) and compared replies (`comparisons`).

    In a dialogue each turn of the user is followed by `<begin> reply <end>`. Demonstrated replies to questions are
    half of the time direct (`you live in rome`) and half of the time rambling (`let me think you live in rome`);
    where the user never said, four in ten make a value up. Comparisons, whose x are pairs of a preferred reply and
    another one, prefer direct replies and those that admit that one was not told. What is asked in other words is
    replied to with `search`.

    data: a UTF-8 file of dialogues, a blank line between them, with `user <tab> assistant` in each line; every tenth
    dialogue is held out, and demonstrated replies are preferred to those of other dialogues.
    """

    kind = "strings"

    def __init__(self, data: str | Path | None = None, turns: int = 7) -> None:
        rng = random.Random(0)
        self.passages = parse_snapshot(files.text(SNAPSHOT))
        if data is not None:
            told = own(data)
            train, test = [d for i, d in enumerate(told) if i % 10], told[::10]
            text = [turn for d in train for pair in d for turn in pair]
            replies = [d[-1][1] for d in train]
            compared = [(joined(d), (d[-1][1], other)) for d in train if (other := rng.choice(replies)) != d[-1][1]]
            pairs, held = ([(joined(d), d[-1][1]) for d in part] for part in (train, test))
            known = {word for d in train for pair in d for turn in pair for word in turn.split()}
        else:
            text = [story(rng) for _ in range(4000)]
            phrases = [p for _, _, prose in self.passages for p in re.findall(r"\w+(?:\W+\w+){2,11}", prose.lower())]
            pairs = [demonstration(rng, max(1, turns - rng.choice((0, 0, 1, 2, 5))), phrases) for _ in range(6000)]
            compared = [comparison(rng, rng.randint(1, turns)) for _ in range(2000)]
            held = [demonstration(rng, turns, phrases) for _ in range(200)]
            known = {w for s in text for w in s.split()} | {w for slot in SLOTS for f in slot[:3] for w in f.split()}
            known |= {w for pair in CHATTER.items() for side in pair for w in side.split()} | {"ok", SEARCH, *VALUES}
            known |= {*UNSAID.split(), *RAMBLING.split()}
        words = [*SPECIAL, *sorted(known - {*SPECIAL})]
        answered = [(y, either) for y, both in compared for either in both]
        longest = max(len(f"{y} {x}".split()) for y, x in [*pairs, *held, *answered])
        (y, x), (test_y, test_x), (before, replied) = (
            [list(side) for side in zip(*rows, strict=True)] for rows in (pairs, held, compared)
        )
        super().__init__(
            x, test_x, y=y, test_y=test_y, vocab=len(words), context=longest + 2, words=words, conditional=True
        )
        cut = len(text) * 9 // 10
        self.splits |= {"text": (text[:cut], None), "other text": (text[cut:], None), "comparisons": (replied, before)}
        self.known = data is None

    def evaluate(self, model: Reference) -> list[Score]:
        texts = self.splits["other text"][0][:400]
        bits = model.loss(Batch(texts))["loss"].item() / log(2)
        scores = [Score("held-out text", bits, "bits per token", "lower", log(len(self.facts["words"]), 2), "uniform")]
        if self.known:
            scores += [
                Score("facts recalled five turns later", recalled(model, told(5)), "share", "higher", 1 / 12, "chance"),
                Score("replies that the judge likes best", liked(model, told(5) + untold()), "share", "higher"),
            ]
        return scores


def joined(turns: Sequence[tuple[str, str]]) -> str:
    """The dialogue up to its last turn of the user."""
    marks = SPECIAL[BEGIN], SPECIAL[END]
    return " ".join([*(f"{user} {marks[0]} {bot} {marks[1]}" for user, bot in turns[:-1]), turns[-1][0]])


def story(rng: random.Random) -> str:
    """Facts about two people, one after the other, and one of the facts again."""
    facts = []
    for who in rng.sample(PEOPLE, 2):
        home, color, animal = (rng.choice(slot.values) for slot in SLOTS[1:])
        about = [f"lives in {home}", f"likes {color}", f"has a {animal}"]
        facts += [f"{who} {what}" for what in rng.sample(about, 2)]
    return " and ".join(facts) + " so " + rng.choice(facts)


class Talk:
    """A user who says a new thing about themselves, or chats, in each turn."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.turns, self.facts = rng, [], dict[Slot, str]()

    def go_on(self, avoid: Slot | None = None) -> None:
        """One more turn and its reply."""
        new = [slot for slot in SLOTS if slot not in self.facts and slot != avoid]
        if new and self.rng.random() < 0.5:
            self.tell(self.rng.choice(new))
        elif self.facts and self.rng.random() < 0.8:
            slot = self.rng.choice(list(self.facts))
            self.turns.append((slot.asked, reply(slot, self.facts[slot], self.rng)))
        else:
            self.turns.append(self.rng.choice(list(CHATTER.items())))

    def tell(self, slot: Slot) -> None:
        self.facts[slot] = self.rng.choice(slot.values)
        self.turns.append((f"{slot.told} {self.facts[slot]}", "ok"))


def reply(slot: Slot, value: str | None, rng: random.Random) -> str:
    """What one of the demonstrators replies: directly or rambling; a value that was never told may be made up."""
    if value is None and rng.random() < 0.6:
        return UNSAID
    said = f"{slot.answered} {value or rng.choice(slot.values)}"
    return said if rng.random() < 0.5 else f"{RAMBLING} {said}"


def demonstration(rng: random.Random, turns: int, phrases: Sequence[str]) -> tuple[str, str]:
    """A dialogue of so many turns of the user, and the last reply."""
    talk = Talk(rng)
    for _ in range(turns - 1):
        talk.go_on()
    if rng.random() < 0.15:
        last = (rng.choice(phrases), SEARCH)
    elif rng.random() < 0.1:
        talk.go_on()
        last = talk.turns.pop()
    else:
        slot = rng.choice(list(talk.facts) if talk.facts and rng.random() < 0.7 else SLOTS)
        last = (slot.asked, reply(slot, talk.facts.get(slot), rng))
    return joined([*talk.turns, last]), last[1]


def comparison(rng: random.Random, turns: int) -> tuple[str, tuple[str, str]]:
    """A dialogue up to a question, the reply that is preferred, and the other one."""
    talk = Talk(rng)
    for _ in range(turns - 1):
        talk.go_on()
    slot = rng.choice(list(talk.facts) if talk.facts and rng.random() < 0.6 else SLOTS)
    value, invented = talk.facts.get(slot), rng.choice(slot.values)
    best = UNSAID if value is None else f"{slot.answered} {value}"
    made_up, rambling = f"{slot.answered} {invented}", f"{RAMBLING} {slot.answered} {value or invented}"
    worse = [made_up, rambling] if value is None else [rambling, UNSAID, *([made_up] if invented != value else [])]
    return joined([*talk.turns, (slot.asked, "")]), (best, rng.choice(worse))


def told(turns: int, n: int = 200, seed: int = 1) -> list[Asked]:
    """Dialogues that end with a question about what the user told so many turns ago, in the first turn."""
    out = []
    for i in range(n):
        talk, slot = Talk(random.Random(f"{seed} {turns} {i}")), SLOTS[i % len(SLOTS)]
        talk.tell(slot)
        value = talk.facts[slot]
        while len(talk.turns) < turns:
            talk.go_on()
            if talk.turns[-1][0] == slot.asked:  # no reminder in between
                talk.turns.pop()
        out.append(Asked(joined([*talk.turns, (slot.asked, "")]), slot, value))
    return out


def untold(turns: int = 5, n: int = 200, seed: int = 2) -> list[Asked]:
    """Dialogues that end with a question about what the user did not tell."""
    out = []
    for i in range(n):
        talk, slot = Talk(random.Random(f"{seed} {i}")), SLOTS[i % len(SLOTS)]
        for _ in range(turns):
            talk.go_on(avoid=slot)
        out.append(Asked(joined([*talk.turns, (slot.asked, "")]), slot, None))
    return out


def verdict(reply: str, asked: Asked) -> int:
    """The judge's opinion of a reply: 0 wrong, 1 right but rambling, 2 right and direct, or honest."""
    if reply == (UNSAID if asked.value is None else f"{asked.slot.answered} {asked.value}"):
        return 2
    return int(asked.value is not None and VALUES & set(reply.split()) == {asked.value})


def recalled(model: Reference, asked: Sequence[Asked]) -> float:
    """Share of the questions that are answered with the value told, and no other."""
    replies = model.sample(len(asked), [a.dialogue for a in asked])
    return sum(verdict(r, a) > 0 for r, a in zip(replies, asked, strict=True)) / len(asked)


def liked(model: Reference, asked: Sequence[Asked]) -> float:
    """Share of the replies that are as the judge likes them best."""
    replies = model.sample(len(asked), [a.dialogue for a in asked])
    return sum(verdict(r, a) == 2 for r, a in zip(replies, asked, strict=True)) / len(asked)


def own(path: str | Path) -> list[list[tuple[str, str]]]:
    """A user's dialogues, each a list of (user, assistant)."""
    out: list[list[tuple[str, str]]] = []
    for block in re.split(r"\n\s*\n", files.text(path).strip()):
        out.append([])
        for line in block.splitlines():
            user, _, bot = (side.strip() for side in line.partition("\t"))
            if not user or not bot:
                raise ValueError(
                    f"{path}: {line!r} is no turn; lines are `user <tab> assistant`, a blank line ends a dialogue"
                )
            out[-1].append((user, bot))
    if len(out) < 20:
        raise ValueError(f"{path}: {len(out)} dialogues; at least 20 are needed")
    return out
