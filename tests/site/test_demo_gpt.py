"""The GPT in the page: its logits, its law, what it writes and what it counts are the reference's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from reference_impl.inference.truncation_sampling import TruncationSampling
from tests.site.working import Draws, kept, press, restored, same, shown


@pytest.fixture(scope="module")
def model() -> TruncationSampling:
    facts = kept("gpt", "step")["facts"]
    sizes = {"vocab": len(facts["characters"]), "channels": facts["channels"], "layers": 2, "temperature": 0.8}
    made = TruncationSampling(TruncationSampling.Config(**sizes))
    restored(made, kept("gpt", "step"))
    return made


def written(page: Any, demo: Any, button: str = "") -> Any:
    """What stands there when the text is finished, after a press on a button."""
    if button:
        page.evaluate("document.querySelector('#demo-gpt .stage').shown = null")
        demo.get_by_role("button", name=button).press("Enter")
    page.wait_for_function("document.querySelector('#demo-gpt .stage').shown?.done")
    return shown(demo)


@torch.no_grad()
def test_it_computes_what_the_reference_does(started: Any, model: TruncationSampling) -> None:
    page, demo, wrong = started("gpt")
    found = written(page, demo)
    ids = torch.tensor([found["ids"]])
    assert ids.shape[1] == model.cfg.context
    seen: list[Tensor] = []
    hook = model.blocks[1].softmax.register_forward_hook(lambda m, i, out: seen.append(out))
    logits, _ = model.logits(ids)
    hook.remove()
    same(found["logits"], logits[0, -1])
    same(found["law"], model.law(logits[0, -1]))
    demo.get_by_label("Attention of").select_option("6")  # layer 2, head 3
    same(shown(demo)["attention"], seen[0][0, 2, -1])

    # and each character is the one that the same draws give there
    draws, start = Draws(1), len(kept("gpt", "step")["facts"]["prompt"])
    laws = model.law(logits[0, start - 1 : -1]).double().cumsum(-1)
    assert [int((row <= draws.uniform()).sum()) for row in laws] == found["ids"][start:]
    assert not wrong


@torch.no_grad()
def test_temperature_and_top_p(started: Any, model: TruncationSampling) -> None:
    page, demo, _ = started("gpt")
    found = written(page, demo)
    press(demo.get_by_label("Temperature"), "ArrowRight", 10)
    press(demo.get_by_label("Top-p"), "ArrowLeft", 9)
    hot = TruncationSampling(model.cfg.model_copy(update={"temperature": 1.3, "top_p": 0.5}))
    assert shown(demo)["law"] != found["law"]
    same(shown(demo)["law"], hot.law(torch.tensor(found["logits"])))


def test_the_cache_changes_the_work_and_not_the_text(started: Any, model: TruncationSampling) -> None:
    page, demo, wrong = started("gpt")
    written(page, demo)
    press(demo.get_by_label("Longest text"), "Home", 1)
    press(demo.get_by_label("Longest text"), "ArrowRight", 4)
    cached = written(page, demo, "Write")
    assert len(cached["ids"]) == 48
    demo.get_by_label("KV cache").press("Space")
    again = written(page, demo, "Write")
    assert cached["cached"]
    assert not again["cached"]
    assert again["text"] == cached["text"]
    assert (cached["passes"], again["passes"]) == (cached["work"][0][0], cached["work"][1][0])
    assert again["passes"] > 20 * cached["passes"]
    other = written(page, demo, "Another text")
    assert other["text"] != cached["text"]
    assert not wrong


@torch.no_grad()
def test_multiply_adds_are_those_that_torch_counts(started: Any, model: TruncationSampling) -> None:
    page, demo, _ = started("gpt")
    found = written(page, demo)
    start, cache, counted = len(kept("gpt", "step")["facts"]["prompt"]), None, 0
    for i, id in enumerate(found["ids"]):
        with FlopCounterMode(display=False) as counter:
            _, cache = model.logits(torch.tensor([[id]]), cache)
        # the page asks for a law only from the end of the prompt on
        counted += counter.get_total_flops() // 2 - (i + 1 < start) * model.head.weight.numel()
    assert found["work"][0][1] == counted


def test_one_character_and_a_prompt_of_ones_own(started: Any) -> None:
    page, demo, wrong = started("gpt")
    written(page, demo)
    demo.get_by_label("Prompt").fill("An energy 漢")
    demo.get_by_role("button", name="Prompt only").press("Enter")
    page.wait_for_function("document.querySelector('#demo-gpt .stage').shown.text === 'An energy '")
    assert demo.locator(".bars li").count() == 8
    demo.get_by_role("button", name="One character").press("Enter")
    page.wait_for_function("document.querySelector('#demo-gpt .stage').shown.text.length === 11")
    assert not wrong
