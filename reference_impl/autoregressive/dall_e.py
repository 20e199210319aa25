"""DALL-E: a caption and the tokens of its image as one row, written on by one Transformer.

Idea
    A VQ-VAE turns an image into T tokens. Put the words y before them, and text to image is one
    more row for a GPT to continue,

        p(y, x) = prod_l p(y_l | y_<l) prod_t p(x_t | y, x_<t),

    and both sums of log-probabilities are learned, that of the words with less weight,

        L = -(1/8) mean_l log p(y_l | ...) - (7/8) mean_t log p(x_t | ...).      (1)

    Given a caption, the row is drawn to its end and the tokens are decoded. A draw may miss it. So
    several are made, and a scorer that learned which caption of a batch belongs to which image,

        -log softmax_j(f(x_i) . g(y_j) / tau)_i  and the same over images,       (2)

    picks the best of them.

Source
    Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021. arXiv:2102.12092 (section 2)
    Radford et al., "Learning Transferable Visual Models", 2021. arXiv:2103.00020 (the scorer)

Differs from the paper
    Words instead of byte pairs, 16 image tokens instead of 1,024, each of its own 4x4 pixels; a VQ-VAE
    with running means, no relaxed one; plain attention, not sparse; a small scorer of the same captions.

Shapes
    B batch, L words of a caption with 0 for no word, T image tokens, K codes, V words.

Run
    genai-patterns run dall_e --data folder_with_captions
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import AdamW

from reference_impl.core import Batch, Config, Losses, Metrics, Optimizers, Phase, Reference, main
from reference_impl.latent_variable.vq_vae import VQVAE, VQVAEConfig
from reference_impl.transformer.gpt import GPT


class DALLEConfig(Config):
    """Settings of the image tokens, of the Transformer and of the scorer."""

    shape: tuple[int, ...] = (3, 16, 16)
    """Shape of one image: channels, height, width."""
    words: tuple[str, ...] = ()
    """The words of the training captions, numbered from 1."""
    classes: PositiveInt = 15
    """V, the number of different words, and one for no word."""
    length: PositiveInt = 8
    """L, the words of a caption that are read; shorter captions are filled up."""
    codes: PositiveInt = 128
    """K, the number of image tokens."""
    hidden: PositiveInt = 32
    """Half of the hidden units for each patch."""
    channels: PositiveInt = 64
    """Width of the Transformer, and of the scorer's embeddings."""
    layers: PositiveInt = 2
    """Blocks of the Transformer."""
    word_weight: float = Field(0.125, ge=0, le=1)
    """Share of the words in the loss (1)."""
    drawn: PositiveInt = 1
    """Images drawn for each caption, of which the scorer picks one."""
    steps: NonNegativeInt = 1200
    """Steps of the image tokens."""
    share: PositiveFloat = 0.5
    """Steps of the Transformer, and of the scorer, for each of these."""
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 8e-3
    """Peak learning rate of the image tokens; the Transformer has half of it, the scorer an eighth."""
    cooldown: float = Field(0.5, ge=0, le=1)


class Scorer(nn.Module):
    """Embeddings of images and captions that are similar where they belong together."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        c, h, w = shape
        self.image = nn.Sequential(
            *(nn.Conv2d(c, width, 4, 2, 1), nn.SiLU(), nn.Conv2d(width, width, 4, 2, 1), nn.SiLU()),
            *(nn.Flatten(), nn.Linear(width * (h // 4) * (w // 4), width)),
        )
        self.word = nn.EmbeddingBag(classes, width, mode="sum", padding_idx=0)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Cosine over tau of every image (B, C, H, W) with every caption (N, L): (B, N)."""
        return self.scale.exp() * F.normalize(self.image(x), dim=1) @ F.normalize(self.word(y), dim=1).T

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """(2), both ways, among what one process holds; captions that say the same are no mistake."""
        scores, words = self(x, y), y.sort(1).values
        same = (words[:, None] == words).all(2).float()
        target = same / same.sum(1, keepdim=True)
        return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2


class DALLE(Reference):
    """Autoregressive model of captions and image tokens, with a scorer of its draws."""

    task = "captions"
    Config = DALLEConfig

    class Patches(VQVAE):
        """VQ-VAE each of whose tokens sees and draws 4x4 pixels and no others."""

        def __init__(self, cfg: VQVAEConfig) -> None:
            super().__init__(cfg)
            c, h, d = cfg.shape[0], 2 * cfg.hidden, cfg.code_dim
            down, right = (-side % 4 for side in cfg.shape[1:])
            whole = nn.ReplicationPad2d((0, right, 0, down))
            self.encoder = nn.Sequential(whole, nn.Conv2d(c, h, 4, 4), nn.SiLU(), nn.Conv2d(h, d, 1))
            self.decoder = nn.Sequential(nn.Conv2d(d, h, 1), nn.SiLU(), nn.ConvTranspose2d(h, c, 4, 4))
            # what writes tokens reads captions as well, and is not a part of this
            del self.prior

    def __init__(self, cfg: DALLEConfig) -> None:
        super().__init__(cfg)
        self.images = self.Patches(VQVAE.Config(**cfg.model_dump(include={"shape", "codes", "hidden"})))
        tokens = self.images.grid[0] * self.images.grid[1]
        # ids: K image tokens, then V words, then what begins a row
        vocab = cfg.codes + cfg.classes + 1
        same = {**cfg.model_dump(include={"channels", "layers"}), "lr": cfg.lr / 2}
        self.writer = GPT(GPT.Config(vocab=vocab, context=cfg.length + tokens, **same))
        self.scorer = Scorer(cfg.shape, cfg.classes, cfg.channels)

    def prompts(self, y: Tensor | Sequence[str]) -> Tensor:
        """Numbers of the words, (n, L), of texts or of such numbers. ValueError for a word that no caption has."""
        if not isinstance(y, Tensor):
            known = {word: i for i, word in enumerate(self.cfg.words, 1)}
            if unknown := sorted({word for text in y for word in text.lower().split()} - known.keys()):
                raise ValueError(f"{unknown[0]!r} is in no training caption; known are {', '.join(known)}")
            rows = [torch.tensor([known[w] for w in text.lower().split()], device=self.device) for text in y]
            y = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return F.pad(y, (0, max(0, self.cfg.length - y.shape[1])))[:, : self.cfg.length]

    def beginning(self, y: Tensor) -> Tensor:
        """The row up to the first image token: (n, L) -> (n, 1 + L)."""
        return F.pad(y + self.cfg.codes, (1, 0), value=self.cfg.codes + self.cfg.classes)

    def phases(self) -> Sequence[Phase]:
        lr, steps = self.cfg.lr, round(self.cfg.share * self.cfg.steps)
        learned = [p for p in self.images.parameters() if p.requires_grad]
        scorer = AdamW(self.scorer.parameters(), lr=lr / 8)
        return (
            Phase("tokens", self.cfg.steps, self.images.step, {"main": AdamW(learned, lr=lr)}),
            Phase("writer", steps, self.step, self.writer.optimizers()),
            Phase("scorer", steps, self.learn_scoring, {"main": scorer}),
        )

    def loss(self, batch: Batch) -> Losses:
        """(1) in nats per token, and its two parts."""
        row = torch.cat([self.beginning(self.prompts(batch.y)), self.images.tokens(batch.x)], 1)
        logits, _ = self.writer.logits(row[:, :-1])
        each = F.cross_entropy(logits.mT, row[:, 1:], reduction="none")
        words, image = each[:, : self.cfg.length].mean(), each[:, self.cfg.length :].mean()
        loss = self.cfg.word_weight * words + (1 - self.cfg.word_weight) * image
        return {"loss": loss, "words": words, "image": image}

    def learn_scoring(self, batch: Batch, opt: Optimizers) -> Metrics:
        loss = self.scorer.loss(batch.x, self.prompts(batch.y))
        opt.minimize("main", loss)
        return {"loss": loss}

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.images.reconstruct(x)

    def continued(self, row: Tensor, length: int, first: int, count: int) -> Tensor:
        """Rows (n, P) drawn on to this length from the ids first, ..., first + count - 1."""
        logits, cache = self.writer.logits(row)
        while row.shape[1] < length:
            new = first + torch.multinomial(logits[:, -1, first : first + count].softmax(-1), 1)
            row = torch.cat([row, new], 1)
            logits, cache = self.writer.logits(new, cache)
        return row

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | Sequence[str] | None = None) -> Tensor:
        """n images (n, C, H, W) of the captions y, n texts or their words' numbers (n, L), or of drawn captions."""
        cfg, start = self.cfg, 1 + self.cfg.length
        begin = torch.full((n, 1), cfg.codes + cfg.classes, device=self.device)
        drawn = self.continued(begin, start, cfg.codes, cfg.classes)[:, 1:] - cfg.codes if y is None else y
        y = self.prompts(drawn)
        rows = self.beginning(y).repeat_interleave(cfg.drawn, 0)
        tokens = self.continued(rows, self.writer.cfg.context + 1, 0, cfg.codes)[:, start:]
        images = self.images.decode(self.images.vectors(tokens)).unflatten(0, (n, cfg.drawn))
        scores = torch.stack([self.scorer(images[i], y[i : i + 1])[:, 0] for i in range(n)])
        return images[torch.arange(n), scores.argmax(1)]


if __name__ == "__main__":
    main(DALLE)
