"""Claims of the KV cache."""

import time

import numpy as np
import torch
from torch import Tensor, nn

from reference_impl.core import Reference
from reference_impl.figures import INK, PALETTE, figure
from reference_impl.inference.kv_cache import Buffers, CachedSelfAttention
from reference_impl.transformer.gpt import GPT
from reference_impl.transformer.self_attention import SelfAttention
from reference_impl.transformer.transformer import Transformer

WAYS = {"none": PALETTE[1], "buffered": PALETTE[0]}


def model_of(**settings: object) -> CachedSelfAttention:
    """An untrained model with random weights; what is counted does not depend on them."""
    size = {"vocab": 12, "context": 256, "channels": 16, "heads": 2, "layers": 2}
    return CachedSelfAttention(CachedSelfAttention.Config(**{**size, **settings}))


def difference(one_by_one: list[Tensor], whole: Tensor) -> float:
    """Largest absolute difference."""
    return (torch.cat(one_by_one, 1) - whole).abs().max().item()


class Work:
    """Counts, for one text, one layer and one head, what a model does while it is watched."""

    def __init__(self, model: SelfAttention) -> None:
        self.passes, self.products, self.scores = 0, 0, torch.zeros(model.cfg.context, model.cfg.context)
        self.hooks = [
            model.token.register_forward_pre_hook(self.token),
            model.layers[0].softmax.register_forward_pre_hook(self.score),
        ]

    def token(self, _: nn.Module, given: tuple[Tensor]) -> None:
        self.passes += given[0].shape[1]

    def score(self, _: nn.Module, given: tuple[Tensor]) -> None:
        computed = given[0][0, 0] > float("-inf")
        self.products += int(computed.sum())
        t, s = computed.shape
        self.scores[s - t : s, :s] += computed

    def done(self) -> "Work":
        for hook in self.hooks:
            hook.remove()
        return self


def watched(tokens: int, cache: str) -> Work:
    """The work of writing so many tokens after a prompt of one."""
    model = model_of(cache=cache)
    work = Work(model)
    model.sample(1, torch.zeros(1, 1, dtype=torch.long), length=tokens + 1)
    return work.done()


@torch.no_grad()
def test_logits_are_unchanged(claim):
    ids = torch.randint(12, (4, 64))
    plain = SelfAttention(SelfAttention.Config(vocab=12, context=64, channels=32, heads=2, layers=3))
    cached = model_of(context=64, channels=32, layers=3)
    cached.load_state_dict(plain.state_dict())
    whole, away = plain.logits(ids)[0], {}
    # token by token, and in pieces of several
    for size in (1, 7):
        kept = Buffers(cached, 4, 64)
        away[size] = difference([cached.logits(piece, kept)[0] for piece in ids.split(size, 1)], whole)
    claim.measure("tokens", away[1], baseline=(whole - plain.logits(ids[:, 1:])[0][:, -1:]).abs().max().item())
    claim.measure("pieces", away[7])

    gpt = GPT(GPT.Config(vocab=12, context=64, channels=32, heads=2, layers=3))
    # untrained blocks would add nothing, whatever they look at
    for p in gpt.parameters():
        nn.init.normal_(p, std=0.3)
    translator = Transformer(Transformer.Config(vocab=12, context=64, channels=32, heads=2))
    memory = translator.read(ids[:, :20])
    by_gpt, by_translator, kept_by_gpt, kept_by_translator = [], [], None, None
    for token in ids.split(1, 1):
        out, kept_by_gpt = gpt.logits(token, kept_by_gpt)
        by_gpt.append(out)
        out, kept_by_translator = translator.write(token, memory, kept_by_translator)
        by_translator.append(out)
    claim.measure("gpt", difference(by_gpt, gpt.logits(ids)[0]))
    claim.measure("transformer", difference(by_translator, translator.write(ids, memory)[0]))

    texts = []
    for way in ("none", "appended", "buffered"):
        model = model_of(context=64, cache=way).double()
        model.load_state_dict(model_of(context=64).double().state_dict() if not texts else texts[0][0])
        torch.manual_seed(0)
        texts.append((model.state_dict(), model.sample(20)))
    claim.measure("text", sum((x != texts[0][1]).sum().item() for _, x in texts[1:]))


def test_a_token_costs_one_pass(claim):
    lengths = (16, 32, 64, 128)
    work = {way: [watched(t, way) for t in lengths] for way in WAYS}
    t = np.array(lengths)
    counted = {way: np.array([[w.passes, w.products] for w in works]).T for way, works in work.items()}
    formula = {"buffered": (t, t * (t + 1) // 2), "none": (t * (t + 1) // 2, t * (t + 1) * (t + 2) // 6)}
    for way, name in (("buffered", "cached"), ("none", "recomputed")):
        claim.measure(name, float(np.abs(counted[way] - np.array(formula[way])).max()))
    parallel = model_of()
    seen = Work(parallel)
    with torch.no_grad():
        parallel.logits(torch.zeros(1, lengths[-1], dtype=torch.long))
    claim.measure("products", counted["buffered"][1, -1], baseline=seen.done().products)
    slope = {way: float(np.polyfit(np.log(t), np.log(c[0]), 1)[0]) for way, c in counted.items()}
    claim.measure("exponent", slope["buffered"], baseline=slope["none"])
    claim.measure("exponent_without", slope["none"])

    fig, axes = figure(6.6, 2.9, columns=2)
    for ax, works, title in zip(axes, work.values(), ("without a cache", "with a cache"), strict=True):
        times = works[0].scores[:16, :16]
        drawn = ax.imshow(times.masked_fill(times == 0, float("nan")).numpy(), cmap="viridis_r", vmin=1, vmax=16)
        ax.set(title=f"{title}:\n{works[0].products} products", xlabel="token looked at", xticks=(0, 5, 10, 15))
        ax.set(yticks=(0, 5, 10, 15))
    axes[0].set_ylabel("token that looks")
    fig.colorbar(drawn, ax=axes, label="times computed", ticks=(1, 8, 16))
    claim.figure(
        "hero",
        fig,
        caption="How often each product of a query and a key is computed while 16 tokens are written, counted in one "
        "head. Without a cache the first rows are computed again at every step; with it each product is computed once, "
        "as in one parallel pass over the finished text.",
        alt="Two lower triangles: on the left the first rows dark from many repetitions, on the right all light.",
    )

    fig, (left, right) = figure(6.6, 2.8, columns=2)
    for way, color in WAYS.items():
        for ax, row in ((left, 0), (right, 1)):
            ax.loglog(t, counted[way][row], "o-", color=color, markersize=4, label=f"cache: {way}")
    for ax, title in ((left, "token passes"), (right, "score products in a head")):
        ax.set(title=title, xlabel="tokens written")
        ax.set_xticks(t, t)
        ax.minorticks_off()
    left.legend()
    claim.figure(
        "work",
        fig,
        caption="Work of writing T tokens, counted. Passes of a token through the network grow as T with a cache "
        "and as T² without; products of queries and keys as T² and T³.",
        alt="Log-log lines of slope one and two for token passes, two and three for score products.",
    )

    fig, ax = figure(6.0, 2.8)
    weights = sum(p.numel() * 4 for p in model_of(channels=64, heads=4).parameters())
    room = np.array([8, 16, 32, 64, 128, 256])
    for color, n in zip(PALETTE, (1, 8, 64), strict=False):
        model = model_of(channels=64, heads=4)
        kept = [Buffers(model, n, int(r)) for r in room]
        sizes = [(b.k.numel() * b.k.element_size() + b.v.numel() * b.v.element_size()) / 1e6 for b in kept]
        ax.plot(room, sizes, "o-", color=color, markersize=3, label=f"{n} text{'s' if n > 1 else ''}")
    ax.axhline(weights / 1e6, color=INK, linewidth=0.8, linestyle=":")
    ax.annotate("all weights", (8, weights / 1e6), xytext=(0, 3), textcoords="offset points", fontsize=8)
    ax.set(xlabel="tokens there is room for", ylabel="megabytes of cache", xscale="log", yscale="log")
    ax.set_xticks(room, room)
    ax.minorticks_off()
    ax.legend()
    claim.figure(
        "memory",
        fig,
        caption="Bytes of the buffers of a model with two layers of 64 channels. What is kept grows with the length "
        "and with the number of texts, and soon exceeds the weights, which all texts share.",
        alt="Cache size against length for 1, 8 and 64 texts, with the size of the weights as a dotted line.",
    )


@torch.no_grad()
def rewrite(model: Reference, n: int, length: int) -> Tensor:
    """Write with a pass over the whole text for each token."""
    ids = torch.zeros(n, 1, dtype=torch.long)
    while ids.shape[1] < length:
        logits, _ = model.logits(ids)
        ids = torch.cat([ids, torch.multinomial(logits[:, -1].softmax(-1), 1)], 1)
    return ids


def seconds(write) -> float:
    """CPU seconds."""
    started = time.process_time()
    write()
    return time.process_time() - started


def test_generation_is_at_least_twice_as_fast(claim):
    n, length = 8, 257
    start = torch.zeros(n, 1, dtype=torch.long)
    size = {"vocab": 12, "context": length, "channels": 64, "heads": 4, "layers": 2}
    gpt = GPT(GPT.Config(**size))
    speed: dict[str, list[float]] = {"gpt": [], "gpt again": [], "buffered": [], "none": []}
    for _ in range(3):
        speed["gpt"].append(n * 256 / seconds(lambda: gpt.sample(n, start, length)))
        speed["gpt again"].append(n * 256 / seconds(lambda: rewrite(gpt, n, length)))
        for way in WAYS:
            model = model_of(**{**size, "cache": way})
            speed[way].append(n * 256 / seconds(lambda model=model: model.sample(n, start, length)))
    claim.measure("gpt", speed["gpt"], baseline=speed["gpt again"])
    claim.measure("reference", speed["buffered"], baseline=speed["none"])
