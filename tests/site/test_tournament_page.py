"""The tournament's page: places, ties and the front from numbers made by hand; the page in a browser."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import combinations

import pytest

from catalog import loader
from catalog.site import compare, pattern, scatter, standings, tournament
from catalog.site.book import Book, read, site_folder
from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken
from tests.site.made_up import arena
from tests.site.made_up import tournament as made_up


@pytest.fixture(scope="module")
def book() -> Book:
    return read(loader.load(), site_folder(), {})


# ---- what follows from the numbers


def test_places_leave_open_what_the_seeds_do_not_decide():
    a = arena({"ddpm": [1.0, 1.1, 1.3], "vae": [1.2, 1.25, 1.4], "gan": [1.35, 1.5, 1.6], "glow": [2.0, 2.1, 2.2]})
    # vae overlaps with ddpm and with gan; ddpm and gan do not overlap; glow is clear of all
    assert list(a.places.items()) == [("ddpm", (1, 1, 2)), ("vae", (2, 1, 3)), ("gan", (3, 2, 3)), ("glow", (4, 4, 4))]
    assert a.leaders == ["ddpm", "vae"]
    assert a.said("vae") == "distance 1.25 against a floor of 0.5, 2nd of 4 (1st to 3rd within the spread)"
    assert a.said("glow") == "distance 2.1 against a floor of 0.5, 4th of 4"


def test_touching_ranges_tie_and_equal_medians_share_a_place():
    a = arena({"ddpm": [1.0, 1.5, 2.0], "vae": [2.0, 2.5, 3.0], "gan": [2.2, 2.5, 2.9]})
    assert a.places == {"ddpm": (1, 1, 2), "gan": (2, 2, 3), "vae": (2, 1, 3)}


def test_more_is_better_where_the_measure_says_so():
    a = arena({"ddpm": [1, 2, 3], "vae": [7, 8, 9], "gan": [4, 5, 6]}, better="higher")
    assert list(a.ranked) == ["vae", "gan", "ddpm"]
    assert a.ranked["vae"] == (8, 9, 7)
    assert made_up(x=a).ratings == {"x": {"vae": 8, "gan": 5, "ddpm": 2}}


def test_failed_seeds_are_worse_than_any_number():
    a = arena({"ddpm": [9.0, None, 8.0], "vae": [None, None, 1.0], "gan": [None, math.nan, math.inf]})
    assert a.ranked["ddpm"] == (9.0, 8.0, math.inf)
    assert a.places == {"ddpm": (1, 1, 3), "gan": (2, 1, 3), "vae": (2, 1, 3)}
    assert a.said("gan").startswith("most seeds failed, 2nd of 3")
    assert made_up(x=a).ratings == {"x": {"ddpm": -9.0}}
    higher = arena({"ddpm": [9.0, None, 8.0], "vae": [None, None, None]}, better="higher")
    assert higher.ranked["ddpm"] == (8.0, 9.0, -math.inf)
    assert list(higher.ranked) == ["ddpm", "vae"]


def test_the_front_is_who_nobody_beats_in_quality_without_costing_more():
    values = {"ddpm": 1.0, "vae": 3.0, "gan": 2.0, "glow": 2.5, "wgan": 2.0, "infogan": 3.5}
    cost = {"ddpm": 9.0, "vae": 1.0, "gan": 2.0, "glow": 3.0, "wgan": 4.0, "infogan": 1.0}
    a = arena({id: [v, v, v] for id, v in values.items()}, cost)
    assert a.front == ["vae", "gan", "ddpm"]
    # against the definition, pair by pair
    dominated = {p for p in values for q in values if p != q and values[q] <= values[p] and cost[q] <= cost[p]}
    assert set(a.front) == set(values) - dominated


@pytest.mark.parametrize(("n", "said"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"),
                                         (13, "13th"), (21, "21st"), (112, "112th")])  # fmt: skip
def test_ordinals(n: int, said: str):
    assert standings.ordinal(n) == said


# ---- what is recorded


def test_only_known_contestants_are_read_and_a_broken_file_says_what_to_do(tmp_path):
    file = tmp_path / "tournament.json"
    assert standings.load({"ddpm"}, file) is None
    recorded = made_up(images=arena({"ddpm": [1, 2, None], "gone": [3, 4, 5]}))
    file.write_text(json.dumps(recorded.model_dump()).replace("null", "NaN"), encoding="utf-8")
    found = standings.load({"ddpm", "vae"}, file)
    assert found is not None
    assert list(found.arenas["images"].rows) == ["ddpm"]
    assert found.arenas["images"].ranked["ddpm"] == (2, 1, math.inf)
    assert standings.load({"vae"}, file) is None
    file.write_text('{"date": "2026-01-01", "budgets": [5], "seeds": 3, "arenas": {"images": {}}}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"tournament\.json: arenas\.images\.\w+: .*run `python benchmarks/tourn"):
        standings.load({"ddpm"}, file)


# ---- the drawings


def many(n: int) -> list[scatter.Mark]:
    """Marks that crowd together, the worst that an arena could bring."""
    marks = []
    for i in range(n):
        x = standings.Spread(1 + 0.05 * (i % 5), 1 + 0.05 * (i % 5) - 0.1, 1.3 + 0.05 * (i % 5))
        marks.append(scatter.Mark(f"Pattern number {i}", "flow", "", "", 1 + 0.1 * (i // 5), x, None, i == 0))
    return marks


@pytest.mark.parametrize("wide", [True, False])
def test_labels_meet_neither_each_other_nor_marks(wide: bool):
    drawing = scatter.scatter(many(25), made_up(x=arena({"ddpm": [1.0]})).arenas["x"].measure, "image", wide, "All")
    width = float(re.search(r'viewBox="0 0 (\d+)', drawing)[1])  # type: ignore[index]
    boxes = []
    for x, y, text in re.findall(r'<text x="([\d.]+)" y="([\d.]+)">([^<]+)</text></a>', drawing):
        box = scatter.Box(float(x), float(y) - 11, float(x) + scatter.text_width(text) - 4, float(y) + 4)
        assert 0 <= box.left <= box.right <= width
        boxes.append(box)
    assert len(boxes) == 25
    assert not [pair for pair in combinations(boxes, 2) if pair[0].meets(pair[1])]
    marks = [(float(x), float(y)) for x, y in re.findall(r'class="mark" cx="([\d.]+)" cy="([\d.]+)"', drawing)]
    assert not [(x, y) for x, y in marks for b in boxes if b.left < x < b.right and b.top < y < b.bottom]


def test_a_scale_of_less_than_two_decades_has_round_numbers_enough():
    for low, high in ((1.0, 8.0), (0.3, 20.0), (0.011, 0.09), (0.9, 95.0)):
        along = scatter.axis([low, high], 0, 300, log=True)
        assert 3 <= len(along.ticks()) <= 7
        assert all(along.low <= v <= along.high for v in along.ticks())


# ---- the page


def page_of(book: Book, a: standings.Arena) -> str:
    return tournament.page(book, made_up(images=a))


def test_who_leads_is_computed(book):
    alone = arena({"ddpm": [1.0, 1.1, 1.2], "vae": [2, 2.1, 2.2]}, {"ddpm": 50.0, "vae": 0.5})
    text = re.sub(r"<[^>]+>", "", " ".join(tournament.verdicts(book, made_up(images=alone), alone)))
    assert "distance: DDPM has the best median, 1.1, and each of its seeds is better than any of the others" in text
    assert "none of 2 medians are as good" in text
    assert "nothing is both better and cheaper to sample from than Variational Autoencoder and DDPM" in text.replace(
        "VAE", "Variational Autoencoder"
    )
    tied = arena({"ddpm": [1.0, 1.1, 1.2], "vae": [1.15, 1.2, 2.2], "gan": [0.4, 1.3, 1.4]}, floor=1.25)
    text = re.sub(r"<[^>]+>", "", " ".join(tournament.verdicts(book, made_up(images=tied), tied)))
    assert "tie with it, within the spread" in text
    assert "2 of 3 medians are as good: DDPM and VAE" in text


def test_training_time_is_judged_by_the_seeds(book):
    a = arena(
        {"ddpm": [1.0, 1.1, 1.2], "vae": [2.0, 2.1, 2.2]}, short={"ddpm": [3.0, 3.1, 3.2], "vae": [2.1, 2.2, 2.3]}
    )
    text = re.sub(r"<[^>]+>", "", " ".join(tournament.verdicts(book, made_up(images=a), a)))
    assert re.search(r"After 5 seconds of training \S+.* has the best median; 1 of 2 are clearly better after 20", text)
    assert "What more training brought" in page_of(book, a)


def test_words_of_the_file_stay_text(book):
    a = arena({"ddpm": [1.0, 1.1, 1.2], "vae": [2.0, 2.1, 2.2]}, title="<script>", floor_is="<b>x</b>", unit="<i>")
    hostile = a.model_copy(update={"data": "<script>alert(1)</script>", "left_out": {"gan": "<img src=x>"}})
    text = page_of(book, hostile)
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "<b>x</b>" not in text
    assert "&lt;script&gt;" in text


def test_samples_are_shown_best_first_after_the_data(book):
    a = arena({"ddpm": [2.0, 2.1, 2.2], "vae": [1.0, 1.1, 1.2], "gan": [3.0, 3.1, 3.2]})
    for id, text in {"ddpm": "data:image/png;base64,AAAA", "vae": "data:image/png;base64,BBBB=", "gan": ""}.items():
        a.rows[id][0].shown = text
    a = a.model_copy(update={"shown": "data:image/png;base64,CCCC", "shown_is": "Two <b>pictures</b>."})
    part = tournament.samples(book, a)
    assert re.findall(r"base64,(\w+)", part) == ["CCCC", "BBBB", "AAAA"]
    assert 'alt="Samples: Variational Autoencoder"' in part
    assert "<b>" not in part
    for text in (
        'data:image/png;base64,A" onerror="alert(1)',
        "<script>alert(1)</script>",
        "data:text/html;base64,AAAA",
    ):
        a.rows["ddpm"][0].shown = text
        part = tournament.samples(book, a)
        assert part.count("<img") == 2
        assert "<script>" not in part
        assert 'onerror="' not in part


def test_without_a_record_nothing_is_said(book):
    bare = replace(book, tournament=None)
    assert bare.ratings == {}
    assert "ournament" not in pattern.page(bare, bare.entries["ddpm"])
    assert compare.played(bare) == []


def test_other_pages_say_what_the_record_says(book):
    a = arena({"ddpm": [1.0, 1.1, 1.2], "vae": [2, 2.1, 2.2], "gan": [None, None, None]})
    full = replace(book, tournament=made_up(images=a))
    said = "distance 1.1 against a floor of 0.5, 1st of 3"
    line = f'<a href="../tournament.html#images" title="{said}">Tournament, images</a>: 1st of 3</p>'
    assert line in pattern.page(full, full.entries["ddpm"])
    assert "Tournament" not in pattern.page(full, full.entries["gpt"])
    (row,) = compare.played(full)
    assert row["values"] == {"ddpm": "1.1", "vae": "2.1"}
    assert row["words"]["vae"] == "2nd of 3"


# ---- in a browser


@pytest.fixture(scope="module")
def recorded(book) -> standings.Tournament:
    assert book.tournament, "benchmarks/tournament.json is missing; run `python benchmarks/tournament.py`"
    return book.tournament


def rows(page, key: str) -> list[str]:
    """Ids in the order of an arena's table."""
    links = page.locator(f"#{key} ~ .table-scroll").first.locator("tbody th a")
    return [href.removeprefix("patterns/").removesuffix(".html") for href in links.evaluate_all(
        "all => all.map(a => a.getAttribute('href'))"
    )]  # fmt: skip


def test_the_numbers_are_those_of_the_file(open_page, recorded):
    page, wrong = open_page("tournament.html")
    said = json.loads(standings.RECORDED.read_text(encoding="utf-8"))
    for key, a in recorded.arenas.items():
        order = rows(page, key)
        assert set(order) == set(said["arenas"][key]["rows"])
        table = page.locator(f"#{key} ~ .table-scroll").first
        titles = table.locator("thead th").all_inner_texts()
        column = next(n for n, t in enumerate(titles) if t.startswith(tournament.capital(a.measure.title)))
        cells = dict(zip(order, table.locator(f"tbody tr > :nth-child({column + 1})").all(), strict=True))
        for id, found in said["arenas"][key]["rows"].items():
            seeds = max(found, key=lambda r: r["budget"])["values"].get(a.rating)
            if seeds and None not in seeds:
                median = sorted(seeds)[len(seeds) // 2]
                assert float(cells[id].get_attribute("data-key")) == median
                shown = float(cells[id].inner_text().split("\n")[0].replace("−", "-"))
                assert math.isclose(shown, median, rel_tol=6e-3)
        marks = page.locator(f"#{key} ~ .drawn").first.locator("svg:visible a.contestant")
        assert marks.count() == len([s for s in a.ranked.values() if math.isfinite(s.median)])
    assert not wrong


def test_samples_are_those_of_the_file_and_load(open_page, recorded):
    page, wrong = open_page("tournament.html")
    for key, a in recorded.arenas.items():
        items = page.locator(f"#{key} ~ .shown").first.locator("li")
        assert items.count() == 1 + len(a.rows)
        first = items.nth(1)
        best = next(iter(a.ranked))
        if key == "sequences":
            assert first.locator("q").inner_text() == " ".join(a.runs[best].shown.split())
        else:
            first.scroll_into_view_if_needed()
            assert first.locator("img").get_attribute("src") == a.runs[best].shown
            page.wait_for_function("i => i.complete && i.naturalWidth > 0", arg=first.locator("img").element_handle())
    assert not wrong


def test_labels_do_not_overlap_as_they_are_drawn(open_page, recorded):
    for viewport in (DESKTOP, PHONE):
        page, _ = open_page("tournament.html", viewport)
        for key in recorded.arenas:
            drawing = page.locator(f"#{key} ~ .drawn").first.locator("svg.scatter:visible")
            boxes = [scatter.Box(*b) for b in drawing.evaluate(
                "svg => [...svg.querySelectorAll('a text, text.floor, text.tick')].map(t => t.getBoundingClientRect())"
                ".map(b => [b.left + 1, b.top + 2, b.right - 1, b.bottom - 2])"
            )]  # fmt: skip
            frame = drawing.bounding_box()
            assert not [pair for pair in combinations(boxes, 2) if pair[0].meets(pair[1])], (key, viewport)
            assert all(frame["x"] <= b.left and b.right <= frame["x"] + frame["width"] for b in boxes)


def test_heads_sort_by_keyboard(open_page, recorded):
    page, wrong = open_page("tournament.html")
    key, a = next(iter(recorded.arenas.items()))
    table = page.locator(f"#{key} ~ .table-scroll").first
    assert rows(page, key)[0] == next(iter(a.ranked))
    button = table.get_by_role("button", name="Sampling")
    button.focus()
    page.keyboard.press("Enter")
    costs = {id: s.median for id in a.rows if (s := a.sampling(id))}
    cheapest = sorted(costs, key=lambda id: costs[id])
    assert rows(page, key)[: len(costs)] == cheapest
    assert table.locator("[aria-sort]").get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert rows(page, key)[: len(costs)] == cheapest[::-1]
    table.get_by_role("button", name="Pattern", exact=True).press("Enter")
    names = table.locator("tbody th").all_inner_texts()
    assert names == page.evaluate("names => [...names].sort((a, b) => a.localeCompare(b))", names)
    assert not wrong


def test_empty_cells_stay_last_whichever_way(open_page, recorded):
    page, _ = open_page("tournament.html")
    key, m = next(
        (key, m) for key, a in recorded.arenas.items() for name, m in a.measures.items()
        if 0 < sum(name in r.values for r in a.runs.values()) < len(a.runs)
    )  # fmt: skip
    table = page.locator(f"#{key} ~ .table-scroll").first
    column = next(n for n, t in enumerate(table.locator("thead th").all_inner_texts()) if t.startswith(m.title))
    for _ in range(2):
        table.get_by_role("button", name=m.title).click()
        said = [bool(t.strip()) for t in table.locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()]
        assert said == sorted(said, reverse=True)
        assert False in said


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_accessible_and_no_wider_than_the_screen(open_page, viewport):
    page, wrong = open_page("tournament.html", viewport)
    page.locator("details.absent summary").first.click()
    assert axe(page) == []
    darken(page)
    assert axe(page) == []
    assert page.evaluate(WIDTH) <= viewport["width"]
    assert not wrong


def test_without_scripts_everything_is_there(open_page, recorded):
    page, _ = open_page("tournament.html", java_script_enabled=False)
    assert page.locator("table.standings").count() == len(recorded.arenas)
    assert page.locator("svg.scatter:visible").count() == len(recorded.arenas)
    assert page.locator("table.standings button").count() == 0


def test_the_comparison_has_a_row(open_page, recorded):
    key, a = next(iter(recorded.arenas.items()))
    first, second = list(a.ranked)[:2]
    page, wrong = open_page(f"compare.html#ids={first},{second}")
    row = page.locator(".beside tr", has=page.locator(f"a[href='tournament.html#{key}']")).first
    assert a.place(first) in row.inner_text()
    assert not wrong
