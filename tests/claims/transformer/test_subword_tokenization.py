"""Claims of subword tokenization."""

import random
from collections import Counter
from functools import cache

import numpy as np

from reference_impl.core import run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.prose import Prose
from reference_impl.transformer.subword_tokenization import SubwordTokenization, words

SIZES = (256, 288, 320, 384, 512, 768, 1024, 1536, 2048)


@cache
def prose() -> Prose:
    return Prose()


@cache
def trained(tokens: int) -> SubwordTokenization:
    return run(SubwordTokenization, {"tokens": tokens}, task=prose(), evaluate=False).model


def bytes_per_token(model: SubwordTokenization, texts: list[str]) -> float:
    return sum(len(t.encode()) for t in texts) / sum(len(model.tokenize(t)) for t in texts)


def fuzzed(n: int) -> list[str]:
    """Strings of up to 12 characters from the whole of Unicode, a third of them from printable ASCII."""
    rng = random.Random(0)
    # surrogates are no characters
    ranges = ((32, 127), (32, 127), (0, 0x100), (0x100, 0xD800), (0xE000, 0x110000), (0x1F300, 0x1F700))
    return ["".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randrange(13))) for _ in range(n)]


def test_every_string_comes_back(claim):
    model, strings = trained(1024), fuzzed(10_000)
    failures = sum(model.spell(model.tokenize(s)) != s for s in strings)
    # the vocabulary of whole words from the same text, one of which stands for all it has not seen
    known = set(words("\n".join(prose().splits["train"][0])))
    claim.measure("failures", failures, baseline=sum(not known.issuperset(words(s)) for s in strings))


def test_held_out_text_is_compressed(claim):
    held_out = prose().splits["test"][0]
    claim.measure("bytes", bytes_per_token(trained(1024), held_out), baseline=bytes_per_token(trained(256), held_out))

    text, rows = " a variational autoencoder samples", (256, 320, 512, 1024, 2048)
    fig, ax = figure(7.0, 2.0)
    for y, size in enumerate(rows):
        model, at = trained(size), 0
        ids = model.tokenize(text)
        for i, token in enumerate(ids):
            piece = model.spell([token])
            ax.barh(-y, len(piece) - 0.12, left=at, height=0.8, color=PALETTE[i % 4], alpha=0.3, linewidth=0)
            for k, c in enumerate(piece):
                ax.text(at + k + 0.44, -y, c, ha="center", va="center", fontsize=9, family="monospace")
            at += len(piece)
        ax.text(at + 1, -y, f"{len(ids)}", va="center", fontsize=8)
    ax.text(at + 1, 0.8, "tokens", fontsize=8)
    ax.set(yticks=[-y for y in range(len(rows))], yticklabels=rows, ylabel="vocabulary", xticks=(), xlim=(0, at + 6))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    claim.figure(
        "hero",
        fig,
        caption="One phrase in vocabularies of growing size, learned from this catalog's prose; each box is a token. "
        "256 tokens are the bytes. Joins first make syllables that are frequent everywhere, then whole words of this "
        "field, and the number of tokens at the right falls.",
        alt="A phrase cut into colored boxes, one row per vocabulary: single letters at the top, words at the bottom.",
    )


def bits_per_byte(model: SubwordTokenization, texts: list[str]) -> float:
    """Of a model that gives each token its smoothed training frequency, whatever stands before it."""
    p = (model.counts + 0.5) / (model.counts + 0.5).sum()
    used = Counter(i for text in texts for i in model.tokenize(text))
    bits = -(p[list(used)].log2().numpy() * np.array(list(used.values()))).sum()
    return float(bits / sum(len(text.encode()) for text in texts))


def test_tokens_spare_the_model_context(claim):
    held_out = prose().splits["test"][0]
    bits = {size: bits_per_byte(trained(size), held_out) for size in SIZES}
    claim.measure("bits", bits[1024], baseline=bits[256])

    fig, (left, right) = figure(7.0, 2.6, columns=2)
    left.plot(SIZES, [bytes_per_token(trained(size), held_out) for size in SIZES], "o-", markersize=3)
    left.set(ylabel="bytes per token", ylim=(0, None))
    right.plot(SIZES, bits.values(), "o-", markersize=3, color=PALETTE[1])
    right.set(ylabel="bits per byte, tokens drawn\nindependently", ylim=(0, None))
    for ax in (left, right):
        ax.set(xscale="log", xlabel="vocabulary", xticks=(256, 512, 1024, 2048), xticklabels=(256, 512, 1024, 2048))
        ax.minorticks_off()
    claim.figure(
        "vocabulary",
        fig,
        caption="Held-out prose under vocabularies of growing size. Left: a token covers more bytes, so a sequence is "
        "shorter. Right: even a model that knows frequencies and no context needs fewer bits per byte, because the "
        "dependence of letters on their neighbors has moved into the vocabulary.",
        alt="Bytes per token rise from one to about three; bits per byte fall from about four and a half.",
    )

    drawn = trained(1024).sample(1)[0]
    joins = [repr(trained(1024).spell([256 + i])) for i in range(60)]
    claim.figure(
        "joins",
        "first 60 joins, in order:\n" + " ".join(joins) + f"\n\ntokens drawn by frequency, seed of the run:\n{drawn}\n",
        caption="What is joined first: a space with the letter after it, then endings and small words. Below, 60 "
        "tokens drawn independently: pieces of words without grammar, which is for the language model to supply.",
        alt="A list of short strings, and a line of words and fragments in random order.",
    )


SENTENCE = {
    "English": "The model reads a sentence and predicts the next word.",
    "German": "Das Modell liest einen Satz und sagt das nächste Wort voraus.",
    "Greek": "Το μοντέλο διαβάζει μια πρόταση και προβλέπει την επόμενη λέξη.",
    "Japanese": "モデルは文を読み、次の単語を予測する。",
}


def test_other_languages_cost_more_tokens(claim):
    model = trained(1024)
    tokens = {language: len(model.tokenize(text)) for language, text in SENTENCE.items()}
    claim.measure("german", tokens["German"] / tokens["English"])
    claim.measure("greek", tokens["Greek"] / tokens["English"])

    fig, ax = figure(6.0, 1.9)
    ax.barh(list(tokens), tokens.values(), height=0.6)
    for language, n in tokens.items():
        ax.text(n + 1, language, f"{n} tokens for {len(SENTENCE[language])} characters", va="center", fontsize=8)
    ax.set(xlim=(0, 1.55 * max(tokens.values())), xlabel="tokens")
    ax.invert_yaxis()
    claim.figure(
        "languages",
        fig,
        caption="The same sentence in four languages, encoded by a vocabulary that was learned from English prose. "
        "Languages that share the alphabet fall into syllables; other scripts fall back to two or three bytes per "
        "character, and whoever pays per token pays for that.",
        alt="Bars of token counts: English shortest, German longer, Japanese and Greek several times as long.",
    )
