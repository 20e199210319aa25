"""Patterns on the same data with the same CPU budget: `python benchmarks/tournament.py` writes tournament.json.

Every contestant of every arena (arenas.py) is trained with its default settings for two budgets of CPU seconds on one
thread and over several seeds: a short pilot says what a step costs, and `steps`, on which schedules depend, is set
before the run that counts. Then: how far its samples are from held-out data, beside what the data themselves score, and
what a sample costs. Training goes through the same `run` as everybody's.

A contestant has a process of its own and its rows are written when it is done. `--changed` runs those whose code is no
longer that of their rows, whose seconds missed the budget, and that have no rows, which also goes on with a run that
was cut off; `--only` takes names of arenas and patterns.
"""

import argparse
import json
import math
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from arenas import ARENAS, Arena
from quality import reference, trained
from scale import machine, note
from torch import Tensor, nn

import catalog
from reference_impl.core import Reference, seed_all

OUT = Path(__file__).with_suffix(".json")
SMALLER = 0.25
"""Of the budget: a second run, which says what more training brings."""
CLOSE = 0.08
"""How far from its budget a first run may end, or it is repeated with what it taught about the pace."""
KEPT = 0.15
"""How far from its budget the median of the seeds may end, where other programs on the machine came between."""
Fit = Callable[[int, int], tuple[list[Reference], float]]
"""Steps and seed -> a model of each task and the CPU seconds that training them took."""


class Pace:
    """What a contestant's training costs: seconds before the first step, and of each step."""

    def __init__(self, train: Callable[[int], float], least: float) -> None:
        """From two short runs, the longer of at least so many seconds; train: steps -> CPU seconds."""
        train(1)  # what is done once in a process
        few = steps = 3
        short = after = train(few)
        while after < least or steps == few:
            steps = math.ceil(steps * min(10, max(2, 1.3 * least / after)))
            after = train(steps)
        self.step = max(after - short, 0.1 * after) / (steps - few)
        self.before = max(0.0, short - few * self.step)

    def steps(self, seconds: float) -> int:
        """Steps for so many seconds."""
        return max(1, round((seconds - self.before) / self.step))

    def learn(self, steps: int, seconds: float) -> None:
        """A longer run knows better."""
        self.step = max(seconds - self.before, 0.1 * seconds) / steps


def contest(key: str, pattern: str, budgets: Sequence[float], seeds: int) -> list[dict[str, Any]]:
    """The rows of a contestant, one for each budget, smallest first; runs in a process of its own."""
    arena, cls = ARENAS[key](), reference(pattern)
    settings, rows = arena.guests.get(pattern, {}), []

    def fit(steps: int, seed: int) -> tuple[list[Reference], float]:
        runs = [trained(cls, {**settings, "steps": steps}, task, seed) for task in arena.tasks]
        return [model for model, _ in runs], sum(seconds for _, seconds in runs)

    pace: Pace | None = None
    for budget in sorted(budgets):
        load = round(os.getloadavg()[0], 1)  # of other work, which makes a step dearer
        row: dict[str, Any] = {"budget": budget, "digest": arena.digest(pattern), "load_at_start": load, "values": {}}
        rows.append(row)
        try:
            pace = pace or Pace(lambda steps: fit(steps, 0)[1], least=min(2.0, 0.3 * budget))
            row |= scored(arena, fit, pace, budget, seeds)
        except (ArithmeticError, RuntimeError, ValueError) as err:
            row["note"] = f"failed: {type(err).__name__}: {str(err).splitlines()[0]}"
    return rows


def scored(arena: Arena, fit: Fit, pace: Pace, budget: float, seeds: int) -> dict[str, Any]:
    """Train for the budget with each seed; what it took, what a sample takes, and every measure."""
    steps, first = paced(fit, pace, budget)
    model, usual = first[0][0], type(first[0][0]).Config.model_fields["steps"].default
    row: dict[str, Any] = {
        "steps": steps, "train_cpu_s": [], "sample_cpu_ms": [], "evaluations": evaluations(arena, model, arena.n),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }  # fmt: skip
    of_seeds: list[dict[str, float]] = []
    for seed in range(seeds):
        models, seconds = fit(steps, seed) if seed else first
        seed_all(seed, "tournament")
        with torch.no_grad():
            samples, each = drawn(arena, models)
            of_seeds.append(arena.judge(models, samples))
        row.setdefault("shown", arena.shown(samples))
        row["train_cpu_s"].append(seconds)
        row["sample_cpu_ms"].append(1000 * each)
    row["values"] = {k: [v[k] if math.isfinite(v[k]) else None for v in of_seeds] for k in of_seeds[0]}
    notes = [f"trained for {steps:,} steps of its default {usual:,}"] if steps < usual / 2 else []
    if diverged := [k for k, values in row["values"].items() if None in values]:
        notes.append(f"diverged: no finite {', '.join(diverged)}")
    return row | ({"note": "; ".join(notes)} if notes else {})


def paced(fit: Fit, pace: Pace, budget: float, attempts: int = 3) -> tuple[int, tuple[list[Reference], float]]:
    """Steps that fill the budget, and the first seed's run of so many."""
    while True:
        steps = pace.steps(budget)
        models, seconds = fit(steps, 0)
        pace.learn(steps, seconds)
        attempts -= 1
        if not attempts or abs(seconds / budget - 1) <= CLOSE:
            return steps, (models, seconds)


def drawn(arena: Arena, models: Sequence[Reference]) -> tuple[list[Tensor], float]:
    """Every draw that is judged, and the CPU seconds of one sample."""
    samples, seconds = [], []
    for model in models:
        arena.draw(model, 2)  # what is done once
        for _ in range(arena.draws):
            started = time.process_time()
            samples.append(arena.draw(model, arena.n))
            seconds.append(time.process_time() - started)
    return samples, statistics.fmean(seconds) / arena.n


def evaluations(arena: Arena, model: Reference, n: int) -> int | None:
    """How often a sample, one of n, passes through the layer that is called most; None where no layer is called."""
    passed: Counter[nn.Module] = Counter()

    def called(layer: nn.Module, inputs: tuple[Any, ...], _: Any) -> None:
        first = next((x for x in inputs if isinstance(x, Tensor) and x.ndim), None)
        passed[layer] += n if first is None else len(first)

    layers = [m for m in model.modules() if m is not model and any(True for _ in m.parameters(recurse=False))]
    hooks = [m.register_forward_hook(called) for m in layers]
    with torch.no_grad():
        arena.draw(model, n)
    for hook in hooks:
        hook.remove()
    return max(1, round(max(passed.values()) / n)) if passed else None


def rounded(value: Any) -> Any:
    """The same with five significant digits."""
    if isinstance(value, Mapping):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def described(arena: Arena) -> dict[str, Any]:
    """What stands above the rows of an arena."""
    return {
        "title": arena.title, "data": arena.data, "sample": arena.unit, "measures": arena.measures(),
        "rating": arena.rating, "rows": {}, "left_out": arena.left_out,
        "shown_is": arena.shown_is, "shown": arena.shown(arena.real()),
    }  # fmt: skip


def write(out: Path, found: Mapping[str, Any]) -> None:
    """The file, whole or as it was."""
    aside = out.with_suffix(".partial")
    aside.write_text(json.dumps(rounded(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(aside, out)


def stale(arena: Arena, pattern: str, rows: Sequence[Mapping[str, Any]], budgets: Sequence[float]) -> bool:
    """Whether a budget is missing or was missed, or the code is no longer that of the rows."""
    spent = [statistics.median(row.get("train_cpu_s") or [row["budget"]]) / row["budget"] for row in rows]
    return (
        [row["budget"] for row in rows] != budgets
        or {row["digest"] for row in rows} != {arena.digest(pattern)}
        or any(abs(share - 1) > KEPT for share in spent)
    )


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--budget", type=float, default=20, help="CPU seconds of training (default: %(default)s)")
    p.add_argument("--seeds", type=int, default=3, help="runs of each contestant (default: %(default)s)")
    p.add_argument("--jobs", type=int, default=2, help="processes side by side (default: %(default)s)")
    p.add_argument("--only", nargs="+", default=[], metavar="NAME", help="arenas and patterns; other rows stay")
    p.add_argument(
        "--changed", action="store_true", help="only where code changed, or rows are missing or off the budget"
    )
    p.add_argument("--out", type=Path, default=OUT, help="default: beside this program")
    args = p.parse_args()
    if args.budget <= 0 or args.seeds < 1 or args.jobs < 1:
        p.error("--budget, --seeds and --jobs have to be more than 0")
    arenas, cat = {key: arena() for key, arena in ARENAS.items()}, catalog.load()
    everybody = [(key, pattern) for key, arena in arenas.items() for pattern in arena.contestants(cat)]
    if strange := set(args.only).difference(*everybody):
        p.error(
            f"--only {' '.join(sorted(strange))}: no contestant; see the file's rows, or one of {', '.join(arenas)}"
        )
    about, budgets = machine(), [args.budget * SMALLER, args.budget]
    del about["load_at_start"]  # every row has its own
    found: dict[str, Any] = {
        "date": about.pop("date"), "machine": {**about, "torch": torch.__version__},
        "budgets": budgets, "seeds": args.seeds,
    }  # fmt: skip
    before: dict[str, Any] = {"arenas": {}}
    if (args.only or args.changed) and args.out.exists():
        before = json.loads(args.out.read_text(encoding="utf-8"))
        if differ := [k for k in ("budgets", "seeds") if before[k] != found[k]]:
            p.error(f"{args.out} has other {' and '.join(differ)}; give the same, or run all anew")
    found["arenas"] = {key: described(arena) for key, arena in arenas.items()}
    for key, pattern in everybody:
        if rows := before["arenas"].get(key, found["arenas"][key])["rows"].get(pattern):
            found["arenas"][key]["rows"][pattern] = rows
    todo = [
        (key, pattern)
        for key, pattern in everybody
        if (not args.only or key in args.only or pattern in args.only)
        and (not args.changed or stale(arenas[key], pattern, found["arenas"][key]["rows"].get(pattern, []), budgets))
    ]
    started = time.time()
    with ProcessPoolExecutor(args.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        runs = {pool.submit(contest, *who, budgets, args.seeds): who for who in todo}
        for done, ended in enumerate(as_completed(runs), 1):
            key, pattern = runs[ended]
            rows = found["arenas"][key]["rows"]
            rows[pattern] = ended.result()
            found["arenas"][key]["rows"] = dict(sorted(rows.items()))
            write(args.out, found)
            said = [f"{r['budget']:g} s: {r['values'].get(arenas[key].rating, r.get('note'))}" for r in rows[pattern]]
            note(f"{done}/{len(todo)} {key} {pattern}: {'; '.join(said)} ({time.time() - started:.0f} s)")
    write(args.out, found)


if __name__ == "__main__":
    main()
