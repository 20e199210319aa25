"""Temperature and truncation: reshape the next-token law before drawing from it.

Idea
    A language model gives every token some probability, also those that cannot follow. One such token in a hundred
    spoils most texts of a hundred tokens. So sharpen the law by a temperature, and keep only its head H,

        p_T(x) = softmax(logits / T),      p'(x) = p_T(x) [x in H] / sum_{v in H} p_T(v).

    What the head is differs: the k likeliest tokens (top-k), the smallest set whose probability reaches P (nucleus or
    top-p), or all tokens at least m times as likely as the likeliest (min-p). Taking the likeliest token alone, k = 1,
    goes to the other extreme: what is likely once is likely again, and the text runs in circles.

Source
    Top-k: Fan, Lewis and Dauphin, "Hierarchical Neural Story Generation", 2018. arXiv:1805.04833 (sec. 5.1).
    Nucleus: Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020. arXiv:1904.09751 (eq. 2 and 3).
    Min-p: Nguyen et al., "Turning Up the Heat", 2025. arXiv:2407.01082.

Differs from the paper
    The three heads can be combined: they cut one after the other, each what the one before has left.

Shapes
    B batch, T tokens, V vocabulary. Laws are (..., V) and sum to one.

Run
    genai-patterns run truncation_sampling top_p=0.9 temperature=0.8
"""

from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from reference_impl.core import main
from reference_impl.transformer.gpt import GPT


class TruncationSamplingConfig(GPT.Config):
    """Settings of the GPT, and of the law that it draws from."""

    top_k: NonNegativeInt = 0
    """Keep so many tokens; 0 keeps all."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Keep the fewest tokens that have this probability together; 1 keeps all."""
    min_p: float = Field(0.0, ge=0, le=1)
    """Keep tokens at least so many times as likely as the likeliest; 0 keeps all."""
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    steps: NonNegativeInt = 800


class TruncationSampling(GPT):
    """GPT that draws from the head of its law."""

    Config = TruncationSamplingConfig

    def law(self, logits: Tensor) -> Tensor:
        """Probabilities from which the next token is drawn: (..., V) -> (..., V)."""
        p, cfg = super().law(logits), self.cfg
        if cfg.top_k:
            p = top_k(p, cfg.top_k)
        if cfg.top_p < 1:
            p = nucleus(p, cfg.top_p)
        if cfg.min_p:
            p = min_p(p, cfg.min_p)
        return p


def top_k(p: Tensor, k: int) -> Tensor:
    """The k likeliest tokens, and those as likely as the last of them: (..., V) -> (..., V)."""
    least = p.topk(min(k, p.shape[-1])).values[..., -1:]
    return head(p, p >= least)


def nucleus(p: Tensor, mass: float) -> Tensor:
    """Eq. 2 of Holtzman et al.: the fewest tokens whose probability reaches `mass`: (..., V) -> (..., V)."""
    ordered, at = p.sort(descending=True, stable=True)
    # a token is needed as long as those likelier than it fall short; the likeliest always is
    before = ordered.cumsum(-1) - ordered
    return head(p, (before < mass).scatter(-1, at, before < mass))


def min_p(p: Tensor, share: float) -> Tensor:
    """Tokens at least `share` times as likely as the likeliest: (..., V) -> (..., V)."""
    return head(p, p >= share * p.amax(-1, keepdim=True))


def head(p: Tensor, keep: Tensor) -> Tensor:
    """Eq. 3 of Holtzman et al.: the law on what is kept (..., V), brought back to sum one."""
    p = p * keep
    return p / p.sum(-1, keepdim=True)


if __name__ == "__main__":
    main(TruncationSampling)
