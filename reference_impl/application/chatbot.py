"""Chatbot: a language model that has read, was shown how to reply, and was told which replies are preferred.

Idea
    The law p(x_t | x_<t) of a language model becomes an assistant in three stages, each with a measure of its own.
    (1) Next-token training on text; measure: bits per token. (2) Instruction tuning on dialogues,

        row = user BEGIN reply END user BEGIN reply END ...,

    with the loss on all replies; each is conditioned on the whole dialogue so far, which is the assistant's memory.
    Measure: facts recalled. (3) DPO on pairs of a preferred reply a and another one b to the same dialogue y,

        -E log sigmoid( beta log( p(a|y) / p_ref(a|y) ) - beta log( p(b|y) / p_ref(b|y) ) ),

    for what demonstrations leave open, as they contain both. Measure: wins against stage 2.

    What it cannot know from the dialogue it looks up: for the reply `search` stands RAG's answer, with its source.

Source
    Ouyang et al., "Training language models to follow instructions with human feedback", 2022. arXiv:2203.02155.
    Rafailov et al., "Direct Preference Optimization", 2023. arXiv:2305.18290 (eq. 7).

Differs from the paper
    Dialogues of a hundred words about four kinds of facts, with a judge whose taste is known; DPO instead of a
    reward model and PPO. When a dialogue outgrows the context, its oldest turns are dropped.

Shapes
    Dialogues and replies are strings. B batch, T+1 tokens of the longest row.

Run
    genai-patterns run chatbot prefer_share=0
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from reference_impl.adaptation.dpo import preference_loss
from reference_impl.adaptation.instruction_tuning import InstructionTuning
from reference_impl.blocks_writing import BEGIN, END
from reference_impl.core import Batch, Metrics, Optimizers, Phase, Task, main
from reference_impl.retrieval.rag import RAG

SEARCH = "search"
"""The reply for which RAG steps in."""
ROOM = 10
"""Tokens of the context that are kept free for a reply."""


class ChatbotConfig(InstructionTuning.Config):
    """Settings of the chatbot, among them those of instruction tuning."""

    text_share: float = Field(0.2, ge=0, le=1)
    """Share of the steps of the first two stages that goes to text."""
    prefer_share: NonNegativeFloat = 0.12
    """Steps of the third stage for each step of the first two."""
    prefer_lr: PositiveFloat = 3e-4
    """Learning rate of the third stage."""
    beta: PositiveFloat = 0.1
    """Reward that a nat of log-ratio stands for in the third stage."""
    context: PositiveInt = 96
    steps: NonNegativeInt = 700
    batch_size: PositiveInt = 32


class Reply(NamedTuple):
    """What is said, and `id/section` of the passages that it comes from, if any."""

    text: str
    sources: list[str]


class Chatbot(InstructionTuning):
    """Language model, instruction tuning on dialogues, DPO, and RAG for what it was not told."""

    task = "dialogues"
    Config = ChatbotConfig

    def __init__(self, cfg: ChatbotConfig) -> None:
        super().__init__(cfg)
        self.reference = deepcopy(self.gpt).requires_grad_(False)
        self.rag = RAG(RAG.Config(top_k=1))

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        self.rag.index(task.passages)

    def phases(self) -> Sequence[Phase]:
        steps = round(self.cfg.prefer_share * self.cfg.steps)
        optimizer = torch.optim.AdamW(self.gpt.parameters(), lr=self.cfg.prefer_lr)
        prefer = Phase("prefer", steps, self.prefer, {"main": optimizer}, "comparisons", self.freeze)
        return (*super().phases(), prefer) if steps else super().phases()

    def freeze(self) -> None:
        """The model of stage 2 becomes the reference, once."""
        self.reference.load_state_dict(self.gpt.state_dict())

    def prefer(self, batch: Batch, opt: Optimizers) -> Metrics:
        """x holds pairs of a preferred reply and another one, y the dialogues."""
        replies = [list(side) for side in zip(*batch.x, strict=True)]
        ours = [self.log_prob(side, batch.y) for side in replies]
        with torch.no_grad():
            before = [self.log_prob(side, batch.y, self.reference) for side in replies]
        loss = preference_loss(*ours, *before, self.cfg.beta).mean()
        opt.minimize("main", loss)
        return {"loss": loss, "chosen": (ours[0] - before[0]).mean(), "rejected": (ours[1] - before[1]).mean()}

    def sample(self, n: int, y: Sequence[str] | None = None) -> list[str]:
        """Replies to the n dialogues y, sources in brackets; by default to nothing, which is a text."""
        said = zip(super().sample(n, y), y or [""] * n, strict=True)
        replies = [self.looked_up(text, dialogue.rpartition(self.words[END])[2]) for text, dialogue in said]
        return [f"{r.text} [{', '.join(r.sources)}]" if r.sources else r.text for r in replies]

    def chat(self, history: Sequence[tuple[str, Reply]], message: str) -> Reply:
        """The reply to a message, after these messages and replies; the oldest are dropped where there is no room."""
        begin, end = self.words[BEGIN], self.words[END]
        # what was looked up is no part of the memory
        turns = [f"{plain(said)} {begin} {r.text} {end}" for said, r in history if not r.sources]
        while turns and len(" ".join([*turns, plain(message)]).split()) > self.cfg.context - ROOM:
            turns = turns[1:]
        text = super().sample(1, [" ".join([*turns, plain(message)])])[0]
        return self.looked_up(text, message)

    def looked_up(self, text: str, message: str) -> Reply:
        """The reply itself, or where it is SEARCH what the index has on the message."""
        if text != SEARCH:
            return Reply(text, [])
        answer = self.rag.answers([message])[0]
        return Reply(answer.text, answer.sources) if answer.sources else Reply("nothing found", [])


def plain(message: str) -> str:
    """Its words in small letters: no punctuation, and no marks of turns that a user might type."""
    return " ".join(re.findall(r"\w+", message.lower()))


if __name__ == "__main__":
    main(Chatbot)
