"""The built site: no warning, no broken link, no formula that KaTeX refuses, nothing hostile come alive."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from markdown import Markdown
from markdown_it import MarkdownIt

import catalog
from catalog import scaffold
from catalog.site import assets, build, links, markdown, writer
from tests.site.sample import harmless


def test_the_strict_build_says_nothing_bad(site):
    assert site.log.endswith("exit code 0"), site.log
    assert "WARNING" not in site.log
    assert "ERROR" not in site.log


def test_what_machines_read_lies_beside_the_pages(site):
    catalog = json.loads((site.folder / "api/catalog.json").read_text(encoding="utf-8"))
    for e in catalog["entries"]:
        assert (site.folder / f"patterns/{e['id']}.html").is_file()
        twin = (site.folder / f"patterns/{e['id']}.md").read_text(encoding="utf-8")
        assert twin.startswith(f"# {markdown.literal(e['name'])}\n")
    index = (site.folder / "llms.txt").read_text(encoding="utf-8")
    for target in links.in_markdown(index):
        assert (site.folder / target).is_file()


def test_every_page_has_its_markdown_beside_it_and_says_so(site):
    pages = [p for p in site.folder.rglob("*.html") if p.name != "404.html"]
    assert len(pages) > 100
    for page in pages:
        twin = page.with_suffix(".md").read_text(encoding="utf-8")
        assert twin.startswith("# ")
        html = page.read_text(encoding="utf-8")
        (named,) = re.findall(r'<link rel="alternate nofollow" type="text/markdown"[^>]* href="([^"]*)"', html)
        assert (page.parent / named).resolve() == page.with_suffix(".md").resolve()


def test_the_markdown_of_the_hostile_page_runs_nothing_whatever_shows_it(site):
    for name in ("patterns/hostile.md", "patterns/index.md", "choose.md", "graph.md", "coverage.md", "llms-full.txt"):
        text = (site.folder / name).read_text(encoding="utf-8")
        assert "window.pwned" in text
        harmless(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def test_the_hostile_page_runs_nothing(site):
    html = (site.folder / "patterns" / f"{site.hostile}.html").read_text(encoding="utf-8")
    harmless(html, ours=frozenset({"script", "style", "body", "img"}))
    assert len(re.findall(r"<img", html)) == len(
        re.findall(r'<img [^>]*src="\.\./(assets/mark|figures/hostile/(hero|second))\.svg"', html)
    )
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", html, re.S)
    assert not [s for s in scripts if "pwned" in s]
    assert "window.pwned=1" in html  # it is there, as text
    choose = (site.folder / "choose.html").read_text(encoding="utf-8")
    harmless(choose, ours=frozenset({"script", "style", "body", "img"}))
    assert "window.pwned=1" in choose


def test_what_is_missing_says_so(site):
    """The hostile entry has two claims, one of them measured and missed, and nothing is proven of it."""
    html = (site.folder / "coverage.html").read_text(encoding="utf-8")
    row = re.search(rf'<tr><th scope="row"><a href="patterns/{site.hostile}\.html">.*?</tr>', html, re.S)
    assert row
    cells = re.findall(r'<td class="(\w+)"[^>]*>(.*?)</td>', row[0])
    head = re.findall(r'<th scope="col">(.*?)</th>', html)
    said = dict(zip(head[1:], cells, strict=True))
    assert said["Claims"] == ("some", "2")
    assert said["Hold"] == said["Proven"] == ("none", "none")
    assert said["Libraries"] == said["Decisions"] == ("some", "1")


def test_broken_links_are_found(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<a href="sub/b.html#here"></a><a href="sub/b.html#gone"></a><a href="c.html"></a><img src="x.png">'
        '<svg><a xlink:href="sub/d.html"></a></svg><a href="javascript:x"></a><a href="../out.html"></a>'
        '<a href="https://example.org"></a><a href="#family=x"></a>',
        encoding="utf-8",
    )
    (tmp_path / "sub/b.html").write_text('<p id="here"><a href="../a.html"></a>', encoding="utf-8")
    (tmp_path / "s.css").write_text("@font-face{src:url(f.woff2)} a{background:url('data:x')}", encoding="utf-8")
    (tmp_path / "a.md").write_text("[b](sub/b.md) `[c](c.md)` $f[d](d)$ [e](a.html#e) [f]\\(f.md)\n", encoding="utf-8")
    assert links.check(tmp_path) == [
        "a.html: sub/b.html#gone: the page has no id 'gone'",
        "a.html: c.html: there is no such file",
        "a.html: x.png: there is no such file",
        "a.html: sub/d.html: there is no such file",
        "a.html: javascript:x: scheme 'javascript'",
        "a.html: ../out.html: leads out of the site",
        "s.css: f.woff2: there is no such file",
        "a.md: sub/b.md: there is no such file",
        "a.md: a.html#e: the page has no id 'e'",
    ]


def test_formulas_are_typeset_and_those_that_katex_refuses_are_found(tmp_path: Path):
    good, bad = r'<span class="arithmatex">\(x &lt; \tfrac12\)</span>', r'<div class="arithmatex">\[\frac{1\]</div>'
    a, b = tmp_path / "a.html", tmp_path / "b.html"
    a.write_text(f"<p>{good} and <code>\\(x\\)</code></p>", encoding="utf-8")
    b.write_text(bad, encoding="utf-8")
    (said,) = build.typeset(tmp_path, [a, b])
    assert said.startswith("b.html: ")
    assert b.read_text(encoding="utf-8") == bad
    made = a.read_text(encoding="utf-8")
    assert re.fullmatch(r'<p><span class="arithmatex"><span class="katex">.*</span></span> and .*', made, re.S)
    assert '<annotation encoding="application/x-tex">x &lt; \\tfrac12</annotation>' in made
    assert made.endswith("<code>\\(x\\)</code></p>")
    assert build.typeset(tmp_path, [a]) == []
    assert a.read_text(encoding="utf-8") == made


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(assets.MissingAssets, match=r"python -m catalog\.site\.assets"):
        assets.staged(tmp_path)
    assert build.build(tmp_path / "out", builder="hugo") == 2
    assert "mkdocs and zensical" in capsys.readouterr().err


def test_a_folder_that_is_no_site_is_not_emptied(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "thesis.md").write_text("years of work", encoding="utf-8")
    assert build.build(tmp_path) == 1
    assert "choose another folder" in capsys.readouterr().err
    assert (tmp_path / "thesis.md").exists()


def test_the_lock_file_names_no_host():
    text = (assets.ROOT / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text


def test_html_passes_through_markdown_as_it_is():
    block = '<div class="a"><svg><path d="M0 0"/></svg>\n<p>*b*</p></div>'
    convert = lambda text: Markdown(extensions=["pymdownx.superfences", "md_in_html", "catalog.site.raw"]).convert(text)
    assert convert(f"## Title\n\n{block}\n\n*c*\n") == f"<h2>Title</h2>\n{block}\n<p><em>c</em></p>"
    assert "&lt;div&gt;" in convert("```text\n\n<div>\n</div>\n\n```\n")
    assert "<em>b</em>" in convert("<div markdown>\n\n*b*\n\n</div>\n")
    for style in ('<link rel="stylesheet" href="a.css">', "<svg></svg>"):
        assert "<p>" not in convert(f"{style}\n\n# Title\n")
        mixed = convert(f"{style}\n\n<div markdown>\n\n*b*\n\n</div>\n")
        assert style in mixed
        assert "<em>b</em>" in mixed
        assert "<p><" not in mixed.replace("<p><em>", "")


def test_docstrings_are_read_as_people_write_them():
    source = (
        "Says.\n\nids: which ones, and\n    why.\nn: how many\n\n"
        ">>> f(1)  # doctest: +SKIP\n{'a': 1}\n\nNote: not an argument.\n"
    )
    html = Markdown(extensions=["catalog.site.docstrings", "pymdownx.superfences"]).convert(source)
    assert html.count("<li>") == 2
    assert "<code>ids</code>: which ones" in html
    assert "doctest" not in html
    assert "<blockquote>" not in html
    assert "<p>Note: not an argument.</p>" in html


def test_several_processes_make_the_same_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scaffold.write(tmp_path / "knots", scaffold.starter("Knots", str(tmp_path / "knots")))
    book = build.book_of(catalog.load(tmp_path / "knots"))
    alone = writer.render(book)
    monkeypatch.setattr(writer, "MANY", 1)
    together = writer.render(book, processes=2)
    assert list(together.items()) == list(alone.items())
