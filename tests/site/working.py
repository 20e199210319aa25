"""What tests of demos share: programs of recorded runs, what a page shows, and keys pressed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reference_impl.programs import weights

PATTERNS = Path(__file__).parents[2] / "patterns"


def kept(pattern: str, name: str) -> dict[str, Any]:
    """A program of the last recorded run."""
    (path,) = PATTERNS.glob(f"*/{pattern}/{name}.net.json")
    return json.loads(path.read_text(encoding="utf-8"))


def restored(module: torch.nn.Module, program: dict[str, Any], prefix: str = "") -> None:
    """Give a module the program's weights; those are all that this part of it has."""
    found = {prefix + name: w for name, w in weights(program).items()}
    _, unexpected = module.load_state_dict(found, strict=False)
    assert found
    assert not unexpected


def same(shown: list[float], wanted: Tensor) -> None:
    """Numbers of a page and of the reference, to 1e-3."""
    torch.testing.assert_close(torch.tensor(shown, dtype=wanted.dtype), wanted.flatten(), rtol=0, atol=1e-3)


def shown(demo: Any) -> Any:
    """What the demo says it computed."""
    return demo.locator(".stage").evaluate("stage => stage.shown")


def press(slider: Any, key: str, times: int) -> None:
    """Focus a control and press a key so often."""
    slider.focus()
    for _ in range(times):
        slider.press(key)


class Draws:
    """`Net.normal` of net.js: uniform numbers by Mulberry32, normal ones by the method of Box and Muller."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def uniform(self) -> float:
        """In [0, 1)."""
        low = 0xFFFFFFFF
        self.state = (self.state + 0x6D2B79F5) & low
        t = (self.state ^ self.state >> 15) * (1 | self.state) & low
        t = ((t + ((t ^ t >> 7) * (61 | t) & low)) & low) ^ t
        return ((t ^ t >> 14) & low) / 2**32

    def normal(self) -> float:
        """From N(0, 1)."""
        return math.sqrt(-2 * math.log(1 - self.uniform())) * math.cos(2 * math.pi * self.uniform())

    def normals(self, *shape: int) -> Tensor:
        """Single precision, in the order in which they are drawn."""
        return torch.tensor([self.normal() for _ in range(math.prod(shape))]).view(shape)
