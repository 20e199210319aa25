"""Claims of the sparse autoencoder."""

from functools import cache

import torch
import torch.nn.functional as F
from sklearn.decomposition import FastICA
from torch import Tensor

from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.latent_variable.autoencoder import Autoencoder
from reference_impl.latent_variable.sparse_autoencoder import SparseAutoencoder
from reference_impl.tasks import make
from reference_impl.tasks.measures import nn_accuracy
from reference_impl.tasks.photos import crops, parts, photographs, scaled

FEATURES, DIMENSIONS, ACTIVE = 64, 32, 3
SIDE = 10
"""Pixels along a patch."""


def superposition(seed: int, n: int = 20_000) -> tuple[Tensor, Tensor]:
    """64 random directions (64, 32), and data (n, 32) that are sums of three, each 0.5 to 1.5 strong."""
    g = torch.Generator().manual_seed(seed)
    features = F.normalize(torch.randn(FEATURES, DIMENSIONS, generator=g), dim=1)
    present = torch.rand(n, FEATURES, generator=g).topk(ACTIVE, 1).indices
    strength = torch.zeros(n, FEATURES).scatter(1, present, 0.5 + torch.rand(n, ACTIVE, generator=g))
    return features, strength @ features


def of_superposition(seed: int, x: Tensor, **settings: int) -> SparseAutoencoder:
    """Trained on superposed features, with as many units as features unless told otherwise."""
    task = Task(x, shape=[DIMENSIONS])
    cfg = {"latent_dim": FEATURES, "k": ACTIVE, "batch_size": 256, "steps": 2000, **settings}
    return run(SparseAutoencoder, cfg, task=task, seed=seed, evaluate=False).model


@cache
def of_digits(seed: int, tied: bool) -> SparseAutoencoder:
    return run(SparseAutoencoder, {"tied": tied}, seed=seed, evaluate=False).model


def digits() -> tuple[Tensor, Tensor]:
    """Training and held-out digits (N, 1, 8, 8)."""
    task = make("images")
    return task.splits["train"][0], task.splits["test"][0]


def cosines(features: Tensor, directions: Tensor) -> Tensor:
    """Cosine of each feature (M, D) with each direction (N, D): (M, N)."""
    return features @ F.normalize(directions, dim=1).T


def best(features: Tensor, directions: Tensor) -> float:
    """Mean over features of the cosine with the nearest direction."""
    return cosines(features, directions).max(1).values.mean().item()


def both_signs(directions: Tensor) -> Tensor:
    """Directions and their negatives, for methods that leave the sign open."""
    return torch.cat([directions, -directions])


def principal(x: Tensor) -> Tensor:
    """Principal directions of rows (N, D), the leading one first: (D, D)."""
    return torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh


@torch.no_grad()
def firing(model: SparseAutoencoder, x: Tensor) -> Tensor:
    """Share of observations in which each unit is active: (Z,)."""
    return (model.encode(x) != 0).float().mean(0)


def test_recovers_the_features_of_a_superposition(claim):
    learned, flat, independent, slack = [], [], [], []
    for seed in range(3):
        features, x = superposition(seed)
        model = of_superposition(seed, x)
        learned.append(best(features, model.atoms))
        flat.append(best(features, both_signs(principal(x))))
        ica = FastICA(random_state=0, max_iter=200, tol=1e-3).fit(x.numpy())
        independent.append(best(features, both_signs(torch.from_numpy(ica.mixing_).T.float())))
        wide = cosines(features, of_superposition(seed, x, latent_dim=2 * FEATURES).atoms)
        slack.append(int((wide.max(1).values > 0.9).sum()))
    claim.measure("cosine", learned, baseline=flat)
    claim.measure("cosine_to_ica", learned, baseline=independent)
    claim.measure("found_with_slack", slack)

    sheets = {"principal components": principal(x), "sparse autoencoder": model.atoms}
    fig, axes = figure(6.4, 3.9, columns=2, width_ratios=[1, 2])
    for ax, (title, directions) in zip(axes, sheets.items(), strict=True):
        c = cosines(features, directions).abs()
        # columns in the order of the features they are nearest to
        c = c[:, c.max(0).indices.argsort()]
        shown = ax.imshow(c, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
        ax.set(title=title, xlabel="direction")
    axes[0].set_ylabel("feature")
    fig.colorbar(shown, ax=axes, label="cosine", shrink=0.7)
    claim.figure(
        "superposition",
        fig,
        caption="64 features share 32 dimensions, three present at a time. Cosine of each with each direction "
        "found. The 32 principal components are mixtures of all; the 64 atoms are nearly all single features.",
        alt="Two maps of cosines: a uniform haze for principal components, a sharp diagonal for the atoms.",
    )


def test_every_code_has_exactly_k_active_units(claim):
    _, test = digits()
    sparse, plain = of_digits(0, True), run(Autoencoder, {"steps": 20, "latent_dim": 256}, evaluate=False).model
    active, dense = ((model.encode(test) != 0).sum(1) for model in (sparse, plain))
    claim.measure("other_than_k", int((active != 8).sum()), baseline=int((dense != 8).sum()))


def patches() -> tuple[Tensor, Tensor, Tensor]:
    """Whitened gray patches (N, 100) to learn from, held-out ones, and the principal directions kept (100, D)."""
    pictures = [parts(scaled(x, 0.5).mean(0, keepdim=True)) for x in photographs().values()]
    seen, unseen = zip(*pictures, strict=True)
    train, test = crops(seen, SIDE, 2400)[0].flatten(1), crops(unseen, SIDE, 600)[0].flatten(1)
    train, test = (x - x.mean(1, keepdim=True) for x in (train, test))
    u, variance, _ = torch.linalg.svd(train.T.cov())
    # the last half percent of the variance is the finest, noisiest detail
    kept = variance.cumsum(0) < 0.995 * variance.sum()
    u = u[:, kept]
    white = u @ torch.diag(variance[kept].rsqrt()) @ u.T
    return train @ white, test @ white, u


def kurtosis(codes: Tensor) -> float:
    """Median over units of the excess kurtosis; 0 for a Gaussian."""
    z = codes - codes.mean(0)
    return (z.pow(4).mean(0) / z.square().mean(0).square() - 3).median().item()


def extent(atoms: Tensor) -> float:
    """Median root mean square distance of an atom's energy from its center, in pixels: (N, 100)."""
    e = atoms.square() / atoms.square().sum(1, keepdim=True)
    at = torch.cartesian_prod(*[torch.arange(float(SIDE))] * 2)
    return ((e @ at.square()).sum(1) - (e @ at).square().sum(1)).sqrt().median().item()


def orientation(atoms: Tensor) -> float:
    """Median coherence of an atom's gradients: 1 where all lie along one line, 0 where none is preferred: (N, 100)."""
    w = atoms.view(-1, SIDE, SIDE)
    gx, gy = w.diff(dim=2)[:, :-1], w.diff(dim=1)[:, :, :-1]
    xx, yy, xy = (g.sum((1, 2)) for g in (gx * gx, gy * gy, gx * gy))
    return (((xx - yy).square() + 4 * xy.square()).sqrt() / (xx + yy)).median().item()


def test_atoms_of_photographs_are_localized_and_oriented(claim):
    train, test, u = patches()
    task = Task(train, test, shape=[SIDE * SIDE])
    cfg = {"latent_dim": 196, "k": 10, "batch_size": 256, "steps": 2000}
    model = run(SparseAutoencoder, cfg, task=task, evaluate=False).model
    with torch.no_grad():
        codes, before, atoms = model.encode(test), model.encoder(test), model.atoms
        live = firing(model, train) > 0
    noise = torch.randn(1000, u.shape[1]) @ u.T
    claim.measure("kurtosis", kurtosis(codes[:, live]), baseline=kurtosis(test @ u))
    claim.measure("kurtosis_before_selection", kurtosis(before[:, live]), baseline=kurtosis(test @ u))
    claim.measure("extent", extent(atoms[live]), baseline=extent(u.T))
    claim.measure("orientation", orientation(atoms[live]), baseline=orientation(noise))

    order = firing(model, train).argsort(descending=True)
    fig, (left, right) = figure(6.4, 3.5, columns=2)
    for ax, shown, title in ((left, u.T[:49], "principal components"), (right, atoms[order[:98:2]], "atoms")):
        shown = shown / shown.abs().amax(1, keepdim=True)
        show_images(ax, shown.view(-1, SIDE, SIDE), columns=7, title=title, vmin=-1)
    claim.figure(
        "hero",
        fig,
        caption="Learned from whitened patches of ten photographs, 10 by 10 pixels. Principal components are waves "
        "over the whole patch; atoms of a sparse autoencoder are short edges, each at one place and of one direction, "
        "as are the receptive fields of simple cells in the visual cortex. Shown are 49 of 196 atoms.",
        alt="Two sheets of 49 patches: checkered waves on the left, short oriented edges on the right.",
    )


def test_a_tied_start_keeps_units_alive(claim):
    train, test = digits()
    dead, errors = ([], []), ([], [])
    for seed in range(3):
        for side, tied in enumerate((True, False)):
            model = of_digits(seed, tied)
            dead[side].append((firing(model, train) == 0).float().mean().item())
            with torch.no_grad():
                errors[side].append((model.reconstruct(test) - test).square().mean().item())
    claim.measure("dead", dead[0], baseline=dead[1])
    claim.measure("error", errors[0], baseline=errors[1])

    fig, ax = figure(5.6, 2.8)
    for tied, name, color in ((True, "tied start", PALETTE[0]), (False, "independent start", PALETTE[1])):
        ax.plot(firing(of_digits(0, tied), train).sort(descending=True).values, color=color, label=name)
    ax.set(
        xlabel="unit, most active first",
        ylabel="share of digits in which it fires",
    )
    ax.set_yscale("symlog", linthresh=1e-3)
    ax.legend()
    claim.figure(
        "dead_units",
        fig,
        caption="How often each of 256 units fires on the training digits. If the encoder starts as the decoder's "
        "transpose, all find something to do; from an independent start most never fire and so never learn.",
        alt="Two falling curves; one reaches zero after about 50 units, the other stays above zero for all.",
    )


def test_too_large_k_mixes_features(claim):
    sizes = (1, 3, 5, 8, 12, 16)
    features, x = superposition(0)
    models = [of_superposition(0, x, k=k, steps=1000) for k in sizes]
    match = [best(features, m.atoms) for m in models]
    with torch.no_grad():
        error = [((m.reconstruct(x) - x).square().sum() / (x - x.mean(0)).square().sum()).item() for m in models]
    claim.measure("cosine", match[-1], baseline=match[sizes.index(ACTIVE)])
    claim.measure("error", error[-1], baseline=error[sizes.index(ACTIVE)])

    fig, ax = figure(5.2, 2.8)
    ax.plot(sizes, match, "o-", color=PALETTE[0], markersize=3)
    ax.plot(sizes, error, "o-", color=PALETTE[1], markersize=3)
    ax.annotate("cosine of features with atoms", (4.5, 1.0), color=PALETTE[0])
    ax.annotate("share of the variance lost", (4.5, 0.14), color=PALETTE[1])
    ax.axvline(ACTIVE, color=PALETTE[8], linestyle=":")
    ax.set(xlabel="k, active units", ylim=(0, 1.1))
    claim.figure(
        "k",
        fig,
        caption="Data with three features present at a time (dotted line). With more units active the error goes on "
        "falling while the atoms cease to be features: the error does not tell which k is right.",
        alt="Over k, the error falls throughout, the cosine is high up to about six and falls after that.",
    )


def test_it_is_a_dictionary_and_no_sampler(claim):
    train, test = digits()
    n, real = len(test), test.flatten(1)
    drawn, restored = [], []
    for seed in range(3):
        model = of_digits(seed, True)
        seed_all(seed)  # the same draws whether it was trained just now or for another claim
        drawn.append(nn_accuracy(real, model.sample(n).flatten(1)))
        with torch.no_grad():
            restored.append(nn_accuracy(real, model.reconstruct(train[:n]).flatten(1)))
    claim.measure("told_from_data", drawn, baseline=restored)

    with torch.no_grad():
        fig, (left, right) = figure(5.0, 2.6, columns=2)
        show_images(left, model.reconstruct(train[:64]).clamp(0, 1), columns=8, title="codes of digits")
        show_images(right, model.sample(64).clamp(0, 1), columns=8, title="units drawn one by one")
    claim.figure(
        "no_sampler",
        fig,
        caption="The same atoms, put together twice. Left: codes of digits, eight units each. Right: every unit fires "
        "as often and as strongly as on digits, but independently of the others; which strokes go together is not in "
        "the dictionary.",
        alt="Two sheets of 64 images: digits on the left, heaps of strokes on the right.",
    )


def test_with_all_units_it_is_the_linear_autoencoder(claim):
    settings = {"latent_dim": 96, "hidden": 0, "steps": 200}
    plain = run(Autoencoder, {**settings, "lr": 3e-3}, log_every=1, evaluate=False)

    def differing(k: int) -> int:
        """Weights and losses of a run with this k that are not the linear autoencoder's, bit for bit."""
        other = run(SparseAutoencoder, {**settings, "k": k, "tied": False}, log_every=1, evaluate=False)
        losses = sum(a["loss"] != b["loss"] for a, b in zip(plain.history, other.history, strict=True))
        weights = other.model.state_dict()
        return losses + sum(int((a != weights[name]).sum()) for name, a in plain.model.state_dict().items())

    claim.measure("differing", differing(96), baseline=differing(95))
