"""CLIP: a picture and its caption get nearly the same vector, all other captions of the batch another.

Idea
    Two networks, one for pictures and one for texts, give unit vectors f(y) and g(x). Of B pictures with their captions
    all B^2 pairs are compared, and each picture has to find its caption and each caption its picture:

        s_ij = f(y_i) . g(x_j) / tau,                                                          (1)
        L = -1/2B sum_i [ log softmax_j(s_ij)_i + log softmax_j(s_ji)_i ].                     (2)

    The scores that minimize it are log p(x|y) / p(x) up to a constant, so log B - L bounds from below how much pictures
    and captions tell of each other. A new class needs no training, only its name: the picture belongs to the text with
    the largest score. loss=sigmoid asks of each pair by itself whether it belongs together:

        L = -1/B sum_ij log sigmoid(z_ij (s_ij + b)),     z_ij = 1 if i = j, else -1.          (3)

Source
    Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
    arXiv:2103.00020 (sec. 2.3 and fig. 3). Zhai et al., 2023. arXiv:2303.15343 (eq. 3).
    The bound: van den Oord, Li, Vinyals, 2018. arXiv:1807.03748 (sec. 2.3).

Differs from the paper
    Three convolutions cut a picture into cells of 8x8 pixels that a Transformer then compares, instead of a ViT or a
    ResNet of hundreds of layers; words instead of byte pairs; a text's vector is the mean over its words.

Shapes
    B batch, N texts, T words of a text, S cells of a picture, C channels.

Run
    genai-patterns run clip --data folder_with_captions
"""

from collections.abc import Sequence
from math import log
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from reference_impl.blocks_words import FIRST, numbered
from reference_impl.blocks_writing import PAD
from reference_impl.core import Batch, Config, Losses, Reference, Task, main
from reference_impl.transformer.transformer import Layer, hide_padding


class CLIPConfig(Config):
    """Settings of both towers and of their comparison."""

    shape: tuple[int, ...] = (3, 16, 16)
    """Shape of one picture: channels, height, width."""
    words: tuple[str, ...] = ()
    """The words of the texts."""
    context: PositiveInt = 10
    """Longest text, with what begins and ends it."""
    channels: PositiveInt = 64
    """C, the width of both towers and the length of the vectors."""
    heads: PositiveInt = 4
    """Attention heads of a layer."""
    layers: PositiveInt = 1
    """Layers of each tower."""
    loss: Literal["softmax", "sigmoid"] = "softmax"
    """Which caption of the batch belongs to the picture, (2), or for each pair whether it belongs together, (3)."""
    steps: NonNegativeInt = 400
    batch_size: PositiveInt = 64
    """B; a larger one has more captions to tell apart."""
    lr: PositiveFloat = 3e-3
    decay: NonNegativeFloat = 0.5
    """Weight decay, of log 1/tau too; with little, pairs of attributes are learned whole and not each by itself."""
    warmup: NonNegativeInt = 30
    cooldown: float = 0.6


class Tower(nn.Module):
    """A Transformer over rows of vectors: (B, S, C) -> (B, S, C)."""

    def __init__(self, cfg: CLIPConfig, places: int) -> None:
        super().__init__()
        self.place = nn.Parameter(0.3 * torch.randn(places, cfg.channels))
        self.layers = nn.ModuleList(Layer(cfg.channels, cfg.heads) for _ in range(cfg.layers))
        self.norm = nn.LayerNorm(cfg.channels)
        # layers start as the identity, and a text as the mean of its words
        for layer in self.layers:
            for last in (layer.attend.out, layer.mlp[-1]):
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.place[: x.shape[1]]
        for layer in self.layers:
            x, _ = layer(x, mask)
        return self.norm(x)


class CLIP(Reference):
    """Contrastive pair of a picture tower and a text tower."""

    task = "scenes"
    Config = CLIPConfig

    def __init__(self, cfg: CLIPConfig) -> None:
        super().__init__(cfg)
        (inputs, height, width), c = cfg.shape, cfg.channels
        self.cells = nn.Sequential(
            *(nn.Conv2d(inputs, c // 2, 4, 2, 1), nn.GroupNorm(1, c // 2), nn.SiLU()),
            *(nn.Conv2d(c // 2, c, 4, 2, 1), nn.GroupNorm(1, c), nn.SiLU()),
            nn.Conv2d(c, c, 4, 2, 1),
        )
        self.picture_tower = Tower(cfg, (height // 8) * (width // 8))
        self.word = nn.Embedding(len(cfg.words) + FIRST, c)
        self.text_tower = Tower(cfg, cfg.context)
        self.from_picture, self.from_text = nn.Linear(c, c, bias=False), nn.Linear(c, c, bias=False)
        # 1/tau, as a logarithm; (3) starts where nearly all pairs are taken to be strangers
        self.scale = nn.Parameter(torch.tensor(log(1 / 0.07 if cfg.loss == "softmax" else 10)))
        self.bias = nn.Parameter(torch.tensor(-10.0)) if cfg.loss == "sigmoid" else None
        self.captions: list[str] = []

    def prepare(self, task: Task) -> None:
        """Know the captions of the training pictures, to choose from."""
        self.captions = sorted(set(task.splits["train"][0]))

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": AdamW(self.parameters(), lr=self.cfg.lr, weight_decay=self.cfg.decay)}

    def get_extra_state(self) -> list[str]:
        return self.captions

    def set_extra_state(self, state: list[str]) -> None:
        self.captions = state

    def grid(self, y: Tensor) -> Tensor:
        """A vector for each cell of the pictures: (B, C, H, W) -> (B, S, C)."""
        return self.picture_tower(self.cells(y).flatten(2).mT)

    def look(self, y: Tensor) -> Tensor:
        """f: unit vectors of pictures, (B, C, H, W) -> (B, C)."""
        return F.normalize(self.from_picture(self.grid(y).mean(1)), dim=1)

    def read(self, texts: Sequence[str]) -> Tensor:
        """g: unit vectors (N, C) of N texts. ValueError for a word that no training caption has."""
        ids = numbered(texts, self.cfg.words)[:, : self.cfg.context].to(self.device)
        there = (ids != PAD).to(self.word.weight)[:, :, None]
        seen = self.text_tower(self.word(ids), hide_padding(ids))
        return F.normalize(self.from_text((seen * there).sum(1) / there.sum(1)), dim=1)

    def scores(self, y: Tensor, texts: Sequence[str]) -> Tensor:
        """(1), how well each text fits each picture: (B, N)."""
        # the paper's bound on 1/tau
        return self.scale.exp().clamp(max=100) * self.look(y) @ self.read(texts).T

    def loss(self, batch: Batch) -> Losses:
        """(2) or (3) in nats; batch.x is B captions, batch.y (B, C, H, W)."""
        scores = self.scores(batch.y, batch.x)
        return {"loss": contrast(scores) if self.bias is None else each_pair(scores + self.bias)}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor) -> list[str]:
        """For each of the n pictures y (n, C, H, W) the caption of the training pictures that fits best."""
        return [self.captions[i] for i in self.scores(y, self.captions).argmax(1).tolist()]


def contrast(scores: Tensor) -> Tensor:
    """(2): mean cost in nats of finding the right column in each row of (B, B), and the right row in each column."""
    own = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def each_pair(scores: Tensor) -> Tensor:
    """(3): cost in nats per row of telling of every pair of (B, B) whether it belongs together."""
    together = 2 * torch.eye(len(scores), device=scores.device) - 1
    return -F.logsigmoid(together * scores).sum(1).mean()


if __name__ == "__main__":
    main(CLIP)
