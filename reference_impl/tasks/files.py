"""Reading what users bring: arrays, images, text, tables, and three well-known data sets by name."""

from __future__ import annotations

import gzip
import os
import struct
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
ARRAY_SUFFIXES = {".npy", ".npz", ".parquet", ".csv"}
MAX_BYTES = 4 << 30

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
KNOWN: dict[str, list[tuple[str, str]]] = {
    "mnist": [
        (_MNIST + "train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        (_MNIST + "train-labels-idx1-ubyte.gz", "md5:d53e105ee54ea40749a09fcbcd1e9432"),
        (_MNIST + "t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3"),
        (_MNIST + "t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c"),
    ],
    "fashion_mnist": [
        (_FASHION + "train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        (_FASHION + "train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe"),
        (_FASHION + "t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79"),
        (_FASHION + "t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310"),
    ],
    "cifar10": [
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"),
    ],
}
"""Files of each known data set, with the checksums their publishers or torchvision give."""

Split = tuple[np.ndarray, np.ndarray | None]


def images(source: str | Path) -> tuple[Split, Split | None]:
    """((images, labels), the same of the test split or None); images (N, C, H, W) in [0, 1], float32.

    source: `mnist`, `fashion_mnist`, `cifar10`; a folder of image files (subfolders are labels) or of
    a known data set's files; a .npy, .npz or .parquet file with images as rows.
    """
    if str(source) in KNOWN:
        return known(str(source))
    path = existing(source, KNOWN)
    if path.is_dir():
        names = {p.name.removesuffix(".gz") for p in path.iterdir()}
        if "train-images-idx3-ubyte" in names:
            return idx_folder(path)
        if "data_batch_1.bin" in names:
            return cifar_folder(path)
        return image_folder(path), None
    if path.suffix in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: one image is no data set; give the folder that holds many")
    found = arrays(path)
    x = found.get("x", found.get("x_train", found.get("train_images")))
    if x is None:
        x = next(iter(found.values()))
    y = found.get("y", found.get("y_train", found.get("train_labels")))
    tx, ty = (found.get(k, found.get(f"test_{w}")) for k, w in (("x_test", "images"), ("y_test", "labels")))
    shaped = as_images(x, path)
    return (shaped, y), None if tx is None else (as_images(tx, path), ty)


def rows(source: str | Path) -> np.ndarray:
    """The numeric rows (N, D), float32, of a .npy, .npz, .csv or .parquet file."""
    x = next(iter(arrays(existing(source)).values()))
    if x.ndim != 2 or not np.issubdtype(x.dtype, np.number):
        raise ValueError(f"{source}: {x.dtype} of shape {x.shape}; a table of numbers (N, D) is needed")
    if not np.isfinite(x).all():
        raise ValueError(
            f"{source}: holds NaN or infinite values in {int((~np.isfinite(x)).any(1).sum())} rows; clean it first"
        )
    return x.astype(np.float32)


def text(source: str | Path) -> str:
    """The text of a UTF-8 file, or of all .txt and .md files in a folder, in order of their names."""
    path = existing(source)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in {".txt", ".md"})
    if not files:
        raise ValueError(f"{path}: no .txt or .md file in this folder")
    try:
        return "\n".join(p.read_text(encoding="utf-8") for p in files)
    except UnicodeDecodeError as err:
        raise ValueError(f"{path}: not UTF-8 text ({err.reason} at byte {err.start}); convert it first") from None


def existing(source: str | Path, known: Iterable[str] = ()) -> Path:
    """The path, which must exist and be of a size that fits into memory; `known` are names that would do too."""
    path = Path(source)
    if not path.exists():
        names = f", and no known data set; known: {', '.join(known)}" if known else ""
        raise FileNotFoundError(f"{source}: no such file or folder{names}")
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES >> 30} GiB; split it")
    return path


def arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a file by name; `x` where the format has no names. Never unpickles."""
    try:
        if path.suffix == ".npy":
            return {"x": np.load(path, allow_pickle=False)}
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as z:
                return {k: z[k] for k in z.files}
        if path.suffix == ".csv":
            with open(path, encoding="utf-8") as f:
                header = any(c.isalpha() and c not in "eE" for c in f.readline())
            return {"x": np.loadtxt(path, delimiter=",", skiprows=int(header), ndmin=2)}
        if path.suffix == ".parquet":
            try:
                import pyarrow.parquet as pq
            except ImportError:
                raise ValueError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow") from None
            table = pq.read_table(path)
            return {"x": np.stack([np.asarray(c.to_pylist()) for c in table.columns], axis=1)}
    except (ValueError, OSError, zipfile.BadZipFile) as err:
        raise ValueError(f"{path}: {err}" if str(path) not in str(err) else str(err)) from None
    raise ValueError(
        f"{path}: {path.suffix or 'no suffix'} is not read; give one of {', '.join(sorted(ARRAY_SUFFIXES))}"
    )


def as_images(x: np.ndarray, path: Path) -> np.ndarray:
    """(N, H, W), (N, H, W, C), (N, C, H, W) or square rows (N, D) -> (N, C, H, W) in [0, 1]."""
    if x.ndim == 2 and (side := int(np.sqrt(x.shape[1]))) ** 2 == x.shape[1]:
        x = x.reshape(-1, side, side)
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[-1] in (1, 3) and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x):
        raise ValueError(f"{path}: shape {x.shape}; images are (N, H, W), (N, H, W, C), (N, C, H, W) or square rows")
    top = 255.0 if x.dtype == np.uint8 else float(x.max())
    if x.min() < 0 or (x.dtype != np.uint8 and top > 255):
        raise ValueError(f"{path}: pixel values from {x.min()} to {x.max()}; bytes or numbers from 0 are needed")
    return x.astype(np.float32) / (top if top > 1 else 1.0)


def image_folder(path: Path) -> Split:
    """All images below a folder, which must share one size and mode; their folders are the labels."""
    from PIL import Image, UnidentifiedImageError

    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ValueError(f"{path}: no images here; read are {', '.join(sorted(IMAGE_SUFFIXES))}")
    labels = sorted({p.parent.name for p in files})
    out, size = [], None
    for p in files:
        try:
            with Image.open(p) as im:
                x = (
                    np.asarray(im.convert("L" if im.mode in {"1", "L", "LA", "I;16"} else "RGB"), dtype=np.float32)
                    / 255
                )
        except (UnidentifiedImageError, OSError) as err:
            raise ValueError(f"{p}: not an image that can be read ({err})") from None
        size = size or x.shape
        if x.shape != size:
            raise ValueError(
                f"{p}: size {x.shape}, but {files[0]} has {size}; bring all images to one size and mode first"
            )
        out.append(x[None] if x.ndim == 2 else x.transpose(2, 0, 1))
    y = np.array([labels.index(p.parent.name) for p in files]) if len(labels) > 1 else None
    return np.stack(out), y


def idx(path: Path) -> np.ndarray:
    """MNIST's IDX format, gzipped or not, bytes only."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    zero, kind, dims = struct.unpack(">HBB", raw[:4]) if len(raw) >= 4 else (1, 0, 0)
    shape = struct.unpack(f">{dims}I", raw[4 : 4 + 4 * dims]) if len(raw) >= 4 + 4 * dims else (0,)
    if zero or kind != 8 or len(raw) != 4 + 4 * dims + int(np.prod(shape)):
        raise ValueError(f"{path}: not an IDX file of bytes")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)


def idx_folder(path: Path) -> tuple[Split, Split]:
    """The four files of MNIST or Fashion-MNIST."""
    names = [f"{s}-{w}-ubyte" for s in ("train", "t10k") for w in ("images-idx3", "labels-idx1")]
    found = {n: p for n in names for p in (path / f"{n}.gz", path / n) if p.exists()}
    if missing := [n for n in names if n not in found]:
        raise FileNotFoundError(f"{path}: {', '.join(missing)} (or .gz) not here; the four IDX files belong together")
    a, b, c, d = (idx(found[n]) for n in names)
    return (as_images(a, path), b.astype(np.int64)), (as_images(c, path), d.astype(np.int64))


def cifar_folder(path: Path) -> tuple[Split, Split]:
    """The six files of CIFAR-10's binary version."""

    def read(names: list[str]) -> Split:
        try:
            raw = np.concatenate([np.frombuffer((path / n).read_bytes(), np.uint8) for n in names])
        except FileNotFoundError as err:
            raise FileNotFoundError(
                f"{err.filename}: missing; CIFAR-10's binary version has data_batch_1..5.bin and test_batch.bin"
            ) from None
        if len(raw) % 3073:
            raise ValueError(f"{path}: not CIFAR-10's binary version (rows of 3,073 bytes)")
        table = raw.reshape(-1, 3073)
        return table[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255, table[:, 0].astype(np.int64)

    return read([f"data_batch_{i}.bin" for i in range(1, 6)]), read(["test_batch.bin"])


def known(name: str) -> tuple[Split, Split | None]:
    """A known data set: from PATTERNS_DATA_DIR/<name> if it lies there, else downloaded once, checked, cached."""
    base = os.environ.get("PATTERNS_DATA_DIR")
    if base and (Path(base) / name).is_dir():
        return images(Path(base) / name)
    try:
        import pooch
    except ImportError:
        raise ValueError(f"{name}: downloading needs pooch: pip install 'genai-patterns[data]'") from None
    folder = Path(base or pooch.os_cache("genai-patterns")) / name
    urls = ", ".join(url for url, _ in KNOWN[name])
    by_hand = f"put its files into a folder by hand and pass that folder, or set PATTERNS_DATA_DIR; files: {urls}"
    for url, checksum in KNOWN[name]:
        unpack = pooch.Untar(extract_dir=".", members=None) if url.endswith(".tar.gz") else None
        try:
            pooch.retrieve(
                url,
                checksum,
                fname=url.rsplit("/", 1)[1],
                path=folder,
                processor=unpack,
                downloader=pooch.HTTPDownloader(progressbar=Told(url)),
            )
        except Exception as err:
            raise ValueError(f"{name}: the download failed ({type(err).__name__}); {by_hand}") from None
    return images(folder / "cifar-10-batches-bin" if name == "cifar10" else folder)


class Told:
    """A progress bar as pooch wants one: a line on stderr, rewritten."""

    def __init__(self, url: str) -> None:
        self.name, self.total, self.done = url.rsplit("/", 1)[1], 0, 0

    def update(self, n: int) -> None:
        """n more bytes have come."""
        self.done += n
        print(f"\r{self.name}: {self.done >> 10} of {int(self.total) >> 10} KiB", end="", file=sys.stderr, flush=True)

    def reset(self) -> None:
        """Pooch calls this before it closes."""
        self.done = 0

    def close(self) -> None:
        """End the line."""
        print(file=sys.stderr)
