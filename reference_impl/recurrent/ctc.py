"""CTC: labels for a longer input, trained without knowing where in the input each label lies.

Idea
    A network gives for each of T frames a distribution over the labels and a blank. A path pi, one choice per frame,
    spells a string: merge what repeats, then drop blanks. The probability of a string l is the sum over all its paths,

        p(l | y) = sum over pi that spell l of prod_t q_t(pi_t),

    exponentially many, summed in T * S steps by a forward recursion over l' = (blank, l_1, blank, .., l_U, blank):

        alpha_t(s) = q_t(l'_s) * (alpha_{t-1}(s) + alpha_{t-1}(s-1) + [l'_s not in {blank, l'_{s-2}}] alpha_{t-1}(s-2)).

    Its logarithm is differentiable, so the network learns from strings alone, and finds the alignment itself.

Source
    Graves, Fernández, Gomez, Schmidhuber, "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data
    with Recurrent Neural Networks", ICML 2006. doi:10.1145/1143844.1143891

Differs from the paper
    Logarithms in place of rescaled probabilities, gradients by automatic differentiation in place of the backward
    recursion, Adam in place of momentum, tone syllables in place of TIMIT's phonemes.

Shapes
    B batch, T frames, F bands, C channels, V labels, K = V + 1 outputs (0 is the blank), U labels of a string,
    S = 2U + 1 places in l'.

Run
    genai-patterns run ctc channels=48 steps=300
"""

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Losses, Reference, main
from reference_impl.recurrent.lstm import LSTM

BLANK = 0
NEVER = -1e30
"""Logarithm of zero, finite so that gradients are."""


class CTCConfig(Config):
    """Settings of CTC."""

    alphabet: str = "0123456789"
    """The V labels, each a character."""
    bands: PositiveInt = 24
    """F, the numbers in a frame."""
    channels: PositiveInt = 48
    """C, the width of each of the two LSTMs."""
    steps: NonNegativeInt = 500
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 1e-2
    cooldown: float = 0.5
    clip: float = 5.0


class CTC(Reference):
    """Bidirectional LSTM with the CTC loss."""

    task = "tones"
    Config = CTCConfig

    def __init__(self, cfg: CTCConfig) -> None:
        super().__init__(cfg)
        # one LSTM reads forward, one backward; the sum of their outputs is one linear layer on both states
        settings = LSTM.Config(vocab=1 + len(cfg.alphabet), channels=cfg.channels)
        self.readers = nn.ModuleList(LSTM(settings) for _ in range(2))
        for reader in self.readers:
            reader.token = nn.Linear(cfg.bands, cfg.channels)

    def read(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities q (B, T, K) of labels and blank in each frame, and the number of frames (B,).

        y is (B, T, F), from 0 up, and below 0 where an input has ended.
        """
        frames = (y[..., 0] >= 0).sum(1)
        forward, backward = self.readers
        return (forward.logits(y)[0] + turned(backward.logits(turned(y, frames))[0], frames)).log_softmax(-1), frames

    def labels(self, strings: list[str]) -> Tensor:
        """Strings as ids (B, U) from 1 up, 0 where a string has ended. ValueError for what is not in the alphabet."""
        if unknown := set("".join(strings)) - set(self.cfg.alphabet):
            raise ValueError(f"{', '.join(map(repr, sorted(unknown)))}: not in the alphabet {self.cfg.alphabet!r}")
        ids = [torch.tensor([1 + self.cfg.alphabet.index(c) for c in s]) for s in strings]
        return nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=BLANK).to(self.device)

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(l | y) in nats per string; batch.x are strings, batch.y frames (B, T, F)."""
        return {"loss": -log_likelihood(*self.read(batch.y), self.labels(batch.x)).mean()}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor) -> list[str]:
        """What the n inputs y (n, T, F) say: the likeliest label of each frame, merged (best path)."""
        q, frames = self.read(y)
        paths = [row.argmax(-1)[:length] for row, length in zip(q, frames, strict=True)]
        return ["".join(self.cfg.alphabet[k - 1] for k in p.unique_consecutive() if k != BLANK) for p in paths]


def log_likelihood(q: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    """log p(l | y) in nats, all paths summed: q (B, T, K), frames (B,), labels (B, U) -> (B,).

    Around NEVER where a string needs more frames than there are.
    """
    # l': blanks between the labels and at both ends, (B, S)
    spelled = F.pad(torch.stack([torch.full_like(labels, BLANK), labels], 2).flatten(1), (0, 1), value=BLANK)
    q = q.gather(2, spelled[:, None].expand(-1, q.shape[1], -1))
    # a blank may be left out between labels that differ
    skip = F.pad(spelled[:, 2:] == spelled[:, :-2], (2, 0), value=True) * NEVER
    # eq. 5: paths begin with a blank or the first label
    alpha = torch.full_like(q[:, 0], NEVER)
    alpha[:, :2] = q[:, 0, :2]
    for t in range(1, q.shape[1]):
        # eq. 6 and 7: to stay, to come from the position before, or from two before
        ways = [alpha, F.pad(alpha, (1, -1), value=NEVER), F.pad(alpha, (2, -2), value=NEVER) + skip]
        alpha = torch.where((t < frames)[:, None], torch.stack(ways).logsumexp(0) + q[:, t], alpha)
    # eq. 8: they end with the last label or the blank after it
    last = 2 * (labels != BLANK).sum(1)
    end, before = alpha.gather(1, last[:, None]), alpha.gather(1, (last - 1).clamp(min=0)[:, None])
    return torch.logaddexp(end, before.where(last[:, None] > 0, NEVER))[:, 0]


def turned(x: Tensor, frames: Tensor) -> Tensor:
    """Each row (B, T, ...) backward, what lies behind its end left behind it."""
    t = torch.arange(x.shape[1], device=x.device)
    order = (frames[:, None] - 1 - t) % x.shape[1]
    return x.gather(1, order[..., None].expand_as(x))


if __name__ == "__main__":
    main(CTC)
