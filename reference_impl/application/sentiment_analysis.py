"""Sentiment analysis: an encoder that has learned to restore words in reviews is told a few hundred attitudes.

Idea
    Read the review y behind a first token, and the label off the encoder's vector at that token,

        p(x | y) = softmax(W h_1(y) + b),        loss = -log p(x | y).

    What a word says depends on its neighbors: "not bad" praises, and after "but" comes what counts. Sums over words
    cannot express this. An encoder can, but has to learn it, and labels are few; so it first restores masked words
    in reviews without labels, where the same words decide which remark fits, and then all its weights are fine-tuned.

Source
    Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019.
    arXiv:1810.04805 (sec. 4.1; SST-2 is such a task).

Differs from the paper
    Pre-training is on the reviews themselves, with the small encoder of `bert`; no dropout.

Shapes
    B batch, S words of a review with its end, C channels, K labels, V vocabulary, which has the labels as words.

Run
    genai-patterns run sentiment_analysis steps=600
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn

from reference_impl.blocks_writing import BEGIN, END
from reference_impl.core import Batch, Losses, Phase, main
from reference_impl.transformer.bert import Bert, BertConfig


class SentimentAnalysisConfig(BertConfig):
    """Settings of the classifier; those of BERT are the encoder's and its pre-training's."""

    labels: tuple[int, ...] = Field((4, 5), min_length=2)
    """Id of each label's word in the vocabulary."""
    fine_tuning: float = Field(0.25, ge=0)
    """Steps of fine-tuning, as a share of the steps of pre-training."""
    warmup: NonNegativeInt = 20


class SentimentAnalysis(Bert):
    """Classifier of texts on a pre-trained encoder."""

    task = "reviews"
    Config = SentimentAnalysisConfig

    def __init__(self, cfg: SentimentAnalysisConfig) -> None:
        super().__init__(cfg)
        self.classify = nn.Linear(cfg.channels, len(cfg.labels))
        self.register_buffer("labels", torch.tensor(cfg.labels))

    def phases(self) -> Sequence[Phase]:
        steps, tuning = self.cfg.steps, int(self.cfg.fine_tuning * self.cfg.steps)
        return (
            Phase("pre-train", steps, self.step, self.optimizers(), stream="unlabeled"),
            Phase("fine-tune", tuning, self.step, self.optimizers()),
        )

    def scores(self, y: Tensor) -> Tensor:
        """Logits of the labels of the reviews y (B, S): (B, K)."""
        return self.classify(self.read(F.pad(y, (1, 0), value=BEGIN))[:, 0])

    def loss(self, batch: Batch) -> Losses:
        """Without reviews in batch.y that of BERT on batch.x (B, S+1), else -log p(label | review); in nats.

        The label is the token after BEGIN in batch.x (B, S+1).
        """
        if batch.y is None:
            return super().loss(batch)
        label = (batch.x[:, 1, None] == self.labels).int().argmax(1)
        scores = self.scores(batch.y)
        right = (scores.argmax(1) == label).float().mean()
        return {"loss": F.cross_entropy(scores, label), "accuracy": right}

    @torch.no_grad()
    def sample(self, n: int, y: Tensor) -> Tensor:
        """The likeliest label of each review y (n, S), as BEGIN, label, END and padding (n, S+1)."""
        label = self.labels[self.scores(y).argmax(1), None]
        ends = [torch.full_like(label, token) for token in (BEGIN, END)]
        return F.pad(torch.cat([ends[0], label, ends[1]], 1), (0, y.shape[1] - 2))


if __name__ == "__main__":
    main(SentimentAnalysis)
