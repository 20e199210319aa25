"""Claims of AdaIN."""

from functools import cache
from itertools import pairwise, permutations

import torch
from torch import Tensor

from reference_impl.core import Result, Task, run
from reference_impl.figures import figure, show_images
from reference_impl.latent_variable.autoencoder import Autoencoder
from reference_impl.style_transfer.adain import AdaIN, adain, statistics
from reference_impl.style_transfer.neural_style_transfer import NeuralStyleTransfer, Perceptual
from reference_impl.style_transfer.style_transfer_network import StyleTransferNetwork
from reference_impl.tasks import make


@cache
def styles() -> Task:
    return make("styles")


@cache
@torch.enable_grad()
def trained(seed: int = 0) -> Result:
    """All claims about training look at the same decoders."""
    return run(AdaIN, task=styles(), seed=seed, evaluate=False)


@torch.no_grad()
def stylized(seed: int, content: Tensor, style: Tensor) -> Tensor:
    """One pass of the decoder that was trained with this seed."""
    return trained(seed).model.stylize(content, style)


@cache
@torch.enable_grad()
def optimized(**settings: object) -> NeuralStyleTransfer:
    """Two photographs in each of the eight unseen styles, by default after 300 iterations from the photographs."""
    return run(NeuralStyleTransfer, {"steps": 300, **settings}, task=styles(), evaluate=False).model


@torch.no_grad()
def by_style(loss: Perceptual, x: Tensor, content: Tensor, style: Tensor, styles: int = 8) -> dict[str, Tensor]:
    """Losses for each style, mean over the contents shown in it, (styles,); rows go style by style."""
    found = [loss(*part) for part in zip(*(t.chunk(styles) for t in (x, content, style)), strict=True)]
    return {name: torch.stack([f[name] for f in found]) for name in found[0]}


def test_statistics_become_those_of_the_style(claim):
    model, (x, y) = AdaIN(AdaIN.Config()).double(), (t.double() for t in styles().splits["test"])
    f, s = model.encoder(x), model.encoder(y)
    (mean, std), (want_mean, want_std) = statistics(adain(f, s)), statistics(s)
    before = max((a - b).abs().max().item() for a, b in zip(statistics(f), statistics(s), strict=True))
    claim.measure("means", (mean - want_mean).abs().max().item(), baseline=before)
    claim.measure("deviations", (std - want_std).abs().max().item(), baseline=before)


def test_an_image_in_its_own_style_is_only_autoencoded(claim):
    model, (x, y) = AdaIN(AdaIN.Config()), (t[:8] for t in styles().splits["test"])
    plain = Autoencoder(Autoencoder.Config(shape=model.cfg.shape))
    plain.encoder, plain.decoder = model.encoder, model.decoder
    with torch.no_grad():
        again = plain.reconstruct(x)
        own, other = model.stylize(x, x), model.stylize(x, y)
    claim.measure("difference", (own - again).abs().max().item(), baseline=(other - again).abs().max().item())


def test_unseen_styles_take_one_pass(claim):
    slow, short = optimized(), optimized(start="noise", steps=20, lr=0.1, cooldown=0.0)
    content, style, loss = slow.content, slow.style, slow.perceptual
    images = (content, slow.sample(16), short.sample(16), *(stylized(seed, content, style) for seed in range(3)))
    before, after, shortly, *fast = (by_style(loss, x, content, style)["loss"].median().item() for x in images)
    claim.measure("unchanged", fast, baseline=before)
    claim.measure("from_noise", fast, baseline=shortly)
    claim.measure("optimized", fast, baseline=after)

    fig, ax = figure(6.6, 2.4)
    x, blank = stylized(0, content, style), torch.full_like(content[:1], torch.nan)
    show_images(ax, torch.cat([blank, style[::2], content[:1], x[::2], content[1:2], x[1::2]]), columns=9)
    claim.figure(
        "hero",
        fig,
        caption="Photographs and styles that the network has never seen, each pair in a single pass: colors and "
        "contrast arrive, and fine texture in part.",
        alt="A table of images: eight style pictures across, two photographs down, and each photograph in each style.",
    )


def test_one_decoder_serves_many_unseen_styles(claim):
    settings = {"steps": AdaIN.Config().steps, "batch_size": AdaIN.Config().batch_size, "images": 8}
    single = run(StyleTransferNetwork, settings, task=styles(), evaluate=False).model
    content, style = (t[8:] for t in styles().splits["test"])
    loss, fixed = trained().model.perceptual, single.sample(8)
    before = by_style(loss, fixed.repeat(7, 1, 1, 1), content, style, 7)["style"]
    after = [by_style(loss, stylized(seed, content, style), content, style, 7)["style"] for seed in range(3)]
    claim.measure("style_loss", [a.median().item() for a in after], baseline=before.median().item())

    which = [8, 16, 24, 48]  # the first photograph in four styles
    x, blank = stylized(0, content[which], style[which]), torch.full_like(content[:1], torch.nan)
    fig, ax = figure(4.6, 3.0)
    show_images(ax, torch.cat([content[:1], style[which], blank, fixed[:1].repeat(4, 1, 1, 1), blank, x]), columns=5)
    for row, name in ((1, "network for\nthe mosaic"), (2, "AdaIN")):
        ax.text(62, 65 * row + 32, name, ha="right", va="center", fontsize=8)
    claim.figure(
        "one_style",
        fig,
        caption="A photograph and four styles. A network for one style has no input for another and gives the same "
        "image four times; one decoder with adaptive instance normalization follows each.",
        alt="Four styles above two rows of results: four equal images, and four images in the colors of the styles.",
    )


@torch.no_grad()
def test_mixtures_pass_from_style_to_style(claim):
    model, (x, y) = trained().model, styles().splits["test"]
    content, falls = x[:8], []
    corners = [y[[8 * i]] for i in (0, 2, 3, 7)]
    for a, b in permutations(corners, 2):
        mixed = [model.blend(content, [a, b], [w, 1 - w]) for w in (0, 0.25, 0.5, 0.75, 1)]
        loss = [model.perceptual(m, content, a)["style"].item() for m in mixed]
        falls += [later < earlier for earlier, later in pairwise(loss)]
    claim.measure("falls", sum(falls) / len(falls))

    blank = torch.full_like(content[:1], torch.nan)
    left, right = [corners[0], blank, blank, corners[2]], [corners[1], blank, blank, corners[3]]
    sheet = []
    for row, v in enumerate((0, 1 / 3, 2 / 3, 1)):
        weights = [[(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v] for u in (0, 1 / 3, 2 / 3, 1)]
        sheet += [left[row], *(model.blend(content[4:5], corners, w) for w in weights), right[row]]
    fig, ax = figure(5.4, 3.6)
    show_images(ax, torch.cat(sheet), columns=6)
    claim.figure(
        "mixtures",
        fig,
        caption="One photograph in mixtures of four unseen styles, which stand at the corners. The weights were chosen "
        "after training; each image is one pass.",
        alt="A square of 16 images that change from corner to corner between the colors of four style pictures.",
    )
    claim.program("encode", model.encoder, content[:1])
    claim.program("decode", model.decoder, model.encoder(content[:1]), contents=x[3:6], styles=torch.cat(corners))


def test_a_style_unlike_those_of_training_fails(claim):
    slow, bands = optimized(), slice(2, 4)
    content, style, loss = slow.content[bands], slow.style[bands], slow.perceptual
    fast = [stylized(seed, content, style) for seed in range(3)]
    left = [loss(x, content, style)["style"].item() for x in fast]
    claim.measure("style_loss", left, baseline=loss(slow.sample(16)[bands], content, style)["style"].item())

    rows = [torch.stack([style[i], content[i], fast[0][i], slow.sample(16)[bands][i]]) for i in range(2)]
    fig, ax = figure(4.4, 2.5)
    show_images(ax, torch.cat(rows), columns=4)
    for i, name in enumerate(["style", "content", "one pass", "optimized"]):
        ax.text(65 * i + 32, -4, name, ha="center", va="bottom", fontsize=8)
    claim.figure(
        "unlike_training",
        fig,
        caption="Bands resemble nothing in the training set. One pass finds part of their colors and none of the "
        "bands; 300 iterations on the same loss lay them.",
        alt="Two rows: the bands, a photograph, the photograph tinted by one pass, and with bands by optimization.",
    )
