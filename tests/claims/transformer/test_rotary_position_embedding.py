"""Claims of rotary position embedding."""

from math import pi

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.text import Text
from reference_impl.transformer.rotary_position_embedding import RotaryAttention, RotaryPositionEmbedding, rotate
from reference_impl.transformer.self_attention import SelfAttention

Rotary, Config = RotaryPositionEmbedding, RotaryPositionEmbedding.Config


def shifted(layer: RotaryAttention, q: Tensor, k: Tensor, by: int) -> Tensor:
    """Scores of queries and keys that stand this many places further on."""
    before = torch.zeros(*k.shape[:2], by, k.shape[3]).to(k)
    return layer.scores(q, torch.cat([before, k], 2))[..., by:]


def test_scores_depend_on_the_distance_alone(claim):
    layer, gaps, norms = RotaryAttention(Config(channels=64, heads=1)), {}, []
    for dtype in (torch.float32, torch.float64):
        q, k = torch.randn(2, 1, 1, 8, 64).to(dtype)
        scores = layer.scores(q, k)
        gaps[dtype] = max((shifted(layer, q, k, by) - scores).abs().max().item() for by in range(1, 1001))
        turned = rotate(q, torch.outer(torch.arange(1000, 1008).double(), layer.rates))
        norms.append((turned.norm(dim=-1) - q.norm(dim=-1)).abs().max().item())
    claim.measure("norms", max(norms))

    learned = SelfAttention(SelfAttention.Config(channels=64, heads=1, layers=1, context=1008))
    attend, tokens = learned.layers[0], learned.token(torch.randint(32, (1, 8)))

    def placed(start: int) -> Tensor:
        x = tokens + learned.place(torch.arange(start, start + 8))
        return attend.scores(attend.split(attend.query(x)), attend.keys(x)[0])

    with torch.no_grad():
        absolute = max((placed(by) - placed(0)).abs().max().item() for by in range(1, 1001))
    claim.measure("float32", gaps[torch.float32], baseline=absolute)
    claim.measure("float64", gaps[torch.float64])

    pairs, places = (0, 3, 6, 9), (0, 1, 2, 4, 8, 16, 32, 64)
    fig, axes = figure(7.2, 3.1, columns=2, width_ratios=[1.25, 1])
    circle = np.exp(1j * np.linspace(0, 2 * pi, 60))
    for row, pair in enumerate(pairs):
        for column, place in enumerate(places):
            tip = 0.42 * np.exp(1j * place * layer.rates[pair].item())
            axes[0].plot(column + 0.42 * circle.real, -row + 0.42 * circle.imag, color=PALETTE[8], linewidth=0.6)
            axes[0].plot([column, column + tip.real], [-row, -row + tip.imag], color=PALETTE[row], linewidth=1.8)
    axes[0].set(aspect="equal", xlabel="position", ylabel="pair of channels")
    axes[0].set_xticks(range(len(places)), places)
    axes[0].set_yticks([-i for i in range(len(pairs))], pairs)
    axes[0].tick_params(length=0)
    axes[0].spines[:].set_visible(False)
    distances = torch.arange(-60, 61)
    arrow, other = torch.randn(2, 1, 1, 1, 64).double()
    for start, style in ((60, "-"), (1060, "--")):
        turned = rotate(arrow, start * layer.rates[None])
        keys = rotate(other.expand(1, 1, 121, 64), torch.outer((start + distances).double(), layer.rates))
        axes[1].plot(distances, (keys @ turned[0, 0, 0])[0, 0] / 8, style, label=f"query at {start}")
    axes[1].set(xlabel="position of the key minus that of the query", ylabel="score", ylim=(-1.4, 1.1))
    axes[1].legend(loc="lower left")
    claim.figure(
        "hero",
        fig,
        caption="Left: four of 32 pairs of channels as clocks; the first turns by a radian per token, later ones ever "
        "more slowly. Right: score of one query with one key at every distance; it is the same wherever the query "
        "stands.",
        alt="Rows of clock hands that turn fast, slowly and hardly at all; two score curves that lie on each other.",
    )


def test_order_is_seen(claim):
    # both directions are visible, so the token that comes next is there to be copied by whoever finds it
    task, ids = Task(torch.randint(16, (4000, 33)), vocab=16, context=32), torch.randint(16, (500, 33))
    cfg = {"channels": 64, "layers": 1, "causal": False, "positions": False, "steps": 150, "batch_size": 32}
    found = {}
    for name, cls in (("rotary", RotaryPositionEmbedding), ("none", SelfAttention)):
        found[name] = []
        for seed in range(3):
            model = run(cls, cfg, task=task, seed=seed, evaluate=False).model
            with torch.no_grad():
                guess = model.logits(ids[:, :-1])[0].argmax(2)
            found[name].append((guess[:, :-1] == ids[:, 1:-1]).float().mean().item())
    claim.measure("copied", found["rotary"], baseline=found["none"])


def stretched(model: RotaryPositionEmbedding, by: float, by_parts: bool = False) -> RotaryPositionEmbedding:
    """The same weights with stretched positions."""
    copy = type(model)(model.cfg.model_copy(update={"stretch": by, "by_parts": by_parts}))
    copy.load_state_dict(model.state_dict())
    return copy


@torch.no_grad()
def at_each_place(model: RotaryPositionEmbedding, length: int) -> Tensor:
    """Held-out loss in nats at each place of windows of this length."""
    x = Text(context=length).windows(100).x
    return F.cross_entropy(model.logits(x[:, :-1])[0].transpose(1, 2), x[:, 1:], reduction="none").mean(0)


WAYS = {"as trained": (1.0, False), "all positions divided by 2": (2.0, False), "by parts": (2.0, True)}


def test_interpolation_by_parts_keeps_the_loss_at_twice_the_length(claim):
    length, curves, increase = 64, {}, {way: [] for way in WAYS}
    # a base that gives the slowest pair about half a radian in a window, as large models have
    cfg = {"channels": 64, "base": 256.0, "context": length}
    for seed in range(3):
        model = run(Rotary, cfg, task=Text(context=length), seed=seed, evaluate=False).model
        trained = at_each_place(model, length).mean().item()
        for way, settings in WAYS.items():
            curves[way] = at_each_place(stretched(model, *settings), 2 * length)
            increase[way].append(curves[way].mean().item() - trained)
    plain, linear, parts = increase.values()
    claim.measure("increase", parts, baseline=plain)
    claim.measure("linear", linear, baseline=plain)
    with pytest.raises(ValueError, match="there are positions for context=64"):
        SelfAttention(SelfAttention.Config(context=length)).logits(torch.zeros(1, 2 * length, dtype=torch.int64))

    fig, ax = figure(6.2, 3.2)
    places = torch.arange(1, 2 * length + 1)
    for (way, curve), color in zip(curves.items(), (PALETTE[1], PALETTE[8], PALETTE[0]), strict=True):
        ax.plot(
            places.view(-1, 8).float().mean(1), curve.view(-1, 8).mean(1), "o-", markersize=3, color=color, label=way
        )
    ax.axvline(length, color=PALETTE[8], linestyle=":")
    ax.text(length - 1, ax.get_ylim()[1], "length of training", ha="right", va="top")
    ax.set(xlabel="position in the window", ylabel="held-out loss [nats]")
    ax.set_ylim(bottom=1.2)
    ax.legend(loc="lower left")
    claim.figure(
        "length",
        fig,
        caption="One model of text, trained on windows of 64 characters and read on windows of 128 without any further "
        "step. With angles it never met, the loss rises past 64. Dividing all positions by two blurs neighbors and "
        "costs everywhere; sparing the pairs that have come round anyway keeps the loss.",
        alt="Loss against position: one curve rises beyond 64, one is high throughout, one stays low and flat.",
    )


KEYS, VALUES = 8, 4


def retrieval(n: int, length: int, g: torch.Generator) -> Batch:
    """Eight records at random places of a blank text, then each of their keys; answers (n, 8)."""
    past, value = length - KEYS, torch.randint(VALUES, (n, KEYS), generator=g)
    place = torch.rand(n, past, generator=g).argsort(1)[:, :KEYS]
    blank, asked = torch.full((n, past), KEYS * (VALUES + 1)), torch.rand(n, KEYS, generator=g).argsort(1)
    text = blank.scatter(1, place, torch.arange(KEYS) * VALUES + value)
    return Batch(torch.cat([text, KEYS * VALUES + asked], 1), value.gather(1, asked))


class Retrieval(Task):
    """Fresh texts of 64 tokens at each step."""

    def batch(self, stream: str, step: int, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        return retrieval(size, 64, torch.Generator().manual_seed(1000 * step + seed))


class Retriever(RotaryPositionEmbedding):
    """Only the answers count."""

    def loss(self, batch: Batch) -> Losses:
        answers = self.logits(batch.x)[0][:, -KEYS:]
        return {"loss": F.cross_entropy(answers.flatten(0, 1), batch.y.flatten())}


def test_interpolation_keeps_what_is_found_by_content(claim):
    task, lengths = Retrieval(torch.zeros(1), vocab=KEYS * (VALUES + 1) + 1), (32, 64, 96, 128, 192, 256)
    cfg = {"channels": 64, "layers": 1, "base": 256.0, "context": 64, "steps": 300}
    losses: dict[bool, list[list[float]]] = {False: [], True: []}
    for seed in range(3):
        model = run(Retriever, cfg, task=task, seed=seed, evaluate=False).model
        for interpolated, rows in losses.items():
            rows.append([])
            for length in lengths:
                reader = stretched(model, max(1.0, length / 64)) if interpolated else model
                with torch.no_grad():
                    rows[-1].append(
                        reader.loss(retrieval(300, length, torch.Generator().manual_seed(1)))["loss"].item()
                    )
    at, base = lengths.index(128), lengths.index(64)
    kept, lost = ([row[at] - row[base] for row in losses[i]] for i in (True, False))
    claim.measure("increase", kept, baseline=lost)

    fig, ax = figure(6.0, 3.0)
    names = {False: "as trained", True: "positions divided by length / 64"}
    for (interpolated, rows), color in zip(losses.items(), (PALETTE[1], PALETTE[0]), strict=True):
        for i, row in enumerate(rows):
            ax.plot(lengths, row, "o-", markersize=3, color=color, label=None if i else names[interpolated])
    ax.axvline(64, color=PALETTE[8], linestyle=":")
    ax.set(xlabel="tokens", ylabel="loss of the answers [nats]")
    ax.legend()
    claim.figure(
        "retrieval",
        fig,
        caption="Eight records stand somewhere in a text, and each is asked for. Trained on 64 tokens (dotted), three "
        "runs, one of which confuses two records. Where records are found by what they say, distances may be squeezed; "
        "angles never met make the search fail.",
        alt="Loss against length: one set of curves rises steeply beyond 64 tokens, the other stays flat.",
    )
