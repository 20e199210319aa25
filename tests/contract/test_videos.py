"""Videos: exact physics, and what users bring."""

import numpy as np
import pytest
import torch
from PIL import Image

from reference_impl.application.video_generation import VideoDiffusion
from reference_impl.core import run
from reference_impl.figures import show
from reference_impl.tasks import make
from reference_impl.tasks.videos import FRAMES, RADIUS, SIDE, bounce, located, render, thrown

TINY = {"steps": 2, "batch_size": 4, "hidden": 4}


def gif(path, frames, size=(9, 8)):
    pictures = [Image.fromarray(np.full(size, 10 * i, np.uint8)) for i in range(frames)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])


def test_the_closed_form_is_what_reflecting_step_by_step_gives():
    g = torch.Generator().manual_seed(0)
    start = RADIUS + (SIDE - 2 * RADIUS) * torch.rand(50, 2, generator=g).double()
    velocity = 3 * torch.randn(50, 2, generator=g).double()
    at, v, path = start.clone(), velocity.clone(), [start]
    for _ in range(20):
        at = at + v
        for _ in range(4):  # fast balls meet two walls in one step
            for wall, beyond in ((RADIUS, at < RADIUS), (SIDE - RADIUS, at > SIDE - RADIUS)):
                at, v = torch.where(beyond, 2 * wall - at, at), torch.where(beyond, -v, v)
        path.append(at)
    torch.testing.assert_close(bounce(start, velocity, 21), torch.stack(path, 1))


def test_the_ball_is_found_where_it_was_drawn():
    centers, speed = thrown(100, 12, seed=5)
    frames = render(centers)
    assert frames.shape == (100, 12, SIDE, SIDE)
    assert (located(frames) - centers).norm(dim=-1).max() < 0.1
    assert 0.6 <= speed.min() < speed.max() <= 1.2
    moved = (centers[:, 1:] - centers[:, :-1]).norm(dim=-1)
    assert (moved <= speed[:, None] + 1e-5).all(), "walls shorten a step and never lengthen it"


def test_built_in_clips():
    task = make("videos")
    train, test = task.splits["train"][0], task.splits["test"][0]
    assert train.shape[1:] == test.shape[1:] == (FRAMES, SIDE, SIDE)
    assert 0 <= train.min() < train.max() <= 1
    assert not torch.equal(train[:200], test)


def test_given_frames_stay_and_videos_grow():
    model = run(VideoDiffusion, TINY, task=make("videos"), evaluate=False).model
    past = make("videos").splits["test"][0][:3, :4]
    assert torch.equal(model.sample(3, past)[:, :4], past)
    video = model.extend(past, 9)
    assert video.shape == (3, 13, SIDE, SIDE)
    assert torch.equal(video[:, :4], past)
    with pytest.raises(ValueError, match="2 frames are given; at least 4"):
        model.extend(past[:, :2], 3)
    with pytest.raises(ValueError, match="past=8 leaves no new frame in clips of 8"):
        VideoDiffusion.Config(past=8)
    assert show("video", video, {}).axes


def test_arrays_and_animations(tmp_path):
    np.save(tmp_path / "v.npy", np.random.default_rng(0).integers(0, 256, (10, 12, 9, 8), dtype=np.uint8))
    task = make("videos", tmp_path / "v.npy")
    assert task.facts["shape"] == [FRAMES, 9, 8]
    assert [len(task.splits[s][0]) for s in ("train", "test")] == [16, 4], "two clips of each video"
    result = run(VideoDiffusion, TINY, task=task)
    assert [s.against for s in result.scores] == ["the last frame again"]
    (tmp_path / "gifs").mkdir()
    for i in range(5):
        gif(tmp_path / "gifs" / f"{i}.gif", 8)
    assert [len(make("videos", tmp_path / "gifs").splits[s][0]) for s in ("train", "test")] == [4, 1]
    gif(tmp_path / "long.gif", 20)
    one = make("videos", tmp_path / "long.gif")
    assert [len(one.splits[s][0]) for s in ("train", "test")] == [2, 1]


def test_what_is_no_video(tmp_path):
    with pytest.raises(FileNotFoundError, match="known: ball"):
        make("videos", "balls")
    with pytest.raises(ValueError, match="no video here"):
        make("videos", tmp_path)
    cases = [
        (np.zeros((4, 12, 9)), r"shape \(4, 12, 9\); gray videos"),
        (np.zeros((4, 5, 9, 8)), "5 frames; at least 8"),
        (np.zeros((1, 12, 9, 8)), "12 frames; a single video needs at least 16"),
        (np.full((4, 12, 9, 8), np.nan), "gray videos"),
        (np.full((4, 12, 9, 8), -1.0), "values from -1.0"),
        (np.zeros((4, 12, 9, 2)), "9x2.*at least 4x4"),
        (np.zeros((0, 12, 9, 8)), "no video here"),
    ]
    for values, message in cases:
        np.save(tmp_path / "v.npy", values)
        with pytest.raises(ValueError, match=message):
            make("videos", tmp_path / "v.npy")
    (tmp_path / "bad").mkdir()
    gif(tmp_path / "bad" / "a.gif", 8)
    gif(tmp_path / "bad" / "b.gif", 8, (8, 8))
    with pytest.raises(ValueError, match=r"b.gif: frames of 8x8, .*a.gif has 9x8"):
        make("videos", tmp_path / "bad")
    (tmp_path / "bad" / "a.gif").write_bytes(b"no gif")
    with pytest.raises(ValueError, match=r"a.gif: not an animation"):
        make("videos", tmp_path / "bad")
