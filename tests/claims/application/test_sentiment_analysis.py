"""Claims of sentiment analysis."""

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from reference_impl.application.sentiment_analysis import SentimentAnalysis
from reference_impl.core import Phase, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.reviews import ADJECTIVES, NEGATIONS, PARTS
from reference_impl.tasks.sentences import encoded, spelled

TASK = make("reviews")
KINDS = [*PARTS, [word for words in ADJECTIVES.values() for word in words], ["and", "but"]]
"""Words that exchange with one another."""


class FineTuned(SentimentAnalysis):
    """The second phase alone, from given weights or from random ones."""

    start: ClassVar[dict[str, Tensor]] = {}

    def prepare(self, task: Task) -> None:
        self.load_state_dict({**self.state_dict(), **self.start})

    def phases(self) -> Sequence[Phase]:
        return super().phases()[1:]


@cache
@torch.enable_grad()
def pretrained(seed: int) -> dict[str, Tensor]:
    """Weights after pre-training on reviews without labels."""
    return run(SentimentAnalysis, {"fine_tuning": 0}, task=TASK, seed=seed, evaluate=False).model.state_dict()


def fine_tuned(start: dict[str, Tensor], seed: int, task: Task = TASK) -> FineTuned:
    """The classifier after fine-tuning on the task's labels."""
    FineTuned.start = start
    model = run(FineTuned, task=task, seed=seed, evaluate=False).model
    assert isinstance(model, FineTuned)
    return model


def counts(y: Tensor) -> Tensor:
    """How often each word occurs in each review: (B, S) -> (B, V)."""
    return torch.stack([torch.bincount(row, minlength=TASK.facts["vocab"]) for row in y])


def holds(y: Tensor, words: list[str]) -> Tensor:
    """Which reviews (B, S) hold one of these words: (B,)."""
    return torch.isin(y, torch.tensor([TASK.facts["words"].index(w) for w in words])).any(1)


def right(model: SentimentAnalysis, x: Tensor, y: Tensor) -> Tensor:
    """Which reviews get their label: (B,)."""
    return (model.sample(len(y), y) == x).all(1)


def exchanges(words: list[str], i: int) -> list[list[str]]:
    """The review with word i exchanged for each of its kind; a negation is left out, other words stay."""
    if words[i] in NEGATIONS:
        return [words[:i] + words[i + 1 :]]
    kind = next((kind for kind in KINDS if words[i] in kind), [words[i]])
    return [[*words[:i], word, *words[i + 1 :]] for word in kind]


@torch.no_grad()
def praise(model: SentimentAnalysis, reviews: list[list[str]]) -> float:
    """Mean of p(positive) over reviews."""
    y = torch.cat([encoded(" ".join(words), TASK.facts) for words in reviews])
    labels = [TASK.facts["words"][i] for i in model.cfg.labels]
    return model.scores(y).softmax(1)[:, labels.index("positive")].mean().item()


def test_negation_that_word_counts_miss(claim):
    (train_x, train_y), (x, y) = TASK.splits["train"], TASK.splits["test"]
    negated = holds(y, NEGATIONS)
    words = LogisticRegression(max_iter=1000).fit(counts(train_y).numpy(), train_x[:, 1].numpy())
    counted = torch.from_numpy(words.predict(counts(y).numpy())) == x[:, 1]
    models = [fine_tuned(pretrained(seed), seed) for seed in range(2)]
    found = [right(model, x, y).float() for model in models]
    claim.measure(
        "negated", [hit[negated].mean().item() for hit in found], baseline=counted[negated].float().mean().item()
    )
    claim.measure(
        "plain", [hit[~negated].mean().item() for hit in found], baseline=counted[~negated].float().mean().item()
    )

    texts = [
        "the food was good",
        "the food was not good",
        "the food was not bad but the staff was dull",
        "the room was shabby but the view was superb",
        "the room was hardly shabby and the view was superb",
    ]
    fig, ax = figure(7.2, 2.4)
    ax.axis("off")
    for row, text in enumerate(texts):
        words, at = text.split(), 0.0
        verdict = praise(models[0], [words])
        for i, word in enumerate(words):
            weight = verdict - praise(models[0], exchanges(words, i))
            color = PALETTE[0] if weight > 0 else PALETTE[1]
            box = {"facecolor": color, "alpha": 0.7 * abs(weight), "edgecolor": "none", "pad": 2}
            ax.text(at + len(word) / 2, -row, word, ha="center", va="center", bbox=box)
            at += len(word) + 1.6
        ax.text(66, -row, f"{verdict:.3f}", ha="center", va="center")
    ax.text(66, 1, "p(positive)", ha="center", va="center")
    ax.set(xlim=(-1, 70), ylim=(-len(texts) + 0.4, 1.4))
    claim.figure(
        "hero",
        fig,
        caption="Held against exchanges: a word is blue if p(positive) falls, orange if it rises, on average when "
        "the word is exchanged for others of its kind (a negation: left out); full shade is a change by one. The "
        "same `good` praises or blames, as `not` stands before it or does not, and the last clause decides.",
        alt="Five reviews with words shaded blue or orange, and the probability of being positive beside each.",
    )

    rows = torch.cat([torch.nonzero(negated)[:7, 0], torch.nonzero(~negated)[:3, 0]])
    said = [spelled(part, TASK.facts) for part in (y[rows], models[0].sample(len(rows), y[rows]), x[rows])]
    lines = [f"{text:<57}{guess:<10}{truth}" for text, guess, truth in zip(*said, strict=True)]
    claim.figure(
        "verdicts",
        "\n".join(["held-out reviews, seed 0".ljust(57) + "said      true", "", *lines]) + "\n",
        caption="The first seven held-out reviews with a negation and the first three without, and what the "
        "fine-tuned encoder says of them.",
        alt="Ten reviews, each with the label that was predicted and the true one.",
    )


def test_words_that_no_label_explained(claim):
    (train_x, train_y), (x, y) = TASK.splits["train"], TASK.splits["test"]
    # these adjectives occur in reviews without labels alone
    fresh = [word for words in ADJECTIVES.values() for word in words[3:]]
    keep, asked = ~holds(train_y, fresh), holds(y, fresh)
    task = make("reviews")
    task.splits["train"] = (train_x[keep], train_y[keep])
    reached = [
        [right(fine_tuned(start, seed, task), x, y)[asked].float().mean().item() for seed, start in enumerate(starts)]
        for starts in ([pretrained(0), pretrained(1)], [{}, {}])
    ]
    claim.measure("accuracy", reached[0], baseline=reached[1])
