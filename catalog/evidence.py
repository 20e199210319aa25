"""What was measured: `patterns/<family>/<id>/evidence.json` and the figures beside it.

Written by `verify`, never by hand.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import Field

from .schema import Claim, Measure, Model


class Measured(Model):
    """One number of a claim as a run produced it."""

    value: float
    """The median over seeds where there are several."""
    seeds: list[float] = Field(default=[])
    """The value of each seed, where there are several."""
    baseline: float | None = None
    baseline_seeds: list[float] = Field(default=[])


class Figure(Model):
    """A picture, text or sound that the run of a claim produced."""

    file: str
    """Name in the pattern's folder; `hero.*` stands for the pattern everywhere."""
    caption: str
    alt: str


class Record(Model):
    """The last run of one claim's test that met every bar."""

    digest: str
    """Of all that the numbers depend on (`catalog.digest`)."""
    measures: dict[str, Measured]
    figures: list[Figure] = Field(default=[])
    programs: list[str] = Field(default=[])
    """Names of files in the pattern's folder: functions of the trained model that a page can run."""
    seconds: float
    """CPU seconds of the test."""
    device: str
    versions: dict[str, str]
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")


Evidence = dict[str, Record]
"""Record of each claim by the claim's id."""


def read(folder: Path) -> Evidence:
    """The evidence in a pattern's folder; empty where nothing was measured yet."""
    path = Path(folder) / "evidence.json"
    if not path.exists():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    return {name: Record.model_validate(record) for name, record in data["claims"].items()}


def write(folder: Path, evidence: Evidence) -> None:
    """Replace the folder's evidence in one move and remove figures that nothing refers to any more."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {"schema": 1, "claims": {k: evidence[k].model_dump(exclude_defaults=True) for k in sorted(evidence)}}
    aside = folder / ".evidence.json.part"
    aside.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(aside, folder / "evidence.json")
    kept = {f.file for r in evidence.values() for f in r.figures} | {p for r in evidence.values() for p in r.programs}
    for stray in folder.iterdir():
        if stray.name.endswith((".svg", ".txt", ".wav", ".mid", ".net.json")) and stray.name not in kept:
            stray.unlink()


def failed_bars(measure: Measure, value: float, baseline: float | None) -> list[str]:
    """The bars of a measure that the value misses, each as a sentence; NaN misses all."""
    b = float("nan") if baseline is None else baseline
    m = measure
    checks = {
        "at_most": lambda bar: value <= bar,
        "at_least": lambda bar: value >= bar,
        "between": lambda bar: bar[0] <= value <= bar[1],
        "near": lambda bar: abs(value - bar.value) <= bar.tolerance,
        "of_baseline_at_most": lambda bar: value <= bar * b,
        "of_baseline_at_least": lambda bar: value >= bar * b,
        "below_baseline_by": lambda bar: b - value >= bar,
        "above_baseline_by": lambda bar: value - b >= bar,
        "baseline_at_most": lambda bar: b <= bar,
        "baseline_at_least": lambda bar: b >= bar,
    }
    beside = f", {m.baseline}: {baseline:.6g}" if baseline is not None else ""
    return [
        f"{m.what}: {value:.6g} {m.unit}{beside}; the bar is {describe(name, bar)}"
        for name, bar in m.bars.items()
        if not checks[name](bar)
    ]


def missed(claim: Claim, record: Record | None) -> list[str] | None:
    """The bars of a claim that its last run missed, each as a sentence; None where a number was not measured."""
    if record is None or claim.measures.keys() - record.measures.keys():
        return None
    got = record.measures
    return [said for k, m in claim.measures.items() for said in failed_bars(m, got[k].value, got[k].baseline)]


def describe(name: str, bar: object) -> str:
    """A bar in words, as pages and messages show it."""
    if name == "between":
        return "{:g} to {:g}".format(*bar)  # type: ignore[misc]
    if name == "near":
        return f"{bar.value:g} ± {bar.tolerance:g}"  # type: ignore[attr-defined]
    words = {
        "at_most": "≤ {:g}", "at_least": "≥ {:g}",
        "of_baseline_at_most": "≤ {:g} × baseline", "of_baseline_at_least": "≥ {:g} × baseline",
        "below_baseline_by": "at least {:g} below the baseline",
        "above_baseline_by": "at least {:g} above the baseline",
        "baseline_at_most": "baseline ≤ {:g}",
        "baseline_at_least": "baseline ≥ {:g}",
    }  # fmt: skip
    return words[name].format(bar)


def describe_bars(measure: Measure) -> str:
    """All bars of a measure in words."""
    return ", ".join(describe(name, bar) for name, bar in measure.bars.items())


def summary(claim: Claim, record: Record) -> str:
    """One line: each measure with its value, baseline and bars."""
    parts = []
    for name, m in claim.measures.items():
        got = record.measures[name]
        beside = f" (baseline {got.baseline:.4g})" if got.baseline is not None else ""
        parts.append(f"{name} {got.value:.4g}{beside} [{describe_bars(m)}]")
    return "; ".join(parts)
