"""Speech recognition: from audio to text, by a network trained with CTC and a search for the likeliest string.

Idea
    A recording becomes a spectrogram, 50 frames a second; a network trained with CTC gives for each frame a
    distribution over the labels and a blank. What was said is the string with the largest probability, and that is a
    sum over alignments:

        l* = argmax_l p(l | y),   p(l | y) = sum over paths pi that spell l of prod_t q_t(pi_t).

    The likeliest path need not spell it: many middling paths of one string can outweigh the best path of another.
    Search goes through the frames with a few prefixes, and keeps for each the probability that its paths end in a blank
    and that they end in its last label, so that paths of one prefix are added up, not compared.

Source
    Graves, Jaitly, "Towards End-To-End Speech Recognition with Recurrent Neural Networks", ICML 2014.
    https://proceedings.mlr.press/v32/graves14.html
    Prefix search: Hannun et al., 2014. arXiv:1408.2873 (algorithm 1).

Differs from the paper
    Digits instead of characters of English, one layer of LSTMs instead of five, no language model beside the search.

Shapes
    B batch, T frames, F bands, K labels and blank.

Run
    genai-patterns run speech_recognition steps=500
"""

import math
from collections import defaultdict

import torch
from pydantic import PositiveInt
from torch import Tensor

from reference_impl.core import main
from reference_impl.recurrent.ctc import BLANK, CTC, NEVER, CTCConfig

Prefix = tuple[int, ...]


class SpeechRecognizerConfig(CTCConfig):
    """Settings of the recognizer."""

    channels: PositiveInt = 64
    beam: PositiveInt = 8
    """Prefixes that are kept from frame to frame."""


class SpeechRecognizer(CTC):
    """CTC network, read by a search over prefixes."""

    Config = SpeechRecognizerConfig

    @torch.no_grad()
    def sample(self, n: int, y: Tensor) -> list[str]:
        """What the n recordings y (n, T, F) say: the likeliest string that the search finds."""
        q, frames = self.read(y)
        found = [likeliest(row[:length], self.cfg.beam)[0] for row, length in zip(q, frames, strict=True)]
        return ["".join(self.cfg.alphabet[k - 1] for k in labels) for labels in found]


def likeliest(q: Tensor, beam: int) -> tuple[Prefix, float]:
    """The likeliest string found under q (T, K), and the log-probability of those of its paths that were kept.

    With a beam as wide as there are strings it is the likeliest of all, and its exact log-probability.
    """
    # log-probabilities of the paths of a prefix that end in a blank, and in its last label
    kept: dict[Prefix, list[float]] = {(): [0.0, NEVER]}
    for frame in q.tolist():
        grown: defaultdict[Prefix, list[float]] = defaultdict(lambda: [NEVER, NEVER])
        for prefix, (blank, label) in kept.items():
            either, same = plus(blank, label), grown[prefix]
            # the string stays: blank, or its last label goes on
            same[0] = plus(same[0], either + frame[BLANK])
            if prefix:
                same[1] = plus(same[1], label + frame[prefix[-1]])
            for k in range(1, len(frame)):
                # the string grows, by its last label once more only past a blank
                longer = grown[*prefix, k]
                longer[1] = plus(longer[1], (blank if prefix[-1:] == (k,) else either) + frame[k])
        best = sorted(grown, key=lambda prefix: plus(*grown[prefix]), reverse=True)[:beam]
        kept = {prefix: grown[prefix] for prefix in best}
    winner = next(iter(kept))
    return winner, plus(*kept[winner])


def plus(a: float, b: float) -> float:
    """log(exp a + exp b)."""
    high, low = max(a, b), min(a, b)
    return high + math.log1p(math.exp(low - high))


if __name__ == "__main__":
    main(SpeechRecognizer)
