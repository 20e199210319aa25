"""Claims of GPT."""

import itertools
import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.hidden import cycle, draw, predicted
from reference_impl.transformer.gpt import GPT


def trigram(train: Tensor, x: Tensor, symbols: int) -> Tensor:
    """-log p(x_t | x_{t-2}, x_{t-1}) from smoothed counts, t from 2 on: (B, T) -> (B, T-2)."""
    codes = (train[:, :-2] * symbols + train[:, 1:-1]) * symbols + train[:, 2:]
    p = torch.bincount(codes.flatten(), minlength=symbols**3).view([symbols] * 3) + 0.5
    return -(p / p.sum(2, keepdim=True))[x[:, :-2], x[:, 1:-1], x[:, 2:]].log()


@torch.no_grad()
def attention(model: GPT, x: Tensor) -> list[Tensor]:
    """Attention weights (B, N, T, T) of each layer."""
    seen: list[Tensor] = []
    hooks = [b.softmax.register_forward_hook(lambda m, i, out: seen.append(out)) for b in model.blocks]
    model.logits(x)
    for hook in hooks:
        hook.remove()
    return seen


def test_loss_reaches_the_bayes_optimal_filter(claim):
    symbols, source = 6, cycle(6)
    train, test = draw(source, 8000, 65), draw(source, 1000, 65)
    settings = {"channels": 64, "heads": 2, "layers": 2, "steps": 500, "batch_size": 32}
    result = run(GPT, settings, task=Task(train, test, vocab=symbols, context=64), evaluate=False)
    with torch.no_grad():
        guess = result.model.logits(test[:, :-1])[0].softmax(-1)
    exact = predicted(source, test)[:, 1:]
    # from the third symbol on, where the trigram has its two predecessors
    target = test[:, 2:, None]
    floor, loss = (-p[:, 1:].gather(2, target).log().mean().item() for p in (exact, guess))
    counted = trigram(train, test, symbols).mean().item()
    claim.measure("excess", 100 * (loss / floor - 1), baseline=100 * (counted / floor - 1))

    fig, ax = figure(6.0, 3.0)
    ax.plot([r["step"] for r in result.history], [r["loss"] for r in result.history], label="GPT, training batches")
    ax.axhline(math.log(symbols), color=PALETTE[8], linestyle=":", label="uniform guess")
    ax.axhline(counted, color=PALETTE[1], linestyle="--", label="trigram, held out")
    ax.axhline(floor, color=PALETTE[2], label="exact filter, held out")
    ax.set(xlabel="step", ylabel="nats per symbol")
    ax.legend(loc="upper right", bbox_to_anchor=(1, 0.93))
    claim.figure(
        "loss",
        fig,
        caption="Loss of a GPT on a hidden Markov source. The floor is the loss of the forward algorithm, which knows "
        "the source; no predictor does better on average. Counting triples stays above, because the phase of the cycle "
        "shows only in many noisy symbols together.",
        alt="Training loss falls past the trigram's line and settles on the line of the exact filter.",
    )

    fig, axes = figure(7.0, 2.2, columns=4, sharey=True)
    for ax, t in zip(axes, (0, 2, 8, 40), strict=True):
        ax.bar(np.arange(symbols) - 0.2, exact[0, t].numpy(), 0.4, color=PALETTE[2], label="exact filter")
        ax.bar(np.arange(symbols) + 0.2, guess[0, t].numpy(), 0.4, color=PALETTE[0], label="GPT")
        ax.set(title=f"after {t + 1} symbol{'s' if t else ''}", xlabel="next symbol", xticks=range(symbols))
    axes[0].set_ylabel("probability")
    axes[0].legend(loc="upper left")
    claim.figure(
        "next_token",
        fig,
        caption="Probabilities of the next symbol along one held-out sequence: what GPT says and what the exact "
        "filter, which knows the source, says. The longer the past, the surer both are.",
        alt="Four bar charts in which GPT's bars nearly equal those of the exact filter.",
    )

    maps = attention(result.model, test[:200, :-1])
    fig, axes = figure(7.0, 2.2, columns=4)
    for ax, (layer, head) in zip(axes, itertools.product(range(2), range(2)), strict=True):
        mean = maps[layer][:, head].mean(0)
        # each row on its own scale, since early rows share their weight among few tokens
        mean = mean / mean.amax(1, keepdim=True)
        ax.imshow(mean[:32, :32].numpy(), vmin=0, vmax=1, interpolation="nearest", cmap="Blues")
        ax.set(
            title=f"layer {layer + 1}, head {head + 1}",
            xlabel="token looked at",
            xticks=(0, 12, 24),
            yticks=(0, 12, 24),
        )
    axes[0].set_ylabel("predicting token")
    claim.figure(
        "hero",
        fig,
        caption="Where each position looks, averaged over 200 sequences of a source with a noisy cycle of six. Nothing "
        "lies above the diagonal: a token sees only the past. Stripes show heads that compare the same phase of "
        "earlier rounds; nobody told them the period.",
        alt="Four lower-triangular attention maps, one per head, with diagonal stripes.",
    )


def test_probabilities_of_all_strings_sum_to_one(claim):
    model = GPT(GPT.Config(vocab=6, context=8, channels=32, layers=2))
    # an untrained head predicts the uniform law, which would sum to one in any case
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    strings = torch.tensor([(2, *s) for s in itertools.product(range(6), repeat=5)])
    with torch.no_grad():
        log_p = model.log_prob(strings)
    claim.measure("gap", abs(log_p.double().exp().sum().item() - 1))
    claim.measure("range", (log_p.max() - log_p.min()).item())


def test_cached_generation_equals_the_full_pass(claim):
    task = make("text")
    context = task.facts["context"]
    model = run(GPT, {"channels": 64, "layers": 2, "steps": 1000}, task=task, evaluate=False).model.double()
    x = task.splits["test"][0][: 2 * context].view(1, -1)
    with torch.no_grad():
        full, steps, cache = model.logits(x)[0], [], None
        for token in x.split(1, dim=1):
            out, cache = model.logits(token, cache)
            steps.append(out)
        later = model.logits(x[:, 1:])[0]
    claim.measure("difference", (torch.cat(steps, 1) - full).abs().max().item())
    claim.measure("kept", cache[0][0].shape[2] / context)
    # the past does count: without the first token the next logits differ
    claim.measure("past", (later - full[:, 1:])[:, :context].abs().max().item())

    prompt = "A model "
    ids = torch.tensor([[task.facts["characters"].index(c) for c in prompt]])
    torch.manual_seed(0)
    text = "".join(task.facts["characters"][i] for i in model.sample(1, ids, length=400)[0].tolist())
    claim.figure(
        "sample",
        f"prompt: {prompt!r}   seed: 0   temperature: 1\n\n{text}\n",
        caption="What a GPT of two layers writes after 1,000 steps on this catalog's prose, character by character, "
        "three times as far as it can look back. Spelling comes first, then words, and sense last.",
        alt="A few lines of generated text.",
    )

    from reference_impl.transformer.gpt import norm

    model = model.float()

    def step(token: Tensor, keys: Tensor, values: Tensor, hide: Tensor) -> tuple[Tensor, ...]:
        """One token (1, 1) behind the context-1 kept ones (L, 1, N, P, D), of which `hide` (1, P+1) covers empty rows.

        Logits (V,), the keys and values to go on with, and each head's attention (L, N, P+1).
        """
        seen: list[Tensor] = []
        hooks = [b.softmax.register_forward_hook(lambda m, i, out: seen.append(out)) for b in model.blocks]
        x, kept = norm(model.token(token)), []
        for block, *past in zip(model.blocks, keys, values, strict=True):
            x, new = block(x, tuple(past), model.turns(context), hide)
            kept.append(new)
        for hook in hooks:
            hook.remove()
        grown = (torch.stack(pair)[:, :, :, 1:] for pair in zip(*kept, strict=True))
        return model.head(model.last(x))[0, 0], *grown, torch.stack(seen)[:, 0, :, 0]

    cfg = model.cfg
    empty = torch.zeros(cfg.layers, 1, cfg.heads, context - 1, cfg.channels // cfg.heads)
    facts = {"characters": task.facts["characters"], "prompt": prompt, "channels": cfg.channels}
    claim.program("step", step, ids[:, :1], empty, empty, torch.zeros(1, context), module=model, **facts)


class Classifier(GPT):
    """The last logits, read as those of the sequence's class."""

    start: ClassVar[dict[str, Tensor]] = {}
    """Weights to go on from; the others start at random."""

    def prepare(self, task: Task) -> None:
        self.load_state_dict({**self.state_dict(), **self.start})

    def loss(self, batch: Batch) -> Losses:
        logits, _ = self.logits(batch.x)
        return {"loss": F.cross_entropy(logits[:, -1], batch.y)}


class Pretrained(Classifier):
    """The same, on the body of a language model."""


def labels_needed(accuracy: dict[int, float], wanted: float = 0.9) -> float:
    """Labels at which the accuracy first reaches what is wanted, interpolated in log(labels)."""
    n, reached = np.log(list(accuracy)), np.maximum.accumulate(list(accuracy.values()))
    assert reached[-1] >= wanted, f"accuracy {reached[-1]:.2f} at {max(accuracy)} labels"
    return float(np.exp(np.interp(wanted, reached, n)))


def test_pretraining_saves_labels(claim):
    symbols, length, counts = 5, 16, (32, 64, 128, 256, 512, 1024, 2048)
    sources = [cycle(symbols, stride, clear=0.8) for stride in (1, 2, 3, 4)]

    def labeled(n: int) -> tuple[Tensor, Tensor]:
        x = torch.cat([draw(s, n // 4, length + 1) for s in sources])
        return x, torch.arange(4).repeat_interleave(n // 4)

    size = {"vocab": symbols, "context": length + 1, "channels": 32, "heads": 2, "layers": 2}
    test, test_y = labeled(1000)
    curves: dict[str, list[dict[int, float]]] = {"pre-trained": [], "from scratch": []}
    for seed in range(3):
        torch.manual_seed(seed)
        settings = {**size, "steps": 800, "batch_size": 32}
        body = run(GPT, settings, task=Task(labeled(8000)[0]), seed=seed, evaluate=False).model.state_dict()
        Pretrained.start = {k: v for k, v in body.items() if "head" not in k}
        pool, pool_y = labeled(max(counts))
        mixed = torch.randperm(len(pool))
        # each side learns at the better of these two rates for it
        for name, cls, lr in zip(curves, (Pretrained, Classifier), (2e-3, 5e-3), strict=True):
            accuracy: dict[int, float] = {}
            for n in counts:
                task = Task(pool[mixed[:n]], y=pool_y[mixed[:n]])
                settings = {**size, "steps": 300, "batch_size": min(n, 32), "lr": lr}
                model = run(cls, settings, task=task, seed=seed, evaluate=False).model
                with torch.no_grad():
                    accuracy[n] = (model.logits(test)[0][:, -1].argmax(1) == test_y).float().mean().item()
                if accuracy[n] >= 0.9:
                    break
            curves[name].append(accuracy)
    needed = [[labels_needed(accuracy) for accuracy in seeds] for seeds in curves.values()]
    claim.measure("labels", needed[0], baseline=needed[1])

    fig, ax = figure(6.0, 3.0)
    for color, (name, seeds) in zip(PALETTE, curves.items(), strict=False):
        for i, accuracy in enumerate(seeds):
            label = None if i else name
            ax.plot(accuracy.keys(), accuracy.values(), "o-", color=color, markersize=3, linewidth=1, label=label)
    ax.axhline(0.9, color=PALETTE[8], linestyle=":")
    ax.set(xscale="log", xlabel="labeled sequences", ylabel="held-out accuracy", ylim=(0.2, 1.02))
    tried = list(max(curves["from scratch"], key=len))
    ax.set(xticks=tried, xticklabels=tried)
    ax.minorticks_off()
    ax.legend()
    claim.figure(
        "pretraining",
        fig,
        caption="Accuracy in telling with which of four strides a noisy cycle runs, after the same 300 steps of "
        "fine-tuning all weights, from next-token pre-training or from scratch; three seeds, up to the first accuracy "
        "of 0.9. To predict the next symbol one has to infer the stride, so little is left to learn from labels.",
        alt="Accuracy against number of labels: the pre-trained curve rises far to the left of the one from scratch.",
    )
