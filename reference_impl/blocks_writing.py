"""Writing a target token by token, as encoder-decoders do, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PAD, BEGIN, END = 0, 1, 2
"""Ids of the tokens that pad, begin a target, and end source and target."""


def written(
    write: Callable[[Tensor, Any], tuple[Tensor, Any]], n: int, length: int, temperature: float, device: torch.device
) -> Tensor:
    """Targets (n, length): BEGIN, tokens, END, padding.

    `write(new, cache)` takes the tokens (n, 1) written last and what it kept of those before, at first None; it gives
    the logits (n, 1, V) of the next token and the longer cache.
    """
    ids, cache = torch.full((n, 1), BEGIN, device=device), None
    done = torch.zeros(n, dtype=torch.bool, device=device)
    while ids.shape[1] < length and not done.all():
        logits, cache = write(ids[:, -1:], cache)
        new = draw(logits[:, -1], temperature).masked_fill(done, PAD)
        done |= new == END
        ids = torch.cat([ids, new[:, None]], 1)
    return F.pad(ids, (0, length - ids.shape[1]), value=PAD)


def nats_per_token(logits: Tensor, ids: Tensor) -> Tensor:
    """-log p of ids (B, T) in nats per token without padding, from logits (B, T, V).

    The mean over texts of each one's mean, so that a batch may be divided among processes.
    """
    each = F.cross_entropy(logits.transpose(1, 2), ids, ignore_index=PAD, reduction="none")
    return (each.sum(1) / (ids != PAD).sum(1)).mean()


def draw(logits: Tensor, temperature: float) -> Tensor:
    """A token from each row (B, V), the likeliest at temperature 0: (B,)."""
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1)[:, 0]
