"""Tunes in a key and a meter, by rules, or the melodies of the user's MIDI files."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..core.reference import Batch, Reference
from ..core.task import Score, Task
from ..sound import Note, read_midi
from . import files

END, BEGIN = 0, 1
KEYS, METERS = 2, 14
"""The tokens of C major and of the first meter."""
BARS = (4, 6, 8)
"""Steps of a bar in 2/4, 3/4 and 4/4."""
REST, HOLD, LOWEST = 17, 18, 19
"""Silence, the last note sounding on, and the token of the lowest pitch."""
PITCHES = range(48, 85)
VOCAB = LOWEST + len(PITCHES)
SCALE = (0, 2, 4, 5, 7, 9, 11)
"""A major scale, semitones above the tonic."""
STEPS = 64
"""Most steps of a tune: eight bars in 4/4."""
NAMES = ("C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B")

RHYTHMS = {
    6: [(2, 2, 2), (3, 1, 2), (4, 2), (1, 1, 2, 2), (2, 1, 1, 2), (2, 4)],
    8: [(2, 2, 2, 2), (3, 1, 2, 2), (4, 2, 2), (2, 1, 1, 2, 2), (2, 2, 3, 1), (1, 1, 2, 4), (2, 2, 2, 1, 1)],
}
"""Lengths of the notes of a bar, by its steps."""


def section(rng: random.Random, key: int, bar: int, last: int) -> list[int]:
    """Two bars of a melody in tokens: a walk on the scale of this tonic (MIDI number), which ends on degree `last`."""
    out, degree = [], rng.choice((0, 2, 4))
    lengths = [*rng.choice(RHYTHMS[bar]), *rng.choice(RHYTHMS[bar])]
    for i, length in enumerate(lengths):
        if i == len(lengths) - 1:
            degree = last
        pitch = key + 12 * (degree // 7) + SCALE[degree % 7]
        silent = i and i < len(lengths) - 1 and rng.random() < 0.05
        out += [REST] * length if silent else [LOWEST + pitch - PITCHES[0]] + [HOLD] * (length - 1)
        degree = min(9, max(-3, degree + rng.choice((-2, -1, -1, 1, 1, 2))))
    return out


def tune(rng: random.Random) -> list[int]:
    """Key, meter and A A B A, the steps of four sections; A closes on the tonic, B on the fifth."""
    tonic, bar = rng.randrange(55, 67), rng.choice(list(RHYTHMS))
    a, b = section(rng, tonic, bar, last=0), section(rng, tonic, bar, last=4)
    return [KEYS + tonic % 12, METERS + BARS.index(bar), *a, *a, *b, *a]


def read(tokens: Sequence[int]) -> tuple[int, int, list[int]]:
    """Key (pitch class), steps of a bar, and the steps of a row of tokens, END and all after it left out.

    A row that does not begin with BEGIN, key and meter counts as C major in 4/4.
    """
    row = list(tokens[1 : tokens.index(END, 1) if END in tokens[1:] else None])
    headed = len(row) > 1 and KEYS <= row[0] < METERS <= row[1] < REST
    key, bar = (row[0] - KEYS, BARS[row[1] - METERS]) if headed else (0, 8)
    return key, bar, [t for t in row if t >= REST]


def notes(steps: Sequence[int]) -> list[Note]:
    """The notes of a row of steps; HOLD after a rest is a rest."""
    out: list[Note] = []
    for at, token in enumerate(steps):
        if token >= LOWEST:
            out.append(Note(at, 1, PITCHES[token - LOWEST]))
        elif token == HOLD and out and out[-1].start + out[-1].length == at:
            out[-1] = out[-1]._replace(length=out[-1].length + 1)
    return out


def in_key(tokens: Sequence[int]) -> list[bool]:
    """For each note of a row of tokens whether it is in the scale of the row's key."""
    key, _, steps = read(tokens)
    return [(note.pitch - key) % 12 in SCALE for note in notes(steps)]


def sections(tokens: Sequence[int]) -> list[list[int]]:
    """The steps two bars at a time, the last maybe less."""
    _, bar, steps = read(tokens)
    return [steps[i : i + 2 * bar] for i in range(0, len(steps), 2 * bar)]


def rows(tunes: Sequence[Sequence[int]]) -> Tensor:
    """BEGIN, the tokens of each tune, and END up to the common length: (N, 3 + STEPS + 1)."""
    out = torch.full((len(tunes), 4 + STEPS), END)
    for row, t in zip(out, tunes, strict=True):
        row[: len(t) + 1] = torch.tensor([BEGIN, *t])
    return out


class Tunes(Task):
    """Token rows (N, 68): BEGIN, key, meter, then for every eighth note a pitch, HOLD or REST, then END.

    Built in are tunes of four sections A A B A of two bars each, in all major keys, 3/4 and 4/4. data: a folder of MIDI
    files (.mid or .midi, type 0 or 1, in 2/4, 3/4, 4/4 or 6/8), of which the melodies are cut into stretches of up to
    64 eighth notes; every fifth file is held out.
    """

    kind = "tune"

    def __init__(self, data: str | Path = "built in") -> None:
        if str(data) == "built in":
            rng = random.Random(0)
            train, test = ([tune(rng) for _ in range(n)] for n in (4000, 400))
        else:
            train, test = own(data)
        super().__init__(rows(train), rows(test), vocab=VOCAB, context=3 + STEPS)

    def evaluate(self, model: Reference) -> list[Score]:
        x, train = self.splits["test"][0], self.splits["train"][0]
        nats = model.loss(Batch(x[:200].to(model.device)))["loss"].item()
        share = torch.bincount(train[:, 1:].flatten(), minlength=VOCAB) + 1.0
        unigram = -(share / share.sum()).log()[x[:200, 1:]].mean().item()
        drawn, real = model.sample(200).tolist(), x[:200].tolist()
        return [
            Score("held-out nats per token", nats, "nats", "lower", unigram, "token frequencies"),
            Score("notes in the key", kept(drawn), "share", "higher", kept(real), "held-out tunes"),
            Score("sections heard before", heard(drawn), "share", "", heard(real), "held-out tunes"),
        ]


def kept(tunes: Sequence[Sequence[int]]) -> float:
    """Share of all notes that are in their tune's key; 0 where there are no notes."""
    each = [inside for t in tunes for inside in in_key(t)]
    return sum(each) / max(1, len(each))


def heard(tunes: Sequence[Sequence[int]]) -> float:
    """Share of the sections after the first that the same tune has had before."""
    each = [s[i] in s[:i] for s in map(sections, tunes) for i in range(1, len(s))]
    return sum(each) / max(1, len(each))


def own(data: str | Path) -> tuple[list[list[int]], list[list[int]]]:
    """Stretches of the melodies in a folder of MIDI files, to learn from and held out."""
    folder = files.existing(data, ["a folder of MIDI files"])
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi")) if folder.is_dir() else []
    if len(found) < 5:
        raise ValueError(f"{folder}: {len(found)} MIDI files; a folder with at least 5 files .mid or .midi is needed")
    cut = [stretches(path) for path in found]
    split = [s for i, each in enumerate(cut) if i % 5 for s in each], [s for each in cut[::5] for s in each]
    if sum(map(len, split)) < 20:
        raise ValueError(f"{folder}: {sum(map(len, split))} stretches of {STEPS} eighth notes; at least 20 are needed")
    return split


def stretches(path: Path) -> list[list[int]]:
    """Key, meter and steps of each stretch of whole bars of a file's melody."""
    melody = read_midi(path)
    if melody.bar not in BARS:
        raise ValueError(f"{path}: bars of {melody.bar} eighth notes; read are {', '.join(map(str, BARS))}")
    counted = Counter(note.pitch % 12 for note in melody.notes)
    # without a key signature the major scale that most notes are in, of several the one whose tonic is commonest
    fit = lambda k: (sum(counted[(k + s) % 12] for s in SCALE), counted[k])
    key = max(range(12), key=fit) if melody.key is None else melody.key
    # by octaves into the middle of the range; what is still outside goes in by itself
    mean = sum(note.pitch for note in melody.notes) / len(melody.notes)
    octaves = 12 * round((66 - mean) / 12)
    first, last = melody.notes[0].start // melody.bar * melody.bar, melody.notes[-1]
    steps = [REST] * (last.start + last.length - first)
    for note in melody.notes:
        pitch = note.pitch + octaves
        pitch += 12 * max(0, -(-(PITCHES[0] - pitch) // 12)) - 12 * max(0, -(-(pitch - PITCHES[-1]) // 12))
        begin = note.start - first
        steps[begin : begin + note.length] = [LOWEST + pitch - PITCHES[0]] + [HOLD] * (note.length - 1)
    size = STEPS // melody.bar * melody.bar
    head = [KEYS + key, METERS + BARS.index(melody.bar)]
    parts = [steps[i : i + size] for i in range(0, len(steps), size)]
    return [head + part for part in parts if any(token >= LOWEST for token in part)]
