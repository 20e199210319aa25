"""The page of a pattern: plots of what was measured, symbols and code that lead to each other, notebooks that run.

Pages are made by the writer's functions; what scripts do is tried in a browser on the built site.
"""

from __future__ import annotations

import ast
import html
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from catalog import loader
from catalog.catalog import Catalog
from catalog.evidence import Measured, Record
from catalog.schema import Measure
from catalog.site import annotate, claims, notebook, pattern
from catalog.site.book import ROOT, Book, Citation, read, site_folder
from tests.site.browser import DESKTOP, PHONE, WIDTH, axe, darken
from tests.site.sample import HOSTILE, entry, harmless, record

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def real() -> Book:
    return read(loader.load(), site_folder(), {})


@pytest.fixture(scope="module")
def made(real: Book) -> dict[str, str]:
    """Every pattern's page."""
    return {id: pattern.page(real, e) for id, e in real.entries.items()}


# ---- the first screen ----


def test_the_first_screen_has_what_one_chooses_by_in_the_order_of_the_phone(real: Book, made: dict[str, str]):
    for id, e in real.entries.items():
        head = made[id].partition("\n## ")[0]
        order = ["<h1", 'class="lede"', 'class="overview', 'class="intent"', "Use it when", "Avoid it when"]
        places = [head.index(part) for part in [*order, 'class="verdict"', 'class="facts"']]
        assert places == sorted(places), id
        facts = re.findall(r'<dl class="facts">(.*?)</dl>', head)
        assert facts[0].count("<dt>") == 5, id
        assert plain_words(e.summary) in plain_words(re.sub("<[^>]+>", "", head)), id


def plain_words(text: str) -> str:
    return " ".join(re.findall(r"\w+", html.unescape(text)))


# ---- plots ----


def drawn(text: str) -> ET.Element:
    return ET.fromstring(text)


def marks(drawing: str, cls: str) -> list[float]:
    """Where the marks of a class stand in a plot."""
    found = []
    for element in drawn(drawing).iter():
        if element.get("class", "").removesuffix(" off") == cls:
            first = element.get("cx") or re.match(r"M([\d.]+)", element.get("d", ""))[1]  # type: ignore[index]
            found.append(float(first))
    return found


def plotted(bars: dict, value: float, baseline: float | None = None, seeds: list[float] | None = None):
    measure = Measure.model_validate({"what": "w", "unit": "nats", "baseline": "other", **bars})
    got = Measured(value=value, baseline=baseline, seeds=seeds or [])
    on = claims.scales([(measure, got)])[id(measure)]
    return claims.plot(measure, got, on), on


@pytest.mark.parametrize(
    ("bars", "baseline", "interval"),
    [
        ({"at_most": 2.0}, None, (float("-inf"), 2.0)),
        ({"at_least": 0.0}, None, (0.0, float("inf"))),
        ({"between": [1.0, 3.0]}, None, (1.0, 3.0)),
        ({"near": {"value": 1.0, "tolerance": 0.25}}, None, (0.75, 1.25)),
        ({"of_baseline_at_most": 0.5}, 4.0, (float("-inf"), 2.0)),
        ({"above_baseline_by": 1.0, "at_most": 9.0}, 4.0, (5.0, 9.0)),
        ({"below_baseline_by": 0.0}, 4.0, (float("-inf"), 4.0)),
        ({"baseline_at_least": 1.0}, 4.0, (float("-inf"), float("inf"))),
    ],
)
def test_the_band_is_where_the_bars_are_met(bars, baseline, interval):
    measure = Measure.model_validate({"what": "w", "unit": "1", "baseline": "b", **bars})
    assert claims.region(measure, baseline) == interval


@pytest.mark.parametrize("value", [1e-9, 1.0, 1e9, 0.0, -3.0])
def test_a_plot_marks_every_number_at_its_place(value: float):
    drawing, on = plotted({"of_baseline_at_most": 0.5}, value, 8.0, [value, 0.5, 3.0])
    assert marks(drawing, "value") == pytest.approx([on.at(value)], abs=0.06)
    assert marks(drawing, "seed") == pytest.approx([on.at(v) for v in (value, 0.5, 3.0)], abs=0.06)
    assert marks(drawing, "base") == pytest.approx([on.at(8.0)], abs=0.06)
    assert marks(drawing, "edge") == pytest.approx([on.at(4.0)], abs=0.06)
    assert on.log == (value in (1e-9, 1e9))


def test_the_order_of_numbers_is_the_order_of_their_places():
    for values in ([1e-6, 1e-3, 1, 50], [-5, -1, 0, 2], [0.98, 0.99, 1.0], [3.0]):
        on = claims.scale(values)
        places = [on.at(v) for v in values]
        assert places == sorted(set(places))
        assert min(places) >= on.left
        assert max(places) <= on.right
        ticks = on.ticks()
        assert 2 <= len(ticks) <= 6 or on.log
        assert all(on.low <= t <= on.high * (1 + 1e-9) for t in ticks)
        assert ticks == sorted(set(ticks))


def test_a_number_that_is_not_finite_is_not_drawn_and_said():
    drawing, _ = plotted({"at_most": 1.0}, math.nan, math.inf)
    assert "nan" not in re.sub(r'aria-label="[^"]*"', "", drawing).lower()
    assert "misses" in drawn(drawing).get("aria-label", "")


def test_a_number_that_misses_its_bar_looks_and_reads_so():
    for value, off in ((0.9, False), (1.1, True)):
        drawing, _ = plotted({"at_most": 1.0}, value)
        assert ("value off" in drawing) == off
        assert ("which it misses" in drawing) == off


def test_measures_of_one_unit_share_a_scale_unless_one_would_be_squashed():
    first, second, seconds, wide = (
        Measure(what=f"{n}", unit=unit, at_most=bar)
        for n, (unit, bar) in enumerate([("nats", 1.0), ("nats", 2.0), ("s", 1.0), ("nats", 30.0)])
    )
    got = Measured(value=0.2)
    found = claims.scales([(first, got), (second, got), (seconds, got)])
    assert found[id(first)] == found[id(second)] == claims.scale([0.2, 1.0, 2.0])
    assert found[id(seconds)] == claims.scale([0.2, 1.0])
    found = claims.scales([(first, got), (wide, got)])
    assert found[id(first)] == claims.scale([0.2, 1.0])


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ({"at_most": 1}, "lower"), ({"of_baseline_at_most": 1}, "lower"), ({"below_baseline_by": 1}, "lower"),
        ({"at_least": 1}, "higher"), ({"above_baseline_by": 1}, "higher"), ({"between": [0, 1]}, "inside"),
        ({"near": {"value": 1, "tolerance": 1}}, "inside"), ({"baseline_at_least": 1}, ""),
    ],
)  # fmt: skip
def test_which_direction_supports_the_claim_is_said(bars: dict, said: str):
    measure = Measure.model_validate({"what": "w", "unit": "1", "baseline": "b", **bars})
    assert claims.wants(measure) == (f"{said} supports it" if said else "")


def test_every_measured_number_of_the_catalog_is_drawn_and_said_once(real: Book, made: dict[str, str]):
    for id, e in real.entries.items():
        measured = sum(len(real.evidence[id][c.id].measures) for c in e.claims if c.id in real.evidence[id])
        drawings = re.findall(r'<svg class="measure" .*?</svg>', made[id])
        assert len(drawings) == measured, id
        for drawing in drawings:
            root = drawn(drawing)
            assert root.get("aria-label")
            for text in root.iter(f"{SVG}text"):
                assert 0 <= float(text.get("x", "-1")) <= 340


# ---- symbols and code ----


def test_symbols_and_lines_of_code_lead_to_each_other(real: Book, made: dict[str, str]):
    linked = 0
    for id, e in real.entries.items():
        page = made[id]
        for n, mark in ((m.number, m) for m in pattern.symbols(real, e).values()):
            row = re.search(rf'<tr id="symbol-{n}" data-symbol="{n}">.*?</tr>', page)
            assert row, (id, n)
            assert f'href="#L{mark.line}"' in row[0]
            code = re.search(
                rf'<span class="line" id="L{mark.line}".*?</span>\n</span>|<span class="line" id="L{mark.line}"[^\n]*',
                page,
            )
            assert code, (id, mark)
            linked += f'href="#symbol-{n}"' in code[0]
            assert page.count(f'href="#symbol-{n}"') <= 1
    total = sum(len(pattern.symbols(real, e)) for e in real.entries.values())
    assert linked > 0.95 * total


def test_the_file_one_copies_is_the_reference(real: Book, made: dict[str, str]):
    for id, text in real.sources.items():
        kept = re.search(r'<textarea id="reference-source"[^>]*>(.*?)</textarea>', made[id], re.S)
        assert kept
        assert html.unescape(kept[1]) == text.strip("\n"), id


def test_words_that_changed_within_a_line_are_marked():
    diff, plus, minus = annotate.changes("a = f(x, 1)\nb = 2\n", "a = f(y, 1)\nb = 2\nc = 3\n")
    assert (plus, minus) == (2, 1)
    assert re.findall(r"<mark>(.*?)</mark>", diff) == ["x", "y"]
    assert "<mark>" not in annotate.changes("alpha = 1\n", "for k in range(9): print(k)\n")[0]


def test_marks_leave_the_text_as_it_is():
    old, new = "x = '<b>' + f(a)[0]\n", "x = '<i>' + f(a, b)[1]\n"
    diff, _, _ = annotate.changes(old, new)
    text = html.unescape(re.sub(r"<[^>]+>", "", diff))
    assert text.splitlines()[:2] == [f"-{old.strip()}", f"+{new.strip()}"]


def test_every_parent_has_its_difference(real: Book, made: dict[str, str]):
    several = [id for id in real.entries if len(real.parents(id)) > 1]
    assert several
    for id in several:
        changes = made[id].split("\n## What changes against its parents\n")[1].partition("\n## ")[0]
        for x in real.parents(id):
            assert f'href="{x.target}.html"' in changes, (id, x.target)


# ---- failures, relations, citing ----


def test_a_remedy_shows_the_numbers_of_the_claim_that_proves_it(real: Book, made: dict[str, str]):
    shown = 0
    for id in real.entries:
        for x in real.catalog.edges(id):
            if x.type != "remedied_by" or not x.relation.claim:
                continue
            at = made[id].index(f'id="failure-{x.relation.fixes}"')
            failure = made[id][at : made[id].find('<div class="failure"', at)]
            got = real.evidence[x.target][x.relation.claim].measures
            first = next(m for m in got.values() if m.baseline is not None)
            assert f"{x.target}.html#claim-{x.relation.claim}" in failure
            assert f"<b>{claims.number(first.baseline)}</b>" in failure
            assert f"<b>{claims.number(first.value)}" in failure
            shown += 1
    assert shown == sum(x.type == "remedies" for x in real.stated) > 0


def test_each_relation_stands_once_in_the_group_of_its_type(real: Book, made: dict[str, str]):
    for id in real.entries:
        section = made[id].partition('<div class="by-type">')[2].partition("\n## ")[0]
        edges = real.catalog.edges(id)
        assert section.count('<p class="rel">') == len(edges), id
        assert section.count("<section>") == len({x.type for x in edges}), id
        assert section.count('<p class="proof">') == sum(bool(x.proven) for x in edges), id


def test_a_page_leads_on_along_every_way_past_it(real: Book, made: dict[str, str]):
    assert real.lessons
    past = set()
    for way in real.lessons.paths:
        for i, s in enumerate(way.steps):
            past.add(s.pattern)
            part = made[s.pattern].partition("\n## Read on\n")[2].partition("\n## ")[0]
            own = part.partition(f'<a href="../learn/{way.id}.html#{s.pattern}">')[2].partition("<h3>")[0]
            assert f"Step {i + 1} of {len(way.steps)}" in own
            near = [way.steps[j].pattern for j in (i + 1, i - 1) if 0 <= j < len(way.steps)]
            assert re.findall(r'class="chip [^"]*" href="(\w+)\.html"', own) == near
    for id, page in made.items():
        assert ("## Read on" in page) == (id in past)


def test_docstrings_have_arrows_that_no_line_ends_within():
    assert annotate.docstring("Mean: (B, D) -> (B, Z)\nor (B,)\n-> ()") == "Mean: (B, D) → (B, Z)\nor (B,)\n→ ()"


def test_citations_are_bibtex(real: Book, made: dict[str, str]):
    bibtexparser = pytest.importorskip("bibtexparser")
    for id in list(real.entries)[::10]:
        texts = re.findall(r'<code id="bibtex-(\w+)">(.*?)</code>', made[id], re.S)
        assert texts[0][0] == "page"
        for name, text in texts:
            library = bibtexparser.parse_string(html.unescape(text))
            assert not library.failed_blocks, (id, name)
            assert library.entries
        page = bibtexparser.parse_string(html.unescape(texts[0][1])).entries[0].fields_dict
        assert real.citation.version == page["version"].value
        assert page["year"].value == real.citation.date[:4]


def test_a_catalog_without_a_citation_cites_the_sources_alone():
    book = Book(Catalog([entry(relations=[])], "Test", {"energy": "Energy"}))
    shown = pattern.citation(book, book.entries["sample"])
    assert "bibtex-page" not in shown
    assert "bibtex-source" in shown


# ---- notebooks ----


def cells(text: str, kind: str) -> list[str]:
    return ["".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == kind]


def test_notebooks_have_the_form_of_4_5_and_hold_the_reference(real: Book):
    for id, e in real.entries.items():
        text = notebook.notebook(e, real.sources[id], "1.2")
        assert text == notebook.notebook(e, real.sources[id], "1.2")
        data = json.loads(text)
        assert set(data) == {"cells", "metadata", "nbformat", "nbformat_minor"}
        assert (data["nbformat"], data["nbformat_minor"]) == (4, 5)
        ids = [c["id"] for c in data["cells"]]
        assert len(set(ids)) == len(ids)
        for c in data["cells"]:
            code = {"outputs", "execution_count"} if c["cell_type"] == "code" else set()
            assert set(c) == {"id", "cell_type", "metadata", "source"} | code
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", c["id"])
            assert all(isinstance(line, str) for line in c["source"])
        install, *code = cells(text, "code")
        assert install == '%pip install "genai-patterns[reference]==1.2"'
        # all statements of the module, and after them those of the run
        source = ast.parse(real.sources[id])
        whole = [ast.dump(n) for cell in code for n in ast.parse(cell).body]
        kept = [ast.dump(n) for n in source.body[1:] if "__name__" not in ast.unparse(n)]
        assert whole[: len(kept)] == kept, id
        for cell in code:
            compile(cell, id, "exec")


RUN = """
import json, sys, types
display = types.ModuleType("IPython.display")
shown = []
display.Image, display.display = bytes, shown.append
ipython = types.ModuleType("IPython")
ipython.version_info = (9, 0)  # matplotlib asks
sys.modules |= {"IPython": ipython, "IPython.display": display}
names = {"__name__": "__main__"}
for cell in json.load(sys.stdin):
    exec(compile(cell, "cell", "exec"), names)
assert all(picture.startswith(b"\\x89PNG") for picture in shown)
print("pictures", len(shown))
"""


@pytest.mark.parametrize(("id", "pictures"), [("vae", 1), ("hopfield_network", 1), ("gpt", 0)])
def test_a_notebook_runs_cell_by_cell(real: Book, id: str, pictures: int):
    code = cells(notebook.notebook(real.entries[id], real.sources[id], "1.2"), "code")[1:]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps(code), env=environment, text=True, capture_output=True,
        check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"pictures {pictures}" in done.stdout
    assert "Score(" in done.stdout


# ---- hostile words ----


def test_hostile_words_stay_text_on_every_part_of_the_page():
    other = entry(HOSTILE, id="other", name="Other", aliases=[], relations=[])
    given = Catalog([entry(HOSTILE, aliases=[HOSTILE[:100]]), other], "Test", {"energy": "Energy"})
    book = Book(
        given, evidence={"sample": {"c": Record.model_validate(record(0.75))}},
        sources={"sample": f'"""Doc."""\nx = """\n\n</textarea><script>{HOSTILE}</script>\n"""\nenergy = 1\n'},
        citation=Citation(HOSTILE, HOSTILE, "2020-01-01", (HOSTILE,)),
    )  # fmt: skip
    page = pattern.page(book, book.entries["sample"]).split("---\n\n", 1)[1].removeprefix(pattern.INCLUDES)
    for chunk in re.split(r"(?m)^## .*$", page):
        harmless(chunk)
    for block in re.split(r"\n\n", page):
        assert not block.strip() or block.startswith(("## ", "<")), block[:80]
    text = notebook.notebook(book.entries["sample"], book.sources["sample"], "1")
    assert json.loads(text)


# ---- in a browser ----


def copied(page) -> str:
    return page.evaluate("navigator.clipboard.readText()")


def test_copy_buttons_by_keyboard(open_page, site, real: Book):
    page, wrong = open_page(f"patterns/{site.ordinary}.html", permissions=["clipboard-read", "clipboard-write"])
    button = page.locator(".claim .copy").first
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.claim .copy').textContent === 'Copied'")
    assert page.locator("p[role=status].said-aloud").inner_text() == "Copied"
    assert copied(page).startswith(f"genai-patterns verify {site.ordinary}.")
    page.locator("button[data-copy=reference-source]").click()
    page.wait_for_function("document.querySelector('[data-copy=reference-source]').textContent === 'Copied'")
    assert copied(page) == real.sources[site.ordinary].strip("\n")
    assert not wrong


def test_where_nothing_can_be_copied_the_text_is_selected(open_page, site):
    page, wrong = open_page(f"patterns/{site.ordinary}.html")
    page.evaluate("document.execCommand = () => false")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.locator(".claim .copy").first.click()
    page.wait_for_function("document.querySelector('.claim .copy').textContent.startsWith('Selected')")
    assert page.evaluate("getSelection().toString()").startswith("genai-patterns verify")
    assert not wrong


def test_without_scripts_there_is_no_dead_button(open_page, site):
    page, _ = open_page(f"patterns/{site.ordinary}.html", java_script_enabled=False)
    assert page.locator("button.copy:visible").count() == 0
    assert page.locator("svg.measure:visible").count() > 0


def test_a_symbol_marks_its_row_and_its_places_in_the_code(open_page, site):
    page, _ = open_page(f"patterns/{site.ordinary}.html")
    link = page.locator("table.symbols a[href^='#L']").first
    key = link.evaluate("a => a.closest('tr').dataset.symbol")
    link.focus()
    assert page.locator(f".annotated [data-symbol='{key}'].on").count() > 0
    link.blur()
    assert page.locator(".on[data-symbol]").count() == 0
    page.locator(f".annotated a[data-symbol='{key}']").hover()
    assert page.locator(f"tr[data-symbol='{key}'].on").count() == 1


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_first_screen(open_page, viewport):
    page, _ = open_page("patterns/vae.html", viewport)
    tops = [page.locator(f".md-content {s}").first.bounding_box() for s in
            ("h1", ".lede", ".overview .hero", ".overview .intent")]  # fmt: skip
    assert all(box and box["y"] < viewport["height"] for box in tops)
    if viewport is DESKTOP:
        for part in (".verdict", ".overview > .deciding .facts", ".overview .advice"):
            box = page.locator(part).first.bounding_box()
            assert box["y"] + box["height"] <= viewport["height"], part
    else:
        order = [page.locator(f".md-content {s}").first.bounding_box()["y"] for s in
                 ("h1", ".lede", ".hero", ".intent", ".advice", ".verdict", ".facts")]  # fmt: skip
        assert order == sorted(order)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_page_with_differences_and_long_code_is_accessible(open_page, viewport):
    page, wrong = open_page("patterns/vae.html", viewport)
    for more in page.locator("article details").all():
        more.evaluate("d => { d.open = true; }")
    assert axe(page) == []
    darken(page)
    assert axe(page) == []
    assert page.evaluate(WIDTH) <= viewport["width"]
    assert not wrong


RESTS = """([id, low, high, last]) => {
    const top = document.getElementById(id).getBoundingClientRect().top, now = performance.now();
    if (window.topBefore !== top) [window.topBefore, window.since] = [top, now];
    const end = last && innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    return now - window.since > 400 && top >= low && (top < high || (end && top < innerHeight));
}"""
"""Whether an element has come to rest between two heights of the window, or on its last screen."""


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_jumps_land_though_what_lies_between_is_laid_out_late(open_page, site, viewport):
    page, wrong = open_page(f"patterns/{site.ordinary}.html", viewport)
    far = page.locator(".cite-as h3").first
    assert not far.evaluate("e => e.checkVisibility({contentVisibilityAuto: true})"), "it is laid out at once"
    for id in ("sources", "L60", "evidence", "failure-modes", "how-to-cite", "L30"):
        page.evaluate("id => { location.hash = id }", id)
        page.wait_for_function(RESTS, arg=[id, 0, 160, True])
    assert not wrong


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("id", ["gan", "vae"])
def test_a_jump_ends_where_it_leads(open_page, id, viewport):
    page, _ = open_page(f"patterns/{id}.html#related-patterns", viewport)
    for goal in ("related-patterns", "evidence", "related-patterns", "problem"):
        page.evaluate("goal => { location.hash = goal }", goal)
        page.wait_for_function(RESTS, arg=[goal, 28, 108, False])  # below the header
