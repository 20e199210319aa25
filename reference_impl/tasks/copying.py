"""Strings to be copied: what has to be remembered is known exactly."""

from __future__ import annotations

import torch
from torch import Tensor

BLANK, GO = 0, 1
"""Filler, and the sign after which the copy begins; other ids are symbols."""


def selective(n: int, length: int, items: int, symbols: int) -> Tensor:
    """Rows of `length` ids with symbols at random places among blanks, GO, and the symbols again in order.

    (n, length + 1 + items); only a model that looks at the content can tell what is to be kept.
    """
    places = torch.rand(n, length).argsort(1)[:, :items].sort(1).values
    kept = torch.randint(2, 2 + symbols, (n, items))
    noisy = torch.full((n, length), BLANK).scatter(1, places, kept)
    return torch.cat([noisy, torch.full((n, 1), GO), kept], 1)


def strings(n: int, length: int, symbols: int) -> Tensor:
    """Rows of a random string, GO, and the string again: (n, 2 * length + 1)."""
    kept = torch.randint(2, 2 + symbols, (n, length))
    return torch.cat([kept, torch.full((n, 1), GO), kept], 1)
