"""Passages of text and questions whose answers are in them: the catalog's prose, invented facts, own files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

SNAPSHOT = Path(__file__).with_name("catalog.txt")
"""The catalog's prose as of the date in its first line: blocks of `## id / section` and a line of text."""
FACTS = "facts"
"""The section whose passages questions about the catalog are made from; see `FACT`."""
FACT = re.compile(
    r"(?P<name>.+?)(?: \(also called (?P<aliases>.+)\))? was introduced in (?P<year>\d{4}); "
    r"it belongs to the family (?P<family>.+)\."
)
"""Form of a passage of the section `facts`; aliases are separated by commas."""
ROLES = (
    "mayor", "judge", "baker", "doctor", "singer", "pilot", "teacher", "painter", "farmer", "guard",
    "tailor", "miller", "captain", "poet", "smith", "cook", "clerk", "weaver", "fisher", "healer",
)  # fmt: skip

Passage = tuple[str, str, str]
"""(id, section, text) of a piece of prose; id and section are what an answer cites."""
QA = tuple[str, str]
"""(question, answer)."""


class Questions(Task):
    """Answers (x) to questions (y), all of them strings, and in `passages` the text to look them up in.

    data: passages; or "facts", 8,000 invented facts of which 2,000 are never asked about in training; or a file or
    folder of text, whose paragraphs are passages and whose lines `question <tab> answer` are questions. By default
    the passages of the catalog's snapshot.
    """

    kind = "strings"

    def __init__(self, data: Sequence[Passage] | str | Path | None = None) -> None:
        held_out: list[QA] | None = None
        if data is None:
            data = parse_snapshot(files.text(SNAPSHOT))
        if data == "facts":
            self.passages, asked = invented()
            asked, held_out = asked[2000:], asked[:2000]
        elif isinstance(data, str | Path):
            self.passages, asked = own(files.text(data), Path(data).stem)
        else:
            self.passages = [(str(id), str(section), str(text)) for id, section, text in data]
            asked = about(self.passages)
        if not self.passages:
            raise ValueError(f"{data or 'the catalog'}: no passage of text")
        held_out = asked if held_out is None else held_out
        self.words = sorted({w for text in texts(self.passages, [*asked, *held_out]) for w in words(text)})
        (y, x), (test_y, test_x) = columns(asked), columns(held_out)
        super().__init__(x, test_x, y=y, test_y=test_y, vocab=len(self.words) + 2, conditional=bool(test_y))

    def evaluate(self, model: Reference) -> list[Score]:
        """Whether answers contain the known answer, beside what retrieval allows and what guessing gives."""
        answers, questions = self.splits["test"]
        if not questions:
            return []
        given = [a.text for a in model.answers(questions)]  # type: ignore[operator]
        found = [[self.passages[i][2] for i in model.retrieve(q)] for q in questions]  # type: ignore[operator]
        rows = np.random.default_rng(0).integers(len(self.passages), size=len(questions))
        guess = share(contains(self.passages[i][2], a) for i, a in zip(rows, answers, strict=True))
        recall = share(any(contains(t, a) for t in ts) for ts, a in zip(found, answers, strict=True))
        model.index([])  # type: ignore[operator]
        closed = share(contains(a.text, b) for a, b in zip(model.answers(questions), answers, strict=True))  # type: ignore[operator]
        model.index(self.passages)  # type: ignore[operator]
        right = share(contains(a, b) for a, b in zip(given, answers, strict=True))
        return [
            Score("questions answered", right, "share", "higher", closed, "without documents"),
            Score("answer among the retrieved passages", recall, "share", "higher", guess, "a random passage"),
        ]


def words(text: str) -> list[str]:
    """Lower-case words; hyphens and punctuation separate. No stemming, no stop words."""
    return re.findall(r"\w+", text.lower())


def contains(text: str, answer: str) -> bool:
    """Whether the words of the answer occur in the text, next to each other."""
    return f" {' '.join(words(answer))} " in f" {' '.join(words(text))} "


def share(hits: Iterable[bool]) -> float:
    """Mean of yes and no."""
    return float(np.mean(list(hits)))


def columns(pairs: Sequence[QA]) -> tuple[list[str], list[str]]:
    """Questions and answers apart."""
    return [q for q, _ in pairs], [a for _, a in pairs]


def texts(passages: Sequence[Passage], pairs: Sequence[QA]) -> Iterable[str]:
    """Every text from which a reader may need a word."""
    return [*(text for _, _, text in passages), *(t for pair in pairs for t in pair)]


def parse_snapshot(text: str) -> list[Passage]:
    """The passages of a snapshot; its first line and blank lines are skipped.

    >>> parse_snapshot("# Prose as of 2026-01-02\\n\\n## vae / summary\\nLearns a code.\\n")
    [('vae', 'summary', 'Learns a code.')]
    """
    blocks = re.findall(r"^## (\S+) / (\S+)\n(.+?)(?=\n+## |\s*\Z)", text, re.M | re.S)
    return [(id, section, " ".join(prose.split())) for id, section, prose in blocks]


def about(passages: Sequence[Passage]) -> list[QA]:
    """Questions that the section `facts` answers: year and family of each name, and what else it is called."""
    out: list[QA] = []
    for _, section, text in passages:
        if section == FACTS and (fact := FACT.fullmatch(text)):
            aliases = fact["aliases"].split(", ") if fact["aliases"] else []
            for name in [fact["name"], *aliases]:
                out.append((f"When was {name} introduced?", fact["year"]))
                out.append((f"Which family does {name} belong to?", fact["family"]))
            out += [(f"What else is {fact['name']} called?", alias) for alias in aliases[:1]]
    return out


def invented(seed: int = 0) -> tuple[list[Passage], list[QA]]:
    """8,000 facts in random order, one passage and one question each: 20 offices in 400 places, held by 50 people."""
    rng = np.random.default_rng(seed)
    places = ["".join(s).capitalize() for s in product("bdfgklmn", "aeiou", "rstvz", ("an", "ek"))]
    people = ["".join(s).capitalize() for s in product("aeiou", "lmnpr", "ai")]
    holders = rng.integers(len(people), size=(len(places), len(ROLES)))
    passages, asked = [], []
    for i in rng.permutation(holders.size):
        place, role = divmod(int(i), len(ROLES))
        who = people[holders[place, role]]
        passages.append((places[place].lower(), ROLES[role], f"{places[place]}'s {ROLES[role]}: {who}."))
        asked.append((f"Who is {places[place]}'s {ROLES[role]}?", who))
    return passages, asked


def own(text: str, name: str) -> tuple[list[Passage], list[QA]]:
    """Paragraphs of a text as passages, numbered from 1, and its lines `question <tab> answer`."""
    lines = text.splitlines()
    asked = [(q.strip(), a.strip()) for q, tab, a in (line.partition("\t") for line in lines) if tab and a.strip()]
    prose = "\n".join(line for line in lines if "\t" not in line)
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", prose) if words(p)]
    return [(name, str(i), p) for i, p in enumerate(paragraphs, 1)], asked
