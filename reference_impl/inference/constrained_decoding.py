"""Constrained decoding: tokens that cannot lead to a valid text get no probability.

Idea
    The valid texts are a language L. Its derivative by a character c are the texts that complete c to one of L,

        d_c(L) = { s : cs in L },    d_c(AB) = d_c(A) B, and d_c(B) too if A may be empty,    d_c(A*) = d_c(A) A*,

    an expression again, and only finitely many differ. They are the states of an automaton, which says for each state
    and token what comes next and how many tokens the shortest way to an end takes. A token is allowed if it leaves a
    way that fits into the room left. With Z_t the probability that the model gives to the allowed tokens at step t, the
    law of a text that is drawn so is not the model's on valid texts but

        p(x) / prod_t Z_t(x)    instead of    p(x) / p(L).                                                (1)

    So draw k candidates and keep one with probability in proportion to its prod_t Z_t: as k grows the law becomes
    p(x | L).

Source
    Willard and Louf, "Efficient Guided Generation for Large Language Models", 2023. arXiv:2307.09702.
    The distortion (1): Park et al., "Grammar-Aligned Decoding", 2024. arXiv:2405.21047.
    Derivatives: Brzozowski, "Derivatives of Regular Expressions", 1964. doi:10.1145/321239.321249

Differs from the paper
    Nesting is bounded, so JSON is a regular language and the automaton a table; its states are found by derivatives.
    Importance resampling instead of the adaptive tree of Park et al.

Shapes
    n texts, P prompt, V tokens, S states of the automaton, k candidates.

Run
    genai-patterns run constrained_decoding candidates=4
"""

from functools import cache, reduce
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from reference_impl.blocks_grammar import NOTHING, Language, derive, json_object, nullable
from reference_impl.core import main
from reference_impl.transformer.gpt import GPT

BEGIN, END, SPECIAL = 1, 2, 4
"""Ids that begin and end a text; below SPECIAL no id is a piece of text, and 0 pads."""


class ConstrainedDecodingConfig(GPT.Config):
    """Settings of the GPT, and of what it may write."""

    grammar: Literal["json", "any"] = "json"
    """A JSON object, or whatever the model writes."""
    depth: PositiveInt = 2
    """Objects and lists within each other, the outermost included."""
    candidates: PositiveInt = 1
    """k, texts drawn for each that is kept."""
    vocab: PositiveInt = 14
    words: tuple[str, ...] = ("", "<begin>", "<end>", "\ufffd", *'"{}[]:, 01')
    """The text of each token; those below 4 have none."""
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    batch_size: PositiveInt = 16


class ConstrainedDecoding(GPT):
    """GPT that writes nothing but texts of a language."""

    task = "records"
    Config = ConstrainedDecodingConfig

    def __init__(self, cfg: ConstrainedDecodingConfig) -> None:
        super().__init__(cfg)
        if len(cfg.words) != cfg.vocab:
            raise ValueError(f"{len(cfg.words)} words, and vocab={cfg.vocab}: each token needs its text")
        self.table: Tensor
        self.distance: Tensor
        letters = frozenset("".join(cfg.words[SPECIAL:]))
        self.constrain(json_object(letters, cfg.depth) if cfg.grammar == "json" else None)

    def constrain(self, language: Language | None) -> None:
        """Write texts of this language from now on; None lifts the constraint."""
        free = torch.zeros(1, self.cfg.vocab, dtype=torch.long), torch.zeros(1)
        table, distance = free if language is None else automaton(language, self.cfg.words)
        # not kept with the weights: they follow from the settings
        self.register_buffer("table", table.to(self.device), persistent=False)
        self.register_buffer("distance", distance.to(self.device), persistent=False)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, length: int | None = None) -> Tensor:
        """Continue the prompts y (n, P), which start with BEGIN, to valid texts: (n, length), by default context+1."""
        k = self.cfg.candidates
        y = torch.full((n, 1), BEGIN, device=self.device) if y is None else y
        ids, log_weight = self.masked(y.repeat_interleave(k, 0), length or self.cfg.context + 1)
        if k == 1:
            return ids
        return ids.view(n, k, -1)[torch.arange(n), torch.multinomial(log_weight.view(n, k).softmax(1), 1)[:, 0]]

    @torch.no_grad()
    def masked(self, ids: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Valid texts that continue ids (n, P), (n, length), and log prod_t Z_t of each, (n,)."""
        state = torch.zeros(len(ids), dtype=torch.long, device=ids.device)
        for token in ids[:, 1:].unbind(1):
            state = self.table[state, token]
        if (self.distance[state] > length - ids.shape[1]).any():
            raise ValueError(f"a prompt leads to no valid text within length={length} tokens")
        log_weight, new, cache = torch.zeros(len(ids), device=ids.device), ids, None
        while ids.shape[1] < length:
            logits, cache = self.logits(new, cache)
            allowed = self.allowed(state, length - ids.shape[1])
            kept = logits[:, -1].masked_fill(~allowed, float("-inf"))
            t = self.cfg.temperature
            z = (kept / t).logsumexp(1) - (logits[:, -1] / t).logsumexp(1)
            # padding behind the end is no part of the text
            log_weight += z.where(self.distance[state] > 0, 0)
            new = torch.multinomial(self.law(kept), 1)
            state, ids = self.table[state, new[:, 0]], torch.cat([ids, new], 1)
        return ids, log_weight

    def allowed(self, state: Tensor, room: int) -> Tensor:
        """Tokens from which an end can be reached in the room left, themselves included: (n,) -> (n, V)."""
        return self.distance[self.table[state]] < room


@cache
def automaton(language: Language, words: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """State after each state and token (S, V), and tokens from each state to behind the end (S,), from the start, 0."""
    states, rows = [language, NOTHING], []
    number = {s: i for i, s in enumerate(states)}
    for here in states:  # which grows meanwhile
        after = [reduce(derive, word, here) for word in words[SPECIAL:]]
        states += [s for s in dict.fromkeys(after) if s not in number]
        number |= {s: i for i, s in enumerate(states)}
        rows.append([number[s] for s in after])
    behind, dead = len(states), number[NOTHING]
    table = torch.full((behind + 1, len(words)), dead)
    table[:behind, SPECIAL:] = torch.tensor(rows)
    table[:behind, END] = torch.tensor([behind if nullable(s) else dead for s in states])
    table[behind, 0] = behind
    distance = torch.full((behind + 1,), float("inf"))
    distance[behind] = 0
    for _ in states:
        distance[:behind] = distance[table[:behind]].amin(1) + 1
    return table, distance


if __name__ == "__main__":
    main(ConstrainedDecoding)
