"""Questions as people ask them: which verb answers, and whether the expected entry is among the first three."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import catalog
from catalog.catalog import Catalog
from catalog.errors import BadQuestion

HERE = Path(__file__).parent
CAT = catalog.load(HERE.parents[1] / "patterns")
ASKED: list[dict[str, Any]] = [
    question
    for file in ("questions.yaml", "questions_unseen.yaml")
    if (HERE / file).is_file()
    for question in yaml.safe_load((HERE / file).read_text(encoding="utf-8"))
]


def test_the_expected_entry_is_among_the_first_three() -> None:
    asked, missed = Counter(q["category"] for q in ASKED), Counter()
    lines = []
    for q in ASKED:
        reply = CAT.ask(q["question"])
        if not set(reply.ids[:3]) & set(q["expect"]):
            missed[q["category"]] += 1
            lines.append(f"{q['question']!r}: {reply.call} gives {reply.ids[:3]}, not {q['expect']}")
    shares = ", ".join(f"{category} {n - missed[category]}/{n}" for category, n in asked.items())
    print(shares, *lines, sep="\n")
    assert len(lines) <= 0.05 * len(ASKED), "\n".join([shares, *lines])


def test_questions_expect_entries_that_exist() -> None:
    assert len(ASKED) >= 60
    assert all(q["expect"] and set(q["expect"]) <= set(CAT.ids) for q in ASKED)
    assert len({q["question"] for q in ASKED}) == len(ASKED)


@pytest.mark.parametrize(
    ("question", "call"),
    [
        ("vae", "cat.get(name='vae')"),
        ("What is a variational auto-encoder?", "cat.get(name='vae')"),
        ("what does WGAN-GP mean", "cat.get(name='wgan_gp')"),
        ("How does BERT work?", "cat.get(name='bert')"),
        ("How do I get from a GAN to WGAN-GP?", "cat.path(a='gan', b='wgan_gp')"),
        ("from RNN to LSTM", "cat.path(a='rnn', b='lstm')"),
        ("what is between the autoencoder and the VQ-VAE?", "cat.path(a='autoencoder', b='vq_vae')"),
        ("how are DDPM and DDIM related?", "cat.explain(a='ddpm', b='ddim')"),
        ("What does DPO have to do with RLHF?", "cat.explain(a='dpo', b='rlhf')"),
        ("the difference between LoRA and fine-tuning", "cat.explain(a='lora', b='fine_tuning')"),
        ("LSTM vs. GRU", "cat.compare(ids=['lstm', 'gru'])"),
        ("should I take a VAE or a GAN?", "cat.compare(ids=['vae', 'gan'])"),
        ("prerequisites of DPO", "cat.learning_path(target='dpo')"),
        ("how do I learn consistency models?", "cat.learning_path(target='consistency_model')"),
        ("I know GAN and WGAN, how do I learn WGAN-GP?", "cat.learning_path(target='wgan_gp', known=['gan', 'wgan'])"),
        ("alternatives to LoRA", "cat.alternatives(name='lora')"),
        ("alternatives to a VAE with exact likelihood", "cat.alternatives(name='vae', where=['likelihood=exact'])"),
        ("What came of the Hopfield network?", "cat.lineage(name='hopfield_network')"),
        ("history of diffusion models", "cat.lineage(name='ddpm')"),
        ("what builds on the DDPM?", "cat.related(name='ddpm', types='extended_by')"),
        ("which pattern accelerates DDPM", "cat.related(name='ddpm', types='accelerated_by')"),
        ("when should I use a VAE?", "cat.get(name='vae')"),
        ("limitations of GANs", "cat.get(name='gan')"),
        ("what is teacher forcing", "cat.search(text='teacher forcing')"),
        ("which patterns are similar to CLIP?", "cat.related(name='clip')"),
        ("which claims mention perplexity?", "cat.claims(text='perplexity')"),
        ("evidence for speculative decoding", "cat.claims(pattern='speculative_decoding')"),
        ("what fixes mode collapse?", "cat.fixes(text='mode collapse')"),
        ("how do I avoid posterior collapse", "cat.fixes(text='posterior collapse')"),
        ("wassertein gna", "cat.get(name='wgan')"),
    ],
)
def test_a_question_goes_to_the_verb_that_is_meant(question: str, call: str) -> None:
    reply = CAT.ask(question)
    assert reply.call == call
    assert reply.ids
    assert str(reply).startswith(call)


@pytest.mark.parametrize(
    "question",
    [
        "turn one kind of image into another without pairs",  # no names stand around `into`
        "generate samples from noise",
        "how do I learn from few labels",
        "what is the best way to make a model small",
    ],
)
def test_turns_of_phrase_without_names_are_problems(question: str) -> None:
    assert CAT.ask(question).verb == "recommend"


def test_the_verb_that_is_named_gives_the_same_answer() -> None:
    for q in ASKED:
        reply = CAT.ask(q["question"])
        if reply.verb != "get":
            assert getattr(CAT, reply.verb)(**reply.arguments).to_dict() == reply.answer.to_dict()


def test_a_reply_is_data_rows_and_text() -> None:
    for question in ("what is a GAN", "from RNN to LSTM", "mode collapse", "make old photos sharp"):
        reply = CAT.ask(question)
        data = reply.to_dict()
        assert json.loads(json.dumps(data)) == data
        assert list(data) == ["question", "verb", "arguments", "ids", "answer"]
        assert len(reply.to_frame()) == len(reply.rows())
        assert max(map(len, str(reply).split("\n"))) <= 100


@pytest.mark.parametrize("question", ["", "  ", "?!", "..."])
def test_an_empty_question_is_answered_with_examples(question: str) -> None:
    with pytest.raises(BadQuestion, match="what fixes mode collapse"):
        CAT.ask(question)


def test_names_are_those_of_the_catalog_that_is_asked(small: Path) -> None:
    cat = catalog.load(small)
    assert cat.ask("what is beta vae?").ids == ["beta_vae"]
    assert cat.ask("from autoencoder to gan").ids == ["vae", "autoencoder", "gan"]
    assert cat.ask("what stops it?").verb in ("fixes", "recommend", "search")


def test_an_empty_catalog_has_no_answer() -> None:
    reply = Catalog([]).ask("what is a GAN?")
    assert reply.ids == []
    assert reply.verb in ("recommend", "search")
