"""Claims of BERT."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.hidden import cycle, draw, predicted, restored
from reference_impl.tasks.reviews import MASK
from reference_impl.transformer.bert import Bert
from reference_impl.transformer.transformer import Transformer


@torch.no_grad()
def one_by_one(model: Bert, x: Tensor) -> Tensor:
    """p(x_t = . | all others) by masking one place at a time: (B, T) -> (B, T, V)."""
    masked = x[:, None].repeat(1, x.shape[1], 1)
    masked.diagonal(dim1=1, dim2=2).fill_(model.mask)
    return torch.stack([model.predict(masked[:, t])[:, t] for t in range(x.shape[1])], 1).softmax(-1)


def test_restoring_reaches_the_two_sided_posterior(claim):
    symbols, source = 6, cycle(6)
    train, test = draw(source, 8000, 16), draw(source, 1000, 16)
    # id 0 is padding, so symbols count from 1
    settings = {"vocab": symbols + 1, "context": 15, "steps": 800, "batch_size": 64, "lr": 2e-3}
    model = run(Bert, settings, task=Task(train + 1), evaluate=False).model
    guess = one_by_one(model, test + 1)[..., 1:].double()
    both, left = restored(source, test), predicted(source, test)
    exact, filtered, reached = ((p.argmax(-1) == test).double().mean().item() for p in (both, left, guess))
    claim.measure("gap", exact - reached)
    claim.measure("gain", reached - filtered, baseline=exact - filtered)
    claim.measure("gain_error", abs((reached - filtered) - (exact - filtered)))
    claim.measure("divergence", (both * (both.log() - guess.log())).sum(2).mean().item())

    fig, ax = figure(6.0, 2.8)
    for color, p, label in (
        (PALETTE[2], both, "exact, from both sides"),
        (PALETTE[1], left, "exact, from the left"),
    ):
        ax.plot(range(1, 17), (p.argmax(-1) == test).double().mean(0).tolist(), color=color, label=label)
    ax.plot(range(1, 17), (guess.argmax(-1) == test).double().mean(0).tolist(), "o", color=PALETTE[0], label="BERT")
    ax.set(xlabel="place of the masked symbol", ylabel="restored correctly", ylim=(0, 0.85))
    ax.legend(loc="lower right")
    claim.figure(
        "two_sided",
        fig,
        caption="Share of masked symbols that are restored, place by place, on 1,000 held-out sequences of a hidden "
        "Markov source. BERT reaches what the forward-backward algorithm, which knows the source, makes of all other "
        "symbols. No causal model can rise above the lower line, which meets the other at the last place, where no "
        "right side is.",
        alt="BERT's points lie on the upper of two lines; the exact filter's starts far below and meets it at the end.",
    )


class Classifier(Bert):
    """Four classes, read off the mean of the stream."""

    start: ClassVar[dict[str, Tensor]] = {}
    """Weights to go on from; the others start at random."""

    def __init__(self, cfg) -> None:
        super().__init__(cfg)
        self.classes = nn.Linear(cfg.channels, 4)

    def prepare(self, task: Task) -> None:
        self.load_state_dict({**self.state_dict(), **self.start})

    def logits(self, x: Tensor) -> Tensor:
        return self.classes(self.read(x).mean(1))

    def loss(self, batch: Batch) -> Losses:
        return {"loss": F.cross_entropy(self.logits(batch.x), batch.y)}


class Pretrained(Classifier):
    """The same, on the encoder of a masked language model."""


def test_pretraining_makes_fifty_labels_enough(claim):
    symbols, length, counts = 5, 16, (25, 50, 100)
    sources = [cycle(symbols, stride, clear=0.8) for stride in (1, 2, 3, 4)]

    def labeled(n: int) -> tuple[Tensor, Tensor]:
        x, y = torch.cat([draw(s, n // 4, length) for s in sources]), torch.arange(4).repeat_interleave(n // 4)
        mixed = torch.randperm(len(x))
        return x[mixed] + 1, y[mixed]

    size = {"vocab": symbols + 1, "context": length - 1}
    longer = {"steps": 500, "batch_size": 64, "lr": 2e-3}
    test, test_y = labeled(1000)
    reached: dict[str, list[list[float]]] = {"pre-trained": [], "from scratch": []}
    for seed in range(3):
        torch.manual_seed(seed)
        body = run(Bert, {**size, **longer}, task=Task(labeled(8000)[0]), seed=seed, evaluate=False).model
        Pretrained.start = dict(body.state_dict())
        pool, pool_y = labeled(max(counts))
        for name, cls in zip(reached, (Pretrained, Classifier), strict=True):
            reached[name].append([])
            for n in counts:
                settings = {**size, "steps": 150, "batch_size": 25, "lr": 1e-3, "warmup": 10}
                task = Task(pool[:n], y=pool_y[:n])
                model = run(cls, settings, task=task, seed=seed, evaluate=False).model
                with torch.no_grad():
                    reached[name][-1].append((model.logits(test).argmax(1) == test_y).float().mean().item())
    at = counts.index(50)
    pretrained, scratch = ([curve[at] for curve in curves] for curves in reached.values())
    claim.measure("accuracy", pretrained, baseline=scratch)

    fig, ax = figure(6.0, 3.0)
    for color, (name, seeds) in zip(PALETTE, reached.items(), strict=False):
        for i, accuracy in enumerate(seeds):
            ax.plot(counts, accuracy, "o-", color=color, markersize=3, linewidth=1, label=None if i else name)
    ax.axhline(0.25, color=PALETTE[8], linestyle=":")
    ax.set(xscale="log", xlabel="labeled sequences", ylabel="held-out accuracy", ylim=(0.2, 1.02))
    ax.set(xticks=counts, xticklabels=counts)
    ax.minorticks_off()
    ax.legend(loc="upper left")
    claim.figure(
        "labels",
        fig,
        caption="Accuracy in telling with which of four strides a noisy cycle runs, after the same 150 steps of "
        "fine-tuning all weights; three seeds. The dotted line is chance. Whoever restores symbols has to know the "
        "stride already.",
        alt="Accuracy against labels: the pre-trained curves lie far above those from scratch.",
    )


def test_words_after_the_mask_count(claim):
    task = make("lines")
    words, x = task.facts["words"], task.splits["test"][0]
    model = run(Bert, task=task).model
    join = [words.index(word) for word in ("and", "but")]
    rows, places = torch.nonzero((x == join[0]) | (x == join[1]), as_tuple=True)
    masked = x[rows].index_put((torch.arange(len(rows)), places), torch.tensor(model.mask))
    later = torch.arange(x.shape[1]) > places[:, None]
    blind = masked.masked_fill(later, model.mask)

    def right(ids: Tensor) -> float:
        with torch.no_grad():
            guess = model.predict(ids)[torch.arange(len(rows)), places][:, join].argmax(1)
        return (guess == (x[rows, places] == join[1])).float().mean().item()

    claim.measure("accuracy", right(masked), baseline=right(blind))

    shown = [
        "the wine was superb [mask] the menu was dull",
        "the wine was superb [mask] the menu was not dull",
        "the plot was [mask] but the cast was poor",
        "the plot was [mask] and the cast was poor",
    ]
    fig, axes = figure(7.0, 4.4, 2, 2)
    for ax, text in zip(axes.flat, shown, strict=True):
        ids = torch.tensor([[words.index(w) for w in text.split()] + [2]])
        with torch.no_grad():
            law = model.predict(ids).softmax(-1)[0, text.split().index(MASK)]
        best = law.topk(6)
        ax.barh(np.arange(6), best.values.tolist(), color=PALETTE[0])
        ax.set(xlim=(0, 1), yticks=range(6))
        ax.set_title(text.replace(MASK, "____"), fontsize=8)
        ax.set_yticklabels([words[i] for i in best.indices])
        ax.invert_yaxis()
    for ax in axes[1]:
        ax.set_xlabel("probability")
    claim.figure(
        "hero",
        fig,
        caption="What BERT puts in place of the gap, after 1,600 steps on 4,000 reviews. Above, two reviews are "
        "alike up to the gap, and differ in one word after it: contrast needs `but`, agreement `and`. Below, the "
        "word before the second clause decides which attitude the first one has.",
        alt="Four bar charts of the six likeliest words: but, and, positive adjectives, negative adjectives.",
    )


def test_encoder_is_that_of_the_transformer(claim):
    size = {"vocab": 30, "channels": 32, "heads": 4, "layers": 3}
    same = {"norm_first": True, "activation": "relu", "epsilon": 1e-5}
    ids = torch.randint(1, 30, (8, 12))
    ids[0, 7:] = 0
    there = ids != 0

    def difference(**changes) -> float:
        bert = Bert(Bert.Config(**size, context=11, **{**same, **changes})).double()
        for p in bert.parameters():
            nn.init.normal_(p, std=0.3)
        whole = Transformer(Transformer.Config(**size, context=12, norm_first=bert.cfg.norm_first)).double()
        whole.token.weight.data, whole.place.weight.data = bert.token.data[:-1], bert.place.data
        whole.encoder.load_state_dict(bert.layers.state_dict())
        if bert.cfg.norm_first:
            whole.read_norm.load_state_dict(bert.norm.state_dict())
        with torch.no_grad():
            return (bert.read(ids) - whole.read(ids)[0])[there].abs().max().item()

    claim.measure("difference", difference(), baseline=difference(activation="gelu"))
