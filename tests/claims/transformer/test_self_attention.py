"""Claims of self-attention."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from reference_impl.core import Batch, Losses, Reference, Task, run
from reference_impl.energy.modern_hopfield import ModernHopfield
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.lstm import LSTM
from reference_impl.transformer.self_attention import Attention, SelfAttention

VALUES, PAST = 4, 256


@torch.no_grad()
def moved(model: Reference, ids: Tensor, order: Tensor) -> float:
    """Largest difference between logits of reordered tokens and reordered logits of the tokens."""
    return (model.logits(ids[:, order])[0] - model.logits(ids)[0][:, order]).abs().max().item()


def test_without_positions_order_is_invisible(claim):
    ids, order = torch.randint(32, (8, 100)), torch.randperm(100)
    blind, placed = (SelfAttention(SelfAttention.Config(positions=p, causal=False)) for p in (False, True))
    claim.measure("blind", moved(blind, ids, order), baseline=moved(LSTM(LSTM.Config()), ids, order))
    claim.measure("placed", moved(placed, ids, order))


def test_one_update_of_a_modern_hopfield_network(claim):
    gaps = []
    for channels, heads, memories in [(32, 1, 10), (32, 4, 100), (64, 2, 1000)]:
        layer, width = Attention(channels, heads).double(), channels // heads
        x, source = torch.randn(1, 5, channels).double(), torch.randn(1, memories, channels).double()
        keys, reading = layer.keys(source)[0], torch.randn(heads, width, width).double()
        # values that are a linear map of the keys, one map for each head
        attended = layer(x, (keys, keys @ reading))
        updated = []
        for head, query in enumerate(layer.split(layer.query(x))[0]):
            cfg = ModernHopfield.Config(units=width, memories=memories, beta=width**-0.5, sweeps=1)
            memory = ModernHopfield(cfg).double()
            memory.prepare(Task(keys[0, head]))
            updated.append(memory.attend(query) @ reading[head])
        gaps.append((layer.out(torch.cat(updated, 1)) - attended[0]).abs().max().item())
    claim.measure("gap", max(gaps))


def multiplied(work, *operations) -> float:
    """Multiply-adds of these operations while `work` runs."""
    with FlopCounterMode(display=False) as counter:
        work()
    return sum(counter.get_flop_counts()["Global"].get(operation, 0) for operation in operations) / 2


def slope(lengths: list[int], work: list[float]) -> float:
    """Exponent of a power law through the points."""
    x, y = torch.tensor(lengths).double().log(), torch.tensor(work).double().log()
    return (((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()).item()


def steps_between(output: Tensor, first: Tensor) -> int:
    """Operations on the shortest way back from an output to an input, in the graph that gradients follow."""
    level, seen, length = [output.grad_fn], set(), 0
    while not any(getattr(node, "variable", None) is first for node in level):
        seen.update(level)
        behind = {node for parent in level for node, _ in parent.next_functions if node is not None}
        level, length = list(behind - seen), length + 1
    return length


def last_output(model: Attention | LSTM, x: list[Tensor]) -> Tensor:
    """What the layer makes of the last of the tokens x, (1, 1, C) each."""
    if isinstance(model, Attention):
        stream = torch.cat(x, 1)
        return model(stream, model.keys(stream))[:, -1]
    state = (torch.zeros_like(x[0][0]), torch.zeros_like(x[0][0]))
    for token in x:
        state = model.cell(token[0], state)
    return state[0]


def test_work_grows_with_the_square_of_the_length(claim):
    channels, lengths = 64, [64, 128, 256, 512, 1024]
    layer, recurrent = Attention(channels, 4), LSTM(LSTM.Config(channels=channels))
    mm, addmm, bmm = torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm
    tokens = {t: list(torch.randn(1, t, channels).split(1, 1)) for t in lengths}
    with torch.no_grad():
        # the projections are ordinary products, scores and weighted means those of batches of heads
        pairs = [multiplied(lambda x=x: last_output(layer, x), bmm) for x in tokens.values()]
        rest = [multiplied(lambda x=x: last_output(layer, x), mm, addmm) for x in tokens.values()]
        steps = [multiplied(lambda x=x: last_output(recurrent, x), mm, addmm, bmm) for x in tokens.values()]
    claim.measure("exponent", slope(lengths, pairs), baseline=slope(lengths, steps))

    paths: dict[int, list[int]] = {}
    for length in (16, 64, 256):
        x = [torch.randn(1, 1, channels, requires_grad=True) for _ in range(length)]
        outputs = [last_output(model, x) for model in (layer, recurrent)]
        assert torch.autograd.grad(outputs[0].sum(), x[0], retain_graph=True)[0].abs().min() > 0
        paths[length] = [steps_between(y, x[0]) for y in outputs]
    ratio = [far / near for near, far in zip(paths[16], paths[256], strict=True)]
    claim.measure("path", ratio[0], baseline=ratio[1])

    fig, axes = figure(7.0, 2.9, columns=2)
    for values, name, color in [(pairs, "pairs of tokens", 0), (rest, "projections", 2), (steps, "LSTM", 1)]:
        axes[0].plot(lengths, values, "o-", color=PALETTE[color], markersize=3, label=name)
    axes[0].set(xscale="log", yscale="log", xlabel="tokens T", ylabel="multiply-adds", xticks=lengths)
    axes[0].set_xticks(lengths, lengths)
    axes[0].minorticks_off()
    axes[0].legend()
    for i, (name, color) in enumerate([("self-attention", 0), ("LSTM", 1)]):
        axes[1].plot(list(paths), [p[i] for p in paths.values()], "o-", color=PALETTE[color], markersize=3, label=name)
    axes[1].set(
        xscale="log", yscale="log", xlabel="tokens T", ylabel="operations between\nfirst and last token", ylim=(1, 3000)
    )
    axes[1].set_xticks(list(paths), list(paths))
    axes[1].minorticks_off()
    axes[1].legend(loc="upper left")
    claim.figure(
        "cost",
        fig,
        caption="Left: multiply-adds of one layer with 64 channels, counted while it runs. The projections and an LSTM "
        "grow with T; comparing all pairs of tokens grows with its square and dominates from T = 2C = 128 on. Right: "
        "what one pays for: the way a gradient takes from the last output to the first input does not get longer.",
        alt="Left, a line of slope two crosses one of slope one. Right, a flat line and one that rises with T.",
    )


def recall(n: int, keys: int, past: int, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Records `key has value` at random places of a blank past, then each key as a question.

    Tokens (n, past + keys), answers (n, keys), and how far back each record lies (n, keys).
    """
    value = torch.randint(VALUES, (n, keys), generator=g)
    place = torch.rand(n, past, generator=g).argsort(1)[:, :keys]
    blank, asked = torch.full((n, past), keys * (VALUES + 1)), torch.rand(n, keys, generator=g).argsort(1)
    seen = blank.scatter(1, place, torch.arange(keys) * VALUES + value)
    distance = past + torch.arange(keys) - place.gather(1, asked)
    return torch.cat([seen, keys * VALUES + asked], 1), value.gather(1, asked), distance


class Recall(Task):
    """Fresh sequences at each step; the past grows from nothing but records to 256 over 60 % of the steps."""

    def __init__(self, keys: int, steps: int) -> None:
        super().__init__(torch.zeros(1), vocab=keys * (VALUES + 1) + 1)
        self.keys, self.steps = keys, steps

    def batch(self, stream: str, step: int, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        grown = min(1.0, step / (0.6 * self.steps))
        past = int(self.keys * (PAST / self.keys) ** grown)
        return Batch(*recall(size, self.keys, past, torch.Generator().manual_seed(1000 * step + seed))[:2])


class Answers(Reference):
    """A language model of which only the answers are asked, one after each of the last tokens."""

    def loss(self, batch: Batch) -> Losses:
        answers = self.logits(batch.x)[0][:, -batch.y.shape[1] :]
        return {"loss": F.cross_entropy(answers.flatten(0, 1), batch.y.flatten())}


class Attending(Answers, SelfAttention):
    pass


class Recurrent(Answers, LSTM):
    pass


SETTINGS = {
    Attending: {"channels": 64, "heads": 4, "layers": 1, "positions": False, "lr": 5e-3},
    Recurrent: {"channels": 50, "lr": 1e-2, "clip": 1.0},
}


def trained(cls: type[Answers], keys: int, seed: int) -> Answers:
    """A model that has learned to answer."""
    settings = {**SETTINGS[cls], "steps": 200, "batch_size": 16, "cooldown": 0.5}
    return run(cls, settings, task=Recall(keys, 200), seed=seed, evaluate=False).model


BINS = ((1, 16), (17, 32), (33, 64), (65, 128), (129, 256))


@torch.no_grad()
def accuracy(model: Answers, keys: int) -> list[float]:
    """Share of right answers for records at each range of distances."""
    x, y, distance = recall(500, keys, PAST, torch.Generator().manual_seed(-1))
    right = (model.logits(x)[0][:, -keys:].argmax(2) == y).float()
    return [right[(distance >= a) & (distance <= b)].mean().item() for a, b in BINS]


def test_finds_a_key_at_any_distance(claim):
    few, many = 4, 8
    models = {cls: [trained(cls, many, seed) for seed in range(3)] for cls in SETTINGS}
    sizes = {cls: sum(p.numel() for p in found[0].parameters()) for cls, found in models.items()}
    assert sizes[Attending] <= sizes[Recurrent]
    shares = {cls: [accuracy(m, many) for m in found] for cls, found in models.items()}
    claim.measure("worst", [min(row) for row in shares[Attending]], baseline=[max(row) for row in shares[Recurrent]])
    alone = {cls: [accuracy(trained(cls, few, 0), few)] for cls in SETTINGS}

    fig, axes = figure(7.0, 2.8, columns=2, sharey=True)
    for ax, keys, found in zip(axes, (few, many), (alone, shares), strict=True):
        for rows, name, color in zip(found.values(), ("self-attention", "LSTM"), PALETTE, strict=False):
            for i, row in enumerate(rows):
                ax.plot([b for _, b in BINS], row, "o-", color=color, markersize=3, label=None if i else name)
        ax.axhline(1 / VALUES, color=PALETTE[8], linestyle=":")
        ax.set(
            xscale="log", xlabel="tokens between record and question, up to", title=f"{keys} records", ylim=(0, 1.05)
        )
        ax.set_xticks([b for _, b in BINS], [b for _, b in BINS])
        ax.minorticks_off()
    axes[0].set_ylabel("right answers")
    axes[0].legend(loc="center left")
    claim.figure(
        "distance",
        fig,
        caption="Records such as 'key 3 has value 1' stand somewhere among 256 tokens; then every key is asked for. "
        "Equal parameters, steps and data. Attention compares the question with every record and does not care how far "
        "back it is. Nor does the LSTM, but it holds most of four records and hardly any of eight. Dotted: guessing.",
        alt="Two panels: attention at one in both, the LSTM at 0.85 with four records, near guessing in the other.",
    )

    model = models[Attending][0]
    x, _, distance = recall(1, many, 56, torch.Generator().manual_seed(5))
    weights: list[Tensor] = []
    model.layers[0].softmax.register_forward_hook(lambda *args: weights.append(args[2][0, :, -many:]))
    with torch.no_grad():
        model.logits(x)
    places = torch.arange(56, 56 + many) - distance[0]
    fig, axes = figure(7.0, 4.4, 4, 1, sharex=True)
    for head, ax in enumerate(axes):
        ax.imshow(weights[0][head].numpy(), aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        ax.scatter(places.tolist(), range(many), s=45, facecolors="none", edgecolors=PALETTE[1], linewidths=1)
        ax.set(yticks=[], ylabel=f"head {head + 1}")
    axes[-1].set_xlabel("token looked at: 56 with the records, then the 8 questions")
    claim.figure(
        "hero",
        fig,
        caption="Where each head of the trained layer looks while eight questions are read (rows, the eight last "
        "tokens). Rings mark the record that answers. No head finds all of them, and together they miss none: the work "
        "is shared, and wherever a record stands, its weight is near one.",
        alt="Four maps of attention weights; every row has a dark cell inside its ring in at least one of them.",
    )
