"""Noise that does not depend on the number of processes.

Each process holds the rows `rank::world` of the global batch. A draw with one row per observation
is made for the whole batch, from a generator that stands alike on all processes, and each keeps
its rows; so a run on N processes computes what one process computes. Bernoulli and multinomial draws
are made from shared uniform numbers: the same law on every number of processes, but not the same bits
as one process draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

LIKE = {torch.randn_like: torch.randn, torch.rand_like: torch.rand}


class SharedNoise(TorchFunctionMode):
    """While active, torch's random functions draw for the global batch of `local * world` rows."""

    def __init__(self, local: int, rank: int, world: int) -> None:
        super().__init__()
        self.local, self.rank, self.world = local, rank, world

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kw = dict(kwargs or {})
        if func in LIKE:
            ref = args[0]
            return self._draw(LIKE[func], list(ref.shape), {"device": ref.device, "dtype": ref.dtype, **kw})
        if func in (torch.randn, torch.rand):
            size = kw.pop("size", args)
            return self._draw(func, list(size[0] if len(size) == 1 and not isinstance(size[0], int) else size), kw)
        if func is torch.randint and "size" not in kw:
            low, high = args[:-1] if len(args) == 3 else (0, args[0])
            return self._draw(lambda s, **k: torch.randint(low, high, tuple(s), **k), list(args[-1]), kw)
        if func in (torch.bernoulli, Tensor.bernoulli) and len(args) == 1 and not kw:
            return (self._draw(torch.rand, list(args[0].shape), {"device": args[0].device}) < args[0]).to(args[0].dtype)
        if func is torch.nn.functional.dropout:
            x, p = args[0], kw["p"]
            if not kw["training"] or p in (0, 1):
                return func(*args, **kw)
            keep = self._draw(lambda s, **k: torch.empty(s, **k).bernoulli_(1 - p), list(x.shape), {"device": x.device})
            return x * (keep / (1 - p)).to(x.dtype)
        if func in (torch.multinomial, Tensor.multinomial) and args[1:] == (1,) and not kw and args[0].ndim == 2:
            below = args[0].cumsum(1)  # inverse of the distribution function at one uniform number per row
            u = self._draw(torch.rand, [len(below), 1], {"device": below.device, "dtype": below.dtype})
            return torch.searchsorted(below, u * below[:, -1:]).clamp(max=below.shape[1] - 1)
        return func(*args, **kw)

    def _draw(self, draw: Callable[..., Tensor], size: list[int], kw: dict[str, Any]) -> Tensor:
        if not size or size[0] != self.local:
            return draw(size, **kw)
        return draw([size[0] * self.world, *size[1:]], **kw)[self.rank :: self.world]
