"""Claims of DALL-E. The judge finds the nearest of all images that there can be."""

from functools import cache

import torch
from torch import Tensor

from reference_impl.autoregressive.dall_e import DALLE
from reference_impl.core import run, seed_all
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.tasks import make
from reference_impl.tasks.captions import Scene, agreement, captions, drawn

TASK = cache(lambda: make("captions"))


@cache
def trained() -> DALLE:
    """The default model; the claims share its run."""
    return run(DALLE, task=TASK(), evaluate=False).model


def painted(told: list[str], best_of: int) -> Tensor:
    """The best of so many images for each caption: (n, 3, H, W)."""
    model = trained()
    model.cfg = model.cfg.model_copy(update={"drawn": best_of})
    return model.sample(len(told), told)


def asked(unseen: bool, n: int = 300) -> tuple[list[Scene], list[str]]:
    """Scenes with captions, either none or all of a pair of color and shape that training never has."""
    _, scenes = drawn(n, seed=11, unseen=unseen)
    return scenes, captions(scenes, seed=11)


def pairs(images: Tensor, scenes: list[Scene]) -> float:
    """Share of images on which both color and shape are as they should be."""
    return agreement(images, scenes)[:, :2].amin(1).mean().item()


def test_images_carry_the_attributes_asked_for(claim):
    (scenes, told), (new, new_told) = asked(unseen=False), asked(unseen=True)
    seed_all("attributes")
    images, composed = painted(told, 1), painted(new_told, 1)
    shuffled = agreement(images, scenes[1:] + scenes[:1]).mean().item()
    claim.measure("seen", agreement(images, scenes).mean().item(), baseline=shuffled)
    claim.measure("unseen", agreement(composed, new).mean().item())

    kept = torch.cat([TASK().splits["test"][0][:100], drawn(100, seed=3, unseen=True)[0]])
    with torch.no_grad():
        error = (trained().reconstruct(kept) - kept).square().mean().item()
    claim.measure("tokens", error, baseline=kept.var(0).mean().item())


def test_the_best_of_eight_fits_better(claim):
    (scenes, told), (new, new_told) = asked(unseen=False), asked(unseen=True)
    sizes, hits = (1, 2, 4, 8), {"captions of training pairs": [], "captions of new pairs": []}
    for n in sizes:
        seed_all("draws", n)
        for row, which, captions_ in zip(hits.values(), (scenes, new), (told, new_told), strict=True):
            row.append(agreement(painted(captions_, n), which).mean().item())
    seen, unseen = hits.values()
    claim.measure("seen", seen[-1], baseline=seen[0])
    claim.measure("unseen", unseen[-1], baseline=unseen[0])

    fig, ax = figure(5.6, 2.8)
    for color, (name, row) in zip(PALETTE, hits.items(), strict=False):
        ax.plot(sizes, row, "o-", color=color, label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, sizes)
    ax.set(xlabel="draws of which the scorer keeps one", ylabel="attributes as the caption says", ylim=(0.5, 1.02))
    ax.legend(loc="lower right")
    claim.figure(
        "reranking",
        fig,
        caption="Share of attributes (color, shape, row, column) that the kept image has, for 300 captions of pairs of "
        "color and shape that training shows and 300 of pairs that it never shows.",
        alt="Two rising curves; the upper one reaches one.",
    )
    ranked(claim)


def ranked(claim) -> None:
    """Eight draws for each of six captions, as the scorer ranks them."""
    shown = [
        "a red cross at the top left",
        "at the bottom right a green ring",
        "a yellow ring at the bottom left",
        "a blue square at the top right",
        "a red ring at the top left",
        "a blue cross at the bottom right",
    ]
    model = trained()
    seed_all("ranked")
    fig, axes = figure(6.8, 2.7, 3, 2)
    for i, (ax, caption) in enumerate(zip(axes.T.flat, shown, strict=True)):
        images = painted([caption] * 8, 1)
        with torch.no_grad():
            best = model.scorer(images, model.prompts([caption]))[:, 0].argsort(descending=True)
        # pairs of color and shape that training does not have are marked
        show_images(ax, images[best], 8, title=caption + (" *" if i > 3 else ""))
    claim.figure(
        "hero",
        fig,
        caption="Eight draws for each of six captions, those first that the scorer likes best. The pairs with an "
        "asterisk are never shown in training.",
        alt="Rows of eight small images with one colored shape each under the captions that they were drawn for.",
    )


def test_pairs_never_shown_are_mostly_missed(claim):
    (scenes, told), (new, new_told) = asked(unseen=False), asked(unseen=True)
    seed_all("pairs")
    claim.measure("pair", pairs(painted(new_told, 1), new), baseline=pairs(painted(told, 1), scenes))
