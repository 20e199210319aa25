"""Claims of Pix2Pix."""

from functools import cache

import torch

from reference_impl.adversarial.cyclegan import CycleGAN
from reference_impl.adversarial.pix2pix import Pix2Pix
from reference_impl.core import Task, run, seed_all
from reference_impl.figures import INK, PALETTE, figure, strips
from reference_impl.tasks import make
from reference_impl.tasks.measures import flops_per_step
from reference_impl.tasks.pairs import l1, spectrum, spectrum_error

SEEDS = range(3)
# photographed textures have less contrast than hatching, so the game takes longer to matter
SETTINGS = {"outlines": {"steps": 700, "lr": 2e-3}, "digits": {"steps": 300}, "sharpen": {"steps": 500, "l1": 2.0}}


@cache
def task_of(name: str, data: str) -> Task:
    return make(name, data)


@cache
def trained(data: str, adversarial: float, seed: int, task: str = "pairs") -> Pix2Pix:
    settings = SETTINGS[data] | {"adversarial": adversarial}
    return run(Pix2Pix, settings, task=task_of(task, data), seed=seed, evaluate=False).model


def made(model: torch.nn.Module, data: str) -> torch.Tensor:
    """What a model makes of the held-out images y."""
    y = task_of("pairs", data).splits["test"][1]
    seed_all("made")
    return model.sample(len(y), y)


def covered(x: torch.Tensor) -> torch.Tensor:
    """Where a picture has ink within one pixel, so that white stripes count as covered."""
    return torch.nn.functional.max_pool2d(x, 3, stride=1, padding=1) > 0.3


def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean share of the covered area that two pictures have in common."""
    a, b = covered(a), covered(b)
    return ((a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3))).mean().item()


def test_patches_restore_the_top_octave(claim):
    found = {}
    for name, data, seeds in (("hatching", "outlines", SEEDS), ("textures", "sharpen", SEEDS[:1])):
        x = task_of("pairs", data).splits["test"][0]
        found[name] = [[made(trained(data, a, s), data) for s in seeds] for a in (1.0, 0.0)]
        ours, plain = ([spectrum_error(image, x) for image in images] for images in found[name])
        claim.measure(name, ours, baseline=plain)

    x, y = task_of("pairs", "outlines").splits["test"]
    both, plain = found["hatching"]
    claim.figure(
        "hero",
        strips({"given": y, "L1 alone": plain[0], "L1 + patches": both[0], "partner": x}, 12),
        caption="Held-out outlines and what is made of them. The phase of the hatching cannot be known from the "
        "outline: L1 alone paints the median, flat gray. Judged by patches, the generator hatches in the right "
        "direction and darkness, at a phase of its own.",
        alt="Rows of outlines, flat gray shapes, hatched shapes, and the true hatched shapes.",
    )
    fig, axes = figure(6.6, 2.6, columns=2)
    for ax, (name, data) in zip(axes, (("hatching", "outlines"), ("textures", "sharpen")), strict=True):
        x = task_of("pairs", data).splits["test"][0]
        rings = torch.arange(1, x.shape[2] // 2 + 1) / x.shape[2]
        for color, images in zip(PALETTE[:2], found[name], strict=True):
            for image in images:
                ax.semilogy(
                    rings, spectrum(image), color=color, linewidth=1, label=color if image is images[0] else None
                )
        ax.semilogy(rings, spectrum(x), color=INK, linestyle=":", linewidth=2)
        ax.axvspan(0.25, 0.5, color=PALETTE[8], alpha=0.15, linewidth=0)
        ax.set(title=name, xlabel="cycles per pixel", ylabel="power" if ax is axes[0] else "")
    handles = [*axes[0].get_legend_handles_labels()[0], axes[0].lines[-1]]
    axes[0].legend(handles, ["L1 + patches", "L1 alone", "true"], loc="lower left")
    claim.figure(
        "spectra",
        fig,
        caption="Mean power by frequency of held-out pictures, a line per seed; the top octave is shaded. L1 alone "
        "loses power where the input does not determine the detail; the patch discriminator puts it back.",
        alt="Two panels of power spectra: in the top octave L1 alone falls below the truth, Pix2Pix follows it.",
    )
    x, y = task_of("pairs", "sharpen").splits["test"]
    both, plain = found["textures"]
    some = torch.arange(0, 240, 20)
    claim.figure(
        "textures",
        strips({"given": y[some], "L1 alone": plain[0][some], "L1 + patches": both[0][some], "partner": x[some]}, 12),
        caption="Blurred brick, grass and gravel from a part of the pictures that was not trained on. L1 sharpens "
        "edges and leaves the rest smooth; with patches the grain is back, but it is not the partner's grain.",
        alt="Rows of blurred textures, smooth reconstructions, grainy reconstructions, and sharp originals.",
    )


def test_sharpness_costs_distance(claim):
    x = task_of("pairs", "outlines").splits["test"][0]
    both, plain = ([l1(made(trained("outlines", a, s), "outlines"), x) for s in SEEDS] for a in (1.0, 0.0))
    claim.measure("distance", both, baseline=plain)


def test_pairs_beat_unpaired_images(claim):
    x, y = task_of("pairs", "outlines").splits["test"]
    settings, unpaired = {"steps": 300, "blocks": 3, "cycle_warmup": 75, "lr": 2e-3}, task_of("unpaired", "outlines")
    work = settings["steps"] * flops_per_step(CycleGAN, settings, unpaired)
    assert work >= SETTINGS["outlines"]["steps"] * flops_per_step(Pix2Pix, SETTINGS["outlines"], unpaired)
    cycles = [run(CycleGAN, settings, task=unpaired, seed=s, evaluate=False).model for s in SEEDS]
    ours, theirs = [made(trained("outlines", 1.0, s), "outlines") for s in SEEDS], [made(m, "outlines") for m in cycles]
    claim.measure("distance", [l1(image, x) for image in ours], baseline=[l1(image, x) for image in theirs])
    claim.figure(
        "unpaired",
        strips({"given": y, "Pix2Pix": ours[0], "CycleGAN": theirs[0], "partner": x}, 12),
        caption="The same pictures, for CycleGAN without knowing which belong together, and with more work. It finds "
        "place and size of the ink; which hatching goes with which outline only pairs say.",
        alt="Rows of outlines, fillings by Pix2Pix that match the partners, fillings by CycleGAN that often do not.",
    )


def test_shape_and_place_follow_the_given_image(claim):
    x = task_of("pairs", "outlines").splits["test"][0]
    # rectangles and ellipses take turns: two rows on is another picture of the same class
    told_the_class = overlap(x.roll(2, 0), x)
    ours = [overlap(made(trained("outlines", 1.0, s), "outlines"), x) for s in SEEDS]
    claim.measure("overlap", ours, baseline=told_the_class)


def test_wrong_partners_are_averaged(claim):
    x, y = task_of("pairs", "digits").splits["test"]
    wrong = [made(trained("digits", 1.0, s, task="unpaired"), "digits") for s in SEEDS]
    right = [made(trained("digits", 1.0, s), "digits") for s in SEEDS]
    claim.measure("distance", [l1(image, x) for image in wrong], baseline=[l1(image, x) for image in right])
    claim.figure(
        "wrong_partners",
        strips({"given": y, "wrong partners": wrong[0], "right partners": right[0], "partner": x}, columns=16),
        caption="Digits to be turned from white on black to black on white. Trained with partners drawn at random, "
        "Pix2Pix makes nearly the same blur of any digit; with the right ones it makes the digit.",
        alt="Rows of inverted digits, one repeated blur, correct digits, and the true digits.",
    )
