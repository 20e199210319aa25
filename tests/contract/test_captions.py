"""Images with captions: what is drawn, what is read, and what users bring."""

import numpy as np
import pytest
import torch
from PIL import Image

from reference_impl.core import run
from reference_impl.multimodal.text_to_image import TextToImage
from reference_impl.tasks import make
from reference_impl.tasks.captions import SCENES, UNSEEN, agreement, drawn, renderings, seen, words

TINY = {"steps": 2, "batch_size": 4, "hidden": 4, "width": 4}


def folder(path, captions, size=(8, 8)):
    path.mkdir()
    for i, caption in enumerate(captions):
        Image.fromarray(np.full((*size, 3), 10 * i, np.uint8)).save(path / f"{i:02}.png")
        if caption is not None:
            (path / f"{i:02}.txt").write_text(caption)
    return path


def test_unseen_pairs_are_in_no_training_caption():
    task = make("captions")
    told = " | ".join(task.told["train"] + task.told["test"])
    assert not [pair for pair in UNSEEN if " ".join(pair) in told]
    assert sum(s.unseen for s in SCENES) == 3 * 4
    # each color and each shape occurs with others
    for pair in UNSEEN:
        assert all(word in told for word in pair)
    _, scenes = drawn(50, seed=3, unseen=True)
    assert all(s.unseen for s in scenes)


def test_every_image_is_one_scene():
    told, images = renderings()
    assert len(images.flatten(1).unique(dim=0)) == len(told), "no image has two captions"
    assert seen(images) == told
    for scene, image in zip(told[::7], images[::7], strict=True):
        inside = (image - 0.5).abs().sum(0) > 0
        rows, columns = torch.nonzero(inside.any(1))[:, 0], torch.nonzero(inside.any(0))[:, 0]
        middle = [(at[0] + at[-1]).item() / 2 for at in (rows, columns)]
        assert [m > 7.5 for m in middle] == [scene.row == "bottom", scene.column == "right"]


def test_the_judge_tells_wrong_captions():
    x, scenes = drawn(200, seed=4)
    assert agreement(x, scenes).min() == 1
    faint = 0.5 + 0.4 * (x - 0.5)
    assert set(seen(faint)) == {None}, "a shape that is drawn less than half is not there"
    assert agreement(faint, scenes).max() == 0
    assert agreement(x, scenes[1:] + scenes[:1]).mean() < 0.5
    assert agreement(x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)), scenes).mean() > 0.99


def test_prompts_are_numbers_of_known_words():
    task = make("captions")
    model = TextToImage(TextToImage.Config(words=tuple(task.words), classes=task.facts["classes"]))
    long = "at the top left a red cross"
    y = model.prompts(["A red cross", long])
    assert y.shape == (2, 7)
    assert y[0, 3:].tolist() == [0] * 4
    assert [task.words[i - 1] for i in y[1].tolist()] == words(long)
    assert torch.equal(y[1:], task.numbers([long], 7))
    with pytest.raises(ValueError, match=r"'purple' is in no training caption; known are a, at, blue"):
        model.sample(1, ["a purple cross"])
    assert model.sample(2, ["a red cross", "a blue square"]).shape == (2, 3, 16, 16)


def test_a_users_folder(tmp_path):
    told = [f"photo {i % 3} of the {'sea' if i % 2 else 'land'}, in color" for i in range(12)]
    task = make("captions", folder(tmp_path / "f", told))
    assert task.facts["shape"] == [3, 8, 8]
    assert [len(task.splits[s][0]) for s in ("train", "test")] == [9, 3]
    result = run(TextToImage, TINY, task=task)
    assert [s.name for s in result.scores] == ["reconstruction error"]
    assert result.model.sample(2, ["the sea", "land in color"]).shape == (2, 3, 8, 8)

    other = folder(tmp_path / "g", [None] * 12)
    (other / "captions.csv").write_text("".join(f'{i:02}.png,"{c}"\n' for i, c in enumerate(told)))
    again = make("captions", other)
    assert torch.equal(again.splits["train"][1], task.splits["train"][1])


def test_what_is_no_captioned_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="known: shapes"):
        make("captions", "forms")
    (tmp_path / "x.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"bring a folder of images with captions.csv"):
        make("captions", tmp_path / "x.npy")
    with pytest.raises(ValueError, match=r"2 of 12 images have no caption, the first is 03.png"):
        make("captions", folder(tmp_path / "a", ["sea"] * 3 + [None] * 2 + ["land"] * 7))
    with pytest.raises(ValueError, match=r"5 images; at least 10"):
        make("captions", folder(tmp_path / "b", ["sea"] * 5))
    c = folder(tmp_path / "c", [None] * 10)
    (c / "captions.csv").write_text("00.png\n")
    with pytest.raises(ValueError, match=r"line 1: no comma"):
        make("captions", c)
