"""The site of somebody's own catalog: its pages, its words, nothing of this project's own patterns."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import catalog
from catalog import scaffold
from catalog.site import assets, build, config, writer
from catalog.site.book import ROOT, Book, read, site_folder
from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken, visitor
from tests.site.sample import HOSTILE, data

SCRIPT = '"><script>window.pwned=1</script>'


def begin(folder: Path, name: str = "Knots") -> Path:
    """The catalog that `init` writes."""
    scaffold.write(folder, scaffold.starter(name, str(folder)))
    return folder


def book(folder: Path) -> Book:
    return read(catalog.load(folder), site_folder(), {})


@pytest.fixture(scope="module", params=build.BUILDERS)
def built(request, tmp_path_factory) -> Path:
    """The finished site, as each builder makes it."""
    home = tmp_path_factory.mktemp(request.param)
    assert build.build(home / "public", builder=request.param, path=begin(home / "knots")) == 0
    assert sorted(p.name for p in home.iterdir()) == ["knots", "public"]
    return home / "public"


def test_pages_that_make_no_sense_are_left_out(built: Path):
    pages = {p.relative_to(built).as_posix() for p in built.rglob("*.html")}
    entries = {f"patterns/{id}.html" for id in ("bowline", "sheet_bend", "double_sheet_bend")}
    assert pages == {"index.html", "404.html", "compare.html", "graph.html", "patterns/index.html", *entries}


def test_nothing_is_said_of_this_projects_patterns(built: Path):
    for file in built.rglob("*"):
        if file.suffix in {".html", ".md", ".txt", ".json", ".xml"} and "assets" not in file.parts:
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"generative|diffusion|PyTorch", text, re.I), file
            shown = re.sub(r"(patterns|genai-patterns)/|genai-patterns|/patterns|<[^>]*>", "", text)
            assert file.suffix in {".json", ".xml"} or "pattern" not in shown.lower(), file


@pytest.fixture
def visit(browser, built: Path) -> Iterator[Any]:
    """Open a page of the site and collect what goes wrong with it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(build.Handler, directory=str(built)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with visitor(browser, f"http://127.0.0.1:{server.server_port}/") as open_:
        yield open_
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_opens_without_fault(visit, built: Path, viewport):
    for file in sorted(built.rglob("*.html")):
        path = file.relative_to(built).as_posix()
        page, wrong = visit(path, viewport)
        assert page.evaluate(WIDTH) <= viewport["width"], f"{path} is wider than the screen"
        assert page.locator("h1").count() == 1, path
        assert axe(page) == [], path
        if viewport is DESKTOP:
            darken(page)
            assert axe(page) == [], f"{path} in the dark"
        assert not wrong, f"{path}: {wrong}"


def test_the_gallery_and_the_graph_count_entries(visit):
    for path in ("patterns/index.html", "graph.html"):
        page, _ = visit(path, DESKTOP)
        assert page.locator("article [role=status]").first.inner_text().startswith("3 entries")


def test_its_search_finds_its_entries(visit):
    page, wrong = visit("index.html", DESKTOP)
    page.keyboard.press("/")
    page.keyboard.type("sheet bnd")
    page.wait_for_selector(".seek-hit")
    assert page.locator(".seek-hit b").first.inner_text() == "Sheet bend"
    page.keyboard.press("Enter")
    page.wait_for_url("**/patterns/sheet_bend.html")
    assert not wrong


# -- without a builder


def test_its_own_pages_are_shown(tmp_path: Path):
    folder = begin(tmp_path / "knots")
    (folder / "pages").mkdir()
    (folder / "pages" / "index.md").write_text("# Welcome\n\n{{patterns}} knots\n")
    (folder / "pages" / "safety.md").write_text("# Safety\n")
    made = book(folder)
    files = writer.render(made)
    assert b"3 knots" in files["index.md"]
    nav = yaml.safe_load(config.own(made, files))["nav"]
    assert nav == [{"Home": "index.md"}, {"Entries": "patterns/index.md"}, {"Graph": "graph.md"}, "safety.md"]


def test_years_order_the_graph_only_if_every_entry_has_one(tmp_path: Path):
    folder = begin(tmp_path / "knots")
    assert b"time runs" not in writer.render(book(folder))["graph.md"]
    for file in folder.glob("*/*.yaml"):
        file.write_text(file.read_text() + "year: 1944\n")
    assert b"time runs" in (graph := writer.render(book(folder))["graph.md"])
    assert b'<text class="year"' in graph
    (folder / "loops" / "bowline.yaml").write_text(
        (folder / "loops" / "bowline.yaml").read_text().replace("year: ", "#")
    )
    assert b'<text class="year"' not in writer.render(book(folder))["graph.md"]


def test_claims_bring_their_pages(tmp_path: Path):
    whole = data("bowline", "loops", "sheet_bend", "Words.")
    folder = begin(tmp_path / "knots")
    about = yaml.safe_load((folder / "catalog.yaml").read_text())
    about["fields"]["optional"] += ["claims"]
    (folder / "catalog.yaml").write_text(yaml.safe_dump(about))
    file = folder / "loops" / "bowline.yaml"
    file.write_text(file.read_text() + yaml.safe_dump({k: whole[k] for k in ("claims", "sources")}))
    files = writer.render(book(folder))
    assert "coverage.md" in files
    assert b"not measured yet" in files["patterns/bowline.md"]
    assert b"Evidence" not in files["patterns/sheet_bend.md"]


def test_hostile_names_stay_text(tmp_path: Path):
    folder = begin(tmp_path / "knots", f"Knots {SCRIPT} {{{{patterns}}}}")
    about = yaml.safe_load((folder / "catalog.yaml").read_text())
    about["families"]["loops"] = f"Loops {SCRIPT}"
    about["facets"]["ropes"]["one_of"].append('"&lt;script&gt;')
    (folder / "catalog.yaml").write_text(yaml.safe_dump(about))
    file = folder / "loops" / "bowline.yaml"
    text = file.read_text().replace("ropes: one", "ropes: '\"&lt;script&gt;'")
    file.write_text(re.sub(r"intent: .*", f"intent: {scaffold.scalar(HOSTILE)}", text))
    made = book(folder)
    for path, content in writer.render(made).items():
        if path.endswith(".md"):
            assert b"<script>window" not in content, path
    assert b"&quot;&amp;lt;script&amp;gt;" in writer.render(made)["patterns/bowline.md"]
    assert build.build(tmp_path / "public", path=folder) == 0
    for page in (tmp_path / "public").rglob("*.html"):
        assert "<script>window.pwned" not in page.read_text(encoding="utf-8"), page


def test_without_npm_formulas_stay_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    def missing() -> dict[str, bytes]:
        raise assets.MissingAssets("no KaTeX")

    monkeypatch.setattr(assets, "staged", missing)
    monkeypatch.setattr(build, "_staged", build._staged.__wrapped__)  # what was found before is remembered
    folder = begin(tmp_path / "knots")
    file = folder / "loops" / "bowline.yaml"
    file.write_text(file.read_text().replace("A fixed loop", "A fixed loop of $2^n$"))
    assert build.build(tmp_path / "public", path=folder) == 0
    assert "KaTeX is not installed" in capsys.readouterr().err
    page = (tmp_path / "public" / "patterns" / "bowline.html").read_text(encoding="utf-8")
    assert r"\(2^n\)" in page
    assert "katex" not in page
    assert "url(fonts/" not in (tmp_path / "public" / "assets" / "site.css").read_text(encoding="utf-8")


def test_a_folder_that_is_no_site_is_kept(tmp_path: Path, capsys):
    folder = begin(tmp_path / "knots")
    assert build.build(folder, path=folder) == 1
    assert "is no earlier site" in capsys.readouterr().err
    assert (folder / "catalog.yaml").is_file()


def test_the_configuration_follows_the_projects_own():
    whole = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=config._Loader)
    assert whole["site_dir"] == "build/public"
    assert whole["site_name"] == "Generative-AI patterns"
