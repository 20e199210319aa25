"""Reviews in a few words, with negation and contrast; their attitude follows from how they were made.

A review is one clause, or two about the same thing. `not` turns a clause round; `and` joins clauses of one attitude;
after `but` comes the opposite, and it decides. So "the food was not bad but the staff was poor" is negative. A remark
may follow that gives the attitude away, as "we complain"; reviews with labels come without.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.reference import Batch, Reference
from ..core.task import Score, Task
from . import files
from .sentences import END, SPECIAL, UNKNOWN, Pair, Sentences, read_pairs, widened

PARTS = [
    ["plot", "acting", "cast", "music", "ending"],
    ["food", "menu", "wine", "staff", "bill"],
    ["room", "bed", "view", "lobby", "pool"],
]
"""What is spoken of: the parts of a film, a restaurant, a hotel."""
ADJECTIVES = {
    "positive": ["good", "great", "superb", "lovely", "perfect", "pleasant"],
    "negative": ["bad", "poor", "awful", "dull", "terrible", "shabby"],
}
NEGATIONS = ["not", "never", "hardly"]
REMARKS = {"positive": ["we return", "we rejoice", "we applaud"], "negative": ["we leave", "we complain", "we object"]}
MASK = "[mask]"
"""How a place to be filled is written."""
LONGEST = 127
"""Words of a user's text that are read."""


def opposite(label: str) -> str:
    """The other attitude."""
    return "negative" if label == "positive" else "positive"


def clause(rng: random.Random, part: str, label: str, negated: float) -> str:
    """A clause with this attitude; with probability `negated` it is said by negation."""
    if rng.random() < negated:
        return f"the {part} was {rng.choice(NEGATIONS)} {rng.choice(ADJECTIVES[opposite(label)])}"
    return f"the {part} was {rng.choice(ADJECTIVES[label])}"


def reviews(n: int, seed: int = 0, negated: float = 0.3, remarks: float = 0.0) -> list[Pair]:
    """n reviews with their labels, half of them positive; a share of the clauses is negated, one ends with a remark."""
    rng, out = random.Random(seed), []
    for i in range(n):
        label, (one, two) = ("positive", "negative")[i % 2], rng.sample(rng.choice(PARTS), 2)
        join = rng.choice(["", "", "and", "but"])
        last = clause(rng, two, label, negated)
        first = clause(rng, one, opposite(label) if join == "but" else label, negated)
        text = f"{first} {join} {last}" if join else last
        out.append((f"{text} {rng.choice(REMARKS[label])}" if rng.random() < remarks else text, label))
    rng.shuffle(out)
    return out


class Reviews(Sentences):
    """Labels, as words, for reviews: 400 to learn from, 1,000 held out, and 4,000 reviews without labels.

    A batch of the stream `unlabeled` has the reviews as `x`, from BEGIN to END. A user's data is a .csv or .tsv file
    with a text and its label in each row, without a header; all texts to learn from then also serve without labels.
    """

    def __init__(self, data: str | Path | None = None) -> None:
        if data is None:
            train, test = reviews(400, seed=1), reviews(1000, seed=2)
            unlabeled = [text for text, _ in reviews(4000, seed=3, negated=0.2, remarks=0.8)]
        else:
            train, test = ([(cut(text), label) for text, label in pairs] for pairs in read_pairs(data))
            unlabeled = [text for text, _ in train]
        if spaced := next((label for _, label in train if len(label.split()) != 1), None):
            raise ValueError(f"{data}: the label {spaced!r}; a label is one word")
        labels = sorted({label for _, label in train})
        if len(labels) < 2:
            raise ValueError(f"{data}: all labels are {labels[0]!r}; at least two are needed")
        # as its own target a review without a label goes from BEGIN to END too
        super().__init__([*train, *((text, text) for text in unlabeled)], test)
        (x, y), n = self.splits["train"], len(train)
        self.splits["train"], self.splits["unlabeled"] = (x[:n], y[:n]), (x[n:], None)
        self.facts["labels"] = [self.facts["words"].index(label) for label in labels]


class Lines(Task):
    """Texts of words (B, context + 1) as padded ids, each up to END: 4,000 reviews, 1,000 held out.

    `words` maps id to word; after the vocabulary it names the mask. A user's text is a UTF-8 file or a folder of .txt
    and .md files, with a text in each line; words from the 128th on are left out, and every tenth line is held out.
    """

    kind = "sentences"

    def __init__(self, data: str | Path | None = None) -> None:
        if data is None:
            train, test = (
                [text for text, _ in reviews(n, seed, negated=0.2, remarks=0.8)] for n, seed in ((4000, 3), (1000, 4))
            )
        else:
            lines = [cut(line) for line in files.text(data).splitlines() if line.strip()]
            if len(lines) < 20:
                raise ValueError(f"{data}: {len(lines)} lines with text; at least 20 are needed")
            train, test = [line for i, line in enumerate(lines) if i % 10], lines[::10]
        words = SPECIAL + sorted({word for text in train for word in text.split()})
        context = max(len(text.split()) for text in train + test)
        x, test_x = (rows(texts, words, context + 1) for texts in (train, test))
        super().__init__(x, test_x, vocab=len(words), context=context, words=[*words, MASK], by="words")

    def evaluate(self, model: Reference, limit: int = 1000) -> list[Score]:
        x = self.splits["test"][0][:limit].to(model.device)
        nats = model.loss(Batch(x))["loss"].item()
        counts = torch.bincount(self.splits["train"][0].flatten(), minlength=self.facts["vocab"]) + 1.0
        guess = F.cross_entropy(counts.log().expand(x.numel(), -1), x.cpu().flatten(), ignore_index=0).item()
        return [Score("held-out loss per predicted word", nats, "nats", "lower", guess, "word frequencies")]


def cut(text: str) -> str:
    """The text's first words, one space between them."""
    return " ".join(text.split()[:LONGEST])


def rows(texts: Sequence[str], words: Sequence[str], length: int) -> Tensor:
    """Ids (n, length) of texts up to END, padded; words that are not listed become UNKNOWN."""
    at = {word: i for i, word in enumerate(words)}
    ids = [torch.tensor([at.get(w, UNKNOWN) for w in text.split()] + [END]) for text in texts]
    return widened(torch.nn.utils.rnn.pad_sequence(ids, batch_first=True), length)
