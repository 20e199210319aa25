"""What was exported, put on disk: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def write(made: str | dict[str, str], out: Path) -> None:
    """Write a file, or a folder of files, in one move over what an earlier export left there.

    Raises OSError where that cannot be: among others for a folder that holds anything else.
    """
    if isinstance(made, dict):
        write_folder(made, out)
    elif out.is_dir():
        raise IsADirectoryError("is a folder; name a file in it")
    elif out.exists() and not out.is_file():  # a pipe or a device: nothing to replace
        out.write_bytes(made.encode())
    else:
        handle, aside = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.resolve().parent)
        try:
            with open(handle, "wb") as file:
                file.write(made.encode())
            os.chmod(aside, 0o666 & ~_umask())
            os.replace(aside, out.resolve())
        except BaseException:
            os.unlink(aside)
            raise


def write_folder(files: dict[str, str], out: Path) -> None:
    """Write a folder that holds these files and nothing else."""
    if out.exists() and not out.is_dir():
        raise NotADirectoryError("is a file, and this format is a folder of files; name a folder")
    there = {p.name for p in out.iterdir()} if out.is_dir() else set()
    if there and there != files.keys():
        what = f"holds {min(there - files.keys(), default=min(there))!r}"
        raise FileExistsError(f"{what} and is no earlier export; name another folder")
    target = out.resolve()
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        (new := aside / "new").mkdir()
        for name, text in files.items():
            (new / name).write_bytes(text.encode())
        if target.exists():
            os.rename(target, aside / "old")
        os.rename(new, target)
    finally:
        shutil.rmtree(aside)


def _umask() -> int:
    """The permissions that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
