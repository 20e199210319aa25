"""VGG-19 as a fixed feature extractor, for users who have its weights as a safetensors file."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,))
"""Output channels of the convolutions between two poolings; what follows conv5_1 is not used."""


class FixedConv(nn.Module):
    """A 3x3 convolution and ReLU with weights that are stored with a model and never trained."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torch.zeros(outputs, inputs, 3, 3))
        self.register_buffer("bias", torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.conv2d(x, self.weight, self.bias, padding=1))


class VGG(nn.Module):
    """VGG-19 (arXiv:1409.1556) up to conv5_1, with average pooling; all weights are zero until `read`."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.blocks = nn.ModuleDict(), []
        inputs, index = 3, 0
        for widths in BLOCKS:
            self.blocks.append([str(index + 2 * i) for i in range(len(widths))])
            for name, width in zip(self.blocks[-1], widths, strict=True):
                self.features[name], inputs = FixedConv(inputs, width), width
            # torchvision counts convolutions, ReLUs and poolings as one sequence
            index += 2 * len(widths) + 1

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Content features, conv4_2, and style features, conv1_1 to conv5_1, of images (B, 1 or 3, H, W) in [0, 1]."""
        mean, std = x.new_tensor([0.485, 0.456, 0.406]), x.new_tensor([0.229, 0.224, 0.225])
        x = (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)
        content, style = x, []
        for i, names in enumerate(self.blocks):
            x = F.avg_pool2d(x, 2) if i else x
            for j, name in enumerate(names):
                x = self.features[name](x)
                if j == 0:
                    style.append(x)
                if (i, j) == (3, 1):
                    content = x
        return content, style

    def read(self, path: Path) -> None:
        """Take the weights from a file with torchvision's names, `features.0.weight` and so on.

        Raises FileNotFoundError, or ValueError that says which weight is missing or of which shape it is.
        """
        wanted = self.state_dict()
        how = 'a VGG-19 is needed, saved with `safetensors.torch.save_file(vgg19.state_dict(), "vgg19.safetensors")`'
        try:
            with safe_open(path, framework="pt") as f:
                found = {k: f.get_tensor(k) for k in wanted.keys() & set(f.keys())}
        except FileNotFoundError:
            raise FileNotFoundError(f"{path}: no such file; {how}") from None
        except (SafetensorError, OSError) as err:
            raise ValueError(f"{path}: not a safetensors file ({err}); {how}") from None
        for name, place in wanted.items():
            if name not in found:
                raise ValueError(f"{path}: has no {name!r}; {how}")
            if found[name].shape != place.shape:
                was, want = (tuple(t.shape) for t in (found[name], place))
                raise ValueError(f"{path}: {name!r} has shape {was} instead of {want}; {how}")
        self.load_state_dict(found)
