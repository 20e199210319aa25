"""Claims of image restoration."""

from functools import cache

import numpy as np
import torch
from skimage.restoration import denoise_bilateral, denoise_tv_chambolle
from torch import Tensor

from reference_impl.application.image_restoration import ImageRestoration
from reference_impl.core import run
from reference_impl.figures import figure, show_images
from reference_impl.tasks.damaged import DAMAGES, Damaged, damaged, psnr
from reference_impl.tasks.photos import parts, photographs, scaled

SHORT = {"steps": 500, "width": 32}


@cache
def trained(damage: str) -> ImageRestoration:
    """The default network after training on one damage."""
    return run(ImageRestoration, task=Damaged(damage), evaluate=False).model


def held_out(damage: str) -> tuple[list[Tensor], list[Tensor]]:
    """The unseen right thirds of the ten photographs, and the same damaged: (3, H, W) each."""
    clean = [parts(scaled(x, 0.5))[1] for x in photographs().values()]
    rng = np.random.default_rng(7)
    return clean, [damaged(x[None], DAMAGES[damage], rng)[0] for x in clean]


def restored(model: ImageRestoration, pictures: list[Tensor]) -> list[Tensor]:
    """Each picture restored at its own size."""
    return [model.sample(1, y[None])[0] for y in pictures]


def mean_psnr(made: list[Tensor], clean: list[Tensor]) -> float:
    """Mean over pictures of the peak signal-to-noise ratio in dB."""
    return float(np.mean([psnr(a, x) for a, x in zip(made, clean, strict=True)]))


def classical(method: str, pictures: list[Tensor], strength: float) -> list[Tensor]:
    """Pictures after a denoiser of scikit-image, whose strength is a weight or a tolerated difference of color."""
    out = []
    for y in pictures:
        a = y.clamp(0, 1).permute(1, 2, 0).double().numpy()
        if method == "tv":
            a = denoise_tv_chambolle(a, weight=strength, channel_axis=2)
        else:
            a = denoise_bilateral(a, sigma_color=strength, sigma_spatial=2, channel_axis=2)
        out.append(torch.from_numpy(a).float().permute(2, 0, 1))
    return out


def square(x: Tensor, size: int = 52) -> Tensor:
    """The middle of a picture."""
    top, left = (x.shape[1] - size) // 2, (x.shape[2] - size) // 2
    return x[:, top : top + size, left : left + size]


def test_noisy_targets_are_as_good_as_clean_ones(claim):
    clean, noisy = held_out("noise")
    scores = [
        [
            mean_psnr(restored(run(ImageRestoration, SHORT, task=task, seed=s, evaluate=False).model, noisy), clean)
            for s in range(3)
        ]
        for task in (Damaged("noise", noisy_targets=True), Damaged("noise"))
    ]
    claim.measure("gap", [b - a for a, b in zip(*scores, strict=True)])
    claim.measure("noisy_targets", scores[0], baseline=mean_psnr(noisy, clean))


def test_denoises_better_than_classical_filters(claim):
    clean, noisy = held_out("noise")
    mine = restored(trained("noise"), noisy)
    # the classical ones get the strength that is best on the very pictures they are judged on
    tv = max(mean_psnr(classical("tv", noisy, w), clean) for w in (0.06, 0.08, 0.1))
    bilateral = max(mean_psnr(classical("bilateral", noisy, c), clean) for c in (0.15, 0.3))
    claim.measure("tv", mean_psnr(mine, clean), baseline=tv)
    claim.measure("bilateral", mean_psnr(mine, clean), baseline=bilateral)

    rows = [1, 8]
    smooth = classical("tv", noisy, 0.08)
    fig, axes = figure(5.6, 3.0, columns=4)
    for ax, (title, pictures) in zip(
        axes, {"noisy": noisy, "total variation": smooth, "network": mine, "original": clean}.items(), strict=True
    ):
        show_images(ax, torch.stack([square(pictures[i]) for i in rows]).clamp(0, 1), columns=1, title=title)
    claim.figure(
        "noise",
        fig,
        caption="Parts of photographs that training did not see, with noise of 25 of 255 levels. Total variation turns "
        "detail into flat patches; the network keeps edges and some texture, and is smooth where the noise hid it.",
        alt="Two photographs in four columns: noisy, after total variation, after the network, and original.",
    )


def test_old_photographs_and_damaged_digits_are_restored(claim):
    clean, old = held_out("old")
    mine = restored(trained("old"), old)
    filtered = max(mean_psnr(classical("tv", old, w), clean) for w in (0.06, 0.1, 0.2))
    claim.measure("photographs", mean_psnr(mine, clean), baseline=filtered)

    task = Damaged("digits")
    model = run(ImageRestoration, {"steps": 1500}, task=task, evaluate=False).model
    x, y = task.splits["test"]
    digits = model.sample(len(y), y)
    claim.measure("digits", psnr(digits, x), baseline=psnr(y, x))

    rows = [0, 2, 8]
    fig, axes = figure(4.8, 5.0, columns=3)
    for ax, (title, pictures) in zip(axes, {"damaged": old, "restored": mine, "original": clean}.items(), strict=True):
        show_images(ax, torch.stack([square(pictures[i]) for i in rows]).clamp(0, 1), columns=1, title=title)
    claim.figure(
        "hero",
        fig,
        caption="Parts of three photographs that training did not see: blurred, noisy and scratched; restored in one "
        "pass; and as they were. Scratches are gone, edges are back, fine texture is not.",
        alt="Damaged, restored and original photographs in three columns.",
    )
    fig, axes = figure(6.4, 2.6, rows=3)
    for ax, (title, images) in zip(axes, {"damaged": y, "restored": digits, "original": x}.items(), strict=True):
        show_images(ax, images[:12].clamp(0, 1), columns=12)
        ax.set_title(title, loc="left", fontsize=9)
    claim.figure(
        "digits",
        fig,
        caption="Held-out digits under noise and a scratch of full ink, restored, and as they were. Where damage "
        "leaves open which digit it was, the network answers with an average of the possible ones.",
        alt="Rows of twelve damaged, restored and original digits.",
    )


def test_only_the_damage_of_training_is_undone(claim):
    clean, scratched = held_out("scratches")
    made = {name: mean_psnr(restored(trained(name), scratched), clean) for name in ("noise", "old")}
    claim.measure("other_damage", made["noise"] - mean_psnr(scratched, clean))
    claim.measure("known_damage", made["old"], baseline=made["noise"])


def test_any_size_is_restored_alike(claim):
    # in double precision, so that another order of summation does not show
    model = trained_small().double()
    _, (y, *_) = held_out("old")
    y = y[None].double()
    whole, reach = model.sample(1, y), 2 * (3 + 2 * model.cfg.depth)
    odd = model.sample(1, y[..., :101, :75])
    inside = (slice(None), slice(None), slice(0, 101 - reach), slice(0, 75 - reach))
    claim.measure("inside", (odd[inside] - whole[inside]).abs().max().item())


def trained_small() -> ImageRestoration:
    """A few steps are enough to see what a pixel depends on."""
    return run(ImageRestoration, {"steps": 5, "width": 16}, evaluate=False).model
