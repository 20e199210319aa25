"""Hidden Markov sources: sequences whose best possible prediction is known exactly."""

from __future__ import annotations

import torch
from torch import Tensor

Source = tuple[Tensor, Tensor]
"""Transitions A (S, S) and emissions E (S, V), rows summing to one, float64; it starts in the uniform law."""


def cycle(symbols: int, stride: int = 1, moves: float = 0.95, clear: float = 0.6) -> Source:
    """The state goes round a cycle in strides, staying put with probability 1-moves.

    It shows its own symbol with probability `clear` and otherwise a uniform one. Each symbol is equally frequent.
    """
    eye = torch.eye(symbols, dtype=torch.float64)
    return moves * eye.roll(stride, 1) + (1 - moves) * eye, clear * eye + (1 - clear) / symbols


def draw(source: Source, n: int, length: int) -> Tensor:
    """Sequences of symbols (n, length)."""
    a, e = source
    state, x = torch.randint(len(a), (n,)), []
    for _ in range(length):
        x.append(torch.multinomial(e[state], 1)[:, 0])
        state = torch.multinomial(a[state], 1)[:, 0]
    return torch.stack(x, 1)


def predicted(source: Source, x: Tensor) -> Tensor:
    """p(x_t = . | x_<t) by the forward algorithm: (B, T) -> (B, T, V)."""
    return forward(source, x) @ source[1]


def restored(source: Source, x: Tensor) -> Tensor:
    """p(x_t = . | all others) by the forward-backward algorithm: (B, T) -> (B, T, V)."""
    a, e = source
    after = torch.ones(*x.shape, len(a), dtype=torch.float64)
    for t in range(x.shape[1] - 2, -1, -1):
        behind = (after[:, t + 1] * e.T[x[:, t + 1]]) @ a.T
        after[:, t] = behind / behind.sum(1, keepdim=True)
    state = forward(source, x) * after
    return state / state.sum(2, keepdim=True) @ e


def forward(source: Source, x: Tensor) -> Tensor:
    """p(state_t = . | x_<t): (B, T) -> (B, T, S)."""
    a, e = source
    belief, out = torch.full((len(x), len(a)), 1 / len(a), dtype=torch.float64), []
    for t in range(x.shape[1]):
        out.append(belief)
        joint = belief * e.T[x[:, t]]
        belief = joint / joint.sum(1, keepdim=True) @ a
    return torch.stack(out, 1)
