"""The search in the pages: what it finds first, that all it leads to is there, that one can use it by keyboard."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

import pytest

from catalog import loader
from catalog.site import finder, links
from catalog.site.book import read, site_folder
from tests.site.browser import DESKTOP, PATIENCE, PHONE, WIDTH, axe, darken, served, visitor
from tests.site.sample import HOSTILE

HIT = ".seek-hit"
READY = "window.seeks && window.seeks.text && !/being read/.test(document.querySelector('.seek-count').textContent)"
FIRST = """asked => {
    const field = document.querySelector(".seek input"), list = document.querySelector(".seek-hits");
    const one = async ([text, id]) => {
        field.value = text;
        field.dispatchEvent(new Event("input"));
        await new Promise(done => setTimeout(done));
        const first = list.querySelector("a");
        return first && first.href.endsWith(`/patterns/${id}.html`) ? null : `${text}: ${first && first.textContent}`;
    };
    return asked.reduce((all, next) => all.then(async found => [...found, await one(next)]), Promise.resolve([]))
        .then(found => found.filter(Boolean));
}"""


def ask(page: Any, text: str) -> list[str]:
    """What is shown for a text once everything is loaded, a line for each hit."""
    page.fill(".seek input", text)
    page.wait_for_function(READY)
    return [" | ".join(hit.split("\n")) for hit in page.locator(HIT).all_inner_texts()]


@pytest.fixture
def field(open_page: Any) -> Any:
    page, wrong = open_page("patterns/vae.html")
    page.keyboard.press("/")
    yield page
    assert not wrong


def data(folder: Path, name: str) -> Any:
    """What one of the two scripts hands over."""
    text = (folder / "search" / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix(f"(window.seeks = window.seeks || {{}}).{name} = ").removesuffix(";\n"))


# -- without a browser


def test_every_address_leads_somewhere(site, tmp_path):
    rows = data(site.folder, "names")["docs"] + data(site.folder, "text")
    addresses = {to for _, _, _, to, _ in rows}
    assert len(addresses) > 1000
    (tmp_path / "addresses.html").write_text("".join(f'<a href="{escape(to)}"></a>' for to in sorted(addresses)))
    for page in {to.split("#")[0] for to in addresses}:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        shutil.copy(site.folder / page, tmp_path / page)
    assert [line for line in links.check(tmp_path) if line.startswith("addresses.html")] == []


def test_code_and_drawings_are_not_searched(site):
    text = (site.folder / "search/text.js").read_text(encoding="utf-8")
    assert "register_buffer" not in text
    assert "<svg" not in text


def test_equal_books_give_equal_bytes():
    made = [finder.files(read(loader.load(), site_folder(), {})) for _ in range(2)]
    assert made[0] == made[1]


# -- what is found


def test_every_name_and_alias_finds_its_entry_first(field):
    field.wait_for_function(READY)
    cases = itertools.cycle([str, str.swapcase, str.upper])
    asked = [(next(cases)(name), e.id) for e in loader.load() for name in (e.name, e.id, *e.aliases)]
    assert len(asked) > 900
    assert field.evaluate(FIRST, asked) == []


FIRST_HITS = {
    "vae": r"Variational Autoencoder \|",
    "variational auto": r"Variational Autoencoder \|",
    "varational autoencoder": r"Variational Autoencoder \|",
    "trasformer": r"Transformer \|",
    "posterior collapse": r"Variational Autoencoder \| Symptom: Posterior collapse",
    "expert collapse": r"Mixture of Experts \| Symptom: Expert collapse",
    "mode collapse": r"Generative Adversarial Network \|",
    "mode collpase": r"Generative Adversarial Network \|",
    "averaged restoration": r"Denoising Autoencoder \| Symptom:",
    "ELBO": r"Variational Autoencoder \| Term: ELBO",
    "kullback-leibler divergence": r"Variational Autoencoder \| Term: KL divergence",
    "dynamic programming": r"dynamic programming \| Tag: 1 pattern",
    "exposure bias": r".*\| (Symptom|Term): [Ee]xposure bias",
    "glossary": r"Glossary \| Page:",
    "Ask": r"Ask \| Page:",
    "Catalog.recommend": r"Catalog\.recommend \| Page: API",
}
AMONG = {
    "blurry": r"Variational Autoencoder \| Symptom: Blurred samples",
    "InfoNCE": r"CLIP .*\| Term: contrastive loss",
    "mode collapse": r"mode collapse .*\| Glossary: ",
    "sample faster": r".*\| Choose: ",
    "linear code": r".*\| Exercise: ",
    "Gephi": r"Exports.*\|",
    "photograph": r"Image Restoration \|",
    "how do I stop samples from looking alike": r".*\| Symptom: ",
}


def test_the_first_hit_is_what_was_meant(field):
    found = {asked: ask(field, asked)[0] for asked in FIRST_HITS}
    assert {asked: hit for asked, hit in found.items() if not re.match(FIRST_HITS[asked], hit)} == {}


def test_it_is_among_the_hits(field):
    found = {asked: ask(field, asked) for asked in AMONG}
    assert {asked: hits for asked, hits in found.items() if not any(re.match(AMONG[asked], h) for h in hits)} == {}


def test_an_entry_is_there_once_and_says_where_else(field):
    for asked in ("mode collapse", "gradient penalty", "exact likelihood", "vae", "sample faster"):
        hits = ask(field, asked)
        pages = field.eval_on_selector_all(f"{HIT}[href*='/patterns/']", "found => found.map(a => a.pathname)")
        assert pages
        assert len(set(pages)) == len(pages), asked
        assert any("Also in " in hit for hit in hits), asked
    assert ask(field, "mode collapse")[0].endswith(" | Also in Symptom: Missing modes")


def test_words_are_marked_and_reasons_given(field):
    assert ask(field, "auto-encoding variational bayes")[0].startswith("Variational Autoencoder | Also called: ")
    marked = field.locator(HIT).first.locator(".seek-said mark").all_inner_texts()
    assert marked == ["auto", "encoding", "variational", "Bayes"]


def test_what_is_found_nowhere_says_so(field):
    assert ask(field, "qqxxzzyyww") == []
    assert "Nothing found" in field.inner_text(".seek-count")
    for nothing in ("", "   ", "?!"):
        assert ask(field, nothing) == []


def test_hostile_text_shows_as_text(field):
    hits = ask(field, "window.pwned")
    assert any("<script>" in hit for hit in hits)
    for text in (HOSTILE[:150], HOSTILE):
        assert any("<script>" in hit for hit in ask(field, text))
    assert field.evaluate("window.pwned") is None
    assert field.locator(f"{HIT} :is(script, img, a, i i)").count() == 0


# -- how it is used


def test_nothing_is_fetched_before_it_is_asked_for(open_page):
    page, wrong = open_page("index.html")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url.rsplit("/", 1)[1]))
    loaded = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert not [name for name in loaded if re.search(r"minisearch|search/|search_index|search\.json", name)]
    page.focus(".seek input")
    page.wait_for_function(READY)
    ask(page, "vae")
    ask(page, "gan")
    assert sorted(name for name in asked if name.endswith(".js")) == ["minisearch.js", "names.js", "text.js"]
    assert not wrong


def test_keys_alone(open_page):
    page, wrong = open_page("patterns/vae.html")
    page.keyboard.press("s")
    box = page.locator(".seek input")
    assert box.evaluate("e => e === document.activeElement")
    assert box.input_value() == ""
    page.keyboard.type("gan")
    page.wait_for_function(READY)
    assert box.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator(f"{HIT}[aria-selected=true]")
    assert chosen.count() == 1
    assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("Escape")
    assert not page.locator(".seek-found").is_visible()
    assert box.input_value() == "gan"
    page.keyboard.press("Escape")
    assert box.input_value() == ""
    page.keyboard.press("/")
    page.keyboard.type("hopfield")
    page.keyboard.press("Enter")
    page.wait_for_url("**/patterns/hopfield_network.html")
    page.keyboard.press("/")
    page.keyboard.type("posterior collapse")
    page.wait_for_function(READY)
    page.keyboard.press("Enter")
    page.wait_for_url("**/patterns/vae.html#failure-posterior_collapse")
    assert not wrong


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_accessible_and_no_wider_than_the_screen(open_page, viewport):
    page, wrong = open_page("patterns/vae.html", viewport)
    if viewport is PHONE:
        assert not page.locator(".seek input").is_visible()
        page.locator(".seek-open").click()
    else:
        page.focus(".seek input")
    assert ask(page, "diffusion")
    page.keyboard.press("ArrowDown")
    for scheme in ("light", "dark"):
        assert axe(page) == [], scheme
        assert page.evaluate(WIDTH) <= viewport["width"]
        if scheme == "light":
            page.keyboard.press("Escape")
            if viewport is PHONE:
                page.locator(".seek-close").click()
                assert page.locator(".seek-open").evaluate("e => e === document.activeElement")
            darken(page)
            page.keyboard.press("/")
            assert ask(page, "diffusion")
    assert not wrong


def test_it_opens_from_a_folder(site, browser):
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto((site.folder / "patterns/vae.html").as_uri())
    page.keyboard.press("/")
    assert ask(page, "gan")[0].startswith("Generative Adversarial Network")
    context.close()


def test_without_the_library_names_are_found_all_the_same(site, tmp_path, browser):
    shutil.copytree(site.folder, tmp_path / "site")
    (tmp_path / "site/assets/minisearch.js").unlink()
    with served(tmp_path / "site") as address, visitor(browser, address) as open_:
        page, _ = open_("patterns/vae.html")
        page.keyboard.press("/")
        assert ask(page, "gan")[0].startswith("Generative Adversarial Network")
        assert any("Symptom: Posterior collapse" in hit for hit in ask(page, "posterior collapse"))
