"""Questions about pictures of a few colored shapes, and what prepares for answering them; or what the user brings."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch

from ..blocks_words import cut, vocabulary
from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .scenes import COLORS, PLACES, SHAPES, Rows, Things, captions, chosen, drawn, fifth_held_out, imagined

NUMBERS = ("one", "two", "three")


def questions(things: Things) -> tuple[str, ...]:
    """Questions about a picture, with the answer behind the question mark.

    They are about how many things there are, whether a shape is among them (one that is, and one that is not), and
    color and shape of what lies in a quarter.
    """
    there = [shape for shape in SHAPES if any(thing.shape == shape for thing in things)]
    missing = [shape for shape in SHAPES if shape not in there]
    asked = [f"how many shapes? {NUMBERS[len(things) - 1]}"]
    asked += [f"is there a {there[0]}? yes", f"is there a {missing[0]}? no"]
    for thing in things:
        place = f"{thing.row} {thing.column}"
        asked += [f"what color is {place}? {thing.color}", f"what shape is {place}? {thing.shape}"]
    return tuple(asked)


def described(things: Things) -> str:
    """A picture in eight words: color and shape in each quarter as one reads, or `no shape`."""
    at = {thing[2:]: f"{thing.color} {thing.shape}" for thing in things}
    return " ".join(at.get(place, "no shape") for place in PLACES)


class Asked(Task):
    """Questions with their answers (x), strings such as `what color is top left? red`, about pictures (y).

    By default 16x16 pictures of one to three colored shapes: how many there are, whether a shape is among them, and
    what lies in a quarter. Two more streams prepare for it: "captions", other pictures with captions, and "text",
    questions and answers about scenes that are put into words instead. data: a folder of images of one size with a file
    questions.csv (lines `file name,question,answer`); every fifth line is held out, and there the lines are the
    captions, and the text.
    """

    kind = "strings"

    def __init__(self, data: str | Path = "scenes") -> None:
        self.built_in = str(data) == "scenes"
        if self.built_in:
            (y, scenes), (test_y, self.scenes) = drawn(6000, seed=0, most=3), drawn(500, seed=1, most=3)
            x, test_x = chosen(questions, scenes, seed=0), chosen(questions, self.scenes, seed=1)
            # the text tells of all pairs of color and shape, pictures of known ones alone
            looked_at, others = drawn(6000, seed=2, most=3)
            words_only = imagined(12000, seed=3, most=3, pairs=tuple(product(COLORS, SHAPES)))
            streams = {
                "captions": (chosen(captions, others, seed=2), looked_at),
                "text": (chosen(questions, words_only, seed=3), [described(things) for things in words_only]),
            }
        else:
            y, x, test_y, test_x = fifth_held_out(*asked(data))
            streams = {"captions": (x, y), "text": (x, None)}
        texts = [*x, *test_x, *streams["captions"][0], *(streams["text"][1] or [])]
        super().__init__(
            x, test_x, y=y, test_y=test_y, shape=list(y.shape[1:]), words=vocabulary(texts),
            context=max(len(cut(text)) for text in texts) + 2, conditional=True,
        )  # fmt: skip
        self.splits |= streams

    def evaluate(self, model: Reference) -> list[Score]:
        """Share of held-out questions that are answered as they should be."""
        x, y = self.splits["test"]
        asked = [text.partition("?")[0] + "?" for text in x]
        right = self.right(model.answer(y.to(model.device), asked))  # type: ignore[operator]
        blind = self.right(self.commonest(asked))
        return [
            Score("held-out questions answered", right, "share", "higher", blind, "the question's commonest answer")
        ]

    def right(self, answers: Sequence[str]) -> float:
        """Share of the held-out questions that these answer."""
        wanted = [text.partition("? ")[2] for text in self.splits["test"][0]]
        return float(np.mean([a == b for a, b in zip(answers, wanted, strict=True)]))

    def commonest(self, asked: Sequence[str]) -> list[str]:
        """What training answered to each question most often."""
        seen: dict[str, Counter[str]] = {}
        for text in self.splits["train"][0]:
            question, _, answer = text.partition("? ")
            seen.setdefault(question + "?", Counter())[answer] += 1
        return [seen[q].most_common(1)[0][0] if q in seen else "" for q in asked]


def asked(data: str | Path) -> Rows:
    """Images and questions with answers of a user's folder. ValueError or FileNotFoundError says what is missing."""
    path = files.existing(data, ["scenes"])
    table = path / "questions.csv"
    if not path.is_dir() or not table.exists():
        raise ValueError(
            f"{path}: no folder with a file questions.csv (lines `file name,question,answer`) beside its images"
        )
    images, _ = files.image_folder(path)
    names = sorted(p for p in path.rglob("*") if p.suffix.lower() in files.IMAGE_SUFFIXES)
    at = {key: i for i, p in enumerate(names) for key in (p.name, p.relative_to(path).as_posix())}
    rows, texts = [], []
    for number, line in enumerate(csv.reader(files.text(table).splitlines()), 1):
        if not line:
            continue
        if len(line) != 3 or not cut(line[1].rstrip("? ")) or not cut(line[2]):
            raise ValueError(f"{table}: line {number}: not of the form `file name,question,answer`")
        if line[0].strip() not in at:
            raise ValueError(f"{table}: line {number}: no image {line[0].strip()!r} in {path}")
        question = " ".join(cut(line[1].replace("?", " ")))
        rows.append(at[line[0].strip()])
        texts.append(f"{question}? {' '.join(cut(line[2].replace('?', ' ')))}")
    if len(rows) < 10:
        raise ValueError(f"{table}: {len(rows)} questions; at least 10 are needed")
    return torch.from_numpy(images)[torch.tensor(rows)], texts
