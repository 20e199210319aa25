"""Claims of inpainting."""

from functools import cache

import torch
from sklearn.svm import SVC
from torch import Tensor, nn

from reference_impl.application.inpainting import Inpainting
from reference_impl.core import run
from reference_impl.figures import INK, PALETTE, figure, show_images
from reference_impl.tasks.images import digits

DRAWS, SHOWN = 8, 60
UPPER = (torch.arange(8) < 4).float()[:, None].expand(1, 1, 8, 8)
"""The upper half is seen."""


@cache
def trained() -> Inpainting:
    """The default model of digits."""
    return run(Inpainting, evaluate=False).model


def resampled(times: int) -> Inpainting:
    """The trained model with another number of resamplings, which changes nothing that was learned."""
    model = Inpainting(trained().cfg.model_copy(update={"resamplings": times}))
    model.load_state_dict(trained().state_dict())
    return model.eval()


@cache
def judge() -> SVC:
    """A classifier of digits."""
    x, y = digits()
    return SVC(C=10).fit(x[360:].flatten(1), y[360:])


def read(x: Tensor) -> Tensor:
    """The digit that the classifier sees in each image: (..., 1, 8, 8) -> (...)."""
    return torch.from_numpy(judge().predict(x.clamp(0, 1).reshape(-1, 64).numpy())).view(x.shape[:-3])


@cache
def completions() -> Tensor:
    """Eight completions of each digit's lower half: (8, N, 1, 8, 8)."""
    x = digits()[0][:SHOWN]
    return trained().complete(x.repeat(DRAWS, 1, 1, 1), UPPER).clamp(0, 1).view(DRAWS, *x.shape)


def biharmonic(x: Tensor, seen: Tensor) -> Tensor:
    """Missing pixels filled in smoothly by scikit-image, whose answer depends on this image alone."""
    from skimage.restoration import inpaint_biharmonic

    hole = (seen[0, 0] == 0).numpy()
    return torch.stack([torch.from_numpy(inpaint_biharmonic(i.numpy(), hole)) for i in x[:, 0]])[:, None].float()


def copied(x: Tensor, seen: Tensor) -> Tensor:
    """Missing pixels copied from the training digit that is nearest in the seen ones."""
    known = digits()[0][360:]
    nearest = torch.cdist((x * seen).flatten(1), (known * seen).flatten(1)).argmin(1)
    return torch.where(seen == 1, x, known[nearest])


def psnr(a: Tensor, x: Tensor, seen: Tensor) -> float:
    """Peak signal-to-noise ratio of the missing pixels in dB, mean over images."""
    hidden = (1 - seen).expand_as(x).flatten(1)
    error = ((a.clamp(0, 1) - x).square().flatten(1) * hidden).sum(1) / hidden.sum(1)
    return -10 * error.log10().mean().item()


class PairNoise(nn.Module):
    """The exact eps(x_t, t) of two standard normal numbers with a correlation."""

    def __init__(self, correlation: float, abar: Tensor) -> None:
        super().__init__()
        self.S, self.abar = torch.tensor([[1.0, correlation], [correlation, 1.0]]), abar

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        abar = self.abar[(t[0] * (len(self.abar) - 1)).round().long()]
        return (1 - abar).sqrt() * x @ torch.linalg.inv(abar * self.S + (1 - abar) * torch.eye(2))


def test_completions_keep_the_digit(claim):
    x, y = (a[:SHOWN] for a in digits())
    many = completions()
    smooth, copy = biharmonic(x, UPPER), copied(x, UPPER)
    right = {name: (read(a) == y).double().mean().item() for name, a in (("smooth", smooth), ("copy", copy))}
    claim.measure("same_digit", (read(many).mode(0).values == y).double().mean().item(), baseline=right["smooth"])
    claim.measure("copying", right["copy"])
    claim.measure("hidden_pixels", psnr(many.mean(0), x, UPPER), baseline=psnr(copy, x, UPPER))

    rows = [digits()[1].tolist().index(label) for label in (0, 2, 3, 5, 8)]
    seen = torch.where(UPPER == 1, x, torch.full_like(x, 0.35))
    frames = {"seen": seen, "smooth": smooth, "copied": copy, **{f"draw {i + 1}": many[i] for i in range(DRAWS)}}
    fig, axes = figure(7.2, 3.6, columns=len(frames) + 1)
    for ax, (title, images) in zip(axes, [*frames.items(), ("truth", x)], strict=True):
        show_images(ax, images[rows].clamp(0, 1), columns=1, title=title)
        ax.title.set_fontsize(8)
    claim.figure(
        "hero",
        fig,
        caption="The lower half of each digit is hidden. Biharmonic inpainting continues the last row, the copy from "
        "the nearest training digit is one answer; eight draws show how many answers there are.",
        alt="Rows of a half-hidden digit, a smooth filling, a copy, eight completions and the truth.",
    )


def test_disagreement_warns_of_wrong_digits(claim):
    y = digits()[1][:SHOWN]
    votes = read(completions())
    winner = votes.mode(0).values
    agreed, right = (votes == winner).double().mean(0), (winner == y).double()
    sure = agreed > 0.75
    claim.measure("sure", right[sure].mean().item(), baseline=right[~sure].mean().item())
    claim.measure("share", sure.double().mean().item())
    spread = completions().std(0).flatten(1)
    claim.measure("spread", spread[~sure].mean().item(), baseline=spread[sure].mean().item())

    fig, axes = figure(6.4, 2.6, columns=2)
    for ax, down, title in zip(axes, (True, False), ("completions agree", "completions disagree"), strict=True):
        order = agreed.argsort(descending=down, stable=True).tolist()
        # of three different digits
        first = {int(winner[i]): i for i in reversed(order)}
        chosen = sorted(first.values(), key=order.index)[:3]
        show_images(ax, completions()[:, chosen].transpose(0, 1).flatten(0, 1), columns=DRAWS, title=title)
    claim.figure(
        "agreement",
        fig,
        caption="Three digits whose eight completions agree most, and three whose completions agree least. Where "
        "nobody knows the truth, the disagreement is what can be seen of the error.",
        alt="Two panels of three rows of eight completions; alike on the left, different digits on the right.",
    )


def test_resampling_leads_to_the_conditional(claim):
    correlation, seen_value, times = 0.9, 1.5, (1, 3, 10, 30)
    x, seen = torch.tensor([[seen_value, 0.0]]).expand(10_000, 2), torch.tensor([[1.0, 0.0]])
    means = []
    for r in times:
        model = Inpainting(Inpainting.Config(shape=(2,), resamplings=r))
        model.averaged = PairNoise(correlation, model.abar)
        means.append(model.complete(x, seen)[:, 1].mean().item())
    exact = correlation * seen_value
    claim.measure("mean", abs(means[times.index(10)] - exact), baseline=abs(means[0] - exact))

    fig, ax = figure(4.6, 2.6)
    ax.plot(times, means, "o-")
    ax.axhline(exact, color=PALETTE[1], linestyle="--")
    ax.annotate("exact: 1.35", (3, exact), (3, exact - 0.06), color=PALETTE[1], va="top")
    ax.set(xscale="log", xlabel="resamplings of each step", ylabel="mean of the missing number")
    ax.set_xticks(times, list(map(str, times)), color=INK)
    ax.minorticks_off()
    claim.figure(
        "resampling",
        fig,
        caption="Two numbers of correlation 0.9; the first is 1.5, the second missing. Taking each step once draws it "
        "as if the first were nearer to zero; more resamplings lead to the mean that probability theory gives.",
        alt="The mean of the completions rises from 0.92 to the exact 1.35 as each step is resampled more often.",
    )


def test_resampling_joins_both_halves(claim):
    x, y = (a[:SHOWN] for a in digits())
    once, often = (
        [(read(resampled(r).complete(x, UPPER)) == y).double().mean().item() for _ in range(3)] for r in (1, 10)
    )
    claim.measure("same_digit", often, baseline=once)


def test_seen_pixels_stay(claim):
    model, x = Inpainting(Inpainting.Config(timesteps=5)), digits()[0][:16]
    seen = (torch.rand_like(x) < 0.5).float()
    change = (model.complete(x, seen) - x).abs()
    claim.measure("seen", (change * seen).max().item(), baseline=(change * (1 - seen)).max().item())
