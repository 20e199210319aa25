"""The built site, and a browser that opens its pages and notes what goes wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from catalog import data, loader
from tests.site.browser import chromium, launched, served, visitor
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
    temporary = temporary if worker_id == "master" else temporary.parent  # parallel workers share one
    home = Path(os.environ.get("SITE_HOME", temporary / "site"))  # SITE_HOME: build there once, then look at that
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


# ---- a browser ----


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    found = chromium()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: `apt-get install chromium`")
        pytest.skip("no Chromium: the pages are not opened in a browser; `apt-get install chromium`")
    pytest.importorskip("playwright.sync_api")
    with launched(found) as running:
        yield running


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    with served(site.folder) as at:
        yield at


@pytest.fixture
def open_page(browser, address) -> Iterator[Any]:
    """Open a page and collect what goes wrong with it."""
    with visitor(browser, address) as open_:
        yield open_


@pytest.fixture
def started(open_page: Any) -> Any:
    """Open the page of all demos and start one of them, by keyboard."""

    def start(id: str, **options: Any) -> Any:
        page, wrong = open_page("demos.html", **options)
        demo = page.locator(f"#demo-{id}")
        demo.locator(".start").focus()
        page.keyboard.press("Enter")
        page.wait_for_function(f"document.querySelector('#demo-{id} .stage').shown")
        assert not wrong
        return page, demo, wrong

    return start
