"""Short videos: a ball that bounces between walls by exact physics, or what the user brings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

SIDE = 16
"""Height and width of a frame, in pixels."""
RADIUS = 3.0
"""Of the ball, in pixels."""
FRAMES = 8
"""Length of the clips that are learned."""
MOST_CLIPS = 20_000
"""Clips that are cut from what a user brings."""


def bounce(start: Tensor, velocity: Tensor, frames: int) -> Tensor:
    """Centers of a ball that walls reflect elastically, in closed form: (N, 2), (N, 2) -> (N, frames, 2).

    Unfolded at the walls the path is a straight line; folding is the triangle wave of period twice the free way.
    """
    way = SIDE - 2 * RADIUS
    line = (start - RADIUS)[:, None] + velocity[:, None] * torch.arange(frames)[None, :, None]
    return RADIUS + way - (line % (2 * way) - way).abs()


def render(centers: Tensor) -> Tensor:
    """Discs with soft edges at the centers (..., 2), row and column in pixels: (..., SIDE, SIDE) in [0, 1]."""
    at = torch.arange(SIDE) + 0.5
    row, column = centers[..., 0, None, None], centers[..., 1, None, None]
    distance = ((at[:, None] - row).square() + (at - column).square()).sqrt()
    return (RADIUS + 0.5 - distance).clamp(0, 1)


def located(frames: Tensor) -> Tensor:
    """Center of the light in each frame, row and column in pixels: (..., H, W) -> (..., 2)."""
    weight = frames.clamp(0, 1) + 1e-6
    at = [torch.arange(n, device=frames.device) + 0.5 for n in frames.shape[-2:]]
    total = weight.sum((-2, -1))
    return torch.stack([(weight.sum(-1) * at[0]).sum(-1) / total, (weight.sum(-2) * at[1]).sum(-1) / total], -1)


def thrown(n: int, frames: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random throws: centers (n, frames, 2) and speeds (n,), 0.6 to 1.2 pixels a frame in all directions."""
    g = torch.Generator().manual_seed(seed)
    start = RADIUS + (SIDE - 2 * RADIUS) * torch.rand(n, 2, generator=g)
    angle, speed = 2 * torch.pi * torch.rand(n, generator=g), 0.6 + 0.6 * torch.rand(n, generator=g)
    velocity = speed[:, None] * torch.stack([angle.sin(), angle.cos()], 1)
    return bounce(start, velocity, frames), speed


class Videos(Task):
    """Clips of eight gray frames, (N, 8, H, W) in [0, 1]: a bouncing ball unless told otherwise. y is their first half.

    data: a .npy or .npz file of gray videos, (N, T, H, W), bytes or numbers from 0; a folder of animated GIFs of one
    size, or one such file. Videos longer than eight frames give several clips; every fifth video is held out, and of
    a single one the last fifth.
    """

    kind = "video"

    def __init__(self, data: str | Path = "ball") -> None:
        if str(data) == "ball":
            train, test = (render(thrown(n, FRAMES, seed)[0]) for n, seed in ((4000, 0), (200, 1)))
        else:
            videos = read(data)
            if len(videos) > 1:
                parts = [[v for i, v in enumerate(videos) if (i % 5 == 0) == held_out] for held_out in (False, True)]
            else:
                cut = max(FRAMES, len(videos[0]) // 5)
                parts = [[videos[0][:-cut]], [videos[0][-cut:]]]
            train, test = (torch.from_numpy(np.concatenate([clips(v) for v in part])[:MOST_CLIPS]) for part in parts)
        past = FRAMES // 2
        super().__init__(
            train,
            test,
            y=train[:, :past],
            test_y=test[:, :past],
            shape=list(train.shape[1:]),
            past=past,
            conditional=True,
        )

    def evaluate(self, model: Reference) -> list[Score]:
        """Error of the frames that follow the model's `past` ones, beside that of a picture that stands still."""
        past, truth = model.cfg.past, self.splits["test"][0][:200].to(model.device)
        made = model.sample(len(truth), truth[:, :past])[:, past:]
        still, truth = truth[:, past - 1 : past].expand_as(made), truth[:, past:]
        error, copied = ((x - truth).square().mean().item() for x in (made, still))
        scores = [Score("error of the next frames", error, "per pixel", "lower", copied, "the last frame again")]
        if truth.shape[2:] == (SIDE, SIDE):
            away, stayed = ((located(x) - located(truth)).norm(dim=-1).mean().item() for x in (made, still))
            scores.append(
                Score("distance of centers of light", away, "pixels", "lower", stayed, "the last frame again")
            )
        return scores


def clips(video: np.ndarray) -> np.ndarray:
    """All windows of eight frames that begin at every fourth: (T, H, W) -> (n, 8, H, W)."""
    return np.stack([video[i : i + FRAMES] for i in range(0, len(video) - FRAMES + 1, FRAMES // 2)])


def read(data: str | Path) -> list[np.ndarray]:
    """Gray videos (T, H, W), float32 in [0, 1]. ValueError or FileNotFoundError says what is wrong with the data."""
    path = files.existing(data, ["ball"])
    if path.is_file() and path.suffix != ".gif":
        x = next(iter(files.arrays(path).values()))
        if x.ndim != 4 or not np.issubdtype(x.dtype, np.number) or not np.isfinite(x).all():
            raise ValueError(
                f"{path}: {x.dtype} of shape {x.shape}; gray videos (N, T, H, W) of finite numbers are needed"
            )
        top = 255.0 if x.dtype == np.uint8 else float(x.max(initial=0))
        if x.size and (x.min() < 0 or top > 255):
            raise ValueError(f"{path}: values from {x.min()} to {x.max()}; bytes or numbers from 0 to 1 are needed")
        videos, names = list(x.astype(np.float32) / (top if top > 1 else 1.0)), [str(path)] * len(x)
    else:
        found = [path] if path.is_file() else sorted(path.glob("*.gif"))
        videos, names = [animation(p) for p in found], [str(p) for p in found]
    if not videos:
        raise ValueError(f"{path}: no video here; bring animated .gif files, or a .npy file of shape (N, T, H, W)")
    for video, name in zip(videos, names, strict=True):
        if len(video) < FRAMES * (1 + (len(videos) == 1)):
            least = f"at least {FRAMES}" if len(videos) > 1 else f"a single video needs at least {2 * FRAMES}"
            raise ValueError(f"{name}: {len(video)} frames; {least}")
        if video.shape[1:] != videos[0].shape[1:] or min(video.shape[1:]) < 4:
            size, first = ("x".join(map(str, v.shape[1:])) for v in (video, videos[0]))
            raise ValueError(
                f"{name}: frames of {size}, and {names[0]} has {first}; one size of at least 4x4 is needed"
            )
    return videos


def animation(path: Path) -> np.ndarray:
    """The frames of an animated image in gray: (T, H, W) in [0, 1]."""
    from PIL import Image, ImageSequence

    try:
        with Image.open(path) as film:
            frames = [np.asarray(frame.convert("L"), np.float32) / 255 for frame in ImageSequence.Iterator(film)]
    except OSError as err:
        raise ValueError(f"{path}: not an animation that can be read ({err})") from None
    return np.stack(frames)
