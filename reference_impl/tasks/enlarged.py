"""Images with more pixels than they need: digits drawn twice as large, or what the user brings."""

from __future__ import annotations

from pathlib import Path

from torch.nn.functional import interpolate

from .images import Images
from .photos import Photos


class Enlarged(Photos):
    """Images in [0, 1]: 8x8 digits drawn smoothly at 16x16; the built-in photos, textures or faces; or a user's.

    data: digits, photos, textures, faces, mnist, fashion_mnist or cifar10; a folder of images of one size, whose
    subfolders are labels; a .npy, .npz or .parquet file of images.
    """

    def __init__(self, data: str | Path = "digits") -> None:
        self.kind = "photo" if str(data) in ("photos", "textures", "faces") else "image"
        if self.kind == "photo":
            super().__init__(data)
            return
        Images.__init__(self, data)
        if str(data) == "digits":
            for name, (x, y) in self.splits.items():
                self.splits[name] = (interpolate(x, scale_factor=2, mode="bicubic").clamp(0, 1), y)
            self.facts |= {"shape": [1, 16, 16], "levels": 256}
