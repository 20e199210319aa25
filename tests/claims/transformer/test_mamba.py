"""Claims of Mamba."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, Reference, Result, Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.copying import BLANK, GO, selective, strings
from reference_impl.transformer.gpt import GPT
from reference_impl.transformer.mamba import Mamba, Mixer
from reference_impl.transformer.self_attention import hide_future

ITEMS, SYMBOLS, LENGTH = 4, 8, 59


def answers(model: Mamba | GPT, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and targets of all tokens after GO, where the past decides: (B, K, V), (B, K)."""
    start = int((x[0] == GO).nonzero())
    return model.logits(x[:, :-1])[0][:, start:], x[:, start + 1 :]


def answer_loss(model: Mamba | GPT, batch: Batch) -> Losses:
    """Cross-entropy of the answer alone, and the share of its tokens that is right."""
    logits, target = answers(model, batch.x)
    right = (logits.argmax(-1) == target).float().mean()
    return {"loss": F.cross_entropy(logits.flatten(0, 1), target.flatten()), "right": right}


class MambaCopier(Mamba):
    """Mamba, trained on the answer alone."""

    def loss(self, batch: Batch) -> Losses:
        return answer_loss(self, batch)


class GPTCopier(GPT):
    """GPT, trained on the answer alone."""

    def loss(self, batch: Batch) -> Losses:
        return answer_loss(self, batch)


def copied(cls: type[Reference], settings: dict[str, object], x: Tensor) -> Result:
    """Trained on rows of a copying task."""
    size = {"vocab": SYMBOLS + 2, "context": x.shape[1] - 1, "channels": 32, "batch_size": 32}
    return run(cls, {**size, **settings}, task=Task(x), evaluate=False)


def opened(model: Mamba, x: Tensor) -> list[Tensor]:
    """Delta of each layer at each token, a mean over channels: (B, T)."""
    seen: list[Tensor] = []
    hooks = [
        m.dt_proj.register_forward_hook(lambda m, i, out: seen.append(F.softplus(out).mean(2).T)) for m in model.mixers
    ]
    model.logits(x)
    for hook in hooks:
        hook.remove()
    return seen


def test_selection_solves_selective_copying(claim):
    train, test = (selective(n, LENGTH, ITEMS, SYMBOLS) for n in (8000, 1000))
    results = {s: copied(MambaCopier, {"selective": s, "steps": 550, "lr": 7e-3}, train) for s in (True, False)}
    models = [r.model for r in results.values()]
    with torch.no_grad():
        right = [answer_loss(m, Batch(test))["right"].item() for m in models]
        gates = opened(results[True].model, test[:, :-1])
    claim.measure("accuracy", right[0], baseline=right[1])
    sizes = [sum(p.numel() for p in m.parameters()) for m in models]
    claim.measure("parameters", sizes[0], baseline=sizes[1])

    fig, ax = figure(6.0, 2.8)
    for (chosen, r), label in zip(results.items(), ("depend on the token", "constant"), strict=True):
        ax.plot([h["step"] for h in r.history], [h["right"] for h in r.history], color=PALETTE[not chosen], label=label)
    ax.axhline(1 / SYMBOLS, color=PALETTE[8], linestyle=":")
    ax.set(xlabel="step", ylabel="symbols copied right", ylim=(0, 1.03))
    ax.legend(title="Delta, B and C", loc="center right")
    claim.figure(
        "training",
        fig,
        caption="Four symbols at random places among 55 blanks are to be repeated in order: share of right symbols in "
        "training batches, with and without selection; dotted, the guess. A convolution weighs tokens by their "
        "distance, and here the distance says nothing.",
        alt="Accuracy with selection rises to one within 550 steps; without it stays near one in eight.",
    )

    row, t = test[0, :-1], np.arange(test.shape[1] - 1)
    fig, axes = figure(7.0, 3.2, 2, sharex=True)
    for i, (ax, gate) in enumerate(zip(axes, gates, strict=True)):
        colors = [PALETTE[8] if k == BLANK else PALETTE[2] if k == GO else PALETTE[1] for k in row.tolist()]
        ax.bar(t, gate[0].numpy(), 0.8, color=colors)
        ax.set_ylabel(f"Delta, layer {i + 1}")
    marks = [("·" if k == BLANK else "GO" if k == GO else "abcdefgh"[k - 2]) for k in row.tolist()]
    axes[1].set_xticks(t, marks, fontsize=6)
    axes[1].tick_params(length=0)
    claim.figure(
        "hero",
        fig,
        caption="Delta along one held-out row, a mean over channels: how much of the state is exchanged for the token. "
        "Symbols (orange) and blanks (gray) are treated differently; training said nothing but what the copy is.",
        alt="Bars of Delta over the sequence; those at symbols stand out from those at blanks.",
    )
    symbol = test[:, :LENGTH] != BLANK
    ratios = [(g[:, :LENGTH][symbol].mean() / g[:, :LENGTH][~symbol].mean()).item() for g in gates]
    claim.measure("opening", max(max(r, 1 / r) for r in ratios))


def test_scan_recurrence_and_masked_attention_are_the_same(claim):
    ids = torch.randint(32, (3, 37))
    steps, rounds = (Mamba(Mamba.Config(parallel=p)) for p in (False, True))
    rounds.load_state_dict(steps.state_dict())
    with torch.no_grad():
        whole, states = rounds.logits(ids)
        one, cache = [], None
        for token in ids.split(1, dim=1):
            out, cache = steps.logits(token, cache)
            one.append(out)
        differences = [(torch.cat(one, 1) - whole).abs().max(), (steps.logits(ids)[0] - whole).abs().max()]
        differences += [
            (a - b).abs().max() for now, then in zip(states, cache, strict=True) for a, b in zip(now, then, strict=True)
        ]
    claim.measure("scan", max(differences).item())

    cfg = Mamba.Config()
    mixer, x = Mixer(cfg), torch.randn(24, 2, cfg.expand * cfg.channels)
    with torch.no_grad():
        # one number A for each channel, as in the scalar form; each channel is a head of width one
        mixer.A_log.copy_(torch.randn(len(mixer.A_log), 1).expand_as(mixer.A_log))
        mixer.dt_proj.bias.add_(3)
        y, _ = mixer.ssm(x, torch.zeros(2, cfg.state, x.shape[2]))
        delta, b, c = mixer.coefficients(x)
        log_decay = (-mixer.A_log.exp()[:, 0] * delta[:, :, 0]).cumsum(0).permute(1, 2, 0)  # (B, E, T)
        mask = (log_decay[..., None] - log_decay[..., None, :] + hide_future(24, 24, x.device)).exp()
        # queries C, keys B, values Delta x; the mask decays instead of being 0 or 1, and there is no softmax
        weights = mask * torch.einsum("tbn,sbn->bts", c[..., 0], b[..., 0])[:, None]
        attended = torch.einsum("bets,sbe->tbe", weights, delta[:, :, 0] * x) + mixer.D * x
    claim.measure("masked_attention", (attended - y).abs().max().item())
    claim.measure("memory", (y - mixer.D * x).abs().max().item())


def test_a_fixed_state_copies_short_strings_and_no_long_ones(claim):
    lengths = (4, 8, 16)
    curves: dict[str, list[float]] = {"GPT": [], "Mamba": []}
    for length in lengths:
        train, test = (strings(n, length, SYMBOLS) for n in (8000, 1000))
        for name, cls, settings in (
            ("GPT", GPTCopier, {"layers": 2, "heads": 2, "lr": 5e-3}),
            ("Mamba", MambaCopier, {"layers": 2, "channels": 40, "lr": 7e-3}),
        ):
            model = copied(cls, {**settings, "steps": 300}, train).model
            with torch.no_grad():
                logits, target = answers(model, test)
            curves[name].append((logits.argmax(-1) == target).all(1).float().mean().item())
            size = sum(p.numel() for p in model.parameters())
            if length == lengths[-1]:
                claim.measure(name.lower() + "_parameters", size)
    claim.measure("long", curves["Mamba"][-1], baseline=curves["GPT"][-1])
    claim.measure("short", curves["Mamba"][0], baseline=curves["GPT"][0])

    fig, ax = figure(6.0, 2.8)
    for (name, curve), marker in zip(curves.items(), "so", strict=True):
        ax.plot(lengths, curve, marker + "-", markersize=4, label=name)
    ax.set(xlabel="length of the string", ylabel="strings copied without error", ylim=(-0.03, 1.05), xticks=lengths)
    ax.legend(loc="center right")
    claim.figure(
        "copying",
        fig,
        caption="Random strings of eight symbols, to be said again; each point is a model of its own, trained for 300 "
        "steps on that length. GPT looks each symbol up where it stands. Mamba must keep all of them apart in a state "
        "that does not grow, and in the same training it learns so for the shortest alone.",
        alt="GPT's curve stays at one; Mamba's is one at length 4 and zero at 16.",
    )
