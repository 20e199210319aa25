"""The styles task, users' pictures, and VGG-19's weights from a file."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from reference_impl.blocks_vgg import VGG
from reference_impl.core import Task, load, run
from reference_impl.style_transfer.adain import AdaIN
from reference_impl.style_transfer.neural_style_transfer import Filters, NeuralStyleTransfer, Perceptual
from reference_impl.style_transfer.style_transfer_network import StyleTransferNetwork
from reference_impl.tasks import make
from reference_impl.tasks.styles import SEEN_STYLES, UNSEEN_CONTENTS, UNSEEN_STYLES


def paint(path, height, width, mode="RGB", seed=0):
    """A picture file of random colors in large blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blocks).convert(mode).resize((width, height)).save(path)


def test_contents_and_styles_are_paired_and_held_out():
    task = make("styles")
    (x, y), (test_x, test_y) = task.splits["train"], task.splits["test"]
    assert x.shape == y.shape == (1024, 3, 64, 64)
    assert test_x.shape == test_y.shape == (64, 3, 64, 64)
    assert all(t.min() >= 0 and t.max() <= 1 and t.dtype == torch.float32 for t in (x, y, test_x, test_y))
    assert torch.equal(test_x[:8], test_x[8:16]), "the same contents for every style"
    assert torch.equal(test_y[0], test_y[7])
    assert not torch.equal(test_y[0], test_y[8])
    assert not set(SEEN_STYLES) & set(UNSEEN_STYLES)
    seen = {row.numpy().tobytes() for row in x}
    assert not seen & {row.numpy().tobytes() for row in test_x}
    assert len(UNSEEN_CONTENTS) == 4


def test_the_task_is_the_same_every_time():
    a, b = make("styles").splits, make("styles").splits
    assert all(torch.equal(s, t) for name in a for s, t in zip(a[name], b[name], strict=True))


def test_a_folder_with_content_and_style(tmp_path):
    for i in range(6):
        paint(tmp_path / f"content/{i}.jpg", 90 + 10 * i, 200, seed=i)
    paint(tmp_path / "style/a.png", 300, 80, "L", seed=9)
    paint(tmp_path / "style/b.png", 40, 40, "RGBA", seed=10)
    task = make("styles", tmp_path)
    (x, y), (test_x, test_y) = task.splits["train"], task.splits["test"]
    assert x.shape == y.shape == (1024, 3, 64, 64)
    assert test_x.shape == test_y.shape == (8, 3, 64, 64), "two contents at two zooms, in both styles"
    gray = (y[:, 0] == y[:, 1]).flatten(1).all(1)
    assert 0 < gray.sum() < len(y), "users' styles keep their colors"


def test_any_images_get_the_built_in_styles(tmp_path):
    paint(tmp_path / "pics/a.png", 70, 120)
    assert make("styles", tmp_path / "pics").splits["test"][1].shape == (16, 3, 64, 64)
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).integers(0, 256, (30, 30, 28), dtype=np.uint8))
    task = make("styles", tmp_path / "x.npz")
    assert task.facts["shape"] == [3, 28, 28]
    for cls in (NeuralStyleTransfer, StyleTransferNetwork, AdaIN):
        model = run(cls, {"steps": 2, "batch_size": 2, "images": 3}, task=task).model
        assert model.sample(5).shape == (5, 3, 28, 28)


def test_bad_pictures_are_refused_with_the_file_and_what_is_wrong(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no images here"):
        make("styles", tmp_path / "empty")
    paint(tmp_path / "content/a.png", 70, 70)
    (tmp_path / "style").mkdir()
    with pytest.raises(ValueError, match="style: no images here"):
        make("styles", tmp_path)
    (tmp_path / "style/broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.png: not an image that can be read"):
        make("styles", tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        make("styles", tmp_path / "nothing")
    np.save(tmp_path / "tiny.npy", np.zeros((4, 3, 3), np.uint8))
    with pytest.raises(ValueError, match="at least 8 pixels a side"):
        make("styles", tmp_path / "tiny.npy")


def test_style_transfer_needs_styles():
    with pytest.raises(ValueError, match="needs a style image for each content image"):
        run(NeuralStyleTransfer, {"steps": 1}, task=Task(torch.zeros(4, 3, 64, 64), y=torch.zeros(4)))


def test_losses_vanish_at_their_targets_and_the_filters_are_fixed():
    x, y = (t[:3] for t in make("styles").splits["test"])
    loss = Perceptual(NeuralStyleTransfer.Config())
    assert loss(x, x, y)["content"] == 0
    assert loss(y, x, y)["style"] == 0
    assert loss(y, x, y)["content"] > 0.1
    assert torch.equal(Filters(3, 8, 2).weight, Filters(3, 8, 2).weight)
    assert not list(loss.parameters()), "nothing in the losses is trained"


# -- VGG-19


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    """Random weights under torchvision's names, and one that is not used."""
    g = torch.Generator().manual_seed(0)
    weights = {k: 0.05 * torch.randn(v.shape, generator=g) for k, v in VGG().state_dict().items()}
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file({**weights, "classifier.0.weight": torch.zeros(2, 2)}, path)
    return path


def test_vgg_has_the_names_of_torchvision_and_the_layers_of_the_paper():
    names = [k for k in VGG().state_dict() if k.endswith("weight")]
    assert names == [f"features.{i}.weight" for i in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)]
    content, style = VGG()(torch.rand(2, 3, 32, 32))
    assert content.shape == (2, 512, 4, 4), "conv4_2"
    assert [tuple(s.shape[1:]) for s in style] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]


def test_vgg_is_the_plain_sequence_of_layers(vgg_file):
    vgg = VGG()
    vgg.read(vgg_file)
    x = torch.rand(1, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    y, index = (x - mean.view(3, 1, 1)) / std.view(3, 1, 1), 0
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512):
        if width:
            conv = torch.nn.Conv2d(y.shape[1], width, 3, padding=1)
            conv.load_state_dict({k: vgg.state_dict()[f"features.{index}.{k}"] for k in ("weight", "bias")})
            y = conv(y).relu()
        else:
            y = torch.nn.functional.avg_pool2d(y, 2)
        index += 2 if width else 1
    torch.testing.assert_close(vgg(x)[0], y)


@pytest.mark.parametrize("cls", [NeuralStyleTransfer, StyleTransferNetwork, AdaIN])
def test_models_with_vgg_train_and_load_without_the_file(cls, vgg_file, tmp_path):
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(vgg_file.read_bytes())
    settings = {"vgg": copy, "steps": 2, "batch_size": 2, "images": 2}
    model = run(cls, settings, task=Task(x, y=x.flip(0), shape=[3, 32, 32]), out=tmp_path / "run").model
    copy.unlink()
    again, _ = load(tmp_path / "run")
    assert torch.equal(model.sample(2), again.sample(2))
    pairs = (x[:2], x[1:3], x[2:])
    assert again.perceptual(*pairs)["loss"] == model.perceptual(*pairs)["loss"] > 0


def test_files_that_are_no_vgg_are_refused(tmp_path, vgg_file):
    with pytest.raises(FileNotFoundError, match="no such file; a VGG-19 is needed"):
        VGG().read(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(ValueError, match=r"bad\.safetensors: not a safetensors file"):
        VGG().read(tmp_path / "bad.safetensors")
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "short.safetensors")
    with pytest.raises(ValueError, match=r"has no 'features.0.bias'"):
        VGG().read(tmp_path / "short.safetensors")
    save_file({k: torch.zeros(3) for k in VGG().state_dict()}, tmp_path / "shape.safetensors")
    with pytest.raises(ValueError, match=r"'features.0.weight' has shape \(3,\) instead of \(64, 3, 3, 3\)"):
        VGG().read(tmp_path / "shape.safetensors")
