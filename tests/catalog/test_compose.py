"""What entries declare of their references is so, and whether parts fit follows from it."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

import catalog
from catalog import compose as composing
from catalog import sources
from catalog.checks import check
from catalog.cli import cli
from catalog.errors import BadQuestion, UnknownPattern
from catalog.schema import Value

ROOT = Path(__file__).parents[2]
PUBLIC = {
    "sample", "encode", "decode", "reconstruct", "log_prob", "elbo", "energy", "logits", "discriminate", "reward",
    "retrieve", "rerank", "scores", "predict_noise", "velocity", "score", "complete", "restore", "stylize", "tokenize",
    "cell", "write", "classify",
}  # fmt: skip
"""Verbs that an entry declares wherever its reference has them."""
NUMBERS = {"log_probability", "energy", "reward", "verdict"}
"""Values that are one number for each observation."""
REPLACES = {
    ("adain", "neural_style_transfer"),
    ("style_transfer_network", "neural_style_transfer"),
    ("mixture_of_experts", "transformer"),
}
"""What accelerates by taking the other's place has no slot for it."""


@pytest.fixture(scope="module")
def cat() -> catalog.Catalog:
    return catalog.load(ROOT / "patterns")


def with_interface(make: Any, id: str, verbs: list[str], slots: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """An entry that declares verbs, each written as `encode: image -> latent`; `?label` may be given besides."""

    def signature(text: str) -> dict[str, Any]:
        name, _, rest = text.partition(":")
        left, _, right = rest.partition("->")
        takes = [t for t in left.split() if t[0] != "?"]
        accepts = [t[1:] for t in left.split() if t[0] == "?"]
        return {"verb": name, "takes": takes, "accepts": accepts, "gives": right.split()}

    places = [{"name": name, "needs": [signature(n) for n in needs]} for name, needs in (slots or {}).items()]
    return make(id, interface=[signature(v) for v in verbs], slots=places)


# -- what entries declare


def test_every_entry_declares_what_goes_in_and_comes_out(cat):
    assert [e.id for e in cat if not e.interface] == []


def test_lineage_is_pythons_own(cat):
    pytest.importorskip("torch")
    for e in cat:
        module, _, name = e.implementation.reference.partition(":")
        cls = getattr(importlib.import_module(module), name)
        real = [(c.__module__, c.__name__) for c in cls.__mro__ if c.__module__.startswith("reference_impl.")]
        assert [(c.module, c.name) for c in sources.lineage(cat, e)] == real, e.id
        assert sources.task(sources.lineage(cat, e)) == cls.task, e.id


def test_declared_verbs_are_the_references_public_verbs(cat):
    for e in cat:
        there = sources.methods(sources.lineage(cat, e))
        declared = {v.verb for v in e.interface}
        assert declared <= there.keys(), e.id
        # what takes a batch and an optimizer is a step of training, whatever it is called
        assert {name for name, args in there.items() if name in PUBLIC and args[:1] != ("batch",)} <= declared, e.id


def test_a_verb_that_needs_a_condition_says_so(cat):
    for e in cat:
        for c in sources.lineage(cat, e):
            if "sample" not in c.parts:
                continue
            node = ast.parse("class C:\n" + c.parts["sample"]).body[0].body[0]  # type: ignore[attr-defined]
            required = [a.arg for a in node.args.args[1 : len(node.args.args) - len(node.args.defaults)]]
            sample = [v for v in e.interface if v.verb == "sample"]
            if "y" in required:
                assert all(v.takes for v in sample), e.id
            assert not any(v.accepts for v in sample) or "y" in {a.arg for a in node.args.args}, e.id
            break


def test_numbers_per_observation_are_so_in_the_docstrings(cat):
    checked = 0
    for e in cat:
        for v in e.interface:
            if len(v.gives) != 1 or v.gives[0] not in NUMBERS:
                continue
            c = next(c for c in sources.lineage(cat, e) if v.verb in c.parts)
            doc = ast.get_docstring(ast.parse("class C:\n" + c.parts[v.verb]).body[0].body[0]) or ""  # type: ignore
            shape = doc.split("\n")[0].rpartition("->")[2].strip(" .")
            if shape.startswith("("):
                # Pix2Pix judges patches, each by a number
                assert shape.startswith("(B,)") or (e.id, shape) == ("pix2pix", "(B, 1, H/2, W/2)"), (e.id, v.verb, doc)
                checked += 1
    assert checked > 50


def test_every_kind_of_value_has_a_meaning():
    assert set(composing.MEANINGS) == set(get_args(Value))
    assert {k for pair in composing.CONVERSIONS for k in pair} <= set(get_args(Value))


# -- what fits in the catalog


@pytest.mark.parametrize("type", ["has_part", "conditions", "adapts", "accelerates"])
def test_stated_compositions_fit_by_a_slot(cat, type):
    stated = [(e.id, r.target) for e in cat for r in e.relations if r.type == type]
    assert stated
    for whole, part in stated:
        found = cat.compose([part, whole])
        filled = [j for j in found.joins if j.role == "fills"]
        assert type == "accelerates" or {(j.source, j.target) for j in filled} == {(part, whole)}
        assert found.fits, (whole, part)
        assert filled or (whole, part) in REPLACES, (whole, part)


@pytest.mark.parametrize(
    "ids",
    [
        "vae ddpm", "vq_vae gpt", "vq_vae mamba", "autoencoder realnvp", "lexical_retrieval gpt", "dense_retrieval rag",
        "clip text_to_image", "clip vision_language_model gpt", "subword_tokenization lstm", "gpt reward_model",
        "clip classifier_free_guidance ddpm vae", "ddpm super_resolution", "speech_recognition machine_translation",
        "image_captioning text_to_image", "flow_matching classifier_free_guidance", "gpt rlhf reward_model",
        "score_sde ddim", "speech_recognition sentiment_analysis",
    ],
)  # fmt: skip
def test_what_people_put_together_fits(cat, ids):
    assert cat.compose(ids.split()).verdict == "fits"


@pytest.mark.parametrize(
    "ids",
    [
        "lexical_retrieval ddpm", "gpt realnvp", "vae gpt", "pixelcnn bert", "hopfield_network speech_recognition",
        "subword_tokenization ddpm", "gan ctc", "dpo glow", "wgan rlhf", "time_series_generation clip",
        "reward_model neural_spline_flow", "sentiment_analysis pix2pix", "tool_use boltzmann_machine",
        "music_generation adain", "molecule_generation cyclegan", "rag score_matching", "machine_translation dcgan",
    ],
)  # fmt: skip
def test_nonsense_does_not_fit(cat, ids):
    found = cat.compose(ids.split())
    assert found.verdict == "no"
    assert found.gaps[0].target == ids.split()[1]
    assert not found.fits


@pytest.mark.parametrize("ids", ["gan ddpm", "ddpm gan", "gru lstm", "glow wgan", "ddpm sample_quality_metrics"])
def test_samples_that_are_merely_judged_or_learned_from_fit_loosely(cat, ids):
    assert cat.compose(ids.split()).verdict == "loosely"


def test_images_reach_a_language_model_through_a_codebook(cat):
    gap = cat.compose(["vae", "gpt"]).gaps[0]
    assert gap.bridges[0][:2] == ("vq_vae", "tokens")
    for id, *_ in gap.bridges:
        bridged = cat.compose(["vae", id, "gpt"])
        assert not bridged.gaps, id
    found = cat.compose(["vq_vae", "gpt"])
    assert [(j.verbs, j.gives, j.takes) for j in found.joins if j.role == "feeds"] == [(("tokens",), "codes", "tokens")]
    assert [(j.source, j.takes, j.into) for j in found.back] == [("gpt", "codes", ("vectors",))]
    assert "dall_e" in [id for id, _ in found.known]


def test_known_wholes_are_named(cat):
    assert "latent_diffusion" in [id for id, _ in cat.compose(["vae", "ddpm"]).known]
    assert "rag" in [id for id, _ in cat.compose(["dense_retrieval", "gpt"]).known]


def test_text_is_no_wider_than_a_terminal(cat):
    for ids in (["vae", "gpt"], ["clip", "classifier_free_guidance", "ddpm", "vae"], ["lexical_retrieval", "gpt"]):
        assert max(map(len, str(cat.compose(ids)).split("\n"))) <= 100


# -- how it follows from declarations


@pytest.fixture
def parts(folder, make):
    """A coder, a model of tokens, a scorer that wants two things, and a pattern that declares nothing."""
    rows = [
        with_interface(make, "coder", ["encode: image -> codes", "decode: codes -> image", "sample: -> image"]),
        with_interface(make, "writer", ["step: tokens ->", "sample: ?tokens -> tokens"]),
        with_interface(make, "painter", ["paint: text label -> image", "sample: -> image"]),
        with_interface(make, "sorter", ["sort: image -> label", "sample: image -> label"]),
        with_interface(make, "shell", ["sample: -> image"], {"core": ["step: tokens ->", "sample: -> tokens"]}),
        make("silent"),
    ]
    return catalog.load(folder.write(*rows).root)


def test_codes_are_tokens_there_and_back(parts):
    found = parts.compose(["coder", "writer"])
    assert found.fits
    assert [(j.role, j.gives, j.takes, j.into) for j in found.joins] == [("feeds", "codes", "tokens", ("sample",))]
    assert "codebook" in found.joins[0].conversion
    assert [(j.source, j.into) for j in found.back] == [("writer", ("decode",))]


def test_inputs_that_nobody_gives_are_named(parts):
    found = parts.compose(["writer", "painter"])
    assert found.open == ["painter.paint: label"]
    assert parts.compose(["sorter", "writer", "painter"]).gaps, "labels are no tokens"


def test_slots_are_filled_from_either_side(parts):
    for ids in (["writer", "shell"], ["shell", "writer"]):
        found = parts.compose(ids)
        assert [(j.source, j.target, j.gives, j.verbs) for j in found.joins if j.role == "fills"] == [
            ("writer", "shell", "core", ("step", "sample"))
        ]
    assert not [j for j in parts.compose(["coder", "shell"]).joins if j.role == "fills"]


def test_another_order_is_proposed(parts):
    found = parts.compose(["sorter", "painter"])
    assert found.fits, "a label reaches the painter"
    assert found.open == ["painter.paint: text"]
    backwards = parts.compose(["writer", "coder", "sorter"])
    assert backwards.fits
    wrong = parts.compose(["sorter", "writer", "coder"])
    assert wrong.verdict == "no"
    assert parts.compose(wrong.other_order).fits


def test_without_declarations_nothing_can_be_said(parts):
    found = parts.compose(["silent", "writer"])
    assert (found.verdict, found.undeclared, found.fits) == ("undeclared", ["silent"], False)
    assert "silent declares no interface" in str(found)


@pytest.mark.parametrize(
    ("ids", "said"),
    [([], "two patterns"), (["vae"], "two patterns"), (["vae", "VAEs"], "vae is named twice"), ("vae gan", "a list")],
)
def test_what_cannot_be_composed(cat, ids, said):
    with pytest.raises(BadQuestion, match=said):
        cat.compose(ids)


def test_unknown_parts_are_met_with_the_nearest(cat):
    with pytest.raises(UnknownPattern, match="vq_vae"):
        cat.compose(["vqq_vae", "gpt"])


def test_rows_and_data_are_plain(cat):
    found = cat.compose(["vq_vae", "gpt"])
    assert json.loads(json.dumps(found.to_dict()))["verdict"] == "fits"
    assert {row["role"] for row in found.rows()} == {"fills", "feeds"}
    pandas = pytest.importorskip("pandas")
    assert isinstance(found.to_frame(), pandas.DataFrame)
    assert "<table>" in found._repr_html_()


def test_command(cat):
    run = CliRunner().invoke
    fits = run(cli, ["compose", "vq_vae", "gpt", "--json"])
    assert fits.exit_code == 0
    assert json.loads(fits.stdout) == {"schema": 1, **json.loads(json.dumps(cat.compose(["vq_vae", "gpt"]).to_dict()))}
    assert run(cli, ["compose", "vae", "gpt"]).exit_code == 1
    assert run(cli, ["compose", "vae"]).exit_code == 2
    assert "did you mean vq_vae" in run(cli, ["compose", "vqq_vae", "gpt"]).output


def test_a_verb_that_the_reference_has_not_is_a_problem(folder, make):
    (code := folder.root.parent / "reference_impl" / "made_up").mkdir(parents=True)
    theta = "\n\n    theta = 1\n"
    (code / "base.py").write_text(f"class Base:{theta}\n    def encode(self, x):\n        return x\n")
    (code / "coder.py").write_text(f"from reference_impl.made_up.base import Base\n\n\nclass Coder(Base):{theta}")
    verbs = ["encode: image -> latent", "encde: image -> latent"]
    cat = catalog.load(folder.write(with_interface(make, "coder", verbs)).root)
    (problem,) = [p for p in check(cat) if "interface" in p.message]
    assert problem.message == "interface[1]: Coder has no public method 'encde'"
    assert problem.fix == "did you mean 'encode'?"
    assert (folder.root / "latent_variable" / "coder.yaml").read_text().splitlines()[problem.line - 1].count("encde")
