"""Vision-language model: parts of a picture, as words that a language model has never read, in front of its text.

Idea
    A picture tower gives a vector h_s for each cell of a picture. A projector, one linear map, makes K vectors of each,
    of the width of a GPT's word vectors; they stand in front of the text as if they were words, and the GPT goes on,

        p(x | y) = prod_t p(x_t | P h_1 .. P h_S, x_1 .. x_{t-1}),                               (1)

    with x a question and its answer. Tower and GPT are trained before, each on what there is much of: pictures with
    captions (CLIP), and text. What joins them is small and learned last, from pictures with questions and answers,
    alone or together with the GPT. It can be small where the GPT has read about what the pictures show: then P has only
    to find vectors that the GPT takes for words it knows. Without a picture nothing stands in front and (1) is the GPT.

Source
    Liu, Li, Wu, Lee, "Visual Instruction Tuning", 2023. arXiv:2304.08485 (sec. 4).
    Frozen language models that see: Tsimpoukelli et al., 2021. arXiv:2106.13884; Li et al., 2023. arXiv:2301.12597

Differs from the paper
    All parts are small and trained here, one after the other. The GPT's text is questions about scenes told in words.

Shapes
    B batch, S cells of a picture, K vectors for each, C channels, T words of a text, V words.

Run
    genai-patterns run vision_language_model --data folder_with_questions
"""

from collections.abc import Sequence

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import AdamW, Optimizer

from reference_impl.blocks_words import FIRST, numbered, spelled
from reference_impl.blocks_writing import END, PAD, nats_per_token
from reference_impl.core import Batch, Config, Joint, Losses, Metrics, Optimizers, Phase, Reference, main
from reference_impl.multimodal.clip import CLIP
from reference_impl.transformer.gpt import GPT, Cache

Seen = Tensor | Sequence[str] | None
"""What stands in front of a text: pictures (B, C, H, W), a text for each, or nothing."""


class VisionLanguageModelConfig(Config):
    """Settings of the picture tower, of the GPT and of what joins them."""

    shape: tuple[int, ...] = (3, 16, 16)
    """Shape of one picture: channels, height, width."""
    words: tuple[str, ...] = ()
    """The words of all texts."""
    context: PositiveInt = 10
    """Longest text, with what begins and ends it."""
    channels: PositiveInt = 64
    """C, the width of the GPT and of the picture tower."""
    layers: PositiveInt = 2
    """Blocks of the GPT."""
    vectors: PositiveInt = 2
    """K, the vectors that each cell of a picture becomes."""
    steps: NonNegativeInt = 250
    """Steps on pictures with captions, and of connecting; twice as many on text."""
    projector_share: float = Field(0.5, ge=0, le=1)
    """Share of the last steps in which the projector learns alone; in the rest the GPT learns with it."""
    question_weight: float = Field(0.1, ge=0)
    """Weight of a question's words in the loss, beside 1 for the answer's."""
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 3e-3
    """Peak learning rate of the picture tower and of the projector."""
    reader_lr: PositiveFloat = 5e-3
    """Peak learning rate of the GPT, as `lr` there."""
    warmup: NonNegativeInt = 20
    cooldown: float = 0.6


class VisionLanguageModel(Reference):
    """CLIP's picture tower, a linear projector and a GPT."""

    task = "asked"
    Config = VisionLanguageModelConfig

    class Reader(GPT):
        """A GPT whose forward pass is `logits`, so that it can be called with more word vectors than its own."""

        def forward(self, ids: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
            return self.logits(ids, cache)

    def __init__(self, cfg: VisionLanguageModelConfig) -> None:
        super().__init__(cfg)
        (_, height, width), c, k = cfg.shape, cfg.channels, cfg.vectors
        seen = CLIP.Config(shape=cfg.shape, words=cfg.words, context=cfg.context, channels=c, lr=cfg.lr)
        self.clip = CLIP(seen)
        self.projector = nn.Linear(c, k * c)
        context = k * (height // 8) * (width // 8) + cfg.context
        vocab, lr = len(cfg.words) + FIRST, cfg.reader_lr
        self.reader = self.Reader(GPT.Config(vocab=vocab, context=context, channels=c, layers=cfg.layers, lr=lr))
        self.mark = (*cfg.words, "?").index("?") + FIRST

    def phases(self) -> Sequence[Phase]:
        alone = round(self.cfg.projector_share * self.cfg.steps)
        projector = AdamW(self.projector.parameters(), lr=self.cfg.lr)
        return (
            Phase("look", self.cfg.steps, self.learn_looking, self.clip.optimizers(), "captions"),
            Phase("read", 2 * self.cfg.steps, self.step, self.reader.optimizers(), "text"),
            Phase("connect", alone, self.step, {"main": projector}),
            Phase("tune", self.cfg.steps - alone, self.step, self.optimizers()),
        )

    def optimizers(self) -> dict[str, Optimizer]:
        """Of all but the picture tower, which stays as it is."""
        projector = AdamW(self.projector.parameters(), lr=self.cfg.lr)
        return {"main": Joint(projector, *self.reader.optimizers()["main"].parts)}

    def learn_looking(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = self.clip.loss(batch)
        opt.minimize("main", losses["loss"])
        return losses

    def before(self, y: Seen) -> Tensor | None:
        """Vectors that stand in front of the text: (B, S K, C) of pictures, (B, T, C) of texts."""
        if isinstance(y, Tensor):
            with torch.no_grad():
                cells = self.clip.grid(y)
            return self.projector(cells).unflatten(2, (self.cfg.vectors, -1)).flatten(1, 2)
        return y and self.reader.token(self.ids(y)[:, 1:-1])

    def ids(self, texts: Sequence[str]) -> Tensor:
        """BEGIN, words and END of each text, padded: (N, T)."""
        return numbered(texts, self.cfg.words).to(self.device)

    def logits(self, ids: Tensor, cache: Cache | None = None, before: Tensor | None = None) -> tuple[Tensor, Cache]:
        """Logits of the word after each of (B, T), and the longer cache; what stands `before` is given once."""
        if before is None:
            return self.reader(ids, cache)
        # for this pass the GPT has one more word for each part of each picture
        words = self.reader.token.weight
        new = torch.arange(before[..., 0].numel(), device=ids.device).view(before.shape[:2]) + len(words)
        table = {"token.weight": torch.cat([words, before.flatten(0, 1)])}
        out, cache = functional_call(self.reader, table, (torch.cat([new, ids], 1),))
        return out[:, before.shape[1] :], cache

    def loss(self, batch: Batch) -> Losses:
        """-log p(x | y) of (1) in nats per word, of answers and less of questions; batch.x is B texts, batch.y Seen."""
        ids = self.ids(batch.x)
        logits, _ = self.logits(ids[:, :-1], before=self.before(batch.y))
        mark, ids = ids[:, :-1] == self.mark, ids[:, 1:]
        answered = mark.cumsum(1) > 0
        answer = nats_per_token(logits, ids.masked_fill(~answered, PAD))
        question = nats_per_token(logits, ids.masked_fill(answered, PAD))
        return {"loss": answer + self.cfg.question_weight * question, "answer": answer, "question": question}

    @torch.no_grad()
    def sample(self, n: int, y: Seen = None, prompts: Sequence[str] | None = None) -> list[str]:
        """n texts about what stands in front, y, each going on from its prompt; by default questions too are drawn."""
        given = self.ids(prompts or [""] * n)
        given = given.masked_fill(given == END, PAD)
        ids, done = given[:, :1], torch.zeros(n, dtype=torch.bool, device=self.device)
        logits, cache = self.logits(ids, before=self.before(y))
        while ids.shape[1] < self.cfg.context and not done.all():
            p = logits[:, -1].softmax(-1)
            # questions are drawn, answers are the likeliest word
            new = torch.multinomial(p, 1)[:, 0] if prompts is None else p.argmax(1)
            new = new.masked_fill(done, PAD)
            if ids.shape[1] < given.shape[1]:
                told = given[:, ids.shape[1]]
                new = torch.where(told == PAD, new, told)
            done |= new == END
            ids = torch.cat([ids, new[:, None]], 1)
            logits, cache = self.logits(new[:, None], cache)
        return spelled(ids, self.cfg.words)

    def answer(self, y: Seen, questions: Sequence[str]) -> list[str]:
        """An answer to each question, which ends in a question mark, about what stands in front of it."""
        return [text.partition("? ")[2] for text in self.sample(len(questions), y, questions)]


if __name__ == "__main__":
    main(VisionLanguageModel)
