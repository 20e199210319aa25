"""The site in a browser, where an entry is hostile. `site/check/pages.py` looks at every page of the real one."""

from __future__ import annotations

import pytest

from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_hostile_words_change_no_page(open_page, site, viewport):
    patterns = [f"patterns/{id}.html" for id in (site.ordinary, site.hostile)]
    for path in ["patterns/index.html", *patterns, "choose.html", "graph.html", "coverage.html"]:
        page, wrong = open_page(path, viewport)
        assert page.evaluate(WIDTH) <= viewport["width"], f"{path} is wider than the screen"
        darken(page)
        assert page.evaluate(WIDTH) <= viewport["width"], f"{path} is wider than the screen in the dark"
        assert not wrong, f"{path}: {wrong}"
        assert page.evaluate("window.pwned") is None
        assert page.locator("h1").count() == 1
        if path in patterns:
            assert page.locator(".katex").count() > 0
            assert page.locator(".arithmatex:not(:has(.katex)), .katex-error").count() == 0


def test_accessibility_in_light_and_dark(open_page, site):
    page, _ = open_page(f"patterns/{site.hostile}.html")
    assert axe(page) == []
    darken(page)
    assert axe(page) == []


def test_a_reader_who_likes_it_dark_gets_it_dark(open_page, site):
    page, _ = open_page(f"patterns/{site.ordinary}.html", color_scheme="dark")
    assert page.locator("body[data-md-color-scheme=slate]").count() == 1


def test_a_page_that_is_not_there(open_page):
    page, _ = open_page("patterns/nothing/of/the/kind")
    assert "no such page" in page.locator("h1").inner_text().lower()
    page.locator("article a", has_text="All patterns").click()
    page.wait_for_url("**/patterns/index.html")
