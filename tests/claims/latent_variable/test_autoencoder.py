"""Claims of the autoencoder."""

import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from reference_impl.core import run
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.latent_variable.autoencoder import Autoencoder
from reference_impl.tasks import make
from reference_impl.tasks.measures import nn_accuracy


def splits() -> tuple[Tensor, Tensor, Tensor]:
    """Training images (N, 1, 8, 8), held-out images, and labels of the latter."""
    task = make("images")
    (train, _), (test, labels) = task.splits["train"], task.splits["test"]
    return train, test, labels


def principal(x: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """Mean (D,) and leading d principal directions (D, d) of images."""
    mean = x.flatten(1).mean(0)
    return mean, torch.linalg.svd(x.flatten(1) - mean, full_matrices=False).Vh[:d].T


def pca_error(train: Tensor, test: Tensor, d: int) -> float:
    """Mean squared error per pixel of held-out images after PCA with d components."""
    mean, u = principal(train, d)
    x = test.flatten(1) - mean
    return (x - x @ u @ u.T).square().mean().item()


@torch.no_grad()
def error(model: Autoencoder, x: Tensor) -> float:
    return (model.reconstruct(x) - x).square().mean().item()


def test_linear_code_spans_the_principal_components(claim):
    train, test, _ = splits()
    settings = {"latent_dim": 8, "hidden": 0, "steps": 4000, "batch_size": 479, "lr": 0.05, "cooldown": 0.9}
    model = run(Autoencoder, settings, evaluate=False).model
    _, u = principal(train, 8)
    ours = torch.linalg.qr(model.decoder[0].weight.detach()).Q
    # the sine of the largest principal angle; its cosine says nothing about small angles in float32
    sine = torch.linalg.matrix_norm(ours - u @ (u.T @ ours), ord=2).clamp(max=1)
    claim.measure("angle", torch.rad2deg(sine.asin()).item())
    claim.measure("error", error(model, test), baseline=pca_error(train, test, 8))


def test_bent_code_beats_principal_components(claim):
    train, test, labels = splits()
    settings = {"latent_dim": 2, "hidden": 192}  # of a width that a page can load beside a VAE's
    models = [run(Autoencoder, settings, seed=seed, evaluate=False).model for seed in range(5)]
    claim.measure("error", [error(m, test) for m in models], baseline=pca_error(train, test, 2))

    mean, u = principal(train, 2)
    shown = test[[0, 3, 5, 8, 12, 20, 21, 22, 23, 24]]
    flat = (mean + (shown.flatten(1) - mean) @ u @ u.T).view_as(shown)
    with torch.no_grad():
        codes, bent = models[0].encode(test), models[0].reconstruct(shown)
    fig, ax = figure(6.0, 1.9)
    show_images(ax, torch.cat([shown, bent, flat]).clamp(0, 1), columns=10)
    for row, name in enumerate(["data", "autoencoder", "PCA"]):
        ax.text(-2, 9 * row + 3.5, name, ha="right", va="center")
    claim.figure(
        "reconstructions",
        fig,
        caption="Held-out digits, and what two numbers keep of them: a code on a bent surface (middle) still "
        "tells most digits apart, the best flat plane (bottom) averages them.",
        alt="Three rows of ten digits: data, sharp reconstructions of the autoencoder, blurred ones of PCA.",
    )

    across, down = (torch.linspace(*codes[:, i].quantile(torch.tensor([0.02, 0.98])).tolist(), 12) for i in range(2))
    plane = torch.cartesian_prod(down.flip(0), across).flip(1)  # row by row from the top left
    fig, (left, right) = figure(7.2, 3.7, columns=2)
    with torch.no_grad():
        show_images(left, models[0].decode(plane).clamp(0, 1), columns=12, title="decoded code plane")
    for c in range(10):
        right.plot(*codes[labels == c].T, "o", color=PALETTE[c], markersize=3, markeredgewidth=0)
        right.text(*codes[labels == c].median(0).values, str(c), ha="center", va="center", weight="bold", fontsize=12)
    t = torch.linspace(0, 2 * torch.pi, 100)
    right.plot(t.cos(), t.sin(), color="red", linewidth=2, zorder=4)
    right.set(title="codes of held-out digits", xlabel="z₁", ylabel="z₂", box_aspect=1)
    right.set(xlim=across[[0, -1]].tolist(), ylim=down[[0, -1]].tolist())
    claim.figure(
        "hero",
        fig,
        caption="An autoencoder with two numbers per image. Right: codes of held-out digits, colored by class. "
        "The red circle is one standard deviation of N(0, I); most codes lie outside it, and whole classes "
        "far outside. Left: the same rectangle, which holds 96 % of the codes along each axis, decoded. "
        "Between the clusters lie holes, codes no image was ever given, and they decode to no digit.",
        alt="A grid of decoded codes with malformed images between digits, and a scatter of stretched "
        "clusters with empty space between.",
    )
    claim.program("decode", models[0].decode, plane[:1], codes=codes.tolist(), labels=labels.tolist())


def test_normal_codes_decode_to_no_digits(claim):
    train, test, _ = splits()
    fitted, normal = [], []
    for seed in range(3):
        model = run(Autoencoder, seed=seed, evaluate=False).model
        with torch.no_grad():
            density = GaussianMixture(10, random_state=seed).fit(model.encode(train).double().numpy())
            drawn = model.decode(torch.from_numpy(density.sample(len(test))[0]).float())
        fitted.append(nn_accuracy(test.flatten(1), drawn.flatten(1)))
        normal.append(nn_accuracy(test.flatten(1), model.sample(len(test)).flatten(1)))
    claim.measure("told_from_data", fitted, baseline=normal)

    fig, (left, right) = figure(5.0, 2.6, columns=2)
    show_images(left, model.sample(64).clamp(0, 1), columns=8, title="codes from N(0, I)")
    show_images(
        right, drawn[torch.randperm(len(drawn))[:64]].clamp(0, 1), columns=8, title="codes from a fitted mixture"
    )
    claim.figure(
        "holes",
        fig,
        caption="The same decoder, fed codes from two densities. Codes from N(0, I) miss the region the encoder "
        "uses; codes from a mixture of ten Gaussians fitted to the training codes decode to mostly "
        "legible digits.",
        alt="Two sheets of 64 images: blots on the left, digits on the right.",
    )
