"""The first page: what it says fits the first screen, the film can be stopped, and every way leads somewhere."""

from __future__ import annotations

import pytest

import catalog
from catalog.site import film, home
from catalog.site.book import read, site_folder
from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken

LAST = ".film .frames img:last-child"


@pytest.fixture(scope="module")
def book():
    return read(catalog.load(), site_folder(), {})


def test_what_it_is_the_film_and_the_doors_fit_the_first_screen(open_page):
    page, wrong = open_page("index.html", {"width": 1280, "height": 800})
    for part in (".welcome h1", ".counts", ".film figcaption", ".doors"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 800, part
    page, _ = open_page("index.html", PHONE)
    box = page.locator(".doors").bounding_box()
    assert box["y"] + box["height"] <= 2.2 * PHONE["height"]
    assert page.evaluate(WIDTH) <= PHONE["width"]
    assert not wrong


def test_the_film_stands_still_where_motion_is_not_wanted(open_page):
    page, _ = open_page("index.html")  # asks for reduced motion
    assert page.locator(".film button").inner_text() == "Play"
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.locator(LAST).evaluate("i => getComputedStyle(i).opacity") == "1"
    page.locator(".film button").click()
    running = "document.getAnimations().filter(a => a.playState === 'running').length"
    assert page.evaluate(running) == 2 * film.MOMENTS
    page.locator(".film button").focus()
    page.keyboard.press("Enter")
    assert page.locator(".film button").inner_text() == "Play"
    assert page.evaluate(running) == 0


def test_without_scripts_the_film_is_its_last_picture(open_page):
    page, _ = open_page("index.html", java_script_enabled=False)
    assert not page.locator(".film button").is_visible()
    opacities = page.locator(".film .frames img").evaluate_all("all => all.map(i => getComputedStyle(i).opacity)")
    assert opacities == ["0"] * (film.MOMENTS - 1) + ["1"]


def test_the_film_is_cut_from_the_figure_of_a_run(book):
    id, moments = film.chosen(book)
    assert [m.title for m in moments] == [
        "t = 100",
        "t = 80",
        "t = 60",
        "t = 45",
        "t = 30",
        "t = 20",
        "t = 10",
        "t = 0",
    ]
    drawn = "".join(book.figures[id]["hero.svg"].split())
    assert all("".join(m.picture.split()) in drawn for m in moments)
    files = film.files(book)
    assert len(files) == film.MOMENTS
    assert all(text.count("<use") == 6 for text in files.values())  # six digits


def test_only_pages_that_are_there_are_linked(book):
    assert "learn.html" not in home.ways(book, {"apply.md"})
    assert 'href="apply.html"' in home.ways(book, {"apply.md"})
    assert "demos.html#demo-" in home.ways(book, {"demos.md"})
    assert home.ways(book, ()) == ""


def test_the_command_has_a_button_that_copies_it(open_page):
    page, _ = open_page("index.html")
    door = page.locator(".door", has_text="genai-patterns run")
    assert door.get_by_role("button").count() + door.locator(".md-clipboard").count() > 0


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_accessible(open_page, viewport):
    page, wrong = open_page("index.html", viewport)
    assert axe(page) == []
    darken(page)
    assert axe(page) == []
    assert not wrong
