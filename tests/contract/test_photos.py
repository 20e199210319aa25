"""Photographs, textures and faces that ship with dependencies."""

import pytest
import torch

from reference_impl.figures import show
from reference_impl.tasks.photos import Photos, crops, faces, parts, photographs, scaled, textures


def test_pictures_have_the_stated_shapes():
    assert {x.shape[0] for x in photographs().values()} == {3}
    assert len(photographs()) == 10
    assert {tuple(x.shape) for x in textures().values()} == {(1, 512, 512)}
    assert faces().shape == (100, 1, 25, 25)
    for x in [*photographs().values(), *textures().values(), faces()]:
        assert 0 <= x.min() < x.max() <= 1


def test_crops_are_pieces_of_their_picture_and_repeat_with_the_seed():
    x = torch.arange(2 * 9 * 11, dtype=torch.float32).view(2, 1, 9, 11)
    a, origin = crops(x, 4, each=5, seed=3)
    assert a.shape == (10, 1, 4, 4)
    assert origin.tolist() == [0] * 5 + [1] * 5
    for crop, i in zip(a, origin, strict=True):
        windows = x[i].unfold(1, 4, 1).unfold(2, 4, 1).reshape(-1, 4, 4)
        assert (windows == crop[0]).flatten(1).all(1).any()
    assert torch.equal(a, crops(x, 4, each=5, seed=3)[0])
    with pytest.raises(ValueError, match="too small for squares of 10"):
        crops(x, 10, each=1)


def test_scaling_averages():
    x = (torch.arange(64) % 2).float().expand(1, 64, 64)  # stripes finer than the small picture can show
    assert scaled(x, 0.25).shape == (1, 16, 16)
    assert (scaled(x, 0.25)[:, 2:-2, 2:-2] - 0.5).abs().max() < 0.05


@pytest.mark.parametrize(
    ("name", "shape"), [("photos", (3, 32, 32)), ("textures", (1, 32, 32)), ("faces", (1, 24, 24))]
)
def test_built_in_data(name, shape):
    task = Photos(name)
    (x, y), (test, _) = task.splits["train"], task.splits["test"]
    assert x.shape[1:] == test.shape[1:] == shape
    assert not {r.numpy().tobytes() for r in x} & {r.numpy().tobytes() for r in test}
    assert task.facts["classes"] == (0 if y is None else int(y.max()) + 1)
    assert show(task.kind, x[:4], task.facts).axes[0].images[0].get_cmap().name == "gray"


def test_what_is_learned_and_what_is_held_out_do_not_overlap():
    x = torch.rand(1, 6, 30)
    assert torch.equal(torch.cat(parts(x), dim=2), x)
