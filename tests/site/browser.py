"""A browser on a built site: it opens pages as a person would and notes what goes wrong with them."""

from __future__ import annotations

import functools
import shutil
import threading
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from catalog.site import build
from catalog.site.book import ROOT

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000.0
"""Milliseconds that one thing may take: other work on the machine is no fault of a page."""
WIDTH = "document.documentElement.scrollWidth"
AXE = """without => axe.run({exclude: [".katex"]}, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    rules: Object.fromEntries(without.map(rule => [rule, {enabled: false}])),
    resultTypes: ["violations"], preload: false,
}).then(result => result.violations.map(
    found => [found.id, ...found.nodes.slice(0, 3).map(node => node.html.slice(0, 160) + node.failureSummary)]
))"""
"""Formulas are KaTeX's business."""
LEFT_OUT = ("label-content-name-mismatch",)
"""Boxes shorten long names, and their labels have the whole: the one rule that we do not hold."""


def chromium() -> str | None:
    """Where Chromium is on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched(path: str) -> Iterator[Any]:
    """The browser of this path, by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


def chosen(parser: ArgumentParser, site: Path, pages: list[str]) -> Path:
    """The folder of a built site that a command was given, with these pages in it; or the command ends with a word."""
    if not (site / "index.html").is_file():
        parser.error(f"{site} is no built site; `genai-patterns build` makes one")
    if missing := [page for page in pages if not (site / page).is_file()]:
        parser.error(f"{site} has no page {', '.join(missing)}")
    return site.resolve()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server, on this machine alone, of the files in a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(build.Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def watched(page: Any, address: str) -> list[str]:
    """What goes wrong in a page from now on: errors, requests that fail or leave the address, dialogs."""
    wrong: list[str] = []
    page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(f"console: {m.text}"))
    page.on("pageerror", lambda e: wrong.append(f"script: {e}"))
    # a page that is left gives up what it still asked for; that is no failure
    page.on("requestfailed", lambda r: r.failure != "net::ERR_ABORTED" and wrong.append(f"failed: {r.url}"))
    page.on("response", lambda r: r.status >= 400 and wrong.append(f"{r.status}: {r.url}"))
    page.on("request", lambda r: not r.url.startswith((address, "data:")) and wrong.append(f"outside: {r.url}"))
    page.on("dialog", lambda d: wrong.append(f"dialog: {d.message}"))
    return wrong


@contextmanager
def visitor(browser: Any, address: str) -> Iterator[Any]:
    """A function that opens pages of the site at this address; its contexts are closed at the end."""
    contexts = []

    def open_(path: str, viewport: dict[str, int] = DESKTOP, **options: Any) -> tuple[Any, list[str]]:
        context = browser.new_context(viewport=viewport, reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        wrong = watched(page, address)
        page.goto(address + path)
        page.evaluate("document.fonts.ready.then(() => true)")
        return page, wrong

    yield open_
    for context in contexts:
        context.close()


def darken(page: Any) -> None:
    """Press the button that changes the color scheme."""
    page.locator("label[for=__palette_1]").click()
    page.wait_for_selector("body[data-md-color-scheme=slate]", state="attached")


def with_axe(page: Any) -> None:
    """Bring axe-core into the page, and lay out what waits for the eye, whose places are guesses."""
    if not page.evaluate("window.axe !== undefined"):
        page.add_style_tag(content="* { content-visibility: visible !important }")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.add_script_tag(path=str(ROOT / "node_modules/axe-core/axe.min.js"))


def axe(page: Any, without: Sequence[str] = ()) -> list[Any]:
    """What axe-core finds wrong with the page as it stands, by all rules that we hold except for some."""
    with_axe(page)
    return page.evaluate(AXE, [*LEFT_OUT, *without])
