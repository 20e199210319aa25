"""Seq2Seq: one recurrent network reads the source into a vector, another writes the target from it.

Idea
    Source y and target x differ in length and order, so no step of one belongs to a step of the other. An encoder
    reads all of the source; its last state v, a vector of fixed size, is the first state of a decoder, which is a
    language model of targets:

        p(x | y) = prod_t p(x_t | v, x_<t),     v = encoder(y_1 .. y_S).

    All that the target needs has to pass through v, however long the source is. Reading the source backward puts
    its first words next to the first words of the target, which gives gradients a short way to begin with.

Source
    Sutskever, Vinyals, Le, "Sequence to Sequence Learning with Neural Networks", 2014.
    arXiv:1409.3215 (eq. 1 and sec. 3.3).

Differs from the paper
    One layer of cells instead of four, one vocabulary for both sides, and the likeliest token instead of a beam.

Shapes
    B batch, S source tokens, T target tokens, C channels of states and vectors, V vocabulary.

Run
    genai-patterns run seq2seq reverse_source=false
"""

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from reference_impl.blocks_writing import PAD, nats_per_token, written
from reference_impl.core import Batch, Config, Losses, Reference, main
from reference_impl.recurrent.lstm import LSTM, State


class Seq2SeqConfig(Config):
    """Settings of the encoder-decoder."""

    vocab: PositiveInt = 64
    """V, the number of distinct tokens, shared by source and target."""
    context: PositiveInt = 64
    """Longest source and longest target, in tokens."""
    channels: PositiveInt = 128
    """C, the width of both networks, and of h and c, which are all that passes between them."""
    reverse_source: bool = True
    """Whether the source is read from its end to its beginning."""
    temperature: NonNegativeFloat = 0.0
    """Divides the logits when sampling; 0 takes the likeliest token."""
    steps: NonNegativeInt = 600
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 4e-3
    warmup: NonNegativeInt = 20
    cooldown: float = 0.6
    clip: float = 1.0


class Seq2Seq(Reference):
    """Encoder and decoder LSTM with nothing but a state between them."""

    task = "translation"
    Config = Seq2SeqConfig

    def __init__(self, cfg: Seq2SeqConfig) -> None:
        super().__init__(cfg)
        self.token = nn.Embedding(cfg.vocab, cfg.channels)
        self.encoder = nn.LSTM(cfg.channels, cfg.channels, batch_first=True)
        # in a list, as sharding would wrap a module's `forward`, and here other methods are called
        self.writers = nn.ModuleList([LSTM(LSTM.Config(vocab=cfg.vocab, context=cfg.context, channels=cfg.channels))])

    @property
    def decoder(self) -> LSTM:
        """The language model that writes the target."""
        return self.writers[0]

    def scan(self, core: nn.LSTM, ids: Tensor) -> tuple[Tensor, State]:
        """Outputs at each of the tokens (B, S), (B, S, C), and the state at the last one that is no padding."""
        lengths = (ids != PAD).sum(1).cpu()
        packed = pack_padded_sequence(self.token(ids), lengths, batch_first=True, enforce_sorted=False)
        out, (h, c) = core(packed)
        return pad_packed_sequence(out, batch_first=True, total_length=ids.shape[1])[0], (h[0], c[0])

    def read(self, y: Tensor) -> State:
        """v, the state after the sources y (B, S), padded with 0."""
        return self.scan(self.encoder, turned(y) if self.cfg.reverse_source else y)[1]

    def write(self, ids: Tensor, memory: State, cache: State | None = None) -> tuple[Tensor, State]:
        """Logits of the target token after each new one: (B, T) -> (B, T, V), and the state behind them."""
        return self.decoder.logits(ids, cache or memory)

    def loss(self, batch: Batch) -> Losses:
        """-log p(x_t | x_<t, y) in nats per token; batch.x is (B, T+1) from BEGIN on, batch.y (B, S)."""
        logits, _ = self.write(batch.x[:, :-1], self.read(batch.y))
        return {"loss": nats_per_token(logits, batch.x[:, 1:])}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor, length: int | None = None) -> Tensor:
        """Targets (n, length) for the sources y (n, S): BEGIN, tokens, END, padding. By default context+1 long."""
        memory, length = self.read(y), length or self.cfg.context + 1
        return written(lambda new, cache: self.write(new, memory, cache), n, length, self.cfg.temperature, self.device)


def turned(x: Tensor, ids: Tensor | None = None) -> Tensor:
    """Rows from the last token to the first, padding still at the end: ids (B, S), or vectors of them (B, S, C)."""
    ids = x if ids is None else ids
    place, lengths = torch.arange(ids.shape[1], device=ids.device), (ids != PAD).sum(1, keepdim=True)
    order = torch.where(place < lengths, lengths - 1 - place, place)
    return x[torch.arange(len(x), device=x.device)[:, None], order]


if __name__ == "__main__":
    main(Seq2Seq)
