"""Claims of video generation; the simulator that drew the data knows where the ball has to be."""

from functools import cache

import torch
from matplotlib.figure import Figure

from reference_impl.application.video_generation import VideoDiffusion
from reference_impl.core import run
from reference_impl.figures import PALETTE, figure, strips
from reference_impl.tasks import make
from reference_impl.tasks.videos import FRAMES, RADIUS, SIDE, bounce, located, render, thrown

PAST = VideoDiffusion.Config().past


@cache
def trained() -> VideoDiffusion:
    """The default model; the claims share its run."""
    return run(VideoDiffusion, task=make("videos"), evaluate=False).model


@cache
def from_nothing() -> VideoDiffusion:
    """A model that is never shown a past, on more levels, since nothing but noise says what will be seen."""
    return run(VideoDiffusion, {"blank": 1.0, "timesteps": 30}, task=make("videos"), evaluate=False).model


@cache
def continued(frames: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """300 throws nobody trained on: true centers (300, PAST + frames, 2), their speeds, and the model's video."""
    centers, speed = thrown(300, PAST + frames, seed=2)
    torch.manual_seed(0)
    return centers, speed, trained().extend(render(centers[:, :PAST]), frames)


def distances(video: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
    """Of the ball from its true place in each new frame, in pixels: (N, frames)."""
    return (located(video) - centers).norm(dim=-1)[:, PAST:]


def film(videos: dict[str, torch.Tensor], frames: int) -> Figure:
    """Videos (frames, H, W) as rows; a tint of gray shows where a frame ends."""
    return strips({name: 0.12 + 0.88 * v[:, None].clamp(0, 1) for name, v in videos.items()}, frames)


def lawful(at: torch.Tensor) -> torch.Tensor:
    """Root mean square distance of places (N, FRAMES, 2) from the nearest path of a bouncing ball: (N,).

    Both coordinates are searched by themselves over starts and velocities.
    """
    start = RADIUS + torch.linspace(0, SIDE - 2 * RADIUS, 101)
    velocity = torch.linspace(-1.2, 1.2, 121)
    grid = torch.cartesian_prod(start, velocity)
    path = bounce(grid[:, :1], grid[:, 1:], FRAMES)[..., 0]
    squares = [torch.cdist(at[..., axis], path).square().min(1).values for axis in (0, 1)]
    return ((squares[0] + squares[1]) / FRAMES).sqrt()


def test_motion_obeys_the_physics(claim):
    centers, speed, video = continued(8)
    error = distances(video, centers)
    velocity = centers[:, PAST - 1] - centers[:, PAST - 2]
    line = centers[:, PAST - 1, None] + velocity[:, None] * torch.arange(1, 9)[None, :, None]
    straight, still = ((x - centers[:, PAST:]).norm(dim=-1) for x in (line, centers[:, PAST - 1 : PAST]))
    claim.measure("position_error", error[:, -1].mean().item(), baseline=straight[:, -1].mean().item())
    claim.measure("against_standing_still", error[:, -1].mean().item(), baseline=still[:, -1].mean().item())

    # where no wall is in the way for a frame, the ball moves by its speed
    moved = (centers[:, 1:] - centers[:, :-1]).norm(dim=-1)[:, PAST - 1 :]
    free = (moved - speed[:, None]).abs() < 1e-4
    made = (located(video)[:, 1:] - located(video)[:, :-1]).norm(dim=-1)[:, PAST - 1 :]
    wrong = ((made - speed[:, None]).abs() > 0.3)[free].float().mean().item()
    held = (speed[:, None].expand_as(made) > 0.3)[free].float().mean().item()
    claim.measure("wrong_speed", wrong, baseline=held)

    walls = ((centers - centers.clamp(RADIUS + 0.6, SIDE - RADIUS - 0.6)).abs().amax(-1) > 0)[:, PAST:-1].any(1)
    shown = torch.nonzero(walls)[:4, 0]
    rows = {}
    for i in shown.tolist():
        rows[f"true {len(rows) // 2 + 1}"] = render(centers[i])
        rows[f"made {len(rows) // 2 + 1}"] = video[i]
    claim.figure(
        "hero",
        film(rows, PAST + 8),
        caption="Four throws from left to right, each as simulated (upper row) and as continued by the model (lower "
        "row), which is given the first four frames and draws the next eight in two blocks. All meet a wall.",
        alt="Pairs of rows of twelve frames with a ball; simulated and generated balls move alike and bounce.",
    )

    fig, ax = figure(5.6, 2.8)
    frames = list(range(1, 9))
    for label, e, color in (
        ("model", error, PALETTE[0]), ("straight on", straight, PALETTE[1]), ("standing still", still, PALETTE[8])
    ):  # fmt: skip
        ax.plot(frames, e.mean(0).tolist(), "o-", color=color, markersize=3, label=label)
    ax.set(xlabel="frames after the last one given", ylabel="distance from the truth [pixels]", ylim=(0, None))
    ax.legend()
    claim.figure(
        "error",
        fig,
        caption="Mean distance of the ball from where physics puts it, 300 throws. Going straight on is exact until "
        "the first wall and in the end worse than not moving; the model turns at walls and loses a little each frame.",
        alt="Three curves over eight frames: the model stays below one pixel, the others rise to five and more.",
    )


def test_a_video_from_nothing_is_a_possible_one(claim):
    torch.manual_seed(0)
    made = from_nothing().sample(200)
    true = render(thrown(200, FRAMES, seed=3)[0])
    mixed = torch.stack([v[torch.randperm(FRAMES)] for v in true])
    away = [lawful(located(v)).median().item() for v in (made, mixed, true)]
    claim.measure("from_a_path", away[0], baseline=away[1])
    claim.measure("true_from_a_path", away[2])
    # the ball is neither lost nor doubled
    light = [v.sum((2, 3)).mean().item() for v in (made, true)]
    claim.measure("light", light[0], baseline=light[1])

    rows = {f"{i + 1}": made[i] for i in range(6)}
    claim.figure(
        "invented",
        film(rows, FRAMES),
        caption="Six clips that begin from nothing: no frame is given, and eight are drawn at once. Place, direction "
        "and speed are the model's choice; the motion along a row is one that the simulator could have made.",
        alt="Six rows of eight frames; in each a ball moves steadily.",
    )


def test_draws_stay_sharp_where_the_mean_is_blurred(claim):
    model, n = from_nothing(), 200
    torch.manual_seed(0)
    made = model.sample(n)
    # the best answer to pure noise is the mean of all clips
    noise = torch.randn(n, *model.cfg.shape)
    t = torch.full((n,), model.cfg.timesteps)
    abar = model.abar[-1]
    with torch.no_grad():
        mean = (noise - (1 - abar).sqrt() * model.predict_noise(noise, t)) / abar.sqrt()
    peak = [((v.clamp(0, 1)).amax((2, 3))).mean().item() for v in (made, (mean + 1) / 2)]
    claim.measure("peak", peak[0], baseline=peak[1])


def test_errors_add_up_over_blocks(claim):
    centers, _, video = continued(32)
    error = distances(video, centers).mean(0)
    claim.measure("late", error[-1].item(), baseline=error[3].item())

    fig, ax = figure(5.6, 2.6)
    ax.plot(range(1, 33), error.tolist(), color=PALETTE[0])
    for block in range(4, 32, 4):
        ax.axvline(block + 0.5, color=PALETTE[8], linewidth=0.6, alpha=0.6)
    ax.set(xlabel="frames after the last one given", ylabel="distance from the truth [pixels]", ylim=(0, None))
    claim.figure(
        "drift",
        fig,
        caption="The same over eight blocks of four frames (lines between them). Each block is told only what the one "
        "before has drawn, so a small error of speed becomes a growing error of place.",
        alt="A curve that rises from a fraction of a pixel to several pixels over thirty-two frames.",
    )
