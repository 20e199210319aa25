"""Claims of the variational autoencoder."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from reference_impl.core import Batch, Task, run
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.latent_variable.autoencoder import Autoencoder
from reference_impl.latent_variable.vae import VAE
from reference_impl.tasks import make
from reference_impl.tasks.images import digits
from reference_impl.tasks.measures import frechet, nn_accuracy


def ppca(x: Tensor, latent: int) -> tuple[float, float]:
    """Noise variance and mean log-likelihood of maximum-likelihood probabilistic PCA of the rows (N, D)."""
    values, vectors = torch.linalg.eigh(x.double().T.cov(correction=0))
    noise = values[:-latent].mean()
    values = torch.cat([noise.expand(len(values) - latent), values[-latent:]])
    model = MultivariateNormal(x.double().mean(0), vectors @ values.diag() @ vectors.T)
    return noise.item(), model.log_prob(x.double()).mean().item()


def test_bound_is_tight_for_linear_models(claim):
    latent, noise = torch.randn(2000, 3), torch.randn(2000, 10)
    gaussian = latent @ torch.randn(3, 10) + noise
    for name, x, z in [("gaussian_data", gaussian, 3), ("digits", digits()[0].flatten(1), 4)]:
        variance, exact = ppca(x, z)
        settings = {"likelihood": "gaussian", "variance": variance, "latent_dim": z, "hidden": 0}
        budget = {"steps": 6000, "batch_size": 250, "lr": 0.05, "cooldown": 0.9}
        model = run(VAE, settings | budget, task=Task(x, shape=[x.shape[1]]), evaluate=False).model
        with torch.no_grad():
            elbo = torch.stack([model.elbo(x).double().mean() for _ in range(200)]).mean().item()
        claim.measure(name, exact - elbo)


@torch.no_grad()
def decode(model: Autoencoder | VAE, z: Tensor) -> Tensor:
    return model.decode(z)


def test_prior_samples_are_closer_to_data_than_an_autoencoders(claim):
    task = make("images")
    train, test = (task.splits[s][0] for s in ("train", "test"))
    floor = frechet(test.flatten(1), train.flatten(1))
    distance: dict[str, list[float]] = {"vae": [], "ae": [], "fitted": []}
    told: dict[str, list[float]] = {"vae": [], "ae": [], "fitted": []}
    for seed in range(3):
        budget = {"steps": 2000}
        vae = run(VAE, budget, task=task, seed=seed, evaluate=False).model
        ae = run(Autoencoder, budget, task=task, seed=seed, evaluate=False).model
        with torch.no_grad():
            z = ae.encode(train)
        fitted = MultivariateNormal(z.mean(0), z.T.cov()).sample((len(train),))
        drawn = {"vae": vae.sample(len(train)), "ae": ae.sample(len(train)), "fitted": decode(ae, fitted)}
        for name, x in drawn.items():
            distance[name].append(frechet(test.flatten(1), x.flatten(1)))
            told[name].append(nn_accuracy(test.flatten(1), x[: len(test)].flatten(1)))
    claim.measure("frechet", distance["vae"], baseline=distance["ae"])
    claim.measure("above_floor", [d / floor for d in distance["vae"]])
    claim.measure("told_from_data", told["vae"], baseline=told["ae"])
    claim.measure("told_from_data_fitted", told["vae"], baseline=told["fitted"])
    claim.measure("frechet_fitted", distance["fitted"], baseline=distance["vae"])

    fig, axes = figure(6.6, 2.2, columns=4)
    panels = {
        "held-out data": test,
        "VAE, prior": drawn["vae"],
        "autoencoder, N(0, I)": drawn["ae"],
        "autoencoder, fitted": drawn["fitted"],
    }
    for ax, (title, x) in zip(axes, panels.items(), strict=True):
        show_images(ax, x[:36].clamp(0, 1), columns=6)
        ax.set_title(title, fontsize=8)
    claim.figure(
        "samples",
        fig,
        caption="Draws from a VAE's prior beside those of an autoencoder of the same layers, steps and data. The "
        "autoencoder's codes lie elsewhere than N(0, I), so decoding such codes gives blots; a Gaussian "
        "fitted to its codes afterwards mends most of that. The VAE needs no such fit, since its rate "
        "term has put the codes where the prior is.",
        alt="Four sheets of 36 digits: data, smooth digits of the VAE, unreadable blots, partly readable digits.",
    )

    t, pair = torch.linspace(0, 1, 10)[:, None], test[[0, 3, 5, 8, 12, 20]]
    fig, axes = figure(7.0, 1.6, columns=2)
    for ax, model, title in zip(axes, (vae, ae), ("VAE", "autoencoder"), strict=True):
        with torch.no_grad():
            ends = model.encode(pair)
        strips = [decode(model, (1 - t) * a + t * b) for a, b in zip(ends[:3], ends[3:], strict=True)]
        show_images(ax, torch.cat(strips).clamp(0, 1), columns=10, title=title)
    claim.figure(
        "interpolation",
        fig,
        caption="Straight lines between the codes of two held-out digits, decoded: by the VAE from posterior means, "
        "by the autoencoder from its codes. Along the VAE's lines each step changes the image a little and most of the "
        "way stations still look like digits.",
        alt="Two sheets of three rows; in each row one digit morphs into another in ten steps.",
    )


def test_wide_decoder_silences_the_code(claim):
    task = make("images")
    train, test = (task.splits[s][0] for s in ("train", "test"))
    widest = torch.linalg.eigvalsh(train.flatten(1).double().T.cov())[-1].item()
    power = (test - train.mean(0)).square().mean().item()

    def trained(variance: float, seed: int) -> tuple[float, float, VAE]:
        """Rate in nats and share of the held-out variance that reconstructions explain."""
        settings = {"likelihood": "gaussian", "variance": variance, "steps": 600}
        model = run(VAE, settings, task=task, seed=seed, evaluate=False).model
        with torch.no_grad():
            rate = model.rate(*model.posterior(test)).mean().item()
            explained = 1 - (model.reconstruct(test) - test).square().mean().item() / power
        return rate, explained, model

    wide = [trained(1.2 * widest, seed) for seed in range(3)]
    # 0.02: about what the reconstructions of a trained model leave unexplained
    right = [trained(0.02, seed) for seed in range(3)]
    claim.measure("rate", [r for r, _, _ in wide], baseline=[r for r, _, _ in right])
    claim.measure("explained", [e for _, e, _ in wide], baseline=[e for _, e, _ in right])

    with torch.no_grad():
        rows = [test[:10], wide[0][2].reconstruct(test[:10]), right[0][2].reconstruct(test[:10])]
    fig, axes = figure(5.6, 1.9, rows=3)
    for ax, x, name in zip(axes, rows, ("data", f"variance {1.2 * widest:.2f}", "variance 0.02"), strict=True):
        show_images(ax, x.clamp(0, 1), columns=10)
        ax.text(-2, 3.5, name, ha="right", va="center", fontsize=8)
    claim.figure(
        "collapse",
        fig,
        caption="Reconstructions of held-out digits by two VAEs that differ in the variance of the decoder alone. "
        "Above the largest variance that the data have in any direction, every unit costs more than it explains, and "
        "all digits become the mean; a variance near the true error brings the code back.",
        alt="A row of ten digits, a row of ten identical gray blurs, a row of ten readable reconstructions.",
    )


def test_reparameterized_gradient_is_unbiased(claim):
    task = make("images")
    model = run(VAE, {"latent_dim": 2}, task=task, evaluate=False).model.double()
    test, labels = task.splits["test"]
    x, draws = test[:1].double(), 40_000
    mu, sigma = (t.detach() for t in model.posterior(x))

    # the encoder puts out (mu, log sigma^2): a hook catches the gradient of the loss there, draw by draw
    caught: list[Tensor] = []
    hook = model.encoder.register_forward_hook(lambda _, __, out: (out.retain_grad(), caught.append(out))[0])
    model.loss(Batch(x.expand(draws, -1, -1, -1)))["loss"].backward()
    hook.remove()
    pathwise = draws * caught[0].grad  # (draws, 2 Z): the loss is a mean over draws

    # the score function estimates the gradient of the distortion; that of the rate is exact in both
    with torch.no_grad():
        eps = torch.randn(draws, 2, dtype=torch.double)
        cost = -model.log_likelihood(x.expand(draws, -1, -1, -1), mu + sigma * eps)[:, None]
    score = torch.cat([eps / sigma, (eps.square() - 1) / 2], 1)  # of log q, in (mu, log sigma^2)
    constant = (cost * score.square()).mean(0) / score.square().mean(0)  # the best for each coordinate
    plain, controlled = cost * score, (cost - constant) * score

    # the truth, by quadrature over both latent dimensions
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(64))
    grid = torch.cartesian_prod(nodes, nodes)
    weight = torch.cartesian_prod(weights, weights).prod(1) / (2 * math.pi)
    at = torch.cat([mu, 2 * sigma.log()], 1).requires_grad_()
    z = at[:, :2] + (at[:, 2:] / 2).exp() * grid
    distortion = -(weight * model.log_likelihood(x.expand(len(z), -1, -1, -1), z)).sum()
    exact = torch.autograd.grad(distortion, at)[0] + torch.cat([mu, (sigma.square() - 1) / 2], 1)

    error = (pathwise.mean(0) - exact[0]).abs()
    claim.measure("bias", (error / (pathwise.std(0) / math.sqrt(draws))).max().item())
    claim.measure("relative_error", (error.norm() / exact.norm()).item())
    claim.measure("variance", pathwise.var(0).sum().item(), baseline=plain.var(0).sum().item())
    claim.measure("variance_controlled", pathwise.var(0).sum().item(), baseline=controlled.var(0).sum().item())

    model = model.float()
    with torch.no_grad():
        codes = model.encode(test)
    side = Normal(0, 1).icdf(torch.linspace(0.02, 0.98, 12))
    plane = torch.cartesian_prod(side.flip(0), side).flip(1)  # row by row from the top left
    fig, (left, right) = figure(7.2, 3.7, columns=2)
    show_images(left, decode(model, plane), columns=12, title="decoded latent plane")
    for c in range(10):
        right.plot(*codes[labels == c].T, "o", color=PALETTE[c], markersize=3, markeredgewidth=0)
        right.text(*codes[labels == c].median(0).values, str(c), ha="center", va="center", weight="bold", fontsize=12)
    right.set(
        title="posterior means of held-out digits",
        xlabel="z₁",
        ylabel="z₂",
        aspect="equal",
        xlim=(-3.2, 3.2),
        ylim=(-3.2, 3.2),
    )
    claim.figure(
        "hero",
        fig,
        caption="A VAE with a two-dimensional latent. Left: images decoded on a 12 by 12 grid of equal prior "
        "probability; one digit flows into the next. Right: where the encoder puts held-out digits, "
        "colored by class, which training never saw.",
        alt="A grid of digits that morph smoothly into each other, and a scatter of ten colored clusters "
        "around the origin.",
    )
    claim.program("decode", model.decode, plane[:1], codes=codes.tolist(), labels=labels.tolist())
