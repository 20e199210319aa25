"""Who did what to whom: searches that need the order of the words, and not only the words."""

from __future__ import annotations

from itertools import combinations, permutations
from pathlib import Path

import numpy as np

from ..core.task import Task
from .searches import Search, Searches

NAMES = (
    "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hugo", "Ida", "Jon", "Kim", "Leo", "Mia", "Ned", "Ola", "Pia",
    "Quinn", "Rosa", "Sam", "Tess", "Uma", "Vic", "Wes", "Xena", "Yan", "Zoe", "Amir", "Bea", "Carl", "Dora", "Emil",
    "Flo",
)  # fmt: skip
VERBS = ("introduced", "recommended", "compared", "led")


class Events(Searches):
    """Searches (y) such as "was Ben introduced to Cleo by Ada" for "Ada introduced Ben to Cleo" (x), all strings.

    Three of 32 people can take the three parts of an event in six ways, and each way is a passage of its own: every
    search has six passages with the same words, of which one has them in the right parts. 500 sets of six make
    `passages`; searches for a fifth of the sets are held out.

    data: a file or folder of text to be searched instead. Its paragraphs are passages, its sentences what is learned
    from, and its lines `question <tab> answer` searches, every second of them held out.
    """

    def __init__(self, data: str | Path | None = None, *, sets: int = 500, seed: int = 0) -> None:
        if data is not None:
            super().__init__(data)
            return
        rng = np.random.default_rng(seed)
        drawn = rng.permutation([(*people, verb) for people in combinations(NAMES, 3) for verb in VERBS])[:sets]
        events = [(i, *parts, verb) for i, (*people, verb) in enumerate(drawn) for parts in permutations(people)]
        events = [events[i] for i in rng.permutation(len(events))]
        texts = [f"{who} {verb} {whom} to {third}" for _, who, whom, third, verb in events]
        asked = [f"was {whom} {verb} to {third} by {who}" for _, who, whom, third, verb in events]
        held_out = [5 * event[0] < sets for event in events]
        self.passages = [(f"event {i}", "text", text) for i, text in enumerate(texts, 1)]
        self.dev: list[Search] = []
        self.held_out = [
            Search(question, frozenset([id]), "event")
            for question, (id, _, _), out in zip(asked, self.passages, held_out, strict=True)
            if out
        ]
        (x, y), (test_x, test_y) = (
            [[s for s, out in zip(side, held_out, strict=True) if out == test] for side in (texts, asked)]
            for test in (False, True)
        )
        Task.__init__(self, x, test_x, y=y, test_y=test_y, conditional=True)
