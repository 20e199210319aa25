"""Strings of symbols and what a substitution cipher makes of them: translation of any length, with known alignment."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..core.task import Task
from .sentences import BEGIN, END, SPECIAL

FIRST = len(SPECIAL)
"""Id of the first symbol."""


class Ciphers(Task):
    """Pairs of random strings, of `shortest` to `longest` symbols, and their ciphers, as padded ids.

    `x` is the cipher (B, longest+2) from BEGIN to END, `y` the string (B, longest+1) up to END. Each symbol stands for
    one other. The cipher has the order of the string, or the reverse one (`mirrored`): then symbol t of L is that of
    place L-1-t.
    """

    kind = "sentences"

    def __init__(
        self, *, mirrored: bool, shortest: int = 1, longest: int = 24, symbols: int = 16, count: int = 20_000
    ) -> None:
        random = torch.Generator().manual_seed(0)
        self.code = torch.randperm(symbols, generator=random) + FIRST
        self.mirrored, self.shortest, self.longest, self.symbols = mirrored, shortest, longest, symbols
        lengths = torch.randint(shortest, longest + 1, (count,), generator=random)
        (x, y), (test_x, test_y) = self.pairs(lengths, random), self.pairs(lengths[: count // 10], random)
        words = [*SPECIAL, *(chr(ord("a") + i) for i in range(symbols))]
        super().__init__(
            x, test_x, y=y, test_y=test_y, vocab=len(words), context=longest + 1, words=words, by="characters",
            conditional=True,
        )  # fmt: skip

    def pairs(self, lengths: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """New ciphers and strings of these lengths."""
        strings = [torch.randint(self.symbols, (int(n),), generator=random) for n in lengths]
        ciphers = [self.code[s.flip(0) if self.mirrored else s] for s in strings]
        begin, end = torch.tensor([BEGIN]), torch.tensor([END])
        return (
            pad_sequence([torch.cat([begin, s, end]) for s in ciphers], batch_first=True),
            pad_sequence([torch.cat([s + FIRST, end]) for s in strings], batch_first=True),
        )
