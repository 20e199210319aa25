from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog import data, loader
from tests.site.sample import write_hostile

BUILD = """
import pathlib, sys
from catalog.site.build import build
home = pathlib.Path(sys.argv[1])
sys.exit(build(home / "public", path=home / "patterns"))
"""


@dataclass(frozen=True)
class Site:
    """The real catalog and one hostile entry, built as users build it."""

    folder: Path
    log: str
    """What the build said, and its exit code on the last line."""
    hostile: str
    ordinary: str


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Site:
    temporary = tmp_path_factory.getbasetemp()
    home = (temporary if worker_id == "master" else temporary.parent) / "site"  # parallel workers share one
    first = next(iter(loader.load()))
    try:
        home.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 120
        while not (home / "log").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    else:
        shutil.copytree(data.folder(), home / "patterns")
        write_hostile(home / "patterns", first.family, first.id)
        done = subprocess.run([sys.executable, "-c", BUILD, str(home)], capture_output=True, text=True, check=False)
        (home / "part").write_text(f"{done.stdout}{done.stderr}\nexit code {done.returncode}", encoding="utf-8")
        (home / "part").rename(home / "log")
    return Site(home / "public", (home / "log").read_text(encoding="utf-8"), "hostile", first.id)
