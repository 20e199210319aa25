"""Claims of latent diffusion."""

from functools import cache

import torch

from reference_impl.core import Batch, run, seed_all
from reference_impl.diffusion.classifier_free_guidance import ClassifierFreeGuidance
from reference_impl.diffusion.latent_diffusion import LatentDiffusion
from reference_impl.figures import PALETTE, figure, show_images, strips
from reference_impl.tasks import make
from reference_impl.tasks.measures import Operations, flops_per_step, frechet

STEPS = 500
SMALL = {"hidden": 16, "timesteps": 50}


class InPixels(LatentDiffusion):
    """Latent diffusion whose code is the image itself."""

    reach = 2.0

    def __init__(self, cfg):
        super().__init__(cfg)
        self.code = cfg.shape
        self.prior = self.diffusion()
        # a deviation of 1/4, so that four of them reach from 0 to 1
        self.mean, self.var = torch.full((1, 1, 1), 0.5), torch.full((1, 1, 1), 0.0625)

    def draw(self, x):
        return x

    def decode(self, z):
        return z.view(len(z), *self.cfg.shape)


class Grads:
    """In place of an engine: keeps the gradient that a step asks it to descend."""

    def __init__(self, model):
        self.parameters = list(model.net.parameters())

    def minimize(self, name, loss):
        self.found = torch.cat([g.flatten() for g in torch.autograd.grad(loss, self.parameters)])


@cache
def enlarged():
    return make("enlarged")


@cache
def latent(seed, **settings):
    settings = {**SMALL, "steps": STEPS, "ema": 0.98, **settings}
    return run(LatentDiffusion, settings, task=enlarged(), seed=seed, evaluate=False).model


def step_on_codes():
    """Floating-point operations of a training step of the diffusion on codes."""
    return flops_per_step(LatentDiffusion, {**SMALL, "stage_share": 0}, enlarged())


def step_on_pixels():
    return flops_per_step(ClassifierFreeGuidance, SMALL, enlarged())


def step_of_first_stage():
    return flops_per_step(LatentDiffusion, {**SMALL, "stage_share": 1}, enlarged()) - step_on_codes()


@cache
def in_pixels(seed):
    """Guided diffusion in pixels, trained with as many operations as latent diffusion, first stage included."""
    work = STEPS * step_on_codes() + latent(seed).phases()[0].steps * step_of_first_stage()
    # few steps ask for a short average
    settings = {**SMALL, "ema": 0.9, "steps": work // step_on_pixels()}
    return run(ClassifierFreeGuidance, settings, task=enlarged(), seed=seed, evaluate=False).model


def operations(model, n=10):
    """Floating-point operations of one sample."""
    with Operations() as counted:
        model.sample(n, torch.arange(n) % 10)
    return counted.counted / n


def distance(x):
    """Frechet distance of images, in pixels, from the held-out ones."""
    test = enlarged().splits["test"][0]
    return frechet(test.flatten(1), x.flatten(1))


def samples(model):
    seed_all("noise")
    return model.sample(180, enlarged().splits["test"][1][:180])


def test_samples_cost_a_fraction_at_better_quality(claim):
    models = [(latent(seed), in_pixels(seed)) for seed in range(3)]
    claim.measure("operations", operations(models[0][0]), baseline=operations(models[0][1]))
    found = [[distance(samples(m)) for m in pair] for pair in models]
    claim.measure("distance", [a for a, _ in found], baseline=[b for _, b in found])

    fig, axes = figure(6.4, 2.3, columns=3)
    shown = {"held-out": enlarged().splits["test"][0], "latent": samples(models[0][0]), "pixels": samples(models[0][1])}
    for ax, (title, x) in zip(axes, shown.items(), strict=True):
        show_images(ax, x[:40], columns=8, title=title)
    claim.figure(
        "samples",
        fig,
        caption="Held-out digits, and samples of the same labels by diffusion on codes and by diffusion on "
        "pixels, after equal work of training. On codes that work buys many times more steps.",
        alt="Three sheets of digits: clean ones, clean ones by latent diffusion, and ragged ones by diffusion in "
        "pixels.",
    )

    fig, ax = figure(6.0, 1.9)
    names = {"training step, pixels": step_on_pixels(), "training step, codes": step_on_codes()}
    names |= {"50-step sample, pixels": operations(models[0][1]), "50-step sample, codes": operations(models[0][0])}
    giga = [v / 1e9 for v in reversed(names.values())]
    bars = ax.barh(list(reversed(names)), giga, color=[PALETTE[0], PALETTE[1]] * 2, height=0.65)
    ax.bar_label(bars, [f" {v:.2f}" for v in giga])
    ax.set(xlabel="floating-point operations, in units of $10^9$")
    claim.figure(
        "cost",
        fig,
        caption="Operations of one training step of the diffusion, batch of 64, and of one sample, decoding "
        "included. The same U-Net works on 4x4 codes (blue) or on 16x16 pixels (orange).",
        alt="Bars: on codes a step and a sample take less than a tenth of what they take on pixels.",
    )


def test_first_stage_caps_the_quality(claim):
    train = enlarged().splits["train"][0][:180]
    models = [*(latent(seed) for seed in range(3)), latent(0, code_channels=1, halvings=3)]
    with torch.no_grad():
        caps = [distance(m.reconstruct(train)) for m in models]
    found = [distance(samples(m)) for m in models]
    claim.measure("samples_over_reconstructions", min(a / b for a, b in zip(found, caps, strict=True)))
    claim.measure("small_code", caps[3], baseline=caps[:3])

    x = enlarged().splits["test"][0][:10]
    with torch.no_grad():
        rows = {"held-out": x, "64 numbers": models[0].reconstruct(x), "4 numbers": models[3].reconstruct(x)}
    claim.figure(
        "reconstructions",
        strips(rows, 10),
        caption="Held-out digits after the first stage: nearly unchanged with a code of 64 numbers, no longer "
        "themselves with four. The diffusion model that follows learns these codes and nothing else.",
        alt="Three rows of ten digits: originals, the same slightly softer, and blurred ones, some of another shape.",
    )

    model, keep, frames = latent(0), [50, 35, 25, 20, 15, 10, 5, 0], {}
    seed_all("film")
    x, y = torch.randn(3, *model.code), torch.tensor([3, 2, 0])
    with torch.no_grad():
        for t in range(50, -1, -1):
            if t in keep:
                frames[t] = x
            x = model.prior.denoise(x, t, y) if t else x
    fig, axes = figure(6.6, 3.9, rows=2, columns=len(keep), height_ratios=[0.5, 1])
    for above, below, t in zip(*axes, keep, strict=True):
        show_images(
            above, frames[t][0].view(1, 4, 4, 4).transpose(0, 1), columns=2, title=f"t = {t}", vmin=-0.8, vmax=0.8
        )
        with torch.no_grad():
            pictures = model.decode(model.unscaled((frames[t] + 1) / 2).flatten(1))
        show_images(below, pictures, columns=1)
    claim.figure(
        "hero",
        fig,
        caption="Above, the four channels of one code on the way from noise, 4x4 numbers each: this is all that "
        "the diffusion model works on. Below, what the decoder makes of this code (first row) and of two others; "
        "only the last is ever decoded.",
        alt="Small gray squares above; below, three rows of 16 by 16 images that turn from blots into the digits "
        "3, 8 and 5.",
    )


def test_without_a_first_stage_it_is_guided_diffusion(claim):
    model = InPixels(LatentDiffusion.Config(hidden=8))
    other = ClassifierFreeGuidance(ClassifierFreeGuidance.Config(shape=(1, 16, 16), hidden=8))
    other.load_state_dict(model.prior.state_dict())
    batch, grads, plain = Batch(*enlarged().batch("train", 0, 16)), Grads(model.prior), Grads(other)
    seed_all("draws")
    model.learn_prior(batch, grads)
    seed_all("draws")
    plain.minimize("main", other.loss(batch)["loss"])
    claim.measure("gradient", ((grads.found - plain.found).norm() / plain.found.norm()).item())
    images = []
    for m in (model, other):
        seed_all("noise")
        images.append(m.sample(4, torch.arange(4)))
    claim.measure("samples", (images[0] - images[1]).abs().max().item())
