"""Claims of classifier-free guidance."""

from functools import cache

import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import Tensor, nn

from reference_impl.core import run, seed_all
from reference_impl.diffusion.classifier_free_guidance import ClassifierFreeGuidance
from reference_impl.diffusion.ddim import levels, walk
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.tasks.images import digits
from reference_impl.tasks.measures import frechet

SCALES = (0.0, 0.5, 1.0, 2.0, 4.0)
# variances of the class and of all data, in the Gaussian counterexample
CLASS, ALL = 1.0, 2.0


@cache
def trained() -> ClassifierFreeGuidance:
    return run(ClassifierFreeGuidance, evaluate=False).model


def guided(model: ClassifierFreeGuidance, scale: float) -> ClassifierFreeGuidance:
    """The model with its dial set."""
    model.cfg = model.cfg.model_copy(update={"guidance": scale})
    return model


@cache
def drawn(scale: float) -> Tensor:
    """The digits that held-out labels ask for, from the same noise at every scale: (360, 1, 8, 8)."""
    model = guided(trained(), scale)
    seed_all("digits")
    return model.sample(360, digits()[1][:360]).clamp(0, 1)


def spread(x: Tensor, y: Tensor) -> float:
    """Variance within a class, summed over pixels, mean over classes."""
    return torch.stack([x[y == c].flatten(1).var(0).sum() for c in range(10)]).mean().item()


def same_noise(model: DDPM, y: Tensor | None) -> Tensor:
    seed_all("noise")
    return model.sample(8, y)


def furthest(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()


class ExactNoise(nn.Module):
    """E[eps | x_t] for x ~ N(0, 1) in class 0, and N(0, 2) without label."""

    def __init__(self, abar: Tensor) -> None:
        super().__init__()
        self.abar = abar

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        abar = self.abar[(t * (len(self.abar) - 1)).round().long()][:, None]
        variance = torch.where(y == 0, CLASS, ALL)[:, None]
        return (1 - abar).sqrt() * x / (abar * variance + 1 - abar)


def exact(scale: float) -> ClassifierFreeGuidance:
    """The counterexample as a guided model without any error of learning."""
    cfg = ClassifierFreeGuidance.Config(shape=(1,), classes=1, timesteps=1000, guidance=scale)
    model = ClassifierFreeGuidance(cfg)
    model.averaged = ExactNoise(model.abar)
    return model


def deterministic_variance(scale: float) -> float:
    """The deterministic sampler multiplies its noise by a number; the square of that is the variance."""
    model, one = exact(scale), torch.ones(1, 1)
    return walk(model, one, levels(model, 1000), torch.zeros(1)).square().item()


def test_scale_one_is_the_conditional_model(claim):
    seed_all("weights")
    model = ClassifierFreeGuidance(ClassifierFreeGuidance.Config(timesteps=20))
    plain = DDPM(DDPM.Config(timesteps=20))
    plain.averaged = model.averaged
    y = torch.arange(8)
    conditional, unconditional = same_noise(plain, y), same_noise(plain, model.without(y))
    two = same_noise(guided(model, 2.0), y)
    one = same_noise(guided(model, 1.0), y)
    claim.measure("conditional", furthest(one, conditional), baseline=furthest(two, conditional))
    zero = max(furthest(same_noise(guided(model, w), z), unconditional) for w, z in ((0.0, y), (3.0, None)))
    claim.measure("unconditional", zero, baseline=furthest(two, unconditional))


def test_guidance_trades_diversity_for_the_label(claim):
    x, y = digits()
    train, asked = (x[360:].flatten(1), y[360:]), y[:360]
    svm = SVC(C=10).fit(*train)
    judge = LogisticRegression(C=0.1, max_iter=500).fit(*train)
    samples = {w: drawn(w) for w in (*SCALES, 8.0)}
    right = {w: svm.score(s.flatten(1), asked) for w, s in samples.items()}
    certain = [judge.predict_log_proba(s.flatten(1))[range(360), asked].mean() for s in samples.values()]
    spreads = {w: spread(s, asked) for w, s in samples.items()}
    claim.measure("accuracy", right[4.0], baseline=right[0.0])
    claim.measure("certainty_order", spearmanr(SCALES, certain[:-1]).statistic)
    claim.measure("spread_order", spearmanr(SCALES, list(spreads.values())[:-1]).statistic)
    claim.measure("spread", spreads[4.0], baseline=spreads[1.0])
    test = x[:360].flatten(1)
    claim.measure("distance", frechet(test, drawn(8.0).flatten(1)), baseline=frechet(test, drawn(1.0).flatten(1)))

    fig, axes = figure(6.6, 2.8, columns=len(samples))
    for ax, (w, drawings) in zip(axes, samples.items(), strict=True):
        rows = torch.cat([drawings[asked == c][:4] for c in range(10)])
        show_images(ax, rows, columns=4, title=f"w = {w:g}")
    claim.figure(
        "hero",
        fig,
        caption="Four samples for each label, 0 to 9 from top to bottom, from the same noise at each strength w. At 0 "
        "the label is ignored, at 1 it is obeyed; beyond, the digits of a row grow alike, at last in black and white.",
        alt="Six sheets of digits; rows show arbitrary digits at w = 0 and ever more uniform ones as w grows.",
    )

    fig, ax = figure(4.8, 3.0)
    across, up = [spreads[w] for w in SCALES], [100 * right[w] for w in SCALES]
    ax.plot(across, up, "o-")
    for w, left, low in zip(SCALES, across, up, strict=True):
        # the last two are close together
        ax.annotate(f"w = {w:g}", (left, low), xytext=(2, 5 if w == 4 else -12), textcoords="offset points")
    held_out = spread(x[:360], asked), 100 * svm.score(test, asked)
    ax.scatter(*held_out, color=PALETTE[1], marker="s", zorder=3)
    ax.annotate("held-out digits", held_out, xytext=(8, -3), textcoords="offset points", color=PALETTE[1])
    ax.set(xlabel="variance within a class, pixel²", ylabel="label recognized, %", ylim=(0, 112))
    claim.figure(
        "accuracy_diversity",
        fig,
        caption="Share of samples in which a classifier finds the label asked for, against their variety. Once the "
        "label is obeyed, more guidance has hardly any accuracy left to buy and still costs variety.",
        alt="Curve from few recognized labels and much variance at w = 0 to nearly all and less at w = 1, then flat.",
    )
    model = trained()
    claim.program("noise", model.averaged, x[:1], torch.ones(1), y[:1], abar=model.abar.tolist())


def test_hiding_labels_costs_little(claim):
    x, _ = digits()
    test, train = x[:360].flatten(1), x[360:720].flatten(1)
    floor = frechet(test, train)
    claim.measure("with_label", frechet(test, drawn(1.0).flatten(1)), baseline=floor)
    claim.measure("without_label", frechet(test, drawn(0.0).flatten(1)), baseline=floor)


def test_guided_samples_do_not_follow_the_tilted_density(claim):
    tilted = 2 / (3 + 1)
    ancestral = exact(3.0).sample(50_000, torch.zeros(50_000))
    claim.measure("deterministic", deterministic_variance(3.0), baseline=tilted)
    claim.measure("ancestral", ancestral.var().item(), baseline=tilted)

    w = torch.linspace(1, 6, 51)
    fig, ax = figure(5.4, 3.0)
    ax.plot(w, 2 / (w + 1), color=INK, label="tilted density, 2 / (w + 1)")
    ax.plot(w, (2 - 2 ** (2 - 2 * w)) / (2 * w - 1), color=PALETTE[1], label="ancestral, theory")
    ax.plot(w, 2 ** (1 - w), color=PALETTE[0], label="deterministic, theory")
    at = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    ax.plot(at, [deterministic_variance(v) for v in at], "o", color=PALETTE[0], label="measured")
    ax.plot(at, [exact(v).sample(5_000, torch.zeros(5_000)).var() for v in at], "o", color=PALETTE[1])
    ax.set(xlabel="w", ylabel="variance", ylim=(0, 1.05))
    ax.legend()
    claim.figure(
        "variance",
        fig,
        caption="A class N(0, 1) within N(0, 2), sampled with exact scores. At w = 1 all agree. Beyond, samples are "
        "narrower than the tilted density, and how much depends on the sampler.",
        alt="Three curves that fall from 1 at w = 1: tilted density highest, deterministic sampling lowest; dots on "
        "the curves of both samplers.",
    )
