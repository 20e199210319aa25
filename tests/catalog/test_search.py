"""Search: by name, by word, by what was meant; of a small catalog, of the real one, of one too large to be read."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

import catalog
from catalog import search, words
from catalog.catalog import Catalog
from catalog.errors import BadQuestion, CatalogError
from catalog.search import Index

ROOT = Path(__file__).resolve().parents[2]
REAL = catalog.load(ROOT / "patterns")


@pytest.fixture(params=["fts5", "no fts5"])
def cat(request: pytest.FixtureRequest, small: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The small catalog with sqlite's full-text engine choosing among its entries, and without it."""
    if request.param == "fts5":
        monkeypatch.setattr(search, "CANDIDATES", 2)
    else:
        monkeypatch.setattr(search, "STEMS", search.STEMS.replace("fts5", "fts0"))
    return catalog.load(small)


# -- words


@pytest.mark.parametrize(
    "forms",
    [
        "generate generates generator generators generated generating generation",
        "collapse collapses collapsed collapsing",
        "normalize normalise normalization normalisation normalised normalizing",
        "color colour colors colours coloured",
        "model models modeling modelling modelled",
        "blur blurry blurred blurring",
        "classify classifier classification class classes",
        "caption captions captioning captioned",
        "predict predictor prediction predictive",
        "memory memories memorize memorise",
        "network networks",
    ],
)
def test_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({words.stem(w) for w in forms.split()}) == 1


@pytest.mark.parametrize("pair", ["generator generative", "string strong", "noise no", "loss lossless", "gan gain"])
def test_words_that_differ_have_two(pair: str) -> None:
    one, other = pair.split()
    assert words.stem(one) != words.stem(other)


def test_words_are_without_accents_and_signs() -> None:
    assert words.words("Schrödinger's β-VAE, σ² = ½") == words.words("SCHRODINGER s BETA vae sigma 2 1 2")


def damerau(a: str, b: str) -> int:
    """The distance by its definition: a recursion over the ends of both words."""
    if not a or not b:
        return len(a) + len(b)
    found = min(damerau(a[:-1], b) + 1, damerau(a, b[:-1]) + 1, damerau(a[:-1], b[:-1]) + (a[-1] != b[-1]))
    if len(a) > 1 and len(b) > 1 and a[-1] == b[-2] and a[-2] == b[-1]:
        found = min(found, damerau(a[:-2], b[:-2]) + 1)
    return found


def test_typing_errors_are_counted_and_their_words_share_a_piece() -> None:
    rng = random.Random(0)
    draw = lambda n: "".join(rng.choice("abc") for _ in range(n))
    for _ in range(300):
        a, b = draw(rng.randrange(4, 8)), draw(rng.randrange(4, 8))
        distance = damerau(a, b)
        assert words.typos(a, b, 2) == min(distance, 3)
        if distance <= min(words.tolerance(a), words.tolerance(b)):
            assert words.pieces(a) & words.pieces(b)


# -- a small catalog


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("autoencoder", "autoencoder"), ("variational", "vae"), ("bottlenecks", "autoencoder"), ("advers", "gan"),
        ("varational autoencodr", "vae"), ("generative adverserial", "gan"), ("which copied it", "autoencoder"),
        ("auto encoder", "autoencoder"), ("bottelneck", "autoencoder"), ("beta vae", "beta_vae"),
    ],
)  # fmt: skip
def test_words_are_found_by_beginning_and_in_spite_of_typing_errors(text: str, first: str, cat: Catalog) -> None:
    hits = cat.search(text)
    assert hits[0].id == first
    assert [h.score for h in cat.search(text, 1)] == [hits[0].score]
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_a_hit_says_where_it_stands_and_what_was_looked_for(cat: Catalog) -> None:
    assert cat.search("autoencoder").corrected is None
    assert cat.search("varational").corrected == "variational"
    assert cat.search("xqzt autoencoder").corrected == "autoencoder"
    hit = cat.search("bottleneck")[0]
    assert (hit.section, hit.snippet) == ("summary", "A bottleneck that copies.")
    assert str(cat.search("bottleneck")) == "Autoencoder (autoencoder)\n    A bottleneck that copies."
    assert str(cat.search("bottelneck")).startswith("(looked for: bottleneck)\nAutoencoder (autoencoder)\n")
    assert str(cat.search("xqzt")) == "nothing found"


@pytest.mark.parametrize(
    "text", ["vae OR", "NEAR(vae", "a* AND -b", "name:vae", '"vae', "the", "of the", "ü", "vae\0vae", "vae " * 25000,
             " ".join(map(str, range(20000))), "γ" * 10**5]
)  # fmt: skip
def test_any_text_with_words_is_a_question(text: str, cat: Catalog) -> None:
    hits = cat.search(text)
    assert all(h.snippet for h in hits)
    assert "vae" not in text or hits[0].id == "vae"


@pytest.mark.parametrize("text", ['"', "()", "", "   ", "^", "\0", "-_-", "?!" * 10**5])
def test_text_without_words_is_none(text: str, cat: Catalog) -> None:
    with pytest.raises(BadQuestion, match="has no words; ask with some"):
        cat.search(text)
    with pytest.raises(BadQuestion, match=r"^.{0,140}$"):
        Index(cat).scores(text)


def test_scores_are_those_of_the_hits(cat: Catalog) -> None:
    for text in ("autoencoder", "variational bayes", "a short entry"):
        scores = Index(cat).scores(text)
        assert {h.id: h.score for h in cat.search(text)} == pytest.approx(scores, abs=1e-4)


def test_synonyms_are_looked_for_besides(small: Path, folder: Any) -> None:
    folder.text("synonyms.yaml", "synonyms:\n- {said: [Xerox, hour glass], meant: [bottleneck]}\n")
    cat = catalog.load(small)
    for text in ("xeroxes", "an hour glass"):
        hits = cat.search(text)
        assert (hits[0].id, hits[0].snippet) == ("autoencoder", "A bottleneck that copies.")
        assert list(hits.synonyms.values()) == [["bottleneck"]]
        assert hits.to_dict()["synonyms"] == hits.synonyms
        assert "also as bottleneck" in str(hits)
    assert cat.search("bottleneck").synonyms == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("synonyms: [{said: [a]}]", "meant is missing"),
        ("synonyms: [{said: [], meant: [b]}]", "at least 1"),
        ("synonym: []", "unknown field 'synonym'"),
        ("[a]", "the fields of synonyms are expected"),
    ],
)
def test_synonyms_are_checked_when_the_catalog_is_loaded(text: str, said: str, small: Path, folder: Any) -> None:
    folder.text("synonyms.yaml", text)
    with pytest.raises(CatalogError, match=said) as caught:
        catalog.load(small)
    assert caught.value.problems[0].file.endswith("synonyms.yaml")


# -- the index on disk


def kept(small: Path, where: Path) -> Catalog:
    cat = catalog.load(small)
    where.mkdir(exist_ok=True)
    cat.cache = where
    return cat


def test_the_index_is_built_once(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = catalog.load(small).search("bottleneck")
    assert kept(small, tmp_path / "kept").search("bottleneck") == expected
    assert [f.name for f in (tmp_path / "kept").iterdir()] == [search.FILE]
    monkeypatch.setattr(Index, "_fill", lambda *_: pytest.fail("built again"))
    assert kept(small, tmp_path / "kept").search("bottleneck") == expected


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "other tables", "zeros inside"])
def test_a_broken_index_is_built_again(damage: str, small: Path, tmp_path: Path) -> None:
    expected = kept(small, tmp_path / "kept").search("bottleneck")
    path = tmp_path / "kept" / search.FILE
    data = path.read_bytes()
    if damage == "other tables":
        path.unlink()
        sqlite3.connect(path).executescript("CREATE TABLE about (x)").close()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "text": b"no database " * 500,
                "cut": data[: len(data) // 2],
                "zeros inside": data[:4096] + bytes(len(data) - 4096),
            }[damage]
        )
    assert kept(small, tmp_path / "kept").search("bottleneck") == expected
    assert kept(small, tmp_path / "kept").search("bottleneck") == expected
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_without_a_place_the_index_is_in_memory(small: Path, tmp_path: Path) -> None:
    cat = kept(small, tmp_path / "kept")
    shutil.rmtree(tmp_path / "kept")
    assert cat.search("bottleneck")[0].id == "autoencoder"
    assert not (tmp_path / "kept").exists()


# -- many entries


def test_of_many_entries_the_best_are_read(folder: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found first among a fifth of the entries is nearly as good as what reading all of them finds."""
    rng = random.Random(0)
    vocabulary = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in "prst"]
    draw = lambda n: [
        vocabulary[int(len(vocabulary) * rng.random() ** 2)] for _ in range(n)
    ]  # some are in most entries
    for i in range(150):
        folder.write(
            make(f"e{i}", **{part: " ".join(draw(30)) for part in ("problem", "solution", "intent", "context")})
        )
    cat = catalog.load(folder.root)
    questions = [" ".join(draw(n)) for n in (1, 2, 3, 4, 5, 8) for _ in range(10)]
    all_of_them = Index(cat)
    best = [max(all_of_them.scores(q).values()) for q in questions]
    for name, value in {"CANDIDATES": 30, "FREQUENT": 15, "LISTED": 25, "COMPARED": 60}.items():
        monkeypatch.setattr(search, name, value)
    index = Index(cat)
    assert index.db.execute("SELECT count(DISTINCT stem) FROM listed").fetchone()[0] > len(vocabulary) / 2
    assert all(len(index.scores(q)) <= 30 for q in questions)
    found = [max(index.scores(q).values()) for q in questions]
    assert mean(f / b for f, b in zip(found, best, strict=True)) > 0.9


# -- the real catalog


@pytest.mark.parametrize("id", REAL.ids)
def test_an_entry_comes_first_under_its_names(id: str) -> None:
    for name in (id, REAL[id].name, *REAL[id].aliases):
        assert REAL.search(name, 1)[0].id == id, name


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("cGAN", ["conditional_gan"]),
        ("mode collpase", ["gan", "wgan", "wgan_gp"]),
        ("posterior collapse", ["vae", "vq_vae"]),
        ("make old photos sharp", ["image_restoration", "super_resolution"]),
        ("teh transfomer", ["transformer"]),
        ("autoencodr", ["autoencoder"]),
        ("auto encoder", ["autoencoder"]),
        ("Auto-Encoders", ["autoencoder"]),
        ("seq 2 seq", ["seq2seq"]),
        ("difusion", ["ddpm", "latent_diffusion"]),
        ("stylegan", ["gan", "dcgan", "adain"]),
        ("NMT", ["machine_translation"]),
        ("ASR", ["speech_recognition"]),
        ("ELBO", ["vae"]),
        ("modelling of molecules", ["molecule_generation"]),
        ("make up data", ["synthetic_data"]),
        ("blurry picture", ["image_restoration", "super_resolution"]),
        ("MCMC", ["boltzmann_machine", "restricted_boltzmann_machine", "energy_based_model"]),
    ],
)
def test_what_was_meant_is_found(text: str, ids: list[str]) -> None:
    assert {h.id for h in REAL.search(text, 3)} & set(ids)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("batch normalisation", "batch normalization"), ("colour of a picture", "color of a picture"),
        ("fine-tuning", "fine tuning"), ("mode collapse", "MODE  collapse!"), ("large memory", "large memories"),
    ],
)  # fmt: skip
def test_ways_of_writing_find_the_same(one: str, other: str) -> None:
    assert [h.id for h in REAL.search(one)] == [h.id for h in REAL.search(other)]
    assert REAL.search(one).corrected is None


def test_synonyms_lead_somewhere() -> None:
    index = REAL._index
    declared = list(index._declared())
    for said, meant in declared:
        assert all(index._frequency(words.stem(w)).passages for w in words.words(meant)), (said, meant)
    assert len(declared) == len(set(declared))


def test_questions_in_other_words_are_answered() -> None:
    """Half of the questions that the retrieval entries are measured by; the other half was for choosing settings.

    0.879 of them had their entry among the first three when this was written, and 0.805 when there were neither
    synonyms nor rows of words.
    """
    rows = [line.split("\t") for line in (ROOT / "reference_impl/tasks/searches.tsv").read_text().splitlines()]
    found = defaultdict(list)
    for question, id, kind in rows[1::2]:
        found[kind].append(id in {h.id for h in REAL.search(question, 3)})
    assert mean(hit for hits in found.values() for hit in hits) > 0.85
    assert {kind: mean(hits) > 0.75 for kind, hits in found.items()} == dict.fromkeys(found, True)
