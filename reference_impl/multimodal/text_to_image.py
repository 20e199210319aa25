"""Text to image: a text encoder tells a diffusion model of codes what to draw, and guidance how strictly.

Idea
    Three parts that exist by themselves are put together. A VAE compresses images to codes z. A text
    encoder, a layer of self-attention over the words, turns the prompt y into a vector e(y). A
    diffusion model of the codes is told e(y) besides the time, and is trained with the prompt
    hidden in some examples,

        L = E |eps - eps_theta(z_t, t, e(y))|^2,                                              (1)

    through which the text encoder learns too. Sampling steps from noise to a code with

        eps = eps(z_t, t, none) + w (eps(z_t, t, e(y)) - eps(z_t, t, none)),                  (2)

    and the decoder makes an image of it. What words mean is learned from what they do to images, so
    a pair of attributes that never occurred together can still be asked for.

Source
    Rombach, Blattmann, Lorenz, Esser & Ommer, "High-Resolution Image Synthesis with Latent Diffusion
    Models", 2022. arXiv:2112.10752 (text encoder trained along: section 4.3.1)
    Saharia et al., "Photorealistic Text-to-Image Diffusion Models with Deep Language Understanding",
    2022. arXiv:2205.11487

Differs from the paper
    The prompt is one vector, added to the features of the time, instead of a sequence that every
    place of the image attends to; one layer of text encoder; small networks.

Shapes
    B batch, L words of a prompt, V vocabulary with 0 for no word, E features of time and prompt.

Run
    genai-patterns run text_to_image --data folder_with_captions
"""

from collections.abc import Sequence
from math import pi

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.blocks_unet import waves
from reference_impl.core import main
from reference_impl.diffusion.classifier_free_guidance import ClassifierFreeGuidance
from reference_impl.diffusion.latent_diffusion import LatentDiffusion, LatentDiffusionConfig


class TextToImageConfig(LatentDiffusionConfig):
    """Both stages of latent diffusion, and the language of the prompts."""

    shape: tuple[int, ...] = (3, 16, 16)
    words: tuple[str, ...] = ()
    """The words of the training captions, numbered from 1."""
    classes: PositiveInt = 15
    """V, the number of different words, and one for no word."""
    code_channels: PositiveInt = 3
    halvings: PositiveInt = 1
    hidden: PositiveInt = 16
    timesteps: PositiveInt = 50
    guidance: NonNegativeFloat = 2.0
    """w in (2): 0 ignores the prompt, 1 samples p(x | y), more exaggerates it."""
    stage_share: float = 0.35
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 3e-3
    steps: NonNegativeInt = 1700


class TextEncoder(nn.Module):
    """A vector for each prompt: (B, L) -> (B, E). Without words it is the same for all."""

    def __init__(self, vocab: int, width: int) -> None:
        super().__init__()
        self.word, self.place = nn.Embedding(vocab, width, padding_idx=0), nn.Linear(12, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)

    def forward(self, y: Tensor) -> Tensor:
        at = torch.arange(y.shape[1], device=y.device)[:, None] * pi / 64
        # a start is there also where no word is; at no word nobody looks
        x = torch.cat([self.start.expand(len(y), 1, -1), self.word(y) + self.place(waves(at, 6))], 1)
        empty = torch.cat([torch.zeros_like(y[:, :1], dtype=torch.bool), y == 0], 1)
        seen = self.layer(x, src_key_padding_mask=empty)
        # a sum, and around the layer a way past it: what single words say is learned at once, what
        # they say together later
        return seen.masked_fill(empty[:, :, None], 0).sum(1)


class TextToImage(LatentDiffusion):
    """Latent diffusion under prompts, with a text encoder that is trained along."""

    task = "captions"
    Config = TextToImageConfig

    class Prior(ClassifierFreeGuidance):
        """The diffusion model of the codes; its condition is a prompt, the numbers of its words (B, L)."""

        def condition(self) -> nn.Module:
            return TextEncoder(self.cfg.classes, 4 * self.cfg.hidden)

        def without(self, y: Tensor) -> Tensor:
            """The prompt without words: (B, 1), which stands for one of any length."""
            return torch.zeros(len(y), 1, dtype=torch.long, device=y.device)

    def diffusion(self) -> Prior:
        names = {"hidden", "timesteps", "ema", "classes", "guidance", "lr"}
        return self.Prior(self.Prior.Config(shape=self.code, **self.cfg.model_dump(include=names)))

    def prompts(self, texts: Sequence[str]) -> Tensor:
        """Numbers of the words of each text: (B, L). ValueError for a word that no training caption has."""
        known = {word: i for i, word in enumerate(self.cfg.words, 1)}
        rows = [text.lower().split() for text in texts]
        if unknown := sorted({word for row in rows for word in row} - known.keys()):
            raise ValueError(f"{unknown[0]!r} is in no training caption; known are {', '.join(known)}")
        longest = max([len(row) for row in rows] + [1])
        return torch.tensor([[known[w] for w in row] + [0] * (longest - len(row)) for row in rows], device=self.device)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | Sequence[str] | None = None) -> Tensor:
        """n images (n, C, H, W), of the prompts y where given: n texts, or their words' numbers (n, L)."""
        return super().sample(n, y if y is None or isinstance(y, Tensor) else self.prompts(y))


if __name__ == "__main__":
    main(TextToImage)
