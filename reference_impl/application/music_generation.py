"""Music generation: tunes as rows of tokens, and a GPT that hears what it has played.

Idea
    A melody on a grid is a row of tokens, one for every eighth note: a pitch begins, the last one
    holds, or there is silence. Key and meter stand before the first step, as in a printed score,
    so one row says everything, and the chain rule applies,

        p(tune) = p(key, meter) prod_t p(step_t | key, meter, step_1 .. step_{t-1}).

    What makes a tune of notes is at a distance: each note has to fit a key that was named at
    the start, and a section has to come back as it was. A Markov chain forgets both within its
    few steps. Attention looks back as far as it likes, and as rotary positions enter only as
    differences, "the same as two bars ago" is one pattern of weights at every place.

    A prompt, from the key alone to some bars, is continued.

Source
    Huang et al., "Music Transformer: Generating Music with Long-Term Structure", 2019. arXiv:1809.04281
    Roberts, Engel, Raffel, Hawthorne & Eck, "A Hierarchical Latent Vector Model for Learning Long-Term
    Structure in Music", 2018. arXiv:1803.05428 (melodies as pitches, holds and rests on a grid)

Differs from the paper
    Music Transformer writes piano music with several voices, and time in hundredths of a second; here one
    voice on a grid. Relative positions are rotations of queries and keys, not learned vectors.

Shapes
    B batch, T = context tokens after BEGIN, V vocabulary.

Run
    genai-patterns run music_generation --data folder_of_midi_files
"""

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.core import main
from reference_impl.transformer.gpt import GPT, GPTConfig

BEGIN = 1


class MusicConfig(GPTConfig):
    """Settings of the music generator."""

    vocab: PositiveInt = 56
    context: PositiveInt = 67
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    temperature: PositiveFloat = 0.9
    steps: NonNegativeInt = 800
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 8e-3


class MusicGenerator(GPT):
    """GPT over tunes."""

    task = "tunes"
    Config = MusicConfig

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """n tunes (n, T + 1); y are beginnings (n, P), such as BEGIN, a key and a meter, by default BEGIN alone."""
        if y is None:
            y = torch.full((n, 1), BEGIN, device=self.device)
        return super().sample(n, y, length)


if __name__ == "__main__":
    main(MusicGenerator)
