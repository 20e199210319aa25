"""Words in rows, marked by color: what was read and what was written."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

Marked = tuple[str, str | None]
"""A word and its color; None leaves it unmarked."""


def show_words(ax: Axes, blocks: Sequence[tuple[str, Sequence[Marked]]], width: int = 84) -> None:
    """Blocks of a label and its words, below each other, wrapped after `width` characters."""
    row = 0.0
    for label, words in blocks:
        ax.text(-1, row, label, ha="right", va="center", fontsize=8, alpha=0.7)
        at = 0.0
        for word, color in words:
            size = len(word) + 1.0
            if at + size > width:
                at, row = 0.0, row + 1
            if color:
                ax.add_patch(Rectangle((at, row - 0.38), size, 0.76, facecolor=color, alpha=0.3, linewidth=0))
            ax.text(at + size / 2, row, word, ha="center", va="center", fontsize=8)
            at += size + 0.6
        row += 1.5
    ax.set(xlim=(-max(len(label) for label, _ in blocks) - 1, width + 1), ylim=(row - 0.8, -0.8))
    ax.axis("off")
