"""Notes as files that one can play: MIDI, written and read, and a plain synthesizer to WAV.

Times are counted in steps of an eighth note. Melodies only: of notes that begin together the highest counts.
"""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

STEPS_PER_QUARTER = 2
TICKS = 240
"""MIDI ticks of a quarter note in the files that are written."""


class Note(NamedTuple):
    """One note."""

    start: int
    length: int
    pitch: int
    """MIDI number: 60 is the middle C, 69 the A of 440 Hz, and 1 is a semitone."""


class Melody(NamedTuple):
    """What a MIDI file says, as far as it is read."""

    notes: list[Note]
    bar: int
    """Steps of a bar; 8, a 4/4 time, where the file does not say."""
    key: int | None
    """Pitch class of the tonic of the major scale that the key signature stands for; None where there is none."""


def wav(notes: Sequence[Note], quarters_per_minute: float = 160, rate: int = 8000) -> bytes:
    """Tones that decay, as a WAV file of 8-bit mono samples: 8 kB for each second at the usual rate."""
    step = 60 / quarters_per_minute / STEPS_PER_QUARTER
    seconds = step * max((n.start + n.length for n in notes), default=0)
    sound = np.zeros(round(seconds * rate))
    for note in notes:
        begin, end = (round(rate * step * at) for at in (note.start, note.start + note.length))
        t = np.arange(end - begin) / rate
        cycles = 440 * 2 ** ((note.pitch - 69) / 12) * t
        tone = sum(a * np.sin(2 * np.pi * k * cycles) for k, a in ((1, 1.0), (2, 0.4), (3, 0.2)))
        # rises and falls within a hundredth of a second, so that it does not click
        edge = np.minimum(t, (end - begin) / rate - t) / 0.01
        sound[begin:end] += tone * np.exp(-2.5 * t) * edge.clip(0, 1)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes((128 + 127 * sound / max(1e-9, abs(sound).max(initial=0))).round().astype(np.uint8).tobytes())
    return out.getvalue()


def midi(notes: Sequence[Note], quarters_per_minute: float = 160, bar: int = 8, key: int = 0) -> bytes:
    """A type-0 MIDI file; `bar` in steps, `key` the pitch class of a major tonic."""
    sharps = (7 * key + 6) % 12 - 6
    meta = [
        b"\x51\x03" + round(60e6 / quarters_per_minute).to_bytes(3, "big"),
        # numerator, denominator as a power of two, clocks of the metronome, 32nds of a quarter
        b"\x58\x04" + bytes([bar // STEPS_PER_QUARTER, 2, 24, 8]),
        b"\x59\x02" + struct.pack(">bB", sharps, 0),
    ]
    ticks = TICKS // STEPS_PER_QUARTER
    events = [(ticks * n.start, b"\x90" + bytes([n.pitch, 80])) for n in notes]
    events += [(ticks * (n.start + n.length), b"\x80" + bytes([n.pitch, 0])) for n in notes]
    track, now = b"".join(b"\x00\xff" + m for m in meta), 0
    for at, event in sorted(events):  # of events at one time the note that ends (0x80) comes first
        track, now = track + variable(at - now) + event, at
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + track


def variable(n: int) -> bytes:
    """A number in MIDI's variable length: seven bits a byte, the first bit set in all but the last."""
    out = [n & 127]
    while n := n >> 7:
        out.append(n & 127 | 128)
    return bytes(reversed(out))


def read_midi(path: str | Path) -> Melody:
    """The melody of a MIDI file of type 0 or 1: of notes that begin together the highest; no channel 10 (drums).

    Raises ValueError where the file is damaged, of another type, or has no notes.
    """
    raw = Path(path).read_bytes()
    try:
        kind, tracks, division = struct.unpack(">HHH", raw[8:14])
        if raw[:4] != b"MThd" or kind > 1 or not 0 < division < 0x8000:
            raise ValueError(f"{path}: not a MIDI file of type 0 or 1 that counts ticks of a quarter note")
        bar, key, sounding, found = 8, None, {}, []
        at = 8 + int.from_bytes(raw[4:8], "big")
        for track in range(tracks):
            size = int.from_bytes(raw[at + 4 : at + 8], "big")
            for tick, status, data in events(raw[at + 8 : at + 8 + size]):
                if status == 0xFF and data[0] == 0x58:
                    bar = data[2] * 4 * STEPS_PER_QUARTER // 2 ** data[3]
                elif status == 0xFF and data[0] == 0x59:
                    key = 7 * struct.unpack("b", data[2:3])[0] % 12
                elif status >> 4 in (8, 9) and status & 15 != 9:
                    name = (track, status & 15, data[0])
                    if name in sounding:
                        found.append((sounding.pop(name), tick, data[0]))
                    if status >> 4 == 9 and data[1]:
                        sounding[name] = tick
            at += 8 + size
    except (struct.error, IndexError):
        raise ValueError(f"{path}: not a MIDI file, or one cut short") from None
    step = division / STEPS_PER_QUARTER
    on_grid = sorted((round(start / step), pitch, end) for start, end, pitch in found)
    # of those that begin at one step the last, which is the highest, stays
    highest = {start: (pitch, end) for start, pitch, end in on_grid}
    if not highest:
        raise ValueError(f"{path}: no notes")
    starts = sorted(highest)
    later = [*starts[1:], 1 << 30]
    notes = [
        Note(start, max(1, min(round(highest[start][1] / step), following) - start), highest[start][0])
        for start, following in zip(starts, later, strict=True)
    ]
    return Melody(notes, bar, key)


def events(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Tick, status and data of each event of a track; of a meta event (0xFF) type, length and content."""
    at = tick = status = 0

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            value, at = value << 7 | track[at] & 127, at + 1
            if track[at - 1] < 128:
                return value

    while at < len(track):
        tick += number()
        if track[at] >= 128:
            status, at = track[at], at + 1
        begin = at
        if status in (0xFF, 0xF0, 0xF7):
            at += status == 0xFF
            size = number()
            at += size
        else:
            # program changes and channel pressure have one byte of data, all others two
            at += 1 if status >> 4 in (0xC, 0xD) else 2
        yield tick, status, track[begin:at]
