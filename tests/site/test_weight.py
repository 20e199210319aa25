"""What a first view of a pattern's page transfers: the largest ones by their HTML, and what weighs them."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from catalog.site.book import ROOT
from tests.site.browser import served

LIMIT = 500_000


@pytest.fixture(scope="module")
def weight() -> ModuleType:
    """`site/check/weight.py`, which lies in no package."""
    spec = importlib.util.spec_from_file_location("weight", ROOT / "site/check/weight.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_a_first_view_asks_for_is_weighed_as_it_travels(weight: ModuleType, browser: Any, tmp_path: Path):
    (tmp_path / "a.js").write_text("// " + "x" * 5000, encoding="utf-8")
    (tmp_path / "far.png").write_bytes(bytes(5000))
    (tmp_path / "near.png").write_bytes(bytes(3000))
    (tmp_path / "a.html").write_text(
        '<script src="a.js"></script><img src="near.png"><p style="height: 9000px"></p>'
        '<img src="far.png" loading="lazy"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
        encoding="utf-8",
    )
    with served(tmp_path) as address:
        found = weight.weigh(browser, address, tmp_path, "a.html")
    assert set(found) == {"a.html", "a.js", "near.png"}
    assert found["a.js"] == len(gzip.compress((tmp_path / "a.js").read_bytes(), 9, mtime=0)) < 100
    assert found["near.png"] == 3000, "pictures of points are not compressed again"


def test_the_largest_pages_stay_below_the_limit(weight: ModuleType, browser: Any, site):
    pages = [p for p in (site.folder / "patterns").glob("*.html") if 'class="demo' not in p.read_text(encoding="utf-8")]
    largest = sorted(pages, key=lambda p: len(gzip.compress(p.read_bytes())))[-4:]
    with served(site.folder) as address:
        for page in largest:
            found = weight.weigh(browser, address, site.folder, page.relative_to(site.folder).as_posix())
            assert sum(found.values()) <= LIMIT, (page.name, found)
            assert any("katex/fonts/" in name for name in found), "formulas are typeset, and their fonts counted"
            assert not any(name.endswith("katex.min.js") for name in found)
