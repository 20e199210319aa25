"""Claims of text-to-image generation. The judge finds the nearest of all images that there can be."""

from functools import cache

import torch

from reference_impl.core import run
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.multimodal.text_to_image import TextToImage
from reference_impl.tasks import make
from reference_impl.tasks.captions import SCENES, Scene, agreement, captions, drawn, words

TASK = cache(lambda: make("captions"))


@cache
def trained() -> TextToImage:
    """The default model; the claims share its run."""
    return run(TextToImage, task=TASK(), evaluate=False).model


def painted(prompts: list[str], guidance: float) -> torch.Tensor:
    """An image for each prompt under this guidance: (n, 3, H, W)."""
    model = trained()
    model.prior.cfg = model.prior.cfg.model_copy(update={"guidance": guidance})
    return model.sample(len(prompts), prompts)


def vendi(x: torch.Tensor, scale: float) -> float:
    """Effective number of different images among (n, ...): exp of the entropy of a Gaussian kernel's eigenvalues."""
    kernel = (-torch.cdist(x.flatten(1), x.flatten(1)).square() / scale).exp().double() / len(x)
    p = torch.linalg.eigvalsh(kernel).clamp(min=1e-12)
    return (-(p * p.log()).sum()).exp().item()


def pair_drawn(images: torch.Tensor, scenes: list[Scene]) -> float:
    """Share of images on which both color and shape are as they should be."""
    return agreement(images, scenes)[:, :2].amin(1).mean().item()


def test_the_judge_reads_every_real_image(claim):
    (x, told), (new, new_told) = drawn(400, seed=5), drawn(200, seed=7, unseen=True)
    images, scenes = torch.cat([x, new]), [*told, *new_told]
    claim.measure("attributes", agreement(images, scenes).mean().item())
    noisy = images + 0.1 * torch.randn_like(images)
    claim.measure("under_noise", agreement(noisy, scenes).mean().item())
    chance = 1 - sum(1 / len(set(kind)) for kind in zip(*SCENES, strict=True)) / 4
    wrong = 1 - agreement(images, scenes[1:] + scenes[:1]).mean().item()
    claim.measure("wrong_captions", wrong, baseline=chance)


def test_no_guidance_and_no_words_are_no_prompt(claim):
    raw = run(TextToImage, {"steps": 2}, task=TASK(), evaluate=False).model
    prior, told = raw.prior, TASK().told["test"][:16]
    u, t, y = torch.randn(16, *raw.code), torch.full((16,), 7), raw.prompts(told)

    def predicted(w: float, y: torch.Tensor | None) -> torch.Tensor:
        prior.cfg = prior.cfg.model_copy(update={"guidance": w})
        return prior.predict_noise(u, t, y)

    with torch.no_grad():
        free, told_once = predicted(1.0, None), predicted(1.0, y)
        claim.measure("without_guidance", (predicted(0.0, y) - free).abs().max().item())
        claim.measure("without_words", (predicted(3.0, torch.zeros_like(y)) - free).abs().max().item())
        padded = torch.cat([y, torch.zeros_like(y)], 1)
        claim.measure("padding", (predicted(1.0, padded) - told_once).abs().max().item())
        swapped = raw.prompts([f"{' '.join(reversed(c.split()))}" for c in told])
        claim.measure("order", (predicted(1.0, swapped) - told_once).abs().max().item())


def test_prompts_are_drawn_and_guidance_costs_diversity(claim):
    _, scenes = drawn(300, seed=11)
    told = captions(scenes, seed=11)
    torch.manual_seed(0)
    right = {w: agreement(painted(told, w), scenes) for w in (0.0, 1.0, 4.0)}
    claim.measure("accuracy", right[4.0].mean().item(), baseline=right[0.0].mean().item())
    claim.measure("accuracy_unguided", right[1.0].mean().item())
    claim.measure("whole_prompt", right[4.0].amin(1).mean().item(), baseline=right[1.0].amin(1).mean().item())

    # what a prompt leaves open is the exact place
    few, each, weights = [s for s in SCENES if not s.unseen][::5], 32, (1.0, 2.0, 4.0)
    known, known_scenes = drawn(4000, seed=12)
    real = [known[[i for i, s in enumerate(known_scenes) if s == scene][:each]] for scene in few]
    scale = torch.cat([torch.cdist(x.flatten(1), x.flatten(1)).square().flatten() for x in real]).mean().item()
    asked = [s for s in few for _ in range(each)]
    prompts = [s.caption() for s in asked]
    images = {w: painted(prompts, w).unflatten(0, (len(few), each)) for w in weights}
    spread = {w: sum(vendi(x, scale) for x in of) / len(few) for w, of in images.items()}
    for w, before in ((2.0, 1.0), (4.0, 2.0)):
        claim.measure(f"diversity_{w:.0f}", spread[w], baseline=spread[before])

    hit = {
        w: agreement(of.flatten(0, 1), [s for s in few for _ in range(each)]).mean().item() for w, of in images.items()
    }
    fig, ax = figure(5.6, 2.8)
    ax.plot([spread[w] for w in weights], [hit[w] for w in weights], "o-", color=PALETTE[0])
    for w in weights:
        ax.annotate(f"w = {w:g}", (spread[w], hit[w]), (5, 4), textcoords="offset points")
    ax.axvline(sum(vendi(x, scale) for x in real) / len(few), color=PALETTE[1], linestyle="--", label="real images")
    ax.set(xlabel="effective number of different images of 32", ylabel="attributes as the prompt says")
    ax.legend()
    claim.figure(
        "guidance",
        fig,
        caption="Eight prompts, 32 images each, for three strengths of guidance. What a prompt leaves open, here the "
        "exact places, is varied less the more strictly its words are followed.",
        alt="A curve from many different images and some errors at w = 1 to few different images at w = 4.",
    )

    shown = [
        "a red cross at the top left",
        "at the top left a red cross",
        "a red square at the top left",
        "a green ring at the bottom right",
        "a yellow cross at the bottom left",
        "a blue square at the top right",
    ]
    fig, axes = figure(6.4, 5.2, 3, 2)
    for ax, prompt in zip(axes.flat, shown, strict=True):
        show_images(ax, painted([prompt] * 6, 4.0), 6, title=prompt)
    claim.figure(
        "hero",
        fig,
        caption="Six images for each of six prompts, w = 4. The second prompt says the same as the first in "
        "another order, the third differs from it in one word. Exact places are the model's choice.",
        alt="Rows of small images with one colored shape each, under the prompts that they were made from.",
    )


def test_pairs_never_seen_together_are_composed(claim):
    _, scenes = drawn(300, seed=9, unseen=True)
    told = captions(scenes, seed=9)
    torch.manual_seed(1)
    made = painted(told, 4.0)
    # of the training captions the one that shares most words
    known = sorted(set(TASK().told["train"]))
    near = {c: max(known, key=lambda k: len(set(words(k)) & set(words(c)))) for c in set(told)}
    example = dict(zip(TASK().told["train"], TASK().splits["train"][0], strict=True))
    nearest = torch.stack([example[near[c]] for c in told])
    claim.measure("pair", pair_drawn(made, scenes), baseline=pair_drawn(nearest, scenes))

    fig, axes = figure(6.4, 2.0, columns=3)
    for ax, thing in zip(axes, ("red ring", "blue cross", "yellow square"), strict=True):
        show_images(ax, painted([f"a {thing} at the top right"] * 8, 4.0), 4, title=f"a {thing} ...")
    claim.figure(
        "unseen",
        fig,
        caption="The three pairs of color and shape that no training image has, eight images each, prompted at the top "
        "right. Color and shape were learned apart, from other pairs; drawings are less sure than those of seen pairs.",
        alt="Three groups of eight images: red rings, blue crosses and yellow squares at the top right.",
    )
