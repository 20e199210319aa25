"""Claims of PixelCNN."""

import io
import lzma
import math
import zlib

import torch
from matplotlib.colors import ListedColormap
from PIL import Image
from torch import Tensor, nn

from reference_impl.autoregressive.made import MADE
from reference_impl.autoregressive.pixelcnn import PixelCNN
from reference_impl.coding import decode, encode
from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure, show_images, strips
from reference_impl.tasks import make


class Masked(nn.Conv2d):
    """A convolution without the taps after the middle one, and in the first layer without that one."""

    def __init__(self, inputs: int, outputs: int, reach: int, first: bool) -> None:
        super().__init__(inputs, outputs, 2 * reach + 1, padding=reach)
        taps = torch.arange((2 * reach + 1) ** 2).view(2 * reach + 1, -1)
        self.kept = taps < taps[reach, reach] + (not first)

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight * self.kept, self.bias).tanh()


def one_stack(layers: int, reach: int) -> nn.Module:
    """PixelCNN as first proposed: masked convolutions one after the other, (B, 1, H, W) -> (B, 8, H, W)."""
    return nn.Sequential(*(Masked(8 if i else 1, 8, reach, first=i == 0) for i in range(layers))).double()


def two_stacks(layers: int, reach: int) -> nn.Module:
    """The reference with random weights."""
    return PixelCNN(PixelCNN.Config(layers=layers, reach=reach)).double().eval()


def slopes(f, side: int, pixels: list[int]) -> Tensor:
    """|d f at each of these pixels / d input pixel|: (n, side^2), pixels in reading order."""
    x = torch.rand(1, 1, side, side).double().requires_grad_()
    out = f(x).flatten(2 if f(x).ndim == 4 else 3).flatten(0, -2).sum(0)
    return torch.stack([torch.autograd.grad(out[i], x, retain_graph=True)[0].flatten().abs() for i in pixels])


def test_two_stacks_see_all_previous_pixels_and_no_other(claim):
    cfg, place = PixelCNN.Config(), torch.arange(64)
    before = place < place[:, None]
    both = slopes(two_stacks(cfg.layers, cfg.reach).conditionals, 8, place.tolist())
    single = slopes(one_stack(cfg.layers, cfg.reach), 8, place.tolist())
    unseen = [((s == 0) & before).sum(1).max().item() for s in (both, single)]
    claim.measure("unseen", unseen[0], baseline=unseen[1])
    claim.measure("future", both[~before].max().item())

    tiny = PixelCNN(PixelCNN.Config(shape=(1, 3, 3), levels=2, channels=8)).double().eval()
    states = (torch.arange(512)[:, None] >> torch.arange(9) & 1).double().view(-1, 1, 3, 3)
    with torch.no_grad():
        claim.measure("sum", abs(tiny.log_prob(states).exp().sum().item() - 1))

    side, at = 11, 6 * 11 + 4
    fig, axes = figure(7.0, 3.9, 2, 4)
    place = torch.arange(side**2)
    colors = ListedColormap(["none", PALETTE[7], PALETTE[0], PALETTE[1]])
    for column, layers in enumerate((1, 2, 4, 9)):
        for row, f in enumerate((one_stack(layers, 1), two_stacks(layers, 1).conditionals)):
            seen = slopes(f, side, [at])[0] > 0
            kind = torch.where(place < at, 1 + seen.long(), 0)
            kind[at] = 3
            ax = axes[row, column]
            ax.imshow(kind.view(side, side).tolist(), cmap=colors, vmin=0, vmax=3, interpolation="none")
            ax.set(xticks=[], yticks=[], title=f"{layers} layer{'s' * (layers > 1)}" if not row else "")
            ax.spines[:].set_visible(True)
    axes[0, 0].set_ylabel("one stack")
    axes[1, 0].set_ylabel("two stacks")
    claim.figure(
        "receptive_field",
        fig,
        caption="What the prediction of the orange pixel depends on (blue) and misses (red) of the pixels before "
        "it, by automatic differentiation, 3x3 filters. With one stack of masked convolutions a wedge to the right "
        "stays unseen however deep the stack; with two stacks it is gone, and nothing after the pixel is seen.",
        alt="Two rows of four grids; above a red wedge remains, below all earlier pixels turn blue with depth.",
    )


def in_bits(x: Tensor) -> Tensor:
    """Levels 0 to 16 as five binary digits each: (B, 1, H, W) -> (B, 5HW)."""
    level = (x * 16).round().long().flatten(1)
    return (level[..., None] >> torch.arange(4, -1, -1) & 1).flatten(1).float()


def general(x: Tensor) -> dict[str, float]:
    """Bits per pixel of general programs for all images (N, 1, H, W) in one file, a byte a pixel."""
    raw = (x * 16).round().to(torch.uint8).numpy()
    sheet = io.BytesIO()
    # twenty images side by side
    rows = raw.reshape(-1, 20, *raw.shape[2:]).transpose(0, 2, 1, 3).reshape(-1, 20 * raw.shape[3])
    Image.fromarray(rows).save(sheet, "PNG", optimize=True)
    sizes = {
        "PNG": len(sheet.getvalue()),
        "zlib": len(zlib.compress(raw.tobytes(), 9)),
        "lzma": len(lzma.compress(raw.tobytes(), preset=9)),
    }
    return {name: 8 * size / raw.size for name, size in sizes.items()}


def law(model: PixelCNN):
    """Probabilities of the level of pixel d given those before it, for the coder: symbols are levels."""

    def probabilities(symbols: Tensor, d: int) -> Tensor:
        i, j = divmod(d, 8)
        x = symbols.view(-1, 1, 8, 8)[:, :, : i + 1] / 16
        return model.conditionals(x)[:, :, 0, i, j].softmax(1)

    return probabilities


def test_digits_cost_fewer_bits_than_in_png_lzma_or_made(claim):
    task = make("images")
    (x, _), (test, _) = task.splits["train"], task.splits["test"]
    model = run(PixelCNN, task=task, evaluate=False).model
    settings = {"orders": 1, "steps": model.cfg.steps, "batch_size": model.cfg.batch_size}
    digits = Task(in_bits(x), in_bits(test), shape=[320])
    made = run(MADE, settings, task=digits, evaluate=False).model
    bits = {"64 numbers, evenly": math.log2(17), **general(test)}
    kept = test[:120]
    with torch.no_grad():
        bits["MADE"] = -made.log_prob(in_bits(test)).mean().item() / (64 * math.log(2))
        each = model.bits_per_dim(test)
        bits["PixelCNN"] = each.mean().item()
        levels = (kept * 16).round().long().flatten(1)
        code = encode(law(model), levels)
        errors = int((decode(law(model), code, *levels.shape) != levels).sum())
    claim.measure("bits_per_pixel", bits["PixelCNN"], baseline=min(v for k, v in bits.items() if k != "PixelCNN"))
    claim.measure("coded", code.bits / levels.numel(), baseline=each[: len(kept)].mean().item())
    claim.measure("errors", errors)

    fig, ax = figure(6.0, 2.6)
    ax.barh(list(bits), list(bits.values()), color=[*[PALETTE[8]] * 4, PALETTE[1], PALETTE[0]])
    for i, value in enumerate(bits.values()):
        ax.annotate(f"{value:.2f}", (value, i), (3, 0), textcoords="offset points", va="center")
    ax.invert_yaxis()
    ax.set(xlabel="bits per pixel of held-out digits")
    claim.figure(
        "bits",
        fig,
        caption="What a pixel of a held-out digit costs, 17 gray levels. PNG, zlib and lzma have all 360 digits in one "
        "file; MADE models the five bits of each level. Arithmetic coding of 120 digits with PixelCNN's "
        f"conditionals took {code.bits / levels.numel():.3f} bits per pixel and gave them back without an error.",
        alt="Bars: evenly 4.09, PNG, zlib and lzma between 3 and 4, MADE 2.3, PixelCNN 1.8.",
    )
    pictures(claim, model, test)


def pictures(claim, model: PixelCNN, test: Tensor) -> None:
    """Draws beside digits, and lower halves drawn to upper halves."""
    seed_all("draws")
    fig, (left, right) = figure(6.4, 3.2, columns=2)
    show_images(left, test[:64], title="held-out digits")
    show_images(right, model.sample(64), title="draws of PixelCNN")
    claim.figure(
        "hero",
        fig,
        caption="Held-out digits and draws of PixelCNN, pixel by pixel from the upper left; none were selected. "
        "Strokes and grays are those of the data, and now and then a draw begins as one digit and ends as another.",
        alt="Two sheets of 64 small gray digits, real ones on the left and drawn ones on the right.",
    )
    given = test[:12].clone()
    given[:, :, 4:] = float("nan")
    draws = {f"draw {i + 1}": model.complete(test[:12], known=32) for i in range(4)}
    claim.figure(
        "completions",
        strips({"image": test[:12], "given": given, **draws}, 12),
        caption="Held-out digits, their upper halves, and four draws each of the rest. Draws agree where the upper "
        "half settles the digit and differ where it does not.",
        alt="Six rows of twelve small gray digits: originals, upper halves, and four completions of each.",
    )
