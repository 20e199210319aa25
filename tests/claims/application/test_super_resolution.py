"""Claims of super-resolution."""

from functools import cache

import torch
from torch import nn

from reference_impl.application.super_resolution import SuperResolution
from reference_impl.core import Batch, run
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.tasks.damaged import Smaller, bicubic, psnr
from reference_impl.tasks.pairs import spectrum_error
from reference_impl.tasks.photos import parts, scaled, textures

DRAWS = 8


@cache
def held_out() -> tuple[torch.Tensor, torch.Tensor]:
    """Unseen crops and the same at half the size."""
    x, y = Smaller().splits["test"]
    return x[::2], y[::2]


@cache
def trained(objective: str) -> SuperResolution:
    """The default network, trained to draw the detail or to answer with its mean."""
    return run(SuperResolution, {"objective": objective}, evaluate=False).model


@cache
def draws() -> torch.Tensor:
    """Eight enlargements of each small crop: (8, N, 1, 16, 16)."""
    _, y = held_out()
    return trained("diffusion").sample(DRAWS * len(y), y.repeat(DRAWS, 1, 1, 1)).unflatten(0, (DRAWS, -1))


class Told(nn.Module):
    """A network that is always shown the same picture."""

    def __init__(self, net: nn.Module, up: torch.Tensor) -> None:
        super().__init__()
        self.net, self.up = net, up

    def forward(self, x: torch.Tensor, t: torch.Tensor, y: None = None) -> torch.Tensor:
        return self.net(x, t, self.up)


def test_regression_is_closer_and_diffusion_looks_right(claim):
    x, y = held_out()
    flat, mean = bicubic(y, 16), trained("regression").sample(len(y), y)
    claim.measure("regression", psnr(mean, x), baseline=psnr(flat, x))
    claim.measure("spectrum", spectrum_error(draws()[0], x), baseline=spectrum_error(mean, x))
    claim.measure("distance", psnr(draws()[0], x), baseline=psnr(mean, x))

    fig, ax = figure(5.0, 3.2)
    means = [draws()[:k].mean(0) for k in (1, 2, 4, 8)]
    ax.plot([psnr(a, x) for a in means], [spectrum_error(a, x) for a in means], "o-", label="mean of 1, 2, 4, 8 draws")
    for label, a, color in (("regression", mean, PALETTE[1]), ("bicubic", flat, PALETTE[2])):
        ax.plot(psnr(a, x), spectrum_error(a, x), "s", color=color, label=label)
    ax.set(xlabel="PSNR [dB]: closer to the truth", ylabel="spectrum error [decades]", ylim=(0, None))
    ax.legend()
    claim.figure(
        "plane",
        fig,
        caption="Distance from the truth against distance of the spectrum, held-out textures. One draw has the right "
        "texture and the larger error; averaging draws moves it toward the regression's answer, and no point is "
        "low and far right.",
        alt="A curve from one draw at lower left to the mean of eight at upper right, with regression and bicubic.",
    )
    whole = torch.stack([parts(scaled(a, 0.5))[1][:, 96:160, :64] for a in textures().values()])
    small = torch.nn.functional.avg_pool2d(whole, 2)
    frames = {
        "bicubic": bicubic(small, 64), "regression": trained("regression").sample(3, small),
        "a draw": trained("diffusion").sample(3, small), "original": whole,
    }  # fmt: skip
    fig, axes = figure(6.6, 4.9, columns=len(frames))
    for ax, (title, images) in zip(axes, frames.items(), strict=True):
        show_images(ax, images.expand(-1, 3, -1, -1), columns=1, title=title)
    claim.figure(
        "hero",
        fig,
        caption="Unseen brick, grass and gravel at twice the size. Regression is sharp where the small picture decides "
        "and smooth elsewhere; a draw has grain everywhere, as the original does, but not the same grain.",
        alt="Three textures enlarged by cubic interpolation, by regression and by diffusion, beside the originals.",
    )


def test_the_mean_of_draws_nears_the_regression(claim):
    x, y = held_out()
    mean = trained("regression").sample(len(y), y)
    claim.measure("gained", psnr(draws().mean(0), x), baseline=psnr(draws()[0], x))
    one, many = ((a - mean).square().mean().item() for a in (draws()[0], draws().mean(0)))
    claim.measure("distance", many, baseline=one)

    rows = [0, 40, 80]
    fig, ax = figure(6.4, 2.4)
    shown = torch.stack([torch.stack([bicubic(y, 16)[i], *draws()[:5, i], mean[i], x[i]]) for i in rows])
    show_images(ax, shown.flatten(0, 1), columns=8, cmap="gray")
    for k, title in enumerate(["bicubic", *(f"draw {i + 1}" for i in range(5)), "regression", "truth"]):
        ax.annotate(title, (17 * k + 8, -2), ha="center", va="bottom", fontsize=7, color=INK, annotation_clip=False)
    claim.figure(
        "draws",
        fig,
        caption="Five enlargements of each of three small crops. They agree where the small picture decides and "
        "differ in the rest, which regression averages away.",
        alt="Three rows: cubic interpolation, five different draws, the regression and the truth.",
    )


def test_draws_shrink_back_to_what_was_given(claim):
    _, y = held_out()
    small = torch.nn.functional.avg_pool2d(draws()[0], 2)
    shuffled = y.roll(1, 0)
    claim.measure("back", psnr(small, y), baseline=psnr(small, shuffled))


def test_noise_prediction_is_ddpm_beside_a_picture(claim):
    x, y = (a[:16] for a in held_out())
    model = SuperResolution(SuperResolution.Config())
    plain = DDPM(DDPM.Config(shape=(1, 16, 16), timesteps=model.cfg.timesteps))
    up = model.enlarged(y)
    plain.net = Told(model.net, up)
    detail = (model.cfg.scale * (x - up) + 1) / 2
    losses = []
    for reference, batch in ((model, Batch(x, y)), (plain, Batch(detail))):
        torch.manual_seed(0)
        losses.append(reference.loss(batch)["loss"].item())
    claim.measure("loss", abs(losses[0] - losses[1]))
