"""Pictures of a few shapes: what is drawn, told and asked, and what users bring."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from reference_impl.blocks_words import numbered, spelled
from reference_impl.core import run
from reference_impl.multimodal.clip import CLIP
from reference_impl.multimodal.vision_language_model import VisionLanguageModel
from reference_impl.tasks import make
from reference_impl.tasks.asked import described, questions
from reference_impl.tasks.captions import Scene
from reference_impl.tasks.scenes import COLORS, GRAY, PLACES, UNSEEN, captions, drawn, name

RING, BAR = Scene("red", "ring", "top", "left"), Scene("blue", "bar", "bottom", "left")
TINY = {"steps": 2, "batch_size": 4, "channels": 16}


def folder(path, n=12):
    path.mkdir()
    for i in range(n):
        Image.fromarray(np.full((16, 16, 3), 10 * i, np.uint8)).save(path / f"{i:02}.png")
    return path


def test_pictures_show_what_their_scenes_say():
    y, scenes = drawn(300, seed=4, most=3)
    assert Counter(map(len, scenes)).keys() == {1, 2, 3}
    for image, things in zip(y, scenes, strict=True):
        for place, (down, right) in zip(PLACES, ((0, 0), (0, 8), (8, 0), (8, 8)), strict=True):
            here = [t for t in things if t[2:] == place]
            painted = (image[:, down : down + 8, right : right + 8] - GRAY).abs().sum(0) > 1e-4
            assert painted.any() == bool(here)
            if here:
                tone = image[:, down : down + 8, right : right + 8][:, painted].mean(1)
                assert (tone - torch.tensor(COLORS[here[0].color])).abs().max() < 0.2 + 1e-5
    assert not any(t[:2] in UNSEEN for things in scenes for t in things)
    assert all(t[:2] in UNSEEN for things in drawn(50, seed=5, pairs=UNSEEN)[1] for t in things)


def test_scenes_in_words():
    assert name(RING) == "a red ring"
    assert captions((RING, BAR)) == ("a red ring above a blue bar", "a blue bar below a red ring")
    assert described((RING, BAR)) == "red ring no shape blue bar no shape"
    asked = questions((RING, BAR))
    assert asked[:3] == ("how many shapes? two", "is there a ring? yes", "is there a cross? no")
    assert {"what color is top left? red", "what shape is bottom left? bar"} < set(asked)
    # at least one color occurs with every shape of a new pair, so that its words are known
    words = make("scenes").facts["words"]
    assert all(word in words for pair in UNSEEN for word in pair)


def test_texts_are_numbers_of_their_words():
    words = ("?", "a", "is", "ring")
    ids = numbered(["Is a ring?", "ring"], words)
    assert ids.tolist() == [[1, 5, 4, 6, 3, 2], [1, 6, 2, 0, 0, 0]]
    assert spelled(ids, words) == ["is a ring?", "ring"]
    with pytest.raises(ValueError, match=r"'blue' is in no text that training showed; known are \?, a, is, ring"):
        numbered(["a blue ring"], words)


def test_a_users_captions_and_questions(tmp_path):
    path = folder(tmp_path / "f")
    (path / "captions.csv").write_text(
        "".join(f"{i:02}.png,A photo of {'land' if i % 2 else 'sea'}\n" for i in range(12))
    )
    task = make("scenes", path)
    assert task.splits["train"][0][:2] == ["a photo of land", "a photo of sea"]
    model = run(CLIP, TINY, task=task).model
    assert set(model.sample(3, task.splits["test"][1])) <= {"a photo of land", "a photo of sea"}

    (path / "questions.csv").write_text(
        "".join(f"{i:02}.png,How many?,{'two' if i % 2 else 'one'}\n" for i in range(12))
    )
    task = make("asked", path)
    assert task.splits["train"][0][:2] == ["how many? two", "how many? one"]
    model = run(VisionLanguageModel, TINY, task=task).model
    assert len(model.answer(task.splits["test"][1], ["how many?"] * 3)) == 3


def test_what_cannot_be_asked_about(tmp_path):
    with pytest.raises(FileNotFoundError, match="known: scenes"):
        make("scenes", "forms")
    path = folder(tmp_path / "f")
    with pytest.raises(ValueError, match=r"questions.csv \(lines `file name,question,answer`\)"):
        make("asked", path)
    table = path / "questions.csv"
    for text, message in (
        ("00.png,how many?\n", "line 1: not of the form"),
        ("99.png,how many?,one\n", "line 1: no image '99.png'"),
        ("00.png,how many?,one\n", "1 questions; at least 10"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=message):
            make("asked", path)
