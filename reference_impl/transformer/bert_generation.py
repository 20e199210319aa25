"""Generation with BERT: redraw tokens in turn, keep the sure ones, or hand the weights to a model that can write.

Idea
    A masked language model gives each token's distribution given all others, p(x_t | x_{-t}), and no order in which to
    write. Three ways to generate with it:

    Gibbs sampling. Mask one place, draw it given all others, go on to the next. Were the conditionals those of
        one joint distribution, this Markov chain would converge to it. Learned ones agree only roughly, so the chain
        converges to something near, which is no more than the law of this procedure.
    Mask-predict. Fill all masks at once with the likeliest tokens, mask those again of which the model was least sure,
        fewer in each round, and fill them given the rest. A few passes; the result is one text, not a draw.
    Warm start. Copy the encoder into both stacks of an encoder-decoder, which then learns from pairs to write; only
        the attention to the source starts at random.

Source
    Wang and Cho, "BERT has a Mouth, and It Must Speak", 2019. arXiv:1902.04094 (with its erratum).
    Ghazvininejad et al., "Mask-Predict", 2019. arXiv:1904.09324 (sec. 3).
    Rothe et al., "Leveraging Pre-trained Checkpoints for Sequence Generation Tasks", 2020. arXiv:1907.12461.

Differs from the paper
    Gibbs sampling begins at a text that BERT filled in rounds. Mask-predict is given its number of tokens.

Shapes
    B batch, T tokens, C channels, V vocabulary without the mask, whose id is V.

Run
    genai-patterns run bert_generation sweeps=5
"""

from typing import Literal

import torch
from pydantic import NonNegativeInt
from torch import Tensor

from reference_impl.core import main
from reference_impl.transformer.bert import Bert, BertConfig, shuffled
from reference_impl.transformer.transformer import Layer, Transformer


class BertGenerationConfig(BertConfig):
    """Settings of BERT and of how it generates."""

    sampler: Literal["gibbs", "mask_predict"] = "gibbs"
    """How `sample` generates."""
    sweeps: NonNegativeInt = 3
    """Times that Gibbs sampling redraws each token, after the masks were filled in `passes` rounds."""


class BertGeneration(Bert):
    """Masked language model that generates."""

    Config = BertGenerationConfig

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Texts (n, T): the masks of y (n, T) filled, by default context+1 of them, the other tokens kept."""
        ids = torch.full((n, self.cfg.context + 1), self.mask, device=self.device) if y is None else y
        if self.cfg.sampler == "mask_predict":
            return self.mask_predict(ids)
        free, ids = ids == self.mask, super().sample(n, ids)
        for _ in range(self.cfg.sweeps):
            ids = self.sweep(ids, free)
        return ids

    @torch.no_grad()
    def sweep(self, ids: Tensor, free: Tensor) -> Tensor:
        """Each free place (B, T) redrawn once, in random order, given all other tokens: (B, T) -> (B, T)."""
        order = shuffled(free)
        for i in range(int(free.sum(1).max())):
            now = free & (order == i)
            ids = torch.where(now, self.draw(ids.masked_fill(now, self.mask)), ids)
        return ids

    @torch.no_grad()
    def mask_predict(self, y: Tensor) -> Tensor:
        """The masks of y (B, T) filled in `passes` rounds, the least sure again and again: (B, T)."""
        ids, free = y, y == self.mask
        # tokens that were given are never masked
        sure = torch.full(y.shape, torch.inf, device=y.device)
        for left in reversed(range(self.cfg.passes)):
            best, likeliest = self.predict(ids).softmax(-1).max(-1)
            now = ids == self.mask
            ids, sure = torch.where(now, likeliest, ids), torch.where(now, best, sure)
            again = free.sum(1, keepdim=True) * left // self.cfg.passes
            ids = ids.masked_fill(sure.argsort(1).argsort(1) < again, self.mask)
        return ids

    def start(self, model: Transformer) -> None:
        """Copy this encoder into the encoder and the decoder of a Transformer of the same size.

        ValueError where its layers compute something else: they need norm_first, activation=relu, epsilon=1e-5.
        """
        cfg = self.cfg
        if not (cfg.norm_first and model.cfg.norm_first) or cfg.activation != "relu" or cfg.epsilon != 1e-5:
            raise ValueError("the layers of a Transformer have norm_first=True, activation=relu, epsilon=1e-5")
        with torch.no_grad():
            model.token.weight.copy_(self.token[: self.mask])
            model.place.weight.copy_(self.place[: len(model.place.weight)])
            model.head.weight.copy_(self.token[: self.mask])
        model.encoder.load_state_dict(self.layers.state_dict())
        for mine, its in zip(self.layers, model.decoder, strict=True):
            copy_layer(mine, its)
        for norm in (model.read_norm, model.write_norm):
            norm.load_state_dict(self.norm.state_dict())


def copy_layer(mine: Layer, its: Layer) -> None:
    """All of a layer but the attention to the source, and its norm, which stands between the other two."""
    its.attend.load_state_dict(mine.attend.state_dict())
    its.mlp.load_state_dict(mine.mlp.state_dict())
    for a, b in ((0, 0), (1, 2)):
        its.norms[b].load_state_dict(mine.norms[a].state_dict())


if __name__ == "__main__":
    main(BertGeneration)
