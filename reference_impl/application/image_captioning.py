"""Image captioning: say what a picture shows, looking at one part of it for each word.

Idea
    The decoder of a translator writes the caption, and what it reads is a picture. Convolutions make of it a grid of S
    vectors h_j, one for each cell, with the cell's place; before each word the decoder weighs the cells by its state,

        e_tj = v' tanh(W s_{t-1} + U h_j),   a_t = softmax_j(e_tj),   c_t = sum_j a_tj h_j,      (1)
        log p(x | y) = sum_t log p(x_t | x_<t, c_1 .. c_t).                                      (2)

    Only pairs of picture and caption are given. Which cell a word is about is not told; that the weights come to
    lie on the thing being named is learned from (2) alone.

Source
    Xu et al., "Show, Attend and Tell: Neural Image Caption Generation with Visual Attention", 2015.
    arXiv:1502.03044 (sec. 3.1 and 4.2). Vinyals et al., "Show and Tell", 2015. arXiv:1411.4555

Differs from the paper
    A small network trained along instead of a fixed VGG-19; no gate on c_t and no penalty that makes the weights of a
    cell sum to one over time; the likeliest word is taken instead of a beam search.

Shapes
    B batch, S cells of a picture, T words of a caption, C channels of states, 2C of h_j, V words.

Run
    genai-patterns run image_captioning --data folder_with_captions
"""

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_words import FIRST, numbered, spelled
from reference_impl.blocks_writing import PAD
from reference_impl.core import Batch, Losses, main
from reference_impl.recurrent.attention_seq2seq import AttentionSeq2Seq, AttentionSeq2SeqConfig, Notes


class ImageCaptionerConfig(AttentionSeq2SeqConfig):
    """Settings of the image captioner."""

    shape: tuple[int, ...] = (3, 16, 16)
    """Shape of one picture: channels, height, width."""
    words: tuple[str, ...] = ()
    """The words of the captions."""
    channels: PositiveInt = 64
    steps: NonNegativeInt = 600
    lr: PositiveFloat = 4e-3


class ImageCaptioner(AttentionSeq2Seq):
    """Decoder with attention that reads a grid of cells of a picture in place of a sentence."""

    task = "told"
    Config = ImageCaptionerConfig

    def __init__(self, cfg: ImageCaptionerConfig) -> None:
        super().__init__(cfg.model_copy(update={"vocab": len(cfg.words) + FIRST}))
        # what read the source as a sentence
        del self.token, self.encoder, self.backward_encoder
        (inputs, height, width), c = cfg.shape, cfg.channels
        self.cells = nn.Sequential(
            *(nn.Conv2d(inputs, c, 4, 2, 1), nn.GroupNorm(1, c), nn.SiLU()),
            *(nn.Conv2d(c, 2 * c, 4, 2, 1), nn.GroupNorm(1, 2 * c), nn.SiLU()),
        )
        self.place = nn.Parameter(0.3 * torch.randn((height // 4) * (width // 4), 2 * c))
        self.start = nn.Linear(2 * c, 2 * c)

    def read(self, y: Tensor) -> Notes:
        """A vector for each cell of the pictures y (B, C, H, W), and the state from which writing starts."""
        cells = self.cells(y).flatten(2).mT + self.place
        # the paper starts from the mean of all cells as well
        state, memory = self.start(cells.mean(1)).tanh().chunk(2, dim=1)
        nowhere = torch.zeros(cells.shape[:2], dtype=torch.bool, device=y.device)
        return Notes((state, memory), cells, self.key(cells), nowhere)

    def loss(self, batch: Batch) -> Losses:
        """-log p(x | y) of (2) in nats per word; batch.x is B captions, batch.y (B, C, H, W)."""
        ids = numbered(batch.x, self.cfg.words).to(self.device)
        # one length for all batches: processes that share the weights have to take as many steps
        return super().loss(Batch(F.pad(ids, (0, self.cfg.context - ids.shape[1]), value=PAD), batch.y))

    def sample(self, n: int, y: Tensor, length: int | None = None) -> list[str]:
        """A caption for each of the n pictures y (n, C, H, W)."""
        return spelled(super().sample(n, y, length), self.cfg.words)

    @torch.no_grad()
    def attention(self, texts: list[str], y: Tensor) -> Tensor:
        """a_t before each word of a text, and before its end, over the cells of its picture: (B, T, rows, columns)."""
        seen: list[Tensor] = []
        watch = self.softmax.register_forward_hook(lambda _, __, weights: seen.append(weights))
        self.write(numbered(texts, self.cfg.words)[:, :-1].to(self.device), self.read(y))
        watch.remove()
        return torch.stack(seen, 1).unflatten(2, (self.cfg.shape[1] // 4, -1))


if __name__ == "__main__":
    main(ImageCaptioner)
