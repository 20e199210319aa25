"""Damaged and shrunken pictures: what the tasks give, take and refuse."""

import numpy as np
import pytest
import torch

from reference_impl.application.image_restoration import ImageRestoration
from reference_impl.core import run
from reference_impl.latent_variable.vae import VAE
from reference_impl.tasks.damaged import DAMAGES, Damaged, Smaller, damaged, read_picture, through, write_picture


def pictures(folder, sizes):
    """Picture files of these (height, width) in a new folder."""
    folder.mkdir()
    for i, (height, width) in enumerate(sizes):
        x = torch.rand(3, height, width, generator=torch.Generator().manual_seed(i))
        write_picture(x, folder / f"{i}.png")
    return folder


@pytest.mark.parametrize("name", list(DAMAGES))
def test_damage_is_a_function_of_seed_and_step(name):
    task = Damaged(name)
    a, b, other = (task.batch("train", step, 8, seed=1) for step in (3, 3, 4))
    assert torch.equal(a.x, b.x)
    assert torch.equal(a.y, b.y)
    assert not torch.equal(a.y, other.y)
    assert a.x.shape == a.y.shape == (8, *task.facts["shape"])


def test_two_ranks_share_the_batch_of_one():
    task = Damaged("old")
    whole, halves = task.batch("train", 2, 8), [task.batch("train", 2, 8, rank=r, world=2) for r in (0, 1)]
    for r, half in enumerate(halves):
        assert torch.equal(half.x, whole.x[r::2])
        assert torch.equal(half.y, whole.y[r::2])


def test_noisy_targets_have_noise_of_their_own():
    clean, noisy = (Damaged("noise", noisy_targets=n).batch("train", 0, 64) for n in (False, True))
    target, given = noisy.x - clean.x, noisy.y - clean.x
    assert target.std().item() == pytest.approx(25 / 255, rel=0.05)
    assert abs((target * given).mean().item()) < 0.05 * (25 / 255) ** 2


def test_scratches_are_white_lines_and_leave_the_rest():
    x = torch.full((4, 3, 32, 32), 0.25)
    y = damaged(x, DAMAGES["scratches"], np.random.default_rng(0))
    assert set(y.unique().tolist()) == {0.25, 1.0}
    assert 0.005 < (y == 1).double().mean().item() < 0.3


def test_small_pictures_are_averages():
    batch = Smaller().batch("train", 0, 4)
    assert batch.x.shape == (4, 1, 16, 16)
    assert torch.allclose(batch.y[:, :, 0, 0], batch.x[:, :, :2, :2].mean((2, 3)))


def test_pictures_of_any_size_are_taken(tmp_path):
    folder = pictures(tmp_path / "mine", [(40, 120), (64, 96)])
    assert Damaged(folder).facts["shape"] == [3, 32, 32]
    assert Smaller(folder).batch("train", 0, 4).y.shape == (4, 3, 8, 8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("nowhere", "no such file or folder.*old, noise, blur"),
        ("empty", "no pictures here"),
        ("narrow", "at least 32 by 96"),
        ("broken", "not a picture that can be read"),
        ("file.txt", "a folder of pictures is needed, or one of old"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, data, message):
    (tmp_path / "empty").mkdir()
    pictures(tmp_path / "narrow", [(40, 60)])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.png").write_bytes(b"not a picture")
    (tmp_path / "file.txt").write_text("no picture")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Damaged(tmp_path / data)


def test_a_picture_goes_through_a_trained_model(tmp_path):
    run(ImageRestoration, {"steps": 2, "width": 8}, out=tmp_path / "run", evaluate=False)
    folder = pictures(tmp_path / "mine", [(41, 37)])
    through(tmp_path / "run", folder / "0.png", tmp_path / "restored.png")
    assert read_picture(tmp_path / "restored.png").shape == (3, 41, 37)
    with pytest.raises(ValueError, match="the name has to end in"):
        through(tmp_path / "run", folder / "0.png", tmp_path / "restored.txt")


def test_a_model_that_restores_nothing_is_refused(tmp_path):
    run(VAE, {"steps": 1}, out=tmp_path / "vae", evaluate=False)
    with pytest.raises(ValueError, match="makes no picture from a picture"):
        through(tmp_path / "vae", "any.png", "out.png")
