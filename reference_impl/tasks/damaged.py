"""Pictures and what damage made of them, or a smaller copy; and taking a picture of one's own through a trained model.

python -m reference_impl.tasks.damaged runs/image_restoration old.jpg restored.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ..core.reference import Batch, Reference
from ..core.runner import load
from ..core.task import Score, Task, permutation
from .files import IMAGE_SUFFIXES, existing
from .images import digits
from .pairs import blurred, facts, spectrum_error
from .photos import crops, parts, photographs, scaled, textures


class Damage(NamedTuple):
    """What happens to a picture, in this order."""

    blur: float
    """Standard deviation of a Gaussian blur in pixels; 0 is none."""
    noise: float
    """Standard deviation of the noise, in units of the range of a pixel."""
    scratches: float
    """Scratches of the value 1 for every 32 pixels of width: white in photographs, ink in digits."""


DAMAGES = {
    "old": Damage(0.7, 12 / 255, 1.5),
    "noise": Damage(0, 25 / 255, 0),
    "blur": Damage(1.0, 2 / 255, 0),
    "scratches": Damage(0, 0, 1.5),
    "digits": Damage(0, 0.25, 4),
}
"""Damages by name: of photographs, and the last of digits."""


def damaged(x: Tensor, damage: Damage, rng: np.random.Generator) -> Tensor:
    """Pictures (N, C, H, W) after the damage; noise is not cut off at black and white."""
    n, _, height, width = x.shape
    if damage.blur:
        x = blurred(x.flatten(0, 1), damage.blur).view_as(x)
    x = x + damage.noise * torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    lines = max(1, round(damage.scratches * width / 32)) if damage.scratches else 0
    row, column = np.arange(height)[:, None], np.arange(width)
    for _ in range(lines):
        start, slope = rng.uniform(0, width, (n, 1, 1)), rng.uniform(-0.3, 0.3, (n, 1, 1))
        hit = np.abs(column - start - slope * (row - height / 2)) < rng.uniform(0.5, 1.0, (n, 1, 1))
        x = torch.where(torch.from_numpy(hit)[:, None], torch.ones(()), x)
    return x


def read_picture(path: str | Path) -> Tensor:
    """A picture file in color: (3, H, W) in [0, 1]. ValueError where it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(existing(path)) as image:
            x = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    except (UnidentifiedImageError, OSError) as err:
        if isinstance(err, FileNotFoundError):
            raise
        raise ValueError(f"{path}: not a picture that can be read ({err})") from None
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))


def write_picture(x: Tensor, path: str | Path) -> None:
    """Write a picture (3, H, W) in [0, 1]; the suffix of the path decides the format."""
    from PIL import Image

    if Path(path).suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: the name has to end in one of {', '.join(sorted(IMAGE_SUFFIXES))}")
    Image.fromarray((x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()).save(path)


def folder_of(path: Path, size: int) -> list[Tensor]:
    """The pictures below a folder, of any size from `size` pixels a side."""
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ValueError(f"{path}: no pictures here; read are {', '.join(sorted(IMAGE_SUFFIXES))}")
    pictures = [read_picture(p) for p in found]
    for p, x in zip(found, pictures, strict=True):
        # a third of the width is held out
        if x.shape[1] < size or x.shape[2] < 3 * size:
            message = f"{p}: {x.shape[1]} pixels high, {x.shape[2]} wide; at least {size} by {3 * size} are needed"
            raise ValueError(f"{message}, since the right third of each picture is held out")
    return pictures


class Damaged(Task):
    """Crops of photographs (x) and the same damaged afresh in every step (y); held-out crops are damaged once.

    data: old (blur, noise and scratches), noise (25/255), blur or scratches, each on ten photographs; digits; a folder
    of pictures of any size from 32 by 96 pixels, which are damaged like `old`.
    """

    kind = "photo"
    size = 32

    def __init__(self, data: str | Path = "old", noisy_targets: bool = False) -> None:
        self.how, self.noisy_targets = DAMAGES.get(str(data), DAMAGES["old"]), noisy_targets
        if str(data) == "digits":
            self.kind = "image"
            x = digits()[0]
            train, test = x[360:], x[:360]
        else:
            train, test = self.cut([scaled(x, 0.5) for x in photographs().values()], data, DAMAGES)
        y = self.damage(test, np.random.default_rng(0))
        super().__init__(train, test, test_y=y, **facts(test, y))

    def cut(self, built_in: list[Tensor], data: str | Path, known: object) -> tuple[Tensor, Tensor]:
        """Crops to learn from and held-out ones, of the built-in pictures or of a user's folder."""
        names = list(known)  # type: ignore[call-overload]
        if str(data) not in names:
            path = existing(data, names)
            if not path.is_dir():
                raise ValueError(f"{path}: a folder of pictures is needed, or one of {', '.join(names)}")
            built_in = folder_of(path, self.size)
        seen, unseen = zip(*(parts(x) for x in built_in), strict=True)
        each = max(20, 2000 // len(seen))
        return crops(seen, self.size, each)[0], crops(unseen, self.size, max(2, 200 // len(seen)), seed=1)[0]

    def damage(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """What is given of pictures: (N, *shape) -> (N, *given)."""
        return damaged(x, self.how, rng)

    def batch(self, stream: str, step: int, size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """Rows of the global batch under damage that is a function of (seed, step)."""
        if stream == "test":
            return super().batch(stream, step, size, seed=seed, rank=rank, world=world)
        x = self.splits[stream][0]
        epoch, i = divmod(step, max(1, len(x) // size))
        x = x[torch.from_numpy(permutation(len(x), seed, epoch)[i * size : (i + 1) * size])]
        rng = np.random.default_rng([seed, step])
        y = self.damage(x, rng)
        target = self.damage(x, rng) if self.noisy_targets else x
        return Batch(target[rank::world], y[rank::world])

    def evaluate(self, model: Reference) -> list[Score]:
        """Distance to the held-out originals, and of the spectra, beside what takes no learning."""
        x, y = self.splits["test"]
        made = model.sample(len(y), y.to(model.device)).cpu()
        plain, against = (y, "the damaged picture") if y.shape == x.shape else (bicubic(y, x.shape[3]), "bicubic")
        return [
            Score("PSNR", psnr(made, x), "dB", "higher", psnr(plain, x), against),
            Score("spectrum error", spectrum_error(made, x), "decades", "lower", spectrum_error(plain, x), against),
        ]


class Smaller(Damaged):
    """Crops of brick, grass and gravel, 16 x 16 pixels (x), and the same at half the height and width (y).

    data: textures, or photos; a folder of pictures of any size from 16 by 48 pixels.
    """

    size = 16

    def __init__(self, data: str | Path = "textures") -> None:
        self.noisy_targets = False
        source = photographs() if str(data) == "photos" else textures()
        train, test = self.cut([scaled(x, 0.5) for x in source.values()], data, ("textures", "photos"))
        y = self.damage(test, np.random.default_rng(0))
        Task.__init__(self, train, test, test_y=y, **facts(test, y))

    def damage(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """Averages over blocks of 2 x 2 pixels: (N, C, H, W) -> (N, C, H/2, W/2)."""
        return avg_pool2d(x, 2)


def bicubic(y: Tensor, width: int) -> Tensor:
    """Pictures (N, C, h, w) enlarged to this width by cubic interpolation, which learns nothing."""
    return interpolate(y, scale_factor=width / y.shape[3], mode="bicubic").clamp(0, 1)


def psnr(a: Tensor, x: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [0, 1], by their common mean squared error."""
    return -10 * (a.clamp(0, 1) - x).square().mean().log10().item()


def through(run: str | Path, source: str | Path, target: str | Path) -> None:
    """Take a picture file through the trained model in folder `run` and write what comes out.

    Raises FileNotFoundError or ValueError where run, picture or target cannot be used.
    """
    model, record = load(run)
    given = record["config"].get("given")
    if not given:
        raise ValueError(f"{run}: {record['reference']} makes no picture from a picture; train image_restoration first")
    y = read_picture(source)
    # a model of gray pictures takes each color by itself
    y = y[None] if given[0] == 3 else y[:, None]
    with torch.no_grad():
        made = model.sample(len(y), y)
    write_picture(made.flatten(0, 1), target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take a picture through a trained model.")
    parser.add_argument("run", help="folder of a trained model, such as runs/image_restoration")
    parser.add_argument("source", help="the picture to restore or to enlarge")
    parser.add_argument("target", help="where to write the result, such as restored.png")
    args = parser.parse_args()
    try:
        through(args.run, args.source, args.target)
    except (ValueError, FileNotFoundError) as err:
        print(f"error: {err}", file=sys.stderr)
        raise SystemExit(2) from None
