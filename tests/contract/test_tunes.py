"""Tunes, and the files in which they are heard."""

import io
import random
import wave

import pytest
import torch

from reference_impl.application.music_generation import BEGIN, MusicGenerator
from reference_impl.core import load, run
from reference_impl.figures import show, write_run
from reference_impl.sound import Melody, Note, midi, read_midi, variable, wav
from reference_impl.tasks import make
from reference_impl.tasks import tunes as T

SCALE_UP = [Note(0, 1, 60), Note(1, 1, 62), Note(2, 2, 64), Note(6, 2, 72)]


def test_midi_byte_by_byte():
    track = (
        b"\x00\xff\x51\x03\x07\xa1\x20"  # 500,000 microseconds a quarter
        b"\x00\xff\x58\x04\x03\x02\x18\x08"  # 3/4
        b"\x00\xff\x59\x02\xfe\x00"  # two flats, major
        b"\x00\x90\x46\x50"
        b"\x78\x80\x46\x00\x00\x90\x48\x50"  # an eighth is 120 ticks; the old note ends first
        b"\x81\x70\x80\x48\x00"  # 240 ticks in two bytes
        b"\x00\xff\x2f\x00"
    )
    header = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\xf0MTrk" + len(track).to_bytes(4, "big")
    assert midi([Note(0, 1, 70), Note(1, 2, 72)], 120, bar=6, key=10) == header + track
    assert [variable(n) for n in (0, 127, 128, 0x3FFF, 0x4000)] == [
        b"\x00", b"\x7f", b"\x81\x00", b"\xff\x7f", b"\x81\x80\x00",
    ]  # fmt: skip


@pytest.mark.parametrize("key", range(12))
def test_midi_is_read_as_it_was_written(tmp_path, key):
    (tmp_path / "a.mid").write_bytes(midi(SCALE_UP, bar=6, key=key))
    assert read_midi(tmp_path / "a.mid") == Melody(SCALE_UP, 6, key)


def test_midi_of_others(tmp_path):
    # type 1, two tracks, running status, a note that ends as one of no force, a chord, a drum, text
    first = (
        b"\x00\xff\x03\x02ab\x00\x90\x3c\x40\x60\x3c\x00"
        b"\x00\x3e\x40\x00\x43\x40\x60\x3e\x00\x00\x43\x00\x00\xff\x2f\x00"
    )
    second = b"\x00\xc0\x05\x00\xf0\x02\x01\xf7\x60\x99\x70\x40\x60\x89\x70\x00\x00\xff\x2f\x00"
    chunks = b"".join(b"MTrk" + len(t).to_bytes(4, "big") + t for t in (first, second))
    (tmp_path / "a.mid").write_bytes(b"MThd\x00\x00\x00\x06\x00\x01\x00\x02\x00\x60" + chunks)
    assert read_midi(tmp_path / "a.mid") == Melody([Note(0, 2, 60), Note(2, 2, 67)], 8, None)


def test_wav_has_the_pitch_and_the_length():
    with wave.open(io.BytesIO(wav([Note(0, 8, 69)], 120))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 1, 8000)
        assert file.getnframes() == 16_000, "eight eighths at two quarters a second"
        sound = torch.frombuffer(bytearray(file.readframes(16_000)), dtype=torch.uint8).float() - 128
    assert sound.abs().max() == 127
    loudest = torch.fft.rfft(sound).abs().argmax().item() / 2
    assert loudest == pytest.approx(440, abs=1)
    assert len(wav([])) == 44, "silence is a header"


def test_built_in_tunes_keep_key_and_form():
    task = make("tunes")
    x, test = (task.splits[s][0].tolist() for s in ("train", "test"))
    assert T.kept(x) == 1
    assert {T.read(row)[:2] for row in test} == {(key, bar) for key in range(12) for bar in (6, 8)}
    for row in test[:50]:
        _, bar, _ = T.read(row)
        a, again, b, last = T.sections(row)
        assert a == again == last != b
        assert {len(a), len(b)} == {2 * bar}
    assert len(set(map(tuple, x))) > 3900, "tunes differ"


def test_rows_that_are_no_tunes():
    assert T.read([BEGIN]) == (0, 8, [])
    assert T.read([BEGIN, T.HOLD, 30, 0, 31]) == (0, 8, [T.HOLD, 30])
    assert T.notes([T.HOLD, 30, T.HOLD, T.REST, T.HOLD, 31]) == [Note(1, 2, 59), Note(5, 1, 60)]
    assert T.kept([[BEGIN]]) == T.heard([[BEGIN]]) == 0


def test_a_users_folder(tmp_path):
    rng = random.Random(1)
    for i in range(12):
        key, bar, steps = T.read([BEGIN, *T.tune(rng), 0])
        high = [n._replace(pitch=n.pitch + 24) for n in T.notes(steps + steps)]
        (tmp_path / f"{i}.mid").write_bytes(midi(high, bar=bar, key=key))
    task = make("tunes", tmp_path)
    x = task.splits["train"][0]
    assert x.shape[1] == task.facts["context"] + 1 == 68
    assert T.kept(x.tolist()) == 1, "key signatures are read, octaves brought into range"
    result = run(MusicGenerator, {"steps": 2, "batch_size": 4, "channels": 16}, task=task, out=tmp_path / "run")
    assert {s.name for s in result.scores} == {"held-out nats per token", "notes in the key", "sections heard before"}
    written = write_run(result, task, tmp_path / "run", seed=0, n=4)
    assert written[-2:] == ["sample.wav", "sample.mid"]
    model, _ = load(tmp_path / "run")
    asked = torch.tensor([[BEGIN, T.KEYS + 7, T.METERS + 1]]).expand(3, -1)
    assert torch.equal(model.sample(3, asked)[:, :3], asked)
    assert len(show("tune", model.sample(3), task.facts).axes) == 3


def test_a_key_is_found_where_none_is_told(tmp_path):
    (tmp_path / "a.mid").write_bytes(midi([Note(2 * i, 2, 67 + s) for i, s in enumerate((0, 2, 4, 5, 7, 9, 11, 12))]))
    raw = (tmp_path / "a.mid").read_bytes().replace(b"\xff\x59\x02\x00\x00", b"\xff\x01\x02hi")
    (tmp_path / "a.mid").write_bytes(raw)
    assert T.stretches(tmp_path / "a.mid")[0][:2] == [T.KEYS + 7, T.METERS + 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF1234", "not a MIDI file, or one cut short"),
        (midi(SCALE_UP)[:60], "not a MIDI file, or one cut short"),
        (midi([]), "no notes"),
        (midi(SCALE_UP).replace(b"MThd\x00\x00\x00\x06\x00\x00", b"MThd\x00\x00\x00\x06\x00\x02"), "type 0 or 1"),
        (midi(SCALE_UP, bar=10), "bars of 10 eighth notes; read are 4, 6, 8"),
    ],
)
def test_files_that_are_no_melodies(tmp_path, content, message):
    for i in range(5):
        (tmp_path / f"{i}.mid").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        make("tunes", tmp_path)


def test_folders_that_are_no_data(tmp_path):
    with pytest.raises(ValueError, match="0 MIDI files; a folder with at least 5"):
        make("tunes", tmp_path)
    for i in range(5):
        (tmp_path / f"{i}.mid").write_bytes(midi(SCALE_UP))
    with pytest.raises(ValueError, match="5 stretches of 64 eighth notes; at least 20"):
        make("tunes", tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        make("tunes", tmp_path / "none")
