"""The chooser answers as the catalog does; what is compared is what the catalog compares."""

from __future__ import annotations

import json
import random
import re

import pytest

from catalog import loader
from catalog.catalog import Catalog
from catalog.compare import compare as compare_in_python
from catalog.errors import BadQuestion
from catalog.facets import FIELDS, positions
from catalog.site import choose, compare
from catalog.site.book import Book, read, site_folder
from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken
from tests.site.sample import HOSTILE, entry, harmless

CATALOG = loader.load()


@pytest.fixture(scope="module")
def book() -> Book:
    return read(CATALOG, site_folder(), {})


@pytest.fixture(scope="module")
def built(site) -> Catalog:
    """The catalog that the built pages are of."""
    return loader.load(site.folder.parent / "patterns")


# ---- the pages without their scripts


def test_every_option_says_why_and_why_not(book: Book):
    page = choose.page(book)
    for d in CATALOG.decisions:
        section = page[page.index(f'id="{d.id}"') :].partition("</section>")[0]
        assert section.count("<li data-id=") == len(d.options)
        for o in d.options:
            assert f'data-id="{o.pattern}"' in section
        assert section.count('class="against"') == sum(bool(book.entries[o.pattern].avoid_when) for o in d.options)
    assert page.count('class="measured"') > len(CATALOG.decisions)


def test_the_table_has_every_facet_of_every_pattern(book: Book):
    page = compare.page(book)
    found = compare_in_python(CATALOG, book.entries)
    assert page.count("<tr class=") == len(book.entries)
    assert page.count("<td>") == len(book.entries) * len(found.facets)
    embedded = re.search(r'<script type="application/json" id="compared">(.*)</script>', page)
    assert embedded
    assert len(embedded[1].encode()) <= 250_000


def test_numbers_of_a_pair_are_those_of_the_comparison_in_python(book: Book):
    page = compare.page(book)
    embedded = re.search(r'id="compared">(.*)</script>', page)
    assert embedded
    numbers = json.loads(embedded[1])["numbers"]
    pairs = {tuple(sorted(n["values"])) for n in numbers if len(n["values"]) == 2}
    assert len(pairs) > 20
    for pair in sorted(pairs)[::4]:
        alone = compare_in_python(CATALOG, pair).beside
        mine = [n for n in numbers if set(pair) <= set(n["values"]) and n["how"] != "tournament"]
        assert len(mine) == len(alone)
        assert {(n["how"], n["unit"]) for n in mine} == {(b.how, "" if b.unit == "1" else b.unit) for b in alone}


def test_hostile_words_become_text():
    one, two = entry(HOSTILE), entry(HOSTILE, id="other", name="Other", aliases=[], relations=[])
    hostile = Book(Catalog([one, two], "Test", {"energy": "Energy"}))
    page = compare.page(hostile)
    start, _, rest = page.partition('<script type="application/json" id="compared">')
    data, _, end = rest.partition("</script>")
    harmless(start.split("---\n\n", 1)[1], ours=frozenset({"script"}))
    assert "<" not in data
    assert not end.strip()
    for text in json.loads(data)["failures"]["sample"]:
        harmless(text[1])


# ---- in a browser


def conditions(rng: random.Random) -> list[str]:
    """A few conditions as a person might set them, in the order of the page."""
    facets = CATALOG.facets
    names = [n for n in facets.names if n not in FIELDS]
    assert set(names) >= {"likelihood", "latent", "data", "sampling", "training", "conditioning", "needs_pretrained"}
    asked = []
    for name in sorted(rng.sample(names, rng.randint(1, 3)), key=names.index):
        there = [v for v, n in facets.values(name).items() if n]
        values = rng.sample(there, rng.randint(1, min(2, len(there))))
        asked.append(f"{name}{rng.choice(['=', '=', '!='])}{','.join(v for v in there if v in values)}")
    if rng.random() < 0.3:
        asked.append(f"difficulty<={rng.randint(1, 4)}")
    if rng.random() < 0.6:
        low = rng.randint(1982, 2020)
        asked.append(rng.choice([f"year={low}..{low + rng.randint(0, 12)}", f"year>={low}", f"year<={low}"]))
    return asked


def address(asked: list[str]) -> str:
    parts = []
    for text in asked:
        name, sign, value = re.fullmatch(r"(\w+)(!=|>=|<=|=)(.*)", text).groups()  # type: ignore[union-attr]
        parts.append(
            f"{name}={value}.." if sign == ">=" else f"{name}=..{value}" if sign == "<="
            else f"{name}=!{value}" if sign == "!=" else f"{name}={value}"
        )  # fmt: skip
    return "#" + "&".join(parts)


SHOWN = """texts => texts ===
    Array.from(document.querySelectorAll(".asked button"), (button) => button.textContent.slice(0, -2)).join("|")"""
IDS = "selector => Array.from(document.querySelectorAll(selector)).map(li => li.dataset.id)"


def test_the_page_answers_as_the_catalog_does(open_page, built):
    """Thirty random sets of conditions: what meets all, what misses one and which, why there is nothing."""
    rng = random.Random(8)
    page, wrong = open_page("choose.html")
    facets, ids, empty = built.facets, built.ids, 0
    for _ in range(30):
        asked = conditions(rng)
        page.evaluate("hash => { location.hash = hash; }", address(asked))
        parsed = facets.conditions(asked)
        page.wait_for_function(SHOWN, arg="|".join(map(str, parsed)))
        fits = {ids[i] for i in positions(facets.matching(asked))}
        assert set(page.evaluate(IDS, ".fits > li")) == fits, asked
        missing: dict[str, str] = {}
        for c in parsed:
            others = facets.meet(o for o in parsed if o is not c) if len(parsed) > 1 else facets.all
            missing |= {ids[i]: str(c) for i in positions(others & ~facets.set(c))}
        assert set(page.evaluate(IDS, ".near > li")) == set(missing), asked
        for id, condition in list(missing.items())[:3]:
            assert f"asked for is {condition}." in page.inner_text(f".near > li[data-id={id}] .misses")
        if not fits:
            empty += 1
            said = facets.conflict(parsed)
            assert page.inner_text(".why-none") == said[0].upper() + said[1:] + ".", asked
    assert empty >= 3, "none of the sets was contradictory"
    assert wrong == []


def test_conditions_that_contradict_each_other_are_named(open_page, built):
    page, wrong = open_page("choose.html#year=2019..2015")
    with pytest.raises(BadQuestion) as error:
        built.facets.conditions(["year>=2019", "year<=2015"])
    assert page.inner_text(".why-none") == f"{error.value}."
    page, _ = open_page("choose.html#likelihood=unnormalized&sampling=one_pass")
    said = built.facets.conflict(built.facets.conditions(["likelihood=unnormalized", "sampling=one_pass"]))
    assert page.inner_text(".why-none") == said[0].upper() + said[1:] + "."
    assert wrong == []


def test_a_problem_in_words_finds_its_decision(open_page, built):
    page, wrong = open_page("choose.html")
    found = 0
    said = [(d.id, text) for d in built.decisions for text in d.said][::9]
    for id, text in said:
        page.fill(".chooser input[type=search]", text)
        found += page.evaluate("document.querySelector('.decisions > .decision:not([hidden])').id") == id
    assert found >= 0.9 * len(said)
    page.fill(".chooser input[type=search]", "qqqq zzzz")
    assert page.is_visible(".nothing")
    assert wrong == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_chooser_by_keyboard_and_address(open_page, size):
    page, wrong = open_page("choose.html", size)
    page.focus(".chooser input[type=search]")
    page.keyboard.type("samples show only a few kinds")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # opens the conditions
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    first = page.evaluate("document.activeElement.value")
    assert f"={first}" in page.url
    assert "meet" in page.inner_text(".chooser [role=status]")
    assert page.locator(".fits > li").count() > 0
    assert page.evaluate(WIDTH) <= size["width"]
    url = page.url
    again, _ = open_page(url.split("/")[-1], size)
    assert again.inner_text(".chooser [role=status]") == page.inner_text(".chooser [role=status]")
    assert axe(page) == []
    darken(page)
    assert axe(page) == []
    assert wrong == []


def test_problems_out_of_sight_are_laid_out_when_nothing_else_is_to_be_done(open_page):
    page, wrong = open_page("choose.html", PHONE)
    sections = "[...document.querySelectorAll('section.decision')]"
    page.wait_for_function(f"{sections}.every((s) => getComputedStyle(s).contentVisibility === 'visible')")
    assert page.evaluate(f"{sections}.filter((s) => s.scrollHeight > s.clientHeight + 1).map((s) => s.id)") == []
    assert wrong == []


def test_names_stay_in_sight_while_a_table_scrolls(open_page):
    page, wrong = open_page("compare.html#ids=vae,gan,ddpm", PHONE)
    page.wait_for_selector(".beside .table-scroll")
    found = page.evaluate("""() => {
        const box = document.querySelector(".beside .table-scroll"), name = box.querySelector("th[scope=row]");
        for (const inner of [box, ...box.querySelectorAll("*")]) inner.scrollLeft = 999;
        const last = box.querySelector("thead th:last-child").getBoundingClientRect();
        const group = box.querySelector("tr.group span") || box.querySelector("tr.group th");
        const [at, is, of] = [box, name, group].map((e) => e.getBoundingClientRect());
        return { moved: is.left - at.left, group: of.left - at.left, beyond: last.right - at.right };
    }""")
    assert abs(found["moved"]) < 1
    assert abs(found["group"]) < 1
    assert abs(found["beyond"]) < 1
    assert wrong == []


def test_a_comparison_is_printed_whole(open_page):
    page, _ = open_page("compare.html#ids=vae,gan,ddpm,adain", {"width": 700, "height": 900})  # about a page of paper
    page.wait_for_selector(".beside table")
    page.emulate_media(media="print")
    ends = "[...document.querySelectorAll('.beside table')].map((t) => t.getBoundingClientRect().right)"
    found = page.evaluate(ends)
    assert found
    assert max(found) <= 700


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_patterns_side_by_side(open_page, size, built):
    page, wrong = open_page("compare.html#ids=vae,autoencoder", size)
    found = compare_in_python(built, ["vae", "autoencoder"])
    assert page.locator(".beside tr.differs").count() == len(found.differing)
    assert page.locator(".beside .joint").count() == len(found.joints)
    numbers = page.locator(".beside .table-scroll[aria-label='Measured against each other'] tbody tr:not(.group)")
    numbers = numbers.filter(has_not=page.locator("a[href^=tournament]"))  # tests/site/test_tournament_page.py
    assert numbers.count() == len(found.beside)
    page.fill(".comparing input >> nth=2", "GANs")
    page.keyboard.press("Tab")
    assert page.url.endswith("#ids=vae,autoencoder,gan")
    page.fill(".comparing input >> nth=3", "no such thing")
    page.keyboard.press("Tab")
    assert "There is no no such thing" in page.inner_text(".comparing [role=status]")
    assert page.evaluate(WIDTH) <= size["width"]
    assert axe(page) == []
    assert wrong == []


@pytest.mark.parametrize("path", ["choose.html", "compare.html"])
def test_the_page_is_whole_without_script(open_page, path: str, built):
    page, wrong = open_page(path, java_script_enabled=False)
    assert not page.locator(".tools").first.is_visible()
    rows, there = {
        "choose.html": (".decision .options > li", sum(len(d.options) for d in built.decisions)),
        "compare.html": ("table.all-facets tbody tr", len(built)),
    }[path]
    assert page.locator(f"{rows}:visible").count() == there
    assert wrong == []
