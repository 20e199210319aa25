"""Loading, questions and memory of generated catalogs: `python benchmarks/scale.py --out benchmarks/scale.json`.

For every size a catalog is written to a temporary folder, loaded without and with a cache, and asked random questions;
each step in a fresh process, so that memory is its own. Seconds are measured twice: on the clock, and of the processor.
Where other programs use the machine the clock says more about them than about this library; goals are judged by the
processor's seconds, of a load with several processes by those of the first one and of the busiest of the others.
Exits with 1 if a goal is missed. Figures of other sizes in the file of `--out` stay. `--write DIR --entries N` only
writes a catalog.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generated import SIZES, write

import catalog
from catalog import store
from catalog.errors import NoPath

QUESTIONS = 200
FULL_UP_TO = 10_000
"""Entries as long as the real ones are written up to this number: 100,000 would be 1.3 GB."""
GOALS = [
    ("load cold", 10_000, 10.0), ("load warm", 10_000, 0.5), ("related", 100_000, 0.005), ("path", 100_000, 0.005),
    ("search", 100_000, 0.020), ("recommend", 100_000, 0.050),
]  # fmt: skip
"""What, at how many entries, in how many seconds; of questions the 95th percentile counts."""


def seconds() -> tuple[float, float, float]:
    """The clock, processor seconds of this process, and of the processes that it started and that have ended."""
    mine, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return time.perf_counter(), mine.ru_utime + mine.ru_stime, others.ru_utime + others.ru_stime


def megabytes() -> float:
    """The most memory that this process has held."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024))


def load(folder: Path) -> tuple[catalog.Catalog, dict[str, Any]]:
    """A catalog, and what it took to load it."""
    before = seconds()
    cat = catalog.load(folder)
    wall, mine, others = (after - b for after, b in zip(seconds(), before, strict=True))
    busiest = others / min(os.cpu_count() or 1, len(cat) // 250 or 1)  # the files are dealt out evenly
    return cat, {"wall_s": wall, "cpu_s": mine + others, "s": mine + busiest, "memory_mb": megabytes()}


def timed(ask: Callable[[Any], Any], questions: list[Any]) -> dict[str, float]:
    """Milliseconds that questions take: median, 95th percentile and maximum, of the processor and on the clock."""
    cpu, wall = [], []
    for question in questions:
        clock, mine = time.perf_counter(), time.process_time()
        with contextlib.suppress(NoPath):
            ask(question)
        cpu.append(1000 * (time.process_time() - mine))
        wall.append(1000 * (time.perf_counter() - clock))
    centiles = lambda values: statistics.quantiles(values, n=20, method="inclusive")
    return {
        "n": len(questions), "median_ms": statistics.median(cpu), "p95_ms": centiles(cpu)[-1], "max_ms": max(cpu),
        "wall_median_ms": statistics.median(wall), "wall_p95_ms": centiles(wall)[-1],
    }  # fmt: skip


# -- what a process of its own does


def cold(folder: Path) -> dict[str, Any]:
    """Load without a cache."""
    return load(folder)[1]


def warm(folder: Path) -> dict[str, Any]:
    """Load from the cache."""
    cat, took = load(folder)
    assert isinstance(cat.stock, store.Kept)
    return took


def first_search(folder: Path) -> dict[str, Any]:
    """The first search of all, which builds the index."""
    cat, _ = load(folder)
    before = seconds()
    cat.search("variational autoencoder")
    wall, mine, others = (after - b for after, b in zip(seconds(), before, strict=True))
    return {"wall_s": wall, "cpu_s": mine + others, "s": mine + others, "memory_mb": megabytes()}


def questions(folder: Path) -> dict[str, Any]:
    """Random questions of every kind, the first one of each kind not counted."""
    rng, (cat, _) = random.Random(0), load(folder)
    some = [cat[rng.choice(cat.ids)] for _ in range(QUESTIONS + 1)]
    sentences = [rng.choice([e.problem, e.solution, e.intent, e.context]).split() for e in some]
    few = [" ".join(s[: rng.randrange(2, 6)]) for s in sentences]
    names = [rng.choice([e.id, e.name.upper(), *e.aliases]) for e in some]
    texts = [rng.choice([mistyped(e.name, rng), few[i], "how do I " + " ".join(sentences[i][:8]), e.name])
             for i, e in enumerate(some)]  # fmt: skip
    problems = [" ".join(s[:10]) for s in sentences]
    values = list(cat.facets.values("likelihood"))
    asked: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        "get": (cat.get, names),
        "related": (cat.related, cat_ids := [e.id for e in some]),
        "path": (lambda ends: cat.path(*ends), list(zip(cat_ids, rng.sample(cat_ids, len(some)), strict=True))),
        "search": (cat.search, texts),
        "recommend": (cat.recommend, problems),
        "recommend, with a facet": (lambda p: cat.recommend(p, likelihood=rng.choice(values)), problems),
    }
    for ask, about in asked.values():
        ask(about[0])
    found: dict[str, Any] = {verb: timed(ask, about[1:]) for verb, (ask, about) in asked.items()}
    hubs = sorted(range(len(cat)), key=lambda n: cat.stock.starts[n] - cat.stock.starts[n + 1])[:20]
    found["related, of the 20 entries with most relations"] = timed(cat.related, [cat.ids[n] for n in hubs])
    return {"verbs": found, "memory_mb": megabytes()}


def mistyped(name: str, rng: random.Random) -> str:
    """A name with two neighboring letters exchanged."""
    i = rng.randrange(1, len(name) - 2)
    return name[:i] + name[i + 1] + name[i] + name[i + 2 :]


def networkx(folder: Path) -> dict[str, Any]:
    """The same on the networkx graph."""
    import networkx as nx

    cat, _ = load(folder)
    before = seconds()
    graph = cat.graph
    wall, mine, _ = (after - b for after, b in zip(seconds(), before, strict=True))
    rng = random.Random(0)
    ends = [(rng.choice(cat.ids), rng.choice(cat.ids)) for _ in range(QUESTIONS)]
    found = {"shortest_path": timed(lambda e: nx.shortest_path(graph, *e), ends)}
    whole = [("pagerank", lambda _: nx.pagerank(nx.DiGraph(graph))),
             ("weakly_connected_components", lambda _: list(nx.weakly_connected_components(graph)))]  # fmt: skip
    found |= {name: timed(ask, [None] * 2) for name, ask in whole if name != "pagerank" or has("scipy")}
    return {"build": {"wall_s": wall, "s": mine}, "verbs": found, "memory_mb": megabytes()}


def has(module: str) -> bool:
    """Whether a module is installed."""
    from importlib.util import find_spec

    return find_spec(module) is not None


# -- the whole


def measure(step: str, folder: Path, times: int = 1) -> dict[str, Any]:
    """What a step gives in a process of its own; of several runs the one of median duration."""
    command = [sys.executable, __file__, "--step", step, str(folder)]
    runs = [json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) for _ in range(times)]
    return sorted(runs, key=lambda run: run.get("s", 0))[len(runs) // 2]


def note(*said: Any) -> None:
    """Progress."""
    print(*said, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "load_at_start": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def run(n: int, size: str, work: Path) -> dict[str, Any]:
    """All steps for one catalog."""
    folder, cache = work / f"{size}_{n}", work / "cache"
    os.environ[store.VARIABLE] = str(cache)
    note(f"{n:,} {size} entries: writing")
    write(folder, n, size)
    files = [f.stat().st_size for f in folder.glob("*/*.yaml")]
    time.sleep(2 + store.SETTLED / 1e9)
    made: dict[str, Any] = {"entries": n, "size": size, "kb_each": round(sum(files) / n / 1000, 1)}
    steps = [("cold", cold, 1), ("warm", warm, 5), ("first_search", first_search, 1), ("questions", questions, 1)]
    if size == "lean":
        steps.append(("networkx", networkx, 1))
    for name, step, times in steps:
        made[name] = measure(step.__name__, folder, times)
        note(f"  {name}: {brief(made[name])}")
    made["cache_mb"] = round(sum(f.stat().st_size for f in cache.rglob("*") if f.is_file()) / 1e6)
    return made


def brief(found: dict[str, Any]) -> str:
    """A result on one line."""
    verbs = [f"{verb} {t['median_ms']:.2f}/{t['p95_ms']:.2f} ms" for verb, t in found.get("verbs", {}).items()]
    return ", ".join([*([f"{found['s']:.2f} s ({found['wall_s']:.2f} s on the clock)"] if "s" in found else []), *verbs,
                      f"{found['memory_mb']:.0f} MB"])  # fmt: skip


def judged(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every goal that was measured, with the figure that counts and whether it is met."""
    found = []
    for what, n, most in GOALS:
        for made in runs:
            if made["entries"] == n:
                is_load = what.startswith("load")
                value = made[what.split()[1]]["s"] if is_load else made["questions"]["verbs"][what]["p95_ms"] / 1000
                found.append({"what": what, "entries": n, "size": made["size"], "at_most_s": most, "s": value,
                              "met": value <= most})  # fmt: skip
    return found


def rounded(value: Any) -> Any:
    """The same with numbers of four digits."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


STEPS = {step.__name__: step for step in (cold, warm, first_search, questions, networkx)}


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000], help="numbers of entries")
    p.add_argument("--out", type=Path, help="write the figures there, as JSON")
    p.add_argument("--write", metavar="DIR", type=Path, help="only write a generated catalog there")
    p.add_argument("--entries", type=int, default=1000, help="how many entries to write")
    p.add_argument("--size", choices=SIZES, default="lean", help="how long the entries to write are")
    p.add_argument("--step", nargs=2, metavar=("STEP", "DIR"), help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.write:
        write(args.write, args.entries, args.size)
        return 0
    if args.step:
        print(json.dumps(STEPS[args.step[0]](Path(args.step[1]))))
        return 0
    runs: list[dict[str, Any]] = []
    about = machine()
    if args.out and args.out.exists():  # figures of other sizes stay
        runs = [r for r in json.loads(args.out.read_text())["runs"] if r["entries"] not in args.sizes]
    for n in args.sizes:
        for size in SIZES:
            if size == "lean" or n <= FULL_UP_TO:
                with tempfile.TemporaryDirectory() as work:
                    runs.append(run(n, size, Path(work)))
    runs.sort(key=lambda r: (r["entries"], r["kb_each"]))
    goals = judged(runs)
    if args.out:
        args.out.write_text(json.dumps(rounded({"machine": about, "runs": runs, "goals": goals}), indent=1) + "\n")
    for goal in goals:
        note("met   " if goal["met"] else "MISSED", rounded(goal))
    return 0 if all(goal["met"] for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
