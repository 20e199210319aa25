"""Recordings: what is synthesized, and what users bring."""

import stat
import wave

import numpy as np
import pytest
import torch

from reference_impl.core import run
from reference_impl.recurrent.ctc import CTC
from reference_impl.tasks import make
from reference_impl.tasks.tones import BANDS, RATE, edit_distance, error_rate, read_wav, speak, spectrogram, wav_bytes


def beep(hertz, seconds=0.2, rate=RATE):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


@pytest.fixture
def folder(tmp_path):
    """Recordings of one digit each, named as those of the Free Spoken Digit Dataset."""
    for i in range(20):
        (tmp_path / f"{i % 4}_someone_{i}.wav").write_bytes(wav_bytes(beep(300 + 400 * (i % 4))))
    return tmp_path


def test_what_is_synthesized_is_the_same_every_time_and_held_out_by_length():
    task, again = make("tones"), make("tones")
    for split, lengths in (("train", {1, 2, 3, 4}), ("test", {1, 2, 3, 4}), ("longer", {5, 6, 7, 8})):
        said, y = task.splits[split]
        assert {len(s) for s in said} == lengths
        assert len(said) == len(y)
        assert torch.equal(y, again.splits[split][1])
        ends = (y[..., 0] >= 0).sum(1)
        assert all((row[:n] >= 0).all() and (row[n:] == -1).all() for row, n in zip(y, ends, strict=True))
        assert y.max() <= 1
    assert task.facts["alphabet"] == "0123456789"


def test_a_tone_lies_in_the_band_of_its_frequency_at_any_rate():
    peaks = [int(spectrogram(beep(f)).mean(0).argmax()) for f in (200, 500, 1000, 2000, 3500)]
    assert peaks == sorted(set(peaks))
    assert all(0 <= p < BANDS for p in peaks)
    finer = [int(spectrogram(beep(f, rate=16000), 16000).mean(0).argmax()) for f in (200, 500, 1000, 2000, 3500)]
    assert finer == peaks
    assert spectrogram(np.zeros(RATE)).max() == 0, "silence is no error"


def test_a_wav_file_comes_back(tmp_path):
    sound = speak("42", np.random.default_rng(0))
    (tmp_path / "a.wav").write_bytes(wav_bytes(sound))
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == RATE
    np.testing.assert_allclose(samples, sound.clip(-1, 1), atol=2e-4)
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as w:
        w.setnchannels(2)
        w.setsampwidth(2)
        w.setframerate(16000)
        w.writeframes(np.array([[100, 300]] * 50, "<i2").tobytes())
    samples, rate = read_wav(tmp_path / "stereo.wav")
    assert rate == 16000
    np.testing.assert_allclose(samples, 200 / 2**15)


def test_a_folder_is_learned_from(folder):
    task = make("tones", folder)
    assert task.facts["alphabet"] == "0123"
    assert len(task.splits["train"][0]) == 18
    assert task.splits["test"][0] == ["0", "2"]
    result = run(CTC, {"steps": 2, "batch_size": 6}, task=task)
    assert [s.name for s in result.scores] == ["label error rate, held out"]


def test_a_table_gives_the_transcripts(folder):
    rows = [f"{p.name},oh {'ab'[i % 2]}" for i, p in enumerate(sorted(folder.glob("*.wav")))]
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    task = make("tones", folder)
    assert task.facts["alphabet"] == " abho"
    assert task.splits["test"][0] == ["oh a", "oh a"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1_x.wav", b"RIFFbroken", "1_x.wav: not a WAV file"),
        ("1_x.wav", wav_bytes(beep(300), rate=4000), "16 bits at 4000 Hz"),
        ("112233_x.wav", wav_bytes(beep(300, 0.1)), "0.08 seconds are too short for '112233'"),
        ("labels.csv", b"a.wav\n", "labels.csv, row 1: 1 fields"),
        ("labels.csv", b"a.wav,one\n", "row 1: 'a.wav' is not in the folder"),
        ("labels.csv", b"0_someone_0.wav,one\n", "1 recordings; at least 20"),
    ],
)
def test_bad_recordings_are_refused_with_what_is_wrong(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        make("tones", folder)


def test_what_is_no_folder(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(beep(300)))
    with pytest.raises(ValueError, match="read from a folder"):
        make("tones", tmp_path / "a.wav")
    with pytest.raises(FileNotFoundError, match="known: tones, espeak"):
        make("tones", tmp_path / "nothing")


def test_espeak_reads_aloud_where_it_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="espeak-ng is not installed; install it"):
        make("tones", "espeak")
    # a stand-in with the same arguments, which always says the same
    (tmp_path / "beep.wav").write_bytes(wav_bytes(beep(500, 0.5)))
    program = tmp_path / "espeak-ng"
    program.write_text(f'#!/bin/sh\n[ "$5" = -w ] && [ "$2" != nobody ] && /bin/cp {tmp_path}/beep.wav "$6"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    task = make("tones", "espeak")
    assert {k: len(x) for k, (x, _) in task.splits.items()} == {"train": 240, "test": 60, "longer": 30}
    program.write_text("#!/bin/sh\necho no such voice >&2\nexit 1\n")
    with pytest.raises(ValueError, match="failed: no such voice"):
        make("tones", "espeak")


@pytest.mark.parametrize(("a", "b", "edits"), [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("12", "21", 2)])
def test_edits(a, b, edits):
    assert edit_distance(a, b) == edit_distance(b, a) == edits


def test_an_error_rate_counts_edits_per_label():
    assert error_rate(["123", "4"], ["13", "45"]) == 0.5
