"""Molecule generation: a language model writes molecules as text; the rules of valence say which letters may follow.

Idea
    SMILES writes a molecule as a string: atoms in the order of a walk, parentheses around branches,
    "=" and "#" before double and triple bonds; hydrogen is left out. A recurrent network models

        p(x | y) = prod_t p(x_t | x_<t, y),

    where y is a wish: how many atoms are not carbon. It is given as the token before the first.
    In sampling every token that could not be part of a molecule gets probability zero,

        p'(x_t | x_<t) = p(x_t | x_<t) A(x_<t, x_t) / sum_v p(v | x_<t) A(x_<t, v),

    where A is 1 if the string so far and this token can still be completed, within the length that
    is left, to a string in which no atom has more bonds than its valence, and 0 otherwise. So every
    string is a molecule, whatever the network has learned; the network decides which.

Source
    Segler, Kogej, Tyrchan and Waller, "Generating Focused Molecule Libraries for Drug Discovery
    with Recurrent Neural Networks", 2018. arXiv:1701.01329
    Grammar in decoding: Kusner, Paige, Hernandez-Lobato, "Grammar Variational Autoencoder", 2017.
    arXiv:1703.01925

Differs from the paper
    Molecules are trees: no rings, charges or stereochemistry, so that the rule is a stack of free
    valences. One LSTM layer instead of three. A property is reached by a wish that training has
    shown, instead of by training again on molecules that have it.

Shapes
    B batch, T tokens after the first, V vocabulary.

Run
    genai-patterns run molecule_generation --data molecules.smi
"""

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from reference_impl.core import Batch, Losses, main
from reference_impl.recurrent.lstm import LSTM, LSTMConfig

VALENCE = {"B": 3, "C": 4, "N": 3, "O": 2, "F": 1, "P": 3, "S": 2, "Cl": 1, "Br": 1, "I": 1}
"""Bonds that an uncharged atom has, those to hydrogen included."""
BONDS = {"-": 1, "=": 2, "#": 3}
"""Order of a bond that is written; one that is not written is single."""


class Partial(NamedTuple):
    """What has to be known of a molecule that is half written."""

    free: tuple[int, ...] = ()
    """Free valences of the atoms that open branches go back to, and of the last atom."""
    order: int = 0
    """Of a bond that waits for its atom; 0 where none does."""
    after: str = ""
    """The last token that was no bond: "atom", "(", ")" or nothing yet."""

    def then(self, token: str) -> "Partial | None":
        """With one more token; None where no molecule goes on so, or where the token is the end."""
        if not self.free:
            return Partial((VALENCE[token],), 0, "atom") if token in VALENCE else None
        *below, free = self.free
        # a branch leaves a valence for the atom that follows it
        room = free - 1 if self.after == "(" else free
        if token in VALENCE:
            order = self.order or 1
            if order > min(room, VALENCE[token]):
                return None
            parent = [free - order] if self.after == "(" else []
            return Partial((*below, *parent, VALENCE[token] - order), 0, "atom")
        if self.order:
            return None
        if token in BONDS:
            return self._replace(order=BONDS[token]) if BONDS[token] <= room else None
        if token == "(":
            return self._replace(after="(") if free >= 2 and self.after != "(" else None
        return Partial((*below,), 0, ")") if below and self.after == "atom" else None

    @property
    def missing(self) -> int:
        """Fewest tokens that complete it: an atom where one is due, and ")" and an atom for each open branch."""
        due = self.order > 0 or self.after != "atom"
        return due + 2 * (max(0, len(self.free) - 1) + (self.after == "("))


@lru_cache(maxsize=100_000)
def permitted(partial: Partial, left: int, symbols: tuple[str, ...]) -> list[bool]:
    """Whether the end (0) and each symbol may come next, where `left` tokens fit, the end among them."""
    longer = [partial.then(s) for s in symbols]
    return [partial.missing == 0, *(p is not None and p.missing + 2 <= left for p in longer)]


class MoleculeConfig(LSTMConfig):
    """The alphabet, the wish and the network."""

    symbols: tuple[str, ...] = ("#", "(", ")", "=", "C", "N", "O")
    """Tokens of SMILES, numbered from 1; 0 begins and ends a string and fills the rest."""
    wishes: PositiveInt = 8
    """Numbers of heteroatoms that can be asked for: 0 to wishes - 1."""
    vocab: PositiveInt = 16
    context: PositiveInt = 15
    unasked: float = Field(0.2, ge=0, le=1)
    """Share of training strings without a wish, so that samples can be drawn without one."""
    channels: PositiveInt = 128
    steps: NonNegativeInt = 700
    batch_size: PositiveInt = 128
    clip: float = 10.0


class MoleculeGenerator(LSTM):
    """LSTM over SMILES, conditioned on the number of heteroatoms, decoded under the rules of valence."""

    task = "molecules"
    Config = MoleculeConfig

    def asked(self, y: Tensor) -> Tensor:
        """The first tokens that ask for y heteroatoms: (B,) -> (B,)."""
        return y.clamp(0, self.cfg.wishes - 1) + len(self.cfg.symbols) + 1

    def token_loss(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """-log p(x_t | x_<t) of each token after the first, and whether it counts: (B, T+1) -> (B, T) twice.

        What follows the end says nothing.
        """
        logits, _ = self.logits(x[:, :-1])
        counts = torch.cat([torch.ones_like(x[:, :1]), x[:, 1:-1]], 1) > 0
        return F.cross_entropy(logits.transpose(1, 2), x[:, 1:], reduction="none"), counts

    def loss(self, batch: Batch) -> Losses:
        """Nats per molecule; batch.x is (B, T+1), batch.y (B,) the number of heteroatoms, where known."""
        x = batch.x
        if batch.y is not None:
            silent = torch.rand(len(x), device=x.device) < self.cfg.unasked
            first = torch.where(silent, 0, self.asked(batch.y))
            x = torch.cat([first[:, None], x[:, 1:]], 1)
        nats, counts = self.token_loss(x)
        return {"loss": (nats * counts).sum(1).mean()}

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x_1 .. end | x_0) in nats, before valence restricts it: (B, T+1) -> (B,)."""
        nats, counts = self.token_loss(x)
        return -(nats * counts).sum(1)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, *, constrained: bool = True) -> Tensor:
        """n strings, where y (n,) is given with about so many heteroatoms: (n, context + 1), 0 after the end."""
        cfg, partial = self.cfg, [Partial()] * n
        ids = torch.zeros(n, 1, dtype=torch.long, device=self.device)
        last, state = ids if y is None else self.asked(y)[:, None], None
        ended = torch.zeros_like(ids, dtype=torch.bool)
        for left in range(cfg.context, 0, -1):
            logits, state = self.logits(last, state)
            # wishes come first or not at all
            logits = logits[:, -1, : len(cfg.symbols) + 1] / cfg.temperature
            if constrained:
                allowed = [permitted(p, left, cfg.symbols) for p in partial]
                logits = logits.masked_fill(~torch.tensor(allowed, device=self.device), -torch.inf)
            last = torch.multinomial(logits.softmax(-1), 1).masked_fill(ended, 0)
            ended = last == 0
            ids = torch.cat([ids, last], 1)
            if constrained:
                drawn = [("", *cfg.symbols)[i] for i in last[:, 0].tolist()]
                partial = [p.then(s) or p for p, s in zip(partial, drawn, strict=True)]
        return ids


if __name__ == "__main__":
    main(MoleculeGenerator)
