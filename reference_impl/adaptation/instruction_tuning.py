"""Instruction tuning: a language model that continues text learns to answer, from pairs of instruction and response.

Idea
    A language model trained on text gives each text its probability. An instruction followed by its response is a text
    too, but a rare one, so the model continues an instruction with whatever usually follows such words. Train it on,
    with pairs (y, x) of instruction and response that cover many tasks, on the response alone,

        L(theta) = -E (1/T) sum_t log p_theta(x_t | y, x_<t),                                  (1)

    the log-likelihood of the response given the instruction. Nothing of the network changes. In the first phase it has
    learned from text what an operation does; here it learns that it is being told which one to do, and that holds for
    instructions which it was never given.

    A row is `instruction BEGIN response END`, and what stands between BEGIN and END is learned. Text is a response to
    nothing, so pre-training is the same loss with an empty instruction.

Source
    Wei et al., "Finetuned Language Models Are Zero-Shot Learners", 2022. arXiv:2109.01652.
    Ouyang et al., "Training language models to follow instructions with human feedback", 2022. arXiv:2203.02155.

Differs from the paper
    A small GPT, both phases in one run, on a language of operations on short strings. Responses write down each step of
    a combination, since one pass of two layers does not do two operations at once. The loss is a mean over rows of each
    one's mean, not over the tokens of the batch.

Shapes
    Instructions and responses are strings. B batch, T+1 tokens of the longest row, V vocabulary.

Run
    genai-patterns run instruction_tuning text_share=0
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from reference_impl.blocks_writing import BEGIN, END, PAD, draw, nats_per_token
from reference_impl.core import Batch, Losses, Phase, Reference, Task, main
from reference_impl.transformer.gpt import GPT

UNKNOWN = 3
"""Id of the words that training never saw."""


class InstructionTuningConfig(GPT.Config):
    """Settings of instruction tuning, among them those of the GPT."""

    learn: Literal["response", "row"] = "response"
    """Tokens that the loss counts: those of the response, or also those of the instruction."""
    text_share: float = Field(0.6, ge=0, le=1)
    """Share of the steps that goes to plain text, before the first instruction; 1 leaves the base model."""
    context: PositiveInt = 32
    """Most tokens of an instruction and its response."""
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    temperature: NonNegativeFloat = 0.0
    """Divides the logits when a response is written; at 0 each token is the likeliest."""
    steps: NonNegativeInt = 600
    """Training steps of both phases together."""
    batch_size: PositiveInt = 64


class InstructionTuning(Reference):
    """GPT trained on text, then on instructions with the loss on responses."""

    task = "instructions"
    Config = InstructionTuningConfig

    def __init__(self, cfg: InstructionTuningConfig) -> None:
        super().__init__(cfg)
        self.gpt = GPT(cfg)
        self.know([])

    def know(self, words: Sequence[str]) -> None:
        """Word i of these has the id i; the first four are the special ones."""
        self.words = list(words)
        self.ids = {word: i for i, word in enumerate(words)}

    def prepare(self, task: Task) -> None:
        self.know(task.facts["words"])

    def phases(self) -> Sequence[Phase]:
        reading = round(self.cfg.text_share * self.cfg.steps)
        return (
            Phase("read", reading, self.step, self.gpt.optimizers(), stream="text"),
            Phase("follow", self.cfg.steps - reading, self.step, self.gpt.optimizers()),
        )

    def loss(self, batch: Batch) -> Losses:
        """(1) in nats per token of the responses x to the instructions y, by default to nothing."""
        rows = self.rows(batch.x, batch.y)
        logits, _ = self.gpt.logits(rows[:, :-1])
        learned = rows if self.cfg.learn == "row" else rows.where(said(rows), PAD)
        return {"loss": nats_per_token(logits, learned[:, 1:])}

    def log_prob(self, x: Sequence[str], y: Sequence[str] | None = None, model: GPT | None = None) -> Tensor:
        """log p(x | y) in nats of each response, its END included, of this GPT or another one: (B,)."""
        rows = self.rows(x, y)
        logits, _ = (model or self.gpt).logits(rows[:, :-1])
        answer = rows.where(said(rows, last=True), PAD)[:, 1:]
        return -F.cross_entropy(logits.transpose(1, 2), answer, ignore_index=PAD, reduction="none").sum(1)

    def tokens(self, text: str) -> list[int]:
        return [self.ids.get(word, UNKNOWN) for word in text.split()]

    def rows(self, x: Sequence[str], y: Sequence[str] | None = None) -> Tensor:
        """Ids of each instruction, BEGIN, its response, END: (B, T+1), padded."""
        pairs = zip(x, y or [""] * len(x), strict=True)
        rows = [torch.tensor([*self.tokens(b), BEGIN, *self.tokens(a), END]) for a, b in pairs]
        return pad_sequence(rows, batch_first=True, padding_value=PAD).to(self.device)

    @torch.no_grad()
    def sample(self, n: int, y: Sequence[str] | None = None) -> list[str]:
        """Responses to the n instructions y; by default to nothing, which is a text."""
        rows = self.rows([""] * n, y)
        given = (rows != PAD).sum(1) - 1  # without END
        if given.max() > self.cfg.context:
            raise ValueError(f"an instruction of {given.max() - 1} words; at most {self.cfg.context - 1} can be read")
        # rows differ in length: where one is still being read, its token is not drawn but taken
        ids, done = rows[:, : given.min()], torch.zeros(n, dtype=torch.bool, device=self.device)
        logits, cache = self.gpt.logits(ids)
        while (t := ids.shape[1]) <= self.cfg.context and not done.all():
            new = draw(logits[:, -1], self.cfg.temperature).masked_fill(done, PAD)
            new = torch.where(t < given, rows[:, min(t, rows.shape[1] - 1)], new)
            done |= (t >= given) & (new == END)
            ids = torch.cat([ids, new[:, None]], 1)
            logits, cache = self.gpt.logits(ids[:, -1:], cache)
        return [self.spell(row[g:]) for row, g in zip(ids.tolist(), given.tolist(), strict=True)]

    def spell(self, ids: Sequence[int]) -> str:
        """The words of these ids, up to END."""
        end = ids.index(END) if END in ids else len(ids)
        return " ".join(self.words[i] for i in ids[:end] if i != PAD)

    def get_extra_state(self) -> dict[str, Any]:
        return {"words": self.words}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.know(state["words"])


def said(ids: Tensor, last: bool = False) -> Tensor:
    """Whether a token stands behind BEGIN and not behind the END of that response, or of the last one: (B, T)."""
    begun = (ids == BEGIN).cumsum(1)
    inside = begun > (ids == END).cumsum(1)
    if last:
        inside &= begun == begun[:, -1:]
    return F.pad(inside[:, :-1], (1, 0))


if __name__ == "__main__":
    main(InstructionTuning)
