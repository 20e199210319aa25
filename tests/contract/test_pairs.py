"""Two domains of images: what ships, and what users bring."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from reference_impl.adversarial.cyclegan import CycleGAN
from reference_impl.adversarial.pix2pix import Pix2Pix
from reference_impl.core import Reference, run
from reference_impl.tasks import make
from reference_impl.tasks.pairs import BUILT_IN, blurred, l1, outlines, spectrum, spectrum_error

TINY = {"steps": 2, "batch_size": 4, "channels": 4}


class Copy(Reference):
    """Gives back what it is given."""

    def sample(self, n, y=None):
        return y.clone()


def folder(path, sides, size=(9, 8)):
    """Image files: `sides` maps a folder's name to the stems of its images."""
    for name, stems in sides.items():
        (path / name).mkdir(parents=True)
        for i, stem in enumerate(stems):
            Image.fromarray(np.full(size, 20 * i, np.uint8)).save(path / name / f"{stem}.png")
    return path


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("task", ["pairs", "unpaired"])
def test_built_in_domains(task, name):
    made = make(task, name)
    for x, y in made.splits.values():
        for side in (x, y):
            assert side.dtype == torch.float32
            assert 0 <= side.min() < side.max() <= 1
        assert list(x.shape[1:]) == made.facts["shape"]
        assert list(y.shape[1:]) == made.facts["given"]
    (x, y), (test, _) = made.splits["train"], made.splits["test"]
    assert not {r.numpy().tobytes() for r in x} & {r.numpy().tobytes() for r in test}
    batch = made.batch("train", 0, 8)
    assert batch.x.shape[0] == batch.y.shape[0] == 8


def test_outlines_enclose_the_filling():
    x, y = outlines(50, seed=3)
    assert set(y.unique().tolist()) == {0.0, 1.0}
    assert bool((torch.nn.functional.max_pool2d(x, 3, 1, 1)[y > 0] > 0).all()), "an outline touches ink"
    # mean darkness is known, the rest is phase: rectangles are darker than ellipses
    ink = [x[k::2].sum() / (x[k::2] > 0).sum() for k in (0, 1)]
    assert ink[0] == pytest.approx(0.65, abs=0.03)
    assert ink[1] == pytest.approx(0.35, abs=0.05)
    train, test = (make("pairs").splits[name][1] for name in ("train", "test"))
    assert len(test) == 200
    fillings = make("pairs").splits["test"][0]
    darkness = fillings.sum((1, 2, 3)) / (fillings > 0).sum((1, 2, 3))
    assert bool((darkness[::2] > 0.5).all()), "rectangles"
    assert bool((darkness[1::2] < 0.5).all()), "ellipses"
    assert not {r.numpy().tobytes() for r in train} & {r.numpy().tobytes() for r in test}
    again = outlines(50, seed=3)
    assert torch.equal(x, again[0])
    assert torch.equal(y, again[1])


def test_unpaired_sides_come_in_independent_orders():
    made = make("unpaired", "outlines")
    x, y = made.splits["train"]

    partner = {a.numpy().tobytes(): b for a, b in zip(x, y, strict=True)}
    batches = [made.batch("train", step, 50, seed=1) for step in range(4)]
    true = [torch.equal(partner[a.numpy().tobytes()], b) for m in batches for a, b in zip(m.x, m.y, strict=True)]
    assert sum(true) <= 4, "no more than chance: some outlines occur more than once"
    assert len({a.numpy().tobytes() for m in batches for a in m.x}) == 200, "no row twice in an epoch"
    assert torch.equal(made.batch("train", 2, 50, seed=1).y, batches[2].y)
    halves = [made.batch("train", 2, 50, seed=1, rank=r, world=2).y for r in (0, 1)]
    assert torch.equal(torch.stack(halves, 1).flatten(0, 1), batches[2].y)


def test_unpaired_digits_share_no_digit_between_sides():
    x, y = make("unpaired").splits["train"]
    assert not {r.numpy().tobytes() for r in x} & {r.numpy().tobytes() for r in 1 - y}


def test_pairs_from_a_folder_and_from_arrays(tmp_path):
    stems = [f"{i:02}" for i in range(10)]
    made = make("pairs", folder(tmp_path / "f", {"a": stems, "b": stems}))
    assert made.facts["shape"] == made.facts["given"] == [1, 9, 8]
    assert [len(made.splits[s][0]) for s in ("train", "test")] == [8, 2]
    for x, y in made.splits.values():
        assert torch.equal(x, y), "the n-th image of both folders is the same here"
    values = np.arange(10, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    np.savez(tmp_path / "p.npz", x=np.stack([values] * 3, -1), y=values)
    made = make("pairs", tmp_path / "p.npz")
    assert made.facts["shape"] == [3, 8, 8]
    assert made.facts["given"] == [1, 8, 8]
    for x, y in made.splits.values():
        assert torch.equal(x, y.expand_as(x))
    scores = run(Pix2Pix, TINY, task=made).scores
    assert {s.name for s in scores} == {"L1 distance", "spectrum error"}
    assert all(s.against == "the mean image" for s in scores), "a gray image is no color image's baseline"


def test_unpaired_folders_may_differ_in_number_and_names(tmp_path):
    path = folder(tmp_path / "f", {"horse": "abcdefghijkl", "zebra": ["1", "2", "3", "4", "5"]})
    made = make("unpaired", path)
    assert [len(side) for side in made.splits["train"]] == [4, 10]
    result = run(CycleGAN, TINY, task=made)
    assert {s.name for s in result.scores} == {"spectrum error", "round trip L1"}, "no truth, so no distance to it"
    assert result.model.sample(1, made.splits["test"][1][:1]).shape == (1, 1, 9, 8)


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ({"a": "12345"}, "two folders of images are needed.*found a"),
        ({}, "found none"),
        ({"a": "12345", "b": "12345", "c": "12345"}, "found a, b, c"),
        ({"a": "12345", "b": "12346"}, "5 images x, 5 images y; 2 have no partner of the same name: 5, 6"),
        ({"a": "123456789", "b": "12345"}, "5 images x, 9 images y; 4 have no partner.*6, 7, 8, 9"),
        ({"a": "12", "b": "12"}, "2 and 2 images; at least 5"),
        ({"a": "", "b": "12345"}, "no images here"),
    ],
)
def test_folders_that_are_no_pairs(tmp_path, sides, message):
    (tmp_path / "f").mkdir()
    with pytest.raises(ValueError, match=message):
        make("pairs", folder(tmp_path / "f", sides))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": (6, 8, 8)}, "no array y, found x"),
        ({"a": (6, 8, 8)}, "no array x and no array y, found a"),
        ({"x": (6, 8, 8), "y": (6, 9, 8)}, "x is 8x8, y is 9x8"),
        ({"x": (6, 4, 4), "y": (6, 4, 4)}, "4x4; at least 8x8"),
        ({"x": (6, 8, 8), "y": (7, 8, 8)}, "6 images x, 7 images y; 1 have no partner.*: 6"),
        ({"x": (6, 8, 8), "y": (6,)}, "images are"),
    ],
)
def test_arrays_that_are_no_pairs(tmp_path, arrays, message):
    np.savez(tmp_path / "p.npz", **{k: np.zeros(shape, np.uint8) for k, shape in arrays.items()})
    with pytest.raises(ValueError, match=message):
        make("pairs", tmp_path / "p.npz")


def test_a_name_that_is_no_data(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"known: outlines, sharpen, digits"):
        make("pairs", "edges")
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(ValueError, match=r"\.txt is not read"):
        make("unpaired", tmp_path / "x.txt")


def test_spectrum_of_a_wave_is_on_its_ring():
    wave = torch.cos(2 * math.pi * 5 * torch.arange(16) / 16).expand(1, 1, 16, 16)
    power = spectrum(wave)
    assert power.argmax() == 4, "rings count from one cycle per image"
    # cos has two peaks of (16 * 16 / 2)^2; the ring holds all frequencies that round to 5
    f = 16 * torch.fft.fftfreq(16)
    count = int((torch.hypot(f[:, None], f[None]).round() == 5).sum())
    assert power[4].item() == pytest.approx(2 * 128**2 / count, rel=1e-5)
    noise = torch.randn(50, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert spectrum_error(10 * noise, noise) == pytest.approx(2.0, abs=1e-4), "ten times as large is two decades"


def test_a_blur_keeps_the_mean_and_lowers_high_frequencies():
    x = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(0))
    soft = blurred(x)
    assert soft.shape == x.shape
    assert soft.mean().item() == pytest.approx(x.mean().item(), abs=0.01)
    # exp(-(2 pi f s)^2) of the power at f cycles per pixel, away from the borders' reflections
    ratio = spectrum(soft[None])[7] / spectrum(x[None])[7]
    assert ratio.item() == pytest.approx(math.exp(-((2 * math.pi * 0.25 * 1.5) ** 2)), abs=0.02)


def test_scores_stand_beside_copying():
    made = make("pairs", "sharpen")
    for score in made.evaluate(Copy(Copy.Config())):
        assert score.value == pytest.approx(score.baseline)
    x, y = made.splits["test"]
    assert made.evaluate(Copy(Copy.Config()))[0].value == pytest.approx(l1(x, y))
    assert make("unpaired").evaluate(Copy(Copy.Config()))[0].name == "L1 distance"


@pytest.mark.parametrize("cls", [Pix2Pix, CycleGAN])
def test_a_sample_without_an_image_to_start_from_is_refused(cls):
    with pytest.raises(ValueError, match="give y"):
        cls(cls.Config()).sample(3)


@pytest.mark.parametrize("cls", [Pix2Pix, CycleGAN])
def test_settings_that_do_not_fit_together(cls):
    with pytest.raises(ValueError, match="one height and width"):
        cls.Config(shape=(1, 8, 8), given=(1, 9, 8))
    with pytest.raises(ValueError, match="identity needs as many channels"):
        CycleGAN.Config(identity=0.5, given=(3, 8, 8))
