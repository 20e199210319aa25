"""Whatever an entry or a file beside it says is shown as text: every field of each schema, in all files of the site."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from pydantic import BaseModel, TypeAdapter, ValidationError

from catalog.evidence import Figure
from catalog.learn import Learn
from catalog.schema import About, Decisions, Entry, Synonyms
from tests.site import sample
from tests.site.browser import DESKTOP
from tests.site.sample import ADDRESS, DOI, HOSTILE, WORD, harmless

Place = tuple[str, ...]
NAMES = {About: {"fields.required.*", "fields.optional.*"}, Figure: {"file"}}
"""Words that are none: names of fields, which are checked, and of files, which our tests give."""
PAGE = frozenset({"script", "style", "body", "img"})
"""What our own pages have."""


def free(hint: Any, place: Place = ()) -> Iterator[Place]:
    """Where a model takes words of any kind: names of fields, `*` for what stands in a list or a mapping."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        hints = get_type_hints(hint, include_extras=True)
        for name, field in hint.model_fields.items():
            yield from free(hints[name], (*place, field.alias or name))
    elif get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from free(part, place)
    elif (bare := get_args(hint)[0] if get_origin(hint) is Annotated else hint) is str:
        if any(accepts(hint, text) for text in (HOSTILE[:150], WORD, ADDRESS, DOI)):
            yield place
    elif bare is not hint:
        yield from free(bare, place)
    elif get_origin(hint) in (list, dict):
        yield from free(get_args(hint)[-1], (*place, "*"))


def accepts(hint: Any, text: str) -> bool:
    try:
        TypeAdapter(hint).validate_python(text)
    except ValidationError:
        return False
    return True


def at(value: Any, place: Place) -> list[str]:
    """The words at a place of what a file says."""
    if not place:
        return [value] if isinstance(value, str) else []
    if place[0] == "*":
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return [text for part in parts for text in at(part, place[1:])]
    return at(value[place[0]], place[1:]) if isinstance(value, dict) and place[0] in value else []


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Entry, sample.data("hostile", "energy", "other", HOSTILE)),
        (Decisions, {"decisions": [sample.decision(HOSTILE)]}),
        (Learn, sample.lessons(HOSTILE, "other")),
        (Synonyms, {"synonyms": [sample.synonym(HOSTILE)]}),
        (About, sample.about(HOSTILE)),
        (Figure, sample.figures(HOSTILE)[0]),
    ],
    ids=lambda given: given.__name__ if isinstance(given, type) else "",
)
def test_every_field_that_takes_words_has_hostile_ones(model: type[BaseModel], said: dict[str, Any]):
    """The samples of these tests leave no field out, so that none that is added later can be forgotten."""
    model.model_validate(said)
    places = list(free(model))
    assert places
    tame = {".".join(p) for p in places if not any(h in text for text in at(said, p) for h in ("pwned", WORD))}
    assert tame == NAMES.get(model, set())


def written(site: Any, *suffixes: str) -> Iterator[tuple[str, str]]:
    """Path and text of the site's files in which hostile words occur."""
    for path in sorted(site.folder.rglob("*")):
        if path.suffix in suffixes and "pwned" in (text := path.read_text(encoding="utf-8")):
            yield path.relative_to(site.folder).as_posix(), text


def test_in_no_page_do_they_become_an_element_or_a_script(site):
    pages = dict(written(site, ".html"))
    assert {"patterns/hostile.html", "choose.html", "glossary.html", "exercises.html", "learn/hostile.html"} <= {*pages}
    for path, html in pages.items():
        try:
            harmless(html, ours=PAGE)
        except AssertionError as error:
            raise AssertionError(f"{path}: {error}") from None
        for kind, code in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S):
            data = re.search(r'type="application/(ld\+)?json"', kind)
            assert "pwned" not in code or (data and json.loads(code)), path
        for name in re.findall(r"<(?:title|meta)\b[^>]*>", html):
            assert "<" not in name[1:], path


def test_nor_in_what_machines_read(site):
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render
    for path, text in written(site, ".md", ".txt"):
        try:
            harmless(shown(text))
        except AssertionError as error:
            raise AssertionError(f"{path}: {error}") from None
    for _, text in written(site, ".ipynb"):
        for cell in json.loads(text)["cells"]:
            if cell["cell_type"] == "markdown":
                harmless(shown("".join(cell["source"])))
    for _, text in written(site, ".json"):
        assert json.loads(text)
    for path, text in written(site, ".xml", ".svg", ".rss", ".atom"):
        tree = ElementTree.fromstring(text)
        for element in tree.iter():
            assert element.tag.rpartition("}")[2] not in {"script", "foreignObject", "iframe"}, path
            assert not [a for a in element.attrib if a.startswith("on")], path
            assert not any(re.match(r"\s*javascript:", value, re.I) for value in element.attrib.values()), path
            if element.tag.endswith(("description", "content", "summary", "encoded")) and element.text:
                harmless(element.text)


def test_nor_in_a_browser(open_page, site):
    """Every page that holds them is opened and unfolded, and asked to show them where scripts write."""
    for path in dict(written(site, ".html")):
        page, wrong = open_page(path, DESKTOP)
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        if not wrong and page.evaluate("window.pwned") is None:
            page.context.close()
            continue
        raise AssertionError(f"{path}: {wrong}")
    for path in ("graph.html#focus=hostile", "compare.html#ids=hostile,autoencoder", "choose.html#hostile"):
        page, wrong = open_page(path, DESKTOP)
        assert page.evaluate("window.pwned") is None, path
        assert "window.pwned" in page.locator("article").inner_text(), path
        assert not wrong, path
