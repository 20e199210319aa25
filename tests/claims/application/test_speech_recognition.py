"""Claims of speech recognition."""

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reference_impl.application.speech_recognition import SpeechRecognizer, likeliest
from reference_impl.core import run
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.ctc import BLANK, log_likelihood
from reference_impl.tasks.tones import (
    BANDS,
    PER_SECOND,
    Tones,
    error_rate,
    padded,
    speak,
    spectrogram,
    strings,
    wav_bytes,
)


class Templates(NamedTuple):
    """Recordings of single digits, and of silence, laid end to end."""

    frames: np.ndarray
    """All frames, (S, bands)."""
    first: np.ndarray
    """Where each template begins, (N,)."""
    last: np.ndarray
    """Where each ends, (N,)."""
    digits: list[str]
    """What each says; silence says nothing."""


def templates(task: Tones) -> Templates:
    """Of all training recordings that hold a single digit, what lies between the silences; and one frame of silence."""
    found, quiet = [], []
    for said, y in zip(*task.splits["train"], strict=True):
        if len(said) == 1:
            frames = y[y[:, 0] >= 0].numpy()
            loud = np.flatnonzero(frames.max(1) > 0.75 * frames.max())
            found.append((said, frames[loud[0] : loud[-1] + 1]))
            quiet.append(frames[0])
    found.append(("", np.median(quiet, 0)[None]))
    ends = np.cumsum([len(f) for _, f in found])
    first = np.concatenate([[0], ends[:-1]])
    return Templates(np.concatenate([f for _, f in found]), first, ends - 1, [said for said, _ in found])


def warped(y: np.ndarray, t: Templates, penalty: float) -> str:
    """The digits of the sequence of templates that, stretched and compressed in time, comes closest to the frames y.

    Dynamic time warping in one pass over all templates; `penalty` is paid for each template. Ney, "The use of a
    one-stage dynamic programming algorithm for connected word recognition", 1984.
    """
    distance = np.sqrt(np.maximum((y**2).sum(1)[:, None] + (t.frames**2).sum(1) - 2 * y @ t.frames.T, 0))
    inside = np.ones(len(t.frames), bool)
    inside[t.first] = False
    second = inside & np.roll(inside, 1)
    cost, said = np.full(len(t.frames), np.inf), np.zeros(len(t.frames), int)
    # what was said before entering a template: a chain of (chain before, digit)
    chains: list[tuple[int, str]] = [(-1, "")]
    best, chain = 0.0, 0
    for row in distance:
        # stay, or go on by one frame or two of the template
        ways = np.stack([cost, np.where(inside, np.roll(cost, 1), np.inf), np.where(second, np.roll(cost, 2), np.inf)])
        way = ways.argmin(0)
        places = np.arange(len(cost)) - way
        cost, said = ways[way, np.arange(len(cost))], said[places]
        enter = t.first[best + penalty < cost[t.first]]
        cost[enter], said[enter] = best + penalty, chain
        cost = cost + row
        winner = int(cost[t.last].argmin())
        best = float(cost[t.last[winner]])
        chains.append((int(said[t.last[winner]]), t.digits[winner]))
        chain = len(chains) - 1
    heard = ""
    while chain > 0:
        chain, digit = chains[chain]
        heard = digit + heard
    return heard


def best_path(q: Tensor) -> tuple[int, ...]:
    """The string of the likeliest path under q (T, K)."""
    return tuple(k for k in q.argmax(-1).unique_consecutive().tolist() if k != BLANK)


@cache
def trained(seed: int) -> SpeechRecognizer:
    """A recognizer of the built-in recordings with its default settings."""
    return run(SpeechRecognizer, task=Tones(), seed=seed, evaluate=False).model


def test_recognizes_strings_of_unseen_length(claim):
    task = Tones()
    said, y = task.splits["longer"]
    models = [trained(seed) for seed in range(3)]
    errors = [error_rate(said, model.sample(len(y), y)) for model in models]
    isolated = templates(task)
    heard = {
        # the baseline may choose what a template costs
        penalty: [warped(f[f[:, 0] >= 0].numpy(), isolated, penalty) for f in y]
        for penalty in (0.0, 0.25, 0.5, 1.0)
    }
    claim.measure("error", errors, baseline=min(error_rate(said, h) for h in heard.values()))

    digits = "3141592"
    sound = speak(digits, np.random.default_rng(7))
    frames = torch.from_numpy(spectrogram(sound))
    with torch.no_grad():
        q = models[0].read(frames[None])[0][0].exp()
    seconds = (np.arange(len(q)) + 0.5) / PER_SECOND
    fig, (top, bottom) = figure(7.0, 3.8, rows=2, sharex=True)
    top.imshow(
        frames.T.numpy(), aspect="auto", origin="lower", cmap="viridis", interpolation="nearest",
        extent=(0, len(q) / PER_SECOND, 0, BANDS),
    )  # fmt: skip
    top.set(ylabel="band", title=f"said: {' '.join(digits)}, heard: {' '.join(models[0].sample(1, frames[None])[0])}")
    bottom.plot(seconds, q[:, BLANK], color=PALETTE[8], linewidth=1, linestyle=":", label="blank")
    for k in sorted({int(d) for d in digits}):
        bottom.plot(seconds, q[:, 1 + k], color=PALETTE[k], linewidth=1.4)
        for t in range(1, len(q) - 1):
            if q[t, 1 + k] > 0.5 and q[t, 1 + k] >= max(q[t - 1, 1 + k], q[t + 1, 1 + k]):
                bottom.annotate(str(k), (seconds[t], 1.02), color=PALETTE[k], ha="center", weight="bold")
    bottom.set(xlabel="seconds", ylabel="probability", ylim=(0, 1.15), yticks=[0, 1])
    bottom.legend(loc="center right")
    claim.figure(
        "hero",
        fig,
        caption="Seven digits, more than any training string has, as a spectrogram (above; bands from low to high) and "
        "what the network makes of each frame (below). It says blank nearly all the time and names each digit in a "
        "frame or two; a digit said twice would show two spikes with blank between.",
        alt="A spectrogram of low onsets and high rimes, and under it one narrow labeled spike per digit.",
    )
    claim.figure(
        "sound",
        wav_bytes(sound),
        caption="The recording of the figure: each digit is a syllable of two tones, a low one of four and a high one "
        "of three, at a pace and pitch drawn once and lengths drawn for every tone, in noise.",
        alt="Some two seconds of gliding tones that code seven digits",
    )


def test_noise_beyond_training_causes_errors(claim):
    levels = (0.1, 0.3, 0.6, 1.0, 1.5)
    g, models, rates = np.random.default_rng(8), [trained(seed) for seed in range(3)], {}
    for level in levels:
        x = strings(60, 4, 4, g)
        frames = padded([spectrogram(speak(s, g, loudest=level)) for s in x])
        rates[level] = [error_rate(x, model.sample(len(x), frames)) for model in models]
    claim.measure("error", rates[1.5], baseline=rates[0.3])

    fig, ax = figure(5.6, 2.8)
    ax.plot(levels, list(rates.values()), "o-", color=PALETTE[0], markersize=3, linewidth=1)
    ax.axvspan(0, 0.3, color=PALETTE[8], alpha=0.2, linewidth=0)
    ax.set(xlabel="loudest noise, relative to the voice", ylabel="label error rate", xlim=(0, None))
    claim.figure(
        "noise",
        fig,
        caption="Errors on new strings of four digits in noise, three runs. Training had noise up to 0.3 of the "
        "voice's amplitude (gray). Up to twice that errors stay rare, then they rise steeply: a recognizer knows the "
        "noise of its recordings, and what it will meet has to be recorded or simulated.",
        alt="Error rate against noise: near zero up to 0.6, then rising to about 0.4 at 1.5.",
    )


def test_search_finds_the_likeliest_string(claim):
    every = [s for n in range(6) for s in itertools.product((1, 2), repeat=n)]
    labels = torch.tensor([[*s, *[BLANK] * (5 - len(s))] for s in every])
    found, greedy, differences = [], [], []
    for _ in range(60):
        q = (1.5 * torch.randn(5, 3, dtype=torch.float64)).log_softmax(-1)
        exact = log_likelihood(q.expand(len(every), -1, -1), torch.tensor(5).expand(len(every)), labels)
        string, value = likeliest(q, beam=len(every))
        found.append(string == every[int(exact.argmax())])
        greedy.append(best_path(q) == every[int(exact.argmax())])
        differences.append(abs(value - exact.max().item()))
    claim.measure("found", float(np.mean(found)), baseline=float(np.mean(greedy)))
    claim.measure("difference", max(differences))
