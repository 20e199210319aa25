"""What a run says while it trains and when it is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def bar(title: str, show: bool) -> Iterator[Any]:
    """A progress callback for `run`: a bar on a terminal, a line every tenth of the way elsewhere."""
    if not show:
        yield lambda *_: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(stderr=True)) as display:
            rows: dict[str, Any] = {}

            def on_terminal(phase: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
                if phase not in rows:
                    rows[phase] = display.add_task(f"{title} {phase}", total=steps, note="")
                display.update(rows[phase], completed=step, note=format_metrics(metrics))

            yield on_terminal
    else:
        told: set[tuple[str, int]] = set()

        def as_lines(phase: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
            if (key := (phase, 10 * step // steps)) not in told:
                told.add(key)
                print(f"{title} {phase} {step}/{steps}  {format_metrics(metrics)}", file=sys.stderr, flush=True)

        yield as_lines


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Metrics on one line, four digits each."""
    return "  ".join(f"{k} {v:.4g}" for k, v in metrics.items())


def print_scores(scores: Sequence[Any]) -> None:
    """One line a score: value and unit, which way is better, the baseline beside it."""
    for s in scores:
        beside = f"   {s.against}: {s.baseline:.4g}" if s.baseline is not None else ""
        better = f" ({s.better} is better)" if s.better else ""
        print(f"{s.name}: {s.value:.4g} {s.unit}{better}{beside}")
