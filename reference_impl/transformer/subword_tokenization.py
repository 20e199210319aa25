"""Subword tokenization: byte-pair encoding, a vocabulary of frequent byte sequences learned from text.

Idea
    Any text is a sequence of bytes, 256 tokens that spell everything but make sequences long. Byte-pair encoding
    joins, again and again, the two neighboring tokens that stand together most often in the training text:

        (a, b) = argmax count(a b),    vocabulary + {ab},    every a b  ->  ab.

    A new text is encoded by the same joins in the order in which they were learned. Frequent words become one token,
    rare ones a few, unseen scripts fall back to bytes: nothing is unknown and decoding gives back the exact bytes.
    A language model then factorizes over these tokens instead of characters, p(x) = prod_t p(token_t | tokens before).

Source
    Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016. arXiv:1508.07909
    On bytes, and with the rule that splits text into words first: Radford et al., "Language Models are Unsupervised
    Multitask Learners", 2019. https://openai.com/index/better-language-models/

Differs from the paper
    Starts from bytes instead of characters, so that no text has unknown symbols; among equally frequent pairs the one
    of smaller ids is joined first. `sample` draws tokens by their frequency: the model of text that uses no context.

Shapes
    Tokens are lists of ids: 0 to 255 bytes, in the order of GPT-2, then one id for each join.

Run
    genai-patterns run subword_tokenization tokens=1024
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from reference_impl.core import Config, Phase, Reference, Task, main

Pair = tuple[int, int]


class SubwordTokenizationConfig(Config):
    """Settings of the tokenizer."""

    tokens: int = Field(1024, ge=256)
    """Size of the vocabulary, the 256 bytes included."""
    length: PositiveInt = 60
    """Tokens of a sample."""


class SubwordTokenization(Reference):
    """Byte-level byte-pair encoding."""

    task = "prose"
    Config = SubwordTokenizationConfig
    merges: Tensor
    counts: Tensor

    def __init__(self, cfg: SubwordTokenizationConfig) -> None:
        super().__init__(cfg)
        # row i: the two tokens that token 256+i joins; -1 where the text gave nothing more to join
        self.register_buffer("merges", torch.full((cfg.tokens - 256, 2), -1))
        self.register_buffer("counts", torch.zeros(cfg.tokens, dtype=torch.long))

    def prepare(self, task: Task) -> None:
        """Learn the joins from the task's texts, and how often each token is used in them."""
        texts = task.splits["train"][0]
        learned = learn(Counter(word for text in texts for word in words(text)), len(self.merges))
        self.merges[: len(learned)] = torch.tensor(learned).view(-1, 2)
        used = Counter(i for text in texts for i in self.tokenize(text))
        self.counts[list(used)] = torch.tensor(list(used.values()))

    @classmethod
    def of_lines(cls, lines: Sequence[str]) -> SubwordTokenization:
        """The tokenizer with these joins, as in GPT-2's merges.txt: two tokens in printed form, a space between."""
        made = cls(cls.Config(tokens=256 + len(lines)))
        ids = {printed(byte): i for i, byte in enumerate(ORDER)}
        for i, (a, b) in enumerate(line.split(" ") for line in lines):
            made.merges[i] = torch.tensor([ids[a], ids[b]])
            ids[a + b] = 256 + i
        return made

    def phases(self) -> tuple[Phase, ...]:
        # all is learned by counting
        return ()

    def tokenize(self, text: str) -> list[int]:
        """Ids of the tokens of a text."""
        ranks = {(a, b): 256 + i for i, (a, b) in enumerate(self.merges.tolist()) if a >= 0}
        done: dict[str, list[int]] = {}
        for word in set(words(text)):
            ids = [BYTE_IDS[byte] for byte in word.encode()]
            while found := [ranks[p] for p in pairwise(ids) if p in ranks]:
                # the join that was learned first comes first
                ids = joined(ids, tuple(self.merges[min(found) - 256].tolist()), min(found))
            done[word] = ids
        return [i for word in words(text) for i in done[word]]

    def spell(self, ids: Iterable[int]) -> str:
        """The text of these tokens; bytes that are no UTF-8, as a cut may leave them, become a replacement sign.

        Ids beyond the vocabulary, such as GPT-2's end of text, say nothing.
        """
        joins = self.merges.tolist()

        def written(i: int) -> bytes:
            if i < 0 or i >= self.cfg.tokens:
                return b""
            return bytes([ORDER[i]]) if i < 256 else b"".join(map(written, joins[i - 256]))

        return b"".join(map(written, ids)).decode(errors="replace")

    def sample(self, n: int, y: None = None) -> list[str]:
        """n texts of `length` tokens, each token drawn by its frequency, without regard to those before."""
        p = self.counts.double().clamp(min=1e-9).expand(n, -1)
        return [self.spell(row) for row in torch.multinomial(p, self.cfg.length, replacement=True).tolist()]


def learn(counts: Counter[str], joins: int) -> list[Pair]:
    """The pairs to join, most frequent first, given how often each word occurs."""
    spelled = [[BYTE_IDS[byte] for byte in word.encode()] for word in counts]
    times, total = list(counts.values()), Counter[Pair]()
    where: defaultdict[Pair, set[int]] = defaultdict(set)

    def count(w: int, sign: int) -> None:
        for pair in pairwise(spelled[w]):
            total[pair] += sign * times[w]
            where[pair].add(w)

    for w in range(len(spelled)):
        count(w, 1)
    learned: list[Pair] = []
    while len(learned) < joins and total:
        best = min(total, key=lambda p: (-total[p], p))
        if total[best] < 2:
            break
        # only words that hold the pair change
        for w in where.pop(best):
            count(w, -1)
            spelled[w] = joined(spelled[w], best, 256 + len(learned))
            count(w, 1)
        del total[best]
        learned.append(best)
    return learned


def joined(ids: list[int], pair: Pair, new: int) -> list[int]:
    """The ids with each neighboring pair replaced by one new id, from the left."""
    out, i = [], 0
    while i < len(ids):
        hit = i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair
        out.append(new if hit else ids[i])
        i += 2 if hit else 1
    return out


def words(text: str) -> list[str]:
    """Pieces that joins never cross, as GPT-2 cuts: letters, digits or other signs, each with one space before it."""
    return pieces().findall(text)


@cache
def pieces() -> re.Pattern[str]:
    """GPT-2's rule for cutting text."""
    # re has no class for numbers such as fractions and Roman numerals, which it counts among the letters
    other = "".join(chr(i) for i in range(0x20000) if unicodedata.category(chr(i)) in ("Nl", "No"))
    letters, numbers = rf"[^\W\d_{other}]", rf"[\d{other}]"
    return re.compile(rf"'(?:[stmd]|re|ve|ll)| ?{letters}+| ?{numbers}+| ?(?:_|[^\s\w])+|\s+(?!\S)|\s+")


def printed(byte: int) -> str:
    """A byte as GPT-2's files show it: itself in Latin-1 where that can be seen, or else a character from 256 on."""
    at = BYTE_IDS[byte]
    return chr(byte if at < len(PRINTED) else 256 + at - len(PRINTED))


PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]
ORDER = PRINTED + [b for b in range(256) if b not in set(PRINTED)]
"""The byte of each of the first 256 ids: GPT-2 begins with those that have a printed form in Latin-1."""
BYTE_IDS = {byte: i for i, byte in enumerate(ORDER)}

if __name__ == "__main__":
    main(SubwordTokenization)
