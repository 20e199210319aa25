"""Each demo, worked as a person would, computes what the Python reference does with the same weights."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import torch

from catalog.site import demos
from reference_impl.diffusion import ddim
from reference_impl.diffusion.classifier_free_guidance import ClassifierFreeGuidance, GuidanceConfig
from reference_impl.energy.hopfield_network import Hopfield
from reference_impl.latent_variable.autoencoder import Autoencoder, AutoencoderConfig
from reference_impl.latent_variable.vae import VAE, VAEConfig
from reference_impl.style_transfer.adain import AdaIN, AdaINConfig, adain
from tests.site.browser import DESKTOP, PATIENCE, PHONE, WIDTH, axe, darken
from tests.site.working import kept, press, restored, same, shown


@torch.no_grad()
def test_latent_pad(started: Any) -> None:
    _, demo, wrong = started("latent")
    for title, key, model in (
        ("VAE", "vae", VAE(VAEConfig(latent_dim=2))),
        ("Autoencoder", "autoencoder", Autoencoder(AutoencoderConfig(latent_dim=2, hidden=192))),
    ):
        press(demo.get_by_label(f"{title}, z1"), "ArrowRight", 9)
        press(demo.get_by_label(f"{title}, z2"), "ArrowLeft", 4)
        found = shown(demo)[f"{key}-decode"]
        assert found["z"] != [0, 0]
        restored(model, kept(key, "decode"))
        same(found["image"], model.decode(torch.tensor([found["z"]])))
    before = shown(demo)
    demo.get_by_role("button", name="Draw a code").click()
    after = shown(demo)
    assert after["vae-decode"]["z"] == after["autoencoder-decode"]["z"] != before["vae-decode"]["z"]
    assert not wrong


@pytest.mark.parametrize(("id", "least"), [("ask", 300), ("latent", 12), ("hopfield", 12), ("gpt", 20)])
def test_a_start_lets_the_page_answer(open_page: Any, id: str, least: int) -> None:
    page, wrong = open_page("demos.html")
    page.evaluate("""() => {  // time flies: every look at the clock finds that much was computed since the last
        const now = performance.now.bind(performance), post = MessagePort.prototype.postMessage;
        let looks = 0;
        window.turns = 0;
        performance.now = () => now() + 13 * looks++;
        MessagePort.prototype.postMessage = function (...given) { window.turns++; return post.apply(this, given); };
    }""")
    page.locator(f"#demo-{id} .start").click()
    page.wait_for_selector(f"#demo-{id}.running", timeout=60_000)
    assert page.evaluate("window.turns") >= least
    assert not wrong


def test_the_plane_is_a_pad(started: Any) -> None:
    _, demo, _ = started("latent")
    before = shown(demo)["vae-decode"]["z"]
    demo.locator(".half:nth-child(2) canvas").first.click(position={"x": 20, "y": 30})
    assert shown(demo)["vae-decode"]["z"] != before


@torch.no_grad()
def test_denoising_player(started: Any) -> None:
    page, demo, wrong = started("denoise")
    program = kept("classifier_free_guidance", "noise")
    model = ClassifierFreeGuidance(GuidanceConfig())
    restored(model.averaged, program)

    def check() -> None:
        found = shown(demo)
        model.cfg = model.cfg.model_copy(update={"guidance": found["weight"]})
        x = torch.tensor(found["noise"]).view(-1, 1, 8, 8)
        y = None if found["label"] == "" else torch.full((len(x),), int(found["label"]))
        same([v for s in found["samples"] for v in s], ddim.walk(model, x, found["times"], y))

    check()
    again = "document.querySelector('#demo-denoise .stage').shown"
    press(demo.get_by_label("Guidance w"), "ArrowRight", 3)
    page.wait_for_function(again)
    check()
    demo.get_by_label("Digit").select_option("")
    page.wait_for_function(again)
    check()
    assert not wrong


@torch.no_grad()
def test_style_mixer(started: Any) -> None:
    page, demo, wrong = started("style")
    page.evaluate("document.querySelector('#demo-style .stage').shown = null")
    press(demo.get_by_label("Styles on the left"), "ArrowRight", 5)
    press(demo.get_by_label("Strength"), "ArrowLeft", 4)
    page.wait_for_function("document.querySelector('#demo-style .stage').shown?.strength === 0.8")
    found = shown(demo)
    program = kept("adain", "decode")
    model = AdaIN(AdaINConfig())
    restored(model.decoder, program)
    restored(model.encoder, kept("adain", "encode"))
    pictures = {}
    for name in ("contents", "styles"):
        fact = program["facts"][name]
        raw = torch.frombuffer(bytearray(base64.b64decode(fact["bytes"])), dtype=torch.uint8)
        pictures[name] = raw.view(fact["shape"]).float() / 255
    f = model.encoder(pictures["contents"][[found["photo"]]])
    mixed = sum(w * adain(f, model.encoder(s[None])) for w, s in zip(found["weights"], pictures["styles"], strict=True))
    same(found["image"], model.decoder(torch.lerp(f, mixed, found["strength"])))
    assert not wrong


@torch.no_grad()
def test_hopfield_pad(started: Any) -> None:
    page, demo, wrong = started("hopfield")

    def check() -> dict[str, Any]:
        found = shown(demo)
        model = Hopfield(Hopfield.Config(units=256))
        model.store(torch.tensor(found["memories"], dtype=torch.float))
        s = torch.tensor([found["cue"]], dtype=torch.float)
        for sweep in found["order"]:
            for i in sweep:
                model.update(s, i)
        same(found["state"], s)
        return found

    assert check()["overlap"] > 0.95
    # below 0.138, past it as the page says to try first, far past it
    for load, least, most in [("0.1", 0.95, 1), ("0.2", 0, 0.9), ("0.3", 0, 0.8)]:
        page.evaluate("document.querySelector('#demo-hopfield .stage').shown = null")
        demo.get_by_label("Load").fill(load)
        at_load = f"document.querySelector('#demo-hopfield .stage').shown?.load === {load}"
        page.wait_for_function(at_load)
        assert least <= check()["overlap"] <= most, load
    demo.locator("canvas").nth(1).click()
    assert "by hand" in demo.locator(".stage [role=status]").inner_text()
    assert not wrong


@pytest.mark.parametrize("demo", demos.DEMOS, ids=lambda d: d.id)
def test_weights_of_a_demo_are_light(demo: demos.Demo) -> None:
    """No more than 300 kB for all its programs together, as they are stored: half precision, before base64."""
    assert sum(len(base64.b64decode(kept(*program)["data"])) for program in demo.programs) <= 300_000


PAGES = ["demos.html", *dict.fromkeys(f"patterns/{d.patterns[0]}.html" for d in demos.DEMOS)]


@pytest.mark.parametrize("path", PAGES)
def test_without_scripts_a_recording_stands_there(open_page: Any, path: str) -> None:
    page, wrong = open_page(path, java_script_enabled=False)
    found = page.locator(".demo")
    assert found.count() >= (len(demos.DEMOS) if path == "demos.html" else 1)
    for demo in found.all():
        film = demo.locator("img.film")
        film.scroll_into_view_if_needed()
        assert film.is_visible()
        assert len(film.get_attribute("alt") or "") > 40  # says what one sees
        assert not demo.locator(".start").is_visible()
    assert not wrong


def test_before_its_start_a_demo_loads_neither_weights_nor_pictures(open_page: Any) -> None:
    page, _ = open_page("patterns/adain.html")
    page.wait_for_timeout(500)
    found = page.evaluate("performance.getEntriesByType('resource').map(r => r.name)")
    assert any("demos.js" in name for name in found)
    assert not [name for name in found if "/demos/" in name or "net.js" in name or "demo_" in name]
    assert page.locator(".demo img").count() == 0


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_running_demos_fit_and_are_accessible(open_page: Any, viewport: dict[str, int]) -> None:
    page, wrong = open_page("demos.html", viewport)
    for demo in page.locator(".demo").all():
        demo.locator(".start").click()
        page.wait_for_function("d => d.querySelector('.stage').shown", arg=demo.element_handle())
        assert page.evaluate(WIDTH) <= viewport["width"]
    assert axe(page) == []
    darken(page)
    assert axe(page) == []
    assert not wrong


def test_an_animation_waits_off_screen_and_goes_on(browser: Any, address: str) -> None:
    context = browser.new_context(viewport=DESKTOP)  # motion is welcome
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{address}demos.html")
    demo = page.locator("#demo-denoise")
    demo.locator(".start").click()
    page.wait_for_function("document.querySelector('#demo-denoise .stage').shown")
    step = demo.locator(".stage .hint").first
    ended = "e => e.textContent.startsWith('Step 12 of 12')"
    away = "b => { b.click(); window.scrollTo(0, document.body.scrollHeight); }"  # at once: it takes 1.2 s
    demo.get_by_role("button", name="Play again").evaluate(away)
    page.wait_for_function(f"e => !({ended})(e)", arg=step.element_handle())
    page.wait_for_timeout(2500)
    assert not step.evaluate(ended)
    demo.scroll_into_view_if_needed()
    page.wait_for_function(ended, arg=step.element_handle())
    context.close()
