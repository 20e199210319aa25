"""Ways, exercises, glossary, misconceptions, timeline; and terms in the prose of patterns."""

from __future__ import annotations

import re

import pytest

from catalog import loader
from catalog.catalog import Catalog
from catalog.learn import Exercise, Learn, Step, Term, Way
from catalog.site import learn, lessons, pattern
from catalog.site.book import Book, read, site_folder
from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken
from tests.site.sample import HOSTILE, entry, harmless

CATALOG = loader.load()


@pytest.fixture(scope="module")
def book() -> Book:
    return read(CATALOG, site_folder(), {})


def taught(prose: str) -> Book:
    """Two entries, with everything that can be learned of them said in these words."""
    one, two = entry(prose), entry(prose, id="other", name="Other", aliases=[], relations=[])
    made = Book(Catalog([one, two], "Test", {"energy": "Energy"}))
    short = prose[:150]
    made.__dict__["lessons"] = Learn(
        paths=[
            Way(
                id="way", title=short, about=prose,
                steps=[
                    Step(pattern="sample", new=prose, claim="c", exercise="task"),
                    Step(pattern="other", after="sample", by="alternative_to", new=prose, claim="c"),
                ],
            )
        ],
        exercises=[
            Exercise(
                id="task", title=short, question=prose, hint=prose, answer=f"{prose} 3", results=["3"],
                check="result = 1 + 2  # <b>", patterns=["sample"],
            )
        ],
        terms=[Term(id="words", name="words", said=[short], meaning=prose, patterns=["other"])],
    )  # fmt: skip
    return made


def test_hostile_words_become_text():
    made = taught(HOSTILE)
    found = learn.pages(made)
    assert {"learn.md", "learn/way.md", "exercises.md", "glossary.md", "misconceptions.md", "timeline.md"} <= set(found)
    for page in found.values():
        harmless(page.split("---\n\n", 1)[1], ours=frozenset({"script", "link"}))
    page = learn.mark(made, made.entries["sample"], pattern.page(made, made.entries["sample"]))
    for chunk in re.split(r"(?m)^## .*$", page.split("---\n\n", 1)[1]):
        harmless(chunk, ours=frozenset({"script", "link"}))


def test_every_step_shows_its_relation_its_claim_and_its_exercise(book: Book):
    assert book.lessons
    found = learn.pages(book)
    for way in book.lessons.paths:
        page = found[f"learn/{way.id}.md"]
        assert page.count('<div class="joined">') == len(way.steps) - 1
        assert page.count('class="shown-claim"') == len(way.steps)
        for s in way.steps:
            assert f"../patterns/{s.pattern}.html#claim-{s.claim}" in page
            assert s.exercise is None or f'id="exercise-{s.exercise}"' in page
    assert found["exercises.md"].count('class="exercise"') == len(book.lessons.exercises)


def test_every_page_has_its_markdown(book: Book):
    assert set(learn.pages(book)) <= set(lessons.whole(book))
    for _, _, write in lessons.whole(book).values():
        assert write(book).startswith("# ")


def test_every_dated_pattern_is_on_the_timeline_twice_and_every_misconception_once(book: Book):
    found = learn.pages(book)
    for e in book.entries.values():
        assert found["timeline.md"].count(f'href="patterns/{e.id}.html"') == 2
    said = sum(len(e.misconceptions) for e in book.entries.values())
    assert found["misconceptions.md"].count('<div class="misconception') == said


def test_a_catalog_without_lessons_has_no_such_pages():
    plain = entry(misconceptions=[], year=2020, relations=[])
    made = Book(Catalog([plain], "Test", {"energy": "Energy"}))
    assert learn.pages(made) == {}
    page = pattern.page(made, plain)
    assert learn.mark(made, plain, page) == page


# ---- terms


def marked(text: str) -> str:
    made = taught("x")
    made.__dict__["lessons"] = Learn(
        terms=[
            Term(id="elbo", name="ELBO", said=["evidence lower bound"], meaning="A bound."),
            Term(id="prior", name="prior", meaning="$p(z)$."),
        ]
    )
    page = f"---\ntitle: x\n---\n\nprior\n\n## Solution\n\n{text}\n\n## Sources\n\nthe prior\n"
    return learn.mark(made, made.entries["sample"], page)


def test_the_first_mention_of_a_term_in_a_section_is_marked_once():
    page = marked("<div><p>The ELBO and the elbo; priors, an evidence lower bound.</p></div>")
    assert page.count('class="term"') == 2
    assert '<a class="term" href="../glossary.html#term-elbo" aria-describedby="tip-elbo">ELBO</a> and the elbo' in page
    assert ">priors</a>" in page
    assert page.count('id="tip-') == 2
    assert "the prior\n" in page.partition("## Sources")[2]


@pytest.mark.parametrize(
    "text",
    [
        "<p><code>prior</code></p>", '<p><a href="x.html">the <b>prior</b></a></p>', "<h3>Prior</h3>",
        '<p><span class="arithmatex">\\(prior\\)</span></p>', "<pre><code>prior</code></pre>",
        "<p>a-priori prioritize</p>",        "<svg><text>prior</text></svg>", '<p title="prior">x</p>',
    ],
)  # fmt: skip
def test_nothing_is_marked_in_code_links_formulas_and_headings(text: str):
    assert 'class="term"' not in marked(text)


def test_what_follows_code_is_marked_again():
    assert marked("<p><code>a</code><br> the prior <code>prior</code></p>").count('class="term"') == 1


def test_a_pattern_does_not_explain_its_own_name(book: Book):
    e = book.entries["kv_cache"]
    page = learn.mark(book, e, pattern.page(book, e))
    assert "#term-kv_cache" not in page


def test_marking_all_pages_takes_little_of_the_build(book: Book, cpu):
    sample = list(book.entries.values())[:20]
    texts = [(e, pattern.page(book, e)) for e in sample]
    took = cpu(lambda: [learn.mark(book, e, text) for e, text in texts])
    assert took * len(book.entries) / len(sample) < 0.5


# ---- in a browser


def test_a_term_is_explained_on_focus_and_escape_closes(open_page):
    page, wrong = open_page("patterns/vae.html")
    term = page.locator("a.term").first
    term.focus()
    tip = page.locator(".term-tip")
    assert tip.is_visible()
    described = page.locator(f"#{term.get_attribute('aria-describedby')}")
    text = "element => element.textContent"
    assert tip.evaluate(text) == described.evaluate(text) != ""
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    term.hover()
    assert tip.is_visible()
    box = tip.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= DESKTOP["width"]
    assert wrong == []


def test_the_first_tap_explains_a_term_and_the_second_follows_it(open_page):
    page, wrong = open_page("patterns/vae.html", PHONE, has_touch=True)
    term = page.locator("a.term").first
    address, leads = page.url, (term.get_attribute("href") or "").rpartition("/")[2]
    term.tap()
    page.wait_for_selector(".term-tip", state="visible")
    assert page.url == address
    term.tap()
    page.wait_for_url(f"**/{leads}")
    assert wrong == []


def test_ticks_are_kept_in_the_browser_alone_and_can_be_taken_back(open_page):
    page, wrong = open_page("learn/games.html")
    assert page.evaluate("localStorage.getItem('way:games')") is None
    page.locator(".tick input").nth(0).press("Space")
    page.locator(".tick input").nth(2).check()
    assert page.inner_text(".progress [role=status]").startswith("2 of ")
    page.reload()
    assert page.locator(".tick input").nth(2).is_checked()
    page.goto(page.url.replace("learn/games.html", "learn.html"))
    assert page.inner_text(".way[data-way=games] .done").startswith("2 of ")
    page.go_back()
    page.click(".progress button")
    assert page.evaluate("localStorage.getItem('way:games')") is None
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "word"), [("misconceptions", "torch.load"), ("glossary", "ELBO"), ("exercises", "BM25")]
)
def test_a_field_filters_and_is_in_the_address(open_page, path: str, word: str):
    page, wrong = open_page(f"{path}.html")
    items = ".exercise, .misconception, .glossary > div"
    whole = page.locator(items).count()
    page.fill(".tools[data-filter] input", word)
    shown = page.locator(f":is({items}):visible").count()
    assert 0 < shown < whole
    assert page.inner_text(".tools[data-filter] [role=status]").startswith(f"{shown} of {whole}")
    again, _ = open_page(page.url.split("/")[-1])
    assert again.locator(f":is({items}):visible").count() == shown
    assert wrong == []


PAGES = ["learn", "learn/codes_to_images", "exercises", "glossary", "misconceptions", "timeline"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_and_are_accessible(open_page, path: str, size):
    page, wrong = open_page(f"{path}.html", size)
    assert page.evaluate(WIDTH) <= size["width"]
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate(WIDTH) <= size["width"]
    assert axe(page) == []
    darken(page)
    assert axe(page) == []
    assert wrong == []


def test_names_on_the_timeline_are_legible_on_a_phone(open_page):
    page, _ = open_page("timeline.html", PHONE)
    size, wide = page.evaluate("""() => {
        const svg = document.querySelector("svg.years.narrow");
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        const width = (node, part) => node.querySelector(part).getBBox().width;
        const nodes = Array.from(svg.querySelectorAll("a.node"));
        const wide = nodes.filter((node) => width(node, "text") > width(node, "rect"));
        return [scale * parseFloat(getComputedStyle(svg.querySelector(".node text")).fontSize), wide.length];
    }""")
    assert size >= 10
    assert wide == 0
