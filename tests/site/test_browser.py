"""The site in a browser: no error, no request that fails or leaves the machine, nothing wider than the screen."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from catalog.site import build
from catalog.site.book import ROOT

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: `apt-get install chromium`")
        pytest.skip("no Chromium: the pages are not opened in a browser; `apt-get install chromium`")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(build.Handler, directory=str(site.folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_page(browser, address) -> Iterator[Any]:
    """Open a page and collect what goes wrong with it."""
    contexts = []

    def open_(path: str, viewport: dict[str, int] = DESKTOP, **options: Any) -> tuple[Any, list[str]]:
        context = browser.new_context(viewport=viewport, reduced_motion="reduce", **options)
        contexts.append(context)
        page, wrong = context.new_page(), []
        page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: wrong.append(f"script: {e}"))
        page.on("requestfailed", lambda r: wrong.append(f"failed: {r.url}"))
        page.on("response", lambda r: r.status >= 400 and wrong.append(f"{r.status}: {r.url}"))
        page.on("request", lambda r: not r.url.startswith((address, "data:")) and wrong.append(f"outside: {r.url}"))
        page.on("dialog", lambda d: wrong.append(f"dialog: {d.message}"))
        page.goto(address + path)
        page.evaluate("document.fonts.ready.then(() => true)")
        return page, wrong

    yield open_
    for context in contexts:
        context.close()


WIDTH = "document.documentElement.scrollWidth"


def darken(page: Any) -> None:
    """Press the button that changes the color scheme."""
    page.locator("label[for=__palette_1]").click()
    page.wait_for_selector("body[data-md-color-scheme=slate]", state="attached")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_open_without_fault_in_light_and_dark(open_page, site, viewport):
    patterns = [f"patterns/{id}.html" for id in (site.ordinary, site.hostile)]
    for path in [
        "index.html",
        "patterns/index.html",
        *patterns,
        "choose.html",
        "graph.html",
        "evidence.html",
        "coverage.html",
    ]:
        page, wrong = open_page(path, viewport)
        assert page.evaluate(WIDTH) <= viewport["width"], f"{path} is wider than the screen"
        darken(page)
        assert page.evaluate(WIDTH) <= viewport["width"], f"{path} is wider than the screen in the dark"
        assert not wrong, f"{path}: {wrong}"
        assert page.evaluate("window.pwned") is None
        assert page.locator("h1").count() == 1
        if path in patterns:
            assert page.locator(".arithmatex .katex").count() == page.locator(".arithmatex").count() > 0


# boxes shorten long names, and their labels have the whole: the one rule that is left out
AXE = """axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], rules: {"label-content-name-mismatch": {enabled: false}}
}).then(result => result.violations.map(
    found => [found.id, ...found.nodes.slice(0, 3).map(node => node.html.slice(0, 160) + node.failureSummary)]
))"""


def test_accessibility_in_light_and_dark(open_page, site):
    script = ROOT / "node_modules/axe-core/axe.min.js"
    pages = [
        "index.html",
        "patterns/index.html",
        f"patterns/{site.ordinary}.html",
        "choose.html",
        "graph.html",
        "coverage.html",
    ]
    for path in pages:
        page, _ = open_page(path)
        page.add_script_tag(path=str(script))
        assert page.evaluate(AXE) == [], path
        darken(page)
        assert page.evaluate(AXE) == [], f"{path} in the dark"


def test_the_gallery_filters_and_keeps_its_state_in_the_address(open_page, site):
    page, _ = open_page("patterns/index.html")
    every = page.locator(".families .card:visible").count()
    page.locator(".tools button").nth(1).click()
    family = page.evaluate("new URLSearchParams(location.hash.slice(1)).get('family')")
    chosen = page.locator(".families .card:visible").count()
    assert chosen == page.locator(f".card[data-family={family}]").count() <= every
    page.locator(".tools input").fill("no pattern is called so")
    assert page.locator(".families .card:visible").count() == 0
    again, _ = open_page(f"patterns/index.html#family={family}")
    assert again.locator(".families .card:visible").count() == chosen


def test_the_gallery_and_the_graph_work_without_scripts(open_page):
    page, _ = open_page("patterns/index.html", java_script_enabled=False)
    assert page.locator(".families .card:visible").count() == page.locator(".families .card").count() > 0
    assert not page.locator(".tools").is_visible()
    page, _ = open_page("graph.html", java_script_enabled=False)
    assert page.locator("svg.wide a.node:visible").count() > 0


def test_the_graph_by_keyboard(open_page, site):
    page, _ = open_page("graph.html")
    assert page.locator("svg.wide a.node[tabindex='0']").count() == 1  # one stop for the Tab key
    name = page.locator(f".listed a[href='patterns/{site.ordinary}.html']").first.inner_text()
    page.locator(".tools input[type=search]").fill(name)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.id") == site.ordinary
    assert page.locator("svg.wide.focus").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/patterns/{site.ordinary}.html")


def test_the_graph_is_drawn_for_a_phone(open_page):
    page, _ = open_page("graph.html", PHONE)
    assert page.locator("svg.narrow").is_visible()
    assert not page.locator("svg.wide").is_visible()
    size = page.locator("svg.narrow a.node text").first.evaluate(
        "text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a"
    )
    assert size >= 10


def test_a_reader_who_likes_it_dark_gets_it_dark(open_page, site):
    page, _ = open_page(f"patterns/{site.ordinary}.html", color_scheme="dark")
    assert page.locator("body[data-md-color-scheme=slate]").count() == 1


def test_a_page_that_is_not_there(open_page):
    page, _ = open_page("patterns/nothing/of/the/kind")
    assert "no such page" in page.locator("h1").inner_text().lower()
    page.locator("article a", has_text="All patterns").click()
    page.wait_for_url("**/patterns/index.html")
