"""Entrances by wish: each leads to a pattern with a run, what it is made of, and what its last run measured."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

import catalog
from catalog.site import apply, svg
from catalog.site.book import ROOT, read, site_folder
from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken


@pytest.fixture(scope="module")
def book():
    return read(catalog.load(), site_folder(), {})


def test_every_application_is_an_entrance_and_every_entrance_a_pattern(book):
    ids = [id for of in apply.ENTRANCES.values() for id in of.values()]
    assert len(ids) == len(set(ids))
    assert set(ids) <= set(book.entries)
    assert {e.id for e in book.entries.values() if e.kind == "application"} <= set(ids)


def test_each_shows_a_figure_a_command_its_parts_and_two_numbers_from_evidence(book):
    for of in apply.entrances(book).values():
        for wish, e in of.items():
            html = apply.section(book, wish, e)
            assert f"genai-patterns run {e.id}<" in html
            assert "<figure>" in html
            assert "Made of" in html or e.id in ("constrained_decoding",), e.id
            found = re.findall(r'#claim-(\w+)">[^\n]*?<b>([^<]+)</b>', apply.measured(book, e))
            assert found, e.id
            for id, number in found:
                values = [m.value for m in book.evidence[e.id][id].measures.values()]
                assert number in map(svg.number, values), f"{e.id}.{id}"


def test_no_number_without_a_measurement(book):
    bare = replace(book, evidence={})
    assert apply.measured(bare, bare.entries["chatbot"]) == ""
    assert apply.entrances(replace(book, catalog=catalog.Catalog([*book.entries.values()], "Mine", {}))) == {}


@pytest.mark.parametrize("id", ["tool_use", "text_summarization"])
def test_what_data_it_takes_is_what_the_command_line_says(book, id):
    command = [sys.executable, "-m", "catalog", "run", id, "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    takes = " ".join(apply.own_data(book, book.entries[id]).split())
    assert takes
    assert takes[:60] in " ".join(told.split())


def test_every_wish_says_what_data_of_ones_own_it_takes(book):
    takes = {e.id: apply.own_data(book, e) for of in apply.entrances(book).values() for e in of.values()}
    assert [id for id, text in takes.items() if not text] == []


@pytest.mark.parametrize(
    ("takes", "path"),
    [
        ("a .tsv or .csv file", "mine.tsv"),
        ("a folder of .wav files", "mine/"),
        ("a UTF-8 file, or a folder", "mine.txt"),
        ("mnist; a folder of images; a .npy file", "mine/"),
    ],
)
def test_the_example_is_of_the_first_kind_that_is_named(takes, path):
    assert apply.example(takes) == path


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page(open_page, viewport):
    page, wrong = open_page("apply.html", viewport)
    assert page.locator(".tiles a").count() == page.locator(".entrance").count() > 20
    page.locator(".tiles a", has_text="Translate").click()
    assert page.url.endswith("#machine_translation")
    for dark in (False, True):
        if dark:
            darken(page)
        assert page.evaluate(WIDTH) <= viewport["width"]
        assert axe(page) == []
    assert not wrong
