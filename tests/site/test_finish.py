"""What is done to finished pages: what they ask for first, and the type of formulas."""

from __future__ import annotations

import html
import io
import re

from fontTools.ttLib import TTFont

from catalog.site import assets, finish

HEAD = (
    '<head><link rel="stylesheet" href="../assets/stylesheets/a.css"><link rel="stylesheet" href="../assets/site.css">'
    '<link rel="stylesheet" href="../assets/_mkdocstrings.css"></head>'
)


def dressed(tmp_path, body: str, fonts: tuple[str, ...] = ("assets/fonts/a.woff2",)) -> tuple[str, str]:
    page = tmp_path / "page.html"
    page.write_text(f"{HEAD}<body>{body}</body>", encoding="utf-8")
    finish.dress(page, fonts)
    head, _, rest = page.read_text(encoding="utf-8").partition("</head>")
    return head, rest


def test_sheets_of_a_page_are_asked_for_in_its_head_once_and_after_those_of_all(tmp_path):
    link = '<link rel="stylesheet" href="../assets/pattern.css">'
    head, body = dressed(tmp_path, f"{link}<p>1</p>{link}<p>2</p>")
    assert head.count(link) == 1
    assert head.index("site.css") < head.index("pattern.css")
    assert body == "<body><p>1</p><p>2</p></body>"


def test_the_first_type_is_fetched_beside_the_sheets(tmp_path):
    head, _ = dressed(tmp_path, "")
    assert '"../assets/fonts/a.woff2"' in head
    assert head.index("preload") < head.index("stylesheet")
    assert "preload" not in dressed(tmp_path, "", ())[0]


def test_docstrings_have_their_style_and_other_pages_have_not(tmp_path):
    assert "_mkdocstrings" in dressed(tmp_path, '<div class="doc doc-object">')[0]
    assert "_mkdocstrings" not in dressed(tmp_path, '<div class="document">')[0]


def test_a_page_that_speaks_of_sheets_keeps_its_words(tmp_path):
    said = html.escape('<link rel="stylesheet" href="a.css">')
    assert dressed(tmp_path, said)[1] == f"<body>{said}</body>"


def test_the_type_of_formulas_has_every_sign_that_a_formula_has(site):
    used = set()
    for page in site.folder.rglob("*.html"):
        for part in page.read_text(encoding="utf-8").split('class="katex-html"')[1:]:
            formula = part.partition('class="arithmatex"')[0].partition("</p>")[0]
            used |= set(html.unescape(re.sub(r"<[^>]*>", "", formula)))
    assert len(used) > 60
    slimmer = 0
    for path, whole in assets.staged().items():
        if path.startswith("assets/katex/fonts/"):
            kept = TTFont(site.folder / path).getBestCmap().keys()
            had = TTFont(io.BytesIO(whole)).getBestCmap().keys()
            assert {ord(c) for c in used} & had <= kept, path
            slimmer += len(whole) - (site.folder / path).stat().st_size
    assert slimmer > 50_000
