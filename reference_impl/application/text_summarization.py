"""Text summarization: say in a sentence what a report says, and nothing that it does not say.

Idea
    BART, pre-trained to restore reports, is fine-tuned on pairs of report and summary. The summary is written anew,
    word by word from the whole vocabulary, so nothing in the loss keeps the model from a name that the report does not
    contain. Which words have to come from the source can be read off the training pairs: call a word free if some
    summary has it though its report does not,

        free = {w : w in x, w not in y for a pair (x, y)},                                    (1)

    such as `suspected`. All others, names and numbers among them, were only ever copied, and are to be written only
    where the source has them:

        p(x_t = w | x_<t, y) = 0    for w neither free nor in y.                              (2)

    That excludes what is made up. It does not exclude a name from the wrong place of the report.

Source
    Lewis et al., "BART: Denoising Sequence-to-Sequence Pre-training for Natural Language Generation, Translation, and
    Comprehension", 2019. arXiv:1910.13461 (sec. 5.3). On facts that are made up: Maynez et al., "On Faithfulness and
    Factuality in Abstractive Summarization", 2020. arXiv:2005.00661

Differs from the paper
    Eq. 2 is not in the papers; `faithful=false` turns it off.

Shapes
    B batch, S words of the report, T words of the summary, V vocabulary.

Run
    genai-patterns run text_summarization faithful=false
"""

import torch
from torch import Tensor

from reference_impl.blocks_writing import BEGIN, END, PAD, written
from reference_impl.core import Task, main
from reference_impl.transformer.bart import BART, BARTConfig, Cache


class SummarizerConfig(BARTConfig):
    """BART's settings, and whether eq. 2 holds."""

    faithful: bool = True
    """Whether words that training summaries only copied are written only where the source has them."""


class Summarizer(BART):
    """BART that writes summaries, of words that are free or in the source."""

    Config = SummarizerConfig

    def __init__(self, cfg: SummarizerConfig) -> None:
        super().__init__(cfg)
        self.free: Tensor
        self.register_buffer("free", torch.ones(cfg.vocab, dtype=torch.bool))

    def prepare(self, task: Task) -> None:
        """Eq. 1, over the pairs of the split `train`."""
        self.free.zero_()
        for x, y in zip(*(side.split(1000) for side in task.splits["train"]), strict=True):
            self.free |= (self.words(x) & ~self.words(y)).any(0)
        self.free[[PAD, BEGIN, END]] = True

    def words(self, ids: Tensor) -> Tensor:
        """Which words occur in each text: (B, T) -> (B, V)."""
        return torch.zeros(len(ids), self.cfg.vocab, device=ids.device).scatter(1, ids, 1.0).bool()

    def unsupported(self, x: Tensor, y: Tensor) -> Tensor:
        """Where the summaries x (B, T) have words that are neither free nor in the reports y (B, S): (B, T)."""
        return ~(self.free | self.words(y)).gather(1, x)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor, length: int | None = None) -> Tensor:
        """Summaries (n, length) of the reports y (n, S): BEGIN, words, END, padding. By default context+1 long."""
        if not self.cfg.faithful:
            return super().sample(n, y, length)
        memory, allowed = self.read(y), (self.free | self.words(y))[:, None]

        def write(new: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
            logits, cache = self.write(new, memory, cache)
            # eq. 2
            return logits.masked_fill(~allowed, float("-inf")), cache

        return written(write, n, length or self.cfg.context + 1, self.cfg.temperature, self.device)


if __name__ == "__main__":
    main(Summarizer)
