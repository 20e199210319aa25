"""Claims of the VQ-VAE."""

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from reference_impl.core import run
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.latent_variable.vae import VAE
from reference_impl.latent_variable.vq_vae import VQVAE
from reference_impl.tasks import make
from reference_impl.tasks.measures import frechet

ALONE = {"prior_share": 0}


@torch.no_grad()
def error(model: VAE | VQVAE, x: Tensor) -> float:
    """Squared error of the reconstruction, per pixel."""
    return (model.reconstruct(x) - x).square().mean().item()


def quantized(train: Tensor, x: Tensor) -> Tensor:
    """8x8 images (N, 1, 8, 8), each quadrant replaced by the nearest of 64 means that k-means found in it."""
    out = x.clone()
    for i in (0, 4):
        for j in (0, 4):
            means = KMeans(64, n_init=5, random_state=0).fit(train[:, 0, i : i + 4, j : j + 4].flatten(1).numpy())
            chosen = means.predict(x[:, 0, i : i + 4, j : j + 4].flatten(1).numpy())
            out[:, 0, i : i + 4, j : j + 4] = torch.from_numpy(means.cluster_centers_[chosen]).view(-1, 4, 4)
    return out


def perplexity(tokens: Tensor, codes: int) -> float:
    """exp of the entropy of the tokens, the number of codes in equal use that would have it."""
    return torch.special.entr(torch.bincount(tokens.flatten(), minlength=codes) / tokens.numel()).sum().exp().item()


def test_beats_product_quantization_at_equal_bits(claim):
    task = make("images")
    train, test = (task.splits[s][0] for s in ("train", "test"))
    product = quantized(train, test)
    models = [run(VQVAE, ALONE, task=task, seed=seed, evaluate=False).model for seed in range(3)]
    claim.measure("error", [error(m, test) for m in models], baseline=(product - test).square().mean().item())

    model = models[0]
    with torch.no_grad():
        tokens, back = model.tokens(test), model.reconstruct(test)
    fig, axes = figure(6.6, 2.3, columns=4)
    for ax, (title, x) in zip(axes[:3], {"held-out": test, "VQ-VAE": back, "k-means": product}.items(), strict=True):
        show_images(ax, x[:12].clamp(0, 1), columns=3, title=title)
    axes[3].imshow(torch.cat([torch.cat([*t.view(-1, 2, 2)], 1) for t in tokens[:12].split(3)]), cmap="turbo")
    for (r, c), v in zip(
        ((r, c) for r in range(8) for c in range(6)),
        torch.cat([torch.cat([*t.view(-1, 2, 2)], 1) for t in tokens[:12].split(3)]).flatten().tolist(),
        strict=True,
    ):
        axes[3].text(c, r, str(v), ha="center", va="center", fontsize=6, color="white")
    axes[3].set(title="tokens", xticks=[1.5, 3.5], yticks=[1.5, 3.5, 5.5], xticklabels=[], yticklabels=[])
    claim.figure(
        "reconstructions",
        fig,
        caption="Held-out digits and what four tokens of six bits keep of them. k-means codes each quadrant by "
        "itself and shows seams; the VQ-VAE's tokens are read together by the decoder. Right: those tokens, "
        "two by two for each digit, by their number and color.",
        alt="Three sheets of digits, data and two reconstructions, and a map of numbered colored tokens.",
    )


def test_tokens_are_all_the_decoder_needs(claim):
    task = make("images")
    test = task.splits["test"][0]
    model = run(VQVAE, {"steps": 300, **ALONE}, task=task, evaluate=False).model
    with torch.no_grad():
        stored = model.tokens(test).to(torch.uint8).numpy().tobytes()
        read = torch.frombuffer(bytearray(stored), dtype=torch.uint8).view(len(test), -1).long()
        continuous = model.decode(model.features(test).flatten(1))
        again, whole = model.decode(model.vectors(read)), model.reconstruct(test)
    gap = (continuous - whole).abs().max().item()
    claim.measure("difference", (again - whole).abs().max().item(), baseline=gap)


def test_running_means_with_restarts_use_the_codebook(claim):
    task = make("images")
    test = task.splits["test"][0]
    paper = {"commitment": 0.25}
    ways = {
        "running means, restarts": paper,
        "running means alone": {**paper, "restart": 0},
        "gradient": {**paper, "codebook": "gradient"},
        "gradient, commitment 1": {"commitment": 1.0, "codebook": "gradient"},
    }
    share: dict[str, list[float]] = {name: [] for name in ways}
    used = {}
    for name, settings in ways.items():
        for seed in range(3):
            model = run(VQVAE, {"steps": 500, **ALONE, **settings}, task=task, seed=seed, evaluate=False).model
            with torch.no_grad():
                tokens = model.tokens(test)
            share[name].append(perplexity(tokens, 64) / 64)
        used[name] = torch.bincount(tokens.flatten(), minlength=64).sort(descending=True).values
    ours, alone, gradient, committed = share.values()
    claim.measure("use", ours, baseline=gradient)
    claim.measure("use_without_restarts", ours, baseline=alone)
    claim.measure("use_committed", committed, baseline=gradient)

    fig, ax = figure(5.6, 2.8)
    for name, color in zip(ways, PALETTE, strict=False):
        ax.step(range(64), used[name] / used[name].sum(), color=color, label=name, where="mid")
    ax.set(xlabel="code, by use", ylabel="share of tokens")
    ax.legend()
    claim.figure(
        "use",
        fig,
        caption="How often each of 64 codes is chosen on held-out digits, in order of use, after 500 steps; the last "
        "of three seeds. A code that nothing chooses gets neither gradient nor mean, and stays unused unless moved; "
        "a larger commitment keeps vectors near the codes, so that fewer are left out.",
        alt="Four falling curves; those with restarts and with more commitment are the flattest.",
    )


def test_code_keeps_its_bits_where_a_vae_collapses(claim):
    task = make("images")
    train, test = (task.splits[s][0] for s in ("train", "test"))
    power = (test - train.mean(0)).square().mean().item()
    kept: dict[str, list[float]] = {"vae": [], "vq": []}
    bits, rate = [], []
    for seed in range(3):
        vae = run(VAE, {"likelihood": "gaussian", "steps": 500}, task=task, seed=seed, evaluate=False).model
        vq = run(VQVAE, {"steps": 500, **ALONE}, task=task, seed=seed, evaluate=False).model
        with torch.no_grad():
            rate.append(vae.rate(*vae.posterior(test)).mean().item() / torch.log(torch.tensor(2.0)).item())
            tokens = vq.tokens(test)
        # the code is a function of the image, so any one token's entropy is a lower bound of what it says
        bits.append(max(torch.tensor(perplexity(t, 64)).log2().item() for t in tokens.T))
        kept["vae"].append(1 - error(vae, test) / power)
        kept["vq"].append(1 - error(vq, test) / power)
    claim.measure("bits", bits, baseline=rate)
    claim.measure("explained", kept["vq"], baseline=kept["vae"])

    with torch.no_grad():
        rows = [test[:10], vae.reconstruct(test[:10]), vq.reconstruct(test[:10])]
    fig, axes = figure(5.4, 1.9, rows=3)
    for ax, x, name in zip(axes, rows, ("data", "VAE", "VQ-VAE"), strict=True):
        show_images(ax, x.clamp(0, 1), columns=10)
        ax.text(-2, 3.5, name, ha="right", va="center", fontsize=8)
    claim.figure(
        "collapse",
        fig,
        caption="Held-out digits, their reconstructions by a VAE whose decoder has variance 1, and by a VQ-VAE trained "
        "on the same squared error. The VAE's code is silent and all digits become the mean; the VQ-VAE "
        "pays no rate and keeps its tokens.",
        alt="A row of ten digits, a row of ten identical gray blurs, a row of ten readable reconstructions.",
    )


def test_prior_makes_the_samples(claim):
    task = make("images")
    train, test = (task.splits[s][0] for s in ("train", "test"))
    model = run(VQVAE, {"steps": 1000, "prior_share": 0.25}, task=task, evaluate=False).model
    with torch.no_grad():
        tokens = model.tokens(train)
        # tokens that occur as often at each place, but have nothing to do with each other
        apart = torch.stack([t[torch.randperm(len(t))] for t in tokens.T], 1)
        loose = model.decode(model.vectors(apart))
        drawn, held = model.sample(len(train)), model.tokens(test)
        rows = torch.nn.functional.pad(held, (1, 0), value=64)
        nats = -model.prior.log_prob(rows).mean()
    floor = frechet(test.flatten(1), train.flatten(1))
    far, far_apart = (frechet(test.flatten(1), x.flatten(1)) / floor for x in (drawn, loose))
    claim.measure("above_floor", far, baseline=far_apart)
    claim.measure("bits", (nats / torch.log(torch.tensor(2.0))).item(), baseline=24.0)

    with torch.no_grad():
        one = tokens[:1].repeat(64, 1)
        one[:, 0] = torch.arange(64)
        book = model.decode(model.vectors(one))
    fig, axes = figure(7.0, 2.6, columns=3)
    panels = {"prior": drawn[:64], "independent tokens": loose[:64], "first token replaced by each code": book}
    for ax, (title, x) in zip(axes, panels.items(), strict=True):
        show_images(ax, x.clamp(0, 1), columns=8)
        ax.set_title(title, fontsize=8)
    claim.figure(
        "hero",
        fig,
        caption="Left: samples, four tokens drawn one after the other by the GPT and decoded. Middle: tokens drawn "
        "independently of each other with the same frequencies; the parts do not fit. Right: the codebook in use, "
        "one digit decoded with its first token replaced by each of the 64 codes.",
        alt="Three sheets of 64 small images: readable digits, broken digits, and variations of one digit.",
    )
