"""Data: what ships, and what users bring."""

import gzip
import math
import struct

import numpy as np
import pytest
import torch

from reference_impl.core.task import Task
from reference_impl.tasks import TASKS, files, make
from reference_impl.tasks.images import bars
from reference_impl.tasks.measures import frechet, modes_covered, nn_accuracy
from reference_impl.tasks.points import SOURCES, grid_centers


def idx_bytes(x):
    return struct.pack(f">HBB{x.ndim}I", 0, 8, x.ndim, *x.shape) + x.tobytes()


@pytest.fixture
def mnist_folder(tmp_path):
    rng = np.random.default_rng(0)
    for split, n in (("train", 50), ("t10k", 20)):
        images, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)
        (tmp_path / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return tmp_path


def test_batches_are_a_pure_function_of_seed_and_step():
    task = Task(torch.arange(100))
    assert torch.equal(task.batch("train", 7, 10).x, task.batch("train", 7, 10).x)
    epoch = torch.cat([task.batch("train", s, 10).x for s in range(10)])
    assert torch.equal(epoch.sort().values, torch.arange(100)), "an epoch visits every row once"
    assert not torch.equal(task.batch("train", 0, 10).x, task.batch("train", 10, 10).x), "epochs differ"
    halves = [task.batch("train", 3, 10, rank=r, world=2).x for r in (0, 1)]
    assert torch.equal(torch.stack(halves, 1).flatten(), task.batch("train", 3, 10).x)


def test_digits_are_whole_and_held_out():
    task = make("images")
    (train, y), (test, _) = task.splits["train"], task.splits["test"]
    assert train.shape == (1437, 1, 8, 8)
    assert test.shape == (360, 1, 8, 8)
    assert len(y) == 1437
    assert (train * 16).frac().abs().max() == 0
    assert not {r.numpy().tobytes() for r in train} & {r.numpy().tobytes() for r in test}


def test_image_files_of_every_kind(tmp_path, mnist_folder):
    (x, y), second = files.images(mnist_folder)
    assert x.shape == (50, 1, 28, 28)
    assert x.dtype == np.float32
    assert 0 <= x.min() <= x.max() <= 1
    assert y is not None
    assert second is not None
    assert second[0].shape == (20, 1, 28, 28)
    np.save(tmp_path / "a.npy", np.zeros((4, 9, 9, 3), np.uint8))
    assert files.images(tmp_path / "a.npy")[0][0].shape == (4, 3, 9, 9)
    np.savez(tmp_path / "b.npz", x=np.ones((5, 6, 6)), y=np.arange(5))
    (x, y), _ = files.images(tmp_path / "b.npz")
    assert x.shape == (5, 1, 6, 6)
    assert y.tolist() == [0, 1, 2, 3, 4]
    from PIL import Image

    for name in ("cat/1.png", "dog/2.png"):
        (tmp_path / "pics" / name).parent.mkdir(parents=True)
        Image.fromarray(np.full((7, 5), 128, np.uint8)).save(tmp_path / "pics" / name)
    (x, y), _ = files.images(tmp_path / "pics")
    assert x.shape == (2, 1, 7, 5)
    assert y.tolist() == [0, 1]
    cifar = tmp_path / "cifar"
    cifar.mkdir()
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        (cifar / name).write_bytes(bytes(3073 * 2))
    (x, y), test = files.images(cifar)
    assert x.shape == (10, 3, 32, 32)
    assert test is not None


def test_text_and_tables(tmp_path):
    (tmp_path / "b.txt").write_text("zwei", encoding="utf-8")
    (tmp_path / "a.md").write_text("eins", encoding="utf-8")
    assert files.text(tmp_path) == "eins\nzwei"
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    assert files.rows(tmp_path / "t.csv").tolist() == [[1, 2], [3, 4]]
    np.save(tmp_path / "t.npy", np.arange(40.0).reshape(20, 2))
    task = make("points", tmp_path / "t.npy")
    assert task.facts["shape"] == [2]
    assert task.splits["train"][0].mean(0).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npy", b"not numpy", "x.npy"),
        ("x.npz", b"PK\x03\x04broken", "x.npz"),
        ("x.csv", b"1,2\n3,oops\n", "x.csv"),
        ("x.bin", b"123", "is not read; give one of .csv, .npy, .npz, .parquet"),
        ("x.png", b"123", "one image is no data set"),
        ("dir/x.png", b"not a png", "not an image that can be read"),
        ("dir/readme.doc", b"123", "no images here"),
        ("train-images-idx3-ubyte", b"\x00\x00\x0d\x01", "belong together"),
    ],
)
def test_bad_images_are_refused_with_the_file_and_what_is_wrong(tmp_path, name, content, message):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    target = path if path.parent == tmp_path and not name.startswith("train") else path.parent
    with pytest.raises((ValueError, FileNotFoundError), match=message.replace(".", r"\.")):
        files.images(target)


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"evil\.npy"):
        files.images(tmp_path / "evil.npy")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 5)), "images are"),
        (np.zeros((2, 2, 2, 2, 2)), "images are"),
        (np.zeros((0, 8, 8)), "images are"),
        (np.full((2, 8, 8), -1.0), "pixel values from -1.0"),
        (np.full((2, 8, 8), 1e4), "pixel values"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, x, message):
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(ValueError, match=message):
        files.images(tmp_path / "x.npy")


def test_bad_text_and_tables(tmp_path):
    (tmp_path / "latin.txt").write_bytes("größe".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8 text"):
        files.text(tmp_path / "latin.txt")
    np.save(tmp_path / "nan.npy", np.array([[1.0, np.nan], [1.0, 2.0]]))
    with pytest.raises(ValueError, match="NaN or infinite values in 1 rows"):
        files.rows(tmp_path / "nan.npy")
    with pytest.raises(FileNotFoundError, match=r"no such file.*known: grid25"):
        make("points", tmp_path / "nothing.csv")
    with pytest.raises(FileNotFoundError, match=r"no known data set; known: mnist"):
        make("images", "imagenet")
    (tmp_path / "short.txt").write_text("short")
    with pytest.raises(ValueError, match="5 characters; at least"):
        make("text", tmp_path / "short.txt")


def test_a_known_data_set_is_read_from_a_folder_given_by_hand(monkeypatch, tmp_path, mnist_folder):
    (tmp_path / "data").mkdir()
    target = tmp_path / "data" / "mnist"
    target.mkdir()
    for p in list(mnist_folder.glob("*ubyte*")):
        p.rename(target / p.name)
    monkeypatch.setenv("PATTERNS_DATA_DIR", str(tmp_path / "data"))
    assert make("images", "mnist").facts["shape"] == [1, 28, 28]


def test_sources_have_the_density_that_they_state():
    g = torch.Generator().manual_seed(0)
    board = SOURCES["checkerboard"](20_000, g)
    squares = (board + 2).floor().long()
    assert bool(((squares.sum(1) % 2) == 0).all())
    assert bool((board.abs() <= 2).all())
    grid = SOURCES["grid25"](50_000, g)
    modes, share = modes_covered(grid, grid_centers(), 0.05, 1500)
    assert modes == 25
    assert share == pytest.approx(1 - math.exp(-4.5), abs=0.003), "3 sigma in two dimensions hold 1 - exp(-9/2)"
    assert len(bars()) == 30


def test_measures_agree_with_what_is_known():
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(4000, 3, generator=g), torch.randn(4000, 3, generator=g)
    assert frechet(a, b) < 0.02
    assert frechet(a, 2 * b + 1) == pytest.approx(3 + 3, rel=0.1), "|mean gap|^2 + sum (s1 - s2)^2"
    from scipy.linalg import sqrtm

    ca, cb = np.cov(a.numpy().T), np.cov((2 * b + 1).numpy().T)
    gap = a.double().mean(0).numpy() - (2 * b + 1).double().mean(0).numpy()
    exact = gap @ gap + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
    assert frechet(a, 2 * b + 1) == pytest.approx(exact, rel=1e-5)
    assert nn_accuracy(a[:500], b[:500]) == pytest.approx(0.5, abs=0.06)
    assert nn_accuracy(a[:500], b[:500] + 20) == 1.0


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_facts_that_are_json(name):
    import json

    task = make(name)
    assert json.loads(json.dumps(task.facts)) == task.facts
    assert "train" in task.splits or name == "preferences"
