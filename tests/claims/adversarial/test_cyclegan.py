"""Claims of CycleGAN."""

from functools import cache

import torch

from reference_impl.adversarial.cyclegan import CycleGAN
from reference_impl.adversarial.pix2pix import Pix2Pix
from reference_impl.core import Reference, Task, run, seed_all
from reference_impl.figures import strips
from reference_impl.tasks import make
from reference_impl.tasks.pairs import l1

SEEDS = range(5)
STEPS = 300


@cache
def trained(cycle: float, seed: int) -> CycleGAN:
    """Trained on digits and inverted digits, no digit on both sides."""
    settings = {"steps": STEPS, "cycle": cycle, "cycle_warmup": STEPS // 2}
    return run(CycleGAN, settings, task=make("unpaired"), seed=seed, evaluate=False).model


def to_partners(model: Reference) -> float:
    """L1 distance of translated held-out images to their true partners, which training never uses."""
    x, y = make("unpaired").splits["test"]
    return l1(model.sample(len(y), y), x)


def either_way() -> tuple[torch.Tensor, torch.Tensor]:
    """A domain x that is its own negative, digits and inverted digits, and y, the same at half the contrast."""
    digits = make("images").splits["train"][0]
    x = torch.cat([digits, 1 - digits])[torch.randperm(2 * len(digits), generator=torch.Generator().manual_seed(0))]
    return x, 0.25 + 0.5 * x


def test_the_round_trip_finds_the_inversion(claim):
    ours, alone = ([trained(cycle, s) for s in SEEDS] for cycle in (10.0, 0.0))
    found, by_game = ([to_partners(m) for m in models] for models in (ours, alone))
    claim.measure("distance", found, baseline=by_game)

    x, y = make("unpaired").splits["test"]
    best = min(SEEDS, key=found.__getitem__)
    n = len(y)
    claim.figure(
        "hero",
        strips(
            {
                "y": y,
                "G(y)": ours[best].sample(n, y),
                "F(G(y))": ours[best].inverse(ours[best].sample(n, y)),
                "x": x,
                "F(x)": ours[best].inverse(x),
                "G(F(x))": ours[best].reconstruct(x),
            },
            16,
        ),
        caption="Translated and back, in both directions, by networks that never saw a digit together with its "
        f"partner (held-out digits, the best of {len(SEEDS)} seeds).",
        alt="Six rows of digits: white on black, translated to black on white, back again, and the same the other way.",
    )
    claim.figure(
        "seeds",
        strips(
            {
                "y": y,
                **{f"seed {s}: {found[s]:.2f}": ours[s].sample(n, y) for s in SEEDS},
                f"no cycle: {by_game[0]:.2f}": alone[0].sample(n, y),
                "partner": x,
            },
            16,
        ),
        caption="What every seed made of the same held-out digits, with its L1 distance to the partners. "
        f"{sum(d < 0.12 for d in found)} of {len(SEEDS)} found the inversion. Last but one: seed 0 "
        "trained by the two games alone.",
        alt="Rows of digits as translated by five seeds, by a model without cycle loss, and the true partners.",
    )


def test_the_way_back_returns_the_image(claim):
    x = make("unpaired").splits["test"][0]
    ours, alone = ([l1(trained(cycle, s).reconstruct(x), x) for s in SEEDS] for cycle in (10.0, 0.0))
    claim.measure("round_trip", ours, baseline=alone)


def test_no_pairs_are_needed(claim):
    settings = {"steps": STEPS, "shape": (1, 8, 8), "given": (1, 8, 8)}
    paired = [run(Pix2Pix, settings, task=make("unpaired"), seed=s, evaluate=False).model for s in range(3)]
    ours = [trained(10.0, s) for s in SEEDS]
    claim.measure("distance", list(map(to_partners, ours)), baseline=list(map(to_partners, paired)))

    x, y = make("unpaired").splits["test"]
    seed_all("drawn")
    claim.figure(
        "no_pairs",
        strips(
            {"y": y, "Pix2Pix": paired[0].sample(len(y), y), "CycleGAN": ours[0].sample(len(y), y), "partner": x}, 16
        ),
        caption="Before and after: the same two piles of digits, none in both. Pix2Pix takes the image drawn beside "
        "each for its partner and averages; CycleGAN does not ask for partners.",
        alt="Rows of inverted digits, one blur repeated by Pix2Pix, correct digits by CycleGAN, and the true partners.",
    )


class Affine(torch.nn.Module):
    """Every pixel v becomes slope v + offset."""

    def __init__(self, slope: float, offset: float) -> None:
        super().__init__()
        self.slope, self.offset = slope, offset

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.slope * image + self.offset


def test_a_wrong_map_has_the_same_loss(claim):
    x, y = either_way()
    # a finite domain, all of it at once, so that the expectations of eq. 3 are exact
    x, y = (torch.cat([side[:100], 1 - side[:100]]).double() for side in (x, y))
    maps = {"true": (Affine(2, -0.5), Affine(0.5, 0.25)), "negative": (Affine(-2, 1.5), Affine(-0.5, 0.75))}
    gaps, errors = [], {}
    for seed in range(10):
        seed_all(seed)
        model = CycleGAN(CycleGAN.Config()).double()
        losses = []
        for name, (model.to_x, model.to_y) in maps.items():
            made = model.to_x(y), model.to_y(x)
            parts = model.translators_loss(x, y, *made)
            losses.append(torch.stack([*parts.values(), model.judges_loss(x, y, *made)]))
            errors[name] = l1(made[0], x)
        gaps.append((losses[0] - losses[1]).abs().max().item())
    claim.measure("gap", max(gaps))
    claim.measure("distance", errors["negative"], baseline=errors["true"])


def test_seeds_choose_between_equal_maps(claim):
    x, y = either_way()
    # sides of different images: the first half here, the second there
    task = Task(x[:1400], x[2800:], y=y[1400:2800], test_y=y[2800:], shape=[1, 8, 8], given=[1, 8, 8])
    x, y = task.splits["test"]
    # the sign of the contrast is all that y tells, so blocks must not normalize it away
    settings, seeds = {"steps": 200, "cycle_warmup": 100, "normalize": False}, range(4)
    drawn, turned = {}, {}
    for weight in (0.0, 0.5):
        models = [
            run(CycleGAN, {**settings, "identity": weight}, task=task, seed=s, evaluate=False).model for s in seeds
        ]
        drawn[weight] = [m.sample(len(y), y) for m in models]
        turned[weight] = sum(l1(made, 1 - x) < l1(made, x) for made in drawn[weight])
        if not weight:
            claim.measure("round_trip", [l1(m.reconstruct(x), x) for m in models])
    claim.measure("turned", turned[0.0], baseline=turned[0.5])

    rows = {f"seed {s}": made for s, made in zip(seeds, drawn[0.0], strict=True)}
    claim.figure(
        "permuted",
        strips({"y": y, **rows, "partner": x}, 16),
        caption="The domain of x holds digits and inverted digits alike. The same loss, four seeds: "
        f"{turned[0.0]} of 4 turn every image into the negative of its partner. All return "
        "from the round trip, so no loss tells which seeds are wrong.",
        alt="Rows of images by four seeds; some agree with the partners in the last row, others are their negatives.",
    )


def test_translations_hide_what_the_way_back_needs(claim):
    settings = {"steps": STEPS, "blocks": 2, "cycle_warmup": STEPS // 2, "normalize": False}
    task = make("unpaired", "outlines")
    model = run(CycleGAN, settings, task=task, seed=0, evaluate=False).model
    x = task.splits["test"][0]
    with torch.no_grad():
        sent = model.to_y(x)
        # outlines are black or white, so this removes nothing that an outline can say
        plain = (sent > 0.5).float()
        back, back_plain = model.to_x(sent), model.to_x(plain)
    claim.measure("round_trip", l1(back_plain, x), baseline=l1(back, x))
    claim.figure(
        "hidden",
        strips({"x": x, "F(x)": sent, "G(F(x))": back, "rounded": plain, "G(rounded)": back_plain}, columns=12),
        caption="Hatched shapes to outlines and back. An outline cannot say the phase of the hatching, yet it returns: "
        "F leaves it in the translation, for rectangles as pale lines. Rounded to black and white, as outlines are, "
        "translations lead back to another picture.",
        alt="Rows: hatched shapes, gray outlines, hatched shapes restored, black and white outlines, wrong hatching.",
    )
