"""The check of every page finds what it is for: one page with every fault, one with none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from catalog.site.book import ROOT

FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<style>body {{ background: #fff; color: #222 }}
body[data-md-color-scheme=slate] {{ background: #111; color: #ddd }}
a {{ color: inherit }} .dim {{ color: #555 }}
.gray {{ background: #777 }} .none {{ opacity: 0.4 }}
a.tiny {{ display: inline-block; font-size: 9px; line-height: 9px }}
@media (min-width: 600px) {{ a.tiny {{ line-height: 30px; padding: 0 9px }} }}
.cut {{ width: 3rem; overflow: hidden; white-space: nowrap }}</style></head><body>
<header><label for="__palette_1" onclick="document.body.dataset.mdColorScheme = 'slate'">Dark</label></header>
<main><article>{article}</article></main><footer class="md-footer">Footer</footer></body></html>"""
GOOD = '<h1 id="top">Good</h1><p><a href="#top">Up</a></p><details><summary>More</summary><p>Text.</p></details>'
FAULTS = {
    "2 h1, not 1": "<h1>One</h1><h1>Two</h1>",
    "two elements have the id twin": '<p id="twin">a</p><p id="twin">b</p>',
    "not typeset: ": r'<p><span class="arithmatex">\(x\)</span></p>',
    "a formula left as text: ": r"<p>So $x_1$ is.</p>",
    "Markdown left as text: ": "<p>This is **bold**.</p>",
    "in a paragraph of its own: ": '<p><link rel="prefetch" href="data:,"></p>',
    "does not load: ": '<img src="none.png" alt="A picture that is gone">',
    "no fitting words for a picture: ": '<svg role="img" aria-label="picture" width="9" height="9"></svg>',
    "scrolls sideways": '<p style="width: 1500px">Wide.</p>',
    "cut off by div.cut: ": '<div class="cut">much too long for its box</div>',
    "label: <input": "<input>",
    "desktop dark, phone dark: color-contrast": '<p class="dim">Legible by day alone.</p>',
    "desktop light, phone light: color-contrast: <p>Dark on gray": '<div class="gray"><p>Dark on gray.</p></div>',
    "color-contrast: <p>Nearly gone": '<div class="none"><p>Nearly gone.</p></div>',
    "color-contrast: <p>Gray on gray, behind": (
        '<details><summary>More</summary><div class="gray"><p>Gray on gray, behind a disclosure.</p></div></details>'
    ),
    "color-contrast: <input": '<input aria-label="Pale" value="Pale" style="color: #999; background: #fff">',
    "phone light: target-size: ": '<a class="tiny" href="#twin">a</a><a class="tiny" href="#twin">b</a>',
    "leads nowhere: bad.html#gone": '<a href="bad.html#gone">Gone</a>',
    "console: nonsense": "<script>console.error('nonsense')</script>",
    "script: ": "<script>throw new Error('broken')</script>",
    "404: ": '<script src="none.js"></script>',
    "outside: http://127.0.0.2": '<script>fetch("http://127.0.0.2:9/x").catch(() => null)</script>',
    "hidden by a disclosure": "<details><summary>More</summary><p>This is **hidden by a disclosure**.</p></details>",
}


def checked(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "site" / "check" / "pages.py"), str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(FRAME.format(title="Good", article=GOOD), encoding="utf-8")
    return tmp_path


def test_every_fault_is_found_and_nothing_in_a_good_page(browser, site: Path):
    (site / "bad.html").write_text(FRAME.format(title="Bad", article="".join(FAULTS.values())), encoding="utf-8")
    done = checked(site)
    assert done.returncode == 1, done.stderr
    assert [fault for fault in FAULTS if fault not in done.stdout] == []
    assert "index.html:" not in done.stdout
    assert checked(site, "index.html").returncode == 0


def test_what_is_alike_is_judged_once_and_told_of_every_page(browser, site: Path):
    dim = '<h1>Dim</h1><p>Legible.</p><p class="dim">Legible by day alone.</p>'
    for name in ("one.html", "two.html"):
        (site / name).write_text(FRAME.format(title="Dim", article=dim), encoding="utf-8")
    told = checked(site, "--jobs", "1").stdout.splitlines()
    assert sorted(line.partition(": <")[0] for line in told) == [
        f"{name}: desktop dark, phone dark: color-contrast" for name in ("one.html", "two.html")
    ]


def test_a_folder_or_a_page_that_is_not_there_is_said(site: Path):
    for arguments, said in ((["none.html"], "has no page none.html"), ([], "")):
        done = checked(site if said else site / "none", *arguments)
        assert done.returncode == 2
        assert (said or "is no built site") in done.stderr
        assert "Traceback" not in done.stderr
