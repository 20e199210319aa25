"""The writer: the same bytes every time, hostile words as text, and nothing on a page that no run produced."""

from __future__ import annotations

import base64
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from catalog import data, loader
from catalog.catalog import Catalog
from catalog.evidence import Record
from catalog.site import annotate, pattern, svg, text, writer
from catalog.site.book import ROOT, Book, contributing, read, site_folder
from tests.site.sample import HOSTILE, HOSTILE_FIGURE, entry, harmless, record

PRINT_DIGEST = """
import hashlib
from catalog import loader
from catalog.site.book import read, site_folder
from catalog.site.writer import render, twins
book = read(loader.load(), site_folder(), {})
files = render(book) | {"twin/" + k: v for k, v in twins(book).items()}
print(hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest())
"""


def book(measured: Record | None = None, prose: str = "Plain words with $x^2$.") -> Book:
    other = entry(prose, id="other", name="Other", aliases=[], relations=[])
    catalog = Catalog([entry(prose, aliases=["Simple"]), other], "Test", {"energy": "Energy"})
    return Book(catalog, evidence={"sample": {"c": measured} if measured else {}})


def test_the_hash_seed_changes_no_byte(tmp_path: Path):
    patterns = shutil.copytree(data.folder(), tmp_path / "patterns")  # `verify` may be writing to the original
    digests = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, data.VARIABLE: str(patterns)}
        command = [sys.executable, "-c", PRINT_DIGEST]
        done = subprocess.run(command, env=environment, cwd=ROOT, text=True, capture_output=True, check=True)
        digests.add(done.stdout)
    assert len(digests) == 1


def test_only_what_changed_is_written_and_stale_files_go(tmp_path: Path):
    files = {"a/b.md": b"one", "c.md": b"two"}
    assert writer.write(files, tmp_path) == ["a/b.md", "c.md"]
    before = (tmp_path / "c.md").stat().st_mtime_ns
    assert writer.write(files | {"a/b.md": b"three"}, tmp_path) == ["a/b.md"]
    assert (tmp_path / "c.md").stat().st_mtime_ns == before
    assert writer.write({"c.md": b"two"}, tmp_path) == ["a/b.md"]
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["c.md"]


def test_the_real_catalog_renders_a_page_for_each_pattern():
    catalog = loader.load()
    files = writer.render(read(catalog, site_folder(), {}))
    assert {f"patterns/{e.id}.md" for e in catalog} <= set(files)
    home = files["index.md"].decode()
    assert f"<b>{len(catalog)}</b> patterns" in home
    assert "{{" not in home


@pytest.mark.parametrize(
    ("value", "state"), [(0.25, "holds"), (0.5, "holds"), (0.75, "does not hold"), (None, "not measured yet")]
)
def test_the_state_of_a_claim_is_computed_from_its_number(value: float | None, state: str):
    b = book() if value is None else book(Record.model_validate(record(value)))
    page = pattern.page(b, b.entries["sample"])
    card = page[page.index('id="claim-c"') : page.index('id="claim-unmeasured"')]
    assert f'<p class="state">{state}</p>' in card
    assert "not measured yet" in page[page.index('id="claim-unmeasured"') :]


def test_the_verdict_counts_claims():
    b = book(Record.model_validate(record(0.25)))
    assert "1 of 2 claims hold, 1 not measured yet" in pattern.page(b, b.entries["sample"])
    assert "2 claims, not measured yet" in pattern.page(book(), book().entries["sample"])


@pytest.mark.parametrize("make", [text.block, text.inline, text.line])
def test_hostile_words_become_text(make):
    html = make(HOSTILE)
    harmless(html)
    assert "&lt;script&gt;" in html


def test_a_hostile_entry_opens_no_element_of_its_own():
    """Every page of the hostile entry has the elements of an ordinary one, and no blank line ends its HTML."""
    hostile = book(Record.model_validate(record(0.75)), prose=HOSTILE)
    body = pattern.page(hostile, hostile.entries["sample"]).split("---\n\n", 1)[1].removeprefix(pattern.INCLUDES)
    for chunk in re.split(r"(?m)^## .*$", body):
        harmless(chunk)
    front = pattern.page(hostile, hostile.entries["sample"]).split("---\n")[1]
    assert not set("<>`{}\\") & set(front)


def test_no_blank_line_inside_a_block():
    html = text.block("one\n\n```\na\n\n\nb\n```\n\ntwo")
    assert "\n\n" not in html
    assert html.count("&#10;") == 2


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("costs $5 and $6", "costs $5 and $6"),
        ("$a_1$ and $b_1$", '<span class="arithmatex">\\(a_1\\)</span> and <span class="arithmatex">\\(b_1\\)</span>'),
        ("`$a$`", "<code>$a$</code>"),
        (r"\$a\$", "$a$"),
        ("$x < y$", '<span class="arithmatex">\\(x &lt; y\\)</span>'),
        ("let $x$, y", 'let <span class="closed"><span class="arithmatex">\\(x\\)</span>,</span> y'),
        ("at ($x$)", 'at <span class="closed">(<span class="arithmatex">\\(x\\)</span>)</span>'),
    ],
)
def test_dollars(source: str, html: str):
    assert text.inline(source) == html


def test_display_mathematics_may_look_like_markdown():
    html = text.block("before\n\n$$\na\n- b\n= c\n$$\n\nafter")
    assert '<div class="arithmatex">\\[a - b = c\\]</div>' in html
    assert "<li>" not in html


def test_links_of_contributing_into_the_repository_become_text():
    assert contributing("see [the schema](catalog/schema.py) and [out](https://example.org)").endswith(
        "see the schema and [out](https://example.org)"
    )


# ---- drawings ----


def test_figures_lose_scripts_and_references_to_the_outside():
    clean = svg.figure_file(HOSTILE_FIGURE)
    assert "pwned" not in clean
    assert "example.org" not in clean
    assert 'href="#r"' in clean


@pytest.mark.parametrize(
    "bad", ["<svg", "<html/>", '<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"/>']
)
def test_broken_figures_are_refused(bad: str):
    with pytest.raises(svg.UnsafeFigure):
        svg.figure_file(bad)


def png(*pixels: tuple[int, ...]) -> str:
    """A row of pixels as the address of a PNG, each filtered by its left neighbor."""
    channels = len(pixels[0])
    row = bytes((p[c] - (pixels[n - 1][c] if n else 0)) & 255 for n, p in enumerate(pixels) for c in range(channels))
    head = struct.pack(">IIBBBBB", len(pixels), 1, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\x01" + row)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


@pytest.mark.parametrize(
    ("address", "inked"),
    [
        (png((0, 0, 0), (90, 90, 90)), True),
        (png((7, 7, 7, 255), (200, 200, 200, 0)), True),
        (png((0, 0, 0), (90, 90, 91)), False),
        ("data:image/png;base64,AAAA", False),
        ("data:image/png;base64,?", False),
    ],
)
def test_gray_pictures_take_the_ink_of_the_page(address: str, inked: bool):
    source = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{address}"/></svg>'
    assert ("url(#ink)" in svg.figure_file(source)) == inked


def test_black_points_on_a_colored_field_stay_black():
    gray, red = (f'<image xmlns="http://www.w3.org/2000/svg" href="{png(p)}"/>' for p in ((0, 0, 0), (200, 0, 0)))
    panels = f'<g id="axes_1">{gray}</g><g id="axes_2">{red}{gray}</g>'
    drawn = svg.figure_file(f'<svg xmlns="http://www.w3.org/2000/svg">{panels}</svg>')
    assert drawn.count("url(#ink)") == 1


def test_a_structure_draws_every_flow():
    components = entry().structure
    drawing = svg.structure(components, "Sample")
    # x into the first, a down to the second and past it to the third, b down, c back up to the second; one goes out
    assert drawing.count('class="box"') == 3
    assert drawing.count('class="tip"') == 6
    assert drawing.count('class="port"') == 1


@pytest.mark.parametrize(
    ("x", "shown"), [(0.0, "0"), (-1.5, "−1.5"), (1e-6, "10⁻⁶"), (2.5e-7, "2.5 × 10⁻⁷"), (123456.0, "1.235 × 10⁵")]
)
def test_numbers(x: float, shown: str):
    assert svg.number(x) == shown


# ---- annotated source ----


def test_every_line_of_code_is_shown_once():
    source = (ROOT / "reference_impl/energy/hopfield_network.py").read_text(encoding="utf-8")
    shown = [n for row in annotate.rows(source) for n in row.code]
    assert shown == sorted(set(shown))
    lines = source.splitlines()
    left_out = "\n".join(line for n, line in enumerate(lines, 1) if n not in shown)
    prose = "\n".join(p for row in annotate.rows(source) for p in row.prose)
    for word in re.findall(r"\w{4,}", left_out):
        assert word in prose


def test_comments_become_prose():
    rows = annotate.rows(
        'x = 1\n\n\ndef f(a):\n    """Says."""\n    b = a\n    # why\n    # so\n    return b  # near\n'
    )
    assert [(r.prose, r.code) for r in rows] == [([], [1]), (["Says."], [4, 6]), (["why\nso"], [9])]


def test_an_identifier_is_found_where_it_is_defined():
    source = "import torch\nW = 0\nclass A:\n    rate: float = 1\n    def f(self, x):\n        self.k = x + W\n"
    assert [annotate.line_of(source, n) for n in ("W", "rate", "f", "self.k", "x", "nothing")] == [2, 4, 5, 6, 5, None]


def test_changes_are_those_of_the_code():
    old, new = '"""Old words."""\na = 1\nb = 2\n', '"""New words,\nmore of them."""\na = 1\nb = 3\nc = 4\n'
    html, plus, minus = annotate.changes(old, new)
    assert (plus, minus) == (2, 1)
    assert html.count('class="line plus"') == 2
    assert "words" not in html
