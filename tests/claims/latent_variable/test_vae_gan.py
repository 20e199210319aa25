"""Claims of the VAE-GAN."""

from functools import cache

import torch
from torch import Tensor

from reference_impl.core import Reference, run, seed_all
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.latent_variable.vae import VAE
from reference_impl.latent_variable.vae_gan import VAEGAN
from reference_impl.tasks import make
from reference_impl.tasks.measures import frechet

SEEDS = range(3)


@cache
def trained(name: str, seed: int) -> VAE:
    """One of four models of the same encoder and decoder after equally many steps."""
    cls, settings = {
        "vae": (VAE, {}),
        # spends more on the code than the VAE-GAN does, so that its blur is not for want of nats
        "larger_code": (VAE, {"likelihood": "gaussian", "variance": 0.04}),
        "pixels": (VAEGAN, {"metric": "pixels"}),
        "vae_gan": (VAEGAN, {}),
    }[name]
    settings = {**settings, "steps": 1000, "batch_size": 64}
    return run(cls, settings, task=make("images"), seed=seed, evaluate=False).model


@cache
def held_out() -> Tensor:
    return make("images").splits["test"][0]


@torch.no_grad()
def reconstructed(model: VAE) -> Tensor:
    return model.reconstruct(held_out()).clamp(0, 1)


@torch.no_grad()
def rate(model: VAE) -> float:
    return model.rate(*model.posterior(held_out())).mean().item()


def spectrum(x: Tensor) -> Tensor:
    """Energy at frequencies of 1, 2, ... periods an image, in whichever direction has more: (N, 1, S, S) -> (S/2,)."""
    energy = torch.fft.fft2(x).abs().square().mean((0, 1))
    k = (torch.fft.fftfreq(len(energy)) * len(energy)).abs()
    k = torch.maximum(k[:, None], k[None, :])
    return torch.stack([energy[k == f].sum() for f in range(1, len(energy) // 2 + 1)])


def top_octave(x: Tensor) -> float:
    """Energy in periods of two to four pixels, divided by that of the held-out data."""
    mine, data = spectrum(x), spectrum(held_out())
    top = slice(len(mine) // 2 - 1, None)
    return (mine[top].sum() / data[top].sum()).item()


def test_reconstructions_keep_the_top_octave(claim):
    names = ("vae", "larger_code", "pixels", "vae_gan")
    models = {name: [trained(name, seed) for seed in SEEDS] for name in names}
    again = {name: [reconstructed(m) for m in ms] for name, ms in models.items()}
    share = {name: [top_octave(x) for x in xs] for name, xs in again.items()}
    gap = {name: [abs(s - 1) for s in shares] for name, shares in share.items()}
    claim.measure("share", share["vae_gan"], baseline=share["vae"])
    claim.measure("gap", gap["vae_gan"], baseline=gap["vae"])
    claim.measure("gap_with_larger_code", gap["vae_gan"], baseline=gap["larger_code"])
    claim.measure("rate", [rate(m) for m in models["vae_gan"]], baseline=[rate(m) for m in models["larger_code"]])
    claim.measure("gap_with_pixels", gap["vae_gan"], baseline=gap["pixels"])

    fig, axes = figure(6.6, 2.9, columns=2, width_ratios=[2.1, 1])
    rows = {"held out": held_out(), "VAE": again["vae"][0], "VAE-GAN": again["vae_gan"][0]}
    show_images(axes[0], torch.cat([x[4::36] for x in rows.values()]), columns=10)
    for i, name in enumerate(rows):
        axes[0].text(-1.5, 9 * i + 4, name, ha="right", va="center")
    data = spectrum(held_out())
    for x, color in ((again["vae"], PALETTE[1]), (again["vae_gan"], PALETTE[0])):
        for one in x:
            axes[1].plot(range(1, 5), spectrum(one) / data, "o-", color=color, markersize=3, linewidth=1)
    axes[1].axhline(1, color=INK, linestyle=":", linewidth=1)
    axes[1].text(4, 0.45, "VAE", color=PALETTE[1], ha="right")
    axes[1].text(4, 1.06, "VAE-GAN", color=PALETTE[0], ha="right")
    axes[1].set(xlabel="periods per image", ylabel="energy, data = 1", ylim=(0, 1.3), xticks=range(1, 5))
    claim.figure(
        "hero",
        fig,
        caption="Held-out digits and what two models of the same encoder and decoder make of them. Where the VAE is in "
        "doubt it paints gray; the VAE-GAN decides on a stroke. Right: energy of the reconstructions "
        "at each frequency relative to the data, three seeds each.",
        alt="Three rows of digits: originals, grayish VAE reconstructions, crisp VAE-GAN ones; spectra beside them.",
    )


def test_sharpness_costs_likelihood(claim):
    models = {name: [trained(name, seed) for seed in SEEDS] for name in ("vae", "vae_gan")}
    bound, drawn = {}, {}
    for name, ms in models.items():
        with torch.no_grad():
            bound[name] = [-m.elbo(held_out()).mean().item() for m in ms]
        seed_all("samples")
        drawn[name] = [m.sample(1437) for m in ms]
    distance = {k: [frechet(held_out().flatten(1), x.flatten(1)) for x in xs] for k, xs in drawn.items()}
    claim.measure("negative_elbo", bound["vae_gan"], baseline=bound["vae"])
    claim.measure("frechet", distance["vae_gan"], baseline=distance["vae"])

    fig, axes = figure(6.0, 2.3, columns=3)
    sheets = {"held-out data": held_out(), "VAE": drawn["vae"][0], "VAE-GAN": drawn["vae_gan"][0]}
    for ax, (title, x) in zip(axes, sheets.items(), strict=True):
        show_images(ax, x[:36], columns=6, title=title)
    claim.figure(
        "samples",
        fig,
        caption="Decoded draws of the prior. Those of the VAE-GAN look more like the data, though its bound on the "
        "likelihood of the data is lower by some nats: likelihood does not pay for looking right.",
        alt="Three sheets of 36 digits: data, soft digits of the VAE, crisp digits of the VAE-GAN.",
    )


def trainable(model: Reference) -> dict[str, Tensor]:
    return {k: v for k, v in model.named_parameters() if k.startswith(("encoder", "decoder"))}


def test_without_the_game_it_is_a_vae(claim):
    settings = {"steps": 30, "batch_size": 64}
    vae = run(VAE, settings, task=make("images"), evaluate=False).model
    bare = {**settings, "metric": "pixels", "adversarial": 0}
    mine = run(VAEGAN, bare, task=make("images"), evaluate=False).model
    played = run(VAEGAN, settings, task=make("images"), evaluate=False).model
    want = trainable(vae)
    assert set(want) == set(dict(vae.named_parameters()))
    claim.measure(
        "difference", *(max((trainable(m)[k] - want[k]).abs().max().item() for k in want) for m in (mine, played))
    )
