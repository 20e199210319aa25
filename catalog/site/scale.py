"""The tables of the page on scale, from what `benchmarks/scale.py` measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).parents[2] / "benchmarks" / "scale.json"
NAMES = ("scale_goals", "scale_loads", "scale_questions", "scale_networkx", "scale_machine")
ELSEWHERE = "The figures are in `benchmarks/scale.json` of a checkout."


def tables() -> dict[str, str]:
    """By the names under which the page asks for them; without the file, where the figures are."""
    if not MEASURED.is_file():
        return dict.fromkeys(
            ("scale_goals", "scale_loads", "scale_questions", "scale_networkx", "scale_machine"), ELSEWHERE
        )
    data = json.loads(MEASURED.read_text(encoding="utf-8"))
    runs: list[dict[str, Any]] = data["runs"]
    lean = [r for r in runs if r["size"] == "lean"]
    entries = [f"{r['entries']:,}" for r in lean]
    m = data["machine"]
    return {
        "scale_goals": table(["what", "entries", "allowed", "measured", "goal"], map(_goal, data["goals"])),
        "scale_loads": table(
            ["entries", "KB each", "cold", "on the clock", "warm", "on the clock", "memory, cold and warm", "cache"],
            map(_load, runs),
        ),
        "scale_questions": table(
            ["question", *entries],
            [
                ["first search of all: the index is built", *(_time(r["first_search"]["s"]) for r in lean)],
                *_verbs([r["questions"] for r in lean]),
            ],
        ),
        "scale_networkx": table(
            ["networkx", *entries],
            [
                ["`cat.graph` is built", *(_time(r["networkx"]["build"]["s"]) for r in lean)],
                *_verbs([r["networkx"] for r in lean], "`{}`"),
            ],
        ),
        "scale_machine": f"{m['cores']} cores of {m['system']}, {m['memory_gb']} GB, Python {m['python']}, SQLite "
        f"{m['sqlite']}, on {m['date']}; {m['load_at_start']:g} other processes were running",
    }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, numbers to the right."""
    rule = ["---", *("--:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"


def _goal(g: dict[str, Any]) -> list[str]:
    met = "met" if g["met"] else "**missed**"
    return [g["what"], f"{g['entries']:,} {g['size']}", _time(g["at_most_s"]), _time(g["s"]), met]


def _load(r: dict[str, Any]) -> list[str]:
    cold, warm = r["cold"], r["warm"]
    times = [_time(step[unit]) for step in (cold, warm) for unit in ("s", "wall_s")]
    memory = f"{cold['memory_mb']:,} and {warm['memory_mb']:,} MB"
    return [f"{r['entries']:,} {r['size']}", f"{r['kb_each']:g}", *times, memory, f"{r['cache_mb']:,} MB"]


def _verbs(found: list[dict[str, Any]], shown: str = "{}") -> list[list[str]]:
    """A row for each verb: median and 95th percentile at each number of entries; and one for the memory."""
    rows = [[shown.format(verb), *(_spread(f["verbs"][verb]) for f in found)] for verb in found[0]["verbs"]]
    return [*rows, ["memory", *(f"{f['memory_mb']:,} MB" for f in found)]]


def _spread(t: dict[str, float]) -> str:
    return f"{_time(t['median_ms'] / 1000)} ({_time(t['p95_ms'] / 1000)})"
