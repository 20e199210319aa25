"""The graph page and the drawings of neighborhoods: where things stand, and what a reader does with them."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

import catalog
from catalog import loader
from catalog.catalog import Catalog
from catalog.errors import NoPath
from catalog.site import graph, neighborhood
from catalog.site.book import Book
from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken
from tests.site.sample import entry

# ---- where things stand


@pytest.fixture(scope="module")
def whole() -> Book:
    return Book(loader.load())


def without_years(book: Book) -> Book:
    entries = [e.model_copy(update={"year": None}) for e in book.catalog]
    titles = {f: title for f, (title, _) in book.catalog.families().items()}
    return Book(Catalog(entries, book.catalog.name, titles))


@pytest.mark.parametrize("dated", [True, False])
def test_every_entry_stands_in_its_lane_and_no_label_covers_another(whole: Book, dated: bool):
    book = whole if dated else without_years(whole)
    entries = list(book.entries.values())
    made = graph.place(entries, book.families)
    lanes = {f: (top, top + height) for f, top, height in made.lanes}
    boxes = []
    for e in entries:
        x, y, left = made.at[e.id]
        size = graph.size(graph.label(e)) + 12
        boxes.append((x - size if left else x - 5, x + 5 if left else x + size, y, e.id))
        assert lanes[e.family][0] < y - 8 < y + 8 < lanes[e.family][1]
        assert 0 <= boxes[-1][0] < boxes[-1][1] <= graph.WIDTH, e.id
    for n, (start, end, y, id) in enumerate(boxes):
        for other_start, other_end, other_y, other in boxes[:n]:
            assert end <= other_start or other_end <= start or abs(y - other_y) >= graph.ROW - 1, (id, other)


def test_time_runs_to_the_right(whole: Book):
    made = graph.place(list(whole.entries.values()), whole.families)
    begins = dict(made.years)
    assert list(begins.values()) == sorted(begins.values())
    for e in whole.entries.values():
        assert e.year
        assert made.at[e.id].x >= begins[e.year] - 1
    assert graph.place(list(without_years(whole).entries.values()), whole.families).years == []


def test_the_map_fits_one_and_a_half_screens(whole: Book):
    made = graph.place(list(whole.entries.values()), whole.families)
    assert made.height <= 1.5 * DESKTOP["height"]


def test_every_relation_is_drawn_and_listed_once(whole: Book):
    page = graph.page(whole)
    assert len(re.findall(r"<path[^>]* d=", page.split("</defs>")[1].split("</svg>")[0])) == len(whole.stated)
    assert page.split("## All relations")[1].count("<p>") == len(whole.stated)
    assert graph.page(whole) == graph.page(Book(loader.load()))


@pytest.mark.parametrize(
    ("name", "alias", "label"),
    [
        ("Generative Adversarial Network", "GAN", "GAN"),
        ("Adaptive Instance Normalization", "AdaIN", "AdaIN"),
        ("T5 (text-to-text transformer)", "T5", "T5"),
        ("Diffusion Inverse-Problem Solver", "inverse solver", "Diffusion Inverse-Problem Solver"),
        ("Policy-Gradient Sequence Training", "REINFORCE", "Policy-Gradient Sequence Training"),
        ("Autoencoder", "AE", "Autoencoder"),
    ],
)
def test_long_names_are_abbreviated_where_letters_allow(name: str, alias: str, label: str):
    assert graph.label(entry(name=name, aliases=[alias])) == label


def test_a_neighborhood_has_the_most_relevant_by_year(whole: Book):
    for id, e in whole.entries.items():
        around = neighborhood.neighbors(whole, e)
        everyone = {x.target for x in whole.catalog.edges(id)}
        assert len(around) == min(len(everyone), neighborhood.MOST)
        assert {n.entry.id for n in around} <= everyone
        for n in around:
            assert n.entry.year
            assert e.year
            assert n.earlier or n.entry.year >= e.year
            assert not n.earlier or n.entry.year <= e.year
        drawn = neighborhood.drawings(whole, e)
        assert drawn.count("<a class=") == 2 * len(around)
        assert f"../graph.html#focus={id}" in drawn


# ---- what a reader does

TABLET = {"width": 1000, "height": 800}


@pytest.fixture(scope="module")
def built(site) -> catalog.Catalog:
    """The catalog that the site was built from."""
    return loader.load(site.folder.parent / "patterns")


def go(page: Any, state: str) -> None:
    """Change the part of the address behind `#`, and let the page follow."""
    page.evaluate(
        """state => new Promise(done => {
            if (location.hash === state) return done();
            addEventListener("hashchange", done, {once: true});
            location.hash = state;
        })""",
        state,
    )


def told(page: Any) -> str:
    return page.locator(".panel .told").inner_text()


def state(page: Any) -> str:
    return page.evaluate("location.hash")


def drawn(page: Any) -> int:
    """How many curves one sees; an upright one has no width, so that to Playwright it is not visible."""
    return page.evaluate(
        "Array.from(document.querySelectorAll('.map .edges path'))"
        ".filter(path => getComputedStyle(path).display !== 'none').length"
    )


def steps(page: Any) -> list[tuple[str, str]]:
    """Type and target of each step that the panel lists."""
    return page.locator(".panel .steps > li").evaluate_all(
        """items => items.map(item => [
            item.querySelector(".type").textContent,
            new URLSearchParams(item.querySelector("a").hash.slice(1)).get("focus"),
        ])"""
    )


def test_paths_are_those_that_python_finds(open_page, built):
    page, wrong = open_page("graph.html")
    random.seed(7)
    for _ in range(40):
        a, b = random.sample(built.ids, 2)
        go(page, f"#from={a}&to={b}")
        try:
            route = built.path(a, b)
        except NoPath:
            assert "No relations lead" in told(page)
            assert steps(page) == []
            continue
        assert steps(page) == [[s.type.replace("_", " "), s.target] for s in route]
        assert page.locator(".map .edges .on").count() == len(route)
        lit = page.locator(".map a.node:not(.dim)").evaluate_all("nodes => nodes.map(n => n.getAttribute('href'))")
        assert sorted(lit) == sorted(f"patterns/{id}.html" for id in route.ids)
        assert f"in {len(route)} step" in told(page)
    assert not wrong


def test_a_path_is_chosen_by_names_and_aliases(open_page):
    page, _ = open_page("graph.html")
    page.locator("input[name=from]").fill("Variational Autoencoder")
    page.locator("input[name=to]").fill("rlhf")
    page.keyboard.press("Enter")
    assert state(page) == "#from=vae&to=rlhf"
    assert "From Variational Autoencoder to Reinforcement" in told(page)
    page.locator("input[name=to]").fill("no such thing")
    page.keyboard.press("Enter")
    assert "is called “no such thing”" in told(page)
    page.go_back()
    assert state(page) == "#from=vae&to=rlhf"
    assert page.locator("input[name=to]").input_value().startswith("Reinforcement")


def test_the_neighborhood_of_a_pattern_is_all_that_python_knows_of_it(open_page, built):
    page, _ = open_page("graph.html")
    page.locator(".map a.node[href='patterns/vae.html']").click()
    assert state(page) == "#focus=vae"
    edges = built.edges("vae")
    proven = sum(x.proven is not None for x in edges)
    assert f"{len(edges)} relations with {len({x.target for x in edges})} patterns, {proven} proven" in told(page)
    said = page.locator(".panel .said ul > li").evaluate_all(
        """items => items.map(item => [
            item.parentElement.previousElementSibling.textContent,
            new URLSearchParams(item.querySelector("a").hash.slice(1)).get("focus"),
            Boolean(item.querySelector("a[href*='#claim-']")), Boolean(item.querySelector("i")),
            item.querySelector("p").textContent.length > 20,
        ])"""
    )
    wanted = [[x.type.replace("_", " "), x.target, bool(x.proven), bool(x.relation.when), True] for x in edges]
    assert said == wanted
    assert page.locator(".map .edges .on").count() == len(edges)
    lit = page.locator(".map a.node:not(.dim)").count()
    assert lit == 1 + len({x.target for x in edges})
    page.locator(".ways a", has_text="2 steps").click()
    assert state(page) == "#focus=vae&depth=2"
    two = {r.id for r in built.related("vae", depth=2)}
    assert page.locator(".map a.node:not(.dim)").count() == 1 + len(two)


def test_a_shared_address_opens_what_was_seen(open_page):
    states = {
        "#focus=gpt&depth=2": "GPT",
        "#from=vae&to=lora": "From Variational Autoencoder to LoRA",
        "#find=attention": "match “attention”",
        "#types=builds_on.remedies&families=diffusion": "relations drawn",
        "#all=1": "all ",
    }
    for hash, text in states.items():
        page, wrong = open_page(f"graph.html{hash}")
        assert text in told(page), hash
        first = page.locator(".panel .said").inner_html()
        curves = drawn(page)
        go(page, "#focus=adain")
        page.go_back()
        assert state(page) == hash
        assert page.locator(".panel .said").inner_html() == first
        assert drawn(page) == curves
        assert not wrong
    page, _ = open_page("graph.html?focus=vae")
    assert "Variational Autoencoder: " in told(page)
    page.locator(".panel button").click()
    assert page.url.endswith("/graph.html")
    for hash in ("#focus=nothing", "#from=a&to=b", "#types=&families=", "#depth=9&focus="):
        page, wrong = open_page(f"graph.html{hash}")
        assert told(page)
        assert not wrong


def test_filters_draw_what_they_name(open_page, built):
    page, _ = open_page("graph.html")
    stated = [x for id in built.ids for x in built.edges(id) if not x.derived]
    strong = [x for x in stated if x.type in graph.STRONG]
    assert drawn(page) == len(strong)
    page.locator(".filters summary").click()
    page.locator(".filters button[value=none]").first.click()
    assert drawn(page) == 0
    page.locator("input[value=builds_on]").check()
    assert state(page) == "#types=builds_on"
    assert page.locator(".map .edges .shown").count() == sum(x.type == "builds_on" for x in stated)
    page.locator(".filters button[value=all]").first.click()
    assert state(page) == ""
    page.locator(".map .family[data-family=diffusion]").click()
    assert state(page) == "#families=diffusion"
    family = {e.id: e.family for e in built}
    wanted = sum("diffusion" in (family[x.source], family[x.target]) for x in stated)
    assert page.locator(".map .edges .shown").count() == wanted
    assert page.locator("input[value=diffusion]").is_checked()
    assert not page.locator("input[value=flow]").is_checked()
    page.go_back()
    page.locator("input[name=all]").check()
    assert page.locator(".map .edges .shown").count() == len(stated)


def test_search_shows_as_one_types(open_page, built):
    page, _ = open_page("graph.html")
    page.locator("input[name=find]").press_sequentially("posterior colla", delay=0)
    page.locator("input[name=find]").fill("")
    page.locator("input[name=find]").press_sequentially("vaes")
    hits = [e.id for e in built if "vaes" in "\n".join([e.id, e.name, *e.aliases]).lower()]
    assert told(page).startswith(f"{len(hits)} of {len(built)} patterns")
    assert page.locator(".map a.node.hit").count() == len(hits)
    assert page.locator(".panel .said li").count() == len(hits)
    assert state(page) == "#find=vaes"
    page.keyboard.press("Enter")
    assert state(page).startswith("#focus=")
    assert page.evaluate("document.activeElement.closest('svg.map') !== null")


def test_by_keyboard_alone(open_page):
    page, _ = open_page("graph.html")
    assert page.locator(".map a.node[tabindex='0']").count() == 1  # one stop for the Tab key
    page.locator("input[name=all]").focus()
    page.keyboard.press("Tab")
    where = "document.activeElement.getAttribute('href')"
    first = page.evaluate(where)
    assert page.evaluate("document.activeElement.matches('svg.map a.node')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    here = page.evaluate(where)
    assert here != first
    page.keyboard.press("Enter")
    id = here.split("/")[1].removesuffix(".html")
    assert state(page) == f"#focus={id}"
    assert page.evaluate(where) == here
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.panel') !== null")
    page.keyboard.press("Escape")
    assert state(page) == ""
    page.locator(f".map a.node[href='{here}']").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # the second time the link is a link
    page.wait_for_url(f"**/{here}")


def test_every_node_is_reached_by_arrows(open_page):
    page, _ = open_page("graph.html")
    reached = page.evaluate(
        """() => {
            const seen = new Set([document.querySelector(".map a.node[tabindex='0']")]);
            for (const node of seen) for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) {
                node.focus();
                node.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
                seen.add(document.activeElement);
            }
            return seen.size;
        }"""
    )
    assert reached == page.locator(".map a.node").count()


def test_without_scripts_there_are_links_and_the_list(open_page, built):
    page, _ = open_page("graph.html", java_script_enabled=False)
    assert page.locator("svg.map a.node:visible").count() == len(built)
    assert not page.locator(".steer").is_visible()
    assert drawn(page) > 0
    page.locator(".listed summary").first.click()
    assert page.locator(".listed li li p:visible").count() > 0
    page.locator("svg.map a.node[href='patterns/vae.html']").click()
    page.wait_for_url("**/patterns/vae.html")


def size_of(text: Any) -> float:
    """Of type on the screen, in pixels."""
    return text.evaluate("t => parseFloat(getComputedStyle(t).fontSize) * (t.ownerSVGElement ? t.getScreenCTM().a : 1)")


def test_a_phone_has_names_by_family(open_page, built):
    page, _ = open_page("graph.html", PHONE)
    assert not page.locator("svg.map").is_visible()
    assert page.locator(".lists a:visible").count() == len(built)
    assert size_of(page.locator(".lists a").first) >= 10
    page.locator(".lists a[href='patterns/vae.html']").click()
    assert state(page) == "#focus=vae"
    assert page.locator(".lists a:visible").count() == 1 + len({x.target for x in built.edges("vae")})
    assert page.locator(".panel .said li").first.is_visible()
    assert page.evaluate(WIDTH) <= PHONE["width"]
    page.locator(".lists a[href='patterns/vae.html']").click()
    page.wait_for_url("**/patterns/vae.html")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, TABLET], ids=["desktop", "phone", "tablet"])
def test_every_state_is_legible_and_accessible(open_page, viewport):
    page, wrong = open_page("graph.html", viewport)
    for hash in ("", "#focus=vae", "#from=vae&to=lora", "#find=gan"):
        go(page, hash)
        page.locator(".filters").evaluate("details => { details.open = true; }")
        assert axe(page) == [], hash
        assert page.evaluate(WIDTH) <= viewport["width"], hash
    if viewport is not PHONE:
        assert min(size_of(text) for text in page.locator(".map text").all()[:40]) >= 10
    darken(page)
    for hash in ("#focus=vae", ""):
        go(page, hash)
        assert axe(page) == [], f"{hash} in the dark"
    assert not wrong


def test_the_page_is_light(site):
    assert len(gzip.compress((site.folder / "graph.html").read_bytes())) <= 65_000


@pytest.fixture
def beside(open_page) -> Iterator[Any]:
    """A pattern's page at a width, and what is drawn around the pattern."""

    def open_(viewport: dict[str, int]) -> tuple[Any, Any]:
        page, _ = open_page("patterns/gpt.html", viewport)
        drawing = page.locator(".around svg:visible")
        assert drawing.count() == 1
        return page, drawing

    return open_


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_neighborhood_is_legible_and_leads_on(beside, viewport):
    page, drawing = beside(viewport)
    assert min(size_of(text) for text in drawing.locator("text").all()) >= 10
    assert "GPT" in drawing.get_attribute("aria-label")
    boxes = [link.bounding_box() for link in drawing.locator("a").all()]
    assert len(boxes) == neighborhood.MOST
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= viewport["width"] for box in boxes)
    first = drawing.locator("a").first
    target = first.get_attribute("href")
    page.locator(".around .hint a").click()
    page.wait_for_url("**/graph.html#focus=gpt")
    assert told(page).startswith("GPT")
    page.go_back()
    page.locator(".around svg:visible a").first.click()
    page.wait_for_url(f"**/{target}")
