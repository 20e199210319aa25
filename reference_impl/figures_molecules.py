"""Drawings of molecules without rings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from .figures import INK, PALETTE
from .tasks.molecules import parse

ATOM_COLORS = {"N": PALETTE[0], "O": PALETTE[7], "S": PALETTE[5], "P": PALETTE[1]}
"""Of the letters in a drawing; others are of the ink's color."""


def layout(near: Sequence[Sequence[tuple[int, int]]]) -> np.ndarray:
    """Places for the atoms of a tree, bonds of length one: zigzag chains, straight at triple and cumulated bonds.

    near: for each atom the atoms bound to it and the orders. Of all first atoms the one that keeps atoms apart best.
    """

    def placed(root: int) -> np.ndarray:
        at = np.zeros((len(near), 2))
        todo = [(root, -1, 0.0, 1.0)]
        while todo:
            atom, came_from, heading, turn = todo.pop()
            ahead = [b for b, _ in near[atom] if b != came_from]
            straight = len(near[atom]) == 2 and sum(order for _, order in near[atom]) == 4
            if came_from < 0:
                angles = np.arange(len(ahead)) * (180 if straight else 120 if len(ahead) < 4 else 90)
            elif straight:
                angles = np.zeros(1)
            else:
                angles = np.array({1: [60 * turn], 2: [60 * turn, -60 * turn], 3: [0, 90, -90]}.get(len(ahead), []))
            for b, angle in zip(ahead, heading + np.radians(angles), strict=False):
                at[b] = at[atom] + [np.cos(angle), np.sin(angle)]
                todo.append((b, atom, float(angle), turn if straight else -turn))
        return at

    def crowding(at: np.ndarray) -> float:
        apart = np.linalg.norm(at[:, None] - at, axis=2) + 9 * np.eye(len(at))
        # many near misses are worse than one; among equals the wider drawing
        return float((np.maximum(0, 0.9 - apart) ** 2).sum() - 1e-3 * np.ptp(at[:, 0]))

    return min((placed(root) for root in range(len(near))), key=crowding)


def draw_molecule(ax: Axes, smiles: str, title: str = "") -> None:
    """A molecule without rings as chemists draw it: carbon where lines end or meet, letters for other atoms."""
    m = parse(smiles)
    at = layout(m.neighbors())
    for a, b, order in m.bonds:
        along = at[b] - at[a]
        side = np.array([-along[1], along[0]])
        for shift in {1: [0.0], 2: [-0.07, 0.07], 3: [-0.13, 0.0, 0.13]}[order]:
            # lines keep off the letters
            ends = [(0.0 if m.atoms[i] == "C" and len(m.atoms) > 1 else 0.3) for i in (a, b)]
            start, stop = at[a] + ends[0] * along + shift * side, at[b] - ends[1] * along + shift * side
            ax.plot([start[0], stop[0]], [start[1], stop[1]], color=INK, linewidth=1.2, solid_capstyle="round")
    for atom, (x, y) in zip(m.atoms, at, strict=True):
        if atom != "C" or len(m.atoms) == 1:
            ax.text(x, y, atom, color=ATOM_COLORS.get(atom, INK), ha="center", va="center", fontsize=9)
    center = (at.min(0) + at.max(0)) / 2
    wide, high = np.ptp(at, axis=0) / 2 + 0.4
    reach = np.array([1.0, 0.62]) * max(2.6, wide, high / 0.62)
    ax.set(xlim=center[0] + [-reach[0], reach[0]], ylim=center[1] + [-reach[1], reach[1]], aspect="equal")
    ax.set_title(title or smiles, fontsize=8)
    ax.axis("off")
