"""Keyboard alone: Tab reaches all that can be operated, one sees where one is, and nothing keeps the focus."""

from __future__ import annotations

from typing import Any

import pytest

from tests.site.browser import DESKTOP, PHONE

CALM = "*, ::before, ::after { transition: none !important; animation: none !important; }"
THINGS = ":is(a[href], button, input, select, textarea, summary, [tabindex])"
OPERABLE = f"""() => [...document.querySelectorAll("article {THINGS}")]
    .filter(e => e.checkVisibility({{visibilityProperty: true}}) && !e.disabled && e.tabIndex >= 0)
    .filter(e => e.type !== "radio" || e.checked || !document.querySelector(`[name="${{e.name}}"]:checked`))
    .filter(e => !window.reached.has(e)).map(e => e.outerHTML.slice(0, 160))"""
STOP = """() => {
    const at = document.activeElement;
    if (at === document.body || window.reached.has(at)) return null;
    window.reached.add(at);
    const around = [at.nextElementSibling, at.parentElement, at.closest("label"), at.closest("li")].filter(Boolean);
    const look = () => [at, ...[...at.querySelectorAll("*")].slice(0, 12), ...around].map(part => {
        const s = getComputedStyle(part);
        const outline = s.outlineStyle === "none" ? "" : s.outlineWidth + s.outlineColor;
        return [outline, s.boxShadow, s.borderColor, s.backgroundColor, s.stroke, s.strokeWidth].join();
    }).join(" ");
    const focused = look();
    at.blur();
    const visible = look() !== focused;
    at.focus({focusVisible: true, preventScroll: true});
    return {visible, html: at.outerHTML.slice(0, 160)};
}"""
"""What is focused and has not been before; whether it looks different from what it looks like otherwise."""

FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""What comes with code into view, a button to copy it, is there a frame later; nobody presses keys faster."""


def tab_to(page: Any, selector: str) -> None:
    """Press Tab until this is focused."""
    for _ in range(600):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never comes to {selector}")


@pytest.mark.parametrize(
    "path", ["index.html", "patterns/index.html", "graph.html", "choose.html", "compare.html", "demos.html", "pattern"]
)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everything_is_reached_and_one_sees_it(open_page, site, path, size):
    page, wrong = open_page(f"patterns/{site.ordinary}.html" if path == "pattern" else path, size)
    page.add_style_tag(content=CALM)
    page.evaluate("window.reached = new Set()")
    unseen, stops = [], 0
    while stops < 2000:
        page.keyboard.press("Tab")
        page.evaluate(FRAMES)
        stop = page.evaluate(STOP)
        if stop is None:
            break
        stops += 1
        unseen += [] if stop["visible"] else [stop["html"]]
    assert 10 < stops < 2000, "the focus is kept somewhere"
    assert page.evaluate(OPERABLE) == []
    assert unseen == []
    assert not wrong


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_first_stop_leads_past_the_navigation(open_page, size):
    for path in ("patterns/index.html", "graph.html", "choose.html", "compare.html", "demos.html"):
        page, _ = open_page(path, size)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('.md-skip')"), path
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('article').contains(document.activeElement)"), path


@pytest.mark.parametrize("id", ["latent", "denoise", "density", "hopfield", "gpt", "style", "ask"])
def test_a_demo_is_started_and_operated(open_page, id):
    page, wrong = open_page("demos.html")
    stage = f"document.querySelector('#demo-{id} .stage')"
    tab_to(page, f"#demo-{id} .start")
    page.keyboard.press("Enter")
    page.wait_for_function(f"{stage}.shown")
    page.evaluate(f"{stage}.shown = null")
    tab_to(page, f"#demo-{id} .stage :is(input, select, button)")
    kind = page.evaluate("document.activeElement.type")
    page.keyboard.press({"range": "ArrowRight", "select-one": "ArrowDown"}.get(kind, "Enter"))
    page.wait_for_function(f"{stage}.shown")
    assert not wrong
