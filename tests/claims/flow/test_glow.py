"""Claims of Glow."""

from functools import cache

import torch

from reference_impl.core import run, seed_all
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.flow.glow import ActNorm, Glow, Mixing, Step
from reference_impl.flow.realnvp import Coupling, RealNVP
from reference_impl.tasks import make


@cache
def digits_flow(mixing: str, seed: int) -> Glow:
    return run(Glow, {"steps": 150, "mixing": mixing}, task=make("images"), seed=seed, evaluate=False).model


@torch.no_grad()
def bits(flow: Glow, x: torch.Tensor) -> torch.Tensor:
    """Bits per pixel of each image, over four draws of the noise."""
    return torch.stack([flow.bits_per_dim(x) for _ in range(4)]).mean(0)


def stir(flow, std: float):
    """Move a flow far from the identity: every last layer gets weights that a trained one could have."""
    for module in flow.modules():
        if isinstance(module, Coupling):
            last = [m for m in module.net if hasattr(m, "weight")][-1]
            torch.nn.init.normal_(last.weight, std=std)
    return flow.eval()


def test_triangular_factors_give_the_determinant(claim):
    gaps = []
    for channels in (4, 16, 64):
        mixing, x = Mixing(channels, learned=True).double(), torch.randn(1, channels, 3, 2).double()
        for p in (mixing.L, mixing.U, mixing.log_s):
            torch.nn.init.normal_(p, std=0.3)
        dense = torch.linalg.slogdet(mixing.W).logabsdet
        gaps.append((mixing(x)[1] - 6 * dense).abs().item())
    claim.measure("convolution", max(gaps))

    task = make("images")
    flow = Glow(Glow.Config())
    flow.prepare(task)
    flow, x = stir(flow, 0.02), flow.dequantize(task.splits["test"][0])
    with torch.no_grad():
        claim.measure("float32", (flow.reconstruct(x) - x).abs().max().item())
    flow, few = flow.double(), x[:2].double()
    jacobian = torch.func.vmap(torch.func.jacrev(lambda v: flow.encode(v[None])[0]))(few).view(len(few), 64, 64)
    claim.measure("flow", (flow.transform(few)[1] - torch.linalg.slogdet(jacobian).logabsdet).abs().max().item())


def test_actnorm_starts_with_mean_zero_and_variance_one(claim):
    before, after, flow = [], [], Glow(Glow.Config())

    def keep(_, given, out) -> None:
        before.append(given[0])
        after.append(out[0])

    for module in flow.modules():
        if isinstance(module, ActNorm):
            module.register_forward_hook(keep)
    # it sets each layer and then passes the same images on through it
    flow.prepare(make("images"))

    def moments(images: list[torch.Tensor]) -> tuple[float, float]:
        pairs = [torch.var_mean(x.double(), (0, 2, 3), unbiased=False) for x in images]
        return max(m.abs().max().item() for _, m in pairs), max((v - 1).abs().max().item() for v, _ in pairs)

    claim.measure("mean", moments(after)[0], baseline=moments(before)[0])
    claim.measure("variance", moments(after)[1], baseline=moments(before)[1])


def test_fixed_permutations_and_no_normalization_give_realnvp(claim):
    task = make("images")
    affine = RealNVP(RealNVP.Config(shape=(64,)))
    affine.prepare(task)
    stir(affine.double(), 0.05)
    # each observation is an image of one pixel and 64 channels, so a convolution is a linear layer
    glow = Glow(Glow.Config(shape=(64,), layers=8, hidden=256)).double().eval()
    couplings = [layer for layer in affine.bijections if isinstance(layer, Coupling)]
    steps = [layer for layer in glow.bijections if isinstance(layer, Step)]
    glow.bijections[0].load_state_dict(affine.bijections[0].state_dict())
    order = torch.arange(64)
    with torch.no_grad():
        for step, coupling in zip(steps, couplings, strict=True):
            # what RealNVP keeps comes first
            wanted = torch.cat([coupling.mask.nonzero()[:, 0], (1 - coupling.mask).nonzero()[:, 0]])
            step.mixing.P.copy_((wanted[:, None] == order).double())
            for p in (step.mixing.L, step.mixing.U, step.mixing.log_s):
                p.zero_()
            step.mixing.sign.fill_(1)
            order = wanted
            first, second, last = (m for m in coupling.net if hasattr(m, "weight"))
            moved = torch.cat([order, 64 + order])
            source = [(first.weight[:, order], first.bias), (second.weight, second.bias)]
            source.append((last.weight[moved], last.bias[moved]))
            into = [m for m in step.coupling.net if hasattr(m, "weight")]
            for layer, (weight, bias) in zip(into, source, strict=True):
                layer.weight.zero_()
                layer.weight[:, :, layer.weight.shape[2] // 2, layer.weight.shape[3] // 2] = weight
                layer.bias.copy_(bias)
        x = affine.dequantize(task.splits["test"][0].double()).flatten(1)
        claim.measure("log_prob", (glow.log_prob(x) - affine.log_prob(x)).abs().max().item())
        z = torch.randn(500, 64).double()
        claim.measure("decoded", (glow.decode(z[:, order]) - affine.decode(z)).abs().max().item())
        independent = glow.bijections[0](x)[0]
        claim.measure("moved", (affine.encode(x) - independent).abs().mean().item())


def test_learned_mixing_beats_reversed_channels(claim):
    test = make("images").splits["test"][0]
    flows = {mixing: [digits_flow(mixing, seed) for seed in range(3)] for mixing in ("learned", "reversed")}
    seed_all("noise")
    each = {mixing: [bits(flow, test) for flow in several] for mixing, several in flows.items()}
    learned, fixed = ([b.mean().item() for b in each[mixing]] for mixing in flows)
    claim.measure("mean", learned, baseline=fixed)
    gain = torch.tensor(fixed) - torch.tensor(learned)
    claim.measure("standard_errors", (gain.mean() / (gain.std() / 3**0.5)).item())
    claim.measure("worst", [b.max().item() for b in each["learned"]])

    flow = flows["learned"][0]
    seed_all("hero")
    z, temperatures = torch.randn(24, 64), (0.0, 0.5, 0.7, 0.85, 1.0)
    fig, axes = figure(6.4, 2.9, columns=len(temperatures))
    with torch.no_grad():
        for ax, t in zip(axes, temperatures, strict=True):
            show_images(ax, flow.decode(t * z), columns=4, title=f"T = {t:g}")
    claim.figure(
        "hero",
        fig,
        caption="The same 24 codes, multiplied by a temperature T and decoded, after 150 steps. At 0 all are the one "
        "image of code zero, an average of digits. With T strokes darken and differ more; at 1, where samples follow "
        "the density of the model, loose dots appear beside them.",
        alt="Five sheets of small digits: identical at temperature zero, more varied and noisier up to one.",
    )

    labels, part = make("images").splits["test"][1], torch.linspace(0, 1, 9).view(1, -1, 1)
    first = torch.stack([(labels == digit).nonzero()[0, 0] for digit in (0, 1, 2, 7, 4, 5, 3, 8, 6, 9)])
    pairs = test[first].view(5, 2, 64)
    with torch.no_grad():
        code = flow.encode(flow.dequantize(test[first])).view(5, 2, 64)
        between = flow.decode(torch.lerp(code[:, :1], code[:, 1:], part).flatten(0, 1))
    blended = torch.lerp(pairs[:, :1], pairs[:, 1:], part).reshape(-1, 1, 8, 8)
    fig, (left, right) = figure(6.4, 2.3, columns=2)
    show_images(left, between, columns=9, title="straight lines between codes")
    show_images(right, blended, columns=9, title="between pixels")
    claim.figure(
        "interpolation",
        fig,
        caption="From one held-out digit to another. On the left the straight line runs between their codes and is "
        "decoded; on the right between their pixels. Midway, blending shows both digits in half ink; decoded images "
        "keep dark strokes, which move or break, and are not always a digit.",
        alt="Two sheets of five rows of digits that change from left to right, by the flow and by blending.",
    )


def test_a_blank_image_is_likelier_than_almost_every_digit(claim):
    test = make("images").splits["test"][0]
    flows = [digits_flow("learned", seed) for seed in range(3)]
    seed_all("noise")
    digit = [bits(flow, test) for flow in flows]
    blank = [bits(flow, torch.zeros(64, 1, 8, 8)) for flow in flows]
    claim.measure("share", [(d > b.mean()).float().mean().item() for d, b in zip(digit, blank, strict=True)])
    noise = torch.randint(0, 17, (360, 1, 8, 8)) / 16
    shuffled = test.flatten(1).gather(1, torch.rand(len(test), 64).argsort(1)).view_as(test)
    foreign = [bits(flow, noise) for flow in flows]
    claim.measure("noise", [b.min().item() for b in foreign], baseline=[d.max().item() for d in digit])

    rows = {"blank": blank[0], "held-out digits": digit[0], "pixels shuffled": bits(flows[0], shuffled)}
    rows["uniform noise"] = foreign[0]
    fig, ax = figure(6.0, 2.8)
    edges = torch.arange(1.0, max(values.max().item() for values in rows.values()) + 0.1, 0.05)
    for color, (name, values) in zip((1, 0, 2, 8), rows.items(), strict=True):
        share = torch.histogram(values, edges).hist / len(values)
        ax.stairs(share, edges, fill=True, alpha=0.7, color=PALETTE[color], label=name)
    ax.set(xlabel="bits per pixel", ylabel="share of images")
    ax.legend()
    claim.figure(
        "likelihood",
        fig,
        caption="Bits per pixel under a flow trained on digits; less is more likely. "
        "Noise and shuffled pixels cost more than digits, as one hopes. Blank images, which nobody would call a digit, "
        "cost less than almost every digit: a threshold on the likelihood lets them pass.",
        alt="Histograms of bits per pixel: blank images farthest left, then digits, shuffled digits and noise.",
    )
