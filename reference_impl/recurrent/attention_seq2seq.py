"""Attention in encoder-decoders: the decoder looks at all of the source again before each token.

Idea
    Instead of one vector for the whole source keep one, h_j, for each of its words: what a network that reads forward
    and another that reads backward have to say there. Before it writes, the decoder asks with its state which words
    matter now, and the mean of the h_j under these weights enters its next step:

        e_tj = v' tanh(W s_{t-1} + U h_j)           how well word j fits
        a_t  = softmax_j(e_tj)                      the weights
        c_t  = sum_j a_tj h_j                       what they say
        s_t  = LSTM(x_{t-1} + P c_t, s_{t-1}),      logits from s_t + Q c_t.

    All is differentiable, so alignment is learned from pairs of sentences alone. No vector has to hold the whole
    source, at the price of S scores for each token written.

Source
    Bahdanau, Cho, Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", 2015.
    arXiv:1409.0473 (sec. 3 and appendix A).

Differs from the paper
    LSTM cells instead of gated recurrent units; the decoder starts from the state of the encoder that reads forward,
    not backward, so that P = Q = 0 leaves exactly a Seq2Seq; logits come from s_t + Q c_t without a maxout layer.

Shapes
    B batch, S source tokens, T target tokens, C channels of states and vectors, 2C of h_j, V vocabulary.

Run
    genai-patterns run attention_seq2seq channels=128 lr=4e-3
"""

from typing import NamedTuple

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_writing import PAD
from reference_impl.core import main
from reference_impl.recurrent.lstm import State
from reference_impl.recurrent.seq2seq import Seq2Seq, Seq2SeqConfig, turned


class Notes(NamedTuple):
    """What the encoder made of the source."""

    state: State
    """From which the decoder starts."""
    words: Tensor
    """h_j, (B, S, 2C)."""
    keys: Tensor
    """U h_j, which does not depend on who asks, (B, S, C)."""
    hidden: Tensor
    """True for padding, (B, S)."""


class AttentionSeq2SeqConfig(Seq2SeqConfig):
    """Settings of the encoder-decoder with attention."""

    channels: PositiveInt = 64
    reverse_source: bool = False
    steps: NonNegativeInt = 300
    lr: PositiveFloat = 8e-3


class AttentionSeq2Seq(Seq2Seq):
    """Seq2Seq whose decoder attends to the words of the source."""

    Config = AttentionSeq2SeqConfig

    def __init__(self, cfg: AttentionSeq2SeqConfig) -> None:
        super().__init__(cfg)
        c = cfg.channels
        self.backward_encoder = nn.LSTM(c, c, batch_first=True)
        self.query, self.key = nn.Linear(c, c), nn.Linear(2 * c, c, bias=False)
        self.score = nn.Linear(c, 1, bias=False)
        # a module, so that a hook can watch where the decoder looks
        self.softmax = nn.Softmax(-1)
        self.context, self.output = (nn.Linear(2 * c, c, bias=False) for _ in range(2))

    def read(self, y: Tensor) -> Notes:
        """A vector for each word of the sources y (B, S), and the state after all of them."""
        y = turned(y) if self.cfg.reverse_source else y
        ahead, state = self.scan(self.encoder, y)
        back, _ = self.scan(self.backward_encoder, turned(y))
        words = torch.cat([ahead, turned(back, y)], -1)
        return Notes(state, words, self.key(words), y == PAD)

    def weights(self, notes: Notes, state: State) -> Tensor:
        """a_t, (B, S): where the decoder looks before it writes."""
        scores = self.score((self.query(state[0])[:, None] + notes.keys).tanh())[..., 0]
        return self.softmax(scores.masked_fill(notes.hidden, float("-inf")))

    def write(self, ids: Tensor, memory: Notes, cache: State | None = None) -> tuple[Tensor, State]:
        """Logits of the target token after each new one: (B, T) -> (B, T, V), and the state behind them."""
        state, out = cache or memory.state, []
        for x in self.decoder.token(ids).unbind(1):
            seen = (self.weights(memory, state)[:, None] @ memory.words)[:, 0]
            state = self.decoder.cell(x + self.context(seen), state)
            # without this way out, alignment is learned several times slower
            out.append(state[0] + self.output(seen))
        return self.decoder.head(torch.stack(out, 1)), state


if __name__ == "__main__":
    main(AttentionSeq2Seq)
