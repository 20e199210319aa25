"""Claims of grouped-query attention."""

import torch

from reference_impl.core import Batch, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.hidden import cycle, draw, predicted
from reference_impl.transformer.grouped_query_attention import GroupedQueryAttention
from reference_impl.transformer.self_attention import Cache, SelfAttention

HEADS = 8


def kept(cache: Cache) -> int:
    """Bytes of all keys and values."""
    return sum(t.element_size() * t.numel() for keys in cache for t in keys)


def model_with(groups: int, **settings: int) -> GroupedQueryAttention:
    """An untrained model with this many groups of eight heads."""
    return GroupedQueryAttention(GroupedQueryAttention.Config(heads=HEADS, groups=groups, **settings))


def test_cache_shrinks_to_groups_over_heads(claim):
    ids, groups = torch.randint(32, (3, 40)), (8, 4, 2, 1)
    with torch.no_grad():
        whole = kept(SelfAttention(SelfAttention.Config(heads=HEADS)).logits(ids)[1])
        shares = [kept(model_with(g).logits(ids)[1]) / whole for g in groups]
    claim.measure("gap", max(abs(share - g / HEADS) for share, g in zip(shares, groups, strict=True)))

    fig, axes = figure(7.2, 1.9, columns=4)
    for ax, count, share in zip(axes, groups, shares, strict=True):
        for head in range(HEADS):
            group = head * count // HEADS
            below = (group + 0.5) * HEADS / count - 0.5
            ax.plot([head, below], [1, 0], "-", color=PALETTE[group], linewidth=1)
            ax.plot(head, 1, "o", color=PALETTE[group], markersize=7)
            ax.plot(below, 0, "s", color=PALETTE[group], markersize=10)
        ax.set(title=f"G = {count}: cache {share:.3g}", ylim=(-0.3, 1.3), xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    axes[0].set_yticks([0, 1], ["keys and values", "queries"])
    axes[0].tick_params(length=0)
    claim.figure(
        "sharing",
        fig,
        caption="Who asks whom: eight heads of queries (dots) and G heads of keys and values (squares), from "
        "multi-head to multi-query attention. Squares are what is kept of each token; above, the measured share of the "
        "cache.",
        alt="Four diagrams; eight dots are joined to eight, four, two and one squares.",
    )


def test_as_many_groups_as_heads_is_multi_head_attention(claim):
    model, ids = model_with(HEADS).double(), torch.randint(32, (3, 40))
    multi_head = SelfAttention(SelfAttention.Config(heads=HEADS)).double()
    multi_head.load_state_dict(model.state_dict())
    with torch.no_grad():
        claim.measure("gap", (model.logits(ids)[0] - multi_head.logits(ids)[0]).abs().max().item())
        # one more reduction: equal key and value heads are as good as shared ones
        shared = model_with(2).double()
        state = multi_head.state_dict()
        for name, weights in shared.state_dict().items():
            if ".key." in name or ".value." in name:
                # each head of keys is repeated for the four heads of queries that it serves
                heads = weights.unflatten(0, (2, -1)).repeat_interleave(HEADS // 2, 0)
                state[name] = heads.flatten(0, 1)
            else:
                state[name] = weights
        multi_head.load_state_dict(state)
        claim.measure("tied", (shared.logits(ids)[0] - multi_head.logits(ids)[0]).abs().max().item())


def test_little_is_lost_at_a_quarter_of_the_cache(claim):
    source, losses = cycle(12), {}
    x, held_out = draw(source, 6000, 49), draw(source, 500, 49)
    best = -predicted(source, held_out).gather(2, held_out[..., None])[:, 1:].log().mean().item()
    task = Task(x, vocab=12, context=48)
    for groups in (8, 2, 1):
        losses[groups] = []
        for seed in range(3):
            cfg = {"channels": 64, "heads": HEADS, "groups": groups}
            model = run(GroupedQueryAttention, cfg, task=task, seed=seed, evaluate=False).model
            with torch.no_grad():
                losses[groups].append(model.loss(Batch(held_out))["loss"].item())
    claim.measure("loss", losses[2], baseline=losses[8])
    claim.measure("one", losses[1], baseline=losses[8])

    fig, ax = figure(6.0, 3.0)
    for (groups, values), color in zip(losses.items(), PALETTE, strict=False):
        with torch.no_grad():
            size = kept(model_with(groups, channels=64).logits(held_out[:1, :48])[1]) / 1024
        ax.plot([size] * 3, values, "o", color=color, markersize=5)
        ax.text(size * 1.08, sum(values) / 3, f"G = {groups}", color=color, va="center")
    ax.axhline(best, color=PALETTE[8], linestyle=":")
    ax.text(60, best, "optimal filter", ha="right", va="bottom")
    ax.set(xscale="log", xlabel="cache of 48 tokens [KiB]", ylabel="held-out loss [nats]", xlim=(5, 80))
    ax.set_xticks([6, 12, 24, 48], ["6", "12", "24", "48"])
    ax.minorticks_off()
    ax.set_ylim(best - 0.05, max(map(max, losses.values())) + 0.05)
    claim.figure(
        "hero",
        fig,
        caption="Held-out loss on a hidden Markov source against the size of the cache, for eight heads of queries and "
        "G heads of keys and values; three runs each at equal steps. At a quarter or an eighth of the cache the loss "
        "changes less than from one run to the next. Dotted: the best that any model can do.",
        alt="Three groups of points at 6, 12 and 48 KiB at the same height, a little above a dotted line.",
    )
