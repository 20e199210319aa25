"""Claims of music generation."""

from collections import Counter, defaultdict
from functools import cache

import numpy as np
import torch

from reference_impl.application.music_generation import BEGIN, MusicGenerator
from reference_impl.core import run, seed_all
from reference_impl.figures import PALETTE, figure, piano_roll
from reference_impl.sound import midi, wav
from reference_impl.tasks import make
from reference_impl.tasks.tunes import END, KEYS, METERS, NAMES, kept, notes, read, sections

TASK = cache(lambda: make("tunes"))
ORDER, DRAWS = 3, 300
Row = list[int]


@cache
def trained(seed: int) -> MusicGenerator:
    """The default model; the claims share its runs."""
    return run(MusicGenerator, task=TASK(), seed=seed, evaluate=False).model


class Markov:
    """Chain of order 3: draws each token as often as it followed the three before it in the training tunes."""

    def __init__(self, tunes: list[Row]) -> None:
        self.following: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for row in tunes:
            for i in range(1, len(row)):
                self.following[tuple(row[max(0, i - ORDER) : i])][row[i]] += 1

    def draw(self, rng: np.random.Generator, length: int) -> Row:
        row = [BEGIN]
        while len(row) < length and row[-1] != END:
            counts = self.following[tuple(row[-ORDER:])]
            row.append(int(rng.choice(list(counts), p=np.array(list(counts.values())) / counts.total())))
        return row


def repeated(tunes: list[Row]) -> float:
    """Share of tunes of four sections in which the first one comes back, note for note, as the second and the last."""
    return sum(len(s := sections(row)) == 4 and s[0] == s[1] == s[3] != s[2] for row in tunes) / len(tunes)


def closed(tunes: list[Row]) -> float:
    """Share of tunes of which the first section ends on the tonic."""
    ends = [(read(row)[0], notes(s[0])) for row in tunes if (s := sections(row))]
    return sum(bool(part) and part[-1].pitch % 12 == key for key, part in ends) / len(tunes)


def test_keeps_key_and_form_where_a_markov_chain_loses_the_form(claim):
    x = TASK().splits["train"][0]
    chain = Markov(x.tolist())
    drawn, chained = [], []
    for seed in range(2):
        model = trained(seed)
        seed_all("tunes", seed)
        drawn.append(model.sample(DRAWS).tolist())
        rng = np.random.default_rng(seed)
        chained.append([chain.draw(rng, x.shape[1]) for _ in range(DRAWS)])
    claim.measure("in_key", [kept(t) for t in drawn], baseline=[kept(t) for t in chained])
    claim.measure("repeated", [repeated(t) for t in drawn], baseline=[repeated(t) for t in chained])
    claim.measure("closed", [closed(t) for t in drawn], baseline=[closed(t) for t in chained])
    known = set(map(tuple, x.tolist()))
    claim.measure("new", [sum(tuple(t) not in known for t in tunes) / DRAWS for tunes in drawn])

    # the first tunes of 64 steps that were drawn
    long = [next(t for t in tunes if len(read(t)[2]) == 64) for tunes in (drawn[0], chained[0])]
    fig, axes = figure(6.8, 4.0, 2)
    for ax, row, name in zip(axes, long, ("GPT", "Markov chain of order 3"), strict=True):
        key, bar, steps = read(row)
        # sections that are alike have one color
        parts = [tuple(s) for s in sections(row)]
        piano_roll(ax, notes(steps), bar, [PALETTE[parts.index(p)] for p in parts])
        ax.set_title(f"{name}: {NAMES[key]} major, {bar // 2}/4")
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.15 * (high - low))
        for i, part in enumerate(parts):
            letter = "ABCDEFGH"[sorted(set(parts), key=parts.index).index(part)]
            ax.annotate(letter, (2 * bar * i + 0.4, high), va="bottom")
    axes[1].set_xlabel("time, bar by bar")
    claim.figure(
        "hero",
        fig,
        caption="A tune of the model and one of the Markov chain, each the first of 64 steps that was drawn. "
        "Sections that are the same note for note share a color and a letter. The model states A twice, "
        "leaves it for B and comes back; the chain strings together figures that all occur in the tunes, and never "
        "returns.",
        alt="Two piano rolls; the upper one has the sections A A B A, the lower one four different sections.",
    )
    key, bar, steps = read(long[0])
    for name, content in (("tune", wav(notes(steps))), ("score", midi(notes(steps), bar=bar, key=key))):
        claim.figure(
            name,
            content,
            caption=f"The upper tune, {NAMES[key]} major, as {'sound' if name == 'tune' else 'a MIDI file'}.",
            alt=f"A melody of {len(notes(steps))} notes in {NAMES[key]} major in the form A A B A.",
        )
    claim.figure(
        "chain",
        wav(notes(read(long[1])[2])),
        caption="The lower tune, of the Markov chain.",
        alt="A melody without a form.",
    )


def test_a_key_and_a_beginning_can_be_asked_for(claim):
    model = trained(0)
    keys, meters = torch.arange(12).repeat_interleave(20), torch.arange(240) % 2 + 1
    head = torch.stack([torch.full_like(keys, BEGIN), KEYS + keys, METERS + meters], 1)
    seed_all("asked")
    tunes = model.sample(len(head), head).tolist()
    claim.measure("in_key", kept(tunes))
    claim.measure("bars", sum(len(read(t)[2]) == 8 * read(t)[1] for t in tunes) / len(tunes))

    # sections A of held-out tunes are given, and come back
    test = TASK().splits["test"][0]
    whole = test[[read(row)[1] == 8 for row in test.tolist()]][:100]
    again = model.sample(len(whole), whole[:, : 3 + 16]).tolist()
    claim.measure("continued", repeated(again))
    given, made = whole[0, : 3 + 16].tolist(), again[0]
    _, bar, steps = read(made)
    fig, ax = figure(6.8, 2.2)
    piano_roll(ax, notes(steps), bar, [PALETTE[8], *[PALETTE[0]] * 3])
    ax.set_title(f"{NAMES[read(given)[0]]} major: two bars were given (gray)")
    claim.figure(
        "continuation",
        fig,
        caption="The first two bars, in gray, are those of a held-out tune; the rest was drawn. The bars come back as "
        "the second and the last section: what was learned is that sections return, not which.",
        alt="Piano roll of eight bars; the two given bars come back in the third and fourth and in the last two.",
    )
