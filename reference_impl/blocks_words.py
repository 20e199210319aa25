"""Texts as numbers of their words, for models that connect texts with pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .blocks_writing import BEGIN, END, PAD

FIRST = 3
"""Id of the first word; those before it pad, begin and end."""


def cut(text: str) -> list[str]:
    """Lower-case words and question marks.

    >>> cut("Is it red?")
    ['is', 'it', 'red', '?']
    """
    return re.findall(r"\w+|\?", text.lower())


def vocabulary(texts: Iterable[str]) -> list[str]:
    """The words of some texts, each once, sorted."""
    return sorted({word for text in set(texts) for word in cut(text)})


def numbered(texts: Sequence[str], words: Sequence[str]) -> Tensor:
    """Ids of each text: BEGIN, words, END, padding, (N, T). ValueError for a word that is not among `words`."""
    known = {word: i for i, word in enumerate(words, FIRST)}
    rows = [cut(text) for text in texts]
    if unknown := sorted({word for row in rows for word in row} - known.keys()):
        raise ValueError(f"{unknown[0]!r} is in no text that training showed; known are {', '.join(words)}")
    ids = [torch.tensor([BEGIN, *(known[word] for word in row), END]) for row in rows]
    return pad_sequence(ids, batch_first=True, padding_value=PAD)


def spelled(ids: Tensor, words: Sequence[str]) -> list[str]:
    """Each row of ids (N, T) as text, up to its END."""
    texts = []
    for row in ids.tolist():
        row = row[: row.index(END)] if END in row else row
        texts.append(" ".join(words[i - FIRST] for i in row if i >= FIRST).replace(" ?", "?"))
    return texts
