"""Ask the catalog: the page ranks, copies, cites and refuses as the reference does with the same passages."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from catalog import load
from reference_impl.application.question_answering import QuestionAnswering
from reference_impl.tasks.stories import Stories
from tests.site.working import kept, press, shown

MOST = 300_000
"""Bytes that the page may load."""


@pytest.fixture(scope="module")
def reader(site: Any) -> QuestionAnswering:
    """The reference over the passages that the site was built of."""
    facts = kept("question_answering", "sure")["facts"]
    model = QuestionAnswering(QuestionAnswering.Config(reader="copy", threshold=facts["threshold"]))
    passages = load(site.folder.parent / "patterns").passages()
    model.rag[0].index([p for p in passages if p[1] in facts["sections"]])
    return model


def ask(demo: Any, question: str) -> Any:
    """Type a question and press Enter."""
    field = demo.get_by_label("Question")
    field.fill(question)
    field.press("Enter")
    return shown(demo)


def test_scores_are_those_of_bm25(started: Any, reader: QuestionAnswering) -> None:
    _, demo, wrong = started("ask")
    asked = [q for q, _, _ in Stories("pages").held_out]
    # whole passages too, formulas and all: each word of theirs has to be the same word here
    asked += [text for _, _, text in reader.rag[0].passages[::40]]
    script = "(stage, asked) => asked.map((question) => [...stage.scores(question)])"
    found = torch.tensor(demo.locator(".stage").evaluate(script, asked), dtype=torch.float64)
    wanted = torch.stack([reader.rag[0].scores(question) for question in asked])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-3)
    assert wanted.max() > 100
    assert not wrong


def test_answers_and_refusals_are_the_references(started: Any, reader: QuestionAnswering) -> None:
    _, demo, wrong = started("ask")
    task, refused = Stories("pages"), 0
    for question in [*(q for q, _, _ in task.held_out[:12]), *task.unanswerable[:8], "zzz qqq"]:
        found = ask(demo, question)
        [(answer, sure)], [given] = reader.judged([question]), reader.answers([question])
        assert found["sure"] == pytest.approx(sure, abs=1e-3)
        if answer.sources:
            assert found["text"] == answer.text
            sections = kept("question_answering", "sure")["facts"]["sections"]
            assert [f"{found['cited']['id']}/{sections[found['cited']['section']]}"] == answer.sources
        assert found["refused"] == (not given.sources)
        refused += found["refused"]
        said = demo.locator(".stage [role=status]").inner_text()
        assert said.startswith("No answer.") == found["refused"]
    assert 8 < refused < 20
    assert not wrong


def test_the_threshold_can_be_moved(started: Any) -> None:
    _, demo, _ = started("ask")
    ask(demo, "What fixes mode collapse in a GAN?")
    press(demo.get_by_label("How sure"), "End", 1)
    assert shown(demo)["refused"]
    press(demo.get_by_label("How sure"), "Home", 1)
    assert not shown(demo)["refused"]


def test_every_citation_leads_to_its_section(started: Any, site: Any) -> None:
    page, demo, _ = started("ask")
    data = page.evaluate("window.programs.ask")
    texts = {id: (site.folder / "patterns" / f"{id}.html").read_text(encoding="utf-8") for id in data["entries"]}
    for id, (_, *rows) in data["entries"].items():
        for section, _ in rows:
            anchor = data["anchors"][section]
            assert not anchor or f'id="{anchor}"' in texts[id], (id, anchor)
    demo.locator(".passages a").first.click()
    page.wait_for_url("**/patterns/*.html*")


def test_what_is_loaded_is_small(site: Any) -> None:
    assert (site.folder / "demos" / "ask.js").stat().st_size < MOST
