"""Tool use: a language model writes calls, a program around it executes them and writes what they gave into the text.

Idea
    Some answers are not in the weights: a product of large numbers takes exact arithmetic, and a fact may have changed
    since training. But a model can learn to ask. It writes a call a_t, the loop runs the tool, and the observation
    o_t is put into the context as if it had been written,

        a_t ~ p(a | q, a_1, o_1 .. a_{t-1}, o_{t-1}),    o_t = tool(a_t),

    until a_t is an answer instead of a call. The second call can depend on what the first one gave, which no call that
    is planned beforehand does. Only what the model has to write is learned; observations are input.

    While a call is written, nothing but its grammar gets probability. A parser that knows two forms reads it; it is
    never evaluated as a program. The loop counts calls, tells why one failed, and lets through no observation that
    contains signs of its own protocol, since the model could not tell them from the loop's.

Source
    Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models", 2022. arXiv:2210.03629.
    Schick et al., "Toolformer: Language Models Can Teach Themselves to Use Tools", 2023. arXiv:2302.04761.

Differs from the paper
    A GPT trained from scratch on recorded calls; ReAct prompts a large model with examples and lets it write thoughts
    between calls, Toolformer finds useful calls by itself.

Shapes
    n texts, B batch, P question, L text, V tokens, S states of the automaton.

Run
    genai-patterns run tool_use max_calls=1
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.blocks_grammar import EMPTY, Language, both, either, text
from reference_impl.core import Batch, Losses, Task, main
from reference_impl.inference.constrained_decoding import SPECIAL, automaton
from reference_impl.transformer.gpt import GPT

PAD = 0
ASK, OPEN, CLOSE, OVER, ANSWER = "=[];:"
"""What ends a question, begins and ends a call, ends an observation, and begins the answer."""


class ToolUseConfig(GPT.Config):
    """Settings of the GPT and of the loop around it."""

    tools: tuple[Literal["calculator", "dictionary"], ...] = ("calculator", "dictionary")
    """What is offered: `[12*34]` and `[@name]`."""
    max_calls: NonNegativeInt = 4
    """Calls in one text; then it has to answer."""
    constrained: bool = True
    """Give no probability to what is neither call nor answer."""
    screened: bool = True
    """Refuse observations that are not letters and digits."""
    longest: int = Field(14, ge=9)
    """Characters of an observation or an answer; numbers and names in a call have half as many."""
    vocab: PositiveInt = 47
    characters: tuple[str, ...] = ("", "", "", "\ufffd", *"*0123456789:;=@[]abcdefghijklmnopqrstuvwxyz")
    """The text of each token; those below 4 pad, begin, end, and stand for the unknown."""
    context: PositiveInt = 64
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    temperature: PositiveFloat = 0.1
    steps: NonNegativeInt = 400
    batch_size: PositiveInt = 64


class ToolUse(GPT):
    """GPT in a loop with a calculator and a dictionary."""

    task = "calls"
    Config = ToolUseConfig
    cfg: ToolUseConfig

    def __init__(self, cfg: ToolUseConfig) -> None:
        super().__init__(cfg)
        if len(cfg.characters) != cfg.vocab:
            raise ValueError(f"{len(cfg.characters)} characters, and vocab={cfg.vocab}: each token needs its text")
        if missing := set(ASK + OPEN + CLOSE + OVER + ANSWER) - set(cfg.characters):
            raise ValueError(
                f"characters={''.join(cfg.characters)!r} lacks {' '.join(sorted(missing))} of the protocol"
            )
        self.at = {c: i for i, c in enumerate(cfg.characters) if i >= SPECIAL - 1}
        self.entries: dict[str, str] = {}
        self.table: Tensor
        self.distance: Tensor
        self.held = bool(cfg.tools) and cfg.constrained
        free = torch.zeros(1, cfg.vocab, dtype=torch.long), torch.zeros(1)
        table, distance = automaton(self.turn(), cfg.characters) if self.held else free
        # not kept with the weights: they follow from the settings
        self.register_buffer("table", table.clone(), persistent=False)
        self.register_buffer("distance", distance.clone(), persistent=False)

    def turn(self) -> Language:
        """What may be written at a time: a call of a tool that is offered, or the answer."""
        digits, letters = (frozenset(filter(kind, self.cfg.characters)) for kind in (str.isdecimal, str.isalpha))
        half = self.cfg.longest // 2
        number, name = some(digits, half), some(letters, half)
        calls = {"calculator": both(number, text("*"), number), "dictionary": both(text("@"), name)}
        answer = both(text(ANSWER), some(digits | letters, self.cfg.longest))
        return either([answer, *(both(text(OPEN), calls[tool], text(CLOSE)) for tool in self.cfg.tools)])

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        self.entries = dict(getattr(task, "entries", {}))

    def get_extra_state(self) -> dict[str, Any]:
        return {"entries": self.entries}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.entries = state["entries"]

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(token | text so far) in nats over what the model has to write; batch.x (B, L)."""
        x = batch.x
        asked, closed, over = ((x == self.at[sign]).cumsum(1)[:, :-1] for sign in (ASK, CLOSE, OVER))
        # behind the question, and not between the end of a call and the end of its observation
        counts = (asked > 0) & (closed == over) & (x[:, 1:] != PAD)
        logits, _ = self.logits(x[:, :-1])
        nats = F.cross_entropy(logits.transpose(1, 2), x[:, 1:], reduction="none")
        return {"loss": ((nats * counts).sum(1) / counts.sum(1)).mean()}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """Answer the questions y (n, P), padded, with calls in between: (n, length), by default context+1."""
        y = torch.randint(SPECIAL, self.cfg.vocab, (n, 1), device=self.device) if y is None else y
        length, ends = length or self.cfg.context + 1, (y != PAD).sum(1).tolist()
        if max(ends) + 3 > length:
            raise ValueError(f"a question of {max(ends)} tokens leaves no room for an answer within length={length}")
        ids = new = y[:, : min(ends)]
        # what each text has to read before it goes on: the rest of the question, later what a tool gave
        heard = [row[len(ids[0]) : end] for row, end in zip(y.tolist(), ends, strict=True)]
        state, calls, cache = torch.zeros(n, dtype=torch.long, device=ids.device), [0] * n, None
        while ids.shape[1] < length:
            logits, cache = self.logits(new, cache)
            reads = torch.tensor([bool(queue) for queue in heard], device=ids.device)
            allowed = self.allowed(state, calls, length - ids.shape[1]) | reads[:, None]
            new = torch.multinomial(self.law(logits[:, -1].masked_fill(~allowed, float("-inf"))), 1)
            state = torch.where(reads, state, self.table[state, new[:, 0]])
            for i, queue in enumerate(heard):
                if queue:
                    new[i] = queue.pop(0)
                elif self.cfg.tools and new[i] == self.at[CLOSE]:
                    calls[i] += 1
                    heard[i] = self.reply(ids[i].tolist(), calls[i])
                    # behind the observation a new turn begins
                    state[i] = 0
            ids = torch.cat([ids, new], 1)
        return ids

    def allowed(self, state: Tensor, calls: list[int], room: int) -> Tensor:
        """Tokens that leave a way to the end of the turn in the room left; a call needs room for what follows it."""
        allowed = self.distance[self.table[state]] < room
        if self.held:
            # the longest call and observation, and the shortest answer
            enough = room >= 2 * self.cfg.longest + 7
            may = torch.tensor([enough and made < self.cfg.max_calls for made in calls], device=state.device)
            allowed[:, self.at[OPEN]] &= may
        return allowed

    def reply(self, ids: list[int], calls: int) -> list[int]:
        """Tokens of the observation for the call at the end of a text, whose closing sign was drawn."""
        call = "".join(self.cfg.characters[i] for i in ids).rpartition(OPEN)[2]
        seen = "enough" if calls > self.cfg.max_calls else self.observe(call)
        return [self.at.get(c, SPECIAL - 1) for c in seen + OVER]

    def observe(self, call: str) -> str:
        """What a call gives, or a word that says why it gives nothing."""
        left, star, right = call.partition("*")
        if call.startswith("@") and "dictionary" in self.cfg.tools:
            seen = self.entries.get(call[1:], "none")
        elif star and "calculator" in self.cfg.tools and is_number(left) and is_number(right):
            seen = str(int(left) * int(right))
        else:
            return "malformed"
        if len(seen) > self.cfg.longest:
            return "long"
        return seen if seen.isalnum() or not self.cfg.screened else "refused"


def some(characters: frozenset[str], most: int) -> Language:
    """One to `most` of these characters."""
    rest = EMPTY
    for _ in range(most - 1):
        rest = either([EMPTY, both(("one", characters), rest)])
    return both(("one", characters), rest)


def is_number(word: str) -> bool:
    """Whether it is digits alone, few enough to multiply at no cost."""
    return word.isascii() and word.isdecimal() and len(word) <= 100


if __name__ == "__main__":
    main(ToolUse)
