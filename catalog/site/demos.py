"""Live demos: networks that a claim's run trained and kept, run in the page by site/assets/net.js."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import svg
from .book import Book
from .text import escape, inline, line


@dataclass(frozen=True)
class Demo:
    """Something to try, where a pattern's page has nothing but pictures without scripts."""

    id: str
    """Its script is site/assets/demo_<id>.js."""
    title: str
    what: str
    """What one can do, and what there is to see; Markdown."""
    first: str
    """What to try first, and what to notice; Markdown."""
    claim: tuple[str, str]
    """Pattern and id of the claim that this illustrates."""
    programs: tuple[tuple[str, str], ...]
    """Pattern and name of each program that a claim's run kept."""
    film: tuple[str, str]
    """Pattern and figure that stand in for it where scripts do not run: a recording from a run."""
    patterns: tuple[str, ...]
    """The patterns on whose pages it stands."""
    data: Callable[[Book], Any] | None = None
    """What else it loads, made of the book: demos/<id>.js."""


ANCHORS = {
    "facts": "", "summary": "", "intent": "", "solution": "solution", "failure_modes": "failure-modes",
    "use_when": "consequences",
}  # fmt: skip
"""Where sections of `Catalog.passages` stand on a pattern's page; the first three at its head."""


def passages(book: Book) -> dict[str, Any]:
    """The sections that were searched when the threshold was set: {id: [name, [section, text], ...]}."""
    wanted = json.loads(book.programs["question_answering"]["sure"])["facts"]["sections"]
    entries: dict[str, list[Any]] = {}
    for id, section, text in book.catalog.passages():
        if section in wanted:
            entries.setdefault(id, [book.entries[id].name]).append([wanted.index(section), text])
    return {"sections": wanted, "anchors": [ANCHORS[s] for s in wanted], "entries": entries}


DEMOS = [
    Demo(
        "latent", "Latent pad: autoencoder against VAE",
        "Both keep two numbers of each digit. Move the sliders, or point at a plane: the cross is the code, the small "
        "picture what it decodes to. Dots are codes of held-out digits, colored by class; the circle is one standard "
        "deviation of N(0, I). A code drawn from N(0, I) is a digit to the VAE. To the autoencoder it is a code like "
        "any other, and most of its codes lie elsewhere.",
        "Draw codes for both: the VAE's picture is a digit nearly each time, the autoencoder's often none.",
        ("vae", "prior_samples_are_closer_to_data_than_an_autoencoders"),
        (("autoencoder", "decode"), ("vae", "decode")), ("vae", "hero.svg"), ("vae", "autoencoder"),
    ),
    Demo(
        "denoise", "Denoising player",
        "Three samples from noise, by deterministic steps. Fewer steps: blurred or broken digits. More guidance: the "
        "digit asked for, ever more alike; at w = 0 the label is ignored. The same noise stays until you ask for new.",
        "Set the guidance to 0, then to 6: the same noise becomes any digit, then three that look alike.",
        ("classifier_free_guidance", "guidance_trades_diversity_for_the_label"),
        (("classifier_free_guidance", "noise"),), ("classifier_free_guidance", "hero.svg"),
        ("classifier_free_guidance", "ddim", "ddpm"),
    ),
    Demo(
        "style", "Style mixer",
        "A photograph in a mixture of four styles that the network never saw in training; they stand at the corners. "
        "All it takes of a style are a mean and a deviation of each channel of features. Strength 0 gives the "
        "photograph's own style back.",
        "Move both upper sliders to their ends: one style alone. Then one of them slowly back.",
        ("adain", "mixtures_pass_from_style_to_style"),
        (("adain", "encode"), ("adain", "decode")), ("adain", "mixtures.svg"), ("adain",),
    ),
    Demo(
        "hopfield", "Hopfield pad",
        "256 units keep the rings, and as many random memories as the load says. Recall starts from the rings with "
        "some units flipped; click on the state to damage it by hand. In a large network memories hold up to 0.138 "
        "memories a unit, then dissolve all at once. Move the load past it and recall again.",
        "Set the load to 0.10: the rings come back. Set it to 0.20: they do not.",
        ("hopfield_network", "retrieval_breaks_down_near_load_0138"),
        (), ("hopfield_network", "hero.svg"), ("hopfield_network",),
    ),
    Demo(
        "ask", "Ask the catalog",
        "Passages of this catalog are ranked by the words that they share with the question, rare words first (BM25). "
        "The best sentence is copied, its page cited; where one page is not clearly ahead there is no answer. Six "
        "sections of each page are searched; the threshold is that of the recorded run: on the questions "
        "that it was set on, at most one in five answers given was wrong.",
        "Press the last example, a question that no page answers; then lower how sure an answer has to be.",
        ("question_answering", "cites_the_right_page_or_refuses"),
        (("question_answering", "sure"),), ("question_answering", "risk_coverage.svg"),
        ("question_answering", "lexical_retrieval", "rag"), passages,
    ),
    Demo(
        "gpt", "A GPT that fits in the page",
        "It learned the prose of this catalog, character by character, while a claim was recorded, and writes "
        "words that look like it. Temperature and top-p reshape the law that each character is drawn from; the text is "
        "shaded by where the chosen head looks when it predicts what follows. Without the cache of keys and values all "
        "of the text passes through the network for each character: the same text, more work.",
        "Take the KV cache away and press Write: the same text, and the count of passes runs away.",
        ("gpt", "cached_generation_equals_the_full_pass"),
        (("gpt", "step"),), ("gpt", "hero.svg"), ("gpt", "kv_cache", "truncation_sampling"),
    ),
    Demo(
        "density", "Density studio",
        "Four models of one density, a ring of eight Gaussians, whose contours at one, two and three standard "
        "deviations are drawn. The flow moves noise through its layers, the diffusion model walks back from noise, the "
        "GAN jumps at once, and the energy-based model's particles roll down and jitter, with some leaps.",
        "Choose the diffusion model, then 5 steps instead of 30: most particles stop short of the modes.",
        ("score_sde", "a_trained_network_serves_sde_ode_and_likelihood"),
        (("realnvp", "layers"), ("score_sde", "noise"), ("gan", "generate"), ("energy_based_model", "energy")),
        ("score_sde", "hero.svg"), ("realnvp", "score_sde", "gan", "energy_based_model"),
    ),
]  # fmt: skip


def available(book: Book) -> list[Demo]:
    """The demos whose programs were recorded."""
    return [
        d
        for d in DEMOS
        if d.film[0] in book.entries and all(name in book.programs.get(id, {}) for id, name in d.programs)
    ]


def on_page(book: Book, id: str) -> str:
    """The demos that stand on a pattern's page."""
    found = [demo(book, d, "../") for d in available(book) if id in d.patterns]
    return _includes("../") + "".join(found) if found else ""


def page(book: Book) -> str:
    """All demos on one page."""
    front = "---\ntitle: Demos\ndescription: Trained models to play with, in the page\nhide: [navigation]\n---\n\n"
    parts = [f"## {d.title}\n\n{demo(book, d, '')}\n" for d in available(book)]
    lede = (
        "Each runs in this page, on weights that the recorded run of a claim produced; nothing is sent anywhere. "
        "Without scripts a picture from that run stands in its place."
    )
    return f"{front}# Demos\n\n{lede}\n\n{_includes('')}\n\n" + "\n".join(parts)


def demo(book: Book, d: Demo, up: str) -> str:
    """One demo: the picture that is there without scripts, a button, and room for what the script makes.

    A pattern's page has pictures of its own: there the picture is loaded only where scripts do not run.
    """
    scripts = [f"{up}assets/net.js", *(f"{up}demos/{id}-{name}.js" for id, name in d.programs)]
    if d.data:
        scripts.append(f"{up}demos/{d.id}.js")
    scripts.append(f"{up}assets/demo_{d.id}.js")
    size = sum(len(book.programs[id][name]) for id, name in d.programs)
    size += len(_data(book, d).encode()) if d.data else 0
    weight = f" ({size / 1000:.0f} kB)" if size else ""
    of = list(dict.fromkeys(id for id, _ in d.programs))
    names = ", ".join(f'<a href="{up}patterns/{id}.html">{escape(book.entries[id].name)}</a>' for id in of)
    origin = (
        f"Weights of the last recorded run of {names}." if names else "Nothing is loaded: the weights are made here."
    )
    id, file = d.film
    figure = next((f for f, _ in book.pictures(id) if f.file == file), None)
    film = ""
    if figure:
        source = f"{up}figures/{id}/{file}"
        film = f'<img class="film" src="{source}" alt="{escape(figure.alt)}" loading="lazy">'
        film = f"<noscript>{film}</noscript>" if up else film
    return (
        f'<section class="demo" id="demo-{d.id}" aria-label="{escape(d.title)}" data-demo="{d.id}"'
        f' data-scripts="{escape(" ".join(scripts))}">'
        f'<p>{line(d.what)}</p>{_try(book, d, up)}<div class="stage" hidden></div>{film}'
        f'<p class="controls"><button type="button" class="md-button md-button--primary start" hidden>'
        f'Run it here{weight}</button> <span role="status"></span></p>'
        f'<p class="hint">{origin}</p></section>'
    )


def _try(book: Book, d: Demo, up: str) -> str:
    """What to try first, and the claim that has it measured."""
    id, name = d.claim
    claim = next((c for c in book.entries[id].claims if c.id == name), None) if id in book.entries else None
    measured = ""
    if claim:
        said = inline(re.split(r"(?<=\.)\s", claim.statement)[0])
        measured = f'<br><b>Measured</b> <a href="{up}patterns/{id}.html#claim-{name}">{said}</a>'
    return f'<p class="try"><b>Try first</b> {line(d.first)}{measured}</p>'


def files(book: Book) -> dict[str, str]:
    """The scripts that hold the programs, and the pictures that stand in for demos, by path."""
    made: dict[str, str] = {}
    for d in available(book):
        id, file = d.film
        if file in book.figures.get(id, {}):
            made[f"figures/{id}/{file}"] = svg.figure_file(book.figures[id][file])
        for id, name in d.programs:
            key = json.dumps(f"{id}-{name}")
            made[f"demos/{id}-{name}.js"] = f"(self.programs ||= {{}})[{key}] = {book.programs[id][name].strip()};\n"
        if d.data:
            made[f"demos/{d.id}.js"] = f"(self.programs ||= {{}})[{json.dumps(d.id)}] = {_data(book, d)};\n"
    return made


def _data(book: Book, d: Demo) -> str:
    assert d.data is not None
    return json.dumps(d.data(book), ensure_ascii=False, separators=(",", ":"))


def _includes(up: str) -> str:
    return f'<link rel="stylesheet" href="{up}assets/demos.css"><script defer src="{up}assets/demos.js"></script>'
