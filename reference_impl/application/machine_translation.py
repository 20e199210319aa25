"""Machine translation: write a sentence of one language in another, and say how sure that is.

Idea
    A translation model is a distribution over target sentences, given the source,

        log p(x | y) = sum_t log p(x_t | x_<t, y),                                            (1)

    up to and with the token that ends x. A Transformer learned it from pairs; its likeliest words are the translation.
    Words cannot be translated one by one: their order differs, and so do endings that depend on other words.

    Eq. 1 is also what tells a user how far to trust a translation. Words that were never seen together in this use make
    it small, whether the translation is right or wrong.

Source
    Vaswani et al., "Attention Is All You Need", 2017. arXiv:1706.03762 (sec. 6.1).
    New combinations of known words: Lake and Baroni, 2018. arXiv:1711.00350

Differs from the paper
    Tokens are words instead of parts of words, and the likeliest word is taken instead of a beam search.

Shapes
    B batch, S source tokens, T target tokens, V vocabulary.

Run
    genai-patterns run machine_translation --data pairs.tsv
"""

from torch import Tensor

from reference_impl.blocks_writing import PAD
from reference_impl.core import main
from reference_impl.transformer.transformer import Transformer


class Translator(Transformer):
    """Transformer that can say how probable a translation is."""

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(x | y), eq. 1, of the targets x (B, T+1) from BEGIN on for the sources y (B, S), in nats: (B,)."""
        logits, _ = self.write(x[:, :-1], self.read(y))
        new = x[:, 1:]
        each = logits.log_softmax(-1).gather(-1, new[..., None])[..., 0]
        return each.masked_fill(new == PAD, 0).sum(1)


if __name__ == "__main__":
    main(Translator)
