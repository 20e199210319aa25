"""Arithmetic coding: a message becomes a binary number about as long as a model is surprised by it.

The interval [0, 1) is divided among the symbols in proportion to their probabilities, the part of the symbol that came
is divided again, and so on. What is left in the end is as wide as the message is probable, P, and some number of fewer
than -log2 P + 2 binary digits lies in it together with everything that begins with these digits. Decoding follows the
number through the same divisions, so it needs the same model and nothing else.

All arithmetic is on integers without a bound, hence exact; time grows with the square of the length, and some hundred
thousand symbols are the practical limit. Coders for long streams keep the leading digits only (Witten, Neal & Cleary,
"Arithmetic coding for data compression", 1987, doi:10.1145/214762.214771).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

Law = Callable[[Tensor, int], Tensor]
"""Symbols (B, D) of which columns before d are known, and d -> probabilities of column d, (B, V).

It has to give the same bits when it decodes as when it encodes, whatever stands in column d and after it.
"""
DIGITS = 16
"""Binary digits of a probability."""


class Code(NamedTuple):
    """A message as a binary number."""

    number: int
    bits: int
    """How many digits, leading zeros included."""


def encode(law: Law, symbols: Tensor) -> Code:
    """One number for all rows of symbols (B, D) in {0, ..., V-1}, column by column."""
    # the interval is [low, low + width) / 2^digits, at first [0, 4) / 2^2
    low, width, digits = 0, 4, 2
    for d in range(symbols.shape[1]):
        for ends, s in zip(divisions(law(symbols, d)), symbols[:, d].tolist(), strict=True):
            low, width, digits = (low << DIGITS) + width * ends[s], width * (ends[s + 1] - ends[s]), digits + DIGITS
    # two steps of this grid fit into the interval, so one lies in it as a whole
    bits = digits - width.bit_length() + 2
    return Code(-(-low >> digits - bits), bits)


def decode(law: Law, code: Code, rows: int, columns: int) -> Tensor:
    """The symbols (rows, columns) that were encoded."""
    symbols = torch.zeros(rows, columns, dtype=torch.long)
    # the number lies at height / width within the interval
    height, width = code.number, 1 << code.bits
    for d in range(columns):
        for row, ends in enumerate(divisions(law(symbols, d))):
            s = bisect_right(ends, (height << DIGITS) // width) - 1
            height, width = (height << DIGITS) - width * ends[s], width * (ends[s + 1] - ends[s])
            symbols[row, d] = s
    return symbols


def divisions(p: Tensor) -> list[list[int]]:
    """Where the symbols' parts of [0, 2^16] end, from 0 on: integers, no part empty: (B, V) -> B lists of V + 1."""
    p = p.double().cpu()
    parts = (p / p.sum(1, keepdim=True) * (2**DIGITS - p.shape[1])).long() + 1
    # what rounding leaves goes to the likeliest
    parts[torch.arange(len(p)), p.argmax(1)] += 2**DIGITS - parts.sum(1)
    return [list(accumulate(row, initial=0)) for row in parts.tolist()]
