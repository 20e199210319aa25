"""What a site says of itself to machines: sitemap, previews, cards, structured data, the feed; and its page for what is
not there."""

from __future__ import annotations

import json
import re
import struct
import xml.etree.ElementTree as ET
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from catalog import loader, scaffold
from catalog.site import build, cards, feed, structured, writer
from catalog.site.book import CHANGELOG, Book, Citation, read, site_folder
from tests.site.browser import served, visitor
from tests.site.sample import HOSTILE

URL = "https://example.org/a/knots/"
ATOM = {"a": "http://www.w3.org/2005/Atom"}
SITEMAP = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}


@pytest.fixture(scope="module")
def ours() -> Book:
    return replace(read(loader.load(), site_folder(), {}), url=URL)


def graph(page: str) -> list[dict[str, Any]]:
    """The nodes of a page's structured data."""
    (said,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.S)
    return json.loads(said)["@graph"]


# -- the address


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://example.org", "https://example.org/"),
        ("http://example.org:8080/a b/c", "http://example.org:8080/a%20b/c/"),
        ("https://example.org/patterns//", "https://example.org/patterns/"),
    ],
)
def test_addresses_end_in_a_slash(given, kept):
    assert structured.home(given) == kept


@pytest.mark.parametrize(
    "given",
    ["example.org", "ftp://example.org", "https://", "https://a.org/?q=1", "https://a.org:x/", "javascript:x"],
)
def test_what_is_no_address_is_refused(given, tmp_path, capsys):
    with pytest.raises(ValueError, match="--url"):
        structured.home(given)
    assert build.build(tmp_path / "out", url=given) in (1, 2)
    assert "--url" in capsys.readouterr().err


# -- the feed


def test_the_feed_is_atom(ours: Book):
    text = feed.files(ours)[feed.FILE]
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2005/Atom}feed"
    entries = root.findall("a:entry", ATOM)
    assert entries
    for element in [root, *entries]:  # RFC 4287, 4.1.1 and 4.1.2: exactly one of each
        for name in ("id", "title", "updated"):
            (found,) = element.findall(f"a:{name}", ATOM)
            assert found.text
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", element.findtext("a:updated", "", ATOM))
        assert element.findtext("a:id", "", ATOM).startswith("urn:uuid:")
        assert len(element.findall("a:link[@rel='alternate']", ATOM)) == 1
    assert root.find("a:author/a:name", ATOM) is not None
    (itself,) = root.findall("a:link[@rel='self']", ATOM)
    assert itself.get("href") == f"{URL}changelog.xml"
    ids = [e.findtext("a:id", "", ATOM) for e in [root, *entries]]
    assert len(set(ids)) == len(ids)
    elsewhere = ET.fromstring(feed.files(replace(ours, url=""))[feed.FILE])
    assert [e.findtext("a:id", "", ATOM) for e in [elsewhere, *elsewhere.findall("a:entry", ATOM)]] == ids
    assert elsewhere.find("a:link[@rel='self']", ATOM) is None


def test_releases_without_a_date_are_not_in_the_feed(ours: Book):
    text = "# Changes\n\n## 2.0 (2027-01-02)\n\n- <b>New</b> & *old*\n\n## 1.9\n\nx\n\n## 1.8 (unreleased)\n\nx\n"
    book = replace(ours, pages={CHANGELOG: text}, citation=Citation("t", "1.8", "2026-02-03"))
    assert [(r.version, r.date) for r in feed.releases(book)] == [("2.0", "2027-01-02"), ("1.8", "2026-02-03")]
    content = ET.fromstring(feed.files(book)[feed.FILE]).findtext("a:entry/a:content", "", ATOM)
    assert "&lt;b&gt;" in content
    assert "<em>old</em>" in content
    assert feed.files(replace(book, pages={})) == feed.files(replace(book, pages={CHANGELOG: "# None\n"})) == {}


# -- structured data


def test_every_entry_is_an_article_with_its_sources(ours: Book):
    for e in ours.entries.values():
        article, trail = graph(structured.of_entry(ours, e))
        assert article["@type"] == ["TechArticle", "LearningResource"]
        assert article["headline"] == e.name
        assert article["url"] == f"{URL}patterns/{e.id}.html"
        assert len(article["citation"]) == len(e.sources)
        assert all({"@type", "name", "author", "datePublished"} <= c.keys() for c in article["citation"])
        assert [step["position"] for step in trail["itemListElement"]] == [1, 2]


def test_it_is_rdf(ours: Book):
    rdflib = pytest.importorskip("rdflib")
    schema = rdflib.Namespace("https://schema.org/")
    said = structured.of_entry(ours, ours.catalog["vae"]) + structured.of_site(ours)
    whole = rdflib.Graph()
    for data in re.findall(r">(\{.*?)</script>", said):
        # the context of schema.org is not fetched: this is what it says of these names
        local = json.loads(data) | {"@context": {"@vocab": str(schema), "url": {"@type": "@id"}}}
        whole.parse(data=json.dumps(local), format="json-ld")
    page = rdflib.URIRef(f"{URL}patterns/vae.html")
    assert (page, rdflib.RDF.type, schema.TechArticle) in whole
    assert (page, schema.isPartOf, rdflib.URIRef(URL)) in whole
    assert (rdflib.URIRef(URL), rdflib.RDF.type, schema.WebSite) in whole
    assert len(list(whole.objects(page, schema.citation))) == len(ours.catalog["vae"].sources)
    assert len(list(whole.subjects(rdflib.RDF.type, schema.Dataset))) == 1
    files = {str(o) for o in whole.objects(predicate=schema.contentUrl)}
    assert f"{URL}api/catalog.json" in files


def test_what_the_data_name_is_there(ours: Book):
    files = writer.exports(ours)
    _, data = graph(structured.of_site(ours))
    for part in data["distribution"]:
        assert part["contentUrl"].removeprefix(URL) in files


def test_nothing_is_said_without_an_address(ours: Book):
    here = replace(ours, url="")
    assert structured.of_entry(here, here.catalog["vae"]) == structured.of_site(here) == ""
    assert structured.files(here) == cards.files(here) == {}


def test_hostile_words_end_no_script():
    said = structured.script({"name": f"{HOSTILE}</script><script>alert(1)</script><!--"})
    assert said.count("<") == 2
    assert json.loads(said.partition(">")[2].removesuffix("</script>"))["@graph"][0]["name"].startswith(HOSTILE)


# -- cards


needs_resvg = pytest.mark.skipif(not cards.MODULE.is_dir(), reason="resvg is not installed; npm ci installs it")


def test_colors_are_those_of_the_style_sheet():
    assert cards.rgb(0.0, 0.0, 0.0) == "#000000"
    assert cards.rgb(1.0, 0.0, 0.0) == "#ffffff"
    assert cards.rgb(0.6279554, 0.2576833, 29.2338805) == "#ff0000"
    assert cards.rgb(0.4520137, 0.3132144, 264.0520206) == "#0000ff"


@needs_resvg
def test_cards_are_drawn_once(ours: Book, tmp_path: Path):
    drawings = {cards.path_of(id): cards.entry(ours, ours.catalog[id]) for id in ("vae", "chatbot", "rag")}
    made = cards.drawn(drawings, tmp_path)
    for png in made.values():
        assert png.startswith(b"\x89PNG")
        assert struct.unpack(">II", png[16:24]) == (1200, 630)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(kept) == 3
    assert cards.drawn(drawings, tmp_path) == made
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept


def test_every_card_is_a_drawing_that_runs_nothing(ours: Book):
    for e in ours.entries.values():
        drawing = cards.entry(ours, e)
        ET.fromstring(drawing)
        assert not re.search(r"<(script|style|foreignObject)|https?://(?!www\.w3\.org)|\son\w+=", drawing)


def test_without_resvg_there_are_no_cards(ours: Book, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(cards, "MODULE", Path("/nowhere"))
    assert cards.files(ours) == {}
    assert "resvg is not installed" in capsys.readouterr().err
    assert b"card:" not in writer.of_entry(ours, "vae")["patterns/vae.md"]


# -- a whole site


@pytest.fixture(scope="module", params=build.BUILDERS)
def built(request, tmp_path_factory) -> Path:
    """A small catalog with a hostile entry, built for an address, as each builder makes it."""
    home = tmp_path_factory.mktemp(request.param)
    scaffold.write(home / "knots", scaffold.starter("Knots", str(home / "knots")))
    file = home / "knots" / "loops" / "bowline.yaml"
    text = re.sub(r"^summary: .*", f"summary: {scaffold.scalar(HOSTILE[:150])}", file.read_text(), flags=re.M)
    file.write_text(text)
    (home / "knots" / "pages").mkdir()
    (home / "knots" / "pages" / "changelog.md").write_text("# Changes\n\n## 1.0 (2026-01-02)\n\nThe *first*.\n")
    assert build.build(home / "public", builder=request.param, path=home / "knots", url=URL) == 0
    return home / "public"


def test_the_sitemap_has_every_page(built: Path):
    found = [e.text or "" for e in ET.parse(built / "sitemap.xml").getroot().findall("s:url/s:loc", SITEMAP)]
    pages = {p.relative_to(built).as_posix() for p in built.rglob("*.html")} - {"404.html"}
    assert sorted(found) == sorted(URL + page for page in pages)
    assert f"Sitemap: {URL}sitemap.xml" in (built / "robots.txt").read_text(encoding="utf-8")
    for page in pages:
        assert f'<link rel="canonical" href="{URL}{page}">' in (built / page).read_text(encoding="utf-8")


def test_previews_name_pages_and_cards_that_are_there(built: Path):
    for page in built.rglob("*.html"):
        if page.name == "404.html":
            continue
        html = page.read_text(encoding="utf-8")
        said = {k: unescape(v) for k, v in re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', html)}
        assert said["og:url"] == URL + page.relative_to(built).as_posix()
        assert said["og:title"]
        assert said["og:description"]
        if cards.MODULE.is_dir():
            assert (built / said["og:image"].removeprefix(URL)).read_bytes().startswith(b"\x89PNG")
            assert said["twitter:card"] == "summary_large_image"


def test_hostile_words_stay_in_their_place(built: Path):
    html = (built / "patterns" / "bowline.html").read_text(encoding="utf-8")
    assert "<script>window" not in html
    article, _ = graph(html)
    assert "window.pwned" in article["description"]
    graph((built / "index.html").read_text(encoding="utf-8"))


def test_pages_name_the_feed(built: Path):
    html = (built / "patterns" / "bowline.html").read_text(encoding="utf-8")
    (named,) = re.findall(r'<link rel="alternate feed"[^>]* href="([^"]*)"', html)
    assert (built / "patterns" / named).resolve() == built / "changelog.xml"
    ET.parse(built / "changelog.xml")


@pytest.mark.parametrize("builder", build.BUILDERS)
def test_without_an_address_nothing_absolute_is_left(tmp_path: Path, builder: str):
    scaffold.write(tmp_path / "knots", scaffold.starter("Knots", str(tmp_path / "knots")))
    assert build.build(tmp_path / "public", builder=builder, path=tmp_path / "knots") == 0
    html = (tmp_path / "public" / "patterns" / "bowline.html").read_text(encoding="utf-8")
    assert not re.search(r"canonical|og:|ld\+json|atom\+xml", html)
    for name in ("sitemap.xml", "robots.txt", "changelog.xml", "cards"):
        assert not (tmp_path / "public" / name).exists(), name


# -- the page for what is not there


def mounted(built: Path, tmp_path: Path) -> Path:
    """A folder in which the site lies at the path of its address."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "knots").symlink_to(built)
    (tmp_path / "404.html").write_bytes((built / "404.html").read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("patterns/bowlin.html", "bowline"),
        ("Bowline", "bowline"),
        ("patterns/deep/er/sheet-bend/index.html", "sheet_bend"),
        ("patterns/double_sheetbend.md", "double_sheet_bend"),
    ],
)
def test_a_mistyped_address_is_answered_with_names(built: Path, tmp_path, browser, asked, first):
    with served(mounted(built, tmp_path)) as address, visitor(browser, address) as open_:
        page, _ = open_(f"a/knots/{asked}")
        page.wait_for_selector(".nearest li")
        assert page.locator(".nearest a").first.get_attribute("href").endswith(f"/a/knots/patterns/{first}.html")
        page.locator(".nearest a").first.click()
        page.wait_for_url(f"**/patterns/{first}.html")


@pytest.mark.parametrize("asked", ["%", "%3Cscript%3Ewindow.pwned=1%3C/script%3E", "x/", "?q#h"])
def test_nonsense_is_answered_too(built: Path, tmp_path, browser, asked):
    with served(mounted(built, tmp_path)) as address, visitor(browser, address) as open_:
        page, _ = open_(f"a/knots/none/{asked}")
        page.wait_for_function("window.seeks && window.seeks.names")
        assert "There is no such page" in page.inner_text("h1")
        assert page.evaluate("window.pwned") is None
        page.keyboard.press("/")
        page.keyboard.type("bowline")
        page.keyboard.press("Enter")
        page.wait_for_url("**/a/knots/patterns/bowline.html")


def test_it_helps_without_scripts(built: Path, tmp_path, browser):
    with served(mounted(built, tmp_path)) as address, visitor(browser, address) as open_:
        page, _ = open_("a/knots/patterns/gone.html", java_script_enabled=False)
        assert not page.locator(".nearest").is_visible()
        page.locator("article a", has_text="All entries").click()
        page.wait_for_url("**/a/knots/patterns/index.html")
