"""Speech small enough to learn in seconds: digits as syllables of two tones, or recordings that a user brings.

`x` holds what was said, strings; `y` what is heard, frames (N, T, bands) of a spectrogram, from 0 to 1, and -1 where a
recording has ended. Where in the recording each label lies is not told.
"""

from __future__ import annotations

import csv
import io
import itertools
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

RATE = 8000
"""Samples per second of what is synthesized."""
BANDS, TOP, PER_SECOND = 24, 4000, 50
"""Frequency bands of a frame, up to this many hertz; frames per second."""
ONSETS, RIMES = (300, 450, 650, 950), (1400, 2000, 2800)
"""Tones in hertz with which a syllable begins and ends; digit d is onset d // 3, then rime d % 3."""
VOICES, SPEEDS = ("en", "en-us", "en+f2", "en+m3"), (130, 160, 190)
"""What espeak-ng speaks with, and how many words a minute."""
PADDING = -1.0


class Tones(Task):
    """Recordings of digit strings and what they say.

    Built in ("tones") is a synthesizer: a digit is a syllable of two tones, spoken at random pace and pitch, with or
    without pauses, in noise; strings of one to four digits to learn from and held out ("test"), and strings of five to
    eight ("longer"). "espeak" has espeak-ng, where it is installed, read such strings in several voices and speeds.
    Users give a folder of .wav files (16-bit PCM, 8 kHz or more) with a labels.csv, a file name and its transcript in
    each row; without one, the part of each name before the first underscore is the transcript, as in
    7_jackson_0.wav. Every tenth recording is held out. Labels are the characters of the transcripts.
    """

    kind = "strings"

    def __init__(self, data: str | Path = "tones") -> None:
        if str(data) in ("tones", "espeak"):
            spoken = synthesized() if str(data) == "tones" else read_aloud()
        else:
            found = recordings(files.existing(data, ("tones", "espeak")))
            spoken = {"train": [r for i, r in enumerate(found) if i % 10], "test": found[::10]}
        splits = {name: ([said for said, _ in rows], padded([f for _, f in rows])) for name, rows in spoken.items()}
        (x, y), (test_x, test_y) = splits["train"], splits["test"]
        alphabet = "".join(sorted({c for said, _ in splits.values() for text in said for c in text}))
        super().__init__(x, test_x, y=y, test_y=test_y, alphabet=alphabet, bands=BANDS, conditional=True)
        self.splits |= splits

    def evaluate(self, model: Reference) -> list[Score]:
        scores = []
        for split in ("test", "longer"):
            if split in self.splits:
                said, y = self.splits[split]
                rate = error_rate(said, model.sample(len(y), y.to(model.device)))
                name = "label error rate, " + ("held out" if split == "test" else "longer than trained")
                scores.append(Score(name, rate, "share", "lower", 1.0, "answering nothing"))
        return scores


Recording = tuple[str, np.ndarray]
"""What is said, and its frames (T, bands)."""


def speak(digits: str, g: np.random.Generator, loudest: float = 0.3) -> np.ndarray:
    """A waveform at 8 kHz of these digits, read by a random speaker: one oscillator that glides from tone to tone.

    The noise is random up to `loudest`, its standard deviation relative to the oscillator's amplitude.
    """
    pitch, pace, noise = g.uniform(0.88, 1.12), g.uniform(0.7, 1.4), g.uniform(loudest / 6, loudest)
    plan = [(ONSETS[0], 0, g.uniform(0.02, 0.15))]
    for d in map(int, digits):
        plan += [(ONSETS[d // 3], 1, g.uniform(0.04, 0.09)), (RIMES[d % 3], 1, g.uniform(0.06, 0.18))]
        plan += [(RIMES[d % 3], 0, g.uniform(0.02, 0.15))] if g.random() < 0.5 else []
    hertz, loud, seconds = (np.array(column) for column in zip(*plan, strict=True))
    samples = (seconds * pace * RATE).astype(int)
    # 25 ms of glide between tones, and of rise and fall
    glide = np.ones(RATE // 40) / (RATE // 40)
    smooth = [np.convolve(np.repeat(v, samples), glide, "same") for v in (hertz * pitch, loud)]
    phase = 2 * np.pi * np.cumsum(smooth[0]) / RATE
    return 0.3 * smooth[1] * (np.sin(phase) + 0.5 * np.sin(2 * phase)) + 0.3 * noise * g.standard_normal(len(phase))


def spectrogram(samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Frames (T, bands) from 0 to 1 of a waveform: logarithm of the power in bands, each frame 40 ms, 50 a second."""
    hop, width = rate // PER_SECOND, 2 * rate // PER_SECOND
    starts = np.arange(0, max(1, len(samples) - hop), hop)
    cut = np.pad(samples, (0, width))[starts[:, None] + np.arange(width)]
    power = np.abs(np.fft.rfft(cut * np.hanning(width))) ** 2
    hertz = np.fft.rfftfreq(width, 1 / rate)
    # bands of equal width up to 1 kHz, of equal ratio above, as hearing has them (mel scale)
    mel = lambda f: np.log1p(f / 700)
    at = mel(hertz) / mel(TOP) * (BANDS + 1)
    triangles = np.clip(1 - np.abs(at[:, None] - np.arange(1, BANDS + 1)), 0, None)
    bands = power @ triangles
    return (np.log1p(1e4 * bands / max(bands.max(), 1e-12)) / np.log1p(1e4)).astype(np.float32)


def padded(frames: Sequence[np.ndarray]) -> Tensor:
    """Recordings as one tensor (N, longest, bands)."""
    rows = [torch.from_numpy(f) for f in frames]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)


def strings(n: int, shortest: int, longest: int, g: np.random.Generator) -> list[str]:
    """Random digits, each length as often as any."""
    return ["".join(map(str, g.integers(0, 10, shortest + i % (longest - shortest + 1)))) for i in range(n)]


@lru_cache(maxsize=1)
def synthesized() -> dict[str, list[Recording]]:
    """The built-in recordings, always the same."""
    g = np.random.default_rng(0)
    return {
        split: [(s, spectrogram(speak(s, g))) for s in strings(n, *lengths, g)]
        for split, n, lengths in (("train", 800, (1, 4)), ("test", 200, (1, 4)), ("longer", 100, (5, 8)))
    }


def read_aloud(program: str = "espeak-ng") -> dict[str, list[Recording]]:
    """Digit strings in espeak-ng's voices."""
    if not shutil.which(program):
        raise FileNotFoundError(
            f"data 'espeak': {program} is not installed; install it (its package has this name), or leave --data out"
        )
    g, spoken = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        for split, n, lengths in (("train", 240, (1, 4)), ("test", 60, (1, 4)), ("longer", 30, (5, 8))):
            spoken[split] = []
            for i, digits in enumerate(strings(n, *lengths, g)):
                voice, speed = VOICES[i // 4 % len(VOICES)], SPEEDS[i // 16 % len(SPEEDS)]
                command = [program, "-v", voice, "-s", str(speed), "-w", str(path), " ".join(digits)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode or not path.exists():
                    raise ValueError(f"{' '.join(command)} failed: {done.stderr.strip() or 'it wrote no file'}")
                spoken[split].append((digits, spectrogram(*read_wav(path))))
    return spoken


def read_wav(source: Path | io.BytesIO) -> tuple[np.ndarray, int]:
    """Samples in [-1, 1], channels averaged, and their rate. ValueError for what is no 16-bit PCM of 8 kHz or more."""
    name = source if isinstance(source, Path) else "sound"
    try:
        with wave.open(str(source) if isinstance(source, Path) else source, "rb") as w:
            bits, rate, channels = 8 * w.getsampwidth(), w.getframerate(), w.getnchannels()
            data = w.readframes(w.getnframes())
    except (wave.Error, EOFError) as err:
        raise ValueError(f"{name}: not a WAV file that can be read ({err or 'it ends too early'})") from None
    if bits != 16 or rate < RATE:
        raise ValueError(f"{name}: {bits} bits at {rate} Hz; 16-bit PCM of {RATE} Hz or more is needed")
    samples = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], "<i2")
    return samples.reshape(-1, channels).mean(1) / 2**15, rate


def wav_bytes(samples: np.ndarray, rate: int = RATE) -> bytes:
    """A 16-bit WAV file of samples in [-1, 1]."""
    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def recordings(folder: Path) -> list[Recording]:
    """A user's .wav files with their transcripts, in order of their names."""
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: recordings are read from a folder of .wav files, with a labels.csv where names do not tell"
        )
    table, paths = folder / "labels.csv", sorted(folder.glob("*.wav"))
    if table.is_file():
        said = {}
        with open(table, encoding="utf-8", newline="") as f:
            for i, row in enumerate(csv.reader(f), 1):
                if len(row) != 2 or not row[1].strip():
                    raise ValueError(f"{table}, row {i}: {len(row)} fields; a file name and its transcript are needed")
                if not (folder / row[0]).is_file():
                    raise ValueError(f"{table}, row {i}: {row[0]!r} is not in the folder")
                said[folder / row[0]] = row[1].strip()
    else:
        said = {p: p.stem.partition("_")[0] for p in paths}
    if len(said) < 20:
        raise ValueError(f"{folder}: {len(said)} recordings; at least 20 are needed")
    out = []
    for path, text in said.items():
        frames = spectrogram(*read_wav(path))
        need = len(text) + sum(a == b for a, b in itertools.pairwise(text))
        if len(frames) < need:
            raise ValueError(f"{path}: {len(frames) / PER_SECOND:.2f} seconds are too short for {text!r}")
        out.append((text, frames))
    return out


def edit_distance(a: str, b: str) -> int:
    """Fewest insertions, deletions and replacements that make a into b."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Edits that make what was heard into what was said, per label said."""
    return sum(edit_distance(a, b) for a, b in zip(said, heard, strict=True)) / sum(map(len, said))
