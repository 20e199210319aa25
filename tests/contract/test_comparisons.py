"""The task that compares two samples, and the files it reads."""

import numpy as np
import pytest
import torch

from reference_impl.core import run
from reference_impl.tasks import make
from reference_impl.tasks.comparisons import INSTRUMENTS, MOST_NUMBERS
from reference_impl.trust.sample_quality_metrics import TwoSampleTest, moments


def saved(tmp_path, **arrays):
    path = tmp_path / "samples.npz"
    np.savez(path, **arrays)
    return path


def normal(n, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape))


def test_the_default_compares_digits_with_draws_of_equal_moments():
    task = make("comparisons")
    real, fake = task.splits["train"]
    assert real.shape == (899, 1, 8, 8)
    assert fake.shape == real.shape
    assert task.splits["test"][0].shape == task.splits["test"][1].shape == (898, 1, 8, 8)
    assert real.dtype == fake.dtype == torch.float32
    mean, root = moments(real.flatten(1))
    assert (fake.flatten(1).mean(0) - mean).abs().max() < 0.06
    assert (fake.flatten(1).T.cov() - root @ root.T).abs().max() < 0.03
    batch = task.batch("train", 3, 10)
    assert batch.x.shape == batch.y.shape == (10, 1, 8, 8)


def test_a_users_two_samples_are_measured_beside_their_floor(tmp_path):
    real, fake = normal(900, 3, seed=2), normal(700, 3, seed=1) + np.array([4, 0, 0])
    result = run(TwoSampleTest, {"steps": 100}, data=str(saved(tmp_path, real=real, generated=fake)))
    scores = {s.name: s for s in result.scores}
    assert scores.pop("held-out observations of each kind").value == 350, "half of the smaller sample"
    assert list(scores) == list(INSTRUMENTS)
    assert scores["Frechet distance"].value == pytest.approx(16, rel=0.1), "the squared gap between the means"
    assert scores["Frechet distance"].baseline == pytest.approx(0, abs=0.1)
    assert scores["precision"].value < 0.5 < 0.9 < scores["precision"].baseline
    assert scores["classifier"].value > 0.95
    assert scores["divergence"].value > 0.5


def test_equal_samples_are_not_told_apart(tmp_path):
    path = saved(tmp_path, real=normal(800, 2), generated=normal(800, 2, seed=1))
    found = {s.name: s for s in run(TwoSampleTest, {"steps": 100}, data=str(path)).scores}
    assert found["classifier"].value == pytest.approx(0.5, abs=0.06)
    assert found["nearest neighbor"].value == pytest.approx(0.5, abs=0.06)
    assert found["divergence"].value < 0.02
    assert abs(found["KID"].value) < 0.05


def test_images_are_read_from_arrays_and_from_folders(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (110, 4, 3, 3), dtype=np.uint8)
    task = make("comparisons", saved(tmp_path, real=pixels, generated=pixels[::-1]))
    assert task.facts["shape"] == [3, 4, 3], "channels first"
    assert task.kind == "image"
    assert 0 <= task.splits["train"][0].min() <= task.splits["train"][0].max() <= 1
    from PIL import Image

    for name in ("real", "generated"):
        (tmp_path / "both" / name).mkdir(parents=True)
        for i, x in enumerate(pixels):
            Image.fromarray(x).save(tmp_path / "both" / name / f"{i}.png")
    assert make("comparisons", tmp_path / "both").facts["shape"] == [3, 4, 3]
    gray = saved(tmp_path, real=normal(200, 5, 5), generated=normal(200, 5, 5))
    assert make("comparisons", gray).facts["shape"] == [1, 5, 5]


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (normal(200, 3), normal(200, 4), r"real has observations of shape \(3,\), generated of \(4,\)"),
        (normal(200, 3), np.full((200, 3), np.nan), "generated holds NaN or infinite values in 200 rows"),
        (normal(200, 3), normal(99, 3), "generated has 99 rows of 3 numbers.*give at least 100"),
        (normal(200, 10, 10), normal(300, 10, 10), "real has 200 rows of 100 numbers.*give at least 202"),
        (normal(200, 3), normal(200), "generated is float64 of shape"),
        (normal(200, 3), np.full((200, 3), "a"), "rows of numbers are needed"),
        (normal(200, 3), np.zeros((200, 3), np.uint8) + np.arange(3, dtype=np.uint8), "all observations of generated"),
        (normal(200, 3), np.arange(600, dtype=np.int64).astype(np.uint8).reshape(200, 3), "to one scale and type"),
        (normal(100, MOST_NUMBERS + 1), normal(100, MOST_NUMBERS + 1), "4,097 numbers an observation, at most 4,096"),
    ],
)
def test_samples_that_cannot_be_compared(tmp_path, real, fake, message):
    with pytest.raises(ValueError, match=message):
        make("comparisons", saved(tmp_path, real=real, generated=fake))


def test_files_that_hold_no_two_samples(tmp_path):
    with pytest.raises(ValueError, match=r"holds x, y; a \.npz file with arrays real and generated"):
        make("comparisons", saved(tmp_path, x=normal(9, 3), y=normal(9, 3)))
    np.save(tmp_path / "x.npy", normal(200, 3))
    with pytest.raises(ValueError, match=r"holds x; a \.npz file"):
        make("comparisons", tmp_path / "x.npy")
    (tmp_path / "real").mkdir()
    with pytest.raises(FileNotFoundError, match="no subfolder generated"):
        make("comparisons", tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        make("comparisons", tmp_path / "nothing.npz")
    np.savez(tmp_path / "evil.npz", real=np.array([{}]), generated=np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"evil\.npz"):
        make("comparisons", tmp_path / "evil.npz")


def test_moments_of_degenerate_data():
    x = torch.randn(50, 1).expand(-1, 3) * torch.tensor([1.0, 2.0, 0.0])
    mean, root = moments(x)
    torch.testing.assert_close(root @ root.T, x.double().T.cov())
    assert mean[2] == 0
